//! The cookies of browsers: how many there are, who can have set them, and how much of a request they take.

use std::collections::BTreeMap;

use framehub::Config;
use serde_json::json;

use crate::{
    fake_hub::{ACCESS, FakeHub, PREFIX},
    http::Answer,
    jupyterhub::{LONG, cookie, open, sign_in},
    server::{TestServer, config},
    shares::view_by_cookie,
};

const WIDGETS: &str = "/services/framehub/api/widgets";
/// What a proxy in front adds where browsers come by TLS.
const BY_TLS: &str = "X-Forwarded-Proto: https\r\n";
/// Most bytes of a request's cookies: proxies refuse from 8 kB on.
const MOST: usize = 4096;

/// What a browser keeps, by name.
#[derive(Default)]
struct Jar(BTreeMap<String, String>);

impl Jar {
    /// Asks for a page, and keeps what the answer sets.
    fn open(&mut self, server: &TestServer, path: &str, headers: &str) -> Answer {
        let lines = format!("Cookie: {}\r\n{headers}", self.line());
        let answer = server.request_with("GET", path, &lines, "");
        for set in answer.headers.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            if set.contains("Max-Age=0") {
                self.0.remove(name);
            } else {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    fn line(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}

fn by_tls(hub: &FakeHub) -> TestServer {
    TestServer::with(Config { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..hub.config(LONG) })
}

#[test]
fn sixty_attempts_to_sign_in_take_little_of_a_request_and_are_gone_once_one_succeeds() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let long = format!("{PREFIX}widgets/abc?{}", "x".repeat(900));
    let mut browser = Jar::default();
    let mut sent = Vec::new();
    for path in [PREFIX, long.as_str()].into_iter().cycle().take(60) {
        sent.push(browser.open(&server, path, ""));
        assert!(browser.line().len() < MOST, "{} bytes", browser.line().len());
    }
    assert_eq!(browser.0.len(), 1);
    let query = |sent: &Answer| hub.authorize(sent.header("location").unwrap(), "ann", &[ACCESS]);
    let (first, last) = (query(&sent[0]), query(sent.last().unwrap()));
    let callback = |query: &str| format!("{PREFIX}oauth_callback?{query}");
    assert_eq!(browser.open(&server, &callback(&first), "").status, 400, "it is forgotten");
    assert_eq!(browser.open(&server, &callback(&last), "").header("location"), Some(long.as_str()));
    assert_eq!(browser.0.keys().collect::<Vec<_>>(), ["framehub-session"]);
    // Another tab comes back later, and is not told that something went wrong.
    let late = query(&sent[58]);
    let back = browser.open(&server, &callback(&late), "");
    assert_eq!((back.status, back.header("location")), (303, Some(PREFIX)));
}

#[test]
fn what_a_page_asks_for_by_itself_goes_the_way_that_is_open_already() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let mut browser = Jar::default();
    let hidden = "Sec-Fetch-Mode: no-cors\r\n";
    let first = browser.open(&server, PREFIX, hidden);
    assert!(first.header("set-cookie").is_some());
    for headers in
        [hidden, "Sec-Fetch-Mode: navigate\r\nSec-Purpose: prefetch;prerender\r\n", "Purpose: prefetch\r\n"]
    {
        let again = browser.open(&server, PREFIX, headers);
        assert_eq!((again.status, again.header("set-cookie")), (302, None), "{headers}");
        assert_eq!(again.header("location"), first.header("location"));
    }
    let person = browser.open(&server, PREFIX, "Sec-Fetch-Mode: navigate\r\n");
    assert!(person.header("set-cookie").is_some());
    assert_ne!(person.header("location"), first.header("location"));
}

#[test]
fn by_tls_a_session_is_bound_to_a_cookie_that_no_sibling_of_the_host_can_set() {
    let hub = FakeHub::start();
    let server = by_tls(&hub);
    let signed_in = |name: &str| {
        let mut browser = Jar::default();
        let sent = browser.open(&server, PREFIX, BY_TLS);
        let query = hub.authorize(sent.header("location").unwrap(), name, &[ACCESS]);
        let back = browser.open(&server, &format!("{PREFIX}oauth_callback?{query}"), BY_TLS);
        (browser, back)
    };
    let ((anns, back), (bobs, _)) = (signed_in("ann"), signed_in("bob"));
    let names: Vec<_> = anns.0.keys().map(String::as_str).collect();
    assert_eq!(names, ["__Host-framehub-binding", "__Secure-framehub-session"]);
    for (name, path) in names.iter().zip(["/", PREFIX]) {
        let set =
            back.headers.lines().find(|line| line.starts_with(&format!("set-cookie: {name}="))).unwrap();
        for attribute in ["HttpOnly", "Secure", "SameSite=Lax", &format!("Path={path};"), "Max-Age=3600"] {
            assert!(format!("{set};").contains(attribute), "{set}");
        }
        assert!(!set.contains("Domain"), "{set}");
    }
    let list =
        |cookies: &str| server.request_with("GET", WIDGETS, &format!("Cookie: {cookies}\r\n{BY_TLS}"), "");
    list(&anns.line()).expect(200);
    let [binding, session] = names[..] else { unreachable!() };
    let (own, tossed) = (&anns.0[session], &bobs.0[session]);
    let bound = format!("{binding}={}", anns.0[binding]);
    for cookies in [
        // Bob's page sets his session for a path of the service, which browsers send first; or Ann has none yet.
        format!("{session}={tossed}; {bound}; {session}={own}"),
        format!("{bound}; {session}={tossed}"),
        format!("{session}={tossed}"),
        format!("framehub-session={tossed}; framehub-binding={}", bobs.0[binding]),
        format!("{bound}; {bound}; {session}={own}"),
    ] {
        list(&cookies).error(401, "signed_out");
    }
    // Without TLS these names say nothing.
    open(&server, WIDGETS, &anns.line()).error(401, "signed_out");
}

#[test]
fn a_session_that_comes_twice_is_nobodys() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let (anns, bobs) = (sign_in(&server, &hub, "ann"), sign_in(&server, &hub, "bob"));
    open(&server, WIDGETS, &anns).expect(200);
    for cookies in [format!("{bobs}; {anns}"), format!("{anns}; x=1; {anns}")] {
        open(&server, WIDGETS, &cookies).error(401, "signed_out");
    }
}

