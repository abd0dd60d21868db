//! The demo widgets: each is a page of code that teaches one thing about writing a renderer.
//!
//! | kind | what it teaches |
//! |---|---|
//! | [`square`] | events in, pixels out; setting traits from a renderer |
//! | [`draw`] | several pointers at once, text input, and a picture that is kept between frames |
//! | [`grid`] | logical and physical pixels: a frame that a view shows without resampling is exact |
//! | [`fractal`] | slow rendering in bounded steps, so that the widget stays responsive |
//! | [`surface`] | quick while it moves, fine when it rests |
//! | [`performance`] | draws as fast as the views take them, and the statistics of doing so |
//! | [`image`] | data larger than memory allows to copy: loading aside, drawing only what is on screen |

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "painting turns sizes and colours into floats and back; sizes are small, and casts to integers saturate"
)]
#![expect(clippy::float_cmp, reason = "states are compared to learn whether they were changed at all")]

mod canvas;
mod draw;
mod fractal;
mod grid;
mod image;
mod pan_zoom;
mod performance;
mod square;
mod surface;
#[cfg(test)]
pub(crate) mod testing;

use std::path::PathBuf;

#[cfg(any(test, feature = "internals"))]
pub(crate) use self::image::{Bounds, Look, Picture};
use super::Kinds;
use crate::event::Size;

/// Adds all demo kinds to `kinds`. `images` is the folder whose pictures the `image` demo shows; without it, the demo shows
/// a computed sample.
pub fn register(kinds: &mut Kinds, images: Option<PathBuf>) {
    kinds.register(square::kind());
    kinds.register(draw::kind());
    kinds.register(grid::kind());
    kinds.register(fractal::kind());
    kinds.register(surface::kind());
    kinds.register(performance::kind());
    kinds.register(image::kind(images));
}

/// What bounds the pixels that demos are asked for.
const LIMIT: &str = "--max-pixels";

/// The size of a widget before its first `resize` event.
const NO_SIZE: Size = Size { width: 1.0, height: 1.0, pwidth: 1, pheight: 1, ratio: 1.0 };
