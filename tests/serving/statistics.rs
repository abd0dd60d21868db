//! The seed's statistics, number by number.

use serde_json::{Value, json};

use crate::{
    browser::{Browser, FrameReceived},
    probe::Probe,
    server::{TestServer, wait_for},
};

fn counted(server: &TestServer, probe: &Probe, sent: u64, confirmed: u64) -> Value {
    wait_for("the counts", || {
        let stats = server.stats(probe.id());
        (stats["sent_frames"] == sent && stats["confirmed_frames"] == confirmed).then_some(stats)
    })
}

fn started(traits: Value) -> (TestServer, Probe, Browser) {
    let server = TestServer::start();
    let probe = server.probe(traits);
    let view = server.view(probe.id()).sized(32, 24, 1.0).silent();
    (server, probe, view)
}

#[test]
fn frames_are_counted_when_sent_and_when_confirmed() {
    let (server, probe, mut view) = started(json!({"quality": 100}));
    let first = view.frame();
    let stats = counted(&server, &probe, 1, 0);
    assert_eq!((&stats["fps"], &stats["roundtrip"]), (&json!(0.0), &json!(0.0)));
    assert!(stats["img_encoding"].as_f64() > Some(0.0));
    server.handle(probe.id()).request_draw();
    let second = view.frame();
    counted(&server, &probe, 2, 0);
    view.confirm(&first);
    counted(&server, &probe, 2, 1);
    view.confirm(&second);
    let stats = counted(&server, &probe, 2, 2);
    let (roundtrip, delivery) = (stats["roundtrip"].as_f64().unwrap(), stats["delivery"].as_f64().unwrap());
    assert!(roundtrip > 0.0 && delivery >= 0.0 && delivery <= roundtrip, "{stats}");
    assert!(stats["fps"].as_f64() > Some(0.0));
    assert_eq!(stats["b64_encoding"], 0.0);
}

#[test]
fn each_view_says_where_the_time_goes_and_what_is_the_bottleneck() {
    let (server, probe, mut view) = started(json!({"quality": 100}));
    let first = view.frame();
    let own = |server: &TestServer| server.stats(probe.id())["views"][0].clone();
    assert_eq!((&own(&server)["time"], &own(&server)["bottleneck"]), (&Value::Null, &Value::Null));

    // The round trip takes a while, of which the browser says that it drew all the time, or no time at all.
    let late = |frame: &FrameReceived, drawing: f64, view: &mut Browser| {
        let received = std::time::Instant::now();
        wait_for("a while", || (received.elapsed().as_millis() > 50).then_some(()));
        view.send(
            json!({"type": "frame_feedback", "index": frame.index(), "timestamp": frame.header["timestamp"],
            "localtime": 0, "drawing": drawing}),
        );
    };
    late(&first, 9.0, &mut view);
    let stats = wait_for("the browser", || Some(own(&server)).filter(|own| own["bottleneck"] == "browser"));
    let time = &stats["time"];
    assert!(time["browser"].as_f64() > Some(0.05) && time["network"] == 0.0, "{stats}");
    assert!(time["encode"].as_f64() > Some(0.0) && time["render"].as_f64() > Some(0.0), "{stats}");
    assert!(time["queue"].as_f64() >= Some(0.0), "{stats}");

    wait_for("the network", || {
        server.handle(probe.id()).request_draw();
        let next = view.frame();
        late(&next, 0.0, &mut view);
        (own(&server)["bottleneck"] == "network").then_some(())
    });

    let longest = own(&server)["time"]["network"].as_f64().unwrap();
    probe.hold(&server.handle(probe.id()));
    wait_for("the renderer", || {
        let own = own(&server);
        (own["bottleneck"] == "render" && own["time"]["render"].as_f64() > Some(longest)).then_some(())
    });
    probe.release();
}

