//! Looks after the view of somebody to whom its widget does not belong: it ends with the share, or the administrator's scope, that it
//! rests on.

use std::{panic::AssertUnwindSafe, time::Duration};

use actix_web::rt;
use futures_util::FutureExt;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
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
    message: "the widget is no longer shared with you, or yours to administer",
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

/// How often the clock is looked at: it may be set, or the machine may have slept.
const LOOKS_AT_CLOCK_EVERY: Duration = Duration::from_secs(60);

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
        Self(rt::spawn(async move {
            let ended = AssertUnwindSafe(ended(caller, widget, roles, unix_millis)).catch_unwind().await;
            // Nobody would look after the view any more.
            end(ended.unwrap_or(End::FAILED));
        }))
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits until the right is another one. `now` tells the Unix time in milliseconds.
async fn ended(
    mut caller: Caller,
    widget: WidgetHandle,
    Roles { wanted, role }: Roles,
    now: impl Fn() -> u64,
) -> End {
    let mut changes = widget.shares().changes();
    let (mut until, mut looked) = (None, Instant::now());
    loop {
        until = match caller.right_at(&widget, now()) {
            Some(right) if wanted.at_most(right.role()) != role => return ROLE_CHANGED,
            Some(Right::Own | Right::Administer) => None,
            Some(Right::Shared(granted)) => granted.until,
            None if until.is_some_and(|until| until <= now()) => return EXPIRED,
            None => return REVOKED,
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
        let news = async {
            tokio::select! {
                _ = changes.changed() => None,
                renewed = renewal => Some(renewed),
            }
        };
        let left = until.map(|until| Duration::from_millis(until.saturating_sub(now())));
        let next_look = left.unwrap_or(LOOKS_AT_CLOCK_EVERY).min(LOOKS_AT_CLOCK_EVERY);
        if let Ok(Some(renewed)) = timeout(next_look, news).await {
            (caller, looked) = (renewed, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;
    use crate::{
        render::demos::testing,
        sharing::{Opened, With},
    };

    const NOW: u64 = 1_700_000_000_000;
    const ROLES: Roles = Roles { wanted: Role::Interact, role: Role::Watch };

    /// Somebody with a link to a widget that holds for two hours.
    async fn visitor(widget: &WidgetHandle) -> Caller {
        let until = Some(NOW + 7_200_000);
        let (share, _) = widget.shares().add(With::Link, Role::Watch, until, NOW).await.unwrap();
        Caller::Visitor(vec![Opened::of(widget.id(), &share)])
    }

    #[actix_web::test]
    async fn a_visitors_view_ends_within_a_minute_of_a_clock_that_is_set_ahead_of_its_end() {
        tokio::time::pause();
        let widget = testing::handle();
        let visitor = visitor(&widget).await;
        let (clock, began) = (Rc::new(Cell::new(NOW)), Instant::now());
        let of_view = Rc::clone(&clock);
        let view = rt::spawn(ended(visitor, widget, ROLES, move || of_view.get()));
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(!view.is_finished());
        // The machine slept for three hours, of which the time that is slept on knows nothing.
        clock.set(NOW + 3 * 3_600_000);
        assert_eq!(view.await.unwrap().reason, "expired");
        assert!(began.elapsed() <= Duration::from_secs(660), "it lived on for {:?}", began.elapsed());
    }

    #[actix_web::test]
    async fn a_view_whose_share_is_revoked_ends_at_once_whatever_the_clock_says() {
        tokio::time::pause();
        let widget = testing::handle();
        let visitor = visitor(&widget).await;
        let of_view = widget.clone();
        let (view, began) = (rt::spawn(ended(visitor, of_view, ROLES, || 0)), Instant::now());
        tokio::task::yield_now().await;
        let id = widget.shares().list(NOW)[0].id.clone();
        widget.shares().revoke(&id).await.unwrap();
        assert_eq!(view.await.unwrap().reason, "revoked");
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
