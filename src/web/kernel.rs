//! The socket of a kernel: bytes in, bytes out.
//!
//! An actor that is polled only while its connection has room, so that a kernel that stops reading freezes it. It therefore
//! decides nothing: what comes in is checked and handed to the Kernel, what the Kernel sends goes out.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;
use actix_http::ws::Item;
use actix_web::{
    Error, HttpRequest, HttpResponse,
    web::{Data, Payload},
};
use actix_web_actors::ws::{self, Message, ProtocolError, WebsocketContext};
use bytes::Bytes;

use super::{
    auth::{
        caller::Caller,
        jupyterhub::{Lease, Watch},
    },
    forwarded::Origin,
    intake::{Broken, Incoming, Intake, Longest, Trust},
    routes::Site,
    websocket::{self, Outgoing, Peer},
};
use crate::{
    actors::kernel::{Connect, Disconnected, FromKernel, Heard, Kernel, Ponged, SignedOut, ToKernel},
    hub::{Hub, KernelPlace},
    metrics::{Connected, Part, Reason},
    protocol::{
        FrameKind, Refusal, close_code,
        kernel::{Hello, KernelInbound, KernelMessage, Refused, SUBPROTOCOL, ServerMessage},
        too_big,
    },
    usage::Use,
};

/// Most messages that a Kernel is handed before it has taken them: one that cannot follow is not read, so that what waits for it stays
/// with the sender, and its thread has time for others.
const MAX_AHEAD: usize = 64;

/// `GET /api/kernel`: the WebSocket of a process with renderers in it.
///
/// # Errors
/// 400 for a bad handshake.
pub async fn connect(
    site: Data<Site>,
    caller: Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let response = ws::handshake_with_protocols(&request, &[SUBPROTOCOL]).map_err(websocket::no_handshake)?;
    let limits = site.kernel_inbound;
    let longest = Longest { text: limits.max_message_bytes, binary: limits.max_binary_bytes() };
    let owner = caller.owner();
    let place = site.hub.kernel_place(owner.as_deref());
    let account = Arc::clone(site.hub.quota(owner.as_deref()).memory());
    let trust = Trust::default();
    let socket = Socket {
        hub: site.hub.clone(),
        base: public_base(&request, &site),
        intake: Some(Intake::new(payload, longest, trust.clone(), Arc::clone(&account))),
        inbound: KernelInbound::new(limits, account, Instant::now()),
        trust,
        place: Some(place),
        _counted: site.hub.counts().connection(),
        _use: site.usage.begin(),
        owner,
        lease: caller.lease().cloned(),
        kernel: None,
        ahead: 0,
        watch: None,
        outgoing: Outgoing::default(),
    };
    Ok(websocket::answer(socket, response))
}

/// The server's address as the client reached it, a proxy between them included.
fn public_base(request: &HttpRequest, site: &Site) -> String {
    let Origin { secure, host, .. } = Origin::of(request, &site.trusted_proxies);
    let scheme = if secure { "https" } else { "http" };
    format!("{scheme}://{}{}", host.unwrap_or_default(), site.base_url)
}

/// The actor. See the module's documentation.
struct Socket {
    hub: Hub,
    base: String,
    /// What comes in, until this actor starts to read it.
    intake: Option<Intake<Payload>>,
    inbound: KernelInbound,
    /// Lets messages be long, once it is known whose they are.
    trust: Trust,
    /// The place for this connection, or why there is none; until it is the kernel's.
    place: Option<Result<KernelPlace, Refusal>>,
    _counted: Connected,
    /// The server is used for as long as this lives.
    _use: Use,
    /// The user whose kernel this is; `None` where there are no users.
    owner: Option<String>,
    /// The user's right to be here, if it is a user's.
    lease: Option<Lease>,
    /// The kernel and the number of this connection, once it has said hello.
    kernel: Option<(Addr<Kernel>, u64)>,
    /// How many messages it was handed since it was waited for.
    ahead: usize,
    /// Ends the kernel with the user's right.
    watch: Option<Watch>,
    outgoing: Outgoing,
}

impl Socket {
    fn forward(&mut self, message: Result<KernelMessage, Refused>, context: &mut WebsocketContext<Self>) {
        match (&self.kernel, message) {
            (Some((kernel, connection)), message) => {
                let message = FromKernel { connection: *connection, message };
                self.ahead += 1;
                if self.ahead < MAX_AHEAD {
                    kernel.do_send(message);
                } else {
                    // Nothing is read until the Kernel has come so far.
                    self.ahead = 0;
                    kernel.send(message).into_actor(self).map(|_, _, _| ()).wait(context);
                }
            }
            (None, Ok(KernelMessage::Hello(hello))) => self.hello(hello, context),
            (None, Ok(_)) => {
                let message = "the first message is no `hello`: say which session this is";
                self.hub.counts().refused(Reason::Protocol, "hello", message);
                refuse(&Refusal::of_connection("hello", message, close_code::POLICY), context);
            }
            (None, Err(refused)) => {
                self.hub.counts().refused_message(&refused.refusal);
                refuse(&refused.refusal, context);
            }
        }
    }

