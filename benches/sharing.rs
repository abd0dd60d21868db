//! A view on a slow link beside a quick one: how old is what it shows, and what does it cost the other?
//!
//! ```sh
//! cargo bench --bench sharing             # a minute; -- --quick: a quarter of a minute
//! ```
//!
//! How to read the table: `benches/README.md`.

#![expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]

#[path = "../tests/serving/canvas.rs"]
mod canvas;
mod common;
#[path = "../tests/serving/link.rs"]
mod link;
#[path = "../tests/serving/stamp.rs"]
mod stamp;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use actix::System;
use canvas::{draw, number};
use common::{Table, median, pictures::reel, view};
use framehub::{
    Config, Frame, Kind, KindError, RemoteFrameBuffer, RenderError, Server, WidgetHandle, clock::unix_now,
    config::Auth,
};
use image::RgbImage;
use link::Link;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tungstenite::Message;

const SIZE: (u32, u32) = (640, 480);
/// The slow link: 300 ms there and back, 2 Mbit/s.
const LINK: Link = Link { rate: 2e6, one_way: Duration::from_millis(150) };
const ROUND_TRIP: f64 = 0.3;
/// Most that the age of what the slow view shows may be, in round trips.
const OLDEST: f64 = 2.5;
/// Least rate of the quick view beside the slow one, in its own rate alone.
const LEAST: f64 = 0.95;
/// The age of what is shown is looked at this often.
const LOOK: Duration = Duration::from_millis(5);

/// When each frame was drawn.
type Drawn = Arc<Mutex<Vec<Instant>>>;

/// Draws its pictures in turn, each stamped with its number, as fast as they are wanted.
struct Reel {
    widget: WidgetHandle,
    pictures: Vec<Frame>,
    drawn: Drawn,
}

impl RemoteFrameBuffer for Reel {
    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        self.widget.request_draw();
        let mut drawn = self.drawn.lock();
        drawn.push(Instant::now());
        let number = drawn.len();
        drop(drawn);
        let mut pixels = self.pictures[number % self.pictures.len()].pixels().to_vec();
        stamp::stamp(&mut pixels, SIZE, number as u64);
        Ok(Some(Frame::rgb8(SIZE.0, SIZE.1, pixels)?))
    }
}

/// A view that confirms frames as they come.
struct View {
    stop: Arc<AtomicBool>,
    frames: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<Vec<Shown>>,
}

/// A frame on display: its number, and since when.
struct Shown {
    number: usize,
    at: Instant,
}

impl View {
    /// Opens a view; `reads` says whether it decodes frames to tell their numbers.
    fn open(address: SocketAddr, widget: &str, query: &str, reads: bool) -> Self {
        let mut socket = view::open(address, widget, query, SIZE);
        let (stop, frames) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&frames));
        let thread = std::thread::spawn(move || {
            let mut shown = Vec::new();
            let mut canvas = RgbImage::default();
            while !stopped.load(Ordering::Relaxed) {
                let arrived = match socket.read().expect("the server sends") {
                    Message::Binary(bytes) => bytes,
                    Message::Text(text) => {
                        let message: Value = serde_json::from_str(&text).expect("JSON");
                        if message["type"] == "ping" {
                            let timestamp = &message["timestamp"];
                            view::send(
                                &mut socket,
                                &json!({"type": "pong", "timestamp": timestamp, "localtime": unix_now()}),
                            );
                        }
                        continue;
                    }
                    _ => continue,
                };
                let began = Instant::now();
                let (header, images) = view::split(&arrived);
                if reads {
                    if header["whole"] == true {
                        canvas = RgbImage::new(number(&header["width"]), number(&header["height"]));
                    }
                    draw(&mut canvas, &header, images);
                    let number = usize::try_from(stamp::read(&canvas)).expect("a number");
                    shown.push(Shown { number, at: Instant::now() });
                }
                counted.fetch_add(1, Ordering::Relaxed);
                let drawing = began.elapsed().as_secs_f64();
                view::send(
                    &mut socket,
                    &json!({"type": "frame_feedback", "index": header["index"], "localtime": unix_now(), "drawing": drawing}),
                );
            }
            let _ = socket.close(None);
            shown
        });
        Self { stop, frames, thread }
    }

    /// Frames a second for a while.
    fn rate(&self, span: Duration) -> f64 {
        let (before, began) = (self.frames.load(Ordering::Relaxed), Instant::now());
        std::thread::sleep(span);
        (self.frames.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64()
    }

    fn close(self) -> Vec<Shown> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the view ends well")
    }
}

