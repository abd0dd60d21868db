//! What a browser's canvas has, drawn from the frames that it is sent.

use image::RgbImage;
use serde_json::Value;

/// A number of a frame's header.
pub fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().expect("a number")).expect("a small number")
}

/// Draws the parts of a frame over what is there.
pub fn draw(canvas: &mut RgbImage, header: &Value, mut images: &[u8]) {
    for part in header["parts"].as_array().expect("parts") {
        let (bytes, rest) = images.split_at(number(&part["bytes"]) as usize);
        images = rest;
        let image = image::load_from_memory(bytes).expect("an image").into_rgb8();
        assert_eq!(image.dimensions(), (number(&part["width"]), number(&part["height"])));
        image::imageops::replace(canvas, &image, number(&part["x"]).into(), number(&part["y"]).into());
    }
    assert!(images.is_empty(), "bytes of no part");
}
