//! What each user may take of the server, and what it does when they take more.

use std::time::{Duration, Instant};

use framehub::Config;
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    fake_hub::{ACCESS, FakeHub, PREFIX},
    jupyterhub::{LONG, ask, kernel, kernel_request, probe, view},
    kernel_link::Kernel,
    probe::Probe,
    server::{TestServer, wait_for},
};

const WIDGETS: &str = "/services/framehub/api/widgets";

/// A number of the server's own metrics.
fn metric(server: &TestServer, admin: &str, name: &str) -> f64 {
    let answer = ask(server, "GET", &format!("{PREFIX}metrics"), admin, "");
    let text = String::from_utf8(answer.body).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

/// What the server says of the view of a widget that has one.
fn first_view(server: &TestServer, widget: &str, token: &str) -> Value {
    ask(server, "GET", &format!("{WIDGETS}/{widget}/stats"), token, "").expect(200)["views"][0].clone()
}

#[test]
fn a_user_gets_no_more_than_the_limits_and_is_told_which() {
    let hub = FakeHub::start();
    let config = Config { user_max_widgets: 1, user_max_views: 1, user_max_kernels: 1, ..hub.config(LONG) };
    let server = TestServer::with(config);
    let (ann, bob) = (hub.token("ann", &[ACCESS]), hub.token("bob", &[ACCESS]));
    let root = hub.token("root", &[ACCESS, "admin-ui", "access:servers"]);
    let refusals = || metric(&server, &root, "framehub_refusals_total{reason=\"limit\"}");
    assert_eq!(refusals(), 0.0);

    let widget = probe(&server, &ann);
    let (message, _) =
        ask(&server, "POST", WIDGETS, &ann, r#"{"kind": "probe"}"#).error(429, "user_max_widgets");
    assert!(message.contains("1 widgets") && message.contains("--user-max-widgets"), "{message}");
    assert_eq!(refusals(), 1.0);
    probe(&server, &bob);

    let watching = view(&server, &widget, &ann).unwrap();
    let mut second = view(&server, &widget, &root).unwrap();
    let close = second.text("close", |_| true);
    assert_eq!(close["reason"], "user_max_views");
    assert!(close["message"].as_str().unwrap().contains("--user-max-views"), "{close}");
    assert_eq!((second.close_code(), refusals()), (1013, 2.0));

    let mut program = kernel(&server, "the-first-of-this-user", &ann);
    let mut other = Kernel::connected(&server, kernel_request(&server, &ann));
    other.send(json!({"type": "hello", "session": "the-second-of-this-user", "name": "Test"}));
    let refused = other.text("refused", |_| true);
    assert_eq!(refused["code"], "user_max_kernels");
    assert!(refused["message"].as_str().unwrap().contains("--user-max-kernels"), "{refused}");
    assert_eq!((other.close_code(), refusals()), (1013, 3.0));
    let refused = program.try_create(json!({"kind": "plot"})).unwrap_err();
    assert_eq!((&refused["code"], refusals()), (&json!("user_max_widgets"), 4.0));
    kernel(&server, "the-first-of-this-user", &bob);

    // What is given back can be had again.
    drop(watching);
    wait_for("the view's place", || {
        let mut again = view(&server, &widget, &ann).unwrap();
        let told = again.text_of(&["traits", "close"]);
        (told["type"] == "traits").then_some(())
    });
    assert_eq!(ask(&server, "DELETE", &format!("{WIDGETS}/{widget}"), &ann, "").status, 204);
    wait_for("the widget's place", || {
        (ask(&server, "POST", WIDGETS, &ann, r#"{"kind": "probe"}"#).status == 201).then_some(())
    });
}

#[test]
fn who_is_sent_more_pixels_than_one_may_waits_and_others_do_not() {
    let hub = FakeHub::start();
    // A frame is twice what a second gives.
    let server = TestServer::with(Config { user_megapixels: 0.15, ..hub.config(LONG) });
    let (ann, bob) = (hub.token("ann", &[ACCESS]), hub.token("bob", &[ACCESS]));
    let root = hub.token("root", &[ACCESS, "admin-ui", "access:servers"]);
    let widget = probe(&server, &ann);
    Probe::of(&widget).animate();
    server.handle(&widget).request_draw();
    let large = view(&server, &widget, &ann).unwrap().sized(640, 480, 1.0).live();
    let plot = probe(&server, &bob);
    let mut small = view(&server, &plot, &bob).unwrap().sized(32, 32, 1.0);
    server.handle(&plot).request_draw();
    small.frame();

    wait_for("the limit to be what holds Ann's frames up", || {
        let stats = first_view(&server, &widget, &ann);
        (stats["bottleneck"] == "limit" && stats["time"]["limit"].as_f64() > Some(0.0)).then_some(())
    });
    wait_for("the waiting to be counted", || {
        (metric(&server, &root, "framehub_limited_seconds_total") > 0.0).then_some(())
    });
    assert_eq!(first_view(&server, &plot, &bob)["time"]["limit"], 0.0);
    drop(large);
}

#[test]
fn a_rate_that_an_administrator_sets_holds_for_frames_that_are_going_out() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let ann = hub.token("ann", &[ACCESS]);
    let root = hub.token("root", &[ACCESS, "admin-ui", "access:servers"]);
    let widget = probe(&server, &ann);
    Probe::of(&widget).animate();
    server.handle(&widget).request_draw();
    let showing = view(&server, &widget, &ann).unwrap().sized(640, 480, 1.0).live();
    let bottleneck = || first_view(&server, &widget, &ann)["bottleneck"].clone();
    let limit = |body: &str| {
        ask(&server, "PATCH", &format!("{PREFIX}api/users/ann"), &root, body).expect(200);
    };
    wait_for("frames", || {
        (first_view(&server, &widget, &ann)["confirmed_frames"].as_u64() >= Some(10)).then_some(())
    });
    assert_ne!(bottleneck(), "limit");
    for (name, value) in [("pixels_per_second", 150_000.0), ("encoder_threads", 0.01)] {
        limit(&format!(r#"{{"limits": {{"{name}": {value}}}}}"#));
        wait_for(name, || (bottleneck() == "limit").then_some(()));
        limit(&format!(r#"{{"limits": {{"{name}": null}}}}"#));
        wait_for("the end of the limit", || (bottleneck() != "limit").then_some(()));
    }
    drop(showing);
}

#[test]
fn who_waits_for_a_limit_goes_on_soon_after_it_is_lifted() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let ann = hub.token("ann", &[ACCESS]);
    let root = hub.token("root", &[ACCESS, "admin-ui", "access:servers"]);
    let limit = |value: &str| {
        let body = format!(r#"{{"limits": {{"pixels_per_second": {value}}}}}"#);
        ask(&server, "PATCH", &format!("{PREFIX}api/users/ann"), &root, &body).expect(200);
    };
    // The first frame is paid for after more time than the test has.
    limit("100000");
    let widget = probe(&server, &ann);
    let mut showing = view(&server, &widget, &ann).unwrap().sized(2560, 1600, 1.0);
    showing.frame();
    server.handle(&widget).request_draw();
    // Longer than it takes to come to rest, of which views are told.
    let waits = || first_view(&server, &widget, &ann)["time"]["limit"].as_f64() > Some(1.0);
    wait_for("the next to wait", || waits().then_some(()));
    limit("null");
    showing.frame();
}

#[test]
fn who_takes_more_of_the_encoder_than_one_may_waits() {
    let hub = FakeHub::start();
    let server = TestServer::with(Config { user_encoder_threads: Some(0.01), ..hub.config(LONG) });
    let ann = hub.token("ann", &[ACCESS]);
    let widget = probe(&server, &ann);
    Probe::of(&widget).animate();
    server.handle(&widget).request_draw();
    let showing = view(&server, &widget, &ann).unwrap().sized(640, 480, 1.0).live();
    wait_for("the limit to be what holds the frames up", || {
        (first_view(&server, &widget, &ann)["bottleneck"] == "limit").then_some(())
    });
    drop(showing);
}

/// A view that is shown, and whose first frame is confirmed.
fn shown(server: &TestServer, widget: &str, token: &str) -> Browser {
    let mut browser = view(server, widget, token).unwrap().sized(32, 32, 1.0);
    server.handle(widget).request_draw();
    browser.frame();
    browser
}

#[test]
fn a_widget_that_nobody_uses_is_closed_however_many_watch() {
    let hub = FakeHub::start();
    let server = TestServer::with(Config { idle_timeout: Some(Duration::from_secs(2)), ..hub.config(LONG) });
    let ann = hub.token("ann", &[ACCESS]);
    let (used, idle) = (probe(&server, &ann), probe(&server, &ann));
    let mut program = kernel(&server, "the-first-of-this-user", &ann);
    let drawn = program.widget(json!({"kind": "plot"}));
    let mut using = shown(&server, &used, &ann);
    // Frames are no use of it.
    Probe::of(&idle).animate();
    let mut watching = shown(&server, &idle, &ann);
    let mut next_move = Instant::now();
    while watching.closed().is_none() {
        watching.receive_for(Duration::from_millis(20));
        // Far more often than the limit asks for, and far less than a view may send.
        if next_move <= Instant::now() {
            using.pointer("pointer_move", 5.0, 5.0, &[]);
            next_move = Instant::now() + Duration::from_millis(100);
        }
    }
    assert_eq!(watching.text("close", |_| true)["reason"], "idle");
    assert_eq!(watching.close_code(), 4000);
    assert!(server.hub.registry().get(&used).is_some(), "a widget in use was closed");
    program.text("closed", |message| message["widget"] == drawn);
    // Now nobody moves there either.
    assert_eq!(using.close_code(), 4000);
    assert_eq!(
        ask(&server, "GET", WIDGETS, &ann, "").expect(200),
        json!({"widgets": [], "administrator": false})
    );
}

#[test]
fn a_widget_of_the_programs_own_stays() {
    let config =
        Config { idle_timeout: Some(Duration::from_millis(50)), no_demos: false, ..crate::server::config() };
    let server = TestServer::with(config);
    let made = server.probe(json!({}));
    wait_for("the widget to be closed", || server.hub.registry().get(made.id()).is_none().then_some(()));
    assert!(server.hub.registry().get("square").is_some());
}

#[test]
fn the_hub_hears_of_users_who_act_and_of_nobody_else() {
    let hub = FakeHub::start();
    hub.has_server("ann", "");
    let server = TestServer::with(hub.config(LONG));
    let tokens = ["ann", "b/b", "carl"].map(|name| hub.token(name, &[ACCESS]));
    let [widget, others, open] = tokens.each_ref().map(|token| probe(&server, token));
    // Carl's page is open, shows frames, and says whether it can be seen.
    let mut page = shown(&server, &open, &tokens[2]);
    page.send(json!({"type": "hide"}));
    page.send(json!({"type": "show"}));
    page.resize(40, 40, 1.0);
    page.pings(1);

    let mut browser = shown(&server, &widget, &tokens[0]);
    for _ in 0..3 {
        browser.pointer("pointer_move", 5.0, 5.0, &[]);
    }
    wait_for("the Hub to hear of Ann", || (hub.active().len() == 1).then_some(()));
    let (name, told) = hub.active().remove(0);
    let now = told["last_activity"].as_str().unwrap();
    assert_eq!((name.as_str(), now.len() >= 20, now.ends_with('Z')), ("ann", true, true), "{now}");
    assert_eq!(told["servers"], json!({"": {"last_activity": now}}));

    // A name is a name; a Hub without a server of that user hears of the user alone.
    let mut other = shown(&server, &others, &tokens[1]);
    other.pointer("pointer_down", 5.0, 5.0, &[1]);
    browser.pointer("pointer_down", 5.0, 5.0, &[1]);
    wait_for("the Hub to hear of the other", || (hub.active().len() == 2).then_some(()));
    let (name, told) = hub.active().remove(1);
    assert_eq!((name.as_str(), &told["servers"]), ("b%2Fb", &Value::Null));
    drop(page);
}

#[test]
fn the_hub_hears_of_the_named_server_whose_kernel_draws_what_its_user_uses() {
    let hub = FakeHub::start();
    for server in ["", "gpu"] {
        hub.has_server("ann", server);
    }
    let server = TestServer::with(hub.config(LONG));
    let (ann, bob) = (hub.token("ann", &[ACCESS]), hub.token("bob", &[ACCESS, "access:servers"]));
    let of_gpu = hub.token("ann", &[ACCESS, "access:servers!server=ann/gpu"]);
    let mut named = kernel(&server, "in-the-named-server", &of_gpu);
    let mut other = kernel(&server, "in-an-unknown-server", &ann);
    let [first, second, third] = [named.widget(json!({})), other.widget(json!({})), named.widget(json!({}))];
    // Another user uses no server of theirs by it.
    let acts = [(first, &ann, json!(["gpu"])), (second, &ann, json!([""])), (third, &bob, Value::Null)];
    for (number, (widget, user, expected)) in acts.into_iter().enumerate() {
        view(&server, &widget, user).unwrap().pointer("pointer_move", 5.0, 5.0, &[]);
        let (_, body) = wait_for("the Hub to hear of it", || hub.active().into_iter().nth(number));
        let servers = body["servers"].as_object().map(|servers| servers.keys().cloned().collect::<Vec<_>>());
        assert_eq!(json!(servers), expected);
    }
}
