//! Encoded files, in memory that goes round: when all views have been sent a file, the next is written where it was.

use bytes::Bytes;

use crate::shelf::Shelf;

/// Files shorter than this are given memory of their own: that costs less than to keep larger memory from others.
const LEAST: usize = 16 << 10;

/// Ample for a few frames of 3840 × 2160 under way at once.
static SHELF: Shelf = Shelf::new(32 << 20);

/// A file of what `make` writes, into a buffer that is empty.
pub(super) fn write<E>(make: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Bytes, E> {
    let mut file = SHELF.any();
    make(&mut file)?;
    Ok(if file.len() < LEAST { Bytes::copy_from_slice(&file) } else { file.freeze() })
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
}
