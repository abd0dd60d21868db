//! Users of a `JupyterHub`: signed in by OAuth in a browser, or with a token of the Hub in a program.

mod accounts;
mod activity;
mod api;
mod hearing;
mod sign_in;
pub mod succession;

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    dev::ServiceRequest,
    http::{Method, StatusCode, header},
};
use tokio::time::timeout;

use self::{
    accounts::{Accounts, Denied},
    activity::Activity,
    sign_in::SignIn,
};
pub use self::{
    accounts::{Lease, Watch},
    activity::Acting,
    sign_in::callback,
};
use super::{Audience, caller::Session};
use crate::{
    jupyterhub::{Secret, Service},
    web::{error::ApiError, pages, routes::Site},
};

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
    pub fn new(service: Service, admin_scope: String, holds: Duration, tell_every: Duration) -> Self {
        let sign_in = SignIn::new(&service);
        let activity = Arc::new(Activity::new(service.clone(), tell_every));
        Self { activity, accounts: Arc::new(Accounts::new(service, admin_scope, holds)), sign_in }
    }

    /// Finds out whose request it is, or how it is answered instead.
    pub async fn admit(
        &self,
        request: &ServiceRequest,
        site: &Site,
        audience: Audience,
    ) -> Result<Lease, HttpResponse> {
        let (token, by_cookie) = match (given_token(request), self.sign_in.session(request)) {
            (Some(token), _) => (token, false),
            (None, Some(token)) => (token, true),
            (None, None) => return Err(self.stranger(request, site, audience).await),
        };
        match Lease::of(&self.accounts, token).await {
            Ok(lease) => Ok(lease),
            Err(Denied::Unknown) if by_cookie => Err(self.stranger(request, site, audience).await),
            Err(denied) => Err(refusal(denied, audience, self.prefix())),
        }
    }

    /// Who is signed in with a request's browser, as if it were the owner of what is asked for; if the Hub says so soon enough.
    pub async fn session(&self, request: &ServiceRequest) -> Session {
        let Some(token) = self.sign_in.session(request) else { return Session::None };
        match timeout(SESSION_PATIENCE, Lease::of(&self.accounts, token)).await {
            Ok(Ok(lease)) => Session::Owners(lease),
            Ok(Err(Denied::Unknown)) => Session::Over,
            Ok(Err(_)) | Err(_) => Session::None,
        }
    }

    /// Whether a request brings a token that opens the metrics, a user's or a service's.
    pub async fn reads_metrics(&self, request: &ServiceRequest) -> bool {
        match given_token(request) {
            Some(token) => self.accounts.reads_metrics(&token).await,
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
        Denied::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    match audience {
        Audience::Page => pages::notice(status, prefix, &message),
        Audience::Program => ApiError::new(status, code, message).error_response(),
    }
}
