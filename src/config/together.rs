//! What flags say together: with each other, and with the `JupyterHub` that starts this server as a service.

use std::net::SocketAddr;

use clap::{ArgMatches, CommandFactory, FromArgMatches, parser::ValueSource};

use super::{Auth, Config, read};
use crate::{
    jupyterhub::{self, Service, ServiceError},
    network::Network,
};

/// A configuration that contradicts itself.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No authentication on an address that others reach.
    #[error(
        "--auth none lets everyone in and is for loopback addresses only: listen on 127.0.0.1 instead of {0}, or use --auth key"
    )]
    OpenToAll(SocketAddr),
    /// A key that would not be asked for.
    #[error("--key has no meaning with --auth {0}: leave one of them out")]
    KeyWithoutAuth(&'static str),
    /// What the `JupyterHub` says is missing or makes no sense.
    #[error(transparent)]
    JupyterHub(#[from] ServiceError),
    /// Another prefix than the one that the `JupyterHub` publishes.
    #[error(
        "--base-url is {given}, but the JupyterHub publishes this service at {published}: leave --base-url out"
    )]
    OtherPrefix {
        /// The base URL.
        given: String,
        /// What the Hub says.
        published: String,
    },
}

impl Config {
    /// What the program's flags and variables say; ends the program with a message when they are bad, or ask for help.
    pub fn from_args() -> Self {
        let matches = Self::command().get_matches();
        Self::told(&matches, |name| std::env::var(name).ok())
            .unwrap_or_else(|error| error.format(&mut Self::command()).exit())
    }

    /// What flags say and, where they say nothing, the `JupyterHub` that starts this server as a service.
    fn told(matches: &ArgMatches, variable: impl Fn(&str) -> Option<String>) -> Result<Self, clap::Error> {
        let mut config = Self::from_arg_matches(matches)?;
        let by_default = |flag| matches.value_source(flag) == Some(ValueSource::DefaultValue);
        if by_default("auth") && jupyterhub::is_service(&variable) {
            config.auth = Auth::JupyterHub;
        }
        if config.auth != Auth::JupyterHub {
            return Ok(config);
        }
        let invalid = |message| clap::Error::raw(clap::error::ErrorKind::ValueValidation, message);
        let service = Service::from_variables(variable).map_err(|error| invalid(format!("{error}\n")))?;
        if by_default("base_url") {
            config.base_url = read::base_url(&service.prefix).map_err(|error| {
                invalid(format!("JUPYTERHUB_SERVICE_PREFIX is `{}`: {error}\n", service.prefix))
            })?;
        }
        if by_default("listen") {
            config.listen = service.listen.unwrap_or(config.listen);
        }
        // The Hub's proxy is on this machine, too, where nobody else reaches the service.
        let beside = service.listen.is_some() && config.listen.ip().is_loopback();
        if beside && matches.value_source("trusted_proxies").is_none() {
            config.trusted_proxies = Network::LOOPBACK.to_vec();
        }
        config.jupyterhub = Some(service);
        Ok(config)
    }

