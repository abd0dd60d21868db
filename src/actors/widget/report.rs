//! What a widget tells of itself: the statistics of `GET /api/widgets/{id}/stats`.

use actix::prelude::*;
use serde::Serialize;

use super::Widget;
use crate::{
    actors::view::{self, ViewReport},
    breakdown::Breakdown,
    event::Size,
    protocol::view::State,
    stats::StatsSummary,
};

/// Asks for a widget's statistics and those of its views.
#[derive(Message)]
#[rtype(result = "WidgetReport")]
pub struct GetReport;

/// A widget's statistics. Times are in seconds.
#[derive(Debug, Clone, Serialize, MessageResponse)]
pub struct WidgetReport {
    /// The seed's statistics.
    #[serde(flatten)]
    pub stats: StatsSummary,
    /// How often `get_frame` was called.
    pub drawn_frames: u64,
    /// Frames that some view never got, since newer ones came first; summed over the present views.
    pub skipped_frames: u64,
    /// Frames that equalled the one before, so that nothing was sent.
    pub unchanged_frames: u64,
    /// Images made: views that need the same share one.
    pub encodes: u64,
    /// Mean time of `get_frame`.
    pub render: f64,
    /// Time spent encoding.
    pub encode_seconds: f64,
    /// Events that were merged into others while they waited for the renderer.
    pub coalesced_events: u64,
    /// The size that the renderer has; `null` before a view has told its own.
    pub size: Option<Size>,
    /// What the renderer is doing.
    pub state: State,
    /// Whether nothing is being drawn or asked for, and no event waits for the renderer.
    pub at_rest: bool,
    /// Each view.
    pub views: Vec<ViewReport>,
}

impl Handler<GetReport> for Widget {
    type Result = ResponseFuture<WidgetReport>;

    fn handle(&mut self, _: GetReport, _: &mut Self::Context) -> Self::Result {
        #[expect(clippy::cast_precision_loss, reason = "counts of frames stay far below 2^52")]
        let render = if self.frames_drawn == 0 { 0.0 } else { self.draw_seconds / self.frames_drawn as f64 };
        let mut report = WidgetReport {
            stats: self.shared.stats.lock().summary(),
            drawn_frames: self.frames_drawn,
            skipped_frames: 0,
            unchanged_frames: self.delivery.unchanged(),
            encodes: self.delivery.encodes(),
            render,
            encode_seconds: self.around.metrics.encode_seconds(),
            coalesced_events: self.queue.coalesced(),
            size: self.size,
            state: self.state,
            at_rest: self.is_at_rest(),
            views: Vec::new(),
        };
        // A draw that is under way and takes longer than the last ones tells more than they do.
        let running = self.turn_began.map_or(0.0, |began| began.elapsed().as_secs_f64());
        let limit = self.bounds.waited();
        let recent = self.recent_draws.mean().max(running);
        let asked: Vec<_> = self
            .views
            .iter()
            .map(|(&id, member)| {
                let (driver, skipped_frames) = (self.control.driver() == Some(id), self.delivery.skipped(id));
                (driver, skipped_frames, member.addr.send(view::GetReport))
            })
            .collect();
        Box::pin(async move {
            for (driver, skipped_frames, view) in asked {
                // A view that left meanwhile is not in the report.
                if let Ok(view) = view.await {
                    report.skipped_frames += skipped_frames;
                    let time = view.time.map(|time| Breakdown { render: recent, limit, ..time });
                    let bottleneck = time.and_then(|time| time.bottleneck());
                    report.views.push(ViewReport { driver, time, bottleneck, skipped_frames, ..view });
                }
            }
            report
        })
    }
}
