//! The actor of a widget.
//!
//! Owns the renderer, the queue of events, the latest frame and the seats of its views. Decides when to draw, at what size,
//! and which view gets which image. Never renders or encodes itself: the renderer is moved to a blocking thread for each
//! turn and comes back with a message, or is in a kernel, which is sent a message and answers with one; images come back from
//! the encoder pool. Never knows a socket.

mod bounds;
mod members;
mod memory;
mod messages;
mod news;
mod remote;
mod renderer;
mod reply;
mod report;
mod serving;
mod sizes;
mod snapshots;
mod turn;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use actix::prelude::*;

use bounds::Bounds;
use members::{TAKES, TAKES_AT_ONCE};
pub use messages::*;
use news::News;
pub use remote::{Adopt, KernelGone, KernelRequest, RemoteDone, RemoteFailed, ShowError};
use renderer::Renderer;
use report::Reports;
pub use report::{GetReport, Report, WidgetReport};
use snapshots::Wanted;

use crate::{
    Frame,
    actors::{
        kernel,
        registry::Registry,
        view::{self, End, View, ViewLimits},
    },
    breakdown::Recent,
    control::Control,
    delivery::{Compared, Delivery, Published},
    encode::Pool,
    event::{Event, EventKind, EventQueue, MAX_SIDE, Owed, Size, ViewId},
    handle::{Shared, SnapshotError},
    metrics::{Counted, Part},
    presence::Presence,
    protocol::{
        bucket::Bucket,
        close_code,
        view::{Role, State},
    },
    quota::{Charge, Held, ViewPlace},
    render::{Threads, run_blocking},
    seldom::Seldom,
};
use reply::Reply;
use turn::caught;

/// A renderer that works longer than this is said to be busy: shorter than that, nobody needs to be told.
const BUSY_AFTER: Duration = Duration::from_millis(500);
/// Bounds on a widget, and what its views are held to.
#[derive(Debug, Clone, Copy)]
pub struct WidgetLimits {
    /// Most views of one widget.
    pub max_views: usize,
    /// Most of them of one visitor: a user with whom it is shared, or a browser.
    pub max_views_of_visitor: usize,
    /// Most pixels that a renderer is asked for.
    pub max_pixels: u64,
    /// Most pixels of a frame that a renderer returns or a program pushes.
    pub max_frame_pixels: u64,
    /// Most pixels of a snapshot.
    pub max_snapshot_pixels: u64,
    /// A widget in which no user acts for so long is closed; `None` means never.
    pub idle: Option<Duration>,
    /// A renderer that is at work for so long holds up no other of its user's.
    pub renderer_patience: Duration,
    /// Bounds on each view.
    pub view: ViewLimits,
}

impl WidgetLimits {
    /// Lets a frame through that is no larger than the limit, in area and on each side.
    ///
    /// # Errors
    /// A message for the views when it is larger.
    fn accept(&self, frame: Frame) -> Result<Frame, String> {
        let (width, height) = (frame.width(), frame.height());
        if frame.area() > self.max_frame_pixels {
            return Err(format!(
                "a frame of {width} × {height} pixels is larger than the limit of {} pixels: draw a smaller one, or raise --max-frame-pixels",
                self.max_frame_pixels
            ));
        }
        if width.max(height) > MAX_SIDE {
            return Err(format!(
                "a frame of {width} × {height} pixels is longer than the limit of {MAX_SIDE} pixels a side: draw a smaller one"
            ));
        }
        Ok(frame)
    }
}

/// What a widget needs of the server around it.
#[derive(Clone)]
pub struct Surroundings {
    pub pool: Arc<Pool>,
    /// Where its renderer works.
    pub threads: Arc<Threads>,
    pub registry: Registry,
    pub metrics: Arc<Counted>,
    pub limits: WidgetLimits,
    /// Whether the widget stays while nobody uses it, whatever the limits say.
    pub stays: bool,
    /// Whether the renderer is in this process, where it takes memory.
    pub in_process: bool,
}

/// A frame that did not come from a draw was compared with the latest, or could not be: the how many-th of such frames.
#[derive(Message)]
#[rtype(result = "()")]
struct CompareDone(u64, Result<Compared, String>);

