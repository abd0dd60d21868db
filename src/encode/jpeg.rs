//! JPEG: for frames that move.

use bytes::Bytes;

use super::{EncodeError, Pixels, chroma::Chroma};

#[cfg(feature = "turbojpeg")]
use c_library::compress;
#[cfg(not(feature = "turbojpeg"))]
use rust_port::compress;

/// The most pixels a side. The format could hold 65,535; libjpeg stops here.
pub(super) const MAX_SIDE: u32 = 65_500;

/// Compresses pixels to a baseline JPEG file, grey or `YCbCr`. An alpha channel is ignored. `quality`: 1 to 100.
///
/// The pure Rust port and the C library make the same bytes.
pub(super) fn encode(pixels: Pixels<'_>, quality: u8, chroma: Chroma) -> Result<Bytes, EncodeError> {
    pixels.at_most(MAX_SIDE, "JPEG")?;
    compress(pixels, quality, chroma)
}

/// The pure Rust port of libjpeg-turbo.
#[cfg(any(test, not(feature = "turbojpeg")))]
mod rust_port {
    use bytes::Bytes;
    use libjpeg_turbo_rs::{Encoder, PixelFormat as Layout, Subsampling};

    use crate::encode::{EncodeError, Pixels, chroma::Chroma};
    use crate::frame::PixelFormat;

    pub(super) fn compress(pixels: Pixels<'_>, quality: u8, chroma: Chroma) -> Result<Bytes, EncodeError> {
        let subsampling = match chroma {
            Chroma::Full => Subsampling::S444,
            Chroma::Half => Subsampling::S420,
        };
        let layout = match pixels.format {
            PixelFormat::Gray8 => Layout::Grayscale,
            PixelFormat::Rgb8 => Layout::Rgb,
            PixelFormat::Rgba8 => Layout::Rgba,
        };
        Encoder::new(pixels.bytes, pixels.width as usize, pixels.height as usize, layout)
            .quality(quality)
            .subsampling(subsampling)
            .force_baseline(true)
            .encode()
            .map(Bytes::from)
            .map_err(|error| pixels.failed("JPEG", error))
    }
}

/// libjpeg-turbo itself.
#[cfg(feature = "turbojpeg")]
mod c_library {
    use std::cell::RefCell;

    use bytes::Bytes;
    use turbojpeg::{Compressor, Image, PixelFormat as Layout, Subsamp, compressed_buf_len};

    use crate::encode::{EncodeError, Pixels, chroma::Chroma, scratch::trim};
    use crate::frame::PixelFormat;

    thread_local! {
        /// Room for the largest file that an image can become.
        static FILE: RefCell<Vec<u8>> = RefCell::default();
    }

    pub(super) fn compress(pixels: Pixels<'_>, quality: u8, chroma: Chroma) -> Result<Bytes, EncodeError> {
        FILE.with_borrow_mut(|file| {
            let bytes =
                compress_into(file, pixels, quality, chroma).map_err(|error| pixels.failed("JPEG", error));
            trim(file);
            bytes
        })
    }

