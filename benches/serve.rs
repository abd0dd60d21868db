//! How fast frames reach views, and what views and widgets cost.
//!
//! ```sh
//! cargo bench --bench serve               # two minutes and a half; -- --quick: half a minute
//! ```
//!
//! How to read the table: `benches/README.md`.

#![expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]

mod common;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use actix::System;
use actix_web::rt::time::sleep;
use common::{
    Table,
    browsers::{self, Browsers},
    encoders, median, pictures,
    process::{cpu_seconds, resident_kb},
    server::Reels,
};
use framehub::{WidgetHandle, encode::Pool};
use serde_json::Map;

type Size = (u32, u32);

/// A size, and what is asked of it.
struct Case {
    size: Size,
    /// Least frames of one view, in frames of the encoder on one thread.
    least: f64,
    /// Time between draws when the cost of views is measured: every view then gets every frame.
    pace: Duration,
}

const CASES: [Case; 2] = [
    Case { size: (1920, 1080), least: 0.85, pace: Duration::from_millis(33) },
    Case { size: SMALL, least: 0.7, pace: Duration::from_millis(16) },
];
const SMALL: Size = (640, 480);
/// Time between draws for a crowd that is to keep up.
const CROWD_PACE: Duration = Duration::from_millis(100);
/// Most that a further view may cost, in first views.
const MOST_FURTHER: f64 = 0.05;
/// Views beyond the first when the cost of one of them is measured.
const FURTHER: usize = 20;
const CROWD: usize = 500;
/// Widgets that are watched at the same time, more than there are cores on most machines that run this.
const BUSY_WIDGETS: usize = 8;
const IDLE_WIDGETS: usize = 1000;
/// Most memory of an idle widget.
const MOST_KB: f64 = 64.0;
/// Most CPU time of a scrape of as many widgets as have series of their own unless the operator says otherwise.
const MOST_SCRAPE: Duration = Duration::from_millis(50);
/// Least frames of a view while the metrics are scraped each second, in frames while they are not.
const LEAST_SCRAPED: f64 = 0.98;
/// Pairs of turns with and without scrapes, in rounds: the difference is small, and one pair says little.
const SCRAPED_PAIRS: usize = 4;
/// Scrapes of which the mean CPU time is taken.
const SCRAPES: u32 = 20;
/// Longest wait for views to come or go.
const PATIENCE: Duration = Duration::from_secs(20);
/// Views run this long before anything counts.
const WARM_UP: Duration = Duration::from_millis(150);

/// How long to measure.
struct Span {
    /// How often the contestants take turns.
    rounds: usize,
    /// One turn.
    turn: Duration,
    /// One turn in which CPU time is measured.
    paced: Duration,
    crowd: Duration,
    /// One turn with a scrape each second, or without; longer than a second, so that there is one in it.
    scraped: Duration,
    /// When something hangs, the benchmark ends nevertheless.
    limit: Duration,
}

fn main() {
    if browsers::are_here() {
        return;
    }
    let seconds = Duration::from_secs_f64;
    let span = if std::env::args().any(|argument| argument == "--quick") {
        Span {
            rounds: 1,
            turn: seconds(0.3),
            paced: seconds(0.5),
            crowd: seconds(1.0),
            scraped: seconds(1.5),
            limit: seconds(60.0),
        }
    } else {
        Span {
            rounds: 5,
            turn: seconds(0.8),
            paced: seconds(1.5),
            crowd: seconds(4.0),
            scraped: seconds(1.5),
            limit: seconds(240.0),
        }
    };
    let limit = span.limit;
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        eprintln!("given up after {} seconds: the machine is too busy, or something hangs", limit.as_secs());
        std::process::exit(1);
    });
    System::new().block_on(async move {
        let server = Reels::start().await;
        let mut table = Table::new(["what", "size", "FrameHub", "beside it", "ratio", "aim", ""]);
        // First, while the process is small and nothing that was given back can be used again.
        idle(&server, &mut table).await;
        for case in &CASES {
            few_views(&server, &span, case, &mut table).await;
        }
        busy_widgets(&server, &span, &mut table).await;
        crowd(&server, &span, &mut table).await;
        scrapes(&server, &span, &mut table).await;
        table.print("A server and its views. Ratios are medians of ratios within a round.");
    });
}

