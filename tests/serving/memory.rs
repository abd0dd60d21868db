//! A budget of memory: what is more is refused, who is refused is told why, and nobody else notices.

use framehub::Config;
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    fake_hub::{ACCESS, FakeHub, PREFIX},
    http::raw,
    jupyterhub::{LONG, ask, kernel, probe, view},
    kernel_link::Kernel,
    program::Running,
    server::{KEY, TestServer, config, wait_for},
};

const MEBI: u64 = 1 << 20;
const WIDGETS: &str = "/services/framehub/api/widgets";

fn held(server: &TestServer) -> u64 {
    server.hub.memory().held()
}

fn limited(max_memory: u64) -> TestServer {
    TestServer::with(Config { max_memory: Some(max_memory), ..config() })
}

#[track_caller]
fn error(view: &mut Browser, flag: &str) {
    let status = view.text("status", |status| status["state"] == "error");
    assert!(status["message"].as_str().unwrap().contains(flag), "{status}");
}

#[test]
fn a_hundred_large_widgets_of_one_user_hold_no_more_than_one_may_and_another_user_draws() {
    let hub = FakeHub::start();
    let limits = Config { user_memory: Some(12 * MEBI), max_memory: Some(64 * MEBI), ..hub.config(LONG) };
    let server = TestServer::with(limits);
    let [ann, bob] = ["ann", "bob"].map(|name| hub.token(name, &[ACCESS]));
    let root = hub.token("root", &[ACCESS, "admin-ui"]);
    let lacking = probe(&server, &ann);
    let mut shown_small = view(&server, &lacking, &ann).unwrap().sized(8, 6, 1.0);
    shown_small.frame();
    let mut views = Vec::new();
    let mut refused = 0;
    for _ in 0..100 {
        let made = ask(&server, "POST", WIDGETS, &ann, r#"{"kind": "probe"}"#);
        if made.status == 429 {
            let (message, _) = made.error(429, "user_memory");
            assert!(message.contains("--user-memory"), "{message}");
            refused += 1;
            continue;
        }
        let id = made.expect(201)["id"].as_str().unwrap().to_owned();
        let mut shown = view(&server, &id, &ann).unwrap().sized(800, 600, 1.0);
        // It draws, or says that it cannot, or there is no room for the view.
        wait_for("what becomes of the view", || {
            shown.receive_for(std::time::Duration::from_millis(20));
            let told = shown.frames > 0 || shown.closed() == Some(1013);
            (told || state(&server, &id, &ann) == "error").then_some(())
        });
        assert!(held(&server) <= 12 * MEBI, "{}", held(&server));
        views.push((id, shown));
    }
    let failed = views.iter().filter(|(id, _)| state(&server, id, &ann) == "error").count();
    assert!(refused + failed >= 90, "{refused} refused, {failed} failed");
    assert!(views.iter().any(|(_, shown)| shown.frames > 0), "nothing was drawn");
    let users = ask(&server, "GET", &format!("{PREFIX}api/users"), &root, "").expect(200);
    assert_eq!(
        (&users["users"][0]["name"], &users["users"][0]["limits"]["memory"]),
        (&json!("ann"), &json!(12 * MEBI))
    );
    assert!(users["users"][0]["memory"].as_u64() > Some(4 * MEBI), "{}", users["users"][0]["memory"]);
    assert_eq!(users["server"]["limits"]["max_memory"], 64 * MEBI);

    let bobs = probe(&server, &bob);
    view(&server, &bobs, &bob).unwrap().sized(800, 600, 1.0).frame();
    // What is given back is there again: without anybody's doing where it was lacking.
    let mut shown = shown_small.sized(1600, 1200, 1.0);
    shown.text("status", |status| status["state"] == "error");
    for listed in ask(&server, "GET", WIDGETS, &ann, "").expect(200)["widgets"].as_array().unwrap() {
        let id = listed["id"].as_str().unwrap();
        if id != lacking.as_str() {
            assert_eq!(ask(&server, "DELETE", &format!("{WIDGETS}/{id}"), &ann, "").status, 204);
        }
    }
    shown.frame();
    shown.text("status", |status| status["state"] == "live");
}

/// What the server says of a widget's state.
fn state(server: &TestServer, widget: &str, token: &str) -> Value {
    ask(server, "GET", &format!("{WIDGETS}/{widget}/stats"), token, "").expect(200)["state"].take()
}

#[test]
fn a_view_of_who_has_no_memory_left_is_refused_with_the_reason() {
    let hub = FakeHub::start();
    let server = TestServer::with(Config { user_memory: Some(3 * MEBI), ..hub.config(LONG) });
    let ann = hub.token("ann", &[ACCESS]);
    let mut program = kernel(&server, "the-first-of-this-user", &ann);
    let widget = program.widget(json!({}));
    program.push(&widget, 1, 1000, 800);
    program.until_now(&widget, "turn");
    let close = view(&server, &widget, &ann).unwrap().text("close", |_| true);
    assert_eq!(close["reason"], "user_memory");
    assert!(close["message"].as_str().unwrap().contains("--user-memory"), "{close}");
    let refused = program.try_create(json!({})).unwrap_err();
    assert_eq!(refused["code"], "user_memory");
}

#[test]
fn a_kernels_frame_that_is_too_much_is_refused_and_its_views_say_so_until_one_fits() {
    let server = limited(4 * MEBI);
    let mut program = Kernel::start(&server, "session-of-the-tests");
    let widget = program.widget(json!({"traits": {"quality": 100}}));
    let mut shown = server.view(&widget).sized(500, 400, 1.0);
    program.draw(&widget, 1);
    shown.frame();
    shown.resize(1500, 1000, 1.0);
    let turn = program.draw_turn(&widget);
    program.drawn(&turn, 2, false);
    let refused = program.text("refused", |_| true);
    assert_eq!((&refused["code"], &refused["widget"]), (&json!("memory"), &json!(widget)));
    assert!(refused["message"].as_str().unwrap().contains("--max-memory"), "{refused}");
    error(&mut shown, "--max-memory");
    assert!(held(&server) <= 5 * MEBI / 2);
    // The view keeps what it shows, the kernel is asked again, and one that fits is shown.
    shown.resize(400, 300, 1.0);
    program.draw(&widget, 3);
    shown.text("status", |status| status["state"] == "live");
    while shown.frame().pixels().1 != 400 {}
    let metrics = String::from_utf8(server.request("GET", "/metrics", None).body).unwrap();
    let refusals = metrics
        .lines()
        .find_map(|line| line.strip_prefix("framehub_memory_refusals_total{limit=\"memory\"} "));
    assert!(refusals.unwrap().parse::<u64>().unwrap() >= 1);
    assert!(metrics.contains(&format!("framehub_memory_limit_bytes {}", 5 * MEBI / 2)));
}

#[test]
fn a_pushed_frame_that_is_too_much_is_dropped_with_an_error_and_those_after_it_are_shown() {
    let server = limited(4 * MEBI);
    let probe = server.probe(json!({"quality": 100}));
    let mut shown = server.view(probe.id()).sized(32, 32, 1.0);
    shown.frame();
    let widget = server.handle(probe.id());
    let grey =
        |side: u32| framehub::Frame::gray8(side, side, vec![7; side as usize * side as usize]).unwrap();
    let refused = widget.send_frame(grey(2500)).unwrap_err();
    assert!(refused.to_string().contains("--max-memory"), "{refused}");
    widget.send_frame(grey(16)).unwrap();
    while shown.frame().pixels().1 != 16 {}
}

#[test]
fn all_that_was_held_is_given_back() {
    let server = limited(64 * MEBI);
    let mut program = Kernel::start(&server, "session-of-the-tests");
    let widget = program.widget(json!({}));
    let probe = server.probe(json!({}));
    for id in [&widget, probe.id()] {
        let mut shown = server.view(id).sized(640, 480, 1.0);
        if *id == widget {
            program.draw(id, 1);
            program.push(id, 2, 640, 480);
        }
        shown.frame();
        assert_eq!(server.request("GET", &format!("/api/widgets/{}/snapshot", probe.id()), None).status, 200);
        assert!(held(&server) > 640 * 480);
        assert_eq!(server.request("DELETE", &format!("/api/widgets/{id}"), None).status, 204);
    }
    wait_for("all to be given back", || (held(&server) == 0).then_some(()));
}

#[test]
fn the_process_stays_within_its_limit_when_large_pictures_are_asked_for() {
    let program =
        Running::quiet(&["--listen", "127.0.0.1:0", "--key", KEY, "--no-demos", "--max-memory", "48M"]);
    let ask = |method: &str, path: &str, body: &str| {
        let (address, length) = (program.address(), body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        raw(address, &request)
    };
    // Of 3840 × 2160 each takes 33 MB, so that all but one lack it; of all that would be a gigabyte.
    let views: Vec<_> = (0..32)
        .map(|_| {
            let made = ask("POST", "/api/widgets", r#"{"kind": "fractal"}"#).expect(201);
            let path = format!("/api/widgets/{}", made["id"].as_str().unwrap());
            let shown = Browser::connect(program.address(), &format!("{path}/view")).unwrap();
            (format!("{path}/stats"), shown.sized(3840, 2160, 1.0))
        })
        .collect();
    wait_for("all but one to say what they lack", || {
        let failed = |path: &str| ask("GET", path, "").expect(200)["state"] == "error";
        (views.iter().filter(|(path, _)| failed(path)).count() >= 31).then_some(())
    });
    let resident = program.resident_kb();
    assert!(resident < 400_000, "{resident} KB");
}
