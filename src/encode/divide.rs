//! Few rectangles for many tiles, each compressed as suits it.
//!
//! Each rectangle becomes an image, whose making, sending and decoding costs something by itself; so there should be few, and tiles
//! that nobody asked for may be in them. A region is cut in two wherever its halves are cheaper together, and so on.

use std::ops::Range;

use crate::tiles::{Grid, Rect, TileSet};

/// Most rectangles of a picture.
pub(super) const MOST: usize = 24;
/// What an image costs by itself, in bytes: its header, its entry in the message, and the browser's while to decode one more.
const IMAGE: u64 = 1000;

/// What a tile costs to send either way, in bytes, what it takes the cores counted in.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    pub(super) png: u64,
    pub(super) jpeg: u64,
}

/// Rectangles of whole tiles that hold all of a set, and whether each is better sent as PNG. No two overlap. `cost` is asked once about
/// each tile of the rectangle around the set.
pub(super) fn divide(grid: Grid, tiles: &TileSet, cost: impl Fn(Rect) -> Cost) -> Vec<(Rect, bool)> {
    let picture = Region { columns: 0..grid.columns(), rows: 0..grid.rows() };
    let Some(around) = Region::around(rows_of(grid, tiles, &picture)) else { return Vec::new() };
    let sums = Sums::new(grid, tiles, &around, cost);
    let mut image = IMAGE;
    loop {
        let mut leaves = Vec::new();
        sums.cut(&around, image, &mut leaves);
        if leaves.len() <= MOST {
            return leaves;
        }
        image *= 4;
    }
}

/// What of each row of a region is in a set.
fn rows_of(grid: Grid, tiles: &TileSet, region: &Region) -> Vec<Option<Region>> {
    let wanted = |row: usize, column: usize| tiles.contains(row * grid.columns() + column);
    let within = |row: usize| {
        let mut columns = region.columns.clone();
        let first = columns.find(|&column| wanted(row, column))?;
        let last = columns.rfind(|&column| wanted(row, column)).unwrap_or(first);
        Some(Region { columns: first..last + 1, rows: row..row + 1 })
    };
    region.rows.clone().map(within).collect()
}

/// What of each column of a region is in a set.
fn columns_of(grid: Grid, tiles: &TileSet, region: &Region) -> Vec<Option<Region>> {
    let wanted = |row: usize, column: usize| tiles.contains(row * grid.columns() + column);
    let within = |column: usize| {
        let mut rows = region.rows.clone();
        let first = rows.find(|&row| wanted(row, column))?;
        let last = rows.rfind(|&row| wanted(row, column)).unwrap_or(first);
        Some(Region { columns: column..column + 1, rows: first..last + 1 })
    };
    region.columns.clone().map(within).collect()
}

/// Some columns and rows of tiles.
#[derive(Clone)]
struct Region {
    columns: Range<usize>,
    rows: Range<usize>,
}

impl Region {
    /// The smallest that holds both.
    fn union(&self, other: &Self) -> Self {
        let around =
            |one: &Range<usize>, other: &Range<usize>| one.start.min(other.start)..one.end.max(other.end);
        Self { columns: around(&self.columns, &other.columns), rows: around(&self.rows, &other.rows) }
    }

    /// The smallest that holds all that some hold.
    fn around(regions: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        regions.into_iter().flatten().reduce(|one, other| one.union(&other))
    }
}

/// The ways to cut a row of regions in two, where there is something on both sides.
fn cuts(regions: &[Option<Region>]) -> Vec<[Region; 2]> {
    let mut after = None;
    let mut others: Vec<Option<Region>> = regions
        .iter()
        .rev()
        .map(|region| {
            after = Region::around([after.take(), region.clone()]);
            after.clone()
        })
        .collect();
    let mut cuts = Vec::new();
    let mut before = None;
    for region in regions {
        others.pop();
        before = Region::around([before, region.clone()]);
        if let (Some(_), Some(one), Some(Some(other))) = (region, &before, others.last()) {
            cuts.push([one.clone(), other.clone()]);
        }
    }
    cuts
}

