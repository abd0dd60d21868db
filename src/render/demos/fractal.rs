//! Teaches slow rendering: a picture that takes seconds is rendered in bounded steps, each a frame, coarse at first.
//!
//! Every `get_frame` works for about [`STEP_WORK`], shows what there is, and asks for the next draw until the picture is done.
//! Nothing needs to be cancelled: an event that comes meanwhile is handled between two steps and starts a new picture. Slow
//! views ask for fewer frames, and so do not slow the rendering down by more than they can show.
//!
//! Drag, wheel, pinch, double click, arrow keys, + and - look around; 0 goes back to the whole.

use crate::{
    event::{Event, EventKind, Size},
    frame::Frame,
    handle::WidgetHandle,
    render::{
        Kind, RemoteFrameBuffer, RenderError,
        demos::{LIMIT, NO_SIZE, canvas::Color, pan_zoom::PanZoom},
    },
    room::{self, NoRoom},
};

/// What one step may cost, in iterations of z² + c: some 30 ms.
const STEP_WORK: u64 = 8_000_000;
/// A pixel costs about as much as this many iterations besides its iterations.
const PIXEL_WORK: u64 = 20;
/// Sides of the blocks that each pass refines. A last pass smooths.
const PASSES: [usize; 4] = [8, 4, 2, 1];
/// The whole set: its middle, and the part of the plane that is in view at least.
const WHOLE: ((f64, f64), (f64, f64)) = ((-0.65, 0.0), (3.2, 2.5));
/// Below this scale, neighbouring pixels are the same number.
const DEEPEST: f64 = 2e-15;
/// Places within a pixel whose colours the last pass averages.
const SAMPLES: [(f64, f64); 4] = [(0.375, 0.125), (0.875, 0.375), (0.125, 0.625), (0.625, 0.875)];

struct Fractal {
    handle: WidgetHandle,
    size: Size,
    view: PanZoom,
    /// The picture under way; `None` when the view changed.
    picture: Option<Picture>,
}

pub(super) fn kind() -> Kind {
    Kind::new("fractal", |handle, _| Ok(Fractal::new(handle)))
        .described(
            "Fractal explorer",
            "The Mandelbrot set, coarse at first, then finer. Scroll, drag or double-click to explore.",
        )
        .with_traits(|traits| {
            traits.css_width = "640px".into();
            traits.css_height = "480px".into();
            traits.cursor = "move".into();
        })
}

impl Fractal {
    fn new(handle: WidgetHandle) -> Self {
        Self { handle, size: NO_SIZE, view: whole(&NO_SIZE), picture: None }
    }

    fn resize(&mut self, size: Size) {
        if self.size == NO_SIZE {
            self.view = whole(&size);
        } else {
            self.view.resize(&self.size, &size);
        }
        self.size = size;
    }
}

/// The view of the whole set.
fn whole(size: &Size) -> PanZoom {
    let (center, (width, height)) = WHOLE;
    let scale = (width / size.width.max(1.0)).max(height / size.height.max(1.0));
    PanZoom::centered(center, scale, (DEEPEST, 0.1_f64.max(scale)), size)
}

impl RemoteFrameBuffer for Fractal {
    fn handle_event(&mut self, event: &Event) -> Result<(), RenderError> {
        let changed = match &event.kind {
            EventKind::Resize(size) => {
                self.resize(*size);
                true
            }
            EventKind::DoubleClick(pointer) => {
                self.view.zoom_at(pointer.x, pointer.y, 4.0);
                true
            }
            EventKind::KeyDown(key) if key.key == "0" => {
                self.view = whole(&self.size);
                true
            }
            kind => self.view.handle(kind, event.view, &self.size),
        };
        if changed {
            self.picture = None;
            self.handle.request_draw();
        }
        Ok(())
    }

    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        let mut picture = match self.picture.take() {
            Some(picture) => picture,
            None => Picture::new(&self.view, &self.size)?,
        };
        picture.work(STEP_WORK);
        if !picture.is_done() {
            self.handle.request_draw();
        }
        let mut pixels = room::empty(picture.pixels.len(), LIMIT)?;
        pixels.extend_from_slice(&picture.pixels);
        let frame = Frame::rgb8(picture.width as u32, picture.height as u32, pixels)?;
        self.picture = Some(picture);
        Ok(Some(frame))
    }
}

/// A picture under way.
struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    /// The top left corner in the complex plane.
    origin: (f64, f64),
    /// From one physical pixel to the next in the complex plane.
    step: f64,
    max_iterations: u32,
    /// Index into [`PASSES`]; one more is the smoothing pass, two more is done.
    pass: usize,
    /// The next row of the pass, and the next column of it.
    row: usize,
    column: usize,
}

impl Picture {
    fn new(view: &PanZoom, size: &Size) -> Result<Self, NoRoom> {
        let (width, height) = (size.pwidth.max(1) as usize, size.pheight.max(1) as usize);
        let depth = (0.005 / view.scale).max(1.0).log2();
        Ok(Self {
            width,
            height,
            pixels: room::filled(3 * width * height, 0, LIMIT)?,
            origin: view.origin,
            step: view.scale / size.ratio,
            max_iterations: (250.0 + 30.0 * depth + 3.0 * depth * depth) as u32,
            pass: 0,
            row: 0,
            column: 0,
        })
    }

