//! Every route of the server, below its base URL.

use std::time::Duration;

use actix_web::{
    Error, HttpResponse, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::{DefaultHeaders, Next, from_fn},
    web::{self, Data, ServiceConfig},
};

use super::{
    api,
    auth::{Access, by_key, failures::Failures, guard, jupyterhub, key::AccessKey},
    budget,
    error::{ApiError, Refused},
    kernel, pages,
    proof::Proof,
    shares,
    snapshot::{self, Snapshots},
    socket,
    trace::trace,
    users, views,
};
use crate::{
    hub::Hub,
    metrics::{Reason, Scrapes},
    network::Network,
    protocol::{InboundLimits, kernel::KernelInboundLimits},
    usage::Usage,
};

/// What every request may need.
pub struct Site {
    /// The running server.
    pub hub: Hub,
    /// Counts who uses the server.
    pub usage: Usage,
    /// Path below which everything is served; begins and ends with `/`.
    pub base_url: String,
    /// Who may connect.
    pub access: Access,
    /// The token that opens the metrics and nothing else, if there is one.
    pub metrics_token: Option<AccessKey>,
    /// Keys that were wrong.
    pub wrong_keys: Failures,
    /// Links that were.
    pub wrong_links: Failures,
    /// What the runtime file's readers are shown that this is its server, if there is such a file.
    pub proof: Option<Proof>,
    /// Origins besides the server's own from which pages may connect.
    pub allow_origins: Vec<String>,
    /// Proxies whose word on where a request comes from is believed.
    pub trusted_proxies: Vec<Network>,
    /// What pages may load, and which may hold them.
    pub page_policy: HeaderValue,
    /// How long the body of a request may take to come.
    pub body_within: Duration,
    /// Bounds on what a view's socket may send.
    pub inbound: InboundLimits,
    /// Bounds on what a kernel's socket may send.
    pub kernel_inbound: KernelInboundLimits,
    /// The snapshots that are under way.
    pub snapshots: Snapshots,
}

/// Adds all routes.
pub fn configure(site: Data<Site>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        let base = site.base_url.trim_end_matches('/').to_owned();
        let by_jupyterhub = matches!(site.access, Access::JupyterHub(_));
        let with_key = matches!(site.access, Access::Key(_));
        config.app_data(Data::new(site.hub.clone())).app_data(site).app_data(
            web::QueryConfig::default()
                .error_handler(|error, _| ApiError::bad_request(error.to_string()).into()),
        );
        let open = web::scope(&base)
            .wrap(from_fn(head_as_get))
            .wrap(from_fn(budget::of_address))
            .wrap(from_fn(count_refusals))
            .wrap(from_fn(count))
            .wrap(from_fn(trace))
            .wrap(from_fn(pages::with_policy))
            .wrap(from_fn(with_resource_policy))
            .wrap(
                DefaultHeaders::new()
                    .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                    .add((header::REFERRER_POLICY, "no-referrer")),
            )
            .service(resource(
                "/health",
                [(Method::GET, web::get().to(api::health)), (Method::HEAD, web::head().to(api::health))],
            ))
            .service(resource(
                "/ready",
                [(Method::GET, web::get().to(api::ready)), (Method::HEAD, web::head().to(api::ready))],
            ))
            .service(resource("/static/{path:.*}", [(Method::GET, web::get().to(pages::file))]));
        let open = if by_jupyterhub {
            let callback = web::get().to(jupyterhub::callback);
            open.service(resource("/oauth_callback", [(Method::GET, callback)]))
        } else {
            open
        };
        let open = if with_key {
            open.service(resource("/sign_in", [(Method::POST, web::post().to(by_key::sign_in))]))
                .service(resource("/sign_out", [(Method::POST, web::post().to(by_key::sign_out))]))
        } else {
            open
        };
        if base.is_empty() {
            config.service(open.service(guarded()));
        } else {
            // The path without the slash leads to the one with it, as relative addresses in the pages need.
            let to = format!("{base}/");
            let redirect = move || {
                let to = to.clone();
                async move { HttpResponse::PermanentRedirect().insert_header((header::LOCATION, to)).finish() }
            };
            config
                .service(
                    open.service(resource("", [(Method::GET, web::get().to(redirect))])).service(guarded()),
                )
                .default_service(web::to(not_found));
        }
    }
}

/// Counts a request as a use of the server while it is answered.
async fn count(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let _use = request.app_data::<Data<Site>>().map(|site| site.usage.begin());
    next.call(request).await
}

/// Has HEAD answered as GET is; the connection leaves the body out. No socket is opened by it.
async fn head_as_get(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if request.method() == Method::HEAD && !request.headers().contains_key(header::UPGRADE) {
        request.head_mut().method = Method::GET;
    }
    next.call(request).await
}

/// Says to whose pages browsers hand an answer that scripts there cannot read: to all for the first page, which holds nobody's data, and
/// the way by which a user signs in, so that a notebook of another origin can have its user signed in; else to the server's own.
async fn with_resource_policy(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let site = response.request().app_data::<Data<Site>>().expect("the site is registered with the routes");
    let path = response.request().path().strip_prefix(site.base_url.as_str());
    let policy = if matches!(path, Some("" | "oauth_callback")) { "cross-origin" } else { "same-origin" };
    let name = HeaderName::from_static("cross-origin-resource-policy");
    response.headers_mut().insert(name, HeaderValue::from_static(policy));
    Ok(response)
}

