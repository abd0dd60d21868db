//! In which tiles two frames differ.

use std::ops::Range;

use super::{Grid, TILE, TileSet};
use crate::Frame;

/// Adds to `changed` the tiles in which the pixels of two frames differ. Without more to add it costs one pass over the
/// memory of both; where much has changed, hardly anything.
///
/// Alpha channels count, though no view shows them: to look past them would cost more than the rare tile that it saves.
///
/// # Panics
/// When the frames differ in size or format: nothing of the one then tells anything of the other.
pub fn compare(before: &Frame, after: &Frame, changed: &mut TileSet) {
    let layout = |frame: &Frame| (frame.format(), frame.width(), frame.height());
    assert_eq!(layout(before), layout(after), "frames of one size and format");
    if std::ptr::eq(before.pixels().as_ptr(), after.pixels().as_ptr()) {
        return;
    }
    let grid = Grid::new(after.width(), after.height());
    let row = after.width() as usize * after.format().channels();
    let tile = TILE as usize * after.format().channels();
    let band = row * TILE as usize;
    let bands = before.pixels().chunks(band).zip(after.pixels().chunks(band));
    for (index, (before, after)) in bands.enumerate() {
        compare_band(before, after, (row, tile), changed, index * grid.columns());
    }
}

/// Compares one row of tiles, the first of which is number `first`. A row of pixels is `row` bytes long, and that of a tile
/// `tile`.
fn compare_band(
    before: &[u8],
    after: &[u8],
    (row, tile): (usize, usize),
    changed: &mut TileSet,
    first: usize,
) {
    // The bytes of a row whose tiles have not changed so far. Neighbours are compared together, which is quicker than one by one.
    let mut equal: Vec<Range<usize>> = std::iter::once(0..row).collect();
    for (before, after) in before.chunks_exact(row).zip(after.chunks_exact(row)) {
        let is_equal = |bytes: &Range<usize>| before[bytes.clone()] == after[bytes.clone()];
        if equal.iter().all(is_equal) {
            continue;
        }
        let mut left: Vec<Range<usize>> = Vec::new();
        for start in equal.iter().flat_map(|bytes| bytes.clone().step_by(tile)) {
            let bytes = start..row.min(start + tile);
            if !is_equal(&bytes) {
                changed.insert(first + start / tile);
            } else if let Some(last) = left.last_mut().filter(|last| last.end == start) {
                last.end = bytes.end;
            } else {
                left.push(bytes);
            }
        }
        if left.is_empty() {
            return;
        }
        equal = left;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::PixelFormat;

    const FORMATS: [PixelFormat; 3] = [PixelFormat::Gray8, PixelFormat::Rgb8, PixelFormat::Rgba8];

    fn changed(before: &Frame, after: &Frame) -> TileSet {
        let mut set = TileSet::empty(Grid::new(after.width(), after.height()).len());
        compare(before, after, &mut set);
        set
    }

    proptest! {
        #[test]
        fn the_tiles_that_differ_are_those_with_a_pixel_that_differs(
            format in prop::sample::select(&FORMATS[..]),
            (width, height) in (1..200_u32, 1..200_u32),
            touched in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        ) {
            let mut pixels = vec![7; width as usize * height as usize * format.channels()];
            let before = Frame::new(format, width, height, pixels.clone()).unwrap();
            for (at, value) in touched {
                let at = at.index(pixels.len());
                pixels[at] = value;
            }
            let grid = Grid::new(width, height);
            let expected: Vec<usize> = (0..grid.len())
                .filter(|&tile| {
                    let rect = grid.tile(tile);
                    (rect.y..rect.y + rect.height).any(|y| {
                        let start = (y as usize * width as usize + rect.x as usize) * format.channels();
                        pixels[start..start + rect.width as usize * format.channels()].iter().any(|&byte| byte != 7)
                    })
                })
                .collect();
            let after = Frame::new(format, width, height, pixels).unwrap();
            prop_assert_eq!(changed(&before, &after).iter().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn tiles_that_were_in_the_set_stay_there() {
        let frame = |value| Frame::gray8(200, 100, vec![value; 200 * 100]).unwrap();
        let mut set = TileSet::of(8, [5]);
        compare(&frame(1), &frame(1), &mut set);
        assert!(set.iter().eq([5]));
        compare(&frame(1), &frame(2), &mut set);
        assert!(set.is_full());
    }

    #[test]
    #[should_panic(expected = "frames of one size and format")]
    fn frames_of_two_sizes_cannot_be_compared() {
        let frame = |width| Frame::gray8(width, 1, vec![0; width as usize]).unwrap();
        changed(&frame(1), &frame(2));
    }
}
