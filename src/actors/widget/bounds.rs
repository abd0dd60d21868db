//! What a widget may take: its frames wait while its user has taken too much, and it ends when nobody uses it.

use std::time::{Duration, Instant};

use actix::prelude::*;

use super::{Close, Widget};
use crate::{breakdown::Recent, delivery::Action, quota::Whose};

/// A share is looked at this often at least while frames wait for it: it may be raised meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a widget knows of its bounds.
pub struct Bounds {
    /// Since when a view could have had a frame that waits for the user's share.
    held_since: Option<Instant>,
    /// Whether a look at the share is due.
    timer: bool,
    /// Seconds that the latest frames waited so.
    waited: Recent,
    /// When a user acted here last, or the widget was made.
    used: Instant,
}

impl Bounds {
    /// Those of a widget that is made now.
    pub fn new() -> Self {
        Self { held_since: None, timer: false, waited: Recent::default(), used: Instant::now() }
    }

    /// Seconds that the latest frames waited for the user's share, the one that does included.
    pub fn waited(&self) -> f64 {
        let waits = self.held_since.map_or(0.0, |since| since.elapsed().as_secs_f64());
        self.waited.mean().max(waits)
    }

    /// A user acts.
    pub fn used(&mut self) {
        self.used = Instant::now();
    }
}

impl Widget {
    /// Whether frames have to wait, since the user took more than one may; those of visitors wait by themselves when they did. They are
    /// served when they need not any more.
    pub(super) fn is_held_back(&mut self, ctx: &mut Context<Self>) -> bool {
        let now = Instant::now();
        let visitors = self.shared.quota.wait(Whose::Visitors, now);
        self.delivery.hold_visitors(visitors.is_some());
        let Some(wait) = self.shared.quota.wait(Whose::Owner, now) else {
            if let Some(wait) = visitors {
                self.serve_in(wait, ctx);
            }
            return false;
        };
        if self.delivery.owes_frame() {
            self.bounds.held_since.get_or_insert(now);
        }
        self.serve_in(wait, ctx);
        true
    }

    /// Looks after this time whether frames need not wait any more.
    fn serve_in(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        if !std::mem::replace(&mut self.bounds.timer, true) {
            ctx.run_later(wait.min(LOOK_EVERY), |widget, ctx| {
                widget.bounds.timer = false;
                widget.serve(ctx);
                widget.pump(ctx);
            });
        }
    }

    /// Takes note of how long frames waited that are served now.
    pub(super) fn served(&mut self, actions: &[Action]) {
        if let Some(since) = self.bounds.held_since.take() {
            let waited = since.elapsed();
            self.around.metrics.limited(waited);
            self.bounds.waited.add(waited.as_secs_f64());
        } else if !actions.is_empty() {
            self.bounds.waited.add(0.0);
        }
    }

    /// Ends the widget once no user has acted in it for so long. Frames and open views keep nothing alive: only users do.
    pub(super) fn watch_idling(&mut self, limit: Duration, ctx: &mut Context<Self>) {
        let left = limit.saturating_sub(self.bounds.used.elapsed());
        if left.is_zero() {
            tracing::info!(widget = %self.shared.identity.id, ?limit, "widget closed: nobody used it");
            ctx.notify(Close::Idle);
        } else {
            ctx.run_later(left, move |widget, ctx| widget.watch_idling(limit, ctx));
        }
    }
}
