//! A file that follows what is in memory: a thread of its own writes it after each change, and tries again until it can.
//!
//! Whoever changes something waits for nobody: changes have numbers, one write may contain many of them, and who has to know
//! whether a change is on disk waits for the write that contains it.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tokio::{sync::watch, time::timeout};

/// How long one waits for a change to be kept: a disk that hangs is as bad as a full one.
pub const WAIT: Duration = Duration::from_secs(5);

/// The number of a change.
pub type Change = u64;

/// What has been done.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// The latest change.
    made: Change,
    /// The change up to which a write was tried.
    tried: Change,
    /// The change up to which the file is on disk.
    kept: Change,
    /// Nothing is written any more.
    ended: bool,
}

struct State {
    progress: watch::Sender<Progress>,
    /// How long a write that failed waits for the next try, unless there is a further change.
    again_after: Duration,
    /// Whether the thread is to end, with a last try if there is something to write.
    ending: Mutex<bool>,
    changed: Condvar,
}

/// Keeps a file. What is not kept when this goes is tried once more.
pub struct Keeper(Arc<State>);

impl Keeper {
    /// A keeper that calls `write` for each try, on its own thread. It writes what there is at that moment, and answers the change up
    /// to which that is, and whether it is on disk. A write that failed is tried again after so long, or with the next change.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(
        again_after: Duration,
        write: impl FnMut() -> (Change, io::Result<()>) + Send + 'static,
    ) -> io::Result<Self> {
        let state = Arc::new(State {
            progress: watch::Sender::default(),
            again_after,
            ending: Mutex::default(),
            changed: Condvar::new(),
        });
        let of_thread = Arc::clone(&state);
        thread::Builder::new().name("shares".to_owned()).spawn(move || of_thread.run(write))?;
        Ok(Self(state))
    }

    /// There is a further change, the latest so far.
    pub fn changed(&self, change: Change) {
        // The thread looks under this lock whether there is something to do.
        let _ending = self.0.ending.lock();
        self.0.progress.send_modify(|progress| progress.made = progress.made.max(change));
        self.0.changed.notify_one();
    }

    /// Whether a change is kept, once a write that contains it has ended, for better or worse.
    pub async fn kept(&self, change: Change) -> bool {
        let mut progress = self.0.progress.subscribe();
        let tried = progress.wait_for(|progress| progress.tried >= change || progress.ended);
        matches!(timeout(WAIT, tried).await, Ok(Ok(progress)) if progress.kept >= change)
    }

    /// How many changes are not on disk.
    pub fn unkept(&self) -> u64 {
        let progress = *self.0.progress.borrow();
        progress.made - progress.kept
    }

    /// Ends the writing, after a last try. Answers whether everything is kept.
    pub async fn finish(&self) -> bool {
        self.0.end();
        let mut progress = self.0.progress.subscribe();
        let ended = progress.wait_for(|progress| progress.ended);
        matches!(timeout(WAIT, ended).await, Ok(Ok(progress)) if progress.kept >= progress.made)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl State {
    fn end(&self) {
        *self.ending.lock() = true;
        self.changed.notify_one();
    }

    fn run(&self, mut write: impl FnMut() -> (Change, io::Result<()>)) {
        let (mut ending, mut failing) = (false, false);
        while !ending {
            ending = self.wait(failing);
            let progress = *self.progress.borrow();
            if ending && progress.kept == progress.made {
                break;
            }
            let (change, written) = write();
            match &written {
                Ok(()) if failing => tracing::info!("shares are kept again"),
                // Once, not at each try.
                Err(error) if !failing => {
                    tracing::error!(%error, "shares cannot be kept: tried again until they are");
                }
                _ => {}
            }
            failing = written.is_err();
            self.progress.send_modify(|progress| {
                progress.tried = change;
                progress.kept = if failing { progress.kept } else { change };
            });
        }
        self.progress.send_modify(|progress| progress.ended = true);
    }

    /// Waits until there is something to write, which is `again` if the last try failed. Answers whether that is to be the last
    /// time.
    fn wait(&self, again: bool) -> bool {
        let mut ending = self.ending.lock();
        let until = Instant::now() + self.again_after;
        loop {
            let progress = *self.progress.borrow();
            if *ending || progress.made > progress.tried {
                return *ending;
            }
            if !again {
                self.changed.wait(&mut ending);
            } else if self.changed.wait_until(&mut ending, until).timed_out() {
                return *ending;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A disk whose writes end as the test says, and which tells of each that begins.
    struct Disk {
        began: mpsc::Receiver<()>,
        ends: mpsc::Sender<bool>,
        changes: Arc<Mutex<Change>>,
        keeper: Arc<Keeper>,
    }

    impl Disk {
        fn new() -> Self {
            let ((begins, began), (ends, end)) = (mpsc::channel(), mpsc::channel());
            let changes = Arc::new(Mutex::new(0));
            let of_disk = Arc::clone(&changes);
            let write = move || {
                let change = *of_disk.lock();
                let _ = begins.send(());
                let good: bool = end.recv().unwrap_or_default();
                (change, if good { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) })
            };
            Self { began, ends, changes, keeper: Arc::new(Keeper::start(Duration::ZERO, write).unwrap()) }
        }

        fn change(&self) -> Change {
            let mut changes = self.changes.lock();
            *changes += 1;
            self.keeper.changed(*changes);
            *changes
        }

        /// Waits for a write to begin, and ends it.
        fn ends(&self, good: bool) {
            self.began.recv().unwrap();
            self.ends.send(good).unwrap();
        }

        fn kept(&self, change: Change) -> tokio::task::JoinHandle<bool> {
            let keeper = Arc::clone(&self.keeper);
            tokio::task::spawn_local(async move { keeper.kept(change).await })
        }
    }

    #[actix_web::test]
    async fn changes_that_come_during_a_write_are_in_the_next_one_together() {
        let disk = Disk::new();
        let first = disk.change();
        disk.began.recv().unwrap();
        let others = [disk.change(), disk.change(), disk.change()];
        disk.ends.send(true).unwrap();
        assert!(disk.keeper.kept(first).await);
        disk.ends(true);
        for change in others {
            assert!(disk.keeper.kept(change).await);
        }
        assert_eq!(disk.keeper.unkept(), 0);
        assert!(disk.keeper.finish().await);
        assert!(disk.began.try_recv().is_err(), "it was written once more");
    }

    #[actix_web::test]
    async fn what_could_not_be_kept_is_said_so_and_tried_again_by_itself() {
        let disk = Disk::new();
        let change = disk.change();
        disk.ends(false);
        assert!(!disk.keeper.kept(change).await);
        assert_eq!(disk.keeper.unkept(), 1);
        // Nobody asks for it.
        disk.ends(true);
        let mut progress = disk.keeper.0.progress.subscribe();
        progress.wait_for(|progress| progress.kept == change).await.unwrap();
        assert!(disk.keeper.kept(change).await && disk.keeper.unkept() == 0);
    }

    #[actix_web::test]
    async fn a_disk_that_hangs_keeps_nobody_waiting_for_ever() {
        tokio::time::pause();
        let disk = Disk::new();
        let change = disk.change();
        disk.began.recv().unwrap();
        let waiting = disk.kept(change);
        assert!(!waiting.await.unwrap());
        disk.ends.send(true).unwrap();
    }

    #[actix_web::test]
    async fn the_end_waits_for_what_is_not_kept_yet_and_nothing_is_written_after_it() {
        let disk = Disk::new();
        disk.change();
        let keeper = Arc::clone(&disk.keeper);
        let finished = tokio::task::spawn_local(async move { keeper.finish().await });
        disk.ends(true);
        assert!(finished.await.unwrap());
        let late = disk.change();
        assert!(!disk.keeper.kept(late).await, "a change after the end was kept");
        assert!(disk.began.recv().is_err(), "it was written");
    }
}
