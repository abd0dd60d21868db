//! Holds each caller to its budget of requests: strangers and who has the key by their address, users by name, visitors by
//! their browser and their link. What a request holds it gives back when its answer is on its way.

use std::{net::IpAddr, time::Instant};

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::{BoxBody, MessageBody},
    cookie::{Cookie, SameSite, time},
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
    web::Data,
};

use super::{
    answer::Answer,
    auth::{caller::Caller, link::widget_of},
    error::ApiError,
    forwarded::Origin,
    routes::Site,
};
use crate::{
    budget::{Allowed, Exceeded, UnderWay, Who},
    network::subscriber,
    random::{is_random_id, random_id},
};

/// Tells the browsers of visitors apart. Who has a link can make up as many as there may be of the link, and gains nothing else.
const COOKIE: &str = "framehub-visitor";
/// As long as the longest link.
const KEPT_FOR: time::Duration = time::Duration::days(30);

/// Lets a request through if not too many come from its address, whoever makes it.
pub async fn of_address(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(site) = request.app_data::<Data<Site>>().cloned() else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let of_address = address(request.request(), &site).map(Who::Address);
    let under_way = match begin(&site, of_address) {
        Ok(under_way) => under_way,
        Err(error) => return Ok(request.error_response(error)),
    };
    request.extensions_mut().insert(Held(under_way));
    let response = next.call(request).await?.map_into_boxed_body();
    let held = response.request().extensions_mut().remove::<Held>();
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // A socket is no request any more.
        return Ok(response);
    }
    Ok(response.map_body(|_, body| Answer::keeping(held, body)))
}

/// Lets a request through if its caller has not made too many. Has the browser of a visitor keep who it is.
pub async fn of_caller(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let site = request.app_data::<Data<Site>>().expect("the site is registered with the routes").clone();
    let caller = request.extensions().get::<Caller>().cloned();
    let who = caller.as_ref().map(|caller| who(caller, request.request(), &site)).unwrap_or_default();
    // Who is but an address was counted by it already; whom more is known of is not counted by it any longer.
    if !who.iter().all(|who| matches!(who, Who::Address(_))) {
        match begin(&site, who) {
            Ok(under_way) => drop(request.extensions_mut().insert(Held(under_way))),
            Err(error) => return Ok(request.error_response(error)),
        }
    }
    let greeted = matches!(&caller, Some(Caller::Visitor(_)))
        && !request.path().starts_with(&format!("{}api/", site.base_url))
        && browser(request.request()).is_none();
    let mut response = next.call(request).await?.map_into_boxed_body();
    if greeted {
        let cookie = Cookie::build(COOKIE, random_id())
            .path(site.base_url.clone())
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(Origin::of(response.request(), &site.trusted_proxies).secure)
            .max_age(KEPT_FOR)
            .finish();
        // It is well-formed.
        let _ = response.response_mut().add_cookie(&cookie);
    }
    Ok(response)
}

/// What a caller may do besides making this request.
pub fn allowed(caller: &Caller, request: &HttpRequest, site: &Site) -> Allowed {
    site.hub.budgets().of(who(caller, request, site), Instant::now())
}

/// Whom a caller's view of a widget that is another's is counted with: the user, or the browser; `None` of one that keeps no cookie.
pub fn visitor(caller: &Caller, request: &HttpRequest) -> Option<Who> {
    match caller {
        Caller::User(lease, _) => Some(Who::User(lease.user().name.clone())),
        _ => browser(request).map(Who::Browser),
    }
}

/// Begins a request of whoever this is.
fn begin(site: &Site, who: impl IntoIterator<Item = Who>) -> Result<UnderWay, ApiError> {
    let now = Instant::now();
    site.hub.budgets().of(who, now).request(now).map_err(|Exceeded { what, message, after }| {
        site.hub.counts().exceeded(what);
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate", message).retry_after(after)
    })
}

/// By whom a caller is limited.
fn who(caller: &Caller, request: &HttpRequest, site: &Site) -> Vec<Who> {
    match caller {
        Caller::User(lease, _) => vec![Who::User(lease.user().name.clone())],
        Caller::Visitor(links) => {
            let widget = widget_of(request.path(), &site.base_url);
            let link = links.iter().find(|link| Some(link.widget.as_str()) == widget).or(links.first());
            let link = link.map(|link| Who::Link(link.share.clone()));
            link.into_iter().chain(browser(request).map(Who::Browser)).collect()
        }
        Caller::Guest(permit, _) => {
            let widget = site.hub.registry().get(&permit.widget);
            let owner = widget.and_then(|widget| widget.identity().owner.clone()).map(Who::User);
            owner.or_else(|| address(request, site).map(Who::Address)).into_iter().collect()
        }
        Caller::Anyone => address(request, site).map(Who::Address).into_iter().collect(),
    }
}

/// Where a request comes from, as one subscriber has addresses; `None` where only a proxy is known.
fn address(request: &HttpRequest, site: &Site) -> Option<IpAddr> {
    let client = Origin::of(request, &site.trusted_proxies).client;
    let is_proxy = site.trusted_proxies.iter().any(|network| network.contains(client));
    (!is_proxy).then(|| subscriber(client))
}

/// Which browser of a visitor this is, as far as it says.
fn browser(request: &HttpRequest) -> Option<String> {
    let cookie = request.cookie(COOKIE)?;
    let value = cookie.value();
    is_random_id(value).then(|| value.to_owned())
}

/// What a request holds until its answer is on its way.
struct Held(#[expect(dead_code, reason = "held for its drop")] UnderWay);
