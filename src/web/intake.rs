//! What a kernel sends, as messages: frames of pixels are put where they stay as they come.
//!
//! The usual decoder gathers a message in a buffer that grows with it, and then goes through it once more to unmask it. For
//! pixels, megabytes at a time, this one makes room for the whole message when its length is known, where frames were that nobody
//! needs any more; and it leaves alone what a kernel beside the server did not mask (masked with zeros, in the protocol's terms).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use actix_http::ws::{Codec, Frame, Item, Message, ProtocolError};
use actix_web::error::PayloadError;
use bytes::{Buf, Bytes, BytesMut};
use bytestring::ByteString;
use futures_util::Stream;
use tokio_util::codec::Decoder;

use crate::shelf::{Lent, Shelf};

/// Messages from this length on, in bytes, are worth the trouble.
const LARGE: usize = 65_536;

/// Ample for two frames of 3840 × 2160.
static SHELF: Shelf = Shelf::new(64 << 20);

/// The messages in a stream of bytes.
pub struct Intake<S> {
    bytes: S,
    decoder: Decoding,
    ended: bool,
}

impl<S> Intake<S> {
    /// The messages in `bytes`, each of at most `max` bytes.
    pub fn new(bytes: S, max: usize) -> Self {
        Self { bytes, decoder: Decoding::new(max), ended: false }
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Intake<S> {
    type Item = Result<Message, ProtocolError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(message) = self.decoder.next().transpose() {
                return Poll::Ready(Some(message));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match Pin::new(&mut self.bytes).poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => self.decoder.feed(&bytes),
                Poll::Ready(Some(Err(error))) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(ProtocolError::Io(io::Error::other(error.to_string())))));
                }
                Poll::Ready(None) => self.ended = true,
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Bytes in, messages out.
struct Decoding {
    max: usize,
    codec: Codec,
    /// What the codec has not taken yet.
    waiting: BytesMut,
    /// The large message that comes now.
    large: Option<Large>,
    /// Whether a message that comes in fragments is incomplete.
    fragmented: bool,
}

/// A large message that is coming.
struct Large {
    content: Lent,
    length: usize,
    mask: [u8; 4],
}

impl Decoding {
    fn new(max: usize) -> Self {
        Self {
            max,
            codec: Codec::new().max_size(max),
            waiting: BytesMut::new(),
            large: None,
            fragmented: false,
        }
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        if let Some(large) = &mut self.large {
            large.take(&mut bytes);
        }
        self.waiting.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Result<Option<Message>, ProtocolError> {
        if self.large.is_none() && !self.fragmented {
            self.begin_large()?;
        }
        if let Some(large) = self.large.take_if(|large| large.content.len() == large.length) {
            return Ok(Some(Message::Binary(large.content.freeze())));
        }
        if self.large.is_some() {
            return Ok(None);
        }
        let Some(frame) = self.codec.decode(&mut self.waiting)? else { return Ok(None) };
        Ok(Some(match frame {
            Frame::Text(text) => Message::Text(
                ByteString::try_from(text)
                    .map_err(|error| ProtocolError::Io(io::Error::other(error.to_string())))?,
            ),
            Frame::Binary(bytes) => Message::Binary(bytes),
            Frame::Ping(bytes) => Message::Ping(bytes),
            Frame::Pong(bytes) => Message::Pong(bytes),
            Frame::Close(reason) => Message::Close(reason),
            Frame::Continuation(item) => {
                self.fragmented = !matches!(item, Item::Last(_));
                Message::Continuation(item)
            }
        }))
    }

    /// Makes room if a large binary message begins here. Anything else is left to the codec, whatever is wrong with it.
    fn begin_large(&mut self) -> Result<(), ProtocolError> {
        // Final and binary; masked, with a length of 64 bits; the length; the mask.
        let [0x82, 0xff, rest @ ..] = &self.waiting[..] else { return Ok(()) };
        let Some((length, rest)) = rest.split_first_chunk::<8>() else { return Ok(()) };
        let Some(mask) = rest.first_chunk::<4>().copied() else { return Ok(()) };
        let length = usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > self.max {
            return Err(ProtocolError::Overflow);
        }
        if length < LARGE {
            return Ok(());
        }
        self.waiting.advance(2 + 8 + 4);
        let mut large = Large { content: SHELF.of(length), length, mask };
        let mut begun = &self.waiting[..];
        large.take(&mut begun);
        let taken = self.waiting.len() - begun.len();
        self.waiting.advance(taken);
        self.large = Some(large);
        Ok(())
    }
}

impl Large {
    /// Takes what belongs to the message from the beginning of `bytes`.
    fn take(&mut self, bytes: &mut &[u8]) {
        let at = self.content.len();
        let (own, others) = bytes.split_at(bytes.len().min(self.length - at));
        self.content.extend_from_slice(own);
        *bytes = others;
        if self.mask == [0; 4] {
            return;
        }
        let mut mask = self.mask;
        mask.rotate_left(at % 4);
        let mut words = self.content[at..].chunks_exact_mut(4);
        for word in &mut words {
            let masked = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
            word.copy_from_slice(&(masked ^ u32::from_ne_bytes(mask)).to_ne_bytes());
        }
        for (byte, mask) in words.into_remainder().iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_http::ws::{OpCode, Parser};

    use super::*;

    fn framed(opcode: OpCode, last: bool, content: &[u8], mask: [u8; 4]) -> Vec<u8> {
        let mut frame = BytesMut::new();
        Parser::write_message(&mut frame, content, opcode, last, false);
        let mut frame = frame.to_vec();
        let head = frame.len() - content.len();
        frame[1] |= 0x80;
        for (index, byte) in frame[head..].iter_mut().enumerate() {
            *byte ^= mask[index % 4];
        }
        frame.splice(head..head, mask);
        frame
    }

    fn pixels(length: usize) -> Vec<u8> {
        (0..length).map(|index| u8::try_from(index * 7 % 251).unwrap()).collect()
    }

    /// What comes out when the bytes come in pieces of this length.
    fn decoded(bytes: &[u8], piece: usize, max: usize) -> Vec<Result<Message, String>> {
        let mut decoding = Decoding::new(max);
        let mut messages = Vec::new();
        for piece in bytes.chunks(piece) {
            decoding.feed(piece);
            while let Some(message) = decoding.next().map_err(|error| error.to_string()).transpose() {
                let failed = message.is_err();
                messages.push(message);
                if failed {
                    return messages;
                }
            }
        }
        messages
    }

    #[test]
    fn messages_of_all_lengths_come_out_as_they_went_in_however_they_are_cut() {
        for mask in [[0; 4], [1, 2, 3, 250]] {
            let contents = [3, LARGE - 1, LARGE, LARGE + 1, 300_001].map(pixels);
            let mut bytes = Vec::new();
            for content in &contents {
                bytes.extend(framed(OpCode::Binary, true, content, mask));
                bytes.extend(framed(OpCode::Text, true, b"{}", mask));
            }
            for piece in [1, 7, 1000, 65_536, bytes.len()] {
                let messages = decoded(&bytes, piece, 1 << 20);
                assert_eq!(messages.len(), 10);
                for (pair, content) in messages.chunks(2).zip(&contents) {
                    assert!(matches!(&pair[0], Ok(Message::Binary(got)) if got == content), "{piece}");
                    assert!(matches!(&pair[1], Ok(Message::Text(text)) if &**text == "{}"), "{piece}");
                }
            }
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_before_it_comes() {
        let bytes = framed(OpCode::Binary, true, &pixels(200_000), [9; 4]);
        let messages = decoded(&bytes[..20], 20, 100_000);
        assert_eq!(messages.len(), 1);
        assert!(messages[0].is_err());
    }

    #[test]
    fn a_large_message_within_a_fragmented_one_breaks_the_protocol() {
        let mut bytes = framed(OpCode::Binary, false, b"begun", [0; 4]);
        bytes.extend(framed(OpCode::Binary, true, &pixels(100_000), [0; 4]));
        let messages = decoded(&bytes, 4096, 1 << 20);
        assert!(matches!(&messages[0], Ok(Message::Continuation(Item::FirstBinary(_)))));
        assert!(messages.last().unwrap().is_err(), "it was taken");
    }

    #[test]
    fn a_large_message_that_is_not_masked_breaks_the_protocol() {
        let mut bytes = BytesMut::new();
        Parser::write_message(&mut bytes, pixels(100_000), OpCode::Binary, true, false);
        assert!(decoded(&bytes, 4096, 1 << 20)[0].is_err());
    }
}
