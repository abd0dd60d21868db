//! A picture of the surface, rendered in software: corners are projected and lit, triangles painted over a depth buffer.

use std::ops::RangeInclusive;

use crate::{
    render::demos::LIMIT,
    room::{self, NoRoom},
};

/// From the eye to the middle, in units of half a side of the surface.
pub const DISTANCE: RangeInclusive<f32> = 1.9..=12.0;
/// Squares of the mesh along each side.
const SQUARES: usize = 128;
/// Contour lines per unit of height, and how much darker than the surface they are.
const CONTOURS: f32 = 12.0;
const CONTOUR_SHADE: f32 = 0.3;
/// The surface is nowhere lower than this below 0: contour lines are counted from there.
const LOWEST: f32 = 1.0;
/// The slope of the surface is told from its height at places so far apart.
const STEP: f32 = 1e-3;
/// The background, above and below.
const SKY: [[f32; 3]; 2] = [[30.0, 36.0, 52.0], [12.0, 14.0, 22.0]];

/// Where the eye is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Orbit {
    /// Around the vertical, in radians.
    pub turn: f32,
    /// Above the horizon, in radians.
    pub tilt: f32,
    /// To the middle, within [`DISTANCE`].
    pub distance: f32,
}

impl Orbit {
    pub fn turned(self, turn: f32, tilt: f32) -> Self {
        let tilt = (self.tilt + tilt).clamp(-1.5, 1.5);
        Self { turn: (self.turn + turn) % std::f32::consts::TAU, tilt, ..self }
    }

    pub fn zoomed(self, factor: f32) -> Self {
        Self { distance: (self.distance / factor).clamp(*DISTANCE.start(), *DISTANCE.end()), ..self }
    }
}

/// The surface over (x, y) in -1..=1.
pub fn height(x: f32, y: f32) -> f32 {
    let (u, v) = (3.0 * x, 3.0 * y);
    let peaks = 3.0 * (1.0 - u).powi(2) * (-u * u - (v + 1.0).powi(2)).exp()
        - 10.0 * (u / 5.0 - u.powi(3) - v.powi(5)) * (-u * u - v * v).exp()
        - (-(u + 1.0).powi(2) - v * v).exp() / 3.0;
    0.085 * peaks
}

/// A corner of the mesh: its place, the direction that the surface faces there, its colour before light.
#[derive(Clone, Copy)]
pub struct Corner {
    place: [f32; 3],
    normal: [f32; 3],
    color: [f32; 3],
}

/// The corners of the surface, row by row.
pub fn mesh(height: impl Fn(f32, f32) -> f32) -> Vec<Corner> {
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
    /// The upper side and the lower side, lit.
    colors: [[f32; 3]; 2],
    /// Height in contour lines.
    contour: f32,
}

/// How near and what colour: what is interpolated over a triangle, all at once.
type Values = [f32; 4];

impl Seen {
    fn values(&self, side: usize) -> Values {
        let [red, green, blue] = self.colors[side];
        [self.nearness, red, green, blue]
    }
}

/// The picture under way: colours, and how near what each pixel shows is.
pub struct Scene {
    width: usize,
    height: usize,
    /// Width of contour lines in pixels.
    line: f32,
    pub colors: Vec<u8>,
    nearness: Vec<f32>,
}

impl Scene {
    pub fn new(width: usize, height: usize, line: f32) -> Result<Self, NoRoom> {
        let nearness = room::filled(width * height, 0.0, LIMIT)?;
        Ok(Self { width, height, line, colors: sky(width, height)?, nearness })
    }

    pub fn paint(&mut self, mesh: &[Corner], orbit: Orbit) {
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
        // Corners that go round the other way are seen from below.
        let side = usize::from(area > 0.0);
        let from = a.values(side);
        let (to_b, to_c) = (difference(b.values(side), from), difference(c.values(side), from));
        let right = add(scale(to_b, b_right), scale(to_c, c_right));
        let down = add(scale(to_b, b_down), scale(to_c, c_down));
        let contour = Contour::new(corners, [b_right, b_down, c_right, c_down], self.line);
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
                let [nearness, red, green, blue] = add(at_left, scale(right, dx));
                if nearness <= self.nearness[row + x] {
                    continue;
                }
                self.nearness[row + x] = nearness;
                let light = contour.as_ref().map_or(1.0, |contour| contour.light_at(dx, dy));
                let pixel = &mut self.colors[3 * (row + x)..3 * (row + x) + 3];
                pixel.copy_from_slice(&[red, green, blue].map(|channel| (channel * light) as u8));
            }
        }
    }
}

