//! What a view or a kernel sends, as messages; frames of pixels are put where they stay as they come.
//!
//! The usual decoder gathers a message in a buffer that grows with it, looks only then whether it is too long, and goes through it once
//! more to unmask it. Here a message that is announced to be too long is refused at once. Pixels, megabytes at a time, are put where frames
//! were that nobody needs any more; and what a kernel beside the server did not mask (masked with zeros, in the protocol's terms) is left
//! alone.
//!
//! What is only announced takes no memory: a message for which no buffer waits gets room as it comes. Each byte of a binary message is
//! charged to its user; of a message that is too much only the beginning is kept, which says what it was.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use actix_http::ws::{Codec, Frame, Item, Message, ProtocolError};
use actix_web::error::PayloadError;
use bytes::{Buf, Bytes, BytesMut};
use bytestring::ByteString;
use futures_util::Stream;
use tokio_util::codec::Decoder;

use crate::{
    protocol::kernel::MAX_HEADER,
    quota::{Account, Charge, OverMemory},
    shelf::{Lent, Shelf},
};

/// Messages from this length on, in bytes, are worth the trouble.
const LARGE: usize = 65_536;
/// Room that a large message gets at first, in bytes, when no buffer waits for it; then twice as much each time.
const FIRST_ROOM: usize = 1 << 20;
/// What is kept of a message that is too much, in bytes: its header, and the length of that.
const BEGINNING: usize = 4 + MAX_HEADER;

/// Ample for two frames of 3840 × 2160.
static SHELF: Shelf = Shelf::new(64 << 20);

/// Something that came.
#[derive(Debug)]
pub enum Incoming {
    /// A message, or a part of one.
    Message(Message),
    /// The beginning of a binary message for which there is no memory.
    OverMemory(Bytes, OverMemory),
}

/// Why nothing more comes.
#[derive(Debug)]
pub enum Broken {
    /// A message is longer than so many bytes.
    TooBig(usize),
    /// What came is no message.
    Protocol(ProtocolError),
}

/// Whether large binary messages are taken yet.
#[derive(Clone, Default)]
pub struct Trust(Rc<Cell<bool>>);

impl Trust {
    /// They are, from now on.
    pub fn give(&self) {
        self.0.set(true);
    }
}

/// The longest messages, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Longest {
    /// Of text, of each part of a message in parts, and of all messages until there is trust.
    pub text: usize,
    /// Of whole binary messages.
    pub binary: usize,
}

/// The messages in a stream of bytes.
pub struct Intake<S> {
    bytes: S,
    decoder: Decoding,
    ended: bool,
    /// Whether what came was no message, so that nothing after it is one: it is left unread until the connection is closed.
    broken: bool,
}

