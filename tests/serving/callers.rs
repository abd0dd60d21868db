//! What is limited is the caller, however many views, connections and browsers it has; and nobody pays for what others do.

use std::{
    io::Write,
    net::TcpStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use framehub::Config;
use serde_json::{Value, json};
use tungstenite::Message;

use crate::{
    browser::{self, Browser},
    fake_hub::{ACCESS, FakeHub, PREFIX},
    http::Answer,
    jupyterhub::{LONG, ask, cookie, open, probe, view},
    kernel_link::Kernel,
    probe::Probe,
    program::Running,
    server::{KEY, TestServer, config, wait_for},
    shares::{ended, share, view_by_cookie},
};

/// The secret address of a link to a widget, on a server with a key.
fn link(server: &TestServer, widget: &str, role: &str) -> String {
    let body = json!({"link": true, "role": role});
    let made = server.request("POST", &format!("/api/widgets/{widget}/shares"), Some(body)).expect(201);
    made["url"].as_str().expect("a link").to_owned()
}

/// The cookies of a browser that has opened a link and shows its page.
fn opened(server: &TestServer, url: &str) -> String {
    let arrived = open(server, url, "");
    let link = cookie(&arrived, "framehub-link-");
    let page = open(server, arrived.header("location").expect("the page"), &link);
    format!("{link}; {}", cookie(&page, "framehub-visitor="))
}

/// Whether a view was let in, or why not.
fn outcome(view: &mut Browser) -> String {
    let told = view.text_of(&["traits", "close"]);
    told["reason"].as_str().unwrap_or("in").to_owned()
}

/// Asks again and again until the answer is another than 200; returns that and how often it was asked before.
fn until_refused(mut ask: impl FnMut() -> Answer) -> (Answer, usize) {
    let mut asked = 0;
    let refused = std::iter::repeat_with(|| {
        asked += 1;
        ask()
    })
    .take(2000)
    .find(|answer| answer.status != 200);
    (refused.expect("a refusal"), asked)
}

fn refusals(server: &TestServer, budget: &str) -> f64 {
    let text = server.request("GET", "/metrics", None).body;
    let series = format!("framehub_budget_refusals_total{{budget=\"{budget}\"}} ");
    let text = String::from_utf8(text).expect("text");
    let value = text.lines().find_map(|line| line.strip_prefix(&series));
    value.expect("a series").parse().expect("a number")
}

#[test]
fn a_user_who_asks_without_end_is_refused_with_when_to_come_again_and_others_are_not() {
    let hub = FakeHub::start();
    let server = TestServer::with(Config { max_requests_per_second: 5, ..hub.config(LONG) });
    let (ann, bob) = (hub.token("ann", &[ACCESS]), hub.token("bob", &[ACCESS]));
    let path = format!("{PREFIX}api/widgets");
    let (refused, asked) = until_refused(|| ask(&server, "GET", &path, &ann, ""));
    assert!(asked > 50, "only {asked} requests at once");
    assert_eq!(refused.header("retry-after"), Some("1"));
    let (message, _) = refused.error(429, "rate");
    assert!(message.contains("5 requests a second of this user"), "{message}");
    assert!(message.contains("--max-requests-per-second"), "{message}");
    assert_eq!(ask(&server, "GET", &path, &bob, "").status, 200);
    wait_for("the user to be let in again", || {
        (ask(&server, "GET", &path, &ann, "").status == 200).then_some(())
    });
}

#[test]
fn an_address_that_asks_without_end_is_refused_whether_it_has_the_key_or_not() {
    for headers in [format!("Authorization: Bearer {KEY}\r\n"), String::new()] {
        let server = TestServer::with(Config { max_requests_per_second: 1, ..config() });
        let (refused, asked) = until_refused(|| server.request_with("GET", "/health", &headers, ""));
        assert!(asked > 100, "only {asked} requests at once");
        let (message, _) = refused.error(429, "rate");
        assert!(message.contains("10 requests a second of this address"), "{message}");
    }
}

#[test]
fn a_trusted_proxy_is_nobody_and_whom_it_names_is_limited() {
    let trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    let server = TestServer::with(Config { max_requests_per_second: 1, trusted_proxies, ..config() });
    let get = |client: &str| server.request_with("GET", "/health", client, "");
    assert!((0..300).all(|_| get("").status == 200));
    until_refused(|| get("X-Forwarded-For: 2001:db8:1:2::7\r\n")).0.error(429, "rate");
    get("X-Forwarded-For: 2001:db8:1:2:ffff::8\r\n").error(429, "rate");
    assert_eq!(get("X-Forwarded-For: 2001:db8:1:3::7\r\n").status, 200);
}

/// A request whose body does not come.
fn unfinished(server: &TestServer) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    let head = format!(
        "POST /api/widgets HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 9\r\n\r\n",
        server.address
    );
    stream.write_all(head.as_bytes()).expect("sent");
    stream
}

