//! What a frame costs, by how much of it changes: beside sending every frame whole.
//!
//! ```sh
//! cargo bench --bench changes             # a quarter of an hour; -- --quick: a minute; -- orbit 1920x1080 32: that alone
//! ```
//!
//! How to read the tables: `benches/README.md`.

#![expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]

mod common;

use std::{
    alloc::System as SystemAllocator,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::available_parallelism,
    time::{Duration, Instant},
};

use actix::System;
use actix_web::rt::time::sleep;
use common::{
    Effort, Table,
    browsers::{self, Browsers},
    encoders::{self, JPEG, whole},
    here, median,
    pictures::Picture,
    process::cpu_seconds,
    race, ratio,
    server::{QUALITY, Reels},
    view,
    workloads::Workload,
};
use framehub::{
    Frame,
    encode::Codec,
    tiles::{Grid, TileSet, compare},
};
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tungstenite::{Message, WebSocket};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<SystemAllocator> = &INSTRUMENTED_SYSTEM;

type Size = (u32, u32);

/// A size, and the time between its draws: all views then get every frame.
const SIZES: [(Size, Duration); 3] = [
    ((640, 480), Duration::from_millis(20)),
    ((1920, 1080), Duration::from_millis(40)),
    ((3840, 2160), Duration::from_millis(160)),
];
const VIEWS: [usize; 3] = [1, 4, 32];
/// Views run this long before anything counts: what they were sent first is exact by then, where it rests.
const WARM_UP: Duration = Duration::from_millis(600);

fn main() {
    if browsers::are_here() {
        return;
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let named: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let (sizes, views, turns) = if quick {
        (&SIZES[..2], &VIEWS[..1], Turns { number: 1, span: Duration::from_millis(500) })
    } else {
        (&SIZES[..], &VIEWS[..], Turns { number: 3, span: Duration::from_millis(800) })
    };
    let workloads = choose(&Workload::ALL, &Workload::ALL, &named, |workload| workload.name().to_owned());
    let sizes = choose(&SIZES, sizes, &named, |((width, height), _)| format!("{width}x{height}"));
    let views = choose(&VIEWS, views, &named, |views| views.to_string());
    System::new().block_on(async move {
        let server = Bench(Reels::start().await);
        for (size, pace) in sizes {
            alone(size);
            let mut table = Table::new([
                "workload",
                "views",
                "frames/s",
                "whole frames/s",
                "ratio",
                "encoder's frames/s",
                "ratio",
                "CPU ms",
                "whole CPU ms",
                "ratio",
                "KB",
                "whole KB",
                "ratio",
                "KB allocated",
            ]);
            let mut crowds = Table::new(["workload", "views", "CPU ms", "views", "CPU ms", "ratio"]);
            let mut cores = Table::new(["workload", "CPU ms, one core", "CPU ms, all cores", "ratio"]);
            for workload in &workloads {
                let frames = workload.frames(size);
                let encoder = encoders::rate(&frames, turns.span);
                let [one, all] = encoder_cpu(&frames, turns.number);
                cores.row([workload.name().to_owned(), common::ms(one), common::ms(all), ratio(all, one)]);
                let mut alone = None;
                for &views in &views {
                    let (cells, cpu) = server.row(&frames, encoder, size, views, pace, &turns).await;
                    let name = workload.name().to_owned();
                    let cells = [&[name.clone(), views.to_string()], &cells[..]].concat();
                    table.row::<14>(cells.try_into().expect("fourteen cells"));
                    let &mut (few, one) = alone.get_or_insert((views, cpu));
                    if views > few {
                        let (few, views) = (few.to_string(), views.to_string());
                        crowds.row([name, few, common::ms(one), views, common::ms(cpu), ratio(cpu, one)]);
                    }
                }
            }
            let (width, height) = size;
            table.print(&format!(
                "{width}×{height}, all figures for one frame of the renderer, whatever became of it."
            ));
            cores.print(&format!(
                "{width}×{height}, a JPEG of the encoder alone, on one core and while all cores make one each"
            ));
            if views.len() > 1 {
                crowds.print(&format!("{width}×{height}, what more views of a widget cost"));
            }
        }
        server.exact(if quick { 5 } else { 20 }).await;
    });
}

/// Those of `all` that are named, or the usual ones when none is.
fn choose<T: Copy>(all: &[T], usual: &[T], named: &[String], name: impl Fn(T) -> String) -> Vec<T> {
    let chosen: Vec<T> = all.iter().copied().filter(|&one| named.contains(&name(one))).collect();
    if chosen.is_empty() { usual.to_vec() } else { chosen }
}

/// What memory and the plain encoder take.
fn alone((width, height): Size) {
    let effort = Effort { rounds: 3, times: 3 };
    let mut table = Table::new(["one thread, of a plot", "ms"]);
    let (one, other) = (Picture::Plot.rgb(width, height), Picture::Plot.rgb(width, height));
    let mut copy = vec![0; one.pixels().len()];
    let mut tiles = TileSet::empty(Grid::new(width, height).len());
    let [copied, compared, jpeg, content] = race(
        effort,
        [
            here(|| copy.copy_from_slice(one.pixels())),
            here(|| compare(&one, &other, &mut tiles)),
            here(|| whole(&one, JPEG)),
            here(|| whole(&one, Codec::ByContent { quality: QUALITY })),
        ],
    );
    for (name, seconds) in
        [("memcpy", copied), ("comparing equal frames", compared), ("JPEG", jpeg), ("by content", content)]
    {
        table.row([name.to_owned(), common::ms(seconds)]);
    }
    table.print(&format!("{width}×{height}"));
}

/// Seconds of CPU for each JPEG, made one after another, and while every core makes them: cores that share caches, clock or more are slower
/// together.
fn encoder_cpu(frames: &[Frame], turns: usize) -> [f64; 2] {
    let seconds = |cores: usize| {
        let before = cpu_seconds();
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    for frame in frames {
                        std::hint::black_box(whole(frame, JPEG));
                    }
                });
            }
        });
        (cpu_seconds() - before) / (frames.len() * cores) as f64
    };
    let cores = available_parallelism().map_or(1, NonZero::get);
    let turns: Vec<_> = (0..turns).map(|_| [seconds(1), seconds(cores)]).collect();
    [0, 1].map(|which| median(turns.iter().map(|turn| turn[which]).collect()))
}

