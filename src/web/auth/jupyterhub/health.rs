//! Whether the Hub answers. What strangers ask it may leave it silent for reasons of its own, so that no such question decides: one that
//! came to nothing raises a doubt, and the server's own greeting settles it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::api::Api;

/// How long what was found holds: those who come within it share one look.
const FRESH: Duration = Duration::from_secs(1);
/// How long a Hub that left a greeting open is not greeted again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What is known of the Hub.
pub struct Health {
    api: Arc<Api>,
    /// Whether a question timed out or was refused since the Hub last answered a greeting.
    doubted: AtomicBool,
    /// The latest look. Whoever looks holds the lock, so that there is one look at a time.
    latest: Mutex<Option<Look>>,
}

/// What somebody found who looked.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// Whether the Hub was there.
    found: bool,
    /// Whether it was greeted, not only connected to.
    greeted: bool,
    /// When the look ended.
    ended: Instant,
}

impl Look {
    /// Whether it need not be looked again.
    fn holds(&self, doubted: bool, now: Instant) -> bool {
        // That a Hub takes connections settles no doubt.
        let settles = self.greeted || !doubted;
        let silent = self.greeted && !self.found;
        settles && now < self.ended + if silent { RETRY_AFTER } else { FRESH }
    }
}

impl Health {
    /// Nothing is known.
    pub fn new(api: Arc<Api>) -> Self {
        Self { api, doubted: AtomicBool::new(false), latest: Mutex::default() }
    }

    /// A question timed out, or was refused.
    pub fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    /// Whether a browser may be sent to the Hub. Mostly that costs the Hub a connection a second at most: it is greeted only in doubt.
    pub async fn is_good(&self) -> bool {
        let mut latest = self.latest.lock().await;
        let doubted = self.doubted.load(Ordering::Relaxed);
        if let Some(look) = latest.filter(|look| look.holds(doubted, Instant::now())) {
            return look.found;
        }
        let found = if doubted { self.api.greet().await.is_ok() } else { self.api.listens().await };
        if found && doubted {
            self.doubted.store(false, Ordering::Relaxed);
        }
        *latest = Some(Look { found, greeted: doubted, ended: Instant::now() });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(found: bool, greeted: bool, doubted: bool, seconds: f64) -> bool {
        let ended = Instant::now();
        Look { found, greeted, ended }.holds(doubted, ended + Duration::from_secs_f64(seconds))
    }

    #[test]
    fn those_who_come_within_a_second_share_a_look() {
        for (found, greeted) in [(true, true), (true, false), (false, false)] {
            assert_eq!([0.9, 1.1].map(|seconds| holds(found, greeted, false, seconds)), [true, false]);
        }
    }

    #[test]
    fn a_doubt_is_settled_by_a_greeting_alone_and_a_silent_hub_is_greeted_seldom() {
        assert!(!holds(true, false, true, 0.0));
        assert_eq!([4.9, 5.1].map(|seconds| holds(false, true, true, seconds)), [true, false]);
    }
}
