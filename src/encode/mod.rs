//! From a frame's pixels to the bytes that a view is sent.
//!
//! Everything that knows a codec is in here, and nothing in here knows a widget, a view or a runtime:
//!
//! - [`encode()`] makes the images of some tiles of one [`Variant`] of a frame: it scales, drops the alpha channel, compresses.
//! - [`snapshot()`] makes a file of a frame, at full quality.
//! - [`Pool`] runs such work on the machine's cores, in fair shares for the parties that ask for it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use bytestring::ByteString;
use image::ExtendedColorType;

use crate::{
    frame::{Frame, PixelFormat},
    tiles::{Grid, Rect, TileSet},
};

mod chroma;
mod content;
mod crew;
mod data_uri;
mod divide;
mod fair;
mod files;
mod jpeg;
mod opaque;
mod paeth;
mod party;
mod plan;
mod png;
mod pool;
mod resize;
mod scratch;
mod snapshot;
mod strips;
#[cfg(test)]
pub(crate) mod testing;
mod webp;

pub use crew::Crew;
pub use party::Party;
pub use pool::{Outcome, Pool};
pub use snapshot::{SnapshotFormat, snapshot};

/// How a frame is to be encoded for a view. Views that need the same variant share one encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Variant {
    /// Width of the encoded image in physical pixels, 1 up to the frame's.
    pub width: u32,
    /// Height of the encoded image in physical pixels, 1 up to the frame's.
    pub height: u32,
    /// How the pixels are compressed.
    pub codec: Codec,
    /// Whether the image is wanted as a data URI too.
    pub base64: bool,
}

/// How pixels are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Baseline JPEG with the colours in full resolution. An image that is longer than a JPEG can be (65,500 pixels a side) becomes a PNG.
    Jpeg {
        /// 1 (small) to 99 (close to the original); at 100 a view is sent [`Codec::Png`].
        quality: u8,
    },
    /// PNG: exact.
    Png,
    /// Lossless WebP: exact, smaller than PNG and slower. An image that is longer than a WebP can be (16,384 pixels a side) becomes a PNG.
    WebP,
    /// Flat, graphic parts of the image as PNG, which there is as small as JPEG, quicker and exact; the others as JPEG, with the colours
    /// in half the resolution where that loses nothing to speak of: coloured lines and text stay sharp.
    ByContent {
        /// Of the JPEG parts, as above.
        quality: u8,
    },
}

/// An encoded frame, or some tiles of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Width of the whole image in physical pixels.
    pub width: u32,
    /// Height of the whole image in physical pixels.
    pub height: u32,
    /// Whether all parts have exactly the pixels of the (scaled) frame.
    pub lossless: bool,
    /// The images to draw. At least one; each is made of whole tiles, and no two overlap.
    pub parts: Vec<Part>,
    /// `data:<mimetype>;base64,<the bytes of all parts>`, when the variant asks for it.
    pub base64: Option<ByteString>,
    /// How long it waited for a thread of a [`Pool`]; zero without.
    pub wait_time: Duration,
    /// How long scaling and compressing took.
    pub encode_time: Duration,
    /// How long making `base64` took; zero without.
    pub base64_time: Duration,
}

impl Encoded {
    /// Bytes of all images.
    pub fn len(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes.len() as u64).sum()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// A rectangle of an encoded frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Left edge, in physical pixels from the frame's.
    pub x: u32,
    /// Upper edge, in physical pixels from the frame's.
    pub y: u32,
    /// Width in physical pixels.
    pub width: u32,
    /// Height in physical pixels.
    pub height: u32,
    /// Whether it has exactly the pixels of the (scaled) frame.
    pub lossless: bool,
    /// `image/jpeg`, `image/png` or `image/webp`.
    pub mimetype: &'static str,
    /// The image file.
    pub bytes: Bytes,
}

/// Why a frame could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The frame has no pixels.
    #[error("a frame without pixels cannot be encoded: skip empty frames")]
    Empty,
    /// No tile is asked for.
    #[error("none of the frame's tiles is to be encoded: ask for those that changed, or send nothing")]
    NoTiles,
    /// The variant has no pixels, or more than the frame.
    #[error(
        "a frame of {frame_width} × {frame_height} pixels cannot be encoded as {width} × {height}: \
         ask for 1 × 1 up to the frame's own size"
    )]
    Size {
        /// Width of the variant.
        width: u32,
        /// Height of the variant.
        height: u32,
        /// Width of the frame.
        frame_width: u32,
        /// Height of the frame.
        frame_height: u32,
    },
    /// The variant's JPEG quality is not one.
    #[error("JPEG quality {0} is out of range: use 1 to 99, or PNG for exact pixels")]
    Quality(u8),
    /// The file format cannot hold an image of this size.
    #[error(
        "{format} images have at most {limit} pixels a side, not {width} × {height}: \
         ask for PNG or for a smaller image"
    )]
    TooLong {
        /// The file format.
        format: &'static str,
        /// The most pixels a side that it can hold.
        limit: u32,
        /// Width of the image.
        width: u32,
        /// Height of the image.
        height: u32,
    },
    /// A codec or the scaler refused.
    #[error(
        "the {codec} step failed on {width} × {height} pixels ({reason}): ask for another size or format"
    )]
    Codec {
        /// Which step.
        codec: &'static str,
        /// Width of the image it was to make.
        width: u32,
        /// Height of the image it was to make.
        height: u32,
        /// What it said.
        reason: String,
    },
    /// The job panicked; the thread goes on with the next.
    #[error("encoding panicked ({0}): draw again, and report it if it stays")]
    Panicked(String),
}

