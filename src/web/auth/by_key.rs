//! Signing in with the access key: a browser once, which has a session from then on; a program with each request.

use std::{
    io,
    time::{Duration, Instant},
};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, ResponseError,
    cookie::{Cookie, SameSite},
    dev::ServiceRequest,
    http::{Method, StatusCode, header},
    web::{self, Bytes, Data, Payload},
};
use url::form_urlencoded;

use super::{
    Access, Audience,
    caller::Caller,
    cookies::Place,
    key::AccessKey,
    link, origin,
    sessions::{Session, Sessions},
    wanted,
};
use crate::{
    clock::unix_seconds,
    web::{
        api,
        error::ApiError,
        forwarded::Origin,
        pages::{self, Login},
        routes::Site,
    },
};

/// The key of a server, and the sessions of browsers whose users gave it.
pub struct ByKey {
    pub key: AccessKey,
    pub sessions: Sessions,
    /// The name of the sessions' cookie without TLS.
    pub cookie: String,
}

/// Goes with a request whose answer gives the browser its session anew.
pub struct Renewal(pub Cookie<'static>);

/// Why a key is not taken.
enum Refused {
    Wrong,
    /// Too many were wrong; one may try again after this time.
    TooMany(Duration),
}

impl ByKey {
    /// Finds out whether a request has the key, or a session, or how it is answered instead.
    pub async fn admit(
        &self,
        request: &ServiceRequest,
        site: &Data<Site>,
        audience: Audience,
    ) -> Result<Caller, HttpResponse> {
        let page = audience == Audience::Page;
        if page
            && request.method() == Method::GET
            && let Some((given, clean)) = key_in_query(request)
        {
            return Err(match self.check(request.request(), site, &given) {
                Ok(()) => self.welcome(request.request(), site, &clean).await,
                Err(refused) => login(site, &refused, &clean),
            });
        }
        if let Some(session) = self.session(request.request(), site) {
            self.renew(request, site, &session);
            request.extensions_mut().insert(session);
            return Ok(Caller::Anyone);
        }
        let refused = match bearer(request) {
            None => None,
            Some(given) => match self.check(request.request(), site, &given) {
                Ok(()) => return Ok(Caller::Anyone),
                Err(refused) => Some(refused),
            },
        };
        link::visitor(request, site).ok_or_else(|| match refused {
            Some(Refused::TooMany(wait)) if !page => too_many(wait),
            Some(refused) if page => login(site, &refused, &path_and_query(request)),
            _ if page => pages::login(site, Login::Missing, &path_and_query(request)),
            _ => unauthorized(),
        })
    }

    /// The session of a request's browser.
    fn session(&self, request: &HttpRequest, site: &Site) -> Option<Session> {
        let place = place(request, site);
        let (name, cookie) = (place.name(&self.cookie), place.only(request, &self.cookie)?);
        self.sessions.open(cookie.value(), &name, unix_seconds())
    }

    fn renew(&self, request: &ServiceRequest, site: &Site, session: &Session) {
        if let Some(renewed) = session.renewed(unix_seconds()) {
            let cookie = self.cookie(request.request(), site, &renewed);
            request.extensions_mut().insert(Renewal(cookie));
        }
    }

    /// Whether a key is the right one. Wrong ones are counted.
    fn check(&self, request: &HttpRequest, site: &Site, given: &str) -> Result<(), Refused> {
        let (client, now) = (Origin::of(request, &site.trusted_proxies).client, Instant::now());
        // A trusted proxy that says nothing of the browser's address stands for all of them.
        let limited = !site.trusted_proxies.iter().any(|network| network.contains(client));
        if limited {
            site.wrong_keys.may_try(client, now).map_err(Refused::TooMany)?;
        }
        if self.key.matches(given) {
            site.wrong_keys.succeeded(client, now);
            return Ok(());
        }
        match site.wrong_keys.failed(client, now) {
            Some(wait) if limited => Err(Refused::TooMany(wait)),
            _ => Err(Refused::Wrong),
        }
    }

    /// Gives a browser a session and leads it to a page.
    async fn welcome(&self, request: &HttpRequest, site: &Data<Site>, next: &str) -> HttpResponse {
        if self.sessions.is_to_be_kept()
            && let Err(error) = keep(site).await
        {
            tracing::warn!(%error, "what signs sessions cannot be kept beside the key file: a restart signs browsers out; name another with --key-file");
        }
        let session = Session::begin(unix_seconds());
        HttpResponse::SeeOther()
            .cookie(self.cookie(request, site, &session))
            .insert_header((header::LOCATION, wanted::within(&site.base_url, next)))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish()
    }

    /// It goes with the browser, if that does not end the session before.
    fn cookie(&self, request: &HttpRequest, site: &Site, session: &Session) -> Cookie<'static> {
        let place = place(request, site);
        let name = place.name(&self.cookie);
        let value = self.sessions.sealed(session, &name);
        place.cookie(name, value).same_site(SameSite::Strict).finish()
    }
}

