//! Whether the Hub answers, as far as the questions that were asked anyway say.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long after a question in vain none is asked only to learn whether the Hub is back.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What is to be thought of the Hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hub {
    /// It answered the last question, or none was asked yet.
    Answers,
    /// It did not, a moment ago.
    Silent,
    /// It did not, and may be back: ask it.
    Unknown,
}

/// How the last question ended.
#[derive(Default)]
pub struct Hearing {
    /// When it ended, if that was in vain.
    in_vain: Mutex<Option<Instant>>,
}

impl Hearing {
    /// The Hub answered.
    pub fn answered(&self) {
        *self.in_vain.lock() = None;
    }

    /// It did not, until `now`.
    pub fn in_vain(&self, now: Instant) {
        *self.in_vain.lock() = Some(now);
    }

    /// What is to be thought of it at a time. Of all who are told that it is unknown until the next answer, only the first is
    /// to ask.
    pub fn of(&self, now: Instant) -> Hub {
        let mut in_vain = self.in_vain.lock();
        match *in_vain {
            None => Hub::Answers,
            Some(tried) if now < tried + RETRY_AFTER => Hub::Silent,
            Some(_) => {
                *in_vain = Some(now);
                Hub::Unknown
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_that_left_a_question_open_is_asked_again_by_one_at_a_time_until_it_answers() {
        let (hearing, start) = (Hearing::default(), Instant::now());
        assert_eq!(hearing.of(start), Hub::Answers);
        hearing.in_vain(start);
        assert_eq!(hearing.of(start), Hub::Silent);
        let later = start + RETRY_AFTER;
        assert_eq!([hearing.of(later), hearing.of(later)], [Hub::Unknown, Hub::Silent]);
        hearing.in_vain(later + RETRY_AFTER);
        assert_eq!(hearing.of(later + RETRY_AFTER), Hub::Silent);
        hearing.answered();
        assert_eq!(hearing.of(later + RETRY_AFTER), Hub::Answers);
    }
}
