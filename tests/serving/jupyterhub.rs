//! Behind a `JupyterHub`: who is let in, for how long, and what it costs the Hub.

use std::time::Duration;

use serde_json::json;
use tungstenite::http::{Request, header};

use crate::{
    browser::{self, Browser},
    fake_hub::{ACCESS, FakeHub, PREFIX},
    http::Answer,
    kernel_link::{self, Kernel},
    server::{TestServer, wait_for},
};

/// Long enough that nothing expires within a test.
pub const LONG: Duration = Duration::from_secs(300);
/// Short enough that a test waits for it.
pub const SHORT: Duration = Duration::from_secs(1);

/// A request of a user's program.
pub fn ask(server: &TestServer, method: &str, path: &str, token: &str, body: &str) -> Answer {
    server.request_with(method, path, &format!("Authorization: token {token}\r\n"), body)
}

/// Makes a widget for a user; returns its id.
pub fn probe(server: &TestServer, token: &str) -> String {
    let made =
        ask(server, "POST", "/services/framehub/api/widgets", token, r#"{"kind": "probe"}"#).expect(201);
    made["id"].as_str().expect("an id").to_owned()
}

/// A view of a user.
pub fn view(server: &TestServer, widget: &str, token: &str) -> Result<Browser, u16> {
    let mut request = browser::request(server.address, &format!("{PREFIX}api/widgets/{widget}/view"));
    request.headers_mut().insert(header::AUTHORIZATION, format!("token {token}").parse().unwrap());
    Browser::connect_with(request, server.address).map_err(|response| response.status().as_u16())
}

/// A kernel of a user.
pub fn kernel(server: &TestServer, session: &str, token: &str) -> Kernel {
    Kernel::welcomed(server, session, kernel_request(server, token))
}

/// The request with which a user's kernel connects.
pub fn kernel_request(server: &TestServer, token: &str) -> Request<()> {
    let mut request = kernel_link::request_at(server.address, &format!("{PREFIX}api/kernel"));
    request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    request
}

/// The `name=value` of the cookie that an answer sets and that begins so.
pub fn cookie(answer: &Answer, prefix: &str) -> String {
    let set = answer.headers.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    let found = set.filter_map(|cookie| cookie.split(';').next()).find(|cookie| cookie.starts_with(prefix));
    found.expect("a cookie").to_owned()
}

pub fn open(server: &TestServer, path: &str, cookies: &str) -> Answer {
    server.request_with("GET", path, &format!("Cookie: {cookies}\r\n"), "")
}

/// A user signs in with a browser; returns the cookie of that.
pub fn sign_in(server: &TestServer, hub: &FakeHub, name: &str) -> String {
    let sent = open(server, PREFIX, "");
    let query = hub.authorize(sent.header("location").unwrap(), name, &[ACCESS]);
    let back = open(server, &format!("{PREFIX}oauth_callback?{query}"), &cookie(&sent, "framehub-sign-in-"));
    assert_eq!(back.status, 303, "{}", String::from_utf8_lossy(&back.body));
    cookie(&back, "framehub-session=")
}

#[test]
fn a_browser_signs_in_at_the_hub_and_comes_back_to_the_page_that_it_wanted() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let sent = open(&server, "/services/framehub/widgets/abc?hud=1&x=%2F", "");
    assert_eq!((sent.status, sent.header("cache-control")), (302, Some("no-store")));
    let state = sent.headers.lines().find(|line| line.starts_with("set-cookie: framehub-sign-in-")).unwrap();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/services/framehub/", "Max-Age=600"] {
        assert!(state.contains(attribute), "{state}");
    }
    let query = hub.authorize(sent.header("location").unwrap(), "ann", &[ACCESS]);
    let back = open(&server, &format!("{PREFIX}oauth_callback?{query}"), &cookie(&sent, "framehub-sign-in-"));
    assert_eq!(
        (back.status, back.header("location")),
        (303, Some("/services/framehub/widgets/abc?hud=1&x=%2F"))
    );
    let session =
        back.headers.lines().find(|line| line.starts_with("set-cookie: framehub-session=")).unwrap();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/services/framehub/", "Max-Age=3600"] {
        assert!(session.contains(attribute), "{session}");
    }
    let page = open(&server, PREFIX, &cookie(&back, "framehub-session="));
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let list = open(&server, "/services/framehub/api/widgets", &cookie(&back, "framehub-session="));
    assert_eq!(list.expect(200), json!({"widgets": [], "administrator": false}));
}

