//! Pictures that change as widgets' pictures do.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "sides are small"
)]

use framehub::Frame;

use super::pictures::Picture;

/// How a picture changes from frame to frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// A marker of a twentieth of the height is dragged over a plot.
    Drag,
    /// The curves of a plot move, its axes and labels stay.
    PlotPan,
    /// A shaded surface turns before an even background, of which it leaves a margin.
    Orbit,
    /// A photograph moves, all of it.
    Video,
    /// Nothing that any codec could use, and all of it new.
    Noise,
    /// Equal frames, each in memory of its own.
    Still,
}

/// How many frames follow each other before the first comes again: so many that each comes as often as the others in a turn of `changes`.
const FRAMES: u32 = 5;

impl Workload {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Drag, Self::PlotPan, Self::Orbit, Self::Video, Self::Noise, Self::Still];

    /// For a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drag => "drag",
            Self::PlotPan => "plot pan",
            Self::Orbit => "orbit",
            Self::Video => "video-like",
            Self::Noise => "noise",
            Self::Still => "still",
        }
    }

    /// Its frames. The one after the last is the first.
    pub fn frames(self, (width, height): (u32, u32)) -> Vec<Frame> {
        let rgb = |pixels| Frame::rgb8(width, height, pixels).expect("as many pixels as the size says");
        let base = match self {
            Self::Drag | Self::PlotPan | Self::Still => Picture::Plot.rgb(width, height),
            Self::Orbit => Picture::Smooth.rgb(width, height),
            Self::Video => Picture::Photo.rgb(width, height),
            Self::Noise => Picture::Noise.rgb(width, height),
        };
        (0..FRAMES).map(|index| rgb(self.frame(base.pixels(), (width, height), index))).collect()
    }

    fn frame(self, base: &[u8], (width, height): (u32, u32), index: u32) -> Vec<u8> {
        let row = width as usize * 3;
        let mut pixels = base.to_vec();
        match self {
            Self::Still => {}
            Self::Drag => {
                let side = height / 20;
                let (left, top) = (width / 3 + index * side / 4, height / 3 + index * side / 6);
                for y in top..top + side {
                    let start = y as usize * row + left as usize * 3;
                    pixels[start..start + side as usize * 3].as_chunks_mut::<3>().0.fill([31, 119, 180]);
                }
            }
            Self::PlotPan => {
                // Within the axes.
                let (left, right) =
                    ((width as f32 * 0.1) as usize * 3 + 3, (width as f32 * 0.95) as usize * 3);
                let (top, bottom) = ((height as f32 * 0.05) as usize, (height as f32 * 0.9) as usize);
                for y in top..bottom {
                    pixels[y * row..][left..right].rotate_left(index as usize * 5 * 3);
                }
            }
            Self::Orbit => {
                let margin = height as usize / 12;
                for y in 0..height as usize {
                    let inside = (margin..height as usize - margin).contains(&y);
                    let from = (y + index as usize * 3) % height as usize;
                    let (line, source) = (y * row, from * row);
                    if inside {
                        pixels[line..line + row].copy_from_slice(&base[source..source + row]);
                        pixels[line..line + margin * 3].fill(245);
                        pixels[line + row - margin * 3..line + row].fill(245);
                    } else {
                        pixels[line..line + row].fill(245);
                    }
                }
            }
            Self::Video => pixels.rotate_left(index as usize * (3 * row + 9)),
            Self::Noise => pixels.rotate_left(index as usize * (7 * row + 3)),
        }
        pixels
    }
}
