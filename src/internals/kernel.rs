//! What kernels send.

use std::time::Instant;

use bytes::Bytes;

use super::{check_told, lines};
use crate::{
    protocol::kernel::{Drawn, KernelInbound, KernelInboundLimits, KernelMessage, Refused},
    quota::Memory,
};

const LIMITS: KernelInboundLimits =
    KernelInboundLimits { max_message_bytes: 4096, max_frame_pixels: 64 * 64 };
/// More than the longest message takes.
const MEMORY: u64 = 1 << 20;

/// Lines, each of how the message comes and its content: `t` text; `b` binary; `h` binary, the length of the header before the first
/// `|` put in front; `f` and `g` the first fragment of text and of bytes; `n` a further one; `l` the last.
pub(super) fn run(input: &[u8]) {
    let now = Instant::now();
    let mut inbound = KernelInbound::new(LIMITS, Memory::new(MEMORY).account(MEMORY), now);
    inbound.trust();
    for line in lines(input) {
        let [how, content @ ..] = line else { continue };
        let bytes = Bytes::copy_from_slice(content);
        let message = match how {
            b'b' => inbound.binary(&bytes, now).map(Some),
            b'h' => inbound.binary(&with_length(content), now).map(Some),
            b'f' => inbound.first_fragment(&bytes, false).map(|()| None),
            b'g' => inbound.first_fragment(&bytes, true).map(|()| None),
            b'n' => inbound.next_fragment(&bytes).map(|()| None),
            b'l' => inbound.last_fragment(&bytes, now).map(Some),
            _ => inbound.text(content, now).map(Some),
        };
        match message {
            Ok(Some(message)) => check(&message),
            Ok(None) => {}
            Err(Refused { refusal, .. }) => check_told(&refusal.message),
        }
    }
}

/// The header and the pixels around a `|`, as a binary message.
fn with_length(content: &[u8]) -> Bytes {
    let length = content.iter().position(|byte| *byte == b'|').unwrap_or(content.len());
    let mut message = u32::try_from(length).expect("inputs are short").to_le_bytes().to_vec();
    message.extend_from_slice(&content[..length]);
    message.extend_from_slice(content.get(length + 1..).unwrap_or_default());
    message.into()
}

fn check(message: &KernelMessage) {
    let frame = match message {
        KernelMessage::Frame { frame, .. } => frame,
        KernelMessage::TurnDone(done) => {
            let Drawn::Frame(frame) = &done.drawn else { return };
            frame
        }
        _ => return,
    };
    assert!(frame.pixels().len() <= LIMITS.max_binary_bytes(), "{frame:?} is too long");
    assert_eq!(frame.pixels().len() as u64, frame.area() * frame.format().channels() as u64, "{frame:?}");
}
