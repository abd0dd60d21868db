//! Pictures of a widget, with and without views.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use framehub::{Config, Patience};
use serde_json::json;

use crate::{
    http::Answer,
    jupyterhub::{cookie, open},
    kernel_link::Kernel,
    probe::{Mood, picture},
    server::{KEY, TestServer, config, wait_for},
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

#[test]
fn of_48_snapshots_at_once_two_are_made_and_the_others_refused() {
    let server = TestServer::start();
    let probe = server.probe(json!({"css_width": "80px", "css_height": "60px"}));
    let mut view = server.view(probe.id()).sized(80, 60, 1.0);
    view.frame();
    probe.hold(&server.handle(probe.id()));
    std::thread::scope(|scope| {
        let (server, id) = (&server, probe.id());
        let asked: Vec<_> = (0..48)
            .map(|number| {
                scope.spawn(move || snapshot(server, id, &format!("?format=webp&pixel_ratio=14.{number}")))
            })
            .collect();
        wait_for("the refusals", || {
            (asked.iter().filter(|asked| asked.is_finished()).count() >= 46).then_some(())
        });
        assert!(server.hub.pool().jobs() <= 2);
        probe.release();
        let answers: Vec<_> = asked.into_iter().map(|asked| asked.join().unwrap()).collect();
        let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(made.len(), 2);
        for answer in refused {
            assert_eq!(answer.header("retry-after"), Some("2"));
            let (message, _) = answer.error(429, "snapshots");
            assert!(message.contains("of this widget"), "{message}");
        }
    });
    // Who took theirs leaves room.
    assert_eq!(snapshot(&server, probe.id(), "").status, 200);
}

#[test]
fn who_has_a_share_gets_a_snapshot_of_the_present_size_once_a_second_and_keeps_the_owner_from_none() {
    let server = TestServer::start();
    let probe = server.probe(json!({"css_width": "80px", "css_height": "60px"}));
    let shares = format!("/api/widgets/{}/shares", probe.id());
    let link = server.request("POST", &shares, Some(json!({"link": true, "role": "watch"}))).expect(201);
    let arrived = open(&server, link["url"].as_str().unwrap(), "");
    let visitor = cookie(&arrived, "framehub-link-");
    let path = format!("/api/widgets/{}/snapshot", probe.id());
    let asked = || open(&server, &format!("{path}?pixel_ratio=8"), &visitor);
    let first = asked();
    assert_eq!((decoded(&first).1, decoded(&first).2), (80, 60));
    let (message, _) = asked().error(429, "snapshots");
    assert!(message.contains("a second"), "{message}");
    assert_eq!(decoded(&snapshot(&server, probe.id(), "?pixel_ratio=2")).1, 160);
    wait_for("the second to pass", || (asked().status == 200).then_some(()));
}

#[test]
fn a_snapshot_that_is_not_taken_is_not_kept_for_ever() {
    let patience = Patience { answer: Duration::from_millis(500), ..Patience::default() };
    let server = TestServer::with(Config { patience, ..config() });
    let mut program = Kernel::start(&server, "session-of-the-tests");
    let widget = program.widget(json!({}));
    // More than the two ends of a connection take by themselves, and nothing that a file makes shorter.
    let (width, height) = (3000_u32, 2000_u32);
    let mut number = 1_u64;
    let noise: Vec<u8> = (0..width * height * 3)
        .map(|_| {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            number.to_be_bytes()[0]
        })
        .collect();
    let header =
        json!({"type": "frame", "widget": widget, "width": width, "height": height, "format": "rgb8"});
    program.send_binary(header, &noise);
    program.until_now(&widget, "turn");
    program.kill();
    let held = || server.hub.memory().held();
    wait_for("the kernel's end", || (server.stats(&widget)["state"] == "gone").then_some(()));
    let frame = held();
    let mut slow: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            let request = format!(
                "GET /api/widgets/{widget}/snapshot HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {KEY}\r\n\r\n",
                server.address
            );
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    // The answers have begun.
    for stream in &mut slow {
        let mut first = [0; 15];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
    }
    wait_for("their memory to be given back", || (held() == frame).then_some(()));
    for stream in &mut slow {
        let mut rest = Vec::new();
        // A reset is one way of ending it.
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < noise.len(), "it was sent whole");
    }
}
