//! What an attacker tries behind a `JupyterHub`: each is refused with its status, and counted.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use framehub::{Config, jupyterhub::Secret};
use serde_json::json;

use crate::{
    browser::{self, Browser},
    fake_hub::{ACCESS, FakeHub, PREFIX},
    http::raw,
    jupyterhub::{LONG, ask, cookie, kernel, open, probe, sign_in},
    kernel_link::Kernel,
    kernel_views::ticket,
    program::{Running, framehub},
    server::{PATIENCE, TestServer, config, wait_for},
};

const METRICS_TOKEN: &str = "token-of-the-metrics";
const WIDGETS: &str = "/services/framehub/api/widgets";
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// What a server answers to a head that it does not take.
const TOO_LARGE: [u16; 4] = [400, 413, 414, 431];

fn started() -> (FakeHub, TestServer) {
    let hub = FakeHub::start();
    let server =
        TestServer::with(Config { metrics_token: Some(METRICS_TOKEN.to_owned()), ..hub.config(LONG) });
    (hub, server)
}

/// How much was refused so far, for each reason.
fn refusals(server: &TestServer) -> HashMap<String, f64> {
    let bearer = format!("Authorization: Bearer {METRICS_TOKEN}\r\n");
    let answer = server.request_with("GET", "/services/framehub/metrics", &bearer, "");
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.body).expect("text");
    let series = text.lines().filter_map(|line| line.strip_prefix("framehub_refusals_total{reason=\""));
    series
        .map(|line| {
            let (reason, count) = line.split_once("\"} ").expect("a series");
            (reason.to_owned(), count.parse().expect("a number"))
        })
        .collect()
}

/// Runs an attack that has to add so many refusals of this reason, and none of another.
#[track_caller]
fn counted(server: &TestServer, reason: &str, count: u32, attack: impl FnOnce()) {
    let mut expected = refusals(server);
    attack();
    *expected.get_mut(reason).expect("a reason") += f64::from(count);
    assert_eq!(refusals(server), expected);
}

#[test]
fn a_replayed_state_signs_nobody_in() {
    let (hub, server) = started();
    let sent = open(&server, PREFIX, "");
    let own = cookie(&sent, "framehub-sign-in-");
    let query = hub.authorize(sent.header("location").unwrap(), "ann", &[ACCESS]);
    let callback = format!("{PREFIX}oauth_callback?{query}");
    assert_eq!(open(&server, &callback, &own).status, 303);
    counted(&server, "protocol", 1, || {
        let again = open(&server, &callback, &own);
        assert_eq!((again.status, again.header("set-cookie")), (400, None));
    });
}

#[test]
fn a_ticket_that_was_changed_or_is_for_another_widget_opens_nothing() {
    let (hub, server) = started();
    let token = hub.token("ann", &[ACCESS]);
    let mut kernel = kernel(&server, "session-of-the-tests", &token);
    let (widget, other) = (kernel.widget(json!({})), kernel.widget(json!({})));
    let good = ticket(&mut kernel, &widget, "watch");
    let (expires, rest) = good.split_once('.').unwrap();
    let later = format!("{}.{rest}", expires.parse::<u64>().unwrap() + 1);
    let past = format!("1000000000.{rest}");
    let promoted = good.replace(".watch.", ".interact.");
    let attacks = [(&widget, &later), (&widget, &past), (&widget, &promoted), (&other, &good)];
    counted(&server, "auth", 4, || {
        for (widget, ticket) in attacks {
            // Not even the owner's token beside it makes up for a bad ticket.
            let headers = format!(
                "Authorization: token {token}\r\n{UPGRADE}Sec-WebSocket-Protocol: framehub.view.v1, framehub.ticket.{ticket}\r\n"
            );
            server
                .request_with("GET", &format!("{WIDGETS}/{widget}/view"), &headers, "")
                .error(403, "ticket");
        }
    });
}

