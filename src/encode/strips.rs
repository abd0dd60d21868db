//! One JPEG file of strips that were compressed side by side.
//!
//! A JPEG may be cut at restart markers, where the decoder begins anew. So each strip's compressed data can be made alone:
//! joined with markers between them behind one header, they are one baseline file, whose pixels are the same as if it had been
//! made in one piece.

use bytes::Bytes;

use super::files;

/// Most blocks between two restart markers.
const MOST_BLOCKS: u32 = u16::MAX as u32;

const START_OF_FRAME: u8 = 0xc0;
const START_OF_SCAN: u8 = 0xda;

/// The heights of up to `strips` strips into which an image made of blocks of `block` pixels a side can be cut, from the top. All but the
/// last are equal, and multiples of `step`, which is one of a block.
pub(super) fn heights(width: u32, height: u32, block: u32, step: u32, strips: u32) -> Vec<u32> {
    let strip = height.div_ceil(step).div_ceil(strips.max(1)) * step;
    if strip >= height || strip / block * width.div_ceil(block) > MOST_BLOCKS {
        return vec![height];
    }
    (0..height.div_ceil(strip)).map(|index| strip.min(height - index * strip)).collect()
}

/// Joins the files of strips, from the top, each `heights` high and made of blocks of `block` pixels a side. `None` when they are not
/// such files as libjpeg makes.
pub(super) fn join(strips: &[Bytes], width: u32, block: u32, heights: &[u32]) -> Option<Bytes> {
    files::write(|joined| write(strips, width, block, heights, joined).ok_or(())).ok()
}

fn write(files: &[Bytes], width: u32, block: u32, heights: &[u32], joined: &mut Vec<u8>) -> Option<()> {
    let first = files.first()?;
    let (frame, scan) = (segment(first, START_OF_FRAME)?, segment(first, START_OF_SCAN)?);
    let height = u16::try_from(heights.iter().sum::<u32>()).ok()?;
    let interval = u16::try_from(heights.first()?.div_ceil(block) * width.div_ceil(block)).ok()?;

    joined.reserve(files.iter().map(Bytes::len).sum());
    joined.extend_from_slice(&first[..scan]);
    // Marker, length, precision, then the height.
    joined[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    joined.extend_from_slice(&[0xff, 0xdd, 0, 4]);
    joined.extend_from_slice(&interval.to_be_bytes());
    for (index, file) in files.iter().enumerate() {
        let scan = segment(file, START_OF_SCAN)?;
        let data = scan + 2 + length(file, scan)?;
        let end = file.len().checked_sub(2)?;
        if index == 0 {
            joined.extend_from_slice(file.get(scan..end)?);
        } else {
            let marker = 0xd0 + u8::try_from((index - 1) % 8).ok()?;
            joined.extend_from_slice(&[0xff, marker]);
            joined.extend_from_slice(file.get(data..end)?);
        }
    }
    joined.extend_from_slice(&[0xff, 0xd9]);
    Some(())
}

/// Where the segment with a marker begins.
fn segment(file: &[u8], marker: u8) -> Option<usize> {
    let mut at = 2;
    while *file.get(at)? == 0xff {
        if *file.get(at + 1)? == marker {
            return Some(at);
        }
        at += 2 + length(file, at)?;
    }
    None
}

/// The length of the segment that begins at `at`, without its marker.
fn length(file: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes([*file.get(at + 2)?, *file.get(at + 3)?])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encode::testing::{FORMATS, decode_rgb, noise, pixels};
    use crate::encode::{Pixels, chroma::Chroma, jpeg};
    use crate::frame::{Frame, PixelFormat};
    use crate::tiles::Rect;

    /// The file of each strip.
    fn files(frame: &Frame, quality: u8, chroma: Chroma, heights: &[u32]) -> Vec<Bytes> {
        let mut y = 0;
        heights
            .iter()
            .map(|&height| {
                let strip = Rect { x: 0, y, width: frame.width(), height };
                y += height;
                jpeg::encode(Pixels::of(frame).part(strip), quality, chroma).unwrap()
            })
            .collect()
    }

    fn assert_joined_equals_whole(frame: &Frame, quality: u8, chroma: Chroma, strips: u32) {
        // A grey file has small blocks, whatever its colours would be.
        let chroma = if frame.format() == PixelFormat::Gray8 { Chroma::Full } else { chroma };
        let heights = heights(frame.width(), frame.height(), chroma.block(), chroma.block(), strips);
        let files = files(frame, quality, chroma, &heights);
        let joined = join(&files, frame.width(), chroma.block(), &heights).unwrap();
        let whole = jpeg::encode(Pixels::of(frame), quality, chroma).unwrap();
        assert!(decode_rgb(&joined) == decode_rgb(&whole), "{frame:?} {quality} {chroma:?} in {heights:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn strips_joined_have_the_pixels_of_one_piece(
            format in prop::sample::select(&FORMATS[..]),
            (width, height) in (1..100_u32, 1..200_u32),
            (quality, strips) in (1..100_u8, 1..20_u32),
            chroma in prop::sample::select(&[Chroma::Full, Chroma::Half][..]),
        ) {
            let frame = Frame::new(format, width, height, pixels(format, width, height, 3)).unwrap();
            assert_joined_equals_whole(&frame, quality, chroma, strips);
        }
    }

    #[test]
    fn noise_in_more_strips_than_there_are_different_markers_has_the_pixels_of_one_piece() {
        let frame = Frame::rgb8(40, 320, noise(3).take(40 * 320 * 3).collect::<Vec<_>>()).unwrap();
        for chroma in [Chroma::Full, Chroma::Half] {
            assert_joined_equals_whole(&frame, 99, chroma, 20);
        }
    }

    #[test]
    fn strips_are_equal_but_for_the_last_and_together_the_whole() {
        assert_eq!(heights(100, 1080, 8, 8, 2), [544, 536]);
        assert_eq!(heights(100, 1000, 16, 16, 2), [512, 488]);
        assert_eq!(heights(100, 1080, 8, 64, 2), [576, 504]);
        assert_eq!(heights(100, 7, 8, 8, 4), [7]);
        assert_eq!(heights(100, 17, 8, 8, 4), [8, 8, 1]);
        assert_eq!(heights(65_500, 3000, 8, 8, 2), [3000], "more blocks than a restart interval can count");
    }

    #[test]
    fn what_is_no_jpeg_cannot_be_joined() {
        let frame = Frame::new(PixelFormat::Gray8, 8, 16, pixels(PixelFormat::Gray8, 8, 16, 1)).unwrap();
        let mut files = files(&frame, 80, Chroma::Full, &[8, 8]);
        files[1] = Bytes::from_static(b"\xff\xd8\xff");
        assert_eq!(join(&files, 8, 8, &[8, 8]), None);
    }
}
