//! What a kernel is told.

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use serde::Serialize;
use serde_json::Value;

use crate::{event::Event, traits::Traits};

/// What a kernel may send, for it to check before it sends.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct KernelLimits {
    /// Longest text message, in bytes.
    pub message_bytes: usize,
    /// Longest header of a binary message, in bytes.
    pub header_bytes: usize,
    /// Most pixels of a frame.
    pub frame_pixels: u64,
}

/// A text message to a kernel.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage<'a> {
    /// Answers `hello`.
    Welcome {
        /// The server's version.
        version: &'a str,
        /// The widgets that were kept since the session's last connection.
        resumed: &'a [&'a str],
        /// The server's address, as the kernel reached it.
        base: &'a str,
        /// What the kernel may send.
        limits: KernelLimits,
    },
    /// Answers `create`.
    Created {
        /// The request's number.
        request: u64,
        /// The widget's id.
        widget: &'a str,
        /// The address of the widget's page.
        url: &'a str,
        /// Whether it is a widget of before, with its views.
        taken_over: bool,
    },
    /// A message was refused.
    Refused {
        /// The message's `request`, if it has one.
        request: Option<u64>,
        /// The message's `widget`, if it has one.
        widget: Option<&'a str>,
        /// What kind of refusal, for programs.
        code: &'a str,
        /// What was wrong and what to send instead.
        message: &'a str,
        /// The field that was wrong.
        field: Option<&'a str>,
    },
    /// Events to take, then a draw if it is wanted.
    Turn {
        /// The widget.
        widget: &'a str,
        /// The turn's number.
        turn: u64,
        /// The events, in order.
        events: &'a [Event],
        /// Whether a frame could be shown.
        may_draw: bool,
        /// Whether a draw is requested.
        requested: bool,
    },
    /// Answers `get_stats`.
    Stats {
        /// The request's number.
        request: u64,
        /// As `GET /api/widgets/{id}/stats`.
        stats: &'a Value,
    },
    /// Answers `ticket`.
    Ticket {
        /// The request's number.
        request: u64,
        /// The ticket.
        ticket: &'a str,
        /// When it expires, Unix time.
        expires: u64,
    },
    /// Answers `share`.
    Shared {
        /// The request's number.
        request: u64,
        /// As `POST /api/widgets/{id}/shares`, with the whole address.
        share: &'a Value,
    },
    /// Answers `get_shares`.
    Shares {
        /// The request's number.
        request: u64,
        /// The shares, each as `shared` tells it.
        shares: &'a [Value],
    },
    /// Answers `revoke`.
    Revoked {
        /// The request's number.
        request: u64,
    },
    /// A text message of a relayed view to its browser.
    RelayText {
        /// The view.
        relay: u64,
        /// The message.
        text: &'a str,
    },
    /// A relayed view ended.
    RelayClosed {
        /// The view.
        relay: u64,
        /// The WebSocket close code that a browser of its own would get.
        code: u16,
        /// Why.
        reason: &'a str,
    },
    /// A widget was closed from elsewhere.
    Closed {
        /// The widget.
        widget: &'a str,
        /// Why.
        reason: &'a str,
        /// Events that it has not taken yet; the last is its `close`.
        events: &'a [Event],
    },
    /// Others than the kernel set traits, or the kernel is back.
    Traits {
        /// The widget.
        widget: &'a str,
        /// All of them.
        traits: &'a Traits,
        /// The number of the kernel's last message that set some: those that it set later are newer.
        after: u64,
    },
    /// How many views a widget has.
    Views {
        /// The widget.
        widget: &'a str,
        /// Its views.
        views: usize,
        /// Those that their users can see.
        visible: usize,
    },
}

impl ServerMessage<'_> {
    /// The message as it goes over the wire.
    pub fn to_text(&self) -> ByteString {
        // Maps have string keys and floats are finite, so that serialization cannot fail.
        serde_json::to_string(self).unwrap_or_default().into()
    }
}

/// What comes before a relayed view's binary message.
pub fn relay_header(relay: u64) -> Bytes {
    let json = format!(r#"{{"type":"relay","relay":{relay}}}"#);
    let mut header = BytesMut::with_capacity(4 + json.len());
    header.put_u32_le(u32::try_from(json.len()).unwrap_or(u32::MAX));
    header.extend_from_slice(json.as_bytes());
    header.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventKind, Pointer, ViewId};

    #[test]
    fn a_turn_carries_its_events_as_the_spec_spells_them() {
        let kind = EventKind::PointerDown(Pointer { x: 1.5, button: 1, ..Pointer::default() });
        let events = [Event { kind, timestamp: 2.0, view: Some(ViewId(3)) }];
        let turn =
            ServerMessage::Turn { widget: "w", turn: 1, events: &events, may_draw: true, requested: false };
        let json: Value = serde_json::from_str(&turn.to_text()).unwrap();
        assert_eq!((&json["type"], &json["may_draw"]), (&"turn".into(), &true.into()));
        let event = &json["events"][0];
        assert_eq!((&event["type"], &event["view"]), (&"pointer_down".into(), &"v3".into()));
        assert_eq!((&event["x"], &event["timestamp"]), (&1.5.into(), &2.0.into()));
    }

    #[test]
    fn a_relayed_message_begins_with_a_header_of_its_own() {
        let header = relay_header(42);
        let length = u32::from_le_bytes(header[..4].try_into().unwrap()) as usize;
        assert_eq!(header.len(), 4 + length);
        let json: Value = serde_json::from_slice(&header[4..]).unwrap();
        assert_eq!((&json["type"], &json["relay"]), (&"relay".into(), &42.into()));
    }
}