/// What happened while it was measured.
struct Measured {
    seconds: f64,
    cpu: f64,
    draws: f64,
    /// Encodes that were asked for. One that is overtaken by a newer frame before it begins is not carried out.
    encodes: f64,
    /// Frames that were sent to at least one view.
    sent: f64,
    /// Confirmed frames of each view, the view with the fewest first.
    confirmed: Vec<f64>,
}

impl Measured {
    /// Frames of all views.
    fn view_frames(&self) -> f64 {
        self.confirmed.iter().sum()
    }

    /// CPU seconds for each frame that was sent, to however many views.
    fn cpu_per_frame(&self) -> f64 {
        self.cpu / self.sent
    }

    /// The part of the views that a frame was sent to, in the mean.
    fn reach(&self) -> f64 {
        self.view_frames() / self.sent / self.confirmed.len() as f64
    }

    /// Frames per second that views confirmed, in the mean.
    fn rate(&self) -> f64 {
        self.view_frames() / self.confirmed.len() as f64 / self.seconds
    }
}

/// Lets views watch a widget for a while, all at its own size.
async fn measure(
    server: &Reels,
    widget: &WidgetHandle,
    size: Size,
    views: usize,
    span: Duration,
) -> Measured {
    let browsers = Browsers::start(server.address, widget.id(), views, size);
    server
        .wait("all views have a frame", widget, |all| all.len() == views && all.iter().all(|one| one.0 > 0))
        .await;
    sleep(WARM_UP).await;
    let (before, confirmed_before) = counts(server, widget).await;
    let (start, cpu) = (Instant::now(), cpu_seconds());
    sleep(span).await;
    let (after, confirmed) = counts(server, widget).await;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    assert_eq!(confirmed.len(), views, "no view was lost");
    let mut confirmed: Vec<_> =
        confirmed.iter().zip(&confirmed_before).map(|(after, before)| (after - before) as f64).collect();
    confirmed.sort_by(f64::total_cmp);
    drop(browsers);
    server.wait("the views are gone", widget, <[_]>::is_empty).await;
    let [draws, encodes, sent] = [0, 1, 2].map(|count| (after[count] - before[count]) as f64);
    Measured { seconds, cpu, draws, encodes, sent, confirmed }
}

/// Draws, encodes, frames sent, and the confirmed frames of each view, so far.
async fn counts(server: &Reels, widget: &WidgetHandle) -> ([u64; 3], Vec<u64>) {
    let report = server.hub.report(widget).await.expect("the widget is there");
    let confirmed = report.views.iter().map(|view| view.stats.confirmed_frames).collect();
    ([report.drawn_frames, report.encodes, report.stats.sent_frames], confirmed)
}

/// A widget of the server's own, which shows no reel.
async fn grid(server: &Reels) -> WidgetHandle {
    server.hub.create("grid", None, Map::new(), &Map::new()).await.expect("the widget is made")
}

/// One view beside the encoder alone, and what a further view costs beside the first.
async fn few_views(server: &Reels, span: &Span, case: &Case, table: &mut Table) {
    let (size, frames) = (case.size, pictures::reel(case.size));
    server.show(&frames);
    let (free, paced) = (server.reel(Duration::ZERO).await, server.reel(case.pace).await);
    let pool = Pool::new(0).expect("threads start");
    let mut rounds = Vec::new();
    for _ in 0..span.rounds {
        let alone = encoders::rate(&frames, span.turn);
        let view = measure(server, &free, size, 1, span.turn).await.rate();
        let pooled = encoders::pool_rate(&pool, &frames, span.turn);
        let one = measure(server, &paced, size, 1, span.paced).await;
        let more = measure(server, &paced, size, 1 + FURTHER, span.paced).await;
        let first = one.cpu_per_frame();
        // For each frame, the first view pays the encode; the rest is that of the views that shared it.
        let further = (more.cpu - more.sent * first) / (more.view_frames() - more.sent);
        rounds.push([view, alone, pooled, further, first, more.reach()]);
    }
    free.close();
    paced.close();

    let [view, alone, pooled, further, first, reach] =
        [0, 1, 2, 3, 4, 5].map(|column| median(rounds.iter().map(|round| round[column]).collect()));
    let ratio =
        |one: usize, other: usize| median(rounds.iter().map(|round| round[one] / round[other]).collect());
    let (size, per_second) = (name(size), |rate: f64| format!("{rate:.1} frames/s"));
    let (to_alone, to_pool, to_first) = (ratio(0, 1), ratio(0, 2), ratio(3, 4));
    table.row([
        "one view / the encoder, one thread".to_owned(),
        size.clone(),
        per_second(view),
        per_second(alone),
        format!("{to_alone:.2}"),
        format!("≥ {}", case.least),
        verdict(to_alone >= case.least),
    ]);
    table.row([
        "one view / the encoder's pool, all cores".to_owned(),
        size.clone(),
        per_second(view),
        per_second(pooled),
        format!("{to_pool:.2}"),
        String::new(),
        String::new(),
    ]);
    table.row([
        format!("CPU of a further view / of the first (frames shared by {:.0} %)", reach * 100.0),
        size,
        format!("{:.3} ms", further * 1e3),
        format!("{:.3} ms", first * 1e3),
        format!("{:.1} %", to_first * 100.0),
        format!("≤ {:.0} %", MOST_FURTHER * 100.0),
        verdict(to_first <= MOST_FURTHER),
    ]);
}

