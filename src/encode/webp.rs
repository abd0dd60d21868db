//! WebP, lossless: for frames that must arrive exactly as drawn over a slow link, and for snapshots.

use bytes::Bytes;
use image::{ImageEncoder, codecs::webp::WebPEncoder};

use super::{EncodeError, Pixels, files};

/// The most pixels a side.
pub(super) const MAX_SIDE: u32 = 16_384;

/// Compresses pixels without alpha channel. Two thirds of the fast PNG's bytes, for two to four times its time, and about twice
/// as long to decode.
pub(super) fn encode(pixels: Pixels<'_>) -> Result<Bytes, EncodeError> {
    pixels.at_most(MAX_SIDE, "WebP")?;
    files::write(|file| {
        WebPEncoder::new_lossless(file).write_image(pixels.bytes, pixels.width, pixels.height, pixels.color())
    })
    .map_err(|error| pixels.failed("WebP", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::{FORMATS, decode_rgb, frame, rgb};
    use crate::encode::{Codec, Variant, whole};
    use crate::frame::PixelFormat;

    #[test]
    fn a_webp_has_exactly_the_frames_colours_in_every_format_and_size() {
        for format in FORMATS {
            for (width, height) in [(1, 1), (1, 77), (77, 1), (63, 65), (320, 240)] {
                let frame = frame(format, width, height);
                let variant = Variant { width, height, codec: Codec::WebP, base64: false };
                let encoded = whole(&frame, variant).unwrap();
                assert_eq!((encoded.lossless, encoded.parts[0].mimetype), (true, "image/webp"));
                assert!(
                    decode_rgb(&encoded.parts[0].bytes).into_raw() == rgb(&frame),
                    "{format:?} {width} × {height}"
                );
            }
        }
    }

    #[test]
    fn an_image_too_long_for_webp_becomes_a_png() {
        let long = frame(PixelFormat::Gray8, 2, MAX_SIDE + 1);
        let variant = Variant { width: 2, height: MAX_SIDE + 1, codec: Codec::WebP, base64: false };
        let encoded = whole(&long, variant).unwrap();
        assert_eq!((encoded.lossless, encoded.parts[0].mimetype), (true, "image/png"));
    }
}
