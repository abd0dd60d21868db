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

/// The estimated difference between a browser's clock and the server's.
///
/// A ping that went out at server time *s*, was seen at browser time *b* and was back after *r* says that the offset lies
/// within *r*/2 of `b - (s + r/2)`. The estimate is the one of the quickest round trip among the latest.
#[derive(Debug, Default)]
pub struct ClockOffset {
    samples: std::collections::VecDeque<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    roundtrip: f64,
    offset: f64,
}

impl ClockOffset {
    /// Takes one ping: sent and answered at server times, seen at browser time, all in seconds.
    pub fn observe(&mut self, sent: f64, seen: f64, answered: f64) {
        if self.samples.len() == WINDOW {
            self.samples.pop_front();
        }
        let roundtrip = (answered - sent).max(0.0);
        self.samples.push_back(Sample { roundtrip, offset: seen - (sent + roundtrip / 2.0) });
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
    fn delivery_is_never_negative_nor_longer_than_the_round_trip() {
        let clock = ClockOffset::default();
        assert_eq!(clock.delivery(100.0, 90.0, 0.2), 0.0);
        assert_eq!(clock.delivery(100.0, 110.0, 0.2), 0.2);
    }
}
