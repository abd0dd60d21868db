//! The actor of a view: one connected place where a widget is shown.
//!
//! Owns the view's credits, size, visibility, role and clock. Decides what a message of the browser means, when patience with
//! unconfirmed frames ends, and what must be released for a user who is gone. Never encodes, and knows nothing of
//! sockets: what it sends goes into an [`Outbox`], so that a socket that is stuck cannot stop this actor's clock.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use bytestring::ByteString;
use serde::Serialize;

use crate::{
    actors::{
        metrics::WidgetMetrics,
        widget::{self, GetReport as GetWidgetReport, Widget},
    },
    clock::{ClockOffset, unix_now},
    delivery::Send,
    event::{EventKind, Held, Size, ViewId},
    handle::Shared,
    pacing::{Pacing, Verdict},
    protocol::{
        Refusal, close_code,
        view::{ClientMessage, FrameFeedback, FrameMessage, Pong, Role, ServerMessage},
    },
    stats::{Stats, StatsSummary},
};

/// How often the browser's clock and the link are measured.
const PING_EVERY: Duration = Duration::from_secs(2);
/// Text that may be under way to a browser that says nothing at all. Beyond it the browser has stopped reading.
const MAX_UNHEARD_TEXT: usize = 4 << 20;

/// Where a view's messages go: the address of a socket, or whatever stands in for one.
pub type Outbox = Recipient<ToClient>;

/// Bounds on a view.
#[derive(Debug, Clone, Copy)]
pub struct ViewLimits {
    /// A frame that is unconfirmed for so long takes the view's credits back to full once, and ends the view at the next.
    pub deadline: Duration,
}

/// Something for the browser.
#[derive(Message, Debug, Clone)]
#[rtype(result = "()")]
pub enum ToClient {
    /// A text message.
    Text(ByteString),
    /// A frame.
    Frame(FrameMessage),
    /// Close the connection.
    Close {
        /// The WebSocket close code.
        code: u16,
        /// Why.
        reason: &'static str,
    },
}

/// A message of the browser, or why it was refused.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct FromClient(pub Result<ClientMessage, Refusal>);

/// The connection is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Disconnected;

/// A frame for this view.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Deliver(pub Send);

/// Text for the browser.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Tell(pub ByteString);

/// How many frames may be in flight.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SetCapacity(pub u32);

/// Begin the statistics anew.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ResetStats;

/// The view ends; its browser is told why.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct End {
    /// Why, for programs.
    pub reason: &'static str,
    /// Why, for people.
    pub message: &'static str,
    /// The WebSocket close code.
    pub code: u16,
}

/// Asks for the view's statistics.
#[derive(Message)]
#[rtype(result = "ViewReport")]
pub struct GetReport;

/// A view's statistics. Times are in seconds.
#[derive(Debug, Clone, Serialize, MessageResponse)]
pub struct ViewReport {
    /// The view.
    pub view: ViewId,
    /// What it may do.
    pub role: Role,
    /// Whether its user can see it.
    pub visible: bool,
    /// Whether its size is the widget's.
    pub driver: bool,
    /// Logical pixels.
    pub width: f64,
    /// Logical pixels.
    pub height: f64,
    /// Physical pixels per logical pixel.
    pub ratio: f64,
    /// Frames sent and not yet confirmed.
    pub in_flight: usize,
    /// The seed's statistics, of this view alone.
    #[serde(flatten)]
    pub stats: StatsSummary,
    /// Frames that it never got, since newer ones came first.
    pub skipped_frames: u64,
    /// Bytes of frames sent.
    pub bytes: u64,
}

/// The actor. See the module's documentation.
pub struct View {
    id: ViewId,
    role: Role,
    widget: Addr<Widget>,
    outbox: Outbox,
    shared: Arc<Shared>,
    metrics: Arc<WidgetMetrics>,
    pacing: Pacing,
    clock: ClockOffset,
    held: Held,
    stats: Stats,
    bytes: u64,
    /// The size that the browser told last; `None` before, and while it is zero.
    size: Option<Size>,
    /// Whether the browser said `hide` last.
    hidden: bool,
    /// Whether a look at the deadline is due.
    watching: bool,
    /// When the ping that is not answered yet was sent, Unix time.
    pinged: Option<f64>,
    /// Bytes of text sent since the browser was heard last.
    unheard_text: usize,
}

impl View {
    #[expect(clippy::too_many_arguments, reason = "called in one place, each argument is a field")]
    pub(crate) fn new(
        id: ViewId,
        role: Role,
        widget: Addr<Widget>,
        outbox: Outbox,
        shared: Arc<Shared>,
        metrics: Arc<WidgetMetrics>,
        limits: ViewLimits,
        capacity: u32,
    ) -> Self {
        Self {
            id,
            role,
            widget,
            outbox,
            shared,
            metrics,
            pacing: Pacing::new(capacity, limits.deadline),
            clock: ClockOffset::default(),
            held: Held::default(),
            stats: Stats::default(),
            bytes: 0,
            size: None,
            hidden: false,
            watching: false,
            pinged: None,
            unheard_text: 0,
        }
    }

