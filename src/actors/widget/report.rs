//! What a widget tells of itself: the statistics of `GET /api/widgets/{id}/stats`. A report asks every view, so that it is made only so
//! often, and once for all who wait for it.

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
    time::Instant,
};

use actix::prelude::*;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::oneshot;

use super::Widget;
use crate::{
    actors::view::{self, ViewReport},
    breakdown::Breakdown,
    event::Size,
    protocol::{bucket::Bucket, view::State},
    stats::StatsSummary,
};

/// Reports a second, however many ask.
const REPORTS_PER_SECOND: u32 = 10;
/// Who asks now and then does not wait.
const REPORTS_AT_ONCE: u32 = 20;

/// Asks for a widget's statistics and those of its views; `None` when it is closed.
#[derive(Message)]
#[rtype(result = "Option<Arc<Report>>")]
pub struct GetReport;

/// A report that all share who asked for it.
#[derive(Debug)]
pub struct Report {
    of: WidgetReport,
    json: OnceLock<Value>,
}

impl Report {
    /// As programs are told it.
    pub fn json(&self) -> &Value {
        // Maps have string keys and floats are finite, so that it cannot fail.
        self.json.get_or_init(|| serde_json::to_value(&self.of).unwrap_or_default())
    }
}

impl Deref for Report {
    type Target = WidgetReport;

    fn deref(&self) -> &WidgetReport {
        &self.of
    }
}

/// Who waits for a report.
pub(super) struct Reports {
    pace: Bucket,
    waiting: Vec<oneshot::Sender<Arc<Report>>>,
    /// Whether one is being made, or waits for its time.
    under_way: bool,
}

impl Reports {
    pub fn new() -> Self {
        let pace = Bucket::with_burst(REPORTS_PER_SECOND, REPORTS_AT_ONCE, Instant::now());
        Self { pace, waiting: Vec::new(), under_way: false }
    }
}

/// A widget's statistics. Times are in seconds.
#[derive(Debug, Clone, Serialize)]
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
    type Result = ResponseFuture<Option<Arc<Report>>>;

    fn handle(&mut self, _: GetReport, ctx: &mut Self::Context) -> Self::Result {
        let (asks, answer) = oneshot::channel();
        self.reports.waiting.push(asks);
        self.report_in_time(ctx);
        Box::pin(async move { answer.await.ok() })
    }
}

impl Widget {
    /// Makes a report for those who wait, as soon as there may be one.
    fn report_in_time(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.reports.under_way, true) {
            return;
        }
        let wait = self.reports.pace.wait(Instant::now());
        if wait.is_zero() {
            self.report(ctx);
        } else {
            ctx.run_later(wait, Self::report);
        }
    }

    fn report(&mut self, ctx: &mut Context<Self>) {
        self.reports.pace.take(Instant::now());
        // Who asks from now on gets the next one: this may not know what they did before.
        let waiting = std::mem::take(&mut self.reports.waiting);
        let told = self.reported().into_actor(self).map(move |of, widget, ctx| {
            let report = Arc::new(Report { of, json: OnceLock::new() });
            for asks in waiting {
                // Who asked may have gone away.
                let _ = asks.send(Arc::clone(&report));
            }
            widget.reports.under_way = false;
            if !widget.reports.waiting.is_empty() {
                widget.report_in_time(ctx);
            }
        });
        ctx.spawn(told);
    }

    /// What there is to tell now.
    fn reported(&self) -> impl Future<Output = WidgetReport> + use<> {
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
        async move {
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
        }
    }
}