    fn compress_into(
        file: &mut Vec<u8>,
        pixels: Pixels<'_>,
        quality: u8,
        chroma: Chroma,
    ) -> turbojpeg::Result<Bytes> {
        let (width, height) = (pixels.width as usize, pixels.height as usize);
        let coloured = match chroma {
            Chroma::Full => Subsamp::None,
            Chroma::Half => Subsamp::Sub2x2,
        };
        let (layout, subsampling) = match pixels.format {
            PixelFormat::Gray8 => (Layout::GRAY, Subsamp::Gray),
            PixelFormat::Rgb8 => (Layout::RGB, coloured),
            PixelFormat::Rgba8 => (Layout::RGBX, coloured),
        };
        let longest = compressed_buf_len(width, height, subsampling)?;
        if file.len() < longest {
            file.resize(longest, 0);
        }
        let mut compressor = Compressor::new()?;
        compressor.set_quality(quality.into())?;
        compressor.set_subsamp(subsampling)?;
        let pitch = width * pixels.format.channels();
        let image = Image { pixels: pixels.bytes, width, pitch, height, format: layout };
        let len = compressor.compress_to_slice(image, file)?;
        Ok(Bytes::copy_from_slice(&file[..len]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::{FORMATS, decode_rgb, frame, pixels, psnr, rgb};
    use crate::frame::{Frame, PixelFormat};

    #[test]
    fn a_jpeg_is_close_to_the_frame_in_every_format_and_size() {
        for format in FORMATS {
            for (width, height) in [(1, 1), (1, 77), (77, 1), (63, 65), (320, 240)] {
                for (quality, bound) in [(50, 22.0), (80, 25.0), (99, 39.0)] {
                    let frame = frame(format, width, height);
                    let decoded = decode_rgb(&encode(Pixels::of(&frame), quality, Chroma::Full).unwrap());
                    assert_eq!((decoded.width(), decoded.height()), (width, height));
                    let psnr = psnr(&decoded, &rgb(&frame));
                    assert!(psnr > bound, "{format:?} {width} × {height} quality {quality}: {psnr:.1} dB");
                }
            }
        }
    }

    #[test]
    fn colours_keep_their_full_resolution_unless_half_of_it_is_asked_for() {
        let stripes = [255, 0, 0, 0, 0, 255].repeat(32 * 64);
        let frame = Frame::rgb8(64, 64, stripes).unwrap();
        let of = |chroma| psnr(&decode_rgb(&encode(Pixels::of(&frame), 90, chroma).unwrap()), frame.pixels());
        assert!(of(Chroma::Full) > 30.0 && of(Chroma::Half) < 10.0);
    }

    #[test]
    fn a_grey_frame_is_a_grey_file() {
        let file = encode(Pixels::of(&frame(PixelFormat::Gray8, 20, 20)), 80, Chroma::Half).unwrap();
        assert_eq!(image::load_from_memory(&file).unwrap().color(), image::ColorType::L8);
    }

    #[test]
    fn the_alpha_channel_changes_nothing() {
        let rgba = frame(PixelFormat::Rgba8, 63, 65);
        let opaque = Frame::rgb8(63, 65, rgb(&rgba)).unwrap();
        for chroma in [Chroma::Full, Chroma::Half] {
            let [one, other] = [&rgba, &opaque].map(|frame| encode(Pixels::of(frame), 80, chroma).unwrap());
            assert_eq!(one, other);
        }
    }

    #[test]
    fn an_image_beyond_the_formats_limit_is_refused() {
        let long = frame(PixelFormat::Gray8, MAX_SIDE + 1, 1);
        let error = encode(Pixels::of(&long), 80, Chroma::Full).unwrap_err();
        assert!(error.to_string().contains("at most 65500 pixels a side, not 65501 × 1"), "{error}");
        assert!(encode(Pixels::of(&frame(PixelFormat::Gray8, MAX_SIDE, 1)), 80, Chroma::Full).is_ok());
    }

    /// Channels, width, height, seed, quality; length and FNV-1a hash of the file with full and with half resolution of colours.
    type Golden = (usize, u32, u32, u32, u8, [(usize, u64); 2]);

    /// Made with the C library (libjpeg-turbo 3.2.0 in Pillow 13.0): `python benches/libjpeg_peer.py golden`.
    #[rustfmt::skip]
    const GOLDEN: [Golden; 24] = [
        (1, 1, 1, 10, 20, [(332, 0xc540_e906_cc4b_ccd0), (332, 0x1978_eb51_2270_a65b)]),
        (1, 8, 8, 11, 50, [(336, 0x87ac_19da_60b0_9047), (336, 0x0375_7d65_faf9_5324)]),
        (1, 1, 77, 12, 75, [(408, 0xbe1e_1584_ec6a_c7ea), (408, 0x26bd_b30d_703a_e6b1)]),
        (1, 77, 1, 13, 80, [(421, 0x556a_31e3_eebd_29b1), (421, 0x4174_d195_fdae_bb58)]),
        (1, 17, 9, 14, 95, [(435, 0xe147_819c_9b2e_5583), (435, 0xf064_c9b7_9c29_33a6)]),
        (1, 63, 65, 15, 99, [(3564, 0x11c7_b96f_af0d_a166), (3564, 0x8ae0_e884_0865_97fd)]),
        (1, 131, 97, 16, 100, [(11582, 0x01fa_22c7_684d_241d), (11582, 0x5398_b8f9_c4c9_fcd6)]),
        (1, 320, 240, 17, 1, [(1608, 0x1a6d_918b_9d42_0214), (1608, 0x5006_0ea8_4ddd_ceab)]),
        (3, 1, 1, 30, 75, [(631, 0x0564_147b_6663_cdd5), (633, 0xd96e_0ec2_3a28_1165)]),
        (3, 8, 8, 31, 80, [(643, 0x89ae_26c8_a934_8763), (644, 0xb868_4526_add8_4d5e)]),
        (3, 1, 77, 32, 95, [(948, 0xcf67_8112_984c_81c0), (844, 0x0efc_3777_835b_8de9)]),
        (3, 77, 1, 33, 99, [(1032, 0x74e5_42b8_b1d7_a7f0), (917, 0xb3e0_8df1_fd39_af3a)]),
        (3, 17, 9, 34, 100, [(1055, 0x7841_1773_7336_ad94), (870, 0x0690_a898_795f_500f)]),
        (3, 63, 65, 35, 1, [(781, 0xb0d0_e1d5_59a6_7217), (720, 0x8448_89f1_e708_9621)]),
        (3, 131, 97, 36, 20, [(1813, 0x926c_9694_4b3d_75ed), (1449, 0x4e9f_a3b5_ccaf_d563)]),
        (3, 320, 240, 37, 50, [(13938, 0x17d8_994f_f2c2_43d3), (9461, 0x534f_ec77_fe98_6a8b)]),
        (4, 1, 1, 40, 80, [(631, 0x319c_478f_3c7b_23b0), (633, 0x09c3_895a_5efb_fe63)]),
        (4, 8, 8, 41, 95, [(694, 0xd0f8_8835_28c0_416a), (672, 0xdc78_489f_8092_5b63)]),
        (4, 1, 77, 42, 99, [(1068, 0x645e_4cc6_37d8_a660), (951, 0xa60a_83e7_0317_ef47)]),
        (4, 77, 1, 43, 100, [(1057, 0xe3bb_86ef_9c6d_54da), (914, 0xbd85_d08d_97d4_6514)]),
        (4, 17, 9, 44, 1, [(640, 0x81c7_e3a7_754f_6639), (635, 0x0375_8f68_fe2c_52b4)]),
        (4, 63, 65, 45, 20, [(913, 0xcd76_acfd_6226_52cb), (823, 0x9f3e_ab06_bbbc_3498)]),
        (4, 131, 97, 46, 50, [(3033, 0x5e68_6410_bf7a_21a8), (2264, 0x7134_b9b0_6105_993a)]),
        (4, 320, 240, 47, 75, [(24237, 0x1588_a2fb_cf95_6106), (15828, 0x4002_4619_7540_50d5)]),
    ];

    #[test]
    fn files_are_the_same_as_the_c_librarys_to_the_byte() {
        for (channels, width, height, seed, quality, files) in GOLDEN {
            let format = FORMATS.into_iter().find(|format| format.channels() == channels).unwrap();
            let frame = Frame::new(format, width, height, pixels(format, width, height, seed)).unwrap();
            for (name, compress) in IMPLEMENTATIONS {
                let got = [Chroma::Full, Chroma::Half].map(|chroma| {
                    let file = compress(Pixels::of(&frame), quality, chroma).unwrap();
                    (file.len(), fnv1a(&file))
                });
                assert_eq!(got, files, "{name}: {format:?} {width} × {height} quality {quality}");
            }
        }
    }

    #[cfg(feature = "turbojpeg")]
    #[test]
    fn the_rust_port_and_the_c_library_make_the_same_files() {
        for seed in 0..200 {
            for format in FORMATS {
                let (width, height) = (1 + seed * 37 % 131, 1 + seed * 53 % 97);
                let frame = Frame::new(format, width, height, pixels(format, width, height, seed)).unwrap();
                let quality = 1 + (seed * 29 % 100) as u8;
                for chroma in [Chroma::Full, Chroma::Half] {
                    let [one, other] =
                        IMPLEMENTATIONS.map(|(_, compress)| compress(Pixels::of(&frame), quality, chroma));
                    assert!(
                        one == other,
                        "{format:?} {width} × {height} quality {quality} {chroma:?} differs"
                    );
                }
            }
        }
    }

    type Compress = fn(Pixels<'_>, u8, Chroma) -> Result<Bytes, EncodeError>;

    #[cfg(feature = "turbojpeg")]
    const IMPLEMENTATIONS: [(&str, Compress); 2] =
        [("Rust port", rust_port::compress), ("C library", c_library::compress)];
    #[cfg(not(feature = "turbojpeg"))]
    const IMPLEMENTATIONS: [(&str, Compress); 1] = [("Rust port", rust_port::compress)];

    fn fnv1a(bytes: &[u8]) -> u64 {
        bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }
}
