//! Teaches the draw loop and its statistics: a renderer that asks for the next draw in each `get_frame` is called as fast as
//! its views take frames, no faster; `get_stats` says how that went.
//!
//! The frames themselves cost nothing, so that what is measured is the way to the screen: all of them are windows, one row
//! apart, on one pattern that repeats downwards. [`Frame`] shares pixels rather than copying them. Each pixel of a frame differs
//! from the same pixel of the frame before.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{
    event::{Event, EventKind, Size},
    frame::Frame,
    handle::WidgetHandle,
    render::{
        Kind, KindError, Options, RemoteFrameBuffer, RenderError,
        demos::{
            NO_SIZE,
            canvas::{Canvas, Color, LINE_HEIGHT},
        },
    },
    room::{self, NoRoom},
    stats::StatsSummary,
};

/// Rows after which the pattern repeats.
const PERIOD: usize = 256;
/// How many rows the window moves from frame to frame.
const SHIFT: usize = 3;
/// How long to wait for the last confirmations: a view that left will never send its own.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often to look whether they have come.
const GLANCE: Duration = Duration::from_millis(5);

const PAPER: Color = [250, 250, 252];
const INK: Color = [16, 24, 40];
const FAINT: Color = [102, 112, 133];

struct Performance {
    handle: WidgetHandle,
    size: Size,
    /// Frames in a run.
    frames: u64,
    width: usize,
    height: usize,
    /// The rows of a frame, and [`PERIOD`] more.
    pattern: Bytes,
    state: State,
}

enum State {
    /// A run that starts with the next draw.
    Ready,
    /// So many frames of a run have been drawn, and when it began.
    Running { drawn: u64, began: Instant },
    /// All frames are drawn; views still have to confirm some.
    Settling { began: Instant, ended: Instant },
    /// How it went, and how many seconds it took to draw all frames.
    Done { stats: StatsSummary, seconds: f64 },
}

pub(super) fn kind() -> Kind {
    Kind::new("performance", Performance::new)
        .described(
            "Performance test",
            "Sends frames as fast as this view can take them and shows the rate. Click to run again.",
        )
        .option("frames", 200, "frames in a run, 1 to 100000")
        .option("width", 640, "width of the frames in pixels, 1 to 3840")
        .option("height", 480, "height of the frames in pixels, 1 to 2160")
        .with_traits(|traits| {
            traits.css_width = "640px".into();
            traits.css_height = "480px".into();
        })
}

impl Performance {
    fn new(handle: WidgetHandle, options: &Options) -> Result<Self, KindError> {
        let frames = options.integer("frames", 1..=100_000)?;
        let width = options.integer("width", 1..=3840)? as usize;
        let height = options.integer("height", 1..=2160)? as usize;
        let pattern =
            pattern(width, height + PERIOD).map_err(|error| KindError::Failed(error.to_string()))?.into();
        Ok(Self { handle, size: NO_SIZE, frames, width, height, pattern, state: State::Ready })
    }

    fn pattern_frame(&self, index: u64) -> Result<Frame, RenderError> {
        let row = 3 * self.width;
        let top = index as usize * SHIFT % PERIOD;
        let window = self.pattern.slice(top * row..(top + self.height) * row);
        Ok(Frame::rgb8(self.width as u32, self.height as u32, window)?)
    }

    /// The final statistics, once there is nothing left to wait for.
    fn settled(&self, ended: Instant) -> Option<StatsSummary> {
        let stats = self.handle.get_stats();
        let is_complete = stats.sent_frames >= self.frames && stats.confirmed_frames >= stats.sent_frames;
        (is_complete || ended.elapsed() > PATIENCE).then_some(stats)
    }

    fn unwatched_frame(&self) -> Result<Frame, RenderError> {
        let scale = self.size.ratio;
        let mut canvas = Canvas::new(&self.size, PAPER)?;
        canvas.text(
            20.0 * scale,
            16.0 * scale,
            "No view was open. Click or press Enter to run",
            scale,
            FAINT,
        );
        Ok(canvas.into_frame()?)
    }

