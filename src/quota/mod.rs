//! What each user may take of the server: so many widgets, views and kernels, so much memory, and so much a second of what frames
//! cost.
//!
//! Counts and bytes that are exceeded are refused with a message; rates that are exceeded slow down that user's frames. Where there are
//! no users, nothing is limited for each of them, and all widgets are one party at the encoder: first come, first served.

mod allowance;
mod limits;
mod memory;
mod places;
mod report;

use std::{
    collections::HashMap,
    num::NonZero,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread::available_parallelism,
    time::{Duration, Instant},
};

use dashmap::DashMap;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use self::{allowance::Allowance, limits::Rules};
pub use self::{
    limits::{ENCODER_THREADS, LimitsChange, MEGAPIXELS, MEMORY, UserLimits, WEIGHT},
    memory::{Account, Charge, LEAST_ROOM, Memory, OverMemory},
    places::{Held, Places},
    report::{Taken, UserReport},
};
use crate::{encode::Party, protocol::Refusal};

/// Most snapshots that one user is given at a time: as many as a page with several pictures asks for at once.
const SNAPSHOTS: usize = 4;

/// A user has as many of something as one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// Widgets.
    #[error(
        "the user may have {0} widgets (--user-max-widgets, or what an administrator set): close one of them"
    )]
    Widgets(usize),
    /// Views.
    #[error(
        "the widgets of this one's user may have {0} views (--user-max-views, or what an administrator set): close one of them"
    )]
    Views(usize),
    /// Views of others than the user.
    #[error(
        "the widgets of this one's user may have {0} views of others, the rest is kept for the user (--user-max-views, or what an administrator set): wait until one is closed"
    )]
    Visitors(usize),
    /// Kernels.
    #[error(
        "the user may have {0} kernels (--user-max-kernels, or what an administrator set): end one of them"
    )]
    Kernels(usize),
    /// Memory.
    #[error(transparent)]
    Memory(#[from] OverMemory),
}

impl Full {
    /// The code for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Memory(over) => over.code(),
            Self::Widgets(_) => "user_max_widgets",
            Self::Views(_) | Self::Visitors(_) => "user_max_views",
            Self::Kernels(_) => "user_max_kernels",
        }
    }
}

/// Whose view something is for: the owner's of the widget, or that of somebody to whom it is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The owner's, an administrator's, or whose who has the key.
    Owner,
    /// A visitor's.
    Visitors,
}

/// What visitors get of the encoder for what they alone need, where the owner of the widget gets 1.
const VISITORS_WEIGHT: f64 = 0.25;

/// A right to a view, for as long as it lives.
#[derive(Debug)]
pub struct ViewPlace {
    _all: Held,
    _visitors: Option<Held>,
}

/// How many of so many views may be others' than the owner's: one place in ten is kept for the owner, and two at least, but where there are
/// so few that this would be most of them.
pub fn most_of_visitors(views: usize) -> usize {
    views - (views / 10).max(2).min(views.div_ceil(2))
}

/// What one user takes of the server.
#[derive(Debug)]
pub struct Quota {
    owner: Option<String>,
    party: Party,
    /// Of what is encoded for visitors alone.
    visitors_party: Party,
    /// What holds.
    limits: Mutex<UserLimits>,
    /// What the server's flags say.
    flags: UserLimits,
    widgets: Places,
    views: Places,
    /// Of these, views of others than the user.
    visitors: Places,
    kernels: Places,
    snapshots: Places,
    memory: Arc<Account>,
    renderers: Arc<Semaphore>,
    /// Pixels sent to the views of the user's widgets.
    sent_pixels: AtomicU64,
    /// `None` where there are no users.
    spending: Option<Mutex<Spending>>,
    /// What visitors may be sent: as much again as the user may, and none of the user's. It holds where there are no users, too.
    visitors_pixels: Mutex<Allowance>,
}

#[derive(Debug)]
struct Spending {
    pixels: Allowance,
    encoder: Option<Allowance>,
    /// What of the party's use is in the allowance already.
    noted: Duration,
}

