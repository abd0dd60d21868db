//! The handle of a widget: the seed's methods, for the widget's renderer and for the program around it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use actix::Addr;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use crate::{
    Frame,
    actors::{
        view::Viewer,
        widget::{self, Widget},
    },
    clock::unix_now,
    event::ViewId,
    quota::{Account, OverMemory, Places, Quota},
    render::Options,
    sharing::Shares,
    stats::{Stats, StatsSummary},
    traits::{TraitError, Traits},
};

/// What a widget is, for its whole life.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Names the widget in URLs.
    pub id: String,
    /// No other widget of this process has it, not even a later one of the same id.
    pub number: u64,
    /// The kind that made it.
    pub kind: String,
    /// The user it belongs to; `None` where there are no users.
    pub owner: Option<String>,
    /// When it was made, Unix time in seconds.
    pub created: f64,
    /// The options it was made with.
    pub options: Options,
}

/// The frames that do not come from a draw of this process, which are numbered.
#[derive(Debug, Default)]
pub(crate) struct Pushed {
    /// The number of the last one.
    pub last: u64,
    /// The last one that a program pushed, and its number, until the actor takes it.
    pub waiting: Option<(u64, Frame)>,
}

impl Pushed {
    /// The number of one that comes now.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

/// Snapshots of a widget that are given out over HTTP at a time: so many to its owner, and as many to all others together, so that these
/// keep the owner from none.
#[derive(Debug)]
pub(crate) struct SnapshotPlaces {
    pub owners: Places,
    pub others: Places,
}

/// Most of each: the next one is drawn and encoded while one is on its way.
const SNAPSHOTS: usize = 2;

impl Default for SnapshotPlaces {
    fn default() -> Self {
        Self { owners: Places::new(SNAPSHOTS), others: Places::new(SNAPSHOTS) }
    }
}

/// What a widget's actor and its handles share: read at once from any thread, without a message.
#[derive(Debug)]
pub(crate) struct Shared {
    pub identity: Identity,
    /// What the user it belongs to takes of the server.
    pub quota: Arc<Quota>,
    /// Whether a draw is asked for and not begun. Any number of requests before the draw are one draw.
    pub draw_requested: AtomicBool,
    /// Whether the program of the kernel that draws asks for a draw; whether it still does, it says at the end of each turn.
    pub kernel_requested: AtomicBool,
    pub pushed: Mutex<Pushed>,
    pub traits: Mutex<Traits>,
    pub stats: Mutex<Stats>,
    /// Whether it is closed, or told to be.
    pub closed: AtomicBool,
    /// With whom the owner shares the widget.
    pub shares: Shares,
    /// For snapshots over HTTP.
    pub snapshots: SnapshotPlaces,
    /// The owner's notebook server whose kernel draws, empty for the default one; `None` if none is known to.
    pub notebook_server: Mutex<Option<String>>,
}

impl Shared {
    pub fn new(
        id: String,
        kind: String,
        quota: Arc<Quota>,
        options: Options,
        traits: Traits,
        shares: Shares,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let owner = quota.owner().map(str::to_owned);
        Self {
            identity: Identity { id, number, kind, owner, created: unix_now(), options },
            quota,
            draw_requested: AtomicBool::new(false),
            kernel_requested: AtomicBool::new(false),
            pushed: Mutex::default(),
            traits: Mutex::new(traits),
            stats: Mutex::new(Stats::default()),
            closed: AtomicBool::new(false),
            shares,
            snapshots: SnapshotPlaces::default(),
            notebook_server: Mutex::new(None),
        }
    }

    /// Whether a view is the owner's: by name, by the key, or through the owner's kernel and notebook.
    pub fn is_owners(&self, viewer: &Viewer) -> bool {
        match viewer {
            Viewer::Anyone | Viewer::Ticket | Viewer::Kernel => true,
            Viewer::User(name) => self.identity.owner.as_ref() == Some(name),
            Viewer::Link => false,
        }
    }

