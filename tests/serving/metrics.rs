//! What Prometheus sees.

use std::net::SocketAddr;

use framehub::Config;
use serde_json::json;

use crate::{
    http::{Answer, raw},
    program::Running,
    server::{KEY, TestServer, config, wait_for},
};

/// A scrape as text.
fn scrape(server: &TestServer) -> String {
    String::from_utf8(server.request("GET", "/metrics", None).body).expect("text")
}

/// The sum of all series of a metric whose labels contain some text; `None` when there is none.
fn value(text: &str, name: &str, labels: &str) -> Option<f64> {
    let series = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']) && rest.contains(labels))
    });
    series.map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn get(server: &TestServer, headers: &str) -> Answer {
    let request =
        format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n", server.address);
    raw(server.address, &request)
}

#[test]
fn gauges_follow_views_and_frames_and_end_at_zero() {
    let server = TestServer::start();
    let probe = server.probe(json!({"quality": 100}));
    let mut view = server.view(probe.id()).sized(32, 24, 1.0).silent();
    view.frame();
    let of_widget = format!("widget=\"{}\"", probe.id());
    let text = scrape(&server);
    for (server_wide, own) in [
        ("framehub_views", "framehub_widget_views"),
        ("framehub_visible_views", "framehub_widget_visible_views"),
        ("framehub_frames_in_flight", "framehub_widget_frames_in_flight"),
        ("framehub_frames_drawn_total", "framehub_widget_frames_drawn_total"),
        ("framehub_frames_sent_total", "framehub_widget_frames_sent_total"),
        ("framehub_render_seconds_count", "framehub_widget_frames_drawn_total"),
    ] {
        assert_eq!(value(&text, server_wide, ""), Some(1.0), "{server_wide}");
        assert_eq!(value(&text, own, &of_widget), Some(1.0), "{own}");
    }
    assert_eq!(value(&text, "framehub_connections", ""), Some(1.0));
    assert_eq!(value(&text, "framehub_widgets", "kind=\"probe\""), Some(1.0));
    drop(view);
    for name in
        ["framehub_connections", "framehub_views", "framehub_visible_views", "framehub_frames_in_flight"]
    {
        wait_for(name, || (value(&scrape(&server), name, "") == Some(0.0)).then_some(()));
    }
    assert_eq!(value(&scrape(&server), "framehub_widget_frames_in_flight", &of_widget), Some(0.0));
}

#[test]
fn events_that_come_merge_or_are_refused_are_counted() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut view = server.view(probe.id()).sized(32, 24, 1.0);
    view.frame();
    probe.hold(&server.handle(probe.id()));
    for x in 0..5 {
        view.pointer("pointer_move", f64::from(x), 0.0, &[]);
    }
    view.send(json!({"type": "nonsense"}));
    view.text("error", |_| true);
    probe.release();
    for (name, expected) in [
        ("framehub_widget_events_received_total", 5.0),
        ("framehub_widget_events_coalesced_total", 4.0),
        ("framehub_widget_events_rejected_total", 1.0),
    ] {
        // The view refuses before the widget has heard of what came before.
        wait_for(name, || (value(&scrape(&server), name, probe.id()) == Some(expected)).then_some(()));
    }
    assert_eq!(value(&scrape(&server), "framehub_refusals_total", "protocol"), Some(1.0));
}

#[test]
fn refusals_are_counted_by_reason() {
    let server = TestServer::with(Config { max_widgets: 1, ..config() });
    let counts = |reason: &str| value(&scrape(&server), "framehub_refusals_total", reason);
    assert_eq!(counts("reason"), Some(0.0));
    assert_eq!(get(&server, "").status, 401);
    let foreign = format!(
        "POST /api/widgets HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {KEY}\r\n\
         Origin: http://evil.example\r\nContent-Length: 0\r\n\r\n",
        server.address
    );
    assert_eq!(raw(server.address, &foreign).status, 403);
    server.probe(json!({}));
    server.request("POST", "/api/widgets", Some(json!({"kind": "probe"}))).expect(429);
    server.request("POST", "/api/widgets", Some(json!({"kind": 5}))).expect(400);
    for reason in ["auth", "origin", "limit", "protocol"] {
        assert_eq!(counts(reason), Some(1.0), "{reason}");
    }
}

