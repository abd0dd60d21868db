//! Teaches what comes from a user's hands: several pointers at once with their pressure, buttons, keys and text; and a picture
//! that is kept between frames, so that a frame costs what was added to it.
//!
//! Fingers, pens and the left button draw in the chosen colour, the right button erases. Number keys or a click on a swatch
//! choose the colour. Whatever else is typed is written where the pen last was, until Escape or the next stroke: while
//! writing, digits are text. Backspace deletes a letter, or takes back the last stroke or text; Escape ends the writing, or
//! clears the paper, which Backspace takes back.

mod paper;

use std::collections::BTreeMap;

use paper::{BLANK, PEN, Paper, Point, paint_text};

use crate::{
    event::{Event, EventKind, Pointer, Size, ViewId},
    frame::Frame,
    handle::WidgetHandle,
    render::{
        Kind, RemoteFrameBuffer, RenderError,
        demos::canvas::{Canvas, Color, LINE_HEIGHT, text_width},
    },
};

const INK: Color = [71, 84, 103];
const COLORS: [Color; 8] = [
    [29, 41, 57],
    [220, 38, 38],
    [234, 88, 12],
    [234, 179, 8],
    [22, 163, 74],
    [37, 99, 235],
    [147, 51, 234],
    [120, 77, 48],
];
/// Height of the bar at the foot, and the side of a swatch with its gap, in logical pixels.
const BAR: f64 = 2.0 * LINE_HEIGHT + 8.0;
const SWATCH: f64 = 22.0;

/// A finger, a pen or the mouse: the view it is in, and its id there.
type Contact = (Option<ViewId>, String);

struct Draw {
    handle: WidgetHandle,
    paper: Paper,
    /// The strokes under way, by their numbers on the paper.
    contacts: BTreeMap<Contact, usize>,
    /// Text that is being written, not on the paper yet.
    writing: Option<String>,
    /// Where the pen last was: text goes there.
    pen: (f64, f64),
    color: Color,
}

pub(super) fn kind() -> Kind {
    Kind::new("draw", |handle, _| Ok(Draw::new(handle)))
        .described("Draw", "Draw with fingers, pen or mouse, in eight colours, and write with the keyboard.")
        .with_traits(|traits| traits.cursor = "crosshair".into())
}

impl Draw {
    fn new(handle: WidgetHandle) -> Self {
        Self {
            handle,
            paper: Paper::new(),
            contacts: BTreeMap::new(),
            writing: None,
            pen: (24.0, 24.0),
            color: COLORS[5],
        }
    }

    fn press(&mut self, pointer: &Pointer, view: Option<ViewId>) {
        if let Some(color) = self.swatch_at(pointer) {
            self.color = color;
            return;
        }
        self.finish_writing();
        let color = if pointer.button == 2 { BLANK } else { self.color };
        let down: BTreeMap<String, Point> = contacts(pointer).collect();
        // Of a finger that is no longer told of the release went astray.
        self.contacts.retain(|contact, _| contact.0 != view || down.contains_key(&contact.1));
        for (id, point) in down {
            let contact = (view, id);
            if !self.contacts.contains_key(&contact)
                && let Some(stroke) = self.paper.begin(color, point)
            {
                self.contacts.insert(contact, stroke);
                self.pen = (point.0, point.1);
            }
        }
    }

    fn drag(&mut self, pointer: &Pointer, view: Option<ViewId>) {
        for (id, point) in contacts(pointer) {
            if let Some(&stroke) = self.contacts.get(&(view, id))
                && self.paper.extend(stroke, point)
            {
                self.pen = (point.0, point.1);
            }
        }
    }

    /// Ends the stroke of the finger that was lifted: where the event is, or no longer told of. In doubt, all of the view end.
    fn release(&mut self, pointer: &Pointer, view: Option<ViewId>) {
        self.drag(pointer, view);
        let still_down: Vec<_> = contacts(pointer)
            .filter(|&(_, (x, y, _))| (x, y) != (pointer.x, pointer.y))
            .map(|(id, _)| (view, id))
            .collect();
        let before = self.contacts.len();
        self.contacts.retain(|contact, _| contact.0 != view || still_down.contains(contact));
        if self.contacts.len() == before {
            self.contacts.retain(|contact, _| contact.0 != view);
        }
    }

