//! What an administrator may see and do of others' widgets: numbers are one right, widgets another.

use serde_json::{Value, json};
use tungstenite::http::header;

use crate::{
    browser::{self, Browser},
    fake_hub::{ACCESS, FakeHub, PREFIX},
    http::raw,
    jupyterhub::{LONG, SHORT, ask, cookie, kernel, probe, view},
    kernel_link::Kernel,
    program::{Running, framehub},
    server::{KEY, TestServer, wait_for},
    shares::ended,
};

const WIDGETS: &str = "/services/framehub/api/widgets";
const USERS: &str = "/services/framehub/api/users";

/// What a user's list says of each widget: its id and the user's role.
fn listed(server: &TestServer, token: &str) -> Vec<Value> {
    let list = ask(server, "GET", WIDGETS, token, "").expect(200);
    list["widgets"].as_array().unwrap().iter().map(|each| json!([each["id"], each["role"]])).collect()
}

#[test]
fn who_may_look_at_numbers_gets_no_pixels_and_can_do_nothing_in_others_widgets() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let ann = hub.token("ann", &[ACCESS]);
    let desk = hub.token("desk", &[ACCESS, "admin-ui", "list:users"]);
    let (widget, own) = (probe(&server, &ann), probe(&server, &desk));
    assert_eq!(listed(&server, &desk), [json!([widget, "observer"]), json!([own, "owner"])]);
    let users = ask(&server, "GET", USERS, &desk, "").expect(200)["users"].take();
    assert_eq!(users[0]["widgets"][0]["role"], "observer");
    ask(&server, "GET", &format!("{WIDGETS}/{widget}/stats"), &desk, "").expect(200);
    assert_eq!(ask(&server, "GET", &format!("{PREFIX}admin"), &desk, "").status, 200);
    assert_eq!(ask(&server, "GET", &format!("{PREFIX}metrics"), &desk, "").status, 200);

    assert_eq!(view(&server, &widget, &desk).err(), Some(404));
    assert_eq!(ask(&server, "GET", &format!("{PREFIX}widgets/{widget}"), &desk, "").status, 404);
    for (method, rest) in [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/snapshot"),
        ("GET", "/shares"),
        ("POST", "/shares"),
        ("DELETE", "/shares/none"),
        ("DELETE", "/views"),
        ("DELETE", "/views/v1"),
        ("DELETE", "/control"),
        ("POST", "/draw"),
        ("POST", "/stats/reset"),
    ] {
        ask(&server, method, &format!("{WIDGETS}/{widget}{rest}"), &desk, "{}").error(404, "unknown_widget");
    }
    // To act is no right to look at numbers, either.
    let acts = hub.token("acts", &[ACCESS, "access:servers"]);
    ask(&server, "GET", USERS, &acts, "").error(403, "scope");
    assert_eq!(ask(&server, "GET", &format!("{PREFIX}metrics"), &acts, "").status, 403);
    view(&server, &widget, &acts).unwrap().sized(8, 8, 1.0).frame();
}

#[test]
fn limits_are_changed_by_who_has_the_scope_for_that_alone() {
    let hub = FakeHub::start();
    let limits_scope = "custom:framehub:limits".to_owned();
    let server = TestServer::with(framehub::Config { limits_scope, ..hub.config(LONG) });
    let body = r#"{"limits": {"max_widgets": 1}}"#;
    let path = format!("{USERS}/ann");
    for (scope, status) in [("admin-ui", 403), ("access:servers", 403), ("custom:framehub:limits", 200)] {
        let token = hub.token("desk", &[ACCESS, scope]);
        assert_eq!(ask(&server, "PATCH", &path, &token, body).status, status, "{scope}");
    }
}

#[test]
fn a_filtered_scope_acts_inside_its_filter_and_nowhere_else() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let [ann, bob] = ["ann", "bob"].map(|name| hub.token(name, &[ACCESS]));
    hub.set_groups("ann", &["course"]);
    let widgets = [probe(&server, &ann), probe(&server, &bob)];
    // Drawn by the kernel of a notebook server that has a name.
    let server_token = hub.token("bob", &[ACCESS, "access:servers!server=bob/gpu"]);
    let mut gpu: Kernel = kernel(&server, "session-of-the-tests", &server_token);
    let drawn = gpu.widget(json!({}));
    let all = [widgets[0].as_str(), widgets[1].as_str(), drawn.as_str()];
    for (filter, reached) in [
        ("!user=ann", [true, false, false]),
        ("!group=course", [true, false, false]),
        ("!group=courses", [false, false, false]),
        ("!server=bob/gpu", [false, false, true]),
        ("!server=bob/", [false, false, false]),
        ("", [true, true, true]),
    ] {
        let token = hub.token("teacher", &[ACCESS, &format!("access:servers{filter}")]);
        for (widget, reached) in all.iter().zip(reached) {
            let opened = view(&server, widget, &token).map(drop);
            assert_eq!(opened.err(), (!reached).then_some(404), "{filter}");
            let draw = ask(&server, "POST", &format!("{WIDGETS}/{widget}/draw"), &token, "");
            assert_eq!(draw.status, if reached { 202 } else { 404 }, "{filter}");
        }
        let told = listed(&server, &token);
        let expected: Vec<_> = all.iter().zip(reached).filter(|(_, reached)| *reached).collect();
        assert_eq!(told, expected.iter().map(|(id, _)| json!([id, "administrator"])).collect::<Vec<_>>());
    }
}

