//! Bad input: each with its message, and without harm to anyone else.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use framehub::Config;
use serde_json::{Value, json};
use tungstenite::{
    Message,
    protocol::frame::{
        Frame, FrameHeader,
        coding::{Data, OpCode},
    },
};

use crate::{
    browser::{Browser, request},
    probe::Probe,
    server::{PATIENCE, TestServer, config, wait_for},
};

fn started() -> (TestServer, Probe, Browser) {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    let mut view = server.view(probe.id()).sized(32, 32, 1.0);
    view.frame();
    (server, probe, view)
}

/// The view still gets frames.
fn still_lives(server: &TestServer, probe: &Probe, view: &mut Browser) {
    server.handle(probe.id()).request_draw();
    view.frame();
}

#[test]
fn a_bad_message_is_refused_by_field_and_costs_only_itself() {
    let (server, probe, mut view) = started();
    for (text, code, field) in [
        ("{", "bad_json", Value::Null),
        ("[]", "bad_field", json!("message")),
        ("42", "bad_field", json!("message")),
        ("nonsense", "bad_json", Value::Null),
        (r#"{"x": 1}"#, "bad_field", json!("type")),
        (r#"{"type": "explode"}"#, "unknown_type", json!("type")),
        (r#"{"type": "close"}"#, "unknown_type", json!("type")),
        (r#"{"type": "pointer_move", "x": NaN, "y": 1}"#, "bad_json", Value::Null),
        (r#"{"type": "pointer_move", "x": 1e999, "y": 1}"#, "bad_json", Value::Null),
        (r#"{"type": "pointer_move", "x": 1e12, "y": 1}"#, "bad_field", json!("x")),
        (r#"{"type": "pointer_move", "y": 1}"#, "bad_field", json!("x")),
        (r#"{"type": "pointer_down", "x": 1, "y": 1, "buttons": "left"}"#, "bad_field", json!("buttons")),
        (
            r#"{"type": "resize", "width": -1, "height": 1, "pwidth": 1, "pheight": 1, "ratio": 1}"#,
            "bad_field",
            json!("width"),
        ),
        (
            r#"{"type": "resize", "width": 1e6, "height": 1, "pwidth": 1, "pheight": 1, "ratio": 1}"#,
            "bad_field",
            json!("width"),
        ),
        (
            r#"{"type": "resize", "width": 9, "height": 9, "pwidth": 4e9, "pheight": 1, "ratio": 1}"#,
            "bad_field",
            json!("pwidth"),
        ),
        (
            r#"{"type": "resize", "width": 9, "height": 9, "pwidth": 9, "pheight": 9, "ratio": 0}"#,
            "bad_field",
            json!("ratio"),
        ),
        (r#"{"type": "wheel", "x": 1, "y": 1, "dx": 0}"#, "bad_field", json!("dy")),
        (r#"{"type": "key_down", "key": ""}"#, "bad_field", json!("key")),
        (
            r#"{"type": "frame_feedback", "index": 999, "timestamp": 1, "localtime": 1}"#,
            "frame_feedback",
            json!("index"),
        ),
        (
            r#"{"type": "frame_feedback", "index": 0, "timestamp": 1, "localtime": 1}"#,
            "frame_feedback",
            json!("index"),
        ),
        (
            r#"{"type": "frame_feedback", "index": 1, "timestamp": 1, "localtime": 1}"#,
            "frame_feedback",
            json!("index"),
        ),
        (
            r#"{"type": "frame_feedback", "index": -1, "timestamp": 1, "localtime": 1}"#,
            "bad_field",
            json!("index"),
        ),
    ] {
        view.send_text(text);
        let error = view.text("error", |_| true);
        assert_eq!((&error["code"], &error["field"]), (&json!(code), &field), "{text}: {error}");
    }
    still_lives(&server, &probe, &mut view);
    assert!(probe.names().is_empty());
}

#[test]
fn a_sender_of_nothing_but_bad_messages_is_let_go() {
    let (server, probe, mut other) = started();
    let mut view = server.view(probe.id());
    for _ in 0..150 {
        view.send_text("{");
    }
    assert_eq!(view.close_code(), 1008);
    still_lives(&server, &probe, &mut other);
}

#[test]
fn binary_from_a_view_ends_its_connection() {
    let (server, probe, mut other) = started();
    let mut view = server.view(probe.id());
    view.socket.send(Message::binary(vec![1, 2, 3])).unwrap();
    assert_eq!(view.text("error", |_| true)["code"], "binary");
    assert_eq!(view.close_code(), 1003);
    still_lives(&server, &probe, &mut other);
}

#[test]
fn an_oversized_message_ends_its_connection() {
    let server = TestServer::with(Config { max_message_bytes: 4096, ..config() });
    let probe = server.probe(json!({}));
    let mut view = server.view(probe.id());
    view.send(json!({"type": "char", "data": "x".repeat(5000)}));
    assert_eq!(view.text("error", |_| true)["code"], "too_big");
    assert_eq!(view.close_code(), 1009);
}

fn fragment(view: &mut Browser, data: &str, opcode: Data, last: bool) {
    let header = FrameHeader { is_final: last, opcode: OpCode::Data(opcode), ..FrameHeader::default() };
    view.socket.send(Message::Frame(Frame::from_payload(header, data.to_owned().into()))).unwrap();
}

#[test]
fn a_message_in_fragments_is_a_message_and_fragments_out_of_order_end_the_connection() {
    let (server, probe, mut view) = started();
    fragment(&mut view, r#"{"type": "key_do"#, Data::Text, false);
    fragment(&mut view, r#"wn", "key": "#, Data::Continue, false);
    fragment(&mut view, r#""a", "modifiers": []}"#, Data::Continue, true);
    wait_for("the event", || (probe.names() == ["key_down"]).then_some(()));

    let mut bad = server.view(probe.id());
    fragment(&mut bad, "lost", Data::Continue, true);
    assert_eq!(bad.close_code(), 1002);
    still_lives(&server, &probe, &mut view);
}

#[test]
fn fragments_that_add_up_to_too_much_end_the_connection() {
    let server = TestServer::with(Config { max_message_bytes: 4096, ..config() });
    let probe = server.probe(json!({}));
    let mut view = server.view(probe.id());
    fragment(&mut view, &"x".repeat(3000), Data::Text, false);
    fragment(&mut view, &"x".repeat(3000), Data::Continue, false);
    assert_eq!(view.close_code(), 1009);
}

#[test]
fn a_million_events_end_the_connection_that_sends_them_and_no_other() {
    let (server, probe, mut other) = started();
    let mut view = server.view(probe.id()).sized(32, 32, 1.0);
    let event = json!({"type": "key_down", "key": "a", "modifiers": [], "timestamp": 1}).to_string();
    let mut sent = 0;
    while sent < 1_000_000 && view.socket.send(Message::text(event.as_str())).is_ok() {
        sent += 1;
    }
    wait_for("the view is gone", || (server.stats(probe.id())["views"].as_array()?.len() == 1).then_some(()));
    assert!(probe.events().len() < 20_000, "{} events reached the renderer", probe.events().len());
    still_lives(&server, &probe, &mut other);
}

#[test]
fn half_a_handshake_and_none_are_answered_or_wait_without_harm() {
    let (server, probe, mut view) = started();
    let mut half: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.write_all(b"GET /api/widgets HTTP/1.1\r\nHost: x\r\nUpgra").unwrap();
            stream
        })
        .collect();
    let path = format!("/api/widgets/{}/view", probe.id());
    let (message, _) = server.request("GET", &path, None).error(400, "bad_request");
    assert!(message.contains("WebSocket"), "{message}");
    let mut garbage = TcpStream::connect(server.address).unwrap();
    garbage.set_read_timeout(Some(PATIENCE)).unwrap();
    garbage.write_all(b"\x00\xff\x00 nonsense\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = garbage.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    still_lives(&server, &probe, &mut view);
    half.clear();
}

#[test]
fn a_connection_with_a_bad_query_or_to_no_widget_is_refused() {
    let (server, probe, _view) = started();
    for (path, status) in [
        (format!("/api/widgets/{}/view?role=admin", probe.id()), 400),
        (format!("/api/widgets/{}/view?frames=webm", probe.id()), 400),
        (format!("/api/widgets/{}/view?colour=red", probe.id()), 400),
        ("/api/widgets/unknown/view".to_owned(), 404),
    ] {
        let Err(response) = Browser::connect_with(request(server.address, &path), server.address) else {
            panic!("{path} connected");
        };
        assert_eq!(response.status(), status, "{path}");
    }
}

#[test]
fn bad_requests_are_refused_with_code_and_field() {
    let (server, probe, _view) = started();
    let widget = format!("/api/widgets/{}", probe.id());
    for (method, path, body, status, code, field) in [
        ("POST", "/api/widgets", "", 400, "bad_json", Value::Null),
        ("POST", "/api/widgets", "{", 400, "bad_json", Value::Null),
        ("POST", "/api/widgets", "{}", 400, "bad_field", json!("kind")),
        ("POST", "/api/widgets", r#"{"kind": "cube"}"#, 400, "unknown_kind", json!("kind")),
        ("POST", "/api/widgets", r#"{"kind": "grid", "size": 3}"#, 400, "bad_field", json!("size")),
        (
            "POST",
            "/api/widgets",
            r#"{"kind": "grid", "options": {"size": 3}}"#,
            400,
            "bad_option",
            json!("options.size"),
        ),
        (
            "POST",
            "/api/widgets",
            r#"{"kind": "performance", "options": {"width": 0}}"#,
            400,
            "bad_option",
            json!("options.width"),
        ),
        (
            "POST",
            "/api/widgets",
            r#"{"kind": "grid", "traits": {"quality": 0}}"#,
            400,
            "bad_trait",
            json!("traits.quality"),
        ),
        (
            "PATCH",
            &widget,
            r#"{"traits": {"max_buffered_frames": 0}}"#,
            400,
            "bad_trait",
            json!("traits.max_buffered_frames"),
        ),
        ("PATCH", &widget, r#"{"traits": {"colour": "red"}}"#, 400, "bad_trait", json!("traits.colour")),
        ("PATCH", &widget, r#"{"quality": 3}"#, 400, "bad_field", json!("quality")),
        ("PUT", &widget, "", 405, "method", Value::Null),
        ("POST", "/api/kinds", "", 405, "method", Value::Null),
        ("GET", "/api/nothing", "", 404, "not_found", Value::Null),
        ("GET", "/static/../Cargo.toml", "", 404, "not_found", Value::Null),
    ] {
        let key = format!("Authorization: Bearer {}\r\n", crate::server::KEY);
        let (message, named) = server.request_with(method, path, &key, body).error(status, code);
        assert_eq!(named, field, "{method} {path} {body}: {message}");
    }
    let huge = format!(r#"{{"kind": "{}"}}"#, "x".repeat(300_000));
    let key = format!("Authorization: Bearer {}\r\n", crate::server::KEY);
    let (message, _) = server.request_with("POST", "/api/widgets", &key, &huge).error(413, "too_large");
    assert!(message.contains("--max-message-bytes"), "{message}");
}

#[test]
fn more_views_than_allowed_are_told_so() {
    let server = TestServer::with(Config { max_views: 2, ..config() });
    let probe = server.probe(json!({}));
    let _views = [server.view(probe.id()), server.view(probe.id())];
    let mut third = server.view(probe.id());
    let close = third.text("close", |_| true);
    assert!(close["message"].as_str().unwrap().contains("--max-views"), "{close}");
    assert_eq!(third.close_code(), 1013);
}

#[test]
fn a_message_that_is_announced_to_be_too_long_is_refused_before_it_comes() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    // Text, its first fragment, and binary: of a terabyte.
    for first in [0x81, 0x01, 0x82] {
        let mut view = server.view(probe.id());
        let head = [&[first, 0xff][..], &(1_u64 << 40).to_be_bytes(), &[0; 4]].concat();
        view.socket.get_mut().write_all(&head).unwrap();
        assert_eq!(view.text("error", |_| true)["code"], "too_big");
        assert_eq!(view.close_code(), 1009);
    }
}
