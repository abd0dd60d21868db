//! PNG's filter Paeth: what is left of each byte once the best guess from its neighbours is taken away.

use std::iter::zip;

/// Bytes that are looked at together.
const BLOCK: usize = 32;

/// Filters a row of pixels of `step` bytes each that lies below the row `above`; all three are equally long.
///
/// Where a row goes on as the one above does, which is most of a plot, every guess is right: that is seen by comparing, and
/// takes a fraction of the time.
pub(super) fn filter(row: &[u8], above: &[u8], step: usize, filtered: &mut [u8]) {
    let before = row.len() - step;
    for ((byte, up), out) in zip(&row[..step], above).zip(&mut *filtered) {
        *out = byte.wrapping_sub(*up);
    }
    let (bytes, lefts) = (row[step..].as_chunks::<BLOCK>(), row[..before].as_chunks::<BLOCK>());
    let (ups, corners) = (above[step..].as_chunks::<BLOCK>(), above[..before].as_chunks::<BLOCK>());
    let (blocks, rest) = filtered[step..].as_chunks_mut::<BLOCK>();
    for ((((bytes, left), up), corner), out) in zip(bytes.0, lefts.0).zip(ups.0).zip(corners.0).zip(blocks) {
        if bytes == up && left == corner {
            *out = [0; BLOCK];
        } else {
            for index in 0..BLOCK {
                out[index] = residual(bytes[index], left[index], up[index], corner[index]);
            }
        }
    }
    for ((((byte, left), up), corner), out) in zip(bytes.1, lefts.1).zip(ups.1).zip(corners.1).zip(rest) {
        *out = residual(*byte, *left, *up, *corner);
    }
}

/// A byte less the one of its neighbours that is nearest to their plane; of equally near ones the first named. All is reckoned in
/// bytes, of which processors look at twice as many at once as of wider numbers.
fn residual(byte: u8, left: u8, up: u8, corner: u8) -> u8 {
    let distance = |one: u8, other: u8| one.max(other) - one.min(other);
    let (to_left, to_up) = (distance(up, corner), distance(left, corner));
    let is_between = corner.clamp(left.min(up), left.max(up)) == corner;
    // Else it is as far from the plane as both together.
    let to_corner = if is_between { distance(to_left, to_up) } else { u8::MAX };
    let nearest = to_left.min(to_up).min(to_corner);
    let guess = if to_left == nearest {
        left
    } else if to_up == nearest {
        up
    } else {
        corner
    };
    byte.wrapping_sub(guess)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PNG's specification has it.
    fn predictor(left: u8, up: u8, corner: u8) -> u8 {
        let [a, b, c] = [left, up, corner].map(i32::from);
        let plane = a + b - c;
        let distances = [(plane - a).abs(), (plane - b).abs(), (plane - c).abs()];
        let nearest = distances.iter().min().unwrap();
        [left, up, corner][distances.iter().position(|distance| distance == nearest).unwrap()]
    }

    #[test]
    fn the_guess_is_that_of_the_specification_for_all_neighbours() {
        for left in 0..=255 {
            for up in 0..=255 {
                for corner in 0..=255 {
                    let guess = 0_u8.wrapping_sub(residual(0, left, up, corner));
                    assert_eq!(guess, predictor(left, up, corner), "{left} {up} {corner}");
                }
            }
        }
    }
}
