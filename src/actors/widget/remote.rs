//! A widget whose renderer is in a kernel: its turns are messages to the Kernel actor, and so are their ends.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{
    BUSY_AFTER, Widget,
    renderer::{Picture, Remote, Renderer},
    sizes::within,
    turn::{Outcome, SNAPSHOT_PATIENCE},
};
use crate::{
    Frame,
    actors::kernel::{self, Kernel},
    event::{Event, EventKind},
    handle::SnapshotError,
    protocol::{
        kernel::{Drawn, TurnDone},
        view::State,
    },
};

/// Longest list of events of a turn, in bytes: beyond it they come in several turns, since a kernel's link takes only so long a message.
const MAX_TURN_BYTES: usize = 224 << 10;

/// A kernel has the renderer: from now on, or again after it was gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Adopt {
    pub kernel: Addr<Kernel>,
    /// Whether it knows nothing of what the widget was sent before.
    pub fresh: bool,
}

/// The kernel is gone. It may come back.
#[derive(Message)]
#[rtype(result = "()")]
pub struct KernelGone;

/// The kernel's program asks for a draw.
#[derive(Message)]
#[rtype(result = "()")]
pub struct KernelRequest;

/// The kernel's program shows an error, or takes it away.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ShowError(pub Option<String>);

/// A turn has ended in the kernel.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RemoteDone(pub TurnDone);

/// A turn has ended in the kernel, but what it sent cannot be taken.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RemoteFailed {
    /// The turn; `None` when the kernel did not say, which leaves the one that is under way.
    pub turn: Option<u64>,
    pub error: String,
    /// Whether that is for lack of memory, so that it is worth another try.
    pub lacks_memory: bool,
}

impl Widget {
    /// Whether the renderer is in a kernel that is gone.
    pub(super) fn is_kernel_gone(&self) -> bool {
        matches!(&self.renderer, Renderer::Remote(remote) if remote.gone)
    }

    /// Sends the kernel a turn, if it is there and has ended the one before.
    pub(super) fn remote_turn(&mut self, may_draw: bool, ctx: &mut Context<Self>) {
        let limits = self.around.limits;
        let Some(remote) = self.renderer.remote() else { return };
        if self.closing {
            let widget = self.shared.identity.clone();
            let events = within(limits.max_pixels, self.queue.take());
            remote.kernel.do_send(kernel::WidgetClosed { widget, events });
            ctx.stop();
            return;
        }
        if remote.gone || remote.working {
            return;
        }
        let mut events = within(limits.max_pixels, self.queue.take_up_to(MAX_TURN_BYTES));
        if remote.picture.is_none()
            && self.queue.is_empty()
            && let Some(wanted) = self.snapshots.pop_front()
        {
            let resized = self.size != Some(wanted.size);
            if resized {
                let size = wanted.size.at_most(limits.max_snapshot_pixels);
                events.push(Event::of_widget(EventKind::Resize(size)));
            }
            remote.picture = Some(Picture { resized, began: Instant::now(), frame: None });
            self.snapshot_under_way = Some(wanted);
        }
        let may_draw = may_draw || remote.picture.is_some();
        let requested = may_draw
            && (remote.picture.is_some()
                | self.shared.kernel_requested.swap(false, Ordering::AcqRel)
                | self.shared.draw_requested.swap(false, Ordering::AcqRel));
        remote.turn += 1;
        remote.working = true;
        let (widget, turn) = (self.shared.identity.id.clone(), remote.turn);
        remote.kernel.do_send(kernel::TakeTurn { widget, turn, events, may_draw, requested });
        self.turn_began = Some(Instant::now());
        self.watch_turn(ctx, BUSY_AFTER);
    }

    /// Takes the frame of a turn that was for a snapshot, and answers who asked when it is the last.
    fn picture_drawn(&mut self, outcome: &mut Outcome<Frame>, requested: bool, ctx: &mut Context<Self>) {
        let Some(remote) = self.renderer.remote() else { return };
        let Some(mut picture) = remote.picture.take() else { return };
        let drawn = outcome.drawn.take().unwrap_or(Ok(None));
        let failed = drawn.is_err();
        let drawn = drawn.map(|frame| frame.or(picture.frame.take()));
        if requested && !failed && picture.began.elapsed() < SNAPSHOT_PATIENCE {
            picture.frame = drawn.unwrap_or(None);
            remote.picture = Some(picture);
            return;
        }
        let size = self.snapshot_under_way.as_ref().map(|wanted| wanted.size);
        self.answer_snapshot(drawn.map_err(SnapshotError::Failed), ctx);
        if let Some(size) = self.size.filter(|_| picture.resized) {
            self.push(Event::of_widget(EventKind::Resize(size)));
        }
        if self.size.is_some() && (failed || size != self.size) {
            // What the views asked for is not drawn, and they may show older than what the snapshot made the renderer forget.
            self.shared.draw_requested.store(true, Ordering::Release);
        }
    }

    /// Has the renderer begin with its size, then take what waits, then draw.
    fn begin_with_size(&mut self) {
        let Some(size) = self.size else { return };
        let waiting = self.queue.take();
        self.push(Event { kind: EventKind::Resize(size), timestamp: 0.0, view: self.control.driver() });
        for event in waiting {
            self.push(event);
        }
        self.shared.draw_requested.store(true, Ordering::Release);
    }

