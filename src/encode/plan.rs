//! From tiles to parts: which rectangles become which images, and which threads make them.

use bytes::Bytes;

use super::chroma::Chroma;
use super::crew::Crew;
use super::divide::{Cost, divide};
use super::scratch::{self, Scratch};
use super::{Codec, EncodeError, Part, Pixels, content, jpeg, opaque, png, resize, strips, webp};
use crate::frame::Frame;
use crate::tiles::{Grid, Rect, TILE, TileSet};

/// Fewest pixels that are worth another thread's while: about half a millisecond of JPEG.
pub(super) const LEAST_SHARED: u64 = 100_000;

/// How a rectangle is compressed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Jpeg { quality: u8, chroma: Chroma },
    Png,
    WebP,
}

impl Coding {
    /// This, or PNG where a file of it cannot hold a rectangle.
    fn for_size(self, rect: Rect) -> Self {
        let most = match self {
            Self::Jpeg { .. } => jpeg::MAX_SIDE,
            Self::WebP => webp::MAX_SIDE,
            Self::Png => u32::MAX,
        };
        if rect.width.max(rect.height) > most { Self::Png } else { self }
    }
}

/// Something for one thread to compress: a part, or a strip of one.
#[derive(Clone, Copy)]
struct Unit {
    rect: Rect,
    coding: Coding,
    /// Whether it continues the JPEG of the unit before.
    continues: bool,
}

/// Makes the images of some tiles of the picture to which `frame` is scaled.
pub(super) fn carry_out(
    frame: &Frame,
    grid: Grid,
    codec: Codec,
    tiles: &TileSet,
    crew: Crew<'_>,
) -> Result<Vec<Part>, EncodeError> {
    let units = units(Pixels::of(frame), grid, codec, tiles, crew.threads());
    let from = frame.clone();
    let files = crew.each(units.clone(), move |unit| compress(Pixels::of(&from), grid, unit));
    let files = files.into_iter().collect::<Result<Vec<Bytes>, _>>()?;
    let mut parts = Vec::new();
    let mut start = 0;
    while start < units.len() {
        let len = 1 + units[start + 1..].iter().take_while(|unit| unit.continues).count();
        parts.push(part(&units[start..start + len], &files[start..start + len])?);
        start += len;
    }
    Ok(parts)
}

/// The part that some units make together.
fn part(units: &[Unit], files: &[Bytes]) -> Result<Part, EncodeError> {
    let rect = units.iter().fold(units[0].rect, |whole, unit| whole.union(&unit.rect));
    let Rect { x, y, width, height } = rect;
    let coding = units[0].coding;
    let bytes = if let ([_, _, ..], Coding::Jpeg { chroma, .. }) = (files, coding) {
        let heights: Vec<u32> = units.iter().map(|unit| unit.rect.height).collect();
        strips::join(files, width, chroma.block(), &heights).ok_or_else(|| EncodeError::Codec {
            codec: "JPEG",
            width,
            height,
            reason: "its strips do not fit together".to_owned(),
        })?
    } else {
        files[0].clone()
    };
    let (lossless, mimetype) = match coding {
        Coding::Jpeg { .. } => (false, "image/jpeg"),
        Coding::Png => (true, "image/png"),
        Coding::WebP => (true, "image/webp"),
    };
    Ok(Part { x, y, width, height, lossless, mimetype, bytes })
}

