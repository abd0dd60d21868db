//! What happens often and is to be said seldom, such as a line of the log that anybody can cause.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Says when it is time to say something again, and counts how often it was left out.
#[derive(Debug)]
pub struct Seldom {
    /// Least time from once to the next.
    every: Duration,
    said: Mutex<Said>,
}

#[derive(Debug)]
struct Said {
    last: Option<Instant>,
    left_out: u64,
}

impl Seldom {
    /// Once in that time.
    pub const fn once_in(every: Duration) -> Self {
        Self { every, said: Mutex::new(Said { last: None, left_out: 0 }) }
    }

    /// Once a minute, which suits most lines of the log.
    pub const fn once_a_minute() -> Self {
        Self::once_in(Duration::from_secs(60))
    }

    /// It happened at `now`. If it is to be said: how often it was not since it was said last.
    pub fn due(&self, now: Instant) -> Option<u64> {
        let mut said = self.said.lock();
        if said.last.is_some_and(|last| now < last + self.every) {
            said.left_out += 1;
            return None;
        }
        said.last = Some(now);
        Some(std::mem::take(&mut said.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_often_is_said_seldom_with_how_often_it_was_left_out() {
        let (seldom, start) = (Seldom::once_a_minute(), Instant::now());
        let at = |seconds| seldom.due(start + Duration::from_secs(seconds));
        assert_eq!(
            [at(0), at(1), at(59), at(60), at(61), at(200)],
            [Some(0), None, None, Some(2), None, Some(1)]
        );
    }
}
