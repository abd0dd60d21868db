//! What the user of a view does: what of it counts, what of it the widget hears, and what is released for a user who cannot.

use actix::Context;

use super::View;
use crate::{
    actors::widget,
    event::{EventKind, MAX_HELD_KEYS, Observed},
    protocol::{Refusal, view::Role},
};

impl View {
    /// Whether what the user does here counts.
    fn may_act(&self) -> bool {
        self.place.role == Role::Interact && self.acting
    }

    /// Whether the user can see the widget here.
    pub(super) fn is_visible(&self) -> bool {
        self.size.is_some() && !self.hidden
    }

    /// Hands an event to the widget.
    fn input(&self, kind: EventKind, timestamp: f64, releases: bool) {
        let (view, dragging) = (self.place.id, self.held.dragging());
        self.place.widget.do_send(widget::Input { view, kind, timestamp, dragging, releases });
    }

    /// Releases what the user holds here and can no longer release.
    pub(super) fn release(&mut self, timestamp: f64) {
        for kind in self.held.release() {
            self.input(kind, timestamp, true);
        }
    }

    /// Tells the widget of the focus where that changed: a user who cannot be seen, or may not act, has none.
    pub(super) fn follow_focus(&mut self, timestamp: f64) {
        let focused = self.focused && self.may_act() && self.is_visible();
        if std::mem::replace(&mut self.told_focused, focused) != focused {
            let kind = if focused { EventKind::FocusIn } else { EventKind::FocusOut };
            self.input(kind, timestamp, false);
        }
    }

    /// Takes what the browser says that the user did.
    pub(super) fn event(&mut self, kind: EventKind, timestamp: f64, ctx: &mut Context<Self>) {
        match kind {
            EventKind::Resize(size) => {
                let before = self.size;
                let now = Some(size).filter(|size| !size.is_zero());
                if now != before {
                    // The first size is the page's own doing; later ones are the user's.
                    let acted = self.may_act() && before.is_some() && now.is_some();
                    self.changed(timestamp, acted, |view| view.size = now);
                }
            }
            EventKind::Show => self.changed(timestamp, false, |view| view.hidden = false),
            EventKind::Hide => self.changed(timestamp, false, |view| view.hidden = true),
            EventKind::FocusIn => {
                self.focused = true;
                self.follow_focus(timestamp);
            }
            EventKind::FocusOut => {
                self.focused = false;
                self.release(timestamp);
                self.follow_focus(timestamp);
            }
            _ if !self.may_act() => {}
            kind => match self.held.observe(&kind) {
                Observed::Goes => self.input(kind, timestamp, false),
                Observed::Releases => self.input(kind, timestamp, true),
                Observed::Repeats => {}
                Observed::TooMany => {
                    let message = format!(
                        "{MAX_HELD_KEYS} keys are held, which is the limit: release one with `key_up` first"
                    );
                    self.refuse(&Refusal::of_message("held_keys", message).field("key"), ctx);
                }
            },
        }
    }

    /// Changes the size or the visibility, and does what follows from it.
    fn changed(&mut self, timestamp: f64, acted: bool, change: impl FnOnce(&mut Self)) {
        let was_visible = self.is_visible();
        change(self);
        let visible = self.is_visible();
        self.count_visible(visible);
        if was_visible && !visible {
            self.release(timestamp);
        }
        self.follow_focus(timestamp);
        if visible && !was_visible {
            // While it was hidden the browser did not draw, so that its confirmations may never come.
            let credits = self.pacing.refill();
            self.give_up(credits);
        }
        self.place.widget.do_send(widget::ViewChanged {
            view: self.place.id,
            size: self.size,
            visible,
            acted,
        });
    }
}
