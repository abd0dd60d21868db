//! Who gets in: keys, cookies, origins, the prefix.

use framehub::{Config, config::Auth};
use serde_json::{Value, json};
use tungstenite::http::header;

use crate::{
    browser::{Browser, request},
    server::{KEY, TestServer, config},
};

#[test]
fn without_the_key_nothing_but_health_and_modules_is_answered() {
    let server = TestServer::start();
    for (method, path) in [
        ("GET", "/api/widgets"),
        ("POST", "/api/widgets"),
        ("GET", "/api/kinds"),
        ("GET", "/metrics"),
        ("GET", "/api/users"),
        ("DELETE", "/api/widgets/grid/views"),
        ("DELETE", "/api/widgets/grid/views/v1"),
        ("GET", "/api/widgets/grid"),
        ("DELETE", "/api/widgets/grid"),
        ("GET", "/api/widgets/grid/view"),
        ("GET", "/api/nothing"),
    ] {
        for headers in ["", "Authorization: Bearer wrong-key-of-tests\r\n", "Cookie: framehub=x\r\n"] {
            let (message, _) = server.request_with(method, path, headers, "").error(401, "unauthorized");
            assert!(message.contains("Authorization: Bearer"), "{message}");
        }
    }
    assert_eq!(server.request_with("GET", "/health", "", "").expect(200)["status"], "ok");
    let login = server.request_with("GET", "/widgets/grid", "", "");
    assert_eq!((login.status, login.header("content-type")), (401, Some("text/html; charset=utf-8")));
    assert_eq!(server.request_with("GET", "/static/viewer.js", "", "").status, 200);
}

#[test]
fn the_key_in_a_pages_address_becomes_a_cookie_and_leaves_the_address() {
    let server = TestServer::start();
    let answer = server.request_with("GET", &format!("/widgets/grid?key={KEY}&hud=1"), "", "");
    assert_eq!((answer.status, answer.header("location")), (303, Some("/widgets/grid?hud=1")));
    let cookie = answer.header("set-cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/"),
        "{cookie}"
    );
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(server.request_with("GET", "/api/kinds", &format!("Cookie: {pair}\r\n"), "").status, 200);
    let wrong = server.request_with("GET", "/?key=wrong-key-of-tests", "", "");
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
}

#[test]
fn foreign_origins_can_neither_connect_nor_write() {
    let server =
        TestServer::with(Config { allow_origins: vec!["https://hub.example.org".to_owned()], ..config() });
    let probe = server.probe(json!({}));
    let path = format!("/api/widgets/{}/view", probe.id());
    for (origin, allowed) in [
        ("https://evil.example", false),
        ("null", false),
        ("http://127.0.0.1:1", false),
        ("https://hub.example.org", true),
        ("https://hub.example.org.evil.example", false),
    ] {
        let mut opening = request(server.address, &path);
        opening.headers_mut().insert(header::ORIGIN, origin.parse().unwrap());
        match Browser::connect_with(opening, server.address) {
            Ok(_) => assert!(allowed, "{origin} connected"),
            Err(response) => {
                assert!(!allowed, "{origin} was refused");
                assert_eq!(response.status(), 403);
                let body: Value = serde_json::from_slice(response.body().as_ref().unwrap()).unwrap();
                assert!(body["error"]["message"].as_str().unwrap().contains("--allow-origin"), "{body}");
            }
        }
        let headers = format!("Authorization: Bearer {KEY}\r\nOrigin: {origin}\r\n");
        let written = server.request_with("POST", "/api/widgets", &headers, r#"{"kind": "grid"}"#);
        assert_eq!(written.status, if allowed { 201 } else { 403 }, "{origin}");
        assert_eq!(server.request_with("GET", "/api/kinds", &headers, "").status, 200);
    }
}

#[test]
fn without_keys_only_loopback_names_are_answered() {
    let server = TestServer::with(Config { auth: Auth::None, key: None, ..config() });
    assert_eq!(server.request_with("GET", "/api/kinds", "", "").status, 200);
    let port = server.address.port();
    let rebound =
        format!("GET /api/kinds HTTP/1.1\r\nHost: evil.example:{port}\r\nConnection: close\r\n\r\n");
    crate::http::raw(server.address, &rebound).error(403, "host");
}

#[test]
fn a_prefix_holds_for_every_route() {
    let server = TestServer::with(Config { base_url: "/services/framehub/".to_owned(), ..config() });
    let get = |path: &str| server.request("GET", path, None);
    for path in [
        "/services/framehub/",
        "/services/framehub/widgets/x",
        "/services/framehub/api/kinds",
        "/services/framehub/static/viewer.js",
        "/services/framehub/health",
        "/services/framehub/metrics",
    ] {
        assert_eq!(get(path).status, 200, "{path}");
    }
    for path in ["/", "/api/kinds", "/health", "/static/viewer.js"] {
        get(path).error(404, "not_found");
    }
    let short = get("/services/framehub");
    assert_eq!((short.status, short.header("location")), (308, Some("/services/framehub/")));
    let made =
        server.request("POST", "/services/framehub/api/widgets", Some(json!({"kind": "probe"}))).expect(201);
    assert_eq!(made["url"], format!("/services/framehub/widgets/{}", made["id"].as_str().unwrap()));
    let path = format!("/services/framehub/api/widgets/{}/view", made["id"].as_str().unwrap());
    Browser::connect(server.address, &path).unwrap().sized(10, 10, 1.0).frame();
    let login = server.request_with("GET", "/services/framehub/", "", "");
    assert!(String::from_utf8(login.body).unwrap().contains("/services/framehub/static/"));
}

#[test]
fn pages_carry_their_security_headers() {
    let server = TestServer::start();
    let page = server.request("GET", "/", None);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"));
    assert!(page.header("permissions-policy").unwrap().contains("camera=()"));
    let list = server.request("GET", "/api/widgets", None);
    assert_eq!(list.header("cross-origin-opener-policy"), None, "it is no page");
    // The first page holds nobody's data, and pages elsewhere ask for it to have their user signed in.
    for (path, policy) in
        [("/", "cross-origin"), ("/widgets/square", "same-origin"), ("/api/widgets", "same-origin")]
    {
        let answer = server.request("GET", path, None);
        assert_eq!(answer.header("cross-origin-resource-policy"), Some(policy), "{path}");
    }
}
