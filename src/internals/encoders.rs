//! Frames of any size and content on their way to views: compared, scaled, compressed.

use crate::{
    encode::{Codec, Crew, SnapshotFormat, Variant, encode, snapshot},
    frame::{Frame, PixelFormat},
    tiles::{Grid, TileSet, compare},
};

/// Longest side: two tiles and some, so that there are whole and cut ones.
const MAX_SIDE: u32 = 140;
const FORMATS: [PixelFormat; 3] = [PixelFormat::Gray8, PixelFormat::Rgb8, PixelFormat::Rgba8];

/// Format, width, height, the variant's width, height, codec (and format of the snapshot) and quality, then the pixels, which are
/// repeated as often as needed.
pub(super) fn run(input: &[u8]) {
    let [format, width, height, small, low, codec, quality, pixels @ ..] = input else { return };
    if pixels.is_empty() {
        return;
    }
    let side = |byte: u8, most: u32| 1 + u32::from(byte) % most;
    let format = FORMATS[usize::from(*format) % FORMATS.len()];
    let (width, height) = (side(*width, MAX_SIDE), side(*height, MAX_SIDE));
    let length = width as usize * height as usize * format.channels();
    let before: Vec<u8> = pixels.iter().copied().cycle().take(length).collect();
    let mut after = before.clone();
    // What differs is the rows from the middle on.
    after[length / 2..].iter_mut().for_each(|byte| *byte = byte.wrapping_add(*quality));
    let [before, after] =
        [before, after].map(|pixels| Frame::new(format, width, height, pixels).expect("as many as needed"));

    let quality = 1 + quality % 99;
    let wanted = [Codec::Jpeg { quality }, Codec::Png, Codec::WebP, Codec::ByContent { quality }]
        [usize::from(codec % 4)];
    let (small, low) = (side(*small, width), side(*low, height));
    let grid = Grid::new(small, low);
    let mut tiles = TileSet::empty(grid.len());
    if (small, low) == (width, height) {
        compare(&before, &after, &mut tiles);
    }
    if tiles.is_empty() {
        tiles = TileSet::full(grid.len());
    }
    let variant =
        Variant { width: small, height: low, codec: wanted, base64: *pixels.first().unwrap_or(&0) == 0 };
    let encoded = encode(&after, variant, &tiles, Crew::ALONE).expect("every frame can be encoded");
    let mut covered = 0;
    for part in &encoded.parts {
        assert!(part.x + part.width <= small && part.y + part.height <= low, "{part:?} lies outside");
        covered += part.rect().area();
        let decoded = image::load_from_memory(&part.bytes).expect("an image");
        assert_eq!((decoded.width(), decoded.height()), (part.width, part.height));
        if part.lossless && (small, low) == (width, height) {
            let decoded = decoded.into_rgb8();
            for (x, y, pixel) in decoded.enumerate_pixels() {
                assert_eq!(pixel.0, rgb(&after, part.x + x, part.y + y), "at {x}, {y} of {part:?}");
            }
        }
    }
    let asked: u64 = tiles.iter().map(|tile| grid.tile(tile).area()).sum();
    assert_eq!(covered, asked, "not the tiles that were asked for");

    let formats = [SnapshotFormat::Png, SnapshotFormat::Jpeg, SnapshotFormat::WebP];
    let file = snapshot(&after, formats[usize::from(codec / 4) % formats.len()]);
    let decoded = image::load_from_memory(&file.expect("every frame has a snapshot")).expect("an image");
    assert_eq!((decoded.width(), decoded.height()), (width, height));
}

/// What a pixel of a frame shows.
fn rgb(frame: &Frame, x: u32, y: u32) -> [u8; 3] {
    let at = (y as usize * frame.width() as usize + x as usize) * frame.format().channels();
    match frame.pixels()[at..] {
        [red, green, blue, ..] if frame.format() != PixelFormat::Gray8 => [red, green, blue],
        _ => [frame.pixels()[at]; 3],
    }
}
