//! Who may act: holding the control, losing it, others' pointers.

use framehub::{EventKind, WidgetHandle};
use serde_json::json;

use crate::{
    browser::Browser,
    probe::Probe,
    server::{TestServer, wait_for},
};

/// A widget with two views of different sizes that have each drawn a frame.
fn two_views(server: &TestServer) -> (Probe, WidgetHandle, Browser, Browser) {
    let probe = server.probe(json!({}));
    let mut ann = server.view(probe.id()).sized(400, 300, 1.0);
    ann.frame();
    let mut ben = server.view(probe.id()).sized(200, 200, 1.0);
    ben.frame();
    let widget = server.handle(probe.id());
    (probe, widget, ann, ben)
}

/// The same, after the first one's pointer was shown in the second.
fn pointing(server: &TestServer) -> (Probe, Browser, Browser) {
    let (probe, _, mut ann, mut ben) = two_views(server);
    server.set_traits(probe.id(), json!({"show_pointers": true}));
    ann.pointer("pointer_move", 200.0, 150.0, &[]);
    ben.text("pointers", |message| message["pointers"] != json!([]));
    ben.forget();
    (probe, ann, ben)
}

fn control(view: &mut Browser, action: &str) {
    view.send(json!({"type": "control", "action": action}));
}

#[test]
fn while_a_view_holds_the_control_nobody_else_acts_or_resizes() {
    let server = TestServer::start();
    let (probe, _, mut ann, mut ben) = two_views(&server);
    control(&mut ben, "take");
    assert_eq!(ben.text("status", |status| status["control"] == "v2")["driver"], true);
    ann.text("status", |status| status["control"] == "v2");
    ann.forget();
    wait_for("the holder's size", || probe.size().filter(|size| size.width == 200.0));

    ann.pointer("pointer_down", 1.0, 1.0, &[1]);
    ann.resize(500, 500, 1.0);
    ann.frames_until_now();
    ben.pointer("pointer_move", 5.0, 5.0, &[]);
    wait_for("the holder's move", || (probe.names() == ["pointer_move"]).then_some(()));
    assert_eq!(probe.size().unwrap().width, 200.0);

    control(&mut ben, "release");
    ann.text("status", |status| status["control"].is_null());
    ann.pointer("pointer_down", 1.0, 1.0, &[1]);
    wait_for("the press", || probe.names().contains(&"pointer_down").then_some(()));
}

#[test]
fn what_others_hold_down_is_released_once_when_a_view_takes_the_control() {
    let server = TestServer::start();
    let (probe, _, mut ann, mut ben) = two_views(&server);
    ann.pointer("pointer_down", 10.0, 10.0, &[1]);
    ann.send(json!({"type": "key_down", "key": "a", "modifiers": []}));
    wait_for("the presses", || (probe.names().len() == 2).then_some(()));
    control(&mut ben, "take");
    wait_for("the releases", || (probe.names().len() == 4).then_some(()));
    ann.pointer("pointer_up", 10.0, 10.0, &[]);
    ann.frames_until_now();
    assert_eq!(probe.names(), ["pointer_down", "key_down", "pointer_up", "key_up"]);
}

#[test]
fn focus_goes_with_the_control_and_comes_back_with_it() {
    let server = TestServer::start();
    let (probe, _, mut ann, mut ben) = two_views(&server);
    ann.send(json!({"type": "focus_in"}));
    wait_for("the focus", || (probe.names() == ["focus_in"]).then_some(()));
    control(&mut ben, "take");
    wait_for("the loss", || (probe.names() == ["focus_in", "focus_out"]).then_some(()));
    control(&mut ben, "release");
    wait_for("the focus again", || (probe.names() == ["focus_in", "focus_out", "focus_in"]).then_some(()));
    drop(ann);
    wait_for("the end", || (probe.names().ends_with(&["focus_in", "focus_out"])).then_some(()));
    assert_eq!(probe.names().len(), 4);
}

#[test]
fn the_control_is_taken_once_and_watchers_never_have_it() {
    let server = TestServer::start();
    let (probe, _, mut ann, mut ben) = two_views(&server);
    control(&mut ann, "take");
    ann.text("status", |status| status["control"] == "v1");
    control(&mut ben, "take");
    let error = ben.text("error", |_| true);
    assert_eq!(error["code"], "held");
    assert!(error["message"].as_str().unwrap().starts_with("v1 holds the control"), "{error}");
    control(&mut ben, "release");
    let mut watcher = server.view_with(probe.id(), "?role=watch").sized(50, 50, 1.0);
    control(&mut watcher, "take");
    assert_eq!(watcher.text("error", |_| true)["code"], "role");
    assert_eq!(watcher.text("status", |_| true)["control"], "v1", "another view's release counted");
}

