//! What each user may take of the server: so many widgets, views and kernels, and so much a second of what frames cost.
//!
//! Counts that are exceeded are refused with a message; rates that are exceeded slow down that user's frames. Where there are no
//! users, nothing is limited for each of them, and all widgets are one party at the encoder: first come, first served.

mod allowance;
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
use serde::Serialize;
use tokio::sync::Semaphore;

use self::allowance::Allowance;
pub use self::{
    places::{Held, Places},
    report::{Taken, UserReport},
};
use crate::encode::Party;

/// Bounds on what one user takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct UserLimits {
    /// Most widgets.
    pub max_widgets: usize,
    /// Most views of the user's widgets, whoever watches.
    pub max_views: usize,
    /// Most kernels connected.
    pub max_kernels: usize,
    /// Most pixels a second that are sent to the views of the user's widgets; more than 0.
    pub pixels_per_second: f64,
    /// Most time of encoder threads a second, in seconds: as many threads on average; more than 0. `None` leaves it to the
    /// encoder's fair queue.
    pub encoder_threads: Option<f64>,
    /// How much the user gets of the encoder's threads while others want them, relative to the others' weights; more than 0.
    pub weight: f64,
}

/// A user has as many of something as one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// Widgets.
    #[error(
        "the user has {0} widgets, which is the limit for each user (--user-max-widgets): close one of them"
    )]
    Widgets(usize),
    /// Views.
    #[error(
        "the widgets of this one's user have {0} views, which is the limit for each user (--user-max-views): close one of them"
    )]
    Views(usize),
    /// Kernels.
    #[error(
        "the user has {0} kernels, which is the limit for each user (--user-max-kernels): end one of them"
    )]
    Kernels(usize),
}

impl Full {
    /// The code for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Widgets(_) => "user_max_widgets",
            Self::Views(_) => "user_max_views",
            Self::Kernels(_) => "user_max_kernels",
        }
    }
}

/// What one user takes of the server.
#[derive(Debug)]
pub struct Quota {
    owner: Option<String>,
    party: Party,
    limits: UserLimits,
    widgets: Places,
    views: Places,
    kernels: Places,
    renderers: Arc<Semaphore>,
    /// Pixels sent to the views of the user's widgets.
    sent_pixels: AtomicU64,
    /// `None` where there are no users.
    spending: Option<Mutex<Spending>>,
}

#[derive(Debug)]
struct Spending {
    pixels: Allowance,
    encoder: Option<Allowance>,
    /// What of the party's use is in the allowance already.
    noted: Duration,
}

impl Quota {
    /// The quota of a user; without one, of everybody, and without limits.
    pub fn new(owner: Option<String>, limits: UserLimits) -> Self {
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
            kernels: places(limits.max_kernels),
            renderers: Arc::new(Semaphore::new(match &owner {
                Some(_) => available_parallelism().map_or(1, NonZero::get),
                None => Semaphore::MAX_PERMITS,
            })),
            sent_pixels: AtomicU64::new(0),
            party: Party::new(limits.weight),
            owner,
            limits,
            spending,
        }
    }

    /// The user; `None` where there are none.
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// Who this is at the encoder.
    pub fn party(&self) -> &Party {
        &self.party
    }

    /// A place for one more widget.
    ///
    /// # Errors
    /// When the user has as many as one may.
    pub fn widget(&self) -> Result<Held, Full> {
        self.widgets.take().ok_or(Full::Widgets(self.limits.max_widgets))
    }

    /// A place for one more view of the user's widgets.
    ///
    /// # Errors
    /// When there are as many as may be.
    pub fn view(&self) -> Result<Held, Full> {
        self.views.take().ok_or(Full::Views(self.limits.max_views))
    }

    /// A place for one more kernel.
    ///
    /// # Errors
    /// When the user has as many as one may.
    pub fn kernel(&self) -> Result<Held, Full> {
        self.kernels.take().ok_or(Full::Kernels(self.limits.max_kernels))
    }

    /// Places for the user's renderers that work on the server's threads: as many at a time as there are cores. A user with many
    /// widgets thus takes no more of the machine's scheduler than that.
    pub fn renderers(&self) -> &Arc<Semaphore> {
        &self.renderers
    }

    /// So many pixels are sent to a view.
    #[expect(clippy::cast_precision_loss, reason = "frames have far fewer than 2^52 pixels")]
    pub fn sent(&self, pixels: u64, now: Instant) {
        self.sent_pixels.fetch_add(pixels, Ordering::Relaxed);
        if let Some(spending) = &self.spending {
            spending.lock().pixels.spend(pixels as f64, now);
        }
    }

    /// How long the user's frames have to wait, since they took more than they may; `None` when they need not.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
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

