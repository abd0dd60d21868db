//! What one kernel's connection may send: how much, how often, and in which form.

use std::time::Instant;

use bytes::Bytes;

use super::{KernelMessage, MAX_HEADER, Refused, parse, parse_binary};
use crate::{
    PixelFormat,
    protocol::{
        FrameKind, Refusal,
        bucket::Bucket,
        close_code,
        fragments::{Fragments, too_big},
        frames::Frames,
        inbound::MAX_REFUSALS,
    },
};

/// A kernel answers the server and its own program, which may push frames and print in a loop. This stops what goes wild.
const MAX_MESSAGES_PER_SECOND: u32 = 20_000;

/// A message may come in several frames: a large picture in some hundred.
const MAX_FRAMES_PER_SECOND: u32 = 100_000;

/// Bounds on what a kernel's connection may send.
#[derive(Debug, Clone, Copy)]
pub struct KernelInboundLimits {
    /// Longest text message, in bytes.
    pub max_message_bytes: usize,
    /// Most pixels of a frame.
    pub max_frame_pixels: u64,
}

impl KernelInboundLimits {
    /// Longest binary message, in bytes: the largest frame and its header.
    pub fn max_binary_bytes(&self) -> usize {
        let pixels = usize::try_from(self.max_frame_pixels).unwrap_or(usize::MAX);
        pixels.saturating_mul(PixelFormat::Rgba8.channels()).saturating_add(4 + MAX_HEADER)
    }

    /// Longest message of either form, in bytes.
    pub fn max_bytes(&self) -> usize {
        self.max_message_bytes.max(self.max_binary_bytes())
    }
}

/// The checks on what one kernel sends. Bytes go in, messages and refusals come out.
#[derive(Debug)]
pub struct KernelInbound {
    limits: KernelInboundLimits,
    text: Fragments,
    binary: Fragments,
    /// Whether the message whose fragments come now is binary.
    in_binary: bool,
    frames: Frames,
    messages: Bucket,
    refusals: u32,
}

impl KernelInbound {
    /// A fresh connection.
    pub fn new(limits: KernelInboundLimits, now: Instant) -> Self {
        Self {
            limits,
            text: Fragments::new(limits.max_message_bytes),
            binary: Fragments::new(limits.max_binary_bytes()),
            in_binary: false,
            frames: Frames::new(MAX_FRAMES_PER_SECOND, now),
            messages: Bucket::new(MAX_MESSAGES_PER_SECOND, now),
            refusals: 0,
        }
    }

    /// Takes a WebSocket frame of any kind: of frames come many for a long message, and of pings none is a message at all.
    ///
    /// # Errors
    /// When too many come.
    pub fn frame(&mut self, kind: FrameKind, now: Instant) -> Result<(), Refusal> {
        self.frames.take(kind, now)
    }

    /// Takes a whole text message.
    ///
    /// # Errors
    /// When it is too long, comes too soon, or is not a message of the protocol.
    pub fn text(&mut self, text: &[u8], now: Instant) -> Result<KernelMessage, Refused> {
        self.admit(text.len(), self.limits.max_message_bytes, now)?;
        parse(text).map_err(|refused| self.count(refused))
    }

    /// Takes a whole binary message.
    ///
    /// # Errors
    /// As [`KernelInbound::text`].
    pub fn binary(&mut self, message: &Bytes, now: Instant) -> Result<KernelMessage, Refused> {
        self.admit(message.len(), self.limits.max_binary_bytes(), now)?;
        parse_binary(message).map_err(|refused| self.count(refused))
    }

    /// Takes the first fragment of a message.
    ///
    /// # Errors
    /// When fragments are out of order or too long together.
    pub fn first_fragment(&mut self, bytes: &Bytes, binary: bool) -> Result<(), Refused> {
        if !self.fragments().is_open() {
            self.in_binary = binary;
        }
        Ok(self.fragments().first(bytes)?)
    }

    /// Takes a further fragment.
    ///
    /// # Errors
    /// As [`KernelInbound::first_fragment`].
    pub fn next_fragment(&mut self, bytes: &Bytes) -> Result<(), Refused> {
        Ok(self.fragments().append(bytes)?)
    }

