//! A program with a renderer in it, in the benchmark's own process: a kernel that draws frames which were made before.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    thread::JoinHandle,
    time::Duration,
};

use framehub::Frame;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::{
    server::QUALITY,
    view::{connect, send},
};

/// A kernel with one widget. It ends with that.
pub struct Kernel {
    /// Names the widget.
    pub widget: String,
    thread: JoinHandle<()>,
}

impl Kernel {
    /// Connects, and makes a widget that shows these frames in turn, with so much time before each, for as long as it is watched.
    pub fn start(address: SocketAddr, frames: Vec<Frame>, pace: Duration) -> Self {
        let mut socket = connect(address, "/api/kernel", "framehub.kernel.v1");
        send(
            &mut socket,
            &json!({"type": "hello", "session": "session-of-the-benchmark", "name": "Benchmark"}),
        );
        let traits = json!({"quality": QUALITY, "adaptive": false});
        send(&mut socket, &json!({"type": "create", "request": 1, "kind": "Plot", "traits": traits}));
        let created = hear(&mut socket, "created").expect("the widget is made");
        let widget = created["widget"].as_str().expect("an id").to_owned();
        send(&mut socket, &json!({"type": "request_draw", "widget": widget}));
        let thread = std::thread::spawn(move || {
            for frame in frames.iter().cycle() {
                let Some(turn) = draw_turn(&mut socket) else { return };
                std::thread::sleep(pace);
                if show(socket.get_mut(), &turn, frame).is_err() {
                    return;
                }
            }
        });
        Self { widget, thread }
    }

    /// Waits until it has ended.
    pub fn join(self) {
        self.thread.join().expect("it ends well");
    }
}

/// The next message of a type; `None` once the widget is closed.
fn hear(socket: &mut WebSocket<TcpStream>, kind: &str) -> Option<Value> {
    loop {
        let Message::Text(text) = socket.read().ok()? else { continue };
        let message: Value = serde_json::from_str(&text).expect("the server sends JSON");
        match message["type"].as_str() {
            Some("closed") => return None,
            Some(one) if one == kind => return Some(message),
            _ => {}
        }
    }
}

/// The next turn in which there is something to draw; those before are ended.
fn draw_turn(socket: &mut WebSocket<TcpStream>) -> Option<Value> {
    loop {
        let turn = hear(socket, "turn")?;
        if turn["requested"] == true {
            return Some(turn);
        }
        let done = json!({"type": "turn_done", "widget": turn["widget"], "turn": turn["turn"], "drawn": "no",
            "draw_time": 0, "requested": true});
        send(socket, &done);
    }
}

/// Ends a turn with a frame, from where it is: no memory is asked for that an allocator's profile would show.
fn show(stream: &mut TcpStream, turn: &Value, frame: &Frame) -> std::io::Result<()> {
    let header = json!({"type": "turn_done", "widget": turn["widget"], "turn": turn["turn"], "drawn": "frame",
        "draw_time": 0, "requested": true, "width": frame.width(), "height": frame.height(), "format": "rgb8"})
    .to_string();
    let length = u32::try_from(header.len()).expect("a short header");
    let message = 4 + u64::from(length) + frame.pixels().len() as u64;
    // Final and binary, with a length of 64 bits, masked with zeros.
    let head = [&[0x82, 0xff][..], &message.to_be_bytes(), &[0; 4], &length.to_le_bytes(), header.as_bytes()];
    stream.write_all(&head.concat())?;
    stream.write_all(frame.pixels())
}
