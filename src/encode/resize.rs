//! Scaling a frame down for a view that shows fewer pixels.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{InnerPixel, U8, U8x3, U8x4};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use super::{EncodeError, MAX_KEPT, Pixels, trim};
use crate::frame::PixelFormat;

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
    /// The pixels of `from`, scaled to `width` × `height`, in the same format. An alpha channel is treated as one more
    /// colour: it is dropped later, so it must not weigh the others.
    pub(super) fn scale(
        &mut self,
        from: Pixels<'_>,
        width: u32,
        height: u32,
        filter: Filter,
    ) -> Result<Pixels<'_>, EncodeError> {
        let filter = match filter {
            Filter::Fast => FilterType::Bilinear,
            Filter::Best => FilterType::CatmullRom,
        };
        let len = width as usize * height as usize * from.format.channels();
        if self.pixels.len() < len {
            self.pixels.resize(len, 0);
        }
        let target = (&mut self.pixels[..len], width, height);
        // By type, since the untyped call would compile the filters of every pixel format that the library knows.
        let scaled = match from.format {
            PixelFormat::Gray8 => convolve::<U8>(&mut self.resizer, from, target, filter),
            PixelFormat::Rgb8 => convolve::<U8x3>(&mut self.resizer, from, target, filter),
            PixelFormat::Rgba8 => convolve::<U8x4>(&mut self.resizer, from, target, filter),
        };
        scaled.map_err(|reason| EncodeError::Codec { codec: "scaling", width, height, reason })?;
        Ok(Pixels { format: from.format, width, height, bytes: &self.pixels[..len] })
    }

    /// Lets go of buffers that have become too large to keep.
    pub(super) fn trim(&mut self) {
        trim(&mut self.pixels);
        if self.resizer.size_of_internal_buffers() > MAX_KEPT {
            self.resizer.reset_internal_buffers();
        }
    }
}

/// Scales `from` into the bytes of a target of the given width and height.
fn convolve<P: PixelTrait + InnerPixel>(
    resizer: &mut Resizer,
    from: Pixels<'_>,
    (bytes, width, height): (&mut [u8], u32, u32),
    filter: FilterType,
) -> Result<(), String> {
    let source = TypedImageRef::<P>::from_buffer(from.width, from.height, from.bytes)
        .map_err(|error| error.to_string())?;
    let mut target = TypedImage::<P>::from_buffer(width, height, bytes).map_err(|error| error.to_string())?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);
    resizer.resize_typed(&source, &mut target, &options).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::FORMATS;
    use crate::frame::Frame;

    #[test]
    fn an_even_area_stays_as_it_is() {
        for format in FORMATS {
            for filter in [Filter::Fast, Filter::Best] {
                let pixel = &[200, 100, 50, 25][..format.channels()];
                let frame = Frame::new(format, 90, 70, pixel.repeat(90 * 70)).unwrap();
                let mut scaler = Scaler::default();
                let small = scaler.scale(Pixels::of(&frame), 31, 23, filter).unwrap();
                assert_eq!(small.bytes, pixel.repeat(31 * 23), "{format:?} {filter:?}");
            }
        }
    }

    #[test]
    fn transparent_pixels_keep_their_colour() {
        let frame = Frame::rgba8(64, 64, [10, 20, 30, 0].repeat(64 * 64)).unwrap();
        let mut scaler = Scaler::default();
        let small = scaler.scale(Pixels::of(&frame), 20, 20, Filter::Best).unwrap();
        assert_eq!(small.bytes, [10, 20, 30, 0].repeat(20 * 20));
    }

    #[test]
    fn left_stays_left_and_up_stays_up() {
        let ramp: Vec<u8> = (0..100).flat_map(|y| (0..100).flat_map(move |x| [x, y, 0])).collect();
        let at = |x: u8, y: u8| (usize::from(y) * 50 + usize::from(x)) * 3;
        let frame = Frame::rgb8(100, 100, ramp).unwrap();
        for filter in [Filter::Fast, Filter::Best] {
            let mut scaler = Scaler::default();
            let small = scaler.scale(Pixels::of(&frame), 50, 25, filter).unwrap();
            for (x, y) in (2..23).flat_map(|y| (2..48).map(move |x| (x, y))) {
                let pixel = &small.bytes[at(x, y)..][..3];
                let near = pixel[0].abs_diff(x * 2) <= 1 && pixel[1].abs_diff(y * 4 + 1) <= 1;
                assert!(near, "{filter:?} {x}, {y}: {pixel:?}");
            }
        }
    }
}
