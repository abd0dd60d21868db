//! The program: its flags, the one line that it prints, its signals.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio},
};

use serde_json::Value;

use crate::{browser::Browser, http::raw, server::KEY};

pub fn framehub(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framehub"));
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(arguments: &[&str]) -> (Output, String) {
    let output = framehub(arguments).output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, error)
}

/// A running server that is ended at the latest when the test ends.
pub struct Running {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    line: String,
}

impl Running {
    /// A server whose log a test reads.
    fn start(arguments: &[&str]) -> Self {
        Self::spawn(&mut framehub(arguments))
    }

    /// A server whose log nobody reads.
    pub fn quiet(arguments: &[&str]) -> Self {
        Self::spawn(framehub(arguments).stderr(Stdio::null()))
    }

    /// A server whose output a test does not read.
    pub fn silent(command: &mut Command) -> Self {
        let child = command.spawn().expect("it starts");
        Self { child, stdout: None, line: String::new() }
    }

    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("it starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        Self { child, stdout: Some(stdout), line }
    }

    pub fn address(&self) -> SocketAddr {
        let url = self.line.split_whitespace().last().expect("a URL");
        url.split('/').nth(2).and_then(|address| address.parse().ok()).expect("an address")
    }

    /// What it logs, to be read from now on.
    pub fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("piped")
    }

    /// The sum of the series whose lines begin so.
    pub fn metric(&self, series: &str) -> f64 {
        Self::metric_at(self.address(), series)
    }

    /// The same of a server that did not say where it is.
    pub fn metric_at(address: SocketAddr, series: &str) -> f64 {
        let request = format!(
            "GET /metrics HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n\r\n"
        );
        let answer = raw(address, &request);
        let text = String::from_utf8(answer.body).expect("text");
        let values = text.lines().filter(|line| line.starts_with(series));
        values
            .map(|line| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).expect(line))
            .sum()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Memory that the process has, in KB.
    pub fn resident_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Files and connections that the process has open.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs").count()
    }

    /// Ends it; what it logged.
    pub fn log(mut self) -> String {
        self.signal("TERM");
        self.child.wait().expect("it ends");
        let mut log = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut log).expect("text");
        log
    }

    /// Ends it by a signal; with which code.
    pub fn ended_by(&mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.child.wait().expect("it ends").code()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs").success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_prints_its_address_and_a_signal_ends_it_well() {
    for signal in ["TERM", "INT", "HUP"] {
        let mut running = Running::start(&["--listen", "127.0.0.1:0", "--key", KEY, "--log-format", "json"]);
        let address = running.address();
        let expected = format!("FrameHub {} is at http://127.0.0.1:", env!("CARGO_PKG_VERSION"));
        assert!(running.line.starts_with(&expected), "{}", running.line);
        let mut view =
            Browser::connect(address, "/api/widgets/square/view").expect("connected").sized(64, 64, 1.0);
        view.frame();
        running.signal(signal);
        assert_eq!(view.close_code(), 1001);
        assert_eq!(running.child.wait().expect("it ends").code(), Some(0), "after SIG{signal}");
        let mut rest = String::new();
        running.stdout.take().expect("piped").read_to_string(&mut rest).expect("text");
        assert_eq!(rest, "Its key is the configured one.\n");
        let mut log = String::new();
        running.child.stderr.take().expect("piped").read_to_string(&mut log).expect("text");
        assert!(!log.is_empty() && !log.contains(KEY), "{log}");
        for line in log.lines() {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        }
    }
}

#[test]
fn a_server_that_runs_as_root_says_so() {
    let log = Running::start(&["--listen", "127.0.0.1:0", "--key", KEY, "--no-demos"]).log();
    assert_eq!(log.contains("runs as root"), rustix::process::geteuid().is_root(), "{log}");
}

