//! Teaches the round of a widget: events in, state, pixels out; and setting traits from a renderer.
//!
//! A square that is dragged with the pointer, or pushed with the arrow keys. The cursor says what the pointer can do. All
//! state is in logical pixels; only painting multiplies by the ratio.

use serde_json::{Map, json};

use crate::{
    event::{Event, EventKind, Pointer, Size, ViewId},
    frame::Frame,
    handle::WidgetHandle,
    render::{
        Kind, RemoteFrameBuffer, RenderError,
        demos::{
            NO_SIZE,
            canvas::{Canvas, Color},
        },
    },
};

/// Side of the square in logical pixels.
const SIDE: f64 = 96.0;
/// How far an arrow key moves the square, in logical pixels.
const STEP: f64 = 10.0;
/// From one dot of the paper to the next in logical pixels, and the least in physical ones.
const DOT_SPACING: f64 = 24.0;
const LEAST_SPACING: f64 = 4.0;
const PAPER: Color = [247, 248, 250];
const DOTS: Color = [208, 213, 221];
const SQUARE: Color = [37, 99, 235];
const HELD: Color = [29, 78, 216];
const RING: Color = [245, 158, 11];

/// A drag under way.
struct Drag {
    /// The view that drags: others cannot interfere.
    view: Option<ViewId>,
    /// From the square's corner to the pointer: kept, so that the square does not jump to the pointer.
    grip: (f64, f64),
}

struct Square {
    handle: WidgetHandle,
    size: Size,
    /// The square's top left corner; `None` until the first size is known.
    corner: Option<(f64, f64)>,
    drag: Option<Drag>,
    has_keyboard: bool,
    cursor: &'static str,
}

pub(super) fn kind() -> Kind {
    Kind::new("square", |handle, _| Ok(Square::new(handle)))
        .described("Drag a square", "Drag the square with the pointer, or push it with the arrow keys.")
        .with_traits(|traits| {
            traits.has_titlebar = true;
            traits.is_minimizable = true;
        })
}

impl Square {
    fn new(handle: WidgetHandle) -> Self {
        Self { handle, size: NO_SIZE, corner: None, drag: None, has_keyboard: false, cursor: "default" }
    }

    /// Puts the square in the middle at first, and keeps it in view afterwards.
    fn resize(&mut self, size: Size) {
        self.size = size;
        match self.corner {
            Some(corner) => self.move_to(corner),
            None => self.move_to(((size.width - SIDE) / 2.0, (size.height - SIDE) / 2.0)),
        }
    }

    fn move_to(&mut self, (x, y): (f64, f64)) {
        let within = |value: f64, end: f64| value.clamp(0.0, (end - SIDE).max(0.0));
        self.corner = Some((within(x, self.size.width), within(y, self.size.height)));
    }

    fn press(&mut self, pointer: &Pointer, view: Option<ViewId>) {
        if pointer.button == 1 && self.drag.is_none() && self.is_over(pointer) {
            let (x, y) = self.corner.unwrap_or_default();
            self.drag = Some(Drag { view, grip: (pointer.x - x, pointer.y - y) });
        }
    }

    fn is_over(&self, pointer: &Pointer) -> bool {
        self.corner
            .is_some_and(|(x, y)| (x..x + SIDE).contains(&pointer.x) && (y..y + SIDE).contains(&pointer.y))
    }

    fn push(&mut self, dx: f64, dy: f64) {
        if let Some((x, y)) = self.corner {
            self.move_to((x + dx * STEP, y + dy * STEP));
        }
    }

    /// A trait is the same for all views, and setting it tells them all: worth it only when it changes.
    fn show_cursor(&mut self, pointer: &Pointer) -> Result<(), RenderError> {
        let cursor = match &self.drag {
            Some(_) => "grabbing",
            None if self.is_over(pointer) => "grab",
            None => "default",
        };
        if cursor != self.cursor {
            self.cursor = cursor;
            self.handle.set_traits(&Map::from_iter([("cursor".to_owned(), json!(cursor))]))?;
        }
        Ok(())
    }
}

