//! Links to shared widgets: how a page's address brings one, and how the browser keeps it.
//!
//! A link's secret comes as `?share=…` and becomes a cookie at once, so that it neither stays in the address nor is sent on. A browser
//! keeps as many as its requests may carry, the latest; those that lead nowhere any more it is told to forget.

use std::collections::HashSet;

use std::time::Instant;

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, time},
    dev::ServiceRequest,
    http::{Method, StatusCode, header},
};

use super::{
    caller::{Caller, audit},
    cookies::Place,
    wanted,
};
use crate::{
    clock::{unix_millis, unix_seconds},
    sharing::Opened,
    web::{forwarded::Origin, pages, routes::Site},
};

/// What the names of the cookies begin with; the rest is the share's.
const COOKIE_PREFIX: &str = "framehub-link-";
/// Most bytes that the links of a browser may take of a request's head: far less than a proxy refuses, together with all other cookies.
const MAX_BYTES: usize = 3500;
/// Of so many links it is found out at a time whether they lead nowhere: as many as a browser is let keep.
const LOOKED_AT: usize = 20;
/// What each takes besides name and value: `=` and `; `.
const BETWEEN: usize = 3;
const TOO_MANY: &str = "Too many links that lead to no widget were opened from this address. Wait a moment before you open another.";
const USELESS: &str = "This link no longer works: it expired, was revoked, or the widget was closed.";

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
    let mut clean = request.uri().path().to_owned();
    if !others.is_empty() {
        clean = format!("{clean}?{}", others.join("&"));
    }
    Some(Arrival { widget: widget.to_owned(), secret: secret.to_owned(), clean })
}

impl Arrival {
    /// Has the browser keep the link and ask for the page without it; or says that it is worth nothing.
    pub fn answer(&self, request: &ServiceRequest, site: &Site) -> HttpResponse {
        let link = site.hub.links().check(&self.secret, &self.widget, unix_seconds());
        let Some(link) = link.filter(|link| leads_somewhere(link, site)) else {
            return leads_nowhere(request, site);
        };
        let place = Place::of(request.request(), &site.trusted_proxies, &site.base_url);
        audit(request.request()).arrived(&self.widget, &link.share);
        let seconds = link.expires.saturating_sub(unix_millis()).div_ceil(1000);
        let name = format!("{}{}", place.name(COOKIE_PREFIX), link.share);
        // `Strict` would leave it out where the link is opened from another site's page.
        let cookie = place
            .cookie(name, format!("{}.{}", self.secret, self.widget))
            .max_age(time::Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX)))
            .finish();
        let mut response = HttpResponse::SeeOther();
        for out in make_room(&cookies(request.request(), place), &cookie) {
            response.cookie(place.removal(out.to_owned()));
        }
        response
            .cookie(cookie)
            .insert_header((header::LOCATION, wanted::within(&site.base_url, &self.clean)))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish()
    }
}

/// The cookies of links that a request brings, the oldest first, as browsers send them.
fn cookies(request: &HttpRequest, place: Place) -> Vec<Cookie<'static>> {
    let prefix = place.name(COOKIE_PREFIX);
    let all = request.cookies().map(|cookies| cookies.clone()).unwrap_or_default();
    all.into_iter().filter(|cookie| cookie.name().starts_with(&prefix)).collect()
}

/// The names of those that go when another is kept: the oldest.
fn make_room<'a>(kept: &'a [Cookie<'static>], fresh: &Cookie) -> Vec<&'a str> {
    let size = |cookie: &Cookie| cookie.name().len() + cookie.value().len() + BETWEEN;
    let mut bytes = size(fresh);
    let others = kept.iter().rev().filter(|cookie| cookie.name() != fresh.name());
    let out = others.filter(|cookie| {
        bytes += size(cookie);
        bytes > MAX_BYTES
    });
    out.map(Cookie::name).collect()
}

/// The widget that a cookie's link is said to be for, and its secret.
fn parts<'a>(cookie: &'a Cookie<'static>) -> Option<(&'a str, &'a str)> {
    // A secret has three points in it.
    let end = cookie.value().match_indices('.').nth(3)?.0;
    let (secret, widget) = cookie.value().split_at(end);
    Some((&widget[1..], secret))
}

