//! A kernel's connection: it comes, is replaced, falls silent, and goes; what the kernel has then waits for the next.

use std::time::Instant;

use actix::prelude::*;
use tokio::{sync::oneshot, time::timeout};

use super::{Connect, Disconnected, GiveUp, Heard, Kernel, Outbox, Ponged, SignedOut, outbox::DoesNotRead};
use crate::{
    actors::{kernels::Orphan, widget},
    hub::Admission,
    protocol::{close_code, kernel::ServerMessage},
};

/// Pings within the time after which a silent kernel is gone.
const PINGS: u32 = 3;

/// A connection of the process.
pub(super) struct Connection {
    pub(super) outbox: Outbox,
    /// The server's address, as the kernel reaches it; ends with a slash.
    pub(super) base: String,
    /// The notebook server of its user that the kernel runs in.
    pub(super) notebook_server: Option<String>,
    /// When it last answered a ping. What else it sends says nothing of whether it reads.
    ponged: Instant,
    /// Who waits for the next.
    asked: Vec<oneshot::Sender<()>>,
    /// Counts against the server's limit of kernels.
    _admission: Admission,
}

impl Connection {
    /// A sign of life came.
    pub(super) fn heard(&mut self) {
        for waiting in self.asked.drain(..) {
            // Who waited may have given up.
            let _ = waiting.send(());
        }
    }
}

impl Kernel {
    /// The connection, if it is the one of that number.
    pub(super) fn current(&mut self, number: u64) -> Option<&mut Connection> {
        self.connection.as_mut().filter(|_| number == self.connections)
    }

    /// Ends the connection from this side.
    pub(super) fn hang_up(&mut self, code: u16, reason: &'static str, ctx: &mut Context<Self>) {
        if let Some(connection) = &self.connection {
            connection.outbox.close(code, reason);
        }
        self.lost(ctx);
    }

    /// The connection is gone. What the kernel has is kept for a while, if there is something to keep.
    fn lost(&mut self, ctx: &mut Context<Self>) {
        self.connection = None;
        self.end_relays();
        if self.is_done() {
            ctx.stop();
            return;
        }
        for member in self.widgets.values() {
            member.widget.addr().do_send(widget::KernelGone);
        }
        let grace = self.hub.kernel_settings().grace;
        tracing::info!(parent: &self.span, widgets = self.widgets.len(), ?grace, "kernel gone");
        self.grace = Some(ctx.run_later(grace, |kernel, ctx| {
            tracing::info!(parent: &kernel.span, widgets = kernel.widgets.len(), "kernel did not come back");
            ctx.stop();
        }));
    }

    /// Asks the process again and again whether it is there.
    pub(super) fn watch_connection(&self, ctx: &mut Context<Self>) {
        let silence = self.hub.kernel_settings().silence;
        ctx.run_interval(silence / PINGS, move |kernel, ctx| {
            let Some(connection) = &kernel.connection else { return };
            if !connection.outbox.connected() {
                // It was gone before this kernel was there, and could not say so.
                kernel.lost(ctx);
            } else if connection.ponged.elapsed() > silence {
                tracing::info!(parent: &kernel.span, "kernel does not answer");
                kernel.hang_up(close_code::DEADLINE, "silent", ctx);
            } else {
                connection.outbox.ping();
            }
        });
    }
}

impl Handler<Connect> for Kernel {
    type Result = u64;

