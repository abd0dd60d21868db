//! How a request reached the first proxy in front: from `X-Forwarded-*`, of which only proxies that are trusted are believed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;

use crate::network::Network;

/// A request as the browser made it, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Where it came from.
    pub client: IpAddr,
    /// Whether it came by TLS.
    pub secure: bool,
    /// Name and port that were asked for, in small letters.
    pub host: Option<String>,
}

impl Origin {
    /// What a request and, if a trusted proxy made it, its headers say.
    pub fn of(request: &HttpRequest, trusted: &[Network]) -> Self {
        let peer = request.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip().to_canonical());
        let named = |name: &str| request.headers().get(name)?.to_str().ok().map(str::to_ascii_lowercase);
        let host = named("host");
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
        if !is_trusted(peer) {
            return Self { client: peer, secure: false, host };
        }
        // Proxies append. The first one's word is the browser's side of the chain, as JupyterHub reads it, too.
        let first = |name: &str| Some(named(name)?.split(',').next()?.trim().to_owned());
        let secure =
            first("x-forwarded-proto").is_some_and(|scheme| ["https", "wss"].contains(&scheme.as_str()));
        let host = first("x-forwarded-host").filter(|host| !host.is_empty()).or(host);
        Self { client: client(peer, request, is_trusted), secure, host }
    }

    /// Whether this is the origin of a page that this server itself gave out.
    pub fn is_own(&self, page: &str) -> bool {
        let (host, port) = match page.strip_prefix("https://") {
            Some(host) => (host, ":443"),
            // Whether a proxy that says nothing speaks TLS is not known.
            None => match page.strip_prefix("http://").filter(|_| !self.secure) {
                Some(host) => (host, ":80"),
                None => return false,
            },
        };
        // A browser leaves out the scheme's own port, a proxy may write it.
        let without_port = |host: &str| host.strip_suffix(port).unwrap_or(host).to_owned();
        self.host.as_deref().map(without_port) == Some(without_port(host))
    }
}

/// The address in an entry of `X-Forwarded-For`, which some proxies write with the port, in brackets or in quotation marks.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim().trim_matches('"');
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| Some(entry.parse::<SocketAddr>().ok()?.ip()))
}

/// The nearest address that no trusted proxy has: what is written before it, anybody may have written.
fn client(peer: IpAddr, request: &HttpRequest, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let lines: Vec<_> =
        request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).collect();
    let mut nearest = peer;
    for entry in lines.iter().flat_map(|line| line.split(',')).rev() {
        if !is_trusted(nearest) {
            break;
        }
        let Some(address) = address(entry) else { break };
        nearest = address.to_canonical();
    }
    nearest
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// What is made of a request from that peer with these headers, where 10.0.0.0/8 is trusted.
    fn of(peer: &str, headers: &[(&'static str, &'static str)]) -> Origin {
        let request = TestRequest::default().peer_addr(format!("{peer}:4000").parse().unwrap());
        let request = headers.iter().fold(request, |request, header| request.append_header(*header));
        Origin::of(&request.to_http_request(), &["10.0.0.0/8".parse().unwrap()])
    }

    const SPOOFED: [(&str, &str); 4] = [
        ("host", "inside:8420"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
    ];

    #[test]
    fn nobody_but_a_trusted_proxy_is_believed() {
        let origin = of("192.0.2.1", &SPOOFED);
        let host = Some("inside:8420".to_owned());
        assert_eq!(origin, Origin { client: "192.0.2.1".parse().unwrap(), secure: false, host });
        assert!(!origin.is_own("https://evil.example"));
        assert!(origin.is_own("https://inside:8420") && origin.is_own("http://inside:8420"));
    }

    #[test]
    fn a_trusted_proxy_says_how_the_browser_asked() {
        let origin = of("10.0.0.1", &SPOOFED);
        assert_eq!((origin.client, origin.secure), ("203.0.113.9".parse().unwrap(), true));
        assert!(origin.is_own("https://evil.example") && !origin.is_own("https://inside:8420"));
        assert!(!origin.is_own("http://evil.example"), "a page without TLS is another origin");
        // A WebSocket through configurable-http-proxy.
        let socket = of("10.0.0.1", &[("host", "Hub.example.org"), ("x-forwarded-proto", "wss")]);
        assert!(socket.is_own("https://hub.example.org"));
    }

    #[test]
    fn the_schemes_own_port_may_be_written_or_left_out() {
        let own = |host, page| of("192.0.2.1", &[("host", host)]).is_own(page);
        assert!(own("hub.example.org:443", "https://hub.example.org"));
        assert!(own("hub.example.org", "https://hub.example.org:443"));
        assert!(own("hub.example.org:80", "http://hub.example.org") && own("[::1]:80", "http://[::1]"));
        assert!(!own("hub.example.org:80", "https://hub.example.org"));
        assert!(!own("hub.example.org:443", "http://hub.example.org"));
        assert!(!own("hub.example.org:8443", "https://hub.example.org"));
        let secure =
            [("host", "inside:8420"), ("x-forwarded-host", "h.org:443"), ("x-forwarded-proto", "https")];
        assert!(of("10.0.0.1", &secure).is_own("https://h.org"));
    }

    #[test]
    fn the_client_is_the_nearest_that_is_no_proxy() {
        for (header, client) in [
            ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
            ("198.51.100.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("nonsense, 10.0.0.2", "10.0.0.2"),
            ("", "10.0.0.1"),
            ("203.0.113.9:51008", "203.0.113.9"),
            ("\"[2001:db8::7]:443\", 10.0.0.2:80", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[203.0.113.9", "10.0.0.1"),
        ] {
            assert_eq!(
                of("10.0.0.1", &[("x-forwarded-for", header)]).client,
                client.parse::<IpAddr>().unwrap()
            );
        }
    }
}
