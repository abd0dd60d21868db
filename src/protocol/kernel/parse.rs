//! Reading a kernel's messages, and what their fields may be.

use std::{borrow::Cow, time::Duration};

use bytes::{Buf, Bytes};
use serde::Deserialize;
use serde_json::Value;

use super::{Awaited, Create, Drawn, Hello, KernelMessage, MAX_HEADER, Refused, TurnDone};
use crate::{
    Frame, PixelFormat,
    protocol::{
        Refusal,
        json::{read, shortened},
    },
};

/// Lengths of a session's name, in bytes: too long to be guessed, short enough to be kept.
const SESSION: std::ops::RangeInclusive<usize> = 16..=128;
/// Longest name of a kernel, and of a widget's class, in bytes: they stand on one line.
const MAX_NAME: usize = 128;
/// Longest place, in bytes.
const MAX_PLACE: usize = 256;

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// What a refused message is known by, as far as it can be read.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Marks {
    #[serde(rename = "type")]
    kind: Value,
    request: Value,
    widget: Value,
    turn: Value,
}

/// The fields of `turn_done`, in both forms.
#[derive(Deserialize)]
struct TurnFields {
    widget: String,
    turn: u64,
    drawn: DrawnName,
    #[serde(default)]
    draw_time: f64,
    #[serde(default)]
    draw_error: Option<String>,
    #[serde(default)]
    event_error: Option<String>,
    requested: bool,
}

#[derive(Deserialize, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum DrawnName {
    No,
    None,
    Error,
    Frame,
}

/// What a header says of the pixels behind it.
#[derive(Deserialize)]
struct Pixels {
    width: u32,
    height: u32,
    format: PixelFormat,
}

#[derive(Deserialize)]
struct FrameFields {
    widget: String,
}

/// Reads a text message.
///
/// # Errors
/// When it is not JSON, has no known `type`, or a field is missing or out of range; the refusal names the field.
pub fn parse(text: &[u8]) -> Result<KernelMessage, Refused> {
    parse_text(text).map_err(|refusal| marked(text, refusal))
}

/// Reads a binary message. The frame shares the message's memory.
///
/// # Errors
/// As [`parse`], and when the pixels are not as many as the header says.
pub fn parse_binary(message: &Bytes) -> Result<KernelMessage, Refused> {
    let mut rest = message.clone();
    let length = rest.try_get_u32_le().map_or(usize::MAX, |length| length as usize);
    if length > MAX_HEADER || length > rest.len() {
        let message = format!(
            "a binary message of {} bytes begins with no header: send its length as 4 bytes, little-endian, at most \
             {MAX_HEADER}, then the header, then the pixels",
            message.len()
        );
        return Err(Refusal::of_message("bad_header", message).into());
    }
    let header = rest.split_to(length);
    parse_pixels(&header, rest).map_err(|refusal| marked(&header, refusal))
}

/// The refusal of a binary message of which only the beginning came, with what it is known by.
pub fn refused_binary(beginning: &[u8], refusal: Refusal) -> Refused {
    let header = beginning
        .split_first_chunk()
        .and_then(|(length, rest)| rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?));
    marked(header.unwrap_or_default(), refusal)
}

fn marked(text: &[u8], refusal: Refusal) -> Refused {
    let marks: Marks = serde_json::from_slice(text).unwrap_or_default();
    let awaited = match marks.request.as_u64() {
        _ if marks.kind == "turn_done" => Awaited::ByWidget(marks.turn.as_u64()),
        Some(request) => Awaited::ByKernel(request),
        None => Awaited::ByNobody,
    };
    Refused { awaited, widget: marks.widget.as_str().map(str::to_owned), refusal }
}

fn parse_text(text: &[u8]) -> Result<KernelMessage, Refusal> {
    let head: Head = read(text)?;
    Ok(match &*head.kind {
        "hello" => KernelMessage::Hello(read::<Hello>(text)?.checked()?),
        "create" => KernelMessage::Create(read::<Create>(text)?.checked()?),
        "request_draw" => KernelMessage::RequestDraw(read(text)?),
        "turn_done" => {
            let fields: TurnFields = read(text)?;
            let drawn = match fields.drawn {
                DrawnName::No => Drawn::No,
                DrawnName::None => Drawn::Nothing,
                DrawnName::Error => {
                    Drawn::Error(fields.draw_error.clone().unwrap_or_else(|| "get_frame failed".to_owned()))
                }
                DrawnName::Frame => {
                    let message = "field `drawn`: a frame's pixels come as a binary message";
                    return Err(Refusal::of_message("bad_field", message).field("drawn"));
                }
            };
            KernelMessage::TurnDone(fields.with(drawn)?)
        }
        "traits" => KernelMessage::Traits(read(text)?),
        "print" => KernelMessage::Print(read(text)?),
        "error" => KernelMessage::Error(read(text)?),
        "close" => KernelMessage::Close(read(text)?),
        "get_stats" => KernelMessage::GetStats(read(text)?),
        "reset_stats" => KernelMessage::ResetStats(read(text)?),
        "ticket" => KernelMessage::Ticket(read(text)?),
        "share" => KernelMessage::Share(read(text)?),
        "get_shares" => KernelMessage::GetShares(read(text)?),
        "revoke" => KernelMessage::Revoke(read(text)?),
        "relay_open" => KernelMessage::RelayOpen(read(text)?),
        "relay_text" => KernelMessage::RelayText(read(text)?),
        "relay_close" => KernelMessage::RelayClose(read(text)?),
        "goodbye" => KernelMessage::Goodbye,
        "frame" => {
            let message = "field `type`: a `frame` is a binary message, since pixels follow it";
            return Err(Refusal::of_message("bad_field", message).field("type"));
        }
        other => return Err(unknown(other)),
    })
}

