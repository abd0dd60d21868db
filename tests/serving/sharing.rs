//! Several views of one widget: sizes, positions, roles.

use framehub::EventKind;
use serde_json::json;

use crate::{
    probe::picture,
    server::{TestServer, wait_for},
};

#[test]
fn two_views_at_different_ratios_are_both_sharp_and_neither_gets_more_than_it_can_show() {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    let mut plain = server.view(probe.id()).sized(100, 80, 1.0);
    assert_eq!(plain.frame().pixels().1, 100);
    let mut sharp = server.view(probe.id()).sized(100, 80, 2.0);
    let (pixels, width, height) =
        wait_for("the sharp frame", || Some(sharp.frame().pixels()).filter(|frame| frame.1 == 200));
    assert_eq!((pixels, width, height), (picture(probe.draws(), 200, 160), 200, 160));
    for _ in 0..3 {
        server.handle(probe.id()).request_draw();
        assert_eq!(plain.frame().pixels().1, 100);
    }
}

#[test]
fn a_small_watcher_costs_no_render_and_gets_a_small_image() {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    let mut driver = server.view(probe.id()).sized(400, 300, 1.0);
    driver.frame();
    let mut thumbnail = server.view_with(probe.id(), "?role=watch").sized(100, 100, 1.0);
    let (_, width, height) = thumbnail.frame().pixels();
    assert_eq!((width, height), (100, 75));
    assert_eq!(probe.draws(), 1, "the watcher made the renderer draw");
    assert_eq!(probe.size().unwrap().pwidth, 400);
}

#[test]
fn a_widget_that_only_watchers_see_has_the_size_of_its_traits() {
    let server = TestServer::start();
    let probe = server.probe(json!({"css_width": "200px", "css_height": "100px"}));
    let mut thumbnail = server.view_with(probe.id(), "?role=watch").sized(50, 50, 1.0);
    thumbnail.frame();
    let size = probe.size().unwrap();
    assert_eq!((size.width, size.height, size.pwidth, size.pheight), (200.0, 100.0, 50, 25));
    server.set_traits(probe.id(), json!({"css_height": "200px"}));
    wait_for("the new size", || probe.size().filter(|size| (size.pwidth, size.pheight) == (50, 50)));
}

#[test]
fn a_watcher_never_makes_the_widget_sharper_than_those_who_interact_need() {
    let server = TestServer::start();
    let probe = server.probe(json!({"css_width": "200px", "css_height": "100px"}));
    let mut watcher = server.view_with(probe.id(), "?role=watch").sized(3000, 3000, 20.0);
    watcher.frame();
    assert_eq!(
        probe.size().map(|size| (size.pwidth, size.pheight)),
        Some((200, 100)),
        "sharper than the traits"
    );
    let mut driver = server.view(probe.id()).sized(400, 300, 2.0);
    driver.frame();
    wait_for("the driver's size", || probe.size().filter(|size| (size.pwidth, size.pheight) == (800, 600)));
    watcher.resize(65535, 65535, 1.0);
    watcher.frames_until_now();
    drop(driver);
    watcher.text("status", |status| status["views"] == 1);
    server.handle(probe.id()).request_draw();
    watcher.frames_until_now();
    assert_eq!(
        probe.size().map(|size| (size.pwidth, size.pheight)),
        Some((800, 600)),
        "sharper than the driver's, or less"
    );
}

#[test]
fn one_message_cannot_have_more_pixels_rendered_than_the_limit() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut view = server.view(probe.id());
    for (width, height, pwidth, pheight, ratio) in [
        (1.0, 65535.0, 65535, 65535, 1.0),
        (65535.0, 1e-300, 65535, 65535, 0.1),
        (65535.0, 65535.0, 1, 65535, 20.0),
        (0.001, 0.001, 65535, 65535, 20.0),
    ] {
        view.send(
            json!({"type": "resize", "width": width, "height": height, "pwidth": pwidth, "pheight": pheight,
            "ratio": ratio, "timestamp": 0}),
        );
        view.frame();
        let size = probe.size().unwrap();
        assert!(size.area() <= 3840 * 2160, "{size:?}");
    }
}

#[test]
fn a_watcher_cannot_act_whatever_it_sends() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut driver = server.view(probe.id()).sized(400, 300, 1.0);
    driver.frame();
    let mut watcher = server.view_with(probe.id(), "?role=watch").sized(200, 150, 3.0);
    let status = watcher.text("status", |_| true);
    assert_eq!((&status["role"], &status["driver"]), (&json!("watch"), &json!(false)));
    watcher.pointer("pointer_down", 1.0, 1.0, &[1]);
    watcher.send(json!({"type": "key_down", "key": "a", "modifiers": [], "timestamp": 1}));
    watcher.resize(50, 50, 1.0);
    watcher.frames_until_now();
    driver.frames_until_now();
    assert!(probe.names().is_empty(), "{:?}", probe.names());
    assert_eq!(probe.size().unwrap().width, 400.0);
}

