//! With whom a widget is shared, what they may do, and until when.

mod keeper;
mod ledger;
mod link;
mod request;
mod shares;

use serde::{Deserialize, Serialize};

pub use self::{
    ledger::Ledger,
    link::{Links, Opened},
    request::{NOT_KEPT, NewShare, Reach, describe, revoke, share},
    shares::Shares,
};
use crate::protocol::view::Role;

/// Most shares of a widget.
pub const MAX_SHARES: usize = 100;
/// Longest time for which something is shared, in seconds, if it ends at all: 30 days. Links always end.
pub const LONGEST: u64 = 30 * 24 * 3600;

/// With whom a widget is shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum With {
    /// A user of the `JupyterHub`.
    User(String),
    /// All users of a group of the `JupyterHub`.
    Group(String),
    /// Whoever has the link.
    Link,
}

/// A permission to see a widget, or to act in it as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Names it among the widget's.
    pub id: String,
    /// Who has it.
    pub with: With,
    /// What they may do.
    pub role: Role,
    /// When it ends, Unix time in milliseconds; `None` with the widget.
    pub expires: Option<u64>,
}

impl Share {
    fn holds(&self, now: u64) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// What somebody may do in a widget that is not theirs, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// What they may do.
    pub role: Role,
    /// When that ends, Unix time in milliseconds; `None` while nothing changes.
    pub until: Option<u64>,
}

/// Somebody who is not the owner.
#[derive(Debug, Clone, Copy, Default)]
pub struct Visitor<'a> {
    /// The name, of a user.
    pub user: Option<&'a str>,
    /// The user's groups.
    pub groups: &'a [String],
    /// The links to this widget that they have.
    pub links: &'a [Opened],
}

impl Visitor<'_> {
    fn has(&self, share: &Share) -> bool {
        match &share.with {
            With::User(name) => self.user == Some(name),
            With::Group(name) => self.groups.contains(name),
            With::Link => self.links.iter().any(|link| link.is_of(share)),
        }
    }
}