impl Quota {
    /// The quota of a user, with the limits that the server's flags say; without a user, of everybody, and without limits. What is held
    /// in memory counts on the account.
    pub fn new(owner: Option<String>, limits: UserLimits, memory: Arc<Account>) -> Self {
        let places = |most| if owner.is_some() { Places::new(most) } else { Places::unlimited() };
        let now = Instant::now();
        let spending = owner.is_some().then(|| {
            Mutex::new(Spending {
                pixels: Allowance::new(limits.pixels_per_second, now),
                encoder: limits.encoder_threads.map(|threads| Allowance::new(threads, now)),
                noted: Duration::ZERO,
            })
        });
        Self {
            widgets: places(limits.max_widgets),
            views: places(limits.max_views),
            visitors: places(most_of_visitors(limits.max_views)),
            kernels: places(limits.max_kernels),
            snapshots: places(SNAPSHOTS),
            memory,
            renderers: Arc::new(Semaphore::new(match &owner {
                Some(_) => available_parallelism().map_or(1, NonZero::get),
                None => Semaphore::MAX_PERMITS,
            })),
            sent_pixels: AtomicU64::new(0),
            party: Party::new(limits.weight),
            visitors_party: Party::new(limits.weight * VISITORS_WEIGHT),
            visitors_pixels: Mutex::new(Allowance::new(limits.pixels_per_second, now)),
            owner,
            limits: Mutex::new(limits),
            flags: limits,
            spending,
        }
    }

    /// Other limits hold from now on. What the user has by now stays, though it is more.
    pub fn set_limits(&self, limits: UserLimits, now: Instant) {
        let Some(spending) = &self.spending else { return };
        let mut held = self.limits.lock();
        self.widgets.set_most(limits.max_widgets);
        self.views.set_most(limits.max_views);
        self.visitors.set_most(most_of_visitors(limits.max_views));
        self.kernels.set_most(limits.max_kernels);
        self.memory.set_limit(limits.memory);
        self.party.set_weight(limits.weight);
        self.visitors_party.set_weight(limits.weight * VISITORS_WEIGHT);
        self.visitors_pixels.lock().set_rate(limits.pixels_per_second, now);
        let mut spending = spending.lock();
        spending.pixels.set_rate(limits.pixels_per_second, now);
        match (&mut spending.encoder, limits.encoder_threads) {
            (Some(encoder), Some(threads)) => encoder.set_rate(threads, now),
            (encoder, threads) => {
                *encoder = threads.map(|threads| Allowance::new(threads, now));
                // What was used before there was a limit is nobody's debt.
                spending.noted = self.party.used();
            }
        }
        *held = limits;
    }

    /// The user; `None` where there are none.
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// What is held in memory for the user.
    pub fn memory(&self) -> &Arc<Account> {
        &self.memory
    }

    /// Who this is at the encoder.
    pub fn party(&self, whose: Whose) -> &Party {
        match whose {
            Whose::Owner => &self.party,
            Whose::Visitors => &self.visitors_party,
        }
    }

    /// A place for one more widget.
    ///
    /// # Errors
    /// When the user has as many as one may, or no memory left for one.
    pub fn widget(&self) -> Result<Held, Full> {
        self.memory.has_room(LEAST_ROOM)?;
        self.widgets.take().ok_or_else(|| Full::Widgets(self.limits.lock().max_widgets))
    }

    /// A place for one more view of the user's widgets, the user's own or a visitor's: those leave some to the user.
    ///
    /// # Errors
    /// When there are as many as may be, or no memory left for one.
    pub fn view(&self, is_visitors: bool) -> Result<ViewPlace, Full> {
        self.memory.has_room(LEAST_ROOM)?;
        let max = || self.limits.lock().max_views;
        let visitors =
            is_visitors.then(|| self.visitors.take().ok_or_else(|| Full::Visitors(most_of_visitors(max()))));
        let visitors = visitors.transpose()?;
        let all = self.views.take().ok_or_else(|| Full::Views(max()))?;
        Ok(ViewPlace { _all: all, _visitors: visitors })
    }

    /// A place for one more kernel.
    ///
    /// # Errors
    /// When the user has as many as one may.
    pub fn kernel(&self) -> Result<Held, Full> {
        self.kernels.take().ok_or_else(|| Full::Kernels(self.limits.lock().max_kernels))
    }

    /// A place for one more snapshot that the user asks for over HTTP, if there is one.
    pub fn snapshot(&self) -> Option<Held> {
        self.snapshots.take()
    }

    /// Places for the user's renderers that work on the server's threads: as many at a time as there are cores. A user with many
    /// widgets thus takes no more of the machine's scheduler than that.
    pub fn renderers(&self) -> &Arc<Semaphore> {
        &self.renderers
    }