#[test]
fn a_ticket_opens_nothing_once_it_has_expired_while_its_view_stays() {
    let server = TestServer::with(Config { ticket_lifetime: Duration::from_secs(1), ..config() });
    let mut kernel = Kernel::start(&server, "session-of-the-tests");
    let widget = kernel.widget(json!({}));
    let offered = format!("framehub.view.v1, framehub.ticket.{}", ticket(&mut kernel, &widget, "watch"));
    let opened = || {
        let mut request = browser::request(server.address, &format!("/api/widgets/{widget}/view"));
        request.headers_mut().insert("sec-websocket-protocol", offered.parse().unwrap());
        Browser::connect_with(request, server.address)
    };
    let mut view = opened().expect("a fresh ticket opens its widget");
    let refusal = wait_for("the ticket's end", || opened().err());
    assert_eq!(refusal.status(), 403);
    let text = String::from_utf8(refusal.into_body().unwrap_or_default()).unwrap();
    assert!(text.contains("the ticket has expired: ask for a fresh one"), "{text}");
    view.pings(1);
    assert_eq!(view.closed(), None);
}

#[test]
fn a_token_without_the_scope_or_of_a_service_is_refused_and_counted_as_such() {
    let (hub, server) = started();
    let tokens = [hub.token("ann", &["self"]), hub.token_of("service", "cull", &[ACCESS])];
    counted(&server, "auth", 2, || {
        for token in &tokens {
            ask(&server, "GET", WIDGETS, token, "").error(403, "scope");
        }
    });
}

#[test]
fn no_scope_that_looks_like_the_administrators_and_no_header_makes_an_administrator() {
    let (hub, server) = started();
    let root = hub.token("root", &[ACCESS, "admin-ui"]);
    let widget = probe(&server, &root);
    let tokens = [
        hub.token("ann", &[ACCESS, "admin-ui!user=ann", "admin:users", "admin"]),
        hub.token("root", &[ACCESS]),
        METRICS_TOKEN.to_owned(),
    ];
    counted(&server, "auth", 6, || {
        for (token, error) in tokens.iter().zip([(403, "scope"), (403, "scope"), (401, "signed_out")]) {
            for path in ["api/users", "api/users?admin=true"] {
                let headers =
                    format!("Authorization: Bearer {token}\r\nX-Forwarded-User: root\r\nX-Admin: true\r\n");
                let path = format!("{PREFIX}{path}");
                server.request_with("GET", &path, &headers, "").error(error.0, error.1);
            }
        }
    });
    let path = format!("{WIDGETS}/{widget}/views");
    ask(&server, "DELETE", &path, &tokens[0], "").error(404, "unknown_widget");
    ask(&server, "DELETE", &format!("{path}/..%2f..%2f{widget}"), &root, "").error(404, "unknown_view");
    ask(&server, "GET", &format!("{WIDGETS}/{widget}"), &root, "").expect(200);
}

#[test]
fn the_cookie_of_another_service_is_nobodys() {
    let (hub, server) = started();
    let mut config = hub.config(LONG);
    config.jupyterhub.as_mut().unwrap().api_token = Secret::new("secret-of-another-service");
    let other = TestServer::with(config);
    let own = sign_in(&server, &hub, "ann");
    assert_eq!(open(&server, WIDGETS, &own).status, 200);
    open(&other, WIDGETS, &own).error(401, "signed_out");
    counted(&server, "auth", 1, || {
        let sent = open(&other, PREFIX, "");
        let attempt = cookie(&sent, "framehub-sign-in-");
        let session = format!("framehub-session={}", attempt.split_once('=').unwrap().1);
        open(&server, WIDGETS, &session).error(401, "signed_out");
    });
}

