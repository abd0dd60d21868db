//! Whose widgets are whose, where there are users.

use std::collections::BTreeSet;

use framehub::{Config, random::random_id};
use serde_json::{Value, json};

use crate::{
    fake_hub::{ACCESS, FakeHub, PREFIX},
    http::Answer,
    jupyterhub::{LONG, ask, kernel, probe, view},
    server::TestServer,
};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// The paths below the prefix that name a widget: those that the server's own list of routes has.
fn paths() -> Vec<&'static str> {
    let routes = include_str!("../../src/web/routes.rs");
    routes.split('"').filter_map(|text| text.strip_prefix('/')).filter(|path| path.contains("{id}")).collect()
}

/// What an answer says, without the id that was asked for.
fn without(answer: &Answer, id: &str) -> (u16, String, String) {
    let body = String::from_utf8_lossy(&answer.body).replace(id, "ID");
    // Their order is random.
    let headers: BTreeSet<_> = answer.headers.lines().filter(|line| !line.starts_with("date:")).collect();
    (answer.status, headers.into_iter().collect::<Vec<_>>().join("\n"), body)
}

#[test]
fn on_every_route_another_users_widget_is_answered_like_none() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let (owner, other) = (hub.token("ann", &[ACCESS]), hub.token("bob", &[ACCESS]));
    let widget = probe(&server, &owner);
    let shares = format!("{PREFIX}api/widgets/{widget}/shares");
    let share = ask(&server, "POST", &shares, &owner, r#"{"link": true}"#).expect(201);
    let _watching = view(&server, &widget, &owner).unwrap();
    let share = share["id"].as_str().unwrap();
    let paths: Vec<_> =
        paths().iter().map(|path| path.replace("{share}", share).replace("{view}", "v1")).collect();
    assert!(paths.len() >= 10, "{paths:?}");
    let body = json!({"traits": {"title": "Taken"}}).to_string();
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: framehub.view.v1\r\n";
    for path in &paths {
        let mut refused = 0;
        for method in METHODS {
            let is_view = method == "GET" && path.ends_with("/view");
            for headers in [""].into_iter().chain(is_view.then_some(upgrade)) {
                let answer = |id: &str| {
                    let headers = format!("Authorization: token {other}\r\n{headers}");
                    let path = format!("{PREFIX}{}", path.replace("{id}", id));
                    without(&server.request_with(method, &path, &headers, &body), id)
                };
                let (theirs, none) = (answer(&widget), answer(&random_id()));
                assert_eq!(theirs, none, "{method} {path}");
                assert!([404, 405].contains(&theirs.0), "{method} {path}: {}", theirs.0);
                refused += usize::from(theirs.0 == 404);
            }
        }
        assert!(refused > 0, "{path}");
    }
    // Nothing of that had an effect, and all of it works for the owner.
    let own = |method: &str, path: &str| {
        ask(&server, method, &format!("{PREFIX}{}", path.replace("{id}", &widget)), &owner, &body)
    };
    assert_ne!(own("GET", "api/widgets/{id}").expect(200)["traits"]["title"], "Taken");
    let mut answered = BTreeSet::new();
    for path in &paths {
        for method in
            METHODS.into_iter().filter(|method| (*method, path.as_str()) != ("DELETE", "api/widgets/{id}"))
        {
            match own(method, path).status {
                404 => panic!("{method} {path} is not there for the owner"),
                405 => {}
                _ => drop(answered.insert(path.clone())),
            }
        }
    }
    assert_eq!(answered.len(), paths.len());
    assert_eq!(own("DELETE", "api/widgets/{id}").status, 204);
}

#[test]
fn users_list_and_open_what_is_theirs_and_administrators_everything() {
    let hub = FakeHub::start();
    let config = Config { admin_scope: "custom:framehub:admin".to_owned(), ..hub.config(LONG) };
    let server = TestServer::with(config);
    let (ann, bob) = (hub.token("ann", &[ACCESS]), hub.token("bob", &[ACCESS, "admin-ui"]));
    let root = hub.token("root", &[ACCESS, "custom:framehub:admin", "access:servers"]);
    let (anns, bobs) = (probe(&server, &ann), probe(&server, &bob));
    let listed = |token: &str| -> Vec<(Value, Value)> {
        let list = ask(&server, "GET", "/services/framehub/api/widgets", token, "").expect(200);
        let widgets = list["widgets"].as_array().unwrap();
        widgets.iter().map(|widget| (widget["id"].clone(), widget["owner"].clone())).collect()
    };
    let entry = |id: &str, owner: &str| (json!(id), json!(owner));
    assert_eq!(listed(&ann), [entry(&anns, "ann")]);
    assert_eq!(listed(&bob), [entry(&bobs, "bob")]);
    assert_eq!(listed(&root), [entry(&anns, "ann"), entry(&bobs, "bob")]);
    // Another token of the same user is the same user's.
    let second = hub.token("ann", &[ACCESS]);
    assert_eq!(listed(&second), [entry(&anns, "ann")]);
    for (token, allowed) in [(&ann, true), (&second, true), (&bob, false), (&root, true)] {
        match view(&server, &anns, token) {
            Ok(view) => {
                assert!(allowed);
                view.sized(8, 8, 1.0).frame();
            }
            Err(status) => assert_eq!((allowed, status), (false, 404)),
        }
    }
    let path = format!("{PREFIX}api/widgets/{anns}");
    assert_eq!(ask(&server, "DELETE", &path, &bob, "").status, 404);
    assert_eq!(ask(&server, "DELETE", &path, &root, "").status, 204);
}

