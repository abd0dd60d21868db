//! Time as the wire tells it, and the difference between a browser's clock and ours.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in seconds since 1970 (Unix time).
pub fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Now, in whole seconds since 1970 (Unix time).
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Now, in whole milliseconds since 1970 (Unix time).
pub fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How many of the latest pings the estimate rests on: at one each two seconds a minute, in which clocks drift little.
const WINDOW: usize = 30;

/// How far a reading of a clock may be off, in seconds: some browsers tell tenths of seconds only, and clocks drift.
const COARSE: f64 = 0.1;

/// The estimated difference between a browser's clock and the server's.
///
/// A ping that went out at server time *s*, was seen at browser time *b* and was back after *r* says that the offset lies
/// within *r*/2 of `b - (s + r/2)`. The estimate is the one of the quickest round trip among the latest. Two pings that
/// cannot both be right say that a clock was set between them: the older ones are worth nothing then.
#[derive(Debug, Default)]
pub struct ClockOffset {
    samples: std::collections::VecDeque<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    roundtrip: f64,
    offset: f64,
}

impl Sample {
    fn agrees_with(self, other: Self) -> bool {
        (self.offset - other.offset).abs() <= f64::midpoint(self.roundtrip, other.roundtrip) + COARSE
    }
}

impl ClockOffset {
    /// Takes one ping: sent and answered at server times, seen at browser time, all in seconds.
    pub fn observe(&mut self, sent: f64, seen: f64, answered: f64) {
        let roundtrip = answered - sent;
        // The server's clock was set back meanwhile: the ping says nothing, and would be the quickest of all. Written so that
        // what is no number is left out as well.
        if !(roundtrip > 0.0 && seen.is_finite()) {
            return;
        }
        let sample = Sample { roundtrip, offset: seen - (sent + roundtrip / 2.0) };
        if self.samples.iter().any(|older| !older.agrees_with(sample)) {
            self.samples.clear();
        }
        if self.samples.len() == WINDOW {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// How long a message sent at server time `sent` took to arrive at browser time `seen`: between 0 and `roundtrip` seconds.
    /// Before the first ping is answered the clocks are taken to agree.
    pub fn delivery(&self, sent: f64, seen: f64, roundtrip: f64) -> f64 {
        let best = self.samples.iter().min_by(|a, b| a.roundtrip.total_cmp(&b.roundtrip));
        let offset = best.map_or(0.0, |sample| sample.offset);
        (seen - offset - sent).clamp(0.0, roundtrip.max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivery_does_not_depend_on_the_browsers_clock() {
        for offset in [-3600.0, 0.0, 12.5] {
            let mut clock = ClockOffset::default();
            clock.observe(100.0, 100.010 + offset, 100.020);
            let delivery = clock.delivery(200.0, 200.050 + offset, 0.080);
            assert!((delivery - 0.050).abs() < 1e-9, "{delivery} with offset {offset}");
        }
    }

    #[test]
    fn the_quickest_ping_counts() {
        let mut clock = ClockOffset::default();
        clock.observe(100.0, 100.005, 100.010);
        clock.observe(101.0, 101.900, 102.000);
        assert!((clock.delivery(200.0, 200.050, 0.1) - 0.050).abs() < 1e-9);
    }

    #[test]
    fn a_clock_that_is_set_back_during_a_ping_makes_it_no_quick_one() {
        let mut clock = ClockOffset::default();
        clock.observe(100.0, 100.010, 100.020);
        for answered in [99.0, 100.0, f64::NAN] {
            clock.observe(100.0, 500.0, answered);
            assert!((clock.delivery(200.0, 200.050, 0.1) - 0.050).abs() < 1e-9, "{answered}");
        }
    }

    #[test]
    fn a_clock_that_is_set_is_followed_with_the_next_ping_however_slow_that_is() {
        for step in [-3600.0, 0.5, 3600.0] {
            let mut clock = ClockOffset::default();
            clock.observe(100.0, 100.010, 100.020);
            clock.observe(102.0, 102.100 + step, 102.200);
            assert!((clock.delivery(200.0, 200.050 + step, 0.1) - 0.050).abs() < 1e-9, "{step}");
        }
    }

    #[test]
    fn delivery_is_never_negative_nor_longer_than_the_round_trip() {
        let clock = ClockOffset::default();
        assert_eq!(clock.delivery(100.0, 90.0, 0.2), 0.0);
        assert_eq!(clock.delivery(100.0, 110.0, 0.2), 0.2);
    }
}