    fn handle(&mut self, connect: Connect, ctx: &mut Self::Context) -> Self::Result {
        let Connect { name, socket, base, notebook_server, admission } = connect;
        if let Some(older) = self.connection.take() {
            older.outbox.close(close_code::REPLACED, "replaced");
            self.end_relays();
        }
        if let Some(grace) = self.grace.take() {
            ctx.cancel_future(grace);
        }
        self.connections += 1;
        self.span = tracing::info_span!("kernel", name, owner = self.session.0.as_deref());
        tracing::info!(parent: &self.span, widgets = self.widgets.len(), "kernel connected");
        self.connection = Some(Connection {
            outbox: Outbox::new(socket, &ctx.address(), self.connections),
            base: base.clone(),
            notebook_server,
            ponged: Instant::now(),
            asked: Vec::new(),
            _admission: admission,
        });
        let resumed: Vec<_> = self.widgets.keys().map(String::as_str).collect();
        self.tell(&ServerMessage::Welcome {
            version: env!("CARGO_PKG_VERSION"),
            resumed: &resumed,
            base: &base,
            limits: self.hub.kernel_settings().limits,
        });
        for member in self.widgets.values() {
            member.widget.addr().do_send(widget::Adopt { kernel: ctx.address(), fresh: false });
        }
        // Others may have set some meanwhile, and what the kernel said last may not have come.
        for id in self.widgets.keys().cloned().collect::<Vec<_>>() {
            self.tell_traits(&id);
        }
        self.connections
    }
}

impl Handler<Heard> for Kernel {
    type Result = ();

    fn handle(&mut self, heard: Heard, _: &mut Self::Context) {
        if let Some(current) = self.current(heard.connection) {
            current.heard();
        }
    }
}

impl Handler<Ponged> for Kernel {
    type Result = ();

    fn handle(&mut self, ponged: Ponged, _: &mut Self::Context) {
        if let Some(current) = self.current(ponged.connection) {
            current.ponged = Instant::now();
            current.heard();
        }
    }
}

impl Handler<DoesNotRead> for Kernel {
    type Result = ();

    fn handle(&mut self, DoesNotRead { connection }: DoesNotRead, ctx: &mut Self::Context) {
        if self.current(connection).is_some() {
            tracing::info!(parent: &self.span, "kernel does not read what it is told");
            self.hang_up(close_code::POLICY, "unread", ctx);
        }
    }
}

impl Handler<Disconnected> for Kernel {
    type Result = ();

    fn handle(&mut self, gone: Disconnected, ctx: &mut Self::Context) {
        if self.current(gone.connection).is_some() {
            self.lost(ctx);
        }
    }
}

impl Handler<SignedOut> for Kernel {
    type Result = ();

    /// A token that was revoked does not come back, so that nothing is kept for it; with its widgets end the views that
    /// it gave tickets for.
    fn handle(&mut self, signed_out: SignedOut, ctx: &mut Self::Context) {
        if self.current(signed_out.connection).is_some() {
            tracing::info!(parent: &self.span, widgets = self.widgets.len(), "kernel's user is signed out");
            self.close_all();
            self.hang_up(close_code::SIGNED_OUT, "signed_out", ctx);
        }
    }
}

impl Handler<GiveUp> for Kernel {
    type Result = ResponseActFuture<Self, Option<Orphan>>;

    /// A process that was killed together with its machine or its network leaves a connection that looks well: so the kernel is
    /// asked whether it is there.
    fn handle(&mut self, GiveUp { widget }: GiveUp, _: &mut Self::Context) -> Self::Result {
        let patience = self.hub.kernel_settings().asked;
        let sign = self.connection.as_mut().map(|connection| {
            let (heard, sign) = oneshot::channel();
            connection.asked.push(heard);
            connection.outbox.ping();
            sign
        });
        let answer = async move {
            match sign {
                // It ends with a sign, or with the connection.
                Some(sign) => timeout(patience, sign).await.is_err(),
                None => false,
            }
        };
        let connection = self.connections;
        Box::pin(answer.into_actor(self).map(move |silent, kernel, ctx| {
            if silent && kernel.current(connection).is_some() {
                tracing::info!(parent: &kernel.span, "kernel does not answer, and another wants its place");
                kernel.hang_up(close_code::DEADLINE, "silent", ctx);
            }
            if kernel.connection.is_some() {
                return None;
            }
            let orphan = kernel.remove(&widget).map(Orphan::new);
            if kernel.is_done() {
                ctx.stop();
            }
            orphan
        }))
    }
}