impl RemoteFrameBuffer for Square {
    fn handle_event(&mut self, event: &Event) -> Result<(), RenderError> {
        match &event.kind {
            EventKind::Resize(size) => self.resize(*size),
            EventKind::PointerDown(pointer) => {
                self.press(pointer, event.view);
                self.show_cursor(pointer)?;
            }
            EventKind::PointerMove(pointer) => {
                if let Some(drag) = self.drag.as_ref().filter(|drag| drag.view == event.view) {
                    self.move_to((pointer.x - drag.grip.0, pointer.y - drag.grip.1));
                }
                self.show_cursor(pointer)?;
                if self.drag.is_none() {
                    return Ok(());
                }
            }
            EventKind::PointerUp(pointer) => {
                if let Some(drag) = self.drag.take_if(|drag| drag.view == event.view) {
                    self.move_to((pointer.x - drag.grip.0, pointer.y - drag.grip.1));
                }
                self.show_cursor(pointer)?;
            }
            EventKind::KeyDown(key) => match key.key.as_str() {
                "ArrowLeft" => self.push(-1.0, 0.0),
                "ArrowRight" => self.push(1.0, 0.0),
                "ArrowUp" => self.push(0.0, -1.0),
                "ArrowDown" => self.push(0.0, 1.0),
                _ => return Ok(()),
            },
            EventKind::FocusIn => self.has_keyboard = true,
            EventKind::FocusOut => self.has_keyboard = false,
            _ => return Ok(()),
        }
        self.handle.request_draw();
        Ok(())
    }

    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        let ratio = self.size.ratio;
        let mut canvas = Canvas::new(&self.size, PAPER)?;
        // Closer together they would be no dots, and more than there are pixels.
        let spacing = DOT_SPACING * ratio;
        let dots = |side: u32| if spacing < LEAST_SPACING { 0 } else { (f64::from(side) / spacing) as u32 };
        for row in 1..=dots(self.size.pheight) {
            for column in 1..=dots(self.size.pwidth) {
                let dot = (f64::from(column) * spacing, f64::from(row) * spacing);
                canvas.line(dot, dot, (2.0 * ratio, 2.0 * ratio), DOTS);
            }
        }
        let (x, y) = self.corner.unwrap_or_default();
        let (x, y, side) = ((x * ratio).round(), (y * ratio).round(), (SIDE * ratio).round());
        let radius = 10.0 * ratio;
        let lift = if self.drag.is_some() { 8.0 } else { 3.0 } * ratio;
        canvas.soft_rect([x, y + lift, side, side], radius, 4.0 * lift, 0.3, [16, 24, 40]);
        if self.has_keyboard {
            let gap = (3.0 * ratio).round();
            canvas.rounded_rect([x - gap, y - gap, side + 2.0 * gap, side + 2.0 * gap], radius + gap, RING);
        }
        let color = if self.drag.is_some() { HELD } else { SQUARE };
        canvas.rounded_rect([x, y, side, side], radius, color);
        Ok(Some(canvas.into_frame()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::demos::testing::{
        down, frame, handle, is_draw_requested, key, moved, pixel, resize, send, up,
    };

    fn square() -> Square {
        Square::new(handle())
    }

    /// Left, top, right and bottom of what has the square's colour, in physical pixels.
    fn bounds(square: &mut Square) -> [u32; 4] {
        let frame = frame(square);
        let mut bounds = [u32::MAX, u32::MAX, 0, 0];
        for y in 0..frame.height() {
            for x in 0..frame.width() {
                if [SQUARE, HELD].contains(&pixel(&frame, x, y)) {
                    bounds = [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x + 1), bounds[3].max(y + 1)];
                }
            }
        }
        bounds
    }

    #[test]
    fn the_square_follows_a_drag_by_exactly_its_distance_at_every_ratio() {
        for ratio in [1.0, 1.25, 2.0] {
            let mut square = square();
            send(&mut square, resize(640.0, 480.0, ratio));
            let before = bounds(&mut square);
            send(&mut square, down(300.0, 250.0));
            send(&mut square, moved(310.0, 200.0));
            send(&mut square, moved(380.0, 210.0));
            send(&mut square, up(380.0, 210.0));
            let by = [80.0, -40.0].map(|distance: f64| (distance * ratio) as i64);
            let expected = [0, 1, 2, 3].map(|side| (i64::from(before[side]) + by[side % 2]) as u32);
            assert_eq!(bounds(&mut square), expected, "at ratio {ratio}");
            assert_eq!(f64::from(before[2] - before[0]), SIDE * ratio);
        }
    }

    #[test]
    fn a_press_beside_the_square_drags_nothing() {
        let mut square = square();
        send(&mut square, resize(640.0, 480.0, 1.0));
        let before = bounds(&mut square);
        send(&mut square, down(10.0, 10.0));
        send(&mut square, moved(320.0, 240.0));
        assert_eq!(bounds(&mut square), before);
    }

    #[test]
    fn the_cursor_says_what_the_pointer_can_do() {
        let mut square = square();
        send(&mut square, resize(640.0, 480.0, 1.0));
        let mut cursors = Vec::new();
        for event in
            [moved(10.0, 10.0), moved(320.0, 240.0), down(320.0, 240.0), up(320.0, 240.0), moved(9.0, 9.0)]
        {
            send(&mut square, event);
            cursors.push(square.cursor);
        }
        assert_eq!(cursors, ["default", "grab", "grabbing", "grab", "default"]);
    }

    #[test]
    fn another_view_does_not_take_over_a_drag() {
        let mut square = square();
        send(&mut square, resize(640.0, 480.0, 1.0));
        let before = bounds(&mut square);
        let from = |view, kind| Event { kind, timestamp: 0.0, view: Some(ViewId(view)) };
        for event in [from(1, down(320.0, 240.0)), from(2, moved(100.0, 100.0)), from(2, up(100.0, 100.0))] {
            square.handle_event(&event).unwrap();
        }
        assert!(square.drag.is_some());
        assert_eq!(bounds(&mut square), before);
    }

    #[test]
    fn arrow_keys_push_the_square_up_to_the_edge() {
        let mut square = square();
        send(&mut square, resize(640.0, 480.0, 1.0));
        let before = bounds(&mut square);
        send(&mut square, key("ArrowRight"));
        assert_eq!(bounds(&mut square)[0], before[0] + STEP as u32);
        for _ in 0..100 {
            send(&mut square, key("ArrowDown"));
        }
        assert_eq!(bounds(&mut square)[3], 480);
    }

    #[test]
    fn the_square_stays_in_view_when_the_view_shrinks_to_one_pixel_and_grows_again() {
        let mut square = square();
        for (width, height) in [(640.0, 480.0), (1.0, 1.0), (0.0, 0.0), (200.0, 120.0)] {
            send(&mut square, resize(width, height, 1.0));
            frame(&mut square);
        }
        let [left, top, right, bottom] = bounds(&mut square);
        assert!(right <= 200 && bottom <= 120 && right - left == 96 && bottom - top == 96);
    }

    #[test]
    fn moving_over_an_empty_place_asks_for_no_draw() {
        let mut square = square();
        send(&mut square, resize(640.0, 480.0, 1.0));
        is_draw_requested(&square.handle);
        send(&mut square, moved(10.0, 10.0));
        assert!(!is_draw_requested(&square.handle));
    }
}
