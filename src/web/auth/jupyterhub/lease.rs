//! A user's right to be here, and what looks after it.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::rt;
use futures_util::FutureExt;
use tokio::{
    task::JoinHandle,
    time::{sleep_until, timeout_at},
};

use super::{
    accounts::{Accounts, Asker, Denied, User},
    say::Belongs,
};
use crate::jupyterhub::Secret;

/// How often, within the time for which answers hold, it is looked whether an open connection may stay.
const LOOKS: u32 = 4;

/// A user's right to be here, for as long as the token that showed it is good.
#[derive(Clone)]
pub struct Lease {
    accounts: Arc<Accounts>,
    token: Secret,
    user: Arc<User>,
}

/// Looks after an open connection for as long as this lives.
pub struct Watch(JoinHandle<()>);

impl Lease {
    /// The right of the user whose token this is.
    ///
    /// # Errors
    /// When the token lets nobody in.
    pub async fn of(accounts: &Arc<Accounts>, token: Secret, asker: Asker) -> Result<Self, Denied> {
        let (user, _) = accounts.check(&token, asker).await?;
        Ok(Self { accounts: Arc::clone(accounts), token, user })
    }

    /// The user.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Whether a widget is the user's to see and use though it is another's, and not shared.
    pub fn acts_on(&self, whose: Belongs) -> bool {
        self.accounts.acts_on(&self.user, whose)
    }

    /// How often it is worth asking for [`Lease::renewed`].
    pub fn looks_every(&self) -> Duration {
        self.accounts.holds() / LOOKS
    }

    /// The same right with what the Hub says of the user now, if it says anything.
    pub async fn renewed(self) -> Self {
        match self.accounts.check(&self.token, Asker::Known).await {
            Ok((user, _)) => Self { user, ..self },
            Err(_) => self,
        }
    }

    /// Calls `ended` once the token is no longer good, or was last known to be for longer than answers hold.
    pub fn watch(&self, ended: impl FnOnce() + 'static) -> Watch {
        let Self { accounts, token, user } = self.clone();
        let mut until = Instant::now() + accounts.holds();
        // A task of its own: the actor of a socket stands still while its peer takes nothing.
        Watch(rt::spawn(async move {
            let looks = async {
                loop {
                    match timeout_at(until.into(), accounts.check(&token, Asker::Known)).await {
                        Ok(Ok((now, good_until))) if now.is_still(&user) => until = good_until,
                        _ => break,
                    }
                    sleep_until((Instant::now() + accounts.holds() / LOOKS).min(until).into()).await;
                }
            };
            // After a panic nobody would look any more, so that the right ends as well.
            let _ = AssertUnwindSafe(looks).catch_unwind().await;
            tracing::info!(user = user.name, "signed out: a connection ends");
            ended();
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}