#[test]
fn only_the_browser_that_began_comes_back_and_only_once() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let (sent, other) = (open(&server, PREFIX, ""), open(&server, PREFIX, ""));
    let (own, others) = (cookie(&sent, "framehub-sign-in-"), cookie(&other, "framehub-sign-in-"));
    let query = hub.authorize(sent.header("location").unwrap(), "ann", &[ACCESS]);
    let callback = format!("{PREFIX}oauth_callback?{query}");
    // The other browser's attempt under this one's name.
    let renamed = format!("{}={}", own.split_once('=').unwrap().0, others.split_once('=').unwrap().1);
    let forged = format!("{}=eyJzdGF0ZSI6ICIifQ==", own.split_once('=').unwrap().0);
    for cookies in ["", "framehub-sign-in-=x", &others, &renamed, &forged] {
        let back = open(&server, &callback, cookies);
        assert_eq!((back.status, back.header("set-cookie")), (400, None), "{cookies}");
    }
    assert_eq!(hub.questions(), 0, "the Hub was asked about an attempt that is none");
    assert_eq!(open(&server, &callback, &own).status, 303);
    let again = open(&server, &callback, &own);
    assert_eq!((again.status, again.header("set-cookie")), (400, None));
    assert_eq!(hub.questions(), 2, "the Hub was asked about an attempt that is over");
    // A code that the Hub does not know, and a user who says no.
    for query in ["code=none", "error=access_denied"] {
        let sent = open(&server, PREFIX, "");
        let state = hub.authorize(sent.header("location").unwrap(), "ann", &[ACCESS]);
        let state = state.split_once("&state=").unwrap().1;
        let own = cookie(&sent, "framehub-sign-in-");
        let back = open(&server, &format!("{PREFIX}oauth_callback?{query}&state={state}"), &own);
        assert_eq!(back.status, if query == "code=none" { 400 } else { 403 });
        assert_eq!(back.header("set-cookie"), None);
    }
}

#[test]
fn a_cookie_of_another_service_or_a_token_in_place_of_one_opens_nothing() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let token = hub.token("ann", &[ACCESS]);
    let sent = open(&server, PREFIX, "");
    let attempt = cookie(&sent, "framehub-sign-in-");
    let attempt = attempt.split_once('=').unwrap().1;
    for value in [token.as_str(), attempt, "", "AAAA"] {
        let list = open(&server, "/services/framehub/api/widgets", &format!("framehub-session={value}"));
        list.error(401, "signed_out");
    }
    assert_eq!(hub.questions(), 0);
}

#[test]
fn a_token_lets_in_whom_the_hub_knows_and_whose_scopes_allow_it() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let kinds = "/services/framehub/api/kinds";
    let with = |line: String| server.request_with("GET", kinds, &line, "");
    for scopes in [&[ACCESS][..], &["self", "access:services"]] {
        let token = hub.token("ann", scopes);
        for scheme in ["token", "Bearer", "bearer"] {
            assert_eq!(with(format!("Authorization: {scheme} {token}\r\n")).status, 200, "{scheme}");
        }
        assert_eq!(hub.asked(&token), 1, "an answer that holds was asked for again");
        assert_eq!(with(format!("Authorization: Basic {token}\r\n")).status, 401);
    }
    for scopes in [&[][..], &["self", "access:services!service=other", "access:servers!user=ann"]] {
        let (message, _) =
            with(format!("Authorization: token {}\r\n", hub.token("ann", scopes))).error(403, "scope");
        assert!(message.contains("scope"), "{message}");
    }
    let service = hub.token_of("service", "ann", &[ACCESS]);
    with(format!("Authorization: token {service}\r\n")).error(403, "scope");
    let unknown = with("Authorization: token nobodys\r\n".to_owned());
    assert_eq!(unknown.header("www-authenticate"), Some("token"));
    unknown.error(401, "signed_out");
    with(String::new()).error(401, "signed_out");
    // In an address a token opens nothing.
    let token = hub.token("ann", &[ACCESS]);
    server.request_with("GET", &format!("{kinds}?token={token}"), "", "").error(401, "signed_out");
}

