//! A bound on how often something may happen.

use std::time::{Duration, Instant};

/// A token bucket: `rate` tokens a second, and so many at most.
#[derive(Debug)]
pub struct Bucket {
    rate: f64,
    most: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// A full bucket that holds what comes in a second.
    pub fn new(rate: u32, now: Instant) -> Self {
        Self::with_burst(rate, rate, now)
    }

    /// A full bucket that holds `most`, 1 or more.
    pub fn with_burst(rate: u32, most: u32, now: Instant) -> Self {
        Self { rate: f64::from(rate), most: f64::from(most), tokens: f64::from(most), filled: now }
    }

    fn fill(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(self.most);
        self.filled = now;
    }

    /// Takes a token, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }

    /// How long it takes until there is a token; zero while there is one.
    pub fn wait(&mut self, now: Instant) -> Duration {
        self.fill(now);
        Duration::from_secs_f64((1.0 - self.tokens).max(0.0) / self.rate)
    }

    /// Whether it is as if nothing had ever been taken.
    pub fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.tokens >= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn no_more_is_given_than_the_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::with_burst(2, 5, start);
        let mut taken = |now| std::iter::repeat_with(|| bucket.take(now)).take_while(|&taken| taken).count();
        assert_eq!([taken(start), taken(start), taken(start + SECOND)], [5, 0, 2]);
        assert_eq!(taken(start + 3600 * SECOND), 5);
    }

    #[test]
    fn who_finds_it_empty_is_told_when_to_come_again() {
        let start = Instant::now();
        let mut bucket = Bucket::with_burst(4, 1, start);
        assert!(bucket.is_full(start) && bucket.wait(start).is_zero() && bucket.take(start));
        assert_eq!(bucket.wait(start), SECOND / 4);
        assert!(!bucket.is_full(start) && bucket.take(start + SECOND / 4));
        assert!(bucket.is_full(start + SECOND));
    }
}
