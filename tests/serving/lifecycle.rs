//! Widgets come, fail, recover and close; the server stops.

use std::time::Duration;

use framehub::{Config, Patience};
use serde_json::json;

use crate::{
    probe::Mood,
    server::{TestServer, config, map, wait_for},
};

#[test]
fn a_renderer_that_does_not_return_disturbs_no_other_widget_and_its_views_say_so() {
    let server = TestServer::start();
    let (stuck, lively) = (server.probe(json!({})), server.probe(json!({})));
    let mut stuck_view = server.view(stuck.id()).sized(32, 32, 1.0);
    stuck_view.frame();
    stuck.hold(&server.handle(stuck.id()));
    let status = stuck_view.text("status", |status| status["state"] == "busy");
    assert!(status["message"].is_null());
    let mut view = server.view(lively.id()).sized(32, 32, 1.0);
    for _ in 0..20 {
        view.frame();
        server.handle(lively.id()).request_draw();
    }
    // A view that joins meanwhile paints at once.
    let mut second = server.view(stuck.id()).sized(32, 32, 1.0);
    second.frame();
    assert_eq!(second.text("status", |_| true)["state"], "busy");
    stuck.release();
    stuck_view.text("status", |status| status["state"] == "live");
}

#[test]
fn an_error_stays_in_sight_while_the_renderer_is_busy() {
    let server = TestServer::start();
    let (failed, other) = (server.probe(json!({})), server.probe(json!({})));
    let mut view = server.view(failed.id()).sized(32, 32, 1.0);
    let mut others = server.view(other.id()).sized(32, 32, 1.0);
    view.frame();
    failed.set_mood(Mood::Fail);
    server.handle(failed.id()).request_draw();
    view.text("status", |status| status["state"] == "error");
    view.forget();
    failed.hold_events();
    view.pointer("pointer_down", 1.0, 1.0, &[1]);
    failed.waits();
    // This one begins later, so that the first is as late when it is said to be busy.
    other.hold(&server.handle(other.id()));
    others.text("status", |status| status["state"] == "busy");
    assert_eq!(server.stats(failed.id())["state"], "error");
    failed.release();
    other.release();
    wait_for("the event is taken", || (failed.names() == ["pointer_down"]).then_some(()));
    failed.set_mood(Mood::Draw);
    server.handle(failed.id()).request_draw();
    assert_eq!(view.text("status", |status| status["state"] != "error")["state"], "live");
}

#[test]
fn a_renderer_that_fails_or_panics_lives_on_and_its_views_say_what_happened() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let widget = server.handle(probe.id());
    let mut view = server.view(probe.id()).sized(32, 32, 1.0);
    view.frame();
    for (mood, message) in [
        (Mood::Fail, "get_frame failed: the data is gone"),
        (Mood::Panic, "get_frame panicked: drawn into a corner"),
    ] {
        probe.set_mood(mood);
        widget.request_draw();
        let status = view.text("status", |status| status["state"] == "error");
        assert_eq!(status["message"], message);
        probe.set_mood(Mood::Draw);
        widget.request_draw();
        view.text("status", |status| status["state"] == "live" && status["message"].is_null());
        view.frame();
    }
    probe.set_mood(Mood::PanicOnEvents);
    view.pointer("pointer_down", 1.0, 1.0, &[1]);
    let status = view.text("status", |status| status["state"] == "error");
    assert!(
        status["message"].as_str().unwrap().starts_with("handle_event(pointer_down) panicked: too much"),
        "{status}"
    );
}

#[test]
fn closing_tells_the_views_gives_the_renderer_one_close_event_and_leaves_nothing() {
    let server = TestServer::start();
    for how in ["delete", "handle"] {
        let probe = server.probe(json!({}));
        let path = format!("/api/widgets/{}", probe.id());
        let widget = server.handle(probe.id());
        let mut view = server.view(probe.id()).sized(32, 32, 1.0);
        view.frame();
        if how == "delete" {
            server.request("DELETE", &path, None).expect(204);
        } else {
            widget.close();
        }
        assert_eq!(view.text("close", |_| true)["reason"], "closed");
        assert_eq!(view.close_code(), 4000);
        wait_for("the close event", || probe.names().contains(&"close").then_some(()));
        widget.close();
        widget.request_draw();
        assert_eq!(probe.names().iter().filter(|name| **name == "close").count(), 1);
        for (method, path) in
            [("GET", path.clone()), ("DELETE", path.clone()), ("POST", path.clone() + "/draw")]
        {
            server.request(method, &path, None).error(404, "unknown_widget");
        }
        let Err(response) = crate::browser::Browser::connect(server.address, &format!("{path}/view")) else {
            panic!("a view of a closed widget");
        };
        assert_eq!(response.status(), 404);
    }
}

