//! Looks after the view of somebody to whom its widget does not belong: it ends with the share that it rests on.

use std::time::Duration;

use actix_web::rt;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

use super::caller::{Caller, Right};
use crate::{
    actors::view::End,
    clock::unix_millis,
    handle::WidgetHandle,
    protocol::{close_code, view::Role},
};

/// What a view is told whose share was revoked.
const REVOKED: End = End {
    reason: "revoked",
    message: "the widget is no longer shared with you",
    code: close_code::SIGNED_OUT,
};
/// What a view is told whose share has expired.
const EXPIRED: End = End {
    reason: "expired",
    message: "the time is over for which the widget was shared with you",
    code: close_code::SIGNED_OUT,
};
/// What a view is told that may do more or less from now on.
const ROLE_CHANGED: End = End {
    reason: "role_changed",
    message: "what you may do in the widget has changed: connect again",
    code: close_code::ROLE_CHANGED,
};

/// Looks after a view for as long as this lives.
pub struct Standing(JoinHandle<()>);

/// A view that asks for the role `wanted`, and has `role`.
#[derive(Clone, Copy)]
pub struct Roles {
    pub wanted: Role,
    pub role: Role,
}

impl Standing {
    /// Calls `end` once what the caller may do in the widget is not what the view was opened with.
    pub fn watch(
        caller: Caller,
        widget: WidgetHandle,
        roles: Roles,
        end: impl FnOnce(End) + 'static,
    ) -> Self {
        // A task of its own: the actor of a socket stands still while its peer takes nothing.
        Self(rt::spawn(async move { end(ended(caller, widget, roles).await) }))
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits until the right is another one.
async fn ended(mut caller: Caller, widget: WidgetHandle, Roles { wanted, role }: Roles) -> End {
    let mut changes = widget.shares().changes();
    let (mut until, mut looked) = (None, Instant::now());
    loop {
        until = match caller.right(&widget) {
            Some(right) if wanted.at_most(right.role()) != role => return ROLE_CHANGED,
            Some(Right::Own) => None,
            Some(Right::Shared(granted)) => granted.until,
            None if until.is_some_and(|until| until <= unix_millis()) => return EXPIRED,
            None => return REVOKED,
        };
        let expiry = async {
            match until {
                Some(until) => sleep(Duration::from_millis(until.saturating_sub(unix_millis()))).await,
                None => std::future::pending().await,
            }
        };
        // What the Hub says of a user may change as well: the groups. It may take its time to say so.
        let renewal = async {
            match caller.looks_every() {
                Some(every) => {
                    sleep_until(looked + every).await;
                    caller.clone().renewed().await
                }
                None => std::future::pending().await,
            }
        };
        let renewed = tokio::select! {
            _ = changes.changed() => None,
            () = expiry => None,
            renewed = renewal => Some(renewed),
        };
        if let Some(renewed) = renewed {
            (caller, looked) = (renewed, Instant::now());
        }
    }
}
