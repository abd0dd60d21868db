//! A caller who does one thing without end, in a process of its own that yields to all others.
//!
//! It never waits for an answer, so that it does the same to a server and to a socket that reads and discards all.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
};

use serde_json::json;

/// The argument that makes the executable an abuser; what it does, the address and the widget follow.
const ARGUMENT: &str = "--abuser";
/// Who it says that it is, to a server that trusts this machine as a proxy: it is limited, and the others are not, by its address.
const CLIENT: &str = "192.0.2.66";
/// Messages that are written at a time.
const BATCH: usize = 200;
/// Views that are open at a time where it is views that are opened.
const VIEWS: usize = 100;

/// What it does.
pub const ABUSES: [&str; 8] =
    ["get_stats", "held keys", "events", "refresh", "pings", "requests", "snapshots", "views"];

/// The process. It ends when this is dropped, and when the process that started it is gone.
pub struct Abuser(Child);

impl Abuser {
    /// Begins with one of [`ABUSES`].
    pub fn start(abuse: &str, address: SocketAddr, widget: &str) -> Self {
        let program = std::env::current_exe().expect("an executable that runs has a path");
        let process = Command::new("nice")
            .args(["-n", "19"])
            .arg(program)
            .args([ARGUMENT, abuse, &address.to_string(), widget])
            .stdin(Stdio::piped())
            .spawn()
            .expect("a process starts");
        Self(process)
    }
}

impl Drop for Abuser {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A socket that reads and discards what anybody sends, for as long as the program runs.
pub fn discarding() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            drain(stream);
        }
    });
    address
}

/// Does the work of the process, if this is an abuser's.
pub fn is_here() -> bool {
    let mut arguments = std::env::args().skip_while(|argument| argument != ARGUMENT).skip(1);
    let Some(abuse) = arguments.next() else { return false };
    let address: SocketAddr = arguments.next().expect("an address").parse().expect("an address");
    let widget = arguments.next().expect("a widget");
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    loop {
        // Whoever is turned away comes again.
        let _ = once(&abuse, address, &widget);
    }
}

/// Does it until the connection ends.
fn once(abuse: &str, address: SocketAddr, widget: &str) -> std::io::Result<()> {
    if abuse == "views" {
        let views = (0..VIEWS).map(|_| view(address, widget)).collect::<Result<Vec<_>, _>>()?;
        for mut view in &views {
            view.write_all(&text(&json!({"type": "show"}).to_string()))?;
        }
        return Ok(());
    }
    if ["requests", "snapshots"].contains(&abuse) {
        let mut stream = connect(address)?;
        for number in 0_u32.. {
            let path = if abuse == "requests" {
                "stats".to_owned()
            } else {
                format!("snapshot?format=webp&pixel_ratio=4.{number}")
            };
            write!(
                stream,
                "GET /api/widgets/{widget}/{path} HTTP/1.1\r\nHost: {address}\r\nX-Forwarded-For: {CLIENT}\r\n\r\n"
            )?;
        }
    }
    let mut stream = view(address, widget)?;
    for batch in 0_usize.. {
        let messages: Vec<u8> =
            (0..BATCH).flat_map(|number| message(abuse, batch * BATCH + number)).collect();
        stream.write_all(&messages)?;
    }
    Ok(())
}

/// A message of the abuse, as a WebSocket frame.
fn message(abuse: &str, number: usize) -> Vec<u8> {
    let message = match abuse {
        // A masked ping of nothing.
        "pings" => return vec![0x89, 0x80, 0, 0, 0, 0],
        "held keys" => json!({"type": "key_down", "key": format!("k{number}"), "modifiers": []}),
        "events" => json!({"type": "pointer_move", "x": number % 600, "y": 9}),
        other => json!({"type": other}),
    };
    text(&message.to_string())
}

/// A short text message, masked with zeros.
fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).expect("a short message");
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

/// A connection whose answers nobody looks at.
fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    drain(stream.try_clone()?);
    Ok(stream)
}

fn drain(mut stream: TcpStream) {
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
    });
}

/// The same, upgraded to a view.
fn view(address: SocketAddr, widget: &str) -> std::io::Result<TcpStream> {
    let mut stream = connect(address)?;
    write!(
        stream,
        "GET /api/widgets/{widget}/view HTTP/1.1\r\nHost: {address}\r\nX-Forwarded-For: {CLIENT}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: framehub.view.v1\r\n\r\n"
    )?;
    Ok(stream)
}
