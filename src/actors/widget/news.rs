//! What all views of a widget are told, and how often. Whoever causes it, such as a kernel that prints in a loop, causes a message for
//! each view. So a few are told at once, and what comes sooner than that is told together.

use std::time::{Duration, Instant};

use actix::prelude::*;

use super::{Print, Widget};
use crate::protocol::{bucket::Bucket, view::ServerMessage};

/// So often a second views are told something, over a while: as often as people can follow.
const RATE: u32 = 20;
/// So often without any wait: what a user does, and what comes of it, comes in some messages at once.
const AT_ONCE: u32 = 20;
/// Most bytes of prints that wait: more than pages keep. Of more than that the oldest go first.
const MOST_PRINTED: usize = 64 << 10;
/// What stands where the beginning of prints is left out, as in those of the Python package.
const GAP: &str = "… ";

/// What the views are not told yet.
pub(super) struct News {
    bucket: Bucket,
    status: bool,
    traits: bool,
    prints: String,
    /// Whether it is told later.
    timer: bool,
}

/// What the views are told now.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    traits: bool,
    status: bool,
    prints: Option<String>,
}

impl News {
    pub(super) fn new(now: Instant) -> Self {
        let bucket = Bucket::with_burst(RATE, AT_ONCE, now);
        Self { bucket, status: false, traits: false, prints: String::new(), timer: false }
    }

    /// Adds what the widget's program prints.
    fn print(&mut self, text: &str) {
        self.prints.push_str(text);
        let over = self.prints.len().saturating_sub(MOST_PRINTED);
        if over != 0 {
            let kept = (over + GAP.len()..self.prints.len()).find(|&at| self.prints.is_char_boundary(at));
            self.prints.replace_range(..kept.unwrap_or(self.prints.len()), GAP);
        }
    }

    /// What is to be told now, or how long that has to wait.
    fn take(&mut self, now: Instant) -> Result<Told, Duration> {
        let (traits, status) = (self.traits, self.status);
        if !traits && !status && self.prints.is_empty() {
            return Ok(Told { traits, status, prints: None });
        }
        if !self.bucket.take(now) {
            return Err(self.bucket.wait(now));
        }
        (self.traits, self.status) = (false, false);
        let prints = Some(std::mem::take(&mut self.prints)).filter(|prints| !prints.is_empty());
        Ok(Told { traits, status, prints })
    }
}

impl Widget {
    /// Tells every view how things are.
    pub(super) fn announce(&mut self, ctx: &mut Context<Self>) {
        self.news.status = true;
        self.tell_news(ctx);
    }

    /// Tells every view the traits.
    pub(super) fn tell_traits(&mut self, ctx: &mut Context<Self>) {
        self.news.traits = true;
        self.tell_news(ctx);
    }

    fn tell_news(&mut self, ctx: &mut Context<Self>) {
        match self.news.take(Instant::now()) {
            Ok(Told { traits, status, prints }) => {
                if traits {
                    let traits = self.shared.traits.lock().clone();
                    self.tell_all(&ServerMessage::Traits { traits: &traits });
                }
                if status {
                    self.tell_status();
                }
                if let Some(text) = prints {
                    self.tell_all(&ServerMessage::Print { text: &text });
                }
            }
            Err(wait) if !std::mem::replace(&mut self.news.timer, true) => {
                ctx.run_later(wait, |widget, ctx| {
                    widget.news.timer = false;
                    widget.tell_news(ctx);
                });
            }
            Err(_) => {}
        }
    }
}

impl Handler<Print> for Widget {
    type Result = ();

    fn handle(&mut self, Print(text): Print, ctx: &mut Self::Context) {
        self.news.print(&text);
        self.tell_news(ctx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Told = Told { traits: false, status: false, prints: None };

    #[test]
    fn a_few_news_are_told_at_once_and_those_that_follow_too_soon_together() {
        let now = Instant::now();
        let mut news = News::new(now);
        for number in 0..AT_ONCE {
            news.print(&number.to_string());
            assert_eq!(news.take(now), Ok(Told { prints: Some(number.to_string()), ..NOTHING }));
        }
        news.print("one ");
        let wait = news.take(now).unwrap_err();
        assert!(!wait.is_zero());
        news.print("two");
        (news.status, news.traits) = (true, true);
        assert!(news.take(now).is_err());
        let told = Told { traits: true, status: true, prints: Some("one two".to_owned()) };
        assert_eq!(news.take(now + wait), Ok(told));
        assert_eq!(news.take(now + wait), Ok(NOTHING), "it was told twice");
    }

    #[test]
    fn of_prints_that_wait_the_newest_are_kept() {
        let mut news = News::new(Instant::now());
        for _ in 0..MOST_PRINTED {
            news.print("é");
            assert!(news.prints.len() <= MOST_PRINTED);
        }
        news.print("the end");
        assert!(news.prints.starts_with(GAP) && news.prints.ends_with("ééthe end"));
        news.print(&"x".repeat(3 * MOST_PRINTED));
        assert!(news.prints.len() <= MOST_PRINTED && news.prints.ends_with("xx"));
    }
}
