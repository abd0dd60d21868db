//! Few rectangles for many tiles, each compressed as suits it.
//!
//! Each rectangle becomes an image, whose making, sending and decoding costs something by itself; so there should be few, and tiles
//! that nobody asked for may be in them. A rectangle is cut in two wherever its halves are cheaper together, and so on.

use crate::tiles::{Grid, Rect, TILE, TileSet};

/// Most rectangles of a picture.
pub(super) const MOST: usize = 24;
/// What an image costs by itself, in bytes: its header, its entry in the message, and the browser's while to decode one more.
const IMAGE: u64 = 1000;

/// What a tile costs to send either way, in bytes, what it takes the cores counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cost {
    pub(super) png: u64,
    pub(super) jpeg: u64,
}

/// Rectangles of whole tiles that hold all of a set, and whether each is better sent as PNG. No two overlap. `costs` is asked once about
/// the tiles of each row of the rectangle around the set.
pub(super) fn divide(grid: Grid, tiles: &TileSet, costs: impl Fn(&[Rect]) -> Vec<Cost>) -> Vec<(Rect, bool)> {
    let Some(around) = around(tiles.iter().map(|tile| grid.tile(tile))) else { return Vec::new() };
    let sums = Sums::new(grid, tiles, around, costs);
    let mut image = IMAGE;
    loop {
        let mut leaves = Vec::new();
        sums.cut(around, image, &mut leaves);
        if leaves.len() <= MOST {
            return leaves;
        }
        image *= 4;
    }
}

/// The smallest rectangle that holds all of these.
fn around(rects: impl IntoIterator<Item = Rect>) -> Option<Rect> {
    rects.into_iter().reduce(|one, other| one.union(&other))
}

/// The columns of tiles in a rectangle.
fn columns(rect: Rect) -> impl Iterator<Item = Rect> {
    let right = rect.x + rect.width;
    (rect.x..right).step_by(TILE as usize).map(move |x| Rect { x, width: TILE.min(right - x), ..rect })
}

/// The rows of tiles in a rectangle.
fn rows(rect: Rect) -> impl Iterator<Item = Rect> {
    let bottom = rect.y + rect.height;
    (rect.y..bottom).step_by(TILE as usize).map(move |y| Rect { y, height: TILE.min(bottom - y), ..rect })
}

/// The ways to cut a row of lines in two, where there is something on both sides.
fn cuts(lines: &[Option<Rect>]) -> Vec<[Rect; 2]> {
    let mut after: Vec<_> = lines
        .iter()
        .rev()
        .scan(None, |after, line| {
            *after = around(after.iter().chain(line).copied());
            Some(*after)
        })
        .collect();
    after.reverse();
    let ways = lines.iter().zip(after.iter().skip(1)).scan(None, |before, (line, after)| {
        *before = around(before.iter().chain(line).copied());
        Some(line.and(*before).zip(*after))
    });
    ways.flatten().map(|(one, other)| [one, other]).collect()
}

/// What is summed up over the tiles of a rectangle.
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

/// Sums over all tiles above and left of each corner, so that any rectangle's is found at once.
struct Sums<'a> {
    grid: Grid,
    tiles: &'a TileSet,
    corners: Vec<Sum>,
}

impl<'a> Sums<'a> {
    fn new(grid: Grid, tiles: &'a TileSet, around: Rect, costs: impl Fn(&[Rect]) -> Vec<Cost>) -> Self {
        let across = grid.columns() + 1;
        let mut corners = vec![Sum::default(); across * (grid.rows() + 1)];
        for row in rows(around) {
            let in_row: Vec<Rect> = columns(row).collect();
            for (tile, cost) in grid.touched(row).zip(costs(&in_row)) {
                let least = if tiles.contains(tile) { cost.png.min(cost.jpeg) } else { 0 };
                let here = Sum { cost, least };
                let at = tile / grid.columns() * across + tile % grid.columns();
                corners[at + across + 1] =
                    here.plus(corners[at + 1]).plus(corners[at + across]).minus(corners[at]);
            }
        }
        Self { grid, tiles, corners }
    }

    fn of(&self, Rect { x, y, width, height }: Rect) -> Sum {
        let at = |x: u32, y: u32| {
            let (column, row) = (x.div_ceil(TILE) as usize, y.div_ceil(TILE) as usize);
            self.corners[row * (self.grid.columns() + 1) + column]
        };
        at(x + width, y + height).plus(at(x, y)).minus(at(x + width, y)).minus(at(x, y + height))
    }

