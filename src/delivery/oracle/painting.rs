//! Frames of which every pixel tells when it was painted, and the judgement whether a canvas shows one of them.

use std::{collections::HashMap, rc::Rc};

use image::RgbImage;

use crate::{
    Frame, PixelFormat,
    encode::{self, Codec, Variant},
    tiles::{Grid, Rect, TileSet},
};

/// What frames are painted with, one after the other. So far apart in brightness that no pixel of one passes for one of another,
/// however an image was compressed; and coloured, so that channels in another order show, but not so strongly that the colour of one with the
/// brightness of another would be beyond what bytes can say.
const COLOURS: [[u8; 3]; 4] = [[26, 35, 102], [149, 78, 82], [118, 188, 125], [222, 223, 153]];
/// How far the brightness of a pixel of a lossy image may be from the frame's: less than half of what lies between two colours and
/// their grain. Brightness, since an image may keep the colours of several pixels in one.
const TOLERANCE: i32 = 20;
/// How far the mean colour of a block may be, which those beside it run into: far less than what swapped channels change.
const COLOUR_TOLERANCE: i32 = 30;
/// Pixels a side of the blocks whose mean colour is judged in lossy images: the largest that JPEGs are made of.
const BLOCK: u32 = 16;
/// Pictures that are kept for the messages to come.
const MOST_KEPT: usize = 16;

/// Where a frame is painted. Corners are in shares of 256 of its sides.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Area([u8; 4]),
    /// One pixel high, from edge to edge.
    Row(u8),
    /// Small spots all over, so many in a row.
    Spots(u8),
}

/// A frame that is painted all over.
pub(super) fn plain(format: PixelFormat, width: u32, height: u32, brush: usize, textured: bool) -> Frame {
    let pixels = vec![0; width as usize * height as usize * format.channels()];
    let frame = Frame::new(format, width, height, pixels).unwrap();
    painted(&frame, Shape::Area([0, 0, 255, 255]), brush, textured)
}

/// A frame with something painted over.
pub(super) fn painted(frame: &Frame, shape: Shape, brush: usize, textured: bool) -> Frame {
    let (width, height) = (frame.width(), frame.height());
    let mut pixels = frame.pixels().to_vec();
    for Rect { x: left, y: top, width: wide, height: high } in rects(shape, width, height) {
        for (y, x) in (top..top + high).flat_map(|y| (left..left + wide).map(move |x| (y, x))) {
            let at = (y * width + x) as usize * frame.format().channels();
            paint(&mut pixels[at..], frame.format(), (x, y), brush, textured);
        }
    }
    Frame::new(frame.format(), width, height, pixels).unwrap()
}

fn paint(pixel: &mut [u8], format: PixelFormat, (x, y): (u32, u32), brush: usize, textured: bool) {
    let grain = if textured { u8::try_from((x * 7 + y * 13) % 11).unwrap() } else { 0 };
    let colour = COLOURS[brush % COLOURS.len()];
    match format {
        PixelFormat::Gray8 => pixel[0] = u8::try_from(brightness(colour)).unwrap() + grain,
        PixelFormat::Rgb8 | PixelFormat::Rgba8 => {
            for (value, colour) in pixel.iter_mut().zip(colour) {
                *value = colour + grain;
            }
        }
    }
    if format == PixelFormat::Rgba8 {
        // Shows nowhere.
        pixel[3] = colour[1] ^ grain;
    }
}

/// What a shape covers of a frame.
fn rects(shape: Shape, width: u32, height: u32) -> Vec<Rect> {
    let along = |share: u8, side: u32| (u32::from(share) * side / 256).min(side - 1);
    match shape {
        Shape::Area([left, top, right, bottom]) => {
            let (x, y) = (along(left.min(right), width), along(top.min(bottom), height));
            let (to_x, to_y) = (along(left.max(right), width), along(top.max(bottom), height));
            // The last share reaches the edge, whatever the rounding.
            let end = |share: u8, to: u32, side: u32| if share == 255 { side } else { to + 1 };
            let (to_x, to_y) = (end(left.max(right), to_x, width), end(top.max(bottom), to_y, height));
            vec![Rect { x, y, width: to_x - x, height: to_y - y }]
        }
        Shape::Row(down) => vec![Rect { x: 0, y: along(down, height), width, height: 1 }],
        Shape::Spots(many) => {
            let step = (width.max(height) / u32::from(many.max(1))).max(8);
            let places = (0..height).step_by(step as usize);
            let spot = |x: u32, y: u32| Rect { x, y, width: 3.min(width - x), height: 3.min(height - y) };
            places.flat_map(|y| (0..width).step_by(step as usize).map(move |x| spot(x, y))).collect()
        }
    }
}

