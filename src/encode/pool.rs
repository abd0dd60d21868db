//! The threads that encode: as many as the machine has cores, for all widgets together.
//!
//! Each [`Party`] gets an equal share of their time; its jobs start in the order in which they were handed over (`fair`). While there
//! are fewer jobs than threads, an encode that is large enough is shared among the idle ones; under load each has one. A job that
//! panics costs nobody but itself: its own completion hears of it, and the thread takes the next job. Who hands jobs over
//! bounds their number.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};
use std::thread::{self, available_parallelism};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::{
    Crew, EncodeError, Encoded, Party, Variant,
    crew::Help,
    encode,
    fair::{Begun, FairQueue},
    party::nanoseconds,
    plan::LEAST_SHARED,
};
use crate::{
    frame::Frame,
    panic,
    tiles::{TILE, TileSet},
};

/// What became of a frame that was handed to [`Pool::encode`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is encoded.
    Encoded(Arc<Encoded>),
    /// It was not started: when its turn came, it was no longer wanted.
    Stale,
    /// It could not be encoded.
    Failed(EncodeError),
}

/// How often a thread that has done something looks for more before it sleeps: what comes soon need not wait until it is woken.
const LOOKS: u32 = 32;

/// While a job could begin but for the thread that is kept for others, whether that still is gets looked at so often.
const KEPT_LOOK: Duration = Duration::from_millis(250);

