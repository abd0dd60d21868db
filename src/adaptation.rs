//! How much less a view is sent while the picture moves, so that it keeps up with its link.
//!
//! What a link does to a frame is what its round trip took beyond the quickest one of the connection, net of the
//! browser's own drawing: that is the time that fewer bytes can save. When it is more than the target leaves room for, the
//! view goes down a ladder of coarse steps, first in quality, then in pixels; when there is room for the step above, it
//! goes up again, later and later while that turns out too early. Steps that save bytes and no time are taken back: then
//! the link is not the reason.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// What a view's frames are reduced to while they move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reduction {
    /// Ceiling of the JPEG quality, 1..=100.
    pub quality: u8,
    /// Pixels a side, in percent of what the view can show, 1..=100.
    pub percent: u8,
}

impl Reduction {
    /// Nothing is reduced.
    pub const NONE: Self = Self { quality: 100, percent: 100 };

    /// The reduction of frames whose quality is at most `quality`.
    #[must_use]
    pub fn below(self, quality: u8) -> Self {
        Self { quality: self.quality.min(quality), ..self }
    }

    /// About how many bytes a frame has, as a share of one of quality 80 and all pixels: measured on plots, shaded
    /// surfaces and photographs.
    fn cost(self) -> f64 {
        let quality = match self.quality {
            70.. => 1.0,
            50.. => 0.65,
            30.. => 0.48,
            _ => 0.36,
        };
        quality * (f64::from(self.percent) / 100.0).powi(2)
    }
}

/// The steps, best first. Each roughly halves the bytes, but for the first ones, which change the look least.
const LADDER: [Reduction; 8] = [
    Reduction::NONE,
    Reduction { quality: 60, percent: 100 },
    Reduction { quality: 40, percent: 100 },
    Reduction { quality: 25, percent: 100 },
    Reduction { quality: 25, percent: 70 },
    Reduction { quality: 25, percent: 50 },
    Reduction { quality: 25, percent: 35 },
    Reduction { quality: 25, percent: 25 },
];
/// Most steps down at once.
const STRIDE: usize = 3;
/// However far away a view is, its frames may take this long beyond the way there, in seconds: the way itself cannot be
/// shortened.
const ROOM: f64 = 0.050;
/// Frames of fewer bytes are not made smaller: on any link that shows pictures they are not what takes the time.
const SMALL: u64 = 4096;
/// Decisions rest on this many frames at most.
const WINDOW: usize = 5;
/// A step up needs so much of the target to be free.
const HEADROOM: f64 = 0.8;
/// Shortest and longest time for which there must be room before a step up.
const PATIENCE: Duration = Duration::from_secs(2);
const LONGEST_PATIENCE: Duration = Duration::from_secs(60);
/// For how long a link on which fewer bytes saved no time is left alone, the first time and at most.
const ACQUITTAL: Duration = Duration::from_secs(10);
const LONGEST_ACQUITTAL: Duration = Duration::from_secs(300);
/// A step down so soon after a step up says that the step up came too early.
const TOO_EARLY: Duration = Duration::from_secs(10);

/// A frame that was sent and confirmed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// What it was reduced to.
    pub reduction: Reduction,
    /// Its length.
    pub bytes: u64,
    /// Seconds that its encode took.
    pub encoding: f64,
    /// Seconds from sending to its confirmation, without those that the browser took to draw it.
    pub roundtrip: f64,
}

/// A frame's time on the link.
#[derive(Debug, Clone, Copy)]
struct Passage {
    bytes: u64,
    /// Seconds beyond the quickest round trip.
    took: f64,
    /// Seconds that it may take.
    allowed: f64,
}

/// The step of one view on the ladder.
#[derive(Debug)]
pub struct Adaptation {
    /// Seconds from draw to display that are aimed at.
    target: f64,
    level: usize,
    /// The quickest round trip of the connection, in seconds.
    quickest: f64,
    /// The latest frames of this level, oldest first.
    passages: VecDeque<Passage>,
    /// Since when there has been room for the level above.
    room_since: Option<Instant>,
    patience: Duration,
    last_up: Option<Instant>,
    /// The level and the frames before a step down that has not yet proved useful.
    before: Option<(usize, Passage)>,
    /// Until when the link is not taken to be the reason for what is late.
    acquitted_until: Option<Instant>,
    /// How long it will not be when it is found innocent the next time.
    acquittal: Duration,
}

impl Adaptation {
    /// A fresh connection, for which nothing is reduced; `target` is the time from draw to display that is aimed at.
    pub fn new(target: Duration) -> Self {
        Self {
            target: target.as_secs_f64(),
            level: 0,
            quickest: f64::INFINITY,
            passages: VecDeque::new(),
            room_since: None,
            patience: PATIENCE,
            last_up: None,
            before: None,
            acquitted_until: None,
            acquittal: ACQUITTAL,
        }
    }

    /// What frames are to be reduced to now.
    pub fn reduction(&self) -> Reduction {
        LADDER[self.level]
    }