#[test]
fn the_owner_reads_which_administrator_watches_and_nobody_else_does() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let [ann, bob] = ["ann", "bob"].map(|name| hub.token(name, &[ACCESS]));
    let root = hub.token("root", &[ACCESS, "access:servers"]);
    let widget = probe(&server, &ann);
    let with = json!({"user": "bob"}).to_string();
    ask(&server, "POST", &format!("{WIDGETS}/{widget}/shares"), &ann, &with).expect(201);
    let mut owners = view(&server, &widget, &ann).unwrap();
    assert_eq!(owners.text("status", |_| true).get("administrators"), None);
    let mut bobs = view(&server, &widget, &bob).unwrap();
    let roots = view(&server, &widget, &root).unwrap();
    let told = owners.text("status", |status| status["views"] == 3);
    assert_eq!(told["administrators"], json!(["root"]));
    assert_eq!(bobs.text("status", |status| status["views"] == 3).get("administrators"), None);
    drop(roots);
    let left = owners.text("status", |status| status["views"] == 2 && status.get("administrators").is_none());
    assert_eq!(left["view"], "v1");
}

#[test]
fn an_administrators_view_ends_with_the_scope_that_it_rests_on() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(SHORT));
    let ann = hub.token("ann", &[ACCESS]);
    let root = hub.token("root", &[ACCESS, "admin-ui", "access:servers"]);
    let widget = probe(&server, &ann);
    let roots = view(&server, &widget, &root).unwrap();
    hub.set_scopes("root", &[ACCESS, "admin-ui"]);
    assert_eq!(ended(roots), (json!("revoked"), 4003));
    wait_for("no other view", || (view(&server, &widget, &root).err() == Some(404)).then_some(()));
}

#[test]
fn the_log_says_who_opened_shared_and_revoked_what_from_where_and_no_secret() {
    let mut program = framehub(&["--listen", "127.0.0.1:0", "--key", KEY, "--trusted-proxies", "127.0.0.1"]);
    let running = Running::spawn(program.args(["--log-format", "json"]));
    let address = running.address();
    let ask = |method: &str, path: &str, headers: &str, body: &str| {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n"
        );
        raw(address, &format!("{head}X-Forwarded-For: 203.0.113.9\r\n{headers}\r\n{body}"))
    };
    let key = format!("Authorization: Bearer {KEY}\r\n");
    let shared = ask("POST", "/api/widgets/square/shares", &key, r#"{"link": true}"#).expect(201);
    let url = shared["url"].as_str().unwrap();
    let arrived = ask("GET", url, "", "");
    let kept = cookie(&arrived, "framehub-link-");
    let mut request = browser::request(address, "/api/widgets/square/view");
    request.headers_mut().remove(header::AUTHORIZATION);
    request.headers_mut().insert(header::COOKIE, kept.parse().unwrap());
    let mut view = Browser::connect_with(request, address).expect("it opens");
    view.text("status", |_| true);
    let share = shared["id"].as_str().unwrap();
    assert_eq!(ask("DELETE", &format!("/api/widgets/square/shares/{share}"), &key, "").status, 204);
    let log = running.log();
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let lines: Vec<_> =
        lines.iter().filter(|line| line["target"] == "audit").map(|line| &line["fields"]).collect();
    let visitor = format!("link {share}");
    for (message, by, from) in [
        ("shared", "key", "203.0.113.9"),
        ("link opened", "nobody", "203.0.113.9"),
        ("view opened", visitor.as_str(), "127.0.0.1"),
        ("share revoked", "key", "203.0.113.9"),
    ] {
        let line = lines.iter().find(|line| line["message"] == message).expect(message);
        assert_eq!(
            (&line["by"], &line["from"], &line["widget"]),
            (&json!(by), &json!(from), &json!("square"))
        );
    }
    assert!(!log.contains(url.split_once("?share=").unwrap().1), "{log}");
}
