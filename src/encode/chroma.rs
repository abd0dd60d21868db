//! Whether a picture's colours can go at half their resolution, which makes a JPEG of it in little more than half the time.
//!
//! JPEG keeps brightness and colour apart. In renders and photographs the colour hardly differs within two by two pixels, and what it
//! differs by is lost to the rounding of the finest detail at nearly every quality: there, half the resolution loses nothing that the full
//! one would have kept. Thin coloured lines would smear, so pictures that have some keep all of it.

use super::Pixels;
use crate::{frame::PixelFormat, tiles::Rect};

/// The resolution of a JPEG's colours beside that of its brightness, across and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chroma {
    Full,
    Half,
}

/// Of the squares of two by two pixels one of so many is looked at, and in each row by so many farther to the right than in the one above:
/// that spreads them evenly, and over all rows and columns, whatever repeats in a picture. In rectangles of fewer squares, more of them.
const LATTICES: [(usize, (usize, usize)); 2] = [(1 << 11, (1, 0)), (1 << 16, (7, 3))];
const WIDEST: (usize, usize) = (61, 23);
/// One square of so many may lose detail: outlines of things before other things.
const ONE_OF: usize = 200;
/// How libjpeg rounds the finest detail in colour at quality 50.
const ROUGHEST: u16 = 99;
/// Coarser than this is seen, however coarse all else is.
const MOST: u16 = 40;

impl Chroma {
    /// Pixels a side of the blocks in which a JPEG with such colours is made.
    pub(super) fn block(self) -> u32 {
        match self {
            Self::Full => 8,
            Self::Half => 16,
        }
    }

    /// What suits the pixels of a rectangle, as a JPEG of this quality, 1 to 99. `spacing`: how many of these pixels, across and
    /// down, become one of the picture's; 1 or more.
    pub(super) fn of(pixels: Pixels<'_>, rect: Rect, spacing: (u32, u32), quality: u8) -> Self {
        let channels = pixels.format.channels();
        if pixels.format == PixelFormat::Gray8 {
            return Self::Full;
        }
        let (across, down) = (spacing.0 as usize, spacing.1 as usize);
        let rows: Vec<&[u8]> = pixels.part(rect).rows().collect();
        let squares = (rect.width as usize / (2 * across), rect.height as usize / (2 * down));
        let fits = |(end, _): &&(usize, _)| squares.0 * squares.1 < *end;
        let (every, shift) = LATTICES.iter().find(fits).map_or(WIDEST, |(_, lattice)| *lattice);
        let looked_at = |row: usize| (row * shift % every..squares.0).step_by(every);
        let may_lose = (0..squares.1).map(|row| looked_at(row).len()).sum::<usize>() / ONE_OF;
        let most = 2 * lost_anyway(quality);
        let mut losing = 0;
        for (row, pair) in rows.chunks_exact(2 * down).enumerate() {
            for square in looked_at(row) {
                let left = square * 2 * across * channels;
                let right = left + across * channels;
                let corners =
                    [&pair[0][left..], &pair[0][right..], &pair[down][left..], &pair[down][right..]];
                losing += usize::from(range(corners) > most);
            }
            if losing > may_lose {
                return Self::Full;
            }
        }
        Self::Half
    }
}

/// How much colours may differ for the difference to be rounded away at a quality.
fn lost_anyway(quality: u8) -> u16 {
    let quality = u16::from(quality);
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    // At 660 per cent and more the product is beyond 16 bits; far below that it is beyond what is seen.
    ROUGHEST.saturating_mul(percent).div_euclid(200).min(MOST)
}