/// What a frame looks like at some size.
struct Picture {
    exact: RgbImage,
    /// With the filter for images that move, where that is another.
    moving: RgbImage,
}

/// Knows what frames look like.
#[derive(Default)]
pub(super) struct Judge {
    kept: HashMap<(u64, u32, u32), Rc<Picture>>,
}

impl Judge {
    /// Checks that a canvas shows frame `number`: the `exact` tiles to the bit, of the others every pixel nearly so.
    pub(super) fn assert_shows(&mut self, canvas: &RgbImage, exact: &TileSet, number: u64, frame: &Frame) {
        let (width, height) = canvas.dimensions();
        let picture = self.picture(number, frame, width, height);
        let grid = Grid::new(width, height);
        for tile in 0..grid.len() {
            let rect = grid.tile(tile);
            let (is_exact, image) =
                if exact.contains(tile) { (true, &picture.exact) } else { (false, &picture.moving) };
            if let Some(fault) = fault(canvas, image, rect, is_exact) {
                panic!("not frame {number}, {frame:?}, at {width} × {height}: {fault}");
            }
        }
    }

    fn picture(&mut self, number: u64, frame: &Frame, width: u32, height: u32) -> Rc<Picture> {
        if self.kept.len() > MOST_KEPT {
            self.kept.clear();
        }
        let make = || {
            let exact = decoded(frame, width, height, Codec::Png);
            let scaled = (width, height) != (frame.width(), frame.height());
            let moving = if scaled {
                decoded(frame, width, height, Codec::Jpeg { quality: 99 })
            } else {
                exact.clone()
            };
            Rc::new(Picture { exact, moving })
        };
        Rc::clone(self.kept.entry((number, width, height)).or_insert_with(make))
    }
}

/// A whole frame, encoded and decoded.
fn decoded(frame: &Frame, width: u32, height: u32, codec: Codec) -> RgbImage {
    let whole = encode::whole(frame, Variant { width, height, codec, base64: false }).unwrap();
    image::load_from_memory(&whole.parts[0].bytes).unwrap().into_rgb8()
}

/// Where a rectangle of a canvas is not as it should be.
fn fault(canvas: &RgbImage, picture: &RgbImage, rect: Rect, is_exact: bool) -> Option<String> {
    let most = if is_exact { 0 } else { TOLERANCE };
    for (y, x) in
        (rect.y..rect.y + rect.height).flat_map(|y| (rect.x..rect.x + rect.width).map(move |x| (y, x)))
    {
        let (is, should) = (canvas.get_pixel(x, y).0, picture.get_pixel(x, y).0);
        if is != should && (is_exact || (brightness(is) - brightness(should)).abs() > most) {
            return Some(format!("{is:?} instead of {should:?} at {x}, {y}, {most} off at most"));
        }
    }
    if is_exact {
        return None;
    }
    // Of what the edge cuts off, colours are rounded along with those beyond it.
    let starts =
        |from: u32, len: u32| (from..from + len).step_by(BLOCK as usize).take((len / BLOCK) as usize);
    for (y, x) in starts(rect.y, rect.height).flat_map(|y| starts(rect.x, rect.width).map(move |x| (y, x))) {
        let block = Rect { x, y, width: BLOCK, height: BLOCK };
        let (is, should) = (mean(canvas, block), mean(picture, block));
        if is.iter().zip(should).any(|(is, should)| (is - should).abs() > COLOUR_TOLERANCE) {
            return Some(format!("the mean is {is:?} instead of {should:?} in {block:?}"));
        }
    }
    None
}

fn brightness([red, green, blue]: [u8; 3]) -> i32 {
    (299 * i32::from(red) + 587 * i32::from(green) + 114 * i32::from(blue)) / 1000
}

fn mean(image: &RgbImage, block: Rect) -> [i32; 3] {
    let mut sums = [0; 3];
    for y in block.y..block.y + block.height {
        for x in block.x..block.x + block.width {
            for (sum, value) in sums.iter_mut().zip(image.get_pixel(x, y).0) {
                *sum += i32::from(value);
            }
        }
    }
    sums.map(|sum| sum / i32::try_from(block.area()).unwrap())
}
