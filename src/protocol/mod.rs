//! The messages on the wire, and the checks on what comes in.

pub mod bucket;
mod fragments;
mod frames;
mod inbound;
pub mod json;
pub mod kernel;
pub mod view;

pub use bucket::Bucket;
pub use fragments::too_big;
pub use frames::FrameKind;
pub use inbound::{Inbound, InboundLimits};

/// A message from outside that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of refusal, for programs.
    pub code: &'static str,
    /// What was wrong, with the value, and what to send instead.
    pub message: String,
    /// The field that was wrong.
    pub field: Option<String>,
    /// The WebSocket close code when the message costs the connection too.
    pub close: Option<u16>,
}

impl Refusal {
    /// A refusal that costs the sender its message.
    pub fn of_message(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, close: None }
    }

    /// A refusal that costs the sender its connection.
    pub fn of_connection(code: &'static str, message: impl Into<String>, close: u16) -> Self {
        Self { code, message: message.into(), field: None, close: Some(close) }
    }

    /// Names the field that was wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

/// WebSocket close codes, as RFC 6455 and this protocol (4000 and up) define them.
pub mod close_code {
    /// The server stops; connect again later.
    pub const GOING_AWAY: u16 = 1001;
    /// The client broke the WebSocket protocol.
    pub const PROTOCOL: u16 = 1002;
    /// The client is gone, or is done.
    pub const NORMAL: u16 = 1000;
    /// The client sent binary.
    pub const UNSUPPORTED: u16 = 1003;
    /// The client sent too many or too many bad messages.
    pub const POLICY: u16 = 1008;
    /// A message was too big.
    pub const TOO_BIG: u16 = 1009;
    /// The server is at fault; connect again.
    pub const INTERNAL: u16 = 1011;
    /// The server has no place for another view or kernel; connect again later.
    pub const TRY_LATER: u16 = 1013;
    /// The widget is closed; do not connect again.
    pub const WIDGET_CLOSED: u16 = 4000;
    /// The kernel connected once more, and this is its older connection.
    pub const REPLACED: u16 = 4001;
    /// What the user may do in the widget has changed; connect again.
    pub const ROLE_CHANGED: u16 = 4002;
    /// The user is signed out, and has to sign in before connecting again; or the widget is no longer shared with the user.
    pub const SIGNED_OUT: u16 = 4003;
    /// Somebody who may end every view of the widget has ended this one; connect again when the user says so.
    pub const DISCONNECTED: u16 = 4004;
    /// The view did not confirm its frames in time, the kernel did not answer; connect again.
    pub const DEADLINE: u16 = 4008;
}