    fn hello(&mut self, hello: Hello, context: &mut WebsocketContext<Self>) {
        let Some(Ok(place)) = self.place.take() else { return };
        let admission = self.hub.admit_kernel(place);
        self.trust.give();
        self.inbound.trust();
        let kernel = self.hub.kernel(&(self.owner.clone(), hello.session));
        let socket = context.address().recipient();
        let notebook_server = self.lease.as_ref().and_then(|lease| lease.user().notebook_server.clone());
        let connect =
            Connect { name: hello.name, socket, base: self.base.clone(), notebook_server, admission };
        // Nothing is read before the kernel is there.
        kernel
            .send(connect)
            .into_actor(self)
            .map(|connection, socket, context| match connection {
                Ok(connection) => {
                    let signed_out = kernel.clone();
                    let end = move || signed_out.do_send(SignedOut { connection });
                    socket.watch = socket.lease.as_ref().map(|lease| lease.watch(end));
                    socket.kernel = Some((kernel, connection));
                }
                // It ended at this very moment; the next attempt finds it gone.
                Err(_) => websocket::close(context, close_code::TRY_LATER, "ended"),
            })
            .wait(context);
    }
}

/// Refuses a connection that is no kernel's yet.
fn refuse(refusal: &Refusal, context: &mut WebsocketContext<Socket>) {
    let Refusal { code, message, field, close } = refusal;
    let field = field.as_deref();
    context.text(ServerMessage::Refused { request: None, widget: None, code, message, field }.to_text());
    websocket::close(context, close.unwrap_or(close_code::POLICY), code);
}

impl Actor for Socket {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        if let Some(Err(refusal)) = &self.place {
            refuse(refusal, context);
            return;
        }
        if let Some(intake) = self.intake.take() {
            context.add_stream(intake);
        }
        let within = self.hub.kernel_settings().hello;
        context.run_later(within, move |socket, context| {
            if socket.kernel.is_none() {
                let message = format!(
                    "no `hello` came within {} s: say at once which session this is",
                    within.as_secs_f64()
                );
                socket.hub.counts().refused(Reason::Limit, "hello", &message);
                refuse(&Refusal::of_connection("hello", message, close_code::DEADLINE), context);
            }
        });
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.hub.counts().ended(Part::Socket);
        if let Some((kernel, connection)) = &self.kernel {
            kernel.do_send(Disconnected { connection: *connection });
        }
    }
}

impl Peer for Socket {
    fn admit(&mut self, kind: FrameKind) -> Result<(), Refusal> {
        self.inbound.frame(kind, Instant::now())
    }

    fn text(&mut self, text: &Bytes, context: &mut Self::Context) {
        let message = self.inbound.text(text, Instant::now());
        self.forward(message, context);
    }

    fn binary(&mut self, message: &Bytes, context: &mut Self::Context) {
        let message = self.inbound.binary(message, Instant::now());
        self.forward(message, context);
    }

    fn fragment(&mut self, item: &Item, context: &mut Self::Context) {
        let outcome = match item {
            Item::FirstText(bytes) => self.inbound.first_fragment(bytes, false).map(|()| None),
            Item::FirstBinary(bytes) => self.inbound.first_fragment(bytes, true).map(|()| None),
            Item::Continue(bytes) => self.inbound.next_fragment(bytes).map(|()| None),
            Item::Last(bytes) => self.inbound.last_fragment(bytes, Instant::now()).map(Some),
        };
        match outcome.transpose() {
            Some(message) => self.forward(message, context),
            None => {
                if let Some((kernel, connection)) = &self.kernel {
                    kernel.do_send(Heard { connection: *connection });
                }
            }
        }
    }

    fn pong(&mut self) {
        if let Some((kernel, connection)) = &self.kernel {
            kernel.do_send(Ponged { connection: *connection });
        }
    }

    fn refused(&mut self, refusal: Refusal, context: &mut Self::Context) {
        self.forward(Err(refusal.into()), context);
    }

    fn too_big(&self) -> Refusal {
        self.inbound.too_big()
    }

    fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }
}

impl StreamHandler<Result<Incoming, Broken>> for Socket {
    fn handle(&mut self, incoming: Result<Incoming, Broken>, context: &mut Self::Context) {
        match incoming {
            Ok(Incoming::Message(message)) => websocket::receive(self, Ok(message), context),
            Ok(Incoming::OverMemory(beginning, over)) => {
                let refused = self.inbound.over_memory(&beginning, over, Instant::now());
                self.forward(Err(refused), context);
            }
            Err(Broken::TooBig(longest)) => self.refused(too_big(longest), context),
            Err(Broken::Protocol(error)) => websocket::receive(self, Err(error), context),
        }
    }
}

/// Of the context's own reading, which has nothing to read.
impl StreamHandler<Result<Message, ProtocolError>> for Socket {
    fn handle(&mut self, message: Result<Message, ProtocolError>, context: &mut Self::Context) {
        websocket::receive(self, message, context);
    }
}

impl Handler<ToKernel> for Socket {
    type Result = ();

    fn handle(&mut self, message: ToKernel, context: &mut Self::Context) {
        match message {
            ToKernel::Text(text, waiting) => {
                websocket::send_text(self, context, text);
                self.outgoing.hold(waiting);
            }
            ToKernel::Binary(parts) => websocket::send_parts(self, context, parts),
            ToKernel::Ping => context.ping(b""),
            ToKernel::Close { code, reason } => websocket::close(context, code, reason),
        }
    }
}
