//! The socket of a view: bytes in, bytes out.
//!
//! An actor that is polled only while its connection has room, so that a browser that stops reading freezes it. It therefore
//! decides nothing: what comes in is checked and handed to the View, what the View sends goes out.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;
use actix_http::ws::Item;
use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Payload, Query},
};
use actix_web_actors::ws::{self, Message, ProtocolError, WebsocketContext};
use bytes::Bytes;
use serde::Deserialize;

use super::{
    auth::{
        caller::{Caller, Named, Right, audit},
        jupyterhub::{Acting, Watch},
        sessions::{self, Session},
        standing::{Roles, Standing},
    },
    budget,
    error::ApiError,
    intake::{Broken, Incoming, Intake, Longest, Trust},
    routes::Site,
    websocket::{self, Outgoing, Peer, close},
};
use crate::{
    actors::{
        view::{Disconnected, End, FromClient, ToClient, View},
        widget::{Attach, Visitor},
    },
    budget::{Allowed, Exceeded},
    handle::WidgetHandle,
    metrics::{Connected, Part, ServerMetrics},
    protocol::{
        FrameKind, Inbound, Refusal, close_code, json,
        view::{ClientMessage, FrameMessage, Frames, Role, SUBPROTOCOL, ServerMessage},
    },
    usage::Use,
};

/// What a view is told whose user is signed out.
const SIGNED_OUT: End = End {
    reason: "signed_out",
    message: "you are signed out of the JupyterHub, or it was away for too long",
    code: close_code::SIGNED_OUT,
};

/// What a view is told whose browser's session ended.
const SESSION_OVER: End = End {
    reason: "signed_out",
    message: "this browser is signed out: reload the page to enter the key",
    code: close_code::SIGNED_OUT,
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
    #[serde(default = "json::yes")]
    adaptive: bool,
    #[serde(default)]
    session: SessionNeed,
}

/// Whether a view rests on a session of the caller's.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SessionNeed {
    /// If there is one.
    #[default]
    Optional,
    /// There has to be one, though the caller has a ticket.
    Required,
}

/// `GET /api/widgets/{id}/view`: a WebSocket that shows the widget.
///
/// # Errors
/// 400 for a bad query or handshake, 401 without a session that is required, 404 when there is no such widget.
pub async fn connect(
    site: Data<Site>,
    Named(widget, right): Named,
    caller: Caller,
    query: Query<ViewQuery>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    if query.session == SessionNeed::Required && caller.lease().is_none() {
        let message = "the widget's owner is not signed in with this browser: open the server's first page there, or leave out `session=required`";
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "signed_out", message).field("session").into());
    }
    let response = ws::handshake_with_protocols(&request, &[SUBPROTOCOL]).map_err(websocket::no_handshake)?;
    // A right to watch does not become one to act by the query.
    let roles = Roles { wanted: query.role, role: query.role.at_most(right.role()) };
    audit(&request).opened(&widget, right.name(), roles.role.name());
    let acting = site.access.acting(&caller, &widget).filter(|_| roles.role == Role::Interact);
    let max = site.inbound.max_message_bytes;
    let account = Arc::clone(site.hub.quota(widget.identity().owner.as_deref()).memory());
    let intake = Intake::new(payload, Longest { text: max, binary: max }, Trust::default(), account);
    let socket = Socket {
        acting,
        intake: Some(intake),
        _counted: site.hub.counts().connection(),
        widget,
        roles,
        base64: query.frames == Frames::Base64,
        adaptive: query.adaptive,
        inbound: Inbound::new(site.inbound, Instant::now()),
        _use: site.usage.begin(),
        view: None,
        visitor: caller.may_end(right).then(|| Visitor(budget::visitor(&caller, &request))),
        allowed: budget::allowed(&caller, &request, &site),
        counts: Arc::clone(site.hub.counts()),
        may_end: caller.may_end(right),
        administers: right == Right::Administer,
        caller,
        session: request.extensions_mut().remove::<Session>().map(|session| (session, site.clone())),
        signed_in: None,
        watch: None,
        standing: None,
        outgoing: Outgoing::default(),
    };
    Ok(websocket::answer(socket, response))
}

/// The actor. See the module's documentation.
struct Socket {
    _counted: Connected,
    /// What comes in, until this actor starts to read it.
    intake: Option<Intake<Payload>>,
    widget: WidgetHandle,
    roles: Roles,
    base64: bool,
    adaptive: bool,
    inbound: Inbound,
    /// The server is used for as long as this lives.
    _use: Use,
    /// The view, once the widget has given it.
    view: Option<Addr<View>>,
    /// Whose view it is.
    caller: Caller,
    /// What the caller may do, in all views together.
    allowed: Allowed,
    /// With whom the view is counted, if the widget is another's.
    visitor: Option<Visitor>,
    counts: Arc<ServerMetrics>,
    /// Whether the right to the view rests on a share or a scope.
    may_end: bool,
    /// Whether an administrator watches another's widget.
    administers: bool,
    /// The session of the browser that opened the view, if it has one, and where sessions are known.
    session: Option<(Session, Data<Site>)>,
    /// Ends the view with that session.
    signed_in: Option<sessions::Watch>,
    /// Whom the Hub hears about when something is done here, if anybody.
    acting: Option<Acting>,
    /// Ends the view with the user's right to be here, if it is a user's.
    watch: Option<Watch>,
    /// Ends the view with the share or the scope that it rests on, if it does.
    standing: Option<Standing>,
    outgoing: Outgoing,
}

impl Socket {
    /// Lets a message through if the caller has not sent too many events.
    fn within_budget(&mut self, message: ClientMessage, now: Instant) -> Result<ClientMessage, Refusal> {
        if matches!(message, ClientMessage::Event { .. }) {
            self.allowed.event(now).map_err(|exceeded| self.exceeded(exceeded))?;
        }
        Ok(message)
    }

