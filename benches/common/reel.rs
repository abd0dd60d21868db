//! A renderer that costs nothing.

use std::time::{Duration, Instant};

use framehub::{Frame, RemoteFrameBuffer, RenderError, WidgetHandle};

/// Draws frames that were made before, in turn, and asks for the next draw at once.
pub struct Reel {
    widget: WidgetHandle,
    frames: Vec<Frame>,
    next: usize,
    /// Least time from one draw to the next.
    pace: Duration,
    drawn: Instant,
}

impl Reel {
    /// A renderer of these frames; without any it draws nothing.
    pub fn new(widget: WidgetHandle, frames: Vec<Frame>, pace: Duration) -> Self {
        Self { widget, frames, next: 0, pace, drawn: Instant::now() }
    }
}

impl RemoteFrameBuffer for Reel {
    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        std::thread::sleep(self.pace.saturating_sub(self.drawn.elapsed()));
        self.drawn = Instant::now();
        let Some(frame) = self.frames.get(self.next) else { return Ok(None) };
        self.next = (self.next + 1) % self.frames.len();
        self.widget.request_draw();
        Ok(Some(frame.clone()))
    }
}
