//! The log on standard error, written by a thread of its own: nobody else waits for who reads it, and one that cannot be written ends
//! nothing.
//!
//! Lines wait in a queue that is bounded in bytes. What finds it full, or cannot be written, is dropped and counted; once the log can be
//! written again, one line says how many were.

use std::{
    borrow::Cow,
    collections::VecDeque,
    fs::File,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::config::LogFormat;

/// Most bytes that wait: thousands of lines, which a reader catches up with in a moment.
const MAX_WAITING: usize = 1 << 20;
/// How long the end of the program waits for the last lines to be read.
const FLUSHED_WITHIN: Duration = Duration::from_secs(1);

/// Lines of this process's log that were dropped.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many lines of this process's log were dropped so far.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Begins to log, as `RUST_LOG` says; without it, what an operator has to know. Panics are logged as well.
///
/// # Panics
/// When it was called before.
pub fn start(format: LogFormat) -> Log {
    // Not the library's handle, whose lock a write that stands still would hold.
    let stderr = io::stderr().as_fd().try_clone_to_owned();
    let sink: Box<dyn Write + Send> = match stderr {
        Ok(stderr) => Box::new(File::from(stderr)),
        Err(_) => Box::new(io::stderr()),
    };
    let caught_up =
        |lines| tracing::warn!(lines, "log lines were dropped: standard error was not read in time");
    let log = Log::new(sink, MAX_WAITING, &DROPPED, caught_up);
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,framehub=info,audit=info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(log.clone())
        // What the library says of itself it prints, and panics if it cannot.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    // Panics of renderers are caught and shown in views; their place in the code belongs into the log. A hook that panics ends the
    // process: this one writes nothing itself.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panic")));
    log
}

/// The log. Clones share it.
#[derive(Clone)]
pub struct Log(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// Says that there is something to write.
    news: Condvar,
    /// Says that all is written.
    done: Condvar,
    /// Most bytes that wait.
    max_waiting: usize,
    dropped: &'static AtomicU64,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    /// How long they are, together.
    bytes: usize,
    /// Whether a line is being written.
    writing: bool,
}

impl Log {
    /// A log that is written to `sink`. `caught_up` is told how many lines were dropped, once all that waited is written.
    fn new(
        sink: impl Write + Send + 'static,
        max_waiting: usize,
        dropped: &'static AtomicU64,
        caught_up: impl Fn(u64) + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            news: Condvar::new(),
            done: Condvar::new(),
            max_waiting,
            dropped,
        });
        let writing = Arc::clone(&shared);
        let started =
            thread::Builder::new().name("log".to_owned()).spawn(move || writing.write_to(sink, caught_up));
        if started.is_err() {
            // Nothing takes lines then; they are counted.
            shared.queue.lock().bytes = usize::MAX;
        }
        Self(shared)
    }

    /// Has a line written as it is, unless too much waits already.
    pub fn line(&self, line: &str) {
        self.0.push(format!("{line}\n").as_bytes());
    }

    /// Waits until all is written, but not for a reader that has stopped.
    pub fn flush(&self) {
        self.0.flush(FLUSHED_WITHIN);
    }
}

impl Shared {
    fn push(&self, line: &[u8]) {
        let mut queue = self.queue.lock();
        match queue.bytes.checked_add(line.len()) {
            Some(bytes) if bytes <= self.max_waiting => {
                queue.bytes = bytes;
                queue.lines.push_back(line.to_vec());
                self.news.notify_one();
            }
            _ => drop(self.dropped.fetch_add(1, Ordering::Relaxed)),
        }
    }

    fn flush(&self, within: Duration) {
        let end = Instant::now() + within;
        let mut queue = self.queue.lock();
        while queue.writing || !queue.lines.is_empty() {
            if self.done.wait_until(&mut queue, end).timed_out() {
                return;
            }
        }
    }

    /// Writes lines for as long as the process lives.
    fn write_to(&self, mut sink: impl Write, caught_up: impl Fn(u64)) {
        let mut told = self.dropped.load(Ordering::Relaxed);
        loop {
            let line = {
                let mut queue = self.queue.lock();
                queue.writing = false;
                if queue.lines.is_empty() {
                    self.done.notify_all();
                }
                loop {
                    if let Some(line) = queue.lines.pop_front() {
                        queue.bytes -= line.len();
                        queue.writing = true;
                        break line;
                    }
                    self.news.wait(&mut queue);
                }
            };
            if sink.write_all(&line).and_then(|()| sink.flush()).is_err() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let dropped = self.dropped.load(Ordering::Relaxed);
            if dropped != told && self.queue.lock().lines.is_empty() {
                caught_up(dropped - told);
                told = dropped;
            }
        }
    }
}