#[test]
fn a_holder_that_leaves_or_is_hidden_lets_go_and_an_owner_takes_the_control_away() {
    let server = TestServer::start();
    for how in ["leave", "hide", "api", "handle"] {
        let (probe, widget, mut ann, mut ben) = two_views(&server);
        control(&mut ben, "take");
        ann.text("status", |status| status["control"] == "v2");
        ann.forget();
        match how {
            "leave" => drop(ben),
            "hide" => ben.send(json!({"type": "hide"})),
            "api" => {
                let path = format!("/api/widgets/{}/control", probe.id());
                server.request("DELETE", &path, None).expect(204);
            }
            _ => widget.take_control_away(),
        }
        ann.text("status", |status| status["control"].is_null());
        ann.pointer("pointer_down", 1.0, 1.0, &[1]);
        wait_for("the press", || probe.names().contains(&"pointer_down").then_some(()));
    }
    server.request("DELETE", "/api/widgets/none/control", None).error(404, "unknown_widget");
}

#[test]
fn who_joins_while_the_control_is_held_is_told_and_cannot_act() {
    let server = TestServer::start();
    let (probe, _, mut ann, _ben) = two_views(&server);
    control(&mut ann, "take");
    ann.text("status", |status| status["control"] == "v1");
    let mut late = server.view(probe.id()).sized(300, 300, 1.0);
    assert_eq!(late.text("status", |_| true)["control"], "v1");
    late.pointer("pointer_down", 1.0, 1.0, &[1]);
    late.frames_until_now();
    ann.pointer("pointer_move", 5.0, 5.0, &[]);
    wait_for("the holder's move", || probe.names().contains(&"pointer_move").then_some(()));
    assert_eq!(probe.names(), ["pointer_move"]);
}

#[test]
fn views_see_each_others_pointers_in_their_own_coordinates_only_if_that_is_switched_on() {
    let server = TestServer::start();
    let (probe, _, mut ann, mut ben) = two_views(&server);
    ann.pointer("pointer_move", 100.0, 75.0, &[]);
    wait_for("the move", || (probe.names().len() == 1).then_some(()));
    server.set_traits(probe.id(), json!({"show_pointers": true}));
    ann.pointer("pointer_move", 200.0, 150.0, &[]);
    // The widget is 400 × 300, and 200 × 150 in the other view, with 25 pixels free above and below.
    let seen = ben.text("pointers", |message| message["pointers"] != json!([]));
    assert_eq!(seen["pointers"], json!([{"view": "v1", "x": 100.0, "y": 100.0}]));
    assert_eq!(ann.text("pointers", |_| true)["pointers"], json!([]), "a view was shown its own pointer");
    ben.forget();
    ann.pointer("pointer_leave", 0.0, 0.0, &[]);
    ben.text("pointers", |message| message["pointers"] == json!([]));

    ben.pointer("pointer_enter", 10.0, 40.0, &[]);
    ann.text("pointers", |message| message["pointers"][0]["view"] == "v2");
    ann.forget();
    let mut late = server.view_with(probe.id(), "?role=watch").sized(100, 75, 1.0);
    let seen = late.text("pointers", |message| message["pointers"] != json!([]));
    assert_eq!(seen["pointers"], json!([{"view": "v2", "x": 5.0, "y": 7.5}]));
    ann.forget();
    drop(ben);
    ann.text("pointers", |message| message["pointers"] == json!([]));
    let moved = probe.events().into_iter().filter(|event| matches!(event.kind, EventKind::PointerMove(_)));
    assert_eq!(moved.count(), 2, "pointers are shown besides the events, not instead of them");
}

#[test]
fn the_pointer_of_a_view_that_loses_the_control_is_not_shown() {
    let server = TestServer::start();
    let (_, _ann, mut ben) = pointing(&server);
    control(&mut ben, "take");
    ben.text("pointers", |message| message["pointers"] == json!([]));
}

#[test]
fn switching_pointers_off_takes_them_away() {
    let server = TestServer::start();
    let (probe, _ann, mut ben) = pointing(&server);
    server.set_traits(probe.id(), json!({"show_pointers": false}));
    ben.text("pointers", |message| message["pointers"] == json!([]));
}

#[test]
fn who_takes_and_releases_the_control_in_a_loop_is_refused_and_the_others_are_told_the_end() {
    let server = TestServer::start();
    let (_, _, mut ann, mut ben) = two_views(&server);
    for _ in 0..300 {
        control(&mut ben, "take");
        control(&mut ben, "release");
    }
    let error = ben.text("error", |_| true);
    assert_eq!(error["code"], "rate");
    assert!(error["message"].as_str().unwrap().ends_with("take it later"), "{error}");
    control(&mut ben, "release");
    wait_for("the control", || {
        control(&mut ann, "take");
        (ann.text_of(&["status", "error"])["control"] == "v1").then_some(())
    });
    ben.text("status", |status| status["control"] == "v1");
}
