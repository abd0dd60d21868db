//! The frames that a view may still be sent, where its View and its Widget can both reach them.
//!
//! A View that gives credits back need not wake its Widget each time: only when the Widget found too few before.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// The credits of one view. The Widget spends them, the View gives them back.
#[derive(Debug)]
pub struct Credits {
    /// Negative while `max_buffered_frames` was lowered below what is in flight.
    left: AtomicI64,
    /// Whether more were wanted than there were.
    missed: AtomicBool,
}

impl Credits {
    /// So many of them.
    pub fn new(credits: u32) -> Self {
        Self { left: AtomicI64::new(credits.into()), missed: AtomicBool::new(false) }
    }

    /// Gives credits, or takes some away (negative). Answers whether the Widget missed some, so that it has to be told.
    #[must_use]
    pub fn give(&self, credits: i64) -> bool {
        self.left.fetch_add(credits, Ordering::SeqCst);
        self.missed.swap(false, Ordering::SeqCst)
    }

    /// Whether there are more than so many. If not, whoever gives some next hears that they are missed.
    pub fn are_more_than(&self, few: i64) -> bool {
        let enough = || self.left.load(Ordering::SeqCst) > few;
        enough() || {
            self.missed.store(true, Ordering::SeqCst);
            // Some may have been given just before.
            enough()
        }
    }

    /// Spends one.
    pub(crate) fn spend(&self) {
        self.left.fetch_sub(1, Ordering::SeqCst);
    }

    /// Takes some back that were spent in vain.
    pub(crate) fn take_back(&self, credits: u32) {
        self.left.fetch_add(credits.into(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier, atomic::AtomicU32};

    use super::*;

    #[test]
    fn who_gives_credits_hears_whether_they_were_missed_once() {
        let credits = Credits::new(1);
        assert!(credits.are_more_than(0));
        assert!(!credits.give(1));
        assert!(!credits.are_more_than(2));
        assert!(credits.give(1));
        assert!(!credits.give(1));
        assert!(credits.are_more_than(3));
    }

    #[test]
    fn a_lowered_capacity_is_a_debt() {
        let credits = Credits::new(1);
        credits.spend();
        assert!(!credits.give(-1));
        assert!(!credits.are_more_than(0));
        assert!(credits.give(1), "it was missed, and is not enough yet");
        assert!(!credits.are_more_than(0));
        credits.take_back(1);
        assert!(credits.are_more_than(0));
    }

    /// Were a credit given unheard just as it is missed, the spender would never look again.
    #[test]
    fn no_credit_is_missed_and_given_unheard() {
        const ROUNDS: u32 = 20_000;
        let (credits, heard) = (Arc::new(Credits::new(0)), Arc::new(AtomicU32::new(0)));
        let barrier = Arc::new(Barrier::new(2));
        let giver = std::thread::spawn({
            let (credits, heard, barrier) = (Arc::clone(&credits), Arc::clone(&heard), Arc::clone(&barrier));
            move || {
                for round in 1..=ROUNDS {
                    barrier.wait();
                    if credits.give(1) {
                        heard.store(round, Ordering::SeqCst);
                    }
                    barrier.wait();
                }
            }
        });
        for round in 1..=ROUNDS {
            barrier.wait();
            let seen = credits.are_more_than(0);
            barrier.wait();
            assert!(seen || heard.load(Ordering::SeqCst) == round, "the credit of round {round} is lost");
            credits.spend();
        }
        giver.join().unwrap();
    }
}
