//! Pictures in levels: level 0 is the picture itself, and each further level has half the size of the one before, up to a
//! level of a single pixel. They take a third more memory, and make a far view as cheap as a near one.

use std::{
    fs::File,
    io::{BufRead, BufReader, Seek},
};

use ::image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use crate::room::{self, NoRoom};

/// Bounds on a picture.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Most pixels.
    pub pixels: u64,
    /// Most memory for what the decoder makes, in bytes.
    pub decoded: u64,
}

/// 12,000 × 9,000 pixels are 108 million. While a picture is loaded there are besides what the decoder makes the 8-bit copy that is kept
/// and its levels, at most 4 bytes a pixel; 1.7 GB in all at the very most.
const BOUNDS: Bounds = Bounds { pixels: 160_000_000, decoded: 1 << 30 };
/// Bytes for each pixel that there are besides what the decoder made, at the most: the 8-bit copy with its levels, and what it is made of.
const KEPT_PER_PIXEL: u64 = 8;
/// Side of the squares that show through transparent pictures.
const CHEQUER: usize = 16;

/// Something to look at.
pub trait Source: Send + Sync {
    /// Width and height in pixels, each at least 1.
    fn size(&self) -> (usize, usize);

    /// Writes pixels `left`.. of row `y` of a level to `row`, three bytes each: red, green, blue. They are all within the level.
    fn read(&self, level: usize, left: usize, y: usize, row: &mut [u8]);
}

/// How many levels a picture has.
pub fn levels((width, height): (usize, usize)) -> usize {
    width.max(height).next_power_of_two().ilog2() as usize + 1
}

/// Width and height of a level. The last pixels of an odd row or column stand for fewer pixels of the picture.
pub fn level_size((width, height): (usize, usize), level: usize) -> (usize, usize) {
    (width.div_ceil(1 << level), height.div_ceil(1 << level))
}

/// A decoded picture.
pub struct Picture {
    size: (usize, usize),
    /// Bytes per pixel: 1, grey, or 3.
    channels: usize,
    /// The pixels of each level, row by row.
    levels: Vec<Vec<u8>>,
}

/// Why a picture cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("cannot be shown: {0}")]
    Decode(#[from] ImageError),
    #[error(
        "has {width} × {height} pixels, {bytes} bytes when decoded: at most {} pixels and {} bytes are shown",
        bounds.pixels,
        bounds.decoded
    )]
    TooLarge { width: u32, height: u32, bytes: u64, bounds: Bounds },
    #[error("has no pixels")]
    Empty,
    #[error("cannot be kept: {0}")]
    Room(#[from] NoRoom),
}

impl Picture {
    /// Decodes a file.
    pub fn read(file: File) -> Result<Self, PictureError> {
        Self::decode(BufReader::new(file), BOUNDS)
    }

    /// Decodes the content of a file, which tells the format. The size is checked before anything is decoded.
    pub fn decode(file: impl BufRead + Seek, bounds: Bounds) -> Result<Self, PictureError> {
        let mut reader = ImageReader::new(file).with_guessed_format()?;
        let mut limits = Limits::default();
        limits.max_alloc = Some(bounds.decoded);
        reader.limits(limits.clone());
        let mut decoder = reader.into_decoder()?;
        let ((width, height), bytes) = (decoder.dimensions(), decoder.total_bytes());
        if u64::from(width) * u64::from(height) > bounds.pixels || bytes > bounds.decoded {
            return Err(PictureError::TooLarge { width, height, bytes, bounds });
        }
        if width == 0 || height == 0 {
            return Err(PictureError::Empty);
        }
        limits.reserve(bytes)?;
        // All that the decoder and the levels take, which end the process where there is less.
        let kept = KEPT_PER_PIXEL * u64::from(width) * u64::from(height);
        room::look_for(usize::try_from(bytes + kept).unwrap_or(usize::MAX), "the size of the picture")?;
        decoder.set_limits(limits)?;
        let orientation = decoder.orientation()?;
        let mut image = DynamicImage::from_decoder(decoder)?;
        image.apply_orientation(orientation);
        Ok(Self::new(image))
    }