#[test]
fn a_foreign_page_neither_writes_nor_connects_whatever_its_headers_say() {
    let (hub, server) = started();
    let token = hub.token("ann", &[ACCESS]);
    let widget = probe(&server, &token);
    // Nobody is trusted here, so that no `X-Forwarded-Host` makes a foreign page the server's own.
    let foreign = format!(
        "Authorization: token {token}\r\nOrigin: https://evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n"
    );
    counted(&server, "origin", 2, || {
        server.request_with("POST", WIDGETS, &foreign, r#"{"kind": "probe"}"#).error(403, "origin");
        let view = format!("{foreign}{UPGRADE}Sec-WebSocket-Protocol: framehub.view.v1\r\n");
        server.request_with("GET", &format!("{WIDGETS}/{widget}/view"), &view, "").error(403, "origin");
    });
}

#[test]
fn only_a_trusted_proxy_decides_whether_cookies_are_for_tls_alone() {
    let hub = FakeHub::start();
    let forwarded = "X-Forwarded-Proto: https,http\r\nX-Forwarded-Host: hub.example.org\r\n";
    for trusted in [false, true] {
        let proxies = if trusted { vec!["127.0.0.0/8".parse().unwrap()] } else { Vec::new() };
        let server = TestServer::with(Config { trusted_proxies: proxies, ..hub.config(LONG) });
        let sent = server.request_with("GET", PREFIX, forwarded, "");
        let signing_in = sent.header("set-cookie").unwrap();
        assert_eq!(
            (signing_in.contains("; Secure"), signing_in.contains("; HttpOnly")),
            (trusted, true),
            "{signing_in}"
        );
        let token = hub.token("ann", &[ACCESS]);
        let own = format!("Authorization: token {token}\r\nOrigin: https://hub.example.org\r\n{forwarded}");
        let made = server.request_with("POST", WIDGETS, &own, r#"{"kind": "probe"}"#);
        assert_eq!(made.status, if trusted { 201 } else { 403 });
    }
}

#[test]
fn no_trick_with_the_path_gets_past_the_guard_or_sends_anybody_elsewhere() {
    let (hub, server) = started();
    for path in [
        "/services/framehub//api/widgets",
        "//services/framehub/api/widgets",
        "/services/framehub/static/../api/widgets",
        "/services/framehub/static/%2e%2e/api/widgets",
        "/services/framehub/static/..%2fapi%2fwidgets",
        "/services/framehub/static/..%2f..%2fCargo.toml",
        "/services/framehub/static/%2fetc%2fpasswd",
        "/services/framehub/health/../api/widgets",
        "/services/framehub/oauth_callback/../api/widgets",
        "/services/framehub/%61pi/widgets",
        "/services/framehub%2fapi%2fwidgets",
        "/services/framehub/api%2fwidgets",
        "/services/framehub/..;/api/widgets",
        "//evil.example/",
        "/services/framehub//evil.example/",
        "/services/framehub/../../evil",
        "http://evil.example/services/framehub/",
        "http://evil.example/",
    ] {
        let sent = open(&server, path, "");
        let location = sent.header("location");
        match sent.status {
            302 => {
                let location = location.expect("a location");
                let query = hub.authorize(location, "ann", &[ACCESS]);
                let callback = format!("{PREFIX}oauth_callback?{query}");
                let back = open(&server, &callback, &cookie(&sent, "framehub-sign-in-"));
                let next = back.header("location").expect("a location");
                let page = url::Url::parse("http://service/").unwrap().join(next).unwrap();
                assert_eq!(page.host_str(), Some("service"), "{path}: {next}");
                assert!(page.path().starts_with(PREFIX), "{path}: {next}");
            }
            status => assert!([400, 401, 404].contains(&status) && location.is_none(), "{path}: {status}"),
        }
    }
}

#[test]
fn a_thousand_half_open_connections_keep_nobody_out_and_end() {
    let hub = FakeHub::start();
    let metrics_token = Some(METRICS_TOKEN.to_owned());
    let server = TestServer::with(Config { metrics_token, max_half_open_of_address: 50, ..hub.config(LONG) });
    let token = hub.token("ann", &[ACCESS]);
    let mut half: Vec<_> = (0..1000)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).expect("a connection");
            stream.set_read_timeout(Some(PATIENCE)).expect("an option");
            stream.write_all(b"GET /services/framehub/ HTTP/1.1\r\nHost: x\r\nUpgra").expect("sent");
            stream
        })
        .collect();
    let widget = probe(&server, &token);
    let mut request = browser::request(server.address, &format!("{WIDGETS}/{widget}/view"));
    request.headers_mut().insert("authorization", format!("token {token}").parse().unwrap());
    let mut view =
        Browser::connect_with(request, server.address).expect("the view connects").sized(8, 8, 1.0);
    view.frame();
    // All but the last ones had to make room, and the view, whose request came, did not.
    assert!(refusals(&server)["limit"] >= 950.0);
    view.pings(1);
    for stream in &mut half {
        let mut answer = Vec::new();
        // The server gives up on each; a reset is one way of saying so, silence is none.
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
}

