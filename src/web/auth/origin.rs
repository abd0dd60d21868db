//! From which pages a browser may act: no foreign page may drive a server that its visitor's browser can reach.

use actix_web::{
    HttpRequest,
    http::{Method, StatusCode, header},
};

use super::Access;
use crate::web::{error::ApiError, forwarded::Origin, routes::Site};

/// Checks where a socket or a write comes from, and, without a key, that the browser was not led here under a foreign name.
///
/// # Errors
/// 403 naming the origin or the host.
pub fn check(request: &HttpRequest, site: &Site) -> Result<(), ApiError> {
    let host = header_text(request, &header::HOST);
    if matches!(site.access, Access::Everyone) && !is_loopback(host.unwrap_or_default()) {
        let message = "without a key the server answers only to 127.0.0.1, localhost and [::1]: use one of these in the address";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "host", message).field("Host"));
    }
    let socket = request.headers().contains_key(header::UPGRADE);
    let read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if read && !socket {
        return Ok(());
    }
    // Programs other than browsers send none.
    let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
    if is_own(request, site) || site.allow_origins.contains(&origin) {
        return Ok(());
    }
    let origin: String = origin.chars().take(100).collect();
    let message = format!("pages of {origin} may not use this server: allow them with --allow-origin");
    Err(ApiError::new(StatusCode::FORBIDDEN, "origin", message).field("Origin"))
}

/// Whether a page of this server's own origin makes a request.
fn is_own(request: &HttpRequest, site: &Site) -> bool {
    header_text(request, &header::ORIGIN)
        .is_some_and(|origin| Origin::of(request, &site.trusted_proxies).is_own(&origin.to_ascii_lowercase()))
}

fn header_text<'a>(request: &'a HttpRequest, name: &header::HeaderName) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_are_known_with_and_without_port() {
        for host in ["localhost", "localhost:8420", "127.0.0.1:1", "[::1]:8420", "[::1]", "LOCALHOST"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "example.org", "127.0.0.1.example.org:8420", "localhost.example.org", "10.0.0.1"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
