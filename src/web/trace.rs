//! A span for each request, so that every line of the log that a request brings about says which one.

use std::time::Instant;

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};
use tracing::Instrument;

use super::{forwarded::Origin, routes::Site};

/// Runs a request in its span, and logs how it was answered. The query stays out, since it may hold the key.
pub async fn trace(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let site = request.app_data::<Data<Site>>().expect("the site is registered with the routes");
    let client = Origin::of(request.request(), &site.trusted_proxies).client;
    let span = tracing::info_span!("request", method = %request.method(), path = request.path(), %client);
    let began = Instant::now();
    let answer = next.call(request).instrument(span.clone()).await;
    let status = match &answer {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let status = status.as_u16();
    tracing::debug!(parent: &span, status, seconds = began.elapsed().as_secs_f64(), "answered");
    answer
}
