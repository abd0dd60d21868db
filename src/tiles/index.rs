//! Which frame changed each tile last.

use super::{Grid, TILE, TileSet};

/// How far the widest filter reaches when a picture is scaled down, in pixels of the smaller picture: Catmull-Rom's two.
/// (`encode/resize.rs` chooses the filters.)
const FILTER_REACH: f64 = 2.0;

/// For each tile of a picture, the number of the frame that changed it last. Who has frame *b* needs the tiles changed after *b*,
/// and no old frame has to be kept for that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeIndex {
    grid: Grid,
    changed: Vec<u64>,
}

impl ChangeIndex {
    /// All tiles of frame `number`, of this size, are new.
    pub fn begin(&mut self, grid: Grid, number: u64) {
        self.grid = grid;
        self.changed.clear();
        self.changed.resize(grid.len(), number);
    }

    /// Frame `number` changed these tiles.
    pub fn note(&mut self, tiles: &TileSet, number: u64) {
        for tile in tiles.iter() {
            self.changed[tile] = number;
        }
    }

    /// The tiles.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// The number of the frame that changed a tile last.
    pub fn changed(&self, tile: usize) -> u64 {
        self.changed[tile]
    }

    /// The tiles that were changed after frame `base`.
    pub fn changed_after(&self, base: u64) -> TileSet {
        TileSet::with(&self.changed, |&changed| changed > base)
    }

    /// Fills `scaled` with the index of the same picture scaled down to `width` × `height`: a tile there changes when a pixel changes
    /// that any of its own pixels is made of.
    pub fn scale_into(&self, width: u32, height: u32, scaled: &mut Self) {
        let grid = Grid::new(width, height);
        let across = sources(self.grid.size().0, width);
        let down = sources(self.grid.size().1, height);
        scaled.grid = grid;
        scaled.changed.clear();
        for rows in down {
            for columns in across.clone() {
                let newest = rows
                    .clone()
                    .flat_map(|row| &self.changed[row * self.grid.columns()..][columns.clone()])
                    .max();
                scaled.changed.push(newest.copied().unwrap_or(0));
            }
        }
    }
}

/// For each tile along an axis of `to` pixels, the tiles that its pixels are made of along the same axis of `from` pixels.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded by 0 and the number of pixels, whose type is u32"
)]
fn sources(from: u32, to: u32) -> impl Iterator<Item = std::ops::Range<usize>> + Clone {
    let scale = f64::from(from) / f64::from(to);
    // One pixel more, whatever the scaler's arithmetic rounds.
    let reach = FILTER_REACH * scale.max(1.0) + 1.0;
    (0..to.div_ceil(TILE)).map(move |tile| {
        let (first, end) = (tile * TILE, ((tile + 1) * TILE).min(to));
        let start = ((f64::from(first) + 0.5) * scale - reach).floor().max(0.0) as u32;
        let end = (((f64::from(end) - 0.5) * scale + reach).ceil() as u32).min(from);
        (start / TILE) as usize..end.div_ceil(TILE) as usize
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(width: u32, height: u32) -> ChangeIndex {
        let mut index = ChangeIndex::default();
        index.begin(Grid::new(width, height), 1);
        index
    }

    fn note(index: &mut ChangeIndex, tiles: &[usize], number: u64) {
        index.note(&TileSet::of(index.grid().len(), tiles.iter().copied()), number);
    }

    #[test]
    fn who_has_a_frame_needs_the_tiles_that_were_changed_after_it() {
        let mut index = index(256, 128);
        note(&mut index, &[1, 2], 2);
        note(&mut index, &[2, 7], 3);
        assert!(index.changed_after(0).is_full());
        assert!(index.changed_after(1).iter().eq([1, 2, 7]));
        assert!(index.changed_after(2).iter().eq([2, 7]));
        assert!(index.changed_after(3).is_empty());
    }

    #[test]
    fn a_picture_of_another_size_is_new_as_a_whole() {
        let mut index = index(256, 128);
        index.begin(Grid::new(100, 100), 5);
        assert_eq!(index.grid().len(), 4);
        assert!(index.changed_after(4).is_full());
    }

    #[test]
    fn a_change_reaches_as_far_in_the_scaled_picture_as_the_filter_does() {
        let mut index = index(512, 64);
        note(&mut index, &[2], 2);
        let mut half = ChangeIndex::default();
        index.scale_into(256, 32, &mut half);
        assert_eq!(half.grid(), Grid::new(256, 32));
        // The changed tile becomes pixels 64 to 95, and shows in two pixels to the left of them.
        assert!(half.changed_after(1).iter().eq([0, 1]));
    }

    #[test]
    fn scaled_to_its_own_size_a_change_still_reaches_its_neighbours_at_most() {
        let mut index = index(640, 64);
        note(&mut index, &[5], 2);
        let mut same = ChangeIndex::default();
        index.scale_into(640, 64, &mut same);
        assert!(same.changed_after(1).iter().eq([4, 5, 6]));
    }
}
