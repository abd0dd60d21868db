//! What a widget does when there is no memory: it says so, goes on with what it has, and tries again.

use std::{sync::atomic::Ordering, time::Duration};

use actix::prelude::*;

use super::Widget;
use crate::{event::Size, protocol::view::State, quota::OverMemory};

/// How soon it is tried again: memory that others give back is soon used, and trying costs next to nothing.
const AGAIN: Duration = Duration::from_secs(1);
/// Bytes for each pixel that a renderer is asked for, which it keeps besides the frames that it hands over.
const PICTURE: u64 = 4;

/// Bytes of a renderer's own picture of a size.
pub(super) fn picture_bytes(size: &Size) -> usize {
    usize::try_from(u64::from(size.pwidth) * u64::from(size.pheight) * PICTURE).unwrap_or(usize::MAX)
}

impl Widget {
    /// Charges what the renderer's own picture takes of a size, before it is told to have that. One in a kernel takes nothing here.
    pub(super) fn hold_picture(&mut self, size: &Size) -> Result<(), OverMemory> {
        if !self.around.in_process {
            return Ok(());
        }
        let picture = self.picture.get_or_insert_with(|| self.shared.quota.memory().nothing());
        picture.set(picture_bytes(size))
    }

    /// Something is not done, since it would take too much memory.
    pub(super) fn over_memory(&mut self, over: OverMemory, ctx: &mut Context<Self>) {
        tracing::debug!(widget = %self.shared.identity.id, %over, "not enough memory");
        self.lacks_memory = true;
        if !self.tells_lack {
            self.set_state(State::Error, Some(over.to_string()), ctx);
            self.tells_lack = true;
        }
    }

    /// What was not done for lack of memory is done.
    pub(super) fn has_memory(&mut self, ctx: &mut Context<Self>) {
        if self.tells_lack && !self.lacks_memory {
            self.set_state(State::Live, None, ctx);
        }
    }

    /// Tries again, in a while, what was not done for lack of memory.
    pub(super) fn watch_memory(&mut self, ctx: &mut Context<Self>) {
        if !self.lacks_memory || self.closing || std::mem::replace(&mut self.memory_timer, true) {
            return;
        }
        ctx.run_later(AGAIN, |widget, ctx| {
            (widget.memory_timer, widget.lacks_memory) = (false, false);
            widget.delivery.forgive();
            widget.resize(ctx);
            widget.shared.draw_requested.store(true, Ordering::Release);
            widget.serve(ctx);
            widget.pump(ctx);
        });
    }
}
