//! One turn of a renderer: it takes the events that wait and draws if that is wanted, on a thread that may block.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use crate::{
    Frame, RemoteFrameBuffer,
    delivery::{Compared, Comparer},
    event::{Event, EventKind, Size},
    handle::Shared,
    panic,
    render::RenderError,
};

/// A renderer that refines its picture step by step asks for a draw in each step. A snapshot follows it this long, so as to
/// show the picture as it is at rest.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(2);

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
}

/// What became of a turn.
pub struct TurnDone {
    pub renderer: Box<dyn RemoteFrameBuffer>,
    /// The outcome of `get_frame`, if it was called.
    pub drawn: Option<Result<Option<Compared>, String>>,
    /// How long `get_frame` took.
    pub draw_time: Duration,
    /// The first error of `handle_event`.
    pub event_error: Option<String>,
    /// The picture, if one was asked for.
    pub snapshot: Option<Result<Option<Frame>, String>>,
}

impl Turn {
    /// Does the work. Panics of the renderer are caught.
    pub fn run(mut self) -> TurnDone {
        let mut event_error = None;
        for event in std::mem::take(&mut self.events) {
            if let Err(error) = self.handle(&event) {
                event_error.get_or_insert(error);
            }
        }
        let mut drawn = None;
        let mut draw_time = Duration::ZERO;
        if self.may_draw && self.shared.draw_requested.swap(false, Ordering::AcqRel) {
            let start = Instant::now();
            let frame = self.draw();
            draw_time = start.elapsed();
            drawn = Some(frame.map(|frame| frame.map(|frame| self.comparer.clone().compare(frame))));
        }
        let snapshot = self.snapshot.take().map(|snapshot| self.picture(&snapshot));
        TurnDone { renderer: self.renderer, drawn, draw_time, event_error, snapshot }
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
        if resized {
            self.handle(&Event::of_widget(EventKind::Resize(snapshot.size)))?;
        }
        let start = Instant::now();
        let mut picture = self.draw()?;
        while self.shared.draw_requested.swap(false, Ordering::AcqRel) && start.elapsed() < SNAPSHOT_PATIENCE
        {
            picture = self.draw()?.or(picture);
        }
        if let Some(current) = snapshot.current.filter(|_| resized) {
            self.handle(&Event::of_widget(EventKind::Resize(current)))?;
            // What the views show may be older than what the snapshot made the renderer forget.
            self.shared.draw_requested.store(true, Ordering::Release);
        }
        Ok(picture)
    }
}

/// Runs a renderer's method; its error or panic becomes a message for the views.
fn caught<T>(what: &str, method: impl FnOnce() -> Result<T, RenderError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(method)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{what} failed: {error}")),
        Err(panic) => Err(format!("{what} panicked: {}", panic::message(&*panic))),
    }
}
