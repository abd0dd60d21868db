//! Requests that begin and do not end: each costs the server a bounded time, and keeps nobody out.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use framehub::{Config, Patience};
use serde_json::json;

use crate::{
    kernel_link::Kernel,
    server::{KEY, PATIENCE, TestServer, config},
};

const WHOLE: &[u8] = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
const HALF: &[u8] = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Ha";
const SOON: Duration = Duration::from_millis(300);

/// A server that waits for nobody for long.
fn impatient() -> TestServer {
    let patience = Patience { kernel_hello: SOON, request: SOON, body: SOON, ..Patience::default() };
    let metrics_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    TestServer::with(Config { patience, metrics_listen, ..config() })
}

fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    stream
}

/// Sends the last of a request for something that is JSON, and reads the answer.
#[track_caller]
fn answered(stream: &mut TcpStream, rest: &[u8]) {
    stream.write_all(rest).expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let mut more = [0; 1024];
        let read = stream.read(&mut more).expect("an answer");
        assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&more[..read]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

/// Reads until the server ends the connection; answers what it said before.
#[track_caller]
fn ended(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is one way of ending it, silence is none.
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    String::from_utf8(answer).expect("text")
}

#[test]
fn half_a_request_is_not_waited_for_whether_it_is_the_first_of_its_connection_or_not() {
    let server = impatient();
    let mut first = connected(server.address);
    first.write_all(HALF).expect("sent");
    let mut later = connected(server.address);
    answered(&mut later, WHOLE);
    answered(&mut later, WHOLE);
    later.write_all(HALF).expect("sent");
    // It is answered at once, and the body that it promised never comes.
    let mut unread = connected(server.address);
    let promise = "GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    answered(&mut unread, promise.as_bytes());
    let mut metrics = connected(server.metrics.expect("an address"));
    metrics.write_all(HALF).expect("sent");
    for stream in [&mut first, &mut later, &mut unread, &mut metrics] {
        assert_eq!(ended(stream), "");
    }
}

#[test]
fn who_waits_for_an_answer_and_who_has_a_view_are_not_ended() {
    let server = impatient();
    let mut kernel = Kernel::start(&server, "session-of-the-tests");
    let widget = kernel.widget(json!({}));
    let mut view = server.view(&widget);
    let path = format!("/api/widgets/{widget}/snapshot");
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.request("GET", &path, None).status);
        let turn = kernel.turn(&widget);
        // One that came later than these is ended.
        let mut half = connected(server.address);
        half.write_all(HALF).expect("sent");
        assert_eq!(ended(&mut half), "");
        kernel.drawn(&turn, 1, false);
        assert_eq!(asked.join().expect("an answer"), 200);
    });
    view.pings(1);
    assert_eq!(view.closed(), None);
}

#[test]
fn connections_that_were_answered_make_room_like_those_that_never_asked() {
    let patience = Patience { request: Duration::from_secs(3600), ..Patience::default() };
    let server = TestServer::with(Config { patience, max_half_open_of_address: 10, ..config() });
    let mut half: Vec<_> = (0..30)
        .map(|_| {
            let mut stream = connected(server.address);
            answered(&mut stream, WHOLE);
            stream.write_all(HALF).expect("sent");
            stream
        })
        .collect();
    for stream in &mut half[..20] {
        assert_eq!(ended(stream), "");
    }
    for stream in &mut half[20..] {
        answered(stream, b"lf: x\r\n\r\n");
    }
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let server = impatient();
    let mut stream = connected(server.address);
    let head = format!(
        "POST /api/widgets HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 100\r\n\r\n{{",
        server.address
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let answer = ended(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("did not come within 0.3 s"), "{answer}");
}

#[test]
fn a_kernel_that_does_not_say_which_it_is_is_turned_away_and_one_that_did_stays() {
    let server = impatient();
    let mut known = Kernel::start(&server, "session-of-the-tests");
    let mut silent = Kernel::silent(&server);
    let refused = silent.text("refused", |_| true);
    assert_eq!(refused["code"], "hello");
    assert!(refused["message"].as_str().expect("a message").contains("within 0.3 s"), "{refused}");
    assert_eq!(silent.close_code(), 4008);
    known.widget(json!({}));
}
