//! What a widget's author writes: a renderer, and the kind that makes renderers.

pub mod demos;
mod kind;
mod threads;

pub use kind::{Kind, KindError, Kinds, OptionSpec, Options};
pub(crate) use threads::{Threads, run_blocking};

use crate::{Event, Frame};

/// What a renderer's method fails with: any error, shown by its message in every view.
pub type RenderError = Box<dyn std::error::Error + Send + Sync>;

/// The half of a widget that its author writes: it makes images and takes events.
///
/// The server calls the methods from a thread of a pool, one at a time for each renderer, so that a renderer needs no
/// lock and a slow one delays nobody else's widget. A panic or an error is shown in the widget's views, and the widget
/// lives on.
pub trait RemoteFrameBuffer: Send + 'static {
    /// Renders the next frame, at the size of the last `resize` event; any other size is accepted and scaled.
    /// `Ok(None)` cancels the draw: the views keep what they show.
    ///
    /// Called after [`WidgetHandle::request_draw`](crate::WidgetHandle::request_draw), once at least one visible view is
    /// ready for a frame.
    ///
    /// # Errors
    /// Whatever kept the renderer from drawing; the message is shown in the views.
    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        Ok(None)
    }

    /// Takes one event. Events come in order; those that came while the renderer was busy may have been merged (moves,
    /// wheel turns, resizes). A `resize` is followed by a draw without being asked.
    ///
    /// # Errors
    /// Whatever went wrong; the message is shown in the views.
    fn handle_event(&mut self, event: &Event) -> Result<(), RenderError> {
        let _ = event;
        Ok(())
    }
}
