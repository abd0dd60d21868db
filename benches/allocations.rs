//! Who allocates large memory for each frame, and how much.
//!
//! ```sh
//! cargo bench --bench allocations             # half a minute; -- --quick: ten seconds
//! ```
//!
//! How to read the table: `benches/README.md`.

#![expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]

mod common;

use std::{collections::BTreeMap, time::Duration};

use actix::System;
use actix_web::rt::{task::spawn_blocking, time::sleep};
use common::{
    Table,
    browsers::{self, Browsers},
    kernel::Kernel,
    server::Reels,
    workloads::Workload,
};
use serde::Deserialize;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const SIZE: (u32, u32) = (1920, 1080);
/// Time between two draws: the allocator finds out who calls it, and is slow.
const PACE: Duration = Duration::from_millis(100);
/// Allocations of fewer bytes are not looked at.
const LARGE: u64 = 64 << 10;
/// Where the allocator writes its profile.
const FILE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/allocations.json");
/// Whose code only hands on what others ask for.
const GO_BETWEENS: [&str; 9] =
    ["__rustc", "alloc", "backtrace", "bytes", "core", "dhat", "hashbrown", "std", "tokio_util"];

fn main() {
    if browsers::are_here() {
        return;
    }
    let frames = if std::env::args().any(|argument| argument == "--quick") { 10 } else { 50 };
    System::new().block_on(async move {
        let server = Reels::start().await;
        let mut table = Table::new(["workload", "who", "for", "times a frame", "KB a frame"]);
        let rows = Workload::ALL.map(|workload| (workload, false));
        for (workload, by_kernel) in rows.into_iter().chain([(Workload::Drag, true), (Workload::Noise, true)])
        {
            let (drawn, points) = profile(&server, workload, by_kernel, frames).await;
            let name = format!("{}{}", workload.name(), if by_kernel { ", of a kernel" } else { "" });
            let large = large(&points);
            if large.is_empty() {
                table.row([name.clone(), "nobody".into(), String::new(), "0".into(), "0".into()]);
            }
            for ((who, what), (blocks, bytes)) in large {
                table.row([
                    name.clone(),
                    who,
                    what,
                    format!("{:.2}", blocks as f64 / drawn as f64),
                    format!("{:.0}", bytes as f64 / 1024.0 / drawn as f64),
                ]);
            }
        }
        let (width, height) = SIZE;
        table
            .print(&format!("{width}×{height}, one view: allocations of 64 KB or more in the steady state."));
    });
}

/// What an allocator's profile says.
#[derive(Deserialize)]
struct Profile {
    #[serde(rename = "pps")]
    points: Vec<Point>,
    /// The places in the code.
    #[serde(rename = "ftbl")]
    places: Vec<String>,
}

/// A place from which memory was asked for.
#[derive(Deserialize)]
struct Point {
    #[serde(rename = "tb")]
    bytes: u64,
    #[serde(rename = "tbk")]
    blocks: u64,
    /// Who called whom, the innermost first, by their numbers among the places.
    #[serde(rename = "fs")]
    callers: Vec<usize>,
}

/// Frames drawn, and all allocations meanwhile.
async fn profile(server: &Reels, workload: Workload, by_kernel: bool, frames: u64) -> (u64, Profile) {
    let pictures = workload.frames(SIZE);
    let kernel = if by_kernel {
        let (address, pictures) = (server.address, pictures.clone());
        Some(spawn_blocking(move || Kernel::start(address, pictures, PACE)).await.expect("it starts"))
    } else {
        None
    };
    server.show(&pictures);
    let widget = match &kernel {
        Some(kernel) => server.widget(&kernel.widget),
        None => server.reel(PACE).await,
    };
    let browsers = Browsers::start(server.address, widget.id(), 1, SIZE);
    // Each picture of the reel has come by, so that all memory that goes round is there.
    let confirmed = |least: u64| move |views: &[(u64, u64)]| views.iter().any(|view| view.0 >= least);
    let still = workload == Workload::Still;
    server.wait("the view has frames", &widget, confirmed(if still { 1 } else { 20 })).await;
    let profiler = dhat::Profiler::builder().trim_backtraces(None).file_name(FILE).build();
    let (before, _) = server.counts(&widget).await;
    while server.counts(&widget).await.0 < before + frames {
        sleep(PACE).await;
    }
    let (drawn, _) = server.counts(&widget).await;
    drop(profiler);
    drop(browsers);
    server.wait("the view is gone", &widget, <[_]>::is_empty).await;
    widget.close();
    if let Some(kernel) = kernel {
        spawn_blocking(|| kernel.join()).await.expect("it ends well");
    }
    let profile = std::fs::read(FILE).expect("the allocator has written its profile");
    (drawn - before, serde_json::from_slice(&profile).expect("the allocator's profile is JSON"))
}

/// Blocks and bytes of large allocations, by the crate that asked for them and the function.
fn large(profile: &Profile) -> BTreeMap<(String, String), (u64, u64)> {
    let mut large = BTreeMap::new();
    for point in profile.points.iter().filter(|point| point.bytes / point.blocks.max(1) >= LARGE) {
        let functions = point.callers.iter().map(|&place| function(&profile.places[place]));
        let mut owners = functions.filter(|(owner, _)| !GO_BETWEENS.contains(owner));
        let (owner, function) = owners.next().unwrap_or(("unknown", String::new()));
        let sum: &mut (u64, u64) = large.entry((owner.to_owned(), function)).or_default();
        sum.0 += point.blocks;
        sum.1 += point.bytes;
    }
    large
}

/// The crate of a place, and the type and function in it. A place reads `0x1234: <crate::a::B<C> as other::D>::function (file:line:column)`.
fn function(place: &str) -> (&str, String) {
    let name = place.split_once(": ").map_or(place, |(_, name)| name);
    let name = name.rsplit_once(" (").map_or(name, |(name, _)| name);
    let path = name.trim_start_matches(['<', '&']);
    let end = path.find(" as ").or_else(|| path.find(['<', '>'])).unwrap_or(path.len());
    let (_, method) = path.rsplit_once("::").unwrap_or(("", path));
    let method = if end < path.len() { method } else { "" };
    let mut segments = path[..end].split("::");
    let owner = segments.next().unwrap_or("unknown");
    let within = segments.filter(|segment| !segment.is_empty()).chain([method]);
    (owner, within.filter(|segment| !segment.is_empty()).collect::<Vec<_>>().join("::"))
}