#[test]
fn confirming_the_second_of_two_frames_confirms_both_in_one_round_trip() {
    let (server, probe, mut view) = started(json!({"quality": 100}));
    view.frame();
    server.handle(probe.id()).request_draw();
    let second = view.frame();
    view.confirm(&second);
    counted(&server, &probe, 2, 2);
}

#[test]
fn a_reset_starts_again_from_the_next_frame_sent() {
    let (server, probe, mut view) = started(json!({"quality": 100}));
    let before = view.frame();
    server.request("POST", &format!("/api/widgets/{}/stats/reset", probe.id()), None).expect(204);
    view.confirm(&before);
    view.frames_until_now();
    let stats = counted(&server, &probe, 0, 0);
    for name in ["roundtrip", "delivery", "img_encoding", "b64_encoding", "fps"] {
        assert_eq!(stats[name], 0.0, "{name}");
    }
    server.handle(probe.id()).request_draw();
    let after = view.frame();
    counted(&server, &probe, 1, 0);
    view.confirm(&after);
    counted(&server, &probe, 1, 1);
}

#[test]
fn the_settling_frame_and_its_confirmation_do_not_count() {
    let (server, probe, mut view) = started(json!({}));
    view.confirming = true;
    assert!(!view.frame().lossless());
    counted(&server, &probe, 1, 1);
    view.lossless_frame();
    view.frames_until_now();
    counted(&server, &probe, 1, 1);
}

#[test]
fn a_widget_counts_a_frame_once_however_many_views_get_it_and_each_view_counts_its_own() {
    let (server, probe, mut first) = started(json!({"quality": 100}));
    let frame = first.frame();
    let mut second = server.view(probe.id()).sized(32, 24, 1.0);
    second.frame();
    first.confirm(&frame);
    wait_for("both confirmations", || {
        let stats = server.stats(probe.id());
        let views = stats["views"].as_array()?;
        views.iter().all(|view| view["confirmed_frames"] == 1).then_some(())
    });
    counted(&server, &probe, 1, 1);
}

#[test]
fn the_same_numbers_come_from_the_handle_the_api_the_socket_and_prometheus() {
    let (server, probe, mut view) = started(json!({"quality": 100}));
    view.confirming = true;
    for _ in 0..3 {
        view.frame();
        server.handle(probe.id()).request_draw();
    }
    view.frame();
    let api = counted(&server, &probe, 4, 4);
    view.send(json!({"type": "get_stats"}));
    let socket = view.text("stats", |_| true)["stats"].take();
    let handle = serde_json::to_value(server.handle(probe.id()).get_stats()).unwrap();
    for (name, value) in handle.as_object().unwrap() {
        for told in [&api[name], &socket[name]] {
            // JSON's decimals may round the last bit.
            let off = value.as_f64().unwrap() - told.as_f64().unwrap();
            assert!(off.abs() < 1e-12, "{name}: {value} is told as {told}");
        }
    }
    let metrics = server.request("GET", "/metrics", None);
    let text = String::from_utf8(metrics.body).unwrap();
    for (name, value) in handle.as_object().unwrap() {
        let series = format!(
            "framehub_widget_stats{{widget=\"{}\",kind=\"probe\",owner=\"\",stat=\"{name}\"}} ",
            probe.id()
        );
        let told = text.lines().find_map(|line| line.strip_prefix(&series)?.parse::<f64>().ok());
        let off = value.as_f64().unwrap() - told.unwrap_or(f64::NAN);
        assert!(off.abs() < 1e-12, "{name}: {value} is exposed as {told:?}\n{text}");
    }
}

#[test]
fn the_series_of_a_widget_go_when_it_closes() {
    let (server, probe, _view) = started(json!({}));
    let metrics = |server: &TestServer| {
        String::from_utf8(server.request("GET", "/metrics", None).body).unwrap().contains(probe.id())
    };
    assert!(metrics(&server));
    server.handle(probe.id()).close();
    wait_for("the series go", || (!metrics(&server)).then_some(()));
}