    /// So many pixels are sent to a view of theirs.
    #[expect(clippy::cast_precision_loss, reason = "frames have far fewer than 2^52 pixels")]
    pub fn sent(&self, whose: Whose, pixels: u64, now: Instant) {
        self.sent_pixels.fetch_add(pixels, Ordering::Relaxed);
        match (whose, &self.spending) {
            (Whose::Visitors, _) => self.visitors_pixels.lock().spend(pixels as f64, now),
            (Whose::Owner, Some(spending)) => spending.lock().pixels.spend(pixels as f64, now),
            (Whose::Owner, None) => {}
        }
    }

    /// How long their frames have to wait, since they took more than they may; `None` when they need not.
    pub fn wait(&self, whose: Whose, now: Instant) -> Option<Duration> {
        match whose {
            Whose::Owner => self.owners_wait(now),
            Whose::Visitors => {
                let wait = self.visitors_pixels.lock().wait(now);
                (!wait.is_zero()).then_some(wait)
            }
        }
    }

    fn owners_wait(&self, now: Instant) -> Option<Duration> {
        let mut spending = self.spending.as_ref()?.lock();
        let Spending { pixels, encoder, noted } = &mut *spending;
        let mut wait = pixels.wait(now);
        if let Some(encoder) = encoder {
            let used = self.party.used();
            encoder.spend(used.saturating_sub(*noted).as_secs_f64(), now);
            *noted = used;
            wait = wait.max(encoder.wait(now));
        }
        (!wait.is_zero()).then_some(wait)
    }
}

/// The quotas of all users. Those of users who have nothing any more are forgotten; what was set for them is not.
pub struct Quotas {
    users: DashMap<String, Known>,
    /// Locked while the user's entry above is, and never the other way round.
    rules: Mutex<Rules>,
    everybody: Arc<Quota>,
    memory: Arc<Memory>,
}

/// What there is of a user's, as long as somebody holds it.
#[derive(Default)]
struct Known {
    quota: Weak<Quota>,
    /// Bytes may be held a little longer than anything that the user has.
    memory: Weak<Account>,
}

impl Quotas {
    /// Nobody has anything yet in a process that may have so many bytes of memory. `weights` are those of users who have another than the rest.
    pub fn new(limits: UserLimits, weights: HashMap<String, f64>, max_memory: u64) -> Self {
        let rules = Mutex::new(Rules::new(limits, weights));
        let memory = Memory::of_process(max_memory);
        let everybody = Arc::new(Quota::new(None, limits, memory.account(u64::MAX)));
        Self { users: DashMap::new(), rules, everybody, memory }
    }

    /// The server's memory.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// The quota of a user, or the common one where there are none.
    pub fn of(&self, owner: Option<&str>) -> Arc<Quota> {
        let Some(owner) = owner else { return Arc::clone(&self.everybody) };
        if let Some(quota) = self.users.get(owner).and_then(|known| known.quota.upgrade()) {
            return quota;
        }
        self.users.retain(|_, known| known.quota.strong_count() + known.memory.strong_count() > 0);
        let mut known = self.users.entry(owner.to_owned()).or_default();
        known.quota.upgrade().unwrap_or_else(|| {
            let rules = self.rules.lock();
            let flags = rules.by_flags(owner);
            let memory = known.memory.upgrade().unwrap_or_else(|| self.memory.account(flags.memory));
            known.memory = Arc::downgrade(&memory);
            let quota = Quota::new(Some(owner.to_owned()), flags, memory);
            quota.set_limits(rules.of(owner), Instant::now());
            let quota = Arc::new(quota);
            known.quota = Arc::downgrade(&quota);
            quota
        })
    }

    /// Changes the limits of a user, who need not have anything yet. The change holds until the server ends.
    ///
    /// # Errors
    /// When a number is out of its range.
    pub fn change(&self, user: &str, change: LimitsChange) -> Result<Arc<Quota>, Refusal> {
        change.check()?;
        let quota = self.of(Some(user));
        // Nobody else sets this user's limits meanwhile.
        let _entry = self.users.entry(user.to_owned());
        let mut rules = self.rules.lock();
        rules.change(user, change);
        quota.set_limits(rules.of(user), Instant::now());
        drop(rules);
        Ok(quota)
    }

