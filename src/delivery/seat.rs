//! What is known about a view, and what it should be sent next.

use std::sync::Arc;

use super::picture::Picture;
use crate::{
    adaptation::Reduction,
    credits::Credits,
    encode::{Codec, Encoded, Variant},
    event::Size,
    sizing::{fit, reduced},
    tiles::{Grid, TileSet},
};

/// A view that gets so many frames in a row without being up to date in between gets some of its tiles settled nevertheless.
const MOST_UNSETTLED: u32 = 8;

/// What is known about a view.
#[derive(Debug)]
pub(super) struct Seat {
    /// Frames that may be sent to it.
    pub(super) credits: Arc<Credits>,
    /// Its size, once known.
    pub(super) size: Option<Size>,
    /// Whether the user can see it.
    pub(super) visible: bool,
    /// Whether it takes frames as base64.
    pub(super) base64: bool,
    /// Whether it is of somebody to whom the widget is shared.
    pub(super) visitors: bool,
    /// What its frames are reduced to while they move.
    pub(super) reduction: Reduction,
    /// What its canvas has once all that it was sent is drawn; `None` when that is not known.
    shown: Option<Shown>,
    /// What is being encoded for it. There is one at most, so that what is sent next is always based on what was sent last.
    pub(super) pending: Option<Pending>,
    /// The number of a frame that could not be encoded for it.
    failed: u64,
    /// Frames that it was sent since tiles were settled last.
    unsettled: u32,
    /// Frames that it never got, since newer ones came first.
    pub(super) skipped: u64,
}

/// What a view's canvas has.
#[derive(Debug)]
struct Shown {
    /// The frame that all its pixels are of.
    number: u64,
    size: (u32, u32),
    /// The size that the view could show then, of which a reduced picture has fewer pixels.
    full: (u32, u32),
    /// The tiles whose pixels are not exactly the frame's.
    lossy: TileSet,
}

/// Something that is being encoded for a view.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    /// The number of the frame.
    pub(super) number: u64,
    /// Whether it needs nothing that was sent before.
    pub(super) whole: bool,
    /// The size that the view can show, of which a reduced image has fewer pixels.
    pub(super) full: (u32, u32),
    /// Whether it cannot be used any more, since the view lost what it is based on.
    pub(super) void: bool,
    /// Whether it only makes exact what the view shows already.
    pub(super) settle: bool,
    /// What it was reduced to.
    pub(super) reduction: Reduction,
}

/// What a view should be sent now.
#[derive(Debug)]
pub(super) struct Need {
    pub(super) variant: Variant,
    pub(super) tiles: TileSet,
    pub(super) pending: Pending,
}

impl Seat {
    pub(super) fn new(base64: bool, credits: u32) -> Self {
        Self {
            credits: Arc::new(Credits::new(credits)),
            size: None,
            visible: false,
            base64,
            visitors: false,
            reduction: Reduction::NONE,
            shown: None,
            pending: None,
            failed: 0,
            unsettled: 0,
            skipped: 0,
        }
    }

    /// Whether a frame that is drawn now would be shown.
    pub(super) fn is_watched(&self) -> bool {
        self.visible && self.size.is_some()
    }

    /// Whether it has frame `number` or a newer one, or is about to.
    pub(super) fn has(&self, number: u64) -> bool {
        let pending = self.pending.filter(|pending| !pending.void).map(|pending| pending.number);
        let shown = self.shown.as_ref().map(|shown| shown.number);
        pending.max(shown).max(Some(self.failed)) >= Some(number)
    }

    /// Nobody knows any more what it shows: it needs a whole frame.
    pub(super) fn lose(&mut self) {
        self.shown = None;
        if let Some(pending) = &mut self.pending {
            pending.void |= !pending.whole;
        }
    }

    /// Frame `number` could not be encoded for it.
    pub(super) fn fail(&mut self, number: u64) {
        self.failed = number;
    }

    /// What it should be sent of the picture now, if anything. `quality` is 1..=100, 100 meaning lossless. While a newer frame is
    /// being drawn, that comes before settling.
    pub(super) fn next(&mut self, picture: &mut Picture, quality: u8, drawing: bool) -> Option<Need> {
        let view = self.size.filter(|_| self.visible && self.pending.is_none())?;
        if self.failed == picture.number || !self.credits.are_more_than(0) {
            return None;
        }
        let full = fit((picture.frame.width(), picture.frame.height()), (view.pwidth, view.pheight));
        let moving = if quality >= 100 { Reduction::NONE } else { self.reduction.below(quality) };
        let small = reduced(full, moving.percent);
        let number = picture.number;
        let need = |size: (u32, u32), lossless: bool, tiles: TileSet, settle: bool| {
            let (codec, reduction) = if !lossless && quality < 100 {
                (Codec::ByContent { quality: moving.quality }, self.reduction)
            } else if self.reduction == Reduction::NONE {
                (Codec::Png, Reduction::NONE)
            } else {
                // Its link is slow: fewer bytes are worth more than the browser's and our time.
                (Codec::WebP, Reduction::NONE)
            };
            let variant = Variant { width: size.0, height: size.1, codec, base64: self.base64 };
            let whole = tiles.is_full();
            Some(Need {
                variant,
                tiles,
                pending: Pending { number, whole, full, void: false, settle, reduction },
            })
        };
        let all = |(width, height)| TileSet::full(Grid::new(width, height).len());

        let at_rest = picture.is_at_rest();
        let Some(shown) = self.shown.as_mut().filter(|shown| shown.full == full) else {
            let size = if at_rest { full } else { small };
            return need(size, at_rest, all(size), false);
        };
        let changes = picture.at(shown.size);
        if let Some(tiles) = changes.after(shown.number) {
            let (new, of) = (tiles.len() * 10_000, changes.grid().len());
            // A small change does not make the rest of a sharp picture coarse.
            let stays = shown.size == full && new <= of * usize::from(moving.percent).pow(2);
            return if stays || shown.size == small {
                need(shown.size, false, tiles, false)
            } else {
                need(small, false, all(small), false)
            };
        }
        shown.number = number;
        if shown.size != full {
            // The picture once more, in all its pixels; what of it is lossy then settles as ever.
            return at_rest.then(|| need(full, false, all(full), true)).flatten();
        }
        if shown.lossy.is_empty() {
            return None;
        }
        let tiles = changes.oldest_at_rest(&shown.lossy);
        let spare = || !drawing || self.unsettled >= MOST_UNSETTLED || self.credits.are_more_than(1);
        if tiles.is_empty() || !spare() { None } else { need(shown.size, true, tiles, true) }
    }

    /// Notes that it is sent an image. Answers whether it then shows exactly the frame, in all the pixels that it can show.
    pub(super) fn sent(&mut self, encoded: &Encoded, pending: &Pending) -> bool {
        let Pending { number, whole, full, settle, .. } = *pending;
        self.unsettled = if settle { 0 } else { self.unsettled + 1 };
        let size = (encoded.width, encoded.height);
        let grid = Grid::new(size.0, size.1);
        let shown = match &mut self.shown {
            Some(shown) if !whole => shown,
            shown => shown.insert(Shown { number, size, full, lossy: TileSet::empty(grid.len()) }),
        };
        shown.number = number;
        for part in &encoded.parts {
            for tile in grid.touched(part.rect()) {
                if part.lossless { shown.lossy.remove(tile) } else { shown.lossy.insert(tile) }
            }
        }
        shown.lossy.is_empty() && size == full
    }
}
