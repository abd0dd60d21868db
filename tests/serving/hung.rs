//! Renderers that never come back.

use std::thread::available_parallelism;

use framehub::Config;
use serde_json::json;

use crate::server::{TestServer, config};

/// As many blocking calls a runtime makes at a time unless it is told otherwise.
const BLOCKING_CALLS: usize = 512;
/// Most threads that decide for widgets, each with a runtime of its own.
const MAX_ARBITERS: usize = 4;

#[test]
fn renderers_that_hang_hold_up_no_other_however_many_they_are() {
    let arbiters = available_parallelism().map_or(1, usize::from).min(MAX_ARBITERS);
    let hung = arbiters * (BLOCKING_CALLS + 1);
    let server = TestServer::with(Config { max_widgets: hung + 1, ..config() });
    let hanging: Vec<_> = (0..hung)
        .map(|_| {
            let probe = server.probe(json!({}));
            probe.hold_draws();
            (server.view(probe.id()).sized(8, 8, 1.0), probe)
        })
        .collect();
    for (_, probe) in &hanging {
        probe.waits();
    }
    let other = server.probe(json!({}));
    server.view(other.id()).sized(20, 10, 1.0).frame();
    assert_eq!(server.request("GET", "/metrics", None).status, 200);
    for (_, probe) in &hanging {
        probe.release();
    }
}
