//! The counts of the server as a whole.

use std::time::{Duration, Instant};

use prometheus::{
    Counter, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
    core::Collector, process_collector::ProcessCollector,
};

use super::catalogue::{find, opts};
use crate::{budget::Spent, protocol::Refusal, seldom::Seldom};

/// Seconds, from an event's handling to a view's deadline.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
/// Bytes, from a few tiles to a large picture without loss.
const BYTES: [f64; 9] = [1e3, 4e3, 16e3, 64e3, 128e3, 256e3, 512e3, 1e6, 4e6];

/// What there is not enough of when memory is refused: a user's, or the server's.
const MEMORY: [&str; 2] = ["user_memory", "memory"];

/// Why something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No key, token or ticket, or one that is not enough.
    Auth,
    /// A page from elsewhere.
    Origin,
    /// Too much or too many.
    Limit,
    /// Malformed.
    Protocol,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auth, Self::Origin, Self::Limit, Self::Protocol];

    /// Why a message was refused, by the refusal's code.
    pub fn of_message(code: &str) -> Self {
        match code {
            "not_kept" | "rate" | "queue" | "held_keys" | "too_big" | "max_widgets" | "user_max_widgets"
            | "user_memory" | "memory" => Self::Limit,
            _ => Self::Protocol,
        }
    }

    /// The value of the label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Origin => "origin",
            Self::Limit => "limit",
            Self::Protocol => "protocol",
        }
    }
}

/// What a panic can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The actor of a widget.
    Widget,
    /// That of a view.
    View,
    /// That of a kernel.
    Kernel,
    /// That of a view that is reached through a kernel.
    Relay,
    /// That of a WebSocket.
    Socket,
    /// A turn of a renderer, outside of the renderer.
    Turn,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Widget, Self::View, Self::Kernel, Self::Relay, Self::Socket, Self::Turn];

    /// The value of the label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Widget => "widget",
            Self::View => "view",
            Self::Kernel => "kernel",
            Self::Relay => "relay",
            Self::Socket => "socket",
            Self::Turn => "turn",
        }
    }
}

/// A connection that counts for as long as this lives.
pub struct Connected(IntGauge);

