//! A picture to paint on: filled shapes with smooth edges, lines, text. All positions are in physical pixels.
//!
//! The letters are those of Noto Sans Mono, rasterised ahead of time in the heights that pixel ratios of 1, 1.25, 1.5 and 2
//! need: sharp on each, with nothing to parse and no font file to ship.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, RasterizedChar, get_raster, get_raster_width};

use super::LIMIT;
use crate::{
    event::Size,
    frame::Frame,
    room::{self, NoRoom},
};

/// Red, green, blue.
pub type Color = [u8; 3];

/// Height of a line of text in logical pixels.
pub const LINE_HEIGHT: f64 = 16.0;

/// An RGB picture.
pub struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A canvas of one colour, of the physical size in `size`, at least one pixel.
    ///
    /// # Errors
    /// When there is not enough memory for it.
    pub fn new(size: &Size, color: Color) -> Result<Self, NoRoom> {
        let (width, height) = (size.pwidth.max(1) as usize, size.pheight.max(1) as usize);
        let mut pixels = room::filled(3 * width * height, color[0], LIMIT)?;
        if color != [color[0]; 3] {
            pixels.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&color));
        }
        Ok(Self { width, height, pixels })
    }

    /// A second one like it, to paint on.
    ///
    /// # Errors
    /// As [`Canvas::new`].
    pub fn copy(&self) -> Result<Self, NoRoom> {
        let mut pixels = room::empty(self.pixels.len(), LIMIT)?;
        pixels.extend_from_slice(&self.pixels);
        Ok(Self { pixels, ..*self })
    }

    /// The finished frame.
    ///
    /// # Errors
    /// Never: a canvas always has the bytes that its size takes.
    pub fn into_frame(self) -> Result<Frame, crate::frame::FrameError> {
        Frame::rgb8(self.width as u32, self.height as u32, self.pixels)
    }

    /// A rectangle with rounded corners.
    pub fn rounded_rect(&mut self, [x, y, width, height]: [f64; 4], radius: f64, color: Color) {
        self.soft_rect([x, y, width, height], radius, 1.0, 1.0, color);
    }

    /// A rounded rectangle whose edge is `blur` pixels wide and that covers what is below it by `opacity`, 0 to 1: a shadow.
    pub fn soft_rect(
        &mut self,
        [x, y, width, height]: [f64; 4],
        radius: f64,
        blur: f64,
        opacity: f64,
        color: Color,
    ) {
        let (half_width, half_height) = (width / 2.0, height / 2.0);
        let radius = radius.min(half_width).min(half_height).max(0.0);
        let (center_x, center_y) = (x + half_width, y + half_height);
        self.fill([x - blur, y - blur, x + width + blur, y + height + blur], color, |px, py| {
            let dx = (px - center_x).abs() - half_width + radius;
            let dy = (py - center_y).abs() - half_height + radius;
            let distance = dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - radius;
            opacity * (0.5 - distance / blur).clamp(0.0, 1.0)
        });
    }

    /// A line with round ends from `from` to `to`, of a width that goes from the first to the second of `widths`.
    /// From a point to itself it is a disc. Answers how many pixels were looked at.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), widths: (f64, f64), color: Color) -> usize {
        let reach = widths.0.max(widths.1) / 2.0 + 1.0;
        let rows = [from.1.min(to.1) - reach, from.1.max(to.1) + reach];
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length_squared = (dx * dx + dy * dy).max(f64::MIN_POSITIVE);
        // Of a row only what is near the part of the line that is near the row: a long line is no large area.
        let columns = |y: f64| {
            let near = |y: f64| if dy == 0.0 { 0.0 } else { ((y - from.1) / dy).clamp(0.0, 1.0) };
            let ends = if dy == 0.0 { [0.0, 1.0] } else { [near(y - reach), near(y + reach)] };
            let [one, other] = ends.map(|along| from.0 + along * dx);
            [one.min(other) - reach, one.max(other) + reach]
        };
        self.fill_rows(rows, columns, color, |x, y| {
            let along = (((x - from.0) * dx + (y - from.1) * dy) / length_squared).clamp(0.0, 1.0);
            let distance = (x - from.0 - along * dx).hypot(y - from.1 - along * dy);
            let radius = 0.5 * (widths.0 + along * (widths.1 - widths.0));
            (radius - distance + 0.5).clamp(0.0, 1.0)
        })
    }

    /// One line of text whose top left corner is at (`x`, `y`), [`LINE_HEIGHT`] × `scale` pixels high.
    /// A character that the font lacks is shown as its replacement sign. Answers how many pixels were looked at.
    pub fn text(&mut self, x: f64, y: f64, text: &str, scale: f64, color: Color) -> usize {
        let font = Font::new(scale);
        let mut looked_at = 0;
        for (index, character) in text.chars().enumerate() {
            let left = (x + index as f64 * font.advance).round();
            if left >= self.width as f64 {
                break;
            }
            looked_at += self.glyph(left, y.round(), character, &font, color);
        }
        looked_at
    }

    fn glyph(&mut self, left: f64, top: f64, character: char, font: &Font, color: Color) -> usize {
        let glyph = font.glyph(character);
        let bounds = [left, top, left + (glyph.width() as f64 * font.zoom).ceil(), top + font.height.ceil()];
        if (font.zoom - 1.0).abs() < 1e-9 {
            self.fill(bounds, color, |px, py| coverage(&glyph, (px - left) as usize, (py - top) as usize))
        } else {
            self.fill(bounds, color, |px, py| {
                between(&glyph, (px - left) / font.zoom - 0.5, (py - top) / font.zoom - 0.5)
            })
        }
    }

    /// Blends `color` over the pixels within `bounds` (left, top, right, bottom) by `coverage`, 0 to 1, of each pixel's centre.
    fn fill(&mut self, bounds: [f64; 4], color: Color, coverage: impl Fn(f64, f64) -> f64) -> usize {
        let [left, top, right, bottom] = bounds;
        self.fill_rows([top, bottom], |_| [left, right], color, coverage)
    }

    /// As `fill`, between the left and the right that `columns` says for the centre of each row.
    fn fill_rows(
        &mut self,
        [top, bottom]: [f64; 2],
        columns: impl Fn(f64) -> [f64; 2],
        color: Color,
        coverage: impl Fn(f64, f64) -> f64,
    ) -> usize {
        let clip = |value: f64, end: usize| value.clamp(0.0, end as f64) as usize;
        let mut looked_at = 0;
        for y in clip(top.floor(), self.height)..clip(bottom.ceil(), self.height) {
            let [left, right] = columns(y as f64 + 0.5);
            let columns = clip(left.floor(), self.width)..clip(right.ceil(), self.width);
            looked_at += columns.len();
            let start = 3 * (y * self.width + columns.start);
            let row = &mut self.pixels[start..start + 3 * columns.len()];
            for (x, pixel) in columns.zip(row.chunks_exact_mut(3)) {
                let share = coverage(x as f64 + 0.5, y as f64 + 0.5);
                if share > 0.0 {
                    for (below, above) in pixel.iter_mut().zip(color) {
                        let blend = f64::from(*below) + share * (f64::from(above) - f64::from(*below));
                        *below = blend.round() as u8;
                    }
                }
            }
        }
        looked_at
    }
}

