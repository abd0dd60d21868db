//! Frames in tiles: which of them changed, and when.
//!
//! - [`Grid`] lays tiles over a picture, [`TileSet`] is some of them.
//! - [`compare()`] tells in which tiles two frames differ.
//! - [`ChangeIndex`] keeps for each tile which frame changed it last, so that no old frame has to be kept.

mod compare;
mod grid;
mod index;
mod set;

pub use compare::compare;
pub use grid::{Grid, Rect, TILE};
pub use index::ChangeIndex;
pub use set::TileSet;
