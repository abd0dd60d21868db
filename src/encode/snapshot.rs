//! A frame as a file: for saving and sharing, so at full quality, and small before fast.

use bytes::Bytes;
use image::ImageEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use serde::Deserialize;

use super::{EncodeError, Pixels, chroma::Chroma, files, jpeg, opaque, webp};
use crate::frame::Frame;

/// Quality of JPEG files: no visible loss; the few steps above only cost bytes.
const JPEG_QUALITY: u8 = 97;

/// The file format of a snapshot; in text `png`, `jpeg`, `webp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotFormat {
    /// Exact.
    #[default]
    Png,
    /// Close to exact.
    Jpeg,
    /// Exact, and smaller than PNG.
    WebP,
}

impl SnapshotFormat {
    /// The format's media type.
    #[must_use]
    pub const fn mimetype(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
        }
    }
}

/// Makes a file of `frame`, in its own size and without its alpha channel.
///
/// # Errors
/// When the frame is empty, or larger than the format can hold.
pub fn snapshot(frame: &Frame, format: SnapshotFormat) -> Result<Bytes, EncodeError> {
    if frame.is_empty() {
        return Err(EncodeError::Empty);
    }
    if format == SnapshotFormat::Jpeg {
        return jpeg::encode(Pixels::of(frame), JPEG_QUALITY, Chroma::Full);
    }

    let mut without_alpha = Vec::new();
    let pixels = opaque::opaque(Pixels::of(frame), &mut without_alpha);
    if format == SnapshotFormat::WebP {
        return webp::encode(pixels);
    }
    files::write(|file| {
        PngEncoder::new_with_quality(file, CompressionType::Default, FilterType::Adaptive).write_image(
            pixels.bytes,
            pixels.width,
            pixels.height,
            pixels.color(),
        )
    })
    .map_err(|error| pixels.failed("snapshot", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::{FORMATS, decode_rgb, frame, psnr, rgb};
    use crate::frame::PixelFormat;

    #[test]
    fn png_and_webp_snapshots_have_exactly_the_frames_colours() {
        for pixel_format in FORMATS {
            for format in [SnapshotFormat::Png, SnapshotFormat::WebP] {
                for (width, height) in [(1, 1), (1, 50), (63, 65)] {
                    let frame = frame(pixel_format, width, height);
                    let file = snapshot(&frame, format).unwrap();
                    let decoded = decode_rgb(&file);
                    assert_eq!((decoded.width(), decoded.height()), (width, height));
                    assert!(decoded.into_raw() == rgb(&frame), "{format:?} {pixel_format:?} differs");
                }
            }
        }
    }

    #[test]
    fn a_jpeg_snapshot_is_close_to_the_frame() {
        for pixel_format in FORMATS {
            let frame = frame(pixel_format, 63, 65);
            let decoded = decode_rgb(&snapshot(&frame, SnapshotFormat::Jpeg).unwrap());
            assert!(psnr(&decoded, &rgb(&frame)) > 37.0);
        }
    }

    #[test]
    fn the_mimetype_is_that_of_the_file() {
        for format in [SnapshotFormat::Png, SnapshotFormat::Jpeg, SnapshotFormat::WebP] {
            let file = snapshot(&frame(PixelFormat::Rgba8, 4, 4), format).unwrap();
            assert_eq!(image::guess_format(&file).unwrap().to_mime_type(), format.mimetype());
        }
    }

    #[test]
    fn a_frame_that_the_format_cannot_hold_is_refused_with_a_way_out() {
        let long = frame(PixelFormat::Gray8, webp::MAX_SIDE + 1, 1);
        let error = snapshot(&long, SnapshotFormat::WebP).unwrap_err();
        assert!(error.to_string().contains("ask for PNG or for a smaller image"), "{error}");
        assert!(snapshot(&long, SnapshotFormat::Png).is_ok());
    }

    #[test]
    fn an_empty_frame_is_refused() {
        let empty = Frame::gray8(3, 0, Vec::new()).unwrap();
        assert_eq!(snapshot(&empty, SnapshotFormat::Png), Err(EncodeError::Empty));
    }

    #[test]
    fn formats_are_named_in_lower_case() {
        let format: SnapshotFormat = serde_json::from_str("\"webp\"").unwrap();
        assert_eq!(format, SnapshotFormat::WebP);
    }
}
