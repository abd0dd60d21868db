//! The shares of one widget: what holds now.
//!
//! What is given holds once it is kept; what is taken away is gone at once, and is kept as soon as that can be.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as Turn, watch},
    time::timeout,
};

use super::{
    Granted, MAX_SHARES, Share, Visitor, With,
    keeper::{Change, WAIT},
    ledger::Page,
};
use crate::{protocol::view::Role, random::random_id};

/// Most shares that are held for a widget, expired ones included, which are not thrown away while the clock may be wrong.
const MAX_HELD: usize = 2 * MAX_SHARES;

/// Why a widget is not shared.
#[derive(Debug, PartialEq, Eq)]
pub enum NotShared {
    /// There are as many shares as there may be.
    Full,
    /// It cannot be kept: nothing has changed.
    NotKept,
    /// The share was revoked, or the widget closed, before it was kept.
    Gone,
}

/// Why a share was not revoked, or not for good.
#[derive(Debug, PartialEq, Eq)]
pub enum NotRevoked {
    /// There is none of that id.
    Unknown,
    /// It has ended, which cannot be kept: after a restart it may be back. It is tried again.
    NotKept,
}

/// All shares of a widget.
pub struct Shares {
    book: Mutex<Book>,
    /// Whoever adds a share has it until that is kept.
    turn: Turn<()>,
    /// Told of every change of what holds.
    changed: watch::Sender<()>,
}

struct Book {
    /// What holds, by id.
    all: BTreeMap<String, Share>,
    /// What is to hold once it is kept.
    proposed: Option<Share>,
    /// The ids of those that were revoked without anybody having been told that it is kept.
    unkept: BTreeSet<String>,
    /// Where they are kept, if they are.
    page: Option<Arc<Page>>,
}

impl Book {
    /// Notes what is to be kept.
    fn note(&self) -> Option<Noted> {
        let page = self.page.clone()?;
        let mut all = self.all.clone();
        all.extend(self.proposed.iter().map(|share| (share.id.clone(), share.clone())));
        let change = page.note(all.into_values().collect());
        Some(Noted { page, change })
    }

    /// Proposes a share at Unix time `now` in milliseconds. Answers it, and whether it is a new one.
    fn propose(
        &mut self,
        with: With,
        role: Role,
        expires: Option<u64>,
        now: u64,
    ) -> Result<(Share, bool), NotShared> {
        if self.page.as_ref().is_none_or(|page| page.clock_is_settled()) {
            self.all.retain(|_, share| share.holds(now));
        }
        let before = self.all.values().find(|share| with != With::Link && share.with == with);
        let fresh = before.is_none_or(|share| !share.holds(now));
        let id = before.map_or_else(random_id, |share| share.id.clone());
        let holding = self.all.values().filter(|share| share.holds(now)).count();
        if fresh && (holding >= MAX_SHARES || self.all.len() >= MAX_HELD) {
            return Err(NotShared::Full);
        }
        let share = Share { id, with, role, expires };
        self.proposed = Some(share.clone());
        Ok((share, fresh))
    }
}

/// A change that was noted.
struct Noted {
    page: Arc<Page>,
    change: Change,
}

/// Whether a change is on disk, once it was tried, where changes are kept.
async fn kept(noted: Option<Noted>) -> bool {
    match noted {
        Some(Noted { page, change }) => page.kept(change).await,
        None => true,
    }
}

/// A proposal that is taken back unless it is kept: whoever asked may be gone before.
struct Proposal<'a>(&'a Shares);

