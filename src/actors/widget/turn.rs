//! One turn of a renderer: it takes the events that wait and draws if that is wanted, on a thread that may block; and what the
//! widget makes of it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio::{sync::oneshot, time::timeout};

use super::{BUSY_AFTER, Widget, renderer::Renderer, sizes::within};
use crate::{
    Frame, RemoteFrameBuffer,
    delivery::{Compared, Comparer},
    event::{Event, EventKind, Size},
    handle::{Shared, SnapshotError},
    metrics::{Counted, Part},
    panic,
    protocol::view::State,
    quota::{Account, OverMemory},
    render::RenderError,
};

/// A renderer that refines its picture step by step asks for a draw in each step. A snapshot follows it this long, so as to
/// show the picture as it is at rest.
pub(super) const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(2);

const MAX_LOGGED: usize = 200;

/// A turn for which there was no thread is tried again after so long.
const NOT_BEGUN_AGAIN: Duration = Duration::from_secs(1);

/// What a renderer is to do.
pub struct Turn {
    pub renderer: Box<dyn RemoteFrameBuffer>,
    pub shared: Arc<Shared>,
    /// Events to take, in order.
    pub events: Vec<Event>,
    /// Whether to draw, if a draw is requested once the events are taken.
    pub may_draw: bool,
    /// Compares the frame with the one before.
    pub comparer: Comparer,
    /// A picture to take after that.
    pub snapshot: Option<SnapshotTurn>,
}

/// A picture to take, of a given size.
pub struct SnapshotTurn {
    pub size: Size,
    /// The size that the renderer has now, and gets back afterwards; `None` when it never had one.
    pub current: Option<Size>,
    /// To which it is charged.
    pub account: Arc<Account>,
}

/// What became of a turn on a thread of this process.
#[derive(Message)]
#[rtype(result = "()")]
pub struct TurnDone {
    pub renderer: Box<dyn RemoteFrameBuffer>,
    pub outcome: Outcome<Compared>,
    /// The number of the last frame that was pushed before the draw.
    pub overtakes: u64,
    /// The picture, if one was asked for.
    pub snapshot: Option<Result<Option<Frame>, SnapshotError>>,
}

/// What became of the events and the draw of a turn, wherever the renderer is.
pub struct Outcome<F> {
    /// The outcome of `get_frame`, if it was called.
    pub drawn: Option<Result<Option<F>, String>>,
    /// How long `get_frame` took.
    pub draw_time: Duration,
    /// The first error of `handle_event`.
    pub event_error: Option<String>,
    /// Why the frame was dropped, if there was no memory for it.
    pub over: Option<OverMemory>,
}

impl Turn {
    /// Does the work. Panics of the renderer are caught.
    pub fn run(mut self) -> TurnDone {
        let mut event_error = None;
        for event in std::mem::take(&mut self.events) {
            if matches!(event.kind, EventKind::Resize(_)) {
                // The draw that was requested with it may have been taken by the turn before, at the size before.
                self.shared.draw_requested.store(true, Ordering::Release);
            }
            if let Err(error) = self.handle(&event) {
                event_error.get_or_insert(error);
            }
        }
        let mut drawn = None;
        let mut draw_time = Duration::ZERO;
        let mut overtakes = 0;
        let mut over = None;
        if self.may_draw && self.shared.draw_requested.swap(false, Ordering::AcqRel) {
            // What was pushed before the draw was asked for is there by now, be the actor's message of it still to come.
            overtakes = self.shared.pushed.lock().last;
            let start = Instant::now();
            let frame = self.draw();
            draw_time = start.elapsed();
            let with = self.comparer.clone();
            let compared = |held| caught("the comparison of a frame", || Ok(with.compare(held)));
            drawn = Some(frame.and_then(|frame| {
                let Some(frame) = frame else { return Ok(None) };
                let held = frame.held(self.shared.quota.memory()).map_err(|refused| over = Some(refused));
                held.ok().map(compared).transpose()
            }));
        }
        let snapshot = self.snapshot.take().map(|snapshot| {
            let picture = self.picture(&snapshot).map_err(SnapshotError::Failed)?;
            Ok(picture.map(|frame| frame.held(&snapshot.account)).transpose()?)
        });
        let outcome = Outcome { drawn, draw_time, event_error, over };
        TurnDone { renderer: self.renderer, outcome, overtakes, snapshot }
    }

    fn handle(&mut self, event: &Event) -> Result<(), String> {
        let what = format!("handle_event({})", event.kind.name());
        caught(&what, || self.renderer.handle_event(event))
    }