    /// Takes the round trip of a message without a frame, in seconds.
    pub fn pinged(&mut self, roundtrip: f64) {
        self.quickest = self.quickest.min(roundtrip);
    }

    /// Takes a confirmed frame that moved, whose quality without reduction is `quality`.
    pub fn confirmed(&mut self, sample: Sample, quality: u8, now: Instant) {
        self.quickest = self.quickest.min(sample.roundtrip);
        if sample.reduction != self.reduction() {
            // It was on its way before the last step.
            return;
        }
        if self.passages.len() == WINDOW {
            self.passages.pop_front();
        }
        self.passages.push_back(Passage {
            bytes: sample.bytes,
            took: sample.roundtrip - self.quickest,
            allowed: (self.target - self.quickest / 2.0 - sample.encoding).max(ROOM),
        });
        self.decide(quality, now);
    }

    /// Frames were not confirmed at all: whatever the reason, the next ones had better be small.
    pub fn gave_up(&mut self) {
        self.set((self.level + STRIDE).min(LADDER.len() - 1));
    }

    /// Goes back to no reduction, as for a view that is not to be adapted.
    pub fn reset(&mut self) {
        if self.level != 0 {
            self.set(0);
        }
    }

    fn decide(&mut self, quality: u8, now: Instant) {
        let count = self.passages.len();
        let typical = self.typical();
        if let Some((level, before)) = self.before.filter(|_| count >= 3) {
            self.before = None;
            #[expect(clippy::cast_precision_loss, reason = "frames are shorter than 2^52 bytes")]
            let saved = (typical.bytes as f64) < 0.8 * before.bytes as f64;
            if saved && typical.took > 0.9 * before.took {
                self.set(level);
                self.acquitted_until = Some(now + self.acquittal);
                self.acquittal = (self.acquittal * 2).min(LONGEST_ACQUITTAL);
                return;
            }
        }
        if self.before.is_some() {
            return;
        }
        let late = count >= 3 && typical.took > typical.allowed
            || count == 2 && self.passages.iter().all(|passage| passage.took > 2.0 * passage.allowed);
        if late && typical.bytes > SMALL && self.acquitted_until.is_none_or(|until| now >= until) {
            self.down(typical, quality, now);
        } else if count == WINDOW {
            self.up(typical, quality, now);
        }
    }

