//! The ways by which a notebook's page reaches a kernel's widget without a key: with a ticket, and through the kernel.

use serde_json::json;
use tungstenite::http::header;

use crate::{
    browser::{self, Browser},
    kernel_link::Kernel,
    probe::picture,
    server::TestServer,
};

const SESSION: &str = "session-of-the-tests";

fn started() -> (TestServer, Kernel, String) {
    let server = TestServer::start();
    let mut kernel = Kernel::start(&server, SESSION);
    let widget = kernel.widget(json!({"traits": {"quality": 100}}));
    (server, kernel, widget)
}

pub fn ticket(kernel: &mut Kernel, widget: &str, role: &str) -> String {
    let request = kernel.ask("ticket", json!({"widget": widget, "role": role}));
    let answer = kernel.text("ticket", |answer| answer["request"] == request);
    assert!(answer["expires"].as_u64().unwrap() > 1_700_000_000, "{answer}");
    answer["ticket"].as_str().unwrap().to_owned()
}

/// A page of another origin, without a key, opens a view; the status of the answer if it is refused.
fn open(server: &TestServer, path: &str, ticket: &str) -> Result<Browser, u16> {
    let mut request = browser::request(server.address, path);
    let headers = request.headers_mut();
    headers.remove(header::AUTHORIZATION);
    headers.insert(header::ORIGIN, "https://notebooks.example.org".parse().unwrap());
    let offered = format!("framehub.view.v1, framehub.ticket.{ticket}");
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, offered.parse().unwrap());
    Browser::connect_with(request, server.address).map_err(|response| response.status().as_u16())
}

#[test]
fn a_ticket_opens_its_widget_to_a_page_of_any_origin_without_a_key() {
    let (server, mut kernel, widget) = started();
    let ticket = ticket(&mut kernel, &widget, "interact");
    let path = format!("/api/widgets/{widget}/view");
    let mut view = open(&server, &path, &ticket).expect("it opens").sized(32, 24, 1.0);
    assert_eq!(view.text("status", |_| true)["role"], "interact");
    kernel.draw(&widget, 1);
    assert_eq!(view.frame().pixels().0, picture(1, 32, 24));
    // It may ask for less than it is permitted.
    let mut watcher = open(&server, &format!("{path}?role=watch"), &ticket).expect("it opens");
    assert_eq!(watcher.text("status", |_| true)["role"], "watch");
}

#[test]
fn a_ticket_to_watch_does_not_permit_to_act() {
    let (server, mut kernel, widget) = started();
    let ticket = ticket(&mut kernel, &widget, "watch");
    let path = format!("/api/widgets/{widget}/view?role=interact");
    let mut view = open(&server, &path, &ticket).expect("it opens").sized(32, 24, 1.0);
    assert_eq!(view.text("status", |_| true)["role"], "watch");
    kernel.draw(&widget, 1);
    view.frame();
    view.pointer("pointer_down", 1.0, 1.0, &[1]);
    view.frames_until_now();
    assert!(kernel.until_now(&widget, "turn").is_empty());
}

#[test]
fn a_ticket_that_is_forged_or_of_another_widget_is_refused_even_with_the_key() {
    let (server, mut kernel, widget) = started();
    let other = kernel.widget(json!({}));
    let good = ticket(&mut kernel, &widget, "watch");
    let path = format!("/api/widgets/{widget}/view");
    let forged = good.replace("watch", "interact");
    for (path, ticket) in
        [(&path, forged.as_str()), (&path, "x"), (&path, ""), (&format!("/api/widgets/{other}/view"), &good)]
    {
        assert_eq!(open(&server, path, ticket).err(), Some(403), "{ticket}");
    }
    let mut request = browser::request(server.address, &path);
    let offered = format!("framehub.view.v1, framehub.ticket.{forged}");
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, offered.parse().unwrap());
    let refused = Browser::connect_with(request, server.address).err().expect("it is refused");
    assert_eq!(refused.status(), 403);
    // A ticket is for views alone.
    let mut request = browser::request(server.address, "/api/kernel");
    request.headers_mut().remove(header::AUTHORIZATION);
    let offered = format!("framehub.kernel.v1, framehub.ticket.{good}");
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, offered.parse().unwrap());
    let refused = Browser::connect_with(request, server.address).err().expect("it is refused");
    assert_eq!(refused.status(), 401);
}

