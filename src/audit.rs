//! Who did what to whose widget, and from where: one line of the log each, on a target of its own, without secrets.

use std::net::IpAddr;

use crate::{
    handle::WidgetHandle,
    protocol::Refusal,
    quota::UserReport,
    sharing::{NOT_KEPT, Share, With},
};

/// What `RUST_LOG` names these lines by.
const TARGET: &str = "audit";

/// Who does something, for the lines about it.
pub struct Audit {
    /// A user, or what let them in.
    pub by: String,
    /// The address that the request came from; `None` for what a kernel asks on its connection.
    pub from: Option<IpAddr>,
    /// Method and path of the request.
    pub deed: String,
}

impl Audit {
    /// Of a kernel, which does what its owner's program says.
    pub fn of_kernel() -> Self {
        Self { by: "kernel".to_owned(), from: None, deed: String::new() }
    }

    fn from(&self) -> Option<String> {
        self.from.map(|from| from.to_string())
    }

    /// A view was opened, with such a right and in such a role.
    pub fn opened(&self, widget: &WidgetHandle, right: &str, role: &str) {
        let (by, from, owner) = (&self.by, self.from(), owner(widget));
        tracing::info!(target: TARGET, by, from, widget = widget.id(), owner, right, role, "view opened");
    }

    /// A link let somebody in for the first time.
    pub fn arrived(&self, widget: &str, share: &str) {
        let (by, from) = (&self.by, self.from());
        tracing::info!(target: TARGET, by, from, widget, share, "link opened");
    }

    /// An administrator uses another's widget.
    pub fn used(&self, widget: &WidgetHandle) {
        let (by, from, owner, deed) = (&self.by, self.from(), owner(widget), &self.deed);
        tracing::info!(target: TARGET, by, from, widget = widget.id(), owner, deed, "administrator acts");
    }

    /// A widget was shared.
    pub fn shared(&self, widget: &WidgetHandle, share: &Share) {
        let (by, from) = (&self.by, self.from());
        let with = match &share.with {
            With::User(user) => format!("user {user}"),
            With::Group(group) => format!("group {group}"),
            With::Link => "link".to_owned(),
        };
        let (owner, role) = (owner(widget), share.role.name());
        let (widget, share) = (widget.id(), &share.id);
        tracing::info!(target: TARGET, by, from, widget, owner, share, with, role, "shared");
    }

    /// A share was revoked, or has ended and is revoked once more because that was not kept.
    pub fn revoked(&self, widget: &WidgetHandle, share: &str, outcome: &Result<(), Refusal>) {
        if outcome.as_ref().is_err_and(|refusal| refusal.code != NOT_KEPT) {
            return;
        }
        let kept = outcome.is_ok();
        let (by, from, owner) = (&self.by, self.from(), owner(widget));
        tracing::info!(target: TARGET, by, from, widget = widget.id(), owner, share, kept, "share revoked");
    }

    /// What a user may take was changed.
    pub fn limited(&self, user: &str, report: &UserReport) {
        let (by, from) = (&self.by, self.from());
        tracing::info!(target: TARGET, by, from, user, limits = ?report.limits, "limits changed");
    }
}

fn owner(widget: &WidgetHandle) -> Option<&str> {
    widget.identity().owner.as_deref()
}
