//! Pictures of a widget, with and without views.

use serde_json::json;

use crate::{
    http::Answer,
    probe::{Mood, picture},
    server::{TestServer, wait_for},
};

/// Asks for a picture.
pub fn snapshot(server: &TestServer, widget: &str, query: &str) -> Answer {
    server.request("GET", &format!("/api/widgets/{widget}/snapshot{query}"), None)
}

/// The pixels of a picture, as RGB, and its size.
pub fn decoded(answer: &Answer) -> (Vec<u8>, u32, u32) {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let image = image::load_from_memory(&answer.body).unwrap().into_rgb8();
    let (width, height) = image.dimensions();
    (image.into_raw(), width, height)
}

#[test]
fn a_widget_without_any_view_has_a_snapshot_of_its_css_size() {
    let server = TestServer::start();
    let probe = server.probe(json!({"css_width": "80px", "css_height": "60px"}));
    assert_eq!(decoded(&snapshot(&server, probe.id(), "")), (picture(1, 80, 60), 80, 60));
    assert_eq!(decoded(&snapshot(&server, probe.id(), "?pixel_ratio=2.5")), (picture(2, 200, 150), 200, 150));
}

#[test]
fn lossless_formats_are_exact_and_jpeg_is_close() {
    let server = TestServer::start();
    let probe = server.probe(json!({"css_width": "80px", "css_height": "60px"}));
    for (format, mimetype) in [("png", "image/png"), ("webp", "image/webp"), ("jpeg", "image/jpeg")] {
        let answer = snapshot(&server, probe.id(), &format!("?format={format}"));
        assert_eq!(answer.header("content-type"), Some(mimetype));
        let (pixels, expected) = (decoded(&answer).0, picture(probe.draws(), 80, 60));
        if format == "jpeg" {
            let worst = pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(worst < 40, "a pixel is off by {worst}");
        } else {
            assert_eq!(pixels, expected, "{format}");
        }
    }
}

#[test]
fn a_snapshot_at_another_ratio_leaves_the_views_size_and_frame_as_they_are() {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    let mut view = server.view(probe.id()).sized(50, 40, 1.0);
    view.frame();
    assert_eq!(decoded(&snapshot(&server, probe.id(), "?pixel_ratio=3")).1, 150);
    for frame in view.frames_until_now() {
        assert_eq!(frame.pixels().1, 50);
    }
    assert_eq!(probe.size().unwrap().pwidth, 50);
}

#[test]
fn a_snapshot_of_a_frame_at_rest_needs_no_draw() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut view = server.view(probe.id()).sized(50, 40, 1.0);
    view.lossless_frame();
    assert_eq!(decoded(&snapshot(&server, probe.id(), "")).0, picture(1, 50, 40));
    assert_eq!(probe.draws(), 1);
}

#[test]
fn a_snapshot_ends_no_animation() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let view = server.view(probe.id()).sized(50, 40, 1.0).live();
    probe.animate();
    server.handle(probe.id()).request_draw();
    // It follows a renderer that never comes to rest for a while.
    decoded(&snapshot(&server, probe.id(), ""));
    let draws = probe.draws();
    wait_for("it goes on", || (probe.draws() > draws + 5).then_some(()));
    drop(view);
}

#[test]
fn a_snapshot_that_fails_leaves_the_views_size_as_it_is() {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    let mut view = server.view(probe.id()).sized(50, 40, 1.0);
    view.frame();
    probe.set_mood(Mood::Fail);
    snapshot(&server, probe.id(), "?pixel_ratio=3").error(500, "renderer_failed");
    assert_eq!(probe.size().unwrap().pwidth, 50);
    probe.set_mood(Mood::Draw);
    server.handle(probe.id()).request_draw();
    assert_eq!(view.frame().pixels().1, 50);
}

#[test]
fn bad_snapshots_are_refused_with_the_field() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    for (query, status, code, word) in [
        ("?pixel_ratio=0", 400, "bad_field", "pixel_ratio"),
        ("?pixel_ratio=NaN", 400, "bad_field", "pixel_ratio"),
        ("?pixel_ratio=-2", 400, "bad_field", "pixel_ratio"),
        ("?pixel_ratio=20", 413, "too_large", "pixel_ratio"),
        ("?pixel_ratio=big", 400, "bad_request", "float"),
        ("?format=bmp", 400, "bad_request", "bmp"),
        ("?quality=3", 400, "bad_request", "quality"),
    ] {
        let (message, _) = snapshot(&server, probe.id(), query).error(status, code);
        assert!(message.contains(word), "{query}: {message}");
    }
    probe.set_mood(Mood::Nothing);
    snapshot(&server, probe.id(), "").error(409, "no_frame");
    probe.set_mood(Mood::Fail);
    let (message, _) = snapshot(&server, probe.id(), "").error(500, "renderer_failed");
    assert!(message.contains("the data is gone"), "{message}");
}
