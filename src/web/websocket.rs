//! What the sockets of views and of kernels have in common.

use std::{
    cell::RefCell,
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    task::{self, Poll},
};

use actix::prelude::*;
use actix_http::ws::{Codec, Item, OpCode};
use actix_web::{Error, HttpResponse, HttpResponseBuilder, error::PayloadError};
use actix_web_actors::ws::{CloseCode, CloseReason, Message, ProtocolError, WebsocketContext};
use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use futures_util::stream::{self, poll_fn};

use super::error::ApiError;
use crate::{
    actors::outbox::Waiting,
    protocol::{FrameKind, Refusal, close_code},
};

/// The end of a WebSocket that hands on what comes in.
pub trait Peer: Actor<Context = WebsocketContext<Self>> {
    /// A whole text message came.
    fn text(&mut self, text: &Bytes, context: &mut Self::Context);
    /// A whole binary message came.
    fn binary(&mut self, message: &Bytes, context: &mut Self::Context);
    /// A part of a message came.
    fn fragment(&mut self, item: &Item, context: &mut Self::Context);
    /// A frame came, of whatever kind: parts of messages and pings cost work as whole messages do.
    ///
    /// # Errors
    /// When too many do; this one is then dropped.
    fn admit(&mut self, kind: FrameKind) -> Result<(), Refusal>;
    /// The answer to a ping came.
    fn pong(&mut self) {}
    /// What came is no message at all.
    fn refused(&mut self, refusal: Refusal, context: &mut Self::Context);
    /// The refusal of a message that is longer than any may be.
    fn too_big(&self) -> Refusal;
    /// Where messages are put that go out as they are.
    fn outgoing(&self) -> &Outgoing;
}

/// Hands on what came in, and answers what every WebSocket answers.
pub fn receive<P: Peer>(
    peer: &mut P,
    message: Result<Message, ProtocolError>,
    context: &mut WebsocketContext<P>,
) {
    let kind = match &message {
        Ok(Message::Ping(_) | Message::Pong(_)) => Some(FrameKind::Control),
        Ok(Message::Close(_)) | Err(_) => None,
        Ok(_) => Some(FrameKind::Data),
    };
    if let Some(Err(refusal)) = kind.map(|kind| peer.admit(kind)) {
        peer.refused(refusal, context);
        return;
    }
    match message {
        Ok(Message::Text(text)) => peer.text(text.as_bytes(), context),
        Ok(Message::Binary(bytes)) => peer.binary(&bytes, context),
        Ok(Message::Continuation(item)) => peer.fragment(&item, context),
        Ok(Message::Ping(bytes)) => context.pong(&bytes),
        Ok(Message::Close(reason)) => {
            context.close(reason);
            context.stop();
        }
        Ok(Message::Pong(_)) => peer.pong(),
        Ok(Message::Nop) => {}
        Err(ProtocolError::Overflow) => peer.refused(peer.too_big(), context),
        Err(error) => {
            let message = format!("the WebSocket protocol was broken: {error}");
            peer.refused(Refusal::of_connection("websocket", message, close_code::PROTOCOL), context);
        }
    }
}

/// So much of a message is put into the connection's buffer at a time, in bytes: it then stays in the processor's caches and is used
/// again, while one for a whole large frame would be memory that is fresh from the system each time.
const AT_A_TIME: usize = 60 << 10;

/// Answers a handshake with the stream of a socket: what its context makes of messages, and what is [`Outgoing`].
pub fn answer<P>(socket: P, mut response: HttpResponseBuilder) -> HttpResponse
where
    P: Peer + StreamHandler<Result<Message, ProtocolError>>,
{
    let outgoing = socket.outgoing().clone();
    // The context's own reading has nothing to read: the intake does it.
    let nothing = stream::pending::<Result<Bytes, PayloadError>>();
    let mut context = Box::pin(WebsocketContext::with_codec(socket, nothing, Codec::new()));
    response.streaming(poll_fn(move |waker| {
        outgoing.taken();
        let next = || outgoing.next().map(|bytes| Poll::Ready(Some(Ok(bytes))));
        next().unwrap_or_else(|| match context.as_mut().poll_next(waker) {
            // It may have put something out.
            Poll::Pending => next().unwrap_or(Poll::Pending),
            ready @ Poll::Ready(_) => ready,
        })
    }))
}

/// Messages that go out as they are: the context would copy them into a buffer of its own first.
#[derive(Clone, Default)]
pub struct Outgoing {
    pieces: Rc<RefCell<VecDeque<Bytes>>>,
    /// What says that text waits, until the connection has taken that.
    waiting: Rc<RefCell<Vec<Waiting>>>,
}

