//! What a `JupyterHub` tells the service that it starts, in `JUPYTERHUB_*` variables. The operator of a service that
//! the Hub does not start sets the same ones.

mod peer;
mod tls;

use std::{fmt, net::SocketAddr};

use url::Url;

pub use self::{
    peer::{Peer, Stranger},
    tls::{Tls, TlsError},
};

/// A token: not printed by accident.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// A secret of that text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A service of a `JupyterHub`, as the Hub describes it to itself.
#[derive(Debug, Clone)]
pub struct Service {
    /// Path below which the Hub publishes the service; begins and ends with `/`.
    pub prefix: String,
    /// Where the Hub's API is, without a slash at the end.
    pub api_url: String,
    /// How it is spoken to, where that is by TLS.
    pub tls: Option<Tls>,
    /// The service's own token for that.
    pub api_token: Secret,
    /// The service's name in OAuth.
    pub client_id: String,
    /// Where browsers authorise the service; mostly a path of the service's own host.
    pub authorize_url: String,
    /// Where the Hub sends browsers back to, as the Hub knows it.
    pub callback_url: String,
    /// A token with any of these scopes may use the service.
    pub access_scopes: Vec<String>,
    /// The address that the Hub expects the service to listen on, if it starts it.
    pub listen: Option<SocketAddr>,
}