    fn write(&mut self, text: &str) {
        let written: String = text.chars().filter(|character| !character.is_control()).collect();
        if !written.is_empty() && self.fits(written.len()) {
            self.writing.get_or_insert_default().push_str(&written);
        }
    }

    /// Whether so many more letters fit on the paper.
    fn fits(&self, letters: usize) -> bool {
        self.paper.has_room_for(self.writing.as_ref().map_or(0, String::len) + letters)
    }

    fn finish_writing(&mut self) {
        let Some(text) = self.writing.take().filter(|text| !text.trim().is_empty()) else { return };
        self.paper.write(self.pen, text, self.color);
    }

    fn press_key(&mut self, key: &str) {
        let has_room = self.fits(1);
        match (key, &mut self.writing) {
            ("Enter", writing) if has_room => writing.get_or_insert_default().push('\n'),
            ("Backspace", Some(text)) if text.is_empty() => self.writing = None,
            ("Backspace", Some(text)) => {
                text.pop();
            }
            ("Backspace", None) if self.contacts.is_empty() => self.paper.take_back(),
            ("Escape", Some(_)) => self.finish_writing(),
            ("Escape", None) if self.paper.len() > 0 => {
                self.contacts.clear();
                self.paper.clear();
            }
            (digit, None) => self.choose(digit),
            _ => {}
        }
    }

    fn choose(&mut self, digit: &str) {
        if let Some(color) = digit.parse().ok().and_then(|number: usize| COLORS.get(number.checked_sub(1)?)) {
            self.color = *color;
        }
    }

    fn swatch_at(&self, pointer: &Pointer) -> Option<Color> {
        let column = (pointer.x - 8.0) / SWATCH;
        let height = self.paper.size().height;
        let in_bar = pointer.y >= height - BAR && pointer.y < height;
        (in_bar && column >= 0.0).then(|| COLORS.get(column as usize).copied()).flatten()
    }

    fn paint_bar(&self, canvas: &mut Canvas) {
        let Size { width, height, ratio, .. } = *self.paper.size();
        let top = height - BAR;
        canvas.rounded_rect([0.0, top * ratio, width * ratio, BAR * ratio], 0.0, [242, 244, 247]);
        for (index, color) in COLORS.into_iter().enumerate() {
            let side = (SWATCH - 4.0) * ratio;
            let (x, y) = ((8.0 + index as f64 * SWATCH) * ratio, (top + 0.5 * (BAR - SWATCH + 4.0)) * ratio);
            if color == self.color {
                let ring = 2.5 * ratio;
                let bounds = [x - ring, y - ring, side + 2.0 * ring, side + 2.0 * ring];
                canvas.rounded_rect(bounds, 7.0 * ratio, INK);
            }
            canvas.rounded_rect([x, y, side, side], 5.0 * ratio, color);
            let digit = char::from(b'1' + index as u8).to_string();
            canvas.text(x + (side - text_width(&digit, ratio)) / 2.0, y + ratio, &digit, ratio, BLANK);
        }
        let hints = match self.writing {
            _ if self.paper.is_full() => ["The paper is full.", "Esc: clear"],
            Some(_) => ["Writing. Enter: new line", "Backspace: delete  Esc: done"],
            None => ["Drag: draw  Right: erase  Type: write", "Backspace: take back  Esc: clear"],
        };
        let x = (16.0 + COLORS.len() as f64 * SWATCH) * ratio;
        for (line, hint) in hints.into_iter().enumerate() {
            canvas.text(x, (top + 4.0 + line as f64 * LINE_HEIGHT) * ratio, hint, ratio, INK);
        }
    }
}

