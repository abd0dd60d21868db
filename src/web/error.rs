//! Errors as the API tells them: `{"error": {"code", "message", "field"}}`.

use std::time::Duration;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde_json::json;

use crate::{
    handle::SnapshotError, hub::CreateError, protocol::Refusal, quota::OverMemory, render::KindError,
    traits::TraitError,
};

/// An error that a request is answered with.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    field: Option<String>,
    /// How soon it is worth asking again, where that is known.
    retry_after: Option<Duration>,
}

/// Goes with an answer, for who counts refusals.
#[derive(Clone)]
pub struct Refused {
    /// What was wrong, for programs.
    pub code: &'static str,
    /// What was wrong, for people.
    pub message: String,
}

impl ApiError {
    /// An error with a status, a code for programs and a message for people.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None, retry_after: None }
    }

    /// Names the field that was wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says when it is worth trying again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// 400: the request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 503: the widget's kernel has not connected since the server started.
    pub fn awaited(id: &str) -> Self {
        let message = format!(
            "widget `{id}` is not back yet after a restart of the server: its kernel has to connect again"
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "awaited", message)
    }

    /// 404: no such widget.
    pub fn no_widget(id: &str) -> Self {
        let id: String = id.chars().take(64).collect();
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown_widget",
            format!("there is no widget `{id}`: it was closed, or never existed"),
        )
    }

    /// Whether there is nothing, as far as who asks is told.
    pub fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// 503: the server is not able to answer now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let Self { status, code, message, field, retry_after } = self;
        let mut response = HttpResponse::build(*status)
            .json(json!({"error": {"code": code, "message": message, "field": field}}));
        if let Some(after) = retry_after {
            // Whole seconds, and enough.
            response.headers_mut().insert(header::RETRY_AFTER, (after.as_secs() + 1).into());
        }
        response.extensions_mut().insert(Refused { code, message: message.clone() });
        response
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code {
            "max_shares" | "user_memory" | "memory" => StatusCode::TOO_MANY_REQUESTS,
            "unknown_share" => StatusCode::NOT_FOUND,
            "not_kept" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self { field: refusal.field, ..Self::new(status, refusal.code, refusal.message) }
    }
}

impl From<TraitError> for ApiError {
    fn from(error: TraitError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<CreateError> for ApiError {
    fn from(error: CreateError) -> Self {
        let status = match &error {
            CreateError::Trait(_)
            | CreateError::Kind(KindError::Unknown { .. } | KindError::Option { .. }) => {
                StatusCode::BAD_REQUEST
            }
            CreateError::Kind(KindError::Failed(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            CreateError::Full(_) | CreateError::UserFull(_) => StatusCode::TOO_MANY_REQUESTS,
            CreateError::Exists(_) => StatusCode::CONFLICT,
            CreateError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, ..Refusal::from(error).into() }
    }
}

impl From<OverMemory> for ApiError {
    fn from(over: OverMemory) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, over.code(), over.to_string())
    }
}

impl From<SnapshotError> for ApiError {
    fn from(error: SnapshotError) -> Self {
        let message = error.to_string();
        match error {
            SnapshotError::Ratio(_) => {
                Self::new(StatusCode::BAD_REQUEST, "bad_field", message).field("pixel_ratio")
            }
            SnapshotError::TooLarge { .. } | SnapshotError::TooLong { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message).field("pixel_ratio")
            }
            SnapshotError::Busy(_) | SnapshotError::Gone => Self::unavailable(message),
            SnapshotError::NoFrame => Self::new(StatusCode::CONFLICT, "no_frame", message),
            SnapshotError::Failed(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "renderer_failed", message)
            }
            SnapshotError::Memory(over) => over.into(),
            SnapshotError::Closed => Self::new(StatusCode::NOT_FOUND, "unknown_widget", message),
        }
    }
}
