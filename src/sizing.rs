//! From the views' sizes to the widget's size, and back: how much of a frame a view gets, and where a click in it lies.

use crate::event::{Event, EventKind, Size};

/// The size that a widget renders at.
///
/// `logical` is the size of the driver's view, or what the traits ask for while no one drives. The pixel ratio is the sharpest
/// that any of the `visible` views needs to show the whole frame crisply; the driver's own size is taken as it is when
/// nobody needs more. At most `max_pixels` physical pixels.
pub fn widget_size<'a>(
    logical: (f64, f64),
    driver: Option<&Size>,
    visible: impl Iterator<Item = &'a Size>,
    max_pixels: u64,
) -> Size {
    let (width, height) = logical;
    let needed = visible
        .map(|view| (f64::from(view.pwidth) / width).min(f64::from(view.pheight) / height))
        .fold(0.0, f64::max);
    let size = match driver {
        Some(driver) if needed <= own_ratio(driver) => *driver,
        _ if needed > 0.0 => scaled(width, height, needed),
        Some(driver) => *driver,
        None => scaled(width, height, 1.0),
    };
    let area = u64::from(size.pwidth) * u64::from(size.pheight);
    if area <= max_pixels {
        return size;
    }
    #[expect(clippy::cast_precision_loss, reason = "areas of frames stay far below 2^52")]
    let shrink = (max_pixels as f64 / area as f64).sqrt();
    let ratio = f64::from(size.pwidth) / width * shrink;
    capped(width, height, ratio)
}

/// The ratio up to which a view's own physical size serves, whatever its sides were rounded to.
fn own_ratio(size: &Size) -> f64 {
    let (x, y) = (f64::from(size.pwidth) / size.width, f64::from(size.pheight) / size.height);
    x.min(y) + 1e-9
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "validated sides, at least 1 pixel"
)]
fn sized(width: f64, height: f64, ratio: f64, round: impl Fn(f64) -> f64) -> Size {
    let side = |logical: f64| round(logical * ratio).max(1.0) as u32;
    Size { width, height, pwidth: side(width), pheight: side(height), ratio }
}

fn scaled(width: f64, height: f64, ratio: f64) -> Size {
    sized(width, height, ratio, f64::round)
}

impl Size {
    /// The same logical size at another pixel ratio.
    #[must_use]
    pub fn at_ratio(self, ratio: f64) -> Self {
        // The very same ratio keeps the very same size, rounded or not.
        if ratio == self.ratio { self } else { scaled(self.width, self.height, ratio) }
    }
}

fn capped(width: f64, height: f64, ratio: f64) -> Size {
    sized(width, height, ratio, f64::floor)
}

/// The size in which a frame of `frame` pixels goes to a view of `view` physical pixels: as it is when the view can show
/// every pixel, else scaled down to fit as a whole, undistorted.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not larger than the frame, at least 1 pixel"
)]
pub fn fit(frame: (u32, u32), view: (u32, u32)) -> (u32, u32) {
    if frame.0 <= view.0 && frame.1 <= view.1 {
        return frame;
    }
    let scale = (f64::from(view.0) / f64::from(frame.0)).min(f64::from(view.1) / f64::from(frame.1));
    let side = |pixels: u32, limit: u32| ((f64::from(pixels) * scale).round() as u32).clamp(1, limit.max(1));
    (side(frame.0, view.0), side(frame.1, view.1))
}

/// A size of which only so many percent of each side are sent; at least 1 pixel.
pub fn reduced((width, height): (u32, u32), percent: u8) -> (u32, u32) {
    let side = |pixels: u32| (u64::from(pixels) * u64::from(percent)).div_ceil(100).max(1);
    let side = |pixels| u32::try_from(side(pixels)).unwrap_or(u32::MAX);
    (side(width), side(height))
}

/// How positions in a view's logical pixels become positions in the widget's: the view shows the widget whole, centred.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mapping {
    scale: f64,
    left: f64,
    top: f64,
}

impl Mapping {
    /// The mapping from a view of logical size `view` to a widget of logical size `widget`; neither side is zero.
    pub fn new(view: (f64, f64), widget: (f64, f64)) -> Self {
        let shown = (view.0 / widget.0).min(view.1 / widget.1);
        Self {
            scale: 1.0 / shown,
            left: (view.0 - widget.0 * shown) / 2.0,
            top: (view.1 - widget.1 * shown) / 2.0,
        }
    }

    /// Where the view's `(x, y)` lies in the widget.
    pub fn position(&self, x: f64, y: f64) -> (f64, f64) {
        ((x - self.left) * self.scale, (y - self.top) * self.scale)
    }

    /// Where the widget's `(x, y)` lies in the view.
    pub fn back(&self, x: f64, y: f64) -> (f64, f64) {
        (x / self.scale + self.left, y / self.scale + self.top)
    }

