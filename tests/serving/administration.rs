//! What administrators see of everybody, and the views that they and owners may end.

use framehub::{Config, config::Auth};
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    fake_hub::{ACCESS, FakeHub, PREFIX},
    jupyterhub::{LONG, ask, kernel, probe, view},
    kernel_link::Kernel,
    kernel_views::ticket,
    probe::Probe,
    server::{KEY, TestServer, config, wait_for},
    shares::ended,
};

const USERS: &str = "/services/framehub/api/users";
const WIDGETS: &str = "/services/framehub/api/widgets";

/// A field of each entry of a list.
fn each(list: &Value, field: &str) -> Vec<Value> {
    list.as_array().expect("a list").iter().map(|entry| entry[field].clone()).collect()
}

/// The names of a widget's views.
fn views(server: &TestServer, widget: &str) -> Vec<Value> {
    each(&server.stats(widget)["views"], "view")
}

#[test]
fn administrators_see_what_each_user_has_and_takes_and_which_limits_hold() {
    let hub = FakeHub::start();
    let server = TestServer::with(Config { user_max_widgets: 7, max_kernels: 5, ..hub.config(LONG) });
    let [ann, bob] = ["ann", "bob"].map(|name| hub.token(name, &[ACCESS]));
    let root = hub.token("root", &[ACCESS, "admin-ui", "access:servers"]);
    let told = || ask(&server, "GET", USERS, &root, "").expect(200);
    assert_eq!(told()["users"], json!([]), "who has nothing is not listed");

    let mut program = kernel(&server, "the-first-of-this-user", &bob);
    let plot = program.widget(json!({"kind": "plot", "traits": {"title": "A plot"}}));
    let widget = probe(&server, &ann);
    let mut anns = view(&server, &widget, &ann).unwrap().sized(32, 16, 2.0);
    anns.frame();
    let _roots = view(&server, &widget, &root).unwrap();
    program.send(json!({"type": "relay_open", "relay": 1, "widget": plot}));
    program.text("views", |views| views["views"] == 1);

    let told = wait_for("the frame to be counted", || {
        let told = told();
        (told["users"][0]["widgets"][0]["stats"]["confirmed_frames"] == 1).then_some(told)
    });
    let server_told = &told["server"];
    assert_eq!(server_told["version"], env!("CARGO_PKG_VERSION"));
    assert!(
        server_told["time"].as_f64() > Some(1.7e9) && server_told["encoder_seconds"].as_f64() > Some(0.0)
    );
    assert_eq!(server_told["shares_unkept"], 0);
    assert!(server_told["encoder_threads"].as_u64() >= Some(2) && server_told["encoder_jobs"].is_u64());
    for (count, number) in [("widgets", 2), ("views", 3), ("kernels", 1)] {
        assert_eq!(server_told[count], number, "{count}");
    }
    let limits = &server_told["limits"];
    assert_eq!((&limits["max_kernels"], &limits["idle_timeout"]), (&json!(5), &json!(null)));

    assert_eq!(each(&told["users"], "name"), [json!("ann"), json!("bob")]);
    let (first, second) = (&told["users"][0], &told["users"][1]);
    assert_eq!(first["taken"], json!({"widgets": 1, "views": 2, "kernels": 0}));
    assert_eq!(second["taken"], json!({"widgets": 1, "views": 1, "kernels": 1}));
    assert_eq!((&first["limits"]["max_widgets"], &first["wait"]), (&json!(7), &json!(0.0)));
    assert_eq!(first["limits"]["pixels_per_second"], 2e9);
    // 32 × 16 at ratio 2.
    assert_eq!((&first["sent_pixels"], &second["sent_pixels"]), (&json!(2048), &json!(0)));
    assert!(first["encoder_seconds"].as_f64() > Some(0.0));
    let listed = &second["widgets"][0];
    assert_eq!(
        (&listed["id"], &listed["title"], &listed["owner"]),
        (&json!(plot), &json!("A plot"), &json!("bob"))
    );
    assert_eq!(each(&listed["stats"]["views"], "viewer"), [json!({"by": "kernel"})]);
    let stats = &first["widgets"][0]["stats"];
    let users = [json!({"by": "user", "user": "ann"}), json!({"by": "user", "user": "root"})];
    assert_eq!(each(&stats["views"], "viewer"), users);
    assert!(stats["views"][0]["bytes"].as_u64() > Some(0) && stats["encode_seconds"].as_f64() > Some(0.0));
    assert_eq!((&stats["state"], &stats["views"][0]["in_flight"]), (&json!("live"), &json!(0)));
}

