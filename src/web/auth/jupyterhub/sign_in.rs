//! Signing in with OAuth: a browser goes to the Hub and comes back with a code, for which the Hub gives a token.
//!
//! The server keeps nothing of an attempt, so that many that never end cost nothing: it is sealed in a cookie. The token of
//! who is signed in is sealed in another, which no browser can read or make, and which outlives the server's restart.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, CookieJar, Key, SameSite, time},
    dev::ServiceRequest,
    http::{StatusCode, header},
    web::{Data, Query},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use url::{Url, form_urlencoded};

use super::{
    Lease,
    accounts::{Asker, Denied, LONGEST_TOKEN},
    refusal,
};
use crate::{
    clock::unix_seconds,
    hub::random_id,
    jupyterhub::{Secret, Service},
    seldom::Seldom,
    web::{
        auth::{Access, Audience},
        forwarded::Origin,
        pages,
        routes::Site,
    },
};

/// The cookie that holds the token of who is signed in.
const SESSION: &str = "framehub-session";
/// What the names of the cookies of attempts begin with; the rest is the attempt's, so that two pages do not disturb each other.
const ATTEMPT_PREFIX: &str = "framehub-sign-in-";
/// How long a person may take at the Hub.
const ATTEMPT_FOR: Duration = Duration::from_secs(600);
/// Most attempts that are remembered as used. What is forgotten beyond that is still stopped by the Hub, whose codes are good once.
const MAX_USED: usize = 10_000;

/// An attempt to sign in, as its cookie holds it.
#[derive(Serialize, Deserialize)]
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
        mac.update(b"framehub cookies 1");
        let key = Key::from(&mac.finalize().into_bytes());
        Self { key, used: Mutex::default(), failed: Seldom::once_a_minute() }
    }

    /// The token of who is signed in with this browser.
    pub fn session(&self, request: &ServiceRequest) -> Option<Secret> {
        self.open(&request.cookie(SESSION)?).map(Secret::new)
    }

    /// Sends a browser to the Hub.
    pub fn begin(&self, request: &ServiceRequest, site: &Site, service: &Service) -> HttpResponse {
        let attempt = Attempt {
            state: random_id(),
            verifier: random_id() + &random_id(),
            next: wanted(request, &service.prefix),
            expires: unix_seconds() + ATTEMPT_FOR.as_secs(),
        };
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &service.client_id)
            .append_pair("redirect_uri", &service.callback_url)
            .append_pair("response_type", "code")
            .append_pair("state", &attempt.state)
            .append_pair("code_challenge", &BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&attempt.verifier)))
            .append_pair("code_challenge_method", "S256")
            .finish();
        let text = serde_json::to_string(&attempt).expect("texts and numbers are JSON");
        let age = i64::try_from(ATTEMPT_FOR.as_secs()).ok();
        let secure = Origin::of(request.request(), &site.trusted_proxies).secure;
        let cookie = self.seal(attempt_name(&attempt.state), text, age, secure, &service.prefix);
        HttpResponse::Found()
            .cookie(cookie)
            .insert_header((header::LOCATION, format!("{}?{query}", service.authorize_url)))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish()
    }

    /// The attempt that a browser comes back from: its own, not over, and not used before.
    fn take(&self, request: &HttpRequest, state: &str) -> Option<Attempt> {
        let cookie = request.cookie(&attempt_name(state))?;
        let attempt: Attempt = serde_json::from_str(&self.open(&cookie)?).ok()?;
        let same: bool = attempt.state.as_bytes().ct_eq(state.as_bytes()).into();
        if !same || attempt.expires <= unix_seconds() {
            return None;
        }
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

    /// A cookie that only this service can read and make, for so many seconds or for as long as the browser runs; where the
    /// browser comes by TLS, for TLS alone.
    fn seal(
        &self,
        name: String,
        value: String,
        seconds: Option<i64>,
        secure: bool,
        prefix: &str,
    ) -> Cookie<'static> {
        let mut jar = CookieJar::new();
        jar.private_mut(&self.key).add(Cookie::new(name.clone(), value));
        let mut cookie = jar.get(&name).expect("it was just added").clone();
        cookie.set_path(prefix.to_owned());
        cookie.set_http_only(true);
        // `Strict` would leave the cookie out of the way back from a Hub that signs in with a third site.
        cookie.set_same_site(SameSite::Lax);
        cookie.set_secure(secure);
        cookie.set_max_age(seconds.map(time::Duration::seconds));
        cookie
    }

    fn open(&self, cookie: &Cookie<'static>) -> Option<String> {
        let opened = CookieJar::new().private(&self.key).decrypt(cookie.clone())?;
        Some(opened.value().to_owned())
    }
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
    let Some(attempt) = hub.sign_in.take(&request, &returned.state) else {
        return notice(
            StatusCode::BAD_REQUEST,
            "This attempt to sign in is over, or did not begin in this browser.",
        );
    };
    let Some(code) = &returned.code else {
        return notice(StatusCode::FORBIDDEN, "The JupyterHub did not let you in.");
    };
    let Origin { client, secure, .. } = Origin::of(&request, &site.trusted_proxies);
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
    let lease = match Lease::of(&hub.accounts, granted.token(), Asker::Known).await {
        Ok(lease) => lease,
        Err(denied) => return refusal(denied, Audience::Page, &service.prefix),
    };
    tracing::info!(user = lease.user().name, "signed in");
    let age = granted.expires_in.and_then(|seconds| i64::try_from(seconds).ok());
    let token = granted.token().reveal().to_owned();
    let session = hub.sign_in.seal(SESSION.to_owned(), token, age, secure, &service.prefix);
    let mut over = Cookie::build(attempt_name(&attempt.state), "").path(service.prefix.clone()).finish();
    over.make_removal();
    HttpResponse::SeeOther()
        .cookie(session)
        .cookie(over)
        .insert_header((header::LOCATION, attempt.next))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// The name of an attempt's cookie. A state that is none has none.
fn attempt_name(state: &str) -> String {
    let known: String = state.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    format!("{ATTEMPT_PREFIX}{known}")
}

/// The page that was asked for, as an address of this service and of no other, as a browser reads it: `..` leads out of the
/// service, and so may `\`.
fn wanted(request: &ServiceRequest, prefix: &str) -> String {
    let path = request.uri().path_and_query().map_or(prefix, |path| path.as_str());
    let read = Url::parse("http://service").and_then(|service| service.join(path));
    let own = read.is_ok_and(|url| url.host_str() == Some("service") && url.path().starts_with(prefix));
    if own { path.to_owned() } else { prefix.to_owned() }
}
