//! Requests to the Hub's API.

use std::time::Duration;

use awc::{
    Client, Connector,
    error::{ConnectError, SendRequestError},
    http::StatusCode,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use tokio::{net::TcpStream, time::timeout};
use url::Url;

use crate::jupyterhub::{Peer, Secret, Service, Stranger};

/// How long an answer of the Hub may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer: a user may be in many groups.
const MAX_ANSWER: usize = 1 << 20;

/// Why the Hub gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiFailure {
    /// It takes no connection, or does not answer in time.
    #[error("the Hub cannot be asked: {0}")]
    Silent(String),
    /// It ends the connection without an answer, which may be for what it was asked.
    #[error("the Hub cannot be asked: {0}")]
    Unreachable(String),
    /// Somebody else is where it was.
    #[error("the Hub is not asked: {0}")]
    Stranger(#[from] Stranger),
    /// It answers, but with an error of its own.
    #[error("the Hub answers {0}")]
    Failed(StatusCode),
    /// It answers something else than it should.
    #[error("the Hub's answer cannot be read: {0}")]
    Unreadable(String),
}

/// Whose a token is, and what it may do.
#[derive(Deserialize)]
pub struct Owner {
    /// The name of the user or service.
    pub name: String,
    /// `user` or `service`.
    #[serde(default)]
    pub kind: String,
    /// The groups of the user.
    #[serde(default)]
    pub groups: Vec<String>,
    /// What the token may do.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// A token that a browser's user got by signing in.
#[derive(Deserialize)]
pub struct Granted {
    access_token: String,
    /// Seconds until it expires.
    pub expires_in: Option<u64>,
}

impl Granted {
    /// The token itself.
    pub fn token(&self) -> Secret {
        Secret::new(self.access_token.clone())
    }
}

/// The Hub's API, as this service asks it. Nothing is sent to it while somebody else's process is at its address.
pub struct Api {
    service: Service,
    peer: Peer,
}

impl Api {
    /// The API of the Hub whose service this is.
    pub fn new(service: Service) -> Self {
        let peer = Peer::new(&service.api_url);
        Self { service, peer }
    }

    /// What the Hub says of the service.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Whether the Hub takes connections. That is no question: it costs the Hub next to nothing.
    pub async fn listens(&self) -> bool {
        let addresses = Url::parse(&self.service.api_url).ok().and_then(|url| {
            Some((url.host_str()?.trim_matches(['[', ']']).to_owned(), url.port_or_known_default()?))
        });
        let Some(address) = addresses.filter(|_| self.peer.check().is_ok()) else { return false };
        timeout(PATIENCE, TcpStream::connect(address)).await.is_ok_and(|connected| connected.is_ok())
    }

    /// Asks the Hub what everybody may ask, so that it says anything at all.
    ///
    /// # Errors
    /// When it says nothing.
    pub async fn greet(&self) -> Result<(), ApiFailure> {
        let url = format!("{}/", self.service.api_url);
        let sent = self.client()?.get(url).force_close().send().await;
        sent.map(drop).map_err(unsent)
    }

    /// Whose a token is; `None` when the Hub does not know it (any more).
    ///
    /// # Errors
    /// When the Hub gives no answer.
    pub async fn owner(&self, token: &Secret) -> Result<Option<Owner>, ApiFailure> {
        let url = format!("{}/user", self.service.api_url);
        let request = self
            .client()?
            .get(url)
            .force_close()
            .insert_header(("Authorization", format!("token {}", token.reveal())));
        let refusals = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND];
        answer(request.send().await, &refusals).await
    }

    /// The token for a code that a browser brought; `None` when the Hub refuses the code.
    ///
    /// # Errors
    /// When the Hub gives no answer, or does not accept this service.
    pub async fn exchange(&self, code: &str, verifier: &str) -> Result<Option<Granted>, ApiFailure> {
        let service = &self.service;
        let url = format!("{}/oauth2/token", service.api_url);
        let form = [
            ("client_id", service.client_id.as_str()),
            ("client_secret", service.api_token.reveal()),
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", &service.callback_url),
        ];
        let sent = self.client()?.post(url).force_close().send_form(&form).await;
        answer(sent, &[StatusCode::BAD_REQUEST]).await
    }

    /// Tells the Hub that a user acts, and with them the user's server of that name (empty for the default one), if there is one.
    ///
    /// # Errors
    /// When the Hub gives no answer, or does not let this service say so.
    pub async fn tell_activity(&self, user: &str, server: &str, now: &str) -> Result<(), ApiFailure> {
        let service = &self.service;
        let mut url =
            Url::parse(&service.api_url).map_err(|error| ApiFailure::Unreachable(error.to_string()))?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(["users", user, "activity"]);
        }
        let user_and_server = json!({"last_activity": now, "servers": {server: {"last_activity": now}}});
        // The Hub refuses to hear of a server that it does not know.
        let user_alone = json!({"last_activity": now});
        let mut status = StatusCode::OK;
        for body in [user_and_server, user_alone] {
            let request = self
                .client()?
                .post(url.as_str())
                .force_close()
                .insert_header(("Authorization", format!("token {}", service.api_token.reveal())));
            status = request.send_json(&body).await.map_err(unsent)?.status();
            if status != StatusCode::BAD_REQUEST {
                break;
            }
        }
        if status.is_success() { Ok(()) } else { Err(ApiFailure::Failed(status)) }
    }

    /// What asks the Hub once, on a connection of its own: one that was kept may have been closed when the Hub was restarted.
    fn client(&self) -> Result<Client, Stranger> {
        self.peer.check()?;
        let connector = Connector::new().timeout(PATIENCE);
        let connector = match &self.service.tls {
            Some(tls) => connector.rustls_0_23(tls.config()),
            None => connector,
        };
        Ok(Client::builder().connector(connector).timeout(PATIENCE).disable_redirects().finish())
    }
}

type Sent<S> = Result<awc::ClientResponse<S>, SendRequestError>;

/// What an answer holds; `None` when its status is one of `refusals`.
async fn answer<T, S>(sent: Sent<S>, refusals: &[StatusCode]) -> Result<Option<T>, ApiFailure>
where
    T: DeserializeOwned,
    S: futures_util::Stream<Item = Result<bytes::Bytes, awc::error::PayloadError>>,
{
    let mut response = sent.map_err(unsent)?;
    let status = response.status();
    if refusals.contains(&status) {
        return Ok(None);
    }
    if status != StatusCode::OK {
        return Err(ApiFailure::Failed(status));
    }
    let read = response.json().limit(MAX_ANSWER).await;
    read.map(Some).map_err(|error| ApiFailure::Unreadable(error.to_string()))
}

/// Why nothing came back.
fn unsent(error: SendRequestError) -> ApiFailure {
    match error {
        SendRequestError::Timeout
        | SendRequestError::Connect(
            ConnectError::Timeout | ConnectError::Io(_) | ConnectError::Resolver(_),
        ) => ApiFailure::Silent(error.to_string()),
        _ => ApiFailure::Unreachable(error.to_string()),
    }
}
