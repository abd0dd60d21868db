//! The shares of all widgets in a file, so that they survive the server: whoever takes a widget up again after a restart finds
//! it shared as it was.
//!
//! The file says what holds now and nothing of before, and is on disk before an owner is told that something is shared or
//! revoked: what was revoked does not come back. It never leaves this machine, so that nobody can show an older one. A file that
//! cannot be read is left as it is: it may be all that is left of what was shared.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{
    Links, Share, Shares,
    keeper::{Change, Keeper},
};
use crate::{private_file, signing::Keys};

/// How long after the start the shares of a widget wait for it: its kernel connects again within a minute of back-off, unless
/// it sleeps or computes.
const AWAITED_FOR: Duration = Duration::from_secs(3600);
/// How long after the start what looks expired is not thrown away: the clock may not have been set yet.
const CLOCK_SETTLES_IN: Duration = Duration::from_secs(600);
/// How soon a file that could not be written is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(3);
/// Longest file, in bytes: 100 shares of each of many thousands of widgets.
const LONGEST_FILE: u64 = 1 << 30;

/// Why there is no ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file is there, and cannot be read, or says something else.
    #[error(
        "the shares in {path} cannot be read: {error}; it is left as it is: mend it, or move it away to begin with nothing \
         shared (--shares-file)"
    )]
    Unread {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// The file has shares and no keys for links, and fresh ones cannot be put into it.
    #[error(
        "the shares in {path} cannot be written: {error}; see to that, or name another file with --shares-file"
    )]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// There can be no thread that writes.
    #[error("the shares cannot be kept: {0}")]
    Thread(io::Error),
}

/// What the file says.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// With what links are signed.
    links: Option<Keys>,
    /// By id.
    widgets: BTreeMap<String, SharedWidget>,
}

/// A widget that is shared.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SharedWidget {
    owner: Option<String>,
    shares: Vec<Share>,
}

/// What of it is in memory.
struct Book {
    /// By id. A copy of the book is cheap: requests wait while it is made.
    widgets: BTreeMap<Arc<str>, Arc<SharedWidget>>,
    /// Those of before the start that nobody has taken up yet.
    awaited: BTreeSet<Arc<str>>,
    /// With what links are signed once it is kept.
    keys: Option<Keys>,
    /// Until when they are waited for.
    until: Instant,
    /// Counts the changes.
    changes: Change,
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
    links: Arc<Links>,
    book: Arc<Mutex<Book>>,
    /// None, if they are not to be kept.
    keeper: Option<Keeper>,
    /// From when on what looks expired has expired.
    clock_settles: Instant,
}