    /// Takes the last fragment, and with it the message.
    ///
    /// # Errors
    /// As [`KernelInbound::first_fragment`] and [`KernelInbound::text`].
    pub fn last_fragment(&mut self, bytes: &Bytes, now: Instant) -> Result<KernelMessage, Refused> {
        let message = self.fragments().last(bytes)?;
        if self.in_binary { self.binary(&message, now) } else { self.text(&message, now) }
    }

    /// The refusal of a message that the WebSocket layer found too long.
    pub fn too_big(&self) -> Refusal {
        too_big(self.limits.max_bytes())
    }

    fn fragments(&mut self) -> &mut Fragments {
        if self.in_binary { &mut self.binary } else { &mut self.text }
    }

    fn admit(&mut self, length: usize, max: usize, now: Instant) -> Result<(), Refusal> {
        if length > max {
            return Err(too_big(max));
        }
        if self.messages.take(now) {
            return Ok(());
        }
        let message = format!("more than {MAX_MESSAGES_PER_SECOND} messages a second: send fewer");
        Err(Refusal::of_connection("rate", message, close_code::POLICY))
    }

    /// Counts a refusal that costs a message; too many cost the connection.
    fn count(&mut self, refused: Refused) -> Refused {
        self.refusals += 1;
        if self.refusals < MAX_REFUSALS {
            return refused;
        }
        let last = &refused.refusal.message;
        let message = format!("{MAX_REFUSALS} messages were refused; the last one since {last}");
        let refusal = Refusal { message, close: Some(close_code::POLICY), ..refused.refusal };
        Refused { refusal, ..refused }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOODBYE: &[u8] = br#"{"type":"goodbye"}"#;

    fn inbound(now: Instant) -> KernelInbound {
        KernelInbound::new(KernelInboundLimits { max_message_bytes: 100, max_frame_pixels: 4 }, now)
    }

    #[test]
    fn text_and_pixels_have_limits_of_their_own() {
        let now = Instant::now();
        let mut inbound = inbound(now);
        let close = |refused: Refused| refused.refusal.close;
        assert_eq!(close(inbound.text(&[b' '; 101], now).unwrap_err()), Some(close_code::TOO_BIG));
        assert_eq!(close(inbound.binary(&vec![0; 101].into(), now).unwrap_err()), None);
        let long = vec![0; 16 + 4 + MAX_HEADER + 1].into();
        assert_eq!(close(inbound.binary(&long, now).unwrap_err()), Some(close_code::TOO_BIG));
    }

    #[test]
    fn fragments_of_either_form_make_one_message() {
        let now = Instant::now();
        let mut inbound = inbound(now);
        inbound.first_fragment(&Bytes::from_static(br#"{"type":"#), false).unwrap();
        let goodbye = inbound.last_fragment(&Bytes::from_static(br#""goodbye"}"#), now).unwrap();
        assert_eq!(goodbye, KernelMessage::Goodbye);
        let header = br#"{"type":"frame","widget":"w","width":1,"height":1,"format":"gray8"}"#;
        let mut first = u32::try_from(header.len()).unwrap().to_le_bytes().to_vec();
        first.extend_from_slice(header);
        inbound.first_fragment(&first.into(), true).unwrap();
        let frame = inbound.last_fragment(&Bytes::from_static(&[9]), now).unwrap();
        assert!(matches!(frame, KernelMessage::Frame { .. }));
    }

    #[test]
    fn a_message_within_another_costs_the_connection() {
        let now = Instant::now();
        let mut inbound = inbound(now);
        inbound.first_fragment(&Bytes::new(), false).unwrap();
        let refused = inbound.first_fragment(&Bytes::new(), true).unwrap_err();
        assert_eq!(refused.refusal.close, Some(close_code::PROTOCOL));
    }

    #[test]
    fn too_many_messages_cost_the_connection() {
        let now = Instant::now();
        let mut wild = inbound(now);
        assert!((0..MAX_MESSAGES_PER_SECOND).all(|_| wild.text(GOODBYE, now).is_ok()));
        assert_eq!(wild.text(GOODBYE, now).unwrap_err().refusal.close, Some(close_code::POLICY));
        let mut broken = inbound(now);
        assert!((1..MAX_REFUSALS).all(|_| broken.text(b"{", now).unwrap_err().refusal.close.is_none()));
        assert_eq!(broken.text(b"{", now).unwrap_err().refusal.close, Some(close_code::POLICY));
    }
}
