//! The actor of the metrics.
//!
//! Owns the Prometheus registry. Registers a widget's series when it is made, retires them when it closes, answers scrapes.
//! Never sees a frame: whoever counts holds atomic handles.

use std::sync::Arc;

use actix::prelude::*;
use prometheus::{
    Counter, CounterVec, Encoder, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// The labels of each widget's series.
const LABELS: [&str; 2] = ["widget", "kind"];

/// The handles with which one widget and its views count.
pub struct WidgetMetrics {
    labels: [String; 2],
    metrics: Addr<Metrics>,
    /// Calls of `get_frame`.
    pub drawn: IntCounter,
    /// Seconds spent in `get_frame`.
    pub draw_seconds: Counter,
    /// Calls of `get_frame` that failed.
    pub errors: IntCounter,
    /// Frames sent to views, without those that only settle.
    pub sent: IntCounter,
    /// Frames confirmed by views, without those that only settle.
    pub confirmed: IntCounter,
    /// Frames that a view never got, since newer ones came first.
    pub skipped: IntCounter,
    /// Frames that equalled the one before, so that nothing was sent.
    pub unchanged: IntCounter,
    /// Frames sent that only make the one before exact.
    pub settled: IntCounter,
    /// Bytes of frames sent.
    pub sent_bytes: IntCounter,
    /// Seconds spent encoding.
    pub encode_seconds: Counter,
    /// Seconds from sending to confirming, summed over confirmations.
    pub roundtrip_seconds: Counter,
    /// Seconds from sending to arriving, summed over confirmations.
    pub delivery_seconds: Counter,
    /// Views that were dropped since they did not confirm frames.
    pub deadline_drops: IntCounter,
    /// Views connected now.
    pub views: IntGauge,
}

impl Drop for WidgetMetrics {
    /// The last of those who count is gone: the series are retired.
    fn drop(&mut self) {
        self.metrics.do_send(Retire(std::mem::take(&mut self.labels)));
    }
}

/// Makes the series of a widget.
#[derive(Message)]
#[rtype(result = "Arc<WidgetMetrics>")]
pub struct Register {
    /// The widget's id.
    pub widget: String,
    /// Its kind.
    pub kind: String,
}

/// Takes the series of a widget away.
#[derive(Message)]
#[rtype(result = "()")]
struct Retire([String; 2]);

/// Asks for all metrics in Prometheus' text format.
#[derive(Message)]
#[rtype(result = "Result<String, prometheus::Error>")]
pub struct Scrape;

/// The actor. See the module's documentation.
pub struct Metrics {
    registry: Registry,
    counters: Vec<IntCounterVec>,
    seconds: Vec<CounterVec>,
    views: IntGaugeVec,
}

const COUNTERS: [(&str, &str); 9] = [
    ("framehub_frames_drawn_total", "Calls of get_frame."),
    ("framehub_draw_errors_total", "Calls of get_frame that failed."),
    (
        "framehub_frames_sent_total",
        "Frames sent to views, without those that only make the one before exact.",
    ),
    (
        "framehub_frames_confirmed_total",
        "Frames that browsers confirmed having drawn, counted as the sent ones.",
    ),
    ("framehub_frames_skipped_total", "Frames that a visible view never got, since newer ones came first."),
    ("framehub_frames_unchanged_total", "Frames that equalled the one before, so that nothing was sent."),
    ("framehub_frames_settled_total", "Frames sent that only make the one before exact."),
    ("framehub_sent_bytes_total", "Bytes of frames sent."),
    ("framehub_deadline_drops_total", "Views dropped since they did not confirm their frames."),
];

const SECONDS: [(&str, &str); 4] = [
    ("framehub_draw_seconds_total", "Time spent in get_frame."),
    ("framehub_encode_seconds_total", "Time spent encoding frames."),
    (
        "framehub_roundtrip_seconds_total",
        "Time from sending a frame to its confirmation, summed over confirmations.",
    ),
    (
        "framehub_delivery_seconds_total",
        "Time from sending a frame to its arrival, summed over confirmations.",
    ),
];

impl Metrics {
    /// All metrics, without any widget yet.
    ///
    /// # Errors
    /// When two metrics have the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let mut metrics = Self {
            counters: Vec::new(),
            seconds: Vec::new(),
            views: IntGaugeVec::new(Opts::new("framehub_views", "Views connected."), &LABELS)?,
            registry,
        };
        metrics.registry.register(Box::new(metrics.views.clone()))?;
        for (name, help) in COUNTERS {
            let counter = IntCounterVec::new(Opts::new(name, help), &LABELS)?;
            metrics.registry.register(Box::new(counter.clone()))?;
            metrics.counters.push(counter);
        }
        for (name, help) in SECONDS {
            let counter = CounterVec::new(Opts::new(name, help), &LABELS)?;
            metrics.registry.register(Box::new(counter.clone()))?;
            metrics.seconds.push(counter);
        }
        Ok(metrics)
    }
}

impl Actor for Metrics {
    type Context = Context<Self>;
}

impl Handler<Register> for Metrics {
    type Result = Arc<WidgetMetrics>;

    fn handle(&mut self, Register { widget, kind }: Register, ctx: &mut Self::Context) -> Self::Result {
        let labels = [widget, kind];
        let values = [labels[0].as_str(), labels[1].as_str()];
        // The arrays' order is that of COUNTERS and SECONDS.
        let [drawn, errors, sent, confirmed, skipped, unchanged, settled, sent_bytes, deadline_drops] =
            std::array::from_fn(|i| self.counters[i].with_label_values(&values));
        let [draw_seconds, encode_seconds, roundtrip_seconds, delivery_seconds] =
            std::array::from_fn(|i| self.seconds[i].with_label_values(&values));
        let views = self.views.with_label_values(&values);
        Arc::new(WidgetMetrics {
            metrics: ctx.address(),
            drawn,
            draw_seconds,
            errors,
            sent,
            confirmed,
            skipped,
            unchanged,
            settled,
            sent_bytes,
            encode_seconds,
            roundtrip_seconds,
            delivery_seconds,
            deadline_drops,
            views,
            labels,
        })
    }
}

impl Handler<Retire> for Metrics {
    type Result = ();

    fn handle(&mut self, Retire(labels): Retire, _: &mut Self::Context) {
        let values = [labels[0].as_str(), labels[1].as_str()];
        // A series that is gone already is no error.
        for counter in &self.counters {
            let _ = counter.remove_label_values(&values);
        }
        for counter in &self.seconds {
            let _ = counter.remove_label_values(&values);
        }
        let _ = self.views.remove_label_values(&values);
    }
}

impl Handler<Scrape> for Metrics {
    type Result = Result<String, prometheus::Error>;

    fn handle(&mut self, _: Scrape, _: &mut Self::Context) -> Self::Result {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}