    /// Checks what no single flag can check.
    ///
    /// # Errors
    /// When flags contradict each other.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let name = match self.auth {
            Auth::Key => return Ok(()),
            Auth::None => "none",
            Auth::JupyterHub => "jupyterhub",
        };
        if self.auth == Auth::None && !self.listen.ip().is_loopback() {
            return Err(ConfigError::OpenToAll(self.listen));
        }
        if self.key.is_some() {
            return Err(ConfigError::KeyWithoutAuth(name));
        }
        if self.auth == Auth::JupyterHub {
            let published =
                &self.jupyterhub.as_ref().ok_or(ServiceError::Missing("JUPYTERHUB_SERVICE_NAME"))?.prefix;
            if *published != self.base_url {
                let (given, published) = (self.base_url.clone(), published.clone());
                return Err(ConfigError::OtherPrefix { given, published });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::parsed;

    #[test]
    fn no_authentication_is_for_loopback_addresses_only() {
        let open = parsed(&["--auth", "none", "--listen", "0.0.0.0:8420"]).unwrap();
        assert!(matches!(open.validate(), Err(ConfigError::OpenToAll(_))));
        assert_eq!(parsed(&["--auth", "none"]).unwrap().validate(), Ok(()));
        assert_eq!(
            parsed(&["--auth", "none", "--key", "1234567890123456"]).unwrap().validate(),
            Err(ConfigError::KeyWithoutAuth("none"))
        );
    }

    /// What a service with these flags takes from a Hub that says this and what is needed besides.
    fn service(arguments: &[&str], changes: &[(&str, &str)]) -> Result<Config, String> {
        let all = std::iter::once("framehub").chain(arguments.iter().copied());
        let matches = Config::command().try_get_matches_from(all).map_err(|error| error.to_string())?;
        let variable = |name: &str| {
            let given = [
                ("JUPYTERHUB_SERVICE_NAME", "framehub"),
                ("JUPYTERHUB_SERVICE_URL", "http://127.0.0.1:9420"),
                ("JUPYTERHUB_API_URL", "http://127.0.0.1:8081/hub/api"),
                ("JUPYTERHUB_API_TOKEN", "very-secret"),
            ];
            let found = changes.iter().chain(&given).find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Config::told(&matches, variable).map_err(|error| error.to_string())
    }

    #[test]
    fn a_service_of_a_jupyterhub_needs_no_flags() {
        let config = service(&[], &[]).unwrap();
        assert_eq!(config.validate(), Ok(()));
        assert_eq!((config.auth, config.base_url.as_str()), (Auth::JupyterHub, "/services/framehub/"));
        assert_eq!(config.listen, SocketAddr::from(([127, 0, 0, 1], 9420)));
        assert_eq!(config.trusted_proxies, Network::LOOPBACK);
        assert!(!format!("{config:?}").contains("secret"));
    }

    #[test]
    fn flags_count_more_than_what_the_jupyterhub_says() {
        let config = service(&["--listen", "127.0.0.1:0", "--auth", "jupyterhub"], &[]).unwrap();
        assert_eq!((config.listen.port(), config.validate()), (0, Ok(())));
        let key = service(&["--auth", "key"], &[]).unwrap();
        assert_eq!((key.auth, key.listen.port(), key.jupyterhub.is_none()), (Auth::Key, 8420, true));
        let proxy = service(&["--trusted-proxies", "10.0.0.7"], &[]).unwrap();
        assert_eq!(proxy.trusted_proxies, ["10.0.0.7".parse().unwrap()]);
        // Whoever reaches the service from elsewhere, or a service that an operator starts, may not pass for the proxy.
        assert_eq!(service(&["--listen", "0.0.0.0:0"], &[]).unwrap().trusted_proxies, []);
        assert_eq!(service(&[], &[("JUPYTERHUB_SERVICE_URL", "")]).unwrap().trusted_proxies, []);
        let elsewhere = service(&["--base-url", "/elsewhere"], &[]).unwrap();
        assert!(matches!(elsewhere.validate(), Err(ConfigError::OtherPrefix { .. })));
    }

    #[test]
    fn a_jupyterhub_that_says_too_little_is_no_reason_to_let_all_in() {
        assert!(service(&[], &[("JUPYTERHUB_API_TOKEN", "")]).unwrap_err().contains("JUPYTERHUB_API_TOKEN"));
        let nothing = [("JUPYTERHUB_SERVICE_NAME", "")];
        assert_eq!(service(&[], &nothing).unwrap().auth, Auth::Key);
        let error = service(&["--auth", "jupyterhub"], &nothing).unwrap_err();
        assert!(error.contains("JUPYTERHUB_SERVICE_NAME"), "{error}");
        let unread = Config { auth: Auth::JupyterHub, ..Config::default() };
        assert!(matches!(unread.validate(), Err(ConfigError::JupyterHub(_))));
    }
}
