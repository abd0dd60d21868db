//! How frames flow: credits, deadlines, latest wins, shared encodes, settling.

use std::{io::Read, net::TcpStream, time::Duration};

use framehub::{Config, Frame, WidgetHandle};
use serde_json::json;

use crate::{
    browser::{Browser, FrameReceived, request},
    probe::{Mood, Probe, picture},
    server::{TestServer, config, wait_for},
};

fn impatient() -> TestServer {
    TestServer::with(Config { deadline: Duration::from_secs(1), ..config() })
}

#[test]
fn a_view_that_never_confirms_gets_its_credits_twice_and_is_dropped_while_another_keeps_its_rate() {
    let server = impatient();
    for credits in [1, 2, 5] {
        let probe = server.probe(json!({"max_buffered_frames": credits}));
        let mut stuck = server.view(probe.id()).sized(64, 48, 1.0).silent();
        let mut lively = server.view(probe.id()).sized(64, 48, 1.0);
        probe.animate();
        server.handle(probe.id()).request_draw();
        let before_drop = {
            let mut frames = 0;
            while stuck_view_is_there(&server, probe.id()) {
                lively.frame();
                frames += 1;
            }
            frames
        };
        assert_eq!(stuck.close_code(), 4008);
        assert_eq!(stuck.frames, 2 * credits, "full credits, and once more after the deadline");
        assert!(before_drop > 4 * credits, "the other view got only {before_drop} frames meanwhile");
        let drawn = probe.draws();
        while probe.draws() < drawn + 20 {
            lively.frame();
        }
    }
}

fn stuck_view_is_there(server: &TestServer, widget: &str) -> bool {
    let stats = server.stats(widget);
    let views = stats["views"].as_array().unwrap();
    for view in views {
        let (in_flight, most) = (view["in_flight"].as_u64().unwrap(), 5);
        assert!(in_flight <= most, "{in_flight} frames in flight");
    }
    views.len() == 2
}

#[test]
fn never_more_frames_are_in_flight_than_the_trait_allows() {
    let server = TestServer::start();
    for credits in [1, 3] {
        let probe = server.probe(json!({"max_buffered_frames": credits}));
        let mut view = server.view(probe.id()).sized(64, 48, 1.0).silent();
        probe.animate();
        server.handle(probe.id()).request_draw();
        let mut sent: Vec<_> = (0..credits).map(|_| view.frame()).collect();
        for round in 0..20 {
            assert!(view.frames_until_now().is_empty(), "round {round}: more than {credits} in flight");
            view.confirm(&sent.remove(0));
            sent.push(view.frame());
        }
    }
}

#[test]
fn a_view_that_confirms_again_after_the_deadline_recovers() {
    let server = impatient();
    let probe = server.probe(json!({"max_buffered_frames": 1}));
    let mut view = server.view(probe.id()).sized(64, 48, 1.0).silent();
    let late = view.frame();
    server.handle(probe.id()).request_draw();
    // The deadline gives the credit back, and with it comes the frame that was asked for.
    let next = view.frame();
    assert_eq!(next.index(), late.index() + 1);
    view.confirm(&late);
    view.confirm(&next);
    view.confirming = true;
    for _ in 0..5 {
        server.handle(probe.id()).request_draw();
        view.frame();
    }
}

/// It takes a while to compare one of these with another.
fn large(last: u8) -> Frame {
    let mut pixels = vec![255; 2000 * 2000 * 3];
    pixels[2000 * 2000 * 3 - 1] = last;
    Frame::rgb8(2000, 2000, pixels).unwrap()
}

fn is_large(frame: &FrameReceived) -> bool {
    frame.pixels().0.starts_with(&[255; 96])
}

/// Pushes a large frame, then has `draws` push another and ask for a draw: what is drawn, which is smaller, takes the large one's
/// place, and no large one that of it.
fn when_large_is_shown(mut draws: impl FnMut(&WidgetHandle, &Probe, &mut Browser)) {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    let widget = server.handle(probe.id());
    let mut view = server.view(probe.id()).sized(32, 32, 1.0);
    view.frame();
    for _ in 0..10 {
        widget.send_frame(large(0)).unwrap();
        while !is_large(&view.frame()) {}
        draws(&widget, &probe, &mut view);
        while is_large(&view.frame()) {}
        let after: Vec<_> = view.frames_until_now().into_iter().chain(view.frames_until_now()).collect();
        assert!(!after.iter().any(is_large), "an older frame came later");
    }
}

