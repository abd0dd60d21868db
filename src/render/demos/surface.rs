//! Teaches how to feel quick: what moves is drawn at once, and what rests is drawn once more, finer.
//!
//! A lit surface in three dimensions, rendered here in software: a mesh, a depth buffer, light per corner of the mesh. While
//! it moves, a pixel is one sample. When nothing has come since the last frame, the same picture is rendered with four samples a
//! pixel and smooth edges: the renderer asks for that draw itself, and any event that comes first makes it quick again.
//!
//! Drag or arrow keys orbit, the wheel, + and - zoom, a double click or 0 goes back, Space lets it spin.

use std::time::Instant;

use crate::{
    event::{Event, EventKind, Pointer, Size, ViewId},
    frame::Frame,
    handle::WidgetHandle,
    render::{Kind, RemoteFrameBuffer, RenderError, demos::NO_SIZE},
};

/// Squares of the mesh along each side.
const SQUARES: usize = 128;
/// Contour lines per unit of height, and how much darker than the surface they are.
const CONTOURS: f32 = 12.0;
const CONTOUR_SHADE: f32 = 0.3;
/// The surface is nowhere lower than this below 0: contour lines are counted from there.
const LOWEST: f32 = 1.0;
/// From the eye to the middle, in units of half a side of the surface, and where it starts.
const DISTANCE: std::ops::RangeInclusive<f32> = 1.9..=12.0;
const START: Orbit = Orbit { turn: 0.75, tilt: 0.62, distance: 4.2 };
/// How far a drag of one logical pixel turns, in radians, and how fast it spins in radians a second.
const DRAG_TURN: f32 = 0.008;
const SPIN: f32 = 0.6;
const KEY_TURN: f32 = 0.12;
const SKY: [[f32; 3]; 2] = [[30.0, 36.0, 52.0], [12.0, 14.0, 22.0]];

/// Where the eye is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Orbit {
    /// Around the vertical, in radians.
    turn: f32,
    /// Above the horizon, in radians.
    tilt: f32,
    distance: f32,
}

impl Orbit {
    fn turned(self, turn: f32, tilt: f32) -> Self {
        let tilt = (self.tilt + tilt).clamp(-1.5, 1.5);
        Self { turn: (self.turn + turn) % std::f32::consts::TAU, tilt, ..self }
    }

    fn zoomed(self, factor: f32) -> Self {
        Self { distance: (self.distance / factor).clamp(*DISTANCE.start(), *DISTANCE.end()), ..self }
    }
}

struct Surface {
    handle: WidgetHandle,
    size: Size,
    mesh: Vec<Corner>,
    orbit: Orbit,
    /// The view that drags, and where its pointer was.
    drag: Option<(Option<ViewId>, (f64, f64))>,
    /// When the last frame of a spin was drawn.
    spinning: Option<Instant>,
    /// Whether something changed since the last frame.
    is_moving: bool,
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
        Self { handle, size: NO_SIZE, mesh, orbit: START, drag: None, spinning: None, is_moving: true }
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
                self.is_moving = true;
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
                self.is_moving = true;
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
        self.is_moving |= self.orbit != before;
        if self.is_moving {
            self.handle.request_draw();
        }
        Ok(())
    }

    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        if let Some(last) = &mut self.spinning {
            let now = Instant::now();
            let seconds = now.duration_since(*last).as_secs_f32().min(0.1);
            *last = now;
            self.orbit = self.orbit.turned(SPIN * seconds, 0.0);
            self.is_moving = true;
        }
        let was_moving = std::mem::replace(&mut self.is_moving, false);
        if was_moving {
            self.handle.request_draw();
        }
        let (width, height) = (self.size.pwidth.max(1) as usize, self.size.pheight.max(1) as usize);
        let fineness = if was_moving { 1 } else { 2 };
        let line = (self.size.ratio * fineness as f64) as f32;
        let mut scene = Scene::new(width * fineness, height * fineness, line);
        scene.paint(&self.mesh, self.orbit);
        let pixels = if fineness == 1 { scene.colors } else { halved(&scene.colors, width, height) };
        Ok(Some(Frame::rgb8(width as u32, height as u32, pixels)?))
    }
}

