//! The credits of one view: which frames are in flight, what a confirmation means, and when patience ends.
//!
//! A view may have a number of frames in flight. There is one credit for each frame that may still be sent
//! ([`Credits`](crate::credits::Credits)); this type says how many credits come back, and when. Every credit is either there or accounts
//! for one frame in flight, so their sum is always the capacity.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::adaptation::Reduction;

/// A frame as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The number of the widget's frame.
    pub frame: u64,
    /// Whether it only makes the frame before it exact. Such frames do not count in the statistics.
    pub settle: bool,
    /// What it was reduced to.
    pub reduction: Reduction,
    /// The length of its images.
    pub bytes: u64,
    /// How long it waited for its encode.
    pub waiting: Duration,
    /// How long its encode took.
    pub encoding: Duration,
}

/// A frame that was sent and is not yet confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlight {
    /// The index that the view confirms it with; 1, 2, 3, … for each view.
    pub index: u64,
    /// When it was handed to the socket.
    pub sent_at: Instant,
    /// The frame.
    pub sent: Sent,
}

/// A confirmation that breaks the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmError {
    /// No frame was sent with this index yet.
    #[error("frame {index} was never sent; the last one was {last}")]
    NeverSent {
        /// The index in the confirmation.
        index: u64,
        /// The last index that was sent; 0 when there was none.
        last: u64,
    },
    /// The frame, or a later one, was confirmed before.
    #[error("frame {index} is already confirmed: confirm each frame once, in order")]
    AlreadyConfirmed {
        /// The index in the confirmation.
        index: u64,
    },
}

/// What to do about a view that keeps frames unconfirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is overdue; look again at this time, if any frame is in flight.
    Wait(Option<Instant>),
    /// The first time: the frames are given up, this many credits go back to the sender.
    Refill(u32),
    /// The second time in a row: the view is gone.
    Drop,
}

/// The frames in flight to one view.
#[derive(Debug)]
pub struct Pacing {
    capacity: u32,
    deadline: Duration,
    in_flight: VecDeque<InFlight>,
    last_sent: u64,
    last_confirmed: u64,
    /// Whether the credits were refilled and nothing was confirmed since.
    refilled: bool,
}

impl Pacing {
    /// A view with `capacity` credits, all of them with the sender.
    pub fn new(capacity: u32, deadline: Duration) -> Self {
        Self {
            capacity,
            deadline,
            in_flight: VecDeque::new(),
            last_sent: 0,
            last_confirmed: 0,
            refilled: false,
        }
    }

    /// How many frames are in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Sets how many frames may be in flight; returns how many credits the sender gains, or loses (negative).
    pub fn set_capacity(&mut self, capacity: u32) -> i64 {
        let gained = i64::from(capacity) - i64::from(self.capacity);
        self.capacity = capacity;
        gained
    }

    /// Notes that a frame is sent now; returns its index.
    pub fn sent(&mut self, sent: Sent, now: Instant) -> u64 {
        self.last_sent += 1;
        self.in_flight.push_back(InFlight { index: self.last_sent, sent_at: now, sent });
        self.last_sent
    }

    /// Takes a confirmation: this frame and all before it have been drawn or skipped by the browser. Returns the frames that
    /// are no longer in flight, oldest first; a credit for each goes back to the sender. Frames given up before yield none.
    ///
    /// # Errors
    /// When the index was never sent, or is confirmed already.
    pub fn confirm(&mut self, index: u64) -> Result<Vec<InFlight>, ConfirmError> {
        if index == 0 || index > self.last_sent {
            return Err(ConfirmError::NeverSent { index, last: self.last_sent });
        }
        if index <= self.last_confirmed {
            return Err(ConfirmError::AlreadyConfirmed { index });
        }
        self.last_confirmed = index;
        self.refilled = false;
        let confirmed = self.in_flight.partition_point(|frame| frame.index <= index);
        Ok(self.in_flight.drain(..confirmed).collect())
    }

