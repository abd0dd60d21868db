//! From the views' sizes to the widget's size, and back: how much of a frame a view gets, and where a click in it lies.

use crate::event::{Event, EventKind, MAX_SIDE, Size};

/// The size that a widget renders at.
///
/// `logical` is the size of the driver's view, or what the traits ask for while no one drives. The pixel ratio is the sharpest
/// that any of the `visible` views needs to show the whole frame crisply; the driver's own size is taken as it is when
/// nobody needs more. At most `max_pixels` physical pixels, whatever the numbers are.
pub fn widget_size<'a>(
    logical: (f64, f64),
    driver: Option<&Size>,
    visible: impl Iterator<Item = &'a Size>,
    max_pixels: u64,
) -> Size {
    let (width, height) = (logical_side(logical.0), logical_side(logical.1));
    let needed = visible
        .map(|view| (f64::from(view.pwidth) / width).min(f64::from(view.pheight) / height))
        .fold(0.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "limits of pixels stay far below 2^52, or are none")]
    let affordable = (max_pixels as f64 / (width * height)).sqrt();
    let size = match driver {
        Some(driver) if needed <= own_ratio(driver) => *driver,
        // The limit lowers the ratio before sides are rounded: as many pixels as somebody had are the same sides again.
        _ if needed > 0.0 => scaled(width, height, needed.min(affordable)),
        Some(driver) => *driver,
        None => scaled(width, height, 1.0),
    };
    size.at_most(max_pixels)
}

/// A logical side that a widget can have: a pixel at least, so that nothing is divided by less.
fn logical_side(side: f64) -> f64 {
    // `max` and `min` also turn what is no number into one.
    side.max(1.0).min(f64::from(MAX_SIDE))
}