/// The surface over (x, y) in -1..=1.
fn height(x: f32, y: f32) -> f32 {
    let (u, v) = (3.0 * x, 3.0 * y);
    let peaks = 3.0 * (1.0 - u).powi(2) * (-u * u - (v + 1.0).powi(2)).exp()
        - 10.0 * (u / 5.0 - u.powi(3) - v.powi(5)) * (-u * u - v * v).exp()
        - (-(u + 1.0).powi(2) - v * v).exp() / 3.0;
    0.085 * peaks
}

/// A corner of the mesh: its place, the direction that the surface faces there, its colour before light.
#[derive(Clone, Copy)]
struct Corner {
    place: [f32; 3],
    normal: [f32; 3],
    color: [f32; 3],
}

/// The slope of the surface is told from its height at places so far apart.
const STEP: f32 = 1e-3;

/// The corners of the surface, row by row.
fn mesh(height: impl Fn(f32, f32) -> f32) -> Vec<Corner> {
    let along = |index: usize| 2.0 * index as f32 / SQUARES as f32 - 1.0;
    let mut mesh = Vec::with_capacity((SQUARES + 1) * (SQUARES + 1));
    for row in 0..=SQUARES {
        for column in 0..=SQUARES {
            let (x, y) = (along(column), along(row));
            let z = height(x, y);
            let slope_x = (height(x + STEP, y) - height(x - STEP, y)) / (2.0 * STEP);
            let slope_y = (height(x, y + STEP) - height(x, y - STEP)) / (2.0 * STEP);
            mesh.push(Corner { place: [x, y, z], normal: unit([-slope_x, -slope_y, 1.0]), color: tint(z) });
        }
    }
    mesh
}

