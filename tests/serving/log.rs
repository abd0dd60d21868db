//! The log: who does not read it holds nobody up, and what cannot be written ends nothing.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    browser::Browser,
    fake_hub::{ACCESS, FakeHub, PREFIX},
    jupyterhub::{LONG, ask, probe, view},
    probe::{Mood, Probe},
    program::{Running, framehub},
    server::{KEY, PATIENCE, TestServer, wait_for},
    shares::share,
};

/// More lines than a pipe and the queue hold, with these paths.
const REQUESTS: usize = 4000;
const LONG_PATH: usize = 400;

/// Asks for what is not there, many times over one connection; each time is a line of the log.
fn fill_the_log(address: SocketAddr) {
    let path = "x".repeat(LONG_PATH);
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    let request =
        format!("GET /api/widgets/{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {KEY}\r\n");
    let mut writing = stream.try_clone().expect("a handle");
    let writer = std::thread::spawn(move || {
        for number in 1..=REQUESTS {
            let end = if number == REQUESTS { "Connection: close\r\n\r\n" } else { "\r\n" };
            writing.write_all(format!("{request}{end}").as_bytes()).expect("sent");
        }
    });
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).expect("answers");
    writer.join().expect("all is sent");
    let found = answers.windows(9).filter(|bytes| *bytes == b"HTTP/1.1 ").count();
    assert_eq!(found, REQUESTS, "requests were not answered");
}

#[test]
fn a_log_that_nobody_reads_holds_no_view_up_and_says_later_what_is_missing() {
    let arguments = ["--listen", "127.0.0.1:0", "--key", KEY, "--log-format", "json"];
    let mut running = Running::spawn(framehub(&arguments).env("RUST_LOG", "framehub=debug"));
    let path = "/api/widgets/square/view";
    let mut view = Browser::connect(running.address(), path).expect("connected").sized(64, 64, 1.0);
    view.frame();
    fill_the_log(running.address());
    assert!(running.metric("framehub_log_lines_dropped_total") > 0.0, "all lines found room");
    for width in 65..85 {
        view.resize(width, 64, 1.0);
        while view.frame().header["width"] != width {}
    }
    let mut lines = BufReader::new(running.stderr()).lines();
    let missing = lines.find_map(|line| {
        let line: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
        line["fields"]["lines"].as_u64()
    });
    assert!(missing.expect("a line says how many") > 0);
}

/// A server that can write to neither standard output nor standard error, and the file that says where it is.
struct Mute {
    running: Running,
    file: PathBuf,
}

impl Mute {
    fn start(to: impl Fn(&mut Command)) -> Self {
        let folder = std::env::temp_dir().join(format!("framehub-test-{}", framehub::random::random_id()));
        let file = folder.join("server.json");
        let path = file.to_str().expect("a path");
        let mut command = framehub(&["--listen", "127.0.0.1:0", "--key", KEY, "--runtime-file", path]);
        to(command.env("RUST_LOG", "framehub=debug"));
        let running = Running::silent(&mut command);
        Self { running, file }
    }

    fn address(&self) -> SocketAddr {
        wait_for("the server starts", || {
            let json: Value = serde_json::from_slice(&fs::read(&self.file).ok()?).ok()?;
            json["url"].as_str()?.split('/').nth(2)?.parse().ok()
        })
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.file.parent().unwrap_or(Path::new("/nowhere")));
    }
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").expect("/dev/full").into()
}

/// A pipe that nobody reads any more.
fn broken() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn a_full_disk_or_a_broken_pipe_behind_its_output_does_not_end_it() {
    for output in [full, broken] {
        let mut mute = Mute::start(|command| {
            command.stdout(output()).stderr(output());
        });
        let address = mute.address();
        let path = "/api/widgets/square/view";
        let mut view = Browser::connect(address, path).expect("connected").sized(64, 64, 1.0);
        view.frame();
        let line = "framehub_log_lines_dropped_total";
        assert!(Running::metric_at(address, line) > 0.0, "lines were written");
        assert_eq!(mute.running.ended_by("TERM"), Some(0));
        assert_eq!(view.close_code(), 1001);
    }
}

#[test]
fn what_a_renderer_says_of_its_failure_is_its_owners_alone() {
    let hub = FakeHub::start();
    let server = TestServer::with(hub.config(LONG));
    let [ann, bob] = ["ann", "bob"].map(|name| hub.token(name, &[ACCESS]));
    let widget = probe(&server, &ann);
    share(&server, &widget, &ann, &json!({"user": "bob"})).expect(201);
    let mut anns = view(&server, &widget, &ann).expect("a view").sized(8, 8, 1.0);
    let mut bobs = view(&server, &widget, &bob).expect("a view").sized(8, 8, 1.0);
    anns.frame();
    bobs.frame();
    Probe::of(&widget).set_mood(Mood::Fail);
    server.handle(&widget).request_draw();
    let message =
        |view: &mut Browser| view.text("status", |status| status["state"] == "error")["message"].take();
    assert_eq!(message(&mut anns), "get_frame failed: the data is gone");
    assert_eq!(message(&mut bobs), "The widget failed. Its owner is told why.");
    let late = view(&server, &widget, &bob);
    assert_eq!(message(&mut late.expect("a view")), "The widget failed. Its owner is told why.");
    // Nothing was drawn that a snapshot could show.
    let widget = probe(&server, &ann);
    share(&server, &widget, &ann, &json!({"user": "bob"})).expect(201);
    Probe::of(&widget).set_mood(Mood::Fail);
    let snapshot = format!("{PREFIX}api/widgets/{widget}/snapshot");
    let [own, shared] =
        [&ann, &bob].map(|token| ask(&server, "GET", &snapshot, token, "").error(500, "renderer_failed").0);
    assert!(own.contains("the data is gone") && !shared.contains("the data"), "{own} {shared}");
}
