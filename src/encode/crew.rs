//! The threads that share a job: the one that has it, and idle ones that come when they are called.
//!
//! Whoever is there takes the next piece. So nobody waits for a thread that was called and has not come yet, as happens on a machine
//! that is busy with other things.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use parking_lot::{Condvar, Mutex};

/// What a thread does that is called.
pub(super) type Help = Box<dyn FnOnce() + Send>;

/// Who may share the work of a job.
#[derive(Clone, Copy)]
pub struct Crew<'a> {
    /// How many threads, the calling one included.
    threads: usize,
    /// Has another one help.
    call: &'a dyn Fn(Help),
}

impl Crew<'static> {
    /// The calling thread alone.
    pub const ALONE: Self = Self { threads: 1, call: &|_| () };
}

impl<'a> Crew<'a> {
    /// The calling thread, and `threads - 1` others that `call` has help.
    pub(super) fn new(threads: usize, call: &'a dyn Fn(Help)) -> Self {
        Self { threads, call }
    }

    /// How many threads there are.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Does a task with each piece; the results are in the order of the pieces. A panic of the task, on whichever thread, goes on in
    /// the calling one.
    pub(super) fn each<P, R>(&self, pieces: Vec<P>, task: impl Fn(&P) -> R + Send + Sync + 'static) -> Vec<R>
    where
        P: Send + Sync + 'static,
        R: Send + 'static,
    {
        let others = self.threads.min(pieces.len()).saturating_sub(1);
        if others == 0 {
            return pieces.iter().map(task).collect();
        }
        let made = Made { left: pieces.len(), results: pieces.iter().map(|_| None).collect() };
        let (next, made, all_made) = (AtomicUsize::new(0), Mutex::new(made), Condvar::new());
        let shared = Arc::new(Shared { pieces, task, next, made, all_made });
        for _ in 0..others {
            let shared = Arc::clone(&shared);
            (self.call)(Box::new(move || shared.work()));
        }
        shared.work();
        let mut made = shared.made.lock();
        while made.left > 0 {
            shared.all_made.wait(&mut made);
        }
        let results = std::mem::take(&mut made.results);
        drop(made);
        results
            .into_iter()
            .flatten()
            .map(|result| result.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    }
}

/// What the threads share.
struct Shared<P, R, F> {
    pieces: Vec<P>,
    task: F,
    /// The piece that nobody has taken yet.
    next: AtomicUsize,
    made: Mutex<Made<R>>,
    all_made: Condvar,
}

struct Made<R> {
    /// One for each piece.
    results: Vec<Option<thread::Result<R>>>,
    /// How many are still to come.
    left: usize,
}

impl<P, R, F: Fn(&P) -> R> Shared<P, R, F> {
    /// Takes pieces until none is left.
    fn work(&self) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = self.pieces.get(index) else { return };
            let result = catch_unwind(AssertUnwindSafe(|| (self.task)(piece)));
            let mut made = self.made.lock();
            made.results[index] = Some(result);
            made.left -= 1;
            if made.left == 0 {
                self.all_made.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// Threads that come as soon as they are called.
    fn prompt(help: Help) {
        thread::spawn(help);
    }

    #[test]
    fn the_results_are_in_the_order_of_the_pieces_whoever_made_them() {
        for threads in 1..5 {
            for pieces in [0, 1, 2, 50] {
                let made = Crew::new(threads, &prompt).each((0..pieces).collect(), |number| number * 2);
                assert!(made.into_iter().eq((0..pieces).map(|number| number * 2)));
            }
        }
    }

    #[test]
    fn a_thread_that_does_not_come_is_not_waited_for() {
        let late = Mutex::new(Vec::new());
        let call = |help| late.lock().push(help);
        assert_eq!(Crew::new(3, &call).each(vec![1, 2, 3], |number| number * 2), [2, 4, 6]);
        let late = late.into_inner();
        assert_eq!(late.len(), 2);
        // Nothing is left to do.
        for help in late {
            help();
        }
    }

    #[test]
    fn others_take_pieces_while_the_first_is_at_work() {
        let (sender, receiver) = channel();
        let (sender, receiver) = (Mutex::new(sender), Mutex::new(receiver));
        let meet = move |piece: &u32| match piece {
            0 => Receiver::recv(&receiver.lock()).is_ok(),
            _ => sender.lock().send(()).is_ok(),
        };
        // The first piece is done only when somebody else has done the second.
        assert_eq!(Crew::new(2, &prompt).each(vec![0, 1], meet), [true, true]);
    }

    #[test]
    fn a_panic_goes_on_in_the_thread_that_has_the_job() {
        for threads in [1, 4] {
            let panic = catch_unwind(|| {
                Crew::new(threads, &prompt).each((0..20).collect(), |&piece: &u32| assert_ne!(piece, 13));
            });
            assert!(panic.is_err());
        }
    }
}