impl Part {
    /// Where it lies in the frame.
    pub fn rect(&self) -> Rect {
        Rect { x: self.x, y: self.y, width: self.width, height: self.height }
    }
}

/// Encodes some tiles of `frame` as `variant`; [`whole`] is all of them. The tiles are those of the variant's size.
/// The threads of `crew` share the work.
///
/// # Errors
/// When the frame or the set of tiles is empty, when the variant is not one of this frame, or when a codec fails.
pub fn encode(
    frame: &Frame,
    variant: Variant,
    tiles: &TileSet,
    crew: Crew<'_>,
) -> Result<Encoded, EncodeError> {
    let Variant { width, height, codec, base64 } = variant;
    if frame.is_empty() {
        return Err(EncodeError::Empty);
    }
    if width == 0 || height == 0 || width > frame.width() || height > frame.height() {
        return Err(EncodeError::Size {
            width,
            height,
            frame_width: frame.width(),
            frame_height: frame.height(),
        });
    }
    if tiles.is_empty() {
        return Err(EncodeError::NoTiles);
    }
    if let Codec::Jpeg { quality } | Codec::ByContent { quality } = codec
        && !(1..=99).contains(&quality)
    {
        return Err(EncodeError::Quality(quality));
    }

    let started = Instant::now();
    let parts = plan::carry_out(frame, Grid::new(width, height), codec, tiles, crew)?;
    let encode_time = started.elapsed();

    let started = Instant::now();
    let base64 = base64.then(|| data_uri::data_uri(&parts));
    let base64_time = if base64.is_some() { started.elapsed() } else { Duration::ZERO };
    let lossless = parts.iter().all(|part| part.lossless);
    Ok(Encoded {
        width,
        height,
        lossless,
        parts,
        base64,
        wait_time: Duration::ZERO,
        encode_time,
        base64_time,
    })
}

/// Encodes all of `frame`, on the calling thread alone.
///
/// # Errors
/// As [`encode()`].
pub fn whole(frame: &Frame, variant: Variant) -> Result<Encoded, EncodeError> {
    encode(frame, variant, &TileSet::full(Grid::new(variant.width, variant.height).len()), Crew::ALONE)
}

/// Borrowed pixels on their way through the steps: a frame's, a part of them, or a scratch buffer's. At least one.
#[derive(Clone, Copy)]
struct Pixels<'a> {
    format: PixelFormat,
    width: u32,
    height: u32,
    /// Bytes from the beginning of a row to that of the next; `width × channels` or more.
    stride: usize,
    /// From the first pixel to the last.
    bytes: &'a [u8],
}

impl<'a> Pixels<'a> {
    fn of(frame: &'a Frame) -> Self {
        Self::packed(frame.format(), frame.width(), frame.height(), frame.pixels())
    }

    /// Pixels whose rows follow each other without a gap.
    fn packed(format: PixelFormat, width: u32, height: u32, bytes: &'a [u8]) -> Self {
        Self { format, width, height, stride: width as usize * format.channels(), bytes }
    }

    fn is_packed(&self) -> bool {
        self.stride == self.row_len()
    }

    /// Bytes of a row.
    fn row_len(&self) -> usize {
        self.width as usize * self.format.channels()
    }

    /// From the top.
    fn rows(self) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator {
        let len = self.row_len();
        self.bytes.chunks(self.stride).map(move |row| &row[..len])
    }

    /// Those of a rectangle that lies within.
    fn part(self, Rect { x, y, width, height }: Rect) -> Self {
        let part = Self { width, height, ..self };
        let start = y as usize * self.stride + x as usize * self.format.channels();
        let len = (height as usize - 1) * self.stride + part.row_len();
        Self { bytes: &self.bytes[start..start + len], ..part }
    }

    /// Refuses pixels that a file of a format cannot hold.
    fn at_most(&self, limit: u32, format: &'static str) -> Result<(), EncodeError> {
        let (width, height) = (self.width, self.height);
        if width.max(height) > limit {
            return Err(EncodeError::TooLong { format, limit, width, height });
        }
        Ok(())
    }

