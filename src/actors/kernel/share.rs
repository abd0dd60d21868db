//! How a kernel's program shares its widgets.

use serde_json::Value;

use super::Kernel;
use crate::{
    clock::unix_millis,
    handle::WidgetHandle,
    protocol::kernel::{Ask, AskRevoke, AskShare, ServerMessage},
    sharing::{self, Share},
};

impl Kernel {
    pub(super) fn share(&self, ask: AskShare) {
        let Some(widget) = self.widget(&ask.widget, Some(ask.request)) else { return };
        match sharing::share(&widget, ask.share, self.hub.reach()) {
            Ok((share, _)) => {
                let share = self.told(&widget, &share);
                self.tell(&ServerMessage::Shared { request: ask.request, share: &share });
            }
            Err(refusal) => self.refuse(Some(ask.request), Some(&ask.widget), &refusal),
        }
    }

    pub(super) fn shares(&self, ask: &Ask) {
        let Some(widget) = self.widget(&ask.widget, Some(ask.request)) else { return };
        let shares = widget.shares().list(unix_millis());
        let shares: Vec<_> = shares.iter().map(|share| self.told(&widget, share)).collect();
        self.tell(&ServerMessage::Shares { request: ask.request, shares: &shares });
    }

    pub(super) fn revoke(&self, ask: &AskRevoke) {
        let Some(widget) = self.widget(&ask.widget, Some(ask.request)) else { return };
        match sharing::revoke(&widget, &ask.share) {
            Ok(()) => self.tell(&ServerMessage::Revoked { request: ask.request }),
            Err(refusal) => self.refuse(Some(ask.request), Some(&ask.widget), &refusal),
        }
    }

    fn told(&self, widget: &WidgetHandle, share: &Share) -> Value {
        let base = self.connection.as_ref().map_or("", |connection| &connection.base);
        let page = format!("{base}widgets/{}", widget.id());
        sharing::describe(self.hub.links(), widget.id(), share, &page)
    }
}
