//! What kind of picture a tile shows, from a sample of its pixels.

use super::Pixels;
use crate::{frame::PixelFormat, tiles::Rect};

/// Every so many rows are looked at.
const EVERY: usize = 8;
/// A step from one pixel to the next of at most so much in each channel is soft, as slopes of light and grain make them.
const SOFT: u8 = 10;
/// Up to one pixel in so many may make a soft step, for the picture to be graphic.
const SOFT_ONE_IN: usize = 16;
/// Up to one pixel in so many may make a hard step, as lines and letters make them.
const HARD_ONE_IN: usize = 2;

/// Whether a rectangle is graphic: even areas with hard edges, where nearly every pixel equals the one to its left or above, or
/// differs much. There PNG is quicker than JPEG, exact, and about as small; elsewhere it is several times as large. Plots, text and
/// interfaces are graphic, renders and photographs are not.
pub(super) fn is_graphic(pixels: Pixels<'_>, rect: Rect) -> bool {
    match pixels.format {
        PixelFormat::Gray8 => sample::<1>(pixels.bytes, pixels.width, rect),
        PixelFormat::Rgb8 => sample::<3>(pixels.bytes, pixels.width, rect),
        PixelFormat::Rgba8 => sample::<4>(pixels.bytes, pixels.width, rect),
    }
}

fn sample<const CHANNELS: usize>(bytes: &[u8], width: u32, rect: Rect) -> bool {
    let (pixels, _) = bytes.as_chunks::<CHANNELS>();
    let stride = width as usize;
    let row = |y: usize| &pixels[y * stride + rect.x as usize..][..rect.width as usize];
    let (first, height) = (rect.y as usize, rect.height as usize);
    let sampled = rect.width as usize * height.div_ceil(EVERY);
    let (mut soft, mut hard) = (0, 0);
    // From the middle of each group of rows, where there is one above.
    for y in (0..height).skip(EVERY / 2 - 1).step_by(EVERY) {
        let here = row(first + y);
        let above = if first + y > 0 { row(first + y - 1) } else { here };
        for ((here, left), above) in here[1..].iter().zip(here).zip(&above[1..]) {
            if here != left && here != above {
                let is_soft = here.iter().zip(left).all(|(here, left)| here.abs_diff(*left) <= SOFT);
                soft += usize::from(is_soft);
                hard += usize::from(!is_soft);
            }
        }
        if soft > sampled.div_ceil(SOFT_ONE_IN) || hard > sampled.div_ceil(HARD_ONE_IN) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::{FORMATS, noise};
    use crate::frame::Frame;

    const TILE: Rect = Rect { x: 64, y: 64, width: 64, height: 64 };

    fn graphic(format: PixelFormat, pixel: impl Fn(usize, usize) -> u8) -> bool {
        let channels = format.channels();
        let pixels: Vec<u8> =
            (0..192 * 192 * channels).map(|at| pixel(at / channels % 192, at / channels / 192)).collect();
        is_graphic(Pixels::of(&Frame::new(format, 192, 192, pixels).unwrap()), TILE)
    }

    #[test]
    fn even_areas_lines_and_letters_are_graphic() {
        for format in FORMATS {
            assert!(graphic(format, |_, _| 255));
            assert!(graphic(format, |x, _| if x % 16 == 3 { 0 } else { 255 }));
            assert!(graphic(format, |x, y| if x == y || x + 1 == y { 90 } else { 255 }));
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
            assert!(is_graphic(Pixels::of(&frame), rect));
        }
    }
}