/// The contour lines on a triangle.
struct Contour {
    /// The height at the first corner, in contour lines: there is a line at each half.
    start: f32,
    right: f32,
    down: f32,
    /// Pixels from one contour line to the next.
    spacing: f32,
    /// Half the width of a line, and half a pixel for its smooth edge.
    reach: f32,
}

impl Contour {
    /// `None` where there is no line: on most triangles.
    fn new([a, b, c]: [&Seen; 3], [b_right, b_down, c_right, c_down]: [f32; 4], line: f32) -> Option<Self> {
        let right = (b.contour - a.contour) * b_right + (c.contour - a.contour) * c_right;
        let down = (b.contour - a.contour) * b_down + (c.contour - a.contour) * c_down;
        let (slope, reach) = ((right * right + down * down).sqrt() + 1e-6, line / 2.0 + 0.5);
        let lowest = a.contour.min(b.contour).min(c.contour) - slope * reach + 0.5;
        let highest = a.contour.max(b.contour).max(c.contour) + slope * reach + 0.5;
        let has_line = lowest as i32 != highest as i32;
        has_line.then_some(Self { start: a.contour, right, down, spacing: 1.0 / slope, reach })
    }

    /// How much of the light is left so far from the first corner.
    fn light_at(&self, dx: f32, dy: f32) -> f32 {
        let height = self.start + dx * self.right + dy * self.down;
        let from_line = (height - (height as i32 as f32) - 0.5).abs() * self.spacing;
        1.0 - CONTOUR_SHADE * (self.reach - from_line).clamp(0.0, 1.0)
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
            let colors = [1.0, -1.0].map(|side| {
                let diffuse = (side * dot(corner.normal, light)).max(0.0);
                let shine = (side * dot(corner.normal, halfway)).max(0.0).powi(40);
                corner.color.map(|channel| (channel * (0.34 + 0.74 * diffuse) + 100.0 * shine).min(255.0))
            });
            Seen {
                x: width / 2.0 + dot(corner.place, right) * nearness * zoom,
                y: height / 2.0 - dot(corner.place, up) * nearness * zoom,
                nearness: if nearness.is_finite() { nearness } else { 0.0 },
                colors,
                contour: (corner.place[2] + LOWEST) * CONTOURS,
            }
        })
        .collect()
}

/// The background: darker downwards.
fn sky(width: usize, height: usize) -> Result<Vec<u8>, NoRoom> {
    let mut colors = room::empty(3 * width * height, LIMIT)?;
    for y in 0..height {
        let color = mix(SKY[0], SKY[1], y as f32 / height as f32).map(|channel| channel as u8);
        colors.extend(std::iter::repeat_n(color, width).flatten());
    }
    Ok(colors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearer_hides_what_is_behind_whatever_comes_first() {
        let triangle = |nearness, color| {
            [(10.0, 10.0), (90.0, 10.0), (50.0, 90.0)].map(|(x, y)| Seen {
                x,
                y,
                nearness,
                colors: [[color; 3]; 2],
                contour: 0.0,
            })
        };
        for order in [[0, 1], [1, 0]] {
            let mut scene = Scene::new(100, 100, 1.0).unwrap();
            let triangles = [triangle(0.5, 200.0), triangle(0.25, 100.0)];
            for index in order {
                scene.triangle(triangles[index].each_ref());
            }
            assert_eq!(scene.colors[3 * (40 * 100 + 50)], 200);
        }
    }

    #[test]
    fn the_mesh_has_no_holes() {
        let above = Orbit { turn: 0.0, tilt: 1.5, distance: 2.0 };
        let mut scene = Scene::new(400, 300, 1.0).unwrap();
        scene.paint(&mesh(|_, _| 0.0), above);
        let holes = (100..200)
            .flat_map(|y| (100..300).map(move |x| y * 400 + x))
            .filter(|&i| scene.nearness[i] == 0.0);
        assert_eq!(holes.count(), 0);
    }
}
