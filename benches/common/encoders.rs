//! The encoder alone, on one thread and on those of a pool: what a server that uses it is compared with.

#![expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]

use std::{
    num::NonZero,
    sync::mpsc,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use framehub::{
    Frame,
    encode::{self, Codec, Encoded, Pool, Variant},
    tiles::{Grid, TileSet},
};

use super::server::QUALITY;

/// What the server's widgets are sent as while all of their picture moves.
pub const JPEG: Codec = Codec::Jpeg { quality: QUALITY };

/// A frame, encoded whole.
pub fn whole(frame: &Frame, codec: Codec) -> Encoded {
    encode::whole(frame, variant(frame, codec)).expect("the benchmark's frames can be encoded")
}

fn variant(frame: &Frame, codec: Codec) -> Variant {
    Variant { width: frame.width(), height: frame.height(), codec, base64: false }
}

/// Frames a second that one thread makes JPEGs of when it does nothing else.
pub fn rate(frames: &[Frame], span: Duration) -> f64 {
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < span {
        for frame in frames {
            std::hint::black_box(whole(frame, JPEG));
            count += 1;
        }
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

/// Frames a second that a pool makes JPEGs of.
pub fn pool_rate(pool: &Pool, frames: &[Frame], span: Duration) -> f64 {
    let (done, results) = mpsc::channel();
    let start = |frame: &Frame| {
        let done = done.clone();
        pool.encode(
            frame.clone(),
            variant(frame, JPEG),
            TileSet::full(Grid::new(frame.width(), frame.height()).len()),
            || true,
            move |outcome| {
                let _ = done.send(outcome);
            },
        );
    };
    // As many at once as there are cores, and as many waiting.
    let jobs = 2 * available_parallelism().map_or(1, NonZero::get);
    (0..jobs).for_each(|job| start(&frames[job % frames.len()]));
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < span {
        results.recv().expect("the pool answers");
        count += 1;
        start(&frames[count % frames.len()]);
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    // The pool is at rest before the next turn begins.
    (0..jobs).for_each(|_| drop(results.recv()));
    rate
}