impl Ledger {
    /// What the file holds, where shares are to be kept, at Unix time `now`.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn open(file: Option<PathBuf>, now: u64) -> Result<Self, LedgerError> {
        let kept = match file.as_deref().map(read) {
            Some(Ok(kept)) => kept,
            Some(Err(error)) => return Err(LedgerError::Unread { path: file.unwrap_or_default(), error }),
            None => Kept::default(),
        };
        let signed_before = kept.links.is_some();
        let mut ledger = Self::holding(kept, now);
        let Some(file) = file else { return Ok(ledger) };
        let (book, links) = (Arc::clone(&ledger.book), Arc::clone(&ledger.links));
        // Fresh keys are written before they sign. Without a share they sign nothing before the first one is kept.
        let first = if signed_before { Ok(()) } else { write(&file, &book, &links).1 };
        let failed = first.is_err();
        if let Err(error) = first
            && !book.lock().awaited.is_empty()
        {
            return Err(LedgerError::Unwritten { path: file, error });
        }
        let keeper = Keeper::start(AGAIN_AFTER, move || {
            let (change, written) = write(&file, &book, &links);
            // For the log, which has to name the file.
            let named =
                |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
            (change, written.map_err(named))
        });
        ledger.keeper = Some(keeper.map_err(LedgerError::Thread)?);
        if failed {
            // That the file cannot be written shows at once.
            ledger.change(&mut ledger.book.lock());
        }
        Ok(ledger)
    }

    /// What a file of that content holds, which is kept nowhere.
    #[cfg(any(test, feature = "internals"))]
    pub fn of_text(text: &[u8], now: u64) -> io::Result<Self> {
        Ok(Self::holding(serde_json::from_slice(text)?, now))
    }

    /// What was kept, with fresh keys where there are none.
    fn holding(kept: Kept, now: u64) -> Self {
        let links = Arc::new(Links::of(kept.links.unwrap_or_else(|| Keys::fresh(now))));
        let widgets: BTreeMap<Arc<str>, _> =
            kept.widgets.into_iter().map(|(id, widget)| (Arc::from(id), Arc::new(widget))).collect();
        let awaited: BTreeSet<_> = widgets.keys().cloned().collect();
        let opened = Instant::now();
        let book = Book { widgets, awaited, keys: None, until: opened + AWAITED_FOR, changes: 0 };
        Self {
            links,
            book: Arc::new(Mutex::new(book)),
            keeper: None,
            clock_settles: opened + CLOCK_SETTLES_IN,
        }
    }

    /// Signs and checks links to widgets, at Unix time `now`. If it is time for another key, that one is written, and signs from
    /// then on.
    pub fn links(&self, now: u64) -> &Links {
        if self.links.due(now).is_some() {
            let mut book = self.book.lock();
            // The writer may just have put the next one in place.
            let due = self.links.due(now).filter(|_| book.keys.is_none());
            match (due, &self.keeper) {
                (Some(keys), None) => self.links.change(keys),
                (Some(keys), Some(_)) => {
                    book.keys = Some(keys);
                    self.change(&mut book);
                }
                (None, _) => {}
            }
        }
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
        let page = Page { ledger: Arc::clone(self), widget: widget.into(), owner: owner.map(str::to_owned) };
        Shares::of(shares, Some(page))
    }

    /// The owner and the shares of a widget that is not back yet; `None` if it is not waited for.
    pub fn awaited(&self, widget: &str) -> Option<(Option<String>, Shares)> {
        let mut book = self.book.lock();
        book.forget(Instant::now());
        let found = book.awaited.get(widget).and_then(|id| book.widgets.get(id))?;
        Some((found.owner.clone(), Shares::of(found.shares.clone(), None)))
    }

    /// How many changes are not on disk.
    pub fn unkept(&self) -> u64 {
        self.keeper.as_ref().map_or(0, Keeper::unkept)
    }

    /// Writes what is not kept yet, and nothing after that: the next process may read the file. Answers whether everything is
    /// kept.
    pub async fn finish(&self) -> bool {
        match &self.keeper {
            Some(keeper) => keeper.finish().await,
            None => true,
        }
    }

    /// The book was changed. Answers the number of the change.
    fn change(&self, book: &mut Book) -> Change {
        book.changes += 1;
        if let Some(keeper) = &self.keeper {
            keeper.changed(book.changes);
        }
        book.changes
    }
}

/// Writes the file. Answers the change up to which it is written, and how that went.
fn write(file: &Path, book: &Mutex<Book>, links: &Links) -> (Change, io::Result<()>) {
    #[derive(Serialize)]
    struct ToKeep<'a> {
        links: &'a Keys,
        widgets: BTreeMap<&'a str, &'a SharedWidget>,
    }
    let (change, widgets, next) = {
        let book = book.lock();
        (book.changes, book.widgets.clone(), book.keys.clone())
    };
    let keys = next.clone().unwrap_or_else(|| links.keys());
    let widgets = widgets.iter().map(|(id, widget)| (&**id, &**widget)).collect();
    let text = serde_json::to_vec(&ToKeep { links: &keys, widgets });
    let written = text.map_err(io::Error::from).and_then(|text| private_file::replace(file, &text));
    if let (Ok(()), Some(keys)) = (&written, next) {
        let mut book = book.lock();
        links.change(keys);
        book.keys = None;
    }
    (change, written)
}

/// Reads the file.
fn read(file: &Path) -> io::Result<Kept> {
    match private_file::read(file, LONGEST_FILE, private_file::OTHERS)? {
        Some(text) => Ok(serde_json::from_slice(&text)?),
        None => Ok(Kept::default()),
    }
}

/// A widget's place in the ledger.
pub struct Page {
    ledger: Arc<Ledger>,
    widget: Arc<str>,
    owner: Option<String>,
}