    /// Whether somebody asked for a draw that has not begun.
    pub fn is_draw_requested(&self) -> bool {
        self.draw_requested.load(Ordering::Acquire) || self.kernel_requested.load(Ordering::Acquire)
    }
}

/// Why there is no snapshot.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SnapshotError {
    /// The pixel ratio is not a sensible number.
    #[error("pixel_ratio {0} is out of range: use a number from 0.1 to 20")]
    Ratio(f64),
    /// The image would have too many pixels.
    #[error("a snapshot of {pixels} pixels is larger than the limit of {max}: use a smaller pixel_ratio")]
    TooLarge {
        /// Pixels asked for.
        pixels: u64,
        /// Pixels allowed.
        max: u64,
    },
    /// The image would be too long.
    #[error(
        "a snapshot of {pixels} pixels a side is longer than the limit of {max}: use a smaller pixel_ratio"
    )]
    TooLong {
        /// Pixels asked for on the longer side.
        pixels: u32,
        /// Pixels allowed.
        max: u32,
    },
    /// The renderer has not made any frame.
    #[error("the widget has no frame: its renderer returned none")]
    NoFrame,
    /// The kernel that draws the widget is gone, and left no frame.
    #[error("the kernel that draws the widget is gone and has left no frame: run it again")]
    Gone,
    /// The renderer failed.
    #[error("the renderer failed: {0}")]
    Failed(String),
    /// The renderer is busy, and many wait for a snapshot already.
    #[error("{0} snapshots wait for the renderer, which is the limit: try again later")]
    Busy(usize),
    /// There is no memory for it.
    #[error(transparent)]
    Memory(#[from] OverMemory),
    /// The widget was closed meanwhile.
    #[error("the widget is closed")]
    Closed,
}

/// A widget, from outside. Clones are handles of the same widget; all methods may be called from any thread, from within the
/// widget's own renderer too. After the widget is closed they do nothing.
#[derive(Clone)]
pub struct WidgetHandle {
    shared: Arc<Shared>,
    widget: Addr<Widget>,
}

impl WidgetHandle {
    pub(crate) fn new(shared: Arc<Shared>, widget: Addr<Widget>) -> Self {
        Self { shared, widget }
    }

    pub(crate) fn addr(&self) -> &Addr<Widget> {
        &self.widget
    }

    /// Names the widget in URLs.
    pub fn id(&self) -> &str {
        &self.shared.identity.id
    }

    /// What the widget is.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// Places for snapshots over HTTP.
    pub(crate) fn snapshots(&self) -> &SnapshotPlaces {
        &self.shared.snapshots
    }

    /// With whom the owner shares the widget.
    pub(crate) fn shares(&self) -> &Shares {
        &self.shared.shares
    }

    /// The owner's notebook server whose kernel draws.
    pub(crate) fn notebook_server(&self) -> Option<String> {
        self.shared.notebook_server.lock().clone()
    }

    /// From now on a kernel of that notebook server draws.
    pub(crate) fn set_notebook_server(&self, name: Option<String>) {
        *self.shared.notebook_server.lock() = name;
    }

    /// Asks for a draw: `get_frame` is called once a visible view is ready for a frame. Returns at once; any number of
    /// requests before the draw are one draw.
    pub fn request_draw(&self) {
        if !self.shared.draw_requested.swap(true, Ordering::AcqRel) {
            self.widget.do_send(widget::DrawRequested);
        }
    }

    /// Makes `frame` what the views show, without `get_frame`. It goes through the same credits as any frame: of frames pushed
    /// faster than a view can show, the view gets the latest. Empty frames are ignored.
    ///
    /// # Errors
    /// When there is no memory for it, not even that of the frame which was pushed before and waits: the views keep what they show.
    pub fn send_frame(&self, frame: Frame) -> Result<(), OverMemory> {
        let (account, bytes) = (self.shared.quota.memory(), frame.pixels().len());
        let charge = account.charge(bytes).or_else(|over| {
            let waited = self.shared.pushed.lock().waiting.take();
            waited.map(drop).ok_or(over).and_then(|()| account.charge(bytes))
        })?;
        self.push(frame.charged(charge));
        Ok(())
    }

