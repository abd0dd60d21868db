//! Who shares the encoder's threads with others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Who shares a pool with others: a user, with all their widgets. Clones are the same party.
#[derive(Debug, Clone)]
pub struct Party(Arc<PartyInner>);

#[derive(Debug)]
struct PartyInner {
    /// No other party's.
    number: u64,
    /// What it gets of the threads' time beside others: the bits of a number.
    weight: AtomicU64,
    /// Nanoseconds of threads that its jobs took so far.
    used: AtomicU64,
}

impl Party {
    /// A party that is no other, of that weight: more than 0.
    pub fn new(weight: f64) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let weight = AtomicU64::new(weight.to_bits());
        Self(Arc::new(PartyInner { number, weight, used: AtomicU64::new(0) }))
    }

    /// It has another weight, more than 0, from its next job on.
    pub fn set_weight(&self, weight: f64) {
        self.0.weight.store(weight.to_bits(), Ordering::Relaxed);
    }

    /// What it gets of the threads' time beside others.
    pub(super) fn weight(&self) -> f64 {
        f64::from_bits(self.0.weight.load(Ordering::Relaxed))
    }

    /// No other party's.
    pub(super) fn number(&self) -> u64 {
        self.0.number
    }

    /// A job of it took so much time of threads.
    pub(super) fn spent(&self, time: Duration) {
        self.0.used.fetch_add(nanoseconds(time), Ordering::Relaxed);
    }

    /// Time of threads that its jobs took so far.
    pub fn used(&self) -> Duration {
        Duration::from_nanos(self.0.used.load(Ordering::Relaxed))
    }
}

impl Default for Party {
    fn default() -> Self {
        Self::new(1.0)
    }
}

/// A time as a counter keeps it.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