#[test]
fn the_hundredth_link_works_and_all_together_take_little_of_a_request() {
    let server = TestServer::start();
    let mut browser = Jar::default();
    let mut opened = Vec::new();
    for number in 1..=100 {
        let widget = server.probe(json!({})).id().to_owned();
        let shares = format!("/api/widgets/{widget}/shares");
        let link = server.request("POST", &shares, Some(json!({"link": true}))).expect(201);
        assert_eq!(browser.open(&server, link["url"].as_str().unwrap(), "").status, 303);
        assert!(browser.line().len() < MOST, "{} bytes", browser.line().len());
        assert_eq!(browser.open(&server, &format!("/widgets/{widget}"), "").status, 200, "link {number}");
        let _view = view_by_cookie(&server, "/", &widget, &browser.line(), "").expect("it opens");
        opened.push((widget, link));
    }
    assert!(browser.0.len() > 10, "{} links are kept", browser.0.len());
}

#[test]
fn whatever_links_a_browser_brings_the_widgets_own_is_found() {
    let server = TestServer::start();
    let widgets: Vec<_> = (0..30).map(|_| server.probe(json!({})).id().to_owned()).collect();
    let all: Vec<_> = widgets
        .iter()
        .map(|widget| {
            let shares = format!("/api/widgets/{widget}/shares");
            let link = server.request("POST", &shares, Some(json!({"link": true}))).expect(201);
            cookie(&open(&server, link["url"].as_str().unwrap(), ""), "framehub-link-")
        })
        .collect();
    for widget in &widgets {
        open(&server, &format!("/api/widgets/{widget}"), &all.join("; ")).expect(200);
    }
}

#[test]
fn a_page_has_its_browser_forget_the_links_that_lead_nowhere() {
    let server = TestServer::start();
    let (kept, closed) = (server.probe(json!({})).id().to_owned(), server.probe(json!({})).id().to_owned());
    let link = |widget: &str| {
        let shares = format!("/api/widgets/{widget}/shares");
        server.request("POST", &shares, Some(json!({"link": true}))).expect(201)
    };
    let (good, revoked, gone) = (link(&kept), link(&kept), link(&closed));
    let mut browser = Jar::default();
    for link in [&good, &revoked, &gone] {
        browser.open(&server, link["url"].as_str().unwrap(), "");
    }
    browser.0.insert("framehub-link-0".to_owned(), "forged".to_owned());
    browser.0.insert("mine".to_owned(), "1".to_owned());
    let path = format!("/api/widgets/{kept}/shares/{}", revoked["id"].as_str().unwrap());
    assert_eq!(server.request("DELETE", &path, None).status, 204);
    assert_eq!(server.request("DELETE", &format!("/api/widgets/{closed}"), None).status, 204);
    assert_eq!(browser.open(&server, &format!("/widgets/{kept}"), "").status, 200);
    let own = format!("framehub-link-{}", good["id"].as_str().unwrap());
    let links: Vec<_> = browser.0.keys().filter(|name| name.starts_with("framehub-link-")).collect();
    assert_eq!(links, [&own]);
    assert!(browser.0.contains_key("mine"), "a cookie of somebody else's is taken away");
}

#[test]
fn however_many_links_a_request_brings_the_answer_stays_short() {
    let server = TestServer::start();
    let widget = server.probe(json!({})).id().to_owned();
    let all: Vec<_> = (0..1_000).map(|number| format!("framehub-link-{number}=forged")).collect();
    let answer = open(&server, &format!("/widgets/{widget}"), &all.join("; "));
    let removals =
        answer.headers.lines().filter(|line| line.starts_with("set-cookie: framehub-link-")).count();
    assert!((1..=20).contains(&removals), "{removals} cookies are taken away");
    assert!(answer.headers.len() < 8192, "{} bytes", answer.headers.len());
}

#[test]
fn by_tls_a_server_with_a_host_of_its_own_names_links_so_that_nobody_else_can_set_them() {
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let server = TestServer::with(Config { trusted_proxies, ..config() });
    let shares = format!("/api/widgets/{}/shares", server.probe(json!({})).id());
    let link = server.request("POST", &shares, Some(json!({"link": true}))).expect(201);
    let arrived = server.request_with("GET", link["url"].as_str().unwrap(), BY_TLS, "");
    let set =
        arrived.headers.lines().find(|line| line.starts_with("set-cookie: __Host-framehub-link-")).unwrap();
    assert!(set.contains("Secure"), "{set}");
    assert!(format!("{set};").contains("Path=/;"), "{set}");
}
