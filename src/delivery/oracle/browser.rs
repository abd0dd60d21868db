//! A browser: draws and says what `static/view/picture.js` and `static/client/binding.js` would.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use image::RgbImage;
use serde::Deserialize;

use crate::{
    protocol::view::FrameMessage,
    tiles::{Grid, Rect, TileSet},
};

/// What a message's header says, as far as browsers read it.
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) index: u64,
    pub(super) whole: bool,
    pub(super) lossless: bool,
    width: u32,
    height: u32,
    parts: Vec<PartHeader>,
    data_b64: Option<String>,
}

#[derive(Deserialize)]
struct PartHeader {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    mimetype: String,
    bytes: usize,
}

/// A message as it was read: the header, and the image of each part.
pub(super) struct Read {
    pub(super) header: Header,
    images: Vec<Bytes>,
}

impl Read {
    pub(super) fn message(message: &FrameMessage) -> Self {
        match message {
            FrameMessage::Binary { header, parts } => {
                let length = u32::from_le_bytes(header[..4].try_into().unwrap()) as usize;
                assert_eq!(length, header.len() - 4);
                Self::split(serde_json::from_slice(&header[4..]).unwrap(), parts.concat().into())
            }
            FrameMessage::Base64(text) => {
                let header: Header = serde_json::from_str(text).unwrap();
                let (_, data) = header.data_b64.as_ref().unwrap().split_once(',').unwrap();
                let bytes = STANDARD.decode(data).unwrap();
                Self::split(header, bytes.into())
            }
        }
    }

    fn split(header: Header, mut bytes: Bytes) -> Self {
        let images = header.parts.iter().map(|part| bytes.split_to(part.bytes)).collect();
        assert!(bytes.is_empty(), "more bytes than the parts have");
        Self { header, images }
    }
}

/// A page's canvas, and what is known of it.
pub(super) struct Browser {
    pub(super) canvas: RgbImage,
    /// The tiles that came as exact images.
    pub(super) exact: TileSet,
    /// Whether the header of what was drawn last called it exact.
    pub(super) lossless: bool,
    /// The index of the frame that the canvas has; `None` when nobody knows.
    base: Option<u64>,
    /// Whether a whole frame was asked for and not drawn since.
    pub(super) refreshing: bool,
}

impl Browser {
    pub(super) fn new() -> Self {
        Self {
            canvas: RgbImage::new(1, 1),
            exact: TileSet::empty(1),
            lossless: false,
            base: None,
            refreshing: false,
        }
    }

    /// An image cannot be decoded.
    pub(super) fn fail(&mut self) {
        self.base = None;
    }

    /// Draws a message. Answers whether it could: what amends another frame than the one that is there is left out.
    pub(super) fn draw(&mut self, read: &Read) -> bool {
        let Header { index, whole, lossless, width, height, ref parts, .. } = read.header;
        let fits = self.canvas.dimensions() == (width, height);
        if !(whole || fits && self.base == Some(index - 1)) {
            self.base = None;
            return false;
        }
        let grid = Grid::new(width, height);
        if !fits {
            self.canvas = RgbImage::new(width, height);
            self.exact = TileSet::empty(grid.len());
        }
        let mut drawn = TileSet::empty(grid.len());
        for (part, bytes) in parts.iter().zip(&read.images) {
            let image = image::load_from_memory(bytes).unwrap().into_rgb8();
            assert_eq!(image.dimensions(), (part.width, part.height));
            assert!(part.x + part.width <= width && part.y + part.height <= height);
            image::imageops::replace(&mut self.canvas, &image, part.x.into(), part.y.into());
            let rect = Rect { x: part.x, y: part.y, width: part.width, height: part.height };
            for tile in grid.touched(rect) {
                assert!(!drawn.contains(tile), "two parts of a message overlap");
                drawn.insert(tile);
                if part.mimetype == "image/jpeg" { self.exact.remove(tile) } else { self.exact.insert(tile) }
            }
        }
        assert!(!whole || drawn.is_full(), "a whole frame leaves something out");
        if lossless {
            assert!(self.exact.is_full(), "a frame with lossy tiles is called lossless");
        }
        self.base = Some(index);
        self.lossless = lossless;
        if whole {
            self.refreshing = false;
        }
        true
    }
}