    fn text_frame(&self, stats: &StatsSummary, seconds: f64) -> Result<Frame, RenderError> {
        let milliseconds = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
        let rows = [
            ("Frames a second", format!("{:.1}", stats.fps)),
            (
                "Sent / confirmed",
                format!("{} / {} of {}", stats.sent_frames, stats.confirmed_frames, self.frames),
            ),
            ("Drawn in", format!("{seconds:.2} s")),
            ("Round trip", milliseconds(stats.roundtrip)),
            ("Delivery", milliseconds(stats.delivery)),
            ("Image encoding", milliseconds(stats.img_encoding)),
            ("Base64 encoding", milliseconds(stats.b64_encoding)),
        ];
        let scale = self.size.ratio;
        let mut canvas = Canvas::new(&self.size, PAPER)?;
        let mut line = |number: f64, column: f64, text: &str, color| {
            canvas.text(column * scale, (16.0 + number * (LINE_HEIGHT + 6.0)) * scale, text, scale, color);
        };
        let title = format!("{} frames, {} x {}", self.frames, self.width, self.height);
        line(0.0, 20.0, &title, INK);
        for (number, (name, value)) in (0_u8..).zip(&rows) {
            line(f64::from(number) + 1.5, 20.0, name, FAINT);
            line(f64::from(number) + 1.5, 150.0, value, if number == 0 { [21, 94, 239] } else { INK });
        }
        line(rows.len() as f64 + 2.0, 20.0, "Click or press Enter to run again", FAINT);
        Ok(canvas.into_frame()?)
    }
}

impl RemoteFrameBuffer for Performance {
    fn handle_event(&mut self, event: &Event) -> Result<(), RenderError> {
        match &event.kind {
            EventKind::Resize(size) => self.size = *size,
            EventKind::PointerDown(_) => self.state = State::Ready,
            EventKind::KeyDown(key) if ["Enter", " "].contains(&key.key.as_str()) => {
                self.state = State::Ready;
            }
            _ => return Ok(()),
        }
        self.handle.request_draw();
        Ok(())
    }

    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        match self.state {
            State::Ready => {
                self.handle.reset_stats();
                self.state = State::Running { drawn: 1, began: Instant::now() };
                self.handle.request_draw();
                self.pattern_frame(0).map(Some)
            }
            State::Running { drawn, began } if drawn < self.frames => {
                self.state = State::Running { drawn: drawn + 1, began };
                self.handle.request_draw();
                self.pattern_frame(drawn).map(Some)
            }
            State::Running { began, .. } => {
                self.state = State::Settling { began, ended: Instant::now() };
                self.handle.request_draw();
                Ok(None)
            }
            State::Settling { began, ended } => {
                let Some(stats) = self.settled(ended) else {
                    std::thread::sleep(GLANCE);
                    self.handle.request_draw();
                    return Ok(None);
                };
                let seconds = (ended - began).as_secs_f64();
                if stats.sent_frames == 0 {
                    // Drawn for a snapshot, say: the run is still to come.
                    self.state = State::Ready;
                    return self.unwatched_frame().map(Some);
                }
                self.state = State::Done { stats, seconds };
                self.text_frame(&stats, seconds).map(Some)
            }
            State::Done { stats, seconds } => self.text_frame(&stats, seconds).map(Some),
        }
    }
}

