//! What the sockets of views and of kernels have in common.

use actix::prelude::*;
use actix_http::ws::Item;
use actix_web::Error;
use actix_web_actors::ws::{CloseCode, CloseReason, Message, ProtocolError, WebsocketContext};
use bytes::Bytes;

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

/// Sends one binary message whose parts lie apart, as fragments, so that they need not be copied behind each other.
pub fn send_parts<A>(context: &mut WebsocketContext<A>, parts: impl IntoIterator<Item = Bytes>)
where
    A: Actor<Context = WebsocketContext<A>>,
{
    let mut parts = parts.into_iter().peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        let message = match (std::mem::replace(&mut first, false), parts.peek().is_none()) {
            (true, true) => Message::Binary(part),
            (true, false) => Message::Continuation(Item::FirstBinary(part)),
            (false, false) => Message::Continuation(Item::Continue(part)),
            (false, true) => Message::Continuation(Item::Last(part)),
        };
        context.write_raw(message);
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