    /// What of some lines is in the set.
    fn wanted(&self, lines: impl Iterator<Item = Rect>) -> Vec<Option<Rect>> {
        let tiles = |line: Rect| self.grid.touched(line).filter(|&tile| self.tiles.contains(tile));
        lines.map(|line| around(tiles(line).map(|tile| self.grid.tile(tile)))).collect()
    }

    /// How much two rectangles differ in what suits them: the variance between them of what a tile as PNG costs more than as JPEG.
    #[expect(clippy::cast_precision_loss, reason = "a comparison of sizes")]
    fn contrast(&self, halves: [Rect; 2]) -> f64 {
        let square = |half: Rect| {
            let Cost { png, jpeg } = self.of(half).cost;
            let tiles = f64::from(half.width.div_ceil(TILE)) * f64::from(half.height.div_ceil(TILE));
            (png as f64 - jpeg as f64).powi(2) / tiles
        };
        halves.into_iter().map(square).sum()
    }

    /// Cuts a rectangle for as long as that pays; answers what it then costs. There is something at each of its edges.
    fn cut(&self, rect: Rect, image: u64, leaves: &mut Vec<(Rect, bool)>) -> u64 {
        let sum = self.of(rect);
        let whole = sum.whole(image);
        let before = leaves.len();
        // Cut in two, it costs this at least.
        if 2 * image + sum.least < whole {
            let mut ways = cuts(&self.wanted(columns(rect)));
            ways.append(&mut cuts(&self.wanted(rows(rect))));
            let of_two =
                |halves: [Rect; 2]| halves.map(|half| self.of(half).whole(image)).iter().sum::<u64>();
            let best = ways.iter().min_by_key(|halves| of_two(**halves));
            let best = best.filter(|halves| of_two(**halves) < whole).or_else(|| {
                ways.iter().max_by(|one, other| self.contrast(**one).total_cmp(&self.contrast(**other)))
            });
            if let Some(halves) = best {
                let divided: u64 = halves.iter().map(|half| self.cut(*half, image, leaves)).sum();
                if divided < whole {
                    return divided;
                }
            }
        }
        leaves.truncate(before);
        leaves.push((rect, sum.cost.png <= sum.cost.jpeg));
        whole
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FLAT: Cost = Cost { png: 64, jpeg: 315 };
    const PHOTO: Cost = Cost { png: 8000, jpeg: 700 };
    const TEXT: Cost = Cost { png: 1500, jpeg: 2200 };

    fn set(grid: Grid, tiles: &[usize]) -> TileSet {
        TileSet::of(grid.len(), tiles.iter().copied())
    }

    /// What tiles cost of which each is asked about by itself.
    fn each(cost: impl Fn(Rect) -> Cost) -> impl Fn(&[Rect]) -> Vec<Cost> {
        move |tiles| tiles.iter().map(|tile| cost(*tile)).collect()
    }

    #[test]
    fn all_tiles_of_a_kind_become_the_whole_picture() {
        let grid = Grid::new(300, 130);
        let whole = Rect { x: 0, y: 0, width: 300, height: 130 };
        for (cost, graphic) in [(FLAT, true), (TEXT, true), (PHOTO, false)] {
            assert_eq!(divide(grid, &TileSet::full(grid.len()), each(|_| cost)), [(whole, graphic)]);
        }
    }

    #[test]
    fn a_photograph_beside_text_is_an_image_of_its_own() {
        let grid = Grid::new(640, 640);
        let divided =
            divide(grid, &TileSet::full(grid.len()), each(|tile| if tile.x < 320 { TEXT } else { PHOTO }));
        let half = |x| Rect { x, y: 0, width: 320, height: 640 };
        assert_eq!(divided, [(half(0), true), (half(320), false)]);
    }

    #[test]
    fn a_single_soft_tile_is_not_worth_an_image_of_its_own_among_hard_ones() {
        let grid = Grid::new(640, 640);
        let soft = Cost { png: 2500, jpeg: 800 };
        let cost = |tile: Rect| if (tile.x, tile.y) == (256, 256) { soft } else { FLAT };
        let divided = divide(grid, &TileSet::full(grid.len()), each(cost));
        assert_eq!(divided.len(), 1);
    }

    #[test]
    fn what_lies_far_apart_stays_apart_and_what_is_near_is_joined() {
        let grid = Grid::new(6400, 640);
        let divided = divide(grid, &set(grid, &[0, 2, 99, 199]), each(|_| FLAT));
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
        assert_eq!(divide(grid, &set(grid, &[]), each(|_| FLAT)), []);
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
            let cost = |tile: Rect| {
                let (png, jpeg) = costs[(tile.x / TILE * 7 + tile.y / TILE) as usize % costs.len()];
                Cost { png, jpeg }
            };
            let divided = divide(grid, &tiles, each(cost));
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
