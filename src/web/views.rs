//! The HTTP API of a widget's views: for its owner and administrators, who may end them.

use actix_web::{HttpResponse, http::StatusCode, web::Path};
use serde::Deserialize;

use super::{auth::caller::Owned, error::ApiError};
use crate::{event::ViewId, protocol::json::shortened};

/// The part of a path that names a view.
#[derive(Deserialize)]
pub struct ViewPath {
    view: String,
}

/// `DELETE /api/widgets/{id}/views/{view}`: the view is told so, and its page does not connect again by itself.
///
/// # Errors
/// 404 when there is no such view.
pub async fn disconnect(Owned(widget): Owned, path: Path<ViewPath>) -> Result<HttpResponse, ApiError> {
    let view = ViewId::named(&path.view);
    if let Some(view) = view
        && widget.disconnect(view).await
    {
        tracing::info!(widget = widget.id(), %view, "view disconnected");
        return Ok(HttpResponse::NoContent().finish());
    }
    let message = format!("the widget has no view `{}`: it is gone, or never was", shortened(&path.view));
    Err(ApiError::new(StatusCode::NOT_FOUND, "unknown_view", message))
}

/// `DELETE /api/widgets/{id}/views`: all of them.
pub async fn disconnect_all(Owned(widget): Owned) -> HttpResponse {
    widget.disconnect_all();
    tracing::info!(widget = widget.id(), "all views disconnected");
    HttpResponse::NoContent().finish()
}
