//! How a kernel's program shares its widgets.

use std::time::Instant;

use actix::prelude::*;
use serde_json::Value;

use super::Kernel;
use crate::{
    audit::Audit,
    clock::unix_millis,
    handle::WidgetHandle,
    protocol::{
        Refusal,
        kernel::{Ask, AskRevoke, AskShare, ServerMessage},
    },
    quota::Held,
    sharing::{self, MAX_SHARES, Share},
};

/// Answers to `share` and `revoke` that are owed at a time: each waits for the disk. A program that gives a widget all shares that it may
/// have, and takes them away, waits for none.
pub(super) const MAX_SHARINGS: usize = 2 * MAX_SHARES;

/// Answers to `get_shares` a second over a while. Each link in them is signed.
pub(super) const LISTS: u32 = 20;
/// So many at once: of all widgets that a user may have.
pub(super) const LISTS_AT_ONCE: u32 = 100;

impl Kernel {
    pub(super) fn share(&self, ask: AskShare, ctx: &mut Context<Self>) {
        let Some((widget, held)) = self.sharing(&ask.widget, ask.request) else { return };
        let reach = self.hub.reach();
        let shared = async move {
            let shared = sharing::share(&widget, ask.share, reach).await;
            (widget, shared)
        };
        ctx.spawn(shared.into_actor(self).map(move |(widget, shared), kernel, _| {
            drop(held);
            match shared {
                Ok((share, _)) => {
                    Audit::of_kernel().shared(&widget, &share);
                    let share = kernel.told(&widget, &share);
                    kernel.tell(&ServerMessage::Shared { request: ask.request, share: &share });
                }
                Err(refusal) => kernel.refuse(Some(ask.request), Some(&ask.widget), &refusal),
            }
        }));
    }

    pub(super) fn shares(&mut self, ask: &Ask) {
        let Some(widget) = self.widget(&ask.widget, Some(ask.request)) else { return };
        if !self.lists.take(Instant::now()) {
            let message = format!("more than {LISTS} `get_shares` a second: ask less often");
            self.refuse(Some(ask.request), Some(&ask.widget), &Refusal::of_message("rate", message));
            return;
        }
        let shares = widget.shares().list(unix_millis());
        let shares: Vec<_> = shares.iter().map(|share| self.told(&widget, share)).collect();
        self.tell(&ServerMessage::Shares { request: ask.request, shares: &shares });
    }

    pub(super) fn revoke(&self, ask: AskRevoke, ctx: &mut Context<Self>) {
        let Some((widget, held)) = self.sharing(&ask.widget, ask.request) else { return };
        let share = ask.share;
        let revoked = async move {
            let revoked = sharing::revoke(&widget, &share).await;
            Audit::of_kernel().revoked(&widget, &share, &revoked);
            revoked
        };
        ctx.spawn(revoked.into_actor(self).map(move |revoked, kernel, _| {
            drop(held);
            match revoked {
                Ok(()) => kernel.tell(&ServerMessage::Revoked { request: ask.request }),
                Err(refusal) => kernel.refuse(Some(ask.request), Some(&ask.widget), &refusal),
            }
        }));
    }

    /// The widget of which a share is changed, and a place for that until it is answered. Refused when too many are not answered yet.
    fn sharing(&self, id: &str, request: u64) -> Option<(WidgetHandle, Held)> {
        let widget = self.widget(id, Some(request))?;
        let held = self.sharings.take();
        if held.is_none() {
            let message =
                format!("{MAX_SHARINGS} `share` and `revoke` are not answered yet: wait for their answers");
            self.refuse(Some(request), Some(id), &Refusal::of_message("rate", message));
        }
        Some((widget, held?))
    }

    fn told(&self, widget: &WidgetHandle, share: &Share) -> Value {
        let base = self.connection.as_ref().map_or("", |connection| &connection.base);
        let page = format!("{base}widgets/{}", widget.id());
        sharing::describe(self.hub.links(), widget.id(), share, &page)
    }
}
