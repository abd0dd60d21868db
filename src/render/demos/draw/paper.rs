//! The paper of [`Draw`](super::Draw): what is drawn and written on it, and the picture of that, which grows with each addition.

use std::collections::VecDeque;

use super::super::{
    NO_SIZE,
    canvas::{Canvas, Color, LINE_HEIGHT},
};
use crate::{event::Size, room::NoRoom};

/// Width of a line in logical pixels at half pressure, which is what a mouse has.
pub const PEN: f64 = 4.0;
const ERASER: f64 = 24.0;
/// The colour of the paper, and of what is erased.
pub const BLANK: Color = [255, 255, 255];
/// Most points and letters on the paper: a bound on memory, and on the time to paint all of it again.
pub const FULL: usize = 200_000;
/// What a draw may paint, in pixels looked at: some 50 ms. What is left comes in the next.
const STEP_WORK: usize = 6_000_000;
/// A piece costs about as much as this many pixels besides its own.
const PIECE_WORK: usize = 50;

/// A place on the paper and the width of the line there, in logical pixels.
pub type Point = (f64, f64, f64);

/// What is taken back in one go.
enum Mark {
    Stroke { color: Color, points: Vec<Point> },
    Text { place: (f64, f64), text: String, color: Color },
}

/// A part of a mark that is painted in one go: the mark's number, and that of a stroke's point, to which the line from the one before leads.
type Piece = (usize, usize);

impl Mark {
    fn len(&self) -> usize {
        match self {
            Self::Stroke { points, .. } => points.len(),
            Self::Text { text, .. } => text.len(),
        }
    }

    /// How many pieces it has.
    fn pieces(&self) -> usize {
        match self {
            Self::Stroke { points, .. } => points.len(),
            Self::Text { .. } => 1,
        }
    }

    /// Paints a piece, in `ratio` physical pixels for a logical one. Answers how many pixels were looked at.
    fn paint(&self, piece: usize, canvas: &mut Canvas, ratio: f64) -> usize {
        match self {
            Self::Stroke { color, points } => {
                paint_line(canvas, &points[piece.saturating_sub(1)..=piece], *color, ratio)
            }
            Self::Text { place, text, color } => paint_text(canvas, *place, text, *color, ratio),
        }
    }
}

/// See the module's documentation.
pub struct Paper {
    size: Size,
    /// All that is on it, in the order it came.
    marks: Vec<Mark>,
    /// What was there before it was cleared.
    cleared: Vec<Mark>,
    /// Points and letters of all marks.
    length: usize,
    /// The marks painted at the present size; `None` when all are to be painted anew.
    picture: Option<Canvas>,
    /// What is not in the picture yet, in order.
    unpainted: VecDeque<Piece>,
}

impl Paper {
    /// An empty one that has no size yet.
    pub fn new() -> Self {
        Self {
            size: NO_SIZE,
            marks: Vec::new(),
            cleared: Vec::new(),
            length: 0,
            picture: None,
            unpainted: VecDeque::new(),
        }
    }

    /// Its size.
    pub fn size(&self) -> &Size {
        &self.size
    }

    /// Gives it another size; what is on it stays where it is.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
        self.forget_picture();
    }

    /// The picture of it, to paint on, and whether all is in it. What is not takes another call: each paints only so much, since a draw
    /// must not take longer the more is drawn.
    ///
    /// # Errors
    /// When there is not enough memory for it.
    pub fn picture(&mut self) -> Result<(Canvas, bool), NoRoom> {
        let mut picture = if let Some(picture) = self.picture.take() {
            picture
        } else {
            let canvas = Canvas::new(&self.size, BLANK)?;
            for (mark, pieces) in self.marks.iter().map(Mark::pieces).enumerate() {
                self.unpainted.extend((0..pieces).map(|piece| (mark, piece)));
            }
            canvas
        };
        let mut work = 0;
        while work < STEP_WORK
            && let Some((mark, piece)) = self.unpainted.pop_front()
        {
            work += PIECE_WORK + self.marks[mark].paint(piece, &mut picture, self.size.ratio);
        }
        let copy = picture.copy();
        self.picture = Some(picture);
        Ok((copy?, self.unpainted.is_empty()))
    }

    /// How many strokes and texts are on it.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether no more fits on it.
    pub fn is_full(&self) -> bool {
        !self.has_room_for(1)
    }

    /// Whether so many points or letters more fit on it.
    pub fn has_room_for(&self, more: usize) -> bool {
        self.length + more <= FULL
    }

    /// Begins a stroke, unless the paper is full; answers the stroke's number.
    pub fn begin(&mut self, color: Color, point: Point) -> Option<usize> {
        if self.is_full() {
            return None;
        }
        self.add(Mark::Stroke { color, points: vec![as_wide_as(color, point)] });
        Some(self.marks.len() - 1)
    }

    /// Goes on with a stroke, unless the paper is full; answers whether it did.
    pub fn extend(&mut self, stroke: usize, point: Point) -> bool {
        if self.is_full() {
            return false;
        }
        let Some(Mark::Stroke { color, points }) = self.marks.get_mut(stroke) else { return false };
        points.push(as_wide_as(*color, point));
        self.length += 1;
        let piece = (stroke, points.len() - 1);
        self.paint_later(piece);
        true
    }

    /// Writes a text whose top left corner is at `place`.
    pub fn write(&mut self, place: (f64, f64), text: String, color: Color) {
        self.add(Mark::Text { place, text, color });
    }

    /// Takes the last stroke or text away; from an empty paper, its clearing.
    pub fn take_back(&mut self) {
        if let Some(mark) = self.marks.pop() {
            self.length -= mark.len();
        } else {
            self.marks.append(&mut self.cleared);
            self.length = self.marks.iter().map(Mark::len).sum();
        }
        self.forget_picture();
    }

    /// Takes all away.
    pub fn clear(&mut self) {
        self.cleared = std::mem::take(&mut self.marks);
        self.length = 0;
        self.forget_picture();
    }

    fn add(&mut self, mark: Mark) {
        self.length += mark.len();
        self.paint_later((self.marks.len(), 0));
        self.marks.push(mark);
    }

    fn paint_later(&mut self, piece: Piece) {
        // What is painted anew is so with all that is on it by then.
        if self.picture.is_some() {
            self.unpainted.push_back(piece);
        }
    }

    fn forget_picture(&mut self) {
        self.picture = None;
        self.unpainted.clear();
    }
}

/// A point of a line of that colour: erasers are wider than pens.
fn as_wide_as(color: Color, (x, y, width): Point) -> Point {
    (x, y, if color == BLANK { width * ERASER / PEN } else { width })
}

fn paint_line(canvas: &mut Canvas, points: &[Point], color: Color, ratio: f64) -> usize {
    let (Some(from), Some(to)) = (points.first(), points.last()) else { return 0 };
    let place = |point: &Point| (point.0 * ratio, point.1 * ratio);
    canvas.line(place(from), place(to), (from.2 * ratio, to.2 * ratio), color)
}

/// Paints lines of text below each other, the first of which has its top left corner at (`x`, `y`), in logical pixels. Answers how many
/// pixels were looked at.
pub fn paint_text(canvas: &mut Canvas, (x, y): (f64, f64), text: &str, color: Color, ratio: f64) -> usize {
    let lines = text.split('\n').enumerate();
    lines
        .map(|(line, text)| {
            canvas.text(x * ratio, (y + line as f64 * LINE_HEIGHT) * ratio, text, ratio, color)
        })
        .sum()
}
