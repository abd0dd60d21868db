//! A map of a country that does not exist, 12,000 × 9,000 pixels, computed tile by tile where it is looked at. The whole is never in
//! memory: at most [`CACHED`] tiles are.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use super::source::{Source, level_size};

const SIZE: (usize, usize) = (12_000, 9_000);
/// Side of a tile in pixels of its level.
const TILE: usize = 256;
/// 63 MB of tiles: more than a screen of 1920 × 1080 pixels needs at any zoom.
const CACHED: usize = 320;
/// Size of the largest hills, in pixels; each octave has half the size of the one before.
const LARGEST: f32 = 4096.0;
const OCTAVES: u32 = 11;
/// How much lower the hills of each octave are.
const ROUGHNESS: f32 = 0.49;

/// How many times the heights are exaggerated by the light, in pixels per unit of height.
const STEEPNESS: f32 = 750.0;

type TileKey = (usize, usize, usize);

/// The map, and the tiles that were computed last.
pub struct Sample {
    /// How many tiles are kept.
    kept: usize,
    tiles: Mutex<Tiles>,
}

impl Default for Sample {
    fn default() -> Self {
        Self { kept: CACHED, tiles: Mutex::default() }
    }
}

#[derive(Default)]
struct Tiles {
    by_place: HashMap<TileKey, Arc<Vec<u8>>>,
    oldest_first: VecDeque<TileKey>,
}

impl Sample {
    fn tile(&self, level: usize, column: usize, row: usize) -> Arc<Vec<u8>> {
        let key = (level, column, row);
        if let Some(tile) = self.tiles().by_place.get(&key) {
            return Arc::clone(tile);
        }
        // Computed without the lock: two widgets may compute the same tile, and neither waits for the other.
        let tile = Arc::new(compute(level, column * TILE, row * TILE));
        let mut tiles = self.tiles();
        if tiles.by_place.insert(key, Arc::clone(&tile)).is_none() {
            tiles.oldest_first.push_back(key);
        }
        if tiles.oldest_first.len() > self.kept
            && let Some(oldest) = tiles.oldest_first.pop_front()
        {
            tiles.by_place.remove(&oldest);
        }
        tile
    }