impl<S> Intake<S> {
    /// The messages in `bytes`, which are charged to an account.
    pub fn new(bytes: S, longest: Longest, trust: Trust, account: Arc<Account>) -> Self {
        Self { bytes, decoder: Decoding::new(longest, trust, account), ended: false, broken: false }
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Intake<S> {
    type Item = Result<Incoming, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.broken {
                return Poll::Pending;
            }
            if let Some(message) = self.decoder.next().transpose() {
                self.broken = message.is_err();
                return Poll::Ready(Some(message));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match Pin::new(&mut self.bytes).poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => self.decoder.feed(&bytes),
                Poll::Ready(Some(Err(error))) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(failed(&error))));
                }
                Poll::Ready(None) => self.ended = true,
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

fn failed(error: &dyn std::fmt::Display) -> Broken {
    Broken::Protocol(ProtocolError::Io(io::Error::other(error.to_string())))
}

/// Bytes in, messages out.
struct Decoding {
    longest: Longest,
    trust: Trust,
    account: Arc<Account>,
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
    content: Content,
    /// Bytes of it that came.
    came: usize,
    length: usize,
    mask: [u8; 4],
}

/// What is kept of a large message.
enum Content {
    /// All that came.
    All(Lent, Charge),
    /// The beginning: there is no memory for all.
    Beginning(Vec<u8>, OverMemory),
}

impl Decoding {
    fn new(longest: Longest, trust: Trust, account: Arc<Account>) -> Self {
        Self {
            longest,
            trust,
            account,
            codec: Codec::new().max_size(longest.text),
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

    fn next(&mut self) -> Result<Option<Incoming>, Broken> {
        if self.large.is_none() && !self.begin()? {
            return Ok(None);
        }
        if let Some(large) = self.large.take_if(|large| large.came == large.length) {
            return Ok(Some(match large.content {
                Content::All(bytes, charge) => Incoming::Message(Message::Binary(charge.over(bytes))),
                Content::Beginning(bytes, over) => Incoming::OverMemory(bytes.into(), over),
            }));
        }
        if self.large.is_some() {
            return Ok(None);
        }
        let frame = self.codec.decode(&mut self.waiting).map_err(|error| match error {
            ProtocolError::Overflow => Broken::TooBig(self.longest.text),
            error => Broken::Protocol(error),
        })?;
        let Some(frame) = frame else { return Ok(None) };
        Ok(Some(Incoming::Message(match frame {
            Frame::Text(text) => Message::Text(ByteString::try_from(text).map_err(|error| failed(&error))?),
            Frame::Binary(bytes) => return Ok(Some(self.small(bytes))),
            Frame::Ping(bytes) => Message::Ping(bytes),
            Frame::Pong(bytes) => Message::Pong(bytes),
            Frame::Close(reason) => Message::Close(reason),
            Frame::Continuation(item) => {
                self.fragmented = !matches!(item, Item::Last(_));
                Message::Continuation(item)
            }
        })))
    }

    /// A binary message that is not large. It may be kept for long, and what it came in with others not for its sake.
    fn small(&self, bytes: Bytes) -> Incoming {
        match self.account.hold(Bytes::copy_from_slice(&bytes)) {
            Ok(held) => Incoming::Message(Message::Binary(held)),
            Err(over) => Incoming::OverMemory(bytes, over),
        }
    }

    /// Looks at the message that begins here: refuses one that is too long, and begins a large binary one. Anything else is left to the
    /// codec, whatever is wrong with it. Answers whether enough has come to know.
    fn begin(&mut self) -> Result<bool, Broken> {
        let [first, second, rest @ ..] = &self.waiting[..] else { return Ok(false) };
        let announced = match second & 0x7f {
            126 => {
                rest.split_first_chunk().map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest))
            }
            127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest)),
            length => Some((length.into(), rest)),
        };
        let Some((length, rest)) = announced else { return Ok(false) };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        // Final and binary; masked, with a length of 64 bits; then the mask.
        let is_whole = (*first, *second) == (0x82, 0xff) && !self.fragmented;
        let longest = if is_whole && self.trust.0.get() { self.longest.binary } else { self.longest.text };
        if length > longest {
            return Err(Broken::TooBig(longest));
        }
        if !is_whole || length < LARGE {
            return Ok(true);
        }
        let Some(mask) = rest.first_chunk::<4>().copied() else { return Ok(false) };
        self.waiting.advance(2 + 8 + 4);
        let mut large = Large { content: Content::of(length, &self.account), came: 0, length, mask };
        let mut begun = &self.waiting[..];
        large.take(&mut begun);
        let taken = self.waiting.len() - begun.len();
        self.waiting.advance(taken);
        self.large = Some(large);
        Ok(true)
    }
}

impl Content {
    /// That of a message of so many bytes, of which none has come.
    fn of(length: usize, account: &Arc<Account>) -> Self {
        let begun = account.has_room(length as u64).and_then(|()| {
            let bytes = SHELF.kept(length).unwrap_or_else(|| SHELF.none());
            let charge = account.charge(bytes.capacity())?;
            Ok((bytes, charge))
        });
        match begun {
            Ok((bytes, charge)) => Self::All(bytes, charge),
            Err(over) => Self::Beginning(Vec::new(), over),
        }
    }