    fn is_visible(&self) -> bool {
        self.size.is_some() && !self.hidden
    }

    fn tell(&mut self, text: ByteString, ctx: &mut Context<Self>) {
        self.unheard_text += text.len();
        if self.unheard_text > MAX_UNHEARD_TEXT {
            self.end(
                End {
                    reason: "unread",
                    message: "the view does not read its messages",
                    code: close_code::POLICY,
                },
                ctx,
            );
            return;
        }
        self.outbox.do_send(ToClient::Text(text));
    }

    fn end(&mut self, end: End, ctx: &mut Context<Self>) {
        let End { reason, message, code } = end;
        self.outbox.do_send(ToClient::Text(ServerMessage::Close { reason, message }.to_text()));
        self.outbox.do_send(ToClient::Close { code, reason });
        ctx.stop();
    }

    fn refuse(&mut self, refusal: &Refusal, ctx: &mut Context<Self>) {
        let Refusal { code, message, field, close } = refusal;
        tracing::debug!(view = %self.id, widget = %self.shared.identity.id, code, message, "message refused");
        self.tell(ServerMessage::Error { code, message, field: field.as_deref() }.to_text(), ctx);
        if let Some(code) = *close {
            self.end(End { reason: "refused", message: "a message of this view was refused", code }, ctx);
        }
    }

    fn grant(&self, credits: i64) {
        if credits != 0 {
            self.widget.do_send(widget::Grant { view: self.id, credits });
        }
    }

    fn input(&self, kind: EventKind, timestamp: f64) {
        self.widget.do_send(widget::Input { view: self.id, kind, timestamp });
    }

    /// Releases what the user holds here and can no longer release.
    fn release(&mut self, timestamp: f64) {
        for kind in self.held.release() {
            self.input(kind, timestamp);
        }
    }

    fn event(&mut self, kind: EventKind, timestamp: f64) {
        match kind {
            EventKind::Resize(size) => {
                let before = self.size;
                let now = Some(size).filter(|size| !size.is_zero());
                if now != before {
                    // The first size is the page's own doing; later ones are the user's.
                    let acted = self.role == Role::Interact && before.is_some() && now.is_some();
                    self.changed(timestamp, acted, |view| view.size = now);
                }
            }
            EventKind::Show => self.changed(timestamp, false, |view| view.hidden = false),
            EventKind::Hide => self.changed(timestamp, false, |view| view.hidden = true),
            _ if self.role == Role::Watch => {}
            kind => {
                if matches!(kind, EventKind::FocusOut) {
                    self.release(timestamp);
                }
                if self.held.observe(&kind) {
                    self.input(kind, timestamp);
                }
            }
        }
    }

    /// Changes the size or the visibility, and does what follows from it.
    fn changed(&mut self, timestamp: f64, acted: bool, change: impl FnOnce(&mut Self)) {
        let was_visible = self.is_visible();
        change(self);
        let visible = self.is_visible();
        if was_visible && !visible {
            self.release(timestamp);
        }
        if visible && !was_visible {
            // While it was hidden the browser did not draw, so that its confirmations may never come.
            let credits = self.pacing.refill();
            self.grant(i64::from(credits));
        }
        self.widget.do_send(widget::ViewChanged { view: self.id, size: self.size, visible, acted });
    }

    fn confirm(&mut self, feedback: FrameFeedback, ctx: &mut Context<Self>) {
        let confirmed = match self.pacing.confirm(feedback.index) {
            Ok(confirmed) => confirmed,
            Err(error) => {
                let refusal =
                    Refusal::of_message("frame_feedback", format!("field `index`: {error}")).field("index");
                self.refuse(&refusal, ctx);
                return;
            }
        };
        let counted = || confirmed.iter().filter(|frame| !frame.settle);
        if let Some(last) = counted().next_back() {
            let now = unix_now();
            let roundtrip = last.sent_at.elapsed().as_secs_f64();
            let delivery = self.clock.delivery(now - roundtrip, feedback.localtime, roundtrip);
            self.stats.confirmed(counted().map(|frame| frame.index), now, roundtrip, delivery);
            self.shared.stats.lock().confirmed(counted().map(|frame| frame.frame), now, roundtrip, delivery);
            self.metrics.confirmed.inc_by(counted().count() as u64);
            self.metrics.roundtrip_seconds.inc_by(roundtrip);
            self.metrics.delivery_seconds.inc_by(delivery);
        }
        self.grant(i64::try_from(confirmed.len()).unwrap_or(i64::MAX));
    }

    fn pong(&mut self, pong: Pong) {
        // Only the ping that is under way counts: nobody can make up round trips.
        if self.pinged.take_if(|pinged| (*pinged - pong.timestamp).abs() < 1e-6).is_some() {
            self.clock.observe(pong.timestamp, pong.localtime, unix_now());
        }
    }