#[test]
fn a_widget_whose_renderer_is_stuck_closes_for_its_views_at_once() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut view = server.view(probe.id()).sized(32, 32, 1.0);
    view.frame();
    probe.hold(&server.handle(probe.id()));
    server.request("DELETE", &format!("/api/widgets/{}", probe.id()), None).expect(204);
    assert_eq!(view.close_code(), 4000);
    assert!(!probe.names().contains(&"close"));
    probe.release();
    wait_for("the close event", || probe.names().contains(&"close").then_some(()));
}

#[test]
fn when_the_server_stops_sockets_close_with_1001() {
    let mut server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut view = server.view(probe.id()).sized(32, 32, 1.0);
    view.frame();
    server.stop();
    assert_eq!(view.text("close", |_| true)["reason"], "shutdown");
    assert_eq!(view.close_code(), 1001);
    wait_for("the close event", || probe.names().contains(&"close").then_some(()));
}

#[test]
fn widgets_are_listed_with_kind_title_and_address() {
    let server = TestServer::start();
    let made = server
        .request("POST", "/api/widgets", Some(json!({"kind": "probe", "traits": {"title": "Mine"}})))
        .expect(201);
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["url"], format!("/widgets/{id}"));
    assert_eq!((&made["traits"]["title"], &made["traits"]["quality"]), (&json!("Mine"), &json!(80)));
    let list = server.request("GET", "/api/widgets", None).expect(200);
    assert_eq!((&list["widgets"][0]["id"], &list["widgets"][0]["title"]), (&json!(id), &json!("Mine")));
    let kinds = server.request("GET", "/api/kinds", None).expect(200);
    let names: Vec<_> =
        kinds["kinds"].as_array().unwrap().iter().map(|kind| kind["kind"].as_str().unwrap()).collect();
    assert_eq!(names, ["draw", "fractal", "grid", "image", "performance", "probe", "square", "surface"]);
}

#[test]
fn a_thousand_widgets_made_and_closed_leave_no_place_taken() {
    let server = TestServer::with(framehub::Config { max_widgets: 3, ..crate::server::config() });
    for _ in 0..1000 {
        let probe = server.probe(json!({}));
        server.handle(probe.id()).set_traits(&map(json!({"title": "brief"}))).unwrap();
        server.request("DELETE", &format!("/api/widgets/{}", probe.id()), None).expect(204);
        // The place is free once the renderer has taken its close event.
        wait_for("the close event", || probe.names().contains(&"close").then_some(()));
    }
    let body = || Some(json!({"kind": "probe"}));
    wait_for("three places", || (server.request("POST", "/api/widgets", body()).status == 201).then_some(()));
    for _ in 0..2 {
        wait_for("a place", || (server.request("POST", "/api/widgets", body()).status == 201).then_some(()));
    }
    let (message, _) = server.request("POST", "/api/widgets", body()).error(429, "max_widgets");
    assert!(message.contains("3 widgets") && message.contains("--max-widgets"), "{message}");
}

#[test]
fn a_view_that_answers_no_pings_is_let_go() {
    let patience = Patience { view: Duration::from_millis(300), ..Patience::default() };
    let server = TestServer::with(Config { patience, ..config() });
    let probe = server.probe(json!({}));
    let mut view = server.view(probe.id()).sized(32, 32, 1.0);
    view.frame();
    // Nobody reads, so that nobody answers.
    wait_for("the view's end", || {
        server.stats(probe.id())["views"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
    assert_eq!(view.close_code(), 4008);
    assert_eq!(view.text("close", |_| true)["reason"], "silent");
}