    /// Tells the kernel that traits changed.
    pub(super) fn tell_kernel_of_traits(&mut self) {
        let widget = self.shared.identity.id.clone();
        if let Some(remote) = self.renderer.remote() {
            remote.kernel.do_send(kernel::TraitsChanged { widget });
        }
    }

    /// Tells the kernel how many views there are, if that changed.
    pub(super) fn tell_kernel_of_views(&mut self) {
        let now @ (views, visible) = (self.views.len(), self.delivery.visible_sizes().count());
        let Some(remote) = self.renderer.remote() else { return };
        if !remote.gone && remote.views != Some(now) {
            remote.views = Some(now);
            let widget = self.shared.identity.id.clone();
            remote.kernel.do_send(kernel::ViewsChanged { widget, views, visible });
        }
    }
}

impl Handler<Adopt> for Widget {
    type Result = ();

    fn handle(&mut self, Adopt { kernel, fresh }: Adopt, ctx: &mut Self::Context) {
        let turn = self.renderer.remote().map_or(0, |remote| remote.turn);
        self.renderer = Renderer::Remote(Remote::new(kernel, turn));
        self.shared.kernel_requested.store(false, Ordering::Release);
        self.turn_began = None;
        // The turn that was to take a picture is not answered any more.
        if let Some(waiting) = self.snapshot_under_way.take() {
            self.snapshots.push_front(waiting);
        }
        if fresh {
            self.queue.take();
        }
        self.begin_with_size();
        if matches!(self.state, State::Gone | State::Busy) || fresh {
            self.set_state(State::Live, None, ctx);
        }
        self.tell_kernel_of_views();
        self.pump(ctx);
    }
}

impl Handler<KernelGone> for Widget {
    type Result = ();

    fn handle(&mut self, _: KernelGone, ctx: &mut Self::Context) {
        let Some(remote) = self.renderer.remote() else { return };
        (remote.gone, remote.working, remote.picture) = (true, false, None);
        self.turn_began = None;
        let waiting = self.snapshots.drain(..).chain(self.snapshot_under_way.take());
        for wanted in waiting {
            // Who asked may have gone away.
            let _ = wanted.answer.send(self.delivery.latest().cloned().ok_or(SnapshotError::Gone));
        }
        self.set_state(State::Gone, None, ctx);
        // No newer frame is on its way: the last one is made exact.
        self.serve(ctx);
    }
}

impl Handler<KernelRequest> for Widget {
    type Result = ();

    fn handle(&mut self, _: KernelRequest, ctx: &mut Self::Context) {
        if self.renderer.remote().is_some() {
            self.shared.kernel_requested.store(true, Ordering::Release);
        }
        self.pump(ctx);
    }
}

impl Handler<ShowError> for Widget {
    type Result = ();

    fn handle(&mut self, ShowError(text): ShowError, ctx: &mut Self::Context) {
        match text {
            Some(text) => self.set_state(State::Error, Some(text), ctx),
            None if self.state == State::Error => self.set_state(State::Live, None, ctx),
            None => {}
        }
    }
}

impl Handler<RemoteFailed> for Widget {
    type Result = ();

    fn handle(&mut self, failed: RemoteFailed, ctx: &mut Self::Context) {
        let RemoteFailed { turn, error, lacks_memory } = failed;
        let Some(remote) = self.renderer.remote() else { return };
        let done = TurnDone {
            widget: self.shared.identity.id.clone(),
            turn: turn.unwrap_or(remote.turn),
            drawn: Drawn::Error(error),
            draw_time: Duration::ZERO,
            event_error: None,
            requested: false,
        };
        self.lacks_memory |= lacks_memory;
        self.remote_done(done, ctx);
    }
}

impl Handler<RemoteDone> for Widget {
    type Result = ();

    fn handle(&mut self, RemoteDone(done): RemoteDone, ctx: &mut Self::Context) {
        self.remote_done(done, ctx);
    }
}

impl Widget {
    fn remote_done(&mut self, done: TurnDone, ctx: &mut Context<Self>) {
        let Some(remote) = self.renderer.remote() else { return };
        // A turn of before the kernel was gone is over already.
        if !remote.working || done.turn != remote.turn {
            return;
        }
        remote.working = false;
        self.shared.kernel_requested.store(done.requested, Ordering::Release);
        let pictured = remote.picture.is_some();
        let drawn = match done.drawn {
            Drawn::No => None,
            Drawn::Nothing => Some(Ok(None)),
            Drawn::Frame(frame) => Some(Ok(Some(frame))),
            Drawn::Error(error) => Some(Err(error)),
        };
        // A kernel may say what it likes, but no draw takes longer than the turn that it is in.
        let turn_time = self.turn_began.map_or(Duration::ZERO, |began| began.elapsed());
        let draw_time = if drawn.is_some() { done.draw_time.min(turn_time) } else { Duration::ZERO };
        let mut outcome = Outcome { drawn, draw_time, event_error: done.event_error, over: None };
        if pictured {
            self.picture_drawn(&mut outcome, done.requested, ctx);
        }
        match (self.turn_ended(outcome, ctx), self.renderer.remote()) {
            (Some(frame), Some(remote)) => {
                remote.comparing = true;
                let number = self.shared.pushed.lock().number();
                self.take_in(number, frame, ctx);
            }
            // What waited for a newer frame need wait no longer.
            _ => self.serve(ctx),
        }
        self.pump(ctx);
    }
}