#[test]
fn a_user_without_the_scope_is_told_so_and_not_sent_around_in_circles() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let sent = open(&server, PREFIX, "");
    let query = hub.authorize(sent.header("location").unwrap(), "ann", &["self"]);
    let back = open(&server, &format!("{PREFIX}oauth_callback?{query}"), &cookie(&sent, "framehub-sign-in-"));
    assert_eq!((back.status, back.header("set-cookie")), (403, None));
    assert!(String::from_utf8(back.body).unwrap().contains("may not access FrameHub"));
}

#[test]
fn what_needs_nobody_and_what_is_refused_at_once_costs_the_hub_nothing() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    assert_eq!(open(&server, "/services/framehub/health", "").status, 200);
    assert_eq!(open(&server, "/services/framehub/static/viewer.js", "").status, 200);
    for _ in 0..20 {
        // As the Hub itself does, to see whether its service is well.
        assert_eq!(server.request_with("GET", PREFIX, "", "").status, 302);
    }
    let foreign = "Authorization: token x\r\nOrigin: https://evil.example\r\n";
    server.request_with("POST", "/services/framehub/api/widgets", foreign, "{}").error(403, "origin");
    assert_eq!(hub.questions(), 0);
}

#[test]
fn a_token_is_asked_about_once_however_many_wait() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let token = hub.token("ann", &[ACCESS]);
    hub.hold(true);
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| ask(&server, "GET", "/services/framehub/api/kinds", &token, "").status))
            .collect();
        wait_for("the first question", || (hub.asked(&token) > 0).then_some(()));
        // Meanwhile others are answered.
        for _ in 0..50 {
            assert_eq!(open(&server, "/services/framehub/health", "").status, 200);
        }
        hub.hold(false);
        for status in asking {
            assert_eq!(status.join().unwrap(), 200);
        }
    });
    assert_eq!(hub.asked(&token), 1);
}

#[test]
fn while_the_hub_is_down_those_who_are_known_go_on_until_their_answers_expire() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(SHORT));
    let (known, new) = (hub.token("ann", &[ACCESS]), hub.token("bob", &[ACCESS]));
    let kinds = |token: &str| ask(&server, "GET", "/services/framehub/api/kinds", token, "");
    let session = sign_in(&server, &hub, "ann");
    kinds(&known).expect(200);
    let sent = open(&server, PREFIX, "");
    hub.set_down(true);
    kinds(&known).expect(200);
    let (message, _) = kinds(&new).error(503, "unavailable");
    assert!(message.contains("JupyterHub"), "{message}");
    let query = hub.authorize(sent.header("location").unwrap(), "bob", &[ACCESS]);
    let back = open(&server, &format!("{PREFIX}oauth_callback?{query}"), &cookie(&sent, "framehub-sign-in-"));
    assert_eq!((back.status, back.header("set-cookie")), (503, None));
    wait_for("the end of the answer", || (kinds(&known).status == 503).then_some(()));
    let page = wait_for("the end of the session's answer", || {
        Some(open(&server, PREFIX, &session)).filter(|page| page.status == 503)
    });
    assert!(String::from_utf8(page.body).unwrap().contains("try again later"));
    hub.set_down(false);
    kinds(&known).expect(200);
    kinds(&new).expect(200);
    assert_eq!(open(&server, PREFIX, &session).status, 200);
}