#[test]
fn what_is_too_large_is_refused_and_the_next_request_is_answered() {
    let (hub, server) = started();
    let token = hub.token("ann", &[ACCESS]);
    let large = "x".repeat(400_000);
    let attacks = [
        format!("GET {WIDGETS}?{large} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET {WIDGETS} HTTP/1.1\r\nHost: x\r\nX-Large: {large}\r\n\r\n"),
        format!("GET {WIDGETS} HTTP/1.1\r\nHost: x\r\nCookie: framehub-session={large}\r\n\r\n"),
        format!("GET {WIDGETS} HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: 1\r\n".repeat(1000)),
    ];
    for attack in attacks {
        let status = raw(server.address, &attack).status;
        assert!(TOO_LARGE.contains(&status), "{status}");
        ask(&server, "GET", WIDGETS, &token, "").expect(200);
    }
    counted(&server, "limit", 1, || {
        let body = json!({"kind": "probe", "traits": {"title": large}}).to_string();
        assert_eq!(ask(&server, "POST", WIDGETS, &token, &body).status, 413);
    });
}

#[test]
fn who_comes_back_from_the_hub_with_too_much_is_not_signed_in() {
    let (hub, server) = started();
    let callback =
        |query: &str, cookies: &str| open(&server, &format!("{PREFIX}oauth_callback?{query}"), cookies);
    let long = "x".repeat(60_000);
    let sent = open(&server, PREFIX, "");
    let own = cookie(&sent, "framehub-sign-in-");
    let good = hub.authorize(sent.header("location").unwrap(), "ann", &[ACCESS]);
    let state = good.split_once("&state=").unwrap().1;
    let before = hub.questions();
    counted(&server, "protocol", 2, || {
        for query in [format!("code=x&state={long}"), format!("{good}{long}")] {
            let answer = callback(&query, &own);
            assert_eq!((answer.status, answer.header("set-cookie")), (400, None));
        }
    });
    assert_eq!(hub.questions(), before, "the Hub was asked");
    assert!(
        TOO_LARGE.contains(&callback(&format!("code={}&state={state}", "x".repeat(400_000)), &own).status)
    );
    counted(&server, "protocol", 1, || {
        let answer = callback(&format!("code={long}&state={state}"), &own);
        assert_eq!((answer.status, answer.header("set-cookie")), (400, None));
    });
    open(&server, WIDGETS, &sign_in(&server, &hub, "ann")).expect(200);
}

#[test]
fn a_ticket_that_is_too_large_opens_nothing() {
    let (hub, server) = started();
    let token = hub.token("ann", &[ACCESS]);
    let mut kernel = kernel(&server, "session-of-the-tests", &token);
    let widget = kernel.widget(json!({}));
    let good = ticket(&mut kernel, &widget, "watch");
    let offer = |ticket: &str| {
        let headers =
            format!("{UPGRADE}Sec-WebSocket-Protocol: framehub.view.v1, framehub.ticket.{ticket}\r\n");
        server.request_with("GET", &format!("{WIDGETS}/{widget}/view"), &headers, "")
    };
    let long = "x".repeat(60_000);
    counted(&server, "auth", 3, || {
        for ticket in [long.clone(), format!("{good}{long}"), good.replace(".watch.", &format!(".{long}."))] {
            offer(&ticket).error(403, "ticket");
        }
    });
    assert!(TOO_LARGE.contains(&offer(&"x".repeat(400_000)).status));
    // Among many others it is found, and is as good as ever.
    let offered = format!("framehub.view.v1, {}framehub.ticket.{good}", "framehub.other.v1, ".repeat(2000));
    let mut request = browser::request(server.address, &format!("{WIDGETS}/{widget}/view"));
    request.headers_mut().insert("sec-websocket-protocol", offered.parse().unwrap());
    Browser::connect_with(request, server.address).expect("the view connects").text("traits", |_| true);
}

#[test]
fn an_answer_of_the_hub_that_is_too_large_is_none() {
    let (hub, server) = started();
    let token = hub.token("ann", &[ACCESS]);
    hub.pad(2 << 20);
    ask(&server, "GET", WIDGETS, &token, "").error(503, "unavailable");
    let sent = open(&server, PREFIX, "");
    let query = hub.authorize(sent.header("location").unwrap(), "ann", &[ACCESS]);
    let callback = format!("{PREFIX}oauth_callback?{query}");
    let back = open(&server, &callback, &cookie(&sent, "framehub-sign-in-"));
    assert_eq!((back.status, back.header("set-cookie")), (503, None));
    hub.pad(1_000_000);
    ask(&server, "GET", WIDGETS, &token, "").expect(200);
    open(&server, WIDGETS, &sign_in(&server, &hub, "ann")).expect(200);
}

