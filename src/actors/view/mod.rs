//! The actor of a view: one connected place where a widget is shown.
//!
//! Owns the view's credits, size, visibility, role and clock. Decides what a message of the browser means, when patience with
//! unconfirmed frames ends, and what must be released for a user who is gone. Never encodes, and knows nothing of
//! sockets: what it sends goes into an [`Outbox`], so that a socket that is stuck cannot stop this actor's clock.

mod messages;
mod refreshes;
mod report;
mod user;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use bytestring::ByteString;
use tracing::Span;

pub use messages::*;
use refreshes::Refreshes;
use report::Asking;

use crate::{
    actors::{
        outbox::Unread,
        widget::{self, Widget},
    },
    adaptation::{Adaptation, Reduction, Sample},
    breakdown::Passing,
    budget::Allowed,
    clock::{ClockOffset, unix_now},
    credits::Credits,
    delivery::Send,
    event::{Held, Size, ViewId},
    handle::{Identity, Shared},
    metrics::{Counted, Part},
    pacing::{Pacing, Sent, Verdict},
    protocol::{
        Refusal, close_code,
        view::{ClientMessage, FrameFeedback, FrameMessage, Label, Pong, Role, ServerMessage},
    },
    stats::Stats,
};

/// How often the browser's clock and the link are measured.
const PING_EVERY: Duration = Duration::from_secs(2);
/// Text that may be under way to a browser that says nothing at all, or that may wait for it to be read, whatever it says. Beyond it the
/// browser has stopped reading.
const MAX_UNHEARD_TEXT: usize = 4 << 20;

/// Bounds on a view, and what it aims at.
#[derive(Debug, Clone, Copy)]
pub struct ViewLimits {
    /// A frame that is unconfirmed for so long takes the view's credits back to full once, and ends the view at the next.
    pub deadline: Duration,
    /// A browser that answers no ping for so long is gone.
    pub silence: Duration,
    /// The time from draw to display that a view on a slow link is kept under.
    pub target_latency: Duration,
}

/// What a view is, for its whole life.
pub struct Place {
    /// Its name.
    pub id: ViewId,
    /// Whose it is.
    pub viewer: Viewer,
    /// What it may do.
    pub role: Role,
    /// Whether it is sent less than it could show when its link is slow.
    pub adaptive: bool,
    /// How many frames may be in flight at first.
    pub capacity: u32,
    /// The frames that it may still be sent.
    pub credits: Arc<Credits>,
    /// Where what it has to say goes.
    pub outbox: Outbox,
    /// What its caller may do, in all views together.
    pub allowed: Allowed,
    /// Its widget.
    pub widget: Addr<Widget>,
}

/// The actor. See the module's documentation.
pub struct View {
    place: Place,
    /// Of the connection: says in the log whose view of which widget it is.
    span: Span,
    shared: Arc<Shared>,
    metrics: Arc<Counted>,
    pacing: Pacing,
    clock: ClockOffset,
    adaptation: Adaptation,
    /// What the widget knows that frames are to be reduced to.
    reduction: Reduction,
    held: Held,
    /// Whether the browser said `focus_in` last.
    focused: bool,
    /// Whether the widget heard `focus_in` last.
    told_focused: bool,
    /// Whether no other view holds the control.
    acting: bool,
    stats: Stats,
    passing: Passing,
    bytes: u64,
    /// The size that the browser told last; `None` before, and while it is zero.
    size: Option<Size>,
    /// Whether the browser said `hide` last.
    hidden: bool,
    /// How often the browser asks for whole frames.
    refreshes: Refreshes,
    /// Whether a look at the deadline is due.
    watching: bool,
    /// How long a ping may stay unanswered.
    silence: Duration,
    /// When the ping that is not answered yet was sent: Unix time, and on our own clock.
    pinged: Option<(f64, Instant)>,
    /// Bytes of text sent since the browser was heard last.
    unheard_text: usize,
    asking: Asking,
    /// Text that waits to be read.
    unread: Unread,
    /// What the metrics know of this view.
    counted_visible: bool,
    counted_in_flight: i64,
}

impl View {
    pub(crate) fn new(place: Place, shared: Arc<Shared>, metrics: Arc<Counted>, limits: ViewLimits) -> Self {
        metrics.views(1);
        let Identity { id: widget, kind, owner, .. } = &shared.identity;
        let owner = owner.as_deref();
        let span = tracing::info_span!("view", view = %place.id, widget, kind, owner, role = ?place.role);
        tracing::debug!(parent: &span, "joined");
        Self {
            span,
            pacing: Pacing::new(place.capacity, limits.deadline),
            place,
            shared,
            metrics,
            clock: ClockOffset::default(),
            silence: limits.silence,
            adaptation: Adaptation::new(limits.target_latency),
            reduction: Reduction::NONE,
            held: Held::default(),
            focused: false,
            told_focused: false,
            acting: true,
            stats: Stats::default(),
            passing: Passing::default(),
            bytes: 0,
            size: None,
            hidden: false,
            refreshes: Refreshes::default(),
            watching: false,
            pinged: None,
            unheard_text: 0,
            asking: Asking::new(Instant::now()),
            unread: Unread::default(),
            counted_visible: false,
            counted_in_flight: 0,
        }
    }