    /// Makes room for so many bytes more of a message of this length. If that is too much, only the beginning stays.
    fn make_room(&mut self, more: usize, length: usize) {
        let Self::All(bytes, charge) = self else { return };
        let (len, capacity) = (bytes.len(), bytes.capacity());
        if len + more <= capacity {
            return;
        }
        let wanted = (len + more).max(FIRST_ROOM).max(2 * capacity).min(length);
        let grown = charge.set(wanted).and_then(|()| {
            bytes.try_reserve_exact(wanted - len).map_err(|_| OverMemory::System(wanted as u64))
        });
        if let Err(over) = grown {
            bytes.truncate(BEGINNING);
            *self = Self::Beginning(bytes.to_vec(), over);
        }
    }
}

impl Large {
    /// Takes what belongs to the message from the beginning of `bytes`.
    fn take(&mut self, bytes: &mut &[u8]) {
        let (own, others) = bytes.split_at(bytes.len().min(self.length - self.came));
        *bytes = others;
        self.came += own.len();
        self.content.make_room(own.len(), self.length);
        match &mut self.content {
            Content::All(bytes, _) => append(bytes, own, self.mask),
            Content::Beginning(bytes, _) => {
                let lacks = BEGINNING - bytes.len();
                append(bytes, &own[..own.len().min(lacks)], self.mask);
            }
        }
    }
}

