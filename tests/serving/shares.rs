//! Widgets that their owners share: with users, with groups, by links; what that allows, and when it ends.

use std::time::Duration;

use framehub::{Config, config::Auth};
use serde_json::{Value, json};
use tungstenite::http::header;

use crate::{
    browser::{self, Browser},
    fake_hub::{ACCESS, FakeHub, PREFIX},
    http::Answer,
    jupyterhub::{LONG, ask, cookie, kernel, open, probe, view},
    kernel_link::Kernel,
    probe::Probe,
    server::{TestServer, config, wait_for},
};

/// Shares a widget; returns what is answered.
pub fn share(server: &TestServer, widget: &str, token: &str, body: &Value) -> Answer {
    ask(server, "POST", &format!("{PREFIX}api/widgets/{widget}/shares"), token, &body.to_string())
}

pub fn revoke(server: &TestServer, widget: &str, token: &str, share: &Value) -> u16 {
    let path = format!("{PREFIX}api/widgets/{widget}/shares/{}", share["id"].as_str().unwrap());
    ask(server, "DELETE", &path, token, "").status
}

/// What a user's list says of each widget: its id, its owner and the user's role.
fn listed(server: &TestServer, token: &str) -> Vec<Value> {
    let list = ask(server, "GET", "/services/framehub/api/widgets", token, "").expect(200);
    let widgets = list["widgets"].as_array().unwrap();
    widgets.iter().map(|widget| json!([widget["id"], widget["owner"], widget["role"]])).collect()
}

/// A view that a browser with these cookies opens, below a prefix.
pub fn view_by_cookie(
    server: &TestServer,
    prefix: &str,
    widget: &str,
    cookies: &str,
    query: &str,
) -> Result<Browser, u16> {
    let mut request = browser::request(server.address, &format!("{prefix}api/widgets/{widget}/view{query}"));
    request.headers_mut().remove(header::AUTHORIZATION);
    request.headers_mut().insert(header::COOKIE, cookies.parse().unwrap());
    Browser::connect_with(request, server.address).map_err(|response| response.status().as_u16())
}

fn role(view: &mut Browser) -> Value {
    view.text("status", |_| true)["role"].take()
}

/// Presses and releases; waits until the server has taken it.
fn press(view: &mut Browser) {
    view.pointer("pointer_down", 4.0, 4.0, &[1]);
    view.pointer("pointer_up", 4.0, 4.0, &[]);
    view.send(json!({"type": "get_stats"}));
    view.text("stats", |_| true);
}

/// How the server ended a view.
pub fn ended(mut view: Browser) -> (Value, u16) {
    let reason = view.text("close", |_| true)["reason"].take();
    (reason, view.close_code())
}