#[test]
fn only_the_busiest_widgets_have_series_of_their_own_and_nothing_is_lost() {
    let server = TestServer::with(Config { metrics_max_widgets: 2, ..config() });
    let probes: Vec<_> = (0..4).map(|_| server.probe(json!({"quality": 100}))).collect();
    let mut views: Vec<_> = probes.iter().map(|probe| server.view(probe.id()).sized(32, 24, 1.0)).collect();
    for (extra, (probe, view)) in [0, 0, 20, 30].into_iter().zip(probes.iter().zip(&mut views)) {
        view.frame();
        for _ in 0..extra {
            server.handle(probe.id()).request_draw();
            view.frame();
        }
    }
    let drawn = "framehub_widget_frames_drawn_total";
    // The first scrape sees who is busy, the others are summed from there on.
    let first = scrape(&server);
    assert_eq!(value(&first, "framehub_widgets_summed", ""), Some(2.0));
    assert_eq!(
        (value(&first, drawn, probes[3].id()), value(&first, drawn, probes[2].id())),
        (Some(31.0), Some(21.0))
    );
    assert!(!first.contains(probes[0].id()) && !first.contains(probes[1].id()), "{first}");
    assert_eq!(value(&first, "framehub_frames_drawn_total", ""), Some(54.0));

    server.handle(probes[0].id()).request_draw();
    views[0].frame();
    assert_eq!(value(&scrape(&server), drawn, "widget=\"other\""), Some(1.0));
    server.handle(probes[0].id()).request_draw();
    views[0].frame();
    server.handle(probes[0].id()).close();
    wait_for("the closed widget's last frames", || {
        (value(&scrape(&server), drawn, "widget=\"other\"") == Some(2.0)).then_some(())
    });
    server.handle(probes[1].id()).close();
    wait_for("room for all", || {
        (value(&scrape(&server), "framehub_widgets_summed", "") == Some(0.0)).then_some(())
    });
    assert_eq!(value(&scrape(&server), drawn, "widget=\"other\""), Some(2.0), "a counter went back");
}

#[test]
fn a_token_opens_the_metrics_and_nothing_else() {
    let token = "token-of-prometheus";
    let server = TestServer::with(Config { metrics_token: Some(token.to_owned()), ..config() });
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(get(&server, &bearer).status, 200);
    assert_eq!(get(&server, "Authorization: Bearer wrong-token\r\n").status, 401);
    let other =
        format!("GET /api/widgets HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{bearer}\r\n", server.address);
    assert_eq!(raw(server.address, &other).status, 401);
}

#[test]
fn a_scraper_gets_the_format_that_it_asks_for() {
    let server = TestServer::start();
    server.probe(json!({}));
    let key = format!("Authorization: Bearer {KEY}\r\n");
    let plain = get(&server, &key);
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let open = get(
        &server,
        &format!("{key}Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n"),
    );
    let kind = open.header("content-type").expect("a type").to_owned();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    let text = String::from_utf8(open.body).expect("text");
    assert!(text.ends_with("\n# EOF\n") && text.contains("# TYPE framehub_frames_drawn counter\n"), "{text}");
}

#[test]
fn the_metrics_can_have_an_address_of_their_own() {
    let own = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = TestServer::with(Config { metrics_listen: Some(own), ..config() });
    let address = server.metrics.expect("an address");
    let get = |path: &str| {
        raw(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
    };
    let answer = get("/metrics");
    assert_eq!(answer.status, 200);
    assert!(String::from_utf8(answer.body).expect("text").contains("framehub_build_info"));
    assert_eq!(get("/api/widgets").status, 404);
    assert_eq!(get("/").status, 404);
}

#[test]
fn five_thousand_widgets_made_and_closed_leave_no_series_and_no_memory() {
    let server = Running::quiet(&["--listen", "127.0.0.1:0", "--key", KEY]);
    let address = server.address();
    let request = |method: &str, path: &str, body: &str| {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        raw(address, &request)
    };
    let series = || request("GET", "/metrics", "").body.len();
    let make_and_close = |times: u32| {
        for _ in 0..times {
            let made = request("POST", "/api/widgets", r#"{"kind": "grid"}"#).expect(201);
            let id = made["id"].as_str().expect("an id");
            request("DELETE", &format!("/api/widgets/{id}"), "").expect(204);
        }
        wait_for("all are gone", || (server.metric("framehub_widgets{kind=\"grid\"}") == 1.0).then_some(()));
        server.resident_kb()
    };
    let (text, before) = (series(), make_and_close(1000));
    let after = make_and_close(4000);
    // A widget that stayed would be more than 10 KB.
    assert!(after < before + 5000, "{before} KB grew to {after} KB");
    // Numbers have become longer, and nothing else.
    assert!(series() < text + 2000, "{text} bytes of metrics grew to {}", series());
}
