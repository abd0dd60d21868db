//! Teaches how to feel quick: what moves is drawn at once, and what rests is drawn once more, finer.
//!
//! A lit surface in three dimensions, rendered here in software: a mesh, a depth buffer, light per corner of the mesh. While
//! it moves, a pixel is one sample. When nothing has changed for [`REST`], the same picture is rendered with four samples a
//! pixel and smooth edges. That takes longer, so it must not come between two moves of a drag: a renderer is not called while
//! it waits, so a thread waits for it and then asks for the draw.
//!
//! Drag or arrow keys orbit, the wheel, + and - zoom, a double click or 0 goes back, Space lets it spin.

mod scene;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use self::scene::{Corner, Orbit, Scene, height, mesh};
use crate::{
    event::{Event, EventKind, Pointer, Size, ViewId},
    frame::Frame,
    handle::WidgetHandle,
    render::{
        Kind, RemoteFrameBuffer, RenderError,
        demos::{LIMIT, NO_SIZE},
    },
    room::{self, NoRoom},
};

/// How long nothing changes before the fine picture is rendered.
const REST: Duration = Duration::from_millis(150);
/// Largest picture that is rendered fine, in pixels: more have smooth edges as they are, and four times as many would be gigabytes.
const LARGEST_FINE: u64 = 3840 * 2160;
/// Where the eye starts.
const START: Orbit = Orbit { turn: 0.75, tilt: 0.62, distance: 4.2 };
/// How far a drag of one logical pixel turns, in radians, and how fast it spins in radians a second.
const DRAG_TURN: f32 = 0.008;
const SPIN: f32 = 0.6;
const KEY_TURN: f32 = 0.12;

struct Surface {
    handle: WidgetHandle,
    size: Size,
    mesh: Vec<Corner>,
    orbit: Orbit,
    /// The view that drags, and where its pointer was.
    drag: Option<(Option<ViewId>, (f64, f64))>,
    /// When the last frame of a spin was drawn.
    spinning: Option<Instant>,
    /// When something changed last, and whether there was a frame since.
    changed: Instant,
    is_stale: bool,
    /// Whether a thread waits for rest, to ask for a draw.
    is_awaited: Arc<AtomicBool>,
}

pub(super) fn kind() -> Kind {
    Kind::new("surface", |handle, _| Ok(Surface::new(handle)))
        .described(
            "Shaded surface",
            "A lit surface in three dimensions. Drag to orbit, wheel to zoom, Space to spin.",
        )
        .with_traits(|traits| {
            traits.css_width = "640px".into();
            traits.css_height = "400px".into();
            traits.cursor = "grab".into();
            traits.has_titlebar = true;
            traits.is_minimizable = true;
            traits.is_closable = true;
        })
}

impl Surface {
    fn new(handle: WidgetHandle) -> Self {
        let mesh = mesh(height);
        Self {
            handle,
            size: NO_SIZE,
            mesh,
            orbit: START,
            drag: None,
            spinning: None,
            changed: Instant::now(),
            is_stale: true,
            is_awaited: Arc::default(),
        }
    }

    fn change(&mut self) {
        self.changed = Instant::now();
        self.is_stale = true;
        self.handle.request_draw();
    }

    /// Sees to a draw once nothing has changed for a while.
    fn await_rest(&mut self) {
        if !self.is_awaited.swap(true, Ordering::AcqRel) {
            let (handle, is_awaited) = (self.handle.clone(), Arc::clone(&self.is_awaited));
            let wait = move || {
                thread::sleep(REST);
                is_awaited.store(false, Ordering::Release);
                handle.request_draw();
            };
            if thread::Builder::new().spawn(wait).is_err() {
                // No thread is to be had: the picture stays as it is until the next change.
                self.is_awaited.store(false, Ordering::Release);
            }
        }
    }

    fn render(&self, fineness: usize) -> Result<Frame, RenderError> {
        let (width, height) = (self.size.pwidth.max(1) as usize, self.size.pheight.max(1) as usize);
        let line = (self.size.ratio * fineness as f64) as f32;
        let mut scene = Scene::new(width * fineness, height * fineness, line)?;
        scene.paint(&self.mesh, self.orbit);
        let pixels = if fineness == 1 { scene.colors } else { halved(&scene.colors, width, height)? };
        Ok(Frame::rgb8(width as u32, height as u32, pixels)?)
    }

