//! What strangers cost a `JupyterHub`, and those who are known there.

use std::{
    thread::Scope,
    time::{Duration, Instant},
};

use crate::{
    fake_hub::{ACCESS, FakeHub, PREFIX},
    http::Answer,
    jupyterhub::{LONG, SHORT, ask, cookie, open},
    server::{TestServer, wait_for},
};

const KINDS: &str = "/services/framehub/api/kinds";
/// How many questions about unknown tokens run at a time, and how many of one address wait.
const AT_A_TIME: usize = 4;
const OF_ADDRESS: usize = 16;
/// The same of browsers that come back from the Hub.
const EXCHANGES_OF_ADDRESS: usize = 64;

#[test]
fn a_token_that_is_too_long_for_any_hub_is_refused_at_once_and_the_hub_stays_well() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let sent = open(&server, PREFIX, "");
    let query = hub.authorize(sent.header("location").unwrap(), "ann", &[ACCESS]);
    for length in [0, 1025, 20_000, 70_000] {
        let long = "A".repeat(length);
        for path in [KINDS, "/services/framehub/metrics"] {
            ask(&server, "GET", path, &long, "").error(401, "signed_out");
        }
        let state = query.split_once("&state=").unwrap().1;
        let callback = format!("{PREFIX}oauth_callback?code={long}&state={state}");
        let back = open(&server, &callback, "");
        assert_eq!((back.status, back.header("set-cookie")), (400, None));
    }
    assert_eq!(hub.questions(), 0, "the Hub was asked");
    assert_eq!(open(&server, PREFIX, "").status, 302);
    // As long as may be.
    ask(&server, "GET", KINDS, &"A".repeat(1024), "").error(401, "signed_out");
    assert_eq!(hub.questions(), 1);
}

#[test]
fn a_question_of_a_stranger_that_stays_open_does_not_decide_whether_the_hub_is_well() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    hub.hold_strangers(true);
    let refused = ask(&server, "GET", KINDS, "nobodys", "");
    assert_eq!(refused.header("retry-after"), Some("5"));
    refused.error(503, "unavailable");
    // It answers the server's own greeting.
    assert_eq!(open(&server, PREFIX, "").status, 302);
    hub.hold_strangers(false);
    ask(&server, "GET", KINDS, "nobodys", "").error(401, "signed_out");
}

/// Strangers ask, each with a token of their own.
fn flood<'a>(
    scope: &'a Scope<'a, '_>,
    server: &'a TestServer,
    count: usize,
) -> Vec<std::thread::ScopedJoinHandle<'a, Answer>> {
    (0..count).map(|i| scope.spawn(move || ask(server, "GET", KINDS, &format!("nobodys-{i}"), ""))).collect()
}

#[test]
fn a_flood_of_unknown_tokens_is_bounded_and_those_who_are_known_do_not_wait_behind_it() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(SHORT));
    let known = hub.token("ann", &[ACCESS]);
    ask(&server, "GET", KINDS, &known, "").expect(200);
    hub.hold_strangers(true);
    std::thread::scope(|scope| {
        let asking = flood(scope, &server, 60);
        wait_for("as many questions as run at a time", || (hub.held() == AT_A_TIME).then_some(()));
        wait_for("the refusals", || {
            (asking.iter().filter(|asks| asks.is_finished()).count() == 60 - OF_ADDRESS).then_some(())
        });
        assert!(hub.most_held() <= AT_A_TIME, "{} at a time", hub.most_held());
        let asked = hub.asked(&known);
        wait_for("two renewals", || {
            ask(&server, "GET", KINDS, &known, "").expect(200);
            (hub.asked(&known) >= asked + 2).then_some(())
        });
        hub.hold_strangers(false);
        for answer in asking.into_iter().map(|asks| asks.join().unwrap()) {
            assert!([401, 503].contains(&answer.status), "{}", answer.status);
            assert_eq!(answer.header("retry-after").is_some(), answer.status == 503);
        }
    });
    // Those who come later find room again.
    ask(&server, "GET", KINDS, &hub.token("bob", &[ACCESS]), "").expect(200);
}

#[test]
fn browsers_that_come_back_reach_the_hub_a_few_at_a_time_and_who_is_turned_away_may_try_again() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    hub.hold_strangers(true);
    let attempts: Vec<_> = (0..80)
        .map(|_| {
            let sent = open(&server, PREFIX, "");
            let query = hub.authorize(sent.header("location").unwrap(), "ann", &[ACCESS]);
            (format!("{PREFIX}oauth_callback?{query}"), cookie(&sent, "framehub-sign-in-"))
        })
        .collect();
    let turned_away = std::thread::scope(|scope| {
        let back = |(callback, own): &'_ (String, String)| open(&server, callback, own).status;
        let coming: Vec<_> = attempts.iter().map(|attempt| scope.spawn(move || back(attempt))).collect();
        wait_for("the refusals", || {
            (coming.iter().filter(|comes| comes.is_finished()).count() == 80 - EXCHANGES_OF_ADDRESS)
                .then_some(())
        });
        wait_for("as many questions as run at a time", || (hub.held() == AT_A_TIME).then_some(()));
        assert!(hub.most_held() <= AT_A_TIME, "{} at a time", hub.most_held());
        let turned_away =
            coming.iter().position(std::thread::ScopedJoinHandle::is_finished).expect("somebody");
        hub.hold_strangers(false);
        let statuses: Vec<_> = coming.into_iter().map(|comes| comes.join().unwrap()).collect();
        assert_eq!(statuses[turned_away], 503);
        turned_away
    });
    let (callback, own) = &attempts[turned_away];
    assert_eq!(open(&server, callback, own).status, 303);
}

#[test]
fn pages_that_strangers_ask_for_cost_the_hub_a_connection_a_second_at_most() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let began = Instant::now();
    for _ in 0..60 {
        assert_eq!(open(&server, PREFIX, "").status, 302);
    }
    let most = 1 + began.elapsed().as_secs();
    wait_for("the first connection", || (hub.connections() > 0).then_some(()));
    assert!(hub.connections() as u64 <= most, "{} connections", hub.connections());
    assert_eq!(hub.questions(), 0);
    assert!(most < Duration::from_secs(60).as_secs());
}
