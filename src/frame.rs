//! A frame: the pixels that a renderer made, before any encoding.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use crate::quota::{Account, Charge, OverMemory};

/// How the pixels of a [`Frame`] are laid out in memory. All formats have 8 bits per channel,
/// values 0..=255 in sRGB as a browser shows them, rows from top to bottom without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelFormat {
    /// One channel: grey.
    Gray8,
    /// Three channels: red, green, blue.
    Rgb8,
    /// Four channels: red, green, blue, alpha. The alpha channel is dropped, not blended, when a frame is shown.
    Rgba8,
}

impl PixelFormat {
    /// Bytes per pixel: 1, 3 or 4.
    pub const fn channels(self) -> usize {
        match self {
            Self::Gray8 => 1,
            Self::Rgb8 => 3,
            Self::Rgba8 => 4,
        }
    }
}

/// An image of `width` × `height` physical pixels. Clones share the pixels.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    format: PixelFormat,
    width: u32,
    height: u32,
    pixels: Bytes,
}

/// Why pixels do not make a [`Frame`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a {format:?} frame of {width} × {height} pixels needs {expected} bytes, got {got}: \
     pass width × height × {channels} bytes, rows without padding",
    channels = .format.channels()
)]
pub struct FrameError {
    /// The layout that was asked for.
    pub format: PixelFormat,
    /// The width that was asked for, in pixels.
    pub width: u32,
    /// The height that was asked for, in pixels.
    pub height: u32,
    /// How many bytes that takes.
    pub expected: u64,
    /// How many bytes were given.
    pub got: u64,
}

impl Frame {
    /// Makes a frame of pixels in row order. A `Vec<u8>` is taken over without a copy.
    ///
    /// # Errors
    /// When `pixels` does not hold exactly `width × height ×` [`PixelFormat::channels`] bytes.
    pub fn new(
        format: PixelFormat,
        width: u32,
        height: u32,
        pixels: impl Into<Bytes>,
    ) -> Result<Self, FrameError> {
        let pixels = pixels.into();
        let expected = u128::from(width) * u128::from(height) * format.channels() as u128;
        if pixels.len() as u128 != expected {
            return Err(FrameError {
                format,
                width,
                height,
                expected: u64::try_from(expected).unwrap_or(u64::MAX),
                got: pixels.len() as u64,
            });
        }
        Ok(Self { format, width, height, pixels })
    }

    /// [`Frame::new`] with [`PixelFormat::Gray8`].
    ///
    /// # Errors
    /// As [`Frame::new`].
    pub fn gray8(width: u32, height: u32, pixels: impl Into<Bytes>) -> Result<Self, FrameError> {
        Self::new(PixelFormat::Gray8, width, height, pixels)
    }

    /// [`Frame::new`] with [`PixelFormat::Rgb8`].
    ///
    /// # Errors
    /// As [`Frame::new`].
    pub fn rgb8(width: u32, height: u32, pixels: impl Into<Bytes>) -> Result<Self, FrameError> {
        Self::new(PixelFormat::Rgb8, width, height, pixels)
    }

    /// [`Frame::new`] with [`PixelFormat::Rgba8`].
    ///
    /// # Errors
    /// As [`Frame::new`].
    pub fn rgba8(width: u32, height: u32, pixels: impl Into<Bytes>) -> Result<Self, FrameError> {
        Self::new(PixelFormat::Rgba8, width, height, pixels)
    }

    /// The layout of [`Frame::pixels`].
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Width in physical pixels; 0 for an empty frame.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in physical pixels; 0 for an empty frame.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels, row after row from the top, `width × channels` bytes a row.
    pub fn pixels(&self) -> &Bytes {
        &self.pixels
    }

    /// Whether there is no pixel at all. Empty frames are ignored, as the seed system does.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// The same frame, whose pixels count as long as any clone of them lives.
    pub(crate) fn charged(self, charge: Charge) -> Self {
        Self { pixels: charge.over(self.pixels), ..self }
    }

    /// The same frame, charged to an account.
    ///
    /// # Errors
    /// When it is too much.
    pub(crate) fn held(self, account: &Arc<Account>) -> Result<Self, OverMemory> {
        Ok(Self { pixels: account.hold(self.pixels)?, ..self })
    }

    /// Number of pixels.
    pub fn area(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({:?}, {} × {})", self.format, self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_with_the_wrong_number_of_bytes_is_refused_with_both_numbers() {
        let error = Frame::rgb8(4, 2, vec![0; 23]).unwrap_err();
        assert_eq!((error.expected, error.got), (24, 23));
        assert!(error.to_string().contains("needs 24 bytes, got 23"));
    }

    #[test]
    fn a_frame_of_overflowing_size_is_refused() {
        assert!(Frame::rgba8(u32::MAX, u32::MAX, vec![0; 16]).is_err());
    }

    #[test]
    fn clones_share_their_pixels() {
        let frame = Frame::gray8(2, 2, vec![1, 2, 3, 4]).unwrap();
        assert_eq!(frame.pixels().as_ptr(), frame.clone().pixels().as_ptr());
    }

    #[test]
    fn a_frame_without_pixels_is_empty() {
        assert!(Frame::gray8(0, 7, Vec::new()).unwrap().is_empty());
    }
}
