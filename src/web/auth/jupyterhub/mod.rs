//! Users of a `JupyterHub`: signed in by OAuth in a browser, or with a token of the Hub in a program.

mod accounts;
mod activity;
mod api;
mod health;
mod lane;
mod lease;
mod say;
mod sign_in;
pub mod succession;
mod tokens;

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    dev::ServiceRequest,
    http::{Method, StatusCode, header},
};
use tokio::time::timeout;

use self::{
    accounts::{Accounts, Asker, Denied},
    activity::Activity,
    api::Api,
    sign_in::SignIn,
};
pub use self::{
    activity::Acting,
    lease::{Lease, Watch},
    say::{Belongs, SayScopes},
    sign_in::callback,
};
use super::{Audience, caller::Session, cookies::Place};
use crate::{
    jupyterhub::{Secret, Service},
    web::{error::ApiError, forwarded::Origin, pages, routes::Site},
};

/// After so many seconds it is worth asking again, while the Hub cannot be asked.
const RETRY_AFTER: u16 = 5;

/// How long a view that needs no session waits to learn whether there is one: a notebook's page tries another way after 2.5 s.
const SESSION_PATIENCE: Duration = Duration::from_secs(2);

/// What the server knows of the Hub whose service it is.
pub struct JupyterHub {
    accounts: Arc<Accounts>,
    activity: Arc<Activity>,
    sign_in: SignIn,
}

impl JupyterHub {
    /// Nobody is signed in yet. Answers of the Hub hold for so long; it is told of a user's activity at most that often.
    pub fn new(service: Service, say_scopes: SayScopes, holds: Duration, tell_every: Duration) -> Self {
        let sign_in = SignIn::new(&service);
        let api = Arc::new(Api::new(service));
        let activity = Arc::new(Activity::new(Arc::clone(&api), tell_every));
        Self { activity, accounts: Arc::new(Accounts::new(api, say_scopes, holds)), sign_in }
    }

    /// Finds out whose request it is, or how it is answered instead.
    pub async fn admit(
        &self,
        request: &ServiceRequest,
        site: &Site,
        audience: Audience,
    ) -> Result<Lease, HttpResponse> {
        let (token, by_cookie) = match (given_token(request), self.session_token(request, site)) {
            (Some(token), _) => (token, false),
            (None, Some(token)) => (token, true),
            (None, None) => return Err(self.stranger(request, site, audience).await),
        };
        // What is sealed in a cookie, the Hub has given out.
        let asker = if by_cookie { Asker::Known } else { asker(request, site) };
        match Lease::of(&self.accounts, token, asker).await {
            Ok(lease) => Ok(lease),
            Err(Denied::Unknown) if by_cookie => Err(self.stranger(request, site, audience).await),
            Err(denied) => Err(refusal(denied, audience, self.prefix())),
        }
    }

    /// Who is signed in with a request's browser, as if it were the owner of what is asked for; if the Hub says so soon enough.
    pub async fn session(&self, request: &ServiceRequest, site: &Site) -> Session {
        let Some(token) = self.session_token(request, site) else { return Session::None };
        match timeout(SESSION_PATIENCE, Lease::of(&self.accounts, token, Asker::Known)).await {
            Ok(Ok(lease)) => Session::Owners(lease),
            Ok(Err(Denied::Unknown)) => Session::Over,
            Ok(Err(_)) | Err(_) => Session::None,
        }
    }

    /// Whether a request brings a token that opens the metrics, a user's or a service's.
    pub async fn reads_metrics(&self, request: &ServiceRequest, site: &Site) -> bool {
        match given_token(request) {
            Some(token) => self.accounts.reads_metrics(&token, asker(request, site)).await,
            None => false,
        }
    }

    /// For a connection through which this user acts, and with them the notebook server of that name.
    pub fn acting(&self, user: String, server: String) -> Acting {
        Acting::new(&self.activity, user, server)
    }

    /// The answer to a request that says nothing of who makes it. A page can be asked for again by way of the Hub; not so
    /// what a program wants.
    async fn stranger(&self, request: &ServiceRequest, site: &Site, audience: Audience) -> HttpResponse {
        if audience == Audience::Program || request.method() != Method::GET {
            return nobody(self.prefix());
        }
        if !self.accounts.hub_answers().await {
            return refusal(Denied::Unavailable, audience, self.prefix());
        }
        self.sign_in.begin(request, site, self.service())
    }

    /// The token of who is signed in with a request's browser.
    fn session_token(&self, request: &ServiceRequest, site: &Site) -> Option<Secret> {
        let request = request.request();
        self.sign_in.session(request, Place::of(request, &site.trusted_proxies, self.prefix()))
    }

    fn service(&self) -> &Service {
        self.accounts.service()
    }

    fn prefix(&self) -> &str {
        &self.service().prefix
    }
}

/// The token in a request's header, as the Hub itself takes it or as usual.
fn given_token(request: &ServiceRequest) -> Option<Secret> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let known = ["token", "bearer"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    known.then(|| Secret::new(token.trim()))
}

/// Whoever shows a token with a request.
fn asker(request: &ServiceRequest, site: &Site) -> Asker {
    Asker::Stranger(Origin::of(request.request(), &site.trusted_proxies).client)
}

/// The answer to a program's request that says nothing of who makes it.
fn nobody(prefix: &str) -> HttpResponse {
    let message = format!(
        "nobody is signed in: open {prefix} in a browser, or send the header `Authorization: token TOKEN` with a token of the JupyterHub"
    );
    unauthorized(&message)
}

fn unauthorized(message: &str) -> HttpResponse {
    let mut response = ApiError::new(StatusCode::UNAUTHORIZED, "signed_out", message).error_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("token"));
    response
}

/// The answer to a request whose token lets nobody in.
fn refusal(denied: Denied, audience: Audience, prefix: &str) -> HttpResponse {
    let message = denied.to_string();
    let (status, code) = match denied {
        Denied::Unknown if audience == Audience::Program => return unauthorized(&message),
        Denied::Unknown => (StatusCode::UNAUTHORIZED, "signed_out"),
        Denied::Scope | Denied::NoUser => (StatusCode::FORBIDDEN, "scope"),
        Denied::Unavailable | Denied::Crowded => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    let mut response = match audience {
        Audience::Page => pages::notice(status, prefix, &message),
        Audience::Program => ApiError::new(status, code, message).error_response(),
    };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER.into());
    }
    response
}