#[test]
fn requests_that_are_not_answered_yet_are_so_many_of_an_address_and_no_more() {
    let server = TestServer::with(Config { max_requests_of_caller: 2, ..config() });
    let get = || server.request("GET", "/api/widgets", None);
    let mut waiting: Vec<_> = (0..7).map(|_| unfinished(&server)).collect();
    wait_for("the requests to be under way", || (get().status == 200).then_some(()));
    let refused = wait_for("a refusal", || {
        // One more is refused itself while the last answered one still has its place.
        waiting.push(unfinished(&server));
        Some(get()).filter(|answer| answer.status != 200)
    });
    assert_eq!(refused.header("retry-after"), Some("2"));
    let (message, _) = refused.error(429, "rate");
    assert!(message.contains("8 requests of this address are under way"), "{message}");
    drop(waiting);
    wait_for("places", || (get().status == 200).then_some(()));
    assert!(refusals(&server, "requests_under_way") >= 1.0);
}

#[test]
fn pings_without_end_cost_the_connection() {
    let server = TestServer::start();
    let mut view = server.view(server.probe(json!({})).id());
    let mut kernel = Kernel::start(&server, "session-of-the-tests");
    for _ in 0..2000 {
        let _ = view.socket.write(Message::Ping(Vec::new().into()));
        let _ = kernel.socket.write(Message::Ping(Vec::new().into()));
    }
    let _ = (view.socket.flush(), kernel.socket.flush());
    assert_eq!(view.text("error", |_| true)["code"], "rate");
    assert_eq!((view.close_code(), kernel.close_code()), (1008, 1008));
}

#[test]
fn events_of_all_views_of_a_caller_count_together_and_too_many_cost_the_views() {
    let hub = FakeHub::start();
    // A view may send 10 a second, so that four may send as many as one caller.
    let server = TestServer::with(Config { max_events_per_second: 10, ..hub.config(LONG) });
    let (ann, bob) = (hub.token("ann", &[ACCESS]), hub.token("bob", &[ACCESS]));
    let widget = probe(&server, &ann);
    let mut views: Vec<_> = (0..12).map(|_| view(&server, &widget, &ann).unwrap()).collect();
    for view in &mut views {
        for _ in 0..10 {
            view.send(json!({"type": "show"}));
        }
        view.send(json!({"type": "nonsense"}));
    }
    let refused: Vec<_> = views.iter_mut().map(|view| view.text("error", |_| true)).collect();
    let rate = refused.iter().find(|error| error["code"] == "rate").expect("a refusal");
    assert!(rate["message"].as_str().unwrap().contains("40 events a second in all views of this user"));
    let others = probe(&server, &bob);
    let mut other = view(&server, &others, &bob).unwrap();
    other.send(json!({"type": "show"}));
    other.send(json!({"type": "nonsense"}));
    assert_ne!(other.text("error", |_| true)["code"], "rate");
    // Who goes on is let go.
    let last = views.last_mut().expect("a view");
    while last.closed().is_none() {
        last.send(json!({"type": "show"}));
        last.receive_for(Duration::from_millis(1));
    }
    assert_eq!(last.closed(), Some(1008));
}

#[test]
fn statistics_that_are_asked_for_in_a_loop_are_told_about_once_a_second() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut view = server.view(probe.id());
    let start = Instant::now();
    // What is asked for while an answer is owed, that or the next one answers: ten at once, and two more in their time.
    for _ in 0..12 {
        for _ in 0..100 {
            view.send(json!({"type": "get_stats"}));
        }
        view.text("stats", |_| true);
    }
    assert!(start.elapsed() >= Duration::from_secs(1), "told within {:?}", start.elapsed());
}

