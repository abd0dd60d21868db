//! Who may use the server, and from which pages.

pub mod by_key;
pub mod caller;
pub mod cookies;
pub mod failures;
pub mod jupyterhub;
pub mod key;
pub mod link;
pub mod origin;
pub mod sessions;
pub mod standing;
pub mod ticket;
pub mod wanted;

use actix_web::{
    Error, HttpMessage, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
    web::Data,
};

use self::{
    by_key::{ByKey, Renewal},
    caller::{Caller, Session},
    jupyterhub::{Acting, JupyterHub},
    ticket::{Permit, TicketError},
};
use super::{error::ApiError, routes::Site};
use crate::{clock::unix_seconds, handle::WidgetHandle};

/// Who may use a server.
pub enum Access {
    /// Everyone; only on a loopback address.
    Everyone,
    /// Whoever has the key.
    Key(ByKey),
    /// The users of a `JupyterHub`, each what is theirs.
    JupyterHub(JupyterHub),
}

impl Access {
    /// Whom the Hub is told about when something is done in a view that this caller opens; nobody where there are no users. What is
    /// done with a ticket its owner's notebook gave away: it is the owner's doing. The owner uses the notebook server whose kernel
    /// draws, anybody else their default one.
    pub fn acting(&self, caller: &Caller, widget: &WidgetHandle) -> Option<Acting> {
        let Self::JupyterHub(hub) = self else { return None };
        let owner = &widget.identity().owner;
        let user = match caller {
            Caller::Guest(..) => owner.clone(),
            Caller::Anyone | Caller::Visitor(_) | Caller::User(..) => caller.owner(),
        };
        let server = widget.notebook_server().filter(|_| user == *owner);
        user.map(|user| hub.acting(user, server.unwrap_or_default()))
    }
}

impl Access {
    /// Calls `end` once a browser's session is over, for as long as the answer lives.
    pub fn watch(&self, session: sessions::Session, end: impl FnOnce() + 'static) -> Option<sessions::Watch> {
        let Self::Key(by_key) = self else { return None };
        Some(sessions::Watch::new(&by_key.sessions, session, end))
    }
}

/// How an unauthorised request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// A person: with a page that asks for the key, or the way to the Hub.
    Page,
    /// A program: with JSON.
    Program,
}

/// Lets a request through if it has the key, or is a user's, and comes from an allowed page; or if it opens a view with a
/// ticket for it, wherever it comes from: the ticket is the permission. Whose it is, goes with the request. A page that is
/// asked for with `?key=` gives its browser a session and is asked for again without it, so that the key does not stay in
/// the address.
///
/// # Errors
/// When the request is refused.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let site = request.app_data::<Data<Site>>().expect("the site is registered with the routes").clone();
    let api = request
        .path()
        .strip_prefix(site.base_url.as_str())
        .is_some_and(|path| path.starts_with("api/") || path == "metrics");
    let audience = if api { Audience::Program } else { Audience::Page };
    if let Some(offer) = ticket::offered(&request, &site.base_url) {
        // Whether there is no such widget, or a ticket is not for it, is told nobody apart.
        let widget = site.hub.registry().get(&offer.widget).ok_or(TicketError::Forged);
        let check =
            |widget: WidgetHandle| site.hub.tickets().check(&offer.ticket, widget.identity(), unix_seconds());
        return match widget.and_then(check) {
            Ok(role) => {
                let session = session_beside(&request, &site, &offer.widget).await;
                let guest = Caller::Guest(Permit { widget: offer.widget, role }, session);
                request.extensions_mut().insert(guest);
                Ok(next.call(request).await?.map_into_left_body())
            }
            Err(error) => {
                let error = ApiError::new(StatusCode::FORBIDDEN, "ticket", error.to_string());
                Ok(request.error_response(error).map_into_right_body())
            }
        };
    }
    if let Err(error) = origin::check(request.request(), &site) {
        return Ok(request.error_response(error).map_into_right_body());
    }
    let arrival = link::arrival(&request, &site.base_url).filter(|_| audience == Audience::Page);
    let admitted = match &arrival {
        Some(arrival) => arrive(&request, &site, arrival).await,
        None => admit(&request, &site, audience).await,
    };
    // What sets a link's cookie does not take it away.
    let useless = if audience == Audience::Page && arrival.is_none() {
        link::useless(&request, &site)
    } else {
        Vec::new()
    };
    let mut response = match admitted {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            let renewal = request.extensions_mut().remove::<Renewal>();
            let mut response = next.call(request).await?;
            if let Some(Renewal(cookie)) = renewal {
                response.response_mut().add_cookie(&cookie)?;
            }
            response.map_into_left_body()
        }
        Err(response) => request.into_response(response).map_into_right_body(),
    };
    for cookie in useless {
        response.response_mut().add_cookie(&cookie)?;
    }
    Ok(response)
}

/// The session on which a view rests besides its ticket: that of the widget's owner, where the browser sends it along, which it does to
/// pages of the same site alone. Anybody else's gives and takes nothing; one that the Hub has ended says that the user left.
async fn session_beside(request: &ServiceRequest, site: &Site, widget: &str) -> Session {
    let (Access::JupyterHub(hub), Some(widget)) = (&site.access, site.hub.registry().get(widget)) else {
        return Session::None;
    };
    match hub.session(request, site).await {
        Session::Owners(lease) if widget.identity().owner.as_ref() != Some(&lease.user().name) => {
            Session::None
        }
        session => session,
    }
}

/// How a page is answered whose address brings a link. Behind a Hub a link is for who is signed in there.
async fn arrive(
    request: &ServiceRequest,
    site: &Site,
    arrival: &link::Arrival,
) -> Result<Caller, HttpResponse> {
    if let Access::JupyterHub(hub) = &site.access {
        hub.admit(request, site, Audience::Page).await?;
    }
    Err(arrival.answer(request, site))
}

/// Finds out who makes a request, or how it is answered instead.
async fn admit(
    request: &ServiceRequest,
    site: &Data<Site>,
    audience: Audience,
) -> Result<Caller, HttpResponse> {
    let metrics = request.path().strip_prefix(site.base_url.as_str()) == Some("metrics");
    let given = || by_key::bearer(request);
    if metrics
        && site.metrics_token.as_ref().is_some_and(|token| given().is_some_and(|given| token.matches(&given)))
    {
        return Ok(Caller::Anyone);
    }
    match &site.access {
        Access::Everyone => Ok(Caller::Anyone),
        Access::Key(by_key) => by_key.admit(request, site, audience).await,
        Access::JupyterHub(hub) if metrics && hub.reads_metrics(request, site).await => Ok(Caller::Anyone),
        Access::JupyterHub(hub) => {
            let lease = hub.admit(request, site, audience).await?;
            Ok(Caller::User(lease, link::kept(request, site)))
        }
    }
}
