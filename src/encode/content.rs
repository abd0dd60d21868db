//! What a tile would cost as PNG and as JPEG, from a sample of its pixels.
//!
//! Plots, text and interfaces are graphic: even areas with hard edges, where nearly every byte is as those to its left and above. There
//! PNG is quicker than JPEG, exact, and no larger. In renders and photographs, and where many soft lines of a plot meet, it is larger, up
//! to many times.

use super::{Pixels, divide::Cost};
use crate::tiles::Rect;

/// Every so many rows are looked at: one in each row of a JPEG's blocks.
const EVERY: usize = 8;
/// A step from one pixel to the next of more than this in a channel costs a JPEG something.
const STEP: u8 = 16;
/// What a PNG needs for a byte that those around it do not foretell.
const PNG_BITS: u64 = 11;
/// What a JPEG of quality 80 needs for a step.
const JPEG_BITS: u64 = 9;
/// Where so many pixels are mostly unforetold, nothing in the rest makes a PNG of them.
const ENOUGH: usize = 128;
/// Pixels that PNG compresses in the time that sending a byte is worth.
const PNG_PIXELS: u64 = 64;
/// The same of JPEG, which takes longer, and is to be made exact later.
const JPEG_PIXELS: u64 = 9;

/// What tiles in a row cost. Of each: the rectangle of `pixels` that it is made of, all equally high and from the same row on, and its
/// own number of pixels. All of a row of pixels is looked at before the next: memory is quicker from left to right.
pub(super) fn costs(pixels: Pixels<'_>, tiles: &[(Rect, u64)]) -> Vec<Cost> {
    let mut counts = vec![Counts::default(); tiles.len()];
    let channels = pixels.format.channels();
    let rows = tiles.first().map_or(0..0, |(Rect { y, height, .. }, _)| *y..y + height);
    // From the middle of each group of rows, where there is one above.
    for y in rows.skip(EVERY / 2 - 1).step_by(EVERY) {
        for ((source, _), counts) in tiles.iter().zip(&mut counts) {
            if counts.is_textured(channels) {
                continue;
            }
            let [above, here] = [y - 1, y].map(|y| pixels.part(Rect { y, height: 1, ..*source }).bytes);
            counts.add(here, above, channels);
        }
    }
    tiles.iter().zip(counts).map(|((_, area), counts)| counts.cost(*area)).collect()
}

/// What is counted of a tile.
#[derive(Clone, Default)]
struct Counts {
    /// Pixels that were looked at.
    sampled: usize,
    /// Bytes that a PNG's filter and compressor cannot foretell from those around them.
    unforetold: u32,
    /// Bytes that are more than [`STEP`] from those of the pixel to the left.
    steps: u32,
}

impl Counts {
    /// As many bytes as a byte can count: compilers make of such small sums what looks at many bytes in one go.
    const AT_ONCE: usize = u8::MAX as usize;

    /// Looks at a row below another, but for its first pixel.
    fn add(&mut self, here: &[u8], above: &[u8], channels: usize) {
        self.sampled += here.len() / channels;
        let left = here[..here.len() - channels].chunks(Self::AT_ONCE);
        let corner = above[..above.len() - channels].chunks(Self::AT_ONCE);
        let (here, above) = (&here[channels..], &above[channels..]);
        for (((here, left), above), corner) in
            here.chunks(Self::AT_ONCE).zip(left).zip(above.chunks(Self::AT_ONCE)).zip(corner)
        {
            let (mut unforetold, mut steps) = (0_u8, 0_u8);
            for (((here, left), above), corner) in here.iter().zip(left).zip(above).zip(corner) {
                let looked = look(*here, *left, *above, *corner);
                unforetold += u8::from(looked[0]);
                steps += u8::from(looked[1]);
            }
            self.unforetold += u32::from(unforetold);
            self.steps += u32::from(steps);
        }
    }

    /// Whether the tile is textured without a doubt: three quarters of the bytes that were looked at are unforetold.
    fn is_textured(&self, channels: usize) -> bool {
        self.sampled >= ENOUGH && self.unforetold as usize * 4 > self.sampled * channels * 3
    }

    /// What `area` pixels cost of which these are a sample.
    fn cost(&self, area: u64) -> Cost {
        let sampled = self.sampled as u64 + 1;
        let bytes = |count: u32, bits: u64| u64::from(count) * bits * area / sampled / 8;
        Cost {
            png: bytes(self.unforetold, PNG_BITS) + area / PNG_PIXELS,
            jpeg: bytes(self.steps, JPEG_BITS) + area / JPEG_PIXELS,
        }
    }
}

