//! The shares of all widgets in a file, so that they survive the server: whoever takes a widget up again after a restart finds
//! it shared as it was.
//!
//! The file says what holds now and nothing of before, and is written before an owner is told that something is shared or
//! revoked: what was revoked does not come back. It never leaves this machine, so that nobody can show an older one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{Links, Share, Shares};
use crate::{private_file, signing::Keys};

/// How long after the start the shares of a widget wait for it: its kernel connects again within a minute of back-off, unless
/// it sleeps or computes.
const AWAITED_FOR: Duration = Duration::from_secs(3600);

/// What the file says.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// With what links are signed.
    links: Option<Keys>,
    /// By id.
    widgets: BTreeMap<String, SharedWidget>,
}

/// A widget that is shared.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SharedWidget {
    owner: Option<String>,
    shares: Vec<Share>,
}

/// What of it is in memory.
struct Book {
    widgets: BTreeMap<String, SharedWidget>,
    /// Those of before the start that nobody has taken up yet.
    awaited: BTreeSet<String>,
    /// Until when they are waited for.
    until: Instant,
    /// Counts the changes.
    changes: u64,
}

impl Book {
    /// Forgets what was waited for too long, at a time.
    fn forget(&mut self, now: Instant) {
        if now >= self.until {
            for id in std::mem::take(&mut self.awaited) {
                self.widgets.remove(&id);
            }
        }
    }
}

/// The shares of all widgets.
pub struct Ledger {
    /// Nowhere, if they are not to be kept.
    file: Option<PathBuf>,
    links: Links,
    book: Mutex<Book>,
    /// The change up to which the file is written. Whoever writes it holds the lock.
    written: Mutex<u64>,
}

impl Ledger {
    /// What the file holds, where shares are to be kept, at Unix time `now`. A file that cannot be read is said so in the log,
    /// and is as if there were none.
    pub fn open(file: Option<PathBuf>, now: u64) -> Self {
        let kept = file.as_deref().map(read).unwrap_or_default();
        let links = kept.links.map_or_else(|| Links::new(now), Links::of);
        let awaited = kept.widgets.keys().cloned().collect();
        let until = Instant::now() + AWAITED_FOR;
        let book = Book { widgets: kept.widgets, awaited, until, changes: 1 };
        Self { file, links, book: Mutex::new(book), written: Mutex::new(0) }
    }

    /// Signs and checks links to widgets.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// The shares of a widget that is made now: those of before, if it is one of before and the same owner's.
    pub fn shares(self: &Arc<Self>, widget: &str, owner: Option<&str>) -> Shares {
        let mut book = self.book.lock();
        book.forget(Instant::now());
        let before = book.widgets.get(widget).filter(|before| before.owner.as_deref() == owner);
        let shares = before.map(|before| before.shares.clone()).unwrap_or_default();
        if !shares.is_empty() {
            book.awaited.remove(widget);
        }
        let page =
            Page { ledger: Arc::clone(self), widget: widget.to_owned(), owner: owner.map(str::to_owned) };
        Shares::of(shares, Some(page))
    }

    /// The owner and the shares of a widget that is not back yet; `None` if it is not waited for.
    pub fn awaited(&self, widget: &str) -> Option<(Option<String>, Shares)> {
        let mut book = self.book.lock();
        book.forget(Instant::now());
        let found = book.awaited.get(widget).and_then(|id| book.widgets.get(id))?;
        Some((found.owner.clone(), Shares::of(found.shares.clone(), None)))
    }

    /// Writes the file, if something changed since it was written. It may take its time.
    pub fn write(&self) {
        let Some(file) = &self.file else { return };
        let mut written = self.written.lock();
        let (changes, text) = {
            let book = self.book.lock();
            let kept = Kept { links: Some(self.links.keys()), widgets: book.widgets.clone() };
            (book.changes, serde_json::to_vec(&kept).expect("names, texts and numbers are JSON"))
        };
        if *written == changes {
            return;
        }
        match private_file::replace(file, &text) {
            Ok(()) => *written = changes,
            Err(error) => {
                let path = file.display();
                tracing::error!(%error, %path, "shares cannot be kept: they are as they were before, after a restart");
            }
        }
    }
}

/// Reads the file.
fn read(file: &Path) -> Kept {
    let read = fs::read(file).and_then(|text| serde_json::from_slice(&text).map_err(io::Error::from));
    match read {
        Ok(kept) => kept,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
        Err(error) => {
            tracing::error!(%error, path = %file.display(), "the shares of before cannot be read: nothing is shared");
            Kept::default()
        }
    }
}

/// A widget's place in the ledger.
pub struct Page {
    ledger: Arc<Ledger>,
    widget: String,
    owner: Option<String>,
}

impl Page {
    /// Notes what the widget's shares are from now on.
    pub fn note(&self, shares: Vec<Share>) {
        let mut book = self.ledger.book.lock();
        book.forget(Instant::now());
        book.awaited.remove(&self.widget);
        book.changes += 1;
        if shares.is_empty() {
            book.widgets.remove(&self.widget);
        } else {
            let widget = SharedWidget { owner: self.owner.clone(), shares };
            book.widgets.insert(self.widget.clone(), widget);
        }
    }

