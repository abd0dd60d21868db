//! Plain HTTP requests, with the key unless the test says otherwise.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use crate::server::{KEY, PATIENCE, TestServer};

pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The JSON body of an answer that must have this status; `null` when it is empty.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        assert_eq!(self.status, status, "{text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") }
    }

    /// The message and the field of an error that must have this status and code.
    #[track_caller]
    pub fn error(self, status: u16, code: &str) -> (String, Value) {
        let error = self.expect(status)["error"].take();
        assert_eq!(error["code"], code, "{error}");
        (error["message"].as_str().expect("a message").to_owned(), error["field"].clone())
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim_end())
    }
}

/// Sends bytes to the server and reads the answer to its end.
pub fn raw(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    // A reset after the answer is the server's way of not reading what it refused.
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer with headers");
    let headers = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, headers, body: answer.split_off(end + 4) }
}

impl TestServer {
    pub fn request(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.request_with(method, path, &format!("Authorization: Bearer {KEY}\r\n"), &body)
    }

    /// A request with these header lines, each ended by a line break, instead of the key.
    pub fn request_with(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let (address, length) = (self.address, body.len());
        raw(
            address,
            &format!(
                "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
            ),
        )
    }
}
