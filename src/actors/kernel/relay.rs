//! The actor of a relayed view: it stands in for the socket of a browser that is reached through a kernel.
//!
//! Owns the checks on what that browser sends, and the address of its View. Decides nothing: what comes in goes to the View,
//! what the View sends goes out by the kernel's connection.

use std::time::Instant;

use actix::prelude::*;
use bytestring::ByteString;

use super::{Kernel, Outbox, RelayEnded};
use crate::{
    actors::{
        view::{Disconnected, FromClient, ToClient, View, Viewer},
        widget::Attach,
    },
    budget::Allowed,
    handle::WidgetHandle,
    hub::Hub,
    metrics::Part,
    protocol::{
        FrameKind, Inbound, close_code,
        kernel::{RelayOpen, ServerMessage, relay_header},
        view::{FrameMessage, Frames, Role, ServerMessage as ViewMessage},
    },
};

/// A text message of the browser.
#[derive(Message)]
#[rtype(result = "()")]
pub struct FromBrowser(pub String);

/// The browser, or the kernel, is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct End;

/// The actor. See the module's documentation.
pub struct Relay {
    /// The kernel's number for it.
    number: u64,
    role: Role,
    base64: bool,
    adaptive: bool,
    widget: WidgetHandle,
    outbox: Outbox,
    kernel: Addr<Kernel>,
    hub: Hub,
    inbound: Inbound,
    /// The view, once the widget has given it.
    view: Option<Addr<View>>,
}

impl Relay {
    pub fn new(
        open: &RelayOpen,
        widget: &WidgetHandle,
        outbox: Outbox,
        kernel: Addr<Kernel>,
        hub: Hub,
    ) -> Self {
        let inbound = Inbound::new(hub.inbound_limits(), Instant::now());
        Self {
            number: open.relay,
            role: open.role,
            base64: open.frames == Frames::Base64,
            adaptive: open.adaptive,
            widget: widget.clone(),
            outbox,
            kernel,
            hub,
            inbound,
            view: None,
        }
    }

    fn framed(&self, text: &ByteString) -> ByteString {
        ServerMessage::RelayText { relay: self.number, text }.to_text()
    }

    fn text(&self, text: &ByteString) {
        self.outbox.text(self.framed(text));
    }

    fn close(&self, code: u16, reason: &str, ctx: &mut Context<Self>) {
        self.say_closed(code, reason);
        ctx.stop();
    }

    fn say_closed(&self, code: u16, reason: &str) {
        let closed = ServerMessage::RelayClosed { relay: self.number, code, reason };
        self.outbox.text(closed.to_text());
    }
}

impl Actor for Relay {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let outbox = ctx.address().recipient();
        let attach = Attach {
            viewer: Viewer::Kernel,
            administers: false,
            role: self.role,
            base64: self.base64,
            adaptive: self.adaptive,
            outbox,
            visitor: None,
            allowed: Allowed::default(),
            thread: Arbiter::current(),
        };
        // Nothing is taken before the view is there.
        self.widget
            .addr()
            .send(attach)
            .into_actor(self)
            .map(|view, relay, ctx| match view {
                Ok(Ok(view)) => relay.view = Some(view),
                Ok(Err(refusal)) => {
                    let close = ViewMessage::Close { reason: refusal.code, message: &refusal.message };
                    relay.text(&close.to_text());
                    relay.close(refusal.close.unwrap_or(close_code::TRY_LATER), refusal.code, ctx);
                }
                Err(_) => relay.close(close_code::WIDGET_CLOSED, "closed", ctx),
            })
            .wait(ctx);
    }

    fn stopped(&mut self, ctx: &mut Self::Context) {
        if self.hub.counts().ended(Part::Relay) {
            self.say_closed(close_code::INTERNAL, "failed");
        }
        if let Some(view) = &self.view {
            view.do_send(Disconnected);
        }
        self.kernel.do_send(RelayEnded { number: self.number, relay: ctx.address() });
    }
}

impl Handler<FromBrowser> for Relay {
    type Result = ();

    fn handle(&mut self, FromBrowser(text): FromBrowser, _: &mut Self::Context) {
        let now = Instant::now();
        let message = self.inbound.frame(FrameKind::Data, now);
        let message = message.and_then(|()| self.inbound.text(text.as_bytes(), now));
        if let Some(view) = &self.view {
            view.do_send(FromClient(message));
        }
    }
}

impl Handler<End> for Relay {
    type Result = ();

    fn handle(&mut self, _: End, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<ToClient> for Relay {
    type Result = ();

    fn handle(&mut self, message: ToClient, ctx: &mut Self::Context) {
        match message {
            ToClient::Text(text, _) => self.text(&text),
            ToClient::Frame(FrameMessage::Base64(text)) => self.outbox.frame_text(self.framed(&text)),
            ToClient::Frame(FrameMessage::Binary { header, parts }) => {
                let message = [relay_header(self.number), header].into_iter().chain(parts).collect();
                self.outbox.frame(message);
            }
            ToClient::Close { code, reason } => self.close(code, reason, ctx),
        }
    }
}