/// A variable that is missing or makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// A variable is missing.
    #[error(
        "--auth jupyterhub needs {0}: let a JupyterHub start this server as a service, or set what it would"
    )]
    Missing(&'static str),
    /// A variable has a value of another form.
    #[error("{name} is `{value}`, which is not {expected}")]
    Bad {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The Hub's API is to be spoken to by TLS, and cannot.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Whether variables are those of a service. A user's own server at the Hub has most of them as well, but no service's name.
pub fn is_service(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("JUPYTERHUB_SERVICE_NAME").is_some_and(|name| !name.is_empty())
}

impl Service {
    /// Reads the variables.
    ///
    /// # Errors
    /// When one is missing or makes no sense.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ServiceError> {
        let optional = |name| variable(name).filter(|value| !value.is_empty());
        let needed = |name| optional(name).ok_or(ServiceError::Missing(name));
        let bad = |name, value, expected| ServiceError::Bad { name, value, expected };

        let name = needed("JUPYTERHUB_SERVICE_NAME")?;
        let prefix = optional("JUPYTERHUB_SERVICE_PREFIX").unwrap_or_else(|| format!("/services/{name}/"));
        let base = optional("JUPYTERHUB_BASE_URL").unwrap_or_else(|| "/".to_owned());
        let host = optional("JUPYTERHUB_HOST").unwrap_or_default();
        let api_url = needed("JUPYTERHUB_API_URL")?;
        let api = Url::parse(&api_url).ok().filter(Url::has_host);
        let tls = match api.as_ref().map(Url::scheme) {
            Some("http") => None,
            Some("https") => Some(Tls::from_variables(optional)?),
            _ => {
                let expected = "an address such as http://127.0.0.1:8081/hub/api";
                return Err(bad("JUPYTERHUB_API_URL", api_url, expected));
            }
        };
        let access_scopes = match optional("JUPYTERHUB_OAUTH_ACCESS_SCOPES") {
            None => vec!["access:services".to_owned(), format!("access:services!service={name}")],
            Some(text) => serde_json::from_str::<Vec<String>>(&text)
                .map_err(|_| bad("JUPYTERHUB_OAUTH_ACCESS_SCOPES", text, "a JSON list of scopes"))?,
        };
        let listen = optional("JUPYTERHUB_SERVICE_URL")
            .map(|text| {
                let address = address(&text);
                let expected = "an address of this machine such as http://127.0.0.1:8420: say where to listen with --listen";
                address.ok_or_else(|| bad("JUPYTERHUB_SERVICE_URL", text, expected))
            })
            .transpose()?;
        Ok(Self {
            callback_url: optional("JUPYTERHUB_OAUTH_CALLBACK_URL")
                .unwrap_or_else(|| format!("{host}{prefix}oauth_callback")),
            prefix,
            api_url: api_url.trim_end_matches('/').to_owned(),
            tls,
            api_token: Secret::new(needed("JUPYTERHUB_API_TOKEN")?),
            client_id: optional("JUPYTERHUB_CLIENT_ID").unwrap_or_else(|| format!("service-{name}")),
            authorize_url: format!("{host}{base}hub/api/oauth2/authorize"),
            access_scopes,
            listen,
        })
    }
}

/// The address in a URL that names it by number, or as `localhost`.
fn address(url: &str) -> Option<SocketAddr> {
    let url = Url::parse(url).ok()?;
    let port = url.port_or_known_default()?;
    match url.host()? {
        url::Host::Ipv4(ip) => Some(SocketAddr::new(ip.into(), port)),
        url::Host::Ipv6(ip) => Some(SocketAddr::new(ip.into(), port)),
        url::Host::Domain("localhost") => Some(SocketAddr::from(([127, 0, 0, 1], port))),
        url::Host::Domain(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// What `JupyterHub` gives a managed service, with changes; an empty value takes a variable away.
    fn service(changes: &[(&str, &str)]) -> Result<Service, ServiceError> {
        let given = [
            ("JUPYTERHUB_SERVICE_NAME", "framehub"),
            ("JUPYTERHUB_SERVICE_PREFIX", "/base/services/framehub/"),
            ("JUPYTERHUB_SERVICE_URL", "http://127.0.0.1:8420"),
            ("JUPYTERHUB_API_URL", "http://127.0.0.1:8081/base/hub/api"),
            ("JUPYTERHUB_API_TOKEN", "very-secret"),
            ("JUPYTERHUB_BASE_URL", "/base/"),
            ("JUPYTERHUB_CLIENT_ID", "service-framehub"),
            ("JUPYTERHUB_OAUTH_CALLBACK_URL", "/base/services/framehub/oauth_callback"),
            ("JUPYTERHUB_OAUTH_ACCESS_SCOPES", r#"["access:services!service=framehub"]"#),
            ("JUPYTERHUB_HOST", ""),
        ];
        let all: HashMap<_, _> = given.into_iter().chain(changes.iter().copied()).collect();
        Service::from_variables(|name| all.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn a_managed_service_is_told_everything() {
        let service = service(&[]).unwrap();
        assert_eq!(service.prefix, "/base/services/framehub/");
        assert_eq!(service.authorize_url, "/base/hub/api/oauth2/authorize");
        assert_eq!(service.listen, Some(SocketAddr::from(([127, 0, 0, 1], 8420))));
        assert_eq!(service.access_scopes, ["access:services!service=framehub"]);
        assert!(!format!("{service:?}").contains("secret"));
    }

    #[test]
    fn what_follows_from_the_name_may_be_left_out() {
        let left_out = [
            "JUPYTERHUB_SERVICE_PREFIX",
            "JUPYTERHUB_SERVICE_URL",
            "JUPYTERHUB_BASE_URL",
            "JUPYTERHUB_CLIENT_ID",
            "JUPYTERHUB_OAUTH_CALLBACK_URL",
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES",
        ];
        let service = service(&left_out.map(|name| (name, ""))).unwrap();
        assert_eq!((service.prefix.as_str(), service.listen), ("/services/framehub/", None));
        assert_eq!(service.callback_url, "/services/framehub/oauth_callback");
        assert_eq!(service.client_id, "service-framehub");
        assert_eq!(service.access_scopes, ["access:services", "access:services!service=framehub"]);
    }

    #[test]
    fn a_hub_of_another_host_authorises_there() {
        let service = service(&[("JUPYTERHUB_HOST", "https://hub.example.org")]).unwrap();
        assert_eq!(service.authorize_url, "https://hub.example.org/base/hub/api/oauth2/authorize");
    }

    #[test]
    fn a_variable_that_is_missing_or_bad_is_named() {
        for name in ["JUPYTERHUB_SERVICE_NAME", "JUPYTERHUB_API_URL", "JUPYTERHUB_API_TOKEN"] {
            assert_eq!(service(&[(name, "")]).err(), Some(ServiceError::Missing(name)));
        }
        for (name, value) in [
            ("JUPYTERHUB_API_URL", "ftp://127.0.0.1:8081/hub/api"),
            ("JUPYTERHUB_API_URL", "hub"),
            ("JUPYTERHUB_SERVICE_URL", "http://framehub.example.org:8420"),
            ("JUPYTERHUB_OAUTH_ACCESS_SCOPES", "access:services"),
        ] {
            let error = service(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn a_users_own_server_is_no_service() {
        let of = |known: &'static str| move |name: &str| (name == known).then(|| "framehub".to_owned());
        assert!(is_service(of("JUPYTERHUB_SERVICE_NAME")));
        assert!(!is_service(of("JUPYTERHUB_SERVICE_PREFIX")));
    }
}
