//! The threads on which renderers are made and work.
//!
//! They are apart from those of files, comparisons and everything else that may block: renderers that never come back take away
//! nobody's thread but their own. A widget's renderer is on one of them at a time, so that `--max-widgets` bounds how many there are.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

/// The threads. Whatever still works there when this is dropped is not waited for.
pub struct Threads {
    runtime: Option<Runtime>,
    /// Whether the system is to have none, in a test.
    #[cfg(test)]
    refuses: std::sync::atomic::AtomicBool,
}

impl Threads {
    /// So many threads at most, which are started when they are needed.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new(most: usize) -> io::Result<Self> {
        let runtime =
            Builder::new_current_thread().thread_name("render").max_blocking_threads(most).build()?;
        Ok(Self {
            runtime: Some(runtime),
            #[cfg(test)]
            refuses: std::sync::atomic::AtomicBool::new(false),
        })
    }

    /// Runs something on a thread of these. If the system has none to give, it is dropped, and `None` is the answer.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<JoinHandle<T>> {
        let runtime = self.runtime.as_ref()?;
        started(|| {
            #[cfg(test)]
            assert!(!self.refuses.load(std::sync::atomic::Ordering::Relaxed), "no thread");
            runtime.spawn_blocking(work)
        })
    }

    /// From now on there are no threads, or there are again.
    #[cfg(test)]
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs something on a thread of the calling runtime's that may block. If the system has none to give, it is dropped.
pub fn run_blocking(work: impl FnOnce() + Send + 'static) {
    started(|| actix_web::rt::task::spawn_blocking(work));
}

/// The library panics if the system gives no thread: that is to end nobody.
fn started<T>(start: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(start)).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_never_comes_back_holds_neither_others_nor_the_end_up() {
        let threads = Threads::new(2).unwrap();
        let (release, held) = channel::<()>();
        threads.run(move || held.recv()).unwrap();
        let (sender, results) = channel();
        threads.run(move || sender.send(7)).unwrap();
        assert_eq!(results.recv().unwrap(), 7);
        drop(threads);
        assert!(release.send(()).is_ok(), "the end waited for what never comes back");
    }

    #[test]
    fn what_panics_costs_nobody_else_a_thread() {
        let threads = Threads::new(1).unwrap();
        for _ in 0..3 {
            threads.run(|| panic!("in a renderer")).unwrap();
        }
        let (sender, results) = channel();
        threads.run(move || sender.send(7)).unwrap();
        assert_eq!(results.recv().unwrap(), 7);
    }
}
