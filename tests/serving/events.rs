//! How events travel: to the renderer in order, merged while it is busy, released for who is gone.

use framehub::{EventKind, event::ViewId};
use serde_json::json;

use crate::server::{TestServer, wait_for};

#[test]
fn events_reach_the_renderer_in_order_with_their_view() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut view = server.view(probe.id()).sized(100, 80, 1.0);
    view.frame();
    view.pointer("pointer_enter", 1.0, 2.0, &[]);
    view.pointer("pointer_down", 10.0, 20.0, &[1]);
    view.pointer("pointer_up", 30.0, 40.0, &[]);
    view.send(json!({"type": "key_down", "key": "a", "modifiers": ["Shift"], "timestamp": 2.0}));
    view.send(json!({"type": "char", "data": "A", "input_type": "insertText", "is_composing": false, "timestamp": 2.1}));
    view.send(json!({"type": "key_up", "key": "a", "modifiers": [], "timestamp": 2.2}));
    view.send(json!({"type": "wheel", "x": 5, "y": 6, "dx": 0, "dy": 100, "buttons": [], "modifiers": [], "timestamp": 3.0}));
    view.pointer("double_click", 30.0, 40.0, &[]);
    view.pointer("pointer_leave", 30.0, 40.0, &[]);
    let expected = [
        "pointer_enter",
        "pointer_down",
        "pointer_up",
        "key_down",
        "char",
        "key_up",
        "wheel",
        "double_click",
        "pointer_leave",
    ];
    wait_for("all events", || (probe.names() == expected).then_some(()));
    let events = probe.events();
    assert!(events.iter().all(|event| event.view == Some(ViewId(1))));
    let EventKind::PointerDown(down) = &events[1].kind else { panic!("{events:?}") };
    assert_eq!((down.x, down.y, down.button, &*down.buttons), (10.0, 20.0, 1, &[1][..]));
}

#[test]
fn several_touches_arrive_with_their_ids() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut view = server.view(probe.id()).sized(100, 80, 1.0);
    view.send(json!({"type": "pointer_down", "timestamp": 1, "x": 1, "y": 2, "button": 1, "buttons": [1], "modifiers": [],
        "ntouches": 2, "touches": {"4": {"x": 1, "y": 2, "pressure": 0.5}, "7": {"x": 50, "y": 60, "pressure": 1}}}));
    let event = wait_for("the event", || probe.events().pop());
    let EventKind::PointerDown(down) = event.kind else { panic!("{event:?}") };
    assert_eq!((down.ntouches, down.touches["7"].x, down.touches["4"].pressure), (2, 50.0, 0.5));
}

#[test]
fn while_the_renderer_is_busy_moves_and_wheel_turns_merge_and_nothing_else_is_lost() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let widget = server.handle(probe.id());
    let mut view = server.view(probe.id()).sized(100, 80, 1.0);
    view.frame();
    probe.hold(&widget);
    view.pointer("pointer_down", 0.0, 0.0, &[1]);
    for x in 1..=50 {
        view.pointer("pointer_move", f64::from(x), 0.0, &[1]);
    }
    view.pointer("pointer_up", 50.0, 0.0, &[]);
    for _ in 0..10 {
        view.send(json!({"type": "wheel", "x": 5, "y": 6, "dx": 1, "dy": 10, "buttons": [], "modifiers": [], "timestamp": 3.0}));
    }
    for key in ["a", "b"] {
        view.send(json!({"type": "key_down", "key": key, "modifiers": [], "timestamp": 1}));
    }
    view.frames_until_now();
    assert!(probe.names().is_empty(), "events came while the renderer was busy");
    probe.release();
    let expected = ["pointer_down", "pointer_move", "pointer_up", "wheel", "key_down", "key_down"];
    wait_for("the events", || (probe.names() == expected).then_some(()));
    let events = probe.events();
    let (EventKind::PointerMove(moved), EventKind::Wheel(wheel)) = (&events[1].kind, &events[3].kind) else {
        panic!()
    };
    assert_eq!((moved.x, wheel.dx, wheel.dy), (50.0, 10.0, 100.0));
}

#[test]
fn what_is_held_is_released_once_when_the_view_leaves_hides_or_loses_focus() {
    let server = TestServer::start();
    for how in ["disconnect", "hide", "zero size", "focus_out"] {
        let probe = server.probe(json!({}));
        let mut view = server.view(probe.id()).sized(100, 80, 1.0);
        view.pointer("pointer_down", 10.0, 10.0, &[1]);
        view.send(json!({"type": "key_down", "key": "a", "modifiers": [], "timestamp": 1}));
        view.pointer("pointer_move", 20.0, 15.0, &[1]);
        wait_for("the events", || (probe.names().len() == 3).then_some(()));
        let mut view = Some(view);
        match how {
            "disconnect" => view = None,
            "zero size" => view.as_mut().unwrap().resize(0, 0, 1.0),
            other => view.as_mut().unwrap().send(json!({"type": other, "timestamp": 2.0})),
        }
        let names = wait_for(how, || Some(probe.names()).filter(|names| names.len() >= 5));
        assert_eq!(names[3..5], ["pointer_up", "key_up"], "{how}");
        let EventKind::PointerUp(up) = &probe.events()[3].kind else { panic!() };
        assert_eq!((up.x, up.y, up.button, up.buttons.len()), (20.0, 15.0, 1, 0), "{how}");
        // The user's own release, should it still come, is not a second one.
        if let Some(view) = &mut view {
            view.pointer("pointer_up", 30.0, 30.0, &[]);
            view.send(json!({"type": "show", "timestamp": 3.0}));
            view.frames_until_now();
            assert_eq!(probe.names().iter().filter(|name| **name == "pointer_up").count(), 1, "{how}");
        }
    }
}

#[test]
fn a_resize_reaches_the_renderer_and_a_draw_at_the_new_size_follows() {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    let mut view = server.view(probe.id()).sized(100, 80, 1.0);
    assert_eq!(view.frame().pixels().1, 100);
    view.resize(200, 120, 1.25);
    let (_, width, height) = view.frame().pixels();
    assert_eq!((width, height), (250, 150));
    let size = probe.size().unwrap();
    assert_eq!(
        (size.width, size.height, size.pwidth, size.pheight, size.ratio),
        (200.0, 120.0, 250, 150, 1.25)
    );
}

#[test]
fn a_resize_that_comes_while_another_is_taken_is_drawn_too() {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    let mut view = server.view(probe.id()).sized(100, 80, 1.0);
    view.frame();
    probe.hold_events();
    view.resize(200, 80, 1.0);
    probe.waits();
    view.resize(200, 120, 1.0);
    wait_for("the widget has that size", || {
        (server.stats(probe.id())["size"]["height"] == 120.0).then_some(())
    });
    probe.release();
    let sizes = [view.frame(), view.frame()].map(|frame| (frame.pixels().1, frame.pixels().2));
    assert_eq!(sizes, [(200, 80), (200, 120)]);
}