/// What there is to compress.
fn units(from: Pixels<'_>, grid: Grid, codec: Codec, tiles: &TileSet, cores: usize) -> Vec<Unit> {
    let costs = |tiles: &[Rect]| {
        let sources: Vec<_> = tiles.iter().map(|tile| (source(from, grid, *tile), tile.area())).collect();
        let one_way = |Cost { png, jpeg }| match codec {
            Codec::Png | Codec::WebP => Cost { png, jpeg: png },
            Codec::Jpeg { .. } => Cost { png: jpeg, jpeg },
            Codec::ByContent { .. } => Cost { png, jpeg },
        };
        content::costs(from, &sources).into_iter().map(one_way).collect()
    };
    let rects = divide(grid, tiles, costs);
    let area: u64 = rects.iter().map(|(rect, _)| rect.area()).sum();
    let cores = (cores as u64).min(area / LEAST_SHARED).max(1);
    // What one thread of them is to do.
    let share = area.div_ceil(cores);
    let spacing = (from.width / grid.size().0, from.height / grid.size().1);
    let mut units = Vec::new();
    for (rect, graphic) in rects {
        let coding = match codec {
            Codec::Jpeg { quality } => Coding::Jpeg { quality, chroma: Chroma::Full },
            Codec::ByContent { quality } if !graphic => {
                let chroma = Chroma::of(from, source(from, grid, rect), spacing, quality);
                Coding::Jpeg { quality, chroma }
            }
            Codec::WebP => Coding::WebP,
            Codec::Png | Codec::ByContent { .. } => Coding::Png,
        };
        match coding.for_size(rect) {
            Coding::Jpeg { quality, chroma } => {
                // Tiles are scaled each by itself.
                let scaled = (from.width, from.height) != grid.size();
                let step = if scaled { TILE } else { chroma.block() };
                cut_jpeg(rect, (quality, chroma), step, share, &mut units);
            }
            coding => cut_exact(rect, coding, share, &mut units),
        }
    }
    units
}

/// The pixels of `from` that become about those of a rectangle of the scaled picture.
fn source(from: Pixels<'_>, grid: Grid, rect: Rect) -> Rect {
    let (width, height) = grid.size();
    let along = |at: u32, from: u32, to: u32| {
        u32::try_from(u64::from(at) * u64::from(from) / u64::from(to)).unwrap_or(from)
    };
    let (x, y) = (along(rect.x, from.width, width), along(rect.y, from.height, height));
    let right = along(rect.x + rect.width, from.width, width);
    let bottom = along(rect.y + rect.height, from.height, height);
    Rect { x, y, width: right - x, height: bottom - y }
}

/// A PNG or WebP is cut into images of their own.
fn cut_exact(rect: Rect, coding: Coding, share: u64, units: &mut Vec<Unit>) {
    let tile_rows = rect.height.div_ceil(TILE);
    let pieces = u32::try_from(rect.area().div_ceil(share)).unwrap_or(1).min(tile_rows);
    let height = tile_rows.div_ceil(pieces) * TILE;
    for y in (0..rect.height).step_by(height as usize) {
        let piece = Rect { y: rect.y + y, height: height.min(rect.height - y), ..rect };
        units.push(Unit { rect: piece, coding, continues: false });
    }
}

/// A JPEG is cut into strips, at multiples of `step`.
fn cut_jpeg(rect: Rect, (quality, chroma): (u8, Chroma), step: u32, share: u64, units: &mut Vec<Unit>) {
    let pieces = u32::try_from(rect.area().div_ceil(share)).unwrap_or(1);
    let mut y = rect.y;
    let heights = strips::heights(rect.width, rect.height, chroma.block(), step, pieces);
    for (index, height) in heights.into_iter().enumerate() {
        let strip = Rect { y, height, ..rect };
        units.push(Unit { rect: strip, coding: Coding::Jpeg { quality, chroma }, continues: index > 0 });
        y += height;
    }
}