#[test]
fn a_key_file_that_others_may_write_or_that_holds_no_key_stops_the_server() {
    let folder = std::env::temp_dir().join(format!("framehub-test-{}", framehub::random::random_id()));
    let path = folder.join("key");
    let file = path.to_str().expect("a path");
    let arguments = ["--listen", "127.0.0.1:0", "--no-demos", "--key-file", file];
    drop(Running::quiet(&arguments));
    let key = fs::read_to_string(&path).expect("a key");
    let fails_with = |what: &str| {
        let (output, error) = output(&arguments);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(file) && error.contains(what), "{error}");
    };
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("set");
    fails_with("chmod 600");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("set");
    fails_with("folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("set");
    // What a disk that was full once left behind.
    fs::write(&path, "").expect("written");
    fails_with("remove it");
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "");
    fs::write(folder.join("other"), &key).expect("written");
    fs::remove_file(&path).expect("removed");
    std::os::unix::fs::symlink(folder.join("other"), &path).expect("linked");
    fails_with("symbolic link");
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn the_key_is_printed_where_it_is_asked_for_and_else_only_where_it_is() {
    let folder = std::env::temp_dir().join(format!("framehub-test-{}", framehub::random::random_id()));
    let file = folder.join("key");
    let kept = ["--listen", "127.0.0.1:0", "--key-file", file.to_str().expect("a path")];
    let mut running = Running::start(&kept);
    let mut line = String::new();
    running.stdout.as_mut().expect("piped").read_line(&mut line).expect("a line");
    let key = fs::read_to_string(&file).expect("a key");
    assert_eq!(line, format!("Its key is in {}.\n", file.display()));
    assert!(!running.line.contains("key"), "{}", running.line);
    assert!(!running.log().contains(&key));
    let told = Running::start(&[&kept[..], &["--print-key"]].concat());
    assert!(told.line.trim_end().ends_with(&format!("/?key={key}")), "{}", told.line);
    let told = Running::spawn(framehub(&kept).env("FRAMEHUB_PRINT_KEY", "true"));
    assert!(told.line.contains(&key), "{}", told.line);
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn who_reads_the_runtime_file_can_have_its_server_prove_itself() {
    let folder = std::env::temp_dir().join(format!("framehub-test-{}", framehub::random::random_id()));
    let path = folder.join("server.json");
    let file = path.to_str().expect("a path");
    let running = Running::quiet(&["--listen", "127.0.0.1:0", "--key", KEY, "--runtime-file", file]);
    let json: Value = serde_json::from_slice(&fs::read(&path).expect("the file")).expect("JSON");
    let secret = json["proof"].as_str().expect("a proof");
    assert!(secret.len() >= 32 && !secret.contains(KEY), "{secret}");
    let health = |running: &Running, query: &str| {
        let host = running.address();
        let request = format!("GET /health{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        raw(host, &request).expect(200)
    };
    let answer = |nonce: &str| health(&running, &format!("?nonce={nonce}"))["proof"].clone();
    let (one, other) = (answer("0123456789abcdef"), answer("0123456789abcdeg"));
    assert!(one.is_string() && other.is_string() && one != other, "{one} {other}");
    assert_eq!(
        health(&running, ""),
        serde_json::json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})
    );
    assert_eq!(answer("short"), Value::Null);
    drop(running);
    fs::remove_dir_all(&folder).expect("removed");
    // One of which no file tells has nothing to prove.
    let alone = Running::quiet(&["--listen", "127.0.0.1:0", "--key", KEY]);
    assert_eq!(health(&alone, "?nonce=0123456789abcdef")["proof"], Value::Null);
}

#[test]
fn failed_attempts_to_sign_in_are_in_the_log_with_their_address() {
    let running = Running::start(&["--listen", "127.0.0.1:0", "--key", KEY]);
    for _ in 0..40 {
        let request = format!(
            "GET /api/kinds HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer wrong-key-of-tests\r\nConnection: close\r\n\r\n",
            running.address()
        );
        raw(running.address(), &request);
    }
    let log = running.log();
    let lines: Vec<_> =
        log.lines().filter(|line| line.contains("failed to sign in client=127.0.0.1 ")).collect();
    assert!((1..=10).contains(&lines.len()) && lines[0].contains("WARN"), "{log}");
    assert!(!log.contains("wrong-key-of-tests"), "{log}");
}

