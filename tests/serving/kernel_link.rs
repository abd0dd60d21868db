//! A fake kernel: the far end of a connection that draws widgets, doing only what the test says.

use std::{
    collections::{HashMap, VecDeque},
    net::{SocketAddr, TcpStream},
    time::Instant,
};

use serde_json::{Value, json};
use tungstenite::{
    Message, WebSocket,
    client::IntoClientRequest,
    http::{Request, header},
};

use crate::{
    probe::picture,
    server::{KEY, PATIENCE, TestServer},
};

pub struct Kernel {
    pub socket: WebSocket<TcpStream>,
    received: VecDeque<Value>,
    /// Binary messages that came: header and what follows it.
    pub binary: VecDeque<(Value, Vec<u8>)>,
    pub closed: Option<(u16, String)>,
    pub welcome: Value,
    /// The size of each widget, as its turns told it.
    sizes: HashMap<String, (u32, u32)>,
    next_request: u64,
}

/// The request with which a kernel connects.
pub fn request(address: SocketAddr) -> Request<()> {
    request_at(address, "/api/kernel")
}

/// The same at another path.
pub fn request_at(address: SocketAddr, path: &str) -> Request<()> {
    let mut request = format!("ws://{address}{path}").into_client_request().expect("a request");
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, format!("Bearer {KEY}").parse().expect("a header"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, "framehub.kernel.v1".parse().expect("a header"));
    request
}

impl Kernel {
    /// A kernel that has said hello and is welcome.
    pub fn start(server: &TestServer, session: &str) -> Self {
        Self::welcomed(server, session, request(server.address))
    }

    /// The same by another request.
    pub fn welcomed(server: &TestServer, session: &str, request: Request<()>) -> Self {
        let mut kernel = Self::connected(server, request);
        kernel.send(json!({"type": "hello", "session": session, "name": "Test"}));
        kernel.welcome = kernel.text("welcome", |_| true);
        kernel
    }

    /// A kernel that has said nothing yet.
    pub fn silent(server: &TestServer) -> Self {
        Self::connected(server, request(server.address))
    }