/// What is summed up over the tiles of a region.
#[derive(Clone, Copy, Default)]
struct Sum {
    cost: Cost,
    /// The cheaper way for each tile of the set.
    least: u64,
}

impl Sum {
    fn plus(self, other: Self) -> Self {
        Self {
            cost: Cost { png: self.cost.png + other.cost.png, jpeg: self.cost.jpeg + other.cost.jpeg },
            least: self.least + other.least,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            cost: Cost { png: self.cost.png - other.cost.png, jpeg: self.cost.jpeg - other.cost.jpeg },
            least: self.least - other.least,
        }
    }

    /// As one image.
    fn whole(&self, image: u64) -> u64 {
        image + self.cost.png.min(self.cost.jpeg)
    }
}

/// Sums over all tiles above and left of each corner, so that any region's is found at once.
struct Sums<'a> {
    grid: Grid,
    tiles: &'a TileSet,
    columns: usize,
    corners: Vec<Sum>,
}

impl<'a> Sums<'a> {
    fn new(grid: Grid, tiles: &'a TileSet, around: &Region, cost: impl Fn(Rect) -> Cost) -> Self {
        let columns = grid.columns() + 1;
        let mut corners = vec![Sum::default(); columns * (around.rows.end + 1)];
        for row in around.rows.clone() {
            for column in around.columns.clone() {
                let tile = row * grid.columns() + column;
                let cost = cost(grid.tile(tile));
                let least = if tiles.contains(tile) { cost.png.min(cost.jpeg) } else { 0 };
                let here = Sum { cost, least };
                let at = row * columns + column;
                corners[at + columns + 1] =
                    here.plus(corners[at + 1]).plus(corners[at + columns]).minus(corners[at]);
            }
        }
        Self { grid, tiles, columns, corners }
    }

    fn of(&self, Region { columns, rows }: &Region) -> Sum {
        let at = |row: usize, column: usize| self.corners[row * self.columns + column];
        at(rows.end, columns.end)
            .plus(at(rows.start, columns.start))
            .minus(at(rows.start, columns.end))
            .minus(at(rows.end, columns.start))
    }

    /// How much two regions differ in what suits them: the variance between them of what a tile as PNG costs more than as JPEG.
    #[expect(clippy::cast_precision_loss, reason = "a comparison of sizes")]
    fn contrast(&self, halves: &[Region; 2]) -> f64 {
        let square = |half: &Region| {
            let Cost { png, jpeg } = self.of(half).cost;
            (png as f64 - jpeg as f64).powi(2) / (half.columns.len() * half.rows.len()) as f64
        };
        halves.iter().map(square).sum()
    }