    fn tiles(&self) -> std::sync::MutexGuard<'_, Tiles> {
        self.tiles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Sample {
    fn size(&self) -> (usize, usize) {
        SIZE
    }

    fn read(&self, level: usize, left: usize, y: usize, row: &mut [u8]) {
        debug_assert!(left + row.len() / 3 <= level_size(SIZE, level).0);
        let mut x = left;
        let mut rest = row;
        while !rest.is_empty() {
            let within = x % TILE;
            let count = (TILE - within).min(rest.len() / 3);
            let tile = self.tile(level, x / TILE, y / TILE);
            let start = 3 * (y % TILE * TILE + within);
            let (part, after) = rest.split_at_mut(3 * count);
            part.copy_from_slice(&tile[start..start + 3 * count]);
            rest = after;
            x += count;
        }
    }
}

/// The pixels of a tile whose top left corner is at (`left`, `top`) in its level.
fn compute(level: usize, left: usize, top: usize) -> Vec<u8> {
    // One row and column more than the tile, to tell the slope.
    const SIDE: usize = TILE + 1;
    let pitch = (1_usize << level) as f32;
    let mut heights = vec![0.0_f32; SIDE * SIDE];
    for octave in 0..OCTAVES {
        let size = LARGEST / 2_f32.powi(octave as i32);
        // Hills smaller than two pixels of this level would only flicker.
        let visible = (size / pitch - 2.0).clamp(0.0, 1.0);
        if visible > 0.0 {
            let amplitude = visible * ROUGHNESS.powi(octave as i32);
            for (y, row) in heights.chunks_exact_mut(SIDE).enumerate() {
                let place = (left as f32 + 0.5, (top + y) as f32 + 0.5);
                add_noise(row, place, pitch / size, amplitude, octave);
            }
        }
    }
    let mut pixels = Vec::with_capacity(3 * TILE * TILE);
    for y in 0..TILE {
        for x in 0..TILE {
            let at = y * SIDE + x;
            let slope = [heights[at + 1] - heights[at], heights[at + SIDE] - heights[at]]
                .map(|rise| rise * STEEPNESS / pitch);
            pixels.extend(paint(heights[at], slope));
        }
    }
    pixels
}

/// Adds hills to a row of heights that starts at `place`, in pixels; a pixel is `step` hills wide.
fn add_noise(row: &mut [f32], place: (f32, f32), step: f32, amplitude: f32, octave: u32) {
    let y = place.1 * step;
    let (cell_y, within_y) = (y.floor(), y.fract());
    let share_y = smooth(within_y);
    let mut cell_x = f32::NAN;
    // A hill's side at the left and the right edge of a cell: slope and height, linear in x.
    let mut sides = [(0.0, 0.0); 2];
    for (index, height) in row.iter_mut().enumerate() {
        let x = (place.0 + index as f32) * step;
        if x.floor() != cell_x {
            cell_x = x.floor();
            sides = [0.0, 1.0].map(|edge| {
                let upper = gradient(cell_x + edge, cell_y, octave);
                let lower = gradient(cell_x + edge, cell_y + 1.0, octave);
                let (upper_height, lower_height) = (upper.1 * within_y, lower.1 * (within_y - 1.0));
                (
                    upper.0 + share_y * (lower.0 - upper.0),
                    upper_height + share_y * (lower_height - upper_height),
                )
            });
        }
        let within = x - cell_x;
        let left = sides[0].0 * within + sides[0].1;
        let right = sides[1].0 * (within - 1.0) + sides[1].1;
        *height += amplitude * (left + smooth(within) * (right - left));
    }
}

fn smooth(share: f32) -> f32 {
    share * share * share * (share * (share * 6.0 - 15.0) + 10.0)
}

/// The slope of the hills at a corner of the grid: any direction, always the same one there.
fn gradient(x: f32, y: f32, octave: u32) -> (f32, f32) {
    let mut hash = (x as u32).wrapping_mul(0x9E37_79B1)
        ^ (y as u32).wrapping_mul(0x85EB_CA77)
        ^ octave.wrapping_mul(0xC2B2_AE3D);
    for _ in 0..2 {
        hash = (hash ^ (hash >> 15)).wrapping_mul(0x2C1B_3C6D);
    }
    let angle = (hash >> 8) as f32 * (std::f32::consts::TAU / 16_777_216.0);
    (1.6 * angle.cos(), 1.6 * angle.sin())
}

/// The colour of the land or the sea at a height of -1..=1, lit from the north-west.
fn paint(height: f32, slope: [f32; 2]) -> [u8; 3] {
    const HEIGHTS: [(f32, [f32; 3]); 10] = [
        (-0.9, [14.0, 40.0, 92.0]),
        (-0.25, [32.0, 88.0, 150.0]),
        (-0.02, [92.0, 165.0, 200.0]),
        (0.0, [150.0, 205.0, 215.0]),
        (0.005, [232.0, 220.0, 176.0]),
        (0.04, [128.0, 168.0, 92.0]),
        (0.18, [70.0, 122.0, 66.0]),
        (0.4, [142.0, 126.0, 88.0]),
        (0.66, [128.0, 118.0, 112.0]),
        (0.8, [236.0, 238.0, 242.0]),
    ];
    let above = HEIGHTS.iter().position(|step| step.0 > height).unwrap_or(HEIGHTS.len() - 1).max(1);
    let (from, to) = (HEIGHTS[above - 1], HEIGHTS[above]);
    let share = ((height - from.0) / (to.0 - from.0)).clamp(0.0, 1.0);
    let strength = if height > 0.0 { 1.0 } else { 0.12 };
    let slope = slope.map(|rise| rise * strength);
    let facing =
        (0.55 * slope[0] + 0.55 * slope[1] + 0.63) / (1.0 + slope[0] * slope[0] + slope[1] * slope[1]).sqrt();
    let light = 0.4 + 0.95 * facing.max(0.0);
    std::array::from_fn(|channel| {
        ((from.1[channel] + share * (to.1[channel] - from.1[channel])) * light).clamp(0.0, 255.0) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_same_whichever_part_is_read() {
        let sample = Sample::default();
        let mut whole = vec![0; 3 * 700];
        sample.read(3, 100, 77, &mut whole);
        let mut part = vec![0; 3 * 40];
        sample.read(3, 500, 77, &mut part);
        assert_eq!(part, whole[3 * 400..3 * 440]);
    }

    #[test]
    fn only_so_many_tiles_are_kept() {
        let sample = Sample { kept: 5, ..Sample::default() };
        let mut row = vec![0; 3 * 7 * TILE];
        sample.read(0, 0, 0, &mut row);
        let tiles = sample.tiles();
        assert_eq!((tiles.by_place.len(), tiles.oldest_first.len()), (5, 5));
        assert!(!tiles.by_place.contains_key(&(0, 1, 0)) && tiles.by_place.contains_key(&(0, 2, 0)));
    }

    #[test]
    fn a_far_view_has_about_the_colours_of_a_near_one() {
        let sample = Sample::default();
        let mut far = vec![0; 3 * 8];
        sample.read(6, 40, 40, &mut far);
        let mean = |row: &[u8], channel: usize| {
            let values = row.iter().skip(channel).step_by(3).map(|&value| f64::from(value));
            values.sum::<f64>() / (row.len() / 3) as f64
        };
        let mut near = vec![0; 3 * 8 * 64];
        let mut means = [0.0; 3];
        for y in 40 * 64..41 * 64 {
            sample.read(0, 40 * 64, y, &mut near);
            means = [0, 1, 2].map(|channel| means[channel] + mean(&near, channel) / 64.0);
        }
        for (channel, near) in means.into_iter().enumerate() {
            assert!((mean(&far, channel) - near).abs() < 20.0);
        }
    }
}
