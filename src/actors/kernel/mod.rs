//! The actor of a kernel: a process with renderers in it, such as a notebook's kernel or a script.
//!
//! Owns the process's session: its widgets, the views that it relays, and its connection while there is one. Decides which
//! widgets it may speak for, when a silent connection is given up, and when the widgets of a kernel that stays gone are
//! closed. Never draws, and never waits for the kernel: a turn goes out, and what comes back goes to the Widget. Knows
//! nothing of sockets: what it sends goes into an outbox, so that a kernel that reads nothing cannot stop this actor's clock.

mod connection;
mod create;
mod messages;
mod outbox;
mod relay;
mod share;
mod traits;

use std::{collections::HashMap, time::Instant};

use actix::prelude::*;
use tracing::Span;

use connection::Connection;
pub use messages::*;
pub use outbox::Outbox;
pub(super) use relay::Relay;
use share::{LISTS, LISTS_AT_ONCE, MAX_SHARINGS};

use crate::{
    actors::{
        kernels::OwnName,
        widget::{self, GetReport},
    },
    clock::unix_seconds,
    handle::WidgetHandle,
    hub::Hub,
    metrics::Part,
    protocol::{
        Refusal,
        bucket::Bucket,
        close_code,
        kernel::{Ask, AskTicket, Awaited, KernelMessage, OfWidget, Refused, RelayOpen, ServerMessage},
    },
    quota::Places,
    traits::Traits,
};

/// Answers to `get_stats` that are owed at a time: each waits with others for one report of its widget.
const MAX_REPORTS: usize = 64;

/// The actor. See the module's documentation.
pub struct Kernel {
    hub: Hub,
    /// The user and the process's secret name.
    session: OwnName,
    /// Says in the log whose kernel it is.
    span: Span,
    connection: Option<Connection>,
    /// How many connections there were; the last one's number.
    connections: u64,
    widgets: HashMap<String, Member>,
    relays: HashMap<u64, Addr<Relay>>,
    /// Answers to `get_stats` that are owed.
    reports: usize,
    /// Answers to `share` and `revoke` that are owed.
    sharings: Places,
    /// How often `get_shares` is answered.
    lists: Bucket,
    /// Runs while there is no connection.
    grace: Option<SpawnHandle>,
}

/// A widget of this kernel.
struct Member {
    widget: WidgetHandle,
    /// The traits as the kernel has them, as far as is known here.
    known: Traits,
    /// The number of the kernel's last message that set traits.
    number: u64,
    /// Where the program made it.
    place: Option<OwnName>,
}

impl Kernel {
    /// A kernel that is about to connect.
    pub fn new(hub: Hub, session: OwnName) -> Self {
        Self {
            hub,
            session,
            span: Span::none(),
            connection: None,
            connections: 0,
            widgets: HashMap::new(),
            relays: HashMap::new(),
            reports: 0,
            sharings: Places::new(MAX_SHARINGS),
            lists: Bucket::with_burst(LISTS, LISTS_AT_ONCE, Instant::now()),
            grace: None,
        }
    }

    fn tell(&self, message: &ServerMessage) {
        if let Some(connection) = &self.connection {
            connection.outbox.text(message.to_text());
        }
    }

    fn refuse(&self, request: Option<u64>, widget: Option<&str>, refusal: &Refusal) {
        let Refusal { code, message, field, .. } = refusal;
        tracing::debug!(parent: &self.span, code, message, "message refused");
        self.tell(&ServerMessage::Refused { request, widget, code, message, field: field.as_deref() });
    }

    /// This kernel's widget of that id; any other is refused.
    fn widget(&self, id: &str, request: Option<u64>) -> Option<WidgetHandle> {
        if let Some(member) = self.widgets.get(id) {
            return Some(member.widget.clone());
        }
        let short: String = id.chars().take(64).collect();
        let message =
            format!("this kernel has no widget `{short}`: it was closed, or is another kernel's; create one");
        self.refuse(request, Some(id), &Refusal::of_message("unknown_widget", message).field("widget"));
        None
    }

    /// Forgets a widget.
    fn remove(&mut self, id: &str) -> Option<WidgetHandle> {
        let Member { widget, place, .. } = self.widgets.remove(id)?;
        if let Some(place) = place {
            self.hub.kernels().vacate(&place, id);
        }
        Some(widget)
    }

    fn close_all(&mut self) {
        for id in self.widgets.keys().cloned().collect::<Vec<_>>() {
            if let Some(widget) = self.remove(&id) {
                self.hub.close(&widget);
            }
        }
    }

    fn end_relays(&mut self) {
        for (_, relay) in self.relays.drain() {
            relay.do_send(relay::End);
        }
    }