/// The median age, in seconds, of what was on display.
fn median_age(shown: &[Shown], drawn: &[Instant]) -> f64 {
    let mut ages = Vec::new();
    for pair in shown.windows(2) {
        // Numbers count from 1.
        let drawn = drawn[pair[0].number - 1];
        let mut look = pair[0].at;
        while look < pair[1].at {
            ages.push((look - drawn).as_secs_f64());
            look += LOOK;
        }
    }
    median(ages)
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, span) = if quick { (1, Duration::from_secs(4)) } else { (3, Duration::from_secs(6)) };
    let drawn = Drawn::default();
    let (address, widget, hub, stop) = serve(Arc::clone(&drawn));
    let slow = LINK.to(address);

    let (mut alone, mut beside, mut ratios, mut ages, mut plain_ages, mut rates) =
        (vec![], vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..rounds {
        let quick_view = View::open(address, &widget, "", false);
        quick_view.rate(Duration::from_millis(300));
        let mut plain = quick_view.rate(span / 2);
        let slow_view = View::open(slow.address, &widget, "", true);
        let both = quick_view.rate(span * 2);
        rates.push(slow_view.frames.load(Ordering::Relaxed) as f64 / (span * 2).as_secs_f64());
        ages.push(median_age(&slow_view.close(), &drawn.lock()));
        plain = f64::midpoint(plain, quick_view.rate(span / 2));
        let unadapted = View::open(slow.address, &widget, "?adaptive=false", true);
        quick_view.rate(span);
        plain_ages.push(median_age(&unadapted.close(), &drawn.lock()));
        quick_view.close();
        alone.push(plain);
        beside.push(both);
        ratios.push(both / plain);
    }

    let mut table = Table::new(["what", "FrameHub", "beside it", "ratio", "aim", ""]);
    let (age, plain_age, ratio) = (median(ages), median(plain_ages), median(ratios));
    let met = |met: bool| if met { "met" } else { "MISSED" }.to_owned();
    let ms = |seconds: f64| format!("{:.0} ms", seconds * 1000.0);
    table.row([
        "age of what the slow view shows (median) / round trip".to_owned(),
        ms(age),
        ms(ROUND_TRIP),
        format!("{:.2}", age / ROUND_TRIP),
        format!("≤ {OLDEST}"),
        met(age <= OLDEST * ROUND_TRIP),
    ]);
    table.row([
        "the same with adaptive=false".to_owned(),
        ms(plain_age),
        ms(ROUND_TRIP),
        format!("{:.2}", plain_age / ROUND_TRIP),
        String::new(),
        String::new(),
    ]);
    table.row([
        "quick view beside the slow one / alone".to_owned(),
        format!("{:.1} frames/s", median(beside)),
        format!("{:.1} frames/s", median(alone)),
        format!("{ratio:.3}"),
        format!("≥ {LEAST}"),
        met(ratio >= LEAST),
    ]);
    table.row([
        "the slow view".to_owned(),
        format!("{:.1} frames/s", median(rates)),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
    ]);
    table.print("A view behind 2 Mbit/s and 300 ms there and back, beside one on the same machine, 640×480.");
    drop(hub);
    drop(slow);
    let _ = stop.send(());
}

/// Starts a server with one widget; answers its address, the widget, and how to stop it.
fn serve(drawn: Drawn) -> (SocketAddr, String, framehub::hub::Hub, tokio::sync::oneshot::Sender<()>) {
    let (started, start) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        System::new().block_on(async move {
            let config = Config {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                auth: Auth::None,
                no_demos: true,
                ..Config::default()
            };
            let kind = Kind::new("reel", move |widget: WidgetHandle, _| {
                let pictures = reel(SIZE);
                Ok::<_, KindError>(Reel { widget, pictures, drawn: Arc::clone(&drawn) })
            });
            let running = Server::new(config).kind(kind).start().await.expect("the server starts");
            let widget = running.hub.create("reel", None, Map::new(), &Map::new()).await.expect("a widget");
            widget.request_draw();
            let id = widget.id().to_owned();
            started.send((running.address, id, running.hub.clone())).expect("the benchmark waits");
            let _ = stopped.await;
            running.stop().await.expect("the server stops well");
        });
    });
    let (address, id, hub) = start.recv().expect("the server starts");
    (address, id, hub, stop)
}
