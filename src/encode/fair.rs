//! Whose job is next: the parties that share some threads get parts of their time by their weights, equal ones for equal weights.
//!
//! Start-time fair queueing by measured time. What a party has used so far, over its weight, is its place: of the parties that wait the
//! one whose place is lowest is next, and within a party the job that came first. A job is charged what the party's jobs usually take when it begins, and
//! what it took when it is done. Who had nothing to do saves nothing up: a party that comes back begins where the others are.
//!
//! Jobs are not interrupted, so that a long one would hold a thread while a short one of another party waits. Therefore no party gets
//! all threads while there are others: one is kept for them, also for a while after the last of their jobs.
//!
//! Plain data: threads and clocks are the [`Pool`](super::Pool)'s.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

/// A party counts as there for so long after its last job: one that draws a few times a second is there all the time.
const THERE_FOR: Duration = Duration::from_secs(2);

/// The jobs that wait, by party. Times are since any fixed moment.
pub(super) struct FairQueue<T> {
    threads: usize,
    free: usize,
    parties: HashMap<u64, Standing<T>>,
    /// The place of the party whose job began last, when it began.
    clock: Duration,
    waiting: usize,
    /// Jobs that were handed over so far.
    handed: u64,
}

/// How a party stands.
struct Standing<T> {
    waiting: VecDeque<Waiting<T>>,
    /// Threads at work for it.
    running: usize,
    /// What of the threads' time it gets, beside others.
    weight: f64,
    /// Thread time that it has been charged, over its weight.
    used: Duration,
    /// What its latest job took, over its weight.
    usual: Duration,
    /// When it handed over a job, or one of its jobs was done, the last time.
    seen: Duration,
}

struct Waiting<T> {
    number: u64,
    /// Most threads that the job can use.
    most: usize,
    job: T,
}

/// A job that is to begin.
pub(super) struct Begun<T> {
    pub job: T,
    pub turn: Turn,
}

/// What has to be given back when a job is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    party: u64,
    /// Threads that the job has, 1 or more.
    pub threads: usize,
    charged: Duration,
}

impl<T> Standing<T> {
    fn is_there(&self, now: Duration) -> bool {
        self.running > 0 || !self.waiting.is_empty() || now < self.seen + THERE_FOR
    }
}

impl<T> FairQueue<T> {
    /// No jobs, so many threads: 1 or more.
    pub fn new(threads: usize) -> Self {
        let (parties, clock) = (HashMap::new(), Duration::ZERO);
        Self { threads, free: threads, parties, clock, waiting: 0, handed: 0 }
    }

    /// Takes a job of a party of that weight, more than 0, that can use up to `most` threads.
    pub fn push(&mut self, (party, weight): (u64, f64), most: usize, job: T, now: Duration) {
        if !self.parties.contains_key(&party) {
            self.parties.retain(|_, standing| standing.is_there(now));
        }
        let clock = self.clock;
        let standing = self.parties.entry(party).or_insert_with(|| Standing {
            waiting: VecDeque::new(),
            running: 0,
            weight,
            used: clock,
            usual: Duration::ZERO,
            seen: now,
        });
        if standing.running == 0 && standing.waiting.is_empty() {
            standing.used = standing.used.max(clock);
        }
        standing.weight = weight;
        standing.seen = now;
        standing.waiting.push_back(Waiting { number: self.handed, most, job });
        self.handed += 1;
        self.waiting += 1;
    }

    /// Whether no job waits.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// How many jobs could begin if no thread were kept for anybody.
    pub fn could_begin(&self) -> usize {
        self.waiting.min(self.free)
    }