#[test]
fn no_demos_are_made_where_they_would_be_nobodys() {
    let hub = FakeHub::start();
    let server = TestServer::with(Config { no_demos: false, ..hub.config(LONG) });
    let root = hub.token("root", &[ACCESS, "admin-ui"]);
    let list = ask(&server, "GET", "/services/framehub/api/widgets", &root, "").expect(200);
    assert_eq!(list["widgets"], json!([]));
}

#[test]
fn users_of_a_hub_make_no_demos_unless_the_operator_offers_them() {
    let hub = FakeHub::start();
    let ann = hub.token("ann", &[ACCESS]);
    let offered = |config: Config| {
        let server = TestServer::with(config);
        let kinds = ask(&server, "GET", &format!("{PREFIX}api/kinds"), &ann, "").expect(200);
        let names = kinds["kinds"].as_array().expect("a list").iter().map(|kind| kind["kind"].clone());
        let names: Vec<_> = names.filter(|name| name != "probe").collect();
        let made = ask(&server, "POST", &format!("{PREFIX}api/widgets"), &ann, r#"{"kind": "performance"}"#);
        (names, made)
    };
    let (kinds, made) = offered(hub.config(LONG));
    assert_eq!(kinds, [] as [Value; 0]);
    made.error(400, "unknown_kind");
    let (kinds, made) = offered(Config { demos: true, ..hub.config(LONG) });
    assert!(kinds.len() > 3, "{kinds:?}");
    made.expect(201);
    let only = vec!["square".to_owned(), "draw".to_owned()];
    let (kinds, made) = offered(Config { kinds: only, ..hub.config(LONG) });
    assert_eq!(kinds, ["draw", "square"]);
    made.error(400, "unknown_kind");
}

#[test]
fn kernels_of_two_users_do_not_meet_though_their_names_are_the_same() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let (ann, bob) = (hub.token("ann", &[ACCESS]), hub.token("bob", &[ACCESS]));
    let session = "session-of-the-tests";
    let mut anns = kernel(&server, session, &ann);
    let widget = anns.widget(json!({"place": "cell-1"}));
    let mut bobs = kernel(&server, session, &bob);
    assert_eq!(bobs.welcome["resumed"], json!([]));
    // Neither what it says of a widget nor where it makes one leads to the other's.
    bobs.send(json!({"type": "close", "widget": widget}));
    assert_eq!(bobs.text("refused", |_| true)["code"], "unknown_widget");
    anns.send(json!({"type": "goodbye"}));
    assert_eq!(anns.close_code(), 1000);
    let mut anns = kernel(&server, session, &ann);
    let widget = anns.widget(json!({"place": "cell-1"}));
    let created = bobs.create(json!({"place": "cell-1"}));
    assert_eq!(created["taken_over"], false);
    let list = ask(&server, "GET", "/services/framehub/api/widgets", &ann, "").expect(200);
    assert_eq!(list["widgets"].as_array().unwrap().len(), 1);
    assert_eq!(list["widgets"][0]["id"], json!(widget));
}

#[test]
fn a_kernel_gets_its_own_ids_again_and_nobody_elses() {
    let hub = FakeHub::start();
    let (ann, bob) = (hub.token("ann", &[ACCESS]), hub.token("bob", &[ACCESS]));
    let (closed, open) = {
        let server = TestServer::with(hub.config(LONG));
        let mut anns = kernel(&server, "session-of-the-tests", &ann);
        (anns.widget(json!({})), anns.widget(json!({})))
    };
    let server = TestServer::with(hub.config(LONG));
    let mut anns = kernel(&server, "session-of-the-tests", &ann);
    assert_eq!(anns.widget(json!({"widget": open})), open);
    let mut bobs = kernel(&server, "session-of-the-tests", &bob);
    let refused = |bobs: &mut crate::kernel_link::Kernel, id: &str| {
        let mut refused = bobs.try_create(json!({"widget": id})).unwrap_err();
        refused["request"] = Value::Null;
        refused.to_string().replace(id, "ID")
    };
    // One that exists, one that existed, and one that nobody had.
    let first = refused(&mut bobs, &open);
    assert!(first.contains("\"exists\""), "{first}");
    assert_eq!(refused(&mut bobs, &closed), first);
    assert_eq!(refused(&mut bobs, &random_id()), first);
}
