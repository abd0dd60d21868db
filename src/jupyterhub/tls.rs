//! TLS to the Hub's API: whom this server trusts, and how it shows who it is.

use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// The variable that names the file of the authority which signs the Hub's certificate; without it the system's are trusted.
const AUTHORITY: &str = "JUPYTERHUB_SSL_CLIENT_CA";
/// The variables that name this server's own certificate and its key, which a Hub with `internal_ssl` wants to see.
const CERTIFICATE: &str = "JUPYTERHUB_SSL_CERTFILE";
const KEY: &str = "JUPYTERHUB_SSL_KEYFILE";

/// Why there is no TLS to the Hub.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds something else.
    #[error("{name} is `{file}`, which is no PEM file of {expected}: {reason}")]
    File {
        /// The variable.
        name: &'static str,
        /// What it names.
        file: String,
        /// What should be in it.
        expected: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Nobody is trusted.
    #[error("this system trusts no authority: name the file of the Hub's with JUPYTERHUB_SSL_CLIENT_CA")]
    NoAuthority,
    /// A certificate without its key, or the other way round.
    #[error("{0} is set alone: set JUPYTERHUB_SSL_CERTFILE and JUPYTERHUB_SSL_KEYFILE, or neither")]
    Half(&'static str),
    /// Certificate and key do not fit.
    #[error("JUPYTERHUB_SSL_CERTFILE and JUPYTERHUB_SSL_KEYFILE cannot be used together: {0}")]
    Unfit(String),
}

/// How this server speaks TLS to the Hub. Clones share it.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(…)")
    }
}

impl Tls {
    /// What the variables say.
    ///
    /// # Errors
    /// When a file cannot be used, or nobody is trusted.
    pub(super) fn from_variables(
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        match variable(AUTHORITY) {
            Some(file) => {
                for certificate in certificates(AUTHORITY, &file)? {
                    let unfit = |error: rustls::Error| unusable(AUTHORITY, &file, "certificates", error);
                    roots.add(certificate).map_err(unfit)?;
                }
            }
            // What the system has besides, and cannot be read, is trusted the less.
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        if roots.is_empty() {
            return Err(TlsError::NoAuthority);
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has what TLS 1.2 and 1.3 need")
            .with_root_certificates(roots);
        let config = match (variable(CERTIFICATE), variable(KEY)) {
            (None, None) => config.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let chain = certificates(CERTIFICATE, &certificate)?;
                let key = PrivateKeyDer::from_pem_file(&key)
                    .map_err(|error| unusable(KEY, &key, "a private key", error))?;
                config
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| TlsError::Unfit(error.to_string()))?
            }
            (Some(_), None) => return Err(TlsError::Half(CERTIFICATE)),
            (None, Some(_)) => return Err(TlsError::Half(KEY)),
        };
        Ok(Self(Arc::new(config)))
    }

    /// For a client's connector.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

/// All certificates of a file, of which there is one at least.
fn certificates(name: &'static str, file: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(unusable(name, file, "certificates", "it has none")),
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(name, file, "certificates", error)),
    }
}

fn unusable(name: &'static str, file: &str, expected: &'static str, reason: impl fmt::Display) -> TlsError {
    TlsError::File { name, file: file.to_owned(), expected, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::random::random_id;

    /// An authority whose key nobody has.
    const PEM: &str = "\
-----BEGIN CERTIFICATE-----
MIIBoDCCAUWgAwIBAgIUWoEhksyh2407kKNsFC85YJ2qLrswCgYIKoZIzj0EAwIw
JDEiMCAGA1UEAwwZQW4gYXV0aG9yaXR5IG9mIHRoZSB0ZXN0czAgFw0yNjExMjQw
MDM2NDNaGA8yMTI2MTAzMTAwMzY0M1owJDEiMCAGA1UEAwwZQW4gYXV0aG9yaXR5
IG9mIHRoZSB0ZXN0czBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBSvIEM6QGlZ
+VexE7gcLkNbhlCRAgc3XrGUsDfUENVJJSGV31UIPBlIR7NH7exwxzpy+8KZFc2m
EZ0/g1V7lb6jUzBRMB0GA1UdDgQWBBS/2ANFBLt8Um6RgBJELwzvjMKGBDAfBgNV
HSMEGDAWgBS/2ANFBLt8Um6RgBJELwzvjMKGBDAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0kAMEYCIQC62zGFIRGiLdAlUsSkIx11qLZ+imVVPPSMYrS8eo7x
AwIhAORtWKILFEpHfHM6/MAhDp4M17QAV+7gz2h3mCFiHGoG
-----END CERTIFICATE-----
";

    /// What comes of these variables.
    fn tls(given: &[(&str, &str)]) -> Result<(), TlsError> {
        let variable =
            |name| given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Tls::from_variables(variable).map(drop)
    }

    /// A file with that text, or none.
    fn file(text: Option<&str>) -> String {
        let file = std::env::temp_dir().join(format!("framehub-test-{}.pem", random_id()));
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        file.to_str().unwrap().to_owned()
    }

    #[test]
    fn an_authority_is_enough_and_a_certificate_needs_its_key() {
        let path = file(Some(PEM));
        assert_eq!(tls(&[(AUTHORITY, &path)]), Ok(()));
        for half in [CERTIFICATE, KEY] {
            assert_eq!(tls(&[(AUTHORITY, &path), (half, &path)]), Err(TlsError::Half(half)));
        }
        let message = tls(&[(AUTHORITY, &path), (CERTIFICATE, &path), (KEY, &path)]).unwrap_err().to_string();
        assert!(message.contains(KEY) && message.contains(&path), "{message}");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_its_variable() {
        let broken = PEM.replace("MII", "AAA");
        for text in [None, Some(""), Some(broken.as_str())] {
            let path = file(text);
            let message = tls(&[(AUTHORITY, &path)]).unwrap_err().to_string();
            assert!(message.contains(AUTHORITY) && message.contains(&path), "{message}");
            // One was never there.
            let _ = fs::remove_file(&path);
        }
    }
}