    /// Makes a frame that is charged already what the views show.
    pub(crate) fn push(&self, frame: Frame) {
        if frame.is_empty() {
            return;
        }
        let is_only_one = {
            let mut pushed = self.shared.pushed.lock();
            let number = pushed.number();
            pushed.waiting.replace((number, frame)).is_none()
        };
        if is_only_one {
            self.widget.do_send(widget::FramePushed);
        }
    }

    /// The widget's picture now, at the given pixel ratio or the one it has. Works without any view: the renderer is asked
    /// for a frame when there is none that fits.
    ///
    /// # Errors
    /// When the ratio is out of range, the picture too large, or the renderer has none.
    pub async fn snapshot(&self, pixel_ratio: Option<f64>) -> Result<Frame, SnapshotError> {
        self.snapshot_for(pixel_ratio, Arc::clone(self.shared.quota.memory())).await
    }

    /// The same for somebody to whose account it is charged.
    ///
    /// # Errors
    /// As [`WidgetHandle::snapshot`].
    pub(crate) async fn snapshot_for(
        &self,
        pixel_ratio: Option<f64>,
        account: Arc<Account>,
    ) -> Result<Frame, SnapshotError> {
        let (answer, answered) = oneshot::channel();
        self.widget.do_send(widget::TakeSnapshot { pixel_ratio, account, answer });
        answered.await.unwrap_or(Err(SnapshotError::Closed))
    }

    /// Shows a line of text beside the widget, in every view.
    pub fn print(&self, text: impl Into<String>) {
        self.widget.do_send(widget::Print(text.into()));
    }

    /// Takes the control away from the view that holds it, if any: all views that may interact may act again.
    pub fn take_control_away(&self) {
        self.widget.do_send(widget::TakeControlAway);
    }

    /// Ends a view, whose page says so and does not connect again by itself. Answers whether there was one.
    pub async fn disconnect(&self, view: ViewId) -> bool {
        self.widget.send(widget::Disconnect(Some(view))).await.is_ok_and(|ended| ended > 0)
    }

    /// Ends all views, as [`WidgetHandle::disconnect`] does one.
    pub fn disconnect_all(&self) {
        self.widget.do_send(widget::Disconnect(None));
    }

    /// Closes the widget: its renderer gets one `close` event, its views are told, nothing of it stays.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.widget.do_send(widget::Close::Closed);
    }

    /// Ends the widget by a fault of the server's: its views connect again.
    pub(crate) fn fail(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.widget.do_send(widget::Close::Failed);
    }

    /// Whether it is closed, or told to be.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    pub(crate) fn shut_down(&self) {
        self.widget.do_send(widget::Close::Shutdown);
    }

    /// The statistics since the last [`WidgetHandle::reset_stats`].
    pub fn get_stats(&self) -> StatsSummary {
        self.shared.stats.lock().summary()
    }

    /// Begins the statistics anew from the next frame sent.
    pub fn reset_stats(&self) {
        self.shared.stats.lock().reset();
        self.widget.do_send(widget::ResetStats);
    }

    /// The traits as they are.
    pub fn traits(&self) -> Traits {
        self.shared.traits.lock().clone()
    }

    /// Sets the traits named in `patch`, all of them or, on an error, none. Every view sees the change at once.
    ///
    /// # Errors
    /// When a trait does not exist or does not take the value.
    pub fn set_traits(&self, patch: &Map<String, Value>) -> Result<(), TraitError> {
        let changed = {
            let mut traits = self.shared.traits.lock();
            let before = traits.clone();
            traits.apply(patch)?;
            *traits != before
        };
        if changed {
            self.widget.do_send(widget::TraitsChanged);
        }
        Ok(())
    }
}

impl WidgetHandle {
    /// Sets all traits.
    pub(crate) fn replace_traits(&self, traits: Traits) {
        *self.shared.traits.lock() = traits;
        self.widget.do_send(widget::TraitsChanged);
    }
}

impl std::fmt::Debug for WidgetHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WidgetHandle({})", self.id())
    }
}