#[test]
fn a_logout_ends_the_users_views_and_sessions_and_nobody_elses() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(SHORT));
    let other = hub.token("bob", &[ACCESS]);
    let session = sign_in(&server, &hub, "ann");
    let made = server.request_with(
        "POST",
        "/services/framehub/api/widgets",
        &format!("Cookie: {session}\r\n"),
        r#"{"kind": "probe"}"#,
    );
    let widget = made.expect(201)["id"].as_str().unwrap().to_owned();
    let mut request = browser::request(server.address, &format!("{PREFIX}api/widgets/{widget}/view"));
    request.headers_mut().remove(header::AUTHORIZATION);
    request.headers_mut().insert(header::COOKIE, session.parse().unwrap());
    let mut own = Browser::connect_with(request, server.address).unwrap().sized(8, 8, 1.0);
    own.frame();
    let mut others = view(&server, &probe(&server, &other), &other).unwrap().sized(8, 8, 1.0);
    others.frame();
    hub.log_out("ann");
    assert_eq!(own.text("close", |_| true)["reason"], "signed_out");
    assert_eq!(own.close_code(), 4003);
    let page = open(&server, PREFIX, &session);
    assert_eq!(page.status, 302, "a page of who is signed out leads to the Hub");
    open(&server, "/services/framehub/api/widgets", &session).error(401, "signed_out");
    // The widget stays its user's.
    let again = hub.token("ann", &[ACCESS]);
    assert_eq!(
        ask(&server, "GET", &format!("/services/framehub/api/widgets/{widget}"), &again, "").status,
        200
    );
    let asked = hub.asked(&other);
    wait_for("two more looks", || (hub.asked(&other) > asked + 1).then_some(()));
    others.pointer("pointer_move", 1.0, 1.0, &[]);
    assert_eq!(others.closed, None);
}

#[test]
fn a_kernel_whose_token_is_revoked_ends_with_its_widgets() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(SHORT));
    let token = hub.token("ann", &[ACCESS]);
    let mut kernel = kernel(&server, "session-of-the-tests", &token);
    let widget = kernel.widget(json!({}));
    let request = kernel.ask("ticket", json!({"widget": widget, "role": "interact"}));
    let ticket = kernel.text("ticket", |ticket| ticket["request"] == request)["ticket"].take();
    let mut opening = browser::request(server.address, &format!("{PREFIX}api/widgets/{widget}/view"));
    opening.headers_mut().remove(header::AUTHORIZATION);
    let offer = format!("framehub.view.v1, framehub.ticket.{}", ticket.as_str().unwrap());
    opening.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, offer.parse().unwrap());
    let mut guest = Browser::connect_with(opening, server.address).unwrap();
    hub.revoke(&token);
    assert_eq!(guest.close_code(), 4000);
    assert_eq!(kernel.close_code(), 4003);
    assert!(server.hub.registry().get(&widget).is_none());
}

#[test]
fn a_hub_that_is_away_for_a_moment_ends_no_view_and_one_that_stays_away_does() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(Duration::from_secs(4)));
    let token = hub.token("ann", &[ACCESS]);
    let mut view = view(&server, &probe(&server, &token), &token).unwrap().sized(8, 8, 1.0);
    view.frame();
    hub.set_down(true);
    let questions = hub.questions();
    wait_for("a question in vain", || (hub.questions() > questions).then_some(()));
    hub.set_down(false);
    let asked = hub.asked(&token);
    wait_for("an answer", || (hub.asked(&token) > asked).then_some(()));
    view.frames_until_now();
    assert_eq!(view.closed, None);
    hub.set_down(true);
    assert_eq!(view.close_code(), 4003);
}

#[test]
fn the_metrics_are_for_administrators_for_the_scope_and_for_the_token() {
    let hub = FakeHub::start();
    let token = "token-of-the-metrics".to_owned();
    let server =
        TestServer::with(framehub::Config { metrics_token: Some(token.clone()), ..hub.config(LONG) });
    let metrics = |token: &str| ask(&server, "GET", "/services/framehub/metrics", token, "");
    let ann = hub.token("ann", &[ACCESS]);
    metrics(&ann).error(403, "scope");
    for path in ["%6detrics", "./metrics", "//metrics", "metrics/", "api/../metrics"] {
        let tricked = ask(&server, "GET", &format!("{PREFIX}{path}"), &ann, "");
        assert!([403, 404].contains(&tricked.status), "{path}: {}", tricked.status);
    }
    assert_eq!(metrics(&hub.token("root", &[ACCESS, "admin-ui"])).status, 200);
    let prometheus = hub.token_of("service", "prometheus", &["read:metrics"]);
    assert_eq!(metrics(&prometheus).status, 200);
    ask(&server, "GET", "/services/framehub/api/widgets", &prometheus, "").error(403, "scope");
    metrics(&hub.token_of("service", "other", &[ACCESS])).error(403, "scope");
    let scrape = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(server.request_with("GET", "/services/framehub/metrics", &scrape, "").status, 200);
    server.request_with("GET", "/services/framehub/api/widgets", &scrape, "").error(401, "signed_out");
}