    /// Cuts a region for as long as that pays; answers what it then costs. There is something at each of its edges.
    fn cut(&self, region: &Region, image: u64, leaves: &mut Vec<(Rect, bool)>) -> u64 {
        let sum = self.of(region);
        let whole = sum.whole(image);
        let before = leaves.len();
        // Cut in two, it costs this at least.
        if 2 * image + sum.least < whole {
            let mut ways = cuts(&columns_of(self.grid, self.tiles, region));
            ways.append(&mut cuts(&rows_of(self.grid, self.tiles, region)));
            let of_two =
                |halves: &[Region; 2]| halves.iter().map(|half| self.of(half).whole(image)).sum::<u64>();
            let best = ways.iter().min_by_key(|halves| of_two(halves));
            let best = best.filter(|halves| of_two(halves) < whole).or_else(|| {
                ways.iter().max_by(|one, other| self.contrast(one).total_cmp(&self.contrast(other)))
            });
            if let Some(halves) = best {
                let divided: u64 = halves.iter().map(|half| self.cut(half, image, leaves)).sum();
                if divided < whole {
                    return divided;
                }
            }
        }
        leaves.truncate(before);
        let rect = self.grid.rect(region.columns.clone(), region.rows.clone());
        leaves.push((rect, sum.cost.png <= sum.cost.jpeg));
        whole
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tiles::TILE;

    const FLAT: Cost = Cost { png: 64, jpeg: 315 };
    const PHOTO: Cost = Cost { png: 8000, jpeg: 700 };
    const TEXT: Cost = Cost { png: 1500, jpeg: 2200 };

    fn set(grid: Grid, tiles: &[usize]) -> TileSet {
        TileSet::of(grid.len(), tiles.iter().copied())
    }

    #[test]
    fn all_tiles_of_a_kind_become_the_whole_picture() {
        let grid = Grid::new(300, 130);
        let whole = Rect { x: 0, y: 0, width: 300, height: 130 };
        for (cost, graphic) in [(FLAT, true), (TEXT, true), (PHOTO, false)] {
            assert_eq!(divide(grid, &TileSet::full(grid.len()), |_| cost), [(whole, graphic)]);
        }
    }

    #[test]
    fn a_photograph_beside_text_is_an_image_of_its_own() {
        let grid = Grid::new(640, 640);
        let divided =
            divide(grid, &TileSet::full(grid.len()), |tile| if tile.x < 320 { TEXT } else { PHOTO });
        let half = |x| Rect { x, y: 0, width: 320, height: 640 };
        assert_eq!(divided, [(half(0), true), (half(320), false)]);
    }

    #[test]
    fn a_single_soft_tile_is_not_worth_an_image_of_its_own_among_hard_ones() {
        let grid = Grid::new(640, 640);
        let soft = Cost { png: 2500, jpeg: 800 };
        let divided = divide(grid, &TileSet::full(grid.len()), |tile| {
            if (tile.x, tile.y) == (256, 256) { soft } else { FLAT }
        });
        assert_eq!(divided.len(), 1);
    }

    #[test]
    fn what_lies_far_apart_stays_apart_and_what_is_near_is_joined() {
        let grid = Grid::new(6400, 640);
        let divided = divide(grid, &set(grid, &[0, 2, 99, 199]), |_| FLAT);
        let tile = |x, y, width, height| Rect {
            x: x * TILE,
            y: y * TILE,
            width: width * TILE,
            height: height * TILE,
        };
        assert_eq!(divided, [(tile(0, 0, 3, 1), true), (tile(99, 0, 1, 2), true)]);
    }

    #[test]
    fn no_tiles_become_no_rectangles() {
        let grid = Grid::new(300, 300);
        assert_eq!(divide(grid, &set(grid, &[]), |_| FLAT), []);
    }

    proptest! {
        #[test]
        fn few_rectangles_on_the_grid_hold_all_tiles_and_none_twice(
            (width, height) in (1..2000_u32, 1..2000_u32),
            picked in prop::collection::vec(any::<prop::sample::Index>(), 0..300),
            costs in prop::collection::vec((0..12_000_u64, 0..6000_u64), 1..50),
        ) {
            let grid = Grid::new(width, height);
            let tiles: Vec<usize> = picked.iter().map(|index| index.index(grid.len())).collect();
            let tiles = set(grid, &tiles);
            let divided = divide(grid, &tiles, |tile| {
                let (png, jpeg) = costs[(tile.x / TILE * 7 + tile.y / TILE) as usize % costs.len()];
                Cost { png, jpeg }
            });
            prop_assert!(divided.len() <= MOST);
            let mut held = TileSet::empty(grid.len());
            for (rect, _) in divided {
                let (right, bottom) = (rect.x + rect.width, rect.y + rect.height);
                prop_assert!(rect.x % TILE == 0 && rect.y % TILE == 0);
                prop_assert!(right == width || right < width && right % TILE == 0);
                prop_assert!(bottom == height || bottom < height && bottom % TILE == 0);
                for tile in grid.touched(rect) {
                    prop_assert!(!held.contains(tile));
                    held.insert(tile);
                }
            }
            prop_assert!(tiles.iter().all(|tile| held.contains(tile)));
        }
    }
}
