//! The size that a widget's renderer is asked for: from those of its views, and never more pixels than the limit.

use actix::prelude::*;

use std::sync::atomic::Ordering;

use super::{Member, Widget};
use crate::{
    event::{Event, EventKind},
    protocol::view::Role,
    sizing::widget_size,
};

impl Member {
    /// Returns true if the view has a say in how many pixels are rendered: it interacts, and not by a share. Rendering costs the owner.
    fn counts(&self) -> bool {
        self.role == Role::Interact && self.visitor.is_none()
    }
}

impl Widget {
    /// Works out the widget's size anew; when it changed, the renderer is told and drawn.
    pub(super) fn resize(&mut self, ctx: &mut Context<Self>) {
        let driver = self.control.driver();
        let driving = driver.and_then(|driver| self.delivery.size(driver)).copied();
        if let Some(driving) = &driving {
            self.driven = Some((driving.width, driving.height));
        }
        // When only watchers are left, the widget keeps the size that its last driver gave it.
        let logical = self.driven.unwrap_or_else(|| self.shared.traits.lock().logical_size());
        let (counting, others): (Vec<_>, Vec<_>) = self
            .delivery
            .visible_sizes()
            .partition(|(view, _)| self.views.get(view).is_some_and(Member::counts));
        let max_pixels = self.around.limits.max_pixels;
        let size = if !counting.is_empty() {
            let has_say = driver.and_then(|view| self.views.get(&view)).is_some_and(Member::counts);
            let driving = driving.filter(|_| has_say);
            let size =
                widget_size(logical, driving.as_ref(), counting.iter().map(|(_, size)| *size), max_pixels);
            self.granted = Some(size.area());
            size
        } else if !others.is_empty() {
            // They see what there is, be it less than they can show.
            let granted = self.granted.unwrap_or_else(|| {
                let traits = self.shared.traits.lock().logical_size();
                widget_size(traits, None, std::iter::empty(), max_pixels).area()
            });
            widget_size(
                logical,
                driving.as_ref(),
                others.iter().map(|(_, size)| *size),
                max_pixels.min(granted),
            )
        } else {
            return;
        };
        if self.size != Some(size) {
            if let Err(over) = self.hold_picture(&size) {
                self.over_memory(over, ctx);
                return;
            }
            self.size = Some(size);
            self.push(Event { kind: EventKind::Resize(size), timestamp: 0.0, view: driver });
            self.shared.draw_requested.store(true, Ordering::Release);
        }
    }
}

/// Events on their way to the renderer. Whatever their sizes were made of, they leave with no more pixels than the limit.
pub(super) fn within(max_pixels: u64, mut events: Vec<Event>) -> Vec<Event> {
    for event in &mut events {
        if let EventKind::Resize(size) = &mut event.kind {
            *size = size.at_most(max_pixels);
        }
    }
    events
}
