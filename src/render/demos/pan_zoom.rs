//! Looking around in a plane: which part of it a view shows, and how drags, fingers, wheel and keys change that.

use crate::event::{EventKind, Pointer, Size, ViewId};

/// How much an arrow key moves, as a share of the view.
const KEY_STEP: f64 = 0.1;
/// How much the keys + and - and a double click zoom.
const KEY_ZOOM: f64 = 2.0;
/// Zoom of one pixel of wheel, as a power of two: a notch of 100 pixels is 1.23 times.
const WHEEL_ZOOM: f64 = 0.003;

/// The part of the plane that is in view: `plane = origin + logical pixels × scale`.
#[derive(Debug, Clone)]
pub struct PanZoom {
    /// The place in the plane at the top left corner of the view.
    pub origin: (f64, f64),
    /// Units of the plane per logical pixel.
    pub scale: f64,
    /// Smallest and largest scale.
    pub limits: (f64, f64),
    gesture: Option<Gesture>,
}

/// A drag with the mouse or with any number of fingers.
#[derive(Debug, Clone)]
struct Gesture {
    view: Option<ViewId>,
    fingers: usize,
    /// The middle of the fingers, in logical pixels.
    middle: (f64, f64),
    /// Their mean distance from the middle; 0 for one finger.
    spread: f64,
}

impl Gesture {
    fn new(pointer: &Pointer, view: Option<ViewId>) -> Self {
        let mut places: Vec<(f64, f64)> = pointer.touches.values().map(|touch| (touch.x, touch.y)).collect();
        if places.len() < 2 {
            places = vec![(pointer.x, pointer.y)];
        }
        let share = 1.0 / places.len() as f64;
        let middle =
            places.iter().fold((0.0, 0.0), |sum, place| (sum.0 + place.0 * share, sum.1 + place.1 * share));
        let spread = places.iter().map(|place| (place.0 - middle.0).hypot(place.1 - middle.1) * share).sum();
        Self { view, fingers: places.len(), middle, spread }
    }
}

impl PanZoom {
    /// A view with `center` in its middle.
    pub fn centered(center: (f64, f64), scale: f64, limits: (f64, f64), size: &Size) -> Self {
        let origin = (center.0 - size.width / 2.0 * scale, center.1 - size.height / 2.0 * scale);
        Self { origin, scale, limits, gesture: None }
    }