/// Scales and compresses; answers the file.
fn compress(from: Pixels<'_>, grid: Grid, unit: &Unit) -> Result<Bytes, EncodeError> {
    scratch::with(|Scratch { scaler, pixels: scratch, png: room }| {
        let pixels = if (from.width, from.height) == grid.size() {
            from.part(unit.rect)
        } else {
            let filter = match unit.coding {
                Coding::Jpeg { .. } => resize::Filter::Fast,
                Coding::Png | Coding::WebP => resize::Filter::Best,
            };
            scaler.scale(from, grid, unit.rect, filter)?
        };
        match unit.coding {
            Coding::Jpeg { quality, chroma } if pixels.is_packed() => jpeg::encode(pixels, quality, chroma),
            Coding::Jpeg { quality, chroma } => {
                jpeg::encode(opaque::opaque(pixels, scratch), quality, chroma)
            }
            Coding::Png => png::encode(pixels, room),
            Coding::WebP => webp::encode(opaque::opaque(pixels, scratch)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::divide::MOST;
    use crate::encode::testing::{crew, decode_rgb, noise, rgb};
    use crate::encode::{Encoded, Variant, encode, whole};
    use crate::frame::PixelFormat;

    const BY_CONTENT: Codec = Codec::ByContent { quality: 80 };

    /// White with letters of a sort above, noise below.
    fn half_and_half(format: PixelFormat, width: u32, height: u32) -> Frame {
        let (stride, len) =
            (width as usize * format.channels(), (width * height) as usize * format.channels());
        let mut noise = noise(4);
        let pixels: Vec<u8> = (0..len)
            .map(|at| match at / stride {
                row if row >= height as usize / 2 => noise.next().unwrap(),
                row if row % 16 == 3 => 20,
                _ => 255,
            })
            .collect();
        Frame::new(format, width, height, pixels).unwrap()
    }

    fn variant(frame: &Frame, codec: Codec) -> Variant {
        Variant { width: frame.width(), height: frame.height(), codec, base64: false }
    }

    fn mimetypes(encoded: &Encoded) -> Vec<(&str, u32)> {
        encoded.parts.iter().map(|part| (part.mimetype, part.y)).collect()
    }

    #[test]
    fn flat_parts_are_exact_and_textured_ones_small() {
        for format in [PixelFormat::Gray8, PixelFormat::Rgb8, PixelFormat::Rgba8] {
            let frame = half_and_half(format, 256, 256);
            let encoded = whole(&frame, variant(&frame, BY_CONTENT)).unwrap();
            assert_eq!(mimetypes(&encoded), [("image/png", 0), ("image/jpeg", 128)], "{format:?}");
            assert!(!encoded.lossless && encoded.parts[0].lossless);
            let upper = decode_rgb(&encoded.parts[0].bytes).into_raw();
            assert!(upper == rgb(&frame)[..upper.len()]);
        }
    }

    #[test]
    fn only_the_tiles_that_are_asked_for_are_encoded() {
        let frame = half_and_half(PixelFormat::Rgb8, 256, 256);
        let tiles = TileSet::of(16, [5, 6]);
        let encoded = encode(&frame, variant(&frame, Codec::Png), &tiles, Crew::ALONE).unwrap();
        let rects: Vec<Rect> = encoded.parts.iter().map(Part::rect).collect();
        assert_eq!(rects, [Rect { x: TILE, y: TILE, width: 2 * TILE, height: TILE }]);
    }

    #[test]
    fn graphic_tiles_all_over_a_photograph_do_not_become_more_parts_than_a_few() {
        let side = 20 * TILE;
        let mut noise = noise(9);
        let pixels: Vec<u8> = (0..side * side)
            .map(|at| {
                let (column, row) = (at % side / TILE, at / side / TILE);
                if (column + row) % 2 == 0 { 9 } else { noise.next().unwrap() }
            })
            .collect();
        let frame = Frame::gray8(side, side, pixels).unwrap();
        let encoded = whole(&frame, variant(&frame, BY_CONTENT)).unwrap();
        assert!(encoded.parts.len() <= MOST, "{} parts", encoded.parts.len());
    }

    #[test]
    fn shared_work_makes_one_jpeg_and_several_pngs_with_the_same_pixels() {
        let frame = half_and_half(PixelFormat::Rgb8, 1000, 1000);
        let codecs = [Codec::Png, Codec::Jpeg { quality: 80 }, BY_CONTENT];
        for (codec, (width, height)) in
            codecs.into_iter().flat_map(|codec| [(1000, 1000), (800, 700)].map(|size| (codec, size)))
        {
            let canvas = |threads| {
                let mut canvas = image::RgbImage::new(width, height);
                let tiles = TileSet::full(Grid::new(width, height).len());
                let variant = Variant { width, height, codec, base64: false };
                let encoded = encode(&frame, variant, &tiles, crew(threads)).unwrap();
                for part in &encoded.parts {
                    image::imageops::replace(
                        &mut canvas,
                        &decode_rgb(&part.bytes),
                        part.x.into(),
                        part.y.into(),
                    );
                }
                canvas
            };
            assert!(canvas(4) == canvas(1), "{codec:?} at {width} × {height}");
        }
    }
}
