//! What one kernel's connection may send: how much, how often, and in which form.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use super::{KernelMessage, MAX_HEADER, Refused, parse, parse_binary, refused_binary};
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
    quota::{Account, Charge, OverMemory},
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
}

/// The checks on what one kernel sends. Bytes go in, messages and refusals come out.
#[derive(Debug)]
pub struct KernelInbound {
    limits: KernelInboundLimits,
    text: Fragments,
    binary: Fragments,
    /// Whether the message whose fragments come now is binary.
    in_binary: bool,
    /// Of these fragments.
    charge: Charge,
    account: Arc<Account>,
    frames: Frames,
    messages: Bucket,
    refusals: u32,
}

impl KernelInbound {
    /// A fresh connection, of which nobody knows yet whose it is: until it is trusted, nothing that it sends may be longer than text.
    /// Messages that come in fragments are charged to the account.
    pub fn new(limits: KernelInboundLimits, account: Arc<Account>, now: Instant) -> Self {
        Self {
            limits,
            text: Fragments::new(limits.max_message_bytes),
            binary: Fragments::new(limits.max_message_bytes),
            in_binary: false,
            frames: Frames::new(MAX_FRAMES_PER_SECOND, now),
            charge: account.nothing(),
            account,
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

    /// From now on messages with pixels may be as long as these are.
    pub fn trust(&mut self) {
        self.binary = Fragments::new(self.limits.max_binary_bytes());
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

    /// Refuses a binary message for which there is no memory, and of which the beginning is known.
    pub fn over_memory(&mut self, beginning: &Bytes, over: OverMemory, now: Instant) -> Refused {
        match self.admit(beginning.len(), self.limits.max_binary_bytes(), now) {
            Ok(()) => refused_binary(beginning, Refusal::of_message(over.code(), over.to_string())),
            Err(refusal) => refusal.into(),
        }
    }

    /// Takes the first fragment of a message.
    ///
    /// # Errors
    /// When fragments are out of order or too long together.
    pub fn first_fragment(&mut self, bytes: &Bytes, binary: bool) -> Result<(), Refused> {
        if !self.fragments().is_open() {
            self.in_binary = binary;
        }
        self.hold(bytes)?;
        Ok(self.fragments().first(bytes)?)
    }

    /// Takes a further fragment.
    ///
    /// # Errors
    /// As [`KernelInbound::first_fragment`].
    pub fn next_fragment(&mut self, bytes: &Bytes) -> Result<(), Refused> {
        self.hold(bytes)?;
        Ok(self.fragments().append(bytes)?)
    }

    /// Takes the last fragment, and with it the message.
    ///
    /// # Errors
    /// As [`KernelInbound::first_fragment`] and [`KernelInbound::text`].
    pub fn last_fragment(&mut self, bytes: &Bytes, now: Instant) -> Result<KernelMessage, Refused> {
        self.hold(bytes)?;
        let message = self.fragments().last(bytes)?;
        let charge = std::mem::replace(&mut self.charge, self.account.nothing());
        let message = charge.over(message);
        if self.in_binary { self.binary(&message, now) } else { self.text(&message, now) }
    }

    /// The refusal of a message that the WebSocket layer found too long.
    pub fn too_big(&self) -> Refusal {
        too_big(self.limits.max_message_bytes)
    }

    /// Charges for one more fragment, and for what the room for all of them may be larger than they are.
    fn hold(&mut self, fragment: &Bytes) -> Result<(), Refusal> {
        let held = 2 * (self.fragments().came() + fragment.len());
        self.charge
            .set(held)
            .map_err(|over| Refusal::of_connection(over.code(), over.to_string(), close_code::TRY_LATER))
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
    use crate::{protocol::kernel::Awaited, quota::Memory};

    const GOODBYE: &[u8] = br#"{"type":"goodbye"}"#;

    fn limited(now: Instant, memory: u64) -> KernelInbound {
        let limits = KernelInboundLimits { max_message_bytes: 100, max_frame_pixels: 4 };
        KernelInbound::new(limits, Memory::new(memory).account(memory), now)
    }

    fn inbound(now: Instant) -> KernelInbound {
        let mut inbound = limited(now, 1 << 20);
        inbound.trust();
        inbound
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
    fn fragments_before_there_is_trust_are_no_longer_than_text_and_never_more_than_there_is_memory() {
        let (now, fragment) = (Instant::now(), Bytes::from(vec![0; 60]));
        let close = |refused: Refused| refused.refusal.close;
        let mut unknown = limited(now, 1 << 20);
        unknown.first_fragment(&fragment, true).unwrap();
        assert_eq!(close(unknown.next_fragment(&fragment).unwrap_err()), Some(close_code::TOO_BIG));
        let mut known = limited(now, 300);
        known.trust();
        known.first_fragment(&fragment, true).unwrap();
        known.next_fragment(&fragment).unwrap();
        let refusal = known.next_fragment(&fragment).unwrap_err().refusal;
        assert_eq!((refusal.code, refusal.close), ("user_memory", Some(close_code::TRY_LATER)));
    }

    #[test]
    fn a_frame_for_which_there_is_no_memory_is_refused_by_what_it_was() {
        let now = Instant::now();
        let header = br#"{"type":"turn_done","widget":"w","turn":7}"#;
        let mut beginning = u32::try_from(header.len()).unwrap().to_le_bytes().to_vec();
        beginning.extend_from_slice(header);
        beginning.extend([1, 2, 3]);
        let over = OverMemory::System(9);
        let refused = inbound(now).over_memory(&beginning.into(), over, now);
        assert_eq!((refused.awaited, refused.widget.as_deref()), (Awaited::ByWidget(Some(7)), Some("w")));
        assert_eq!((refused.refusal.code, refused.refusal.close), ("memory", None));
        for broken in [&b""[..], b"\xff\xff\xff\xff{}", b"\x02\0\0\0{"] {
            let refused = inbound(now).over_memory(&Bytes::from_static(broken), over, now);
            assert_eq!((refused.awaited, refused.widget), (Awaited::ByNobody, None));
        }
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
