//! What the sockets of views and of kernels have in common.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{self, Poll},
};

use actix::prelude::*;
use actix_http::ws::Item;
use actix_web::Error;
use actix_web_actors::ws::{CloseCode, CloseReason, Message, ProtocolError, WebsocketContext};
use bytes::Bytes;
use bytestring::ByteString;

use super::error::ApiError;
use crate::protocol::{Refusal, close_code};

/// The end of a WebSocket that hands on what comes in.
pub trait Peer: Actor<Context = WebsocketContext<Self>> {
    /// A whole text message came.
    fn text(&mut self, text: &Bytes, context: &mut Self::Context);
    /// A whole binary message came.
    fn binary(&mut self, message: &Bytes, context: &mut Self::Context);
    /// A part of a message came.
    fn fragment(&mut self, item: &Item, context: &mut Self::Context);
    /// The answer to a ping came.
    fn pong(&mut self) {}
    /// What came is no message at all.
    fn refused(&mut self, refusal: Refusal, context: &mut Self::Context);
    /// The refusal of a message that is longer than any may be.
    fn too_big(&self) -> Refusal;
}

/// Hands on what came in, and answers what every WebSocket answers.
pub fn receive<P: Peer>(
    peer: &mut P,
    message: Result<Message, ProtocolError>,
    context: &mut WebsocketContext<P>,
) {
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

/// So much of a message is put into the connection's buffers at a time, in bytes: these then stay in the processor's caches and are used
/// again, while those for a whole large frame would be memory that is fresh from the system each time.
const AT_A_TIME: usize = 60 << 10;

/// Sends one binary message whose parts lie apart, as fragments.
pub fn send_parts<A>(context: &mut WebsocketContext<A>, parts: impl IntoIterator<Item = Bytes>)
where
    A: Actor<Context = WebsocketContext<A>>,
{
    let pieces: VecDeque<_> = parts.into_iter().flat_map(cut).collect();
    let mut message = Fragments { pieces, first: Some(Item::FirstBinary) };
    if message.pieces.iter().map(Bytes::len).sum::<usize>() <= AT_A_TIME {
        message.go_on(context);
    } else {
        context.wait(message);
    }
}

/// Sends one text message, a long one as fragments.
pub fn send_text<A>(context: &mut WebsocketContext<A>, text: ByteString)
where
    A: Actor<Context = WebsocketContext<A>>,
{
    if text.len() <= AT_A_TIME {
        context.text(text);
    } else {
        context.wait(Fragments { pieces: cut(text.into_bytes()).collect(), first: Some(Item::FirstText) });
    }
}

/// A part, in pieces of no more than is sent at a time.
fn cut(mut part: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let piece = part.split_to(part.len().min(AT_A_TIME));
        (!piece.is_empty()).then_some(piece)
    })
}

/// What is left to send of a message. The actor waits for it, so that nothing else is sent in between.
struct Fragments {
    pieces: VecDeque<Bytes>,
    /// Makes the first fragment of the message, until that is sent.
    first: Option<fn(Bytes) -> Item>,
}

impl Fragments {
    /// Sends as much as may be at a time. Answers whether that was all.
    fn go_on<A>(&mut self, context: &mut WebsocketContext<A>) -> bool
    where
        A: Actor<Context = WebsocketContext<A>>,
    {
        let mut room = AT_A_TIME;
        while let Some(piece) = self.pieces.pop_front() {
            if piece.len() > room {
                self.pieces.push_front(piece);
                break;
            }
            room -= piece.len();
            context.write_raw(match (self.first.take(), self.pieces.is_empty()) {
                // Texts that are sent so are longer.
                (Some(_), true) => Message::Binary(piece),
                (Some(first), false) => Message::Continuation(first(piece)),
                (None, false) => Message::Continuation(Item::Continue(piece)),
                (None, true) => Message::Continuation(Item::Last(piece)),
            });
        }
        self.pieces.is_empty()
    }
}

impl<A> ActorFuture<A> for Fragments
where
    A: Actor<Context = WebsocketContext<A>>,
{
    type Output = ();

    /// The connection asks for more as soon as it has got rid of what it was given: nobody needs to be woken.
    fn poll(
        mut self: Pin<&mut Self>,
        _: &mut A,
        context: &mut WebsocketContext<A>,
        _: &mut task::Context<'_>,
    ) -> Poll<()> {
        if self.go_on(context) { Poll::Ready(()) } else { Poll::Pending }
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