#[test]
fn who_asks_for_statistics_at_the_same_time_is_told_the_same() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut kernel = Kernel::start(&server, "session-of-the-tests");
    let widget = kernel.widget(json!({}));
    // Each request of a kernel is answered, or refused.
    let asked: Vec<_> = (0..500).map(|_| kernel.ask("get_stats", json!({"widget": widget}))).collect();
    let mut refused = 0;
    for request in asked {
        let answer = kernel.any(&["stats", "refused"], |message| message["request"] == request);
        if answer["type"] == "refused" {
            assert_eq!(answer["code"], "rate", "{answer}");
            refused += 1;
        }
    }
    assert!(refused > 0, "500 answers were owed at once");
    // Those of the API wait for each other, and all are answered.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..10).for_each(|_| drop(server.stats(probe.id()))));
        }
    });
}

#[test]
fn visitors_leave_places_to_the_owner() {
    let server = TestServer::with(Config { max_views: 10, ..config() });
    let widget = server.probe(json!({})).id().to_owned();
    let url = link(&server, &widget, "watch");
    let mut visitors: Vec<_> = (0..8)
        .map(|_| view_by_cookie(&server, "/", &widget, &opened(&server, &url), "").expect("a view"))
        .collect();
    assert!(visitors.iter_mut().all(|view| outcome(view) == "in"));
    let mut late = view_by_cookie(&server, "/", &widget, &opened(&server, &url), "").expect("a view");
    let close = late.text("close", |_| true);
    assert_eq!((&close["reason"], late.close_code()), (&json!("max_views"), 1013));
    assert!(close["message"].as_str().unwrap().contains("8 views of others than its owner"), "{close}");
    let mut owners = [server.view(&widget), server.view(&widget)];
    assert!(owners.iter_mut().all(|view| outcome(view) == "in"));
    assert_eq!(refusals(&server, "views"), 1.0);
    // Who came last makes room where even those do not do.
    let mut third = server.view(&widget);
    assert_eq!(outcome(&mut third), "in");
    assert_eq!(ended(visitors.pop().expect("a view")), (json!("max_views"), 1013));
    assert!(visitors.iter_mut().all(|view| view.closed().is_none()));
}

#[test]
fn users_to_whom_widgets_are_shared_leave_places_to_the_owner_in_all_of_them() {
    let hub = FakeHub::start();
    let server = TestServer::with(Config { user_max_views: 4, ..hub.config(LONG) });
    let [ann, bob] = ["ann", "bob"].map(|name| hub.token(name, &[ACCESS]));
    let widgets = [probe(&server, &ann), probe(&server, &ann), probe(&server, &ann)];
    let open = |widget: &str, token: &str| view(&server, widget, token).expect("a view");
    for widget in &widgets {
        share(&server, widget, &ann, &json!({"user": "bob"})).expect(201);
    }
    let mut bobs = [open(&widgets[0], &bob), open(&widgets[1], &bob)];
    assert!(bobs.iter_mut().all(|view| outcome(view) == "in"));
    assert_eq!(ended(open(&widgets[2], &bob)), (json!("user_max_views"), 1013));
    let mut anns = [open(&widgets[2], &ann), open(&widgets[2], &ann)];
    assert!(anns.iter_mut().all(|view| outcome(view) == "in"));
    assert_eq!(ended(open(&widgets[2], &ann)), (json!("user_max_views"), 1013));
}

#[test]
fn one_browser_of_a_visitor_does_not_take_the_places_of_the_others() {
    let server = TestServer::with(Config { max_views_of_visitor: 2, ..config() });
    let widget = server.probe(json!({})).id().to_owned();
    let url = link(&server, &widget, "watch");
    let (one, other) = (opened(&server, &url), opened(&server, &url));
    assert_ne!(one, other);
    let open = |cookies: &str| view_by_cookie(&server, "/", &widget, cookies, "").expect("a view");
    let mut views = [open(&one), open(&one), open(&other)];
    assert!(views.iter_mut().all(|view| outcome(view) == "in"));
    let mut third = open(&one);
    let close = third.text("close", |_| true);
    assert_eq!((&close["reason"], third.close_code()), (&json!("max_views_of_visitor"), 1013));
    assert!(close["message"].as_str().unwrap().contains("--max-views-of-visitor"), "{close}");
    // It is the browser, not the key's holder behind the same address.
    let mut owners: Vec<_> = (0..5).map(|_| server.view(&widget)).collect();
    assert!(owners.iter_mut().all(|view| outcome(view) == "in"));
}

