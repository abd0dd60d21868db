//! Dropping the alpha channel.

use super::Pixels;
use crate::frame::PixelFormat;

/// The same pixels without an alpha channel: as they are when they have none, else a copy in `scratch`.
pub(super) fn opaque<'a>(pixels: Pixels<'a>, scratch: &'a mut Vec<u8>) -> Pixels<'a> {
    if pixels.format != PixelFormat::Rgba8 {
        return pixels;
    }
    let len = pixels.bytes.len() / 4 * 3;
    if scratch.len() < len {
        scratch.resize(len, 0);
    }
    drop_alpha(pixels.bytes, &mut scratch[..len]);
    Pixels { format: PixelFormat::Rgb8, bytes: &scratch[..len], ..pixels }
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
    use crate::encode::testing::{frame, rgb};

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
    fn pixels_without_alpha_are_not_copied() {
        let frame = frame(PixelFormat::Rgb8, 5, 3);
        let mut scratch = Vec::new();
        let opaque = opaque(Pixels::of(&frame), &mut scratch);
        assert_eq!(opaque.bytes.as_ptr(), frame.pixels().as_ptr());
    }
}