    /// The quotas of users who have something, or for whom something was set.
    pub fn users(&self) -> Vec<Arc<Quota>> {
        let changed = self.rules.lock().changed();
        // As long as these are held they are among the others.
        let _changed: Vec<_> = changed.iter().map(|user| self.of(Some(user))).collect();
        self.users.iter().filter_map(|known| known.quota.upgrade()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: UserLimits = UserLimits {
        max_widgets: 2,
        max_views: 3,
        max_kernels: 1,
        pixels_per_second: 1000.0,
        encoder_threads: Some(0.5),
        weight: 1.0,
        memory: USERS,
    };
    const USERS: u64 = 8 << 20;
    const ALL: u64 = 64 << 20;

    #[test]
    fn each_user_has_places_of_their_own_and_gets_them_back() {
        let quotas = Quotas::new(LIMITS, HashMap::new(), ALL);
        let (ann, bob) = (quotas.of(Some("ann")), quotas.of(Some("bob")));
        let held = (ann.widget().unwrap(), quotas.of(Some("ann")).widget().unwrap());
        assert_eq!(ann.widget().unwrap_err(), Full::Widgets(2));
        assert!(bob.widget().is_ok());
        drop(held);
        assert!(ann.widget().is_ok());
        let kernel = ann.kernel().unwrap();
        assert_eq!(ann.kernel().unwrap_err(), Full::Kernels(1));
        drop((kernel, ann, bob));
        quotas.of(Some("carl"));
        assert_eq!(quotas.users.len(), 1, "users who have nothing are kept");
    }

    #[test]
    fn visitors_leave_places_to_the_owner_who_leaves_them_none() {
        for (views, visitors) in [(1, 0), (2, 1), (3, 1), (4, 2), (10, 8), (30, 27), (1000, 900)] {
            assert_eq!(most_of_visitors(views), visitors, "{views}");
        }
        let quota = Quota::new(
            Some("ann".to_owned()),
            UserLimits { max_views: 4, ..LIMITS },
            Memory::new(ALL).account(USERS),
        );
        let held = [quota.view(true).unwrap(), quota.view(true).unwrap()];
        assert_eq!(quota.view(true).unwrap_err(), Full::Visitors(2));
        let own = [quota.view(false).unwrap(), quota.view(false).unwrap()];
        assert_eq!(quota.view(false).unwrap_err(), Full::Views(4));
        drop(held);
        let more = [quota.view(false).unwrap(), quota.view(false).unwrap()];
        assert_eq!(quota.view(true).unwrap_err(), Full::Views(4));
        drop(own);
        assert!(quota.view(true).is_ok());
        drop(more);
    }

    #[test]
    fn who_has_no_memory_left_gets_no_widget_and_no_view_and_others_do() {
        let quotas = Quotas::new(LIMITS, HashMap::new(), ALL);
        let (ann, bob, none) = (quotas.of(Some("ann")), quotas.of(Some("bob")), quotas.of(None));
        let held = ann.memory().charge(7 << 20).unwrap();
        assert!(ann.widget().is_ok());
        let more = ann.memory().charge(1).unwrap();
        let over = ann.widget().unwrap_err();
        assert_eq!((over.code(), ann.view(false).unwrap_err().code()), ("user_memory", "user_memory"));
        assert!(over.to_string().contains("--user-memory"), "{over}");
        assert!(ann.kernel().is_ok() && bob.widget().is_ok() && bob.view(true).is_ok());
        // What is held of who is forgotten counts when the user comes back.
        drop(ann);
        let ann = quotas.of(Some("ann"));
        assert_eq!((ann.memory().held(), ann.widget().is_err()), ((7 << 20) + 1, true));
        quotas.change("ann", change(r#"{"memory": 9437184}"#)).unwrap();
        assert!(ann.widget().is_ok());
        drop((held, more));
        assert_eq!(quotas.memory().held(), 0);
        // Where there are no users only the server's memory is an end.
        let all = none.memory().charge(40 << 20).unwrap();
        assert_eq!(none.widget().unwrap_err().code(), "memory");
        drop(all);
    }

    #[test]
    fn where_there_are_no_users_nothing_is_limited() {
        let everybody = Quotas::new(LIMITS, HashMap::new(), ALL).of(None);
        let held: Vec<_> =
            (0..100).map(|_| (everybody.widget(), everybody.view(true), everybody.kernel())).collect();
        assert!(held.iter().all(|held| held.0.is_ok() && held.1.is_ok() && held.2.is_ok()));
        let now = Instant::now();
        everybody.sent(Whose::Owner, 1_000_000_000, now);
        assert_eq!(everybody.wait(Whose::Owner, now), None);
    }

    #[test]
    fn who_is_given_another_weight_has_it_and_nobody_else() {
        let quotas = Quotas::new(LIMITS, HashMap::from([("ann".to_owned(), 2.0)]), ALL);
        let weight = |user| quotas.of(user).report(Instant::now()).limits.map(|limits| limits.weight);
        assert_eq!([weight(Some("ann")), weight(Some("bob")), weight(None)], [Some(2.0), Some(1.0), None]);
    }

    fn change(text: &str) -> LimitsChange {
        crate::protocol::json::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn limits_that_are_changed_hold_at_once_and_when_the_user_comes_back() {
        let quotas = Quotas::new(LIMITS, HashMap::new(), ALL);
        let (ann, now) = (quotas.of(Some("ann")), Instant::now());
        let held = (ann.widget().unwrap(), ann.widget().unwrap());
        quotas.change("ann", change(r#"{"max_widgets": 1, "weight": 4, "encoder_threads": 2}"#)).unwrap();
        let expected = UserLimits { max_widgets: 1, weight: 4.0, encoder_threads: Some(2.0), ..LIMITS };
        assert_eq!(ann.report(now).limits, Some(expected));
        assert_eq!(ann.report(now).flags, Some(LIMITS));
        assert_eq!((ann.report(now).taken.widgets, ann.widget().unwrap_err()), (2, Full::Widgets(1)));
        drop(held);
        assert!(ann.widget().is_ok());
        drop(ann);
        // Nobody has anything, and what was set is still told.
        assert_eq!(quotas.users().len(), 1);
        assert_eq!(quotas.of(Some("ann")).report(now).limits, Some(expected));
        quotas
            .change("ann", change(r#"{"max_widgets": null, "weight": null, "encoder_threads": null}"#))
            .unwrap();
        assert_eq!(quotas.of(Some("ann")).report(now).limits, Some(LIMITS));
        assert!(quotas.users().is_empty());
    }

    #[test]
    fn a_rate_that_is_set_holds_from_then_on_and_makes_no_debt_of_what_was_before() {
        let limits = UserLimits { encoder_threads: None, ..LIMITS };
        let quota = Quota::new(Some("ann".to_owned()), limits, Memory::new(ALL).account(USERS));
        let now = Instant::now();
        quota.sent(Whose::Owner, 2000, now);
        assert_eq!(quota.wait(Whose::Owner, now), Some(Duration::from_secs(1)));
        let limits = UserLimits { pixels_per_second: 4000.0, ..LIMITS };
        quota.set_limits(limits, now);
        assert_eq!(quota.wait(Whose::Owner, now), Some(Duration::from_millis(250)));
        quota.set_limits(LIMITS, now);
        assert_eq!(quota.wait(Whose::Owner, now + Duration::from_secs(1)), None);
    }

    #[test]
    fn what_visitors_are_sent_is_no_debt_of_the_owner_and_the_other_way_round() {
        let now = Instant::now();
        for owner in [Some("ann".to_owned()), None] {
            let has_user = owner.is_some();
            let quota = Quota::new(owner, LIMITS, Memory::new(ALL).account(USERS));
            quota.sent(Whose::Visitors, 3000, now);
            assert_eq!(quota.wait(Whose::Owner, now), None);
            assert_eq!(quota.wait(Whose::Visitors, now), Some(Duration::from_secs(2)));
            quota.sent(Whose::Owner, 5000, now);
            assert_eq!(quota.wait(Whose::Owner, now).is_some(), has_user);
            assert_eq!(quota.wait(Whose::Visitors, now), Some(Duration::from_secs(2)));
            assert_eq!(quota.report(now).sent_pixels, 8000);
        }
    }

    #[test]
    fn who_took_more_than_a_second_gives_waits_until_it_is_paid() {
        let quota = Quota::new(Some("ann".to_owned()), LIMITS, Memory::new(ALL).account(USERS));
        let now = Instant::now();
        assert_eq!(quota.wait(Whose::Owner, now), None);
        quota.sent(Whose::Owner, 4000, now);
        let wait = quota.wait(Whose::Owner, now).unwrap();
        assert!(wait <= Duration::from_secs(3) && wait > Duration::from_secs(2), "{wait:?}");
        assert_eq!(quota.wait(Whose::Owner, now + Duration::from_secs(4)), None);
    }
}
