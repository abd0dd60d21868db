//! A user's plot while another user saturates the server, or somebody abuses it: how much longer is the way from a pointer's move to the
//! picture?
//!
//! ```sh
//! cargo bench --bench fair                # seven minutes; -- --quick: a minute
//! ```
//!
//! How to read the table: `benches/README.md`.

mod common;

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use actix::System;
use common::{
    Table,
    abuser::{self, ABUSES, Abuser},
    browsers::{self, Browsers},
    median, ms, pictures,
    reel::Reel,
    view,
};
use framehub::{
    Config, Event, EventKind, Frame, Kind, KindError, RemoteFrameBuffer, RenderError, Server, WidgetHandle,
    clock::unix_now, config::Auth, hub::Hub,
};
use serde_json::{Map, Value, json};
use tungstenite::{Error, Message, WebSocket};

const PLOT: (u32, u32) = (640, 480);
const NOISE: (u32, u32) = (3840, 2160);
/// Widgets with noise, one view each.
const NOISY: usize = 2;
/// Most that a round trip may take beside another user's noise, in round trips without.
const MOST: f64 = 1.5;
/// From a picture to the next move of the pointer.
const REST: Duration = Duration::from_millis(20);
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Shows the next of its pictures whenever the pointer moves.
struct Plot {
    widget: WidgetHandle,
    pictures: Vec<Frame>,
    shown: usize,
}

impl RemoteFrameBuffer for Plot {
    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        Ok(Some(self.pictures[self.shown % self.pictures.len()].clone()))
    }

    fn handle_event(&mut self, event: &Event) -> Result<(), RenderError> {
        if matches!(event.kind, EventKind::PointerMove(_)) {
            self.shown += 1;
            self.widget.request_draw();
        }
        Ok(())
    }
}

fn main() {
    if browsers::are_here() || abuser::is_here() {
        return;
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, turn) = if quick { (1, 3.0) } else { (5, 4.0) };
    let turn = Duration::from_secs_f64(turn);
    System::new().block_on(async move {
        let server = Bench::start().await;
        let mut seconds = [Vec::new(), Vec::new(), Vec::new()];
        let mut noise = Vec::new();
        for _ in 0..rounds {
            for (case, owner) in [None, Some("ann"), Some("bob")].into_iter().enumerate() {
                let noise_beside = match owner {
                    Some(owner) => Some(server.noise(owner).await),
                    None => None,
                };
                seconds[case].push(server.round_trip(turn, noise_beside.as_ref(), &mut noise).await);
            }
        }
        let ratio = |case: usize| {
            let ratios = seconds[case].iter().zip(&seconds[0]).map(|(with, without)| with / without);
            median(ratios.collect())
        };
        let (others, own) = (ratio(1), ratio(2));
        let [alone, others_time, own_time] = seconds.map(|seconds| ms(median(seconds)));
        let mut table =
            Table::new(["a plot of 640×480, from a move to the picture", "ms", "alone", "ratio", "aim", ""]);
        table.row([
            "beside another user's noise".to_owned(),
            others_time,
            alone.clone(),
            format!("{others:.2}"),
            format!("≤ {MOST}"),
            if others <= MOST { "met" } else { "missed" }.to_owned(),
        ]);
        table.row([
            "beside noise of the same user".to_owned(),
            own_time,
            alone,
            format!("{own:.2}"),
            String::new(),
            String::new(),
        ]);
        table.print("Medians; ratios are medians of ratios within a round.");
        server.abuses(rounds, turn).await;
        println!(
            "\nThe noise, {NOISY} widgets of {}×{}: {:.1} frames/s meanwhile.",
            NOISE.0,
            NOISE.1,
            median(noise)
        );
    });
}

/// A server in this process.
struct Bench {
    address: SocketAddr,
    hub: Hub,
}

/// Widgets that are drawn and watched all the time.
struct Noise {
    widgets: Vec<WidgetHandle>,
    /// Kept for as long as the noise is to be watched.
    browsers: Vec<Browsers>,
}

