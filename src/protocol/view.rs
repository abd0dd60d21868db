//! The view protocol, `framehub.view.v1`: JSON text both ways, and frames to the client as binary messages.

use std::{borrow::Cow, collections::BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use super::{
    Refusal,
    json::{read, shortened},
};
use crate::{
    encode::Encoded,
    event::{EventKind, FieldError, ViewId, time},
    presence::PointerOf,
    traits::Traits,
};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "framehub.view.v1";

/// A message from a view's browser.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// The user did something, or the view changed. Positions are in the view's logical pixels.
    Event {
        /// What happened.
        kind: EventKind,
        /// Seconds on the page's clock.
        timestamp: f64,
    },
    /// A frame was decoded and drawn.
    FrameFeedback(FrameFeedback),
    /// The answer to a ping.
    Pong(Pong),
    /// Asks for a whole frame: what is shown is not what the next frame amends.
    Refresh,
    /// Asks for the widget's statistics.
    GetStats,
    /// Takes hold of the control, or lets go of it.
    Control(ControlAction),
}

/// What a view does with the control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ControlAction {
    /// From now on only this view may act.
    Take,
    /// All views that may interact may act again.
    Release,
}

#[derive(Deserialize)]
struct ControlMessage {
    action: ControlAction,
}

/// Says that a frame was decoded and drawn.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct FrameFeedback {
    /// The index that the frame came with.
    pub index: u64,
    /// When the frame's message arrived, Unix time on the browser's clock.
    pub localtime: f64,
    /// Seconds from the arrival until the frame was on the screen's canvas; 0 when the browser does not say.
    #[serde(default)]
    pub drawing: f64,
}

/// Answers a ping.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Pong {
    /// The ping's own timestamp.
    pub timestamp: f64,
    /// When the ping arrived, Unix time on the browser's clock.
    pub localtime: f64,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    timestamp: f64,
}

/// Reads one message.
///
/// # Errors
/// When it is not JSON, has no known `type`, or a field is missing or out of range; the refusal names the field.
pub fn parse(text: &[u8]) -> Result<ClientMessage, Refusal> {
    let head: Head = read(text)?;
    let kind = match &*head.kind {
        "frame_feedback" => {
            let feedback: FrameFeedback = read(text)?;
            time("localtime", feedback.localtime).map_err(bad_field)?;
            time("drawing", feedback.drawing).map_err(bad_field)?;
            return Ok(ClientMessage::FrameFeedback(feedback));
        }
        "pong" => {
            let pong: Pong = read(text)?;
            time("timestamp", pong.timestamp).map_err(bad_field)?;
            time("localtime", pong.localtime).map_err(bad_field)?;
            return Ok(ClientMessage::Pong(pong));
        }
        "refresh" => return Ok(ClientMessage::Refresh),
        "get_stats" => return Ok(ClientMessage::GetStats),
        "control" => {
            return read(text).map(|ControlMessage { action }| ClientMessage::Control(action));
        }
        "resize" => EventKind::Resize(read(text)?),
        "show" => EventKind::Show,
        "hide" => EventKind::Hide,
        "focus_in" => EventKind::FocusIn,
        "focus_out" => EventKind::FocusOut,
        "pointer_down" => EventKind::PointerDown(read(text)?),
        "pointer_up" => EventKind::PointerUp(read(text)?),
        "pointer_move" => EventKind::PointerMove(read(text)?),
        "pointer_enter" => EventKind::PointerEnter(read(text)?),
        "pointer_leave" => EventKind::PointerLeave(read(text)?),
        "double_click" => EventKind::DoubleClick(read(text)?),
        "wheel" => EventKind::Wheel(read(text)?),
        "key_down" => EventKind::KeyDown(read(text)?),
        "key_up" => EventKind::KeyUp(read(text)?),
        "char" => EventKind::Char(read(text)?),
        other => {
            let message = format!("`{}` is not a type of message that a view sends", shortened(other));
            return Err(Refusal::of_message("unknown_type", message).field("type"));
        }
    };
    time("timestamp", head.timestamp).map_err(bad_field)?;
    kind.validate().map_err(bad_field)?;
    let kind = match kind {
        EventKind::Resize(size) => EventKind::Resize(size.corrected()),
        kind => kind,
    };
    Ok(ClientMessage::Event { kind, timestamp: head.timestamp })
}

fn bad_field(error: FieldError) -> Refusal {
    Refusal::of_message("bad_field", error.to_string()).field(error.field)
}

/// What a view's renderer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Drawing when asked.
    Live,
    /// Busy for longer than a moment.
    Busy,
    /// The last draw or event failed.
    Error,
    /// In a kernel that is gone; it may come back.
    Gone,
}

/// What a view may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// See the widget and act in it.
    #[default]
    Interact,
    /// See the widget.
    Watch,
}

impl Role {
    /// How the wire spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interact => "interact",
            Self::Watch => "watch",
        }
    }

    /// The role that the wire spells so.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Interact, Self::Watch].into_iter().find(|role| role.name() == name)
    }

    /// What is left of a role for somebody who may do no more than `most`.
    #[must_use]
    pub fn at_most(self, most: Self) -> Self {
        if most == Self::Watch { most } else { self }
    }
}