    /// The ledger, to be written.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::{
        hub::random_id,
        protocol::view::Role,
        sharing::{Visitor, With},
    };

    const NOW: u64 = 1_700_000_000;
    const MILLIS: u64 = NOW * 1000;

    /// A file that is not there yet, in a folder that goes with this.
    struct Place(PathBuf);

    impl Place {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("framehub-test-{}", random_id())))
        }

        fn file(&self) -> PathBuf {
            self.0.join("shares.json")
        }

        /// A server that starts.
        fn open(&self) -> Arc<Ledger> {
            Arc::new(Ledger::open(Some(self.file()), NOW))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn bob() -> With {
        With::User("bob".to_owned())
    }

    /// Whether Bob has something in a widget.
    fn bob_has(shares: &Shares) -> bool {
        shares.granted(Visitor { user: Some("bob"), ..Visitor::default() }, MILLIS).is_some()
    }

    #[test]
    fn what_is_shared_comes_back_with_its_widget_and_links_are_good_still() {
        let place = Place::new();
        let ledger = place.open();
        let shares = ledger.shares("plot", Some("ann"));
        shares.add(bob(), Role::Interact, None, MILLIS).unwrap();
        let (link, _) = shares.add(With::Link, Role::Watch, Some(MILLIS + 60_000), MILLIS).unwrap();
        let secret = ledger.links().secret("plot", &link, NOW).unwrap();
        ledger.write();
        let mode = fs::metadata(place.file()).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode, fs::read_dir(&place.0).unwrap().count()), (0o600, 1));

        // Twice: what nobody changes stays.
        for ledger in [place.open(), place.open()] {
            let back = ledger.shares("plot", Some("ann"));
            assert_eq!(back.list(MILLIS), shares.list(MILLIS));
            assert!(ledger.links().check(&secret, "plot", NOW).unwrap().is_of(&link));
            assert!(back.list(MILLIS + 60_000).len() == 1, "an expired share came back");
        }
    }

    #[test]
    fn no_other_widget_and_no_other_owner_gets_them() {
        let place = Place::new();
        let ledger = place.open();
        ledger.shares("plot", Some("ann")).add(bob(), Role::Watch, None, MILLIS).unwrap();
        ledger.write();
        let ledger = place.open();
        for (widget, owner) in [("plot", Some("carl")), ("plot", None), ("other", Some("ann"))] {
            assert!(!bob_has(&ledger.shares(widget, owner)), "{widget} {owner:?}");
        }
        assert!(bob_has(&ledger.shares("plot", Some("ann"))));
    }

    #[actix_web::test]
    async fn what_was_revoked_and_what_ended_with_its_widget_does_not_come_back() {
        let place = Place::new();
        let ledger = place.open();
        let (plot, closed) = (ledger.shares("plot", Some("ann")), ledger.shares("closed", Some("ann")));
        let (share, _) = plot.add(bob(), Role::Watch, None, MILLIS).unwrap();
        plot.add(With::Group("lab".to_owned()), Role::Watch, None, MILLIS).unwrap();
        closed.add(bob(), Role::Watch, None, MILLIS).unwrap();
        plot.kept().await;
        plot.revoke(&share.id);
        closed.end();
        plot.kept().await;
        let ledger = place.open();
        assert_eq!(ledger.shares("plot", Some("ann")).list(MILLIS).len(), 1);
        assert_eq!(ledger.shares("closed", Some("ann")).list(MILLIS), []);
        // A handle that somebody still has brings nothing back either.
        closed.add(bob(), Role::Watch, None, MILLIS).unwrap();
        closed.kept().await;
        assert_eq!(place.open().shares("closed", Some("ann")).list(MILLIS), []);
    }

    #[test]
    fn widgets_of_before_are_waited_for_until_they_are_back_or_for_a_while() {
        let place = Place::new();
        let ledger = place.open();
        for widget in ["back", "away"] {
            ledger.shares(widget, Some("ann")).add(bob(), Role::Watch, None, MILLIS).unwrap();
        }
        ledger.write();
        let ledger = place.open();
        let (owner, shares) = ledger.awaited("back").unwrap();
        assert!(owner.as_deref() == Some("ann") && bob_has(&shares));
        assert!(ledger.awaited("other").is_none());
        ledger.shares("back", Some("ann"));
        assert!(ledger.awaited("back").is_none() && ledger.awaited("away").is_some());
        ledger.book.lock().forget(Instant::now() + AWAITED_FOR);
        assert!(ledger.awaited("away").is_none());
        assert!(!bob_has(&ledger.shares("away", Some("ann"))), "it came back too late");
        assert!(bob_has(&ledger.shares("back", Some("ann"))));
    }

    #[test]
    fn a_file_that_cannot_be_read_shares_nothing() {
        let place = Place::new();
        fs::create_dir(&place.0).unwrap();
        for text in ["", "{}", r#"{"links": null, "widgets": {"plot": {"owner": "ann", "shares": [{}]}}}"#] {
            fs::write(place.file(), text).unwrap();
            let ledger = place.open();
            let shares = ledger.shares("plot", Some("ann"));
            assert_eq!(shares.list(MILLIS), []);
            shares.add(bob(), Role::Watch, None, MILLIS).unwrap();
            ledger.write();
            assert!(bob_has(&place.open().shares("plot", Some("ann"))));
        }
    }

    #[test]
    fn without_a_file_nothing_is_kept() {
        let ledger = Arc::new(Ledger::open(None, NOW));
        let shares = ledger.shares("plot", None);
        shares.add(With::Link, Role::Watch, Some(MILLIS + 1), MILLIS).unwrap();
        ledger.write();
        assert!(ledger.file.is_none() && ledger.awaited("plot").is_none());
    }
}
