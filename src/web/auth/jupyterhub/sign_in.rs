//! Signing in with OAuth: a browser goes to the Hub and comes back with a code, for which the Hub gives a token.
//!
//! The server keeps nothing of an attempt, so that many that never end cost nothing: the latest few are sealed in a cookie. The token of
//! who is signed in is sealed in another, which no browser can read or make, and which outlives the server's restart.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, CookieJar, Key, time},
    dev::ServiceRequest,
    http::{StatusCode, header},
    web::{Data, Query},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use url::{Url, form_urlencoded};

use super::{
    Lease,
    accounts::{Asker, Denied, LONGEST_TOKEN},
    api::Granted,
    refusal,
};
use crate::{
    clock::unix_seconds,
    jupyterhub::{Secret, Service},
    random::{is_random_id, random_id},
    seldom::Seldom,
    web::{
        auth::{Access, Audience, cookies::Place},
        forwarded::Origin,
        pages,
        routes::Site,
    },
};

/// The cookie that holds the token of who is signed in.
const SESSION: &str = "framehub-session";
/// By TLS, the cookie to which a session is bound, for the whole host: no page of another host can set it, while one of a sibling's might
/// set the session's.
const BINDING: &str = "framehub-binding";
/// The cookie that holds the attempts of a browser.
const ATTEMPTS: &str = "framehub-sign-in-attempts";
/// Most attempts of a browser that are not over, and most bytes that they take before they are sealed, which adds a third: together with
/// the session that is far less than a proxy refuses.
const MAX_ATTEMPTS: usize = 5;
const MAX_ATTEMPTS_BYTES: usize = 2000;
/// Longest address of a page to which a browser comes back.
const LONGEST_NEXT: usize = 1000;
/// How long a person may take at the Hub.
const ATTEMPT_FOR: Duration = Duration::from_secs(600);
/// Most attempts that are remembered as used. What is forgotten beyond that is still stopped by the Hub, whose codes are good once.
const MAX_USED: usize = 10_000;

/// An attempt to sign in, as its cookie holds it.
#[derive(Clone, Serialize, Deserialize)]
struct Attempt {
    /// Comes back with the code.
    state: String,
    /// Proves that who brings the code is who asked for it.
    verifier: String,
    /// The page that was wanted.
    next: String,
    /// Unix time.
    expires: u64,
}

/// A session, as its cookie holds it.
#[derive(Serialize, Deserialize)]
struct Session {
    /// The Hub's token of who is signed in.
    token: String,
    /// What the other cookie has to hold; by TLS alone.
    binding: Option<String>,
}

/// Seals and opens the cookies.
pub struct SignIn {
    key: Key,
    /// Attempts that came back, until they would have expired.
    used: Mutex<HashMap<String, Instant>>,
    /// When the log was told that nobody can sign in.
    failed: Seldom,
}

/// What the Hub sends a browser back with.
#[derive(Deserialize)]
pub struct Returned {
    #[serde(default)]
    state: String,
    code: Option<String>,
}

impl SignIn {
    /// The key follows from the service's token, so that a restart signs nobody out.
    pub fn new(service: &Service) -> Self {
        let secret = service.api_token.reveal().as_bytes();
        let mut mac = Hmac::<Sha512>::new_from_slice(secret).expect("keys of any length are fine");
        mac.update(b"framehub cookies 2");
        let key = Key::from(&mac.finalize().into_bytes());
        Self { key, used: Mutex::default(), failed: Seldom::once_a_minute() }
    }

    /// The token of who is signed in with this browser.
    pub fn session(&self, request: &HttpRequest, place: Place) -> Option<Secret> {
        let session: Session = self.open(&place.only(request, SESSION)?)?;
        if place.secure {
            let binding = place.of_host().only(request, BINDING)?;
            let bound: bool = session.binding?.as_bytes().ct_eq(binding.value().as_bytes()).into();
            if !bound {
                return None;
            }
        }
        Some(Secret::new(session.token))
    }

