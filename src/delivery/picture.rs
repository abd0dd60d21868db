//! The latest frame, and what of it is new to whom.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    Frame,
    tiles::{ChangeIndex, Grid, TileSet, compare},
};

/// A tile that nothing changed for this long is at rest, and made exact where it is shown lossy; as in the seed system.
const REST: Duration = Duration::from_millis(300);
/// Most sizes whose index is kept while no frame comes. A view that is being resized needs a new one with each step.
const MOST_SIZES: usize = 32;

/// Compares frames with the one that is the latest now, on whatever thread has the time.
#[derive(Debug, Clone)]
pub struct Comparer {
    latest: Option<(u64, Frame)>,
}

/// A frame, and what it changes.
#[derive(Debug)]
pub struct Compared {
    /// The frame.
    pub frame: Frame,
    /// The number of the frame with which it was compared, and the tiles in which they differ; `None` when there was none like it.
    changes: Option<(u64, TileSet)>,
}

impl Comparer {
    /// Compares a frame. Takes about a millisecond for each 6 MB.
    pub fn compare(self, frame: Frame) -> Compared {
        let like = |(_, latest): &(u64, Frame)| {
            (latest.format(), latest.width(), latest.height())
                == (frame.format(), frame.width(), frame.height())
        };
        let changes = self.latest.filter(like).map(|(number, latest)| {
            let mut changed = TileSet::empty(Grid::new(frame.width(), frame.height()).len());
            compare(&latest, &frame, &mut changed);
            (number, changed)
        });
        Compared { frame, changes }
    }
}

/// The index of the picture in another size than the renderer's.
#[derive(Debug, Default)]
struct Scaled {
    /// The number of the frame up to which it is made.
    number: u64,
    index: ChangeIndex,
}

/// The latest frame of a widget.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) number: u64,
    pub(super) frame: Frame,
    /// The number of the newest frame whose changes are at rest, 0 when none is.
    rest: u64,
    /// Frames that came lately, and when their changes come to rest.
    recent: VecDeque<(u64, Instant)>,
    index: ChangeIndex,
    scaled: BTreeMap<(u32, u32), Scaled>,
}

impl Picture {
    pub(super) fn new(frame: Frame, now: Instant) -> Self {
        let mut index = ChangeIndex::default();
        index.begin(Grid::new(frame.width(), frame.height()), 1);
        let recent = VecDeque::from([(1, now + REST)]);
        Self { number: 1, frame, rest: 0, recent, index, scaled: BTreeMap::new() }
    }

    pub(super) fn comparer(picture: Option<&Self>) -> Comparer {
        Comparer { latest: picture.map(|picture| (picture.number, picture.frame.clone())) }
    }

    /// Takes a newer frame. Answers whether it differs from the latest, which it then is.
    pub(super) fn replace(&mut self, compared: Compared, now: Instant) -> bool {
        let Compared { frame, changes } = compared;
        // What was compared with another frame says nothing of this one.
        let changes = changes.filter(|&(number, _)| number == self.number).map(|(_, changed)| changed);
        if changes.as_ref().is_some_and(TileSet::is_empty) {
            return false;
        }
        let before = self.number;
        self.number += 1;
        match changes {
            Some(tiles) => self.index.note(&tiles, self.number),
            None => self.index.begin(Grid::new(frame.width(), frame.height()), self.number),
        }
        self.scaled.retain(|_, scaled| scaled.number == before);
        self.recent.push_back((self.number, now + REST));
        self.frame = frame;
        true
    }

    /// Notes how late it is. Answers when the next changes come to rest.
    pub(super) fn pass(&mut self, now: Instant) -> Option<Instant> {
        while let Some(&(number, due)) = self.recent.front() {
            if due > now {
                return Some(due);
            }
            self.rest = number;
            self.recent.pop_front();
        }
        None
    }

    /// Whether nothing of the picture changed for a while.
    pub(super) fn is_at_rest(&self) -> bool {
        self.rest == self.number
    }

    /// The index of the picture at a size.
    pub(super) fn at(&mut self, (width, height): (u32, u32)) -> Changes<'_> {
        if (width, height) == self.index.grid().size() {
            return Changes { index: &self.index, number: self.number, rest: self.rest };
        }
        if self.scaled.len() > MOST_SIZES {
            self.scaled.clear();
        }
        let scaled = self.scaled.entry((width, height)).or_default();
        if scaled.number != self.number {
            self.index.scale_into(width, height, &mut scaled.index);
            scaled.number = self.number;
        }
        Changes { index: &scaled.index, number: self.number, rest: self.rest }
    }
}

/// When what of a picture changed, at one size.
pub(super) struct Changes<'a> {
    index: &'a ChangeIndex,
    /// Of the latest frame.
    number: u64,
    rest: u64,
}