    /// Gives up all frames in flight; returns the credits that go back to the sender.
    pub fn refill(&mut self) -> u32 {
        let credits = u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX);
        self.in_flight.clear();
        credits
    }

    /// When the oldest frame in flight is overdue.
    pub fn due(&self) -> Option<Instant> {
        self.in_flight.front().map(|oldest| oldest.sent_at + self.deadline)
    }

    /// Says whether the oldest frame in flight is overdue, and what follows.
    pub fn check(&mut self, now: Instant) -> Verdict {
        let Some(due) = self.due() else { return Verdict::Wait(None) };
        if now < due {
            return Verdict::Wait(Some(due));
        }
        if self.refilled {
            return Verdict::Drop;
        }
        self.refilled = true;
        Verdict::Refill(self.refill())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn number(frame: u64) -> Sent {
        let (waiting, encoding) = (Duration::ZERO, Duration::ZERO);
        Sent { frame, settle: false, reduction: Reduction::NONE, bytes: 1000, waiting, encoding }
    }

    fn sent(frames: u64) -> (Pacing, Instant) {
        let (mut pacing, now) = (Pacing::new(2, DEADLINE), Instant::now());
        for frame in 1..=frames {
            assert_eq!(pacing.sent(number(100 + frame), now), frame);
        }
        (pacing, now)
    }

    #[test]
    fn a_confirmation_gives_back_a_credit_for_its_frame_and_each_before_it() {
        let (mut pacing, _) = sent(3);
        let confirmed = pacing.confirm(2).unwrap();
        assert_eq!(confirmed.iter().map(|frame| frame.sent.frame).collect::<Vec<_>>(), [101, 102]);
        assert_eq!(pacing.in_flight(), 1);
    }

    #[test]
    fn confirming_what_was_never_sent_or_is_confirmed_is_an_error() {
        let (mut pacing, _) = sent(2);
        assert_eq!(pacing.confirm(3), Err(ConfirmError::NeverSent { index: 3, last: 2 }));
        assert_eq!(pacing.confirm(0), Err(ConfirmError::NeverSent { index: 0, last: 2 }));
        pacing.confirm(2).unwrap();
        assert_eq!(pacing.confirm(2), Err(ConfirmError::AlreadyConfirmed { index: 2 }));
        assert_eq!(pacing.confirm(1), Err(ConfirmError::AlreadyConfirmed { index: 1 }));
    }

    #[test]
    fn the_first_overdue_frame_refills_the_credits_and_the_next_drops_the_view() {
        let (mut pacing, start) = sent(2);
        assert_eq!(pacing.check(start + DEADLINE / 2), Verdict::Wait(Some(start + DEADLINE)));
        assert_eq!(pacing.check(start + DEADLINE), Verdict::Refill(2));
        assert_eq!(pacing.check(start + DEADLINE), Verdict::Wait(None));
        pacing.sent(number(103), start + DEADLINE);
        assert_eq!(pacing.check(start + 2 * DEADLINE), Verdict::Drop);
    }

    #[test]
    fn a_late_confirmation_of_a_given_up_frame_is_no_error_and_earns_patience_again() {
        let (mut pacing, start) = sent(2);
        assert_eq!(pacing.check(start + DEADLINE), Verdict::Refill(2));
        assert_eq!(pacing.confirm(1), Ok(vec![]));
        pacing.sent(number(103), start + DEADLINE);
        assert_eq!(pacing.check(start + 2 * DEADLINE), Verdict::Refill(1));
    }

    #[test]
    fn asking_when_a_frame_is_due_gives_no_frame_up() {
        let (pacing, start) = sent(2);
        assert_eq!(pacing.due(), Some(start + DEADLINE));
        assert_eq!(pacing.in_flight(), 2);
    }

    #[test]
    fn changing_the_capacity_gains_or_loses_the_difference() {
        let (mut pacing, _) = sent(2);
        assert_eq!(pacing.set_capacity(5), 3);
        assert_eq!(pacing.set_capacity(1), -4);
    }
}