    /// Sends a browser to the Hub. What a page asks for by itself goes the way of the attempt that is not over yet, if there is one.
    pub fn begin(&self, request: &ServiceRequest, site: &Site, service: &Service) -> HttpResponse {
        let request = request.request();
        let place = Place::of(request, &site.trusted_proxies, &service.prefix);
        let mut attempts = self.attempts(request, place);
        let pending = attempts.last().filter(|_| !is_asked_for_by_a_person(request)).cloned();
        let (attempt, cookie) = if let Some(attempt) = pending {
            (attempt, None)
        } else {
            let attempt = Attempt {
                state: random_id(),
                verifier: random_id() + &random_id(),
                next: wanted(request, &service.prefix),
                expires: unix_seconds() + ATTEMPT_FOR.as_secs(),
            };
            attempts.push(attempt.clone());
            let age = i64::try_from(ATTEMPT_FOR.as_secs()).ok();
            (attempt, Some(self.seal(place, ATTEMPTS, &latest(&attempts), age)))
        };
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &service.client_id)
            .append_pair("redirect_uri", &service.callback_url)
            .append_pair("response_type", "code")
            .append_pair("state", &attempt.state)
            .append_pair("code_challenge", &BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&attempt.verifier)))
            .append_pair("code_challenge_method", "S256")
            .finish();
        let mut response = HttpResponse::Found();
        if let Some(cookie) = cookie {
            response.cookie(cookie);
        }
        response
            .insert_header((header::LOCATION, format!("{}?{query}", service.authorize_url)))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish()
    }

    /// The attempts of a browser that are not over, the latest last.
    fn attempts(&self, request: &HttpRequest, place: Place) -> Vec<Attempt> {
        let cookie = place.only(request, ATTEMPTS);
        let mut attempts: Vec<Attempt> = cookie.and_then(|cookie| self.open(&cookie)).unwrap_or_default();
        let (now, used) = (unix_seconds(), self.used.lock());
        attempts.retain(|attempt| now < attempt.expires && !used.contains_key(&attempt.state));
        attempts
    }

    /// The attempt that a browser comes back from: its own, not over, and not used before.
    fn take(&self, request: &HttpRequest, place: Place, state: &str) -> Option<Attempt> {
        let is_of = |attempt: &Attempt| bool::from(attempt.state.as_bytes().ct_eq(state.as_bytes()));
        let attempt = self.attempts(request, place).into_iter().find(is_of)?;
        let mut used = self.used.lock();
        let now = Instant::now();
        used.retain(|_, until| *until > now);
        if used.len() >= MAX_USED {
            used.clear();
        }
        used.insert(attempt.state.clone(), now + ATTEMPT_FOR).is_none().then_some(attempt)
    }

    /// The attempt of that state is as if it had not come back.
    fn give_back(&self, state: &str) {
        self.used.lock().remove(state);
    }

    /// The answer to a browser that is signed in with a token: the cookies of that, and none of an attempt any more.
    fn welcome(&self, request: &HttpRequest, place: Place, granted: &Granted, next: &str) -> HttpResponse {
        let age = granted.expires_in.and_then(|seconds| i64::try_from(seconds).ok());
        let binding = place.secure.then(|| {
            // Of another service on this host, or of a session before: one is as good as another.
            let before = place.of_host().only(request, BINDING).filter(|cookie| is_random_id(cookie.value()));
            before.map_or_else(random_id, |cookie| cookie.value().to_owned())
        });
        let mut response = HttpResponse::SeeOther();
        if let Some(binding) = &binding {
            let host = place.of_host();
            let cookie = host.cookie(host.name(BINDING), binding.clone()).finish();
            response.cookie(lasting(cookie, age));
        }
        let session = Session { token: granted.token().reveal().to_owned(), binding };
        response
            .cookie(self.seal(place, SESSION, &session, age))
            .cookie(place.removal(place.name(ATTEMPTS)))
            .insert_header((header::LOCATION, next))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish()
    }

    /// A cookie that only this service can read and make, for so many seconds or for as long as the browser runs.
    fn seal(
        &self,
        place: Place,
        plain: &str,
        content: &impl Serialize,
        seconds: Option<i64>,
    ) -> Cookie<'static> {
        let name = place.name(plain);
        let text = serde_json::to_string(content).expect("texts and numbers are JSON");
        let mut jar = CookieJar::new();
        jar.private_mut(&self.key).add(Cookie::new(name.clone(), text));
        let sealed = jar.get(&name).expect("it was just added").value().to_owned();
        // `Strict` would leave the cookie out of the way back from a Hub that signs in with a third site.
        lasting(place.cookie(name, sealed).finish(), seconds)
    }

    fn open<T: DeserializeOwned>(&self, cookie: &Cookie<'static>) -> Option<T> {
        let opened = CookieJar::new().private(&self.key).decrypt(cookie.clone())?;
        serde_json::from_str(opened.value()).ok()
    }
}