    /// The median frame of this level.
    fn typical(&self) -> Passage {
        let median = |of: fn(&Passage) -> f64| {
            let mut values: Vec<_> = self.passages.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let mut bytes: Vec<_> = self.passages.iter().map(|passage| passage.bytes).collect();
        bytes.sort_unstable();
        Passage { bytes: bytes[bytes.len() / 2], took: median(|p| p.took), allowed: median(|p| p.allowed) }
    }

    /// As few steps down as seem enough, among those that differ at this quality.
    fn down(&mut self, typical: Passage, quality: u8, now: Instant) {
        let here = self.reduction().below(quality);
        let lower = |level: &usize| LADDER[*level].below(quality) != here;
        let candidates: Vec<_> = (self.level + 1..LADDER.len()).filter(lower).take(STRIDE).collect();
        let enough = |level: &&usize| {
            let share = LADDER[**level].below(quality).cost() / here.cost();
            typical.took * share <= typical.allowed
        };
        let Some(&level) = candidates.iter().find(enough).or(candidates.last()) else { return };
        self.patience = match self.last_up {
            Some(up) if now.duration_since(up) < TOO_EARLY => (self.patience * 2).min(LONGEST_PATIENCE),
            _ => PATIENCE,
        };
        let before = self.level;
        self.set(level);
        self.before = Some((before, typical));
    }

    /// A step up if there has been room for it long enough.
    fn up(&mut self, typical: Passage, quality: u8, now: Instant) {
        let here = self.reduction().below(quality);
        let Some(level) = (0..self.level).rev().find(|level| LADDER[*level].below(quality) != here) else {
            // The levels above do not differ at this quality.
            self.level = 0;
            return;
        };
        let growth = LADDER[level].below(quality).cost() / here.cost();
        if typical.took * growth > HEADROOM * typical.allowed {
            self.room_since = None;
            return;
        }
        let since = *self.room_since.get_or_insert(now);
        if now.duration_since(since) >= self.patience {
            self.set(level);
            self.last_up = Some(now);
        }
    }

    fn set(&mut self, level: usize) {
        self.level = level;
        self.passages.clear();
        self.room_since = None;
        self.before = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TARGET: Duration = Duration::from_millis(100);

    /// A link that one frame after another crosses, and a picture whose full frames have a given length.
    struct Link {
        adaptation: Adaptation,
        now: Instant,
        quality: u8,
        /// Bytes of a frame at quality 80.
        bytes: f64,
        /// Bytes a second.
        rate: f64,
        /// Seconds there and back.
        latency: f64,
        /// Seconds that each frame takes for reasons of its own.
        delay: f64,
        changes: usize,
    }

    impl Link {
        fn new(bytes: f64, rate: f64, latency: f64) -> Self {
            let mut adaptation = Adaptation::new(TARGET);
            adaptation.pinged(latency);
            let (now, quality, delay, changes) = (Instant::now(), 80, 0.0, 0);
            Self { adaptation, now, quality, bytes, rate, latency, delay, changes }
        }

        fn took(&self) -> f64 {
            self.bytes * self.adaptation.reduction().below(self.quality).cost() / self.rate + self.delay
        }

        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths of frames")]
        fn run(&mut self, seconds: f64) -> Reduction {
            let end = self.now + Duration::from_secs_f64(seconds);
            while self.now < end {
                let reduction = self.adaptation.reduction();
                let roundtrip = self.latency + self.took();
                self.now += Duration::from_secs_f64(roundtrip.max(0.016));
                let bytes = (self.bytes * reduction.below(self.quality).cost()) as u64;
                let sample = Sample { reduction, bytes, encoding: 0.005, roundtrip };
                self.adaptation.confirmed(sample, self.quality, self.now);
                self.changes += usize::from(self.adaptation.reduction() != reduction);
            }
            self.adaptation.reduction()
        }
    }

    #[test]
    fn a_quick_link_gets_everything() {
        assert_eq!(Link::new(300e3, 100e6, 0.001).run(60.0), Reduction::NONE);
    }

    #[test]
    fn a_slow_link_gets_less_quality_and_then_fewer_pixels() {
        let mild = Link::new(100e3, 750e3, 0.01).run(10.0);
        assert!(mild.quality < 80 && mild.percent == 100, "{mild:?}");
        let strong = Link::new(100e3, 250e3, 0.3).run(10.0);
        assert!(strong.percent < 100, "{strong:?}");
    }

    #[test]
    fn the_first_late_frames_are_enough_to_go_down() {
        let mut link = Link::new(300e3, 250e3, 0.3);
        link.run(3.0);
        assert_ne!(link.adaptation.reduction(), Reduction::NONE);
    }

    #[test]
    fn quality_comes_back_step_by_step_when_the_link_is_free_again() {
        let mut link = Link::new(100e3, 250e3, 0.02);
        let low = link.run(20.0);
        link.rate = 100e6;
        let soon = link.run(3.0);
        assert!(low != soon && soon != Reduction::NONE, "{low:?}, {soon:?}");
        assert_eq!(link.run(60.0), Reduction::NONE);
    }

    #[test]
    fn a_link_between_two_steps_is_tried_less_and_less_often() {
        // What the ladder expects of a step up is less than what comes of it.
        let mut link = Link::new(100e3, 900e3, 0.01);
        link.run(30.0);
        let early = link.changes;
        link.run(600.0);
        assert!(link.changes - early < 30, "{} changes after {early}", link.changes - early);
    }

    #[test]
    fn what_fewer_bytes_do_not_speed_up_stays_as_it_is() {
        let mut link = Link::new(100e3, 100e6, 0.001);
        link.delay = 0.3;
        link.run(5.0);
        let mut reduced = 0.0;
        for _ in 0..600 {
            if link.run(0.3) != Reduction::NONE {
                reduced += 0.3;
            }
        }
        assert!(reduced < 30.0, "reduced for {reduced} of 180 s");
    }

    #[test]
    fn small_frames_are_not_made_smaller() {
        assert_eq!(Link::new(4000.0, 8e3, 0.01).run(30.0), Reduction::NONE);
    }

    #[test]
    fn distance_alone_reduces_nothing() {
        assert_eq!(Link::new(30e3, 10e6, 0.6).run(60.0), Reduction::NONE);
    }

    #[test]
    fn frames_that_nobody_confirms_lower_what_comes_next() {
        let mut adaptation = Adaptation::new(TARGET);
        adaptation.gave_up();
        assert_eq!(adaptation.reduction(), LADDER[STRIDE]);
        adaptation.reset();
        assert_eq!(adaptation.reduction(), Reduction::NONE);
    }

    proptest! {
        #[test]
        fn frames_keep_to_the_target_or_are_as_small_as_they_get(
            bytes in 5e3..2e6f64, rate in 20e3..50e6f64, latency in 0.0005..0.5f64, quality in 20u8..100,
        ) {
            let mut link = Link::new(bytes, rate, latency);
            link.quality = quality;
            // Long enough for decisions also where the first frames take minutes.
            link.run(120.0 + 60.0 * link.took());
            let allowed = (0.1 - latency / 2.0 - 0.005).max(ROOM);
            let floor = LADDER[LADDER.len() - 1];
            let small = link.bytes * link.adaptation.reduction().below(quality).cost() < 4500.0;
            prop_assert!(
                link.took() <= allowed * 1.01 || link.adaptation.reduction() == floor || small,
                "{:?} takes {} of {allowed}", link.adaptation.reduction(), link.took()
            );
        }
    }
}