/// How far apart the colours of four pixels are: red and blue, each beside green, which is about twice that of what JPEG calls colour.
fn range(corners: [&[u8]; 4]) -> u16 {
    let spread = |channel: usize| {
        let beside_green = corners.map(|pixel| i16::from(pixel[channel]) - i16::from(pixel[1]));
        let (least, most) = beside_green
            .iter()
            .fold((i16::MAX, i16::MIN), |(least, most), &value| (least.min(value), most.max(value)));
        least.abs_diff(most)
    };
    spread(0).max(spread(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{encode::testing::noise, frame::Frame};

    const WHOLE: Rect = Rect { x: 0, y: 0, width: 256, height: 256 };

    #[test]
    fn what_is_lost_anyway_is_the_more_the_lower_the_quality() {
        let lost: Vec<_> = (1..=100).map(lost_anyway).collect();
        assert!(lost.is_sorted_by(|coarse, fine| coarse >= fine), "{lost:?}");
        assert_eq!((lost[0], lost[99]), (MOST, 0));
    }

    fn of(pixel: impl Fn(u32, u32) -> [u8; 3], quality: u8) -> Chroma {
        let pixels: Vec<_> = (0..256 * 256).flat_map(|at| pixel(at % 256, at / 256)).collect();
        Chroma::of(Pixels::of(&Frame::rgb8(256, 256, pixels).unwrap()), WHOLE, (1, 1), quality)
    }

    fn byte(value: u32) -> u8 {
        u8::try_from(value % 256).unwrap()
    }

    #[test]
    fn soft_colours_need_half_the_resolution() {
        assert_eq!(of(|x, y| [byte(x / 2), byte(y / 2), byte(100 + x / 4)], 90), Chroma::Half);
    }

    #[test]
    fn brightness_however_sharp_needs_no_resolution_of_colours() {
        let noise: Vec<u8> = noise(3).take(256 * 256).collect();
        assert_eq!(of(|x, y| [noise[(y * 256 + x) as usize]; 3], 95), Chroma::Half);
    }

    #[test]
    fn thin_coloured_lines_need_all_of_it_wherever_they_are() {
        for every in [2, 4, 8, 16, 32, 60] {
            for offset in 0..every {
                let line = |at: u32| if at % every == offset { [220, 30, 30] } else { [255; 3] };
                assert_eq!(of(|x, _| line(x), 80), Chroma::Full, "columns {every} {offset}");
                assert_eq!(of(|_, y| line(y), 80), Chroma::Full, "rows {every} {offset}");
            }
        }
    }

    #[test]
    fn coloured_grain_is_kept_where_the_quality_would_keep_it() {
        let noise: Vec<u8> = noise(5).take(256 * 256 * 3).collect();
        let grain = |x: u32, y: u32| {
            let at = (y * 256 + x) as usize * 3;
            [0, 1, 2].map(|channel| 100 + noise[at + channel] / 16)
        };
        assert_eq!(
            [60, 80, 99].map(|quality| of(grain, quality)),
            [Chroma::Half, Chroma::Half, Chroma::Full]
        );
    }

    #[test]
    fn the_outline_of_a_thing_before_another_is_no_reason() {
        let disc = |at: u32| (at % 1024).abs_diff(500).pow(2) + (at / 1024).abs_diff(500).pow(2) < 90_000;
        let pixels = (0..1024 * 1024).flat_map(|at| if disc(at) { [200, 40, 40] } else { [40, 40, 200] });
        let frame = Frame::rgb8(1024, 1024, pixels.collect::<Vec<_>>()).unwrap();
        let whole = Rect { x: 0, y: 0, width: 1024, height: 1024 };
        assert_eq!(Chroma::of(Pixels::of(&frame), whole, (1, 1), 80), Chroma::Half);
    }

    #[test]
    fn grey_frames_have_no_colours_and_small_ones_are_looked_at_too() {
        let grey = Frame::gray8(16, 16, vec![9; 256]).unwrap();
        let rect = Rect { x: 0, y: 0, width: 16, height: 16 };
        assert_eq!(Chroma::of(Pixels::of(&grey), rect, (1, 1), 80), Chroma::Full);
        for (width, height) in [(1, 1), (2, 1), (1, 2), (3, 3)] {
            let frame = Frame::rgba8(width, height, vec![7; (width * height * 4) as usize]).unwrap();
            let rect = Rect { x: 0, y: 0, width, height };
            assert_eq!(Chroma::of(Pixels::of(&frame), rect, (3, 2), 80), Chroma::Half);
        }
    }
}
