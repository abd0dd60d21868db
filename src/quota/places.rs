//! Places for so many of something at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A right to one of something, for as long as it lives.
pub type Held = OwnedSemaphorePermit;

/// So many places.
#[derive(Debug)]
pub struct Places {
    most: usize,
    free: Arc<Semaphore>,
}

impl Places {
    /// So many, all of them free.
    pub fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self { most, free: Arc::new(Semaphore::new(most)) }
    }

    /// More than anybody takes.
    pub fn unlimited() -> Self {
        Self::new(Semaphore::MAX_PERMITS)
    }

    /// One of them, if one is free.
    pub fn take(&self) -> Option<Held> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.most - self.free.available_permits()
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
}
