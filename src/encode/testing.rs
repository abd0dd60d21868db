//! What the tests of this module share: frames whose pixels can be computed again in any language.

#![expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the numbers are small")]

use image::RgbImage;

use super::Crew;
use crate::frame::{Frame, PixelFormat};

pub(super) const FORMATS: [PixelFormat; 3] = [PixelFormat::Gray8, PixelFormat::Rgb8, PixelFormat::Rgba8];

/// Bytes without pattern: the upper byte of a 32-bit linear congruential generator.
pub(super) fn noise(seed: u32) -> impl Iterator<Item = u8> {
    std::iter::successors(Some(seed), |state| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)))
        .skip(1)
        .map(|state| (state >> 24) as u8)
}

/// A picture with slopes, hard edges and noise: [`pixels`] with seed 1.
pub(super) fn frame(format: PixelFormat, width: u32, height: u32) -> Frame {
    Frame::new(format, width, height, pixels(format, width, height, 1)).unwrap()
}

/// The picture's pixels. `benches/libjpeg_peer.py` computes the same.
pub(super) fn pixels(format: PixelFormat, width: u32, height: u32, seed: u32) -> Vec<u8> {
    let mut noise = noise(seed);
    let mut bytes = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for channel in 0..format.channels() as u32 {
                let noise = u32::from(noise.next().unwrap());
                let inside = (x / 16 + y / 16) % 4 == 0;
                let value = if inside { 255 * ((channel + y / 16) % 2) } else { x * (channel + 1) + y * 2 };
                bytes.push(((value & 0xff) * 7 / 8 + noise / 8) as u8);
            }
        }
    }
    bytes
}

/// What a frame shows, as RGB bytes: grey in all three channels, alpha dropped.
pub(super) fn rgb(frame: &Frame) -> Vec<u8> {
    match frame.format() {
        PixelFormat::Gray8 => frame.pixels().iter().flat_map(|&grey| [grey; 3]).collect(),
        PixelFormat::Rgb8 => frame.pixels().to_vec(),
        PixelFormat::Rgba8 => frame.pixels().chunks_exact(4).flat_map(|pixel| pixel[..3].to_vec()).collect(),
    }
}

/// Decodes an image file with decoders that have nothing in common with the encoders here.
pub(super) fn decode_rgb(file: &[u8]) -> RgbImage {
    image::load_from_memory(file).unwrap().into_rgb8()
}

/// How close two images are, in decibels; higher is closer, infinite is equal.
pub(super) fn psnr(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    let squares: f64 = one.iter().zip(other).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * one.len() as f64 / squares).log10()
}

/// So many threads, which come as soon as they are called.
pub(crate) fn crew(threads: usize) -> Crew<'static> {
    Crew::new(threads, &|help| drop(std::thread::spawn(help)))
}
