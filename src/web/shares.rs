//! The HTTP API of what is shared: for the owner of a widget, and nobody else.

use actix_web::{
    HttpResponse,
    web::{Data, Path, Payload},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    api::{address, body},
    auth::caller::Owned,
    error::ApiError,
    routes::Site,
};
use crate::{
    audit::Audit,
    clock::unix_millis,
    handle::WidgetHandle,
    protocol::json::read,
    sharing::{self, NewShare, Share},
};

/// `GET /api/widgets/{id}/shares`.
pub async fn list(site: Data<Site>, Owned(widget): Owned) -> HttpResponse {
    let shares = widget.shares().list(unix_millis());
    let shares: Vec<_> = shares.iter().map(|share| told(&site, &widget, share)).collect();
    HttpResponse::Ok().json(json!({"shares": shares}))
}

/// `POST /api/widgets/{id}/shares`. With a user or a group that has a share already, it changes that.
///
/// # Errors
/// 400 for a bad body; 413 for a body that is too long; 429 when there are too many shares; 503 when it cannot be kept.
pub async fn create(
    site: Data<Site>,
    Owned(widget): Owned,
    audit: Audit,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let new: NewShare = read(&body(&site, payload).await?)?;
    let (share, fresh) = sharing::share(&widget, new, site.hub.reach()).await?;
    audit.shared(&widget, &share);
    let mut response = if fresh { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(told(&site, &widget, &share)))
}

/// The part of a path that names a share.
#[derive(Deserialize)]
pub struct SharePath {
    share: String,
}

/// `DELETE /api/widgets/{id}/shares/{share}`.
///
/// # Errors
/// 404 when there is no such share; 503 when it has ended, and that cannot be kept yet.
pub async fn revoke(
    Owned(widget): Owned,
    audit: Audit,
    path: Path<SharePath>,
) -> Result<HttpResponse, ApiError> {
    let revoked = sharing::revoke(&widget, &path.share).await;
    audit.revoked(&widget, &path.share, &revoked);
    revoked?;
    Ok(HttpResponse::NoContent().finish())
}

fn told(site: &Site, widget: &WidgetHandle, share: &Share) -> Value {
    sharing::describe(site.hub.links(), widget.id(), share, &address(site, widget))
}
