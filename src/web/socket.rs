//! The socket of a view: bytes in, bytes out.
//!
//! An actor that is polled only while its connection has room, so that a browser that stops reading freezes it. It therefore
//! decides nothing: what comes in is checked and handed to the View, what the View sends goes out.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;
use actix_http::ws::Item;
use actix_web::{
    Error, HttpRequest, HttpResponse,
    web::{Data, Path, Payload, Query},
};
use actix_web_actors::ws::{
    CloseCode, CloseReason, Message, ProtocolError, WebsocketContext, WsResponseBuilder,
};
use serde::Deserialize;

use super::{api, error::ApiError, routes::Site};
use crate::{
    actors::{
        view::{Disconnected, FromClient, ToClient, View},
        widget::Attach,
    },
    handle::WidgetHandle,
    metrics::{Connection, Reason, ServerMetrics},
    protocol::{
        Inbound, Refusal, close_code,
        view::{ClientMessage, FrameMessage, Role, SUBPROTOCOL, ServerMessage},
    },
};

/// The query of a view's connection.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewQuery {
    #[serde(default)]
    role: Role,
    #[serde(default)]
    frames: Frames,
    /// Whether the view is sent less than it could show when its link is slow.
    #[serde(default = "yes")]
    adaptive: bool,
}

fn yes() -> bool {
    true
}

/// How frames travel.
#[derive(Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Frames {
    #[default]
    Binary,
    Base64,
}

/// `GET /api/widgets/{id}/view`: a WebSocket that shows the widget.
///
/// # Errors
/// 400 for a bad query or handshake, 404 when there is no such widget.
pub async fn connect(
    site: Data<Site>,
    id: Path<String>,
    query: Query<ViewQuery>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let widget = api::find(&site, &id)?;
    let socket = Socket {
        counts: Arc::clone(site.hub.counts()),
        _counted: site.hub.counts().connection(),
        widget,
        role: query.role,
        base64: query.frames == Frames::Base64,
        adaptive: query.adaptive,
        inbound: Inbound::new(site.inbound, Instant::now()),
        view: None,
    };
    WsResponseBuilder::new(socket, &request, payload)
        .protocols(&[SUBPROTOCOL])
        .frame_size(site.inbound.max_message_bytes)
        .start()
        .map_err(|error| {
            let message =
                format!("this is no WebSocket handshake ({error}): connect with a WebSocket client");
            ApiError::bad_request(message).into()
        })
}

/// The actor. See the module's documentation.
struct Socket {
    counts: Arc<ServerMetrics>,
    _counted: Connection,
    widget: WidgetHandle,
    role: Role,
    base64: bool,
    adaptive: bool,
    inbound: Inbound,
    /// The view, once the widget has given it.
    view: Option<Addr<View>>,
}

impl Socket {
    fn forward(&self, message: Result<ClientMessage, Refusal>) {
        if let Some(view) = &self.view {
            view.do_send(FromClient(message));
        }
    }

    fn continuation(&mut self, item: &Item) {
        let outcome = match item {
            Item::FirstText(bytes) => self.inbound.first_fragment(bytes).map(|()| None),
            Item::FirstBinary(_) => Err(self.inbound.binary()),
            Item::Continue(bytes) => self.inbound.next_fragment(bytes).map(|()| None),
            Item::Last(bytes) => self.inbound.last_fragment(bytes, Instant::now()).map(Some),
        };
        if let Some(message) = outcome.transpose() {
            self.forward(message);
        }
    }
}

fn close(context: &mut WebsocketContext<Socket>, code: u16, reason: &str) {
    context.close(Some(CloseReason { code: CloseCode::from(code), description: Some(reason.to_owned()) }));
    context.stop();
}

impl Actor for Socket {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let outbox = context.address().recipient();
        let attach = Attach { role: self.role, base64: self.base64, adaptive: self.adaptive, outbox };
        // Nothing is read before the view is there.
        self.widget
            .addr()
            .send(attach)
            .into_actor(self)
            .map(|view, socket, context| match view {
                Ok(Ok(view)) => socket.view = Some(view),
                Ok(Err(refusal)) => {
                    socket.counts.refused(Reason::Limit);
                    let message = ServerMessage::Close { reason: refusal.code, message: &refusal.message };
                    context.text(message.to_text());
                    close(context, refusal.close.unwrap_or(close_code::TRY_LATER), refusal.code);
                }
                Err(_) => {
                    let message = ServerMessage::Close { reason: "closed", message: "the widget was closed" };
                    context.text(message.to_text());
                    close(context, close_code::WIDGET_CLOSED, "closed");
                }
            })
            .wait(context);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if let Some(view) = &self.view {
            view.do_send(Disconnected);
        }
    }
}

impl StreamHandler<Result<Message, ProtocolError>> for Socket {
    fn handle(&mut self, message: Result<Message, ProtocolError>, context: &mut Self::Context) {
        match message {
            Ok(Message::Text(text)) => {
                let message = self.inbound.text(text.as_bytes(), Instant::now());
                self.forward(message);
            }
            Ok(Message::Continuation(item)) => self.continuation(&item),
            Ok(Message::Binary(_)) => self.forward(Err(self.inbound.binary())),
            Ok(Message::Ping(bytes)) => context.pong(&bytes),
            Ok(Message::Close(reason)) => {
                context.close(reason);
                context.stop();
            }
            Ok(Message::Pong(_) | Message::Nop) => {}
            Err(ProtocolError::Overflow) => self.forward(Err(self.inbound.too_big())),
            Err(error) => {
                let refusal = Refusal::of_connection(
                    "websocket",
                    format!("the WebSocket protocol was broken: {error}"),
                    close_code::PROTOCOL,
                );
                self.forward(Err(refusal));
            }
        }
    }

    /// The view ends the connection in its own time, so that what it still has to say is said.
    fn finished(&mut self, context: &mut Self::Context) {
        match &self.view {
            Some(view) => view.do_send(Disconnected),
            None => context.stop(),
        }
    }
}

impl Handler<ToClient> for Socket {
    type Result = ();

    fn handle(&mut self, message: ToClient, context: &mut Self::Context) {
        match message {
            ToClient::Text(text) | ToClient::Frame(FrameMessage::Base64(text)) => context.text(text),
            ToClient::Frame(FrameMessage::Binary { header, parts }) => {
                // Fragments of one message, so that the images need not be copied behind each view's own header.
                context.write_raw(Message::Continuation(Item::FirstBinary(header)));
                let last = parts.len().saturating_sub(1);
                for (index, part) in parts.into_iter().enumerate() {
                    let item = if index == last { Item::Last(part) } else { Item::Continue(part) };
                    context.write_raw(Message::Continuation(item));
                }
            }
            ToClient::Close { code, reason } => close(context, code, reason),
        }
    }
}
