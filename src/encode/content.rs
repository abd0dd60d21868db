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
/// Pixels that PNG compresses in the time that sending a byte is worth.
const PNG_PIXELS: u64 = 64;
/// The same of JPEG, which takes longer, and is to be made exact later.
const JPEG_PIXELS: u64 = 9;

/// What `area` pixels cost that are made of a rectangle of `pixels`.
pub(super) fn cost(pixels: Pixels<'_>, rect: Rect, area: u64) -> Cost {
    let channels = pixels.format.channels();
    let (stride, start) = (pixels.width as usize * channels, rect.x as usize * channels);
    let width = rect.width as usize * channels;
    let row = |y: usize| &pixels.bytes[y * stride + start..][..width];
    let (first, height) = (rect.y as usize, rect.height as usize);
    let (mut unforetold, mut steps, mut sampled) = (0, 0, 1);
    // From the middle of each group of rows, where there is one above.
    for y in (first..first + height).skip(EVERY / 2 - 1).step_by(EVERY) {
        let (here, corner) = (row(y), row(y - 1));
        let (left, here, above) = (&here[..width - channels], &here[channels..], &corner[channels..]);
        for (((here, left), above), corner) in here.iter().zip(left).zip(above).zip(corner) {
            let on_slope = here.wrapping_sub(*left) == above.wrapping_sub(*corner);
            let repeated = here == left || here == above;
            unforetold += u32::from(!(on_slope & repeated));
            steps += u32::from(here.abs_diff(*left) > STEP);
        }
        sampled += rect.width;
    }
    let bytes = |count: u32, bits: u64| u64::from(count) * bits * area / u64::from(sampled) / 8;
    Cost {
        png: bytes(unforetold, PNG_BITS) + area / PNG_PIXELS,
        jpeg: bytes(steps, JPEG_BITS) + area / JPEG_PIXELS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::{FORMATS, noise};
    use crate::frame::{Frame, PixelFormat};

    const TILE: Rect = Rect { x: 64, y: 64, width: 64, height: 64 };

    fn is_graphic(frame: &Frame, rect: Rect) -> bool {
        let cost = cost(Pixels::of(frame), rect, rect.area());
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
