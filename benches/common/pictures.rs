//! Pictures of the kinds that widgets show, computed, so that every run has the same.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "coordinates and colours are small"
)]

use std::f32::consts::TAU;

use framehub::Frame;

/// A kind of picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// Lines, points, axes and text on white.
    Plot,
    /// A lit surface.
    Smooth,
    /// Detail at all scales and some grain, as from a camera.
    Photo,
    /// Nothing that any codec could use.
    Noise,
    /// A page of letters, black on white.
    Text,
}

impl Picture {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Plot, Self::Smooth, Self::Photo, Self::Noise, Self::Text];

    /// For a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plot => "plot",
            Self::Smooth => "smooth",
            Self::Photo => "photo",
            Self::Noise => "noise",
            Self::Text => "text",
        }
    }

    /// The picture as an RGB frame.
    pub fn rgb(self, width: u32, height: u32) -> Frame {
        let pixels = match self {
            Self::Plot => plot(width, height),
            Self::Text => text(width, height),
            Self::Smooth => each_pixel(width, height, surface),
            Self::Photo => {
                let mut grain = Random(7);
                each_pixel(width, height, move |x, y| {
                    let grain = (grain.next() % 7) as f32 - 3.0;
                    photo(x, y).map(|value| value + grain)
                })
            }
            Self::Noise => {
                let mut random = Random(1);
                (0..width * height * 3).map(|_| random.next() as u8).collect()
            }
        };
        Frame::rgb8(width, height, pixels).expect("as many pixels as the size says")
    }

    /// The picture as an RGBA frame, opaque.
    pub fn rgba(self, width: u32, height: u32) -> Frame {
        let rgb = self.rgb(width, height);
        let pixels: Vec<u8> =
            rgb.pixels().chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect();
        Frame::rgba8(width, height, pixels).expect("as many pixels as the size says")
    }

    /// The picture's green as a grey frame.
    pub fn gray(self, width: u32, height: u32) -> Frame {
        let pixels: Vec<u8> = self.rgb(width, height).pixels().iter().skip(1).step_by(3).copied().collect();
        Frame::gray8(width, height, pixels).expect("as many pixels as the size says")
    }
}

/// Four pictures of which each takes as long to encode: a plot above a smooth one, moved up by a quarter of the height from
/// one to the next.
pub fn reel((width, height): (u32, u32)) -> Vec<Frame> {
    let bytes = (width * height * 3) as usize;
    let mut pixels = [
        &Picture::Plot.rgb(width, height).pixels()[..bytes / 2],
        &Picture::Smooth.rgb(width, height).pixels()[bytes / 2..],
    ]
    .concat();
    (0..4)
        .map(|_| {
            pixels.rotate_left(bytes / 4);
            Frame::rgb8(width, height, pixels.clone()).expect("as many pixels as the size says")
        })
        .collect()
}

/// Computes colours from coordinates in 0..1 across the picture's height.
fn each_pixel(width: u32, height: u32, mut color: impl FnMut(f32, f32) -> [f32; 3]) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        for x in 0..width {
            pixels.extend(color(x as f32 / height as f32, y as f32 / height as f32).map(|value| value as u8));
        }
    }
    pixels
}

fn surface(x: f32, y: f32) -> [f32; 3] {
    let height = |x: f32, y: f32| (x * 9.0).sin() * (y * 7.0).cos() * 0.12 + (x * y * 5.0).sin() * 0.05;
    let slope_x = (height(x + 1e-3, y) - height(x, y)) / 1e-3;
    let slope_y = (height(x, y + 1e-3) - height(x, y)) / 1e-3;
    let light = (1.0 - 0.4 * slope_x - 0.3 * slope_y) / (1.0 + slope_x.powi(2) + slope_y.powi(2)).sqrt();
    let shade = 0.25 + 0.6 * light.max(0.0);
    let level = height(x, y) * 3.0 + 0.5;
    [0.2 + 0.8 * level, 0.9 - level * 0.5, 1.0 - level].map(|part| (255.0 * shade * part).clamp(0.0, 255.0))
}

fn photo(x: f32, y: f32) -> [f32; 3] {
    let (mut level, mut weight) = (0.0, 1.0);
    for octave in 0..8 {
        let scale = (2 << octave) as f32;
        level += value_noise(x * scale, y * scale, octave) * weight;
        weight *= 0.62;
    }
    let hue = value_noise(x * 3.0, y * 3.0, 99);
    [level * 80.0 + 30.0 * hue, level * 75.0 + 10.0, level * 65.0 + 40.0 * (1.0 - hue)]
        .map(|value| value.clamp(4.0, 250.0))
}

/// Smooth noise in 0..1 with one feature per unit.
fn value_noise(x: f32, y: f32, seed: u32) -> f32 {
    let corner = |x: f32, y: f32| {
        let mixed = (x as u32).wrapping_mul(374_761_393) ^ (y as u32).wrapping_mul(668_265_263) ^ seed << 13;
        let mixed = (mixed ^ mixed >> 13).wrapping_mul(1_274_126_177);
        (mixed >> 16) as f32 / 65_536.0
    };
    let (left, top) = (x.floor(), y.floor());
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (across, down) = (ease(x - left), ease(y - top));
    let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
    mix(
        mix(corner(left, top), corner(left + 1.0, top), across),
        mix(corner(left, top + 1.0), corner(left + 1.0, top + 1.0), across),
        down,
    )
}