/// How wide `text` is in pixels at `scale`.
pub fn text_width(text: &str, scale: f64) -> f64 {
    text.chars().count() as f64 * Font::new(scale).advance
}

/// The letters for one scale: those of the next larger height there is, shrunk if they do not fit exactly.
struct Font {
    raster: RasterHeight,
    /// Height of a line in pixels.
    height: f64,
    /// From one letter to the next in pixels.
    advance: f64,
    /// Pixels per pixel of the raster.
    zoom: f64,
}

impl Font {
    fn new(scale: f64) -> Self {
        let height = (LINE_HEIGHT * scale).round().max(1.0);
        let raster = [RasterHeight::Size16, RasterHeight::Size20, RasterHeight::Size24]
            .into_iter()
            .find(|raster| raster.val() as f64 >= height)
            .unwrap_or(RasterHeight::Size32);
        let zoom = height / raster.val() as f64;
        let advance = get_raster_width(FontWeight::Regular, raster) as f64 * zoom;
        Self { raster, height, advance, zoom }
    }

    fn glyph(&self, character: char) -> RasterizedChar {
        [character, char::REPLACEMENT_CHARACTER, ' ']
            .into_iter()
            .find_map(|character| get_raster(character, FontWeight::Regular, self.raster))
            .expect("the font has a space")
    }
}

fn coverage(glyph: &RasterizedChar, x: usize, y: usize) -> f64 {
    f64::from(glyph.pixel(x, y).unwrap_or(0)) / 255.0
}