#[test]
fn a_user_sees_what_is_shared_to_watch_and_can_do_nothing_with_it() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let [ann, bob, carl] = ["ann", "bob", "carl"].map(|name| hub.token(name, &[ACCESS]));
    let widget = probe(&server, &ann);
    let made = share(&server, &widget, &ann, &json!({"user": "bob"})).expect(201);
    assert_eq!(
        (&made["user"], &made["role"], &made["expires"]),
        (&json!("bob"), &json!("watch"), &json!(null))
    );
    assert_eq!(made["url"], json!(format!("{PREFIX}widgets/{widget}")));
    assert_eq!(listed(&server, &bob), [json!([widget, "ann", "watch"])]);
    assert_eq!(listed(&server, &ann), [json!([widget, "ann", "owner"])]);
    assert_eq!(listed(&server, &carl), [] as [Value; 0]);
    assert_eq!(view(&server, &widget, &carl).err(), Some(404));

    let mut bobs = view(&server, &widget, &bob).unwrap().sized(250, 150, 1.0);
    assert_eq!(role(&mut bobs), "watch");
    bobs.frame();
    press(&mut bobs);
    bobs.send(json!({"type": "control", "action": "take"}));
    assert_eq!(bobs.text("error", |_| true)["code"], "role");
    assert_eq!(Probe::of(&widget).names(), [] as [&str; 0]);

    let path = |rest: &str| format!("{PREFIX}api/widgets/{widget}{rest}");
    let details = ask(&server, "GET", &path(""), &bob, "").expect(200);
    assert_eq!((&details["role"], &details["share_with"]), (&json!("watch"), &json!([])));
    for (method, rest, body, code) in [
        ("PATCH", "", r#"{"traits": {"title": "Mine"}}"#, "not_owner"),
        ("DELETE", "", "", "not_owner"),
        ("DELETE", "/control", "", "not_owner"),
        ("POST", "/stats/reset", "", "not_owner"),
        ("GET", "/shares", "", "not_owner"),
        ("POST", "/shares", r#"{"user": "carl"}"#, "not_owner"),
        ("DELETE", &format!("/shares/{}", made["id"].as_str().unwrap()), "", "not_owner"),
        ("DELETE", "/views", "", "not_owner"),
        ("DELETE", "/views/v1", "", "not_owner"),
        ("POST", "/draw", "", "role"),
    ] {
        for (token, status, code) in [(&bob, 403, code), (&carl, 404, "unknown_widget")] {
            ask(&server, method, &path(rest), token, body).error(status, code);
        }
    }
    for rest in ["/stats", "/snapshot"] {
        let answer = ask(&server, "GET", &path(rest), &bob, "");
        assert_eq!(answer.status, 200, "{rest}: {}", String::from_utf8_lossy(&answer.body));
    }
    assert_eq!(ask(&server, "GET", &path("/shares"), &ann, "").expect(200)["shares"], json!([made]));
}

#[test]
fn a_change_of_role_and_a_revocation_reach_open_views() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let [ann, bob] = ["ann", "bob"].map(|name| hub.token(name, &[ACCESS]));
    let widget = probe(&server, &ann);
    let first = share(&server, &widget, &ann, &json!({"user": "bob", "role": "watch"})).expect(201);
    let watching = view(&server, &widget, &bob).unwrap();
    let second = share(&server, &widget, &ann, &json!({"user": "bob", "role": "interact"})).expect(200);
    assert_eq!(first["id"], second["id"]);
    assert_eq!(ended(watching), (json!("role_changed"), 4002));

    let mut acting = view(&server, &widget, &bob).unwrap().sized(8, 8, 1.0);
    assert_eq!(role(&mut acting), "interact");
    acting.frame();
    press(&mut acting);
    let probe = Probe::of(&widget);
    wait_for("the press", || (probe.names() == ["pointer_down", "pointer_up"]).then_some(()));
    let draw = format!("{PREFIX}api/widgets/{widget}/draw");
    assert_eq!(ask(&server, "POST", &draw, &bob, "").status, 202);
    let close = format!("{PREFIX}api/widgets/{widget}");
    ask(&server, "DELETE", &close, &bob, "").error(403, "not_owner");

    // The owner's own view has nothing to do with it.
    let mut owners = view(&server, &widget, &ann).unwrap().sized(8, 8, 1.0);
    owners.frame();
    assert_eq!(revoke(&server, &widget, &ann, &second), 204);
    assert_eq!(ended(acting), (json!("revoked"), 4003));
    assert_eq!(view(&server, &widget, &bob).err(), Some(404));
    assert_eq!(listed(&server, &bob), [] as [Value; 0]);
    owners.send(json!({"type": "get_stats"}));
    owners.text("stats", |_| true);
    assert_eq!(revoke(&server, &widget, &ann, &second), 404);
}

#[test]
fn a_view_ends_when_its_share_expires_or_falls_back_to_a_lesser_one() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let [ann, bob] = ["ann", "bob"].map(|name| hub.token(name, &[ACCESS]));
    hub.set_groups("bob", &["lab"]);
    let widget = probe(&server, &ann);
    share(&server, &widget, &ann, &json!({"user": "bob", "expires_in": 1.5})).expect(201);
    assert_eq!(ended(view(&server, &widget, &bob).unwrap()), (json!("expired"), 4003));
    assert_eq!(view(&server, &widget, &bob).err(), Some(404));
    share(&server, &widget, &ann, &json!({"group": "lab", "role": "watch"})).expect(201);
    share(&server, &widget, &ann, &json!({"user": "bob", "role": "interact", "expires_in": 1.5})).expect(201);
    assert_eq!(ended(view(&server, &widget, &bob).unwrap()), (json!("role_changed"), 4002));
    assert_eq!(role(&mut view(&server, &widget, &bob).unwrap()), "watch");
}

#[test]
fn a_share_expires_while_the_hub_is_asked() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(Duration::from_secs(4)));
    let [ann, bob] = ["ann", "bob"].map(|name| hub.token(name, &[ACCESS]));
    let widget = probe(&server, &ann);
    share(&server, &widget, &ann, &json!({"user": "bob", "expires_in": 3})).expect(201);
    let bobs = view(&server, &widget, &bob).unwrap();
    let asked = hub.asked(&bob);
    hub.hold(true);
    wait_for("a question", || (hub.asked(&bob) > asked).then_some(()));
    assert_eq!(ended(bobs), (json!("expired"), 4003));
    hub.hold(false);
}