/// How often the contestants take turns, and for how long.
struct Turns {
    number: usize,
    span: Duration,
}

/// What a frame cost.
struct Cost {
    rate: f64,
    cpu: f64,
    kb: f64,
    allocated_kb: f64,
}

/// What is measured of the server.
struct Bench(Reels);

impl Bench {
    /// Lets views watch a widget for a while, all at its own size.
    async fn measure(&self, size: Size, views: usize, pace: Duration, span: Duration) -> Cost {
        let widget = self.0.reel(pace).await;
        let browsers = Browsers::start(self.0.address, widget.id(), views, size);
        self.0
            .wait("all views have a frame", &widget, |all| {
                all.len() == views && all.iter().all(|one| one.0 > 0)
            })
            .await;
        sleep(WARM_UP).await;
        let (drawn, before) = self.0.counts(&widget).await;
        let (start, cpu, heap) = (Instant::now(), cpu_seconds(), ALLOCATOR.stats().bytes_allocated);
        sleep(span).await;
        let (cpu, heap) = (cpu_seconds() - cpu, ALLOCATOR.stats().bytes_allocated - heap);
        let (drawn_after, after) = self.0.counts(&widget).await;
        let (seconds, frames) = (start.elapsed().as_secs_f64(), (drawn_after - drawn) as f64);
        let bytes: u64 = after.iter().zip(&before).map(|(after, before)| after.1 - before.1).sum();
        drop(browsers);
        self.0.wait("the views are gone", &widget, <[_]>::is_empty).await;
        widget.close();
        Cost {
            rate: frames / seconds,
            cpu: cpu / frames,
            kb: bytes as f64 / 1024.0 / frames / views as f64,
            allocated_kb: heap as f64 / 1024.0 / frames,
        }
    }