impl Connected {
    fn to(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Atomic handles, for whoever counts.
pub struct ServerMetrics {
    pub(super) registry: Registry,
    pub(super) widgets: IntGaugeVec,
    pub(super) widgets_summed: IntGauge,
    connections: IntGauge,
    kernels: IntGauge,
    pub(super) views: IntGauge,
    pub(super) visible_views: IntGauge,
    pub(super) in_flight: IntGauge,
    pub(super) drawn: IntCounter,
    pub(super) errors: IntCounter,
    pub(super) sent: IntCounter,
    pub(super) confirmed: IntCounter,
    pub(super) skipped: IntCounter,
    pub(super) unchanged: IntCounter,
    pub(super) settled: IntCounter,
    pub(super) sent_bytes: IntCounter,
    pub(super) events_received: IntCounter,
    pub(super) events_coalesced: IntCounter,
    pub(super) events_rejected: IntCounter,
    pub(super) deadline_drops: IntCounter,
    pub(super) limited: Counter,
    refusals: IntCounterVec,
    /// By reason: how often the log says so.
    refusals_said: [Seldom; Reason::ALL.len()],
    exceeded: IntCounterVec,
    panics: IntCounterVec,
    pub(super) log_lines_dropped: IntCounter,
    pub(super) render: Histogram,
    pub(super) encode: Histogram,
    pub(super) base64: Histogram,
    pub(super) delivery: Histogram,
    pub(super) roundtrip: Histogram,
    pub(super) frame_bytes: Histogram,
    shares_unkept: IntGauge,
    pub(super) encoder_threads: IntGauge,
    pub(super) encoder_queue: IntGauge,
    pub(super) encoder_busy: Counter,
    pub(super) memory: IntGauge,
    pub(super) memory_limit: IntGauge,
    /// By what is not enough: the user's, or the server's.
    pub(super) memory_refusals: [IntCounter; 2],
    renderers_queued: IntGauge,
    renderers_busy: IntGauge,
    renderers_busy_seconds: Counter,
}

impl ServerMetrics {
    /// All of them, at zero.
    ///
    /// # Errors
    /// When the catalogue lacks one, or has one twice.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let build = int_gauges(&registry, "framehub_build_info")?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let refusals = counts(&registry, "framehub_refusals_total", Reason::ALL.map(Reason::name))?;
        let exceeded = counts(&registry, "framehub_budget_refusals_total", Spent::ALL.map(Spent::name))?;
        let memory_refusals = counts(&registry, "framehub_memory_refusals_total", MEMORY)?;
        let panics = counts(&registry, "framehub_actor_panics_total", Part::ALL.map(Part::name))?;
        Ok(Self {
            widgets: int_gauges(&registry, "framehub_widgets")?,
            widgets_summed: gauge(&registry, "framehub_widgets_summed")?,
            connections: gauge(&registry, "framehub_connections")?,
            kernels: gauge(&registry, "framehub_kernels")?,
            views: gauge(&registry, "framehub_views")?,
            visible_views: gauge(&registry, "framehub_visible_views")?,
            in_flight: gauge(&registry, "framehub_frames_in_flight")?,
            drawn: count(&registry, "framehub_frames_drawn_total")?,
            errors: count(&registry, "framehub_errors_total")?,
            sent: count(&registry, "framehub_frames_sent_total")?,
            confirmed: count(&registry, "framehub_frames_confirmed_total")?,
            skipped: count(&registry, "framehub_frames_skipped_total")?,
            unchanged: count(&registry, "framehub_frames_unchanged_total")?,
            settled: count(&registry, "framehub_frames_settled_total")?,
            sent_bytes: count(&registry, "framehub_sent_bytes_total")?,
            events_received: count(&registry, "framehub_events_received_total")?,
            events_coalesced: count(&registry, "framehub_events_coalesced_total")?,
            events_rejected: count(&registry, "framehub_events_rejected_total")?,
            deadline_drops: count(&registry, "framehub_deadline_drops_total")?,
            limited: seconds(&registry, "framehub_limited_seconds_total")?,
            refusals,
            refusals_said: Reason::ALL.map(|_| Seldom::once_a_minute()),
            exceeded,
            panics,
            log_lines_dropped: count(&registry, "framehub_log_lines_dropped_total")?,
            render: histogram(&registry, "framehub_render_seconds", &SECONDS)?,
            encode: histogram(&registry, "framehub_encode_seconds", &SECONDS)?,
            base64: histogram(&registry, "framehub_base64_seconds", &SECONDS)?,
            delivery: histogram(&registry, "framehub_delivery_seconds", &SECONDS)?,
            roundtrip: histogram(&registry, "framehub_roundtrip_seconds", &SECONDS)?,
            frame_bytes: histogram(&registry, "framehub_frame_bytes", &BYTES)?,
            shares_unkept: gauge(&registry, "framehub_shares_unkept")?,
            encoder_threads: gauge(&registry, "framehub_encoder_threads")?,
            encoder_queue: gauge(&registry, "framehub_encoder_queue")?,
            encoder_busy: seconds(&registry, "framehub_encoder_busy_seconds_total")?,
            memory: gauge(&registry, "framehub_memory_bytes")?,
            memory_limit: gauge(&registry, "framehub_memory_limit_bytes")?,
            memory_refusals: MEMORY.map(|limit| memory_refusals.with_label_values(&[limit])),
            renderers_queued: gauge(&registry, "framehub_renderers_queued")?,
            renderers_busy: gauge(&registry, "framehub_renderers_busy")?,
            renderers_busy_seconds: seconds(&registry, "framehub_renderers_busy_seconds_total")?,
            registry,
        })
    }

    /// Something was refused: with a code for programs, and a message for people. The log says so once a minute for each reason.
    pub fn refused(&self, reason: Reason, code: &str, message: &str) {
        self.refused_page(reason);
        let said =
            &self.refusals_said[Reason::ALL.iter().position(|known| *known == reason).unwrap_or_default()];
        if let Some(left_out) = said.due(Instant::now()) {
            tracing::warn!(reason = reason.name(), code, why = message, left_out, "refused");
        }
    }

    /// Instead of a page another one was given that says why: nobody needs to read of it in the log.
    pub fn refused_page(&self, reason: Reason) {
        self.refusals.with_label_values(&[reason.name()]).inc();
    }

    /// A message was refused.
    pub fn refused_message(&self, refusal: &Refusal) {
        self.refused(Reason::of_message(refusal.code), refusal.code, &refusal.message);
    }

    /// So many changes of shares are not on disk.
    pub fn shares_unkept(&self, changes: u64) {
        self.shares_unkept.set(i64::try_from(changes).unwrap_or(i64::MAX));
    }

    /// A caller did more than it may.
    pub(crate) fn exceeded(&self, what: Spent) {
        self.exceeded.with_label_values(&[what.name()]).inc();
    }

    /// A part of the server ends. Answers whether a panic is why: then it is counted.
    pub fn ended(&self, part: Part) -> bool {
        let panicking = std::thread::panicking();
        if panicking {
            self.panicked(part);
        }
        panicking
    }

    /// A panic has ended a part of the server.
    pub fn panicked(&self, part: Part) {
        self.panics.with_label_values(&[part.name()]).inc();
    }

    /// A WebSocket connection was made; it counts for as long as the answer is kept.
    pub fn connection(&self) -> Connected {
        Connected::to(&self.connections)
    }

    /// A kernel is connected for as long as the answer is kept.
    pub fn kernel(&self) -> Connected {
        Connected::to(&self.kernels)
    }

    /// A renderer waits for a thread.
    pub fn renderer_waits(&self) {
        self.renderers_queued.inc();
    }

    /// A renderer that waited is at work.
    pub fn renderer_begins(&self) {
        self.renderers_queued.dec();
        self.renderers_busy.inc();
    }

    /// A renderer that waited gets no thread.
    pub fn renderer_waits_no_more(&self) {
        self.renderers_queued.dec();
    }

    /// A renderer has been at work for so long.
    pub fn renderer_ends(&self, took: Duration) {
        self.renderers_busy.dec();
        self.renderers_busy_seconds.inc_by(took.as_secs_f64());
    }
}

/// A metric, after the registry has taken it.
fn registered<M: Collector + Clone + 'static>(
    registry: &Registry,
    metric: M,
) -> Result<M, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn count(registry: &Registry, name: &str) -> Result<IntCounter, prometheus::Error> {
    registered(registry, IntCounter::with_opts(opts(name)?)?)
}

/// Counters by a label's values. A series that begins at zero shows its first increase.
fn counts<const N: usize>(
    registry: &Registry,
    name: &str,
    values: [&str; N],
) -> Result<IntCounterVec, prometheus::Error> {
    let counts = registered(registry, IntCounterVec::new(opts(name)?, find(name)?.labels)?)?;
    for value in values {
        counts.with_label_values(&[value]);
    }
    Ok(counts)
}

fn seconds(registry: &Registry, name: &str) -> Result<Counter, prometheus::Error> {
    registered(registry, Counter::with_opts(opts(name)?)?)
}

fn gauge(registry: &Registry, name: &str) -> Result<IntGauge, prometheus::Error> {
    registered(registry, IntGauge::with_opts(opts(name)?)?)
}

fn int_gauges(registry: &Registry, name: &str) -> Result<IntGaugeVec, prometheus::Error> {
    registered(registry, IntGaugeVec::new(opts(name)?, find(name)?.labels)?)
}

fn histogram(registry: &Registry, name: &str, buckets: &[f64]) -> Result<Histogram, prometheus::Error> {
    let options = HistogramOpts { common_opts: opts(name)?, buckets: buckets.to_vec() };
    registered(registry, Histogram::with_opts(options)?)
}