    /// Their format, as the image crate calls it.
    fn color(&self) -> ExtendedColorType {
        match self.format {
            PixelFormat::Gray8 => ExtendedColorType::L8,
            PixelFormat::Rgb8 => ExtendedColorType::Rgb8,
            PixelFormat::Rgba8 => ExtendedColorType::Rgba8,
        }
    }

    /// What a codec said, as an error about these pixels.
    fn failed(&self, codec: &'static str, reason: impl std::fmt::Display) -> EncodeError {
        EncodeError::Codec { codec, width: self.width, height: self.height, reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{FORMATS, decode_rgb, frame, rgb};
    use super::*;

    fn variant(width: u32, height: u32, codec: Codec) -> Variant {
        Variant { width, height, codec, base64: false }
    }

    #[test]
    fn one_part_covers_the_whole_image() {
        for codec in [Codec::Jpeg { quality: 80 }, Codec::Png] {
            let encoded = whole(&frame(PixelFormat::Rgb8, 40, 30), variant(40, 30, codec)).unwrap();
            let [part] = &encoded.parts[..] else { panic!("{} parts", encoded.parts.len()) };
            assert_eq!((encoded.width, encoded.height), (40, 30));
            assert_eq!((part.x, part.y, part.width, part.height), (0, 0, 40, 30));
            assert_eq!((encoded.base64, encoded.base64_time), (None, Duration::ZERO));
            assert!(encoded.encode_time > Duration::ZERO);
        }
    }

    #[test]
    fn only_png_says_that_it_is_lossless() {
        let frame = frame(PixelFormat::Gray8, 9, 9);
        let png = whole(&frame, variant(9, 9, Codec::Png)).unwrap();
        let jpeg = whole(&frame, variant(9, 9, Codec::Jpeg { quality: 99 })).unwrap();
        assert_eq!((png.lossless, png.parts[0].mimetype), (true, "image/png"));
        assert_eq!((jpeg.lossless, jpeg.parts[0].mimetype), (false, "image/jpeg"));
    }

    #[test]
    fn a_scaled_variant_has_exactly_the_size_asked_for() {
        for format in FORMATS {
            for (width, height) in [(1, 1), (63, 65), (64, 1), (127, 129), (128, 5)] {
                for codec in [Codec::Jpeg { quality: 80 }, Codec::Png] {
                    let encoded = whole(&frame(format, 128, 130), variant(width, height, codec)).unwrap();
                    let decoded = decode_rgb(&encoded.parts[0].bytes);
                    assert_eq!((decoded.width(), decoded.height()), (width, height), "{format:?} {codec:?}");
                    assert_eq!((encoded.width, encoded.height), (width, height));
                }
            }
        }
    }

    #[test]
    fn scratch_memory_does_not_leak_from_one_size_into_the_next() {
        let sizes = [(200, 100), (3, 5), (64, 64), (199, 1), (1, 99), (150, 100)];
        for format in FORMATS {
            let frame = frame(format, 200, 100);
            for (width, height) in sizes {
                let variant = variant(width, height, Codec::Png);
                let fresh = {
                    let frame = frame.clone();
                    std::thread::spawn(move || whole(&frame, variant).unwrap().parts).join().unwrap()
                };
                assert_eq!(whole(&frame, variant).unwrap().parts, fresh, "{format:?} {width} × {height}");
            }
        }
    }

    #[test]
    fn an_image_too_long_for_jpeg_becomes_a_png() {
        let long = jpeg::MAX_SIDE + 1;
        let frame = frame(PixelFormat::Gray8, 2, long);
        let encoded = whole(&frame, variant(2, long, Codec::Jpeg { quality: 80 })).unwrap();
        assert!(encoded.lossless);
        assert_eq!(encoded.parts[0].mimetype, "image/png");
        assert_eq!(decode_rgb(&encoded.parts[0].bytes).into_raw(), rgb(&frame));
    }

    #[test]
    fn an_empty_frame_is_refused() {
        let frame = Frame::rgb8(0, 4, Vec::new()).unwrap();
        assert_eq!(whole(&frame, variant(0, 4, Codec::Png)), Err(EncodeError::Empty));
    }

    #[test]
    fn a_variant_that_is_empty_or_larger_than_the_frame_is_refused() {
        let frame = frame(PixelFormat::Rgb8, 8, 6);
        for (width, height) in [(0, 6), (8, 0), (9, 6), (8, 7)] {
            let error = whole(&frame, variant(width, height, Codec::Png)).unwrap_err();
            assert_eq!(error, EncodeError::Size { width, height, frame_width: 8, frame_height: 6 });
            assert!(error.to_string().contains("8 × 6"), "{error}");
        }
    }

    #[test]
    fn a_jpeg_quality_outside_1_to_99_is_refused() {
        let frame = frame(PixelFormat::Rgb8, 8, 6);
        for quality in [0, 100, 255] {
            let refused = whole(&frame, variant(8, 6, Codec::Jpeg { quality }));
            assert_eq!(refused, Err(EncodeError::Quality(quality)));
        }
    }
}
