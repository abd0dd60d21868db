//! How a kernel's program shares its widgets.

use actix::prelude::*;
use serde_json::Value;

use super::Kernel;
use crate::{
    audit::Audit,
    clock::unix_millis,
    handle::WidgetHandle,
    protocol::kernel::{Ask, AskRevoke, AskShare, ServerMessage},
    sharing::{self, Share},
};

impl Kernel {
    pub(super) fn share(&self, ask: AskShare, ctx: &mut Context<Self>) {
        let Some(widget) = self.widget(&ask.widget, Some(ask.request)) else { return };
        let reach = self.hub.reach();
        let shared = async move {
            let shared = sharing::share(&widget, ask.share, reach).await;
            (widget, shared)
        };
        ctx.spawn(shared.into_actor(self).map(move |(widget, shared), kernel, _| match shared {
            Ok((share, _)) => {
                Audit::of_kernel().shared(&widget, &share);
                let share = kernel.told(&widget, &share);
                kernel.tell(&ServerMessage::Shared { request: ask.request, share: &share });
            }
            Err(refusal) => kernel.refuse(Some(ask.request), Some(&ask.widget), &refusal),
        }));
    }

    pub(super) fn shares(&self, ask: &Ask) {
        let Some(widget) = self.widget(&ask.widget, Some(ask.request)) else { return };
        let shares = widget.shares().list(unix_millis());
        let shares: Vec<_> = shares.iter().map(|share| self.told(&widget, share)).collect();
        self.tell(&ServerMessage::Shares { request: ask.request, shares: &shares });
    }

    pub(super) fn revoke(&self, ask: AskRevoke, ctx: &mut Context<Self>) {
        let Some(widget) = self.widget(&ask.widget, Some(ask.request)) else { return };
        let share = ask.share;
        let revoked = async move {
            let revoked = sharing::revoke(&widget, &share).await;
            Audit::of_kernel().revoked(&widget, &share, &revoked);
            revoked
        };
        ctx.spawn(revoked.into_actor(self).map(move |revoked, kernel, _| match revoked {
            Ok(()) => kernel.tell(&ServerMessage::Revoked { request: ask.request }),
            Err(refusal) => kernel.refuse(Some(ask.request), Some(&ask.widget), &refusal),
        }));
    }

    fn told(&self, widget: &WidgetHandle, share: &Share) -> Value {
        let base = self.connection.as_ref().map_or("", |connection| &connection.base);
        let page = format!("{base}widgets/{}", widget.id());
        sharing::describe(self.hub.links(), widget.id(), share, &page)
    }
}