/// A job, given the threads that it has.
type Job = Box<dyn FnOnce(Crew<'_>) -> Completion + Send>;
/// What is left to do of a job: to tell that it is done.
type Completion = Box<dyn FnOnce() + Send>;

/// A pool of encoder threads. Dropping it lets the jobs that it holds finish.
pub struct Pool {
    threads: usize,
    work: Arc<Work>,
    /// Of jobs that are nobody's.
    nobody: Party,
}

/// What the threads share.
struct Work {
    queue: Mutex<Queue>,
    /// Says that a job may begin, that help is called for, or that the pool ends.
    news: Condvar,
    began: Instant,
    /// Jobs that wait or run.
    jobs: AtomicUsize,
    /// Nanoseconds that jobs took so far.
    busy: AtomicU64,
}

struct Queue {
    jobs: FairQueue<(Party, Job)>,
    /// What jobs have called for that have several threads.
    help: VecDeque<Help>,
    /// Whether the threads end when there are no more jobs.
    ends: bool,
}

impl Pool {
    /// A pool of `threads` threads; 0 means one for each core of the machine, and two at least: one can then be kept for other
    /// parties while a long job of one runs.
    ///
    /// # Errors
    /// When the system refuses to start threads.
    pub fn new(threads: usize) -> io::Result<Self> {
        let threads = match threads {
            0 => available_parallelism().map_or(2, |cores| cores.get().max(2)),
            threads => threads,
        };
        let work = Arc::new(Work {
            queue: Mutex::new(Queue { jobs: FairQueue::new(threads), help: VecDeque::new(), ends: false }),
            news: Condvar::new(),
            began: Instant::now(),
            jobs: AtomicUsize::new(0),
            busy: AtomicU64::new(0),
        });
        // From here on, so that threads which began end if one cannot.
        let pool = Self { threads, work, nobody: Party::default() };
        for index in 0..threads {
            let work = Arc::clone(&pool.work);
            thread::Builder::new().name(format!("encode-{index}")).spawn(move || {
                // Jobs and their completions are caught by themselves.
                while catch_unwind(AssertUnwindSafe(|| work.run())).is_err() {
                    tracing::error!("a panic ended an encoder's thread, which begins anew");
                }
            })?;
        }
        Ok(pool)
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// How many jobs wait or run.
    pub fn jobs(&self) -> usize {
        self.work.jobs.load(Ordering::Relaxed)
    }

    /// How long all jobs took so far, together.
    pub fn busy(&self) -> Duration {
        Duration::from_nanos(self.work.busy.load(Ordering::Relaxed))
    }

    /// Encodes as [`Pool::encode_for`] does, for nobody in particular.
    pub fn encode(
        &self,
        frame: Frame,
        variant: Variant,
        tiles: TileSet,
        still_wanted: impl FnOnce() -> bool + Send + 'static,
        done: impl FnOnce(Outcome) + Send + 'static,
    ) {
        self.encode_for(&self.nobody, frame, variant, tiles, still_wanted, done);
    }

    /// Encodes some tiles of `frame` as `variant` unless, when its turn comes, `still_wanted` says no. `done` is called exactly once,
    /// on one of the pool's threads: it must not block.
    pub fn encode_for(
        &self,
        party: &Party,
        frame: Frame,
        variant: Variant,
        tiles: TileSet,
        still_wanted: impl FnOnce() -> bool + Send + 'static,
        done: impl FnOnce(Outcome) + Send + 'static,
    ) {
        let area = tiles.iter().count() as u64 * u64::from(TILE) * u64::from(TILE);
        let most = usize::try_from(area / LEAST_SHARED).unwrap_or(usize::MAX);
        let asked = Instant::now();
        self.submit(
            party,
            most,
            move |crew| {
                let wait_time = asked.elapsed();
                let encoded = still_wanted().then(|| encode(&frame, variant, &tiles, crew)).transpose()?;
                Ok(encoded.map(|encoded| Encoded { wait_time, ..encoded }))
            },
            move |result| {
                done(match result {
                    Ok(Some(encoded)) => Outcome::Encoded(Arc::new(encoded)),
                    Ok(None) => Outcome::Stale,
                    Err(error) => Outcome::Failed(error),
                });
            },
        );
    }

    /// Runs any other job as [`Pool::run_for`] does, for nobody in particular.
    pub fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, EncodeError> + Send + 'static,
        done: impl FnOnce(Result<T, EncodeError>) + Send + 'static,
    ) {
        self.run_for(&self.nobody, job, done);
    }

    /// Runs any other job of this kind, a [`snapshot`](super::snapshot()) for one. `done` is called exactly once, on one
    /// of the pool's threads, with [`EncodeError::Panicked`] if the job panics: it must not block.
    pub fn run_for<T: Send + 'static>(
        &self,
        party: &Party,
        job: impl FnOnce() -> Result<T, EncodeError> + Send + 'static,
        done: impl FnOnce(Result<T, EncodeError>) + Send + 'static,
    ) {
        self.submit(party, 1, move |_| job(), done);
    }

    fn submit<T: Send + 'static>(
        &self,
        party: &Party,
        most: usize,
        job: impl FnOnce(Crew<'_>) -> Result<T, EncodeError> + Send + 'static,
        done: impl FnOnce(Result<T, EncodeError>) + Send + 'static,
    ) {
        let job: Job = Box::new(move |crew| {
            let result = catch_unwind(AssertUnwindSafe(|| job(crew)))
                .unwrap_or_else(|panic| Err(EncodeError::Panicked(panic::message(&*panic).to_owned())));
            Box::new(move || done(result))
        });
        let work = &self.work;
        work.jobs.fetch_add(1, Ordering::Relaxed);
        let now = work.began.elapsed();
        work.queue.lock().jobs.push((party.number(), party.weight()), most, (party.clone(), job), now);
        work.news.notify_one();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.work.queue.lock().ends = true;
        self.work.news.notify_all();
    }
}

impl Work {
    /// Runs jobs until the pool ends.
    fn run(&self) {
        let mut queue = self.queue.lock();
        let mut looks = 0;
        loop {
            if let Some(help) = queue.help.pop_front() {
                drop(queue);
                help();
                queue = self.queue.lock();
                looks = 0;
            } else if let Some(Begun { job: (party, job), turn }) = queue.jobs.next(self.began.elapsed()) {
                drop(queue);
                let (done, took) = self.carry_out(job, turn.threads);
                party.spent(took);
                queue = self.queue.lock();
                queue.jobs.done(turn, took, self.began.elapsed());
                // One is for this thread.
                for _ in 1..queue.jobs.could_begin() {
                    self.news.notify_one();
                }
                drop(queue);
                if let Err(panic) = catch_unwind(AssertUnwindSafe(done)) {
                    tracing::error!(message = %panic::message(&*panic), "completion of a job panicked");
                }
                queue = self.queue.lock();
                looks = 0;
            } else if queue.ends && queue.jobs.is_empty() {
                // Others may have waited for the last job to begin.
                self.news.notify_all();
                return;
            } else if looks < LOOKS {
                looks += 1;
                drop(queue);
                thread::yield_now();
                queue = self.queue.lock();
            } else if queue.jobs.could_begin() > 0 {
                // A thread is kept for a party, which ceases to count without any news of it.
                self.news.wait_for(&mut queue, KEPT_LOOK);
            } else {
                self.news.wait(&mut queue);
            }
        }
    }

