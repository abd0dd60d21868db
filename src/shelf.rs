//! Memory that goes round: when nobody needs any more what was written there, something else is.
//!
//! Pixels and encoded files are megabytes, made many times a second and gone soon after. Memory that is given back to the
//! operating system each time has to be fetched from it again, page by page.

use std::{
    mem::take,
    ops::{Deref, DerefMut},
};

use bytes::Bytes;
use parking_lot::Mutex;

/// Memory that waits for its next use.
pub struct Shelf {
    /// Most that waits, in bytes.
    most: usize,
    waiting: Mutex<Waiting>,
}

struct Waiting {
    buffers: Vec<Vec<u8>>,
    /// The capacity of all of them.
    bytes: usize,
}

/// A buffer that goes back to its shelf when nobody needs it any more.
pub struct Lent {
    shelf: &'static Shelf,
    buffer: Vec<u8>,
}

impl Shelf {
    /// A shelf on which no more than `most` bytes wait.
    pub const fn new(most: usize) -> Self {
        Self { most, waiting: Mutex::new(Waiting { buffers: Vec::new(), bytes: 0 }) }
    }

    /// An empty buffer, of whatever capacity.
    pub fn any(&'static self) -> Lent {
        self.lend(self.take(|_| true).unwrap_or_default())
    }

    /// An empty buffer of at least this capacity, and of no more than twice as much, if one waits.
    pub fn kept(&'static self, capacity: usize) -> Option<Lent> {
        let fits = |buffer: &Vec<u8>| (capacity..=capacity * 2).contains(&buffer.capacity());
        self.take(fits).map(|buffer| self.lend(buffer))
    }

    /// A buffer without any memory yet.
    pub fn none(&'static self) -> Lent {
        self.lend(Vec::new())
    }

    fn lend(&'static self, buffer: Vec<u8>) -> Lent {
        Lent { shelf: self, buffer }
    }

    /// Of the buffers that fit the one that was used last, which the processor's caches know best.
    fn take(&self, fits: impl FnMut(&Vec<u8>) -> bool) -> Option<Vec<u8>> {
        let mut waiting = self.waiting.lock();
        let position = waiting.buffers.iter().rposition(fits)?;
        let buffer = waiting.buffers.remove(position);
        waiting.bytes -= buffer.capacity();
        Some(buffer)
    }

    fn put(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() == 0 {
            return;
        }
        let mut waiting = self.waiting.lock();
        if waiting.bytes + buffer.capacity() <= self.most {
            buffer.clear();
            waiting.bytes += buffer.capacity();
            waiting.buffers.push(buffer);
        }
    }
}

impl Lent {
    /// What was written, which no longer changes. Its memory goes back when the last clone is gone.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl Deref for Lent {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.buffer
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.shelf.put(take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1 << 20;

    fn shelf() -> &'static Shelf {
        Box::leak(Box::new(Shelf::new(MOST)))
    }

    #[test]
    fn what_is_still_needed_keeps_its_memory_and_what_is_not_gives_it_to_the_next() {
        let shelf = shelf();
        let mut lent = shelf.none();
        lent.reserve_exact(1000);
        lent.extend([7; 1000]);
        let bytes = lent.freeze();
        let (clone, place) = (bytes.clone(), bytes.as_ptr());
        drop(bytes);
        assert!(shelf.kept(1000).is_none());
        assert_eq!(clone, [7; 1000][..]);
        drop(clone);
        let again = shelf.kept(1000).unwrap();
        assert!(again.as_ptr() == place && again.is_empty());
    }

    #[test]
    fn memory_goes_round_up_to_a_bound() {
        let shelf = shelf();
        shelf.put(Vec::with_capacity(MOST / 2));
        shelf.put(Vec::with_capacity(MOST));
        assert_eq!(shelf.any().capacity(), MOST / 2);
        let (one, other) = (shelf.any(), shelf.any());
        assert_eq!((one.capacity(), other.capacity()), (MOST / 2, 0));
    }

    #[test]
    fn what_is_small_does_not_take_what_is_large() {
        let shelf = shelf();
        shelf.put(Vec::with_capacity(3000));
        assert!(shelf.kept(1000).is_none() && shelf.kept(4000).is_none());
        assert_eq!(shelf.kept(2000).unwrap().capacity(), 3000);
    }
}