    /// Brings the metrics' count of visible views up to date.
    fn count_visible(&mut self, visible: bool) {
        let change = i64::from(visible) - i64::from(self.counted_visible);
        self.counted_visible = visible;
        if change != 0 {
            self.metrics.visible_views(change);
        }
    }

    /// Brings the metrics' count of frames in flight up to date.
    fn count_in_flight(&mut self) {
        let in_flight = i64::try_from(self.pacing.in_flight()).unwrap_or(i64::MAX);
        let change = in_flight - std::mem::replace(&mut self.counted_in_flight, in_flight);
        if change != 0 {
            self.metrics.in_flight(change);
        }
    }

    fn tell(&mut self, text: ByteString, ctx: &mut Context<Self>) {
        self.unheard_text += text.len();
        let waiting = self.unread.wait(text.len(), MAX_UNHEARD_TEXT);
        if self.unheard_text > MAX_UNHEARD_TEXT || waiting.is_none() {
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
        self.place.outbox.do_send(ToClient::Text(text, waiting));
    }

    fn end(&mut self, end: End, ctx: &mut Context<Self>) {
        self.say_end(end);
        ctx.stop();
    }

    fn say_end(&self, End { reason, message, code }: End) {
        let close = ServerMessage::Close { reason, message }.to_text();
        self.place.outbox.do_send(ToClient::Text(close, None));
        self.place.outbox.do_send(ToClient::Close { code, reason });
    }

    fn refuse(&mut self, refusal: &Refusal, ctx: &mut Context<Self>) {
        self.metrics.rejected();
        self.metrics.server().refused_message(refusal);
        let Refusal { code, message, field, close } = refusal;
        tracing::debug!(parent: &self.span, code, message, "message refused");
        self.tell(ServerMessage::Error { code, message, field: field.as_deref() }.to_text(), ctx);
        if let Some(code) = *close {
            self.end(End { reason: "refused", message: "a message of this view was refused", code }, ctx);
        }
    }

    /// Gives credits back: frames came back, or the capacity changed.
    fn grant(&mut self, credits: i64) {
        self.count_in_flight();
        if self.place.credits.give(credits) {
            self.place.widget.do_send(widget::Granted(self.place.id));
        }
    }

    /// Gives up frames in flight, for which credits come back. What the browser shows is then uncertain.
    fn give_up(&self, credits: u32) {
        if credits != 0 {
            self.lose(credits);
        }
    }

    /// The browser may not show what it was sent.
    fn lose(&self, credits: u32) {
        self.place.widget.do_send(widget::Lost { view: self.place.id, credits });
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
        let counted = || confirmed.iter().filter(|frame| !frame.sent.settle);
        if let Some(last) = counted().next_back() {
            let now = unix_now();
            let roundtrip = last.sent_at.elapsed().as_secs_f64();
            let delivery = self.clock.delivery(now - roundtrip, feedback.localtime, roundtrip);
            self.stats.confirmed(counted().map(|frame| frame.index), now, roundtrip, delivery);
            self.shared.stats.lock().confirmed(
                counted().map(|frame| frame.sent.frame),
                now,
                roundtrip,
                delivery,
            );
            self.metrics.confirmed(counted().count() as u64, roundtrip, delivery);
            let Sent { reduction, bytes, waiting, encoding, .. } = last.sent;
            let (waiting, encoding) = (waiting.as_secs_f64(), encoding.as_secs_f64());
            let roundtrip = self.passing.confirmed(waiting, encoding, roundtrip, feedback.drawing);
            self.adapt(Sample { reduction, bytes, encoding, roundtrip });
        }
        self.grant(i64::try_from(confirmed.len()).unwrap_or(i64::MAX));
    }

    /// Takes what a frame says of the link, and tells the widget when that changes what the next ones are reduced to.
    fn adapt(&mut self, sample: Sample) {
        let (adaptive, quality) = {
            let traits = self.shared.traits.lock();
            (traits.adaptive, traits.quality)
        };
        if self.place.adaptive && adaptive && quality < 100 {
            self.adaptation.confirmed(sample, quality, Instant::now());
        } else {
            self.adaptation.reset();
        }
        self.tell_reduction();
    }

    fn tell_reduction(&mut self) {
        let reduction = self.adaptation.reduction();
        if reduction != self.reduction {
            self.reduction = reduction;
            tracing::debug!(parent: &self.span, ?reduction, "adapted to its link");
            self.place.widget.do_send(widget::Adapt { view: self.place.id, reduction });
        }
    }

    fn pong(&mut self, pong: Pong) {
        // Only the ping that is under way counts: nobody can make up round trips.
        if let Some((_, sent)) = self.pinged.take_if(|(pinged, _)| (*pinged - pong.timestamp).abs() < 1e-6) {
            self.clock.observe(pong.timestamp, pong.localtime, unix_now());
            self.adaptation.pinged(sent.elapsed().as_secs_f64());
        }
    }

    fn ping(&mut self, ctx: &mut Context<Self>) {
        if !self.place.outbox.connected() {
            // The connection was gone before this view was there, and could not say so.
            ctx.stop();
            return;
        }
        if !self.place.widget.connected() {
            // What the view shows would never change. If the widget said why it ended, that comes first.
            ctx.address().do_send(End::FAILED);
            return;
        }
        match self.pinged {
            None => {
                let timestamp = unix_now();
                self.pinged = Some((timestamp, Instant::now()));
                self.tell(ServerMessage::Ping { timestamp }.to_text(), ctx);
            }
            Some((_, sent)) if sent.elapsed() > self.silence => {
                let message = "the view answers no pings";
                self.end(End { reason: "silent", message, code: close_code::DEADLINE }, ctx);
            }
            Some(_) => {}
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
                Verdict::Refill(credits) => {
                    view.adaptation.gave_up();
                    view.tell_reduction();
                    view.give_up(credits);
                }
                Verdict::Drop => {
                    view.metrics.dropped();
                    tracing::info!(parent: &view.span, "dropped: its frames stay unconfirmed");
                    let message = "frames were not confirmed in time";
                    view.end(End { reason: "deadline", message, code: close_code::DEADLINE }, ctx);
                }
            }
        });
    }
}

