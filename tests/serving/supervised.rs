//! The program under a supervisor: its socket comes from there, and it says how it is.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    browser::Browser,
    http::raw,
    program::{Running, framehub},
    server::{KEY, PATIENCE, wait_for},
};

/// A server that is handed a socket as systemd does, as descriptor 3.
fn on(listener: &TcpListener) -> Command {
    let script = r#"export LISTEN_FDS=1 LISTEN_PID=$$; exec "$0" "$@" 3<&0 </dev/null"#;
    let mut command = Command::new("/bin/sh");
    let socket = OwnedFd::from(listener.try_clone().expect("a descriptor"));
    // Nobody listens on that address.
    command.args(["-c", script, env!("CARGO_BIN_EXE_framehub"), "--listen", "192.0.2.1:1", "--key", KEY]);
    command.env_clear().stdin(socket).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn status(address: SocketAddr, path: &str) -> u16 {
    raw(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")).status
}

#[test]
fn no_connection_is_refused_while_a_supervisor_that_holds_the_socket_starts_the_server_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut server = Running::spawn(&mut on(&listener));
    assert_eq!(server.address(), address);
    let mut view =
        Browser::connect(address, "/api/widgets/square/view").expect("connected").sized(64, 64, 1.0);
    view.frame();
    let answered = Arc::new(AtomicUsize::new(0));
    let asking = std::thread::spawn({
        let answered = Arc::clone(&answered);
        move || {
            for _ in 0..1000 {
                assert_eq!(status(address, "/health"), 200);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    for begun in [100, 400, 700] {
        wait_for("the next upgrade", || (answered.load(Ordering::Relaxed) >= begun).then_some(()));
        assert_eq!(server.ended_by("TERM"), Some(0));
        server = Running::spawn(&mut on(&listener));
    }
    asking.join().expect("every request is answered");
    assert_eq!(view.close_code(), 1001);
    let mut again =
        Browser::connect(address, "/api/widgets/square/view").expect("connected").sized(64, 64, 1.0);
    again.frame();
}

#[test]
fn a_supervisor_is_told_when_the_server_is_ready_that_it_lives_and_that_it_stops() {
    let folder = std::env::temp_dir().join(format!("framehub-test-{}", framehub::random::random_id()));
    std::fs::create_dir(&folder).expect("a folder");
    let path = folder.join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("an option");
    let next = || {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
    };
    let mut command = framehub(&["--listen", "127.0.0.1:0", "--key", KEY]);
    let mut server = Running::spawn(command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000"));
    assert_eq!(status(server.address(), "/ready"), 200);
    assert_eq!([next(), next(), next()], ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
    assert_eq!(server.ended_by("TERM"), Some(0));
    while next() != "STOPPING=1" {}
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn a_second_signal_ends_at_once_a_server_that_waits_for_a_request() {
    let mut server = Running::spawn(&mut framehub(&["--listen", "127.0.0.1:0", "--key", KEY]));
    let address = server.address();
    let mut held = TcpStream::connect(address).expect("a connection");
    let request = format!(
        "POST /api/widgets HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 100\r\n\r\n{{"
    );
    held.write_all(request.as_bytes()).expect("sent");
    // That request came before this one, which is answered.
    assert_eq!(status(address, "/health"), 200);
    let mut log = BufReader::new(server.stderr()).lines();
    let mut says = |what: &str| log.any(|line| line.expect("text").contains(what));
    server.signal("HUP");
    assert!(says("stopping"));
    assert_eq!(server.ended_by("HUP"), Some(0));
    assert!(says("stopping at once"));
}

#[test]
fn a_program_that_is_to_outlive_its_terminal_does() {
    let script = r#"trap "" HUP; exec "$0" "$@""#;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_framehub"), "--listen", "127.0.0.1:0", "--key", KEY]);
    let mut server =
        Running::spawn(command.env_clear().stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::null()));
    server.signal("HUP");
    assert_eq!(status(server.address(), "/health"), 200);
    assert_eq!(server.ended_by("TERM"), Some(0));
}