    fn is_done(&self) -> bool {
        self.pass > PASSES.len()
    }

    /// Renders until about `work` iterations are spent or the picture is done.
    fn work(&mut self, work: u64) {
        let mut spent = 0;
        while spent < work && !self.is_done() {
            let block = PASSES.get(self.pass).copied();
            spent += match block {
                Some(block) => self.render_block(block),
                None => self.smooth(),
            };
            self.column += block.unwrap_or(1);
            if self.column >= self.width {
                self.column = 0;
                self.row += block.unwrap_or(1);
            }
            if self.row >= self.height {
                self.row = 0;
                self.pass += 1;
            }
        }
    }

    /// Renders the next block: its colour is that of its top left pixel.
    fn render_block(&mut self, block: usize) -> u64 {
        let x = self.column;
        let is_known = self.pass > 0 && x.is_multiple_of(2 * block) && self.row.is_multiple_of(2 * block);
        if is_known {
            return 1;
        }
        let (color, work) = self.color_at(x as f64 + 0.5, self.row as f64 + 0.5);
        self.fill(x, block, color);
        work
    }

    fn fill(&mut self, x: usize, block: usize, color: Color) {
        let right = (x + block).min(self.width);
        for y in self.row..(self.row + block).min(self.height) {
            let start = 3 * (y * self.width + x);
            let end = 3 * (y * self.width + right);
            self.pixels[start..end].chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&color));
        }
    }

    fn smooth(&mut self) -> u64 {
        let (color, work) = self.smooth_color(self.column, self.row);
        let start = 3 * (self.row * self.width + self.column);
        self.pixels[start..start + 3].copy_from_slice(&color);
        work
    }

    fn smooth_color(&self, x: usize, y: usize) -> (Color, u64) {
        let (mut sum, mut spent) = ([0_u16; 3], 0);
        for (dx, dy) in SAMPLES {
            let (color, work) = self.color_at(x as f64 + dx, y as f64 + dy);
            sum.iter_mut().zip(color).for_each(|(sum, channel)| *sum += u16::from(channel));
            spent += work;
        }
        (sum.map(|sum| (sum / SAMPLES.len() as u16) as u8), spent)
    }

    /// The colour at a place in physical pixels, and what it cost.
    fn color_at(&self, x: f64, y: f64) -> (Color, u64) {
        let c = (self.origin.0 + x * self.step, self.origin.1 + y * self.step);
        let (escape, iterations) = escape(c, self.max_iterations);
        (escape.map_or([4, 6, 14], shade), u64::from(iterations) + PIXEL_WORK)
    }
}

/// How soon z² + c escapes from 0: the number of iterations, made smooth, or `None` if it does not; and the iterations done.
fn escape((x, y): (f64, f64), max_iterations: u32) -> (Option<f64>, u32) {
    // Within the two largest parts of the set nothing escapes: the cardioid and the disc to its left.
    let q = (x - 0.25) * (x - 0.25) + y * y;
    if q * (q + x - 0.25) <= 0.25 * y * y || (x + 1.0) * (x + 1.0) + y * y <= 0.0625 {
        return (None, 0);
    }
    let (mut re, mut im) = (0.0_f64, 0.0_f64);
    for iteration in 0..max_iterations {
        let (re_squared, im_squared) = (re * re, im * im);
        let magnitude = re_squared + im_squared;
        if magnitude > 256.0 {
            let smooth = f64::from(iteration) + 1.0 - (0.5 * magnitude.ln()).log2();
            return (Some(smooth), iteration);
        }
        im = 2.0 * re * im + y;
        re = re_squared - im_squared + x;
    }
    (None, max_iterations)
}