#[test]
fn a_group_is_who_the_hub_says_is_in_it() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(Duration::from_secs(1)));
    let [ann, bob, carl] = ["ann", "bob", "carl"].map(|name| hub.token(name, &[ACCESS]));
    hub.set_groups("bob", &["physics", "lab"]);
    hub.set_groups("carl", &["laboratory"]);
    let widget = probe(&server, &ann);
    share(&server, &widget, &ann, &json!({"group": "lab"})).expect(201);
    assert_eq!(view(&server, &widget, &carl).err(), Some(404));
    let bobs = view(&server, &widget, &bob).unwrap();
    let mut kernel = kernel(&server, "session-of-the-tests", &bob);
    hub.set_groups("bob", &["physics"]);
    assert_eq!(ended(bobs), (json!("revoked"), 4003));
    // What is bob's own is not touched by that.
    kernel.widget(json!({}));
    hub.set_groups("carl", &["laboratory", "lab"]);
    wait_for("carl is in", || view(&server, &widget, &carl).ok());
}

#[test]
fn behind_a_hub_a_link_is_for_who_is_signed_in() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let ann = hub.token("ann", &[ACCESS]);
    let (widget, other) = (probe(&server, &ann), probe(&server, &ann));
    let link = share(&server, &widget, &ann, &json!({"link": true, "expires_in": 3600})).expect(201);
    let url = link["url"].as_str().unwrap();
    let secret = url.split_once("?share=").unwrap().1;
    // Nobody is signed in: to the Hub, which is not told the secret, and back.
    let sent = open(&server, url, "");
    assert_eq!(sent.status, 302);
    assert!(!sent.headers.contains(secret), "{}", sent.headers);
    let query = hub.authorize(sent.header("location").unwrap(), "bob", &[ACCESS]);
    let back = open(&server, &format!("{PREFIX}oauth_callback?{query}"), &cookie(&sent, "framehub-sign-in-"));
    assert_eq!((back.status, back.header("location")), (303, Some(url)));
    let session = cookie(&back, "framehub-session=");
    let arrived = open(&server, &format!("{url}&size=traits"), &session);
    let page = format!("{PREFIX}widgets/{widget}");
    assert_eq!(
        (arrived.status, arrived.header("location")),
        (303, Some(format!("{page}?size=traits").as_str()))
    );
    let kept = arrived.header("set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/services/framehub/", "Max-Age=3600"] {
        assert!(kept.contains(attribute), "{kept}");
    }
    let link_cookie = cookie(&arrived, "framehub-link-");
    let both = format!("{session}; {link_cookie}");
    assert_eq!(open(&server, &page, &both).status, 200);
    let mut bobs = view_by_cookie(&server, PREFIX, &widget, &both, "").unwrap();
    assert_eq!(role(&mut bobs), "watch");
    let list = open(&server, "/services/framehub/api/widgets", &both).expect(200);
    assert_eq!(
        (list["widgets"].as_array().unwrap().len(), &list["widgets"][0]["role"]),
        (1, &json!("watch"))
    );
    // The link alone, the user alone, and another widget.
    assert_eq!(view_by_cookie(&server, PREFIX, &widget, &link_cookie, "").err(), Some(401));
    assert_eq!(view_by_cookie(&server, PREFIX, &widget, &session, "").err(), Some(404));
    assert_eq!(view_by_cookie(&server, PREFIX, &other, &both, "").err(), Some(404));
    assert_eq!(open(&server, &format!("{PREFIX}widgets/{other}?share={secret}"), &session).status, 404);
    assert_eq!(revoke(&server, &widget, &ann, &link), 204);
    assert_eq!(ended(bobs), (json!("revoked"), 4003));
    assert_eq!(view_by_cookie(&server, PREFIX, &widget, &both, "").err(), Some(404));
    assert_eq!(open(&server, url, &session).status, 404);
}

