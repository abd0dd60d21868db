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
    assert_eq!(
        (&stats["sent_frames"], &stats["drawn_frames"], &stats["render"]),
        (&json!(1), &json!(1), &json!(0.001))
    );
}