#[test]
fn nobody_but_administrators_is_told_of_others_or_who_watches() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let ann = hub.token("ann", &[ACCESS]);
    let root = hub.token("root", &[ACCESS, "admin-ui", "access:servers"]);
    let (message, _) = ask(&server, "GET", USERS, &ann, "").error(403, "scope");
    assert!(message.contains("--admin-scope"), "{message}");
    server.request_with("GET", USERS, "", "").error(401, "signed_out");
    let page = |token: &str| ask(&server, "GET", &format!("{PREFIX}admin"), token, "");
    let refused = page(&ann);
    assert_eq!(refused.status, 403);
    assert!(String::from_utf8_lossy(&refused.body).contains("for administrators"));
    let shown = page(&root);
    assert_eq!((shown.status, shown.header("cache-control")), (200, Some("no-store")));
    assert!(shown.header("content-security-policy").unwrap().contains("script-src 'self'"));
    for (token, administrator) in [(&ann, false), (&root, true)] {
        assert_eq!(ask(&server, "GET", WIDGETS, token, "").expect(200)["administrator"], administrator);
    }
    let widget = probe(&server, &ann);
    let _roots = view(&server, &widget, &root).unwrap();
    let stats = ask(&server, "GET", &format!("{WIDGETS}/{widget}/stats"), &ann, "").expect(200);
    assert_eq!(stats["views"][0].get("viewer"), None, "{stats}");
}

#[test]
fn without_users_there_is_one_who_has_everything_and_no_limits() {
    for config in [config(), Config { auth: Auth::None, key: None, ..config() }] {
        let server = TestServer::with(config);
        let told = || server.request("GET", "/api/users", None).expect(200)["users"].take();
        assert_eq!(told()[0]["taken"], json!({"widgets": 0, "views": 0, "kernels": 0}));
        let probe = server.probe(json!({}));
        let mut program = Kernel::start(&server, "session-of-the-tests");
        program.widget(json!({}));
        let mut view = server.view(probe.id()).sized(8, 8, 1.0);
        view.frame();
        let users = told();
        assert_eq!(each(&users, "name"), [Value::Null]);
        assert_eq!(users[0]["taken"], json!({"widgets": 2, "views": 1, "kernels": 1}));
        assert_eq!((&users[0]["limits"], &users[0]["sent_pixels"]), (&Value::Null, &json!(64)));
        assert_eq!(each(&users[0]["widgets"], "id")[0], probe.id());
        let page = server.request("GET", "/admin", None);
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert_eq!(server.request("GET", "/api/widgets", None).expect(200)["administrator"], true);
    }
}

#[test]
fn who_has_no_key_but_a_ticket_is_told_apart() {
    let server = TestServer::start();
    let mut program = Kernel::start(&server, "session-of-the-tests");
    let widget = program.widget(json!({}));
    let ticket = ticket(&mut program, &widget, "watch");
    let mut request = crate::browser::request(server.address, &format!("/api/widgets/{widget}/view"));
    let offered = format!("framehub.view.v1, framehub.ticket.{ticket}");
    request.headers_mut().insert("sec-websocket-protocol", offered.parse().unwrap());
    let _guest = Browser::connect_with(request, server.address).expect("it opens");
    let _keys = server.view(&widget);
    program.text("views", |views| views["views"] == 2);
    let users = server.request("GET", "/api/users", None).expect(200)["users"].take();
    let viewers = each(&users[0]["widgets"][0]["stats"]["views"], "viewer");
    assert_eq!(viewers, [json!({"by": "ticket"}), json!({"by": "anyone"})]);
}