#[test]
fn a_ticket_opens_nothing_once_its_widget_was_closed_not_even_the_next_of_that_id() {
    let (server, mut kernel, widget) = started();
    let path = format!("/api/widgets/{widget}/view");
    let first = ticket(&mut kernel, &widget, "interact");
    open(&server, &path, &first).expect("it opens");
    assert_eq!(server.request("DELETE", &format!("/api/widgets/{widget}"), None).status, 204);
    assert_eq!(open(&server, &path, &first).err(), Some(403));
    kernel.text("closed", |_| true);
    assert_eq!(kernel.widget(json!({"widget": widget})), widget);
    assert_eq!(open(&server, &path, &first).err(), Some(403));
    let second = ticket(&mut kernel, &widget, "interact");
    open(&server, &path, &second).expect("it opens");
}

#[test]
fn a_browser_behind_the_kernel_has_a_view_like_any_other() {
    for frames in ["binary", "base64"] {
        let (server, mut kernel, widget) = started();
        kernel.send(json!({"type": "relay_open", "relay": 7, "widget": widget, "frames": frames}));
        let mut told = |kind: &str| {
            let relayed = kernel.text("relay_text", |relayed| {
                relayed["relay"] == 7 && relayed["text"].as_str().is_some_and(|text| text.contains(kind))
            });
            serde_json::from_str::<serde_json::Value>(relayed["text"].as_str().unwrap()).unwrap()
        };
        assert_eq!(told(r#""type":"traits""#)["traits"]["quality"], 100);
        assert_eq!(told(r#""type":"status""#)["role"], "interact");
        let say = |kernel: &mut Kernel, message: serde_json::Value| {
            kernel.send(json!({"type": "relay_text", "relay": 7, "text": message.to_string()}));
        };
        say(
            &mut kernel,
            json!({"type": "resize", "width": 32, "height": 24, "pwidth": 32, "pheight": 24, "ratio": 1}),
        );
        kernel.draw(&widget, 1);
        let mut frame = if frames == "binary" {
            let (header, message) = kernel.relayed();
            assert_eq!(header, json!({"type": "relay", "relay": 7}));
            browser::decode(&message)
        } else {
            let relayed = kernel.text("relay_text", |relayed| {
                relayed["text"].as_str().is_some_and(|text| text.contains("framebufferdata"))
            });
            browser::decode_base64(serde_json::from_str(relayed["text"].as_str().unwrap()).unwrap())
        };
        frame.draw(None);
        assert_eq!(frame.pixels(), (picture(1, 32, 24), 32, 24));
        say(&mut kernel, json!({"type": "frame_feedback", "index": 1, "timestamp": 1, "localtime": 1}));
        say(&mut kernel, json!({"type": "pointer_move", "x": 1, "y": 2}));
        let turn = kernel.turn(&widget);
        assert_eq!(
            (&turn["events"][0]["type"], &turn["events"][0]["x"]),
            (&json!("pointer_move"), &json!(1.0))
        );
        kernel.done(&turn, "no");
        // A bad message is refused to the browser, not to the kernel.
        say(&mut kernel, json!({"type": "pointer_move", "x": "left", "y": 2}));
        kernel.text("relay_text", |relayed| {
            relayed["text"].as_str().is_some_and(|text| text.contains(r#""type":"error""#))
        });
        assert_eq!(server.stats(&widget)["views"][0]["confirmed_frames"], 1);

        kernel.send(json!({"type": "relay_close", "relay": 7}));
        kernel.text("views", |views| views["views"] == 0);
        // Its number is free again.
        kernel.send(json!({"type": "relay_open", "relay": 7, "widget": widget}));
        kernel.text("views", |views| views["views"] == 1);
        server.request("DELETE", &format!("/api/widgets/{widget}"), None).expect(204);
        let closed = kernel.text("relay_closed", |closed| closed["relay"] == 7);
        assert_eq!((&closed["code"], &closed["reason"]), (&json!(4000), &json!("closed")));
    }
}

#[test]
fn relayed_views_end_with_their_kernels_connection() {
    let (server, mut kernel, widget) = started();
    for relay in 0..3 {
        kernel.send(json!({"type": "relay_open", "relay": relay, "widget": widget}));
    }
    kernel.text("views", |views| views["views"] == 3);
    kernel.send(json!({"type": "relay_open", "relay": 1, "widget": widget}));
    assert_eq!(kernel.text("refused", |_| true)["field"], "relay");
    kernel.kill();
    crate::server::wait_for("the views' end", || {
        server.stats(&widget)["views"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
}
