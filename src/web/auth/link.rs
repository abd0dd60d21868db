//! Links to shared widgets: how a page's address brings one, and how the browser keeps it.
//!
//! A link's secret comes as `?share=…` and becomes a cookie at once, so that it neither stays in the address nor is sent on.

use actix_web::{
    HttpResponse,
    cookie::{Cookie, SameSite, time},
    dev::ServiceRequest,
    http::{Method, StatusCode, header},
};

use super::caller::Caller;
use crate::{
    clock::{unix_millis, unix_seconds},
    sharing::Opened,
    web::{forwarded::Origin, pages, routes::Site},
};

/// What the names of the cookies begin with; the rest is the share's.
const COOKIE_PREFIX: &str = "framehub-link-";
/// Most links of a browser that are looked at.
const MAX_LINKS: usize = 20;
const USELESS: &str =
    "This link leads to no widget: it has expired or was revoked, or the widget was closed.";

/// A link that the address of a page brings.
pub struct Arrival {
    widget: String,
    secret: String,
    /// The address without it.
    clean: String,
}

/// The link in the address of a widget's page.
pub fn arrival(request: &ServiceRequest, base_url: &str) -> Option<Arrival> {
    let widget = request.path().strip_prefix(base_url)?.strip_prefix("widgets/")?;
    let pairs = request.query_string().split('&').filter(|pair| !pair.is_empty());
    let (links, others): (Vec<_>, Vec<_>) = pairs.partition(|pair| pair.starts_with("share="));
    // Links are made of characters that need no escaping.
    let secret = links.first()?.strip_prefix("share=")?;
    if request.method() != Method::GET {
        return None;
    }
    let mut clean = request.path().to_owned();
    if !others.is_empty() {
        clean = format!("{clean}?{}", others.join("&"));
    }
    Some(Arrival { widget: widget.to_owned(), secret: secret.to_owned(), clean })
}

impl Arrival {
    /// Has the browser keep the link and ask for the page without it; or says that it is worth nothing.
    pub fn answer(&self, request: &ServiceRequest, site: &Site) -> HttpResponse {
        let Some(link) = site.hub.links().check(&self.secret, &self.widget, unix_seconds()) else {
            return pages::notice(StatusCode::NOT_FOUND, &site.base_url, USELESS);
        };
        let (name, expires) = (format!("{COOKIE_PREFIX}{}", link.share), link.expires);
        if Caller::Visitor(vec![link]).widget(site, &self.widget).is_err() {
            return pages::notice(StatusCode::NOT_FOUND, &site.base_url, USELESS);
        }
        let seconds = expires.saturating_sub(unix_millis()).div_ceil(1000);
        let cookie = Cookie::build(name, format!("{}.{}", self.secret, self.widget))
            .path(site.base_url.clone())
            .http_only(true)
            // `Strict` would leave it out where the link is opened from another site's page.
            .same_site(SameSite::Lax)
            .secure(Origin::of(request.request(), &site.trusted_proxies).secure)
            .max_age(time::Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX)))
            .finish();
        HttpResponse::SeeOther()
            .cookie(cookie)
            .insert_header((header::LOCATION, self.clean.as_str()))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish()
    }
}

/// The links that a browser keeps and that have not expired.
pub fn kept(request: &ServiceRequest, site: &Site) -> Vec<Opened> {
    let Ok(cookies) = request.cookies() else { return Vec::new() };
    let links = cookies.iter().filter(|cookie| cookie.name().starts_with(COOKIE_PREFIX)).take(MAX_LINKS);
    let now = unix_seconds();
    links
        .filter_map(|cookie| {
            // A secret has three points in it.
            let end = cookie.value().match_indices('.').nth(3)?.0;
            let (secret, widget) = cookie.value().split_at(end);
            site.hub.links().check(secret, &widget[1..], now)
        })
        .collect()
}

/// Whoever comes with nothing but a link, to what is of its widget: its page and what that asks for.
pub fn visitor(request: &ServiceRequest, site: &Site) -> Option<Caller> {
    let widget = widget_of(request.path(), &site.base_url)?;
    let caller = Caller::Visitor(kept(request, site));
    caller.widget(site, widget).is_ok().then_some(caller)
}

/// The widget that a path is about: of its page, or of what that asks for.
pub fn widget_of<'a>(path: &'a str, base_url: &str) -> Option<&'a str> {
    let path = path.strip_prefix(base_url)?;
    let rest = path.strip_prefix("widgets/").or_else(|| path.strip_prefix("api/widgets/"))?;
    rest.split('/').next().filter(|widget| !widget.is_empty())
}