#[test]
fn the_runtime_file_says_where_it_is_and_goes_with_it() {
    let folder = std::env::temp_dir().join(format!("framehub-test-{}", framehub::random::random_id()));
    let path = folder.join("server.json");
    let file = path.to_str().expect("a path");
    let mut running = Running::start(&["--listen", "127.0.0.1:0", "--key", KEY, "--runtime-file", file]);
    // Once the address is printed the file is there.
    let json: Value = serde_json::from_slice(&fs::read(&path).expect("the file")).expect("JSON");
    let url = json["url"].as_str().expect("a URL");
    assert!(running.line.trim_end().ends_with(url), "{url} {}", running.line);
    assert_eq!((&json["key"], &json["pid"]), (&KEY.into(), &running.child.id().into()));
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    running.signal("TERM");
    assert_eq!(running.child.wait().expect("it ends").code(), Some(0));
    assert!(!path.exists());
    let (output, error) =
        output(&["--listen", "127.0.0.1:0", "--runtime-file", folder.to_str().expect("a path")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("--runtime-file"), "{error}");
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn it_ends_when_unused_and_not_while_a_view_is_open() {
    let mut running = Running::start(&["--listen", "127.0.0.1:0", "--key", KEY, "--exit-when-unused", "0.5"]);
    let url = running.line.split_whitespace().last().expect("a URL").to_owned();
    let address = url.split('/').nth(2).expect("an address").parse().expect("an address");
    let mut view =
        Browser::connect(address, "/api/widgets/square/view").expect("connected").sized(64, 64, 1.0);
    // Longer than the limit: the server pings every two seconds.
    view.pings(1);
    assert!(running.child.try_wait().expect("a status").is_none(), "it ended in use");
    drop(view);
    assert_eq!(running.child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn the_log_says_which_request_and_which_view_a_line_belongs_to_and_holds_no_key() {
    let arguments = ["--listen", "127.0.0.1:0", "--key", KEY, "--log-format", "json"];
    let mut running = Running::spawn(framehub(&arguments).env("RUST_LOG", "framehub=debug"));
    let request = format!(
        "GET /api/widgets/none?key={KEY} HTTP/1.1\r\nHost: {0}\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n\r\n",
        running.address()
    );
    raw(running.address(), &request);
    let path = "/api/widgets/square/view?role=watch";
    let mut view = Browser::connect(running.address(), path).expect("connected").sized(64, 64, 1.0);
    view.frame();
    running.signal("TERM");
    assert_eq!(view.close_code(), 1001);
    let mut log = String::new();
    running.child.stderr.take().expect("piped").read_to_string(&mut log).expect("text");
    assert!(!log.contains(KEY), "{log}");
    let line = |message: &str| {
        let mut lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
        lines
            .find(|line| line["fields"]["message"] == message)
            .unwrap_or_else(|| panic!("no {message}: {log}"))
    };
    let answered = line("answered");
    let (span, status) = (&answered["span"], &answered["fields"]["status"]);
    assert_eq!(
        (&span["name"], &span["method"], &span["path"], status),
        (&"request".into(), &"GET".into(), &"/api/widgets/none".into(), &404.into())
    );
    for message in ["joined", "left"] {
        let span = &line(message)["span"];
        let [name, view, widget, kind, role] =
            ["name", "view", "widget", "kind", "role"].map(|key| &span[key]);
        assert_eq!([name, view, widget, kind, role], ["view", "v1", "square", "square", "Watch"]);
    }
}

#[test]
fn the_log_says_what_was_refused_with_the_reason_and_not_each_time() {
    let running = Running::start(&["--listen", "127.0.0.1:0", "--key", KEY, "--max-views", "1"]);
    let path = "/api/widgets/square/view";
    let mut first = Browser::connect(running.address(), path).expect("connected").sized(64, 64, 1.0);
    first.frame();
    for _ in 0..3 {
        let refused = Browser::connect(running.address(), path).expect("connected").text("close", |_| true);
        assert_eq!(refused["reason"], "max_views");
        let request = format!(
            "DELETE /api/widgets/square HTTP/1.1\r\nHost: {}\r\nOrigin: https://course.example.org\r\nAuthorization: Bearer {KEY}\r\n\
             Connection: close\r\n\r\n",
            running.address()
        );
        raw(running.address(), &request).error(403, "origin");
    }
    let log = running.log();
    for words in [&["max_views", "--max-views"], &["https://course.example.org", "--allow-origin"]] {
        let lines = log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count();
        assert_eq!(lines, 1, "{words:?}: {log}");
    }
}

#[test]
fn bad_flags_end_it_with_what_to_write_instead() {
    for (arguments, message) in [
        (&["--listen", "8420"][..], "--listen"),
        (&["--key", "short"], "at least 16 characters"),
        (&["--auth", "none", "--listen", "0.0.0.0:0"], "--auth none lets everyone in"),
        (&["--lisen", "127.0.0.1:0"], "--listen"),
        (
            &["--listen", "127.0.0.1:0", "--key", KEY, "--kinds", "squares"],
            "--kinds: no kind `squares`: use one of",
        ),
    ] {
        let (output, error) = output(arguments);
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        assert!(error.contains(message), "{arguments:?}: {error}");
    }
}

#[test]
fn an_address_that_is_taken_is_told_with_a_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (output, error) = output(&["--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains(&address) && error.contains("--listen"), "{error}");
}

#[test]
fn help_groups_the_flags_and_names_their_variables() {
    let (output, _) = output(&["--help"]);
    let help = String::from_utf8(output.stdout).expect("text");
    for word in [
        "Network:",
        "Access:",
        "Widgets:",
        "Limits:",
        "Logging:",
        "Process:",
        "FRAMEHUB_LISTEN",
        "FRAMEHUB_KEY",
        "FRAMEHUB_PRINT_KEY",
        "--max-views",
    ] {
        assert!(help.contains(word), "{word} is not in the help");
    }
    assert_eq!(
        help.matches("      --").count(),
        help.matches("[env: FRAMEHUB_").count(),
        "a flag without a variable"
    );
}

#[test]
fn the_readme_names_every_flag_and_variable() {
    let readme = include_str!("../../README.md");
    let (output, _) = output(&["--help"]);
    let help = String::from_utf8(output.stdout).expect("text");
    let flags = help.lines().filter_map(|line| line.strip_prefix("      --")?.split(' ').next());
    let variables =
        help.lines().filter_map(|line| line.split("[env: FRAMEHUB_").nth(1)?.split([']', '=']).next());
    let mut names = 0;
    for name in
        flags.map(|flag| format!("`--{flag}")).chain(variables.map(|name| format!("`FRAMEHUB_{name}`")))
    {
        assert!(readme.contains(&name), "{name} is not in the README");
        names += 1;
    }
    assert!(names >= 42, "only {names} flags and variables were found in the help");
}
