//! Few rectangles for many tiles.

use super::{Grid, Rect, TileSet};

/// Rectangles that hold all tiles of a set, at most `most` of them (at least 1), made of whole tiles. Where that bound
/// asks for it they also hold tiles that are not in the set, as few as a simple search finds; two may then overlap.
///
/// Each rectangle becomes an image, whose making, sending and decoding costs something by itself; so they should be few,
/// and a set of most tiles is best sent as all of them.
pub fn join(grid: Grid, tiles: &TileSet, most: usize) -> Vec<Rect> {
    let mut rects: Vec<Rect> = Vec::new();
    // Rectangles that reach down to the row before; a run of tiles below that is as wide as one prolongs it.
    let mut open: Vec<usize> = Vec::new();
    for row in 0..grid.rows() {
        let mut still_open = Vec::new();
        let mut column = 0;
        while column < grid.columns() {
            let in_set = |column: usize| tiles.contains(row * grid.columns() + column);
            if !in_set(column) {
                column += 1;
                continue;
            }
            let start = column;
            while column < grid.columns() && in_set(column) {
                column += 1;
            }
            let run = grid.rect(start..column, row..row + 1);
            let above = open
                .iter()
                .copied()
                .find(|&index| (rects[index].x, rects[index].width) == (run.x, run.width));
            if let Some(index) = above {
                rects[index].height += run.height;
                still_open.push(index);
            } else {
                still_open.push(rects.len());
                rects.push(run);
            }
        }
        open = still_open;
    }
    merge(rects, most.max(1))
}

/// More rectangles than this are first joined with their neighbours in order, so that the search among all pairs stays cheap.
const MOST_SEARCHED: usize = 48;

/// Joins those two whose union holds the fewest further pixels, until there are few enough.
fn merge(mut rects: Vec<Rect>, most: usize) -> Vec<Rect> {
    while rects.len() > MOST_SEARCHED.max(most) {
        rects = rects
            .chunks(2)
            .map(|pair| pair.iter().skip(1).fold(pair[0], |one, other| one.union(other)))
            .collect();
    }
    while rects.len() > most {
        let pairs = (0..rects.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
        let waste = |&(one, other): &(usize, usize)| {
            let (one, other) = (&rects[one], &rects[other]);
            i128::from(one.union(other).area()) - i128::from(one.area()) - i128::from(other.area())
        };
        let Some((one, other)) = pairs.min_by_key(waste) else { break };
        rects[other] = rects[other].union(&rects[one]);
        rects.swap_remove(one);
    }
    rects
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tiles::TILE;

    fn set(grid: Grid, tiles: &[usize]) -> TileSet {
        TileSet::of(grid.len(), tiles.iter().copied())
    }

    #[test]
    fn tiles_side_by_side_and_below_each_other_become_one_rectangle() {
        let grid = Grid::new(300, 300);
        let rects = join(grid, &set(grid, &[6, 7, 11, 12]), 8);
        assert_eq!(rects, [Rect { x: 64, y: 64, width: 128, height: 128 }]);
    }

    #[test]
    fn all_tiles_become_the_whole_picture() {
        let grid = Grid::new(300, 130);
        let rects = join(grid, &TileSet::full(grid.len()), 8);
        assert_eq!(rects, [Rect { x: 0, y: 0, width: 300, height: 130 }]);
    }

    #[test]
    fn no_tiles_become_no_rectangles() {
        let grid = Grid::new(300, 300);
        assert_eq!(join(grid, &set(grid, &[]), 8), []);
    }

    #[test]
    fn tiles_far_apart_stay_apart_while_there_may_be_enough_rectangles() {
        let grid = Grid::new(640, 640);
        assert_eq!(join(grid, &set(grid, &[0, 99]), 2).len(), 2);
        assert_eq!(join(grid, &set(grid, &[0, 1, 99]), 1), [Rect { x: 0, y: 0, width: 640, height: 640 }]);
    }

    #[test]
    fn those_that_waste_least_are_joined_first() {
        let grid = Grid::new(640, 640);
        let rects = join(grid, &set(grid, &[0, 2, 99]), 2);
        assert_eq!(rects.len(), 2);
        assert!(rects.contains(&Rect { x: 0, y: 0, width: 3 * TILE, height: TILE }));
    }

    proptest! {
        #[test]
        fn the_rectangles_hold_all_tiles_of_the_set_are_few_and_lie_on_the_grid(
            (width, height) in (1..1200_u32, 1..1200_u32),
            most in 1..12_usize,
            picked in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
        ) {
            let grid = Grid::new(width, height);
            let tiles: Vec<usize> = picked.iter().map(|index| index.index(grid.len())).collect();
            let tiles = set(grid, &tiles);
            let rects = join(grid, &tiles, most);
            prop_assert!(rects.len() <= most);
            let held = TileSet::of(grid.len(), rects.iter().flat_map(|&rect| grid.touched(rect)));
            for rect in &rects {
                prop_assert!(rect.x % TILE == 0 && rect.y % TILE == 0);
                let (right, bottom) = (rect.x + rect.width, rect.y + rect.height);
                prop_assert!(right == width || right < width && right % TILE == 0);
                prop_assert!(bottom == height || bottom < height && bottom % TILE == 0);
            }
            prop_assert!(tiles.iter().all(|tile| held.contains(tile)));
        }

        #[test]
        fn with_room_enough_the_rectangles_hold_just_the_tiles_of_the_set_each_once(
            (width, height) in (1..400_u32, 1..400_u32),
            picked in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        ) {
            let grid = Grid::new(width, height);
            let tiles: Vec<usize> = picked.iter().map(|index| index.index(grid.len())).collect();
            let tiles = set(grid, &tiles);
            let rects = join(grid, &tiles, 1000);
            let mut held: Vec<usize> = rects.iter().flat_map(|&rect| grid.touched(rect)).collect();
            held.sort_unstable();
            prop_assert!(tiles.iter().eq(held));
        }
    }
}
