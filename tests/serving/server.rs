//! A server for a test: in this process, on a thread and a port of its own.

use std::{
    net::SocketAddr,
    sync::mpsc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use actix::System;
use framehub::{Config, Server, WidgetHandle, hub::Hub};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use crate::{
    browser::Browser,
    probe::{self, Probe},
};

/// Longest wait for a condition that must come true; only a failing test waits so long.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const KEY: &str = "key-of-the-tests";

pub struct TestServer {
    pub address: SocketAddr,
    pub hub: Hub,
    /// Where the metrics are besides, if the configuration says so.
    pub metrics: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What tests usually start with: no demos, any free port, a known key.
pub fn config() -> Config {
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        key: Some(KEY.to_owned()),
        no_demos: true,
        ..Config::default()
    }
}

impl TestServer {
    pub fn start() -> Self {
        Self::with(config())
    }

    pub fn with(config: Config) -> Self {
        let (started, start) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            System::new().block_on(async move {
                let server = Server::new(config).demos().kind(probe::kind());
                let running = server.start().await.expect("the server starts");
                let metrics = running.metrics.as_ref().map(|metrics| metrics.address);
                started.send((running.address, metrics, running.hub.clone())).expect("the test waits");
                let _ = stopped.await;
                running.stop().await.expect("the server stops well");
            });
        });
        let (address, metrics, hub) = start.recv_timeout(PATIENCE).expect("the server starts");
        Self { address, hub, metrics, stop: Some(stop), thread: Some(thread) }
    }

    /// Makes a probe with these traits.
    pub fn probe(&self, traits: Value) -> Probe {
        let body = json!({"kind": "probe", "traits": traits});
        let made = self.request("POST", "/api/widgets", Some(body)).expect(201);
        Probe::of(made["id"].as_str().expect("an id"))
    }

    /// A browser that shows a widget.
    pub fn view(&self, widget: &str) -> Browser {
        self.view_with(widget, "")
    }

    /// A browser that shows a widget, with a query such as `?role=watch`.
    pub fn view_with(&self, widget: &str, query: &str) -> Browser {
        Browser::connect(self.address, &format!("/api/widgets/{widget}/view{query}"))
            .expect("the view connects")
    }

    pub fn handle(&self, widget: &str) -> WidgetHandle {
        self.hub.registry().get(widget).expect("the widget exists")
    }

    pub fn stats(&self, widget: &str) -> Value {
        self.request("GET", &format!("/api/widgets/{widget}/stats"), None).expect(200)
    }

    pub fn set_traits(&self, widget: &str, traits: Value) {
        self.request("PATCH", &format!("/api/widgets/{widget}"), Some(json!({"traits": traits}))).expect(200);
    }

    /// Begins to stop the server.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the server ends without a panic");
            }
        }
    }
}

/// Waits until `condition` gives a value.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A map of traits.
pub fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}