    /// Whether there is nothing to keep for a kernel that is not connected.
    fn is_done(&self) -> bool {
        self.connection.is_none() && self.widgets.is_empty()
    }

    fn take(&mut self, message: KernelMessage, ctx: &mut Context<Self>) {
        match message {
            KernelMessage::Hello(_) => {
                let message = "field `type`: `hello` came already: say it once, as the first message";
                self.refuse(None, None, &Refusal::of_message("bad_field", message).field("type"));
            }
            KernelMessage::Create(create) => self.create(create, ctx),
            KernelMessage::RequestDraw(OfWidget { widget: id }) => {
                self.send(&id, widget::KernelRequest);
            }
            KernelMessage::TurnDone(done) => {
                if let Some(widget) = self.widget(&done.widget, None) {
                    widget.addr().do_send(widget::RemoteDone(done));
                }
            }
            KernelMessage::Frame { widget, frame } => {
                if let Some(widget) = self.widget(&widget, None) {
                    widget.push(frame);
                }
            }
            KernelMessage::Traits(set) => self.set_traits(&set),
            KernelMessage::Print(print) => {
                self.send(&print.widget, widget::Print(print.text));
            }
            KernelMessage::Error(error) => {
                self.send(&error.widget, widget::ShowError(error.text));
            }
            KernelMessage::Close(OfWidget { widget: id }) => {
                if self.widget(&id, None).is_some()
                    && let Some(widget) = self.remove(&id)
                {
                    self.hub.close(&widget);
                }
            }
            KernelMessage::GetStats(ask) => self.report(ask, ctx),
            KernelMessage::ResetStats(OfWidget { widget }) => {
                if let Some(widget) = self.widget(&widget, None) {
                    widget.reset_stats();
                }
            }
            KernelMessage::Ticket(ask) => self.ticket(&ask),
            KernelMessage::Share(ask) => self.share(ask, ctx),
            KernelMessage::GetShares(ask) => self.shares(&ask),
            KernelMessage::Revoke(ask) => self.revoke(ask, ctx),
            KernelMessage::RelayOpen(open) => self.open_relay(&open, ctx),
            KernelMessage::RelayText(text) => {
                // A relay that ended meanwhile needs no text.
                if let Some(relay) = self.relays.get(&text.relay) {
                    relay.do_send(relay::FromBrowser(text.text));
                }
            }
            KernelMessage::RelayClose(close) => {
                if let Some(relay) = self.relays.remove(&close.relay) {
                    relay.do_send(relay::End);
                }
            }
            KernelMessage::Goodbye => {
                tracing::info!(parent: &self.span, widgets = self.widgets.len(), "kernel says goodbye");
                self.close_all();
                self.hang_up(close_code::NORMAL, "goodbye", ctx);
            }
        }
    }

    /// Sends a message to one of this kernel's widgets.
    fn send<M>(&self, id: &str, message: M)
    where
        M: Message<Result = ()> + Send + 'static,
        widget::Widget: Handler<M>,
    {
        if let Some(widget) = self.widget(id, None) {
            widget.addr().do_send(message);
        }
    }

    fn report(&mut self, ask: Ask, ctx: &mut Context<Self>) {
        let Some(widget) = self.widget(&ask.widget, Some(ask.request)) else { return };
        if self.reports >= MAX_REPORTS {
            let message = format!("{MAX_REPORTS} `get_stats` are not answered yet: wait for their answers");
            self.refuse(Some(ask.request), Some(&ask.widget), &Refusal::of_message("rate", message));
            return;
        }
        let report = widget.addr().send(GetReport).into_actor(self);
        self.reports += 1;
        ctx.spawn(report.map(move |report, kernel, _| {
            kernel.reports -= 1;
            match report {
                Ok(Some(report)) => {
                    kernel.tell(&ServerMessage::Stats { request: ask.request, stats: report.json() });
                }
                // It was closed meanwhile.
                _ => drop(kernel.widget(&ask.widget, Some(ask.request))),
            }
        }));
    }

    fn ticket(&self, ask: &AskTicket) {
        if let Some(widget) = self.widget(&ask.widget, Some(ask.request)) {
            let (ticket, expires) = self.hub.tickets().issue(widget.identity(), ask.role, unix_seconds());
            self.tell(&ServerMessage::Ticket { request: ask.request, ticket: &ticket, expires });
        }
    }

