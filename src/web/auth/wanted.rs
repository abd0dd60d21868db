//! Where a browser is sent on to: pages of this server, and of no other.

use url::Url;

/// The address as it was given, if a browser reads it as a path below `base_url`; else `base_url`. To a browser `..` leads out of a
/// path, and `//` and `\` lead to another host.
pub fn within(base_url: &str, address: &str) -> String {
    let read = Url::parse("http://server").and_then(|server| server.join(address));
    let own = read.is_ok_and(|url| {
        (url.scheme(), url.host_str(), url.port()) == ("http", Some("server"), None)
            && url.path().starts_with(base_url)
    });
    // What is no path would be read against the address of who is sent on.
    let plain = address.starts_with('/')
        && !address.starts_with("//")
        && !address.chars().any(|c| c.is_ascii_control() || c == '\\');
    if own && plain { address.to_owned() } else { base_url.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_the_server_are_led_to_as_they_were_asked_for() {
        for (base, address) in [
            ("/", "/"),
            ("/", "/widgets/grid?hud=1&next=https://elsewhere.example/"),
            ("/", "/widgets/a//b"),
            ("/services/framehub/", "/services/framehub/"),
            ("/services/framehub/", "/services/framehub/widgets/%2e%2ea?x=%0a"),
        ] {
            assert_eq!(within(base, address), address);
        }
    }

    #[test]
    fn no_address_leads_to_another_host_or_out_of_the_base_url() {
        for address in [
            "//evil.example",
            "//evil.example/x?y",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/widgets/\\..\\..\\evil",
            "https://evil.example/",
            "http://server/widgets/x",
            "//server/widgets/x",
            "http:evil.example",
            "javascript:alert(1)",
            "widgets/x",
            "?x",
            "",
            "@evil.example",
            "//user@evil.example:8420/",
            "/\r\nlocation: https://evil.example/",
        ] {
            assert_eq!(within("/", address), "/", "{address:?}");
            assert_eq!(within("/services/framehub/", address), "/services/framehub/", "{address:?}");
        }
        for address in [
            "/services/framehub",
            "/services/other/",
            "/services/framehub/../other/",
            "/services/framehub/%2e%2e/other/",
            "/services/framehub/..%2e/../../../x",
        ] {
            assert_eq!(within("/services/framehub/", address), "/services/framehub/", "{address:?}");
        }
    }
}
