//! What one view's connection may send: how much, how often, and in which form.

use std::time::Instant;

use bytes::Bytes;

use super::{
    FrameKind, Refusal,
    bucket::Bucket,
    close_code,
    fragments::{Fragments, too_big},
    frames::Frames,
    view::{self, ClientMessage},
};

/// Bounds on what a connection may send.
#[derive(Debug, Clone, Copy)]
pub struct InboundLimits {
    /// Longest message, in bytes.
    pub max_message_bytes: usize,
    /// Most events a second over a while; bursts of as many are let through.
    pub max_events_per_second: u32,
}

/// Confirmations and answers to pings are bounded by what the server sends; this only stops who makes them up.
const MAX_FRAMES_PER_SECOND: u32 = 20_000;
/// So many refused messages end a connection: its sender is broken, or means harm.
pub const MAX_REFUSALS: u32 = 100;

/// The checks on what one connection sends. Bytes go in, messages and refusals come out.
#[derive(Debug)]
pub struct Inbound {
    limits: InboundLimits,
    fragments: Fragments,
    events: Bucket,
    frames: Frames,
    refusals: u32,
}

impl Inbound {
    /// A fresh connection.
    pub fn new(limits: InboundLimits, now: Instant) -> Self {
        Self {
            limits,
            fragments: Fragments::new(limits.max_message_bytes),
            events: Bucket::new(limits.max_events_per_second, now),
            frames: Frames::new(MAX_FRAMES_PER_SECOND, now),
            refusals: 0,
        }
    }

    /// Takes a WebSocket frame of any kind, pings and parts of messages included.
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
    pub fn text(&mut self, text: &[u8], now: Instant) -> Result<ClientMessage, Refusal> {
        if text.len() > self.limits.max_message_bytes {
            return Err(self.too_big());
        }
        let message = view::parse(text).map_err(|refusal| self.count(refusal))?;
        if matches!(message, ClientMessage::Event { .. }) && !self.events.take(now) {
            let limit = self.limits.max_events_per_second;
            let message = format!(
                "more than {limit} events a second: send pointer moves and wheel turns at most every 20 ms"
            );
            return Err(Refusal::of_connection("rate", message, close_code::POLICY));
        }
        Ok(message)
    }

    /// Takes the first fragment of a text message.
    ///
    /// # Errors
    /// When fragments are out of order or too long together.
    pub fn first_fragment(&mut self, bytes: &Bytes) -> Result<(), Refusal> {
        self.fragments.first(bytes)
    }

    /// Takes a further fragment.
    ///
    /// # Errors
    /// As [`Inbound::first_fragment`].
    pub fn next_fragment(&mut self, bytes: &Bytes) -> Result<(), Refusal> {
        self.fragments.append(bytes)
    }

    /// Takes the last fragment, and with it the message.
    ///
    /// # Errors
    /// As [`Inbound::first_fragment`] and [`Inbound::text`].
    pub fn last_fragment(&mut self, bytes: &Bytes, now: Instant) -> Result<ClientMessage, Refusal> {
        let text = self.fragments.last(bytes)?;
        self.text(&text, now)
    }

    /// The refusal of a binary message: views send none.
    pub fn binary(&self) -> Refusal {
        Refusal::of_connection("binary", "views send JSON text, never binary", close_code::UNSUPPORTED)
    }

    /// The refusal of a message that the WebSocket layer found too long.
    pub fn too_big(&self) -> Refusal {
        too_big(self.limits.max_message_bytes)
    }

    /// Counts a refusal that costs a message; too many cost the connection.
    pub fn count(&mut self, refusal: Refusal) -> Refusal {
        self.refusals += 1;
        if self.refusals < MAX_REFUSALS {
            return refusal;
        }
        let message = format!("{MAX_REFUSALS} messages were refused; the last one since {}", refusal.message);
        Refusal { message, close: Some(close_code::POLICY), ..refusal }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SHOW: &[u8] = br#"{"type":"show"}"#;

    fn inbound(now: Instant) -> Inbound {
        Inbound::new(InboundLimits { max_message_bytes: 100, max_events_per_second: 10 }, now)
    }

    #[test]
    fn more_events_a_second_than_allowed_cost_the_connection() {
        let now = Instant::now();
        let mut inbound = inbound(now);
        assert!((0..10).all(|_| inbound.text(SHOW, now).is_ok()));
        assert_eq!(inbound.text(SHOW, now).unwrap_err().close, Some(close_code::POLICY));
        assert!(inbound.text(SHOW, now + Duration::from_millis(200)).is_ok());
    }

    #[test]
    fn confirmations_do_not_use_up_the_events() {
        let now = Instant::now();
        let mut inbound = inbound(now);
        let feedback = br#"{"type":"frame_feedback","index":1,"timestamp":1,"localtime":1}"#;
        assert!((0..100).all(|_| inbound.text(feedback, now).is_ok()));
        assert!(inbound.text(SHOW, now).is_ok());
    }

    #[test]
    fn a_bad_message_costs_itself_and_too_many_cost_the_connection() {
        let now = Instant::now();
        let mut inbound = inbound(now);
        for _ in 1..MAX_REFUSALS {
            assert_eq!(inbound.text(b"{", now).unwrap_err().close, None);
        }
        assert_eq!(inbound.text(b"{", now).unwrap_err().close, Some(close_code::POLICY));
    }

    #[test]
    fn a_message_over_the_limit_costs_the_connection() {
        let now = Instant::now();
        let long = [b' '; 101];
        assert_eq!(inbound(now).text(&long, now).unwrap_err().close, Some(close_code::TOO_BIG));
    }
}