    fn new(image: DynamicImage) -> Self {
        let size = (image.width() as usize, image.height() as usize);
        let color = image.color();
        let (channels, pixels) = if color.has_alpha() {
            (3, over_chequers(&image.into_rgba8(), size.0))
        } else if color.has_color() {
            (3, image.into_rgb8().into_raw())
        } else {
            (1, image.into_luma8().into_raw())
        };
        let mut levels = vec![pixels];
        for level in 1..self::levels(size) {
            levels.push(halved(&levels[level - 1], level_size(size, level - 1), channels));
        }
        Self { size, channels, levels }
    }

    /// How much memory it takes.
    pub fn bytes(&self) -> usize {
        self.levels.iter().map(Vec::len).sum()
    }
}

impl Source for Picture {
    fn size(&self) -> (usize, usize) {
        self.size
    }

    fn read(&self, level: usize, left: usize, y: usize, row: &mut [u8]) {
        let start = self.channels * (y * level_size(self.size, level).0 + left);
        let pixels = &self.levels[level][start..start + row.len() / 3 * self.channels];
        if self.channels == 3 {
            row.copy_from_slice(pixels);
        } else {
            row.chunks_exact_mut(3).zip(pixels).for_each(|(rgb, &grey)| rgb.fill(grey));
        }
    }
}

/// The picture as it looks over light and dark squares.
fn over_chequers(pixels: &[u8], width: usize) -> Vec<u8> {
    let mut opaque = Vec::with_capacity(pixels.len() / 4 * 3);
    for (index, pixel) in pixels.chunks_exact(4).enumerate() {
        let is_light = (index % width / CHEQUER + index / width / CHEQUER).is_multiple_of(2);
        let (below, alpha) = (if is_light { 255 } else { 220 }, u16::from(pixel[3]));
        opaque.extend(
            pixel[..3]
                .iter()
                .map(|&value| ((u16::from(value) * alpha + below * (255 - alpha) + 127) / 255) as u8),
        );
    }
    opaque
}

/// The means of 2 × 2 pixels; at an odd edge, of those there are.
fn halved(pixels: &[u8], (width, height): (usize, usize), channels: usize) -> Vec<u8> {
    let stride = channels * width;
    let mut halved = Vec::with_capacity(channels * width.div_ceil(2) * height.div_ceil(2));
    for upper in (0..height).step_by(2) {
        let lower = (upper + 1).min(height - 1);
        let [upper, lower] = [upper, lower].map(|y| &pixels[y * stride..(y + 1) * stride]);
        let mut left = 0;
        while left < stride {
            let right = if left + channels < stride { left + channels } else { left };
            for channel in 0..channels {
                let upper = u16::from(upper[left + channel]) + u16::from(upper[right + channel]);
                let lower = u16::from(lower[left + channel]) + u16::from(lower[right + channel]);
                halved.push(((upper + lower + 2) / 4) as u8);
            }
            left = right + channels;
        }
    }
    halved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_halve_down_to_one_pixel_and_odd_edges_are_means_of_what_there_is() {
        let image = ::image::GrayImage::from_raw(3, 2, vec![10, 20, 50, 30, 40, 70]).unwrap();
        let picture = Picture::new(image.into());
        assert_eq!(picture.levels, [vec![10, 20, 50, 30, 40, 70], vec![25, 60], vec![43]]);
        assert_eq!(levels((12_000, 9_000)), 15);
        assert_eq!(level_size((12_000, 9_000), 14), (1, 1));
        assert_eq!(levels((1, 1)), 1);
    }

    #[test]
    fn grey_and_colour_are_read_alike_and_transparency_shows_squares() {
        let mut row = [0; 6];
        let grey = ::image::GrayImage::from_raw(2, 1, vec![7, 9]).unwrap();
        Picture::new(grey.into()).read(0, 0, 0, &mut row);
        assert_eq!(row, [7, 7, 7, 9, 9, 9]);
        let colour = ::image::RgbaImage::from_raw(2, 1, vec![1, 2, 3, 255, 9, 9, 9, 0]).unwrap();
        Picture::new(colour.into()).read(0, 0, 0, &mut row);
        assert_eq!(row, [1, 2, 3, 255, 255, 255]);
    }
}