/// A colour for an escape time: round and round through a palette, ever slower.
fn shade(escape: f64) -> Color {
    const PALETTE: [[f64; 3]; 6] = [
        [6.0, 12.0, 60.0],
        [24.0, 88.0, 170.0],
        [160.0, 220.0, 245.0],
        [255.0, 250.0, 225.0],
        [250.0, 170.0, 30.0],
        [110.0, 24.0, 40.0],
    ];
    let place = (escape.max(0.0) + 1.0).sqrt() * 1.1;
    let (index, share) = (place as usize, place.fract());
    let share = share * share * (3.0 - 2.0 * share);
    let (from, to) = (PALETTE[index % PALETTE.len()], PALETTE[(index + 1) % PALETTE.len()]);
    [0, 1, 2].map(|channel| (from[channel] + share * (to[channel] - from[channel])).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::demos::testing::{
        down, frame, handle, is_draw_requested, key, moved, pixel, pointer, resize, send, wheel,
    };

    fn fractal(width: f64, height: f64, ratio: f64) -> Fractal {
        let mut fractal = Fractal::new(handle());
        send(&mut fractal, resize(width, height, ratio));
        is_draw_requested(&fractal.handle);
        fractal
    }

    /// Draws for as long as draws are asked for. Gives the last frame and how many there were.
    fn last_frame(fractal: &mut Fractal) -> (Frame, usize) {
        let mut count = 1;
        let mut last = frame(fractal);
        while is_draw_requested(&fractal.handle) {
            last = frame(fractal);
            count += 1;
        }
        (last, count)
    }

    #[test]
    fn zooming_keeps_the_point_under_the_pointer() {
        let mut fractal = fractal(640.0, 480.0, 1.0);
        for _ in 0..100 {
            let before = fractal.view.at(411.0, 173.0);
            send(&mut fractal, wheel(411.0, 173.0, -120.0));
            let after = fractal.view.at(411.0, 173.0);
            assert!((before.0 - after.0).hypot(before.1 - after.1) < 1e-15 + 0.01 * fractal.view.scale);
        }
        let before = fractal.view.at(10.0, 10.0);
        send(&mut fractal, EventKind::DoubleClick(pointer(10.0, 10.0)));
        assert_eq!(fractal.view.at(10.0, 10.0), before);
    }

    #[test]
    fn refinement_ends_and_equals_a_direct_render_at_every_ratio() {
        for ratio in [1.0, 1.25, 2.0] {
            let mut fractal = fractal(301.0, 203.0, ratio);
            send(&mut fractal, wheel(90.0, 60.0, -1000.0));
            let (last, count) = last_frame(&mut fractal);
            assert!(count > 1, "one frame was enough");
            let direct = Picture::new(&fractal.view, &fractal.size).unwrap();
            assert_eq!(last.width(), (301.0 * ratio) as u32);
            for (x, y) in (0..last.height()).flat_map(|y| (0..last.width()).map(move |x| (x, y))) {
                assert_eq!(
                    pixel(&last, x, y),
                    direct.smooth_color(x as usize, y as usize).0,
                    "at ({x}, {y})"
                );
            }
        }
    }

    #[test]
    fn before_smoothing_each_pixel_is_the_one_sample_at_its_middle() {
        let fractal = fractal(101.0, 67.0, 1.0);
        let mut picture = Picture::new(&fractal.view, &fractal.size).unwrap();
        while picture.pass < PASSES.len() {
            picture.work(1);
        }
        for (index, pixel) in picture.pixels.chunks_exact(3).enumerate() {
            let (x, y) = (index % 101, index / 101);
            assert_eq!(pixel, picture.color_at(x as f64 + 0.5, y as f64 + 0.5).0, "at ({x}, {y})");
        }
    }

    #[test]
    fn one_step_is_bounded_however_deep_the_view() {
        let mut fractal = fractal(640.0, 480.0, 1.0);
        fractal.view =
            PanZoom::centered((-0.743_643_887, 0.131_825_904), 1e-11, (DEEPEST, 1.0), &fractal.size);
        let mut picture = Picture::new(&fractal.view, &fractal.size).unwrap();
        picture.work(STEP_WORK);
        assert!(!picture.is_done());
    }

    #[test]
    fn one_step_is_bounded_however_long_a_row() {
        let view = PanZoom::centered((-0.2, 0.0), DEEPEST, (DEEPEST, 1.0), &NO_SIZE);
        let mut picture = Picture::new(&view, &Size { pwidth: 65_535, ..NO_SIZE }).unwrap();
        picture.max_iterations = 1_000_000;
        // In the middle of a bulb, so that nothing escapes.
        picture.origin = (-0.1226, 0.7449);
        picture.work(STEP_WORK);
        assert_eq!((picture.pass, picture.row), (0, 0));
        assert!(picture.column < 8 * 100, "{} pixels in one step", picture.column);
    }

    #[test]
    fn a_new_view_starts_coarse_again() {
        let mut fractal = fractal(320.0, 240.0, 1.0);
        let (_, _) = last_frame(&mut fractal);
        send(&mut fractal, down(100.0, 100.0));
        assert!(!is_draw_requested(&fractal.handle));
        send(&mut fractal, moved(110.0, 100.0));
        assert_eq!((fractal.picture.is_none(), is_draw_requested(&fractal.handle)), (true, true));
    }

    #[test]
    fn a_drag_moves_the_picture_along() {
        let mut fractal = fractal(320.0, 240.0, 1.0);
        let (before, _) = last_frame(&mut fractal);
        send(&mut fractal, down(100.0, 100.0));
        send(&mut fractal, moved(140.0, 90.0));
        let (after, _) = last_frame(&mut fractal);
        let same =
            (0..200).filter(|&x| pixel(&before, x, 100 + x / 4) == pixel(&after, x + 40, 90 + x / 4)).count();
        assert!(same > 190, "{same} of 200 pixels moved along");
    }

    #[test]
    fn the_key_0_goes_back_to_the_whole_and_one_pixel_is_enough() {
        let mut fractal = fractal(320.0, 240.0, 1.0);
        let (before, _) = last_frame(&mut fractal);
        for event in [key("+"), key("ArrowLeft"), resize(1.0, 1.0, 1.0), resize(320.0, 240.0, 1.0), key("0")]
        {
            send(&mut fractal, event);
            frame(&mut fractal);
        }
        assert!(last_frame(&mut fractal).0 == before);
    }
}