/// Hands lines to the thread that writes them.
pub struct Lines(Arc<Shared>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(&one_line(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line with its own line breaks spelled out: text from elsewhere, such as a refused message, adds no line that looks like the server's.
fn one_line(line: &[u8]) -> Cow<'_, [u8]> {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    if !text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return line.into();
    }
    let mut escaped = Vec::with_capacity(line.len() + 8);
    for byte in text {
        match byte {
            b'\n' => escaped.extend(b"\\n"),
            b'\r' => escaped.extend(b"\\r"),
            byte => escaped.push(*byte),
        }
    }
    escaped.push(b'\n');
    escaped.into()
}

impl MakeWriter<'_> for Log {
    type Writer = Lines;

    fn make_writer(&self) -> Lines {
        Lines(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// What a log is written to in a test: a write ends when the test lets it, well or not, and is told.
    struct Sink {
        lets: Receiver<bool>,
        tells: Sender<String>,
    }

    impl Write for Sink {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.tells.send(String::from_utf8_lossy(line).into_owned()).map_err(io::Error::other)?;
            match self.lets.recv() {
                Ok(true) => Ok(line.len()),
                _ => Err(io::ErrorKind::StorageFull.into()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A log, what lets its writes end, what they are, and the numbers of dropped lines that it tells.
    fn log(max_waiting: usize) -> (Log, Sender<bool>, Receiver<String>, Receiver<u64>, &'static AtomicU64) {
        let ((lets, permits), (tells, told)) = (channel(), channel());
        let (caught_up, numbers) = channel();
        let dropped: &'static AtomicU64 = Box::leak(Box::default());
        let sink = Sink { lets: permits, tells };
        let log = Log::new(sink, max_waiting, dropped, move |lines| caught_up.send(lines).unwrap());
        (log, lets, told, numbers, dropped)
    }

    #[test]
    fn a_reader_that_stops_holds_nobody_up_and_is_told_what_it_missed() {
        let (log, lets, written, missed, dropped) = log(10);
        log.line("first");
        assert_eq!(written.recv().unwrap(), "first\n");
        // The write stands still. Two lines find room, and no other.
        for _ in 0..5 {
            log.line("next");
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 3);
        for _ in 0..3 {
            lets.send(true).unwrap();
        }
        assert_eq!([written.recv().unwrap(), written.recv().unwrap()], ["next\n", "next\n"]);
        assert_eq!(missed.recv().unwrap(), 3);
        log.line("then");
        assert_eq!(written.recv().unwrap(), "then\n");
    }

    #[test]
    fn a_line_that_cannot_be_written_is_counted_and_the_next_is_tried() {
        let (log, lets, written, missed, dropped) = log(100);
        log.line("full");
        log.line("room");
        lets.send(false).unwrap();
        lets.send(true).unwrap();
        assert_eq!([written.recv().unwrap(), written.recv().unwrap()], ["full\n", "room\n"]);
        assert_eq!((missed.recv().unwrap(), dropped.load(Ordering::Relaxed)), (1, 1));
    }

    #[test]
    fn what_is_logged_stays_one_line_whatever_text_is_in_it() {
        for (line, escaped) in [
            ("quiet\n", "quiet\n"),
            ("", ""),
            ("a\nINFO forged\r\nb\n", "a\\nINFO forged\\r\\nb\n"),
            ("a\n\n", "a\\n\n"),
        ] {
            assert_eq!(one_line(line.as_bytes()), escaped.as_bytes());
        }
    }

    #[test]
    fn the_end_waits_for_the_last_lines_but_not_for_a_reader_that_stopped() {
        let (log, lets, written, _missed, _) = log(100);
        log.line("last");
        lets.send(true).unwrap();
        log.flush();
        assert_eq!(written.try_recv().unwrap(), "last\n");
        log.line("unread");
        written.recv().unwrap();
        log.0.flush(Duration::from_millis(10));
        assert!(written.try_recv().is_err(), "it came back while the line was being written");
    }
}
