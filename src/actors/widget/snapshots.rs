//! Pictures of a widget for who asks, with or without views.

use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{TakeSnapshot, Widget, memory::picture_bytes};
use crate::{
    Frame,
    event::{MAX_SIDE, Size},
    handle::SnapshotError,
    quota::{Account, Charge},
    sizing::widget_size,
};

/// Most snapshots that wait for a busy renderer.
const MAX_WAITING: usize = 32;

/// A snapshot that somebody waits for.
pub(super) struct Wanted {
    pub size: Size,
    /// To which the picture is charged.
    pub account: Arc<Account>,
    /// What the renderer's own picture takes meanwhile.
    room: Charge,
    pub answer: oneshot::Sender<Result<Frame, SnapshotError>>,
}

impl Widget {
    /// The next snapshot that somebody still waits for, and for which there is memory.
    pub(super) fn next_snapshot(&mut self) -> Option<Wanted> {
        loop {
            let mut wanted = self.snapshots.pop_front()?;
            if wanted.answer.is_closed() {
                continue;
            }
            let resizes = self.around.in_process && self.size != Some(wanted.size);
            let bytes = if resizes { picture_bytes(&wanted.size) } else { 0 };
            match wanted.room.set(bytes) {
                Ok(()) => return Some(wanted),
                // Who asked may have gone away.
                Err(over) => drop(wanted.answer.send(Err(over.into()))),
            }
        }
    }

    /// The size of a snapshot, checked.
    fn snapshot_size(&self, pixel_ratio: Option<f64>) -> Result<Size, SnapshotError> {
        let base = self.size.unwrap_or_else(|| {
            let logical = self.shared.traits.lock().logical_size();
            widget_size(logical, None, std::iter::empty(), self.around.limits.max_pixels)
        });
        let ratio = pixel_ratio.unwrap_or(base.ratio);
        if !(0.1..=20.0).contains(&ratio) {
            return Err(SnapshotError::Ratio(ratio));
        }
        let max = self.around.limits.max_snapshot_pixels;
        let size = base.at_ratio(ratio);
        let pixels = size.area();
        if pixels > max {
            return Err(SnapshotError::TooLarge { pixels, max });
        }
        let longer = size.pwidth.max(size.pheight);
        if longer > MAX_SIDE {
            return Err(SnapshotError::TooLong { pixels: longer, max: MAX_SIDE });
        }
        Ok(size)
    }

    /// Whether the latest frame is what the renderer would draw now, as far as it has said.
    pub(super) fn is_at_rest(&self) -> bool {
        let at_work = self.renderer.is_at_work() || self.comparing;
        !at_work && self.queue.is_empty() && !self.shared.is_draw_requested()
    }

    /// Hands the picture that a turn took to who asked for it.
    pub(super) fn answer_snapshot(
        &mut self,
        picture: Result<Option<Frame>, SnapshotError>,
        ctx: &mut Context<Self>,
    ) {
        let Some(Wanted { size, answer, .. }) = self.snapshot_under_way.take() else { return };
        let picture = match picture {
            Ok(Some(frame)) if !frame.is_empty() => {
                if self.size == Some(size) {
                    let number = self.shared.pushed.lock().number();
                    self.take_in(number, frame.clone(), ctx);
                }
                self.around.limits.accept(frame).map_err(SnapshotError::Failed)
            }
            Ok(_) => self.delivery.latest().cloned().ok_or(SnapshotError::NoFrame),
            Err(error) => Err(error),
        };
        // Who asked may have gone away.
        let _ = answer.send(picture);
    }
}

impl Handler<TakeSnapshot> for Widget {
    type Result = ();

    fn handle(&mut self, request: TakeSnapshot, ctx: &mut Self::Context) {
        if self.closing {
            let _ = request.answer.send(Err(SnapshotError::Closed));
            return;
        }
        match self.snapshot_size(request.pixel_ratio) {
            Ok(size) if self.is_at_rest() && self.size == Some(size) && self.delivery.latest().is_some() => {
                let _ = request.answer.send(self.delivery.latest().cloned().ok_or(SnapshotError::NoFrame));
            }
            Ok(_) if self.is_kernel_gone() => {
                let _ = request.answer.send(self.delivery.latest().cloned().ok_or(SnapshotError::Gone));
            }
            Ok(size) => {
                // Who asked and went away needs no picture.
                self.snapshots.retain(|wanted| !wanted.answer.is_closed());
                if self.snapshots.len() >= MAX_WAITING {
                    let _ = request.answer.send(Err(SnapshotError::Busy(MAX_WAITING)));
                    return;
                }
                let TakeSnapshot { account, answer, .. } = request;
                let room = account.nothing();
                self.snapshots.push_back(Wanted { size, account, room, answer });
                self.pump(ctx);
            }
            Err(error) => {
                let _ = request.answer.send(Err(error));
            }
        }
    }
}
