//! Tickets: short-lived, signed permissions to open a view of one widget, for pages that have no key.
//!
//! A ticket is `EXPIRES.ROLE.SIGNATURE`. It names no widget: the signature covers the one that it is for, and fits the
//! address of no other.

use actix_web::{dev::ServiceRequest, http::header};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::protocol::view::Role;

/// What comes before a ticket in the list of subprotocols of a WebSocket handshake.
pub const SUBPROTOCOL_PREFIX: &str = "framehub.ticket.";
/// How long a ticket may be used to connect, in seconds. The view stays once it is connected.
pub const VALID_FOR: u64 = 60;

/// Why a ticket does not open a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It was not issued by this server, or for another widget or role.
    #[error("the ticket is not one of this server for this widget: ask for a fresh one")]
    Forged,
    /// It was good once.
    #[error("the ticket has expired: ask for a fresh one for each connection")]
    Expired,
}

/// What a ticket that was checked permits: a view of one widget.
#[derive(Debug, Clone)]
pub struct Permit {
    /// The widget.
    pub widget: String,
    /// What the view may do.
    pub role: Role,
}

/// A ticket that a request offers, and the widget that it wants to see with it.
pub struct Offer {
    pub ticket: String,
    pub widget: String,
}

/// The ticket among the subprotocols of a request for a view.
pub fn offered(request: &ServiceRequest, base_url: &str) -> Option<Offer> {
    let path = request.path().strip_prefix(base_url)?;
    let widget = path.strip_prefix("api/widgets/")?.strip_suffix("/view")?.to_owned();
    let ticket = request
        .headers()
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|offered| offered.trim().strip_prefix(SUBPROTOCOL_PREFIX))?
        .to_owned();
    Some(Offer { ticket, widget })
}

/// Issues and checks tickets. The secret is this process's own: tickets of before a restart are worth nothing.
pub struct Tickets {
    secret: [u8; 32],
}

impl Tickets {
    /// A fresh secret.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing could be kept secret then.
    pub fn new() -> Self {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).expect("the operating system gives random bytes");
        Self { secret }
    }

    /// A ticket for a widget, issued at Unix time `now`, and when it expires.
    pub fn issue(&self, widget: &str, role: Role, now: u64) -> (String, u64) {
        let expires = now + VALID_FOR;
        let claim = format!("{expires}.{}", name(role));
        let signature = self.signed(&claim, widget).finalize().into_bytes();
        (format!("{claim}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)), expires)
    }

    /// What a ticket permits in a widget at Unix time `now`.
    ///
    /// # Errors
    /// When it was forged, is for another widget, or has expired.
    pub fn check(&self, ticket: &str, widget: &str, now: u64) -> Result<Role, TicketError> {
        let (claim, signature) = ticket.rsplit_once('.').ok_or(TicketError::Forged)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| TicketError::Forged)?;
        self.signed(claim, widget).verify_slice(&signature).map_err(|_| TicketError::Forged)?;
        // From here on the claim is this server's own.
        let (expires, role) = claim.split_once('.').ok_or(TicketError::Forged)?;
        let role = [Role::Interact, Role::Watch]
            .into_iter()
            .find(|known| name(*known) == role)
            .ok_or(TicketError::Forged)?;
        if expires.parse::<u64>().is_ok_and(|expires| now < expires) {
            Ok(role)
        } else {
            Err(TicketError::Expired)
        }
    }

    fn signed(&self, claim: &str, widget: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("keys of any length are fine");
        // No claim holds a line break, so that no two pairs of claim and widget read the same.
        for part in [SUBPROTOCOL_PREFIX, claim, "\n", widget] {
            mac.update(part.as_bytes());
        }
        mac
    }
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Interact => "interact",
        Role::Watch => "watch",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    #[test]
    fn a_ticket_opens_its_widget_in_its_role_until_it_expires() {
        let tickets = Tickets::new();
        for role in [Role::Interact, Role::Watch] {
            let (ticket, expires) = tickets.issue("plot", role, NOW);
            assert_eq!(expires, NOW + 60);
            assert_eq!(tickets.check(&ticket, "plot", NOW), Ok(role));
            assert_eq!(tickets.check(&ticket, "plot", expires - 1), Ok(role));
            assert_eq!(tickets.check(&ticket, "plot", expires), Err(TicketError::Expired));
        }
    }

    #[test]
    fn a_ticket_opens_no_other_widget_and_no_other_server() {
        let tickets = Tickets::new();
        let (ticket, _) = tickets.issue("plot", Role::Interact, NOW);
        assert_eq!(tickets.check(&ticket, "other", NOW), Err(TicketError::Forged));
        assert_eq!(Tickets::new().check(&ticket, "plot", NOW), Err(TicketError::Forged));
    }

    #[test]
    fn no_part_of_a_ticket_can_be_changed() {
        let tickets = Tickets::new();
        let (ticket, expires) = tickets.issue("plot", Role::Watch, NOW);
        let signature = ticket.rsplit_once('.').unwrap().1;
        for forged in [
            format!("{}.watch.{signature}", expires + 1),
            format!("{expires}.interact.{signature}"),
            format!("{expires}.watch."),
            format!("{expires}.watch.{}", signature.to_uppercase()),
            signature.to_owned(),
            String::new(),
            "...".to_owned(),
        ] {
            assert_eq!(tickets.check(&forged, "plot", NOW), Err(TicketError::Forged), "{forged}");
        }
    }

    #[test]
    fn a_ticket_is_made_of_characters_that_a_subprotocol_may_have() {
        let (ticket, _) = Tickets::new().issue("plot", Role::Interact, NOW);
        assert!(ticket.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)), "{ticket}");
    }
}
