//! Pages and their modules: the browser's half, carried inside the binary.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, ContentType, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::{Data, Path},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::{
    auth::{caller::Caller, wanted},
    error::ApiError,
    routes::Site,
};

#[derive(RustEmbed)]
#[folder = "static/"]
struct Static;

/// What pages may load: their own modules, styles and images, and connections to where they came from.
const MAY_LOAD: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
    connect-src 'self'; base-uri 'none'; form-action 'self'";

/// What no page needs, and none that got into one may ask for.
const MAY_NOT_USE: &str = "camera=(), display-capture=(), geolocation=(), hid=(), microphone=(), midi=(), payment=(), serial=(), usb=()";

/// The security policy of pages that pages of these origins, and the server's own, may hold in a frame.
///
/// # Panics
/// When an origin holds characters that no header may have: the configuration lets none of these through.
pub fn page_policy(frame_origins: &[String]) -> HeaderValue {
    let ancestors = [&["'self'".to_owned()], frame_origins].concat().join(" ");
    let policy = format!("{MAY_LOAD}; frame-ancestors {ancestors}");
    HeaderValue::from_str(&policy).expect("origins are of printable characters")
}

/// Gives each page the security policy. No window of another origin that a page opened, or was opened by, reaches it.
///
/// # Errors
/// When there is no answer.
pub async fn with_policy(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let site = response.request().app_data::<Data<Site>>().filter(|_| is_page);
    if let Some(policy) = site.map(|site| site.page_policy.clone()) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        for (name, value) in
            [("cross-origin-opener-policy", "same-origin"), ("permissions-policy", MAY_NOT_USE)]
        {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
    Ok(response)
}

/// `GET /`: the gallery.
pub async fn gallery() -> HttpResponse {
    page("index.html")
}

/// `GET /widgets/{id}`: one widget. Whether it exists, the page finds out.
pub async fn viewer(site: Data<Site>, caller: Caller, id: Path<String>) -> HttpResponse {
    let mut response = page("viewer.html");
    // Where there are users, others' widgets are told from none by nothing, and both from a user's own.
    if caller.owner().is_some() && caller.widget(&site, &id).is_err() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

/// `GET /admin`: who takes what of the server, for administrators.
pub async fn administration(site: Data<Site>, caller: Caller) -> HttpResponse {
    if caller.observes() {
        return page("admin.html");
    }
    let message = "This page is for administrators: it shows everybody's widgets. Yours are in the gallery.";
    notice(StatusCode::FORBIDDEN, &site.base_url, message)
}

/// `GET /static/{path}`: modules, styles and images.
///
/// # Errors
/// 404 when there is no such file.
pub async fn file(path: Path<String>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let Some(file) = Static::get(&path) else {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is no such file"));
    };
    let etag = format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(file.metadata.sha256_hash()));
    let known =
        request.headers().get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == etag.as_bytes());
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // Pages and server have to be of one version: ask each time, answer mostly «not modified».
    response
        .insert_header((header::ETAG, etag))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_TYPE, content_type(&file)));
    Ok(if known { response.finish() } else { response.body(file.data.into_owned()) })
}

/// Why a page asks for the key.
#[derive(Debug, Clone, Copy)]
pub enum Login {
    /// None came.
    Missing,
    /// Another one came.
    Wrong,
    /// Others came too often.
    TooMany,
}

/// The page that asks for the key, and leads to the address `next` with it.
pub fn login(site: &Site, why: Login, next: &str) -> HttpResponse {
    let (state, status) = match why {
        Login::Missing => ("missing", StatusCode::UNAUTHORIZED),
        Login::Wrong => ("wrong", StatusCode::UNAUTHORIZED),
        Login::TooMany => ("too-many", StatusCode::TOO_MANY_REQUESTS),
    };
    let next = escaped(&wanted::within(&site.base_url, next));
    let html = embedded("login.html").replace("{{base}}", &site.base_url).replace("{{state}}", state);
    let mut response = HttpResponse::build(status);
    // Without a referrer browsers send the form with an origin of `null`.
    response.insert_header((header::REFERRER_POLICY, "strict-origin"));
    with_page_headers(response).body(html.replace("{{next}}", &next))
}

/// Text for an attribute of a page.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A page that says why there is no other. The message is shown as it is.
pub fn notice(status: StatusCode, base: &str, message: &str) -> HttpResponse {
    let html = embedded("notice.html").replace("{{base}}", base).replace("{{message}}", message);
    with_page_headers(HttpResponse::build(status)).body(html)
}

fn page(name: &str) -> HttpResponse {
    with_page_headers(HttpResponse::Ok()).body(embedded(name))
}

fn with_page_headers(mut response: actix_web::HttpResponseBuilder) -> actix_web::HttpResponseBuilder {
    response.insert_header(ContentType::html()).insert_header((header::CACHE_CONTROL, "no-store"));
    response
}

fn embedded(name: &str) -> String {
    Static::get(name).map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default()
}

fn content_type(file: &EmbeddedFile) -> String {
    let mimetype = file.metadata.mimetype();
    if mimetype.starts_with("text/") { format!("{mimetype}; charset=utf-8") } else { mimetype.to_owned() }
}