impl Drop for View {
    fn drop(&mut self) {
        tracing::debug!(parent: &self.span, bytes = self.bytes, "left");
        self.metrics.views(-1);
        self.count_visible(false);
        self.pacing.refill();
        self.count_in_flight();
    }
}

impl Actor for View {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.ping(ctx);
        // Two within the time that is given to the first.
        ctx.run_interval(PING_EVERY.min(self.silence / 2), Self::ping);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if self.metrics.server().ended(Part::View) {
            self.say_end(End::FAILED);
        }
        self.release(0.0);
        self.focused = false;
        self.follow_focus(0.0);
        self.place.widget.do_send(widget::Leave(self.place.id));
    }
}

impl Handler<FromClient> for View {
    type Result = ();

    fn handle(&mut self, FromClient(message): FromClient, ctx: &mut Self::Context) {
        self.unheard_text = 0;
        match message {
            Ok(ClientMessage::Event { kind, timestamp }) => self.event(kind, timestamp, ctx),
            Ok(ClientMessage::FrameFeedback(feedback)) => self.confirm(feedback, ctx),
            Ok(ClientMessage::Pong(pong)) => self.pong(pong),
            Ok(ClientMessage::Refresh) => self.refresh(ctx),
            Ok(ClientMessage::Control(_)) if self.place.role == Role::Watch => {
                let message = "this view may only watch: connect with role=interact to take the control";
                self.refuse(&Refusal::of_message("role", message), ctx);
            }
            Ok(ClientMessage::Control(action)) => {
                self.place.widget.do_send(widget::ControlWanted { view: self.place.id, action });
            }
            Ok(ClientMessage::GetStats) => self.asks_for_stats(ctx),
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

    fn handle(&mut self, Deliver(send): Deliver, ctx: &mut Self::Context) {
        let Send { number, encoded, whole, exact, settle, reduction, .. } = send;
        let (now, timestamp) = (Instant::now(), unix_now());
        let (bytes, waiting, encoding) = (encoded.len(), encoded.wait_time, encoded.encode_time);
        let index =
            self.pacing.sent(Sent { frame: number, settle, reduction, bytes, waiting, encoding }, now);
        let message = FrameMessage::new(&encoded, Label { index, timestamp, whole, exact });
        self.bytes += message.len() as u64;
        self.metrics.sent(message.len() as u64, settle);
        self.count_in_flight();
        if !settle {
            let (encoding, base64) = (encoded.encode_time.as_secs_f64(), encoded.base64_time.as_secs_f64());
            self.stats.sent(index, timestamp, encoding, base64);
            self.shared.stats.lock().sent(number, timestamp, encoding, base64);
        }
        self.place.outbox.do_send(ToClient::Frame(message));
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

impl Handler<SetActing> for View {
    type Result = ();

    fn handle(&mut self, SetActing(acting): SetActing, _: &mut Self::Context) {
        self.acting = acting;
        if !acting {
            self.release(0.0);
        }
        self.follow_focus(0.0);
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
