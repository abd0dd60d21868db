//! What a view is told, and asked, and what it says.

use actix::prelude::*;
use bytestring::ByteString;
use serde::Serialize;

use crate::{
    actors::outbox::Waiting,
    breakdown::{Breakdown, Stage},
    delivery::Send,
    event::ViewId,
    protocol::{
        Refusal, close_code,
        view::{ClientMessage, FrameMessage, Role},
    },
    stats::StatsSummary,
};

/// Where a view's messages go: the address of a socket, or whatever stands in for one.
pub type Outbox = Recipient<ToClient>;

/// Something for the browser.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub enum ToClient {
    /// A text message, and what says that it waits to be read, if that counts.
    Text(ByteString, Option<Waiting>),
    /// A frame.
    Frame(FrameMessage),
    /// Close the connection.
    Close {
        /// The WebSocket close code.
        code: u16,
        /// Why.
        reason: &'static str,
    },
}

/// Whose a view is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", content = "user", rename_all = "lowercase")]
pub enum Viewer {
    /// Whoever has the key, or anybody where none is asked for.
    Anyone,
    /// A user.
    User(String),
    /// Whoever has a link, and is no user.
    Link,
    /// Whoever has a ticket of the widget's kernel: a page of its notebook.
    Ticket,
    /// Whoever is reached through the widget's kernel.
    Kernel,
}

/// A message of the browser, or why it was refused.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct FromClient(pub Result<ClientMessage, Refusal>);

/// The connection is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Disconnected;

/// A frame for this view.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Deliver(pub Send);

/// Text for the browser.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Tell(pub ByteString);

/// Whether the user may act, as far as others' control is concerned.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SetActing(pub bool);

/// How many frames may be in flight.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SetCapacity(pub u32);

/// Begin the statistics anew.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ResetStats;

/// The view ends; its browser is told why.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct End {
    /// Why, for programs.
    pub reason: &'static str,
    /// Why, for people.
    pub message: &'static str,
    /// The WebSocket close code.
    pub code: u16,
}

impl End {
    /// A part of the server failed on which the view rests.
    pub const FAILED: Self = Self {
        reason: "failed",
        message: "a part of the server failed: connect again",
        code: close_code::INTERNAL,
    };
}

/// Asks for the view's statistics.
#[derive(Message)]
#[rtype(result = "ViewReport")]
pub struct GetReport;

/// A view's statistics. Times are in seconds.
#[derive(Debug, Clone, Serialize, MessageResponse)]
pub struct ViewReport {
    /// The view.
    pub view: ViewId,
    /// Whose it is. Not for everybody who may ask for statistics.
    #[serde(skip)]
    pub viewer: Viewer,
    /// What it may do.
    pub role: Role,
    /// Whether its user can see it.
    pub visible: bool,
    /// Whether its size is the widget's.
    pub driver: bool,
    /// Logical pixels.
    pub width: f64,
    /// Logical pixels.
    pub height: f64,
    /// Physical pixels per logical pixel.
    pub ratio: f64,
    /// Frames sent and not yet confirmed.
    pub in_flight: usize,
    /// JPEG quality of frames that move: the trait's, or less while the link is slow; 100 means lossless.
    pub quality: u8,
    /// Share of the pixels a side that frames which move are sent with, 0 to 1: less than 1 while the link is slow.
    pub scale: f64,
    /// Where the time of its latest frames went; `null` before it confirmed one.
    pub time: Option<Breakdown>,
    /// What took most of it; `null` while all is quick.
    pub bottleneck: Option<Stage>,
    /// The seed's statistics, of this view alone.
    #[serde(flatten)]
    pub stats: StatsSummary,
    /// Frames that it never got, since newer ones came first.
    pub skipped_frames: u64,
    /// Bytes of frames sent.
    pub bytes: u64,
}