    fn open_relay(&mut self, open: &RelayOpen, ctx: &mut Context<Self>) {
        let Some(connection) = &self.connection else { return };
        if self.relays.contains_key(&open.relay) {
            let message = format!("field `relay`: {} is open already: choose another number", open.relay);
            let refusal = Refusal::of_message("bad_field", message).field("relay");
            self.refuse(None, Some(&open.widget), &refusal);
            return;
        }
        let Some(widget) = self.widgets.get(&open.widget) else {
            let (code, reason) = (close_code::WIDGET_CLOSED, "closed");
            self.tell(&ServerMessage::RelayClosed { relay: open.relay, code, reason });
            return;
        };
        let relay =
            Relay::new(open, &widget.widget, connection.outbox.clone(), ctx.address(), self.hub.clone());
        self.relays.insert(open.relay, relay.start());
    }
}

impl Actor for Kernel {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.watch_connection(ctx);
    }

    fn stopped(&mut self, ctx: &mut Self::Context) {
        self.hub.kernels().end_session(&self.session, &ctx.address());
        self.end_relays();
        if self.hub.counts().ended(Part::Kernel) {
            self.end_failed();
        } else {
            self.close_all();
        }
    }
}

impl Kernel {
    /// A panic ends this: the process connects again, and makes its widgets again with their ids.
    fn end_failed(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.outbox.close(close_code::INTERNAL, "failed");
        }
        for id in self.widgets.keys().cloned().collect::<Vec<_>>() {
            if let Some(widget) = self.remove(&id) {
                self.hub.fail(&widget);
            }
        }
    }
}

impl Handler<FromKernel> for Kernel {
    type Result = ();

    fn handle(&mut self, FromKernel { connection, message }: FromKernel, ctx: &mut Self::Context) {
        let Some(current) = self.current(connection) else { return };
        current.heard();
        match message {
            Ok(message) => self.take(message, ctx),
            Err(refused) => {
                self.hub.counts().refused_message(&refused.refusal);
                let Refused { awaited, widget, refusal } = &refused;
                let request = if let Awaited::ByKernel(request) = awaited { Some(*request) } else { None };
                self.refuse(request, widget.as_deref(), refusal);
                if let (Awaited::ByWidget(turn), Some(widget)) = (*awaited, widget) {
                    let error = format!("what the kernel drew was refused: {}", refusal.message);
                    let lacks_memory = ["user_memory", "memory"].contains(&refusal.code);
                    self.send(widget, widget::RemoteFailed { turn, error, lacks_memory });
                }
                if let Some(code) = refused.refusal.close {
                    self.hang_up(code, "refused", ctx);
                }
            }
        }
    }
}

impl Handler<Shutdown> for Kernel {
    type Result = ();

    fn handle(&mut self, _: Shutdown, ctx: &mut Self::Context) {
        // The widgets are told by the server themselves.
        self.widgets.clear();
        self.hang_up(close_code::GOING_AWAY, "shutdown", ctx);
    }
}

impl Handler<TakeTurn> for Kernel {
    type Result = ();

    fn handle(&mut self, take: TakeTurn, _: &mut Self::Context) {
        let TakeTurn { widget, turn, events, may_draw, requested } = &take;
        if self.widgets.contains_key(widget) {
            let (turn, may_draw, requested) = (*turn, *may_draw, *requested);
            self.tell(&ServerMessage::Turn { widget, turn, events, may_draw, requested });
        }
    }
}

impl Handler<WidgetClosed> for Kernel {
    type Result = ();

    fn handle(&mut self, WidgetClosed { widget, events }: WidgetClosed, ctx: &mut Self::Context) {
        let has = self.widgets.get(&widget.id);
        if has.is_some_and(|member| member.widget.identity().number == widget.number) {
            self.remove(&widget.id);
            self.tell(&ServerMessage::Closed { widget: &widget.id, reason: "closed", events: &events });
        }
        if self.is_done() {
            ctx.stop();
        }
    }
}

impl Handler<WidgetFailed> for Kernel {
    type Result = ();

    fn handle(&mut self, WidgetFailed(widget): WidgetFailed, ctx: &mut Self::Context) {
        let has = self.widgets.get(&widget.id);
        if has.is_some_and(|member| member.widget.identity().number == widget.number) {
            self.remove(&widget.id);
            // It finds the widget missing when it connects again, and makes it again.
            self.hang_up(close_code::INTERNAL, "failed", ctx);
        }
    }
}

impl Handler<ViewsChanged> for Kernel {
    type Result = ();

    fn handle(&mut self, changed: ViewsChanged, _: &mut Self::Context) {
        let ViewsChanged { widget, views, visible } = &changed;
        if self.widgets.contains_key(widget) {
            self.tell(&ServerMessage::Views { widget, views: *views, visible: *visible });
        }
    }
}

impl Handler<RelayEnded> for Kernel {
    type Result = ();

    fn handle(&mut self, ended: RelayEnded, _: &mut Self::Context) {
        if self.relays.get(&ended.number) == Some(&ended.relay) {
            self.relays.remove(&ended.number);
        }
    }
}
