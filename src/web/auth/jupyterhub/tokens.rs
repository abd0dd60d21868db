//! The tokens that were seen lately, and what the Hub said of each. Those that it knows and those that it does not have rooms of their own,
//! so that no number of the latter makes the former forgotten.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dashmap::DashMap;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::accounts::{Account, Denied};
use crate::jupyterhub::Secret;

/// Most tokens that the Hub knows.
const MAX_KNOWN: usize = 10_000;
/// The share of these that makes room when there is no more: those that were asked about longest ago.
const ROOM: usize = MAX_KNOWN / 10;
/// Most tokens of which nothing good is known: more than wait for an answer at a time. Refusals need not be remembered for long.
const MAX_STRANGERS: usize = 1_000;

/// Stands for a token: who reads this memory finds none.
pub type Digest = [u8; 32];

/// What is known of a token. Whoever asks the Hub about it holds the lock.
pub type Slot = Arc<Mutex<Option<Known>>>;

/// An answer that holds.
#[derive(Debug, Clone)]
pub struct Known {
    pub answer: Result<Account, Denied>,
    /// When the question was asked that this answers.
    pub asked: Instant,
    /// When the latest attempt to ask ended.
    pub tried: Instant,
    /// Whether that one was in vain.
    pub failed: bool,
}

impl Known {
    /// Whether the token is good for anything.
    pub fn is_good(&self) -> bool {
        self.answer.as_ref().is_ok_and(Account::is_good)
    }
}

/// All tokens that were seen lately.
pub struct Tokens {
    /// How long an answer holds.
    holds: Duration,
    /// Those of which the Hub has said something good.
    known: DashMap<Digest, Slot>,
    /// All others.
    strangers: DashMap<Digest, Slot>,
}

impl Tokens {
    /// None.
    pub fn new(holds: Duration) -> Self {
        Self { holds, known: DashMap::new(), strangers: DashMap::new() }
    }

    /// The slot of a token, and whether the Hub once knew it.
    pub fn slot(&self, digest: &Digest) -> (Slot, bool) {
        if let Some(slot) = self.known.get(digest) {
            return (Arc::clone(&slot), true);
        }
        if self.strangers.len() >= MAX_STRANGERS {
            self.strangers.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        (Arc::clone(&self.strangers.entry(*digest).or_default()), false)
    }

    /// The Hub knows the token of a slot.
    pub fn is_known(&self, digest: &Digest, slot: &Slot) {
        if self.known.len() >= MAX_KNOWN {
            self.forget();
        }
        // In this order there is no moment at which it is in neither.
        self.known.insert(*digest, Arc::clone(slot));
        self.strangers.remove(digest);
    }

    /// Makes room among the known ones: what holds no longer goes; if that is not enough, what was asked about longest ago.
    fn forget(&self) {
        let mut asked = Vec::with_capacity(self.known.len());
        self.known.retain(|digest, slot| {
            // One that is being asked about stays.
            let Ok(known) = slot.try_lock() else { return true };
            match known.as_ref().filter(|known| known.is_good() && known.asked.elapsed() < self.holds) {
                Some(known) => {
                    asked.push((known.asked, *digest));
                    true
                }
                None => false,
            }
        });
        if self.known.len() >= MAX_KNOWN {
            asked.sort_unstable();
            for (_, digest) in asked.iter().take(ROOM) {
                self.known.remove(digest);
            }
        }
    }
}

/// What stands for a token.
pub fn digest(token: &Secret) -> Digest {
    Sha256::digest(token.reveal()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: usize) -> Digest {
        digest(&Secret::new(number.to_string()))
    }

    fn good(asked: Instant) -> Known {
        Known { answer: Ok(Account::of_nobody()), asked, tried: asked, failed: false }
    }

    #[test]
    fn no_flood_of_strangers_makes_a_known_token_forgotten() {
        let tokens = Tokens::new(Duration::from_secs(300));
        let (slot, known) = tokens.slot(&number(0));
        assert!(!known);
        *slot.try_lock().unwrap() = Some(good(Instant::now()));
        tokens.is_known(&number(0), &slot);
        let waits = tokens.slot(&number(1)).0;
        for stranger in 2..3 * MAX_STRANGERS {
            tokens.slot(&number(stranger));
            assert!(tokens.strangers.len() <= MAX_STRANGERS);
        }
        assert!(tokens.slot(&number(0)).1);
        assert!(Arc::ptr_eq(&tokens.slot(&number(1)).0, &waits), "who waits for an answer is forgotten");
    }

    #[test]
    fn of_too_many_known_tokens_those_asked_about_longest_ago_make_room() {
        let tokens = Tokens::new(Duration::from_secs(300));
        let start = Instant::now();
        for each in 0..=MAX_KNOWN {
            let slot = tokens.slot(&number(each)).0;
            *slot.try_lock().unwrap() = Some(good(start + Duration::from_micros(each as u64)));
            tokens.is_known(&number(each), &slot);
        }
        assert_eq!(tokens.known.len(), MAX_KNOWN - ROOM + 1);
        assert!(!tokens.slot(&number(0)).1 && tokens.slot(&number(MAX_KNOWN)).1);
    }
}