    /// The cells of one row, after workload and views: medians over turns that the server and the full path take. And the seconds of CPU
    /// for each draw.
    async fn row(
        &self,
        frames: &[Frame],
        encoder: f64,
        size: Size,
        views: usize,
        pace: Duration,
        turns: &Turns,
    ) -> (Vec<String>, f64) {
        self.0.show(frames);
        let plain = FullPath::start(frames, views);
        let (mut free, mut paced) = (Vec::new(), Vec::new());
        for _ in 0..turns.number {
            for (pace, costs) in [(Duration::ZERO, &mut free), (pace, &mut paced)] {
                let cost = self.measure(size, views, pace, turns.span).await;
                costs.push([cost, plain.measure(size, pace, turns.span).await]);
            }
        }
        let number = |value: f64| if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") };
        let each = |costs: &[[Cost; 2]], which: usize, what: fn(&Cost) -> f64| {
            median(costs.iter().map(|both| what(&both[which])).collect())
        };
        let compared = |costs: &[[Cost; 2]], what: fn(&Cost) -> f64| {
            let ratios = costs.iter().map(|[one, other]| what(one) / what(other)).collect();
            [number(each(costs, 0, what)), number(each(costs, 1, what)), ratio(median(ratios), 1.0)]
        };
        let mut cells = Vec::new();
        cells.extend(compared(&free, |cost| cost.rate));
        cells.extend([number(encoder), ratio(each(&free, 0, |cost| cost.rate), encoder)]);
        cells.extend(compared(&paced, |cost| cost.cpu * 1e3));
        cells.extend(compared(&paced, |cost| cost.kb));
        cells.push(number(each(&paced, 0, |cost| cost.allocated_kb)));
        (cells, each(&paced, 0, |cost| cost.cpu))
    }

    /// The time from a change to an exact picture.
    async fn exact(&self, times: usize) {
        let size = (1920, 1080);
        let photo = Picture::Photo.rgb(size.0, size.1);
        self.0.show(&[]);
        let widget = self.0.reel(Duration::ZERO).await;
        let (address, id) = (self.0.address, widget.id().to_owned());
        let handle = widget.clone();
        let seconds = actix_web::rt::task::spawn_blocking(move || {
            let mut view = view::open(address, &id, "", size);
            handle.send_frame(photo.clone()).expect("there is memory");
            wait_exact(&mut view);
            let change = |value: u8| {
                let mut pixels = photo.pixels().to_vec();
                for y in 200..300 {
                    for (x, byte) in pixels[(y * 1920 + 300) * 3..][..300].iter_mut().enumerate() {
                        *byte = byte.wrapping_add(value.wrapping_mul(u8::try_from(x % 251).unwrap_or(0)));
                    }
                }
                Frame::rgb8(1920, 1080, pixels).expect("as many pixels as the size says")
            };
            let mut seconds = Vec::new();
            for value in 1..=u8::try_from(times).expect("few") {
                let frame = change(value);
                let start = Instant::now();
                handle.send_frame(frame).expect("there is memory");
                wait_exact(&mut view);
                seconds.push(start.elapsed().as_secs_f64());
            }
            seconds
        })
        .await
        .expect("the measurement ends well");
        widget.close();
        let mut table = Table::new(["time to exact", "ms", "aim"]);
        table.row([
            "a 100×100 area of 1920×1080".to_owned(),
            common::ms(median(seconds)),
            "≤ 305".to_owned(),
        ]);
        table.print("From pushing a change to the last byte of what makes it exact, over loopback.");
    }
}

/// Takes frames until a lossy one was made exact.
fn wait_exact(view: &mut WebSocket<TcpStream>) {
    let mut lossy = false;
    loop {
        let Message::Binary(bytes) = view.read().expect("a message") else { continue };
        let (header, _) = view::split(&bytes);
        let feedback =
            json!({"type": "frame_feedback", "index": header["index"], "timestamp": 0, "localtime": 0});
        view::send(view, &feedback);
        let exact = header["lossless"] == true;
        if exact && lossy {
            return;
        }
        lossy |= !exact;
    }
}

/// The plainest server that sends every frame whole, as one JPEG: it encodes each frame once, writes it to every view, and goes on
/// when all have confirmed the one before it. A thread for the encoder, one for each view.
struct FullPath {
    address: SocketAddr,
    state: Arc<State>,
    views: usize,
}

