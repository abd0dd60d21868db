//! What a tile would cost as PNG and as JPEG, from a sample of its pixels.
//!
//! Plots, text and interfaces are graphic: even areas with hard edges, where nearly every byte is as those to its left and above. There
//! PNG is quicker than JPEG, exact, and no larger. In renders and photographs, and where many soft lines of a plot meet, it is larger, up
//! to many times.

use super::{Pixels, divide::Cost};

/// Every so many rows are looked at: one in each row of a JPEG's blocks.
const EVERY: usize = 8;
/// A step from one pixel to the next of more than this in a channel costs a JPEG something.
const STEP: u8 = 16;
/// What a PNG needs for a byte that those around it do not foretell.
const PNG_BITS: u64 = 11;
/// What a JPEG of quality 80 needs for a step.
const JPEG_BITS: u64 = 9;
/// Pixels that PNG compresses in the time that sending a byte is worth.
const PNG_PIXELS: u64 = 64;
/// The same of JPEG, which takes longer, and is to be made exact later.
const JPEG_PIXELS: u64 = 9;

/// What `area` pixels cost that are made of `pixels`.
pub(super) fn cost(pixels: Pixels<'_>, area: u64) -> Cost {
    let (mut unforetold, mut steps, mut sampled) = (0, 0, 1);
    // From the middle of each group of rows, where there is one above.
    let above = pixels.rows().skip(EVERY / 2 - 2).step_by(EVERY);
    for (here, above) in pixels.rows().skip(EVERY / 2 - 1).step_by(EVERY).zip(above) {
        let counts = Counts::of(here, above, pixels.format.channels());
        unforetold += counts.unforetold;
        steps += counts.steps;
        sampled += pixels.width;
    }
    let bytes = |count: u32, bits: u64| u64::from(count) * bits * area / u64::from(sampled) / 8;
    Cost {
        png: bytes(unforetold, PNG_BITS) + area / PNG_PIXELS,
        jpeg: bytes(steps, JPEG_BITS) + area / JPEG_PIXELS,
    }
}

/// What is counted in a row of bytes.
#[derive(Default)]
struct Counts {
    /// Bytes that a PNG's filter and compressor cannot foretell from those around them.
    unforetold: u32,
    /// Bytes that are more than [`STEP`] from those of the pixel to the left.
    steps: u32,
}

impl Counts {
    /// As many bytes as a byte can count: compilers make of such small sums what looks at many bytes in one go.
    const AT_ONCE: usize = u8::MAX as usize;

    /// Of a row below another, but for its first pixel.
    fn of(here: &[u8], above: &[u8], channels: usize) -> Self {
        let left = here[..here.len() - channels].chunks(Self::AT_ONCE);
        let corner = above[..above.len() - channels].chunks(Self::AT_ONCE);
        let (here, above) = (&here[channels..], &above[channels..]);
        let mut counts = Self::default();
        for (((here, left), above), corner) in
            here.chunks(Self::AT_ONCE).zip(left).zip(above.chunks(Self::AT_ONCE)).zip(corner)
        {
            let (mut unforetold, mut steps) = (0_u8, 0_u8);
            for (((here, left), above), corner) in here.iter().zip(left).zip(above).zip(corner) {
                let looked = look(*here, *left, *above, *corner);
                unforetold += u8::from(looked[0]);
                steps += u8::from(looked[1]);
            }
            counts.unforetold += u32::from(unforetold);
            counts.steps += u32::from(steps);
        }
        counts
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
    use crate::tiles::Rect;

    const TILE: Rect = Rect { x: 64, y: 64, width: 64, height: 64 };

    fn is_graphic(frame: &Frame, rect: Rect) -> bool {
        let cost = cost(Pixels::of(frame).part(rect), rect.area());
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
    fn a_rectangle_of_few_pixels_is_looked_at_too() {
        for (width, height) in [(1, 1), (1, 9), (9, 1), (3, 3)] {
            let rect = Rect { x: 0, y: 0, width, height };
            let frame = Frame::rgb8(10, 10, vec![9; 300]).unwrap();
            assert!(is_graphic(&frame, rect));
        }
    }
}
