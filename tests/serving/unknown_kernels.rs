//! Connections of kernels that say nothing, too much, or do not listen: each costs the server little, and keeps nobody out.

use std::{io::Write, time::Duration};

use framehub::{Config, Patience};
use serde_json::json;

use crate::{
    fake_hub::{ACCESS, FakeHub},
    jupyterhub::{LONG, kernel, kernel_request},
    kernel_link::Kernel,
    server::{TestServer, config, wait_for},
};

const SESSION: &str = "session-of-the-tests";

/// The head of a binary message of so many bytes, masked with zeros.
fn head(length: u64) -> Vec<u8> {
    [&[0x82, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat()
}

fn send_raw(kernel: &mut Kernel, bytes: &[u8]) {
    kernel.socket.get_mut().write_all(bytes).expect("sent");
}

#[test]
fn sixty_sockets_that_say_nothing_are_no_more_than_one_user_may_have_kernels() {
    let hub = FakeHub::start();
    let server = TestServer::with(Config { user_max_kernels: 2, ..hub.config(LONG) });
    let (ann, bob) = (hub.token("ann", &[ACCESS]), hub.token("bob", &[ACCESS]));
    let mut sockets: Vec<_> =
        (0..60).map(|_| Kernel::connected(&server, kernel_request(&server, &ann))).collect();
    for refused in &mut sockets[2..] {
        assert_eq!(refused.text("refused", |_| true)["code"], "user_max_kernels");
        assert_eq!(refused.close_code(), 1013);
    }
    // Nobody else's are fewer, and those that are there are no kernels yet.
    kernel(&server, SESSION, &bob);
    sockets[0].send(json!({"type": "hello", "session": SESSION, "name": "Test"}));
    sockets[0].text("welcome", |_| true);
    // What is given back can be had again.
    sockets.clear();
    wait_for("a place", || {
        let mut again = Kernel::connected(&server, kernel_request(&server, &ann));
        again.send(json!({"type": "hello", "session": SESSION, "name": "Test"}));
        again.answers("welcome").then_some(())
    });
}

#[test]
fn without_users_silent_sockets_are_no_more_than_the_server_takes_kernels() {
    let server = TestServer::with(Config { max_kernels: 3, ..config() });
    let _held: Vec<_> = (0..3).map(|_| Kernel::silent(&server)).collect();
    let mut fourth = Kernel::silent(&server);
    let refused = fourth.text("refused", |_| true);
    assert_eq!(refused["code"], "max_kernels");
    assert!(refused["message"].as_str().unwrap().contains("--max-kernels"), "{refused}");
    assert_eq!(fourth.close_code(), 1013);
}

#[test]
fn before_hello_no_message_is_longer_than_text_whatever_its_form() {
    let server = TestServer::with(Config { max_message_bytes: 100_000, ..config() });
    let long = 500_000_000_u64;
    let text = [&[0x81, 0xff][..], &long.to_be_bytes(), &[0; 4]].concat();
    let fragment = [&[0x02, 0xff][..], &long.to_be_bytes(), &[0; 4]].concat();
    for bytes in [head(long), text, fragment] {
        let mut silent = Kernel::silent(&server);
        send_raw(&mut silent, &bytes);
        let refused = silent.text("refused", |_| true);
        assert_eq!(refused["code"], "too_big");
        assert!(refused["message"].as_str().unwrap().contains("100000 bytes"), "{refused}");
        assert_eq!(silent.close_code(), 1009);
    }
    assert_eq!(server.hub.memory().held(), 0);
}

#[test]
fn three_announced_messages_of_400_megabytes_take_no_memory() {
    let server = TestServer::start();
    let mut kernels: Vec<_> =
        (0..3).map(|number| Kernel::start(&server, &format!("session-of-the-tests-{number}"))).collect();
    for kernel in &mut kernels {
        send_raw(kernel, &head(400_000_000));
        send_raw(kernel, &vec![0; 3_000_000]);
    }
    let came = 3 * 3_000_000;
    let held = wait_for("what came", || Some(server.hub.memory().held()).filter(|held| *held >= came));
    assert!(held <= 2 * came + 3 * (1 << 20), "{held} bytes for {came}");
    kernels.clear();
    wait_for("it to be given back", || (server.hub.memory().held() == 0).then_some(()));
}

#[test]
fn a_kernel_that_does_not_read_is_ended_before_much_waits_for_it() {
    let server = TestServer::start();
    let mut deaf = Kernel::start(&server, SESSION);
    let widget = deaf.widget(json!({}));
    for relay in 0..8 {
        deaf.send(json!({"type": "relay_open", "relay": relay, "widget": widget}));
    }
    deaf.text("views", |views| views["views"] == 8);
    // From now on it reads nothing; what is printed goes to the browsers behind it, through it.
    let (handle, line) = (server.handle(&widget), "x".repeat(60_000));
    let mut printed = 0;
    wait_for("its end", || {
        handle.print(line.clone());
        printed += 8 * line.len();
        (server.stats(&widget)["state"] == "gone").then_some(())
    });
    // What the two ends of the connection keep by themselves is more than what waits.
    assert!(printed < 64 << 20, "{printed} bytes");
    // It may come back.
    assert_eq!(Kernel::start(&server, SESSION).welcome["resumed"], json!([widget]));
}

#[test]
fn a_kernel_that_sends_and_never_reads_is_not_taken_to_be_there() {
    let patience = Patience { kernel: Duration::from_millis(600), ..Patience::default() };
    let server = TestServer::with(Config { patience, ..config() });
    let mut deaf = Kernel::start(&server, SESSION);
    let widget = deaf.widget(json!({}));
    let mut listening = Kernel::start(&server, "another-session-of-the-tests");
    let other = listening.widget(json!({}));
    wait_for("its end", || {
        // Each is a sign of life, and none says that anything is read.
        deaf.send(json!({"type": "request_draw", "widget": widget}));
        listening.until_now(&other, "turn");
        (server.stats(&widget)["state"] == "gone").then_some(())
    });
    assert_eq!(server.stats(&other)["state"], "live");
}