/// Whether a byte is unforetold, and whether it is a step.
#[expect(clippy::needless_bitwise_bool, reason = "without a branch, many bytes are looked at in one go")]
fn look(here: u8, left: u8, above: u8, corner: u8) -> [bool; 2] {
    let on_slope = here.wrapping_sub(left) == above.wrapping_sub(corner);
    let repeated = (here == left) | (here == above);
    [!(on_slope & repeated), here.abs_diff(left) > STEP]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::{FORMATS, noise};
    use crate::frame::{Frame, PixelFormat};

    const TILE: Rect = Rect { x: 64, y: 64, width: 64, height: 64 };

    fn is_graphic(frame: &Frame, rect: Rect) -> bool {
        let [cost] = costs(Pixels::of(frame), &[(rect, rect.area())])[..] else { panic!("one tile") };
        cost.png <= cost.jpeg
    }

    fn graphic(format: PixelFormat, pixel: impl Fn(usize, usize) -> u8) -> bool {
        let channels = format.channels();
        let pixels: Vec<u8> =
            (0..192 * 192 * channels).map(|at| pixel(at / channels % 192, at / channels / 192)).collect();
        is_graphic(&Frame::new(format, 192, 192, pixels).unwrap(), TILE)
    }

    #[test]
    fn even_areas_lines_and_letters_are_graphic() {
        for format in FORMATS {
            assert!(graphic(format, |_, _| 255));
            assert!(graphic(format, |x, _| if x % 16 == 3 { 0 } else { 255 }));
            let stroke = |x, y| x % 8 == 3 && y % 19 < 13 || x % 8 < 6 && y % 19 == 6;
            assert!(graphic(format, |x, y| if stroke(x, y) { 20 } else { 255 }));
        }
    }

    #[test]
    fn slopes_in_both_directions_and_noise_are_not() {
        for format in FORMATS {
            assert!(!graphic(format, |x, y| u8::try_from((x * 3 + y * 2) % 256).unwrap()));
            let noise: Vec<u8> = noise(5).take(192 * 192).collect();
            assert!(!graphic(format, |x, y| noise[y * 192 + x]));
        }
    }

    #[test]
    fn many_soft_lines_are_not() {
        let wave = [255, 230, 180, 120, 90, 110, 170, 220, 250, 255, 255, 255];
        for format in FORMATS {
            assert!(!graphic(format, |x, y| wave[(x + y * y / 40) % 12]));
        }
    }

    /// Where it is clear after a few rows, the others are not looked at: they cost the same.
    #[test]
    fn what_is_textured_without_a_doubt_costs_as_much_by_a_few_rows_as_by_all() {
        for format in FORMATS {
            let pixels: Vec<u8> = noise(9).take(64 * 64 * format.channels()).collect();
            let frame = Frame::new(format, 64, 64, pixels).unwrap();
            let pixels = Pixels::of(&frame);
            let row = |y| pixels.part(Rect { x: 0, y, width: 64, height: 1 }).bytes;
            let mut all = Counts::default();
            (3..64).step_by(EVERY).for_each(|y| all.add(row(y), row(y - 1), format.channels()));
            let (all, few) = (all.cost(64 * 64), costs(pixels, &[(Rect { x: 0, y: 0, ..TILE }, 64 * 64)]));
            let [few] = few[..] else { panic!("one tile") };
            for (few, all) in [(few.png, all.png), (few.jpeg, all.jpeg)] {
                assert!(few.abs_diff(all) * 20 < all, "{format:?}: {few} instead of {all}");
            }
        }
    }

    #[test]
    fn only_the_pixels_of_the_rectangle_count() {
        let inside = |at: usize| (64..128).contains(&at);
        let noise: Vec<u8> = noise(5).take(192 * 192).collect();
        assert!(graphic(PixelFormat::Rgb8, |x, y| if inside(x) && (63..128).contains(&y) {
            7
        } else {
            noise[y * 192 + x]
        }));
    }

    #[test]
    fn tiles_in_a_row_cost_what_they_cost_alone() {
        for format in FORMATS {
            let pixels: Vec<u8> =
                noise(7).take(192 * 64 * format.channels()).map(|value| value / 8).collect();
            let frame = Frame::new(format, 192, 64, pixels).unwrap();
            let tiles =
                [(0, 64), (64, 64), (128, 31)].map(|(x, width)| (Rect { x, y: 0, width, height: 64 }, 4096));
            let alone: Vec<Cost> =
                tiles.iter().flat_map(|tile| costs(Pixels::of(&frame), &[*tile])).collect();
            assert_eq!(costs(Pixels::of(&frame), &tiles), alone);
        }
    }

    #[test]
    fn a_rectangle_of_few_pixels_is_looked_at_too() {
        for (width, height) in [(1, 1), (1, 9), (9, 1), (3, 3)] {
            let rect = Rect { x: 0, y: 0, width, height };
            let frame = Frame::rgb8(10, 10, vec![9; 300]).unwrap();
            assert!(is_graphic(&frame, rect));
        }
    }
}