/// A view, as its widget knows it.
struct Member {
    addr: Addr<View>,
    role: Role,
    /// Whether its user is told which administrators watch, and what the renderer says of its failures.
    owners: bool,
    /// The administrator's name, if it is one's.
    administrator: Option<String>,
    /// Whether the view was told that its user may act.
    acting: bool,
    /// Whether its user holds a button down.
    dragging: bool,
    /// The releases that the renderer is still to hear of.
    owed: Owed,
    /// Whose it is, if not the owner's.
    visitor: Option<Visitor>,
    /// Counts against its owner's limit of views.
    _held: ViewPlace,
}

/// The actor. See the module's documentation.
pub struct Widget {
    shared: Arc<Shared>,
    around: Surroundings,
    /// Count against the server's limit of widgets and the user's for as long as this actor lives.
    places: Option<[Held; 2]>,
    bounds: Bounds,
    renderer: Renderer,
    /// When the turn that is running began.
    turn_began: Option<Instant>,
    /// Events that wait for the renderer.
    queue: EventQueue,
    /// The latest frame, the seats of the views and the images between them.
    delivery: Delivery,
    views: BTreeMap<ViewId, Member>,
    /// Whose size is the widget's, and who may act.
    control: Control,
    /// How often it may be taken.
    takes: Bucket,
    /// Where the pointers of the views are, while the trait `show_pointers` is on.
    presence: Presence,
    /// The logical size that the last driver gave the widget; the traits' before there was one.
    driven: Option<(f64, f64)>,
    /// The pixels that views which have a say in it needed last; `None` before there was one.
    granted: Option<u64>,
    /// The size that the renderer has, or will have once it took the events that wait.
    size: Option<Size>,
    state: State,
    /// What there is to say of the state: the renderer's error, or what keeps it.
    message: Option<String>,
    /// How often the log is told that the renderer failed.
    error_logged: Seldom,
    /// What the renderer's own picture takes, if that is in this process.
    picture: Option<Charge>,
    /// Whether something was not done for lack of memory, and is to be tried again.
    lacks_memory: bool,
    /// Whether the state says so.
    tells_lack: bool,
    memory_timer: bool,
    snapshots: VecDeque<Wanted>,
    /// Who gets the picture that the running turn takes.
    snapshot_under_way: Option<Wanted>,
    /// Whether a frame that did not come from a draw is being compared.
    comparing: bool,
    /// The newest frame that waits for that, and its number.
    uncompared: Option<(u64, Frame)>,
    /// Frames up to this number are older than one that was drawn.
    overtaken: u64,
    settle_timer: bool,
    busy_timer: bool,
    announce_timer: bool,
    /// What the views are not told yet.
    news: News,
    pointers_timer: bool,
    reports: Reports,
    frames_drawn: u64,
    draw_seconds: f64,
    /// Seconds that the latest draws took.
    recent_draws: Recent,
    next_view: u64,
    closing: bool,
}

impl Widget {
    pub(crate) fn new(shared: Arc<Shared>, around: Surroundings, places: [Held; 2]) -> Self {
        Self {
            shared,
            around,
            places: Some(places),
            bounds: Bounds::new(),
            renderer: Renderer::Away,
            turn_began: None,
            queue: EventQueue::default(),
            delivery: Delivery::default(),
            views: BTreeMap::new(),
            control: Control::default(),
            takes: Bucket::with_burst(TAKES, TAKES_AT_ONCE, Instant::now()),
            presence: Presence::default(),
            driven: None,
            granted: None,
            size: None,
            state: State::Live,
            message: None,
            picture: None,
            lacks_memory: false,
            tells_lack: false,
            memory_timer: false,
            error_logged: Seldom::once_a_minute(),
            snapshots: VecDeque::new(),
            snapshot_under_way: None,
            comparing: false,
            uncompared: None,
            overtaken: 0,
            settle_timer: false,
            busy_timer: false,
            announce_timer: false,
            news: News::new(Instant::now()),
            pointers_timer: false,
            reports: Reports::new(),
            frames_drawn: 0,
            draw_seconds: 0.0,
            recent_draws: Recent::default(),
            next_view: 1,
            closing: false,
        }
    }