#[test]
fn on_a_server_with_a_key_a_link_opens_its_widget_and_nothing_else() {
    let server = TestServer::start();
    let (probe, other) = (server.probe(json!({})), server.probe(json!({})));
    let widget = probe.id();
    let shares = format!("/api/widgets/{widget}/shares");
    let details = server.request("GET", &format!("/api/widgets/{widget}"), None).expect(200);
    assert_eq!((&details["role"], &details["share_with"]), (&json!("owner"), &json!(["link"])));
    let link = server.request("POST", &shares, Some(json!({"link": true, "role": "interact"}))).expect(201);
    let url = link["url"].as_str().unwrap();
    let arrived = open(&server, url, "");
    assert_eq!(
        (arrived.status, arrived.header("location")),
        (303, Some(format!("/widgets/{widget}").as_str()))
    );
    let link_cookie = cookie(&arrived, "framehub-link-");
    assert_eq!(open(&server, &format!("/widgets/{widget}"), &link_cookie).status, 200);
    let details = open(&server, &format!("/api/widgets/{widget}"), &link_cookie).expect(200);
    assert_eq!(details["role"], "interact");
    let mut acting = view_by_cookie(&server, "/", widget, &link_cookie, "").unwrap().sized(8, 8, 1.0);
    assert_eq!(role(&mut acting), "interact");
    acting.frame();
    press(&mut acting);
    wait_for("the press", || (probe.names().len() == 2).then_some(()));
    let mut watching = view_by_cookie(&server, "/", widget, &link_cookie, "?role=watch").unwrap();
    assert_eq!(role(&mut watching), "watch");
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/api/widgets"),
        ("POST", "/api/widgets"),
        ("GET", "/api/kinds"),
        ("GET", "/metrics"),
        ("GET", "/admin"),
        ("GET", "/api/users"),
        ("GET", "/api/kernel"),
        ("GET", &format!("/widgets/{}", other.id())),
        ("GET", &format!("/api/widgets/{}", other.id())),
    ] {
        let answer = server.request_with(method, path, &format!("Cookie: {link_cookie}\r\n"), "{}");
        assert_eq!(answer.status, 401, "{method} {path}");
    }
    assert_eq!(view_by_cookie(&server, "/", other.id(), &link_cookie, "").err(), Some(401));
    let denied = server.request_with(
        "DELETE",
        &format!("/api/widgets/{widget}"),
        &format!("Cookie: {link_cookie}\r\n"),
        "",
    );
    denied.error(403, "not_owner");
    // A foreign page cannot use the visitor's cookie.
    let mut foreign = browser::request(server.address, &format!("/api/widgets/{widget}/view"));
    foreign.headers_mut().remove(header::AUTHORIZATION);
    foreign.headers_mut().insert(header::COOKIE, link_cookie.parse().unwrap());
    foreign.headers_mut().insert(header::ORIGIN, "http://evil.example".parse().unwrap());
    let refused = Browser::connect_with(foreign, server.address).err().unwrap();
    assert_eq!(refused.status(), 403);

    let path = format!("{shares}/{}", link["id"].as_str().unwrap());
    assert_eq!(server.request("DELETE", &path, None).status, 204);
    assert_eq!(ended(acting), (json!("revoked"), 4003));
    assert_eq!(ended(watching), (json!("revoked"), 4003));
    assert_eq!(view_by_cookie(&server, "/", widget, &link_cookie, "").err(), Some(401));
}

#[test]
fn a_link_that_was_changed_expired_or_outlived_its_widget_leads_nowhere() {
    let server = TestServer::start();
    let widget = server.probe(json!({})).id().to_owned();
    let shares = format!("/api/widgets/{widget}/shares");
    let link = |body: Value| server.request("POST", &shares, Some(body)).expect(201);
    let short = link(json!({"link": true, "expires_in": 1}));
    let long = link(json!({"link": true}));
    let url = |link: &Value| link["url"].as_str().unwrap().to_owned();
    let forged = [
        url(&long).replace(".watch.", ".interact."),
        format!("{}A", url(&long)),
        format!("/widgets/{widget}?share="),
        format!("/widgets/{widget}?share=%00.x.y.z"),
    ];
    for url in forged {
        let answer = open(&server, &url, "");
        assert_eq!((answer.status, answer.header("set-cookie")), (404, None), "{url}");
        assert!(String::from_utf8_lossy(&answer.body).contains("expired, was revoked"));
    }
    let kept = cookie(&open(&server, &url(&short), ""), "framehub-link-");
    if let Ok(view) = view_by_cookie(&server, "/", &widget, &kept, "") {
        assert_eq!(ended(view), (json!("expired"), 4003));
    }
    wait_for("the end", || (open(&server, &url(&short), "").status == 404).then_some(()));
    // The cookie is worth as little, and one that claims more than its link.
    assert_eq!(view_by_cookie(&server, "/", &widget, &kept, "").err(), Some(401));
    let kept = cookie(&open(&server, &url(&long), ""), "framehub-link-");
    let more = kept.replace(".watch.", ".interact.");
    assert_eq!(view_by_cookie(&server, "/", &widget, &more, "").err(), Some(401));
    let open_view = view_by_cookie(&server, "/", &widget, &kept, "").unwrap();
    assert_eq!(server.request("DELETE", &format!("/api/widgets/{widget}"), None).status, 204);
    assert_eq!(ended(open_view), (json!("closed"), 4000));
    assert_eq!(open(&server, &url(&long), "").status, 404);
    assert_eq!(view_by_cookie(&server, "/", &widget, &kept, "").err(), Some(401));
}

