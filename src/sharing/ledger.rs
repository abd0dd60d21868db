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
        Self::open_on(file, now, private_file::replace)
    }

    /// The same, on a disk where `put` writes a file.
    fn open_on(
        file: Option<PathBuf>,
        now: u64,
        put: impl Fn(&Path, &[u8]) -> io::Result<()> + Send + 'static,
    ) -> Result<Self, LedgerError> {
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
        let first = if signed_before { Ok(()) } else { write(&file, &book, &links, &put).1 };
        let failed = first.is_err();
        if let Err(error) = first
            && !book.lock().awaited.is_empty()
        {
            return Err(LedgerError::Unwritten { path: file, error });
        }
        let keeper = Keeper::start(AGAIN_AFTER, move || {
            let (change, written) = write(&file, &book, &links, &put);
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
fn write(
    file: &Path,
    book: &Mutex<Book>,
    links: &Links,
    put: impl Fn(&Path, &[u8]) -> io::Result<()>,
) -> (Change, io::Result<()>) {
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
    let written = text.map_err(io::Error::from).and_then(|text| put(file, &text));
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
mod tests;
