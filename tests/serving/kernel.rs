//! Widgets that a kernel draws: turns, frames and words, and what becomes of them when the kernel goes and comes back.

use serde_json::{Value, json};

use crate::{
    browser::Browser,
    kernel_link::Kernel,
    probe::picture,
    server::{TestServer, wait_for},
};

const SESSION: &str = "session-of-the-tests";

/// A server, a kernel with one widget that is always sent lossless, and a view of it that shows picture 1.
fn started() -> (TestServer, Kernel, String, Browser) {
    let server = TestServer::start();
    let mut kernel = Kernel::start(&server, SESSION);
    let widget = kernel.widget(json!({"traits": {"quality": 100}, "place": "cell-1"}));
    let mut view = server.view(&widget).sized(32, 24, 1.0);
    kernel.draw(&widget, 1);
    assert_eq!(view.frame().pixels(), (picture(1, 32, 24), 32, 24));
    (server, kernel, widget, view)
}

fn types(turn: &Value) -> Vec<&str> {
    turn["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn a_kernels_widget_is_listed_drawn_when_seen_and_counted() {
    let server = TestServer::start();
    let mut kernel = Kernel::start(&server, SESSION);
    assert_eq!(kernel.welcome["base"], format!("http://{}/", server.address));
    assert_eq!(kernel.welcome["resumed"], json!([]));
    let created = kernel.create(json!({"kind": "Surface", "traits": {"title": "Mine", "quality": 100}}));
    let widget = created["widget"].as_str().unwrap();
    assert_eq!(created["url"], format!("http://{}/widgets/{widget}", server.address));
    assert_eq!(created["taken_over"], false);
    let list = server.request("GET", "/api/widgets", None).expect(200);
    assert_eq!(
        (&list["widgets"][0]["kind"], &list["widgets"][0]["title"]),
        (&json!("Surface"), &json!("Mine"))
    );
    // Without a view nothing is drawn.
    kernel.send(json!({"type": "request_draw", "widget": widget}));
    assert_eq!(kernel.until_now(widget, "turn"), [] as [Value; 0]);

    let mut view = server.view(widget).sized(40, 30, 2.0);
    let turn = kernel.turn(widget);
    assert_eq!(
        (types(&turn), &turn["requested"], &turn["may_draw"]),
        (vec!["resize"], &json!(true), &json!(true))
    );
    assert_eq!(turn["turn"], 1);
    kernel.drawn(&turn, 7, false);
    assert_eq!(view.frame().pixels(), (picture(7, 80, 60), 80, 60));
    let views = kernel.text("views", |views| views["visible"] == 1);
    assert_eq!((&views["views"], &views["widget"]), (&json!(1), &json!(widget)));
    let stats = wait_for("the confirmation", || {
        let request = kernel.ask("get_stats", json!({"widget": widget}));
        let stats = kernel.text("stats", |stats| stats["request"] == request)["stats"].take();
        (stats["confirmed_frames"] == 1).then_some(stats)
    });
    assert_eq!((&stats["sent_frames"], &stats["drawn_frames"]), (&json!(1), &json!(1)));
    // What the kernel says that the draw took, and no more than the turn did.
    let render = stats["render"].as_f64().expect("seconds");
    assert!(render > 0.0 && render <= 0.001, "{stats}");
}

#[test]
fn events_reach_the_kernel_in_order_in_one_turn_at_a_time() {
    let (_server, mut kernel, widget, mut view) = started();
    view.pointer("pointer_down", 3.0, 4.0, &[1]);
    let turn = kernel.turn(&widget);
    assert_eq!((types(&turn), &turn["requested"]), (vec!["pointer_down"], &json!(false)));
    let event = &turn["events"][0];
    assert_eq!((&event["x"], &event["button"], &event["view"]), (&json!(3.0), &json!(1), &json!("v1")));
    for x in 0..20 {
        view.pointer("pointer_move", f64::from(x), 0.0, &[1]);
    }
    view.pointer("pointer_up", 19.0, 0.0, &[]);
    view.frames_until_now();
    assert_eq!(
        kernel.until_now(&widget, "turn"),
        [] as [Value; 0],
        "a second turn began before the end of the first"
    );
    kernel.done(&turn, "no");
    let next = kernel.turn(&widget);
    assert_eq!(types(&next), ["pointer_move", "pointer_up"]);
    assert_eq!(next["events"][0]["x"], 19.0);
    assert_eq!(next["turn"].as_u64(), turn["turn"].as_u64().map(|turn| turn + 1));
}

#[test]
fn only_what_changed_in_a_kernels_frames_is_sent() {
    let (_server, mut kernel, widget, mut view) = started();
    view.resize(128, 128, 1.0);
    let turn = kernel.draw(&widget, 2);
    assert_eq!(types(&turn), ["resize"]);
    assert!(view.frame().whole());
    let mut pixels = picture(2, 128, 128);
    for draw in 0..3 {
        kernel.send(json!({"type": "request_draw", "widget": widget}));
        let turn = kernel.draw_turn(&widget);
        if draw < 2 {
            // The first pixel of the second tile; the second time nothing changes.
            pixels[3 * 64..3 * 65].fill(7);
        } else {
            pixels[0] ^= 1;
        }
        kernel.drawn_pixels(&turn, &pixels, false);
        if draw != 1 {
            let frame = view.frame();
            let part = &frame.header["parts"][0];
            assert_eq!((&part["x"], &part["width"]), (&json!(if draw == 0 { 64 } else { 0 }), &json!(64)));
            assert_eq!((frame.whole(), frame.pixels().0 == pixels), (false, true));
        }
    }
    let request = kernel.ask("get_stats", json!({"widget": widget}));
    let stats = kernel.text("stats", |stats| stats["request"] == request);
    assert_eq!(stats["stats"]["unchanged_frames"], 1);
}

#[test]
fn a_request_of_the_kernel_that_nobody_watches_is_in_the_metrics() {
    let server = TestServer::start();
    let mut kernel = Kernel::start(&server, SESSION);
    let widget = kernel.widget(json!({}));
    let requested = || {
        let text = String::from_utf8(server.request("GET", "/metrics", None).body).unwrap();
        let line = text.lines().find(|line| line.starts_with("framehub_widget_draw_requested"));
        line.is_some_and(|line| line.ends_with(" 1"))
    };
    assert!(!requested());
    kernel.send(json!({"type": "request_draw", "widget": widget}));
    kernel.until_now(&widget, "turn");
    assert!(requested());
    let _view = server.view(&widget).sized(32, 24, 1.0);
    kernel.draw(&widget, 1);
    kernel.until_now(&widget, "turn");
    assert!(!requested());
}

#[test]
fn a_request_of_the_kernel_and_one_within_a_turn_are_one_draw_each() {
    let (_server, mut kernel, widget, mut view) = started();
    for _ in 0..5 {
        kernel.send(json!({"type": "request_draw", "widget": widget}));
    }
    let turn = kernel.turn(&widget);
    assert_eq!((&turn["requested"], types(&turn).len()), (&json!(true), 0));
    kernel.send(json!({"type": "request_draw", "widget": widget}));
    // What was requested meanwhile is requested still: the draw of an animation.
    kernel.drawn(&turn, 2, true);
    assert_eq!(view.frame().pixels().0, picture(2, 32, 24));
    let turn = kernel.turn(&widget);
    assert_eq!(turn["requested"], true);
    kernel.send(json!({"type": "request_draw", "widget": widget}));
    // What was requested before the draw is done with it.
    kernel.drawn(&turn, 3, false);
    assert_eq!(view.frame().pixels().0, picture(3, 32, 24));
    assert_eq!(kernel.until_now(&widget, "turn"), [] as [Value; 0]);
}

#[test]
fn a_draw_that_is_cancelled_keeps_the_picture() {
    let (server, mut kernel, widget, mut view) = started();
    server.handle(&widget).request_draw();
    let turn = kernel.draw_turn(&widget);
    kernel.done(&turn, "none");
    assert!(view.frames_until_now().is_empty());
    server.handle(&widget).request_draw();
    kernel.draw(&widget, 2);
    assert_eq!(view.frame().pixels().0, picture(2, 32, 24));
    assert_eq!(server.stats(&widget)["drawn_frames"], 3);
}

#[test]
fn pushed_frames_go_to_the_views_and_the_latest_wins() {
    let (_server, mut kernel, widget, view) = started();
    let mut view = view.silent();
    for number in 2..50 {
        kernel.push(&widget, number, 32, 24);
    }
    kernel.until_now(&widget, "turn");
    // Two frames may be in flight; of the others only the latest follows, once they are confirmed.
    let sent = view.frames_until_now();
    assert!(sent.len() <= 2, "{} frames in flight", sent.len());
    for frame in &sent {
        view.confirm(frame);
    }
    view.confirming = true;
    let mut last = sent.last().cloned();
    while last.is_none_or(|last| last.pixels().0 != picture(49, 32, 24)) {
        last = Some(view.frame());
    }
}

#[test]
fn an_error_that_a_kernel_shows_stays_while_it_is_busy() {
    let server = TestServer::start();
    let mut kernel = Kernel::start(&server, SESSION);
    let (failed, other) = (kernel.widget(json!({})), kernel.widget(json!({})));
    let mut view = server.view(&failed).sized(32, 24, 1.0);
    kernel.draw_turn(&failed);
    kernel.send(json!({"type": "error", "widget": failed, "text": "no data"}));
    view.text("status", |status| status["state"] == "error");
    // This one's turn begins later, so that the first is as late when it is said to be busy.
    let mut others = server.view(&other).sized(32, 24, 1.0);
    kernel.draw_turn(&other);
    others.text("status", |status| status["state"] == "busy");
    let status = server.view(&failed).text("status", |_| true);
    assert_eq!((&status["state"], &status["message"]), (&json!("error"), &json!("no data")));
}

#[test]
fn errors_show_until_a_frame_and_words_show_in_every_view() {
    let (server, mut kernel, widget, mut view) = started();
    server.handle(&widget).request_draw();
    let turn = kernel.draw_turn(&widget);
    kernel.done_with(
        &turn,
        json!({"drawn": "error", "draw_error": "Traceback\nValueError: no", "requested": false}),
    );
    let status = view.text("status", |status| status["state"] == "error");
    assert_eq!(status["message"], "Traceback\nValueError: no");
    server.handle(&widget).request_draw();
    kernel.draw(&widget, 2);
    view.text("status", |status| status["state"] == "live" && status["message"].is_null());

    view.pointer("pointer_down", 1.0, 1.0, &[1]);
    let turn = kernel.turn(&widget);
    kernel.done_with(&turn, json!({"drawn": "no", "event_error": "TypeError: x", "requested": false}));
    view.text("status", |status| status["message"] == "TypeError: x");
    kernel.push(&widget, 3, 32, 24);
    view.text("status", |status| status["state"] == "live");

    kernel.send(json!({"type": "error", "widget": widget, "text": "in a callback"}));
    view.text("status", |status| status["message"] == "in a callback");
    kernel.send(json!({"type": "error", "widget": widget, "text": null}));
    view.text("status", |status| status["state"] == "live");
    kernel.send(json!({"type": "print", "widget": widget, "text": "hello"}));
    assert_eq!(view.text("print", |_| true)["text"], "hello");
}

#[test]
fn a_kernel_that_tells_in_a_loop_costs_its_views_few_messages_and_the_last_word_reaches_them() {
    const TIMES: usize = 3_000;
    let (_server, mut kernel, widget, mut view) = started();
    for number in 0..TIMES {
        kernel.send(json!({"type": "print", "widget": widget, "text": format!("{number}\n")}));
        kernel.send(json!({"type": "error", "widget": widget, "text": format!("{number}")}));
    }
    let last = (TIMES - 1).to_string();
    view.text("status", |status| status["message"] == *last);
    let mut printed = vec![view.text("print", |_| true)["text"].as_str().unwrap().to_owned()];
    while !printed.last().unwrap().ends_with(&format!("{last}\n")) {
        printed.push(view.text("print", |_| true)["text"].as_str().unwrap().to_owned());
    }
    let printed_lines = printed.concat();
    assert!(printed_lines.lines().eq((0..TIMES).map(|number| number.to_string())), "a print was lost");
    assert!(printed.len() < TIMES / 2, "{} messages for {TIMES} prints", printed.len());
}

#[test]
fn traits_of_the_kernel_reach_the_views_and_bad_ones_change_nothing() {
    let (_server, mut kernel, widget, mut view) = started();
    kernel.send(json!({"type": "traits", "widget": widget, "traits": {"cursor": "grab", "title": "Plot"}}));
    let traits = view.text("traits", |told| told["traits"]["cursor"] == "grab");
    assert_eq!((&traits["traits"]["title"], &traits["traits"]["quality"]), (&json!("Plot"), &json!(100)));
    kernel.send(json!({"type": "traits", "widget": widget, "traits": {"title": "Other", "quality": 0}}));
    let refused = kernel.text("refused", |_| true);
    assert_eq!((&refused["request"], &refused["widget"]), (&Value::Null, &json!(widget)));
    assert_eq!((&refused["code"], &refused["field"]), (&json!("bad_trait"), &json!("traits.quality")));
    kernel.send(json!({"type": "traits", "widget": widget, "traits": {"cursor": "help"}}));
    let traits = view.text("traits", |told| told["traits"]["cursor"] == "help");
    assert_eq!(traits["traits"]["title"], "Plot");
}

#[test]
fn a_kernel_at_work_is_said_to_be_busy_and_disturbs_no_other_widget() {
    let (server, mut kernel, stuck, mut stuck_view) = started();
    server.handle(&stuck).request_draw();
    let turn = kernel.draw_turn(&stuck);
    let status = stuck_view.text("status", |status| status["state"] == "busy");
    assert_eq!(status["message"], "The kernel is busy …");
    // A view that joins meanwhile paints at once.
    let mut second = server.view(&stuck).sized(32, 24, 1.0);
    assert_eq!(second.text("status", |_| true)["state"], "busy");
    assert_eq!(second.frame().pixels().0, picture(1, 32, 24));
    // Neither the server's own widgets nor those of other kernels wait, nor what this one pushes.
    let probe = server.probe(json!({}));
    let mut view = server.view(probe.id()).sized(32, 32, 1.0);
    let mut other = Kernel::start(&server, "another-session-of-the-tests");
    let lively = other.widget(json!({}));
    let mut lively_view = server.view(&lively).sized(32, 32, 1.0);
    for number in 0..20 {
        view.frame();
        server.handle(probe.id()).request_draw();
        other.draw(&lively, number);
        lively_view.frame();
        server.handle(&lively).request_draw();
    }
    kernel.push(&stuck, 5, 32, 24);
    assert_eq!(stuck_view.frame().pixels().0, picture(5, 32, 24));
    kernel.drawn(&turn, 6, false);
    stuck_view.text("status", |status| status["state"] == "live");
    assert_eq!(stuck_view.frame().pixels().0, picture(6, 32, 24));
}

#[test]
fn closing_from_elsewhere_tells_the_kernel_and_closing_in_the_kernel_tells_the_views() {
    let (server, mut kernel, widget, mut view) = started();
    view.pointer("pointer_down", 1.0, 1.0, &[1]);
    let turn = kernel.turn(&widget);
    view.pointer("pointer_up", 1.0, 1.0, &[]);
    view.frames_until_now();
    server.request("DELETE", &format!("/api/widgets/{widget}"), None).expect(204);
    assert_eq!(view.close_code(), 4000);
    let closed = kernel.text("closed", |closed| closed["widget"] == widget.as_str());
    assert_eq!((types(&closed), &closed["reason"]), (vec!["pointer_up", "close"], &json!("closed")));
    // The end of a turn that nobody waits for is no offence.
    kernel.done(&turn, "no");
    let refused = kernel.text("refused", |_| true);
    assert_eq!((&refused["code"], &refused["widget"]), (&json!("unknown_widget"), &json!(widget)));

    let widget = kernel.widget(json!({}));
    let mut view = server.view(&widget).sized(32, 24, 1.0);
    kernel.turn(&widget);
    kernel.send(json!({"type": "close", "widget": widget}));
    assert_eq!(view.close_code(), 4000);
    server.request("GET", &format!("/api/widgets/{widget}"), None).error(404, "unknown_widget");
    let other = kernel.widget(json!({}));
    assert_eq!(kernel.until_now(&other, "closed"), [] as [Value; 0]);
}

#[test]
fn a_thousand_widgets_made_and_closed_leave_nothing() {
    let server = TestServer::with(framehub::Config { max_widgets: 3, ..crate::server::config() });
    let mut kernel = Kernel::start(&server, SESSION);
    let metrics = || String::from_utf8(server.request("GET", "/metrics", None).body).unwrap();
    for _ in 0..1000 {
        let widget = wait_for("a place for a widget", || {
            kernel.try_create(json!({"place": "cell-1", "traits": {"title": "brief"}})).ok()
        });
        assert_eq!(widget["taken_over"], false);
        kernel.send(json!({"type": "close", "widget": widget["widget"]}));
    }
    for _ in 0..3 {
        wait_for("three places", || kernel.try_create(json!({})).ok());
    }
    let refused = kernel.try_create(json!({})).unwrap_err();
    assert_eq!(refused["code"], "max_widgets");
    assert!(metrics().contains("framehub_kernels 1"), "{}", metrics());
    kernel.send(json!({"type": "goodbye"}));
    assert_eq!(kernel.close_code(), 1000);
    wait_for("the last of the metrics", || (!metrics().contains("kind=\"Plot\"")).then_some(()));
    assert!(metrics().contains("framehub_kernels 0"));
    assert_eq!(server.request("GET", "/api/widgets", None).expect(200)["widgets"], json!([]));
}
