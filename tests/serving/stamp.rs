//! Numbers in pictures, large enough to be read after any scaling and loss.

use image::RgbImage;

const BITS: u32 = 20;

/// Writes a number below 2²⁰ along the upper edge of an RGB picture, as black and white blocks.
pub fn stamp(pixels: &mut [u8], (width, height): (u32, u32), number: u64) {
    let rows = height.div_ceil(8) as usize;
    for row in pixels.chunks_exact_mut(width as usize * 3).take(rows) {
        for (x, pixel) in (0u32..).zip(row.chunks_exact_mut(3)) {
            let bit = x * BITS / width;
            pixel.fill(if number >> bit & 1 == 1 { 255 } else { 0 });
        }
    }
}

/// The number in a picture that was stamped.
pub fn read(image: &RgbImage) -> u64 {
    let (width, height) = image.dimensions();
    (0..BITS).fold(0, |number, bit| {
        let x = (2 * bit + 1) * width / (2 * BITS);
        number | u64::from(image.get_pixel(x, height / 16).0[0] > 127) << bit
    })
}
