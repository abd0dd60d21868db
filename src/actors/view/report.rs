//! What a view tells of itself, and how its browser is told of the widget: not more often than a page can show it.

use std::time::Instant;

use actix::prelude::*;

use super::{GetReport, View, ViewReport};
use crate::{
    actors::widget::GetReport as GetWidgetReport,
    protocol::{bucket::Bucket, view::ServerMessage},
};

/// Answers to `get_stats` a second. What is asked for meanwhile is answered by the next.
const ANSWERS_PER_SECOND: u32 = 1;
/// A page that opens its statistics, and a program that asks now and then, are answered at once.
const ANSWERS_AT_ONCE: u32 = 10;

/// How it stands with a view's statistics.
#[derive(Debug)]
pub(super) struct Asking {
    answers: Bucket,
    /// Whether an answer is being made, or waits for its time.
    under_way: bool,
    /// Whether it was asked for again meanwhile.
    again: bool,
}

impl Asking {
    pub fn new(now: Instant) -> Self {
        let answers = Bucket::with_burst(ANSWERS_PER_SECOND, ANSWERS_AT_ONCE, now);
        Self { answers, under_way: false, again: false }
    }
}

impl View {
    /// The browser asks for the statistics.
    pub(super) fn asks_for_stats(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.asking.under_way, true) {
            self.asking.again = true;
        } else {
            self.answer_in_time(ctx);
        }
    }

    /// Answers as soon as this view and its caller may have an answer.
    fn answer_in_time(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let mut wait = self.asking.answers.wait(now);
        if wait.is_zero() {
            wait = self.place.allowed.report(now);
        }
        if !wait.is_zero() {
            ctx.run_later(wait, Self::answer_in_time);
            return;
        }
        self.asking.answers.take(now);
        // What was asked for until now, this answers.
        self.asking.again = false;
        let report = self.place.widget.send(GetWidgetReport).into_actor(self);
        ctx.spawn(report.map(|report, view, ctx| {
            // The widget may be gone; the view is then told so anyway.
            if let Ok(Some(report)) = report {
                view.tell(ServerMessage::Stats { stats: report.json() }.to_text(), ctx);
            }
            view.asking.under_way = false;
            if std::mem::take(&mut view.asking.again) {
                view.asks_for_stats(ctx);
            }
        }));
    }
}

impl Handler<GetReport> for View {
    type Result = ViewReport;

    fn handle(&mut self, _: GetReport, _: &mut Self::Context) -> Self::Result {
        let size = self.size;
        ViewReport {
            view: self.place.id,
            viewer: self.place.viewer.clone(),
            role: self.place.role,
            visible: self.is_visible(),
            // The widget knows these, and how long it renders.
            driver: false,
            skipped_frames: 0,
            time: self.passing.breakdown(0.0),
            bottleneck: None,
            width: size.map_or(0.0, |size| size.width),
            height: size.map_or(0.0, |size| size.height),
            ratio: size.map_or(0.0, |size| size.ratio),
            in_flight: self.pacing.in_flight(),
            quality: self.reduction.below(self.shared.traits.lock().quality).quality,
            scale: f64::from(self.reduction.percent) / 100.0,
            stats: self.stats.summary(),
            bytes: self.bytes,
        }
    }
}
