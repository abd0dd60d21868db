//! Who gets in: keys, cookies, origins, the prefix.

use framehub::{Config, config::Auth};
use serde_json::{Value, json};
use tungstenite::http::header;

use crate::{
    browser::{Browser, request},
    http::Answer,
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
    assert!(!cookie.contains(KEY), "the cookie holds the key");
    assert_eq!(server.request_with("GET", "/api/kinds", &format!("Cookie: {pair}\r\n"), "").status, 200);
    let twice = format!("Cookie: {pair}; {pair}\r\n");
    server.request_with("GET", "/api/kinds", &twice, "").error(401, "unauthorized");
    // Also where it is within another value.
    let path = format!("/widgets/grid?key={KEY}&next=/?key={KEY}&hud=1");
    let answer = server.request_with("GET", &path, "", "");
    assert_eq!((answer.status, answer.header("location")), (303, Some("/widgets/grid?hud=1")));
    let wrong = server.request_with("GET", "/?key=wrong-key-of-tests", "", "");
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
}

/// What a browser answers with the form that asks for the key.
fn sign_in(server: &TestServer, headers: &str, form: &str) -> Answer {
    let headers = format!("Content-Type: application/x-www-form-urlencoded\r\n{headers}");
    server.request_with("POST", "/sign_in", &headers, form)
}

/// The cookie that an answer gives, as it is sent.
fn cookie(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie").expect("a cookie");
    format!("Cookie: {}\r\n", cookie.split(';').next().unwrap())
}