/// The fingers and pens of an event, or the mouse: id, place, and width of line.
fn contacts(pointer: &Pointer) -> impl Iterator<Item = (String, Point)> {
    let mouse = pointer.touches.is_empty().then(|| (String::new(), (pointer.x, pointer.y, PEN)));
    let fingers = pointer.touches.iter().map(|(id, touch)| {
        // A pressure of 0 means that the device cannot tell.
        let pressure = if touch.pressure > 0.0 { touch.pressure } else { 0.5 };
        (id.clone(), (touch.x, touch.y, PEN * (0.25 + 1.5 * pressure)))
    });
    mouse.into_iter().chain(fingers)
}

impl RemoteFrameBuffer for Draw {
    fn handle_event(&mut self, event: &Event) -> Result<(), RenderError> {
        match &event.kind {
            EventKind::Resize(size) => self.paper.resize(*size),
            EventKind::PointerDown(pointer) => self.press(pointer, event.view),
            EventKind::PointerMove(_) if self.contacts.is_empty() => return Ok(()),
            EventKind::PointerMove(pointer) => self.drag(pointer, event.view),
            EventKind::PointerUp(pointer) => self.release(pointer, event.view),
            EventKind::KeyDown(key) => self.press_key(&key.key),
            EventKind::Char(char) if !char.is_composing => match char.data.as_deref() {
                Some(digit @ ("1" | "2" | "3" | "4" | "5" | "6" | "7" | "8")) if self.writing.is_none() => {
                    self.choose(digit);
                }
                text => self.write(text.unwrap_or_default()),
            },
            _ => return Ok(()),
        }
        self.handle.request_draw();
        Ok(())
    }

    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        let (mut canvas, is_complete) = self.paper.picture()?;
        if !is_complete {
            self.handle.request_draw();
        }
        if let Some(text) = &self.writing {
            paint_text(&mut canvas, self.pen, &format!("{text}_"), self.color, self.paper.size().ratio);
        }
        self.paint_bar(&mut canvas);
        Ok(Some(canvas.into_frame()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Touch,
        render::demos::testing::{
            char, down, frame, handle, is_draw_requested, key, moved, pixel, pointer, resize, send, touches,
            up,
        },
    };

    const BLUE: Color = COLORS[5];

    fn draw(ratio: f64) -> Draw {
        let mut draw = Draw::new(handle());
        send(&mut draw, resize(640.0, 480.0, ratio));
        draw
    }

    fn stroke(draw: &mut Draw, from: (f64, f64), to: (f64, f64)) {
        send(draw, down(from.0, from.1));
        send(draw, moved(to.0, to.1));
        send(draw, up(to.0, to.1));
    }

    /// How many pixels above the bar are not paper.
    fn painted(draw: &mut Draw) -> usize {
        let frame = frame(draw);
        let bar = (480.0 - BAR) as u32;
        (0..bar)
            .flat_map(|y| (0..640).map(move |x| (x, y)))
            .filter(|&(x, y)| pixel(&frame, x, y) != BLANK)
            .count()
    }

    #[test]
    fn a_drag_draws_a_line_where_the_pointer_was_at_every_ratio() {
        for ratio in [1.0, 1.25, 2.0] {
            let mut draw = draw(ratio);
            stroke(&mut draw, (100.0, 100.0), (300.0, 200.0));
            let frame = frame(&mut draw);
            let at = |x: f64, y: f64| pixel(&frame, (x * ratio) as u32, (y * ratio) as u32);
            assert_eq!([at(100.0, 100.0), at(200.0, 150.0), at(300.0, 200.0)], [BLUE; 3]);
            assert_eq!([at(200.0, 140.0), at(320.0, 210.0)], [BLANK; 2]);
        }
    }

    #[test]
    fn two_fingers_draw_two_lines() {
        let mut draw = draw(1.0);
        send(&mut draw, EventKind::PointerDown(touches(&[("7", 100.0, 100.0)])));
        send(&mut draw, EventKind::PointerDown(touches(&[("7", 100.0, 100.0), ("8", 100.0, 300.0)])));
        send(&mut draw, EventKind::PointerMove(touches(&[("7", 400.0, 100.0), ("8", 400.0, 300.0)])));
        send(&mut draw, EventKind::PointerUp(touches(&[("7", 400.0, 100.0), ("8", 400.0, 300.0)])));
        send(&mut draw, EventKind::PointerMove(touches(&[("7", 400.0, 200.0)])));
        send(&mut draw, EventKind::PointerUp(touches(&[("7", 400.0, 200.0)])));
        let frame = frame(&mut draw);
        assert_eq!([(250, 100), (250, 300), (400, 150)].map(|(x, y)| pixel(&frame, x, y)), [BLUE; 3]);
        assert_eq!([(250, 200), (100, 200), (400, 250)].map(|(x, y)| pixel(&frame, x, y)), [BLANK; 3]);
        assert!(draw.contacts.is_empty());
    }

    #[test]
    fn two_users_draw_at_once_without_joining_their_lines() {
        let mut draw = draw(1.0);
        let from = |view, kind| Event { kind, timestamp: 0.0, view: Some(ViewId(view)) };
        for event in [
            from(1, down(100.0, 100.0)),
            from(2, down(100.0, 300.0)),
            from(1, moved(200.0, 100.0)),
            from(2, moved(200.0, 300.0)),
            from(1, up(200.0, 100.0)),
            from(2, moved(300.0, 300.0)),
        ] {
            draw.handle_event(&event).unwrap();
        }
        let frame = frame(&mut draw);
        assert_eq!([(150, 100), (250, 300)].map(|(x, y)| pixel(&frame, x, y)), [BLUE; 2]);
        assert_eq!([(150, 200), (250, 100)].map(|(x, y)| pixel(&frame, x, y)), [BLANK; 2]);
    }

    #[test]
    fn pressure_makes_the_line_wider() {
        let widths = [0.2, 1.0].map(|pressure| {
            let mut draw = draw(1.0);
            let touch = |x| {
                let touches = BTreeMap::from([("1".to_owned(), Touch { x, y: 200.0, pressure })]);
                Pointer { ntouches: 1, touches, ..pointer(x, 200.0) }
            };
            send(&mut draw, EventKind::PointerDown(touch(100.0)));
            send(&mut draw, EventKind::PointerMove(touch(300.0)));
            let frame = frame(&mut draw);
            (150..250).filter(|&y| pixel(&frame, 200, y) != BLANK).count()
        });
        assert!(widths[1] >= 2 * widths[0], "{widths:?}");
    }

    #[test]
    fn number_keys_and_swatches_choose_the_colour() {
        let mut draw = draw(1.0);
        send(&mut draw, key("2"));
        send(&mut draw, char("2"));
        stroke(&mut draw, (100.0, 100.0), (200.0, 100.0));
        stroke(&mut draw, (8.0 + 4.5 * SWATCH, 470.0), (8.0 + 4.5 * SWATCH, 470.0));
        stroke(&mut draw, (100.0, 200.0), (200.0, 200.0));
        let frame = frame(&mut draw);
        assert_eq!([pixel(&frame, 150, 100), pixel(&frame, 150, 200)], [COLORS[1], COLORS[4]]);
        assert_eq!(draw.paper.len(), 2);
    }

    #[test]
    fn the_right_button_erases() {
        let mut draw = draw(1.0);
        stroke(&mut draw, (100.0, 100.0), (200.0, 100.0));
        let right = Pointer { button: 2, buttons: vec![2], ..pointer(150.0, 80.0) };
        send(&mut draw, EventKind::PointerDown(right));
        send(&mut draw, moved(150.0, 120.0));
        let frame = frame(&mut draw);
        assert_eq!([pixel(&frame, 150, 100), pixel(&frame, 110, 100)], [BLANK, BLUE]);
    }

    #[test]
    fn typing_writes_at_the_pens_place_digits_included() {
        let mut draw = draw(1.0);
        stroke(&mut draw, (100.0, 100.0), (100.0, 100.0));
        let dot = painted(&mut draw);
        for text in ["a", "c", "2"] {
            send(&mut draw, key(text));
            send(&mut draw, char(text));
        }
        assert_eq!(draw.writing.as_deref(), Some("ac2"));
        send(&mut draw, key("Escape"));
        assert!(painted(&mut draw) > dot + 30);
        let frame = frame(&mut draw);
        assert!((100..121).any(|x| (100..116).any(|y| pixel(&frame, x, y) != BLANK)));
        assert_eq!(draw.color, BLUE);
    }

    #[test]
    fn backspace_deletes_letters_then_takes_marks_back_even_a_cleared_paper() {
        let mut draw = draw(1.0);
        stroke(&mut draw, (100.0, 100.0), (200.0, 100.0));
        let line = painted(&mut draw);
        send(&mut draw, char("hi"));
        for _ in 0..3 {
            send(&mut draw, key("Backspace"));
        }
        assert_eq!((painted(&mut draw), draw.paper.len()), (line, 1));
        send(&mut draw, key("Escape"));
        assert_eq!(painted(&mut draw), 0);
        send(&mut draw, key("Backspace"));
        assert_eq!(painted(&mut draw), line);
        send(&mut draw, key("Backspace"));
        assert_eq!(painted(&mut draw), 0);
    }

    #[test]
    fn a_resize_keeps_the_drawing() {
        let mut draw = draw(1.0);
        stroke(&mut draw, (100.0, 100.0), (200.0, 100.0));
        send(&mut draw, resize(1.0, 1.0, 1.0));
        frame(&mut draw);
        send(&mut draw, resize(640.0, 480.0, 2.0));
        assert_eq!(pixel(&frame(&mut draw), 300, 200), BLUE);
    }

    #[test]
    fn a_full_paper_takes_no_more_and_says_so() {
        let mut draw = draw(1.0);
        let stroke_under_way = draw.paper.begin(BLUE, (1.0, 1.0, 1.0)).unwrap();
        while draw.paper.extend(stroke_under_way, (1.0, 1.0, 1.0)) {}
        stroke(&mut draw, (100.0, 100.0), (200.0, 100.0));
        send(&mut draw, char("x"));
        assert_eq!((draw.paper.len(), draw.writing.is_none()), (1, true));
        send(&mut draw, key("Escape"));
        stroke(&mut draw, (100.0, 100.0), (200.0, 100.0));
        assert_eq!(draw.paper.len(), 1);
    }

    #[test]
    fn no_paper_makes_a_draw_take_longer_than_a_step() {
        let mut draw = draw(20.0);
        let right = |x, y| Pointer { button: 2, buttons: vec![2], ..pointer(x, y) };
        send(&mut draw, EventKind::PointerDown(right(-1e6, -1e6)));
        for step in 0..50 {
            let side = if step % 2 == 0 { 1e6 } else { -1e6 };
            send(&mut draw, EventKind::PointerMove(right(side, side)));
        }
        is_draw_requested(&draw.handle);
        frame(&mut draw);
        assert!(is_draw_requested(&draw.handle), "all was painted in one go");
        send(&mut draw, resize(64.0, 48.0, 1.0));
        while is_draw_requested(&draw.handle) {
            frame(&mut draw);
        }
        assert!(draw.paper.picture().unwrap().1);
    }

    #[test]
    fn what_is_typed_and_pressed_is_not_kept_without_end() {
        let mut draw = draw(1.0);
        for finger in 0..1000 {
            send(&mut draw, EventKind::PointerDown(touches(&[(&finger.to_string(), 10.0, 10.0)])));
        }
        assert_eq!(draw.contacts.len(), 1);
        let page = "x".repeat(4096);
        (0..100).for_each(|_| send(&mut draw, char(&page)));
        (0..5000).for_each(|_| send(&mut draw, key("Enter")));
        assert!(draw.writing.as_ref().unwrap().len() <= paper::FULL);
    }

    #[test]
    fn a_hovering_pointer_draws_nothing_and_asks_for_no_draw() {
        let mut draw = draw(1.0);
        is_draw_requested(&draw.handle);
        send(&mut draw, moved(100.0, 100.0));
        assert!(!is_draw_requested(&draw.handle));
        assert_eq!(painted(&mut draw), 0);
    }
}
