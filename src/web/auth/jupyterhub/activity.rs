//! Tells the Hub who acts, so that it does not take a user who only uses widgets for idle. A page that is merely open says nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    cookie::time::{OffsetDateTime, format_description::well_known::Rfc3339},
    rt,
};
use dashmap::{DashMap, Entry};

use super::api::Api;
use crate::seldom::Seldom;

/// Who was told of, and when.
pub struct Activity {
    api: Arc<Api>,
    /// Least time from one report of a user to the next.
    every: Duration,
    /// When the latest report of each user and notebook server was made.
    told: DashMap<(String, String), Instant>,
    /// When the log was told that the Hub cannot be.
    untold: Seldom,
}

impl Activity {
    /// Nobody has acted.
    pub fn new(api: Arc<Api>, every: Duration) -> Self {
        Self { api, every, told: DashMap::new(), untold: Seldom::once_a_minute() }
    }

    /// Whether the Hub is to be told now that this user acts by that server.
    fn is_due(&self, user: &str, server: &str, now: Instant) -> bool {
        match self.told.entry((user.to_owned(), server.to_owned())) {
            Entry::Occupied(told) if now < *told.get() + self.every => false,
            Entry::Occupied(mut told) => {
                told.insert(now);
                true
            }
            Entry::Vacant(none) => {
                none.insert(now);
                true
            }
        }
    }
}

/// A user who may act through a connection.
pub struct Acting {
    activity: Arc<Activity>,
    user: String,
    server: String,
}

impl Acting {
    /// This user, and with them the notebook server of that name.
    pub fn new(activity: &Arc<Activity>, user: String, server: String) -> Self {
        Self { activity: Arc::clone(activity), user, server }
    }

    /// The user acts. The Hub hears of it from a task of its own, at most so often.
    pub fn now(&self) {
        if !self.activity.is_due(&self.user, &self.server, Instant::now()) {
            return;
        }
        let (activity, user, server) = (Arc::clone(&self.activity), self.user.clone(), self.server.clone());
        rt::spawn(async move {
            let Ok(now) = OffsetDateTime::now_utc().format(&Rfc3339) else { return };
            match activity.api.tell_activity(&user, &server, &now).await {
                Ok(()) => tracing::debug!(user, server, "the Hub knows that the user acts"),
                Err(error) => {
                    if let Some(left_out) = activity.untold.due(Instant::now()) {
                        tracing::warn!(
                            user,
                            %error,
                            left_out,
                            "the Hub cannot be told that a user acts, and may take them for idle: \
                             the service needs a role with the scope users:activity"
                        );
                    }
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jupyterhub::Service;

    #[test]
    fn each_user_is_told_of_once_in_a_while() {
        let variable = |name: &str| {
            let given = match name {
                "JUPYTERHUB_SERVICE_NAME" => "framehub",
                "JUPYTERHUB_API_URL" => "http://127.0.0.1:8081/hub/api",
                "JUPYTERHUB_API_TOKEN" => "secret",
                _ => return None,
            };
            Some(given.to_owned())
        };
        let minute = Duration::from_secs(60);
        let activity =
            Activity::new(Arc::new(Api::new(Service::from_variables(variable).unwrap())), 5 * minute);
        let start = Instant::now();
        let due = |user, minutes| activity.is_due(user, "", start + minutes * minute);
        assert_eq!(
            [due("ann", 0), due("bob", 1), due("ann", 4), due("ann", 5), due("ann", 9)],
            [true, true, false, true, false]
        );
    }
}