    fn drag_to(&mut self, pointer: &Pointer, view: Option<ViewId>) {
        if let Some((_, from)) = self.drag.filter(|drag| drag.0 == view) {
            let by = (pointer.x - from.0, pointer.y - from.1);
            self.orbit = self.orbit.turned(-by.0 as f32 * DRAG_TURN, by.1 as f32 * DRAG_TURN);
            self.drag = Some((view, (pointer.x, pointer.y)));
        }
    }

    fn press_key(&mut self, key: &str) {
        match key {
            "ArrowLeft" => self.orbit = self.orbit.turned(KEY_TURN, 0.0),
            "ArrowRight" => self.orbit = self.orbit.turned(-KEY_TURN, 0.0),
            "ArrowUp" => self.orbit = self.orbit.turned(0.0, KEY_TURN),
            "ArrowDown" => self.orbit = self.orbit.turned(0.0, -KEY_TURN),
            "+" | "=" => self.orbit = self.orbit.zoomed(1.25),
            "-" => self.orbit = self.orbit.zoomed(0.8),
            "0" => self.orbit = START,
            " " => {
                self.spinning = if self.spinning.is_some() { None } else { Some(Instant::now()) };
                self.change();
            }
            _ => {}
        }
    }
}

impl RemoteFrameBuffer for Surface {
    fn handle_event(&mut self, event: &Event) -> Result<(), RenderError> {
        let before = self.orbit;
        match &event.kind {
            EventKind::Resize(size) => {
                self.size = *size;
                self.change();
            }
            EventKind::PointerDown(pointer) if self.drag.is_none() => {
                self.drag = Some((event.view, (pointer.x, pointer.y)));
            }
            EventKind::PointerMove(pointer) => self.drag_to(pointer, event.view),
            EventKind::PointerUp(pointer) => {
                self.drag_to(pointer, event.view);
                self.drag.take_if(|drag| drag.0 == event.view);
            }
            EventKind::Wheel(wheel) => {
                self.orbit = self.orbit.zoomed(2_f32.powf(-wheel.dy.clamp(-1000.0, 1000.0) as f32 * 0.002));
            }
            EventKind::DoubleClick(_) => self.orbit = START,
            EventKind::KeyDown(key) => self.press_key(&key.key),
            _ => {}
        }
        if self.orbit != before {
            self.change();
        }
        Ok(())
    }

    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        if let Some(last) = &mut self.spinning {
            let now = Instant::now();
            let seconds = now.duration_since(*last).as_secs_f32().min(0.1);
            *last = now;
            self.orbit = self.orbit.turned(SPIN * seconds, 0.0);
            self.change();
        }
        let is_resting = !self.is_stale && self.changed.elapsed() >= REST;
        self.is_stale = false;
        let is_fine = is_resting && self.size.area() <= LARGEST_FINE;
        let frame = self.render(if is_fine { 2 } else { 1 })?;
        if !is_resting {
            self.await_rest();
        }
        Ok(Some(frame))
    }
}

/// The means of 2 × 2 pixels of a picture of twice `width` × `height`.
fn halved(colors: &[u8], width: usize, height: usize) -> Result<Vec<u8>, NoRoom> {
    let mut halved = room::filled(3 * width * height, 0, LIMIT)?;
    for (row, rows) in halved.chunks_exact_mut(3 * width).zip(colors.chunks_exact(2 * 6 * width)) {
        let (upper, lower) = rows.split_at(6 * width);
        let pairs = upper.chunks_exact(6).zip(lower.chunks_exact(6));
        for (pixel, (upper, lower)) in row.chunks_exact_mut(3).zip(pairs) {
            for axis in 0..3 {
                let sum = u16::from(upper[axis]) + u16::from(upper[axis + 3]);
                let sum = sum + u16::from(lower[axis]) + u16::from(lower[axis + 3]);
                pixel[axis] = (sum / 4) as u8;
            }
        }
    }
    Ok(halved)
}

