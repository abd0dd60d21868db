//! How often a view may ask for a whole frame.

use std::time::{Duration, Instant};

use actix::{AsyncContext, Context};

use super::View;

/// The least time from one whole frame that was asked for to the next: a browser that lost its picture asks once.
const EVERY: Duration = Duration::from_secs(1);

/// What is to become of a wish for a whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// It is granted.
    Now,
    /// It is granted after so long.
    Later(Duration),
    /// One that waits already grants it, too.
    WithAnother,
}

/// The wishes of one view.
#[derive(Debug, Default)]
pub struct Refreshes {
    /// When the last was granted, or the one that waits will be.
    last: Option<Instant>,
}

impl Refreshes {
    /// Takes a wish.
    fn ask(&mut self, now: Instant) -> Wish {
        let next = self.last.map_or(now, |last| last + EVERY);
        if self.last.is_some_and(|last| last > now) {
            return Wish::WithAnother;
        }
        self.last = Some(next.max(now));
        if next <= now { Wish::Now } else { Wish::Later(next - now) }
    }
}

impl View {
    /// The browser wants a whole frame. It gets one, but not as often as it likes.
    pub(super) fn refresh(&mut self, ctx: &mut Context<Self>) {
        match self.refreshes.ask(Instant::now()) {
            Wish::Now => self.lose(0),
            Wish::Later(after) => {
                ctx.run_later(after, |view, _| view.lose(0));
            }
            Wish::WithAnother => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_of_wishes_is_granted_once_a_second_and_the_last_is_not_lost() {
        let start = Instant::now();
        let mut refreshes = Refreshes::default();
        assert_eq!(refreshes.ask(start), Wish::Now);
        assert_eq!(refreshes.ask(start + EVERY / 4), Wish::Later(EVERY * 3 / 4));
        for hundredth in 26..100 {
            assert_eq!(refreshes.ask(start + EVERY * hundredth / 100), Wish::WithAnother);
        }
        assert_eq!(refreshes.ask(start + EVERY * 5 / 4), Wish::Later(EVERY * 3 / 4));
        assert_eq!(refreshes.ask(start + EVERY * 4), Wish::Now);
    }
}