    /// The refusal of what is beyond the caller's budget.
    fn exceeded(&mut self, Exceeded { what, message, .. }: Exceeded) -> Refusal {
        self.counts.exceeded(what);
        self.inbound.count(Refusal::of_message("rate", message))
    }

    fn forward(&self, message: Result<ClientMessage, Refusal>) {
        if let (Some(acting), Ok(ClientMessage::Event { kind, .. })) = (&self.acting, &message)
            && kind.is_users_doing()
        {
            acting.now();
        }
        if let Some(view) = &self.view {
            view.do_send(FromClient(message));
        }
    }
}

/// Ends a connection that gets no view.
fn turn_away(context: &mut WebsocketContext<Socket>, reason: &str, message: &str, code: u16) {
    context.text(ServerMessage::Close { reason, message }.to_text());
    close(context, code, reason);
}

impl Actor for Socket {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        if self.caller.is_signed_out() {
            // Said here, since a page is not told why it is refused before.
            let End { reason, message, code } = SIGNED_OUT;
            turn_away(context, reason, message, code);
            return;
        }
        let outbox = context.address().recipient();
        let attach = Attach {
            viewer: self.caller.viewer(),
            administers: self.administers,
            role: self.roles.role,
            base64: self.base64,
            adaptive: self.adaptive,
            outbox,
            visitor: self.visitor.clone(),
            allowed: self.allowed.clone(),
            thread: Arbiter::current(),
        };
        // Nothing is read before the view is there.
        self.widget
            .addr()
            .send(attach)
            .into_actor(self)
            .map(|view, socket, context| match view {
                Ok(Ok(view)) => {
                    let signed_out = view.clone();
                    let end = move || signed_out.do_send(SIGNED_OUT);
                    socket.signed_in = socket.session.take().and_then(|(session, site)| {
                        let view = view.clone();
                        site.access.watch(session, move || view.do_send(SESSION_OVER))
                    });
                    socket.watch = socket.caller.lease().map(|lease| lease.watch(end));
                    let (caller, widget, shared) =
                        (socket.caller.clone(), socket.widget.clone(), view.clone());
                    let end = move |end| shared.do_send(end);
                    socket.standing =
                        socket.may_end.then(|| Standing::watch(caller, widget, socket.roles, end));
                    socket.view = Some(view);
                }
                Ok(Err(refusal)) => {
                    let code = refusal.close.unwrap_or(close_code::TRY_LATER);
                    turn_away(context, refusal.code, &refusal.message, code);
                }
                Err(_) => {
                    turn_away(context, "closed", "the widget was closed", close_code::WIDGET_CLOSED);
                }
            })
            .wait(context);
        if let Some(intake) = self.intake.take() {
            context.add_stream(intake);
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.counts.ended(Part::Socket);
        if let Some(view) = &self.view {
            view.do_send(Disconnected);
        }
    }
}

impl Peer for Socket {
    fn admit(&mut self, kind: FrameKind) -> Result<(), Refusal> {
        let now = Instant::now();
        self.inbound.frame(kind, now)?;
        self.allowed.message(now).map_err(|exceeded| self.exceeded(exceeded))
    }

    fn text(&mut self, text: &Bytes, _: &mut Self::Context) {
        let now = Instant::now();
        let message = self.inbound.text(text, now).and_then(|message| self.within_budget(message, now));
        self.forward(message);
    }

    fn binary(&mut self, _: &Bytes, _: &mut Self::Context) {
        self.forward(Err(self.inbound.binary()));
    }

    fn fragment(&mut self, item: &Item, _: &mut Self::Context) {
        let outcome = match item {
            Item::FirstText(bytes) => self.inbound.first_fragment(bytes).map(|()| None),
            Item::FirstBinary(_) => Err(self.inbound.binary()),
            Item::Continue(bytes) => self.inbound.next_fragment(bytes).map(|()| None),
            Item::Last(bytes) => {
                let now = Instant::now();
                let message = self.inbound.last_fragment(bytes, now);
                message.and_then(|message| self.within_budget(message, now)).map(Some)
            }
        };
        if let Some(message) = outcome.transpose() {
            self.forward(message);
        }
    }

    fn refused(&mut self, refusal: Refusal, _: &mut Self::Context) {
        self.forward(Err(refusal));
    }

    fn too_big(&self) -> Refusal {
        self.inbound.too_big()
    }

    fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }
}

/// Of the context's own reading, which has nothing to read.
impl StreamHandler<Result<Message, ProtocolError>> for Socket {
    fn handle(&mut self, message: Result<Message, ProtocolError>, context: &mut Self::Context) {
        websocket::receive(self, message, context);
    }
}

impl StreamHandler<Result<Incoming, Broken>> for Socket {
    fn handle(&mut self, incoming: Result<Incoming, Broken>, context: &mut Self::Context) {
        match incoming {
            Ok(Incoming::Message(message)) => websocket::receive(self, Ok(message), context),
            Ok(Incoming::OverMemory(..)) => self.forward(Err(self.inbound.binary())),
            Err(Broken::TooBig(_)) => self.forward(Err(self.inbound.too_big())),
            Err(Broken::Protocol(error)) => websocket::receive(self, Err(error), context),
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
            ToClient::Text(text, waiting) => {
                websocket::send_text(self, context, text);
                self.outgoing.hold(waiting);
            }
            ToClient::Frame(FrameMessage::Base64(text)) => websocket::send_text(self, context, text),
            ToClient::Frame(FrameMessage::Binary { header, parts }) => {
                websocket::send_parts(self, context, std::iter::once(header).chain(parts));
            }
            ToClient::Close { code, reason } => close(context, code, reason),
        }
    }
}
