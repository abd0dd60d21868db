//! Memory of encoded files, which goes round: when all views have been sent a file, the next is written where it was.

use std::mem::take;

use bytes::Bytes;
use parking_lot::Mutex;

/// Files shorter than this are given memory of their own: that costs less than to keep larger memory from others.
const LEAST: usize = 16 << 10;
/// Most that waits for its next use, in bytes: ample for a few frames of 3840 × 2160 under way at once.
const MOST: usize = 32 << 20;

/// Memory that waits for its next use.
static SHELF: Mutex<Shelf> = Mutex::new(Shelf { buffers: Vec::new(), bytes: 0 });

/// A file of what `make` writes, into a buffer that is empty.
pub(super) fn write<E>(make: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Bytes, E> {
    let mut file = File(SHELF.lock().take());
    make(&mut file.0)?;
    Ok(if file.0.len() < LEAST { Bytes::copy_from_slice(&file.0) } else { Bytes::from_owner(file) })
}

/// Goes back to the shelf when nobody needs it any more.
struct File(Vec<u8>);

impl AsRef<[u8]> for File {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for File {
    fn drop(&mut self) {
        SHELF.lock().put(take(&mut self.0));
    }
}

struct Shelf {
    buffers: Vec<Vec<u8>>,
    /// The capacity of all of them.
    bytes: usize,
}

impl Shelf {
    /// The buffer that was used last, which the processor's caches know best.
    fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    fn put(&mut self, mut buffer: Vec<u8>) {
        if self.bytes + buffer.capacity() <= MOST {
            buffer.clear();
            self.bytes += buffer.capacity();
            self.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(len: usize) -> Bytes {
        write(|file| {
            assert!(file.is_empty());
            file.resize(len, 7);
            Ok::<_, ()>(())
        })
        .unwrap()
    }

    #[test]
    fn a_file_has_what_was_written() {
        for len in [0, 1, LEAST - 1, LEAST, 100_000] {
            assert_eq!(file(len), vec![7; len]);
        }
    }

    #[test]
    fn what_fails_is_no_file_and_the_next_begins_empty() {
        let failed = write(|file| {
            file.extend([1; 100]);
            Err("no")
        });
        assert_eq!(failed, Err("no"));
        assert_eq!(file(3), [7; 3][..]);
    }

    #[test]
    fn a_file_that_is_still_needed_keeps_its_memory() {
        let (one, other) = (file(LEAST), file(LEAST));
        assert_ne!(one.as_ptr(), other.as_ptr());
        let clone = one.clone();
        drop(one);
        assert_ne!(file(LEAST).as_ptr(), clone.as_ptr());
    }

    #[test]
    fn memory_goes_round_up_to_a_bound() {
        let mut shelf = Shelf { buffers: Vec::new(), bytes: 0 };
        shelf.put(Vec::with_capacity(MOST / 2));
        shelf.put(Vec::with_capacity(MOST));
        assert_eq!(shelf.take().capacity(), MOST / 2);
        assert_eq!((shelf.bytes, shelf.take().capacity()), (0, 0));
    }
}