/// Low is violet, the middle green, high yellow.
fn tint(z: f32) -> [f32; 3] {
    const TINTS: [[f32; 3]; 6] = [
        [72.0, 24.0, 112.0],
        [62.0, 74.0, 160.0],
        [38.0, 130.0, 160.0],
        [44.0, 176.0, 126.0],
        [150.0, 214.0, 70.0],
        [253.0, 231.0, 55.0],
    ];
    let place = ((z + 0.5) / 1.15).clamp(0.0, 0.999) * (TINTS.len() - 1) as f32;
    mix(TINTS[place as usize], TINTS[place as usize + 1], place.fract())
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn mix(a: [f32; 3], b: [f32; 3], share: f32) -> [f32; 3] {
    [0, 1, 2].map(|axis| a[axis] + share * (b[axis] - a[axis]))
}

fn unit(v: [f32; 3]) -> [f32; 3] {
    let length = dot(v, v).sqrt();
    v.map(|component| component / length)
}

/// A corner as the eye sees it.
#[derive(Clone, Copy, Default)]
struct Seen {
    x: f32,
    y: f32,
    /// 1 / distance: larger is nearer, and it is linear on the screen.
    nearness: f32,
    color: [f32; 3],
    /// Height in contour lines.
    contour: f32,
}

/// How near, what colour, and how high: what is interpolated over a triangle.
type Values = [f32; 5];

impl Seen {
    fn values(&self) -> Values {
        [self.nearness, self.color[0], self.color[1], self.color[2], self.contour]
    }
}

/// The picture under way: colours, and how near what each pixel shows is.
struct Scene {
    width: usize,
    height: usize,
    /// Width of contour lines in pixels.
    line: f32,
    colors: Vec<u8>,
    nearness: Vec<f32>,
}

impl Scene {
    fn new(width: usize, height: usize, line: f32) -> Self {
        Self { width, height, line, colors: sky(width, height), nearness: vec![0.0; width * height] }
    }

    fn paint(&mut self, mesh: &[Corner], orbit: Orbit) {
        let seen = see(mesh, orbit, self.width as f32, self.height as f32);
        for row in 0..SQUARES {
            for column in 0..SQUARES {
                let first = row * (SQUARES + 1) + column;
                let [a, b, c, d] =
                    [first, first + 1, first + SQUARES + 1, first + SQUARES + 2].map(|index| &seen[index]);
                self.triangle([a, b, c]);
                self.triangle([d, c, b]);
            }
        }
    }

    /// Paints the pixels whose middle is in the triangle where nothing nearer is.
    fn triangle(&mut self, corners: [&Seen; 3]) {
        let [a, b, c] = corners;
        let area = (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y);
        if area == 0.0 || corners.iter().any(|corner| corner.nearness <= 0.0) {
            return;
        }
        let columns = span(corners.map(|corner| corner.x), self.width);
        let rows = span(corners.map(|corner| corner.y), self.height);
        if columns.is_empty() || rows.is_empty() {
            return;
        }
        // Shares of b and c at a pixel: how they change from one pixel to the next, and with them all values.
        let (b_right, b_down) = ((c.y - a.y) / area, (a.x - c.x) / area);
        let (c_right, c_down) = ((a.y - b.y) / area, (b.x - a.x) / area);
        let (from, to_b, to_c) =
            (a.values(), difference(b.values(), a.values()), difference(c.values(), a.values()));
        let right = add(scale(to_b, b_right), scale(to_c, c_right));
        let down = add(scale(to_b, b_down), scale(to_c, c_down));
        let thin = 1.0 / ((right[4] * right[4] + down[4] * down[4]).sqrt() + 1e-6);
        for y in rows {
            let dy = y as f32 + 0.5 - a.y;
            let at_left = add(from, scale(down, dy));
            let row = y * self.width;
            for x in columns.clone() {
                let dx = x as f32 + 0.5 - a.x;
                let (share_b, share_c) = (dx * b_right + dy * b_down, dx * c_right + dy * c_down);
                // Some slack, or rounding leaves holes between triangles.
                if share_b < -1e-4 || share_c < -1e-4 || share_b + share_c > 1.0001 {
                    continue;
                }
                let [nearness, red, green, blue, contour] = add(at_left, scale(right, dx));
                if nearness <= self.nearness[row + x] {
                    continue;
                }
                self.nearness[row + x] = nearness;
                let from_line = (contour - (contour as i32 as f32) - 0.5).abs() * thin;
                let light = 1.0 - CONTOUR_SHADE * (0.5 + self.line / 2.0 - from_line).clamp(0.0, 1.0);
                let pixel = &mut self.colors[3 * (row + x)..3 * (row + x) + 3];
                pixel.copy_from_slice(&[red, green, blue].map(|channel| (channel * light) as u8));
            }
        }
    }
}

/// The pixels of a row or column of `length` whose middle lies between the least and the greatest of `places`.
fn span(places: [f32; 3], length: usize) -> std::ops::Range<usize> {
    let least = places[0].min(places[1]).min(places[2]);
    let greatest = places[0].max(places[1]).max(places[2]);
    let clip = |place: f32| place.clamp(0.0, length as f32) as usize;
    clip(least + 0.499)..clip(greatest + 0.501)
}

fn add(a: Values, b: Values) -> Values {
    std::array::from_fn(|index| a[index] + b[index])
}

fn difference(a: Values, b: Values) -> Values {
    std::array::from_fn(|index| a[index] - b[index])
}

fn scale(values: Values, factor: f32) -> Values {
    values.map(|value| value * factor)
}

/// Projects and lights the corners.
fn see(mesh: &[Corner], orbit: Orbit, width: f32, height: f32) -> Vec<Seen> {
    let (turn_sin, turn_cos) = orbit.turn.sin_cos();
    let (tilt_sin, tilt_cos) = orbit.tilt.sin_cos();
    let right = [-turn_sin, turn_cos, 0.0];
    let toward_eye = [tilt_cos * turn_cos, tilt_cos * turn_sin, tilt_sin];
    let up = [-tilt_sin * turn_cos, -tilt_sin * turn_sin, tilt_cos];
    let light = unit([0, 1, 2].map(|axis| 0.5 * toward_eye[axis] - 0.55 * right[axis] + 0.75 * up[axis]));
    let halfway = unit([0, 1, 2].map(|axis| light[axis] + toward_eye[axis]));
    let zoom = 1.25 * width.min(height * 1.5);
    mesh.iter()
        .map(|corner| {
            let nearness = 1.0 / (orbit.distance - dot(corner.place, toward_eye));
            let facing = if dot(corner.normal, toward_eye) < -0.25 { -1.0 } else { 1.0 };
            let diffuse = (facing * dot(corner.normal, light)).max(0.0);
            let shine = (facing * dot(corner.normal, halfway)).max(0.0).powi(40);
            let color =
                corner.color.map(|channel| (channel * (0.34 + 0.74 * diffuse) + 100.0 * shine).min(255.0));
            Seen {
                x: width / 2.0 + dot(corner.place, right) * nearness * zoom,
                y: height / 2.0 - dot(corner.place, up) * nearness * zoom,
                nearness: if nearness.is_finite() { nearness } else { 0.0 },
                color,
                contour: (corner.place[2] + LOWEST) * CONTOURS,
            }
        })
        .collect()
}

/// The background: darker downwards.
fn sky(width: usize, height: usize) -> Vec<u8> {
    let mut colors = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        let color = mix(SKY[0], SKY[1], y as f32 / height as f32).map(|channel| channel as u8);
        for _ in 0..width {
            colors.extend_from_slice(&color);
        }
    }
    colors
}

