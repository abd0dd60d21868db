//! A server in the benchmark's process, whose widgets draw what they are told.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix_web::rt::time::sleep;
use framehub::{Config, Frame, Kind, KindError, Server, WidgetHandle, config::Auth, hub::Hub};
use serde_json::json;

use super::reel::Reel;

/// JPEG quality of the widgets.
pub const QUALITY: u8 = 80;
/// Longest wait for views to come or go.
const PATIENCE: Duration = Duration::from_secs(20);

/// Most widgets at once.
const MAX_WIDGETS: usize = 2000;

/// The server.
#[derive(Clone)]
pub struct Reels {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its widgets.
    pub hub: Hub,
    /// What the next widget draws.
    frames: Arc<Mutex<Vec<Frame>>>,
}

impl Reels {
    /// Starts it.
    pub async fn start() -> Self {
        let config = Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            auth: Auth::None,
            no_demos: true,
            max_widgets: MAX_WIDGETS,
            ..Config::default()
        };
        let frames = Arc::new(Mutex::new(Vec::new()));
        let shown = Arc::clone(&frames);
        let kind = Kind::new("reel", move |widget, options| {
            let pace = Duration::from_millis(options.integer("pace", 0..=4096)?);
            let frames = shown.lock().expect("nobody panics").clone();
            Ok::<_, KindError>(Reel::new(widget, frames, pace))
        })
        .option("pace", 0, "in milliseconds");
        let running = Server::new(config).demos().kind(kind).start().await.expect("the server starts");
        Self { address: running.address, hub: running.hub.clone(), frames }
    }

    /// What the next widget draws.
    pub fn show(&self, frames: &[Frame]) {
        frames.clone_into(&mut self.frames.lock().expect("nobody panics"));
    }

    /// A widget that draws one frame after the other, with at least so much time between.
    pub async fn reel(&self, pace: Duration) -> WidgetHandle {
        let pace = u64::try_from(pace.as_millis()).expect("a short time");
        let options = json!({ "pace": pace }).as_object().cloned().unwrap_or_default();
        let traits = json!({"quality": QUALITY, "adaptive": false}).as_object().cloned().unwrap_or_default();
        self.hub.create("reel", None, options, &traits).await.expect("the widget is made")
    }

    /// The widget of that id.
    pub fn widget(&self, id: &str) -> WidgetHandle {
        self.hub.registry().get(id).expect("the widget is there")
    }

    /// Frames drawn, and confirmed frames and bytes of each view, so far.
    pub async fn counts(&self, widget: &WidgetHandle) -> (u64, Vec<(u64, u64)>) {
        let report = self.hub.report(widget).await.expect("the widget is there");
        let views = report.views.iter().map(|view| (view.stats.confirmed_frames, view.bytes)).collect();
        (report.drawn_frames, views)
    }

    /// Waits until what [`Reels::counts`] says of the views is as wished.
    pub async fn wait(&self, what: &str, widget: &WidgetHandle, condition: impl Fn(&[(u64, u64)]) -> bool) {
        let start = Instant::now();
        loop {
            let (_, views) = self.counts(widget).await;
            if condition(&views) {
                return;
            }
            let without = views.iter().filter(|(frames, _)| *frames == 0).count();
            assert!(
                start.elapsed() < PATIENCE,
                "waited in vain: {what}; {} views, {without} of them without a frame",
                views.len()
            );
            sleep(Duration::from_millis(10)).await;
        }
    }
}
