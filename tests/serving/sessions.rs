//! Views in notebooks of a `JupyterHub`'s users: opened with a ticket, in a browser where somebody is signed in or nobody is.

use serde_json::json;
use tungstenite::{handshake::client::Request, http::header};

use crate::{
    browser::{self, Browser},
    fake_hub::{ACCESS, FakeHub, PREFIX},
    jupyterhub::{SHORT, kernel, open, sign_in},
    kernel_link::Kernel,
    kernel_views::ticket,
    server::{TestServer, wait_for},
};

/// Ann's kernel, and a widget of it.
fn started(hub: &FakeHub) -> (TestServer, Kernel, String) {
    let server = TestServer::with(hub.config(SHORT));
    let mut kernel = kernel(&server, "session-of-the-tests", &hub.token("ann", &[ACCESS]));
    let widget = kernel.widget(json!({}));
    (server, kernel, widget)
}

/// The request of a page of that origin for a view with a ticket, in a browser with these cookies.
fn request(server: &TestServer, view: &str, ticket: &str, origin: &str, cookies: &str) -> Request {
    let mut request = browser::request(server.address, &format!("{PREFIX}api/widgets/{view}"));
    let headers = request.headers_mut();
    headers.remove(header::AUTHORIZATION);
    headers.insert(header::ORIGIN, origin.parse().unwrap());
    headers.insert(header::COOKIE, cookies.parse().unwrap());
    let offered = format!("framehub.view.v1, framehub.ticket.{ticket}");
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, offered.parse().unwrap());
    request
}

/// A page of that origin opens a view with a ticket, in a browser with these cookies.
fn view(server: &TestServer, widget: &str, ticket: &str, origin: &str, cookies: &str) -> Browser {
    let request = request(server, &format!("{widget}/view"), ticket, origin, cookies);
    Browser::connect_with(request, server.address).expect("it opens")
}

/// The origin of the server's own pages, which is that of the notebooks of a Hub without subdomains.
fn own(server: &TestServer) -> String {
    format!("http://{}", server.address)
}

#[test]
fn a_logout_ends_the_view_that_the_owners_notebook_opened_with_a_ticket() {
    let hub = FakeHub::start();
    let (server, mut kernel, widget) = started(&hub);
    let session = sign_in(&server, &hub, "ann");
    for role in ["interact", "watch"] {
        let ticket = ticket(&mut kernel, &widget, role);
        let mut view = view(&server, &widget, &ticket, &own(&server), &session);
        // The session adds nothing to what the ticket permits.
        assert_eq!(view.text("status", |_| true)["role"], role);
    }
    let interact = ticket(&mut kernel, &widget, "interact");
    let mut view = view(&server, &widget, &interact, &own(&server), &session);
    hub.log_out("ann");
    assert_eq!(view.text("close", |_| true)["reason"], "signed_out");
    assert_eq!(view.close_code(), 4003);
    // The kernel, whose token is another, and its widget are still there.
    ticket(&mut kernel, &widget, "interact");
    assert!(server.hub.registry().get(&widget).is_some());
}

#[test]
fn a_session_that_is_not_the_owners_changes_nothing_for_a_ticket() {
    let hub = FakeHub::start();
    let (server, mut kernel, widget) = started(&hub);
    let (anns, bobs) = (sign_in(&server, &hub, "ann"), sign_in(&server, &hub, "bob"));
    let ticket = ticket(&mut kernel, &widget, "interact");
    let own = own(&server);
    let mut views: Vec<_> =
        ["framehub-session=AAAA", &bobs].map(|cookies| view(&server, &widget, &ticket, &own, cookies)).into();
    for view in &mut views {
        assert_eq!(view.text("status", |_| true)["role"], "interact");
    }
    // Where the Hub has subdomains, notebooks have other origins of the same site, so that the browser sends the cookie along.
    let bound = [own.as_str(), "https://ann.example.org"]
        .map(|origin| view(&server, &widget, &ticket, origin, &anns));
    hub.log_out("ann");
    hub.log_out("bob");
    for mut view in bound {
        assert_eq!(view.close_code(), 4003);
    }
    wait_for("the end of Bob's session", || (open(&server, PREFIX, &bobs).status == 302).then_some(()));
    for view in &mut views {
        view.pings(1);
        assert_eq!(view.closed, None);
    }
}

#[test]
fn in_a_browser_whose_user_is_signed_out_a_ticket_opens_nothing_until_the_next_login() {
    let hub = FakeHub::start();
    let (server, mut kernel, widget) = started(&hub);
    let over = sign_in(&server, &hub, "ann");
    hub.log_out("ann");
    wait_for("the end of the session", || (open(&server, PREFIX, &over).status == 302).then_some(()));
    let ticket = ticket(&mut kernel, &widget, "interact");
    let mut left = view(&server, &widget, &ticket, &own(&server), &over);
    assert_eq!(left.text("close", |_| true)["reason"], "signed_out");
    assert_eq!(left.close_code(), 4003);
    let back = sign_in(&server, &hub, "ann");
    let mut view = view(&server, &widget, &ticket, &own(&server), &back);
    assert_eq!(view.text("status", |_| true)["role"], "interact");
}

#[test]
fn a_view_that_requires_a_session_is_opened_to_who_has_the_owners_alone() {
    let hub = FakeHub::start();
    let (server, mut kernel, widget) = started(&hub);
    let (anns, bobs) = (sign_in(&server, &hub, "ann"), sign_in(&server, &hub, "bob"));
    let ticket = ticket(&mut kernel, &widget, "interact");
    let open = |cookies: &str| {
        let required = format!("{widget}/view?session=required");
        Browser::connect_with(request(&server, &required, &ticket, &own(&server), cookies), server.address)
    };
    for cookies in [bobs.as_str(), "framehub-session=AAAA"] {
        assert_eq!(open(cookies).err().map(|refused| refused.status().as_u16()), Some(401));
    }
    let mut view = open(&anns).expect("it opens");
    assert_eq!(view.text("status", |_| true)["role"], "interact");
}

#[test]
fn a_hub_that_is_down_keeps_no_view_with_a_ticket_out() {
    let hub = FakeHub::start();
    let (server, mut kernel, widget) = started(&hub);
    let ticket = ticket(&mut kernel, &widget, "interact");
    // Of a server that this one does not remember: it has to ask the Hub.
    let session = sign_in(&TestServer::with(hub.config(SHORT)), &hub, "ann");
    hub.set_down(true);
    let mut view = view(&server, &widget, &ticket, &own(&server), &session);
    assert_eq!(view.text("status", |_| true)["role"], "interact");
}