/// The means of 2 × 2 pixels of a picture of twice `width` × `height`.
fn halved(colors: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut halved = Vec::with_capacity(3 * width * height);
    for rows in colors.chunks_exact(2 * 6 * width) {
        let (upper, lower) = rows.split_at(6 * width);
        for (upper, lower) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
            for axis in 0..3 {
                let sum = [upper[axis], upper[axis + 3], lower[axis], lower[axis + 3]]
                    .map(u16::from)
                    .iter()
                    .sum::<u16>();
                halved.push((sum / 4) as u8);
            }
        }
    }
    halved
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::demos::testing::{
        down, frame, handle, is_draw_requested, key, moved, pixel, pointer, resize, send, up, wheel,
    };

    fn surface() -> Surface {
        let mut surface = Surface::new(handle());
        send(&mut surface, resize(320.0, 240.0, 1.0));
        surface
    }

    /// The fine frame, after all draws that were asked for.
    fn at_rest(surface: &mut Surface) -> Frame {
        let mut last = frame(surface);
        while is_draw_requested(&surface.handle) {
            last = frame(surface);
        }
        last
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
            let sky = sky(320, 240);
            frame.pixels().iter().zip(&sky).filter(|(a, b)| a == b).count()
        };
        let before = background(&at_rest(&mut surface));
        send(&mut surface, wheel(10.0, 10.0, -300.0));
        assert!(background(&at_rest(&mut surface)) < before);
        send(&mut surface, wheel(10.0, 10.0, -1e9));
        assert_eq!(surface.orbit.distance, *DISTANCE.start());
    }

    #[test]
    fn what_is_nearer_hides_what_is_behind_whatever_comes_first() {
        let triangle = |nearness, color| {
            [(10.0, 10.0), (90.0, 10.0), (50.0, 90.0)].map(|(x, y)| Seen {
                x,
                y,
                nearness,
                color: [color; 3],
                contour: 0.0,
            })
        };
        for order in [[0, 1], [1, 0]] {
            let mut scene = Scene::new(100, 100, 1.0);
            let triangles = [triangle(0.5, 200.0), triangle(0.25, 100.0)];
            order.into_iter().for_each(|index| scene.triangle(triangles[index].each_ref()));
            assert_eq!(scene.colors[3 * (40 * 100 + 50)], 200);
        }
    }

    #[test]
    fn the_mesh_has_no_holes() {
        let above = Orbit { turn: 0.0, tilt: 1.5, distance: 2.0 };
        let mut scene = Scene::new(400, 300, 1.0);
        scene.paint(&mesh(|_, _| 0.0), above);
        let holes = (100..200)
            .flat_map(|y| (100..300).map(move |x| y * 400 + x))
            .filter(|&i| scene.nearness[i] == 0.0);
        assert_eq!(holes.count(), 0);
    }

    #[test]
    fn a_quick_frame_is_followed_by_one_fine_frame_and_then_rest() {
        let mut surface = surface();
        is_draw_requested(&surface.handle);
        let quick = frame(&mut surface);
        assert!(is_draw_requested(&surface.handle));
        let fine = frame(&mut surface);
        assert!(!is_draw_requested(&surface.handle));
        let differing =
            quick.pixels().iter().zip(fine.pixels()).filter(|(a, b)| a.abs_diff(**b) > 40).count();
        assert!(differing > 0 && differing < quick.pixels().len() / 20, "{differing} values differ much");
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
