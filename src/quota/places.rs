//! Places for so many of something at a time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// So many places.
#[derive(Debug)]
pub struct Places {
    most: AtomicUsize,
    taken: Arc<AtomicUsize>,
}

/// A right to one of something, for as long as it lives.
#[derive(Debug)]
pub struct Held(Arc<AtomicUsize>);

impl Places {
    /// So many, all of them free.
    pub fn new(most: usize) -> Self {
        Self { most: AtomicUsize::new(most), taken: Arc::default() }
    }

    /// More than anybody takes.
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// One of them, if one is free.
    pub fn take(&self) -> Option<Held> {
        let most = self.most.load(Ordering::Relaxed);
        let one_more = |taken| (taken < most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(Held(Arc::clone(&self.taken)))
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// From now on there are so many. Those who hold one keep it, though there are fewer.
    pub fn set_most(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_while_they_are_held() {
        for places in [Places::new(2), Places::unlimited()] {
            assert_eq!(places.taken(), 0);
            let held = (places.take(), places.take());
            assert!(held.0.is_some() && held.1.is_some());
            assert_eq!(places.taken(), 2);
            drop(held);
            assert_eq!(places.taken(), 0);
        }
        assert!(Places::new(0).take().is_none());
    }

    #[test]
    fn fewer_places_take_nobodys_away_and_let_nobody_in_until_enough_are_given_back() {
        let places = Places::new(3);
        let mut held: Vec<_> = (0..3).map(|_| places.take().unwrap()).collect();
        places.set_most(2);
        assert_eq!(places.taken(), 3);
        held.pop();
        assert!(places.take().is_none());
        held.pop();
        held.push(places.take().unwrap());
        places.set_most(3);
        assert!(places.take().is_some());
    }
}
