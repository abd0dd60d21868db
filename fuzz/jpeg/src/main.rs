//! Encodes pictures of each width and height from 1 to 130, in each layout of pixels and each subsampling of colours: around and between
//! the sizes of blocks, and of what the SIMD code takes at once.
//!
//! The pixels fill their memory to the last byte, so that `AddressSanitizer` sees each access beyond it.

use libjpeg_turbo_rs::{Encoder, PixelFormat, Subsampling};

const LONGEST: usize = 130;
const LAYOUTS: [PixelFormat; 12] = [
    PixelFormat::Grayscale,
    PixelFormat::Rgb,
    PixelFormat::Rgba,
    PixelFormat::Bgr,
    PixelFormat::Bgra,
    PixelFormat::Cmyk,
    PixelFormat::Rgbx,
    PixelFormat::Bgrx,
    PixelFormat::Xrgb,
    PixelFormat::Xbgr,
    PixelFormat::Argb,
    PixelFormat::Abgr,
];
const SUBSAMPLINGS: [Subsampling; 8] = [
    Subsampling::S444,
    Subsampling::S422,
    Subsampling::S420,
    Subsampling::S440,
    Subsampling::S411,
    Subsampling::S441,
    Subsampling::S410,
    Subsampling::S24,
];

fn main() {
    let (mut encoded, mut refused) = (0_u64, 0_u64);
    for layout in LAYOUTS {
        for width in 1..=LONGEST {
            for height in 1..=LONGEST {
                let pixels = noise(width * height * layout.bytes_per_pixel());
                for subsampling in SUBSAMPLINGS {
                    let file = Encoder::new(&pixels, width, height, layout)
                        .quality(u8::try_from(1 + (width * 7 + height) % 100).expect("at most 100"))
                        .subsampling(subsampling)
                        .force_baseline(true)
                        .encode();
                    match file {
                        Ok(_) => encoded += 1,
                        Err(_) => refused += 1,
                    }
                }
            }
        }
        println!("{layout:?}: {encoded} encoded, {refused} refused so far");
    }
}

/// So many bytes without a pattern, and no room behind them.
fn noise(length: usize) -> Box<[u8]> {
    let mut state = 1_u32;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect()
}