    fn draw(&mut self) -> Result<Option<Frame>, String> {
        caught("get_frame", || self.renderer.get_frame())
    }

    fn picture(&mut self, snapshot: &SnapshotTurn) -> Result<Option<Frame>, String> {
        let resized = snapshot.current != Some(snapshot.size);
        let picture = self.picture_at(snapshot.size, resized);
        if let Some(current) = snapshot.current.filter(|_| resized) {
            // What the views show may be older than what the snapshot made the renderer forget.
            self.shared.draw_requested.store(true, Ordering::Release);
            self.handle(&Event::of_widget(EventKind::Resize(current)))?;
        }
        picture
    }

    /// The picture that the renderer has of a size, which it is told if it has another.
    fn picture_at(&mut self, size: Size, resized: bool) -> Result<Option<Frame>, String> {
        if resized {
            self.handle(&Event::of_widget(EventKind::Resize(size)))?;
        }
        let start = Instant::now();
        let mut picture = self.draw()?;
        while start.elapsed() < SNAPSHOT_PATIENCE && self.shared.draw_requested.swap(false, Ordering::AcqRel)
        {
            let next = self.draw().inspect_err(|_| {
                // What was asked for is not drawn.
                self.shared.draw_requested.store(true, Ordering::Release);
            })?;
            picture = next.or(picture);
        }
        Ok(picture)
    }
}

/// Runs a renderer's method; its error or panic becomes a message for the views.
pub(super) fn caught<T>(what: &str, method: impl FnOnce() -> Result<T, RenderError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(method)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{what} failed: {error}")),
        Err(panic) => Err(format!("{what} panicked: {}", panic::message(&*panic))),
    }
}

/// A turn on its way to a thread and back. The widget hears of its end, whatever that is.
struct Errand {
    widget: Addr<Widget>,
    metrics: Arc<Counted>,
    /// The turn, until it begins.
    turn: Option<Turn>,
    /// When it began, until it ends.
    began: Option<Instant>,
}

/// No thread took the turn.
#[derive(Message)]
#[rtype(result = "()")]
struct NotBegun(Turn);

/// A turn was not done to its end, and its renderer is lost.
#[derive(Message)]
#[rtype(result = "()")]
struct TurnLost;

impl Errand {
    fn new(widget: Addr<Widget>, metrics: Arc<Counted>, turn: Turn) -> Self {
        metrics.server().renderer_waits();
        Self { widget, metrics, turn: Some(turn), began: None }
    }

    /// Does the turn. The place among the user's renderers is free before the widget hears of it.
    fn run(mut self, place: oneshot::Sender<()>) {
        let Some(turn) = self.turn.take() else { return };
        self.metrics.server().renderer_begins();
        self.began = Some(Instant::now());
        let done = turn.run();
        self.end();
        drop(place);
        self.widget.do_send(done);
    }

    /// Notes that the renderer works no more. Answers whether it did.
    fn end(&mut self) -> bool {
        let began = self.began.take();
        if let Some(began) = began {
            self.metrics.server().renderer_ends(began.elapsed());
        }
        began.is_some()
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take() {
            self.metrics.server().renderer_waits_no_more();
            self.widget.do_send(NotBegun(turn));
        } else if self.end() {
            self.metrics.server().panicked(Part::Turn);
            self.widget.do_send(TurnLost);
        }
    }
}

impl Widget {
    /// Sends the renderer, which is here, on a turn.
    pub(super) fn local_turn(
        &mut self,
        renderer: Box<dyn RemoteFrameBuffer>,
        may_draw: bool,
        ctx: &mut Context<Self>,
    ) {
        self.snapshot_under_way = self.next_snapshot();
        let limits = self.around.limits;
        let snapshot = self.snapshot_under_way.as_ref().map(|wanted| SnapshotTurn {
            size: wanted.size.at_most(limits.max_snapshot_pixels),
            current: self.size.map(|size| size.at_most(limits.max_pixels)),
            account: Arc::clone(&wanted.account),
        });
        let turn = Turn {
            renderer,
            shared: Arc::clone(&self.shared),
            events: within(limits.max_pixels, self.queue.take()),
            may_draw,
            comparer: self.delivery.comparer(),
            snapshot,
        };
        self.turn_began = Some(Instant::now());
        if self.closing {
            // The last turn: the renderer takes its `close` event and goes. The place is free once it has.
            let places = self.places.take();
            self.around.threads.run(move || {
                drop(turn.run());
                drop(places);
            });
            ctx.stop();
            return;
        }
        self.watch_turn(ctx, BUSY_AFTER);
        let errand = Errand::new(ctx.address(), Arc::clone(&self.around.metrics), turn);
        let places = Arc::clone(self.shared.quota.renderers());
        let (threads, patience) = (Arc::clone(&self.around.threads), self.around.limits.renderer_patience);
        actix_web::rt::spawn(async move {
            // Of the user's own renderers only so many are at work.
            let place = places.acquire_owned().await;
            let (held, freed) = oneshot::channel();
            threads.run(move || errand.run(held));
            // One that does not come back is to keep no place from the others.
            let _ = timeout(patience, freed).await;
            drop(place);
        });
    }