#[cfg(test)]
mod tests {
    use super::{scene::DISTANCE, *};
    use crate::render::demos::testing::{
        down, frame, handle, is_draw_requested, key, moved, pixel, pointer, resize, send, up, wheel,
    };

    fn surface() -> Surface {
        let mut surface = Surface::new(handle());
        send(&mut surface, resize(320.0, 240.0, 1.0));
        surface
    }

    /// The frame after a rest.
    fn at_rest(surface: &mut Surface) -> Frame {
        frame(surface);
        surface.changed -= REST;
        let fine = frame(surface);
        is_draw_requested(&surface.handle);
        fine
    }

    #[test]
    fn dragging_and_arrow_keys_orbit() {
        let mut surface = surface();
        let before = at_rest(&mut surface);
        send(&mut surface, down(100.0, 100.0));
        assert!(!is_draw_requested(&surface.handle));
        send(&mut surface, moved(150.0, 120.0));
        send(&mut surface, up(150.0, 120.0));
        let dragged = at_rest(&mut surface);
        assert!(dragged != before);
        send(&mut surface, key("ArrowLeft"));
        assert!(at_rest(&mut surface) != dragged);
        send(&mut surface, EventKind::DoubleClick(pointer(1.0, 1.0)));
        assert!(at_rest(&mut surface) == before);
    }

    #[test]
    fn the_wheel_brings_the_surface_nearer() {
        let mut surface = surface();
        let background = |frame: &Frame| {
            let sky = Scene::new(320, 240, 1.0).unwrap().colors;
            frame.pixels().iter().zip(&sky).filter(|(a, b)| a == b).count()
        };
        let before = background(&at_rest(&mut surface));
        send(&mut surface, wheel(10.0, 10.0, -300.0));
        assert!(background(&at_rest(&mut surface)) < before);
        send(&mut surface, wheel(10.0, 10.0, -1e9));
        assert_eq!(surface.orbit.distance, *DISTANCE.start());
    }

    #[test]
    fn a_fine_frame_comes_once_when_nothing_has_changed_for_a_while() {
        let mut surface = surface();
        is_draw_requested(&surface.handle);
        let quick = frame(&mut surface);
        while !is_draw_requested(&surface.handle) {
            assert!(surface.changed.elapsed() < 20 * REST, "no draw was asked for");
            thread::sleep(REST / 10);
        }
        let fine = frame(&mut surface);
        assert!(!surface.is_awaited.load(Ordering::Acquire) && !is_draw_requested(&surface.handle));
        let differing =
            quick.pixels().iter().zip(fine.pixels()).filter(|(a, b)| a.abs_diff(**b) > 40).count();
        assert!(differing > 0 && differing < quick.pixels().len() / 20, "{differing} values differ much");
    }

    #[test]
    fn moves_that_follow_each_other_get_quick_frames_only() {
        let mut surface = surface();
        send(&mut surface, down(100.0, 100.0));
        for step in 1..5 {
            send(&mut surface, moved(100.0 + f64::from(step), 100.0));
            assert!(frame(&mut surface) == surface.render(1).unwrap());
        }
    }

    #[test]
    fn space_lets_it_spin_until_space_again() {
        let mut surface = surface();
        at_rest(&mut surface);
        send(&mut surface, key(" "));
        let turn = surface.orbit.turn;
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(2));
            frame(&mut surface);
            assert!(is_draw_requested(&surface.handle));
        }
        assert!(surface.orbit.turn > turn);
        send(&mut surface, key(" "));
        at_rest(&mut surface);
    }

    #[test]
    fn any_size_and_any_side_can_be_seen() {
        let mut surface = surface();
        for (width, height) in [(1.0, 1.0), (0.0, 0.0), (3000.0, 1.0), (300.0, 200.0)] {
            send(&mut surface, resize(width, height, 1.0));
            for key in ["ArrowDown", "+", "ArrowRight"].repeat(20) {
                send(&mut surface, self::key(key));
            }
            frame(&mut surface);
        }
        let below = at_rest(&mut surface);
        assert!(pixel(&below, 150, 100) != pixel(&below, 0, 0));
    }
}