fn parse_pixels(header: &[u8], pixels: Bytes) -> Result<KernelMessage, Refusal> {
    let head: Head = read(header)?;
    match &*head.kind {
        "frame" => {
            let FrameFields { widget } = read(header)?;
            Ok(KernelMessage::Frame { widget, frame: frame(header, pixels)? })
        }
        "turn_done" => {
            let fields: TurnFields = read(header)?;
            if fields.drawn != DrawnName::Frame {
                let message =
                    "field `drawn`: a binary `turn_done` carries a \"frame\"; send any other outcome as text";
                return Err(Refusal::of_message("bad_field", message).field("drawn"));
            }
            Ok(KernelMessage::TurnDone(fields.with(Drawn::Frame(frame(header, pixels)?))?))
        }
        other => Err(unknown(other)),
    }
}

fn frame(header: &[u8], pixels: Bytes) -> Result<Frame, Refusal> {
    let Pixels { width, height, format } = read(header)?;
    Frame::new(format, width, height, pixels)
        .map_err(|error| Refusal::of_message("bad_pixels", error.to_string()))
}

fn unknown(kind: &str) -> Refusal {
    let message = format!("`{}` is not a type of message that a kernel sends", shortened(kind));
    Refusal::of_message("unknown_type", message).field("type")
}

fn length(field: &str, text: &str, allowed: std::ops::RangeInclusive<usize>) -> Result<(), Refusal> {
    if allowed.contains(&text.len()) {
        return Ok(());
    }
    let (min, max, got) = (allowed.start(), allowed.end(), text.len());
    let message = format!("field `{field}`: {got} bytes: send text of {min} to {max} bytes");
    Err(Refusal::of_message("bad_field", message).field(field))
}

impl Hello {
    fn checked(self) -> Result<Self, Refusal> {
        length("session", &self.session, SESSION)?;
        length("name", &self.name, 0..=MAX_NAME)?;
        Ok(self)
    }
}

