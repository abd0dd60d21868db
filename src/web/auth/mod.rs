//! Who may use the server, and from which pages.

pub mod caller;
pub mod cookies;
pub mod jupyterhub;
pub mod key;
pub mod link;
pub mod origin;
pub mod standing;
pub mod ticket;

use actix_web::{
    Error, HttpMessage, HttpResponse, ResponseError,
    body::{EitherBody, MessageBody},
    cookie::{Cookie, SameSite},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode, header},
    middleware::Next,
    web::Data,
};

use self::{
    caller::{Caller, Session},
    jupyterhub::{Acting, JupyterHub},
    key::AccessKey,
    ticket::{Permit, TicketError},
};
use super::{error::ApiError, forwarded::Origin, pages, routes::Site};
use crate::{clock::unix_seconds, handle::WidgetHandle};

/// Who may use a server.
pub enum Access {
    /// Everyone; only on a loopback address.
    Everyone,
    /// Whoever has the key.
    Key(AccessKey),
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
/// asked for with `?key=` gets the key as a cookie and is asked for again without it, so that the key does not stay in the
/// address.
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
    if let Err(error) = origin::check(&request, &site) {
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
            next.call(request).await?.map_into_left_body()
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
async fn admit(request: &ServiceRequest, site: &Site, audience: Audience) -> Result<Caller, HttpResponse> {
    let metrics = request.path().strip_prefix(site.base_url.as_str()) == Some("metrics");
    let given = || credentials(request, site);
    if metrics && site.metrics_token.as_ref().is_some_and(|token| token.matches_any(&given())) {
        return Ok(Caller::Anyone);
    }
    match &site.access {
        Access::Everyone => Ok(Caller::Anyone),
        Access::Key(key) => match without_key(request, site, key, audience) {
            None => Ok(Caller::Anyone),
            Some(response) if response.status() == StatusCode::UNAUTHORIZED => {
                link::visitor(request, site).ok_or(response)
            }
            Some(response) => Err(response),
        },
        Access::JupyterHub(hub) if metrics && hub.reads_metrics(request, site).await => Ok(Caller::Anyone),
        Access::JupyterHub(hub) => {
            let lease = hub.admit(request, site, audience).await?;
            Ok(Caller::User(lease, link::kept(request, site)))
        }
    }
}

/// How a request is answered that does not have the key, or that brings it in its address; `None` when it has it.
fn without_key(
    request: &ServiceRequest,
    site: &Site,
    key: &AccessKey,
    audience: Audience,
) -> Option<HttpResponse> {
    let page = audience == Audience::Page;
    if page
        && request.method() == Method::GET
        && let Some((given, clean)) = key_in_query(request)
    {
        return Some(if key.matches(&given) {
            welcome(request, site, key, &clean)
        } else {
            pages::login(site, true)
        });
    }
    if key.matches_any(&credentials(request, site)) {
        return None;
    }
    Some(if page { pages::login(site, false) } else { refused() })
}

fn refused() -> HttpResponse {
    let message = "the access key is missing or wrong: open the address that the server printed at its start, \
        or send the header `Authorization: Bearer KEY`";
    let mut response = ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message).error_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    response
}

/// The keys that a request brings, in a header or a cookie.
fn credentials(request: &ServiceRequest, site: &Site) -> Vec<String> {
    let bearer = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim().to_owned());
    let cookie = request.cookie(&site.cookie).map(|cookie| cookie.value().to_owned());
    bearer.into_iter().chain(cookie).collect()
}

/// The key in the query, and the address without it.
fn key_in_query(request: &ServiceRequest) -> Option<(String, String)> {
    let pairs = request.query_string().split('&').filter(|pair| !pair.is_empty());
    let (keys, others): (Vec<_>, Vec<_>) = pairs.partition(|pair| pair.starts_with("key="));
    // Keys are made of characters that need no escaping.
    let key = keys.first()?.strip_prefix("key=")?.to_owned();
    let mut clean = request.path().to_owned();
    if !others.is_empty() {
        clean = format!("{clean}?{}", others.join("&"));
    }
    Some((key, clean))
}

fn welcome(request: &ServiceRequest, site: &Site, key: &AccessKey, clean: &str) -> HttpResponse {
    let cookie = Cookie::build(site.cookie.clone(), key.reveal().to_owned())
        .path(site.base_url.clone())
        .http_only(true)
        .secure(Origin::of(request.request(), &site.trusted_proxies).secure)
        .same_site(SameSite::Strict)
        .finish();
    HttpResponse::SeeOther().cookie(cookie).insert_header((header::LOCATION, clean)).finish()
}
