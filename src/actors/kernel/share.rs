//! How a kernel's program shares its widgets.

use actix::prelude::*;
use serde_json::Value;

use super::Kernel;
use crate::{
    clock::unix_millis,
    handle::WidgetHandle,
    protocol::kernel::{Ask, AskRevoke, AskShare, ServerMessage},
    sharing::{self, Share},
};

impl Kernel {
    pub(super) fn share(&self, ask: AskShare, ctx: &mut Context<Self>) {
        let Some(widget) = self.widget(&ask.widget, Some(ask.request)) else { return };
        match sharing::share(&widget, ask.share, self.hub.reach()) {
            Ok((share, _)) => self.once_kept(widget, ctx, move |kernel, widget| {
                let share = kernel.told(widget, &share);
                kernel.tell(&ServerMessage::Shared { request: ask.request, share: &share });
            }),
            Err(refusal) => self.refuse(Some(ask.request), Some(&ask.widget), &refusal),
        }
    }

    pub(super) fn shares(&self, ask: &Ask) {
        let Some(widget) = self.widget(&ask.widget, Some(ask.request)) else { return };
        let shares = widget.shares().list(unix_millis());
        let shares: Vec<_> = shares.iter().map(|share| self.told(&widget, share)).collect();
        self.tell(&ServerMessage::Shares { request: ask.request, shares: &shares });
    }

    pub(super) fn revoke(&self, ask: AskRevoke, ctx: &mut Context<Self>) {
        let Some(widget) = self.widget(&ask.widget, Some(ask.request)) else { return };
        match sharing::revoke(&widget, &ask.share) {
            Ok(()) => self.once_kept(widget, ctx, move |kernel, _| {
                kernel.tell(&ServerMessage::Revoked { request: ask.request });
            }),
            Err(refusal) => self.refuse(Some(ask.request), Some(&ask.widget), &refusal),
        }
    }

    /// Answers once the widget's shares are kept.
    fn once_kept(
        &self,
        widget: WidgetHandle,
        ctx: &mut Context<Self>,
        answer: impl FnOnce(&Self, &WidgetHandle) + 'static,
    ) {
        let kept = async move {
            widget.shares().kept().await;
            widget
        };
        ctx.spawn(kept.into_actor(self).map(move |widget, kernel, _| answer(kernel, &widget)));
    }

    fn told(&self, widget: &WidgetHandle, share: &Share) -> Value {
        let base = self.connection.as_ref().map_or("", |connection| &connection.base);
        let page = format!("{base}widgets/{}", widget.id());
        sharing::describe(self.hub.links(), widget.id(), share, &page)
    }
}