/// How frames travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Frames {
    /// As binary messages.
    #[default]
    Binary,
    /// As text, for places that carry no bytes.
    Base64,
}

/// A text message to a view's browser.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage<'a> {
    /// All traits, on joining and when one changed.
    Traits {
        /// The traits.
        traits: &'a Traits,
    },
    /// How things are, on joining and when that changed.
    Status {
        /// The view that is told.
        view: ViewId,
        /// The widget's id.
        widget: &'a str,
        /// The widget's kind.
        kind: &'a str,
        /// What the view may do.
        role: Role,
        /// Whether this view's size is the widget's.
        driver: bool,
        /// What the renderer is doing.
        state: State,
        /// The renderer's message when the state is `error`; what keeps it when that is `busy`, where it is known.
        message: Option<&'a str>,
        /// How many views the widget has.
        views: usize,
        /// The view that alone may act; `null` when all may.
        control: Option<ViewId>,
        /// The administrators who watch the widget of another: for the owner alone, and left out while there are none.
        #[serde(skip_serializing_if = "Option::is_none")]
        administrators: Option<&'a BTreeSet<&'a str>>,
    },
    /// Where the pointers of the other views are, in this view's logical pixels; only while the trait `show_pointers` is on.
    Pointers {
        /// All of them.
        pointers: &'a [PointerOf],
    },
    /// The widget's program prints.
    Print {
        /// What it prints.
        text: &'a str,
    },
    /// To be answered with a pong at once.
    Ping {
        /// Unix time of the server.
        timestamp: f64,
    },
    /// Answers `get_stats`.
    Stats {
        /// As `GET /api/widgets/{id}/stats`.
        stats: &'a serde_json::Value,
    },
    /// A message of this client was refused.
    Error {
        /// What kind of refusal, for programs.
        code: &'a str,
        /// What was wrong and what to send instead.
        message: &'a str,
        /// The field that was wrong.
        field: Option<&'a str>,
    },
    /// The connection ends; a WebSocket close follows.
    Close {
        /// Why, for programs.
        reason: &'a str,
        /// Why, for people.
        message: &'a str,
    },
}

impl ServerMessage<'_> {
    /// The message as it goes over the wire.
    pub fn to_text(&self) -> ByteString {
        // Maps have string keys and floats are finite, so that serialization cannot fail.
        serde_json::to_string(self).unwrap_or_default().into()
    }
}

#[derive(Serialize)]
struct FrameHeader<'a> {
    r#type: &'static str,
    mimetype: &'static str,
    index: u64,
    timestamp: f64,
    width: u32,
    height: u32,
    whole: bool,
    lossless: bool,
    encoding: f64,
    parts: Vec<PartHeader>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_b64: Option<&'a str>,
}

#[derive(Serialize)]
struct PartHeader {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    mimetype: &'static str,
    bytes: usize,
}

/// What a frame is to one view.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// 1, 2, 3, … for each view.
    pub index: u64,
    /// Unix time of sending.
    pub timestamp: f64,
    /// Whether it needs nothing that was sent before; else it amends the frame of the index before.
    pub whole: bool,
    /// Whether the view then shows exactly what was rendered, in all the pixels that it can show.
    pub exact: bool,
}

/// A frame, ready for the wire. The images are shared by all views that need the same.
#[derive(Debug, Clone)]
pub enum FrameMessage {
    /// A binary message: the header, then these images.
    Binary {
        /// Length and JSON header.
        header: Bytes,
        /// The images, one after another.
        parts: Vec<Bytes>,
    },
    /// A text message.
    Base64(ByteString),
}

impl FrameMessage {
    /// The message that sends an encoded frame to a view.
    pub fn new(encoded: &Encoded, label: Label) -> Self {
        let Label { index, timestamp, whole, exact } = label;
        let header = FrameHeader {
            r#type: "framebufferdata",
            mimetype: encoded.parts.first().map_or("image/png", |part| part.mimetype),
            index,
            timestamp,
            width: encoded.width,
            height: encoded.height,
            whole,
            lossless: exact,
            encoding: encoded.encode_time.as_secs_f64(),
            parts: encoded
                .parts
                .iter()
                .map(|part| PartHeader {
                    x: part.x,
                    y: part.y,
                    width: part.width,
                    height: part.height,
                    mimetype: part.mimetype,
                    bytes: part.bytes.len(),
                })
                .collect(),
            data_b64: encoded.base64.as_deref(),
        };
        let json = serde_json::to_string(&header).unwrap_or_default();
        if encoded.base64.is_some() {
            return Self::Base64(json.into());
        }
        let mut header = BytesMut::with_capacity(4 + json.len());
        header.put_u32_le(u32::try_from(json.len()).unwrap_or(u32::MAX));
        header.extend_from_slice(json.as_bytes());
        Self::Binary {
            header: header.freeze(),
            parts: encoded.parts.iter().map(|part| part.bytes.clone()).collect(),
        }
    }