/// The quotas of all users. Those of users who have nothing any more are forgotten.
pub struct Quotas {
    limits: UserLimits,
    /// Of users who have another weight.
    weights: HashMap<String, f64>,
    users: DashMap<String, Weak<Quota>>,
    everybody: Arc<Quota>,
}

impl Quotas {
    /// Nobody has anything.
    pub fn new(limits: UserLimits, weights: HashMap<String, f64>) -> Self {
        Self { limits, weights, users: DashMap::new(), everybody: Arc::new(Quota::new(None, limits)) }
    }

    /// The quota of a user, or the common one where there are none.
    pub fn of(&self, owner: Option<&str>) -> Arc<Quota> {
        let Some(owner) = owner else { return Arc::clone(&self.everybody) };
        if let Some(quota) = self.users.get(owner).and_then(|quota| quota.upgrade()) {
            return quota;
        }
        self.users.retain(|_, quota| quota.strong_count() > 0);
        let mut entry = self.users.entry(owner.to_owned()).or_default();
        entry.upgrade().unwrap_or_else(|| {
            let weight = self.weights.get(owner).copied().unwrap_or(self.limits.weight);
            let quota = Arc::new(Quota::new(Some(owner.to_owned()), UserLimits { weight, ..self.limits }));
            *entry = Arc::downgrade(&quota);
            quota
        })
    }

    /// The quotas of users who have something.
    pub fn users(&self) -> Vec<Arc<Quota>> {
        self.users.iter().filter_map(|quota| quota.upgrade()).collect()
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
    };

    #[test]
    fn each_user_has_places_of_their_own_and_gets_them_back() {
        let quotas = Quotas::new(LIMITS, HashMap::new());
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
    fn where_there_are_no_users_nothing_is_limited() {
        let everybody = Quotas::new(LIMITS, HashMap::new()).of(None);
        let held: Vec<_> =
            (0..100).map(|_| (everybody.widget(), everybody.view(), everybody.kernel())).collect();
        assert!(held.iter().all(|held| held.0.is_ok() && held.1.is_ok() && held.2.is_ok()));
        let now = Instant::now();
        everybody.sent(1_000_000_000, now);
        assert_eq!(everybody.wait(now), None);
    }

    #[test]
    fn who_is_given_another_weight_has_it_and_nobody_else() {
        let quotas = Quotas::new(LIMITS, HashMap::from([("ann".to_owned(), 2.0)]));
        let weight = |user| quotas.of(user).report(Instant::now()).limits.map(|limits| limits.weight);
        assert_eq!([weight(Some("ann")), weight(Some("bob")), weight(None)], [Some(2.0), Some(1.0), None]);
    }

    #[test]
    fn who_took_more_than_a_second_gives_waits_until_it_is_paid() {
        let quota = Quota::new(Some("ann".to_owned()), LIMITS);
        let now = Instant::now();
        assert_eq!(quota.wait(now), None);
        quota.sent(4000, now);
        let wait = quota.wait(now).unwrap();
        assert!(wait <= Duration::from_secs(3) && wait > Duration::from_secs(2), "{wait:?}");
        assert_eq!(quota.wait(now + Duration::from_secs(4)), None);
    }
}