    /// A kernel that connects by this request, and has said nothing yet.
    pub fn connected(server: &TestServer, request: Request<()>) -> Self {
        let stream = TcpStream::connect(server.address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        let (socket, response) = tungstenite::client(request, stream).expect("a handshake");
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_PROTOCOL], "framehub.kernel.v1");
        Self {
            socket,
            received: VecDeque::new(),
            binary: VecDeque::new(),
            closed: None,
            welcome: Value::Null,
            sizes: HashMap::new(),
            next_request: 1,
        }
    }

    pub fn send(&mut self, message: Value) {
        self.send_text(&message.to_string());
    }

    pub fn send_text(&mut self, text: &str) {
        // A closed connection shows in what is received.
        let _ = self.socket.send(Message::text(text));
    }

    pub fn send_binary(&mut self, header: Value, pixels: &[u8]) {
        let header = header.to_string();
        let mut message = u32::try_from(header.len()).expect("short").to_le_bytes().to_vec();
        message.extend_from_slice(header.as_bytes());
        message.extend_from_slice(pixels);
        let _ = self.socket.send(Message::binary(message));
    }

    /// Makes a widget; returns what it is answered.
    pub fn create(&mut self, with: Value) -> Value {
        let request = self.ask("create", with);
        self.text("created", |created| created["request"] == request)
    }

    /// Makes a widget, or hears why not.
    pub fn try_create(&mut self, with: Value) -> Result<Value, Value> {
        let request = self.ask("create", with);
        let answer = self.any(&["created", "refused"], |answer| answer["request"] == request);
        if answer["type"] == "created" { Ok(answer) } else { Err(answer) }
    }

    /// Makes a widget; returns its id.
    pub fn widget(&mut self, with: Value) -> String {
        self.create(with)["widget"].as_str().expect("an id").to_owned()
    }

    /// Sends a message with a `request`; returns that.
    pub fn ask(&mut self, kind: &str, mut with: Value) -> u64 {
        let request = self.next_request;
        self.next_request += 1;
        (with["type"], with["request"]) = (json!(kind), json!(request));
        if kind == "create" && with["kind"].is_null() {
            with["kind"] = json!("Plot");
        }
        self.send(with);
        request
    }

    /// The next text message of a type for which `condition` holds.
    pub fn text(&mut self, kind: &str, condition: impl Fn(&Value) -> bool) -> Value {
        self.any(&[kind], condition)
    }

    /// The next text message of one of these types for which `condition` holds.
    pub fn any(&mut self, kinds: &[&str], condition: impl Fn(&Value) -> bool) -> Value {
        let fits = |value: &Value| kinds.iter().any(|kind| value["type"] == *kind) && condition(value);
        let start = Instant::now();
        loop {
            if let Some(position) = self.received.iter().position(fits) {
                return self.received.remove(position).expect("it is there");
            }
            assert!(
                start.elapsed() < PATIENCE && self.receive(),
                "waited in vain for {kinds:?}; close {:?}, got {:?}",
                self.closed,
                self.received
            );
        }
    }

    /// Whether a message of this type comes before the connection ends.
    pub fn answers(&mut self, kind: &str) -> bool {
        while !self.received.iter().any(|value| value["type"] == kind) {
            if !self.receive() {
                return false;
            }
        }
        true
    }

    /// The next binary message.
    pub fn relayed(&mut self) -> (Value, Vec<u8>) {
        while self.binary.is_empty() {
            assert!(self.receive(), "no binary message came");
        }
        self.binary.pop_front().expect("it is there")
    }

    /// The next turn of a widget.
    pub fn turn(&mut self, widget: &str) -> Value {
        let turn = self.text("turn", |turn| turn["widget"] == widget);
        for event in turn["events"].as_array().expect("events") {
            if event["type"] == "resize" {
                let side = |name: &str| {
                    event[name].as_u64().and_then(|side| u32::try_from(side).ok()).expect("a side")
                };
                self.sizes.insert(widget.to_owned(), (side("pwidth"), side("pheight")));
            }
        }
        turn
    }

    /// The next turn of a widget that wants a draw; those before it are ended without one.
    pub fn draw_turn(&mut self, widget: &str) -> Value {
        loop {
            let turn = self.turn(widget);
            if turn["requested"] == true {
                return turn;
            }
            self.done(&turn, "no");
        }
    }

    /// Ends a turn without a frame.
    pub fn done(&mut self, turn: &Value, drawn: &str) {
        self.done_with(turn, json!({"drawn": drawn, "requested": false}));
    }

    /// Ends a turn without a frame, with these fields.
    pub fn done_with(&mut self, turn: &Value, mut with: Value) {
        with["type"] = json!("turn_done");
        (with["widget"], with["turn"]) = (turn["widget"].clone(), turn["turn"].clone());
        self.send(with);
    }

    /// Ends a turn with picture number `number` at the widget's size.
    pub fn drawn(&mut self, turn: &Value, number: u64, requested: bool) {
        let (width, height) = self.sizes[turn["widget"].as_str().expect("an id")];
        self.drawn_pixels(turn, &picture(number, width, height), requested);
    }

    /// Ends a turn with a frame of the widget's size.
    pub fn drawn_pixels(&mut self, turn: &Value, pixels: &[u8], requested: bool) {
        let (width, height) = self.sizes[turn["widget"].as_str().expect("an id")];
        let header = json!({"type": "turn_done", "widget": turn["widget"], "turn": turn["turn"], "drawn": "frame",
            "draw_time": 0.001, "requested": requested, "width": width, "height": height, "format": "rgb8"});
        self.send_binary(header, pixels);
    }

    /// Waits for a turn that wants a draw, and draws.
    pub fn draw(&mut self, widget: &str, number: u64) -> Value {
        let turn = self.draw_turn(widget);
        self.drawn(&turn, number, false);
        turn
    }

    /// Pushes picture number `number`.
    pub fn push(&mut self, widget: &str, number: u64, width: u32, height: u32) {
        let header =
            json!({"type": "frame", "widget": widget, "width": width, "height": height, "format": "rgb8"});
        self.send_binary(header, &picture(number, width, height));
    }

    /// All text messages of a type that came until the server has answered a question that is asked now.
    pub fn until_now(&mut self, widget: &str, kind: &str) -> Vec<Value> {
        let request = self.ask("get_stats", json!({"widget": widget}));
        self.text("stats", |stats| stats["request"] == request);
        let (picked, others): (VecDeque<_>, _) =
            self.received.drain(..).partition(|value| value["type"] == kind);
        self.received = others;
        picked.into()
    }

    /// Ends the process without a word.
    pub fn kill(self) {
        let _ = self.socket.get_ref().shutdown(std::net::Shutdown::Both);
    }

    /// Waits until the server closes the connection; returns the code.
    pub fn close_code(&mut self) -> u16 {
        while self.closed.is_none() && self.receive() {}
        self.closed.as_ref().unwrap_or_else(|| panic!("closed without a code, after {:?}", self.received)).0
    }

    /// Takes the next message in; false once there is none.
    fn receive(&mut self) -> bool {
        match self.socket.read() {
            Ok(Message::Text(text)) => self.received.push_back(serde_json::from_str(&text).expect("JSON")),
            Ok(Message::Binary(bytes)) => {
                let length = u32::from_le_bytes(bytes[..4].try_into().expect("4 bytes")) as usize;
                let header = serde_json::from_slice(&bytes[4..4 + length]).expect("a JSON header");
                self.binary.push_back((header, bytes[4 + length..].to_vec()));
            }
            Ok(Message::Close(Some(frame))) => {
                self.closed = Some((frame.code.into(), frame.reason.to_string()));
            }
            Ok(_) => {}
            Err(_) => return false,
        }
        true
    }
}