    /// Sends the renderer on a turn if it is here and has something to do.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        self.watch_memory(ctx);
        let must = self.closing
            || !self.queue.is_empty()
            || !self.snapshots.is_empty()
            || self.renderer.is_taking_picture();
        if !must && !self.shared.is_draw_requested() {
            return;
        }
        // Asked last: views that have no credit to take a frame will wake this widget.
        let may_draw = !self.closing
            && self.size.is_some()
            && !self.renderer.awaits_comparison()
            && self.delivery.wants_frame();
        if !must && !may_draw {
            return;
        }
        match std::mem::replace(&mut self.renderer, Renderer::Away) {
            Renderer::Away => {}
            Renderer::Local(renderer) => self.local_turn(renderer, may_draw, ctx),
            Renderer::Remote(remote) => {
                self.renderer = Renderer::Remote(remote);
                self.remote_turn(may_draw, ctx);
            }
        }
    }

    fn set_state(&mut self, state: State, message: Option<String>, ctx: &mut Context<Self>) {
        if (self.state, &self.message) != (state, &message) {
            (self.state, self.message) = (state, message);
            self.tells_lack = false;
            self.announce(ctx);
        }
    }

    /// Takes a frame that did not come from a draw, and compares it with the latest on a thread that may take the time. Of frames
    /// that come meanwhile the newest is next.
    fn take_in(&mut self, number: u64, frame: Frame, ctx: &mut Context<Self>) {
        if self.comparing {
            self.uncompared = Some((number, frame));
        } else {
            self.compare(number, frame, ctx);
        }
    }

    fn compare(&mut self, number: u64, frame: Frame, ctx: &mut Context<Self>) {
        self.comparing = true;
        let comparer = self.delivery.comparer();
        let lost = CompareDone(
            number,
            Err("a frame cannot be compared: the system has no thread for it".to_owned()),
        );
        let reply = Reply::new(ctx.address(), lost);
        run_blocking(move || {
            let done = caught("the comparison of a frame", || Ok(comparer.compare(frame)));
            reply.send(CompareDone(number, done));
        });
    }

    /// Takes the latest frame, from the renderer or pushed.
    fn publish(&mut self, compared: Compared, ctx: &mut Context<Self>) {
        let frame = &compared.frame;
        if frame.is_empty() {
            // What waited for a newer frame need wait no longer.
            self.serve(ctx);
            return;
        }
        if let Err(message) = self.around.limits.accept(frame.clone()) {
            self.set_state(State::Error, Some(message), ctx);
            self.serve(ctx);
            return;
        }
        match self.delivery.publish(compared, Instant::now()) {
            Published::Changed(skipped) => self.around.metrics.skipped(skipped.len() as u64),
            Published::Unchanged => self.around.metrics.unchanged(),
        }
        self.serve(ctx);
        self.watch_settling(ctx);
    }

    /// Looks at what came to rest whenever something does.
    fn watch_settling(&mut self, ctx: &mut Context<Self>) {
        if self.settle_timer {
            return;
        }
        let Some(next) = self.delivery.settle(Instant::now()) else { return };
        self.settle_timer = true;
        ctx.run_later(next.saturating_duration_since(Instant::now()), |widget, ctx| {
            widget.settle_timer = false;
            widget.watch_settling(ctx);
            widget.serve(ctx);
        });
    }

    fn push(&mut self, event: Event) {
        self.queue.push(event);
    }
}

impl Actor for Widget {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(limit) = self.around.limits.idle.filter(|_| !self.around.stays) {
            self.watch_idling(limit, ctx);
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.around.metrics.server().ended(Part::Widget);
        if !std::mem::replace(&mut self.closing, true) {
            self.end_failed();
        }
    }
}

impl Widget {
    /// The widget ends without having been closed: nobody finds it any more, its views connect again, and a kernel that draws it makes it
    /// again.
    fn end_failed(&mut self) {
        let identity = &self.shared.identity;
        self.shared.closed.store(true, Ordering::Release);
        self.around.registry.remove(identity);
        for member in self.views.values() {
            member.addr.do_send(End::FAILED);
        }
        match self.renderer.remote() {
            Some(remote) => remote.kernel.do_send(kernel::WidgetFailed(identity.clone())),
            // Nobody makes it again, and the next widget of its id inherits nothing.
            None => self.shared.shares.end(),
        }
    }
}