#[test]
fn three_hundred_browsers_behind_one_address_with_one_link_watch_undisturbed() {
    let server = TestServer::start();
    let widget = server.probe(json!({})).id().to_owned();
    let url = link(&server, &widget, "watch");
    let mut owner = server.view(&widget).sized(16, 16, 1.0);
    owner.frame();
    let mut views: Vec<_> = (0..300)
        .map(|_| {
            let cookies = opened(&server, &url);
            view_by_cookie(&server, "/", &widget, &cookies, "").expect("a view").sized(16, 16, 1.0)
        })
        .collect();
    for view in &mut views {
        view.frame();
    }
    server.handle(&widget).request_draw();
    for view in &mut views {
        view.frame();
        assert_eq!(view.closed(), None);
    }
    let text = String::from_utf8(server.request("GET", "/metrics", None).body).expect("text");
    let mut refused = text.lines().filter(|line| line.starts_with("framehub_budget_refusals_total{"));
    assert!(refused.all(|line| line.ends_with(" 0")), "{text}");
}

#[test]
fn what_a_visitor_is_sent_holds_up_no_frame_of_the_owner() {
    let hub = FakeHub::start();
    // A second gives 130 frames of this size, to the owner and to the visitor each.
    let server = TestServer::with(Config { user_megapixels: 0.1, ..hub.config(LONG) });
    let [ann, bob] = ["ann", "bob"].map(|name| hub.token(name, &[ACCESS]));
    let widget = probe(&server, &ann);
    share(&server, &widget, &ann, &json!({"user": "bob", "role": "interact"})).expect(201);
    Probe::of(&widget).animate();
    let live = |token: &str| view(&server, &widget, token).unwrap().sized(32, 24, 1.0).live();
    let mut views = vec![live(&ann)];
    // What the visitor is sent in ten views is ten times as much.
    views.extend((0..10).map(|_| live(&bob)));
    server.handle(&widget).request_draw();
    let stats = || ask(&server, "GET", &format!("{PREFIX}api/widgets/{widget}/stats"), &ann, "").expect(200);
    let sent = |stats: &Value, view: usize| stats["views"][view]["sent_frames"].as_u64().unwrap_or(0);
    let told = wait_for("frames of the owner's", || Some(stats()).filter(|stats| sent(stats, 0) >= 100));
    assert_eq!(told["views"][0]["time"]["limit"], 0.0, "{told}");
    for view in 1..=10 {
        assert!(sent(&told, view) < 50, "the visitor was not slowed down: {told}");
    }
    drop(views);
}

/// The program, started by a shell that limits its open files first.
fn with_open_files(limit: &str) -> Running {
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_framehub");
    let start = format!("{limit}; exec {program} --listen 127.0.0.1:0 --key {KEY}");
    command
        .args(["-c", &start])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    Running::spawn(&mut command)
}

#[test]
fn the_limit_of_open_files_is_raised_as_far_as_the_process_may() {
    let program = with_open_files("ulimit -Sn 200");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.id())).expect("it runs");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a limit");
    let numbers: Vec<_> = line.split_whitespace().collect();
    assert!(numbers[0] == numbers[1] && numbers[0] != "200", "{line}");
}

#[test]
fn connections_without_end_use_up_no_descriptor_that_the_server_itself_needs() {
    let program = with_open_files("ulimit -n 200");
    let address = program.address();
    // Idle ones make room; views stay, of each widget some.
    let idle: Vec<_> = (0..150).map(|_| TcpStream::connect(address).expect("a connection")).collect();
    let mut views = Vec::new();
    let mut turned_away = 0;
    for widget in ["square", "grid", "fractal", "surface"].iter().cycle().take(200) {
        let stream = TcpStream::connect(address).expect("a connection");
        let request = browser::request(address, &format!("/api/widgets/{widget}/view"));
        match tungstenite::client(request, stream) {
            Ok((view, _)) => views.push(view),
            Err(_) => turned_away += 1,
        }
    }
    assert!(turned_away > 0 && views.len() >= 50, "{} in, {turned_away} turned away", views.len());
    let open = program.open_files();
    assert!(open < 200 - 20, "{open} files are open");
    drop(idle);
    drop(views);
    wait_for("the server to let others in again", || {
        let stream = TcpStream::connect(address).expect("a connection");
        tungstenite::client(browser::request(address, "/api/widgets/square/view"), stream)
            .is_ok()
            .then_some(())
    });
    assert!(program.metric("framehub_budget_refusals_total{budget=\"connections\"}") > 0.0);
}
