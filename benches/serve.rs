//! How fast frames reach views, and what views and widgets cost.
//!
//! ```sh
//! cargo bench --bench serve               # half a minute; -- --quick: a few seconds
//! ```
//!
//! The views are connections of this same process that confirm each frame as it comes, without decoding it: what they cost is
//! in the figures of the server.

mod common;

use std::{
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use actix::System;
use common::{Table, pictures::Picture, ratio};
use framehub::{
    Config, Frame, Kind, KindError, RemoteFrameBuffer, RenderError, Server, WidgetHandle,
    encode::{Codec, Variant, encode},
    hub::Hub,
};
use serde_json::{Map, json};
use tungstenite::{Message, WebSocket, client::IntoClientRequest};

/// Draws the same few pictures in turn, as fast as views take them.
struct Reel {
    widget: WidgetHandle,
    frames: Vec<Frame>,
    next: usize,
}

impl RemoteFrameBuffer for Reel {
    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        self.widget.request_draw();
        self.next += 1;
        Ok(Some(self.frames[self.next % self.frames.len()].clone()))
    }
}

struct Idle;

impl RemoteFrameBuffer for Idle {}

fn reel(width: u32, height: u32) -> Vec<Frame> {
    [Picture::Smooth, Picture::Plot].map(|picture| picture.rgb(width, height)).to_vec()
}

/// Starts a server in this process; it ends with the process.
fn serve() -> (SocketAddr, Hub, JoinHandle<()>) {
    let config = Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        auth: framehub::config::Auth::None,
        max_widgets: 2000,
        ..Config::default()
    };
    let (started, start) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        System::new().block_on(async move {
            let server = Server::new(config)
                .kind(
                    Kind::new("reel", |widget, options| {
                        let side = |name| {
                            options.integer(name, 1..=4096).map(|side| u32::try_from(side).unwrap_or(1))
                        };
                        let frames = reel(side("width")?, side("height")?);
                        Ok(Reel { widget, frames, next: 0 })
                    })
                    .option("width", 640, "in pixels")
                    .option("height", 480, "in pixels"),
                )
                .kind(Kind::new("idle", |_, _| Ok::<_, KindError>(Idle)));
            let running = server.start().await.expect("the server starts");
            started.send((running.address, running.hub.clone())).expect("the benchmark waits");
            std::future::pending::<()>().await;
        });
    });
    let (address, hub) = start.recv().expect("the server starts");
    (address, hub, thread)
}

/// Calls the server's hub from outside its runtime.
fn create(hub: &Hub, kind: &str, width: u32, height: u32) -> WidgetHandle {
    let options = match kind {
        "reel" => json!({"width": width, "height": height}).as_object().cloned().unwrap_or_default(),
        _ => Map::new(),
    };
    System::new().block_on(hub.create(kind, None, options, &Map::new())).expect("the widget is made")
}

/// A view that confirms every frame at once, on a thread of its own.
struct View {
    confirmed: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl View {
    fn open(address: SocketAddr, widget: &str, width: u32, height: u32) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(Duration::from_millis(200))).expect("an option");
        let request =
            format!("ws://{address}/api/widgets/{widget}/view").into_client_request().expect("a request");
        let (mut socket, _) = tungstenite::client(request, stream).expect("a view");
        let resize = json!({"type": "resize", "width": width, "height": height, "pwidth": width, "pheight": height, "ratio": 1});
        socket.send(Message::text(resize.to_string())).expect("sent");
        let (confirmed, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, stopped) = (Arc::clone(&confirmed), Arc::clone(&stop));
        let thread = std::thread::spawn(move || confirm_all(&mut socket, &counter, &stopped));
        Self { confirmed, stop, thread }
    }

    fn frames(&self) -> u64 {
        self.confirmed.load(Ordering::Relaxed)
    }

    fn close(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the view ends well");
    }
}

