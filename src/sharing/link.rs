//! Links: signed permissions to open one widget, that its owner hands on.
//!
//! A link's secret is `SHARE.ROLE.EXPIRES.SIGNATURE`, the expiry in Unix time and milliseconds. It names no widget: the signature
//! covers the one that it is for, and fits the address of no other. It opens nothing unless the widget has that share still.

use parking_lot::Mutex;

use super::{LONGEST, Share, With};
use crate::{protocol::view::Role, signing::Keys};

/// Signs and checks links.
pub struct Links(Mutex<Keys>);

/// What a link that was checked says. Whether its share is there still, the widget knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The widget.
    pub widget: String,
    /// The share.
    pub share: String,
    role: Role,
    /// Unix time in milliseconds.
    pub expires: u64,
}

impl Opened {
    /// What the link of a share of a widget says.
    #[cfg(test)]
    pub fn of(widget: &str, share: &Share) -> Self {
        let Share { id, role, expires, .. } = share.clone();
        Self { widget: widget.to_owned(), share: id, role, expires: expires.expect("links end") }
    }

    /// Whether this is the link of a share of its widget.
    pub fn is_of(&self, share: &Share) -> bool {
        share.with == With::Link
            && (&share.id, share.role, share.expires) == (&self.share, self.role, Some(self.expires))
    }
}

impl Links {
    /// Links that these keys sign.
    pub fn of(keys: Keys) -> Self {
        Self(Mutex::new(keys))
    }

    /// What links are signed with, to be kept.
    pub fn keys(&self) -> Keys {
        self.0.lock().clone()
    }

    /// What they are to be signed with from Unix time `now` on, if that is something else. The key changes as often as the
    /// longest link lasts.
    pub fn due(&self, now: u64) -> Option<Keys> {
        self.0.lock().changed(LONGEST, now)
    }

    /// Signs with these keys from now on. They have to be kept by now, where keys are kept.
    pub fn change(&self, keys: Keys) {
        *self.0.lock() = keys;
    }

    /// The secret of a share's link; `None` if it is no link.
    pub fn secret(&self, widget: &str, share: &Share) -> Option<String> {
        let expires = share.expires.filter(|_| share.with == With::Link)?;
        let claim = format!("{}.{}.{expires}", share.id, share.role.name());
        let signature = self.0.lock().sign(&signed(&claim, widget));
        Some(format!("{claim}.{signature}"))
    }

    /// What a link to a widget says at Unix time `now`; `None` if it is forged, of another widget, or expired.
    pub fn check(&self, secret: &str, widget: &str, now: u64) -> Option<Opened> {
        let (claim, signature) = secret.rsplit_once('.')?;
        if !self.0.lock().check(&signed(claim, widget), signature) {
            return None;
        }
        // From here on the claim is this server's own.
        let mut parts = claim.split('.');
        let (share, role, expires) = (parts.next()?, Role::of_name(parts.next()?)?, parts.next()?);
        let expires = expires.parse().ok().filter(|expires| now * 1000 < *expires)?;
        Some(Opened { widget: widget.to_owned(), share: share.to_owned(), role, expires })
    }
}

/// No claim holds a line break, so that no two pairs of claim and widget read the same.
fn signed(claim: &str, widget: &str) -> String {
    format!("framehub.link\n{claim}\n{widget}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn fresh() -> Links {
        Links::of(Keys::fresh(NOW))
    }

    fn share(role: Role) -> Share {
        Share { id: "abc".to_owned(), with: With::Link, role, expires: Some((NOW + 60) * 1000) }
    }

    #[test]
    fn a_link_says_its_share_until_it_expires() {
        let links = fresh();
        for role in [Role::Watch, Role::Interact] {
            let share = share(role);
            let secret = links.secret("plot", &share).unwrap();
            assert!(links.check(&secret, "plot", NOW + 59).unwrap().is_of(&share));
            assert_eq!(links.check(&secret, "plot", NOW + 60), None);
            // A share that was changed is another one.
            let opened = links.check(&secret, "plot", NOW).unwrap();
            assert!(!opened.is_of(&Share { expires: Some(NOW * 1000 + 1), ..share.clone() }));
            assert!(!opened.is_of(&Share { with: With::Group("abc".to_owned()), ..share.clone() }));
        }
        let user = Share { with: With::User("bob".to_owned()), ..share(Role::Watch) };
        assert_eq!(links.secret("plot", &user), None);
    }

    #[test]
    fn no_part_of_a_link_can_be_changed() {
        let links = fresh();
        let secret = links.secret("plot", &share(Role::Watch)).unwrap();
        assert_eq!(links.check(&secret, "other", NOW), None);
        assert_eq!(fresh().check(&secret, "plot", NOW), None);
        let signature = secret.rsplit_once('.').unwrap().1;
        let expires = (NOW + 60) * 1000;
        for forged in [
            secret.replace("watch", "interact"),
            secret.replace("abc", "abd"),
            secret.replace(&expires.to_string(), &(expires + 1).to_string()),
            format!("abc.watch.{expires}."),
            format!("{secret}\nplot"),
            signature.to_owned(),
            String::new(),
            "...".to_owned(),
        ] {
            assert_eq!(links.check(&forged, "plot", NOW), None, "{forged}");
        }
    }
}
