//! Teaches the difference between logical and physical pixels: a one-pixel chequerboard.
//!
//! Pixel (x, y) is white where x + y is even and black elsewhere. Any resampling on the way to the screen turns the pattern
//! into plain grey or moiré, so whoever sees single pixels sees exactly what was rendered. The starting quality is 100,
//! lossless, for the same reason.

use crate::{
    event::{Event, EventKind, Size},
    frame::Frame,
    render::{
        Kind, RemoteFrameBuffer, RenderError,
        demos::{LIMIT, NO_SIZE},
    },
    room,
};

struct Grid {
    size: Size,
}

pub(super) fn kind() -> Kind {
    Kind::new("grid", |_, _| Ok(Grid { size: NO_SIZE }))
        .described(
            "Pixel grid",
            "A checkerboard of single pixels. Grey or wavy areas show where the picture is rescaled.",
        )
        .with_traits(|traits| traits.quality = 100)
}

impl RemoteFrameBuffer for Grid {
    fn handle_event(&mut self, event: &Event) -> Result<(), RenderError> {
        if let EventKind::Resize(size) = event.kind {
            self.size = size;
        }
        Ok(())
    }

    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        let (width, height) = (self.size.pwidth as usize, self.size.pheight as usize);
        let white_first: Vec<u8> = (0..=width).map(|x| if x % 2 == 0 { 255 } else { 0 }).collect();
        let mut pixels = room::empty(width * height, LIMIT)?;
        for y in 0..height {
            let shift = y % 2;
            pixels.extend_from_slice(&white_first[shift..shift + width]);
        }
        Ok(Some(Frame::gray8(self.size.pwidth, self.size.pheight, pixels)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        frame::PixelFormat,
        render::demos::testing::{frame, resize, send},
    };

    #[test]
    fn each_physical_pixel_is_exact_at_any_size() {
        for (width, height, ratio) in
            [(1.0, 1.0, 1.0), (7.0, 5.0, 1.0), (100.0, 37.0, 1.25), (33.0, 20.0, 2.0)]
        {
            let mut grid = Grid { size: NO_SIZE };
            send(&mut grid, resize(width, height, ratio));
            let frame = frame(&mut grid);
            assert_eq!(frame.format(), PixelFormat::Gray8);
            assert_eq!((frame.width(), frame.height()), ((width * ratio) as u32, (height * ratio) as u32));
            for (index, &value) in frame.pixels().iter().enumerate() {
                let (x, y) = (index as u32 % frame.width(), index as u32 / frame.width());
                assert_eq!(value, if (x + y) % 2 == 0 { 255 } else { 0 }, "at ({x}, {y})");
            }
        }
    }
}