/// RGB rows of soft diagonal bands that repeat every [`PERIOD`] rows. Rows [`SHIFT`] apart differ in every pixel.
fn pattern(width: usize, height: usize) -> Result<Vec<u8>, NoRoom> {
    let mut pixels = room::empty(3 * width * height, "the options `width` and `height`")?;
    for y in 0..height {
        for x in 0..width {
            // Going up by one a row, with a jump at 256 that a shift by less than a period cannot hide.
            let band = (x / 2 + y) % PERIOD;
            let wave = (x + 2 * y) % PERIOD;
            let tent = |value: usize| if value < 128 { 2 * value } else { 511 - 2 * value };
            pixels.extend_from_slice(&[tent(wave) as u8, band as u8, tent((wave + 96) % PERIOD) as u8]);
        }
    }
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::{
        Kinds,
        demos::testing::{count_frames, down, frame, is_draw_requested, key, make, resize, send, up},
    };

    fn performance(options: &serde_json::Value) -> (Box<dyn RemoteFrameBuffer>, WidgetHandle) {
        let mut kinds = Kinds::default();
        kinds.register(kind());
        let (mut renderer, handle) = make(&kinds, "performance", options).unwrap();
        send(&mut *renderer, resize(500.0, 300.0, 2.0));
        is_draw_requested(&handle);
        (renderer, handle)
    }

    #[test]
    fn so_many_frames_come_of_the_size_asked_for_and_then_the_text_at_the_views_size() {
        let (mut renderer, handle) = performance(&json!({"frames": 7, "width": 64, "height": 48}));
        for _ in 0..7 {
            let frame = frame(&mut *renderer);
            assert_eq!((frame.width(), frame.height()), (64, 48));
            assert!(is_draw_requested(&handle));
        }
        count_frames(&handle, 7, 6);
        for _ in 0..3 {
            assert!(renderer.get_frame().unwrap().is_none(), "text before the last frame was confirmed");
            assert!(is_draw_requested(&handle));
        }
        count_frames(&handle, 7, 7);
        let text = frame(&mut *renderer);
        assert_eq!((text.width(), text.height()), (1000, 600));
        assert!(!is_draw_requested(&handle));
        assert!(frame(&mut *renderer) == text);
    }

    #[test]
    fn every_pixel_differs_from_frame_to_frame() {
        let (mut renderer, _) = performance(&json!({"frames": 600, "width": 50, "height": 40}));
        let mut before = frame(&mut *renderer);
        for _ in 1..600 {
            let now = frame(&mut *renderer);
            let differs = |(a, b): (&[u8], &[u8])| a != b;
            assert!(before.pixels().chunks_exact(3).zip(now.pixels().chunks_exact(3)).all(differs));
            before = now;
        }
    }

    #[test]
    fn a_click_enter_or_space_starts_again() {
        let (mut renderer, handle) = performance(&json!({"frames": 2}));
        for event in [down(1.0, 1.0), key("Enter"), key(" ")] {
            for _ in 0..2 {
                assert_eq!(frame(&mut *renderer).width(), 640);
            }
            assert!(renderer.get_frame().unwrap().is_none());
            count_frames(&handle, 2, 2);
            assert_eq!(frame(&mut *renderer).width(), 1000);
            is_draw_requested(&handle);
            send(&mut *renderer, up(1.0, 1.0));
            assert!(!is_draw_requested(&handle));
            send(&mut *renderer, event);
            assert!(is_draw_requested(&handle));
        }
    }

    #[test]
    fn the_text_comes_after_a_while_though_a_view_left_with_frames_unconfirmed() {
        let (mut renderer, handle) = performance(&json!({"frames": 1}));
        frame(&mut *renderer);
        count_frames(&handle, 1, 0);
        let began = Instant::now();
        while renderer.get_frame().unwrap().is_none() {
            assert!(began.elapsed() < 2 * PATIENCE);
        }
        assert!(began.elapsed() >= PATIENCE);
    }

    #[test]
    fn a_run_that_nobody_saw_is_still_to_come() {
        let (mut renderer, handle) = performance(&json!({"frames": 1}));
        frame(&mut *renderer);
        while renderer.get_frame().unwrap().is_none() {
            is_draw_requested(&handle);
        }
        assert!(!is_draw_requested(&handle));
        assert_eq!(frame(&mut *renderer).width(), 640);
        assert!(is_draw_requested(&handle));
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let mut kinds = Kinds::default();
        kinds.register(kind());
        for options in [json!({"frames": 0}), json!({"width": 3841}), json!({"height": 0.5})] {
            assert!(make(&kinds, "performance", &options).is_err());
        }
    }
}