#[test]
fn a_view_that_is_disconnected_is_told_so_lets_go_and_leaves_the_others_alone() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let mut ended_view = server.view(probe.id()).sized(32, 32, 1.0);
    ended_view.frame();
    let mut other = server.view(probe.id()).sized(32, 32, 1.0);
    other.frame();
    ended_view.pointer("pointer_down", 4.0, 4.0, &[1]);
    wait_for("the press", || probe.names().contains(&"pointer_down").then_some(()));
    let path = format!("/api/widgets/{}/views", probe.id());
    assert_eq!(views(&server, probe.id()), ["v1", "v2"]);
    assert_eq!(server.request("DELETE", &format!("{path}/v1"), None).status, 204);
    assert_eq!(views(&server, probe.id()), ["v2"], "it is gone at once");
    let close = ended_view.text("close", |_| true);
    assert_eq!(close["reason"], "disconnected");
    assert!(close["message"].as_str().unwrap().contains("administrator"), "{close}");
    assert_eq!(ended_view.close_code(), 4004);
    wait_for("the release", || probe.names().contains(&"pointer_up").then_some(()));
    other.text("status", |status| status["views"] == 1);
    server.handle(probe.id()).request_draw();
    other.frame();
    for none in ["v1", "v3", "v02", "v+2", "2", "w2", "v99999999999999999999", "%00"] {
        let (message, _) =
            server.request("DELETE", &format!("{path}/{none}"), None).error(404, "unknown_view");
        assert!(message.contains("no view"), "{message}");
    }

    // Who was disconnected may come back: it is no ban.
    let again = server.view(probe.id()).sized(32, 32, 1.0);
    assert_eq!(server.request("DELETE", &path, None).status, 204);
    assert_eq!((ended(other), ended(again)), ((json!("disconnected"), 4004), (json!("disconnected"), 4004)));
    assert_eq!(views(&server, probe.id()), [] as [Value; 0]);
    assert_eq!(server.request("DELETE", &path, None).status, 204, "nobody is left");
    let none = "/api/widgets/nothing/views";
    server.request("DELETE", none, None).error(404, "unknown_widget");
    server.request("DELETE", &format!("{none}/v1"), None).error(404, "unknown_widget");
}

#[test]
fn a_view_behind_a_kernel_is_disconnected_like_any_other() {
    let server = TestServer::start();
    let mut program = Kernel::start(&server, "session-of-the-tests");
    let widget = program.widget(json!({}));
    program.send(json!({"type": "relay_open", "relay": 7, "widget": widget}));
    program.text("views", |views| views["views"] == 1);
    assert_eq!(server.request("DELETE", &format!("/api/widgets/{widget}/views/v1"), None).status, 204);
    let closed = program.text("relay_closed", |_| true);
    assert_eq!(
        (&closed["relay"], &closed["code"], &closed["reason"]),
        (&json!(7), &json!(4004), &json!("disconnected"))
    );
    program.text("views", |views| views["views"] == 0);
}

#[test]
fn owners_disconnect_whoever_watches_theirs_and_administrators_everybody() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let [ann, bob] = ["ann", "bob"].map(|name| hub.token(name, &[ACCESS]));
    let root = hub.token("root", &[ACCESS, "admin-ui", "access:servers"]);
    let widget = probe(&server, &ann);
    let path = format!("{WIDGETS}/{widget}");
    let shared = json!({"user": "bob", "role": "interact"}).to_string();
    ask(&server, "POST", &format!("{path}/shares"), &ann, &shared).expect(201);
    for token in [&ann, &root] {
        let bobs = view(&server, &widget, &bob).unwrap();
        let stats = ask(&server, "GET", &format!("{path}/stats"), &bob, "").expect(200);
        let named = format!("{path}/views/{}", stats["views"][0]["view"].as_str().unwrap());
        for path in [&named, &format!("{path}/views")] {
            ask(&server, "DELETE", path, &bob, "").error(403, "not_owner");
        }
        assert_eq!(ask(&server, "DELETE", &named, token, "").status, 204);
        assert_eq!(ended(bobs), (json!("disconnected"), 4004));
    }
    Probe::of(&widget).rest();
}

