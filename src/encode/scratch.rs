//! Memory that a thread keeps from frame to frame, so that a frame costs no allocation but that of its encoded bytes.

use std::cell::Cell;

use super::{png, resize::Scaler};

/// The largest scratch buffer that a thread keeps, in bytes: ample for 3840 × 2160 RGBA, so that only a rare huge frame
/// has to allocate, and does not occupy memory for ever after.
pub(super) const MAX_KEPT: usize = 64 << 20;

/// Buffers for the steps before compression.
#[derive(Default)]
pub(super) struct Scratch {
    /// Scales, into a buffer of its own.
    pub(super) scaler: Scaler,
    /// Pixels of a rectangle, or pixels without their alpha channel.
    pub(super) pixels: Vec<u8>,
    /// For PNG files.
    pub(super) png: png::Room,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

/// Runs `work` with the thread's buffers. They are taken, not borrowed: a thread of the pool that waits for another may begin a
/// second job meanwhile, which then has buffers of its own.
pub(super) fn with<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    let mut scratch = SCRATCH.take();
    let result = work(&mut scratch);
    scratch.scaler.trim();
    trim(&mut scratch.pixels);
    trim(&mut scratch.png.deflated);
    SCRATCH.set(scratch);
    result
}

/// Lets go of a scratch buffer that has become too large to keep.
pub(super) fn trim(buffer: &mut Vec<u8>) {
    if buffer.capacity() > MAX_KEPT {
        *buffer = Vec::new();
    }
}

/// The first `len` bytes of a buffer, which grows as needed.
pub(super) fn room(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_memory_is_kept_up_to_a_bound() {
        let mut usual = Vec::with_capacity(1000);
        let mut huge = Vec::with_capacity(MAX_KEPT + 1);
        trim(&mut usual);
        trim(&mut huge);
        assert!(usual.capacity() >= 1000);
        assert_eq!(huge.capacity(), 0);
    }

    #[test]
    fn work_within_work_has_buffers_of_its_own() {
        with(|outer| {
            room(&mut outer.pixels, 3).fill(1);
            with(|inner| room(&mut inner.pixels, 3).fill(2));
            assert_eq!(outer.pixels, [1; 3]);
        });
    }
}