    /// Tells the views when a turn takes long.
    pub(super) fn watch_turn(&mut self, ctx: &mut Context<Self>, after: Duration) {
        if std::mem::replace(&mut self.busy_timer, true) {
            return;
        }
        ctx.run_later(after, |widget, ctx| {
            widget.busy_timer = false;
            let Some(began) = widget.turn_began else { return };
            match BUSY_AFTER.checked_sub(began.elapsed()) {
                Some(left) if !left.is_zero() => widget.watch_turn(ctx, left),
                // That stays in sight until a frame comes.
                _ if widget.state == State::Error => {}
                _ => {
                    // With drawing, or with a cell that computes and lets the views wait.
                    let kernels = widget.renderer.remote().map(|_| "The kernel is busy …".to_owned());
                    widget.set_state(State::Busy, kernels, ctx);
                }
            }
        });
    }

    /// Takes note of how a turn went. Answers with the frame to show, if there is one.
    pub(super) fn turn_ended<F>(&mut self, done: Outcome<F>, ctx: &mut Context<Self>) -> Option<F> {
        self.turn_began = None;
        if done.drawn.is_some() {
            let seconds = done.draw_time.as_secs_f64();
            self.frames_drawn += 1;
            self.draw_seconds += seconds;
            self.recent_draws.add(seconds);
            self.around.metrics.drew(done.draw_time);
        }
        let (frame, draw_error) = match done.drawn {
            Some(Ok(frame)) => (frame, None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        match done.event_error.or(draw_error) {
            Some(error) => {
                self.around.metrics.failed();
                self.log_error(&error);
                self.set_state(State::Error, Some(error), ctx);
            }
            None if done.over.is_some() => {}
            // An error stays in sight until a frame shows that the renderer is well again.
            None if self.state == State::Error && frame.is_none() => {}
            None => self.set_state(State::Live, None, ctx),
        }
        if let Some(over) = done.over {
            self.over_memory(over, ctx);
        }
        frame.filter(|_| !self.closing)
    }
}

impl Widget {
    /// Logs what a renderer says of its failure: a little of it and seldom, since it is its user's text and comes as often as it likes.
    fn log_error(&self, error: &str) {
        if self.error_logged.due(Instant::now()).is_none() {
            return;
        }
        let first_line: String = error.lines().next().unwrap_or_default().chars().take(MAX_LOGGED).collect();
        tracing::debug!(widget = %self.shared.identity.id, error = first_line, "renderer failed");
    }
}

impl Handler<NotBegun> for Widget {
    type Result = ();

    fn handle(&mut self, NotBegun(turn): NotBegun, ctx: &mut Self::Context) {
        self.turn_began = None;
        self.renderer = Renderer::Local(turn.renderer);
        let waiting = self.queue.take();
        for event in turn.events.into_iter().chain(waiting) {
            self.push(event);
        }
        let error = "the server has no thread for the renderer: it tries again".to_owned();
        tracing::error!(widget = %self.shared.identity.id, "there is no thread for a renderer");
        self.answer_snapshot(Err(SnapshotError::Failed(error.clone())), ctx);
        self.set_state(State::Error, Some(error), ctx);
        ctx.run_later(NOT_BEGUN_AGAIN, Self::pump);
    }
}

impl Handler<TurnLost> for Widget {
    type Result = ();

    fn handle(&mut self, _: TurnLost, ctx: &mut Self::Context) {
        // Without its renderer it can do nothing.
        ctx.stop();
    }
}

impl Handler<TurnDone> for Widget {
    type Result = ();

    fn handle(&mut self, done: TurnDone, ctx: &mut Self::Context) {
        self.renderer = Renderer::Local(done.renderer);
        if let Some(picture) = done.snapshot {
            self.answer_snapshot(picture, ctx);
        }
        match self.turn_ended(done.outcome, ctx) {
            Some(compared) => {
                self.overtaken = done.overtakes;
                self.publish(compared, ctx);
            }
            // What waited for a newer frame need wait no longer.
            None => self.serve(ctx),
        }
        self.pump(ctx);
    }
}