    /// The place in the plane that is shown at a place in the view.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.origin.0 + x * self.scale, self.origin.1 + y * self.scale)
    }

    /// The place in the plane that is in the middle of a view of that size.
    pub fn center(&self, size: &Size) -> (f64, f64) {
        self.at(size.width / 2.0, size.height / 2.0)
    }

    /// Zooms in by `factor`, so that what is shown at (`x`, `y`) stays there.
    pub fn zoom_at(&mut self, x: f64, y: f64, factor: f64) {
        let fixed = self.at(x, y);
        self.scale = (self.scale / factor).clamp(self.limits.0, self.limits.1);
        self.origin = (fixed.0 - x * self.scale, fixed.1 - y * self.scale);
    }

    /// Keeps the middle in the middle when the view's size changes.
    pub fn resize(&mut self, from: &Size, to: &Size) {
        let center = self.center(from);
        *self = Self { gesture: None, ..Self::centered(center, self.scale, self.limits, to) };
    }

    /// Takes an event: drag or arrow keys pan, two fingers pinch, the wheel, + and - zoom. Says whether the view changed.
    pub fn handle(&mut self, event: &EventKind, view: Option<ViewId>, size: &Size) -> bool {
        let before = (self.origin, self.scale);
        match event {
            EventKind::PointerDown(pointer) if self.is_free_for(view) => {
                self.gesture = Some(Gesture::new(pointer, view));
            }
            EventKind::PointerMove(pointer) if self.is_free_for(view) => self.drag(pointer, view),
            EventKind::PointerUp(pointer) if self.is_free_for(view) => {
                self.drag(pointer, view);
                self.gesture = None;
            }
            EventKind::Wheel(wheel) => {
                self.zoom_at(wheel.x, wheel.y, 2_f64.powf(-wheel.dy.clamp(-1000.0, 1000.0) * WHEEL_ZOOM));
            }
            EventKind::KeyDown(key) => self.press_key(&key.key, size),
            _ => {}
        }
        before != (self.origin, self.scale)
    }

    /// A gesture belongs to the view that began it.
    fn is_free_for(&self, view: Option<ViewId>) -> bool {
        self.gesture.as_ref().is_none_or(|gesture| gesture.view == view)
    }

    fn drag(&mut self, pointer: &Pointer, view: Option<ViewId>) {
        let Some(before) = &self.gesture else { return };
        let now = Gesture::new(pointer, view);
        if now.fingers == before.fingers {
            let factor =
                if before.spread > 0.0 && now.spread > 0.0 { now.spread / before.spread } else { 1.0 };
            self.origin.0 -= (now.middle.0 - before.middle.0) * self.scale;
            self.origin.1 -= (now.middle.1 - before.middle.1) * self.scale;
            self.zoom_at(now.middle.0, now.middle.1, factor);
        }
        self.gesture = Some(now);
    }

    fn press_key(&mut self, key: &str, size: &Size) {
        let (dx, dy) = match key {
            "ArrowLeft" => (-KEY_STEP, 0.0),
            "ArrowRight" => (KEY_STEP, 0.0),
            "ArrowUp" => (0.0, -KEY_STEP),
            "ArrowDown" => (0.0, KEY_STEP),
            "+" | "=" => return self.zoom_at(size.width / 2.0, size.height / 2.0, KEY_ZOOM),
            "-" => return self.zoom_at(size.width / 2.0, size.height / 2.0, 1.0 / KEY_ZOOM),
            _ => return,
        };
        self.origin.0 += dx * size.width * self.scale;
        self.origin.1 += dy * size.height * self.scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::demos::testing::{down, key, moved, size, touches, up, wheel};

    const SIZE: Size = Size { width: 640.0, height: 480.0, pwidth: 640, pheight: 480, ratio: 1.0 };

    fn view() -> PanZoom {
        PanZoom::centered((10.0, 20.0), 0.5, (1e-6, 1e6), &SIZE)
    }

    fn near(a: (f64, f64), b: (f64, f64)) -> bool {
        (a.0 - b.0).hypot(a.1 - b.1) < 1e-9
    }

    #[test]
    fn the_wheel_keeps_the_place_under_the_pointer() {
        for dy in [-300.0, -1.0, 50.0, 700.0] {
            let mut view = view();
            let before = view.at(123.0, 45.0);
            assert!(view.handle(&wheel(123.0, 45.0, dy), None, &SIZE));
            assert!(near(view.at(123.0, 45.0), before));
            assert_eq!(view.scale < 0.5, dy < 0.0);
        }
    }

    #[test]
    fn a_drag_takes_the_place_under_the_pointer_along() {
        let mut view = view();
        let grabbed = view.at(100.0, 100.0);
        for event in [down(100.0, 100.0), moved(150.0, 90.0), up(170.0, 200.0), moved(300.0, 300.0)] {
            view.handle(&event, None, &SIZE);
        }
        assert!(near(view.at(170.0, 200.0), grabbed));
    }

    #[test]
    fn two_fingers_take_the_places_under_them_along() {
        let mut view = view();
        let (left, right) = (view.at(100.0, 100.0), view.at(200.0, 100.0));
        view.handle(&EventKind::PointerDown(touches(&[("1", 100.0, 100.0)])), None, &SIZE);
        view.handle(
            &EventKind::PointerDown(touches(&[("1", 100.0, 100.0), ("2", 200.0, 100.0)])),
            None,
            &SIZE,
        );
        view.handle(
            &EventKind::PointerMove(touches(&[("1", 50.0, 300.0), ("2", 350.0, 300.0)])),
            None,
            &SIZE,
        );
        assert!(near(view.at(50.0, 300.0), left) && near(view.at(350.0, 300.0), right));
    }

    #[test]
    fn zoom_stops_at_its_limits() {
        let mut view = view();
        for _ in 0..200 {
            view.handle(&key("+"), None, &SIZE);
        }
        assert_eq!(view.scale, 1e-6);
        assert!(!view.handle(&key("+"), None, &SIZE));
    }

    #[test]
    fn a_resize_keeps_the_middle() {
        let mut view = view();
        view.resize(&SIZE, &size(100.0, 1.0, 2.0));
        assert!(near(view.center(&size(100.0, 1.0, 2.0)), (10.0, 20.0)));
    }
}