/// Whether there is a widget, or one that is not back yet, that has a link's share.
fn leads_somewhere(link: &Opened, site: &Site) -> bool {
    let caller = Caller::Visitor(vec![link.clone()]);
    caller.widget(site, &link.widget).map_or_else(|error| !error.is_not_found(), |_| true)
}

/// The answer to a link that is none of this server's, or has expired. A link that is good is taken however many were not: nobody
/// guesses a signature.
fn leads_nowhere(request: &ServiceRequest, site: &Site) -> HttpResponse {
    let client = Origin::of(request.request(), &site.trusted_proxies).client;
    match site.wrong_links.failed(client, Instant::now()) {
        Some(wait) if !site.trusted_proxies.iter().any(|network| network.contains(client)) => {
            let mut response = pages::notice(StatusCode::TOO_MANY_REQUESTS, &site.base_url, TOO_MANY);
            response.headers_mut().insert(header::RETRY_AFTER, (wait.as_secs() + 1).into());
            response
        }
        _ => pages::notice(StatusCode::NOT_FOUND, &site.base_url, USELESS),
    }
}

/// The names of the cookies in which a browser keeps links.
pub fn names(request: &HttpRequest, place: Place) -> Vec<String> {
    cookies(request, place).iter().map(|cookie| cookie.name().to_owned()).collect()
}

/// The links that a browser keeps and that have not expired: of the widget that is asked for, or all of them where none is.
pub fn kept(request: &ServiceRequest, site: &Site) -> Vec<Opened> {
    let place = Place::of(request.request(), &site.trusted_proxies, &site.base_url);
    let (asked, now) = (widget_of(request.path(), &site.base_url), unix_seconds());
    // The latest first: a browser that brings more than it was told to keep does so at its own cost.
    let mut bytes = 0;
    let cookies = cookies(request.request(), place);
    let of_widget = cookies
        .iter()
        .rev()
        .filter_map(|cookie| Some((cookie, parts(cookie)?)))
        .filter(|(_, (widget, _))| asked.is_none_or(|asked| asked == *widget));
    of_widget
        .take_while(|(cookie, _)| {
            bytes += cookie.value().len();
            bytes <= 2 * MAX_BYTES
        })
        .filter_map(|(_, (widget, secret))| site.hub.links().check(secret, widget, now))
        .collect()
}

/// Has a browser that asks for a page forget the links that lead nowhere: they are expired or revoked, or their widgets closed.
pub fn useless(request: &ServiceRequest, site: &Site) -> Vec<Cookie<'static>> {
    let place = Place::of(request.request(), &site.trusted_proxies, &site.base_url);
    let now = unix_seconds();
    let leads = |cookie: &Cookie<'static>| {
        let link = parts(cookie).and_then(|(widget, secret)| site.hub.links().check(secret, widget, now));
        link.is_some_and(|link| leads_somewhere(&link, site))
    };
    // The rest goes when the page is asked for again.
    let looked_at = cookies(request.request(), place).into_iter().take(LOOKED_AT);
    let useless = looked_at.filter(|cookie| !leads(cookie));
    let names: HashSet<_> = useless.map(|cookie| cookie.name().to_owned()).collect();
    names.into_iter().map(|name| place.removal(name)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_links_make_room_for_a_new_one_and_the_same_link_is_no_second() {
        let cookie = |number: usize| Cookie::new(format!("framehub-link-{number:032}"), "x".repeat(140));
        let kept: Vec<_> = (0..30).map(cookie).collect();
        let out = make_room(&kept, &cookie(30));
        let size = kept[0].name().len() + 140 + BETWEEN;
        assert_eq!(out.len(), 30 - (MAX_BYTES / size - 1));
        assert!(out.contains(&kept[0].name()) && !out.contains(&kept[29].name()));
        assert_eq!(make_room(&kept[..1], &cookie(0)), [] as [&str; 0]);
    }
}