impl Drop for Proposal<'_> {
    fn drop(&mut self) {
        let mut book = self.0.book.lock();
        if book.proposed.take().is_some() {
            book.note();
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
    pub(super) fn of(shares: Vec<Share>, page: Option<Page>) -> Self {
        let all = shares.into_iter().map(|share| (share.id.clone(), share)).collect();
        let book = Book { all, proposed: None, unkept: BTreeSet::new(), page: page.map(Arc::new) };
        Self { book: Mutex::new(book), turn: Turn::new(()), changed: watch::Sender::new(()) }
    }

    /// Shares the widget, at Unix time `now` in milliseconds, once that is kept, where shares are kept. A user or a group that has it
    /// already has it from then on as is said here. Answers the share, and whether it is a new one.
    ///
    /// # Errors
    /// When there are as many as there may be, or it cannot be kept; nothing is another way then.
    pub async fn add(
        &self,
        with: With,
        role: Role,
        expires: Option<u64>,
        now: u64,
    ) -> Result<(Share, bool), NotShared> {
        // Those before wait for the same disk.
        let _turn = timeout(WAIT, self.turn.lock()).await.map_err(|_| NotShared::NotKept)?;
        let (share, fresh, noted) = {
            let mut book = self.book.lock();
            let (share, fresh) = book.propose(with, role, expires, now)?;
            (share, fresh, book.note())
        };
        let proposal = Proposal(self);
        if !kept(noted).await {
            return Err(NotShared::NotKept);
        }
        {
            let mut book = self.book.lock();
            let proposed = book.proposed.take().ok_or(NotShared::Gone)?;
            book.all.insert(proposed.id.clone(), proposed);
        }
        drop(proposal);
        self.changed.send_replace(());
        Ok((share, fresh))
    }

    /// Ends a share, at once, and waits until that is kept. It may be asked for again until it is.
    ///
    /// # Errors
    /// When there is no such share, or its end cannot be kept.
    pub async fn revoke(&self, id: &str) -> Result<(), NotRevoked> {
        let noted = {
            let mut book = self.book.lock();
            let held = book.all.remove(id).is_some();
            let proposed = book.proposed.take_if(|share| share.id == id).is_some();
            if !held && !proposed && !book.unkept.contains(id) {
                return Err(NotRevoked::Unknown);
            }
            if book.unkept.len() >= MAX_HELD {
                book.unkept.pop_first();
            }
            book.unkept.insert(id.to_owned());
            book.note()
        };
        self.changed.send_replace(());
        if !kept(noted).await {
            return Err(NotRevoked::NotKept);
        }
        self.book.lock().unkept.remove(id);
        Ok(())
    }

    /// The widget is closed: nothing of them is kept, as soon as that can be written.
    pub fn end(&self) {
        let mut book = self.book.lock();
        let held = book.proposed.take().is_some() || !book.all.is_empty();
        if let Some(page) = book.page.take().filter(|_| held) {
            page.note(Vec::new());
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

    #[actix_web::test]
    async fn a_share_is_for_its_user_or_its_group_until_it_expires() {
        let shares = Shares::default();
        shares.add(With::User("bob".to_owned()), Role::Watch, Some(NOW + 10), NOW).await.unwrap();
        shares.add(With::Group("lab".to_owned()), Role::Interact, None, NOW).await.unwrap();
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

    #[actix_web::test]
    async fn to_share_again_changes_the_share_and_links_are_each_their_own() {
        let shares = Shares::default();
        let bob = || With::User("bob".to_owned());
        let (first, fresh) = shares.add(bob(), Role::Watch, None, NOW).await.unwrap();
        assert!(fresh);
        let (second, fresh) = shares.add(bob(), Role::Interact, Some(NOW + 1), NOW).await.unwrap();
        assert_eq!((fresh, &second.id, second.role), (false, &first.id, Role::Interact));
        shares.add(With::Link, Role::Watch, Some(NOW + 1), NOW).await.unwrap();
        assert!(shares.add(With::Link, Role::Watch, Some(NOW + 1), NOW).await.unwrap().1);
        assert_eq!(shares.list(NOW).len(), 3);
    }

    #[actix_web::test]
    async fn every_change_is_told_and_what_is_revoked_is_gone() {
        let shares = Shares::default();
        let mut changes = shares.changes();
        let (share, _) = shares.add(With::Group("lab".to_owned()), Role::Watch, None, NOW).await.unwrap();
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert_eq!(shares.revoke(&share.id).await, Ok(()));
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert_eq!(shares.revoke(&share.id).await, Err(NotRevoked::Unknown));
        assert!(!changes.has_changed().unwrap());
        assert_eq!(shares.granted(user("bob", &["lab".to_owned()]), NOW), None);
    }

    #[actix_web::test]
    async fn shares_are_bounded_and_expired_ones_make_room() {
        let shares = Shares::default();
        for _ in 0..MAX_SHARES {
            shares.add(With::Link, Role::Watch, Some(NOW + 1), NOW).await.unwrap();
        }
        assert_eq!(shares.add(With::Link, Role::Watch, Some(NOW + 1), NOW).await, Err(NotShared::Full));
        assert!(shares.add(With::Link, Role::Watch, Some(NOW + 2), NOW + 1).await.is_ok());
    }

    #[test]
    fn whoever_goes_away_before_a_share_is_kept_leaves_none() {
        let shares = Shares::default();
        let bob = With::User("bob".to_owned());
        shares.book.lock().propose(bob, Role::Watch, None, NOW).unwrap();
        assert_eq!(shares.list(NOW), [], "it holds before it is kept");
        drop(Proposal(&shares));
        assert_eq!(shares.book.lock().proposed, None);
    }
}