#[test]
fn administrators_change_what_a_user_may_have_at_once_and_take_nothing_away_by_it() {
    let hub = FakeHub::start();
    let server = TestServer::with(Config { user_max_widgets: 3, ..hub.config(LONG) });
    let [ann, bob] = ["ann", "bob"].map(|name| hub.token(name, &[ACCESS]));
    let root = hub.token("root", &[ACCESS, "admin-ui", "access:servers"]);
    let change = |limits: Value| {
        let body = json!({"limits": limits}).to_string();
        ask(&server, "PATCH", &format!("{USERS}/ann"), &root, &body).expect(200)
    };
    let make = |token: &str| ask(&server, "POST", WIDGETS, token, r#"{"kind": "probe"}"#);
    let (first, second) = (probe(&server, &ann), probe(&server, &ann));
    let mut program = kernel(&server, "the-first-of-this-user", &ann);
    let mut watching = view(&server, &first, &ann).unwrap();

    let told = change(json!({"max_widgets": 1, "max_views": 1, "max_kernels": 1, "weight": 2.5}));
    assert_eq!((&told["name"], &told["taken"]["widgets"]), (&json!("ann"), &json!(2)));
    assert_eq!((&told["limits"]["max_widgets"], &told["limits"]["weight"]), (&json!(1), &json!(2.5)));
    assert_eq!((&told["flags"]["max_widgets"], &told["flags"]["weight"]), (&json!(3), &json!(1.0)));
    let (message, _) = make(&ann).error(429, "user_max_widgets");
    assert!(message.contains("may have 1 widgets"), "{message}");
    assert_eq!(program.try_create(json!({})).unwrap_err()["code"], "user_max_widgets");
    assert_eq!(ended(view(&server, &second, &ann).unwrap()), (json!("user_max_views"), 1013));
    watching.pings(1);
    assert_eq!(watching.closed(), None);
    make(&bob).expect(201);

    let users = ask(&server, "GET", USERS, &root, "").expect(200)["users"].take();
    assert_eq!(each(&users, "limits")[0], told["limits"]);
    change(json!({"max_widgets": null}));
    make(&ann).expect(201);
    make(&ann).error(429, "user_max_widgets");
    let told = change(json!({"max_views": null, "max_kernels": null, "weight": null}));
    assert_eq!(told["limits"], told["flags"]);
}

#[test]
fn limits_of_who_has_nothing_are_kept_and_told_until_they_are_as_the_flags_say() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let root = hub.token("root", &[ACCESS, "admin-ui", "access:servers"]);
    let change = |value: Value| {
        let body = json!({"limits": {"max_widgets": value}}).to_string();
        ask(&server, "PATCH", &format!("{USERS}/b%2Fb"), &root, &body).expect(200)
    };
    let names = || each(&ask(&server, "GET", USERS, &root, "").expect(200)["users"], "name");
    assert_eq!(change(json!(1))["name"], "b/b");
    assert_eq!(names(), [json!("b/b")]);
    let token = hub.token("b/b", &[ACCESS]);
    let widget = probe(&server, &token);
    ask(&server, "POST", WIDGETS, &token, r#"{"kind": "probe"}"#).error(429, "user_max_widgets");
    change(Value::Null);
    assert_eq!(ask(&server, "DELETE", &format!("{WIDGETS}/{widget}"), &token, "").status, 204);
    wait_for("nobody to have anything", || names().is_empty().then_some(()));
}

#[test]
fn limits_are_refused_by_field_and_to_everybody_else() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let (ann, root) =
        (hub.token("ann", &[ACCESS]), hub.token("root", &[ACCESS, "admin-ui", "access:servers"]));
    let path = format!("{USERS}/ann");
    let good = r#"{"limits": {"max_widgets": 1000}}"#;
    ask(&server, "PATCH", &path, &ann, good).error(403, "scope");
    server.request_with("PATCH", &path, "", good).error(401, "signed_out");
    let foreign = format!("Authorization: token {root}\r\nOrigin: https://evil.example\r\n");
    server.request_with("PATCH", &path, &foreign, good).error(403, "origin");
    assert_eq!(ask(&server, "GET", &path, &root, "").status, 405);
    for (limits, field, says) in [
        (json!({"max_widgets": 0}), "limits.max_widgets", "from 1 to 1000000"),
        (json!({"max_views": -1}), "limits.max_views", "invalid value"),
        (json!({"max_kernels": 1.5}), "limits.max_kernels", "invalid type"),
        (json!({"pixels_per_second": 1e13}), "limits.pixels_per_second", "from 100000 to 1000000000000"),
        (json!({"encoder_threads": "all"}), "limits.encoder_threads", "invalid type"),
        (json!({"weight": 0.001, "max_widgets": 5}), "limits.weight", "from 0.01 to 100"),
        (json!({"patience": 1}), "limits.patience", "unknown field"),
        (json!(7), "limits", "invalid type"),
    ] {
        let body = json!({"limits": limits}).to_string();
        let (message, named) = ask(&server, "PATCH", &path, &root, &body).error(400, "bad_field");
        assert_eq!(named, field, "{message}");
        assert!(message.contains(says), "{message}");
    }
    let long = format!("{USERS}/{}", "x".repeat(256));
    assert_eq!(ask(&server, "PATCH", &long, &root, good).error(400, "bad_field").1, "name");
    let users = ask(&server, "GET", USERS, &root, "").expect(200)["users"].take();
    assert_eq!(users, json!([]), "what was refused changed something");

    let without_users = TestServer::start();
    let body = json!({"limits": {"max_widgets": 1}});
    let (message, _) = without_users.request("PATCH", "/api/users/ann", Some(body)).error(404, "no_users");
    assert!(message.contains("there are no users here"), "{message}");
}

#[test]
fn the_key_may_not_come_from_elsewhere() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let _view = server.view(probe.id());
    let foreign = format!("Authorization: Bearer {KEY}\r\nOrigin: https://evil.example\r\n");
    let path = format!("/api/widgets/{}/views", probe.id());
    server.request_with("DELETE", &path, &foreign, "").error(403, "origin");
    assert_eq!(views(&server, probe.id()).len(), 1);
}
