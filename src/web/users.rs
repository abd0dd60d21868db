//! The HTTP API of administrators: who takes what of the server, and how much each may take.

use std::collections::HashMap;

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Path, Payload},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    api::{body, summary},
    auth::caller::Caller,
    error::ApiError,
    routes::Site,
};
use crate::{
    actors::widget::WidgetReport, audit::Audit, clock::unix_now, handle::WidgetHandle, protocol::json::read,
    quota::LimitsChange, sharing::Reach,
};

/// Why others are refused.
pub const FOR_ADMINISTRATORS: &str = "this is about everybody's widgets: it is for administrators, who have the JupyterHub's scope \
    that --admin-scope names";
/// Why others are refused who want to change limits.
const FOR_THOSE_WHO_LIMIT: &str =
    "what a user may take is changed by those who have the JupyterHub's scope that --limits-scope names";

/// `GET /api/users`: each user who has something, the user's widgets and their views; what they take, and what limits hold. Counts
/// rise, so that who asks twice knows the rates between.
///
/// # Errors
/// 403 for all but administrators.
pub async fn list(site: Data<Site>, caller: Caller) -> Result<HttpResponse, ApiError> {
    caller.sees_all(FOR_ADMINISTRATORS)?;
    let hub = &site.hub;
    let handles = hub.registry().all();
    let reports = hub.reports(&handles).await;
    let mut views = 0;
    let mut of_user: HashMap<Option<String>, Vec<Value>> = HashMap::new();
    for (handle, report) in handles.iter().zip(&reports) {
        // One that was closed meanwhile is not in the list.
        let Some(report) = report else { continue };
        views += report.views.len();
        of_user
            .entry(handle.identity().owner.clone())
            .or_default()
            .push(told(&site, &caller, handle, report));
    }
    let users: Vec<_> = hub
        .users()
        .into_iter()
        .map(|user| {
            let widgets = of_user.remove(&user.name).unwrap_or_default();
            let mut user = json!(user);
            user["widgets"] = json!(widgets);
            user
        })
        .collect();
    let (limits, pool) = (hub.limits(), hub.pool());
    let server = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "time": unix_now(),
        "widgets": handles.len(),
        "views": views,
        "kernels": hub.connected_kernels(),
        "memory": hub.memory().held(),
        "encoder_threads": pool.threads(),
        "encoder_jobs": pool.jobs(),
        "encoder_seconds": pool.busy().as_secs_f64(),
        "shares_unkept": hub.ledger().unkept(),
        "limits": {
            "max_widgets": limits.max_widgets,
            "max_views": limits.widget.max_views,
            "max_kernels": limits.max_kernels,
            "max_memory": limits.max_memory,
            "idle_timeout": limits.widget.idle.map(|idle| idle.as_secs_f64()),
        },
    });
    Ok(HttpResponse::Ok().json(json!({"server": server, "users": users})))
}

/// The longest name of a user that a `JupyterHub` keeps.
const LONGEST_NAME: usize = 255;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    limits: LimitsChange,
}

/// `PATCH /api/users/{name}`: changes what a user may take, at once and until the server ends. Who the Hub's users are, only the Hub
/// knows: a name that is nobody's is as good as any.
///
/// # Errors
/// 400 for a bad body or a number out of its range, 403 for who may not, 404 where there are no users.
pub async fn patch(
    site: Data<Site>,
    caller: Caller,
    audit: Audit,
    name: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    caller.sets_limits(FOR_THOSE_WHO_LIMIT)?;
    if site.hub.reach() != Reach::Users {
        let message = "there are no users here: limits of each are for servers behind a JupyterHub";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "no_users", message));
    }
    if name.len() > LONGEST_NAME {
        let message = format!("field `name`: no user's name has more than {LONGEST_NAME} bytes");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_field", message).field("name"));
    }
    let Patch { limits: change } = read(&body(&site, payload).await?)?;
    let user = site.hub.change_limits(&name, change)?;
    audit.limited(&name, &user);
    Ok(HttpResponse::Ok().json(user))
}

/// A widget with its statistics, and with whose its views are.
fn told(site: &Site, caller: &Caller, widget: &WidgetHandle, report: &WidgetReport) -> Value {
    let mut told = summary(site, widget, caller.right(widget));
    told["stats"] = json!(report);
    for (at, view) in report.views.iter().enumerate() {
        told["stats"]["views"][at]["viewer"] = json!(view.viewer);
    }
    told
}