#[test]
fn what_cannot_be_shared_is_refused_by_field() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let ann = hub.token("ann", &[ACCESS]);
    let widget = probe(&server, &ann);
    for (body, field) in [
        (json!({}), "user"),
        (json!({"user": "bob", "group": "lab"}), "user"),
        (json!({"user": "ann"}), "user"),
        (json!({"group": ""}), "group"),
        (json!({"user": "bob", "role": "own"}), "role"),
        (json!({"link": true, "expires_in": 0}), "expires_in"),
        (json!({"link": true, "expires": 5}), "expires"),
    ] {
        let (message, named) = share(&server, &widget, &ann, &body).error(400, "bad_field");
        assert_eq!(named, json!(field), "{body}");
        assert!(message.contains(field), "{message}");
    }
    for _ in 0..100 {
        share(&server, &widget, &ann, &json!({"link": true})).expect(201);
    }
    share(&server, &widget, &ann, &json!({"link": true})).error(429, "max_shares");
    let none = json!({"id": "none"});
    assert_eq!(revoke(&server, &widget, &ann, &none), 404);

    let keyed = TestServer::start();
    let path = format!("/api/widgets/{}/shares", keyed.probe(json!({})).id());
    let (message, field) = keyed.request("POST", &path, Some(json!({"user": "bob"}))).error(400, "bad_field");
    assert!(field == "user" && message.contains("link"), "{message}");
    let open = TestServer::with(Config { auth: Auth::None, key: None, ..config() });
    let path = format!("/api/widgets/{}/shares", open.probe(json!({})).id());
    open.request("POST", &path, Some(json!({"link": true}))).error(400, "bad_field");
}

#[test]
fn a_kernel_shares_its_own_widgets() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let [ann, bob] = ["ann", "bob"].map(|name| hub.token(name, &[ACCESS]));
    let mut kernel = kernel(&server, "session-of-the-tests", &ann);
    let widget = kernel.widget(json!({}));
    let answer = |kernel: &mut Kernel, kind: &str, answers: &str, with: Value| {
        let request = kernel.ask(kind, with);
        kernel.text(answers, |answer| answer["request"] == request)
    };
    let with = json!({"widget": widget, "share": {"user": "bob", "role": "interact"}});
    let user = answer(&mut kernel, "share", "shared", with)["share"].take();
    assert_eq!(user["url"], json!(format!("http://{}{PREFIX}widgets/{widget}", server.address)));
    let with = json!({"widget": widget, "share": {"link": true, "expires_in": 60}});
    let link = answer(&mut kernel, "share", "shared", with)["share"].take();
    assert!(link["url"].as_str().unwrap().contains("?share="), "{link}");
    let list = answer(&mut kernel, "get_shares", "shares", json!({"widget": widget}));
    assert_eq!(list["shares"], json!([user, link]));
    let bobs = view(&server, &widget, &bob).unwrap();
    answer(&mut kernel, "revoke", "revoked", json!({"widget": widget, "share": user["id"]}));
    assert_eq!(ended(bobs), (json!("revoked"), 4003));
    for (kind, with, code) in [
        ("revoke", json!({"widget": widget, "share": user["id"]}), "unknown_share"),
        ("share", json!({"widget": widget, "share": {"user": "ann"}}), "bad_field"),
        ("share", json!({"widget": widget, "share": {"role": "own"}}), "bad_field"),
        ("share", json!({"widget": probe(&server, &ann), "share": {"user": "bob"}}), "unknown_widget"),
        ("get_shares", json!({"widget": "none"}), "unknown_widget"),
    ] {
        assert_eq!(answer(&mut kernel, kind, "refused", with)["code"], code, "{kind}");
    }
}

#[test]
fn a_kernel_that_lists_its_shares_in_a_loop_is_refused_and_told_to_ask_less_often() {
    let server = TestServer::start();
    let mut kernel = Kernel::start(&server, "session-of-the-tests");
    let widget = kernel.widget(json!({}));
    for _ in 0..1_000 {
        kernel.ask("get_shares", json!({"widget": widget}));
    }
    let refused = kernel.text("refused", |_| true);
    assert_eq!((&refused["code"], &refused["widget"]), (&json!("rate"), &json!(widget)));
    assert!(refused["message"].as_str().unwrap().ends_with("ask less often"), "{refused}");
    kernel.text("shares", |_| true);
}
