//! What an owner asks for, what of it may be, and how shares are told.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    LONGEST, Links, MAX_SHARES, Share, With,
    shares::{NotRevoked, NotShared},
};
use crate::{
    clock::unix_millis,
    handle::WidgetHandle,
    protocol::{Refusal, json::shortened, view::Role},
};

/// Longest name of a user or a group, in bytes: as the Hub's database has it.
const MAX_NAME: usize = 255;
/// The code of what is not on disk.
pub const NOT_KEPT: &str = "not_kept";
/// The code of a share that is not there.
const UNKNOWN_SHARE: &str = "unknown_share";

/// With whom widgets of a server can be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Users and groups of a `JupyterHub`, and those of its users who have a link.
    Users,
    /// Whoever has a link.
    Links,
    /// Everybody who reaches the server may do everything anyway.
    Nobody,
}

impl Reach {
    /// The fields of [`NewShare`] that can be used.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Users => &["user", "group", "link"],
            Self::Links => &["link"],
            Self::Nobody => &[],
        }
    }
}

/// A share to make: with one of `user`, `group` and `link`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewShare {
    user: Option<String>,
    group: Option<String>,
    #[serde(default)]
    link: bool,
    #[serde(default = "watch")]
    role: Role,
    /// Seconds.
    expires_in: Option<f64>,
}

fn watch() -> Role {
    Role::Watch
}

fn bad(field: &str, reason: &str) -> Refusal {
    Refusal::of_message("bad_field", format!("field `{field}`: {reason}")).field(field)
}

/// A name that a user or a group can have.
fn named(field: &str, name: String) -> Result<String, Refusal> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        let reason = format!("`{}` is no name: send 1 to {MAX_NAME} bytes of text", shortened(&name));
        return Err(bad(field, &reason));
    }
    Ok(name)
}

impl NewShare {
    fn with(self, owner: Option<&str>, reach: Reach) -> Result<With, Refusal> {
        let with = match (self.user, self.group, self.link) {
            (Some(user), None, false) => With::User(named("user", user)?),
            (None, Some(group), false) => With::Group(named("group", group)?),
            (None, None, true) => With::Link,
            _ => return Err(bad("user", "name one of `user`, `group` and `link`, and only one")),
        };
        let field = match &with {
            With::User(_) => "user",
            With::Group(_) => "group",
            With::Link => "link",
        };
        match (reach, &with) {
            (Reach::Nobody, _) => {
                let reason =
                    "this server lets everybody in who reaches it: hand on the widget's address instead";
                Err(bad(field, reason))
            }
            (Reach::Links, With::User(_) | With::Group(_)) => {
                Err(bad(field, "this server has a key and knows no users: share by a `link`"))
            }
            (_, With::User(user)) if Some(user.as_str()) == owner => {
                Err(bad(field, &format!("the widget is {user}'s own: name somebody else")))
            }
            _ => Ok(with),
        }
    }