/// The coverage at a place between the centres of four pixels.
fn between(glyph: &RasterizedChar, x: f64, y: f64) -> f64 {
    let at = |x: f64, y: f64| {
        if x < 0.0 || y < 0.0 { 0.0 } else { coverage(glyph, x as usize, y as usize) }
    };
    let (left, top) = (x.floor(), y.floor());
    let (right_share, bottom_share) = (x - left, y - top);
    let upper = at(left, top) * (1.0 - right_share) + at(left + 1.0, top) * right_share;
    let lower = at(left, top + 1.0) * (1.0 - right_share) + at(left + 1.0, top + 1.0) * right_share;
    upper * (1.0 - bottom_share) + lower * bottom_share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::demos::testing::{pixel, size};

    const WHITE: Color = [255; 3];
    const BLACK: Color = [0; 3];

    fn painted<T>(paint: impl FnOnce(&mut Canvas) -> T) -> Frame {
        let mut canvas = Canvas::new(&size(40.0, 40.0, 1.0), WHITE).unwrap();
        paint(&mut canvas);
        canvas.into_frame().unwrap()
    }

    #[test]
    fn a_rectangle_on_whole_pixels_has_crisp_edges() {
        let frame = painted(|canvas| canvas.rounded_rect([10.0, 10.0, 5.0, 5.0], 0.0, BLACK));
        assert_eq!([9, 10, 14, 15].map(|x| pixel(&frame, x, 12)), [WHITE, BLACK, BLACK, WHITE]);
    }

    #[test]
    fn a_rectangle_that_covers_half_of_a_pixel_makes_it_half_dark() {
        let frame = painted(|canvas| canvas.rounded_rect([10.5, 10.0, 5.0, 5.0], 0.0, BLACK));
        assert_eq!(pixel(&frame, 10, 12), [128; 3]);
    }

    #[test]
    fn a_line_is_as_wide_as_told_at_each_end() {
        let frame = painted(|canvas| canvas.line((10.0, 5.0), (10.0, 35.0), (2.0, 10.0), BLACK));
        let dark = |y| (0..40).filter(|&x| pixel(&frame, x, y)[0] < 128).count();
        assert_eq!((dark(6), dark(34)), (2, 10));
    }

    #[test]
    fn a_long_line_costs_the_pixels_along_it_and_not_those_around() {
        let mut canvas = Canvas::new(&size(400.0, 400.0, 1.0), WHITE).unwrap();
        let looked_at = canvas.line((-1e6, -1e6), (1e6, 1e6), (4.0, 4.0), BLACK);
        assert!((400..400 * 20).contains(&looked_at), "{looked_at} pixels");
        let frame = canvas.into_frame().unwrap();
        assert_eq!([(0, 0), (200, 201), (399, 399)].map(|(x, y)| pixel(&frame, x, y)), [BLACK; 3]);
        assert_eq!([(10, 0), (200, 210)].map(|(x, y)| pixel(&frame, x, y)), [WHITE; 2]);
    }

    #[test]
    fn shapes_outside_of_the_canvas_are_clipped() {
        let frame = painted(|canvas| {
            canvas.line((-1e6, -50.0), (1e6, -50.0), (4.0, 4.0), BLACK);
            canvas.rounded_rect([100.0, -1e9, 1e9, 1e9], 3.0, BLACK);
            canvas.text(-3000.0, 39.0, "gone", 2.0, BLACK);
        });
        assert!(frame.pixels().iter().all(|&value| value == 255));
    }

    #[test]
    fn text_is_drawn_pixel_by_pixel_at_common_ratios_and_grows_with_the_ratio() {
        for (ratio, width) in [(1.0, 7.0), (1.25, 9.0), (1.5, 11.0), (2.0, 14.0), (3.0, 21.0), (0.5, 3.5)] {
            let advance = text_width("a", ratio);
            assert!((advance - width).abs() <= 0.51, "{advance} pixels at ratio {ratio}");
        }
        assert_eq!([1.0, 1.25, 1.5, 2.0].map(|ratio| Font::new(ratio).zoom), [1.0; 4]);
    }

    #[test]
    fn an_unknown_character_shows_as_a_sign_not_as_a_gap() {
        let frame = painted(|canvas| canvas.text(4.0, 4.0, "本", 1.0, BLACK));
        assert!(frame.pixels().iter().any(|&value| value < 100));
    }
}