impl Bench {
    async fn start() -> Self {
        let config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            auth: Auth::None,
            no_demos: true,
            // The abuser names an address of its own.
            trusted_proxies: vec!["127.0.0.0/8".parse().expect("a network")],
            ..Config::default()
        };
        let pictures = pictures::reel(PLOT);
        let plot = Kind::new("plot", move |widget, _| {
            Ok::<_, KindError>(Plot { widget, pictures: pictures.clone(), shown: 0 })
        });
        let frames: Vec<_> = (1..=3).map(random).collect();
        let noise = Kind::new("noise", move |widget, _| {
            Ok::<_, KindError>(Reel::new(widget, frames.clone(), Duration::ZERO))
        });
        let running = Server::new(config).kind(plot).kind(noise).start().await.expect("the server starts");
        Self { address: running.address, hub: running.hub.clone() }
    }

    async fn create(&self, kind: &str, owner: &str) -> WidgetHandle {
        let traits = Map::new();
        let made = self.hub.create_for_user(kind, Some(owner.to_owned()), Map::new(), &traits);
        made.await.expect("the widget is made")
    }

    /// Saturates the server for a user; returns when frames are flowing.
    async fn noise(&self, owner: &str) -> Noise {
        let mut noise = Noise { widgets: Vec::new(), browsers: Vec::new() };
        for _ in 0..NOISY {
            let widget = self.create("noise", owner).await;
            widget.request_draw();
            noise.browsers.push(Browsers::start(self.address, widget.id(), 1, NOISE));
            noise.widgets.push(widget);
        }
        let start = Instant::now();
        while noise.widgets.iter().any(|widget| widget.get_stats().confirmed_frames < 3) {
            assert!(start.elapsed() < PATIENCE, "no noise is shown");
            actix_web::rt::time::sleep(Duration::from_millis(20)).await;
        }
        noise
    }

    /// The plot beside each abuse of another widget, and beside the same done to a socket that discards it.
    async fn abuses(&self, rounds: usize, turn: Duration) {
        let sink = abuser::discarding();
        let mut table =
            Table::new(["beside a caller's", "ms", "beside a socket that discards it", "ratio", "aim", ""]);
        for abuse in ABUSES {
            let mut seconds = [Vec::new(), Vec::new()];
            for _ in 0..rounds {
                for (case, address) in [sink, self.address].into_iter().enumerate() {
                    let target = self.create("plot", "ann").await;
                    let abuser = Abuser::start(abuse, address, target.id());
                    seconds[case].push(self.round_trip(turn, None, &mut Vec::new()).await);
                    drop(abuser);
                    target.close();
                }
            }
            let ratios = seconds[1].iter().zip(&seconds[0]).map(|(with, without)| with / without);
            let ratio = median(ratios.collect());
            let [discarded, served] = seconds.map(|seconds| ms(median(seconds)));
            table.row([
                abuse.to_owned(),
                served,
                discarded,
                format!("{ratio:.2}"),
                format!("≤ {MOST}"),
                if ratio <= MOST { "met" } else { "missed" }.to_owned(),
            ]);
        }
        table.print(
            "One abuser, niced, without a pause. Medians; ratios are medians of ratios within a round.",
        );
    }

    /// The median seconds from a move to the picture, for a user named Bob. Notes the frames a second of the noise meanwhile.
    async fn round_trip(&self, span: Duration, noise: Option<&Noise>, rates: &mut Vec<f64>) -> f64 {
        let widget = self.create("plot", "bob").await;
        let (address, id) = (self.address, widget.id().to_owned());
        let shown = || {
            noise.map(|noise| {
                noise.widgets.iter().map(|widget| widget.get_stats().confirmed_frames).sum::<u64>()
            })
        };
        let before = shown();
        let times = actix_web::rt::task::spawn_blocking(move || move_and_look(address, &id, span));
        let times = times.await.expect("the view is served");
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        rates.extend(shown().zip(before).map(|(after, before)| (after - before) as f64 / span.as_secs_f64()));
        for widget in noise.iter().flat_map(|noise| &noise.widgets).chain([&widget]) {
            widget.close();
        }
        median(times)
    }
}

/// Moves the pointer and waits for the picture, again and again.
fn move_and_look(address: SocketAddr, widget: &str, span: Duration) -> Vec<f64> {
    let mut view = view::open(address, widget, "?adaptive=false", PLOT);
    assert!(frame(&mut view, PATIENCE), "the plot is not shown");
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < span {
        // What still comes, tiles that became exact at rest for one, is not what the next move brings.
        while frame(&mut view, REST) {}
        let moved = Instant::now();
        view::send(
            &mut view,
            &json!({"type": "pointer_move", "timestamp": 0, "x": times.len() % 600, "y": 100}),
        );
        assert!(frame(&mut view, PATIENCE), "a move brings no picture");
        times.push(moved.elapsed().as_secs_f64());
    }
    times
}

/// Waits for the next frame and confirms it; pings are answered. Answers whether one came.
fn frame(view: &mut WebSocket<TcpStream>, patience: Duration) -> bool {
    view.get_ref().set_read_timeout(Some(patience)).expect("an option");
    loop {
        let answer = match view.read() {
            Ok(Message::Binary(message)) => {
                let index = view::split(&message).0["index"].clone();
                json!({"type": "frame_feedback", "index": index, "timestamp": 0, "localtime": unix_now()})
            }
            Ok(Message::Text(text)) => {
                let message: Value = serde_json::from_str(&text).expect("JSON");
                if message["type"] != "ping" {
                    continue;
                }
                json!({"type": "pong", "timestamp": message["timestamp"], "localtime": unix_now()})
            }
            Ok(_) => continue,
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("the view ended: {error}"),
        };
        view::send(view, &answer);
        if answer["type"] == "frame_feedback" {
            return true;
        }
    }
}

/// A picture that no codec can use.
fn random(seed: u64) -> Frame {
    let mut pixels = vec![0; (NOISE.0 * NOISE.1 * 3) as usize];
    let mut state = seed;
    for bytes in pixels.chunks_mut(8) {
        // xorshift
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.copy_from_slice(&state.to_le_bytes()[..bytes.len()]);
    }
    Frame::rgb8(NOISE.0, NOISE.1, pixels).expect("as many pixels as it takes")
}