    /// The job that is to begin now, if there is a thread for one.
    pub fn next(&mut self, now: Duration) -> Option<Begun<T>> {
        if self.free == 0 {
            return None;
        }
        let alone = self.parties.values().filter(|standing| standing.is_there(now)).count() <= 1;
        let most = if alone { self.threads } else { self.threads.saturating_sub(1).max(1) };
        let candidates = self.parties.iter_mut().filter(|(_, standing)| standing.running < most);
        let (_, &party, standing) = candidates
            .filter_map(|(party, standing)| {
                let first = standing.waiting.front()?.number;
                Some(((standing.used, first), party, standing))
            })
            .min_by_key(|(place, ..)| *place)?;
        let Waiting { most: useful, job, .. } = standing.waiting.pop_front()?;
        self.waiting -= 1;
        let spare = if self.waiting == 0 { self.free.min(most - standing.running) } else { 1 };
        let threads = useful.clamp(1, spare);
        self.clock = self.clock.max(standing.used);
        let charged = standing.usual;
        standing.used += charged;
        standing.running += threads;
        self.free -= threads;
        Some(Begun { job, turn: Turn { party, threads, charged } })
    }

    /// A job is done, which took its threads `took` in all.
    pub fn done(&mut self, turn: Turn, took: Duration, now: Duration) {
        self.free += turn.threads;
        let Some(standing) = self.parties.get_mut(&turn.party) else { return };
        standing.running -= turn.threads;
        let took = took.div_f64(standing.weight);
        standing.used = standing.used.saturating_sub(turn.charged) + took;
        standing.usual = took;
        standing.seen = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const ANN: u64 = 1;
    const BOB: u64 = 2;
    /// A party that counts three times.
    const CARL: u64 = 3;

    /// Threads that work through a queue in a time of their own. A job is how long it takes, on however many threads.
    struct Simulation {
        queue: FairQueue<Duration>,
        now: Duration,
        running: Vec<(Duration, Turn, Duration)>,
        /// When a party's job began, the party, and its threads.
        begun: Vec<(Duration, u64, usize)>,
    }

    impl Simulation {
        fn new(threads: usize) -> Self {
            Self {
                queue: FairQueue::new(threads),
                now: Duration::ZERO,
                running: Vec::new(),
                begun: Vec::new(),
            }
        }

        fn push(&mut self, party: u64, most: usize, takes: Duration) {
            let weight = if party == CARL { 3.0 } else { 1.0 };
            self.queue.push((party, weight), most, takes, self.now);
            self.begin();
        }

        fn begin(&mut self) {
            while let Some(Begun { job, turn }) = self.queue.next(self.now) {
                self.begun.push((self.now, turn.party, turn.threads));
                self.running.push((self.now + job, turn, job));
            }
        }

        /// Lets time pass; answers whose jobs were done, in order.
        fn pass(&mut self, until: Duration) -> Vec<u64> {
            let mut done = Vec::new();
            while let Some(first) = (0..self.running.len()).min_by_key(|&index| self.running[index].0)
                && self.running[first].0 <= until
            {
                let (end, turn, took) = self.running.remove(first);
                self.now = end;
                self.queue.done(turn, took * u32::try_from(turn.threads).unwrap(), self.now);
                done.push(turn.party);
                self.begin();
            }
            self.now = until;
            done
        }
    }

    #[test]
    fn a_partys_jobs_begin_in_the_order_in_which_they_came() {
        let mut queue = FairQueue::new(1);
        (0..10).for_each(|number| queue.push((ANN, 1.0), 1, number, Duration::ZERO));
        for number in 0..10 {
            let Begun { job, turn } = queue.next(Duration::ZERO).unwrap();
            assert_eq!(job, number);
            assert!(queue.next(Duration::ZERO).is_none(), "there is one thread");
            queue.done(turn, MS, Duration::ZERO);
        }
        assert!(queue.next(Duration::ZERO).is_none());
    }

    #[test]
    fn a_job_does_not_wait_for_the_queue_of_another_party() {
        let mut threads = Simulation::new(1);
        (0..100).for_each(|_| threads.push(ANN, 1, 100 * MS));
        threads.pass(50 * MS);
        threads.push(BOB, 1, MS);
        assert_eq!(threads.pass(101 * MS), [ANN, BOB]);
    }

    #[test]
    fn threads_time_is_shared_equally_however_long_each_partys_jobs_take() {
        let mut threads = Simulation::new(1);
        for _ in 0..1000 {
            threads.push(ANN, 1, 100 * MS);
            threads.push(BOB, 1, 5 * MS);
        }
        let done = threads.pass(2000 * MS);
        let time =
            |party| done.iter().filter(|done| **done == party).count() * if party == ANN { 100 } else { 5 };
        assert!(time(ANN).abs_diff(time(BOB)) <= 100, "{} and {} ms", time(ANN), time(BOB));
    }

    #[test]
    fn threads_time_is_shared_by_weight() {
        let mut threads = Simulation::new(1);
        for _ in 0..1000 {
            threads.push(ANN, 1, 10 * MS);
            threads.push(CARL, 1, 10 * MS);
        }
        let done = threads.pass(2000 * MS);
        let carl = done.iter().filter(|party| **party == CARL).count();
        assert!((148..=152).contains(&carl), "{carl} of {}", done.len());
    }

    #[test]
    fn another_weight_counts_from_the_next_job_on() {
        let mut threads = Simulation::new(1);
        for _ in 0..1000 {
            threads.push(ANN, 1, 10 * MS);
            threads.push(BOB, 1, 10 * MS);
        }
        let anns = |done: &[u64]| done.iter().filter(|party| **party == ANN).count();
        let done = threads.pass(1000 * MS);
        assert!((49..=51).contains(&anns(&done)), "{} of {}", anns(&done), done.len());
        let now = threads.now;
        threads.queue.push((ANN, 3.0), 1, 10 * MS, now);
        let done = threads.pass(3000 * MS);
        assert!((146..=154).contains(&anns(&done)), "{} of {}", anns(&done), done.len());
    }

    #[test]
    fn many_widgets_of_one_party_get_no_more_than_one_of_another() {
        let mut threads = Simulation::new(3);
        for _ in 0..1000 {
            (0..9).for_each(|_| threads.push(ANN, 1, 10 * MS));
            threads.push(BOB, 1, 10 * MS);
        }
        let done = threads.pass(1000 * MS);
        let bob = done.iter().filter(|party| **party == BOB).count();
        assert!((140..=160).contains(&bob), "{bob} of {}", done.len());
    }

    #[test]
    fn idling_saves_nothing_up() {
        let mut threads = Simulation::new(1);
        threads.push(BOB, 1, MS);
        (0..100).for_each(|_| threads.push(ANN, 1, 10 * MS));
        threads.pass(500 * MS);
        (0..100).for_each(|_| threads.push(BOB, 1, 10 * MS));
        let done = threads.pass(600 * MS);
        let bob = done.iter().filter(|party| **party == BOB).count();
        assert!((4..=6).contains(&bob), "{bob} of {}", done.len());
    }

    #[test]
    fn while_there_are_others_a_thread_is_kept_for_them() {
        let mut threads = Simulation::new(2);
        threads.push(BOB, 1, MS);
        threads.pass(10 * MS);
        (0..10).for_each(|_| threads.push(ANN, 2, 200 * MS));
        for at in [50, 250, 450] {
            threads.pass(at * MS);
            threads.push(BOB, 1, MS);
            assert_eq!(threads.begun.last(), Some(&(at * MS, BOB, 1)), "Bob waited");
        }
    }

    #[test]
    fn a_party_alone_gets_all_threads_also_for_one_job() {
        let mut threads = Simulation::new(4);
        threads.push(ANN, 3, MS);
        assert_eq!(threads.begun, [(Duration::ZERO, ANN, 3)]);
        threads.pass(MS);
        // Four at once are not shared.
        (0..4).for_each(|_| threads.queue.push((ANN, 1.0), 4, MS, MS));
        threads.begin();
        assert_eq!(threads.begun[1..], [(MS, ANN, 1); 4]);
    }

    #[test]
    fn who_was_not_seen_for_long_is_forgotten_and_keeps_no_thread() {
        let mut threads = Simulation::new(2);
        threads.push(BOB, 1, MS);
        threads.pass(MS + THERE_FOR);
        threads.push(ANN, 2, MS);
        assert_eq!(threads.begun.last(), Some(&(MS + THERE_FOR, ANN, 2)));
        assert_eq!(threads.queue.parties.len(), 1);
    }
}