/// The ratio up to which a view's own physical size serves, whatever its sides were rounded to.
fn own_ratio(size: &Size) -> f64 {
    let (x, y) = (f64::from(size.pwidth) / size.width, f64::from(size.pheight) / size.height);
    x.min(y) + 1e-9
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
fn whole_pixels(pixels: f64) -> u32 {
    (pixels as u32).max(1)
}

fn scaled(width: f64, height: f64, ratio: f64) -> Size {
    let side = |logical: f64| whole_pixels((logical * ratio).round());
    Size { width, height, pwidth: side(width), pheight: side(height), ratio }
}

impl Size {
    /// The same logical size at another pixel ratio.
    #[must_use]
    pub fn at_ratio(self, ratio: f64) -> Self {
        // The very same ratio keeps the very same size, rounded or not.
        if ratio == self.ratio { self } else { scaled(self.width, self.height, ratio) }
    }

    /// The size of a view as it has to be: a logical side is the physical one ÷ the ratio. One that differs from that by more than a
    /// physical pixel is corrected: pages that are zoomed say such, and so may programs. A zero side stays zero.
    #[must_use]
    pub fn corrected(self) -> Self {
        if self.is_zero() {
            return self;
        }
        let side = |logical: f64, physical: u32| {
            let physical = f64::from(physical);
            let fits = (logical * self.ratio - physical).abs() <= 1.0;
            logical_side(if fits { logical } else { physical / self.ratio })
        };
        Self { width: side(self.width, self.pwidth), height: side(self.height, self.pheight), ..self }
    }

    /// The same logical size with no more than `max_pixels` physical pixels, [`MAX_SIDE`] a side and one a side at least.
    #[must_use]
    pub fn at_most(self, max_pixels: u64) -> Self {
        let max = max_pixels.max(1);
        let (pwidth, pheight) = (self.pwidth.clamp(1, MAX_SIDE), self.pheight.clamp(1, MAX_SIDE));
        let area = u64::from(pwidth) * u64::from(pheight);
        if area <= max {
            return Self { pwidth, pheight, ..self };
        }
        #[expect(clippy::cast_precision_loss, reason = "areas of frames stay far below 2^52")]
        let shrink = (max as f64 / area as f64).sqrt();
        let side = |pixels: u32, other: u32| {
            // Where the other side would be less than a pixel, it is one, and this one shrinks in its place.
            let most = max / u64::from(whole_pixels(f64::from(other) * shrink));
            whole_pixels(f64::from(pixels) * shrink).min(u32::try_from(most).unwrap_or(u32::MAX)).max(1)
        };
        let ratio = f64::from(pwidth) / logical_side(self.width) * shrink;
        Self { pwidth: side(pwidth, pheight), pheight: side(pheight, pwidth), ratio, ..self }
    }

    /// How many physical pixels there are.
    pub fn area(&self) -> u64 {
        u64::from(self.pwidth) * u64::from(self.pheight)
    }
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

    /// Numbers that have nothing to do with each other.
    fn any_size() -> impl Strategy<Value = Size> {
        let logical = || prop_oneof![0.0..70_000.0f64, 0.0..2.0f64, any::<f64>()];
        let physical = || prop_oneof![0..3u32, 0..=MAX_SIDE, any::<u32>()];
        let ratio = prop_oneof![0.1..20.0f64, any::<f64>()];
        (logical(), logical(), physical(), physical(), ratio).prop_map(
            |(width, height, pwidth, pheight, ratio)| Size { width, height, pwidth, pheight, ratio },
        )
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
    fn sides_that_do_not_fit_together_are_taken_from_the_physical_ones_and_the_ratio() {
        let told = |width, height, pwidth, pheight, ratio| Size { width, height, pwidth, pheight, ratio };
        for (told, width, height) in [
            (told(1.0, 65535.0, 65535, 65535, 1.0), 65535.0, 65535.0),
            (told(100.0, 50.0, 300, 50, 2.0), 150.0, 25.0),
            (told(0.25, 300.0, 1, 300, 1.0), 1.0, 300.0),
            (told(5.0, 5.0, 65535, 5, 0.1), 65535.0, 50.0),
        ] {
            assert_eq!(told.corrected(), Size { width, height, ..told });
            assert_eq!(told.corrected().corrected(), told.corrected());
        }
        for right in [told(333.6, 200.8, 417, 251, 1.25), told(100.0, 0.0, 100, 7, 1.0)] {
            assert_eq!(right.corrected(), right);
        }
    }

    #[test]
    fn one_view_cannot_have_more_pixels_rendered_than_the_limit_by_sides_that_do_not_fit_together() {
        let told = Size { width: 1.0, height: 65535.0, pwidth: 65535, pheight: 65535, ratio: 1.0 };
        for driver in [told, told.corrected()] {
            let size = of(&driver, &[driver], 3840 * 2160);
            assert!(size.area() <= 3840 * 2160, "{size:?}");
        }
    }

    #[test]
    fn a_side_of_one_pixel_is_kept_and_the_other_is_capped() {
        let size = Size { width: 1.0, height: 60000.0, pwidth: 1, pheight: 60000, ratio: 1.0 }.at_most(100);
        assert_eq!((size.pwidth, size.pheight), (1, 100));
    }

    #[test]
    fn a_limit_of_as_many_pixels_as_somebody_had_gives_the_same_sides() {
        for (width, height, ratio) in [(400.0, 300.0, 2.0), (640.0, 480.0, 1.0), (1000.0, 500.0, 1.5)] {
            let had = view(width, height, ratio);
            let sharp = Size { width: 65535.0, height: 65535.0, pwidth: 65535, pheight: 65535, ratio: 1.0 };
            assert_eq!(widget_size((width, height), None, [sharp].iter(), had.area()), had);
        }
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
        fn no_numbers_have_more_pixels_rendered_than_the_limit(
            logical in (any::<f64>(), any::<f64>()),
            driver in prop::option::of(any_size()),
            others in prop::collection::vec(any_size(), 0..5),
            max_pixels in prop_oneof![1..100u64, 1..100_000_000u64, any::<u64>()],
            ratio in any::<f64>(),
        ) {
            let size = widget_size(logical, driver.as_ref(), driver.iter().chain(&others), max_pixels);
            for size in [size, size.at_ratio(ratio).at_most(max_pixels), size.corrected().at_most(max_pixels)] {
                prop_assert!(size.area() <= max_pixels, "{:?} of at most {}", size, max_pixels);
                prop_assert!(size.pwidth >= 1 && size.pheight >= 1);
            }
        }

        #[test]
        fn what_a_view_says_of_its_size_becomes_logical_sides_that_fit_the_physical_ones(told in any_size()) {
            let size = told.corrected();
            prop_assert_eq!((size.pwidth, size.pheight, size.ratio), (told.pwidth, told.pheight, told.ratio));
            if told.ratio.is_normal() && told.ratio >= 0.1 && !told.is_zero() {
                for (logical, physical) in [(size.width, size.pwidth), (size.height, size.pheight)] {
                    let fits = (logical * size.ratio - f64::from(physical)).abs() <= 1.001;
                    prop_assert!(fits || [1.0, f64::from(MAX_SIDE)].contains(&logical), "{:?}", size);
                }
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