impl Handler<Install> for Widget {
    type Result = ();

    fn handle(&mut self, Install(renderer): Install, ctx: &mut Self::Context) {
        self.renderer = Renderer::Local(renderer);
        self.pump(ctx);
    }
}

impl Handler<DrawRequested> for Widget {
    type Result = ();

    fn handle(&mut self, _: DrawRequested, ctx: &mut Self::Context) {
        self.pump(ctx);
    }
}

impl Handler<FramePushed> for Widget {
    type Result = ();

    fn handle(&mut self, _: FramePushed, ctx: &mut Self::Context) {
        let pushed = self.shared.pushed.lock().waiting.take();
        if let Some((number, frame)) = pushed.filter(|&(number, _)| !self.closing && number > self.overtaken)
        {
            if self.state == State::Error {
                self.set_state(State::Live, None, ctx);
            }
            self.take_in(number, frame, ctx);
        }
    }
}

impl Handler<CompareDone> for Widget {
    type Result = ();

    fn handle(&mut self, CompareDone(number, compared): CompareDone, ctx: &mut Self::Context) {
        self.comparing = false;
        self.renderer.compared();
        let next = self.uncompared.take();
        if self.closing {
            return;
        }
        match compared {
            Ok(compared) if number > self.overtaken => self.publish(compared, ctx),
            Ok(_) => {}
            Err(error) => {
                self.around.metrics.failed();
                tracing::error!(widget = %self.shared.identity.id, error, "a frame is lost");
                self.set_state(State::Error, Some(error), ctx);
            }
        }
        if let Some((number, frame)) = next.filter(|&(number, _)| number > self.overtaken) {
            self.compare(number, frame, ctx);
        }
        self.pump(ctx);
    }
}

impl Handler<TraitsChanged> for Widget {
    type Result = ();

    fn handle(&mut self, _: TraitsChanged, ctx: &mut Self::Context) {
        let traits = self.shared.traits.lock().clone();
        self.tell_traits(ctx);
        self.tell_kernel_of_traits();
        for member in self.views.values() {
            member.addr.do_send(view::SetCapacity(traits.max_buffered_frames));
        }
        if !traits.show_pointers && self.presence.clear() {
            self.tell_pointers();
        }
        self.resize(ctx);
        self.serve(ctx);
        self.pump(ctx);
    }
}

impl Handler<ResetStats> for Widget {
    type Result = ();

    fn handle(&mut self, _: ResetStats, _: &mut Self::Context) {
        for member in self.views.values() {
            member.addr.do_send(view::ResetStats);
        }
    }
}

impl Handler<Close> for Widget {
    type Result = ();

    fn handle(&mut self, close: Close, ctx: &mut Self::Context) {
        if std::mem::replace(&mut self.closing, true) {
            return;
        }
        self.shared.closed.store(true, Ordering::Release);
        // Before the id is free: the next widget of it inherits nothing.
        if matches!(close, Close::Closed | Close::Idle) {
            self.shared.shares.end();
            self.around.registry.close(&self.shared.identity);
        } else {
            self.around.registry.remove(&self.shared.identity);
        }
        let end = match close {
            Close::Closed => {
                End { reason: "closed", message: "the widget was closed", code: close_code::WIDGET_CLOSED }
            }
            Close::Idle => End {
                reason: "idle",
                message: "the widget was closed, since nobody used it for long (--idle-timeout)",
                code: close_code::WIDGET_CLOSED,
            },
            Close::Failed => End::FAILED,
            Close::Shutdown => {
                End { reason: "shutdown", message: "the server stops", code: close_code::GOING_AWAY }
            }
        };
        for (view, member) in std::mem::take(&mut self.views) {
            self.delivery.leave(view);
            member.addr.do_send(end);
        }
        for wanted in self.snapshots.drain(..) {
            let _ = wanted.answer.send(Err(SnapshotError::Closed));
        }
        self.push(Event::of_widget(EventKind::Close));
        self.pump(ctx);
    }
}
