//! With whom a widget is shared, what they may do, and until when.

mod ledger;
mod link;
mod request;

use std::{collections::BTreeMap, sync::Arc};

use actix_web::rt::task::spawn_blocking;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use self::ledger::Page;
pub use self::{
    ledger::Ledger,
    link::{Links, Opened},
    request::{NewShare, Reach, describe, revoke, share},
};
use crate::{hub::random_id, protocol::view::Role};

/// Most shares of a widget.
pub const MAX_SHARES: usize = 100;
/// Longest time for which something is shared, in seconds, if it ends at all: 30 days. Links always end.
pub const LONGEST: u64 = 30 * 24 * 3600;

/// With whom a widget is shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum With {
    /// A user of the `JupyterHub`.
    User(String),
    /// All users of a group of the `JupyterHub`.
    Group(String),
    /// Whoever has the link.
    Link,
}

/// A permission to see a widget, or to act in it as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Names it among the widget's.
    pub id: String,
    /// Who has it.
    pub with: With,
    /// What they may do.
    pub role: Role,
    /// When it ends, Unix time in milliseconds; `None` with the widget.
    pub expires: Option<u64>,
}

impl Share {
    fn holds(&self, now: u64) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// What somebody may do in a widget that is not theirs, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// What they may do.
    pub role: Role,
    /// When that ends, Unix time in milliseconds; `None` while nothing changes.
    pub until: Option<u64>,
}

/// Somebody who is not the owner.
#[derive(Debug, Clone, Copy, Default)]
pub struct Visitor<'a> {
    /// The name, of a user.
    pub user: Option<&'a str>,
    /// The user's groups.
    pub groups: &'a [String],
    /// The links to this widget that they have.
    pub links: &'a [Opened],
}

impl Visitor<'_> {
    fn has(&self, share: &Share) -> bool {
        match &share.with {
            With::User(name) => self.user == Some(name),
            With::Group(name) => self.groups.contains(name),
            With::Link => self.links.iter().any(|link| link.is_of(share)),
        }
    }
}

/// There are as many shares as there may be.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

/// All shares of a widget.
pub struct Shares {
    book: Mutex<Book>,
    /// Told of every change.
    changed: watch::Sender<()>,
}

struct Book {
    /// By id.
    all: BTreeMap<String, Share>,
    /// Where they are kept, if they are.
    page: Option<Page>,
}

impl Book {
    /// Notes what holds now, to be kept.
    fn note(&self) {
        if let Some(page) = &self.page {
            page.note(self.all.values().cloned().collect());
        }
    }
}

impl std::fmt::Debug for Shares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shares").field(&self.book.lock().all).finish()
    }
}

impl Default for Shares {
    fn default() -> Self {
        Self::of(Vec::new(), None)
    }
}

impl Shares {
    /// These shares, kept on that page.
    fn of(shares: Vec<Share>, page: Option<Page>) -> Self {
        let all = shares.into_iter().map(|share| (share.id.clone(), share)).collect();
        Self { book: Mutex::new(Book { all, page }), changed: watch::Sender::new(()) }
    }

    /// Shares the widget, at Unix time `now` in milliseconds. A user or a group that has it already has it from now on as is
    /// said here. Answers the share, and whether it is a new one.
    ///
    /// # Errors
    /// When there are as many as there may be.
    pub fn add(&self, with: With, role: Role, expires: Option<u64>, now: u64) -> Result<(Share, bool), Full> {
        let mut book = self.book.lock();
        let all = &mut book.all;
        all.retain(|_, share| share.holds(now));
        let before = all.values().find(|share| with != With::Link && share.with == with);
        let (id, fresh) = before.map_or_else(|| (random_id(), true), |share| (share.id.clone(), false));
        if fresh && all.len() >= MAX_SHARES {
            return Err(Full);
        }
        let share = Share { id, with, role, expires };
        all.insert(share.id.clone(), share.clone());
        book.note();
        drop(book);
        self.changed.send_replace(());
        Ok((share, fresh))
    }

    /// Ends a share. Answers whether there was one.
    pub fn revoke(&self, id: &str) -> bool {
        let mut book = self.book.lock();
        let found = book.all.remove(id).is_some();
        if found {
            book.note();
            drop(book);
            self.changed.send_replace(());
        }
        found
    }

    /// Waits until they are kept as they are now, where shares are kept.
    pub async fn kept(&self) {
        let ledger = self.book.lock().page.as_ref().map(|page| Arc::clone(page.ledger()));
        if let Some(ledger) = ledger
            && spawn_blocking(move || ledger.write()).await.is_err()
        {
            tracing::error!("shares cannot be kept: the server stops");
        }
    }