/// More widgets than cores, each with one view and drawing whenever that is ready.
async fn busy_widgets(server: &Reels, span: &Span, table: &mut Table) {
    let (pool, frames) = (Pool::new(0).expect("threads start"), pictures::reel(SMALL));
    server.show(&frames);
    let (mut to_pool, mut draws, mut sent, mut pooled) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..span.rounds {
        let all = encoders::pool_rate(&pool, &frames, span.turn);
        let mut running = Vec::new();
        for _ in 0..BUSY_WIDGETS {
            let (server, widget, turn) = (server.clone(), server.reel(Duration::ZERO).await, span.turn);
            running.push(actix_web::rt::spawn(async move {
                let measured = measure(&server, &widget, SMALL, 1, turn).await;
                widget.close();
                (measured.sent / measured.seconds, measured.draws / measured.seconds)
            }));
        }
        let (mut all_sent, mut all_draws) = (0.0, 0.0);
        for one in running {
            let (sent, draws) = one.await.expect("the measurement ends well");
            (all_sent, all_draws) = (all_sent + sent, all_draws + draws);
        }
        to_pool.push(all_sent / all);
        draws.push(all_draws);
        sent.push(all_sent);
        pooled.push(all);
    }
    let [to_pool, draws, sent, pooled] = [to_pool, draws, sent, pooled].map(median);
    table.row([
        format!("{BUSY_WIDGETS} busy widgets, all their frames / the encoder's pool"),
        name(SMALL),
        format!("{sent:.1} frames/s"),
        format!("{pooled:.1} frames/s"),
        format!("{to_pool:.2}"),
        String::new(),
        String::new(),
    ]);
    table.row([
        format!("{BUSY_WIDGETS} busy widgets, draws / frames sent"),
        name(SMALL),
        format!("{draws:.1} /s"),
        format!("{sent:.1} /s"),
        format!("{:.2}", draws / sent),
        String::new(),
        String::new(),
    ]);
}

/// Many views of one widget: one that draws at a pace that they can keep, and one that draws whenever any of them is ready.
async fn crowd(server: &Reels, span: &Span, table: &mut Table) {
    server.show(&pictures::reel(SMALL));
    for (what, pace) in [("10 draws a second", CROWD_PACE), ("draws at once", Duration::ZERO)] {
        let widget = server.reel(pace).await;
        let one = measure(server, &widget, SMALL, 1, span.paced).await;
        let crowd = measure(server, &widget, SMALL, CROWD, span.crowd).await;
        widget.close();
        let rate = |frames: f64| frames / crowd.seconds;
        let (fewest, most) = (rate(crowd.confirmed[0]), rate(crowd.confirmed[CROWD - 1]));
        table.row([
            format!("{CROWD} views, {what}: frames of a view (fewest, most) / sent"),
            name(SMALL),
            format!("{:.1} frames/s ({fewest:.1}, {most:.1})", crowd.rate()),
            format!("{:.1} frames/s", rate(crowd.sent)),
            format!("{:.2}", crowd.reach()),
            String::new(),
            String::new(),
        ]);
        table.row([
            format!("{CROWD} views, {what}: encodes asked for / draws"),
            name(SMALL),
            format!("{:.1} /s", rate(crowd.encodes)),
            format!("{:.1} /s", rate(crowd.draws)),
            format!("{:.2}", crowd.encodes / crowd.draws),
            "1".to_owned(),
            // At either end, a frame may be drawn and its encode not yet asked for.
            verdict((crowd.encodes - crowd.draws).abs() <= 2.0),
        ]);
        let (each, only) = (crowd.cpu / crowd.view_frames(), one.cpu / one.view_frames());
        table.row([
            format!("{CROWD} views, {what}: CPU of a view's frame / of an only view's"),
            name(SMALL),
            format!("{:.3} ms", each * 1e3),
            format!("{:.3} ms", only * 1e3),
            format!("{:.1} %", each / only * 100.0),
            String::new(),
            String::new(),
        ]);
    }
}