#[test]
fn the_view_that_a_user_acts_in_becomes_the_driver() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut first = server.view(probe.id()).sized(400, 300, 1.0);
    first.frame();
    let mut second = server.view(probe.id()).sized(200, 200, 1.0);
    second.frame();
    assert_eq!(probe.size().unwrap().width, 400.0, "joining took the size over");
    // It shows the widget 200 × 150, centred: 25 pixels are free above and below.
    second.pointer("pointer_down", 100.0, 100.0, &[1]);
    second.pointer("pointer_move", 110.0, 115.0, &[1]);
    let places = || {
        let of = |event: &framehub::Event| match &event.kind {
            EventKind::PointerDown(at) | EventKind::PointerMove(at) | EventKind::PointerUp(at) => {
                (at.x, at.y)
            }
            other => panic!("{other:?}"),
        };
        probe.events().iter().map(of).collect::<Vec<_>>()
    };
    wait_for("the drag", || (places() == [(200.0, 150.0), (220.0, 180.0)]).then_some(()));
    // The first acts too, but the second's drag is not over.
    first.send(json!({"type": "wheel", "x": 1, "y": 1, "dx": 0, "dy": 1, "buttons": [], "modifiers": []}));
    wait_for("the wheel", || (probe.names().len() == 3).then_some(()));
    assert_eq!(probe.size().unwrap().width, 400.0, "the picture moved under a drag");
    // Another button of the same drag, so that it is the second view which acted last.
    second.pointer("pointer_down", 110.0, 115.0, &[1, 2]);
    second.pointer("pointer_up", 110.0, 115.0, &[]);
    wait_for("the new size", || probe.size().filter(|size| (size.width, size.height) == (200.0, 200.0)));
    let Some(EventKind::PointerUp(at)) = probe.events().pop().map(|event| event.kind) else {
        panic!("{:?}", probe.events())
    };
    assert_eq!((at.x, at.y), (220.0, 180.0), "the release was mapped with the size that it brought about");
    second.text("status", |status| status["driver"] == true);
    first.text("status", |status| status["driver"] == false);
    drop(second);
    wait_for("the first drives again", || probe.size().filter(|size| size.width == 400.0));
}

#[test]
fn the_same_feature_has_the_same_position_from_any_view() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut driver = server.view(probe.id()).sized(400, 300, 1.0);
    driver.frame();
    // It shows the widget 300 × 225, centred: 37.5 pixels are free above and below.
    let mut other = server.view(probe.id()).sized(300, 300, 2.0);
    other.frame();
    other.pointer("pointer_move", 75.0, 37.5 + 56.25, &[]);
    let event = wait_for("the move", || probe.events().pop());
    let EventKind::PointerMove(moved) = event.kind else { panic!("{event:?}") };
    assert!((moved.x - 100.0).abs() < 1e-9 && (moved.y - 75.0).abs() < 1e-9, "{moved:?}");
}

#[test]
fn a_view_that_joins_gets_traits_status_and_the_last_frame_without_a_draw() {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100, "title": "Shared"}));
    let mut first = server.view(probe.id()).sized(64, 64, 1.0);
    first.frame();
    let mut second = server.view(probe.id()).sized(64, 64, 1.0);
    assert_eq!(second.text("traits", |_| true)["traits"]["title"], "Shared");
    let status = second.text("status", |_| true);
    assert_eq!(
        (&status["state"], &status["widget"], &status["kind"]),
        (&json!("live"), &json!(probe.id()), &json!("probe"))
    );
    assert_eq!(second.frame().pixels().0, picture(1, 64, 64));
    assert_eq!(probe.draws(), 1);
    first.text("status", |status| status["views"] == 2);
}

#[test]
fn traits_are_seen_at_once_in_every_view() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut views: Vec<_> = (0..3).map(|_| server.view(probe.id())).collect();
    server.set_traits(probe.id(), json!({"title": "New", "cursor": "grab", "resizable": false}));
    for view in &mut views {
        let traits = view.text("traits", |traits| traits["traits"]["title"] == "New");
        assert_eq!(
            (&traits["traits"]["cursor"], &traits["traits"]["resizable"]),
            (&json!("grab"), &json!(false))
        );
    }
    server.handle(probe.id()).print("hello");
    for view in &mut views {
        assert_eq!(view.text("print", |_| true)["text"], "hello");
    }
}
