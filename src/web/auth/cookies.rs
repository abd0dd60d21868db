//! How the server's cookies are named, set and found.
//!
//! Where a browser comes by TLS, names begin with `__Secure-`, or with `__Host-` where the server has a host to itself: browsers take
//! these by TLS alone, and the latter from the host itself, so that no page of a sibling's can set them. A name that comes more than
//! once is nobody's: one of the two was set by somebody else.

use actix_web::{
    HttpRequest,
    cookie::{Cookie, CookieBuilder, SameSite},
};

use crate::{network::Network, web::forwarded::Origin};

/// The path of a server that has a host to itself.
const WHOLE_HOST: &str = "/";

/// Where cookies are set: how the browser came, and below which path they are sent.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Whether the browser came by TLS.
    pub secure: bool,
    /// The path.
    path: &'a str,
}

impl<'a> Place<'a> {
    /// The place of a request to a server below that path.
    pub fn of(request: &HttpRequest, trusted: &[Network], path: &'a str) -> Self {
        Self { secure: Origin::of(request, trusted).secure, path }
    }

    /// The same for the whole host.
    pub fn of_host(self) -> Self {
        Self { path: WHOLE_HOST, ..self }
    }

    /// How a cookie is named here.
    pub fn name(self, plain: &str) -> String {
        match (self.secure, self.path) {
            (false, _) => plain.to_owned(),
            (true, WHOLE_HOST) => format!("__Host-{plain}"),
            (true, _) => format!("__Secure-{plain}"),
        }
    }

    /// A cookie of a name as it is here, which scripts cannot read and other sites' pages do not have sent with what they embed.
    pub fn cookie(self, name: String, value: String) -> CookieBuilder<'static> {
        Cookie::build(name, value)
            .path(self.path.to_owned())
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
    }

    /// Has the browser forget a cookie of a name as it is here.
    pub fn removal(self, name: String) -> Cookie<'static> {
        let mut cookie = self.cookie(name, String::new()).finish();
        cookie.make_removal();
        cookie
    }

    /// The cookie that a request brings, if it brings one of that name and not several.
    pub fn only(self, request: &HttpRequest, plain: &str) -> Option<Cookie<'static>> {
        let name = self.name(plain);
        let cookies = request.cookies().ok()?;
        let mut found = cookies.iter().filter(|cookie| cookie.name() == name);
        let only = found.next()?;
        found.next().is_none().then(|| only.clone())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header, test::TestRequest};

    use super::*;

    const PLAIN: &str = "framehub-session";

    fn place(secure: bool, path: &str) -> Place<'_> {
        Place { secure, path }
    }

    #[test]
    fn by_tls_names_say_that_nobody_else_can_have_set_them() {
        assert_eq!(place(true, "/services/framehub/").name(PLAIN), "__Secure-framehub-session");
        assert_eq!(place(true, "/").name(PLAIN), "__Host-framehub-session");
        assert_eq!(place(true, "/services/framehub/").of_host().name(PLAIN), "__Host-framehub-session");
        assert_eq!(place(false, "/").name(PLAIN), PLAIN);
    }

    #[test]
    fn a_removal_is_one_that_browsers_accept() {
        let removal = place(true, "/services/framehub/").removal("__Secure-framehub-session".to_owned());
        let text = removal.to_string();
        for attribute in ["; Secure", "; Path=/services/framehub/", "Max-Age=0"] {
            assert!(text.contains(attribute), "{text}");
        }
    }

    #[test]
    fn a_cookie_that_comes_twice_or_under_the_plain_name_counts_as_none() {
        let found = |cookies: &'static str| {
            let request = TestRequest::default().insert_header((header::COOKIE, cookies)).to_http_request();
            place(true, "/x/").only(&request, PLAIN).map(|cookie| cookie.value().to_owned())
        };
        assert_eq!(found("a=1; __Secure-framehub-session=own").as_deref(), Some("own"));
        assert_eq!(found("__Secure-framehub-session=own; __Secure-framehub-session=bobs"), None);
        assert_eq!(found("__Secure-framehub-session=own; __Secure-framehub-session=own"), None);
        assert_eq!(found("framehub-session=bobs"), None);
        assert_eq!(found(""), None);
    }
}