impl Changes<'_> {
    pub(super) fn grid(&self) -> Grid {
        self.index.grid()
    }

    /// The tiles that who has frame `base` lacks, if any. Where these are nearly all, all: one image for them is no dearer than several.
    pub(super) fn after(&self, base: u64) -> Option<TileSet> {
        if base >= self.number {
            return None;
        }
        let tiles = self.index.changed_after(base);
        let all = self.grid().len();
        let tiles = if tiles.len() * 8 >= all * 7 { TileSet::full(all) } else { tiles };
        (!tiles.is_empty()).then_some(tiles)
    }

    /// Of some tiles those at rest, the ones first that have been for longest; as many as make a small message.
    pub(super) fn oldest_at_rest(&self, tiles: &TileSet) -> TileSet {
        let all = self.grid().len();
        let mut resting: Vec<(u64, usize)> = tiles
            .iter()
            .map(|tile| (self.index.changed(tile), tile))
            .filter(|&(changed, _)| changed <= self.rest)
            .collect();
        resting.sort_unstable();
        TileSet::of(all, resting.iter().take(settled_at_once(all)).map(|&(_, tile)| tile))
    }
}

/// How many tiles of a picture are made exact in one message: few, so that a new frame waits for no long message; but no
/// picture takes more than 16 messages, each of which may have to wait for a confirmation to come back.
fn settled_at_once(all: usize) -> usize {
    const LEAST: usize = 32;
    all.div_ceil(16).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: u32, value: u8) -> Frame {
        Frame::gray8(width, 64, vec![value; width as usize * 64]).unwrap()
    }

    fn next(picture: &mut Picture, frame: Frame, now: Instant) -> bool {
        let compared = Picture::comparer(Some(picture)).compare(frame);
        picture.replace(compared, now)
    }

    #[test]
    fn an_equal_frame_changes_nothing() {
        let now = Instant::now();
        let mut picture = Picture::new(frame(640, 1), now);
        assert!(!next(&mut picture, frame(640, 1), now));
        assert_eq!(picture.number, 1);
        assert!(next(&mut picture, frame(640, 2), now));
        assert_eq!(picture.number, 2);
    }

    #[test]
    fn a_frame_that_was_compared_with_another_than_the_latest_is_new_as_a_whole() {
        let now = Instant::now();
        let mut picture = Picture::new(frame(640, 1), now);
        let late = Picture::comparer(Some(&picture)).compare(frame(640, 1));
        next(&mut picture, frame(640, 2), now);
        assert!(picture.replace(late, now));
        assert!(picture.at((640, 64)).after(2).unwrap().is_full());
    }

    #[test]
    fn a_frame_of_another_size_or_format_is_new_as_a_whole() {
        let now = Instant::now();
        let mut picture = Picture::new(frame(640, 1), now);
        assert!(next(&mut picture, frame(320, 1), now));
        assert_eq!(picture.at((320, 64)).after(1).unwrap().len(), 5);
        assert!(next(&mut picture, Frame::rgb8(320, 64, vec![1; 320 * 64 * 3]).unwrap(), now));
        assert!(picture.at((320, 64)).after(2).unwrap().is_full());
    }

    #[test]
    fn tiles_come_to_rest_each_in_its_time() {
        let start = Instant::now();
        let mut picture = Picture::new(frame(640, 1), start);
        let mut pixels = picture.frame.pixels().to_vec();
        pixels[0] = 9;
        let later = start + REST / 2;
        next(&mut picture, Frame::gray8(640, 64, pixels).unwrap(), later);
        let lossy = TileSet::full(10);
        assert!(picture.at((640, 64)).oldest_at_rest(&lossy).is_empty());
        assert_eq!(picture.pass(start + REST), Some(later + REST));
        assert!(picture.at((640, 64)).oldest_at_rest(&lossy).iter().eq(1..10));
        assert!(!picture.is_at_rest());
        assert_eq!(picture.pass(later + REST), None);
        assert!(picture.is_at_rest() && picture.at((640, 64)).oldest_at_rest(&lossy).is_full());
    }

    #[test]
    fn settling_takes_small_messages_but_not_many() {
        for (tiles, messages) in [(1, 1), (32, 1), (33, 2), (510, 16), (2040, 16)] {
            assert_eq!(usize::div_ceil(tiles, settled_at_once(tiles)), messages);
        }
    }

    #[test]
    fn sizes_that_nobody_needs_any_more_are_forgotten() {
        let now = Instant::now();
        let mut picture = Picture::new(frame(640, 0), now);
        for value in 1..100 {
            next(&mut picture, frame(640, value), now);
            picture.at((600 - u32::from(value), 30));
        }
        assert!(picture.scaled.len() <= 2);
        for width in 1..200 {
            picture.at((width, 30));
        }
        assert!(picture.scaled.len() <= MOST_SIZES + 1);
    }
}