impl Outgoing {
    fn next(&self) -> Option<Bytes> {
        self.pieces.borrow_mut().pop_front()
    }

    fn is_empty(&self) -> bool {
        self.pieces.borrow().is_empty()
    }

    /// Text that was just sent waits until the connection has taken it.
    pub fn hold(&self, waiting: Option<Waiting>) {
        self.waiting.borrow_mut().extend(waiting);
    }

    /// The connection asks for more: it has taken all that was not kept here in pieces.
    fn taken(&self) {
        if self.is_empty() {
            self.waiting.borrow_mut().clear();
        }
    }
}

/// Sends one binary message whose parts lie apart.
pub fn send_parts<P: Peer>(
    peer: &P,
    context: &mut WebsocketContext<P>,
    parts: impl IntoIterator<Item = Bytes>,
) {
    send(peer, context, OpCode::Binary, parts);
}

/// Sends one text message.
pub fn send_text<P: Peer>(peer: &P, context: &mut WebsocketContext<P>, text: ByteString) {
    if text.len() <= AT_A_TIME {
        context.text(text);
    } else {
        send(peer, context, OpCode::Text, [text.into_bytes()]);
    }
}

/// The actor waits until the message is on its way, so that nothing else is sent in between.
fn send<P: Peer>(
    peer: &P,
    context: &mut WebsocketContext<P>,
    opcode: OpCode,
    parts: impl IntoIterator<Item = Bytes>,
) {
    let mut pieces: VecDeque<_> = parts.into_iter().flat_map(cut).collect();
    pieces.push_front(head(opcode, pieces.iter().map(Bytes::len).sum()));
    peer.outgoing().pieces.borrow_mut().append(&mut pieces);
    context.wait(Sent(peer.outgoing().clone()));
}

/// The head of a WebSocket frame that is a whole message of so many bytes, from a server.
fn head(opcode: OpCode, len: usize) -> Bytes {
    let mut head = BytesMut::with_capacity(10);
    head.put_u8(0x80 | u8::from(opcode));
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..=125), _) => head.put_u8(len),
        (_, Ok(len)) => {
            head.put_u8(126);
            head.put_u16(len);
        }
        _ => {
            head.put_u8(127);
            head.put_u64(len as u64);
        }
    }
    head.freeze()
}

/// A part, in pieces of no more than is sent at a time. None is empty: that would end the connection.
fn cut(mut part: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let piece = part.split_to(part.len().min(AT_A_TIME));
        (!piece.is_empty()).then_some(piece)
    })
}

/// Until all is on its way.
struct Sent(Outgoing);

impl<A: Actor> ActorFuture<A> for Sent {
    type Output = ();

    /// The connection asks for more as soon as it has got rid of what it was given: nobody needs to be woken.
    fn poll(self: Pin<&mut Self>, _: &mut A, _: &mut A::Context, _: &mut task::Context<'_>) -> Poll<()> {
        if self.0.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Closes the connection and ends its actor.
pub fn close<A>(context: &mut WebsocketContext<A>, code: u16, reason: &str)
where
    A: Actor<Context = WebsocketContext<A>>,
{
    context.close(Some(CloseReason { code: CloseCode::from(code), description: Some(reason.to_owned()) }));
    context.stop();
}

/// The error of a request that is no WebSocket handshake.
pub fn no_handshake(error: impl std::fmt::Display) -> Error {
    let message = format!("this is no WebSocket handshake ({error}): connect with a WebSocket client");
    ApiError::bad_request(message).into()
}

#[cfg(test)]
mod tests {
    use tokio_util::codec::Encoder;

    use super::*;

    #[test]
    fn the_head_of_a_message_is_that_of_the_codec_at_every_length() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
            let payload = Bytes::from(vec![7; len]);
            let mut binary = BytesMut::new();
            Codec::new().encode(Message::Binary(payload.clone()), &mut binary).unwrap();
            assert_eq!([&head(OpCode::Binary, len), &payload[..]].concat(), binary);
            let mut text = BytesMut::new();
            let message = ByteString::try_from(payload.clone()).unwrap();
            Codec::new().encode(Message::Text(message), &mut text).unwrap();
            assert_eq!([&head(OpCode::Text, len), &payload[..]].concat(), text);
        }
    }

    #[test]
    fn pieces_are_small_and_never_empty() {
        let part: Bytes = (0..=u8::MAX).cycle().take(150_000).collect();
        let pieces: Vec<Bytes> = cut(part.clone()).collect();
        assert!(pieces.iter().all(|piece| (1..=AT_A_TIME).contains(&piece.len())));
        assert_eq!(pieces.concat(), part);
        assert_eq!(cut(Bytes::new()).count(), 0);
    }
}