    /// Runs a job on so many threads; answers what is left to do, and the time that they took together.
    fn carry_out(&self, job: Job, threads: usize) -> (Completion, Duration) {
        let start = Instant::now();
        // Its other threads are waiting for news, since none of them is another job's.
        let call = |help| {
            self.queue.lock().help.push_back(help);
            self.news.notify_one();
        };
        let done = job(Crew::new(threads, &call));
        let took = start.elapsed() * u32::try_from(threads).unwrap_or(u32::MAX);
        self.busy.fetch_add(nanoseconds(took), Ordering::Relaxed);
        self.jobs.fetch_sub(1, Ordering::Relaxed);
        (done, took)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::encode::Codec;
    use crate::encode::testing::{decode_rgb, frame};
    use crate::encode::whole;
    use crate::frame::PixelFormat;

    const VARIANT: Variant = Variant { width: 16, height: 16, codec: Codec::Png, base64: false };

    fn small_frame() -> Frame {
        frame(PixelFormat::Rgb8, 16, 16)
    }

    fn next<T>(receiver: &Receiver<T>) -> T {
        receiver.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    #[test]
    fn a_wanted_frame_is_encoded() {
        let (sender, outcomes) = channel();
        Pool::new(1).unwrap().encode(
            small_frame(),
            VARIANT,
            TileSet::full(1),
            || true,
            move |outcome| sender.send(outcome).unwrap(),
        );
        let Outcome::Encoded(encoded) = next(&outcomes) else { panic!("not encoded") };
        assert_eq!(encoded.parts, whole(&small_frame(), VARIANT).unwrap().parts);
    }

    #[test]
    fn a_frame_that_is_no_longer_wanted_is_not_started() {
        let (sender, outcomes) = channel();
        let empty = Frame::gray8(0, 0, Vec::new()).unwrap();
        Pool::new(1).unwrap().encode(
            empty,
            VARIANT,
            TileSet::full(1),
            || false,
            move |outcome| sender.send(outcome).unwrap(),
        );
        assert_eq!(next(&outcomes), Outcome::Stale);
    }

    #[test]
    fn whether_a_frame_is_wanted_is_asked_when_its_turn_comes() {
        let pool = Pool::new(1).unwrap();
        let (release, held) = channel::<()>();
        pool.run(move || Ok(held.recv().is_ok()), |_| ());
        let (sender, outcomes) = channel();
        let latest = Arc::new(());
        let frame = Arc::downgrade(&latest);
        pool.encode(
            small_frame(),
            VARIANT,
            TileSet::full(1),
            move || frame.upgrade().is_some(),
            move |outcome| {
                sender.send(outcome).unwrap();
            },
        );
        drop(latest);
        release.send(()).unwrap();
        assert_eq!(next(&outcomes), Outcome::Stale);
    }

    #[test]
    fn a_large_picture_is_shared_among_idle_threads_and_shows_the_same() {
        let picture = frame(PixelFormat::Rgb8, 640, 480);
        let variant = Variant { width: 640, height: 480, codec: Codec::Jpeg { quality: 80 }, base64: false };
        let decoded = |threads: usize| {
            let (sender, outcomes) = channel();
            let pool = Pool::new(threads).unwrap();
            let tiles = TileSet::full(80);
            pool.encode(
                picture.clone(),
                variant,
                tiles,
                || true,
                move |outcome| sender.send(outcome).unwrap(),
            );
            let Outcome::Encoded(encoded) = next(&outcomes) else { panic!("not encoded") };
            assert_eq!(encoded.parts.len(), 1);
            decode_rgb(&encoded.parts[0].bytes)
        };
        assert!(decoded(3) == decoded(1));
    }

    #[test]
    fn a_failure_is_told_to_its_own_completion() {
        let (sender, outcomes) = channel();
        let empty = Frame::gray8(0, 0, Vec::new()).unwrap();
        Pool::new(1).unwrap().encode(
            empty,
            VARIANT,
            TileSet::full(1),
            || true,
            move |outcome| sender.send(outcome).unwrap(),
        );
        assert_eq!(next(&outcomes), Outcome::Failed(EncodeError::Empty));
    }

    #[test]
    fn a_panic_is_told_to_its_own_completion_and_the_pool_lives_on() {
        let pool = Pool::new(1).unwrap();
        let (sender, outcomes) = channel();
        for round in 0..3 {
            let (panicked, encoded) = (sender.clone(), sender.clone());
            pool.encode(
                small_frame(),
                VARIANT,
                TileSet::full(1),
                move || panic!("round {round}"),
                move |outcome| {
                    panicked.send(outcome).unwrap();
                },
            );
            pool.encode(
                small_frame(),
                VARIANT,
                TileSet::full(1),
                || true,
                move |outcome| encoded.send(outcome).unwrap(),
            );
        }
        for round in 0..3 {
            let panicked = EncodeError::Panicked(format!("round {round}"));
            assert_eq!(next(&outcomes), Outcome::Failed(panicked));
            assert!(matches!(next(&outcomes), Outcome::Encoded(_)));
        }
    }

    #[test]
    fn a_completion_that_panics_does_not_end_the_pool() {
        let pool = Pool::new(1).unwrap();
        pool.run(|| Ok(()), |_| panic!("in the completion"));
        let (sender, results) = channel();
        pool.run(|| Ok(7), move |result| sender.send(result).unwrap());
        assert_eq!(next(&results), Ok(7));
    }

    #[test]
    fn jobs_start_in_the_order_in_which_they_were_handed_over() {
        let pool = Pool::new(1).unwrap();
        let (release, held) = channel::<()>();
        pool.run(move || Ok(held.recv().is_ok()), |_| ());
        let (sender, order) = channel();
        for number in 0..100 {
            let sender = sender.clone();
            pool.run(move || Ok(number), move |result| sender.send(result.unwrap()).unwrap());
        }
        release.send(()).unwrap();
        drop(sender);
        assert!(order.iter().eq(0..100));
    }

    #[test]
    fn a_dropped_pool_finishes_the_jobs_that_it_holds() {
        let (sender, results) = channel();
        let pool = Pool::new(2).unwrap();
        for number in 0..20 {
            let sender = sender.clone();
            pool.run(move || Ok(number), move |result| sender.send(result).unwrap());
        }
        drop((pool, sender));
        assert_eq!(results.iter().count(), 20);
    }

    #[test]
    fn the_threads_of_a_dropped_pool_end() {
        let pool = Pool::new(3).unwrap();
        pool.run(|| Ok(()), |_| ());
        let work = Arc::downgrade(&pool.work);
        drop(pool);
        let start = Instant::now();
        while work.strong_count() > 0 {
            assert!(start.elapsed() < Duration::from_secs(60));
            thread::yield_now();
        }
    }

    #[test]
    fn a_thread_that_was_kept_for_a_party_is_anybodys_once_that_is_gone() {
        let pool = Pool::new(2).unwrap();
        let (ann, bob) = (Party::default(), Party::default());
        let (release, held) = channel::<()>();
        let (sender, done) = channel();
        let run = |party: &Party, name| {
            let sender = sender.clone();
            pool.run_for(party, move || Ok(name), move |result| sender.send(result.unwrap()).unwrap());
        };
        run(&bob, "bob");
        assert_eq!(next(&done), "bob");
        pool.run_for(&ann, move || Ok(held.recv().is_ok()), |_| ());
        run(&ann, "ann");
        assert_eq!(next(&done), "ann");
        release.send(()).unwrap();
    }

    #[test]
    fn a_partys_job_runs_before_the_queue_of_another_is_through() {
        let pool = Pool::new(1).unwrap();
        let (ann, bob) = (Party::default(), Party::default());
        let (release, held) = channel::<()>();
        pool.run_for(&ann, move || Ok(held.recv().is_ok()), |_| ());
        let (sender, order) = channel();
        for party in std::iter::repeat_n(&ann, 50).chain([&bob]) {
            let (sender, name) = (sender.clone(), if party.number() == bob.number() { "bob" } else { "ann" });
            pool.run_for(party, move || Ok(name), move |result| sender.send(result.unwrap()).unwrap());
        }
        release.send(()).unwrap();
        drop(sender);
        let order: Vec<_> = order.iter().collect();
        assert_eq!((order[0], order.len()), ("bob", 51));
        assert!(ann.used() > Duration::ZERO && pool.busy() >= ann.used() + bob.used());
    }
}
