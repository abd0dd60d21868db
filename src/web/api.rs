//! The HTTP API.

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Bytes, Data, Payload, Query},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    auth::{
        caller::{Acting, Caller, Named, Observed, Owned, Right},
        sessions::Session,
    },
    error::ApiError,
    routes::Site,
};
use crate::{
    handle::WidgetHandle,
    hub::Hub,
    metrics::{Format, Scrapes},
    protocol::json::read,
};

/// The query of `GET /health`.
#[derive(Deserialize)]
pub struct HealthQuery {
    /// A challenge of who read the runtime file.
    nonce: Option<String>,
}

/// `GET /health`: whether the server works.
///
/// # Errors
/// 503 when a thread of it does not answer.
pub async fn health(site: Data<Site>, query: Query<HealthQuery>) -> Result<HttpResponse, ApiError> {
    if !site.hub.is_well().await {
        return Err(ApiError::unavailable("a thread of the server does not answer: start it anew"));
    }
    let mut health = json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")});
    let proof =
        site.proof.as_ref().zip(query.nonce.as_deref()).and_then(|(proof, nonce)| proof.answer(nonce));
    if let Some(proof) = proof {
        health["proof"] = proof.into();
    }
    Ok(HttpResponse::Ok().json(health))
}

/// `GET /ready`: whether the server works and takes newcomers.
///
/// # Errors
/// 503 when it stops, and as [`health`].
pub async fn ready(site: Data<Site>, query: Query<HealthQuery>) -> Result<HttpResponse, ApiError> {
    if site.hub.is_stopping() {
        return Err(ApiError::unavailable("the server stops: connect again"));
    }
    health(site, query).await
}

/// `GET /metrics`, for those who may see what is told of everybody's widgets.
///
/// # Errors
/// 403 for others, 503 while the server stops.
pub async fn guarded_metrics(
    caller: Caller,
    hub: Data<Hub>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    caller.sees_all(
        "the metrics tell of everybody's widgets: they are for administrators, for the Hub's tokens with the scope read:metrics, and \
         for the token of --metrics-token",
    )?;
    metrics(hub, request).await
}

async fn metrics(hub: Data<Hub>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let format = accepted(&request);
    let text = hub.scrape(format).await.ok_or_else(no_metrics)?;
    Ok(HttpResponse::Ok().content_type(format.content_type()).body(text))
}

/// `GET /metrics` on an address of its own, where nobody is asked for a key: however many ask, one scrape a second is made.
///
/// # Errors
/// 503 while the server stops.
pub async fn open_metrics(
    hub: Data<Hub>,
    scrapes: Data<Scrapes>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let format = accepted(&request);
    let text = scrapes.latest(format, || hub.scrape(format)).await.ok_or_else(no_metrics)?;
    Ok(HttpResponse::Ok().content_type(format.content_type()).body(text))
}

fn accepted(request: &HttpRequest) -> Format {
    Format::accepted(request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()))
}

fn no_metrics() -> ApiError {
    ApiError::unavailable("the metrics are not available")
}

/// `GET /api/kinds`.
pub async fn kinds(site: Data<Site>) -> HttpResponse {
    let kinds: Vec<_> = site
        .hub
        .kinds()
        .iter()
        .map(|kind| {
            let options: Vec<_> = kind
                .options()
                .iter()
                .map(|option| {
                    json!({
                        "name": option.name,
                        "type": type_name(&option.default),
                        "default": option.default,
                        "description": option.description,
                    })
                })
                .collect();
            json!({"kind": kind.name(), "title": kind.title(), "description": kind.description(), "options": options})
        })
        .collect();
    HttpResponse::Ok().json(json!({"kinds": kinds}))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) | Value::Null => "object",
    }
}

/// `GET /api/widgets`.
pub async fn list(site: Data<Site>, caller: Caller, request: HttpRequest) -> HttpResponse {
    let widgets: Vec<_> =
        caller.widgets(&site).iter().map(|(widget, right)| summary(&site, widget, *right)).collect();
    let mut told = json!({"widgets": widgets, "administrator": caller.observes()});
    if request.extensions().contains::<Session>() {
        told["session"] = true.into();
    }
    HttpResponse::Ok().json(told)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewWidget {
    kind: String,
    #[serde(default)]
    options: Map<String, Value>,
    #[serde(default)]
    traits: Map<String, Value>,
}

/// `POST /api/widgets`.
///
/// # Errors
/// 400 for a bad body, kind, option or trait; 413 for a body that is too long; 429 when there are too many widgets, in all or of
/// this user.
pub async fn create(site: Data<Site>, caller: Caller, payload: Payload) -> Result<HttpResponse, ApiError> {
    let new: NewWidget = read(&body(&site, payload).await?)?;
    let widget = site.hub.create_for_user(&new.kind, caller.owner(), new.options, &new.traits).await?;
    let location = address(&site, &widget);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(details(
        &site,
        &widget,
        Right::Own,
    )))
}

