//! A fake browser: one view, spoken to as a page's module does, but only when the test says so.

use std::{
    collections::VecDeque,
    io,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use framehub::clock::unix_now;
use image::RgbImage;
use serde_json::{Value, json};
use tungstenite::{
    Error, HandshakeError, Message, WebSocket,
    client::IntoClientRequest,
    http::{Request, Response, header},
};

use crate::{
    canvas,
    server::{KEY, PATIENCE},
};

pub struct Browser {
    pub socket: WebSocket<TcpStream>,
    /// Messages that came while another was waited for.
    received: VecDeque<Received>,
    /// The code of the close that came.
    pub closed: Option<u16>,
    /// Whether every frame is confirmed as it comes.
    pub confirming: bool,
    /// Frames that came so far, and of those the ones that were confirmed.
    pub frames: u64,
    pub confirmed: u64,
    /// Pings that came so far.
    pinged: u64,
    /// The index of the last frame, and what is shown with it.
    shown: Option<(u64, RgbImage)>,
}

#[derive(Debug, Clone)]
pub enum Received {
    Text(Value),
    Frame(FrameReceived),
}

/// A frame as it came over the wire.
#[derive(Debug, Clone)]
pub struct FrameReceived {
    pub header: Value,
    pub data: Vec<u8>,
    /// What the view shows with it.
    canvas: Option<RgbImage>,
}

impl FrameReceived {
    pub fn index(&self) -> u64 {
        self.header["index"].as_u64().expect("an index")
    }

    pub fn lossless(&self) -> bool {
        self.header["lossless"] == true
    }

    /// What the view shows with it: the pixels, as RGB, and the size.
    pub fn pixels(&self) -> (Vec<u8>, u32, u32) {
        let canvas = self.canvas.as_ref().expect("every frame that came before");
        (canvas.as_raw().clone(), canvas.width(), canvas.height())
    }

    pub fn whole(&self) -> bool {
        self.header["whole"] == true
    }

    /// Draws it over what was shown before, as a browser does.
    pub fn draw(&mut self, before: Option<(u64, RgbImage)>) {
        let size = (canvas::number(&self.header["width"]), canvas::number(&self.header["height"]));
        let mut canvas = if self.whole() {
            RgbImage::new(size.0, size.1)
        } else {
            let (index, canvas) = before.expect("a whole frame first");
            assert_eq!(
                (index + 1, canvas.dimensions()),
                (self.index(), size),
                "an amendment of what is not there"
            );
            canvas
        };
        canvas::draw(&mut canvas, &self.header, &self.data);
        self.canvas = Some(canvas);
    }
}

/// A fake browser that goes on by itself.
pub struct Living {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Browser>>,
}

impl Living {
    /// From now on the browser does what the test says; what it got meanwhile is forgotten.
    pub fn stop(mut self) -> Browser {
        self.stop.store(true, Ordering::Release);
        self.thread.take().expect("it was not stopped before").join().expect("the browser is well")
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// The request with which a page opens a view.
pub fn request(address: SocketAddr, path: &str) -> Request<()> {
    let mut request = format!("ws://{address}{path}").into_client_request().expect("a request");
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, format!("Bearer {KEY}").parse().expect("a header"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, "framehub.view.v1".parse().expect("a header"));
    headers.insert(header::ORIGIN, format!("http://{address}").parse().expect("a header"));
    request
}

impl Browser {
    pub fn connect(address: SocketAddr, path: &str) -> Result<Self, Box<Response<Option<Vec<u8>>>>> {
        Self::connect_with(request(address, path), address)
    }

    pub fn connect_with(
        request: Request<()>,
        address: SocketAddr,
    ) -> Result<Self, Box<Response<Option<Vec<u8>>>>> {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        match tungstenite::client(request, stream) {
            Ok((socket, response)) => {
                assert_eq!(response.headers()[header::SEC_WEBSOCKET_PROTOCOL], "framehub.view.v1");
                Ok(Self {
                    socket,
                    received: VecDeque::new(),
                    closed: None,
                    confirming: true,
                    frames: 0,
                    confirmed: 0,
                    pinged: 0,
                    shown: None,
                })
            }
            Err(HandshakeError::Failure(Error::Http(response))) => Err(response),
            Err(error) => panic!("the handshake failed: {error}"),
        }
    }

    /// Becomes visible at this logical size and ratio.
    #[must_use]
    pub fn sized(mut self, width: u32, height: u32, ratio: f64) -> Self {
        self.resize(width, height, ratio);
        self
    }

    /// Never confirms a frame unless the test does.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.confirming = false;
        self
    }

    /// Goes on by itself, on a thread of its own, until it is stopped.
    pub fn live(mut self) -> Living {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                self.receive(Duration::from_millis(50));
            }
            self
        });
        Living { stop, thread: Some(thread) }
    }

    pub fn resize(&mut self, width: u32, height: u32, ratio: f64) {
        let physical =
            |logical: u32| format!("{:.0}", f64::from(logical) * ratio).parse::<u32>().expect("a size");
        self.send(json!({"type": "resize", "width": width, "height": height,
            "pwidth": physical(width), "pheight": physical(height), "ratio": ratio}));
    }

    pub fn send(&mut self, message: Value) {
        self.send_text(&message.to_string());
    }

    pub fn send_text(&mut self, text: &str) {
        // A closed connection shows in what is received.
        let _ = self.socket.send(Message::text(text));
    }

    /// A pointer event at a position, with a button held or not.
    pub fn pointer(&mut self, kind: &str, x: f64, y: f64, buttons: &[u8]) {
        let button = u8::from(kind != "pointer_move");
        self.send(json!({"type": kind, "timestamp": 1.0, "x": x, "y": y, "button": button,
            "buttons": buttons, "modifiers": [], "ntouches": 0, "touches": {}}));
    }

    pub fn confirm(&mut self, frame: &FrameReceived) {
        self.confirmed += 1;
        self.send(json!({"type": "frame_feedback", "index": frame.index(),
            "timestamp": frame.header["timestamp"], "localtime": unix_now()}));
    }

    /// The next message, or `None` once the connection is closed or nothing came for `patience`.
    fn receive(&mut self, patience: Duration) -> Option<Received> {
        let start = Instant::now();
        while start.elapsed() < patience {
            self.socket.get_ref().set_read_timeout(Some(patience)).expect("an option");
            let mut received = match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let value: Value = serde_json::from_str(&text).expect("JSON");
                    match value["type"].as_str() {
                        Some("framebufferdata") => Received::Frame(decode_base64(value)),
                        Some("ping") => {
                            self.pinged += 1;
                            self.send(json!({"type": "pong", "timestamp": value["timestamp"], "localtime": unix_now()}));
                            continue;
                        }
                        _ => Received::Text(value),
                    }
                }
                Ok(Message::Binary(bytes)) => Received::Frame(decode(&bytes)),
                Ok(Message::Close(reason)) => {
                    self.closed = reason.map(|reason| reason.code.into());
                    continue;
                }
                Ok(_) => continue,
                Err(Error::Io(error)) if is_timeout(&error) => return None,
                Err(_) => return None,
            };
            if let Received::Frame(frame) = &mut received {
                self.frames += 1;
                frame.draw(self.shown.take());
                self.shown = frame.canvas.clone().map(|canvas| (frame.index(), canvas));
                if self.confirming {
                    let frame = frame.clone();
                    self.confirm(&frame);
                }
            }
            return Some(received);
        }
        None
    }

    /// Waits for a message for which `pick` gives a value; others are kept for later.
    fn wait<T>(&mut self, what: &str, mut pick: impl FnMut(&Received) -> Option<T>) -> T {
        if let Some(position) = self.received.iter().position(|received| pick(received).is_some()) {
            let received = self.received.remove(position).expect("it is there");
            return pick(&received).expect("it was picked");
        }
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let Some(received) = self.receive(PATIENCE) else { break };
            match pick(&received) {
                Some(value) => return value,
                None => self.received.push_back(received),
            }
        }
        panic!("waited in vain for {what}; close {:?}, got {:?}", self.closed, self.texts());
    }

    /// The next frame.
    pub fn frame(&mut self) -> FrameReceived {
        self.wait("a frame", |received| match received {
            Received::Frame(frame) => Some(frame.clone()),
            Received::Text(_) => None,
        })
    }

    /// The next frame that is lossless.
    pub fn lossless_frame(&mut self) -> FrameReceived {
        self.wait("a lossless frame", |received| match received {
            Received::Frame(frame) if frame.lossless() => Some(frame.clone()),
            _ => None,
        })
    }

    /// The next text message of a type for which `condition` holds.
    pub fn text(&mut self, kind: &str, condition: impl Fn(&Value) -> bool) -> Value {
        self.wait(kind, |received| match received {
            Received::Text(value) if value["type"] == kind && condition(value) => Some(value.clone()),
            _ => None,
        })
    }

    /// The next text message of any of these types.
    pub fn text_of(&mut self, kinds: &[&str]) -> Value {
        self.wait(&kinds.join(" or "), |received| match received {
            Received::Text(value) if kinds.iter().any(|kind| value["type"] == *kind) => Some(value.clone()),
            _ => None,
        })
    }

    /// Takes what comes within this time.
    pub fn receive_for(&mut self, time: Duration) {
        let received = self.receive(time);
        self.received.extend(received);
    }

    /// The code with which the server closed the connection, if it did.
    pub fn closed(&self) -> Option<u16> {
        self.closed
    }

    /// Drops what came while another message was waited for.
    pub fn forget(&mut self) {
        self.received.clear();
    }

    /// All frames that come until the server has answered a question that is asked now.
    pub fn frames_until_now(&mut self) -> Vec<FrameReceived> {
        self.send(json!({"type": "get_stats"}));
        self.text("stats", |_| true);
        let mut frames = Vec::new();
        self.received.retain(|received| match received {
            Received::Frame(frame) => {
                frames.push(frame.clone());
                false
            }
            Received::Text(_) => true,
        });
        frames
    }

    /// Waits until this many more pings have come than the one on joining.
    pub fn pings(&mut self, more: u64) {
        let start = Instant::now();
        while self.pinged <= more {
            assert!(start.elapsed() < PATIENCE, "no ping came");
            if let Some(received) = self.receive(Duration::from_millis(100)) {
                self.received.push_back(received);
            }
        }
    }

    /// Waits until the server closes the connection; returns the code.
    pub fn close_code(&mut self) -> u16 {
        let start = Instant::now();
        while self.closed.is_none() && start.elapsed() < PATIENCE {
            match self.receive(PATIENCE) {
                Some(received) => self.received.push_back(received),
                None => break,
            }
        }
        self.closed.unwrap_or_else(|| panic!("closed without a code, after {:?}", self.texts()))
    }

    fn texts(&self) -> Vec<&Value> {
        self.received
            .iter()
            .filter_map(|received| match received {
                Received::Text(value) => Some(value),
                Received::Frame(_) => None,
            })
            .collect()
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The frame of a binary message.
pub fn decode(bytes: &[u8]) -> FrameReceived {
    let length = u32::from_le_bytes(bytes[..4].try_into().expect("4 bytes")) as usize;
    let header = serde_json::from_slice(&bytes[4..4 + length]).expect("a JSON header");
    FrameReceived { header, data: bytes[4 + length..].to_vec(), canvas: None }
}

/// The frame of a text message.
pub fn decode_base64(header: Value) -> FrameReceived {
    let uri = header["data_b64"].as_str().expect("a data URI");
    let prefix = format!("data:{};base64,", header["mimetype"].as_str().expect("a type"));
    let data = BASE64_STANDARD.decode(uri.strip_prefix(&prefix).expect("the prefix")).expect("base64");
    FrameReceived { header, data, canvas: None }
}