    /// Bytes on the wire, without WebSocket framing.
    pub fn len(&self) -> usize {
        match self {
            Self::Binary { header, parts } => header.len() + parts.iter().map(Bytes::len).sum::<usize>(),
            Self::Base64(text) => text.len(),
        }
    }

    /// Never: there always is a header.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Refusal {
        parse(text.as_bytes()).expect_err(text)
    }

    #[test]
    fn events_are_read_as_the_spec_spells_them() {
        let text = br#"{"type":"pointer_down","timestamp":1.5,"x":10,"y":20.25,"button":1,"buttons":[1],
            "modifiers":["Shift"],"ntouches":1,"touches":{"0":{"x":10,"y":20.25,"pressure":0.5}}}"#;
        let Ok(ClientMessage::Event { kind: EventKind::PointerDown(pointer), timestamp }) = parse(text)
        else {
            panic!("not read as pointer_down");
        };
        assert_eq!((pointer.x, pointer.y, pointer.button, timestamp), (10.0, 20.25, 1, 1.5));
        assert_eq!(pointer.touches["0"].pressure, 0.5);
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "nonsense", "{\"type\":\"wheel\",\"x\":NaN}"] {
            assert_eq!(refused(text).code, "bad_json", "{text}");
        }
    }

    #[test]
    fn a_refusal_names_the_field() {
        for (text, field) in [
            (r#"{"timestamp":1}"#, "type"),
            (r#"{"type":"nonsense"}"#, "type"),
            (r#"{"type":"pointer_move","x":"left","y":1}"#, "x"),
            (r#"{"type":"pointer_move","x":1}"#, "y"),
            (r#"{"type":"pointer_move","x":1e7,"y":1}"#, "x"),
            (r#"{"type":"pointer_down","x":1,"y":1,"modifiers":["Hyper"]}"#, "modifiers[0]"),
            (r#"{"type":"resize","width":-5,"height":1,"pwidth":1,"pheight":1,"ratio":1}"#, "width"),
            (r#"{"type":"control","action":"steal"}"#, "action"),
            (r#"{"type":"control"}"#, "action"),
            (r#"{"type":"frame_feedback","index":-1,"timestamp":1,"localtime":1}"#, "index"),
            (r#"{"type":"frame_feedback","index":1,"localtime":1e300}"#, "localtime"),
            (r#"{"type":"frame_feedback","index":1,"localtime":1,"drawing":-1e300}"#, "drawing"),
            (r#"{"type":"pong","timestamp":1,"localtime":-1e12}"#, "localtime"),
            (r#"{"type":"pong","timestamp":1e99,"localtime":1}"#, "timestamp"),
            (r#"{"type":"key_down","key":"a","timestamp":1e308}"#, "timestamp"),
        ] {
            let refusal = refused(text);
            assert_eq!(refusal.field.as_deref(), Some(field), "{text}: {refusal}");
            assert!(refusal.close.is_none());
        }
    }

    #[test]
    fn a_size_whose_sides_do_not_fit_together_is_corrected_and_not_refused() {
        let text = br#"{"type":"resize","width":1,"height":65535,"pwidth":65535,"pheight":65535,"ratio":1}"#;
        let Ok(ClientMessage::Event { kind: EventKind::Resize(size), .. }) = parse(text) else {
            panic!("not read as a size");
        };
        assert_eq!((size.width, size.height), (65535.0, 65535.0));
    }

    #[test]
    fn a_close_event_cannot_come_from_a_view() {
        assert_eq!(refused(r#"{"type":"close"}"#).code, "unknown_type");
    }

    #[test]
    fn a_frame_message_is_length_header_and_images() {
        let part = |x, bytes: &'static [u8]| crate::encode::Part {
            x,
            y: 0,
            width: 2,
            height: 2,
            lossless: true,
            mimetype: "image/png",
            bytes: Bytes::from_static(bytes),
        };
        let encoded = Encoded {
            width: 4,
            height: 2,
            lossless: true,
            parts: vec![part(0, b"one"), part(2, b"three")],
            base64: None,
            wait_time: std::time::Duration::ZERO,
            encode_time: std::time::Duration::from_millis(2),
            base64_time: std::time::Duration::ZERO,
        };
        let label = Label { index: 7, timestamp: 1.5, whole: false, exact: true };
        let FrameMessage::Binary { header, parts } = FrameMessage::new(&encoded, label) else {
            panic!("not binary")
        };
        let length = u32::from_le_bytes(header[..4].try_into().unwrap()) as usize;
        assert_eq!(header.len(), 4 + length);
        let json: serde_json::Value = serde_json::from_slice(&header[4..]).unwrap();
        assert_eq!((&json["type"], &json["index"]), (&"framebufferdata".into(), &7.into()));
        assert_eq!((&json["whole"], &json["lossless"]), (&false.into(), &true.into()));
        assert_eq!((&json["parts"][1]["x"], &json["parts"][1]["bytes"]), (&2.into(), &5.into()));
        assert_eq!(parts.concat(), b"onethree");
    }
}