/// `GET /api/widgets/{id}`.
pub async fn show(site: Data<Site>, Named(widget, right): Named) -> HttpResponse {
    HttpResponse::Ok().json(details(&site, &widget, right))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    traits: Map<String, Value>,
}

/// `PATCH /api/widgets/{id}`.
///
/// # Errors
/// 400 for a bad body or trait; 403 for all but the owner; 404 when there is no such widget; 413 for a body that is too long.
pub async fn patch(
    site: Data<Site>,
    Owned(widget): Owned,
    caller: Caller,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let patch: Patch = read(&body(&site, payload).await?)?;
    widget.set_traits(&patch.traits)?;
    let right = caller.right(&widget).unwrap_or(Right::Own);
    Ok(HttpResponse::Ok().json(details(&site, &widget, right)))
}

/// `DELETE /api/widgets/{id}`.
pub async fn close(site: Data<Site>, Owned(widget): Owned) -> HttpResponse {
    site.hub.close(&widget);
    HttpResponse::NoContent().finish()
}

/// `DELETE /api/widgets/{id}/control`.
pub async fn take_control_away(Owned(widget): Owned) -> HttpResponse {
    widget.take_control_away();
    HttpResponse::NoContent().finish()
}

/// `POST /api/widgets/{id}/draw`.
pub async fn draw(Acting(widget): Acting) -> HttpResponse {
    widget.request_draw();
    HttpResponse::Accepted().finish()
}

/// `GET /api/widgets/{id}/stats`.
///
/// # Errors
/// 404 when there is no such widget.
pub async fn stats(site: Data<Site>, Observed(widget): Observed) -> Result<HttpResponse, ApiError> {
    let report = site.hub.report(&widget).await.ok_or_else(|| ApiError::no_widget(widget.id()))?;
    Ok(HttpResponse::Ok().json(report.json()))
}

/// `POST /api/widgets/{id}/stats/reset`.
pub async fn reset_stats(Owned(widget): Owned) -> HttpResponse {
    widget.reset_stats();
    HttpResponse::NoContent().finish()
}

/// The body of a request.
///
/// # Errors
/// 408 when it does not come, 413 when it is too long.
pub async fn body(site: &Site, payload: Payload) -> Result<Bytes, ApiError> {
    let max = site.inbound.max_message_bytes;
    let within = site.body_within;
    let read = tokio::time::timeout(within, payload.to_bytes_limited(max)).await.map_err(|_| {
        let message = format!("the body did not come within {} s: send it at once", within.as_secs_f64());
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", message)
    })?;
    match read {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(ApiError::bad_request(format!("the body cannot be read: {error}"))),
        Err(_) => {
            let message =
                format!("the body is longer than {max} bytes: send less, or raise --max-message-bytes");
            Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message))
        }
    }
}

/// The path of a widget's page.
pub fn address(site: &Site, widget: &WidgetHandle) -> String {
    format!("{}widgets/{}", site.base_url, widget.id())
}

/// The role of who may see a widget's numbers, and no more.
const OBSERVER: &str = "observer";

/// A widget, in short, for who has that right to it; without one, for who sees its numbers.
pub fn summary(site: &Site, widget: &WidgetHandle, right: Option<Right>) -> Value {
    let identity = widget.identity();
    json!({
        "id": identity.id,
        "kind": identity.kind,
        "title": widget.traits().title,
        "owner": identity.owner,
        "role": right.map_or(OBSERVER, Right::name),
        "created": identity.created,
        "url": address(site, widget),
    })
}

fn details(site: &Site, widget: &WidgetHandle, right: Right) -> Value {
    let mut details = summary(site, widget, Some(right));
    details["options"] = json!(widget.identity().options);
    details["traits"] = json!(widget.traits());
    let share_with = if right.is_whole() { site.hub.reach().fields() } else { &[] };
    details["share_with"] = json!(share_with);
    details
}