fn confirm_all(socket: &mut WebSocket<TcpStream>, confirmed: &AtomicU64, stop: &AtomicBool) {
    let mut index = 0;
    while !stop.load(Ordering::Relaxed) {
        match socket.read() {
            Ok(Message::Binary(_)) => {}
            Ok(_) => continue,
            Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => break,
        }
        index += 1;
        let feedback = json!({"type": "frame_feedback", "index": index, "timestamp": 0, "localtime": 0});
        if socket.send(Message::text(feedback.to_string())).is_err() {
            break;
        }
        confirmed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Frames a second that the first view confirms, and CPU seconds of this process for each of them, while `views` watch.
fn measure(address: SocketAddr, hub: &Hub, views: usize, size: (u32, u32), seconds: f64) -> (f64, f64) {
    let widget = create(hub, "reel", size.0, size.1);
    let views: Vec<_> = (0..views).map(|_| View::open(address, widget.id(), size.0, size.1)).collect();
    // All views have their first frame before the clock starts.
    while views.iter().any(|view| view.frames() == 0) {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let (start, cpu, before) = (Instant::now(), cpu_seconds(), total(&views));
    std::thread::park_timeout(Duration::from_secs_f64(seconds));
    #[expect(clippy::cast_precision_loss, reason = "some thousand frames")]
    let frames = (total(&views) - before) as f64 / views.len() as f64;
    let outcome = (frames / start.elapsed().as_secs_f64(), (cpu_seconds() - cpu) / frames);
    widget.close();
    views.into_iter().for_each(View::close);
    outcome
}

fn total(views: &[View]) -> u64 {
    views.iter().map(View::frames).sum()
}

/// User and system time of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    // Fields 14 and 15 of proc(5), in ticks of 1/100 s.
    [11, 12].iter().filter_map(|&field: &usize| fields[field].parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Resident memory of this process, in KB.
fn resident_kb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Frames a second of the encoder alone, on one core.
fn encoder_rate(size: (u32, u32), seconds: f64) -> f64 {
    let frames = reel(size.0, size.1);
    let variant =
        Variant { width: size.0, height: size.1, codec: Codec::Jpeg { quality: 80 }, base64: false };
    let (start, mut count) = (Instant::now(), 0.0);
    while start.elapsed().as_secs_f64() < seconds {
        for frame in &frames {
            encode(frame, variant).expect("it encodes");
            count += 1.0;
        }
    }
    count / start.elapsed().as_secs_f64()
}

fn main() {
    let seconds = if std::env::args().any(|argument| argument == "--quick") { 0.5 } else { 3.0 };
    let (address, hub, _server) = serve();

    let before = resident_kb();
    let idle: Vec<_> = (0..1000).map(|_| create(&hub, "idle", 0, 0)).collect();
    let per_widget = (resident_kb() - before) / 1000.0;
    idle.iter().for_each(WidgetHandle::close);

    let mut rates = Table::new(["size", "encoder frames/s", "confirmed frames/s", "confirmed / encoder"]);
    for size in [(1920, 1080), (640, 480)] {
        let encoder = encoder_rate(size, seconds);
        let (rate, _) = measure(address, &hub, 1, size, seconds);
        rates.row([
            format!("{}×{}", size.0, size.1),
            format!("{encoder:.0}"),
            format!("{rate:.0}"),
            ratio(rate, encoder),
        ]);
    }
    rates.print("One view, JPEG of quality 80, beside the encoder alone on one core");

    let mut views =
        Table::new(["views", "size", "frames/s each", "CPU ms a frame", "a further view / the first"]);
    for (count, size) in
        [(1, (1920, 1080)), (8, (1920, 1080)), (1, (640, 480)), (8, (640, 480)), (500, (640, 480))]
    {
        let (rate, cpu) = measure(address, &hub, count, size, seconds);
        let (_, single) = measure(address, &hub, 1, size, seconds);
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let further = if count == 1 {
            "–".to_owned()
        } else {
            format!("{:.3}", (cpu - single) / (count - 1) as f64 / single)
        };
        views.row([
            count.to_string(),
            format!("{}×{}", size.0, size.1),
            format!("{rate:.0}"),
            format!("{:.2}", cpu * 1e3),
            further,
        ]);
    }
    views.print("Views that share the encode; the CPU is that of the server and of the views' own ends");

    println!("\n1,000 idle widgets: {per_widget:.1} KB each");
}
