//! Scaling a frame down for a view that shows fewer pixels.

use fast_image_resize::images::{TypedCroppedImageMut, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{InnerPixel, U8, U8x3, U8x4};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use super::{
    EncodeError, Pixels,
    scratch::{MAX_KEPT, room, trim},
};
use crate::{
    frame::PixelFormat,
    tiles::{Grid, Rect},
};

/// How samples are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    /// While the image moves: bilinear. A box filter is a little faster still, but makes thin lines and text shimmer at
    /// ratios that are not whole.
    Fast,
    /// For an image that stays: Catmull-Rom. It keeps 95 % of the contrast that Lanczos with three lobes keeps in thin
    /// lines, with half the overshoot beside edges (5 % of the step, not 10 %), which shows as ghost lines on plots.
    Best,
}

/// Scales pixels into a buffer that it keeps.
#[derive(Default)]
pub(super) struct Scaler {
    /// Holds the filter's buffers of the pass between the axes.
    resizer: Resizer,
    /// The scaled pixels; longer than they are when the image before was larger.
    pixels: Vec<u8>,
}

impl Scaler {
    /// A rectangle, made of whole tiles, of the picture to which `from` is scaled, in the same format. An alpha channel is treated as one
    /// more colour: it is dropped later, so it must not weigh the others.
    ///
    /// Each tile is scaled by itself: the library rounds weights to a precision that depends on all of them, so that a pixel could otherwise
    /// differ by one with the rectangle that it is asked for in.
    pub(super) fn scale(
        &mut self,
        from: Pixels<'_>,
        grid: Grid,
        rect: Rect,
        filter: Filter,
    ) -> Result<Pixels<'_>, EncodeError> {
        let filter = match filter {
            Filter::Fast => FilterType::Bilinear,
            Filter::Best => FilterType::CatmullRom,
        };
        let len = rect.width as usize * rect.height as usize * from.format.channels();
        let target = room(&mut self.pixels, len);
        // By type, since the untyped call would compile the filters of every pixel format that the library knows.
        let scaled = match from.format {
            PixelFormat::Gray8 => convolve::<U8>(&mut self.resizer, from, grid, rect, target, filter),
            PixelFormat::Rgb8 => convolve::<U8x3>(&mut self.resizer, from, grid, rect, target, filter),
            PixelFormat::Rgba8 => convolve::<U8x4>(&mut self.resizer, from, grid, rect, target, filter),
        };
        scaled.map_err(|reason| EncodeError::Codec {
            codec: "scaling",
            width: rect.width,
            height: rect.height,
            reason,
        })?;
        Ok(Pixels::packed(from.format, rect.width, rect.height, &self.pixels[..len]))
    }

    /// Lets go of buffers that have become too large to keep.
    pub(super) fn trim(&mut self) {
        trim(&mut self.pixels);
        if self.resizer.size_of_internal_buffers() > MAX_KEPT {
            self.resizer.reset_internal_buffers();
        }
    }
}