#[test]
fn a_frame_that_was_pushed_before_a_draw_does_not_come_after_it() {
    when_large_is_shown(|widget, _, _| {
        widget.send_frame(large(1)).unwrap();
        widget.request_draw();
    });
}

#[test]
fn a_frame_that_was_pushed_before_a_draw_of_the_turn_under_way_does_not_come_after_it() {
    when_large_is_shown(|widget, probe, view| {
        probe.hold_events();
        view.pointer("pointer_move", 1.0, 1.0, &[]);
        probe.waits();
        // Both are on their way before the turn looks whether to draw, and it does not wait for the first.
        widget.send_frame(large(1)).unwrap();
        widget.request_draw();
        probe.release();
    });
}

#[test]
fn the_next_frame_of_a_slow_view_is_the_newest() {
    let server = TestServer::start();
    let probe = server.probe(json!({"max_buffered_frames": 1, "quality": 100}));
    let widget = server.handle(probe.id());
    let mut slow = server.view(probe.id()).sized(32, 24, 1.0).silent();
    let first = slow.frame();
    let mut quick = server.view(probe.id()).sized(32, 24, 1.0);
    for _ in 0..10 {
        widget.request_draw();
        let before = quick.frames;
        while quick.frames == before {
            quick.frame();
        }
    }
    let newest = probe.draws();
    slow.confirm(&first);
    assert_eq!(slow.frame().pixels().0, picture(newest, 32, 24));
    let stats = server.stats(probe.id());
    let skipped: Vec<_> =
        stats["views"].as_array().unwrap().iter().map(|view| view["skipped_frames"].as_u64()).collect();
    assert!(skipped[0] >= Some(8), "{skipped:?}");
}

#[test]
fn ten_equal_views_share_one_encode() {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    let widget = server.handle(probe.id());
    let mut views: Vec<_> = (0..10).map(|_| server.view(probe.id()).sized(64, 48, 1.0)).collect();
    let mut first: Vec<_> = views.iter_mut().map(|view| view.frame().data).collect();
    first.dedup();
    assert_eq!(first.len(), 1, "the first frame differs between equal views");
    let before = server.stats(probe.id())["encodes"].as_u64().unwrap();
    for round in 1..=20 {
        widget.request_draw();
        let mut images: Vec<_> = views.iter_mut().map(|view| view.frame().data).collect();
        images.dedup();
        assert_eq!(images.len(), 1);
        let encodes = server.stats(probe.id())["encodes"].as_u64().unwrap() - before;
        assert_eq!(encodes, round, "encodes after {round} frames to ten views");
    }
}

#[test]
fn a_lossy_frame_is_followed_by_the_same_frame_exact() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut view = server.view(probe.id()).sized(63, 47, 1.0);
    let lossy = view.frame();
    assert_eq!((lossy.header["mimetype"].as_str(), lossy.lossless()), (Some("image/jpeg"), false));
    assert_ne!(lossy.pixels().0, picture(1, 63, 47));
    let exact = view.lossless_frame();
    assert_eq!(exact.pixels(), (picture(1, 63, 47), 63, 47));
    assert_eq!(probe.draws(), 1, "settling drew again");
    assert!(view.frames_until_now().is_empty(), "settled twice");
    assert_eq!(server.stats(probe.id())["sent_frames"], 1, "the settling frame counts");
}