    /// Moves an event's positions into the widget. Wheel deltas are in the user's pixels and stay as they are.
    pub fn event(&self, event: &mut Event) {
        match &mut event.kind {
            EventKind::PointerDown(pointer)
            | EventKind::PointerUp(pointer)
            | EventKind::PointerMove(pointer)
            | EventKind::PointerEnter(pointer)
            | EventKind::PointerLeave(pointer)
            | EventKind::DoubleClick(pointer) => {
                (pointer.x, pointer.y) = self.position(pointer.x, pointer.y);
                for touch in pointer.touches.values_mut() {
                    (touch.x, touch.y) = self.position(touch.x, touch.y);
                }
            }
            EventKind::Wheel(wheel) => (wheel.x, wheel.y) = self.position(wheel.x, wheel.y),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNCAPPED: u64 = u64::MAX;

    fn view(width: f64, height: f64, ratio: f64) -> Size {
        scaled(width, height, ratio)
    }

    fn of(driver: &Size, views: &[Size], max_pixels: u64) -> Size {
        widget_size((driver.width, driver.height), Some(driver), views.iter(), max_pixels)
    }

    #[test]
    fn a_single_view_gets_exactly_its_own_size() {
        let only = Size { width: 333.6, height: 200.8, pwidth: 417, pheight: 251, ratio: 1.25 };
        assert_eq!(of(&only, &[only], UNCAPPED), only);
    }

    #[test]
    fn a_sharper_view_of_the_same_shape_raises_the_ratio() {
        let (plain, sharp) = (view(400.0, 300.0, 1.0), view(400.0, 300.0, 2.0));
        assert_eq!(of(&plain, &[plain, sharp], UNCAPPED), view(400.0, 300.0, 2.0));
    }

    #[test]
    fn a_rounded_side_of_the_driver_does_not_hide_that_another_view_needs_more() {
        let (flat, larger) = (view(2000.0, 1.0, 3.7), view(2001.0, 50.0, 3.7));
        assert_eq!(of(&flat, &[flat, larger], UNCAPPED).pwidth, larger.pwidth);
    }

    #[test]
    fn a_small_watcher_changes_nothing() {
        let (driver, thumbnail) = (view(800.0, 600.0, 1.0), view(160.0, 120.0, 2.0));
        assert_eq!(of(&driver, &[driver, thumbnail], UNCAPPED), driver);
    }

    #[test]
    fn only_watchers_get_the_size_of_the_traits_as_sharp_as_they_need() {
        let thumbnail = view(250.0, 200.0, 1.0);
        let size = widget_size((500.0, 300.0), None, [thumbnail].iter(), UNCAPPED);
        assert_eq!(size, Size { width: 500.0, height: 300.0, pwidth: 250, pheight: 150, ratio: 0.5 });
        assert_eq!(widget_size((500.0, 300.0), None, [].iter(), UNCAPPED), view(500.0, 300.0, 1.0));
    }

    #[test]
    fn the_cap_lowers_the_ratio_and_keeps_the_logical_size() {
        let driver = view(4000.0, 3000.0, 2.0);
        let size = of(&driver, &[driver], 3840 * 2160);
        assert_eq!((size.width, size.height), (4000.0, 3000.0));
        assert!(u64::from(size.pwidth) * u64::from(size.pheight) <= 3840 * 2160);
        assert!(size.pwidth > 3300, "{size:?} is much smaller than it may be");
    }

    #[test]
    fn a_frame_is_sent_as_it_is_or_scaled_down_whole() {
        assert_eq!(fit((400, 300), (400, 300)), (400, 300));
        assert_eq!(fit((399, 300), (400, 300)), (399, 300));
        assert_eq!(fit((800, 600), (400, 400)), (400, 300));
        assert_eq!(fit((5000, 1), (100, 100)), (100, 1));
    }

    proptest! {
        #[test]
        fn a_view_never_gets_more_pixels_than_it_can_show(frame in (1u32..9000, 1u32..9000), view in (1u32..4000, 1u32..4000)) {
            let (width, height) = fit(frame, view);
            prop_assert!(width <= frame.0 && height <= frame.1);
            prop_assert!(width <= view.0.max(1) && height <= view.1.max(1));
        }

        #[test]
        fn the_widget_is_sharp_enough_for_each_view(
            driver in (1.0..3000.0f64, 1.0..3000.0f64, 0.5..4.0f64),
            others in prop::collection::vec((1.0..3000.0f64, 1.0..3000.0f64, 0.5..4.0f64), 0..5),
        ) {
            let driver = view(driver.0, driver.1, driver.2);
            let mut views: Vec<_> = others.into_iter().map(|(w, h, r)| view(w, h, r)).collect();
            views.push(driver);
            let size = of(&driver, &views, UNCAPPED);
            prop_assert_eq!((size.width, size.height), (driver.width, driver.height));
            for view in &views {
                // The picture of the widget in this view: it touches two sides, and no pixel of it is missing.
                let shown = (f64::from(view.pwidth) / size.width).min(f64::from(view.pheight) / size.height);
                prop_assert!(f64::from(size.pwidth) + 0.51 >= shown * size.width);
                prop_assert!(f64::from(size.pheight) + 0.51 >= shown * size.height);
            }
        }

        #[test]
        fn the_same_feature_clicked_in_any_view_is_the_same_widget_position(
            widget in (10.0..3000.0f64, 10.0..3000.0f64),
            view in (10.0..3000.0f64, 10.0..3000.0f64),
            feature in (0.0..1.0f64, 0.0..1.0f64),
        ) {
            let shown = (view.0 / widget.0).min(view.1 / widget.1);
            let x = (view.0 - widget.0 * shown) / 2.0 + feature.0 * widget.0 * shown;
            let y = (view.1 - widget.1 * shown) / 2.0 + feature.1 * widget.1 * shown;
            let (x, y) = Mapping::new(view, widget).position(x, y);
            prop_assert!((x - feature.0 * widget.0).abs() < 1e-6 && (y - feature.1 * widget.1).abs() < 1e-6);
        }

        #[test]
        fn a_position_lies_in_the_view_where_it_came_from(
            widget in (10.0..3000.0f64, 10.0..3000.0f64),
            view in (10.0..3000.0f64, 10.0..3000.0f64),
            at in (-500.0..3000.0f64, -500.0..3000.0f64),
        ) {
            let mapping = Mapping::new(view, widget);
            let (x, y) = mapping.position(at.0, at.1);
            let (x, y) = mapping.back(x, y);
            prop_assert!((x - at.0).abs() < 1e-6 && (y - at.1).abs() < 1e-6);
        }
    }
}