/// Scales what becomes `rect` of the scaled picture into `bytes`, tile by tile.
fn convolve<P: PixelTrait + InnerPixel>(
    resizer: &mut Resizer,
    from: Pixels<'_>,
    grid: Grid,
    rect: Rect,
    bytes: &mut [u8],
    filter: FilterType,
) -> Result<(), String> {
    let source = TypedImageRef::<P>::from_buffer(from.width, from.height, from.bytes)
        .map_err(|error| error.to_string())?;
    let mut target =
        TypedImage::<P>::from_buffer(rect.width, rect.height, bytes).map_err(|error| error.to_string())?;
    let (width, height) = grid.size();
    let (across, down) =
        (f64::from(from.width) / f64::from(width), f64::from(from.height) / f64::from(height));
    for tile in grid.touched(rect).map(|tile| grid.tile(tile)) {
        let mut part = TypedCroppedImageMut::from_ref(
            &mut target,
            tile.x - rect.x,
            tile.y - rect.y,
            tile.width,
            tile.height,
        )
        .map_err(|error| error.to_string())?;
        let (left, top) = (f64::from(tile.x) * across, f64::from(tile.y) * down);
        // Rounding must not lead beyond the edge.
        let wide = (f64::from(tile.width) * across).min(f64::from(from.width) - left);
        let high = (f64::from(tile.height) * down).min(f64::from(from.height) - top);
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(filter))
            .use_alpha(false)
            .crop(left, top, wide, high);
        resizer.resize_typed(&source, &mut part, &options).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes are small")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encode::testing::{FORMATS, frame};
    use crate::frame::Frame;
    use crate::tiles::{ChangeIndex, TileSet};

    fn all<'a>(scaler: &'a mut Scaler, frame: &Frame, width: u32, height: u32, filter: Filter) -> Pixels<'a> {
        let all = Rect { x: 0, y: 0, width, height };
        scaler.scale(Pixels::of(frame), Grid::new(width, height), all, filter).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_part_has_the_pixels_of_the_whole(
            format in prop::sample::select(&FORMATS[..]),
            (width, height) in (1..500_u32, 1..500_u32),
            (across, down) in (0.05..1.0, 0.05..1.0),
            filter in prop::sample::select(&[Filter::Fast, Filter::Best][..]),
            corners in any::<[prop::sample::Index; 4]>(),
        ) {
            let scaled = |side: u32, by: f64| ((f64::from(side) * by) as u32).max(1);
            let (small, low) = (scaled(width, across), scaled(height, down));
            let frame = frame(format, width, height);
            let grid = Grid::new(small, low);
            let range = |one: prop::sample::Index, other: prop::sample::Index, len: usize| {
                let (one, other) = (one.index(len), other.index(len));
                one.min(other)..one.max(other) + 1
            };
            let rect = grid.rect(
                range(corners[0], corners[1], grid.columns()),
                range(corners[2], corners[3], grid.rows()),
            );
            let (mut one, mut other) = (Scaler::default(), Scaler::default());
            let whole = all(&mut one, &frame, small, low, filter);
            let part = other.scale(Pixels::of(&frame), grid, rect, filter).unwrap();
            let mut scratch = Vec::new();
            let cut = crate::encode::opaque::opaque(whole.part(rect), &mut scratch);
            let mut scratch = Vec::new();
            prop_assert!(crate::encode::opaque::opaque(part, &mut scratch).bytes == cut.bytes);
        }

        /// What is sent after a change is what the index says has changed in the scaled picture.
        #[test]
        fn what_the_change_index_leaves_out_is_the_same_when_scaled_anew(
            (width, height) in (1..400_u32, 1..400_u32),
            (across, down) in (0.05..1.0, 0.05..1.0),
            filter in prop::sample::select(&[Filter::Fast, Filter::Best][..]),
            tile in any::<prop::sample::Index>(),
        ) {
            let scaled = |side: u32, by: f64| ((f64::from(side) * by) as u32).max(1);
            let (small, low) = (scaled(width, across), scaled(height, down));
            let before = frame(PixelFormat::Rgb8, width, height);
            let grid = Grid::new(width, height);
            let tile = tile.index(grid.len());
            let rect = grid.tile(tile);
            let mut pixels = before.pixels().to_vec();
            for y in rect.y..rect.y + rect.height {
                let start = (y * width + rect.x) as usize * 3;
                pixels[start..start + rect.width as usize * 3].iter_mut().for_each(|value| *value = 255 - *value);
            }
            let after = Frame::rgb8(width, height, pixels).unwrap();
            let (mut index, mut small_index) = (ChangeIndex::default(), ChangeIndex::default());
            index.begin(grid, 1);
            index.note(&TileSet::of(grid.len(), [tile]), 2);
            index.scale_into(small, low, &mut small_index);
            let changed = small_index.changed_after(1);
            let (mut one, mut other) = (Scaler::default(), Scaler::default());
            let before = all(&mut one, &before, small, low, filter);
            let after = all(&mut other, &after, small, low, filter);
            for tile in (0..small_index.grid().len()).filter(|&tile| !changed.contains(tile)) {
                let rect = small_index.grid().tile(tile);
                let (mut one, mut other) = (Vec::new(), Vec::new());
                let before = crate::encode::opaque::opaque(before.part(rect), &mut one);
                let after = crate::encode::opaque::opaque(after.part(rect), &mut other);
                prop_assert!(before.bytes == after.bytes);
            }
        }
    }

    #[test]
    fn an_even_area_stays_as_it_is() {
        for format in FORMATS {
            for filter in [Filter::Fast, Filter::Best] {
                let pixel = &[200, 100, 50, 25][..format.channels()];
                let frame = Frame::new(format, 90, 70, pixel.repeat(90 * 70)).unwrap();
                let mut scaler = Scaler::default();
                let small = all(&mut scaler, &frame, 31, 23, filter);
                assert_eq!(small.bytes, pixel.repeat(31 * 23), "{format:?} {filter:?}");
            }
        }
    }

    #[test]
    fn transparent_pixels_keep_their_colour() {
        let frame = Frame::rgba8(64, 64, [10, 20, 30, 0].repeat(64 * 64)).unwrap();
        let mut scaler = Scaler::default();
        let small = all(&mut scaler, &frame, 20, 20, Filter::Best);
        assert_eq!(small.bytes, [10, 20, 30, 0].repeat(20 * 20));
    }

    #[test]
    fn left_stays_left_and_up_stays_up() {
        let ramp: Vec<u8> = (0..100).flat_map(|y| (0..100).flat_map(move |x| [x, y, 0])).collect();
        let at = |x: u8, y: u8| (usize::from(y) * 50 + usize::from(x)) * 3;
        let frame = Frame::rgb8(100, 100, ramp).unwrap();
        for filter in [Filter::Fast, Filter::Best] {
            let mut scaler = Scaler::default();
            let small = all(&mut scaler, &frame, 50, 25, filter);
            for (x, y) in (2..23).flat_map(|y| (2..48).map(move |x| (x, y))) {
                let pixel = &small.bytes[at(x, y)..][..3];
                let near = pixel[0].abs_diff(x * 2) <= 1 && pixel[1].abs_diff(y * 4 + 1) <= 1;
                assert!(near, "{filter:?} {x}, {y}: {pixel:?}");
            }
        }
    }
}
