//! Kernels come, go, come back, and are refused; what their widgets' views see of it.

use std::time::Duration;

use framehub::{Config, Patience};
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    kernel_link::Kernel,
    probe::picture,
    server::{PATIENCE, TestServer, config, wait_for},
};

pub const SESSION: &str = "session-of-the-tests";
const OTHER: &str = "another-session-of-the-tests";

fn started_with(config: Config) -> (TestServer, Kernel, String, Browser) {
    let server = TestServer::with(config);
    let mut kernel = Kernel::start(&server, SESSION);
    let widget = kernel.widget(json!({"traits": {"quality": 100, "title": "Old"}, "place": "cell-1"}));
    let mut view = server.view(&widget).sized(32, 24, 1.0);
    kernel.draw(&widget, 1);
    view.frame();
    (server, kernel, widget, view)
}

/// A configuration in which a kernel that is asked has so long to answer.
fn patient(kernel_asked: Duration) -> Config {
    Config { patience: Patience { kernel_asked, ..Patience::default() }, ..config() }
}

pub fn started() -> (TestServer, Kernel, String, Browser) {
    started_with(config())
}

pub fn state(view: &mut Browser, state: &str) -> Value {
    view.text("status", |status| status["state"] == state)
}

pub fn types(turn: &Value) -> Vec<&str> {
    turn["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn a_kernel_that_comes_back_goes_on_with_its_widgets_and_their_views() {
    let (server, mut kernel, widget, mut view) = started();
    // A turn is under way when the connection breaks.
    view.pointer("pointer_down", 1.0, 1.0, &[1]);
    let lost = kernel.turn(&widget);
    kernel.kill();
    state(&mut view, "gone");
    view.pointer("pointer_move", 2.0, 2.0, &[1]);
    view.pointer("pointer_up", 2.0, 2.0, &[]);
    // The server has taken these before the kernel comes back.
    view.frames_until_now();
    // A view that joins meanwhile paints at once.
    let mut second = server.view(&widget).sized(32, 24, 1.0);
    assert_eq!(second.text("status", |_| true)["state"], "gone");
    assert_eq!(second.frame().pixels().0, picture(1, 32, 24));

    let mut kernel = Kernel::start(&server, SESSION);
    assert_eq!(kernel.welcome["resumed"], json!([widget]));
    let turn = kernel.turn(&widget);
    // It begins with the size, whatever the kernel missed; what was done to a picture that nobody drew is gone, a release is not.
    assert_eq!((types(&turn), &turn["requested"]), (vec!["resize", "pointer_up"], &json!(true)));
    // The end of the turn that was lost ends no other.
    kernel.done(&lost, "no");
    assert_eq!(kernel.until_now(&widget, "turn"), [] as [Value; 0]);
    kernel.drawn(&turn, 2, false);
    for view in [&mut view, &mut second] {
        state(view, "live");
        assert_eq!(view.frame().pixels().0, picture(2, 32, 24));
    }
}

#[test]
fn a_kernel_that_comes_back_is_told_that_nobody_watches_any_more() {
    let (server, mut kernel, widget, mut view) = started();
    kernel.text("views", |told| told["visible"] == 1);
    kernel.kill();
    state(&mut view, "gone");
    drop(view);
    let nobody = || server.stats(&widget)["views"].as_array().is_some_and(Vec::is_empty);
    wait_for("the view is gone", || nobody().then_some(()));
    let mut kernel = Kernel::start(&server, SESSION);
    let told = kernel.text("views", |told| told["widget"] == *widget);
    assert_eq!((&told["views"], &told["visible"]), (&json!(0), &json!(0)));
}

#[test]
fn a_second_connection_of_a_session_takes_the_place_of_the_first() {
    let (server, mut first, widget, mut view) = started();
    let mut second = Kernel::start(&server, SESSION);
    assert_eq!(first.close_code(), 4001);
    assert_eq!(second.welcome["resumed"], json!([widget]));
    second.draw(&widget, 2);
    assert_eq!(view.frame().pixels().0, picture(2, 32, 24));
    let metrics = String::from_utf8(server.request("GET", "/metrics", None).body).unwrap();
    assert!(metrics.contains("framehub_kernels 1"), "{metrics}");
}

#[test]
fn another_kernel_takes_over_the_widget_of_the_same_place() {
    let (server, kernel, widget, mut view) = started();
    kernel.kill();
    state(&mut view, "gone");
    let mut other = Kernel::start(&server, OTHER);
    assert_eq!(other.create(json!({"place": "cell-2"}))["taken_over"], false);
    let taken = other.create(json!({"place": "cell-1", "traits": {"quality": 100, "cursor": "grab"}}));
    assert_eq!((&taken["widget"], &taken["taken_over"]), (&json!(widget), &json!(true)));
    let traits = view.text("traits", |told| told["traits"]["cursor"] == "grab");
    assert_eq!(traits["traits"]["title"], "", "a trait of the old widget stayed");
    let turn = other.turn(&widget);
    assert_eq!((types(&turn), &turn["requested"]), (vec!["resize"], &json!(true)));
    other.drawn(&turn, 9, false);
    assert_eq!(view.frame().pixels().0, picture(9, 32, 24));
    // The first process comes back too late.
    let mut first = Kernel::start(&server, SESSION);
    assert_eq!(first.welcome["resumed"], json!([]));
    first.send(json!({"type": "request_draw", "widget": widget}));
    assert_eq!(first.text("refused", |_| true)["code"], "unknown_widget");
}

#[test]
fn the_widget_of_a_kernel_that_is_there_is_not_taken_over() {
    // However long it takes to answer.
    let (server, mut kernel, widget, mut view) = started_with(patient(PATIENCE));
    let mut other = Kernel::start(&server, OTHER);
    let creating = std::thread::spawn(move || {
        let apart = other.create(json!({"place": "cell-1"}));
        (other, apart)
    });
    // Whoever reads answers pings.
    while !creating.is_finished() {
        kernel.until_now(&widget, "turn");
    }
    let (_other, apart) = creating.join().unwrap();
    assert_eq!(apart["taken_over"], false);
    assert_ne!(apart["widget"], widget);
    server.handle(&widget).request_draw();
    kernel.draw(&widget, 2);
    assert_eq!(view.frame().pixels().0, picture(2, 32, 24));
}

#[test]
fn a_goodbye_closes_all_widgets_at_once() {
    let (server, mut kernel, widget, mut view) = started();
    kernel.send(json!({"type": "goodbye"}));
    assert_eq!(kernel.close_code(), 1000);
    assert_eq!(view.close_code(), 4000);
    server.request("GET", &format!("/api/widgets/{widget}"), None).error(404, "unknown_widget");
    assert_eq!(Kernel::start(&server, SESSION).welcome["resumed"], json!([]));
}

#[test]
fn widgets_of_a_kernel_that_stays_away_are_closed_after_the_grace_period() {
    let (server, kernel, widget, mut view) =
        started_with(Config { kernel_grace: Duration::from_millis(50), ..config() });
    kernel.kill();
    state(&mut view, "gone");
    assert_eq!(view.close_code(), 4000);
    server.request("GET", &format!("/api/widgets/{widget}"), None).error(404, "unknown_widget");
    assert_eq!(Kernel::start(&server, SESSION).welcome["resumed"], json!([]));
}

#[test]
fn a_widget_closed_while_its_kernel_is_gone_is_not_resumed() {
    let (server, kernel, widget, mut view) = started();
    kernel.kill();
    state(&mut view, "gone");
    server.request("DELETE", &format!("/api/widgets/{widget}"), None).expect(204);
    assert_eq!(view.close_code(), 4000);
    assert_eq!(Kernel::start(&server, SESSION).welcome["resumed"], json!([]));
}

#[test]
fn a_widget_gets_its_id_back_if_it_is_free() {
    let (server, mut kernel, widget, _view) = started();
    let refused = kernel.try_create(json!({"widget": widget})).unwrap_err();
    assert_eq!((&refused["code"], &refused["field"]), (&json!("exists"), &json!("id")));
    let id = "0123456789abcdef0123456789abcdef";
    assert_eq!(kernel.create(json!({"widget": id}))["widget"], id);
    server.request("GET", &format!("/api/widgets/{id}"), None).expect(200);
}

#[test]
fn a_widget_that_takes_the_id_of_one_that_closes_stays() {
    let server = TestServer::start();
    let mut kernel = Kernel::start(&server, SESSION);
    let id = "0123456789abcdef0123456789abcdef";
    for round in 0..30 {
        assert_eq!(
            kernel.create(json!({"widget": id, "traits": {"title": round.to_string()}}))["widget"],
            id
        );
        let close = json!({"type": "close", "widget": id});
        kernel.send(close.clone());
        assert_eq!(kernel.create(json!({"widget": id}))["widget"], id);
        // What the former one's end would take away is asked for after that.
        server.request("POST", &format!("/api/widgets/{id}/draw"), None).expect(202);
        server.request("GET", &format!("/api/widgets/{id}"), None).expect(200);
        kernel.send(close);
    }
}

#[test]
fn when_the_server_stops_kernels_are_told_and_keep_their_widgets() {
    let (mut server, mut kernel, _widget, mut view) = started();
    server.stop();
    assert_eq!(kernel.close_code(), 1001);
    assert_eq!(view.close_code(), 1001);
}

#[test]
fn the_first_message_is_a_hello() {
    let server = TestServer::start();
    for (message, code, close) in [
        (json!({"type": "goodbye"}).to_string(), "hello", 1008),
        (json!({"type": "hello", "session": "short"}).to_string(), "bad_field", 1008),
        ("{".to_owned(), "bad_json", 1008),
        (" ".repeat(300_000), "too_big", 1009),
    ] {
        let mut kernel = Kernel::silent(&server);
        kernel.send_text(&message);
        assert_eq!(kernel.text("refused", |_| true)["code"], code);
        assert_eq!(kernel.close_code(), close, "{code}");
    }
}

#[test]
fn there_are_no_more_kernels_than_allowed() {
    let server = TestServer::with(Config { max_kernels: 1, ..config() });
    let first = Kernel::start(&server, SESSION);
    let mut second = Kernel::silent(&server);
    second.send(json!({"type": "hello", "session": OTHER}));
    let refused = second.text("refused", |_| true);
    assert_eq!(refused["code"], "max_kernels");
    assert!(refused["message"].as_str().unwrap().contains("--max-kernels"), "{refused}");
    assert_eq!(second.close_code(), 1013);
    first.kill();
    wait_for("the place", || {
        let mut kernel = Kernel::silent(&server);
        kernel.send(json!({"type": "hello", "session": OTHER}));
        kernel.answers("welcome").then_some(())
    });
}

#[test]
fn a_bad_message_is_refused_by_field_and_costs_only_itself() {
    let (server, mut kernel, widget, mut view) = started();
    for (message, code, field) in [
        (json!([]), "bad_field", json!("message")),
        (json!({"type": "explode"}), "unknown_type", json!("type")),
        (json!({"type": "hello", "session": SESSION}), "bad_field", json!("type")),
        (
            json!({"type": "create", "request": 5, "kind": "K", "traits": {"quality": 0}}),
            "bad_trait",
            json!("traits.quality"),
        ),
        (json!({"type": "create", "request": 5, "kind": "K", "traits": 3}), "bad_field", json!("traits")),
        (json!({"type": "get_stats", "request": 5, "widget": "nobody"}), "unknown_widget", json!("widget")),
        (json!({"type": "ticket", "request": 5, "widget": "nobody"}), "unknown_widget", json!("widget")),
        (json!({"type": "print", "widget": widget}), "bad_field", json!("text")),
        (
            json!({"type": "turn_done", "widget": widget, "turn": 1, "drawn": "maybe", "requested": false}),
            "bad_field",
            json!("drawn"),
        ),
        (
            json!({"type": "frame", "widget": widget, "width": 1, "height": 1, "format": "gray8"}),
            "bad_field",
            json!("type"),
        ),
    ] {
        kernel.send(message.clone());
        let refused = kernel.text("refused", |_| true);
        assert_eq!((&refused["code"], &refused["field"]), (&json!(code), &field), "{message}");
        assert_eq!(refused["request"], message.get("request").cloned().unwrap_or_default(), "{message}");
    }
    let header = json!({"type": "frame", "widget": widget, "width": 4, "height": 4, "format": "rgb8"});
    kernel.send_binary(header, &[0; 47]);
    let refused = kernel.text("refused", |_| true);
    assert_eq!((&refused["code"], &refused["widget"]), (&json!("bad_pixels"), &json!(widget)));
    assert!(refused["message"].as_str().unwrap().contains("needs 48 bytes, got 47"), "{refused}");
    server.handle(&widget).request_draw();
    kernel.draw(&widget, 2);
    assert_eq!(view.frame().pixels().0, picture(2, 32, 24));
}

#[test]
fn a_message_over_the_limit_costs_the_connection_and_no_widget() {
    let (server, mut kernel, widget, mut view) = started_with(Config { max_frame_pixels: 1000, ..config() });
    assert_eq!(kernel.welcome["limits"]["frame_pixels"], 1000);
    let header = json!({"type": "frame", "widget": widget, "width": 200, "height": 200, "format": "rgba8"});
    kernel.send_binary(header, &vec![0; 160_000]);
    assert_eq!(kernel.text("refused", |_| true)["code"], "too_big");
    assert_eq!(kernel.close_code(), 1009);
    state(&mut view, "gone");
    let mut kernel = Kernel::start(&server, SESSION);
    kernel.draw(&widget, 2);
    assert_eq!(view.frame().pixels().0, picture(2, 32, 24));
}

#[test]
fn one_kernel_cannot_touch_the_widgets_of_another() {
    let (server, mut kernel, widget, mut view) = started();
    let probe = server.probe(json!({}));
    let mut other = Kernel::start(&server, OTHER);
    for target in [widget.as_str(), probe.id()] {
        for message in [
            json!({"type": "close", "widget": target}),
            json!({"type": "print", "widget": target, "text": "hello"}),
            json!({"type": "ticket", "request": 1, "widget": target}),
        ] {
            other.send(message);
            assert_eq!(other.text("refused", |_| true)["code"], "unknown_widget");
        }
        other.send(json!({"type": "relay_open", "relay": 1, "widget": target}));
        assert_eq!(other.text("relay_closed", |_| true)["code"], 4000);
    }
    server.handle(&widget).request_draw();
    kernel.draw(&widget, 2);
    assert_eq!(view.frame().pixels().0, picture(2, 32, 24));
}

#[test]
fn a_kernel_that_no_longer_answers_gives_its_widget_to_another_of_the_same_place() {
    let (server, silent, widget, mut view) = started_with(patient(Duration::from_millis(200)));
    // Its connection stays open, and nobody reads from it: a machine that fell asleep.
    let mut other = Kernel::start(&server, OTHER);
    let taken = other.create(json!({"place": "cell-1", "traits": {"quality": 100}}));
    assert_eq!((&taken["widget"], &taken["taken_over"]), (&json!(widget), &json!(true)));
    other.draw(&widget, 5);
    assert_eq!(view.frame().pixels().0, picture(5, 32, 24));
    let mut silent = silent;
    assert_eq!(silent.close_code(), 4008);
}

#[test]
fn a_kernel_that_says_nothing_for_too_long_is_gone() {
    let patience = Patience { kernel: Duration::from_millis(300), ..Patience::default() };
    let (_server, mut kernel, _widget, mut view) = started_with(Config { patience, ..config() });
    // It does not even answer pings, since nobody reads them.
    state(&mut view, "gone");
    assert_eq!(kernel.close_code(), 4008);
}

#[test]
fn traits_that_others_set_are_told_to_the_kernel_and_its_own_are_not() {
    let (server, mut kernel, widget, _view) = started();
    let set = |kernel: &mut Kernel, number: u64, traits: Value| {
        kernel.send(json!({"type": "traits", "widget": widget, "number": number, "traits": traits}));
    };
    set(&mut kernel, 1, json!({"title": "Mine"}));
    set(&mut kernel, 2, json!({"quality": 70}));
    assert_eq!(kernel.until_now(&widget, "traits"), [] as [Value; 0]);
    server.set_traits(&widget, json!({"title": "Theirs"}));
    let told = kernel.text("traits", |_| true);
    assert_eq!((&told["traits"]["title"], &told["traits"]["quality"]), (&json!("Theirs"), &json!(70)));
    assert_eq!((&told["widget"], &told["after"]), (&json!(widget), &json!(2)));
    // What is refused is not what the widget has.
    set(&mut kernel, 3, json!({"quality": 0}));
    assert_eq!(kernel.text("refused", |_| true)["field"], "traits.quality");
    assert_eq!(server.handle(&widget).traits().quality, 70);
}

#[test]
fn traits_that_were_set_during_an_outage_are_told_to_the_kernel_that_comes_back() {
    let (server, mut kernel, widget, mut view) = started();
    kernel.send(json!({"type": "traits", "widget": widget, "number": 7, "traits": {"cursor": "grab"}}));
    view.text("traits", |told| told["traits"]["cursor"] == "grab");
    kernel.kill();
    state(&mut view, "gone");
    server.set_traits(&widget, json!({"title": "Theirs"}));
    let mut kernel = Kernel::start(&server, SESSION);
    let told = kernel.text("traits", |_| true);
    assert_eq!((&told["traits"]["title"], &told["after"]), (&json!("Theirs"), &json!(7)));
}

#[test]
fn a_turn_whose_end_is_malformed_is_over_and_the_widget_goes_on() {
    let (server, mut kernel, widget, mut view) = started();
    let pixels = |header: &Value| header["width"].as_u64().unwrap() * header["height"].as_u64().unwrap() * 3;
    let good = json!({"type": "turn_done", "widget": widget, "turn": 0, "drawn": "frame", "requested": false,
        "width": 32, "height": 24, "format": "rgb8"});
    let with = |turn: &Value, name: &str, value: Value| {
        let mut header = good.clone();
        header["turn"] = turn["turn"].clone();
        header[name] = value;
        header
    };
    let spoilt = [
        ("width", json!(33)),
        ("format", json!("cmyk")),
        ("requested", json!("yes")),
        ("turn", json!("first")),
    ];
    for (draw, (name, value)) in (2..).zip(spoilt) {
        server.handle(&widget).request_draw();
        let turn = kernel.draw_turn(&widget);
        kernel.send_binary(with(&turn, name, value), &vec![0; usize::try_from(pixels(&good)).unwrap()]);
        assert_eq!(kernel.text("refused", |_| true)["widget"], widget, "{name}");
        let told = state(&mut view, "error");
        assert!(told["message"].as_str().unwrap().contains(name), "{name}: {told}");
        server.handle(&widget).request_draw();
        kernel.draw(&widget, draw);
        state(&mut view, "live");
        assert_eq!(view.frame().pixels().0, picture(draw, 32, 24), "{name}");
    }
}