    /// When it ends, at Unix time `now` in milliseconds. A link for which nothing is said ends as late as it may.
    fn expires(&self, now: u64) -> Result<Option<u64>, Refusal> {
        let Some(seconds) = self.expires_in else {
            return Ok(self.link.then_some(now + LONGEST * 1000));
        };
        #[expect(clippy::cast_precision_loss, reason = "a number of 7 digits")]
        let longest = LONGEST as f64;
        if !(1.0..=longest).contains(&seconds) {
            let reason = format!("{seconds} is out of range: send 1 to {LONGEST} seconds (30 days)");
            return Err(bad("expires_in", &reason));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within the range")]
        let milliseconds = (seconds * 1000.0) as u64;
        Ok(Some(now + milliseconds))
    }
}

/// Shares a widget as its owner asks for, once that is kept. Answers the share, and whether it is a new one.
///
/// # Errors
/// When it is with nobody or several, with somebody whom this server does not know, for too long, or one too many; the refusal
/// names the field. When it cannot be kept; nothing is shared then.
pub async fn share(widget: &WidgetHandle, new: NewShare, reach: Reach) -> Result<(Share, bool), Refusal> {
    let now = unix_millis();
    let (role, expires) = (new.role, new.expires(now)?);
    let with = new.with(widget.identity().owner.as_deref(), reach)?;
    let (share, fresh) = widget.shares().add(with, role, expires, now).await?;
    Ok((share, fresh))
}

/// Ends a share of a widget at once, and waits until that is kept.
///
/// # Errors
/// When there is none of that id. When its end cannot be kept: it may be asked for again.
pub async fn revoke(widget: &WidgetHandle, share: &str) -> Result<(), Refusal> {
    match widget.shares().revoke(share).await {
        Ok(()) => Ok(()),
        Err(NotRevoked::NotKept) => {
            let message = format!(
                "the share `{}` has ended, but the server cannot keep that: after a restart it would hold again. The server \
                 tries on; ask again to know whether it is kept",
                shortened(share)
            );
            Err(Refusal::of_message(NOT_KEPT, message))
        }
        Err(NotRevoked::Unknown) => {
            let message =
                format!("the widget has no share `{}`: it was revoked, or has expired", shortened(share));
            Err(Refusal::of_message(UNKNOWN_SHARE, message))
        }
    }
}

impl From<NotShared> for Refusal {
    fn from(reason: NotShared) -> Self {
        match reason {
            NotShared::Full => Self::of_message(
                "max_shares",
                format!("the widget is shared {MAX_SHARES} times, which is the limit: revoke a share first"),
            ),
            NotShared::NotKept => Self::of_message(
                NOT_KEPT,
                "the server cannot keep shares now, so that nothing is shared or changed: try again later, or tell its operator",
            ),
            NotShared::Gone => Self::of_message(
                UNKNOWN_SHARE,
                "the share was revoked, or the widget closed, before it was kept",
            ),
        }
    }
}

/// A share as its owner is told of it. `page` is the address of the widget's page.
pub fn describe(links: &Links, widget: &str, share: &Share, page: &str) -> Value {
    let (user, group) = match &share.with {
        With::User(name) => (Some(name), None),
        With::Group(name) => (None, Some(name)),
        With::Link => (None, None),
    };
    let url = match links.secret(widget, share) {
        Some(secret) => format!("{page}?share={secret}"),
        None => page.to_owned(),
    };
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 have 13 digits")]
    let expires = share.expires.map(|expires| expires as f64 / 1000.0);
    json!({
        "id": share.id,
        "user": user,
        "group": group,
        "link": share.with == With::Link,
        "role": share.role,
        "expires": expires,
        "url": url,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::json::read;

    fn with(body: &Value, reach: Reach) -> Result<With, Refusal> {
        read::<NewShare>(body.to_string().as_bytes())?.with(Some("ann"), reach)
    }

    #[test]
    fn a_share_is_with_one_whom_the_server_knows() {
        let group = json!({"group": "lab", "role": "interact"});
        assert_eq!(with(&group, Reach::Users), Ok(With::Group("lab".to_owned())));
        assert_eq!(with(&json!({"link": true}), Reach::Links), Ok(With::Link));
        for (body, reach, field) in [
            (json!({}), Reach::Users, "user"),
            (json!({"user": "bob", "link": true}), Reach::Users, "user"),
            (json!({"user": "bob", "group": "lab"}), Reach::Users, "user"),
            (json!({"user": ""}), Reach::Users, "user"),
            (json!({"user": "ann"}), Reach::Users, "user"),
            (json!({"user": "b\nb"}), Reach::Users, "user"),
            (json!({"group": "g".repeat(256)}), Reach::Users, "group"),
            (json!({"user": "bob"}), Reach::Links, "user"),
            (json!({"group": "lab"}), Reach::Links, "group"),
            (json!({"link": true}), Reach::Nobody, "link"),
            (json!({"user": "bob", "role": "own"}), Reach::Users, "role"),
            (json!({"user": "bob", "rolle": "watch"}), Reach::Users, "rolle"),
            (json!({"user": 5}), Reach::Users, "user"),
        ] {
            let refusal = with(&body, reach).unwrap_err();
            assert_eq!(refusal.field.as_deref(), Some(field), "{body}: {refusal}");
            assert!(refusal.message.contains(field), "{refusal}");
        }
    }

    #[test]
    fn links_always_expire_and_nothing_later_than_in_30_days() {
        let expires = |body: Value| {
            read::<NewShare>(body.to_string().as_bytes()).unwrap().expires(1000).map_err(|error| error.field)
        };
        assert_eq!(expires(json!({"user": "bob"})), Ok(None));
        assert_eq!(expires(json!({"link": true})), Ok(Some(1000 + 2_592_000_000)));
        assert_eq!(expires(json!({"user": "bob", "expires_in": 1.5})), Ok(Some(2500)));
        for seconds in [0.0, 0.9, -5.0, 2_592_001.0, 1e300] {
            let field = Some("expires_in".to_owned());
            assert_eq!(expires(json!({"link": true, "expires_in": seconds})), Err(field), "{seconds}");
        }
    }
}
