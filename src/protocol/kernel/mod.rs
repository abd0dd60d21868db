//! The kernel protocol, `framehub.kernel.v1`: what a notebook kernel sends for the widgets that it draws, and what it is told.
//!
//! Text messages are JSON with a `type`. Binary messages, which carry pixels, are a `u32` little-endian length, a JSON
//! header of that length, and the pixels.

mod answer;
mod inbound;
mod parse;

pub use answer::{KernelLimits, ServerMessage, relay_header};
pub use inbound::{KernelInbound, KernelInboundLimits};
pub use parse::{parse, parse_binary, refused_binary};

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Refusal,
    view::{Frames, Role},
};
use crate::{Frame, sharing::NewShare};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "framehub.kernel.v1";
/// Longest JSON header of a binary message, in bytes. It may hold a traceback.
pub const MAX_HEADER: usize = 65_536;

/// A message from a kernel.
#[derive(Debug, PartialEq)]
pub enum KernelMessage {
    /// The first message.
    Hello(Hello),
    /// Makes a widget, or takes one over.
    Create(Create),
    /// A draw is requested.
    RequestDraw(OfWidget),
    /// Ends a turn.
    TurnDone(TurnDone),
    /// Makes a frame the latest.
    Frame {
        /// The widget.
        widget: String,
        /// The frame.
        frame: Frame,
    },
    /// Sets traits.
    Traits(SetTraits),
    /// Shows text in all views.
    Print(Print),
    /// Shows an error in all views, or takes it away.
    Error(ShowError),
    /// Closes a widget.
    Close(OfWidget),
    /// Asks for statistics.
    GetStats(Ask),
    /// Begins the statistics anew.
    ResetStats(OfWidget),
    /// Asks for a ticket.
    Ticket(AskTicket),
    /// Shares a widget.
    Share(AskShare),
    /// Asks with whom a widget is shared.
    GetShares(Ask),
    /// Ends a share.
    Revoke(AskRevoke),
    /// Opens a view whose browser is reached through the kernel.
    RelayOpen(RelayOpen),
    /// A text message of such a browser.
    RelayText(RelayText),
    /// Such a browser is gone.
    RelayClose(RelayClose),
    /// The process ends on purpose.
    Goodbye,
}

/// Who connects.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hello {
    /// Names the process, and is its secret: whoever says it gets the process's widgets.
    pub session: String,
    /// For the log; may be empty.
    #[serde(default)]
    pub name: String,
}

/// A widget to make.
#[derive(Debug, PartialEq, Deserialize)]
pub struct Create {
    /// Chosen by the kernel, to know the answer by.
    pub request: u64,
    /// The traits that differ from the defaults.
    #[serde(default)]
    pub traits: Map<String, Value>,
    /// Where the kernel's program makes it: a widget of the same place whose kernel is gone is taken over.
    #[serde(default)]
    pub place: Option<String>,
    /// The class's name, shown to people.
    pub kind: String,
    /// The number of the last [`SetTraits`] that these traits include.
    #[serde(default)]
    pub number: u64,
    /// The id that the widget had on this server before it was restarted.
    #[serde(default)]
    pub widget: Option<String>,
}

/// Names a widget.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct OfWidget {
    /// The widget.
    pub widget: String,
}

/// What came of a turn.
#[derive(Debug, PartialEq)]
pub struct TurnDone {
    /// The widget.
    pub widget: String,
    /// The turn's number.
    pub turn: u64,
    /// What `get_frame` gave.
    pub drawn: Drawn,
    /// How long `get_frame` took.
    pub draw_time: Duration,
    /// The first error of `handle_event`.
    pub event_error: Option<String>,
    /// Whether a draw is requested at the end of the turn.
    pub requested: bool,
}

/// What `get_frame` gave in a turn.
#[derive(Debug, PartialEq)]
pub enum Drawn {
    /// It was not called.
    No,
    /// None: the draw is cancelled.
    Nothing,
    /// An error.
    Error(String),
    /// A frame.
    Frame(Frame),
}

/// Traits to set.
#[derive(Debug, PartialEq, Deserialize)]
pub struct SetTraits {
    /// The widget.
    pub widget: String,
    /// The traits that change.
    pub traits: Map<String, Value>,
    /// Rises from message to message, so that the kernel knows which of its own a later `traits` of the server's includes.
    #[serde(default)]
    pub number: u64,
}

/// Text to show.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Print {
    /// The widget.
    pub widget: String,
    /// The text.
    pub text: String,
}

/// An error to show.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct ShowError {
    /// The widget.
    pub widget: String,
    /// The traceback; `None` takes the error away.
    pub text: Option<String>,
}

/// A question about a widget.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Ask {
    /// Chosen by the kernel, to know the answer by.
    pub request: u64,
    /// The widget.
    pub widget: String,
}

/// Asks for a ticket to a widget.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct AskTicket {
    /// Chosen by the kernel, to know the answer by.
    pub request: u64,
    /// The widget.
    pub widget: String,
    /// What the view may do.
    #[serde(default)]
    pub role: Role,
}

/// A share to make.
#[derive(Debug, PartialEq, Deserialize)]
pub struct AskShare {
    /// Chosen by the kernel, to know the answer by.
    pub request: u64,
    /// The widget.
    pub widget: String,
    /// With whom, in what role, for how long.
    pub share: NewShare,
}

/// A share to end.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct AskRevoke {
    /// Chosen by the kernel, to know the answer by.
    pub request: u64,
    /// The widget.
    pub widget: String,
    /// The share.
    pub share: String,
}

/// A view to open.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct RelayOpen {
    /// The widget.
    pub widget: String,
    /// Chosen by the kernel, to know the view by.
    pub relay: u64,
    /// What the view may do.
    #[serde(default)]
    pub role: Role,
    /// How its frames travel.
    #[serde(default)]
    pub frames: Frames,
    /// Whether it is sent less than it could show when its link is slow.
    #[serde(default = "super::json::yes")]
    pub adaptive: bool,
}

/// A text message of a browser behind the kernel.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct RelayText {
    /// The view.
    pub relay: u64,
    /// The message, as it would come over the view's own WebSocket.
    pub text: String,
}

/// A browser behind the kernel is gone.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct RelayClose {
    /// The view.
    pub relay: u64,
}

/// Who waits for a message that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// Nobody.
    ByNobody,
    /// The kernel, for the answer to this `request`.
    ByKernel(u64),
    /// The widget, for the end of this turn; `None` when the message does not say of which.
    ByWidget(Option<u64>),
}

/// A message that was refused, with what the kernel knows it by.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// What waits for the message.
    pub awaited: Awaited,
    /// The message's `widget`, if it has one.
    pub widget: Option<String>,
    /// Why.
    pub refusal: Refusal,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { awaited: Awaited::ByNobody, widget: None, refusal }
    }
}
