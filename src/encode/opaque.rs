//! Dropping the alpha channel, and cutting rectangles out.

use super::{Pixels, scratch::room};
use crate::{frame::PixelFormat, tiles::Rect};

/// The same pixels without an alpha channel: as they are when they have none, else a copy in `scratch`.
pub(super) fn opaque<'a>(pixels: Pixels<'a>, scratch: &'a mut Vec<u8>) -> Pixels<'a> {
    if pixels.format != PixelFormat::Rgba8 {
        return pixels;
    }
    let rgb = room(scratch, pixels.bytes.len() / 4 * 3);
    drop_alpha(pixels.bytes, rgb);
    Pixels { format: PixelFormat::Rgb8, bytes: rgb, ..pixels }
}

/// A copy of a rectangle of the pixels, without an alpha channel, in `scratch`.
pub(super) fn cut<'a>(pixels: Pixels<'_>, rect: Rect, scratch: &'a mut Vec<u8>) -> Pixels<'a> {
    let channels = pixels.format.channels();
    let format = match pixels.format {
        PixelFormat::Rgba8 => PixelFormat::Rgb8,
        format => format,
    };
    let (stride, row) = (pixels.width as usize * channels, rect.width as usize * channels);
    let row_out = rect.width as usize * format.channels();
    let out = room(scratch, row_out * rect.height as usize);
    let rows = pixels.bytes.chunks_exact(stride).skip(rect.y as usize);
    for (from, to) in rows.zip(out.chunks_exact_mut(row_out)) {
        let from = &from[rect.x as usize * channels..][..row];
        if format == pixels.format { to.copy_from_slice(from) } else { drop_alpha(from, to) }
    }
    Pixels { format, width: rect.width, height: rect.height, bytes: out }
}

/// Copies the colours of RGBA pixels to RGB pixels. Four at a time, as three whole words: byte by byte takes several
/// times as long.
fn drop_alpha(rgba: &[u8], rgb: &mut [u8]) {
    let (from, from_rest) = rgba.as_chunks::<16>();
    let (to, to_rest) = rgb.as_chunks_mut::<12>();
    for (from, to) in from.iter().zip(to) {
        let four = u128::from_le_bytes(*from);
        let pixel = |index: u32| (four >> (32 * index)) & 0xff_ffff;
        let packed = pixel(0) | pixel(1) << 24 | pixel(2) << 48 | pixel(3) << 72;
        to.copy_from_slice(&packed.to_le_bytes()[..12]);
    }
    for (from, to) in from_rest.chunks_exact(4).zip(to_rest.chunks_exact_mut(3)) {
        to.copy_from_slice(&from[..3]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::{FORMATS, frame, rgb};

    #[test]
    fn the_colours_of_every_pixel_are_kept_and_the_alpha_is_dropped() {
        for width in 1..=9 {
            let frame = frame(PixelFormat::Rgba8, width, 3);
            let mut scratch = Vec::new();
            let opaque = opaque(Pixels::of(&frame), &mut scratch);
            assert_eq!((opaque.format, opaque.width, opaque.height), (PixelFormat::Rgb8, width, 3));
            assert_eq!(opaque.bytes, rgb(&frame));
        }
    }

    #[test]
    fn a_rectangle_that_is_cut_out_has_its_pixels_without_alpha() {
        let rect = Rect { x: 3, y: 2, width: 7, height: 4 };
        for format in FORMATS {
            let frame = frame(format, 20, 10);
            let mut scratch = Vec::new();
            let cut = cut(Pixels::of(&frame), rect, &mut scratch);
            let colors = if format == PixelFormat::Gray8 { 1 } else { 3 };
            let expected: Vec<u8> = (2..6)
                .flat_map(|y| (3..10).map(move |x| (y * 20 + x) * format.channels()))
                .flat_map(|at| frame.pixels()[at..at + colors].to_vec())
                .collect();
            assert_eq!((cut.width, cut.height, cut.format.channels()), (7, 4, colors));
            assert_eq!(cut.bytes, expected);
        }
    }

    #[test]
    fn pixels_without_alpha_are_not_copied() {
        let frame = frame(PixelFormat::Rgb8, 5, 3);
        let mut scratch = Vec::new();
        let opaque = opaque(Pixels::of(&frame), &mut scratch);
        assert_eq!(opaque.bytes.as_ptr(), frame.pixels().as_ptr());
    }
}