fn lasting(mut cookie: Cookie<'static>, seconds: Option<i64>) -> Cookie<'static> {
    cookie.set_max_age(seconds.map(time::Duration::seconds));
    cookie
}

/// As many of the attempts, the latest, as a cookie may hold.
fn latest(attempts: &[Attempt]) -> Vec<&Attempt> {
    let mut bytes = 0;
    let fit = attempts.iter().rev().take(MAX_ATTEMPTS).take_while(|attempt| {
        bytes += serde_json::to_string(attempt).map_or(0, |text| text.len());
        bytes <= MAX_ATTEMPTS_BYTES
    });
    let mut fit: Vec<_> = fit.collect();
    fit.reverse();
    fit
}

/// Whether a person opens the page, as browsers say it: not a page by itself, nor a browser ahead of time.
fn is_asked_for_by_a_person(request: &HttpRequest) -> bool {
    let says = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let ahead =
        ["sec-purpose", "purpose"].iter().any(|name| says(name).is_some_and(|why| why.contains("prefetch")));
    !ahead && says("sec-fetch-mode").is_none_or(|mode| mode == "navigate")
}

/// `GET /oauth_callback`: a browser comes back from the Hub.
pub async fn callback(site: Data<Site>, request: HttpRequest, returned: Query<Returned>) -> HttpResponse {
    let Access::JupyterHub(hub) = &site.access else { unreachable!("the route is a JupyterHub's") };
    let service = hub.service();
    let notice = |status, message| pages::notice(status, &service.prefix, message);
    let not_accepted =
        || notice(StatusCode::BAD_REQUEST, "The JupyterHub does not accept this attempt to sign in.");
    if returned.code.as_ref().is_some_and(|code| code.len() > LONGEST_TOKEN) {
        return not_accepted();
    }
    let place = Place::of(&request, &site.trusted_proxies, &service.prefix);
    let Some(attempt) = hub.sign_in.take(&request, place, &returned.state) else {
        if hub.sign_in.session(&request, place).is_some() {
            // Another of this browser's attempts was quicker.
            let to = (header::LOCATION, service.prefix.as_str());
            return HttpResponse::SeeOther().insert_header(to).finish();
        }
        return notice(
            StatusCode::BAD_REQUEST,
            "This attempt to sign in is over, or did not begin in this browser.",
        );
    };
    let Some(code) = &returned.code else {
        return notice(StatusCode::FORBIDDEN, "The JupyterHub did not let you in.");
    };
    let client = Origin::of(&request, &site.trusted_proxies).client;
    let granted = match hub.accounts.exchange(code, &attempt.verifier, client).await {
        Ok(Ok(Some(granted))) => granted,
        Ok(Ok(None)) => return not_accepted(),
        Ok(Err(error)) => {
            if let Some(left_out) = hub.sign_in.failed.due(Instant::now()) {
                tracing::warn!(%error, left_out, "nobody can sign in");
            }
            return refusal(Denied::Unavailable, Audience::Page, &service.prefix);
        }
        Err(crowded) => {
            // Another try is as good as this one, which asked nothing.
            hub.sign_in.give_back(&attempt.state);
            return refusal(crowded.into(), Audience::Page, &service.prefix);
        }
    };
    match Lease::of(&hub.accounts, granted.token(), Asker::Known).await {
        Ok(lease) => {
            tracing::info!(user = lease.user().name, "signed in");
            hub.sign_in.welcome(&request, place, &granted, &attempt.next)
        }
        Err(denied) => refusal(denied, Audience::Page, &service.prefix),
    }
}

/// The page that was asked for, as an address of this service and of no other, as a browser reads it: `..` leads out of the
/// service, and so may `\`. Of one that is too long to be kept, the first page.
fn wanted(request: &HttpRequest, prefix: &str) -> String {
    let path = request.uri().path_and_query().map_or(prefix, |path| path.as_str());
    let read = Url::parse("http://service").and_then(|service| service.join(path));
    let own = read.is_ok_and(|url| url.host_str() == Some("service") && url.path().starts_with(prefix));
    if own && path.len() <= LONGEST_NEXT { path.to_owned() } else { prefix.to_owned() }
}