fn plot(width: u32, height: u32) -> Vec<u8> {
    const COLORS: [[u8; 3]; 5] =
        [[31, 119, 180], [255, 127, 14], [44, 160, 44], [214, 39, 40], [148, 103, 189]];
    let mut canvas = Canvas::white(width, height);
    let (w, h) = (width as f32, height as f32);
    for tick in 0..=10 {
        let (x, y) = (w * (0.1 + 0.085 * tick as f32), h * (0.05 + 0.085 * tick as f32));
        canvas.fill(x, h * 0.05, 1.0, h * 0.85, [225; 3]);
        canvas.fill(w * 0.1, y, w * 0.85, 1.0, [225; 3]);
        canvas.fill(x, h * 0.9, 1.0, 6.0, [0; 3]);
        canvas.fill(w * 0.1 - 6.0, y, 6.0, 1.0, [0; 3]);
        canvas.text(x - 10.0, h * 0.9 + 10.0, 3, tick);
        canvas.text(w * 0.1 - 40.0, y - 5.0, 3, tick + 50);
    }
    canvas.fill(w * 0.1, h * 0.05, 1.0, h * 0.85, [0; 3]);
    canvas.fill(w * 0.1, h * 0.9, w * 0.85, 1.0, [0; 3]);
    for (index, color) in COLORS.into_iter().enumerate() {
        let phase = index as f32;
        let value =
            |t: f32| (t * TAU * (1.0 + phase * 0.7) + phase).sin() * (0.3 - 0.04 * phase) * (1.2 - t) + 0.45;
        canvas.curve(w * 0.1, w * 0.95, h, value, color);
        canvas.fill(w * 0.78, h * (0.08 + 0.04 * phase), w * 0.03, 3.0, color);
        canvas.text(w * 0.82, h * (0.07 + 0.04 * phase), 9, index as u32 + 20);
    }
    let mut random = Random(3);
    for _ in 0..300 {
        let (x, y) = ((random.next() % 1000) as f32 / 1000.0, (random.next() % 1000) as f32 / 1000.0);
        canvas.disc(w * (0.1 + 0.85 * x), h * (0.05 + 0.85 * y), 3.5, COLORS[(random.next() % 5) as usize]);
    }
    canvas.text(w * 0.4, h * 0.015, 24, 77);
    canvas.pixels
}

fn text(width: u32, height: u32) -> Vec<u8> {
    let mut canvas = Canvas::white(width, height);
    let letters = (width / 8).saturating_sub(8);
    for (line, y) in (16..height.saturating_sub(16)).step_by(18).enumerate() {
        // Paragraphs end somewhere.
        let letters = if line % 7 == 6 { letters / 3 } else { letters };
        canvas.text(32.0, y as f32, letters, line as u32 + 100);
    }
    canvas.pixels
}

/// An RGB picture to draw on, antialiased.
struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Canvas {
    fn white(width: u32, height: u32) -> Self {
        Self { width, height, pixels: vec![255; width as usize * height as usize * 3] }
    }

    /// Covers a part of one pixel, 0..=1.
    fn blend(&mut self, x: i32, y: i32, color: [u8; 3], cover: f32) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if x >= self.width || y >= self.height {
            return;
        }
        let at = (y as usize * self.width as usize + x as usize) * 3;
        let cover = cover.clamp(0.0, 1.0);
        for (under, over) in self.pixels[at..at + 3].iter_mut().zip(color) {
            *under = (f32::from(*under) * (1.0 - cover) + f32::from(over) * cover).round() as u8;
        }
    }

    fn fill(&mut self, x: f32, y: f32, width: f32, height: f32, color: [u8; 3]) {
        for row in y as i32..(y + height).max(y + 1.0) as i32 {
            for column in x as i32..(x + width).max(x + 1.0) as i32 {
                self.blend(column, row, color, 1.0);
            }
        }
    }

    fn disc(&mut self, x: f32, y: f32, radius: f32, color: [u8; 3]) {
        let reach = radius.ceil() as i32 + 1;
        for row in y as i32 - reach..=y as i32 + reach {
            for column in x as i32 - reach..=x as i32 + reach {
                let distance = (column as f32 - x).hypot(row as f32 - y);
                self.blend(column, row, color, radius + 0.5 - distance);
            }
        }
    }

    /// A line two pixels wide along `value`, which is 0..1 of the height, 0 at the top.
    fn curve(&mut self, from: f32, to: f32, height: f32, value: impl Fn(f32) -> f32, color: [u8; 3]) {
        for column in from as i32..to as i32 {
            let at = |x: f32| value((x - from) / (to - from)) * height;
            let (y, slope) = (at(column as f32), at(column as f32 + 0.5) - at(column as f32 - 0.5));
            let steepness = (1.0 + slope * slope).sqrt();
            let reach = (2.0 * steepness).ceil() as i32;
            for row in y as i32 - reach..=y as i32 + reach {
                self.blend(column, row, color, 1.5 - (row as f32 - y).abs() / steepness);
            }
        }
    }

    /// Something as dense as text: strokes in boxes of 7 × 11 pixels.
    fn text(&mut self, x: f32, y: f32, letters: u32, seed: u32) {
        let mut random = Random(seed + 1);
        for letter in 0..letters {
            let left = x + letter as f32 * 8.0;
            for _ in 0..3 {
                if random.next().is_multiple_of(2) {
                    self.fill(left, y + (random.next() % 3) as f32 * 5.0, 6.0, 1.0, [20; 3]);
                } else {
                    self.fill(left + (random.next() % 3) as f32 * 2.5, y, 1.0, 11.0, [20; 3]);
                }
            }
            self.blend(left as i32 + 3, y as i32 + 4, [20; 3], 0.5);
        }
    }
}

/// Xorshift, 32 bits. Never seed it with 0.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}