/// The route of the metrics alone, for an address of its own.
pub fn configure_metrics(hub: Hub, scrapes: Data<Scrapes>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .app_data(Data::new(hub))
            .app_data(scrapes)
            .service(
                resource("/metrics", [(Method::GET, web::get().to(api::open_metrics))])
                    .wrap(from_fn(head_as_get)),
            )
            .default_service(web::to(not_found));
    }
}

/// Counts what is refused, by reason.
async fn count_refusals(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let response = next.call(request).await?;
    let refused = response.response().extensions().get::<Refused>().cloned();
    let foreign = refused.as_ref().is_some_and(|refused| ["origin", "host"].contains(&refused.code));
    let reason = match response.status() {
        StatusCode::FORBIDDEN if foreign => Reason::Origin,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Reason::Auth,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => {
            Reason::Limit
        }
        StatusCode::BAD_REQUEST => Reason::Protocol,
        _ => return Ok(response),
    };
    if let Some(site) = response.request().app_data::<Data<Site>>() {
        match refused {
            Some(Refused { code, message }) => site.hub.counts().refused(reason, code, &message),
            None => site.hub.counts().refused_page(reason),
        }
    }
    Ok(response)
}

fn guarded() -> impl actix_web::dev::HttpServiceFactory {
    web::scope("")
        .wrap(from_fn(budget::of_caller))
        .wrap(from_fn(guard))
        .service(resource("/", [(Method::GET, web::get().to(pages::gallery))]))
        .service(resource("/widgets/{id}", [(Method::GET, web::get().to(pages::viewer))]))
        .service(resource("/admin", [(Method::GET, web::get().to(pages::administration))]))
        .service(resource("/metrics", [(Method::GET, web::get().to(api::guarded_metrics))]))
        .service(resource("/api/kinds", [(Method::GET, web::get().to(api::kinds))]))
        .service(resource(
            "/api/widgets",
            [(Method::GET, web::get().to(api::list)), (Method::POST, web::post().to(api::create))],
        ))
        .service(resource(
            "/api/widgets/{id}",
            [
                (Method::GET, web::get().to(api::show)),
                (Method::PATCH, web::patch().to(api::patch)),
                (Method::DELETE, web::delete().to(api::close)),
            ],
        ))
        .service(resource(
            "/api/widgets/{id}/control",
            [(Method::DELETE, web::delete().to(api::take_control_away))],
        ))
        .service(resource(
            "/api/widgets/{id}/shares",
            [(Method::GET, web::get().to(shares::list)), (Method::POST, web::post().to(shares::create))],
        ))
        .service(resource(
            "/api/widgets/{id}/shares/{share}",
            [(Method::DELETE, web::delete().to(shares::revoke))],
        ))
        .service(resource(
            "/api/widgets/{id}/views/{view}",
            [(Method::DELETE, web::delete().to(views::disconnect))],
        ))
        .service(resource(
            "/api/widgets/{id}/views",
            [(Method::DELETE, web::delete().to(views::disconnect_all))],
        ))
        .service(resource("/api/widgets/{id}/draw", [(Method::POST, web::post().to(api::draw))]))
        .service(resource("/api/widgets/{id}/stats", [(Method::GET, web::get().to(api::stats))]))
        .service(resource(
            "/api/widgets/{id}/stats/reset",
            [(Method::POST, web::post().to(api::reset_stats))],
        ))
        .service(resource("/api/widgets/{id}/snapshot", [(Method::GET, web::get().to(snapshot::snapshot))]))
        .service(resource("/api/users", [(Method::GET, web::get().to(users::list))]))
        .service(resource("/api/users/{name}", [(Method::PATCH, web::patch().to(users::patch))]))
        .service(resource("/api/kernel", [(Method::GET, web::get().to(kernel::connect))]))
        .service(resource("/api/widgets/{id}/view", [(Method::GET, web::get().to(socket::connect))]))
        .default_service(web::to(not_found))
}

/// A resource that answers other methods with 405 and those that it has.
fn resource<const N: usize>(path: &str, routes: [(Method, actix_web::Route); N]) -> actix_web::Resource {
    let methods = routes.iter().map(|(method, _)| method);
    let with_head = methods
        .flat_map(|method| if method == Method::GET { vec!["GET", "HEAD"] } else { vec![method.as_str()] });
    let allow = with_head.collect::<Vec<_>>().join(", ");
    let resource = routes.into_iter().fold(web::resource(path), |resource, (_, route)| resource.route(route));
    resource.default_service(web::to(move || {
        let allow = allow.clone();
        async move {
            let message = format!("the method is not allowed here: use {allow}");
            let mut response =
                ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method", message).error_response();
            if let Ok(allow) = header::HeaderValue::from_str(&allow) {
                response.headers_mut().insert(header::ALLOW, allow);
            }
            response
        }
    }))
}

async fn not_found() -> HttpResponse {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address").error_response()
}
