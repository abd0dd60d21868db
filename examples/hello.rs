//! A widget of your own: a colour gradient with a dot that follows the pointer.
//!
//! ```sh
//! cargo run --release --example hello
//! ```
//!
//! The server prints the address to open. Open it twice: both views show the same widget, and either can move the dot.

use framehub::{
    Config, Event, EventKind, Frame, Kind, RemoteFrameBuffer, RenderError, ServeError, Server, WidgetHandle,
    event::Size,
};

/// The dot's radius, in logical pixels.
const RADIUS: f64 = 12.0;

/// The renderer: one for each widget. The server calls its methods one at a time, so that it needs no lock.
struct Hello {
    /// The widget, from inside: to ask for draws, among others.
    widget: WidgetHandle,
    /// The size to draw at; told before the first draw.
    size: Option<Size>,
    /// The dot's middle, in logical pixels.
    dot: (f64, f64),
}

impl RemoteFrameBuffer for Hello {
    fn handle_event(&mut self, event: &Event) -> Result<(), RenderError> {
        match &event.kind {
            // A draw follows a resize without being asked for.
            EventKind::Resize(size) => self.size = Some(*size),
            EventKind::PointerMove(pointer) => {
                self.dot = (pointer.x, pointer.y);
                self.widget.request_draw();
            }
            _ => {}
        }
        Ok(())
    }

    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        let Some(Size { pwidth, pheight, ratio, .. }) = self.size else { return Ok(None) };
        // Events are in logical pixels, frames in physical ones.
        let (x, y, radius) = (self.dot.0 * ratio, self.dot.1 * ratio, RADIUS * ratio);
        let mut pixels = Vec::new();
        for row in 0..pheight {
            for column in 0..pwidth {
                let distance = (f64::from(column) + 0.5 - x).hypot(f64::from(row) + 0.5 - y);
                pixels.extend(if distance < radius {
                    [255, 255, 255]
                } else {
                    [shade(column, pwidth), 80, shade(row, pheight)]
                });
            }
        }
        Ok(Some(Frame::rgb8(pwidth, pheight, pixels)?))
    }
}

/// How far along `of` pixels pixel `at` lies, from 0 to 255.
fn shade(at: u32, of: u32) -> u8 {
    u8::try_from(u64::from(at) * 255 / u64::from(of.max(1))).unwrap_or(u8::MAX)
}

fn main() -> Result<(), ServeError> {
    let hello = Kind::new("hello", |widget, _options| Ok(Hello { widget, size: None, dot: (0.0, 0.0) }))
        .described("Hello", "A dot that follows the pointer.")
        .with_traits(|traits| traits.cursor = "none".into());
    Server::new(Config::from_args()).kind(hello).widget("hello").run()
}