#[test]
fn the_form_takes_the_key_in_its_body_and_leads_to_the_page_that_was_wanted() {
    let server = TestServer::start();
    let asked = server.request_with("GET", "/widgets/grid?hud=1&x=%22%3E", "", "");
    let page = String::from_utf8(asked.body.clone()).unwrap();
    assert!(page.contains(r#"method="post" action="/sign_in""#), "{page}");
    assert!(page.contains(r#"value="/widgets/grid?hud=1&amp;x=%22%3E""#), "{page}");
    // Else a browser would send the form with the origin `null`.
    assert_eq!(asked.header("referrer-policy"), Some("strict-origin"));
    let next = "next=%2Fwidgets%2Fgrid%3Fhud%3D1";
    let wrong = sign_in(&server, "", &format!("key=wrong-key-of-tests&{next}"));
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
    assert!(String::from_utf8_lossy(&wrong.body).contains(r#"value="/widgets/grid?hud=1""#));
    let right = sign_in(&server, "", &format!("key={KEY}&{next}"));
    assert_eq!((right.status, right.header("location")), (303, Some("/widgets/grid?hud=1")));
    assert_eq!(server.request_with("GET", "/api/kinds", &cookie(&right), "").status, 200);
    let foreign = sign_in(&server, "Origin: https://evil.example\r\n", &format!("key={KEY}"));
    foreign.error(403, "origin");
}

#[test]
fn no_sign_in_leads_to_another_host_or_out_of_the_base_url() {
    for base_url in ["/", "/services/framehub/"] {
        let server = TestServer::with(Config { base_url: base_url.to_owned(), ..config() });
        for next in ["//evil.example/x", "/%5Cevil.example", "https://evil.example/", "/%09/evil.example"] {
            let form = format!("key={KEY}&next={next}");
            let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
            let answer = server.request_with("POST", &format!("{base_url}sign_in"), headers, &form);
            assert_eq!((answer.status, answer.header("location")), (303, Some(base_url)), "{next}");
        }
        let asked = server.request_with("GET", &format!("//evil.example/x?key={KEY}"), "", "");
        assert!(asked.header("location").is_none_or(|to| to == base_url), "{}", asked.headers);
        let asked = server.request_with("GET", "//evil.example/widgets/x?share=a.watch.1.b", "", "");
        assert!(asked.header("location").is_none_or(|to| to == base_url), "{}", asked.headers);
    }
}

#[test]
fn who_signs_out_has_no_session_no_links_and_no_open_views() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let session = cookie(&sign_in(&server, "", &format!("key={KEY}&next=/")));
    assert_eq!(server.request_with("GET", "/api/widgets", &session, "").expect(200)["session"], true);
    assert_eq!(server.request("GET", "/api/widgets", None).expect(200)["session"], Value::Null);
    let view = |cookie: &str| {
        let mut opening = request(server.address, &format!("/api/widgets/{}/view", probe.id()));
        opening.headers_mut().remove(header::AUTHORIZATION);
        opening.headers_mut().insert(header::COOKIE, cookie.trim()["Cookie: ".len()..].parse().unwrap());
        Browser::connect_with(opening, server.address)
    };
    let mut open = view(&session).expect("connected");
    let foreign = format!("{session}Origin: https://evil.example\r\n");
    server.request_with("POST", "/sign_out", &foreign, "").error(403, "origin");
    let with_link = format!("{}; framehub-link-abc=x\r\n", session.trim());
    let out = server.request_with("POST", "/sign_out", &with_link, "");
    assert_eq!(out.status, 204);
    let gone: Vec<_> = out.headers.lines().filter(|line| line.contains("Max-Age=0")).collect();
    assert!(gone.len() == 2 && gone.iter().any(|line| line.contains("framehub-link-abc=;")), "{gone:?}");
    assert_eq!(open.close_code(), 4003);
    server.request_with("GET", "/api/widgets", &session, "").error(401, "unauthorized");
    assert!(view(&session).is_err());
}

#[test]
fn a_session_outlives_a_restart_of_the_server_and_not_its_key() {
    let folder = std::env::temp_dir().join(format!("framehub-test-{}", framehub::random::random_id()));
    let config = |port: u16, key: &str| Config {
        listen: std::net::SocketAddr::from(([127, 0, 0, 1], port)),
        key: Some(key.to_owned()),
        key_file: Some(folder.join("key")),
        ..config()
    };
    let server = TestServer::with(config(0, KEY));
    let port = server.address.port();
    let session = cookie(&sign_in(&server, "", &format!("key={KEY}")));
    drop(server);
    let again = TestServer::with(config(port, KEY));
    assert_eq!(again.request_with("GET", "/api/kinds", &session, "").status, 200);
    drop(again);
    let other = TestServer::with(config(port, "another-key-of-tests"));
    other.request_with("GET", "/api/kinds", &session, "").error(401, "unauthorized");
    // Both at one address, as by two tunnels to one port: a browser keeps both sessions, and each server finds its own.
    let others = cookie(&sign_in(&other, "", "key=another-key-of-tests"));
    let name = |cookie: &str| cookie.split('=').next().map(str::to_owned);
    assert_ne!(name(&session), name(&others));
    let both = format!("{}; {}", session.trim(), others.trim().trim_start_matches("Cookie: "));
    assert_eq!(other.request_with("GET", "/api/kinds", &format!("{both}\r\n"), "").status, 200);
    drop(other);
    let first = TestServer::with(config(port, KEY));
    assert_eq!(first.request_with("GET", "/api/kinds", &format!("{both}\r\n"), "").status, 200);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn who_guesses_keys_is_told_to_wait_and_locks_out_nobody_who_signed_in_before() {
    let strangers = TestServer::start();
    let guess = |server: &TestServer| {
        server.request_with("GET", "/api/kinds", "Authorization: Bearer wrong-key-of-tests\r\n", "")
    };
    let limited = |server: &TestServer| (0..100).map(|_| guess(server)).find(|answer| answer.status != 401);
    let told = limited(&strangers).expect("there is a limit");
    assert!(told.header("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok_and(|wait| wait > 0)));
    told.error(429, "sign_ins");
    let page = sign_in(&strangers, "", "key=wrong-key-of-tests");
    assert_eq!(page.status, 429);
    assert!(String::from_utf8_lossy(&page.body).contains(r#"data-state="too-many""#));
    // A right key is not told from a wrong one either.
    strangers.request("GET", "/api/kinds", None).error(429, "sign_ins");

    let known = TestServer::start();
    assert_eq!(known.request("GET", "/api/kinds", None).status, 200);
    limited(&known).expect("there is a limit").error(429, "sign_ins");
    assert_eq!(known.request("GET", "/api/kinds", None).status, 200);
}

#[test]
fn wrong_links_are_limited_and_good_ones_are_not() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let path = format!("/api/widgets/{}/shares", probe.id());
    let made = server.request("POST", &path, Some(json!({"link": true}))).expect(201);
    let good = made["url"].as_str().unwrap().to_owned();
    let wrong = format!("/widgets/{}?share=abc.watch.9999999999999.forged", probe.id());
    let statuses: Vec<_> = (0..100).map(|_| server.request_with("GET", &wrong, "", "").status).collect();
    assert!(statuses.starts_with(&[404]) && statuses.ends_with(&[429]), "{statuses:?}");
    let good = good.find("/widgets/").map_or(good.as_str(), |at| &good[at..]);
    assert_eq!(server.request_with("GET", good, "", "").status, 303);
}

#[test]
fn head_is_answered_as_get_without_the_body() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let id = probe.id();
    for path in [
        "/health",
        "/",
        "/static/viewer.js",
        &format!("/widgets/{id}"),
        "/admin",
        "/metrics",
        "/api/kinds",
        "/api/widgets",
        &format!("/api/widgets/{id}"),
        &format!("/api/widgets/{id}/shares"),
        &format!("/api/widgets/{id}/stats"),
        "/api/users",
    ] {
        let (get, head) = (server.request("GET", path, None), server.request("HEAD", path, None));
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert!(
            head.header("content-length").is_some_and(|length| length != "0"),
            "{path}: {}",
            head.headers
        );
    }
    assert_eq!(server.request_with("HEAD", "/", "", "").status, 401);
    let written = server.request("HEAD", &format!("/api/widgets/{id}/draw"), None);
    assert_eq!((written.status, written.header("allow")), (405, Some("POST")));
    let upgrade = format!("Authorization: Bearer {KEY}\r\nUpgrade: websocket\r\n");
    let socket = server.request_with("HEAD", &format!("/api/widgets/{id}/view"), &upgrade, "");
    assert_eq!(socket.status, 405);
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
