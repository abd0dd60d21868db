//! The messages in a kernel's stream of bytes, however it is cut.

use actix_web_actors::ws::Message;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};

use crate::{
    quota::Memory,
    web::intake::{Incoming, Intake, Longest, Trust},
};

/// Longest message.
const MAX: usize = 300_000;
/// Longest stream: a few large messages.
const LONGEST: usize = 1_000_000;
/// More than all messages of it take while they come.
const MEMORY: u64 = 16 << 20;
/// From here on a byte of the input stands for a run of its own pattern, each step as long as this.
const RUNS: u8 = 0xf0;
const RUN: usize = 20_000;

/// Two bytes that say where the stream is cut, then the stream: a length and so many bytes, or a byte from 0xf0 on for a long run, so
/// that a short input makes a message of any size.
pub(super) fn run(input: &[u8]) {
    let [one, other, packed @ ..] = input else { return };
    let seed = u32::from_le_bytes([*one, *other, 1, 1]);
    let stream = unpacked(packed);
    let whole = decoded(vec![Bytes::from(stream.clone())]);
    let cut = decoded(pieces(&stream, seed));
    assert_eq!(whole, cut, "the same bytes are other messages when they are cut");
    for message in whole.iter().flatten() {
        let length = match message {
            Message::Text(text) => text.len(),
            Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
            _ => 0,
        };
        assert!(length <= MAX, "a message of {length} bytes came through");
    }
}

fn unpacked(mut input: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    while let [first, rest @ ..] = input
        && stream.len() < LONGEST
    {
        if *first >= RUNS {
            let length = RUN * usize::from(*first - RUNS + 1);
            stream.extend((0..length).map(|at| *first ^ at.to_le_bytes()[0]));
            input = rest;
        } else {
            let (own, others) = rest.split_at(rest.len().min(usize::from(*first)));
            stream.extend_from_slice(own);
            input = others;
        }
    }
    stream
}

/// The stream in pieces whose lengths follow from the seed, short and long ones.
fn pieces(stream: &[u8], mut seed: u32) -> Vec<Bytes> {
    let mut rest = stream;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let longest = [3, 20, 70_000][seed as usize % 3];
        let (piece, others) = rest.split_at(rest.len().min(1 + (seed >> 8) as usize % longest));
        pieces.push(Bytes::copy_from_slice(piece));
        rest = others;
    }
    pieces
}

/// What comes out, up to the first error.
fn decoded(pieces: Vec<Bytes>) -> Vec<Result<Message, String>> {
    let (trust, account) = (Trust::default(), Memory::new(MEMORY).account(MEMORY));
    trust.give();
    let longest = Longest { text: MAX, binary: MAX };
    let mut intake = Intake::new(stream::iter(pieces.into_iter().map(Ok)), longest, trust, account);
    let mut messages = Vec::new();
    while let Some(message) = intake.next().now_or_never().expect("nothing is waited for") {
        let message = message.map_err(|error| format!("{error:?}")).map(|incoming| match incoming {
            Incoming::Message(message) => message,
            Incoming::OverMemory(_, over) => panic!("{over}"),
        });
        let failed = message.is_err();
        messages.push(message);
        if failed {
            break;
        }
    }
    messages
}
