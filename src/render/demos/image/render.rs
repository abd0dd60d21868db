//! From the levels of a picture to the pixels of a frame: only rows and columns that are on screen are read, from the level
//! whose pixels are next smaller than those of the screen.

use super::source::{Source, level_size, levels};
use crate::{
    render::demos::{LIMIT, canvas::Color},
    room::{self, NoRoom},
};

/// Around the picture.
pub const BACKGROUND: Color = [24, 26, 31];
/// From so many screen pixels per pixel of the picture, pixels are shown as squares; below, they flow into each other.
const SQUARES_FROM: f64 = 4.0;
/// Most pixels along one axis that one screen pixel is made of: it is less than two pixels of its level wide.
const TAPS: usize = 3;

/// What one row or column of the screen is made of.
#[derive(Clone, Copy, PartialEq)]
struct Taps {
    /// The first row or column of the level.
    first: usize,
    /// The shares of that one and the next. Where they add up to less than 1, the rest is background.
    shares: [f32; TAPS],
}

/// A frame of `width` × `height` pixels, RGB: `origin` is the place in the picture of the frame's top left corner, `step` how many
/// pixels of the picture a screen pixel is wide.
pub fn render(
    source: &dyn Source,
    origin: (f64, f64),
    step: f64,
    (width, height): (usize, usize),
) -> Result<Vec<u8>, NoRoom> {
    let level = (step.max(1.0).log2() as usize).min(levels(source.size()) - 1);
    let (level_width, level_height) = level_size(source.size(), level);
    // Pixel by pixel there is no place between two pixels.
    let origin = if step == 1.0 { (origin.0.round(), origin.1.round()) } else { origin };
    let shrink = 0.5_f64.powi(level as i32);
    let columns = axis(origin.0 * shrink, step * shrink, width, level_width);
    let rows = axis(origin.1 * shrink, step * shrink, height, level_height);
    let is_seen = |taps: &&Taps| taps.shares[0] > 0.0;
    let left = columns.iter().filter(is_seen).map(|taps| taps.first).min().unwrap_or(0);
    let right =
        columns.iter().filter(is_seen).map(|taps| taps.first + TAPS).max().unwrap_or(0).min(level_width);

    let mut pixels: Vec<u8> = room::empty(3 * width * height, LIMIT)?;
    let mut strips =
        Strips { source, level, left, rows: vec![(usize::MAX, vec![0; 3 * (right - left)]); TAPS] };
    let mut blend = vec![0.0_f32; 3 * (right - left + TAPS)];
    for (y, taps) in rows.iter().enumerate() {
        if y > 0 && *taps == rows[y - 1] {
            let start = pixels.len() - 3 * width;
            pixels.extend_from_within(start..);
            continue;
        }
        blend.fill(0.0);
        for (tap, &share) in taps.shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let row = strips.row(taps.first + tap);
            blend.iter_mut().zip(row).for_each(|(sum, &value)| *sum += share * f32::from(value));
        }
        let row_share: f32 = taps.shares.iter().sum();
        for column in &columns {
            let shares = column.shares;
            let uncovered = 1.0 - row_share * (shares[0] + shares[1] + shares[2]);
            let start = 3 * column.first.saturating_sub(left).min(right - left);
            let three = &blend[start..start + 3 * TAPS];
            for channel in 0..3 {
                let value = shares[0] * three[channel]
                    + shares[1] * three[channel + 3]
                    + shares[2] * three[channel + 6];
                pixels.push((value + uncovered * f32::from(BACKGROUND[channel]) + 0.5) as u8);
            }
        }
    }
    Ok(pixels)
}

/// The taps of `count` screen pixels, of which the first begins at `origin` and each is `step` wide, over an axis of `length` pixels.
fn axis(origin: f64, step: f64, count: usize, length: usize) -> Vec<Taps> {
    let end = length as f64;
    (0..count)
        .map(|index| {
            let from = origin + index as f64 * step;
            let (inside_from, inside_to) = (from.max(0.0), (from + step).min(end));
            if inside_to <= inside_from {
                return Taps { first: 0, shares: [0.0; TAPS] };
            }
            if step <= 1.0 && step * SQUARES_FROM > 1.0 {
                let covered = (inside_to - inside_from) / step;
                return flowing(from + step / 2.0 - 0.5, covered, length);
            }
            let first = inside_from as usize;
            let shares = std::array::from_fn(|tap| {
                let (left, right) = ((first + tap) as f64, (first + tap) as f64 + 1.0);
                ((inside_to.min(right) - inside_from.max(left)).max(0.0) / step) as f32
            });
            Taps { first, shares }
        })
        .collect()
}

/// Between the middles of two pixels.
fn flowing(place: f64, covered: f64, length: usize) -> Taps {
    let place = place.clamp(0.0, (length - 1) as f64);
    let share = place.fract();
    Taps { first: place as usize, shares: [((1.0 - share) * covered) as f32, (share * covered) as f32, 0.0] }
}

/// The last rows read: neighbouring rows of the screen share them.
struct Strips<'a> {
    source: &'a dyn Source,
    level: usize,
    left: usize,
    /// Row number and pixels, at the index of the row number modulo [`TAPS`].
    rows: Vec<(usize, Vec<u8>)>,
}

impl Strips<'_> {
    fn row(&mut self, y: usize) -> &[u8] {
        let (number, pixels) = &mut self.rows[y % TAPS];
        if *number != y {
            *number = y;
            self.source.read(self.level, self.left, y, pixels);
        }
        pixels
    }
}
