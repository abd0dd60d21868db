//! Text on its way to a peer: how much of it the peer has not taken yet.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes of text that wait for one peer to take them.
#[derive(Debug, Clone, Default)]
pub struct Unread(Arc<AtomicUsize>);

/// Bytes that wait, for as long as this lives.
#[derive(Debug)]
pub struct Waiting {
    of: Unread,
    bytes: usize,
}

impl Unread {
    /// So many bytes wait from now on, unless there are then more than `most`. A single message always may.
    pub fn wait(&self, bytes: usize, most: usize) -> Option<Waiting> {
        let more = |waiting: usize| {
            let all = waiting.saturating_add(bytes);
            (waiting == 0 || all <= most).then_some(all)
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Waiting { of: self.clone(), bytes })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.of.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_waits_until_it_is_taken_and_no_more_than_a_bound() {
        let unread = Unread::default();
        let first = unread.wait(60, 100).unwrap();
        let second = unread.wait(40, 100).unwrap();
        assert!(unread.wait(1, 100).is_none());
        drop(first);
        let third = unread.wait(60, 100).unwrap();
        drop((second, third));
        // One that is longer than the bound by itself.
        let long = unread.wait(1000, 100).unwrap();
        assert!(unread.wait(1, 100).is_none());
        drop(long);
        assert!(unread.wait(1, 100).is_some());
    }
}
