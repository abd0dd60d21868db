//! Files of pictures, as the kind `image` opens them.

use std::io::Cursor;

use crate::render::demos::{Bounds, Look, Picture};

/// Small ones: what is announced is bounded by these, not by the file.
const BOUNDS: Bounds = Bounds { pixels: 1 << 20, decoded: 16 << 20 };

/// A file.
pub(super) fn run(input: &[u8]) {
    let Ok(picture) = Picture::decode(Cursor::new(input), BOUNDS) else { return };
    let (width, height) = picture.size();
    assert!((1..=BOUNDS.pixels).contains(&((width * height) as u64)), "{width} × {height}");
    let mut row = vec![0; 3 * width];
    for y in 0..height {
        picture.read(0, 0, y, &mut row);
    }
}
