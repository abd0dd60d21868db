//! Frames in tiles: which of them changed, and when.
//!
//! - [`Grid`] lays tiles over a picture, [`TileSet`] is some of them, [`join`] makes few rectangles of those.
//! - [`compare()`] tells in which tiles two frames differ.
//! - [`ChangeIndex`] keeps for each tile which frame changed it last, so that no old frame has to be kept.

mod compare;
mod grid;
mod index;
mod join;
mod set;

pub use compare::compare;
pub use grid::{Grid, Rect, TILE};
pub use index::ChangeIndex;
pub use join::join;
pub use set::TileSet;