    fn ping(&mut self, ctx: &mut Context<Self>) {
        if self.pinged.is_none() {
            let timestamp = unix_now();
            self.pinged = Some(timestamp);
            self.tell(ServerMessage::Ping { timestamp }.to_text(), ctx);
        }
    }

    /// Looks at the deadline when it is due, for as long as frames are in flight to a visible view.
    fn watch(&mut self, due: Instant, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.watching, true) {
            return;
        }
        ctx.run_later(due.saturating_duration_since(Instant::now()), |view, ctx| {
            view.watching = false;
            if !view.is_visible() {
                return;
            }
            match view.pacing.check(Instant::now()) {
                Verdict::Wait(Some(due)) => view.watch(due, ctx),
                Verdict::Wait(None) => {}
                Verdict::Refill(credits) => view.grant(i64::from(credits)),
                Verdict::Drop => {
                    view.metrics.deadline_drops.inc();
                    tracing::info!(view = %view.id, widget = %view.shared.identity.id, "view dropped: its frames stay unconfirmed");
                    let message = "frames were not confirmed in time";
                    view.end(End { reason: "deadline", message, code: close_code::DEADLINE }, ctx);
                }
            }
        });
    }
}

impl Actor for View {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.ping(ctx);
        ctx.run_interval(PING_EVERY, Self::ping);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.release(0.0);
        self.widget.do_send(widget::Leave(self.id));
    }
}

impl Handler<FromClient> for View {
    type Result = ();

    fn handle(&mut self, FromClient(message): FromClient, ctx: &mut Self::Context) {
        self.unheard_text = 0;
        match message {
            Ok(ClientMessage::Event { kind, timestamp }) => self.event(kind, timestamp),
            Ok(ClientMessage::FrameFeedback(feedback)) => self.confirm(feedback, ctx),
            Ok(ClientMessage::Pong(pong)) => self.pong(pong),
            Ok(ClientMessage::GetStats) => {
                let report = self.widget.send(GetWidgetReport).into_actor(self);
                ctx.spawn(report.map(|report, view, ctx| {
                    // The widget may be gone; the view is then told so anyway.
                    if let Some(stats) = report.ok().and_then(|report| serde_json::to_value(report).ok()) {
                        view.tell(ServerMessage::Stats { stats: &stats }.to_text(), ctx);
                    }
                }));
            }
            Err(refusal) => self.refuse(&refusal, ctx),
        }
    }
}

impl Handler<Disconnected> for View {
    type Result = ();

    fn handle(&mut self, _: Disconnected, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<Deliver> for View {
    type Result = ();

    fn handle(&mut self, Deliver(Send { number, encoded, settle, .. }): Deliver, ctx: &mut Self::Context) {
        let (now, timestamp) = (Instant::now(), unix_now());
        let index = self.pacing.sent(number, settle, now);
        let message = FrameMessage::new(&encoded, index, timestamp);
        self.bytes += message.len() as u64;
        self.metrics.sent_bytes.inc_by(message.len() as u64);
        if settle {
            self.metrics.settled.inc();
        } else {
            let (encoding, base64) = (encoded.encode_time.as_secs_f64(), encoded.base64_time.as_secs_f64());
            self.stats.sent(index, timestamp, encoding, base64);
            self.shared.stats.lock().sent(number, timestamp, encoding, base64);
            self.metrics.sent.inc();
        }
        self.outbox.do_send(ToClient::Frame(message));
        if let Some(due) = self.pacing.due() {
            self.watch(due, ctx);
        }
    }
}

impl Handler<Tell> for View {
    type Result = ();

    fn handle(&mut self, Tell(text): Tell, ctx: &mut Self::Context) {
        self.tell(text, ctx);
    }
}

impl Handler<SetCapacity> for View {
    type Result = ();

    fn handle(&mut self, SetCapacity(capacity): SetCapacity, _: &mut Self::Context) {
        let gained = self.pacing.set_capacity(capacity);
        self.grant(gained);
    }
}

impl Handler<ResetStats> for View {
    type Result = ();

    fn handle(&mut self, _: ResetStats, _: &mut Self::Context) {
        self.stats.reset();
    }
}

impl Handler<End> for View {
    type Result = ();

    fn handle(&mut self, end: End, ctx: &mut Self::Context) {
        self.end(end, ctx);
    }
}

impl Handler<GetReport> for View {
    type Result = ViewReport;

    fn handle(&mut self, _: GetReport, _: &mut Self::Context) -> Self::Result {
        let size = self.size;
        ViewReport {
            view: self.id,
            role: self.role,
            visible: self.is_visible(),
            // The widget knows these two.
            driver: false,
            skipped_frames: 0,
            width: size.map_or(0.0, |size| size.width),
            height: size.map_or(0.0, |size| size.height),
            ratio: size.map_or(0.0, |size| size.ratio),
            in_flight: self.pacing.in_flight(),
            stats: self.stats.summary(),
            bytes: self.bytes,
        }
    }
}
