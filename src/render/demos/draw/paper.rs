//! The paper of [`Draw`](super::Draw): what is drawn and written on it, and the picture of that, which grows with each addition.

use super::super::{
    NO_SIZE,
    canvas::{Canvas, Color, LINE_HEIGHT},
};
use crate::event::Size;

/// Width of a line in logical pixels at half pressure, which is what a mouse has.
pub const PEN: f64 = 4.0;
const ERASER: f64 = 24.0;
/// The colour of the paper, and of what is erased.
pub const BLANK: Color = [255, 255, 255];
/// Most points and letters on the paper: a bound on memory, and on the time to paint all of it again.
const FULL: usize = 200_000;

/// A place on the paper and the width of the line there, in logical pixels.
pub type Point = (f64, f64, f64);

/// What is taken back in one go.
enum Mark {
    Stroke { color: Color, points: Vec<Point> },
    Text { place: (f64, f64), text: String, color: Color },
}

impl Mark {
    fn len(&self) -> usize {
        match self {
            Self::Stroke { points, .. } => points.len(),
            Self::Text { text, .. } => text.len(),
        }
    }

    /// Paints what was added last, in `ratio` physical pixels for a logical one.
    fn paint_end(&self, canvas: &mut Canvas, ratio: f64) {
        match self {
            Self::Stroke { color, points } => {
                paint_line(canvas, &points[points.len().saturating_sub(2)..], *color, ratio);
            }
            Self::Text { place, text, color } => paint_text(canvas, *place, text, *color, ratio),
        }
    }

    /// Paints all of it.
    fn paint(&self, canvas: &mut Canvas, ratio: f64) {
        match self {
            Self::Stroke { color, points } => {
                paint_line(canvas, &points[..1], *color, ratio);
                points.windows(2).for_each(|pair| paint_line(canvas, pair, *color, ratio));
            }
            Self::Text { .. } => self.paint_end(canvas, ratio),
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
    /// The marks painted at the present size.
    picture: Canvas,
}

impl Paper {
    /// An empty one that has no size yet.
    pub fn new() -> Self {
        Self { size: NO_SIZE, marks: Vec::new(), cleared: Vec::new(), picture: Canvas::new(&NO_SIZE, BLANK) }
    }

    /// Its size.
    pub fn size(&self) -> &Size {
        &self.size
    }

    /// Gives it another size; what is on it stays where it is.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
        self.paint_all();
    }

    /// The picture of it, to paint on.
    pub fn picture(&self) -> Canvas {
        self.picture.clone()
    }

    /// How many strokes and texts are on it.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether no more fits on it.
    pub fn is_full(&self) -> bool {
        self.marks.iter().map(Mark::len).sum::<usize>() >= FULL
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
        self.marks[stroke].paint_end(&mut self.picture, self.size.ratio);
        true
    }

    /// Writes a text whose top left corner is at `place`.
    pub fn write(&mut self, place: (f64, f64), text: String, color: Color) {
        self.add(Mark::Text { place, text, color });
    }

    /// Takes the last stroke or text away; from an empty paper, its clearing.
    pub fn take_back(&mut self) {
        if self.marks.pop().is_none() {
            self.marks.append(&mut self.cleared);
        }
        self.paint_all();
    }

    /// Takes all away.
    pub fn clear(&mut self) {
        self.cleared = std::mem::take(&mut self.marks);
        self.paint_all();
    }

    fn add(&mut self, mark: Mark) {
        mark.paint_end(&mut self.picture, self.size.ratio);
        self.marks.push(mark);
    }

    fn paint_all(&mut self) {
        self.picture = Canvas::new(&self.size, BLANK);
        for mark in &self.marks {
            mark.paint(&mut self.picture, self.size.ratio);
        }
    }
}

/// A point of a line of that colour: erasers are wider than pens.
fn as_wide_as(color: Color, (x, y, width): Point) -> Point {
    (x, y, if color == BLANK { width * ERASER / PEN } else { width })
}

fn paint_line(canvas: &mut Canvas, points: &[Point], color: Color, ratio: f64) {
    if let (Some(from), Some(to)) = (points.first(), points.last()) {
        let place = |point: &Point| (point.0 * ratio, point.1 * ratio);
        canvas.line(place(from), place(to), (from.2 * ratio, to.2 * ratio), color);
    }
}

/// Paints lines of text below each other, the first of which has its top left corner at (`x`, `y`), in logical pixels.
pub fn paint_text(canvas: &mut Canvas, (x, y): (f64, f64), text: &str, color: Color, ratio: f64) {
    for (line, text) in text.split('\n').enumerate() {
        canvas.text(x * ratio, (y + line as f64 * LINE_HEIGHT) * ratio, text, ratio, color);
    }
}
