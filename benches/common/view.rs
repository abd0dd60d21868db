//! A view in the benchmark's own process, for what needs to look at each frame.

use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket, client::IntoClientRequest, http::HeaderValue};

/// Connects to the server by one of its protocols.
pub fn connect(address: SocketAddr, path: &str, protocol: &'static str) -> WebSocket<TcpStream> {
    let mut request = format!("ws://{address}{path}").into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("an option");
    tungstenite::client(request, stream).expect("a handshake").0
}

/// Opens a view of a widget, of that many pixels.
pub fn open(
    address: SocketAddr,
    widget: &str,
    query: &str,
    (width, height): (u32, u32),
) -> WebSocket<TcpStream> {
    let mut view = connect(address, &format!("/api/widgets/{widget}/view{query}"), "framehub.view.v1");
    let resize = json!({"type": "resize", "width": width, "height": height,
        "pwidth": width, "pheight": height, "ratio": 1});
    send(&mut view, &resize);
    view
}

/// Sends a message.
pub fn send(view: &mut WebSocket<TcpStream>, message: &Value) {
    view.send(Message::text(message.to_string())).expect("the server reads");
}

/// The header of a frame, and its images.
pub fn split(frame: &[u8]) -> (Value, &[u8]) {
    let length = u32::from_le_bytes(frame[..4].try_into().expect("4 bytes")) as usize;
    let header = serde_json::from_slice(&frame[4..4 + length]).expect("a JSON header");
    (header, &frame[4 + length..])
}
