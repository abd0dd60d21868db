//! So much a second: what is spent beyond it is a debt that time pays.

use std::time::{Duration, Instant};

/// An allowance that saves up what it gives in a second. Spending is never refused, since what a frame costs is known only when it is
/// made; who is in debt waits before the next.
#[derive(Debug)]
pub struct Allowance {
    per_second: f64,
    /// Negative: a debt.
    left: f64,
    at: Instant,
}

impl Allowance {
    /// A second's worth, more than 0.
    pub fn new(per_second: f64, now: Instant) -> Self {
        Self { per_second, left: per_second, at: now }
    }

    /// It gives another amount from now on; a debt stays.
    pub fn set_rate(&mut self, per_second: f64, now: Instant) {
        self.pass(now);
        self.per_second = per_second;
        self.left = self.left.min(per_second);
    }

    fn pass(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + gained).min(self.per_second);
        self.at = now;
    }

    /// Spends an amount.
    pub fn spend(&mut self, amount: f64, now: Instant) {
        self.pass(now);
        self.left -= amount;
    }

    /// How long it takes to pay the debt; zero without one.
    pub fn wait(&mut self, now: Instant) -> Duration {
        self.pass(now);
        Duration::from_secs_f64((-self.left).max(0.0) / self.per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_spent_beyond_a_seconds_worth_is_paid_by_waiting() {
        let start = Instant::now();
        let mut allowance = Allowance::new(100.0, start);
        allowance.spend(100.0, start);
        assert_eq!(allowance.wait(start), Duration::ZERO);
        allowance.spend(250.0, start);
        assert_eq!(allowance.wait(start), 5 * SECOND / 2);
        assert_eq!(allowance.wait(start + 2 * SECOND), SECOND / 2);
        assert_eq!(allowance.wait(start + 3 * SECOND), Duration::ZERO);
    }

    #[test]
    fn no_more_than_a_second_is_saved_up() {
        let start = Instant::now();
        let mut allowance = Allowance::new(100.0, start);
        let later = start + 3600 * SECOND;
        allowance.spend(200.0, later);
        assert_eq!(allowance.wait(later), SECOND);
    }

    #[test]
    fn another_rate_pays_the_debt_that_there_is_and_saves_up_no_more_than_it_gives() {
        let start = Instant::now();
        let mut allowance = Allowance::new(100.0, start);
        allowance.spend(200.0, start);
        allowance.set_rate(50.0, start);
        assert_eq!(allowance.wait(start), 2 * SECOND);
        allowance.set_rate(200.0, start + SECOND);
        assert_eq!(allowance.wait(start + SECOND), SECOND / 4);
        allowance.set_rate(10.0, start + 60 * SECOND);
        allowance.spend(20.0, start + 60 * SECOND);
        assert_eq!(allowance.wait(start + 60 * SECOND), SECOND);
    }

    #[test]
    fn over_a_long_time_the_rate_is_kept() {
        let start = Instant::now();
        let mut allowance = Allowance::new(100.0, start);
        let (mut now, mut spent) = (start, 0.0);
        while now < start + 60 * SECOND {
            allowance.spend(70.0, now);
            spent += 70.0;
            now += allowance.wait(now) + SECOND / 1000;
        }
        assert!((5900.0..=6270.0).contains(&spent), "{spent}");
    }
}
