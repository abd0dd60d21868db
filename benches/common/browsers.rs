//! Fake browsers, in a process of their own: what they cost is not in the figures of the server's.
//!
//! The benchmark's executable starts itself again, with an argument. That process has one thread. Each of its views reads
//! what comes, decodes nothing, and confirms a frame as soon as its last byte is there.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use actix::System;
use actix_web::rt::net;
use framehub::clock::unix_now;
use serde_json::json;

/// The argument that makes the executable a crowd of browsers; address, widget, views, width and height follow.
const ARGUMENT: &str = "--browsers";
/// Longest wait for a handshake.
const PATIENCE: Duration = Duration::from_secs(20);

/// The process. It ends when this is dropped, and when the process that started it is gone.
pub struct Browsers(Child);

impl Browsers {
    /// Starts so many views of a widget, each of that many pixels.
    pub fn start(address: SocketAddr, widget: &str, views: usize, (width, height): (u32, u32)) -> Self {
        let program = std::env::current_exe().expect("an executable that runs has a path");
        let process = Command::new(program)
            .args([ARGUMENT, &address.to_string(), widget])
            .args([views.to_string(), width.to_string(), height.to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .expect("a process starts");
        Self(process)
    }
}

impl Drop for Browsers {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Does the work of the process, if this is the process of browsers; it then returns when they are no longer wanted.
pub fn are_here() -> bool {
    let mut arguments = std::env::args().skip_while(|argument| argument != ARGUMENT).skip(1);
    let Some(address) = arguments.next() else { return false };
    let address: SocketAddr = address.parse().expect("an address");
    let widget = arguments.next().expect("a widget");
    let numbers: Vec<u32> = arguments.map(|number| number.parse().expect("a number")).collect();
    let [views, width, height] = numbers[..] else { panic!("views, width and height") };

    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    System::new().block_on(async move {
        for _ in 0..views {
            let (stream, ahead) = connect(address, &widget);
            actix_web::rt::spawn(show(stream, ahead, (width, height)));
            // Those who are connected confirm while others connect.
            actix_web::rt::task::yield_now().await;
        }
        std::future::pending::<()>().await;
    });
    true
}

/// Opens a view. Returns also what the server sent along with its answer.
fn connect(address: SocketAddr, widget: &str) -> (net::TcpStream, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("an option");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    write!(
        stream,
        "GET /api/widgets/{widget}/view HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: framehub.view.v1\r\n\r\n"
    )
    .expect("the request is sent");
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    let end = loop {
        if let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        let length = stream.read(&mut piece).expect("the server answers");
        assert!(length > 0, "the server closed: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..length]);
    };
    assert!(answer.starts_with(b"HTTP/1.1 101"), "refused: {}", String::from_utf8_lossy(&answer));
    stream.set_nonblocking(true).expect("an option");
    (net::TcpStream::from_std(stream).expect("a socket"), answer.split_off(end))
}

/// Shows the widget until the connection ends.
async fn show(stream: net::TcpStream, ahead: Vec<u8>, (width, height): (u32, u32)) {
    let resize = json!({"type": "resize", "width": width, "height": height,
        "pwidth": width, "pheight": height, "ratio": 1});
    send(&stream, &resize.to_string()).await;
    let (mut reader, mut frames, mut buffer) = (Reader::default(), 0, vec![0; 64 << 10]);
    let mut received = ahead.len();
    buffer[..received].copy_from_slice(&ahead);
    loop {
        for _ in 0..reader.take(&buffer[..received]) {
            // A view's frames are numbered from 1.
            frames += 1;
            let feedback =
                json!({"type": "frame_feedback", "index": frames, "timestamp": 0, "localtime": unix_now()});
            send(&stream, &feedback.to_string()).await;
        }
        received = loop {
            match stream.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => break length,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if stream.readable().await.is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        };
    }
}

/// Sends a short text message.
async fn send(stream: &net::TcpStream, text: &str) {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).expect("a short message");
    // Final text frame, masked with zeros.
    let message = [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat();
    let mut rest = &message[..];
    while !rest.is_empty() {
        match stream.try_write(rest) {
            Ok(length) => rest = &rest[length..],
            Err(error)
                if error.kind() == std::io::ErrorKind::WouldBlock && stream.writable().await.is_ok() => {}
            // Reading tells that the connection is gone.
            Err(_) => return,
        }
    }
}

/// Finds the ends of binary messages in what a server sends.
#[derive(Default)]
struct Reader {
    /// The header of a WebSocket frame, as far as it came.
    header: Vec<u8>,
    /// Bytes of the payload that are still to come.
    payload: u64,
    /// Whether the message that is coming is binary.
    binary: bool,
    /// Whether the frame that is coming ends a message.
    last: bool,
}

impl Reader {
    /// Takes what came; returns how many binary messages it ended.
    fn take(&mut self, mut bytes: &[u8]) -> usize {
        let mut ended = 0;
        while !bytes.is_empty() {
            if self.payload > 0 {
                let skipped = bytes.len().min(usize::try_from(self.payload).unwrap_or(usize::MAX));
                bytes = &bytes[skipped..];
                self.payload -= skipped as u64;
            } else {
                self.header.push(bytes[0]);
                bytes = &bytes[1..];
                let Some(payload) = payload_length(&self.header) else { continue };
                self.payload = payload;
                self.last = self.header[0] & 0x80 != 0;
                match self.header[0] & 0x0f {
                    0 => {}
                    opcode => self.binary = opcode == 2,
                }
                self.header.clear();
            }
            if self.payload == 0 && self.header.is_empty() && self.last {
                ended += usize::from(std::mem::take(&mut self.binary));
            }
        }
        ended
    }
}

/// The length of the payload, once the header of the frame is whole.
fn payload_length(header: &[u8]) -> Option<u64> {
    let wide = |bytes: &[u8]| bytes.iter().fold(0, |length, &byte| length << 8 | u64::from(byte));
    match (header.get(1)? & 0x7f, header.len()) {
        (126, 4) | (127, 10) => Some(wide(&header[2..])),
        (126 | 127, _) => None,
        (length, _) => Some(length.into()),
    }
}
