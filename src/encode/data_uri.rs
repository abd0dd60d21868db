//! Images as text, for places that cannot carry binary messages.

use std::io::Write;

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderStringWriter;
use bytestring::ByteString;

use super::Part;

/// `data:<mimetype of the first part>;base64,<the bytes of all parts, one after another>`.
pub(super) fn data_uri(parts: &[Part]) -> ByteString {
    let mimetype = parts.first().map_or("application/octet-stream", |part| part.mimetype);
    let len: usize = parts.iter().map(|part| part.bytes.len()).sum();
    let mut uri = format!("data:{mimetype};base64,");
    uri.reserve_exact(len.div_ceil(3) * 4);
    let mut writer = EncoderStringWriter::from_consumer(uri, &STANDARD);
    for part in parts {
        writer.write_all(&part.bytes).expect("writing to a string does not fail");
    }
    writer.into_inner().into()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use bytes::Bytes;

    use super::*;
    use crate::encode::testing::frame;
    use crate::encode::{Codec, Variant, whole};
    use crate::frame::PixelFormat;

    fn part(bytes: &'static [u8]) -> Part {
        Part {
            x: 0,
            y: 0,
            width: 1,
            height: 1,
            lossless: true,
            mimetype: "image/png",
            bytes: Bytes::from_static(bytes),
        }
    }

    #[test]
    fn a_data_uri_holds_the_bytes_of_all_parts_in_one_piece() {
        let uri = data_uri(&[part(b"a"), part(b""), part(b"bcde"), part(b"fg")]);
        assert_eq!(uri, format!("data:image/png;base64,{}", STANDARD.encode(b"abcdefg")));
    }

    #[test]
    fn a_variant_with_base64_has_the_image_as_a_data_uri() {
        let variant = Variant { width: 30, height: 20, codec: Codec::Jpeg { quality: 80 }, base64: true };
        let encoded = whole(&frame(PixelFormat::Rgba8, 30, 20), variant).unwrap();
        let uri = encoded.base64.unwrap();
        let text = uri.strip_prefix("data:image/jpeg;base64,").unwrap();
        assert_eq!(STANDARD.decode(text).unwrap(), encoded.parts[0].bytes);
    }
}