impl Page {
    /// Notes what the widget's shares are to be from now on. Answers the number of the change.
    pub fn note(&self, shares: Vec<Share>) -> Change {
        let mut book = self.ledger.book.lock();
        book.forget(Instant::now());
        book.awaited.remove(&self.widget);
        if shares.is_empty() {
            book.widgets.remove(&self.widget);
        } else {
            let widget = SharedWidget { owner: self.owner.clone(), shares };
            book.widgets.insert(Arc::clone(&self.widget), Arc::new(widget));
        }
        self.ledger.change(&mut book)
    }

    /// Whether a change is on disk, once it was tried.
    pub async fn kept(&self, change: Change) -> bool {
        match &self.ledger.keeper {
            Some(keeper) => keeper.kept(change).await,
            None => true,
        }
    }

    /// Whether what looks expired can be thrown away.
    pub fn clock_is_settled(&self) -> bool {
        Instant::now() >= self.ledger.clock_settles
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::{
        hub::random_id,
        protocol::view::Role,
        sharing::{
            LONGEST, Visitor, With,
            shares::{NotRevoked, NotShared},
        },
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

        fn try_open(&self) -> Result<Arc<Ledger>, LedgerError> {
            Ledger::open(Some(self.file()), NOW).map(Arc::new)
        }

        /// A server that starts.
        fn open(&self) -> Arc<Ledger> {
            self.try_open().unwrap()
        }

        /// From now on the disk takes nothing.
        fn fill(&self) {
            fs::rename(&self.0, self.0.with_extension("away")).unwrap();
            fs::write(&self.0, "no folder").unwrap();
        }

        fn make_room(&self) {
            fs::remove_file(&self.0).unwrap();
            fs::rename(self.0.with_extension("away"), &self.0).unwrap();
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            for path in [self.0.clone(), self.0.with_extension("away")] {
                let _ = fs::remove_dir_all(&path);
                let _ = fs::remove_file(&path);
            }
        }
    }

    fn bob() -> With {
        With::User("bob".to_owned())
    }

    /// Whether Bob has something in a widget.
    fn bob_has(shares: &Shares) -> bool {
        shares.granted(Visitor { user: Some("bob"), ..Visitor::default() }, MILLIS).is_some()
    }

    #[actix_web::test]
    async fn what_is_shared_comes_back_with_its_widget_and_links_are_good_still() {
        let place = Place::new();
        let ledger = place.open();
        let shares = ledger.shares("plot", Some("ann"));
        shares.add(bob(), Role::Interact, None, MILLIS).await.unwrap();
        let (link, _) = shares.add(With::Link, Role::Watch, Some(MILLIS + 60_000), MILLIS).await.unwrap();
        let secret = ledger.links(NOW).secret("plot", &link).unwrap();
        let mode = fs::metadata(place.file()).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode, fs::read_dir(&place.0).unwrap().count()), (0o600, 1));

