//! Dropping the alpha channel, and the gaps between rows.

use super::{Pixels, scratch::room};
use crate::frame::PixelFormat;

/// The same pixels without an alpha channel and without gaps: as they are when they have neither, else a copy in `scratch`.
pub(super) fn opaque<'a>(pixels: Pixels<'a>, scratch: &'a mut Vec<u8>) -> Pixels<'a> {
    let format = colors(pixels.format);
    if format == pixels.format && pixels.is_packed() {
        return pixels;
    }
    let row_len = pixels.width as usize * format.channels();
    let out = room(scratch, row_len * pixels.height as usize);
    for (from, to) in pixels.rows().zip(out.chunks_exact_mut(row_len)) {
        if format == pixels.format { to.copy_from_slice(from) } else { drop_alpha(from, to) }
    }
    Pixels::packed(format, pixels.width, pixels.height, out)
}

/// The format without an alpha channel.
pub(super) fn colors(format: PixelFormat) -> PixelFormat {
    match format {
        PixelFormat::Rgba8 => PixelFormat::Rgb8,
        format => format,
    }
}

/// Copies the colours of RGBA pixels to RGB pixels. Four at a time, as three whole words: byte by byte takes several
/// times as long.
pub(super) fn drop_alpha(rgba: &[u8], rgb: &mut [u8]) {
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
    use crate::tiles::Rect;

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
            let cut = opaque(Pixels::of(&frame).part(rect), &mut scratch);
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
    fn whole_rows_without_alpha_are_not_copied() {
        let frame = frame(PixelFormat::Rgb8, 5, 3);
        let mut scratch = Vec::new();
        let opaque = opaque(Pixels::of(&frame).part(Rect { x: 0, y: 1, width: 5, height: 2 }), &mut scratch);
        assert_eq!(opaque.bytes.as_ptr(), frame.pixels()[15..].as_ptr());
    }
}