    /// The widget is closed: nothing of them is kept. To be called within an actix system.
    pub fn end(&self) {
        let mut book = self.book.lock();
        if let Some(page) = book.page.take().filter(|_| !book.all.is_empty()) {
            page.note(Vec::new());
            let ledger = Arc::clone(page.ledger());
            spawn_blocking(move || ledger.write());
        }
    }

    /// The shares that hold at Unix time `now` in milliseconds: users, groups, then links, by name.
    pub fn list(&self, now: u64) -> Vec<Share> {
        let mut all: Vec<_> =
            self.book.lock().all.values().filter(|share| share.holds(now)).cloned().collect();
        all.sort_by_cached_key(|share| match &share.with {
            With::User(name) => (0, name.clone(), None),
            With::Group(name) => (1, name.clone(), None),
            With::Link => (2, String::new(), share.expires),
        });
        all
    }

    /// What somebody may do at Unix time `now` in milliseconds: the most that any share says, and for the longest.
    pub fn granted(&self, visitor: Visitor, now: u64) -> Option<Granted> {
        let book = self.book.lock();
        let theirs = book.all.values().filter(|share| share.holds(now) && visitor.has(share));
        let best = theirs
            .max_by_key(|share| (share.role == Role::Interact, share.expires.is_none(), share.expires))?;
        Some(Granted { role: best.role, until: best.expires })
    }

    /// Tells of every change from now on.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn user<'a>(name: &'a str, groups: &'a [String]) -> Visitor<'a> {
        Visitor { user: Some(name), groups, links: &[] }
    }

    #[test]
    fn a_share_is_for_its_user_or_its_group_until_it_expires() {
        let shares = Shares::default();
        shares.add(With::User("bob".to_owned()), Role::Watch, Some(NOW + 10), NOW).unwrap();
        shares.add(With::Group("lab".to_owned()), Role::Interact, None, NOW).unwrap();
        let watch = Some(Granted { role: Role::Watch, until: Some(NOW + 10) });
        assert_eq!(shares.granted(user("bob", &[]), NOW), watch);
        assert_eq!(shares.granted(user("bob", &[]), NOW + 10), None);
        assert_eq!(shares.granted(user("lab", &[]), NOW), None, "a group's name is no user's");
        assert_eq!(shares.granted(user("carl", &["bob".to_owned()]), NOW), None, "nor the other way round");
        let lab = ["physics".to_owned(), "lab".to_owned()];
        let interact = Some(Granted { role: Role::Interact, until: None });
        assert_eq!(shares.granted(user("bob", &lab), NOW), interact, "the larger right counts");
        assert_eq!(shares.list(NOW).len(), 2);
        assert_eq!(shares.list(NOW + 10).len(), 1);
    }

    #[test]
    fn to_share_again_changes_the_share_and_links_are_each_their_own() {
        let shares = Shares::default();
        let bob = || With::User("bob".to_owned());
        let (first, fresh) = shares.add(bob(), Role::Watch, None, NOW).unwrap();
        assert!(fresh);
        let (second, fresh) = shares.add(bob(), Role::Interact, Some(NOW + 1), NOW).unwrap();
        assert_eq!((fresh, &second.id, second.role), (false, &first.id, Role::Interact));
        shares.add(With::Link, Role::Watch, Some(NOW + 1), NOW).unwrap();
        assert!(shares.add(With::Link, Role::Watch, Some(NOW + 1), NOW).unwrap().1);
        assert_eq!(shares.list(NOW).len(), 3);
    }

    #[test]
    fn every_change_is_told_and_what_is_revoked_is_gone() {
        let shares = Shares::default();
        let mut changes = shares.changes();
        let (share, _) = shares.add(With::Group("lab".to_owned()), Role::Watch, None, NOW).unwrap();
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert!(shares.revoke(&share.id) && changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert!(!shares.revoke(&share.id) && !changes.has_changed().unwrap());
        assert_eq!(shares.granted(user("bob", &["lab".to_owned()]), NOW), None);
    }

    #[test]
    fn shares_are_bounded_and_expired_ones_make_room() {
        let shares = Shares::default();
        for _ in 0..MAX_SHARES {
            shares.add(With::Link, Role::Watch, Some(NOW + 1), NOW).unwrap();
        }
        assert_eq!(shares.add(With::Link, Role::Watch, Some(NOW + 1), NOW), Err(Full));
        assert!(shares.add(With::Link, Role::Watch, Some(NOW + 2), NOW + 1).is_ok());
    }
}