/// What reading the metrics of many widgets costs, and whether a view notices.
async fn scrapes(server: &Reels, span: &Span, table: &mut Table) {
    server.show(&pictures::reel(SMALL));
    let free = server.reel(Duration::ZERO).await;
    let mut widgets = vec![free.clone()];
    for _ in 1..IDLE_WIDGETS {
        widgets.push(grid(server).await);
    }
    for widget in &widgets {
        counts(server, widget).await;
    }
    let address = server.address;
    let scrape = move || actix_web::rt::task::spawn_blocking(move || scrape(address));
    let mut bytes = 0;
    let cpu = cpu_seconds();
    for _ in 0..SCRAPES {
        bytes = scrape().await.expect("the metrics are read");
    }
    let each = (cpu_seconds() - cpu) / f64::from(SCRAPES);
    table.row([
        format!("CPU of a scrape of {IDLE_WIDGETS} widgets ({} KB)", bytes / 1000),
        String::new(),
        format!("{:.1} ms", each * 1e3),
        String::new(),
        String::new(),
        format!("≤ {} ms", MOST_SCRAPE.as_millis()),
        verdict(each <= MOST_SCRAPE.as_secs_f64()),
    ]);

    let mut rounds = Vec::new();
    for _ in 0..SCRAPED_PAIRS * span.rounds {
        let without = measure(server, &free, SMALL, 1, span.scraped).await.rate();
        let scraper = actix_web::rt::spawn(async move {
            loop {
                scrape().await.expect("the metrics are read");
                sleep(Duration::from_secs(1)).await;
            }
        });
        let with = measure(server, &free, SMALL, 1, span.scraped).await.rate();
        scraper.abort();
        rounds.push([with, without, with / without]);
    }
    widgets.iter().for_each(WidgetHandle::close);
    let [with, without, ratio] =
        [0, 1, 2].map(|column| median(rounds.iter().map(|round| round[column]).collect()));
    table.row([
        format!("one view while {IDLE_WIDGETS} widgets are scraped each second / while not"),
        name(SMALL),
        format!("{with:.1} frames/s"),
        format!("{without:.1} frames/s"),
        format!("{ratio:.3}"),
        format!("≥ {LEAST_SCRAPED}"),
        verdict(ratio >= LEAST_SCRAPED),
    ]);
}

/// Reads the metrics, as Prometheus does. Returns how many bytes came.
fn scrape(address: SocketAddr) -> usize {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer[..answer.len().min(200)])
    );
    answer.len()
}

/// Widgets that nobody watches.
async fn idle(server: &Reels, table: &mut Table) {
    // What the first widget of a kind needs once is not a widget's.
    let first = grid(server).await;
    let before = resident_kb();
    let mut widgets = Vec::with_capacity(IDLE_WIDGETS);
    for _ in 0..IDLE_WIDGETS {
        widgets.push(grid(server).await);
    }
    // An answer says that a widget's actor is at rest.
    for widget in &widgets {
        counts(server, widget).await;
    }
    let each = (resident_kb() - before) / IDLE_WIDGETS as f64;
    widgets.iter().chain([&first]).for_each(WidgetHandle::close);
    table.row([
        format!("memory of each of {IDLE_WIDGETS} idle widgets"),
        String::new(),
        format!("{each:.1} KB"),
        String::new(),
        String::new(),
        format!("≤ {MOST_KB} KB"),
        verdict(each <= MOST_KB),
    ]);
}

fn name((width, height): Size) -> String {
    format!("{width}×{height}")
}

fn verdict(met: bool) -> String {
    if met { "met" } else { "missed" }.to_owned()
}