        // Twice: what nobody changes stays.
        for ledger in [place.open(), place.open()] {
            let back = ledger.shares("plot", Some("ann"));
            assert_eq!(back.list(MILLIS), shares.list(MILLIS));
            assert!(ledger.links(NOW).check(&secret, "plot", NOW).unwrap().is_of(&link));
            assert!(back.list(MILLIS + 60_000).len() == 1, "an expired share came back");
        }
    }

    #[actix_web::test]
    async fn no_other_widget_and_no_other_owner_gets_them() {
        let place = Place::new();
        let ledger = place.open();
        ledger.shares("plot", Some("ann")).add(bob(), Role::Watch, None, MILLIS).await.unwrap();
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
        let (share, _) = plot.add(bob(), Role::Watch, None, MILLIS).await.unwrap();
        plot.add(With::Group("lab".to_owned()), Role::Watch, None, MILLIS).await.unwrap();
        closed.add(bob(), Role::Watch, None, MILLIS).await.unwrap();
        closed.end();
        assert_eq!(plot.revoke(&share.id).await, Ok(()));
        let ledger = place.open();
        assert_eq!(ledger.shares("plot", Some("ann")).list(MILLIS).len(), 1);
        assert_eq!(ledger.shares("closed", Some("ann")).list(MILLIS), []);
        // A handle that somebody still has brings nothing back either.
        closed.add(bob(), Role::Watch, None, MILLIS).await.unwrap();
        assert_eq!(place.open().shares("closed", Some("ann")).list(MILLIS), []);
    }

    #[actix_web::test]
    async fn a_share_that_cannot_be_kept_is_not_in_force_and_leaves_what_was() {
        let place = Place::new();
        let ledger = place.open();
        let shares = ledger.shares("plot", Some("ann"));
        shares.add(bob(), Role::Watch, None, MILLIS).await.unwrap();
        let before = shares.list(MILLIS);
        place.fill();
        for with in [bob(), With::Link, With::Group("lab".to_owned())] {
            let added = shares.add(with, Role::Interact, Some(MILLIS + 9), MILLIS).await;
            assert_eq!((added, shares.list(MILLIS)), (Err(NotShared::NotKept), before.clone()));
        }
        place.make_room();
        assert!(ledger.finish().await);
        assert_eq!(place.open().shares("plot", Some("ann")).list(MILLIS), before);
    }

    #[actix_web::test]
    async fn a_revocation_that_cannot_be_kept_holds_at_once_and_may_be_asked_for_until_it_is() {
        let place = Place::new();
        let ledger = place.open();
        let shares = ledger.shares("plot", Some("ann"));
        let (share, _) = shares.add(bob(), Role::Watch, None, MILLIS).await.unwrap();
        place.fill();
        for _ in 0..2 {
            assert_eq!(shares.revoke(&share.id).await, Err(NotRevoked::NotKept));
            assert!(!bob_has(&shares) && ledger.unkept() > 0);
        }
        assert_eq!(shares.revoke("other").await, Err(NotRevoked::Unknown));
        place.make_room();
        assert_eq!(shares.revoke(&share.id).await, Ok(()));
        assert_eq!((shares.revoke(&share.id).await, ledger.unkept()), (Err(NotRevoked::Unknown), 0));
        assert!(!bob_has(&place.open().shares("plot", Some("ann"))));
    }

    #[actix_web::test]
    async fn the_end_of_a_widget_and_what_nobody_asks_for_again_is_kept_as_soon_as_that_can_be() {
        let place = Place::new();
        let ledger = place.open();
        let [closed, revoked] = ["closed", "revoked"].map(|widget| ledger.shares(widget, Some("ann")));
        closed.add(bob(), Role::Watch, None, MILLIS).await.unwrap();
        let (share, _) = revoked.add(bob(), Role::Watch, None, MILLIS).await.unwrap();
        place.fill();
        closed.end();
        assert_eq!(revoked.revoke(&share.id).await, Err(NotRevoked::NotKept));
        place.make_room();
        assert!(ledger.finish().await);
        let ledger = place.open();
        assert!(
            !bob_has(&ledger.shares("closed", Some("ann")))
                && !bob_has(&ledger.shares("revoked", Some("ann")))
        );
    }

    #[actix_web::test]
    async fn widgets_of_before_are_waited_for_until_they_are_back_or_for_a_while() {
        let place = Place::new();
        let ledger = place.open();
        for widget in ["back", "away"] {
            ledger.shares(widget, Some("ann")).add(bob(), Role::Watch, None, MILLIS).await.unwrap();
        }
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
    fn a_file_that_cannot_be_read_is_left_as_it_is_and_named_with_what_to_do() {
        let place = Place::new();
        fs::create_dir(&place.0).unwrap();
        for text in ["", "{}", r#"{"links": null, "widgets": {"plot": {"owner": "ann", "shares": [{}]}}}"#] {
            fs::write(place.file(), text).unwrap();
            let error = place.try_open().err().expect("it was opened").to_string();
            assert!(
                error.contains(place.file().to_str().unwrap()) && error.contains("move it away"),
                "{error}"
            );
            assert_eq!(fs::read_to_string(place.file()).unwrap(), text);
        }
        fs::write(place.file(), r#"{"links": null, "widgets": {}}"#).unwrap();
        fs::set_permissions(place.file(), fs::Permissions::from_mode(0o666)).unwrap();
        assert!(place.try_open().err().expect("it was opened").to_string().contains("mode 666"));
        fs::remove_file(place.file()).unwrap();
        fs::create_dir(place.file()).unwrap();
        assert!(place.try_open().is_err(), "a folder was taken for a file");
    }

    #[actix_web::test]
    async fn a_link_that_was_signed_when_the_key_changes_is_good_after_a_restart() {
        let place = Place::new();
        let ledger = place.open();
        let shares = ledger.shares("plot", None);
        let end = Some(MILLIS + 2 * LONGEST * 1000);
        let (share, _) = shares.add(With::Link, Role::Watch, end, MILLIS).await.unwrap();
        let at = |period: u64| NOW + period * LONGEST;
        let first = ledger.links(NOW).secret("plot", &share).unwrap();
        // Asked for when the key is due: whichever signs is on disk.
        let second = ledger.links(at(1)).secret("plot", &share).unwrap();
        let again = place.open();
        assert!(again.links(at(1)).check(&second, "plot", at(1) + 1).is_some());
        drop(again);
        assert!(ledger.finish().await);
        let third = ledger.links(at(1) + 1).secret("plot", &share).unwrap();
        assert_ne!(first, third, "the key did not change");
        let again = place.open();
        for secret in [first, second, third] {
            assert!(again.links(at(1) + 1).check(&secret, "plot", at(1) + 1).is_some());
        }
    }

    #[actix_web::test]
    async fn a_key_that_cannot_be_kept_does_not_sign() {
        let place = Place::new();
        let ledger = place.open();
        let end = Some(MILLIS + 2 * LONGEST * 1000);
        let (share, _) = ledger.shares("plot", None).add(With::Link, Role::Watch, end, MILLIS).await.unwrap();
        let first = ledger.links(NOW).secret("plot", &share).unwrap();
        place.fill();
        let due = ledger.links(NOW + LONGEST).secret("plot", &share).unwrap();
        assert!(!ledger.finish().await);
        assert_eq!(
            [due, ledger.links(NOW + LONGEST).secret("plot", &share).unwrap()],
            [first.clone(), first]
        );
    }

    #[actix_web::test]
    async fn links_get_fresh_keys_that_are_on_disk_before_they_sign() {
        let place = Place::new();
        place.open().shares("plot", None).add(bob(), Role::Watch, None, MILLIS).await.unwrap();
        let text = fs::read_to_string(place.file()).unwrap();
        let mut kept: serde_json::Value = serde_json::from_str(&text).unwrap();
        kept.as_object_mut().unwrap().remove("links");
        fs::write(place.file(), kept.to_string()).unwrap();
        drop(place.open());
        assert!(fs::read_to_string(place.file()).unwrap().contains("newer"));
    }

    #[actix_web::test]
    async fn what_merely_looks_expired_right_after_the_start_is_not_thrown_away() {
        const YEARS: u64 = 300_000_000_000;
        let place = Place::new();
        let mut ledger = Ledger::open(Some(place.file()), NOW).unwrap();
        ledger.clock_settles = Instant::now() + CLOCK_SETTLES_IN;
        let ledger = Arc::new(ledger);
        let shares = ledger.shares("plot", Some("ann"));
        shares.add(bob(), Role::Watch, Some(MILLIS + 60_000), MILLIS).await.unwrap();
        let carl = || With::User("carl".to_owned());
        // The clock is years ahead when Carl is let in, and right again a moment later.
        shares.add(carl(), Role::Watch, None, MILLIS + YEARS).await.unwrap();
        assert!(bob_has(&shares));
        assert!(bob_has(&place.open().shares("plot", Some("ann"))));
        let mut settled = Ledger::open(Some(place.file()), NOW).unwrap();
        settled.clock_settles = Instant::now();
        let shares = Arc::new(settled).shares("plot", Some("ann"));
        shares.add(carl(), Role::Interact, None, MILLIS + YEARS).await.unwrap();
        assert!(!bob_has(&shares), "what expired long ago is kept for ever");
    }

    #[actix_web::test]
    async fn without_a_file_nothing_is_kept() {
        let ledger = Arc::new(Ledger::open(None, NOW).unwrap());
        let shares = ledger.shares("plot", None);
        let (share, _) = shares.add(With::Link, Role::Watch, Some(MILLIS + 1), MILLIS).await.unwrap();
        assert!(ledger.keeper.is_none() && ledger.awaited("plot").is_none());
        let secret = ledger.links(NOW + LONGEST - 1).secret("plot", &share).unwrap();
        assert_ne!(ledger.links(NOW + LONGEST).secret("plot", &share).unwrap(), secret);
    }
}