#[derive(Default)]
struct State {
    /// The confirmations of all views.
    confirmed: AtomicU64,
    ended: AtomicBool,
    /// Microseconds from one frame to the next.
    pace: AtomicU64,
    sent: AtomicU64,
    bytes: AtomicU64,
}

impl FullPath {
    fn start(frames: &[Frame], views: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let (address, state) = (listener.local_addr().expect("an address"), Arc::new(State::default()));
        let (frames, shared) = (frames.to_vec(), Arc::clone(&state));
        std::thread::spawn(move || {
            while !shared.ended.load(Ordering::Acquire) {
                shared.confirmed.store(0, Ordering::Release);
                let streams: Vec<TcpStream> = (0..views).filter_map(|_| accept(&listener, &shared)).collect();
                serve(&frames, streams, &shared);
            }
        });
        Self { address, state, views }
    }

    async fn measure(&self, size: Size, pace: Duration, span: Duration) -> Cost {
        self.state.pace.store(u64::try_from(pace.as_micros()).expect("a short time"), Ordering::Release);
        let browsers = Browsers::start(self.address, "any", self.views, size);
        let counts =
            || [&self.state.sent, &self.state.bytes].map(|count| count.load(Ordering::Acquire) as f64);
        let [first, _] = counts();
        while counts()[0] < first + 2.0 {
            sleep(Duration::from_millis(10)).await;
        }
        sleep(WARM_UP).await;
        let ([sent, bytes], start, cpu) = (counts(), Instant::now(), cpu_seconds());
        sleep(span).await;
        let ([sent_after, bytes_after], cpu) = (counts(), cpu_seconds() - cpu);
        let frames = sent_after - sent;
        let cost = Cost {
            rate: frames / start.elapsed().as_secs_f64(),
            cpu: cpu / frames,
            kb: (bytes_after - bytes) / 1024.0 / frames / self.views as f64,
            allocated_kb: 0.0,
        };
        drop(browsers);
        cost
    }
}

impl Drop for FullPath {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Release);
        // So that it no longer waits for one.
        let _ = TcpStream::connect(self.address);
    }
}

/// Takes a view's connection; its confirmations are counted on a thread of their own.
fn accept(listener: &TcpListener, state: &Arc<State>) -> Option<TcpStream> {
    let (mut stream, _) = listener.accept().ok()?;
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 2 {
        line.clear();
    }
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").ok()?;
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        let mut head = [0; 6];
        // Short masked text: a resize first, then confirmations.
        let mut first = true;
        while reader.read_exact(&mut head).is_ok() {
            let mut text = vec![0; usize::from(head[1] & 0x7f)];
            if reader.read_exact(&mut text).is_err() {
                break;
            }
            if !std::mem::take(&mut first) {
                state.confirmed.fetch_add(1, Ordering::AcqRel);
            }
        }
    });
    Some(stream)
}

/// Sends frames until a view is gone.
fn serve(frames: &[Frame], mut streams: Vec<TcpStream>, state: &State) {
    let mut last = Instant::now();
    for (sent, frame) in (0_u64..).zip(frames.iter().cycle()) {
        let pace = Duration::from_micros(state.pace.load(Ordering::Acquire));
        std::thread::sleep(pace.saturating_sub(last.elapsed()));
        last = Instant::now();
        let encoded = whole(frame, JPEG);
        let file = &encoded.parts[0].bytes;
        // One frame may be on its way while the next is encoded.
        let waiting = Instant::now();
        while state.confirmed.load(Ordering::Acquire) + (streams.len() as u64) < sent * streams.len() as u64 {
            if state.ended.load(Ordering::Acquire) || waiting.elapsed() > Duration::from_secs(2) {
                return;
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        let head = [&[0x82, 127][..], &(file.len() as u64).to_be_bytes()].concat();
        for stream in &mut streams {
            if stream.write_all(&head).and_then(|()| stream.write_all(file)).is_err() {
                return;
            }
            state.bytes.fetch_add(file.len() as u64, Ordering::AcqRel);
        }
        state.sent.fetch_add(1, Ordering::AcqRel);
        if streams.is_empty() {
            return;
        }
    }
}