#[test]
fn the_owners_origins_may_frame_its_pages_and_no_others() {
    let hub = FakeHub::start();
    let frame_origins = vec!["https://ann.hub.example.org".to_owned()];
    let server = TestServer::with(Config { frame_origins, ..hub.config(LONG) });
    let page = open(&server, PREFIX, &sign_in(&server, &hub, "ann"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.ends_with("frame-ancestors 'self' https://ann.hub.example.org"), "{policy}");
}

#[test]
fn a_stranger_is_told_when_the_hub_hangs_and_those_who_are_known_go_on() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let session = sign_in(&server, &hub, "ann");
    hub.hang(true);
    // It takes connections still: that it hangs shows with the first question.
    ask(&server, "GET", WIDGETS, &hub.token("bob", &[ACCESS]), "").error(503, "unavailable");
    let stranger = open(&server, PREFIX, "");
    assert_eq!(stranger.status, 503);
    assert!(String::from_utf8(stranger.body).expect("text").contains("the JupyterHub does not answer"));
    assert_eq!(open(&server, PREFIX, &session).status, 200);
    open(&server, WIDGETS, &session).expect(200);
    hub.hang(false);
    wait_for("the way to the Hub", || (open(&server, PREFIX, "").status == 302).then_some(()));
}

#[test]
fn a_stranger_is_told_when_the_hub_is_away() {
    let hub = FakeHub::start();
    let mut config = hub.config(LONG);
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    config.jupyterhub.as_mut().unwrap().api_url = format!("http://{free}/hub/api");
    let server = TestServer::with(config);
    let page = server.request_with("GET", PREFIX, "", "");
    assert_eq!((page.status, page.header("set-cookie")), (503, None));
    assert!(String::from_utf8(page.body).unwrap().contains("try again later"));
}

#[test]
fn no_secret_is_in_the_log_however_much_is_logged() {
    let hub = FakeHub::start();
    let service = hub.config(LONG).jupyterhub.unwrap();
    let api_token = service.api_token.reveal();
    let mut program = framehub(&["--listen", "127.0.0.1:0", "--log-format", "json"]);
    program
        .env("RUST_LOG", "framehub=trace")
        .env("JUPYTERHUB_SERVICE_NAME", "framehub")
        .env("JUPYTERHUB_API_URL", &service.api_url)
        .env("JUPYTERHUB_API_TOKEN", api_token);
    let running = Running::spawn(&mut program);
    let address = running.address();
    let get = |path: &str, headers: &str| {
        raw(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n"))
    };
    let sent = get(PREFIX, "");
    let attempt = cookie(&sent, "framehub-sign-in-");
    let query = hub.authorize(sent.header("location").unwrap(), "ann", &[ACCESS]);
    let back = get(&format!("{PREFIX}oauth_callback?{query}"), &format!("Cookie: {attempt}\r\n"));
    assert_eq!(back.status, 303);
    let session = cookie(&back, "framehub-session=");
    assert_eq!(get(WIDGETS, &format!("Cookie: {session}\r\n")).status, 200);
    let (token, refused) = (hub.token("ann", &[ACCESS]), hub.token("bob", &[]));
    assert_eq!(get(WIDGETS, &format!("Authorization: token {token}\r\n")).status, 200);
    assert_eq!(get(WIDGETS, &format!("Authorization: token {refused}\r\n")).status, 403);
    assert_eq!(get(&format!("{WIDGETS}?token={token}"), "").status, 401);
    let ticket = "1000000000.watch.signature-of-a-ticket";
    let offer = format!("Sec-WebSocket-Protocol: framehub.view.v1, framehub.ticket.{ticket}\r\n");
    assert_eq!(get(&format!("{WIDGETS}/none/view"), &offer).status, 403);
    hub.set_down(true);
    assert_eq!(get(WIDGETS, "Authorization: token token-of-nobody\r\n").status, 503);
    let log = running.log();
    for line in ["signed in", "answered", "a token cannot be checked"] {
        assert!(log.contains(line), "{line} is not in {log}");
    }
    let value = |pair: &str| pair.split_once('=').unwrap().1.to_owned();
    let (code, state) = query.split_once('&').unwrap();
    let secrets = [value(code), value(state), value(&attempt), value(&session), token, refused];
    let fixed = [api_token, "signature-of-a-ticket", "token-of-nobody"];
    for secret in secrets.iter().map(String::as_str).chain(fixed) {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}