/// Where the cookies of this server's pages are.
fn place<'a>(request: &HttpRequest, site: &'a Site) -> Place<'a> {
    Place::of(request, &site.trusted_proxies, &site.base_url)
}

/// `POST /sign_in`: a browser gives the key, and the page that was wanted.
///
/// # Errors
/// 403 for a page of elsewhere, 408 and 413 for the body.
pub async fn sign_in(
    site: Data<Site>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    origin::check(&request, &site)?;
    let Access::Key(by_key) = &site.access else { unreachable!("the route is of a server with a key") };
    let form: Bytes = api::body(&site, payload).await?;
    let field = |name: &str| {
        let found = form_urlencoded::parse(&form).find(|(given, _)| given == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let next = field("next");
    Ok(match by_key.check(&request, &site, field("key").trim()) {
        Ok(()) => by_key.welcome(&request, &site, &next).await,
        Err(refused) => login(&site, &refused, &next),
    })
}

/// `POST /sign_out`: ends this browser's session and what it has of links.
///
/// # Errors
/// 403 for a page of elsewhere. The answer is 503 when that the session was ended cannot be kept.
pub async fn sign_out(site: Data<Site>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    origin::check(&request, &site)?;
    let Access::Key(by_key) = &site.access else { unreachable!("the route is of a server with a key") };
    let mut response = HttpResponse::NoContent().finish();
    if let Some(session) = by_key.session(&request, &site) {
        by_key.sessions.end(&session);
        if let Err(error) = keep(&site).await {
            tracing::error!(%error, "that a session was ended cannot be kept");
            let message = "you are signed out, but that cannot be kept and a restart would forget it: look into the server's log";
            response = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_kept", message).error_response();
        }
    }
    let place = place(&request, &site);
    for name in link::names(&request, place).into_iter().chain([place.name(&by_key.cookie)]) {
        let gone = response.add_cookie(&place.removal(name));
        gone.map_err(|_| ApiError::unavailable("the cookies cannot be taken away"))?;
    }
    Ok(response)
}

/// Keeps what is to be known of sessions after a restart.
async fn keep(site: &Data<Site>) -> io::Result<()> {
    let site = site.clone();
    let kept = web::block(move || match &site.access {
        Access::Key(by_key) => by_key.sessions.keep(),
        Access::Everyone | Access::JupyterHub(_) => Ok(()),
    });
    kept.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn login(site: &Site, refused: &Refused, next: &str) -> HttpResponse {
    match refused {
        Refused::Wrong => pages::login(site, Login::Wrong, next),
        Refused::TooMany(wait) => {
            let mut response = pages::login(site, Login::TooMany, next);
            response.headers_mut().insert(header::RETRY_AFTER, seconds(*wait));
            response
        }
    }
}

fn too_many(wait: Duration) -> HttpResponse {
    let message = "too many wrong keys came from this address: check the key, and try again later";
    let mut response = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "sign_ins", message).error_response();
    response.headers_mut().insert(header::RETRY_AFTER, seconds(wait));
    response
}

fn seconds(wait: Duration) -> header::HeaderValue {
    (wait.as_secs() + 1).into()
}

fn unauthorized() -> HttpResponse {
    let message = "the access key is missing or wrong: open the server's page and enter the key, or send the header \
        `Authorization: Bearer KEY`; the server said at its start where its key is";
    let mut response = ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message).error_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    response
}

/// The token in a request's header.
pub fn bearer(request: &ServiceRequest) -> Option<String> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned())
}

/// The key in the query, and the address without it.
fn key_in_query(request: &ServiceRequest) -> Option<(String, String)> {
    let pairs = request.query_string().split('&').filter(|pair| !pair.is_empty());
    let (keys, mut others): (Vec<_>, Vec<_>) = pairs.partition(|pair| pair.starts_with("key="));
    // Keys are made of characters that need no escaping.
    let key = keys.first()?.strip_prefix("key=")?.to_owned();
    // It may be within an address that is the value of another pair.
    others.retain(|pair| key.is_empty() || !pair.contains(&key));
    let mut clean = request.uri().path().to_owned();
    if !others.is_empty() {
        clean = format!("{clean}?{}", others.join("&"));
    }
    Some((key, clean))
}

fn path_and_query(request: &ServiceRequest) -> String {
    request.uri().path_and_query().map_or("", |path| path.as_str()).to_owned()
}
