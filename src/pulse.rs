//! Whether the threads of the actors answer.

use std::time::Duration;

use actix::ArbiterHandle;
use tokio::{
    sync::{Mutex, oneshot},
    time::{Instant, timeout_at},
};

/// Threads on which actors only decide answer in no time; one that does not within this has been held up.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// For so long an answer holds, whoever asks.
const HOLDS: Duration = Duration::from_millis(500);

/// Asks the threads. Many who ask at once cost one question.
pub struct Pulse {
    state: Mutex<State>,
}

struct State {
    threads: Vec<Thread>,
    /// What came of the last look, and when.
    last: Option<(Instant, bool)>,
}

struct Thread {
    arbiter: ArbiterHandle,
    /// The answer to the question that it has not answered yet.
    asked: Option<oneshot::Receiver<()>>,
}

impl Pulse {
    /// Of these threads.
    pub fn new(arbiters: &[ArbiterHandle]) -> Self {
        let threads = arbiters.iter().map(|arbiter| Thread { arbiter: arbiter.clone(), asked: None });
        Self { state: Mutex::new(State { threads: threads.collect(), last: None }) }
    }

    /// Whether all threads answer.
    pub async fn beats(&self) -> bool {
        let mut state = self.state.lock().await;
        if let Some((looked, beats)) = state.last
            && looked.elapsed() < HOLDS
        {
            return beats;
        }
        let end = Instant::now() + ANSWERS_WITHIN;
        let mut beats = true;
        for thread in &mut state.threads {
            thread.ask();
            beats &= thread.answers(end).await;
        }
        state.last = Some((Instant::now(), beats));
        beats
    }
}

impl Thread {
    /// Asks, unless a question waits there already.
    fn ask(&mut self) {
        if self.asked.is_none() {
            let (answer, asked) = oneshot::channel();
            self.arbiter.spawn_fn(move || {
                // Who asked may have gone away.
                let _ = answer.send(());
            });
            self.asked = Some(asked);
        }
    }

    async fn answers(&mut self, end: Instant) -> bool {
        let Some(asked) = &mut self.asked else { return false };
        let Ok(answer) = timeout_at(end, asked).await else { return false };
        self.asked = None;
        answer.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use actix::Arbiter;

    use super::*;

    #[actix_web::test]
    async fn a_thread_that_is_held_up_shows_and_so_does_its_recovery() {
        let arbiters = [Arbiter::new().handle(), Arbiter::new().handle()];
        let pulse = Pulse::new(&arbiters);
        assert!(pulse.beats().await);
        let (release, held) = mpsc::channel::<()>();
        arbiters[1].spawn_fn(move || {
            let _ = held.recv();
        });
        while pulse.beats().await {
            actix_web::rt::task::yield_now().await;
        }
        drop(release);
        while !pulse.beats().await {
            actix_web::rt::task::yield_now().await;
        }
        arbiters[0].stop();
        while pulse.beats().await {
            actix_web::rt::task::yield_now().await;
        }
    }
}