#[test]
fn a_frame_amends_the_one_before_and_a_browser_that_lost_that_gets_a_whole_one() {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    let widget = server.handle(probe.id());
    let mut view = server.view(probe.id()).sized(640, 64, 1.0);
    assert!(view.frame().whole());
    let row = |value: u8| {
        let pixels: Vec<u8> =
            (0..640 * 64).flat_map(|at| [if at % 640 < 64 { value } else { 90 }; 3]).collect();
        framehub::Frame::rgb8(640, 64, pixels).unwrap()
    };
    widget.send_frame(row(1)).unwrap();
    view.frame();
    widget.send_frame(row(2)).unwrap();
    let amended = view.frame();
    assert!(!amended.whole());
    assert_eq!(amended.header["parts"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&amended.header["parts"][0]["x"], &amended.header["parts"][0]["width"]),
        (&json!(0), &json!(64))
    );
    assert_eq!(amended.pixels().0, *row(2).pixels());

    widget.send_frame(row(2)).unwrap();
    wait_for("the equal frame to be counted", || {
        (server.stats(probe.id())["unchanged_frames"] == 1).then_some(())
    });
    assert!(view.frames_until_now().is_empty(), "an equal frame was sent");

    view.send(json!({"type": "refresh"}));
    let refreshed = view.frame();
    assert!(refreshed.whole());
    assert_eq!(refreshed.pixels().0, *row(2).pixels());
}

#[test]
fn base64_views_get_the_same_pixels_as_text() {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    let mut view = server.view_with(probe.id(), "?frames=base64").sized(40, 30, 1.0);
    assert_eq!(view.frame().pixels().0, picture(1, 40, 30));
    assert!(wait_for("the statistics", || server.stats(probe.id())["b64_encoding"].as_f64()) > 0.0);
}

#[test]
fn pushed_frames_go_through_the_same_credits_and_the_latest_wins() {
    let server = TestServer::start();
    let probe = server.probe(json!({"max_buffered_frames": 2, "quality": 100}));
    probe.set_mood(Mood::Nothing);
    let widget = server.handle(probe.id());
    let mut view = server.view(probe.id()).sized(16, 16, 1.0).silent();
    wait_for("the first draw", || (probe.draws() > 0).then_some(()));
    let push = |number| widget.send_frame(Frame::gray8(16, 16, vec![number; 256]).unwrap()).unwrap();
    let sent = [1, 2].map(|number| {
        push(number);
        view.frame()
    });
    (3..=200).for_each(push);
    assert!(view.frames_until_now().is_empty(), "pushing went past the credits");
    view.confirming = true;
    for frame in &sent {
        view.confirm(frame);
    }
    while view.frame().pixels().0[0] != 200 {}
    assert!(view.frames < 50, "{} frames were queued up", view.frames);
}

#[test]
fn empty_frames_and_no_frames_leave_the_views_as_they_are() {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    let widget = server.handle(probe.id());
    let mut view = server.view(probe.id()).sized(16, 16, 1.0);
    view.frame();
    for mood in [Mood::Nothing, Mood::Empty] {
        probe.set_mood(mood);
        let draws = probe.draws();
        widget.request_draw();
        wait_for("a draw", || (probe.draws() > draws).then_some(()));
        widget.send_frame(Frame::gray8(0, 5, Vec::new()).unwrap()).unwrap();
        assert!(view.frames_until_now().is_empty());
    }
    probe.set_mood(Mood::Draw);
    widget.request_draw();
    assert_eq!(view.frame().pixels().0, picture(probe.draws(), 16, 16));
}

#[test]
fn frames_of_any_format_and_odd_size_arrive_exact() {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    probe.set_mood(Mood::Nothing);
    let widget = server.handle(probe.id());
    let mut view = server.view(probe.id()).sized(300, 300, 1.0);
    for (width, height) in [(1, 1), (1, 300), (299, 2), (77, 211)] {
        let rgb = picture(7, width, height);
        let gray: Vec<_> = rgb.chunks(3).map(|pixel| pixel[0]).collect();
        let rgba: Vec<_> = rgb.chunks(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 9]).collect();
        let gray_as_rgb: Vec<_> = gray.iter().flat_map(|&value| [value; 3]).collect();
        for (frame, expected) in [
            (Frame::gray8(width, height, gray).unwrap(), gray_as_rgb),
            (Frame::rgb8(width, height, rgb.clone()).unwrap(), rgb.clone()),
            (Frame::rgba8(width, height, rgba).unwrap(), rgb.clone()),
        ] {
            widget.send_frame(frame).unwrap();
            assert_eq!(view.frame().pixels(), (expected, width, height));
        }
    }
}

