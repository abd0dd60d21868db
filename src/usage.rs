//! Whether anybody uses the server, and since when nobody does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// Counts what is going on: requests, views, kernels. Clones share the count.
#[derive(Clone)]
pub struct Usage(Arc<Inner>);

struct Inner {
    uses: AtomicUsize,
    /// When the last use ended.
    ended: Mutex<Instant>,
    /// Told when the last use ends.
    idle: Notify,
}

/// A use, for as long as it lives.
pub struct Use(Arc<Inner>);

impl Usage {
    /// Nothing is going on, from now on.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            uses: AtomicUsize::new(0),
            ended: Mutex::new(Instant::now()),
            idle: Notify::new(),
        }))
    }

    /// Something begins.
    pub fn begin(&self) -> Use {
        self.0.uses.fetch_add(1, Ordering::AcqRel);
        Use(Arc::clone(&self.0))
    }

    /// Waits until nothing was going on for as long as `limit`.
    pub async fn unused_for(&self, limit: Duration) {
        loop {
            if self.0.uses.load(Ordering::Acquire) > 0 {
                self.0.idle.notified().await;
                continue;
            }
            let due = *self.0.ended.lock() + limit;
            if due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        *self.0.ended.lock() = Instant::now();
        if self.0.uses.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(20);

    fn wait(usage: &Usage) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(usage.unused_for(LIMIT));
    }

    #[test]
    fn a_server_that_nobody_ever_used_is_unused_after_the_limit() {
        let (start, usage) = (Instant::now(), Usage::new());
        wait(&usage);
        assert!(start.elapsed() >= LIMIT);
    }

    #[test]
    fn the_limit_counts_from_the_end_of_the_last_use() {
        let usage = Usage::new();
        let (first, second) = (usage.begin(), usage.begin());
        let using = std::thread::spawn(move || {
            drop(first);
            std::thread::park_timeout(2 * LIMIT);
            let end = Instant::now();
            drop(second);
            end
        });
        wait(&usage);
        assert!(using.is_finished() || usage.0.uses.load(Ordering::Acquire) == 0, "it is in use");
        assert!(using.join().unwrap().elapsed() >= LIMIT);
    }
}
