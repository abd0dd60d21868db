//! The counts of one widget. Whoever counts here counts for the server as a whole at the same time.

use std::{sync::Arc, time::Duration};

use prometheus::core::{Atomic, AtomicF64, AtomicI64, AtomicU64};

use super::ServerMetrics;
use crate::handle::Shared;

/// The counters of a widget, in the order of [`super::series::COUNTERS`].
pub const COUNTERS: usize = 19;

/// Atomic handles, for the widget and its views.
pub struct WidgetMetrics {
    server: Arc<ServerMetrics>,
    shared: Arc<Shared>,
    drawn: AtomicU64,
    errors: AtomicU64,
    sent: AtomicU64,
    confirmed: AtomicU64,
    skipped: AtomicU64,
    unchanged: AtomicU64,
    settled: AtomicU64,
    sent_bytes: AtomicU64,
    render_seconds: AtomicF64,
    encode_seconds: AtomicF64,
    base64_seconds: AtomicF64,
    delivery_seconds: AtomicF64,
    roundtrip_seconds: AtomicF64,
    confirmations: AtomicU64,
    events_received: AtomicU64,
    events_coalesced: AtomicU64,
    events_rejected: AtomicU64,
    deadline_drops: AtomicU64,
    limited_seconds: AtomicF64,
    views: AtomicI64,
    visible_views: AtomicI64,
    in_flight: AtomicI64,
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
impl WidgetMetrics {
    /// A new widget's, at zero.
    pub(crate) fn new(server: Arc<ServerMetrics>, shared: Arc<Shared>) -> Self {
        let (whole, part, level) = (|| AtomicU64::new(0), || AtomicF64::new(0.0), || AtomicI64::new(0));
        Self {
            server,
            shared,
            drawn: whole(),
            errors: whole(),
            sent: whole(),
            confirmed: whole(),
            skipped: whole(),
            unchanged: whole(),
            settled: whole(),
            sent_bytes: whole(),
            render_seconds: part(),
            encode_seconds: part(),
            base64_seconds: part(),
            delivery_seconds: part(),
            roundtrip_seconds: part(),
            confirmations: whole(),
            events_received: whole(),
            events_coalesced: whole(),
            events_rejected: whole(),
            deadline_drops: whole(),
            limited_seconds: part(),
            views: level(),
            visible_views: level(),
            in_flight: level(),
        }
    }

    /// The counts of the server.
    pub fn server(&self) -> &ServerMetrics {
        &self.server
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// `get_frame` was called and took so long.
    pub fn drew(&self, took: Duration) {
        self.drawn.inc_by(1);
        self.render_seconds.inc_by(took.as_secs_f64());
        self.server.drawn.inc();
        self.server.render.observe(took.as_secs_f64());
    }

    /// The renderer or the encoder failed.
    pub fn failed(&self) {
        self.errors.inc_by(1);
        self.server.errors.inc();
    }

    /// An image was made; `base64` is zero when that was not asked for.
    pub fn encoded(&self, took: Duration, base64: Duration) {
        self.encode_seconds.inc_by(took.as_secs_f64());
        self.server.encode.observe(took.as_secs_f64());
        if !base64.is_zero() {
            self.base64_seconds.inc_by(base64.as_secs_f64());
            self.server.base64.observe(base64.as_secs_f64());
        }
    }

    /// Seconds spent encoding so far.
    pub fn encode_seconds(&self) -> f64 {
        self.encode_seconds.get()
    }

    /// A frame of so many bytes was sent; `settle` says whether it only makes the one before exact.
    pub fn sent(&self, bytes: u64, settle: bool) {
        self.sent_bytes.inc_by(bytes);
        self.server.sent_bytes.inc_by(bytes);
        self.server.frame_bytes.observe(bytes as f64);
        let (own, server) =
            if settle { (&self.settled, &self.server.settled) } else { (&self.sent, &self.server.sent) };
        own.inc_by(1);
        server.inc();
    }

    /// One confirmation of so many frames came, the last of which took so many seconds.
    pub fn confirmed(&self, frames: u64, roundtrip: f64, delivery: f64) {
        self.confirmed.inc_by(frames);
        self.confirmations.inc_by(1);
        self.roundtrip_seconds.inc_by(roundtrip);
        self.delivery_seconds.inc_by(delivery);
        self.server.confirmed.inc_by(frames);
        self.server.roundtrip.observe(roundtrip);
        self.server.delivery.observe(delivery);
    }

    /// So many views never got a frame.
    pub fn skipped(&self, views: u64) {
        self.skipped.inc_by(views);
        self.server.skipped.inc_by(views);
    }

    /// A frame equalled the one before.
    pub fn unchanged(&self) {
        self.unchanged.inc_by(1);
        self.server.unchanged.inc();
    }

    /// An event came from a view that may act; so many were merged into others by it.
    pub fn event(&self, coalesced: u64) {
        self.events_received.inc_by(1);
        self.events_coalesced.inc_by(coalesced);
        self.server.events_received.inc();
        self.server.events_coalesced.inc_by(coalesced);
    }

    /// A message of a view was refused.
    pub fn rejected(&self) {
        self.events_rejected.inc_by(1);
        self.server.events_rejected.inc();
    }

    /// A view was dropped since it did not confirm its frames.
    pub fn dropped(&self) {
        self.deadline_drops.inc_by(1);
        self.server.deadline_drops.inc();
    }

    /// Its frames waited so long, since its user took more than one may.
    pub fn limited(&self, waited: Duration) {
        self.limited_seconds.inc_by(waited.as_secs_f64());
        self.server.limited.inc_by(waited.as_secs_f64());
    }

    /// So many views joined, or left (negative).
    pub fn views(&self, change: i64) {
        self.views.inc_by(change);
        self.server.views.add(change);
    }

    /// So many views became visible, or are no longer (negative).
    pub fn visible_views(&self, change: i64) {
        self.visible_views.inc_by(change);
        self.server.visible_views.add(change);
    }

    /// So many frames went out, or are no longer in flight (negative).
    pub fn in_flight(&self, change: i64) {
        self.in_flight.inc_by(change);
        self.server.in_flight.add(change);
    }

    /// The counters, in the order of [`super::series::COUNTERS`].
    pub(super) fn counters(&self) -> [f64; COUNTERS] {
        let whole = |counter: &AtomicU64| counter.get() as f64;
        [
            whole(&self.drawn),
            whole(&self.errors),
            whole(&self.sent),
            whole(&self.confirmed),
            whole(&self.skipped),
            whole(&self.unchanged),
            whole(&self.settled),
            whole(&self.sent_bytes),
            self.render_seconds.get(),
            self.encode_seconds.get(),
            self.base64_seconds.get(),
            self.delivery_seconds.get(),
            self.roundtrip_seconds.get(),
            whole(&self.confirmations),
            whole(&self.events_received),
            whole(&self.events_coalesced),
            whole(&self.events_rejected),
            whole(&self.deadline_drops),
            self.limited_seconds.get(),
        ]
    }

    /// The gauges, in the order of [`super::series::GAUGES`].
    pub(super) fn gauges(&self) -> [f64; 4] {
        let requested = self.shared.is_draw_requested();
        let level = |gauge: &AtomicI64| gauge.get() as f64;
        [
            level(&self.views),
            level(&self.visible_views),
            level(&self.in_flight),
            f64::from(u8::from(requested)),
        ]
    }
}
