//! What requests show to be let in: links, tickets, and what proxies say of them.

use std::{str, sync::OnceLock, time::Duration};

use actix_web::{
    http::header::{HeaderName, HeaderValue},
    test::TestRequest,
};

use super::lines;
use crate::{
    event::ViewId,
    handle::Identity,
    network::Network,
    protocol::view::Role,
    render::Options,
    sharing::{Links, Share, With},
    signing::Keys,
    web::{
        auth::ticket::{self, Tickets},
        forwarded::Origin,
    },
};

const NOW: u64 = 1_700_000_000;
const WIDGET: &str = "0123456789abcdef0123456789abcdef";

/// What this server gave out: one link and one ticket.
struct Issued {
    links: Links,
    link: String,
    tickets: Tickets,
    ticket: String,
    identity: Identity,
    trusted: Vec<Network>,
}

fn issued() -> &'static Issued {
    static ISSUED: OnceLock<Issued> = OnceLock::new();
    ISSUED.get_or_init(|| {
        let (links, tickets) = (Links::of(Keys::fresh(NOW)), Tickets::new(Duration::from_secs(60), NOW));
        let expires = Some((NOW + 60) * 1000);
        let share = Share { id: "abc".to_owned(), with: With::Link, role: Role::Watch, expires };
        let link = links.secret(WIDGET, &share).expect("it is a link");
        let identity = Identity {
            id: WIDGET.to_owned(),
            number: 7,
            kind: "square".to_owned(),
            owner: None,
            created: 1.7e9,
            options: Options::default(),
        };
        let ticket = tickets.issue(&identity, Role::Watch, NOW).0;
        let trusted = ["127.0.0.0/8", "::1"].map(|network| network.parse().expect("a network")).to_vec();
        Issued { links, link, tickets, ticket, identity, trusted }
    })
}

/// Lines: `l` a link's secret, `t` a ticket, `v` the name of a view, `n` a network, and anything else a header. In the first two `@`
/// stands for a good one.
pub(super) fn run(input: &[u8]) {
    let issued = issued();
    let mut request = TestRequest::get().uri("/api/widgets/w/view").peer_addr(([127, 0, 0, 1], 4000).into());
    for line in lines(input) {
        let Some((text, line)) = str::from_utf8(line).ok().and_then(|line| Some((line.get(1..)?, line)))
        else {
            continue;
        };
        match line.as_bytes()[0] {
            b'l' => {
                let secret = text.replace('@', &issued.link);
                let opened = issued.links.check(&secret, WIDGET, NOW);
                assert_eq!(opened.is_some(), secret == issued.link, "the link {secret:?}");
                assert_eq!(issued.links.check(&secret, "another", NOW), None);
            }
            b't' => {
                let ticket = text.replace('@', &issued.ticket);
                let role = issued.tickets.check(&ticket, &issued.identity, NOW);
                assert_eq!(role == Ok(Role::Watch), ticket == issued.ticket, "the ticket {ticket:?}");
                assert_ne!(role, Ok(Role::Interact), "the ticket {ticket:?}");
            }
            b'v' => {
                let told = ViewId::named(text).map(|view| view.to_string());
                assert!(told.is_none_or(|told| told == text), "the view {text:?}");
            }
            b'n' => {
                let network = text.parse::<Network>();
                let _ = network.map(|network| network.contains([192, 0, 2, 1].into()));
            }
            _ => {
                let Some((name, value)) = line.split_once(':') else { continue };
                let name = HeaderName::try_from(name);
                let value = HeaderValue::try_from(value.trim());
                if let (Ok(name), Ok(value)) = (name, value) {
                    request = request.append_header((name, value));
                }
            }
        }
    }
    let request = request.to_srv_request();
    let origin = Origin::of(request.request(), &issued.trusted);
    let believed = Origin::of(request.request(), &[]);
    assert_eq!((believed.client, believed.secure), ([127, 0, 0, 1].into(), false), "a stranger was believed");
    if let Some(host) = &origin.host {
        assert!(origin.is_own(&format!("https://{host}")));
        assert!(!origin.is_own(&format!("https://{host}.example")));
    }
    if let Some(offer) = ticket::offered(&request, "/") {
        assert!(
            issued.tickets.check(&offer.ticket, &issued.identity, NOW).is_err()
                || offer.ticket == issued.ticket
        );
    }
}
