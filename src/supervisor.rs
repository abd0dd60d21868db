//! What the program tells the supervisor that started it, if that is systemd or speaks as it does (`NOTIFY_SOCKET`).

use sd_notify::{NotifyState, notify, watchdog_enabled};
use tokio::time::interval;

use crate::hub::Hub;

/// The server listens.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// The server stops.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

/// Says again and again that the server is well, for as long as it is, if the supervisor wants to know. It never ends.
pub async fn watch(hub: &Hub) {
    let Some(within) = watchdog_enabled() else { return std::future::pending().await };
    let mut ticks = interval(within / 2);
    loop {
        ticks.tick().await;
        if hub.is_well().await {
            tell(NotifyState::Watchdog);
        } else {
            tracing::error!(
                "a thread of the server does not answer: the supervisor is told nothing, and may start it anew"
            );
        }
    }
}

fn tell(state: NotifyState) {
    if let Err(error) = notify(&[state]) {
        tracing::warn!(%error, "the supervisor cannot be told how the server is (NOTIFY_SOCKET)");
    }
}