impl Create {
    fn checked(self) -> Result<Self, Refusal> {
        length("kind", &self.kind, 1..=MAX_NAME)?;
        length("place", self.place.as_deref().unwrap_or_default(), 0..=MAX_PLACE)?;
        if let Some(id) = &self.widget
            && !(id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
        {
            let message =
                "field `widget`: send an id that this server gave, of 32 digits 0-9 a-f, or leave it out";
            return Err(Refusal::of_message("bad_field", message).field("widget"));
        }
        Ok(self)
    }
}

impl TurnFields {
    fn with(self, drawn: Drawn) -> Result<TurnDone, Refusal> {
        let draw_time = Duration::try_from_secs_f64(self.draw_time).map_err(|_| {
            let message =
                format!("field `draw_time`: {} is no duration: send seconds, 0 or more", self.draw_time);
            Refusal::of_message("bad_field", message).field("draw_time")
        })?;
        Ok(TurnDone {
            widget: self.widget,
            turn: self.turn,
            drawn,
            draw_time,
            event_error: self.event_error,
            requested: self.requested,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(message: Value) -> Refusal {
        parse(message.to_string().as_bytes()).expect_err("accepted").refusal
    }

    fn binary(header: Value, pixels: &[u8]) -> Bytes {
        let header = header.to_string();
        let mut message = u32::try_from(header.len()).unwrap().to_le_bytes().to_vec();
        message.extend_from_slice(header.as_bytes());
        message.extend_from_slice(pixels);
        message.into()
    }

    #[test]
    fn a_frame_shares_the_memory_of_its_message() {
        let header = json!({"type": "frame", "widget": "w", "width": 2, "height": 1, "format": "rgb8"});
        let message = binary(header, &[1, 2, 3, 4, 5, 6]);
        let Ok(KernelMessage::Frame { widget, frame }) = parse_binary(&message) else { panic!("no frame") };
        assert_eq!((widget.as_str(), frame.width(), frame.format()), ("w", 2, PixelFormat::Rgb8));
        assert_eq!(frame.pixels().as_ptr(), message[message.len() - 6..].as_ptr());
    }

    #[test]
    fn a_turn_ends_with_a_frame_an_error_or_nothing() {
        let done = json!({"type": "turn_done", "widget": "w", "turn": 3, "drawn": "frame", "draw_time": 0.5,
            "draw_error": null, "event_error": "oh", "requested": true, "width": 1, "height": 1, "format": "gray8"});
        let Ok(KernelMessage::TurnDone(turn)) = parse_binary(&binary(done, &[7])) else { panic!("no turn") };
        assert_eq!((turn.turn, turn.draw_time, turn.requested), (3, Duration::from_millis(500), true));
        assert_eq!(turn.event_error.as_deref(), Some("oh"));
        assert!(matches!(turn.drawn, Drawn::Frame(_)));
        for (name, drawn) in [
            ("no", Drawn::No),
            ("none", Drawn::Nothing),
            ("error", Drawn::Error("get_frame failed".to_owned())),
        ] {
            let done =
                json!({"type": "turn_done", "widget": "w", "turn": 1, "drawn": name, "requested": false});
            let Ok(KernelMessage::TurnDone(turn)) = parse(done.to_string().as_bytes()) else {
                panic!("no turn")
            };
            assert_eq!(turn.drawn, drawn);
        }
    }

    #[test]
    fn bad_text_is_refused_by_field() {
        for (message, field) in [
            (json!({"type": "hello", "session": "short"}), "session"),
            (json!({"type": "hello", "session": "s".repeat(129)}), "session"),
            (json!({"type": "hello", "session": "s".repeat(20), "name": "n".repeat(129)}), "name"),
            (json!({"type": "create", "kind": "K"}), "request"),
            (json!({"type": "create", "request": 1, "kind": ""}), "kind"),
            (json!({"type": "create", "request": 1, "kind": "K", "place": "p".repeat(257)}), "place"),
            (json!({"type": "create", "request": 1, "kind": "K", "traits": []}), "traits"),
            (json!({"type": "create", "request": 1, "kind": "K", "widget": "../x"}), "widget"),
            (
                json!({"type": "turn_done", "widget": "w", "turn": 1, "drawn": "frame", "requested": false}),
                "drawn",
            ),
            (
                json!({"type": "turn_done", "widget": "w", "turn": 1, "drawn": "no", "requested": false, "draw_time": -1}),
                "draw_time",
            ),
            (
                json!({"type": "turn_done", "widget": "w", "turn": 1, "drawn": "no", "requested": 3}),
                "requested",
            ),
            (json!({"type": "frame", "widget": "w"}), "type"),
            (json!({"type": "ticket", "request": 1, "widget": "w", "role": "admin"}), "role"),
            (json!({"type": "share", "request": 1, "widget": "w", "share": {"role": "own"}}), "share.role"),
            (json!({"type": "revoke", "request": 1, "widget": "w"}), "share"),
            (json!({"type": "relay_open", "widget": "w", "relay": -1}), "relay"),
            (json!({"type": "explode"}), "type"),
        ] {
            assert_eq!(refused(message.clone()).field.as_deref(), Some(field), "{message}");
        }
        assert_eq!(parse(b"{").unwrap_err().refusal.code, "bad_json");
    }

    #[test]
    fn a_refusal_says_which_request_and_widget_it_is_about() {
        let message = json!({"type": "get_stats", "request": 7, "widget": 5}).to_string();
        let refused = parse(message.as_bytes()).unwrap_err();
        assert_eq!((refused.awaited, refused.widget), (Awaited::ByKernel(7), None));
        assert_eq!(refused.refusal.field.as_deref(), Some("widget"));
    }

    #[test]
    fn bad_binary_is_refused_by_field() {
        let header = |width: u32, format: &str| json!({"type": "frame", "widget": "w", "width": width, "height": 1, "format": format});
        for (message, code, words) in [
            (Bytes::from_static(&[1, 2]), "bad_header", "4 bytes"),
            (Bytes::from_static(&[255, 255, 255, 255, 1]), "bad_header", "65536"),
            (Bytes::from_static(&[9, 0, 0, 0, 1]), "bad_header", "binary message of 5 bytes"),
            (binary(json!([]), &[]), "bad_field", "message"),
            (binary(json!({"type": "print"}), &[]), "unknown_type", "print"),
            (binary(header(2, "gray8"), &[1]), "bad_pixels", "needs 2 bytes, got 1"),
            (binary(header(1, "float"), &[1]), "bad_field", "float"),
            (binary(header(u32::MAX, "rgba8"), &[1]), "bad_pixels", "got 1"),
        ] {
            let refusal = parse_binary(&message).unwrap_err().refusal;
            assert_eq!(refusal.code, code, "{refusal}");
            assert!(refusal.message.contains(words), "{refusal}");
        }
    }
}