/// Appends what follows in a message, unmasked.
fn append(content: &mut Vec<u8>, own: &[u8], mut mask: [u8; 4]) {
    let at = content.len();
    content.extend_from_slice(own);
    if mask == [0; 4] {
        return;
    }
    mask.rotate_left(at % 4);
    let mut words = content[at..].chunks_exact_mut(4);
    for word in &mut words {
        let masked = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
        word.copy_from_slice(&(masked ^ u32::from_ne_bytes(mask)).to_ne_bytes());
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use actix_http::ws::{OpCode, Parser};

    use super::*;
    use crate::quota::Memory;

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

    /// A decoder of messages of at most so many bytes, from a kernel that is trusted, and the account of its user.
    fn decoding(max: usize, memory: u64) -> (Decoding, Arc<Account>) {
        let account = Memory::new(memory).account(memory);
        let trust = Trust::default();
        trust.give();
        (Decoding::new(Longest { text: max, binary: max }, trust, Arc::clone(&account)), account)
    }

    /// What comes out when bytes come in.
    fn fed(decoding: &mut Decoding, bytes: &[u8]) -> Vec<Result<Incoming, Broken>> {
        decoding.feed(bytes);
        let mut messages = Vec::new();
        while let Some(message) = decoding.next().transpose() {
            let failed = message.is_err();
            messages.push(message);
            if failed {
                break;
            }
        }
        messages
    }

    /// What comes out when the bytes come in pieces of this length.
    fn decoded(bytes: &[u8], piece: usize, max: usize) -> Vec<Result<Message, Broken>> {
        let (mut decoding, _) = decoding(max, 1 << 30);
        let mut messages = Vec::new();
        for piece in bytes.chunks(piece) {
            for message in fed(&mut decoding, piece) {
                let failed = message.is_err();
                messages.push(message.map(|message| match message {
                    Incoming::Message(message) => message,
                    Incoming::OverMemory(_, over) => panic!("{over}"),
                }));
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
        assert!(matches!(messages[..], [Err(Broken::TooBig(100_000))]), "{messages:?}");
    }

    #[test]
    fn a_message_that_is_announced_to_be_too_long_is_refused_whatever_its_form() {
        let longest = Longest { text: 100_000, binary: 1 << 20 };
        for (opcode, last) in [
            (OpCode::Binary, true),
            (OpCode::Binary, false),
            (OpCode::Text, true),
            (OpCode::Text, false),
            (OpCode::Continue, true),
            (OpCode::Ping, true),
        ] {
            let trust = Trust::default();
            let account = Memory::new(1 << 30).account(1 << 30);
            let bytes = framed(opcode, last, &pixels(200_000), [9; 4]);
            for trusted in [false, true] {
                let mut decoding = Decoding::new(longest, trust.clone(), Arc::clone(&account));
                let messages = fed(&mut decoding, &bytes[..14]);
                let whole = trusted && opcode == OpCode::Binary && last;
                assert_eq!(matches!(messages[..], [Err(Broken::TooBig(100_000))]), !whole, "{opcode:?}");
                assert_eq!(fed(&mut decoding, &bytes[14..]).len(), 1, "{opcode:?}");
                trust.give();
            }
        }
    }

    #[test]
    fn nothing_is_read_after_what_was_no_message() {
        let bytes = Bytes::from(framed(OpCode::Text, true, &pixels(200), [9; 4]));
        let account = Memory::new(1 << 20).account(1 << 20);
        let chunks = futures_util::stream::repeat_with(move || Ok(bytes.clone()));
        let mut intake = Intake::new(chunks, Longest { text: 100, binary: 100 }, Trust::default(), account);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut poll = || Pin::new(&mut intake).poll_next(&mut context);
        assert!(matches!(poll(), Poll::Ready(Some(Err(Broken::TooBig(100))))));
        assert!(poll().is_pending());
    }

    #[test]
    fn what_is_only_announced_takes_no_memory_and_what_comes_at_most_twice_as_much() {
        // Longer than anything that waits on the shelf.
        const LENGTH: usize = 100 << 20;
        let (mut decoding, account) = decoding(LENGTH, 1 << 30);
        let mut opening = vec![0x82, 0xff];
        opening.extend((LENGTH as u64).to_be_bytes());
        opening.extend([0; 4]);
        assert!(fed(&mut decoding, &opening).is_empty());
        assert_eq!(account.held(), 0);
        let (piece, mut came) = (pixels(700_000), 0);
        while came < LENGTH {
            let next = &piece[..piece.len().min(LENGTH - came)];
            came += next.len();
            let messages = fed(&mut decoding, next);
            let held = usize::try_from(account.held()).unwrap();
            assert!((came..=(2 * came).max(FIRST_ROOM)).contains(&held), "{held} bytes for {came}");
            assert_eq!(messages.is_empty(), came < LENGTH);
        }
        assert_eq!(account.held(), 0);
    }

    #[test]
    fn of_a_message_that_is_too_much_the_beginning_stays_and_the_next_is_taken() {
        for (length, memory) in [(3_000_000, 2_000_000), (70_000, 60_000), (5000, 4000)] {
            let (mut decoding, account) = decoding(1 << 24, memory);
            let content = pixels(length);
            for mask in [[0; 4], [1, 2, 3, 250]] {
                let messages = fed(&mut decoding, &framed(OpCode::Binary, true, &content, mask));
                let [Ok(Incoming::OverMemory(beginning, OverMemory::User { .. }))] = &messages[..] else {
                    panic!("{length}: {messages:?}")
                };
                assert_eq!(beginning, &content[..length.min(BEGINNING)]);
                assert_eq!(account.held(), 0);
                let messages = fed(&mut decoding, &framed(OpCode::Binary, true, &content[..3000], mask));
                assert!(matches!(&messages[..], [Ok(Incoming::Message(Message::Binary(_)))]));
                assert_eq!(account.held(), 3000);
                drop(messages);
            }
        }
    }

    #[test]
    fn memory_that_others_take_while_a_message_comes_ends_it_and_nothing_else() {
        let (mut decoding, account) = decoding(1 << 24, 8 << 20);
        // Of no length that another test leaves a buffer for.
        let content = pixels(7_345_678);
        let bytes = framed(OpCode::Binary, true, &content, [0; 4]);
        assert!(fed(&mut decoding, &bytes[..2_000_000]).is_empty());
        let others = account.charge(5 << 20).unwrap();
        let messages = fed(&mut decoding, &bytes[2_000_000..]);
        let [Ok(Incoming::OverMemory(beginning, _))] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!(beginning, &content[..BEGINNING]);
        drop(others);
        let messages = fed(&mut decoding, &bytes);
        assert!(matches!(&messages[..], [Ok(Incoming::Message(Message::Binary(got)))] if *got == content));
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
