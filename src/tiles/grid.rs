//! Tiles laid over a picture, and rectangles of pixels.

/// The side of a tile in pixels. A small tile wastes little around a small change; a large one costs less to keep account
/// of, and an image of it less for its file header (600 bytes as JPEG). 64 is a multiple of JPEG's blocks of 8, so that a
/// tile compresses the same wherever it is cut; a 1920 × 1080 frame has 510 tiles, one bit each fits a cache line.
pub const TILE: u32 = 64;

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rect {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width, at least 1.
    pub width: u32,
    /// Height, at least 1.
    pub height: u32,
}

impl Rect {
    /// Number of pixels.
    pub fn area(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The smallest rectangle that holds both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.width).max(other.x + other.width);
        let bottom = (self.y + self.height).max(other.y + other.height);
        Self { x, y, width: right - x, height: bottom - y }
    }
}

/// Tiles laid over a picture from its top left, row after row. Those at the right and lower edges are cut off there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Grid {
    width: u32,
    height: u32,
}

impl Grid {
    /// The tiles of a picture of `width` × `height` pixels.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Width and height of the picture in pixels.
    pub const fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Tiles in a row.
    pub const fn columns(&self) -> usize {
        self.width.div_ceil(TILE) as usize
    }

    /// Rows of tiles.
    pub const fn rows(&self) -> usize {
        self.height.div_ceil(TILE) as usize
    }

    /// Number of tiles.
    pub const fn len(&self) -> usize {
        self.columns() * self.rows()
    }

    /// Whether there is no tile.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pixels of tiles `columns` × `rows`, both half-open ranges within the grid.
    #[expect(clippy::cast_possible_truncation, reason = "tiles are fewer than pixels, whose numbers are u32")]
    pub fn rect(&self, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>) -> Rect {
        let (x, y) = (columns.start as u32 * TILE, rows.start as u32 * TILE);
        let right = (columns.end as u32 * TILE).min(self.width);
        let bottom = (rows.end as u32 * TILE).min(self.height);
        Rect { x, y, width: right - x, height: bottom - y }
    }

    /// The pixels of one tile.
    pub fn tile(&self, tile: usize) -> Rect {
        let (column, row) = (tile % self.columns(), tile / self.columns());
        self.rect(column..column + 1, row..row + 1)
    }

    /// The tiles that a rectangle touches.
    pub fn touched(&self, rect: Rect) -> impl Iterator<Item = usize> + use<> {
        let columns = self.columns();
        let across = (rect.x / TILE) as usize..(rect.x + rect.width).div_ceil(TILE) as usize;
        let down = (rect.y / TILE) as usize..(rect.y + rect.height).div_ceil(TILE) as usize;
        down.flat_map(move |row| across.clone().map(move |column| row * columns + column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_at_the_edges_are_cut_off() {
        let grid = Grid::new(130, 65);
        assert_eq!((grid.columns(), grid.rows(), grid.len()), (3, 2, 6));
        assert_eq!(grid.tile(0), Rect { x: 0, y: 0, width: 64, height: 64 });
        assert_eq!(grid.tile(5), Rect { x: 128, y: 64, width: 2, height: 1 });
    }

    #[test]
    fn a_rectangle_touches_the_tiles_that_it_shares_pixels_with() {
        let grid = Grid::new(256, 256);
        let touched = |x, y, width, height| grid.touched(Rect { x, y, width, height }).collect::<Vec<_>>();
        assert_eq!(touched(0, 0, 64, 64), [0]);
        assert_eq!(touched(63, 0, 2, 1), [0, 1]);
        assert_eq!(touched(64, 64, 65, 1), [5, 6]);
        assert_eq!(touched(0, 0, 256, 256).len(), grid.len());
    }
}
