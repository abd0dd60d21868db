//! Snapshots over HTTP. Each takes a draw, an encode and memory until the last byte of it is sent, so that there are only so many at a
//! time, and so many of one user's.

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, MessageBody},
    http::{StatusCode, header},
    web::{Bytes, Data, Query},
};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{
    auth::caller::{Caller, Named, Right},
    error::ApiError,
    routes::Site,
};
use crate::{
    audit::Audit,
    encode::{self, SnapshotFormat},
    handle::{SnapshotError, WidgetHandle},
    quota::{Held, Places, Quota, Whose},
};

/// Who asks for a snapshot of a widget whose renderer is busy waits so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most snapshots at a time in all: as many as a crowd asks for, and no more connections than a server has to spare.
const IN_ALL: usize = 64;
/// Who has a widget's share gets a snapshot of it so often.
const PAUSE: Duration = Duration::from_secs(1);
/// So many of these are remembered before those are forgotten that no longer count.
const REMEMBERED: usize = 1024;
/// So much of a file is handed over at a time, in bytes: the rest waits here, where it is counted.
const AT_A_TIME: usize = 32 << 10;

/// The query of a snapshot.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotQuery {
    #[serde(default)]
    format: SnapshotFormat,
    pixel_ratio: Option<f64>,
}

/// The snapshots that are under way, and the last ones.
pub struct Snapshots {
    places: Places,
    /// When who has a share asked last: by the widget's number and what tells the one who asks from others.
    asked: Mutex<HashMap<(u64, String), Instant>>,
}

/// Places that a snapshot takes.
struct Permit {
    _in_all: Held,
    _of_widget: Held,
    _of_user: Held,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { places: Places::new(IN_ALL), asked: Mutex::default() }
    }
}

impl Snapshots {
    /// Lets somebody have a snapshot of a widget.
    fn permit(&self, widget: &WidgetHandle, right: Right, asker: &Quota) -> Result<Permit, ApiError> {
        let places = widget.snapshots();
        let of_widget = if right == Right::Own { &places.owners } else { &places.others };
        let too_many = |of: &str| {
            let message = format!("as many snapshots of {of} are on their way as may be: take these first");
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "snapshots", message).retry_after(PAUSE)
        };
        let in_all = self.places.take().ok_or_else(|| {
            ApiError::unavailable(
                "as many snapshots are on their way as the server has room for: try again later",
            )
            .retry_after(PAUSE)
        })?;
        Ok(Permit {
            _in_all: in_all,
            _of_widget: of_widget.take().ok_or_else(|| too_many("this widget"))?,
            _of_user: asker.snapshot().ok_or_else(|| too_many("this user"))?,
        })
    }

    /// Notes that who has a share of a widget asks.
    fn pause(&self, widget: u64, who: String, now: Instant) -> Result<(), ApiError> {
        let mut asked = self.asked.lock();
        if asked.len() >= REMEMBERED {
            asked.retain(|_, at| now < *at + PAUSE);
        }
        let key = (widget, who);
        if asked.get(&key).is_some_and(|last| now < *last + PAUSE) {
            let message = "a widget that is shared with you gives one snapshot a second: ask later";
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "snapshots", message).retry_after(PAUSE));
        }
        asked.insert(key, now);
        Ok(())
    }
}

/// What tells one who has a share of a widget from others.
fn name(caller: &Caller, widget: &str) -> String {
    match caller {
        Caller::User(lease, _) => format!("user {}", lease.user().name),
        Caller::Visitor(links) => {
            let links = links.iter().filter(|link| link.widget == widget);
            links.fold("link".to_owned(), |name, link| format!("{name} {}", link.share))
        }
        Caller::Guest(..) => "ticket".to_owned(),
        Caller::Anyone => "anyone".to_owned(),
    }
}

/// `GET /api/widgets/{id}/snapshot`. Who has the widget by a share gets it in the size that it has.
///
/// # Errors
/// 400 for a bad query, 404 for an unknown widget, 409 when the renderer has no frame, 413 when it would be too large, 429 when it is one
/// too many or takes too much memory, 503 when the renderer stays busy, or too many are under way in all.
pub async fn snapshot(
    site: Data<Site>,
    caller: Caller,
    Named(widget, right): Named,
    audit: Audit,
    query: Query<SnapshotQuery>,
) -> Result<HttpResponse, ApiError> {
    if right == Right::Administer {
        audit.used(&widget);
    }
    // Who has a ticket or is nobody's user asks at the owner's cost, though after the owner.
    let (user, owner) = (caller.owner(), widget.identity().owner.clone());
    let whose = if user.is_some() { Whose::Owner } else { right.asks_as() };
    let asker = site.hub.quota(user.or(owner).as_deref());
    let permit = site.snapshots.permit(&widget, right, &asker)?;
    let pixel_ratio = query.pixel_ratio.filter(|_| right.is_whole());
    if !right.is_whole() {
        site.snapshots.pause(widget.identity().number, name(&caller, widget.id()), Instant::now())?;
    }
    let taken = async {
        // Who was sent more than one may waits, as frames do.
        sleep(asker.wait(whose, Instant::now()).unwrap_or_default()).await;
        widget.snapshot_for(pixel_ratio, Arc::clone(asker.memory())).await
    };
    let frame = timeout(PATIENCE, taken)
        .await
        .map_err(|_| ApiError::unavailable("the renderer is busy: try again later"))?
        .map_err(|error| match error {
            // What a renderer says of its failure is its owner's.
            SnapshotError::Failed(_) if right != Right::Own => {
                SnapshotError::Failed("the widget's owner is told why".to_owned())
            }
            error => error,
        })?;
    asker.sent(whose, frame.area(), Instant::now());

    let (done, encoded) = oneshot::channel();
    let here = Arc::new(());
    let (format, wanted) = (query.format, Arc::downgrade(&here));
    site.hub.pool().run_for(
        asker.party(whose),
        // Who asked may have gone away.
        move || wanted.upgrade().map(|_| encode::snapshot(&frame, format)).transpose(),
        move |file| drop(done.send(file)),
    );
    let failed =
        |message: String| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "encoder_failed", message);
    let file = encoded.await.ok().and_then(Result::transpose);
    let file = file.ok_or_else(|| failed("the encoder failed".to_owned()))?;
    let file = asker.memory().hold(file.map_err(|error| failed(error.to_string()))?)?;
    drop(here);
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(format.mimetype())
        .body(File { rest: file, _permit: permit }))
}

/// A file on its way, with the places that it takes.
struct File {
    rest: Bytes,
    _permit: Permit,
}

impl MessageBody for File {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let next = self.rest.len().min(AT_A_TIME);
        let next = self.rest.split_to(next);
        Poll::Ready((!next.is_empty()).then_some(Ok(next)))
    }
}
