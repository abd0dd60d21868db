//! Tickets: short-lived, signed permissions to open a view of one widget, for pages that have no key.
//!
//! A ticket is `EXPIRES.ROLE.SIGNATURE`. It names no widget: the signature covers the one that it is for, and fits the
//! address of no other, nor a widget that gets its id later.

use std::time::Duration;

use actix_web::{dev::ServiceRequest, http::header};

use crate::{handle::Identity, protocol::view::Role, signing::SigningKeys};

/// What comes before a ticket in the list of subprotocols of a WebSocket handshake.
pub const SUBPROTOCOL_PREFIX: &str = "framehub.ticket.";
/// Why a ticket does not open a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It was not issued by this server, or for another widget or role, or for one that was closed.
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

/// How long a key signs tickets, in seconds.
const KEY_PERIOD: u64 = 3600;

/// Issues and checks tickets.
pub struct Tickets {
    keys: SigningKeys,
    /// How long a ticket may be used to connect, in seconds. The view stays once it is connected.
    valid_for: u64,
}

impl Tickets {
    /// Tickets of this process, each good for up to an hour, at Unix time `now`.
    pub fn new(valid_for: Duration, now: u64) -> Self {
        Self { keys: SigningKeys::new(KEY_PERIOD, now), valid_for: valid_for.as_secs() }
    }

    /// A ticket for a widget, issued at Unix time `now`, and when it expires.
    pub fn issue(&self, widget: &Identity, role: Role, now: u64) -> (String, u64) {
        let expires = now + self.valid_for;
        let claim = format!("{expires}.{}", role.name());
        let signature = self.keys.sign(&signed(&claim, widget), now);
        (format!("{claim}.{signature}"), expires)
    }

    /// What a ticket permits in a widget at Unix time `now`.
    ///
    /// # Errors
    /// When it was forged, is for another widget, or has expired.
    pub fn check(&self, ticket: &str, widget: &Identity, now: u64) -> Result<Role, TicketError> {
        let (claim, signature) = ticket.rsplit_once('.').ok_or(TicketError::Forged)?;
        if !self.keys.check(&signed(claim, widget), signature, now) {
            return Err(TicketError::Forged);
        }
        // From here on the claim is this server's own.
        let (expires, role) = claim.split_once('.').ok_or(TicketError::Forged)?;
        let role = Role::of_name(role).ok_or(TicketError::Forged)?;
        if expires.parse::<u64>().is_ok_and(|expires| now < expires) {
            Ok(role)
        } else {
            Err(TicketError::Expired)
        }
    }
}

/// No claim holds a line break, so that no two pairs of claim and widget read the same.
fn signed(claim: &str, widget: &Identity) -> String {
    let Identity { id, number, .. } = widget;
    format!("{SUBPROTOCOL_PREFIX}{claim}\n{number}\n{id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Options;

    const NOW: u64 = 1_700_000_000;
    const MINUTE: Duration = Duration::from_secs(60);

    fn widget(id: &str) -> Identity {
        let (id, kind, options) = (id.to_owned(), "plot".to_owned(), Options::default());
        Identity { id, number: 7, kind, owner: None, created: 1.7e9, options }
    }

    #[test]
    fn a_ticket_opens_its_widget_in_its_role_until_it_expires() {
        let tickets = Tickets::new(MINUTE, NOW);
        for role in [Role::Interact, Role::Watch] {
            let (ticket, expires) = tickets.issue(&widget("plot"), role, NOW);
            assert_eq!(expires, NOW + 60);
            assert_eq!(tickets.check(&ticket, &widget("plot"), NOW), Ok(role));
            assert_eq!(tickets.check(&ticket, &widget("plot"), expires - 1), Ok(role));
            assert_eq!(tickets.check(&ticket, &widget("plot"), expires), Err(TicketError::Expired));
        }
    }

    #[test]
    fn a_ticket_opens_no_other_widget_and_no_other_server() {
        let tickets = Tickets::new(MINUTE, NOW);
        let (ticket, _) = tickets.issue(&widget("plot"), Role::Interact, NOW);
        assert_eq!(tickets.check(&ticket, &widget("other"), NOW), Err(TicketError::Forged));
        assert_eq!(Tickets::new(MINUTE, NOW).check(&ticket, &widget("plot"), NOW), Err(TicketError::Forged));
    }

    #[test]
    fn a_ticket_does_not_open_a_later_widget_of_the_same_id() {
        let tickets = Tickets::new(MINUTE, NOW);
        let (ticket, _) = tickets.issue(&widget("plot"), Role::Interact, NOW);
        let later = Identity { number: 8, ..widget("plot") };
        assert_eq!(tickets.check(&ticket, &later, NOW), Err(TicketError::Forged));
    }

    #[test]
    fn what_a_key_of_before_the_last_two_signed_is_none_of_this_servers() {
        let tickets = Tickets::new(MINUTE, NOW);
        let (ticket, _) = tickets.issue(&widget("plot"), Role::Interact, NOW);
        let check = |now| tickets.check(&ticket, &widget("plot"), now);
        // Long expired, but known by its signature, after one change of the key.
        assert_eq!(check(NOW + KEY_PERIOD), Err(TicketError::Expired));
        assert_eq!(check(NOW + 2 * KEY_PERIOD), Err(TicketError::Forged));
    }

    #[test]
    fn no_part_of_a_ticket_can_be_changed() {
        let tickets = Tickets::new(MINUTE, NOW);
        let (ticket, expires) = tickets.issue(&widget("plot"), Role::Watch, NOW);
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
            assert_eq!(tickets.check(&forged, &widget("plot"), NOW), Err(TicketError::Forged), "{forged}");
        }
    }

    #[test]
    fn a_ticket_is_good_until_it_expires_though_the_key_changes() {
        let tickets = Tickets::new(MINUTE, NOW);
        let issued = NOW + KEY_PERIOD - 1;
        let (ticket, expires) = tickets.issue(&widget("plot"), Role::Watch, issued);
        let (later, _) = tickets.issue(&widget("plot"), Role::Watch, issued + 1);
        assert_ne!(ticket.rsplit_once('.').unwrap().1, later.rsplit_once('.').unwrap().1);
        assert_eq!(tickets.check(&ticket, &widget("plot"), expires - 1), Ok(Role::Watch));
        assert_eq!(tickets.check(&later, &widget("plot"), expires), Ok(Role::Watch));
    }

    #[test]
    fn a_ticket_is_made_of_characters_that_a_subprotocol_may_have() {
        let (ticket, _) = Tickets::new(MINUTE, NOW).issue(&widget("plot"), Role::Interact, NOW);
        assert!(ticket.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)), "{ticket}");
    }
}
