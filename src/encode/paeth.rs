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

/// A byte less the one of its neighbours that is nearest to their plane; of equally near ones the first named.
fn residual(byte: u8, left: u8, up: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, up, corner].map(i16::from);
    let (to_left, to_up, to_corner) = ((b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs());
    let guess = if to_left <= to_up && to_left <= to_corner {
        left
    } else if to_up <= to_corner {
        up
    } else {
        corner
    };
    byte.wrapping_sub(guess)
}