#[test]
fn nothing_is_drawn_while_no_view_is_visible_and_showing_resumes_with_fresh_credits() {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    let widget = server.handle(probe.id());
    let mut view = server.view(probe.id()).sized(32, 32, 1.0).silent();
    probe.animate();
    widget.request_draw();
    for _ in 0..2 {
        view.frame();
    }
    view.send(json!({"type": "hide", "timestamp": 1.0}));
    view.frames_until_now();
    let drawn = probe.draws();
    for _ in 0..10 {
        widget.request_draw();
        assert!(view.frames_until_now().is_empty());
    }
    assert_eq!(probe.draws(), drawn, "drawn for nobody");
    // The two frames were never confirmed: browsers stop drawing in hidden tabs.
    view.send(json!({"type": "show", "timestamp": 2.0}));
    for _ in 0..2 {
        view.frame();
    }
    assert!(view.frames_until_now().is_empty());
}

#[test]
fn a_zero_size_hides_a_view() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut view = server.view(probe.id()).sized(32, 32, 1.0);
    view.frame();
    view.resize(0, 0, 1.0);
    view.frames_until_now();
    let drawn = probe.draws();
    server.handle(probe.id()).request_draw();
    view.frames_until_now();
    assert_eq!(probe.draws(), drawn);
    view.resize(40, 20, 1.0);
    wait_for("the new size", || probe.size().filter(|size| size.pwidth == 40));
}

#[test]
fn a_client_that_stops_reading_is_let_go_and_others_notice_nothing() {
    // Long enough for frames of the other view on a machine that has much else to do.
    let server = TestServer::with(Config { deadline: Duration::from_secs(3), ..config() });
    let probe = server.probe(json!({"quality": 100}));
    let widget = server.handle(probe.id());
    let mut lively = server.view(probe.id()).sized(1200, 1000, 1.0);
    lively.frame();
    let frame_bytes = 1200 * 1000 * 3;
    let mut stuck = Browser::connect_with(
        request(server.address, &format!("/api/widgets/{}/view", probe.id())),
        server.address,
    )
    .unwrap();
    stuck.resize(1200, 1000, 1.0);
    let peer = stuck.socket.get_ref().local_addr().unwrap().port();
    wait_for("the second view", || (server.stats(probe.id())["views"].as_array()?.len() == 2).then_some(()));
    probe.animate();
    widget.request_draw();
    // Nothing is read from `stuck` any more. Its view goes by the deadline, and what was sent to it stays within its credits.
    let (mut most, mut frames) = (0, 0);
    loop {
        lively.frame();
        frames += 1;
        widget.print("x".repeat(10_000));
        let stats = server.stats(probe.id());
        let views = stats["views"].as_array().unwrap();
        if views.len() == 1 {
            break;
        }
        most = most.max(views[1]["bytes"].as_u64().unwrap());
    }
    assert!(most < 5 * frame_bytes, "{most} bytes were sent to a client that does not read");
    assert!(frames > 8, "the other view got only {frames} frames meanwhile");
    wait_for("the operating system closes the connection", || {
        lively.frame();
        (!is_established(server.address.port(), peer)).then_some(())
    });
    let _ = stuck.socket.get_mut().read(&mut [0; 16]);
}

/// Whether the server's end of a TCP connection is established, as the kernel tells.
fn is_established(local: u16, remote: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let (local, remote) = (format!(":{local:04X}"), format!(":{remote:04X}"));
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[1].ends_with(&local) && fields[2].ends_with(&remote) && fields[3] == "01"
    })
}

#[test]
fn a_connection_that_drops_in_the_middle_of_a_frame_costs_only_its_view() {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    let mut lively = server.view(probe.id()).sized(600, 400, 1.0);
    lively.frame();
    for _ in 0..5 {
        let mut brief = server.view(probe.id()).sized(600, 400, 1.0);
        let stream: &mut TcpStream = brief.socket.get_mut();
        stream.read_exact(&mut [0; 100]).unwrap();
    }
    wait_for("the views are gone", || {
        (server.stats(probe.id())["views"].as_array()?.len() == 1).then_some(())
    });
    server.handle(probe.id()).request_draw();
    lively.frame();
}
