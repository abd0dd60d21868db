//! Some of a picture's tiles.

/// A set of tiles, by their numbers in a [`Grid`](super::Grid).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TileSet {
    words: Vec<u64>,
    /// How many tiles there are, in the set or not.
    tiles: usize,
}

impl TileSet {
    /// None of `tiles` tiles.
    pub fn empty(tiles: usize) -> Self {
        Self { words: vec![0; tiles.div_ceil(64)], tiles }
    }

    /// Some of `tiles` tiles.
    ///
    /// # Panics
    /// When one of them is none of these.
    pub fn of(tiles: usize, members: impl IntoIterator<Item = usize>) -> Self {
        let mut set = Self::empty(tiles);
        members.into_iter().for_each(|tile| set.insert(tile));
        set
    }

    /// Those of as many tiles as there are `values` whose value is as asked for.
    pub(super) fn with<T>(values: &[T], is: impl Fn(&T) -> bool) -> Self {
        let word = |values: &[T]| values.iter().rev().fold(0, |word, value| word << 1 | u64::from(is(value)));
        Self { words: values.chunks(64).map(word).collect(), tiles: values.len() }
    }

    /// All of `tiles` tiles.
    pub fn full(tiles: usize) -> Self {
        let mut set = Self { words: vec![u64::MAX; tiles.div_ceil(64)], tiles };
        if let Some(last) = set.words.last_mut()
            && !tiles.is_multiple_of(64)
        {
            *last = (1 << (tiles % 64)) - 1;
        }
        set
    }

    /// Adds a tile.
    ///
    /// # Panics
    /// When there is no such tile.
    pub fn insert(&mut self, tile: usize) {
        assert!(tile < self.tiles, "tile {tile} of {}", self.tiles);
        self.words[tile / 64] |= 1 << (tile % 64);
    }

    /// Takes a tile out.
    ///
    /// # Panics
    /// When there is no such tile.
    pub fn remove(&mut self, tile: usize) {
        assert!(tile < self.tiles, "tile {tile} of {}", self.tiles);
        self.words[tile / 64] &= !(1 << (tile % 64));
    }

    /// Whether a tile is in the set.
    pub fn contains(&self, tile: usize) -> bool {
        tile < self.tiles && self.words[tile / 64] >> (tile % 64) & 1 == 1
    }

    /// Adds all tiles of another set of the same picture.
    pub fn insert_all(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    /// How many tiles are in the set.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether no tile is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// Whether every tile of the picture is in the set.
    pub fn is_full(&self) -> bool {
        self.len() == self.tiles
    }

    /// The tiles in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            std::iter::successors((word != 0).then_some(word), |&rest| {
                let rest = rest & (rest - 1);
                (rest != 0).then_some(rest)
            })
            .map(move |rest| index * 64 + rest.trailing_zeros() as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in_and_not_taken_out() {
        let mut set = TileSet::empty(130);
        for tile in [0, 63, 64, 129] {
            set.insert(tile);
        }
        set.remove(63);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 64, 129]);
        assert_eq!(
            (set.len(), set.contains(64), set.contains(63), set.contains(500)),
            (3, true, false, false)
        );
    }

    #[test]
    fn a_full_set_has_every_tile_and_equals_one_that_was_filled_by_hand() {
        for tiles in [0, 1, 63, 64, 65, 510] {
            let full = TileSet::full(tiles);
            let mut filled = TileSet::empty(tiles);
            (0..tiles).for_each(|tile| filled.insert(tile));
            assert_eq!(full, filled);
            assert!(full.is_full() && full.iter().eq(0..tiles));
        }
    }

    #[test]
    fn adding_a_set_adds_its_tiles() {
        let (mut one, mut other) = (TileSet::empty(100), TileSet::empty(100));
        one.insert(3);
        other.insert(99);
        one.insert_all(&other);
        assert!(one.iter().eq([3, 99]));
    }
}
