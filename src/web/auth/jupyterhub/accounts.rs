//! Whose a token is: what the Hub answered, for as long as that holds.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::rt;
use dashmap::DashMap;
use sha2::{Digest, Sha256};
use tokio::{
    sync::{Mutex, Semaphore},
    task::JoinHandle,
    time::{sleep_until, timeout_at},
};

use super::{
    api::{self, ApiFailure, Granted, Owner},
    hearing::{Hearing, Hub},
};
use crate::jupyterhub::{Secret, Service};

/// Most tokens that are remembered.
const MAX_TOKENS: usize = 10_000;
/// Most questions to the Hub at a time, so that a flood of wrong tokens does not become one of the Hub.
const MAX_QUESTIONS: usize = 16;
/// The Hub's scope of those who may read its own metrics.
const READ_METRICS: &str = "read:metrics";
/// How long a refusal holds: a token is seldom given a scope later.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// How long a Hub that did not answer is not asked again about a user who is known.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How often it is asked at least within the time for which answers hold.
const RETRIES: u32 = 16;
/// How often, within the time for which answers hold, it is looked whether an open connection may stay.
const LOOKS: u32 = 4;

/// A user of the Hub.
#[derive(Debug)]
pub struct User {
    /// The name, unique at the Hub.
    pub name: String,
    /// The groups at the Hub.
    pub groups: Vec<String>,
    /// Whether everything is theirs to use.
    pub admin: bool,
    /// The name of the notebook server whose token this is, empty for the default one; `None` if it is none's.
    pub notebook_server: Option<String>,
}

impl User {
    /// Whether this is the same user, with the same say over everything. Groups come and go.
    fn is_still(&self, before: &Self) -> bool {
        (&self.name, self.admin) == (&before.name, before.admin)
    }
}

/// Why a token does not let anybody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The Hub does not know it.
    #[error("the JupyterHub does not know this token: it was revoked, or has expired")]
    Unknown,
    /// It may not access this service.
    #[error(
        "this token may not access FrameHub: the JupyterHub's administrator has to give its role the scope"
    )]
    Scope,
    /// It is no user's.
    #[error("this token is a service's: FrameHub is for users of the JupyterHub")]
    NoUser,
    /// The Hub cannot be asked.
    #[error("the JupyterHub does not answer, so that nobody new can be let in: try again later")]
    Unavailable,
}

/// What a token that the Hub knows is good for.
#[derive(Debug, Clone)]
struct Account {
    /// Whom it lets in.
    user: Result<Arc<User>, Denied>,
    /// Whether it opens the metrics, whoever has it.
    reads_metrics: bool,
}

/// An answer that holds.
#[derive(Debug, Clone)]
struct Known {
    answer: Result<Account, Denied>,
    /// When the question was asked that this answers.
    asked: Instant,
    /// When the latest attempt to ask ended.
    tried: Instant,
    /// Whether that one was in vain.
    failed: bool,
}

impl Known {
    /// Whether the token is good for anything.
    fn is_good(&self) -> bool {
        self.answer.as_ref().is_ok_and(|account| account.user.is_ok() || account.reads_metrics)
    }
}

type Slot = Arc<Mutex<Option<Known>>>;

/// All tokens that were seen lately.
pub struct Accounts {
    service: Service,
    admin_scope: String,
    /// How long an answer holds.
    holds: Duration,
    /// By the token's digest: who reads this memory finds no tokens. Whoever asks the Hub about one holds its lock.
    slots: DashMap<[u8; 32], Slot>,
    questions: Semaphore,
    /// How the last one ended.
    hearing: Hearing,
}

impl Accounts {
    /// No tokens.
    pub fn new(service: Service, admin_scope: String, holds: Duration) -> Self {
        let questions = Semaphore::new(MAX_QUESTIONS);
        Self { service, admin_scope, holds, slots: DashMap::new(), questions, hearing: Hearing::default() }
    }

    /// The Hub's description of this service.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Whose a token is, and until when that is known.
    ///
    /// # Errors
    /// When the token lets nobody in.
    pub async fn check(&self, token: &Secret) -> Result<(Arc<User>, Instant), Denied> {
        let (account, until) = self.account(token).await?;
        Ok((account.user?, until))
    }

    /// Whether a token opens the metrics.
    pub async fn reads_metrics(&self, token: &Secret) -> bool {
        self.account(token).await.is_ok_and(|(account, _)| account.reads_metrics)
    }

    /// The token for a code that a browser brought, as [`api::exchange`] says.
    ///
    /// # Errors
    /// As that.
    pub async fn exchange(&self, code: &str, verifier: &str) -> Result<Option<Granted>, ApiFailure> {
        self.heard(api::exchange(&self.service, code, verifier).await)
    }

    /// Whether a browser may be sent to the Hub. Mostly that costs the Hub nothing: it is asked only after a question to which it
    /// gave no answer.
    pub async fn hub_answers(&self) -> bool {
        match self.hearing.of(Instant::now()) {
            Hub::Answers => api::listens(&self.service).await,
            Hub::Silent => false,
            Hub::Unknown => self.heard(api::greet(&self.service).await).is_ok(),
        }
    }

    /// Notes whether the Hub gave an answer, be it an error.
    fn heard<T>(&self, answer: Result<T, ApiFailure>) -> Result<T, ApiFailure> {
        match &answer {
            Err(ApiFailure::Unreachable(_)) => self.hearing.in_vain(Instant::now()),
            Ok(_) | Err(ApiFailure::Failed(_) | ApiFailure::Unreadable(_)) => self.hearing.answered(),
        }
        answer
    }

    /// What a token is good for, and until when that is known. The Hub is asked when the answer is half as old as it may become,
    /// so that one that is away for a moment goes unnoticed; and once, however many wait for it.
    async fn account(&self, token: &Secret) -> Result<(Account, Instant), Denied> {
        let came = Instant::now();
        let slot = self.slot(token);
        let mut known = slot.lock().await;
        if let Some(known) = known.as_ref().filter(|known| self.is_fresh(known, came)) {
            return self.told(known);
        }
        let asked = Instant::now();
        let answer = {
            let _turn = self.questions.acquire().await;
            self.heard(api::owner(&self.service, token).await)
        };
        let tried = Instant::now();
        let now = match (answer, known.take()) {
            (Ok(owner), _) => Known { answer: self.judge(owner), asked, tried, failed: false },
            (Err(error), before) => {
                tracing::warn!(%error, "a token cannot be checked");
                match before {
                    Some(before) if before.is_good() && tried < before.asked + self.holds => {
                        Known { tried, failed: true, ..before }
                    }
                    _ => Known { answer: Err(Denied::Unavailable), asked, tried, failed: true },
                }
            }
        };
        self.told(known.insert(now))
    }

    /// Whether an answer need not be asked for again by somebody who came then.
    fn is_fresh(&self, known: &Known, came: Instant) -> bool {
        // What was asked while this one waited is the answer for this one, too.
        let shared = known.tried >= came;
        let age = known.asked.elapsed();
        shared
            || match &known.answer {
                _ if known.is_good() => {
                    let retry_after = RETRY_AFTER.min(self.holds / RETRIES);
                    let in_vain = known.failed && known.tried.elapsed() < retry_after && age < self.holds;
                    age < self.holds / 2 || in_vain
                }
                Err(Denied::Unavailable) => false,
                _ => age < REFUSED_FOR.min(self.holds),
            }
    }

    fn told(&self, known: &Known) -> Result<(Account, Instant), Denied> {
        known.answer.clone().map(|account| (account, known.asked + self.holds))
    }

    fn judge(&self, owner: Option<Owner>) -> Result<Account, Denied> {
        let owner = owner.ok_or(Denied::Unknown)?;
        let reads_metrics = owner.scopes.iter().any(|scope| scope == READ_METRICS);
        Ok(Account { user: self.user(owner), reads_metrics })
    }

    fn user(&self, owner: Owner) -> Result<Arc<User>, Denied> {
        let Owner { name, kind, groups, scopes } = owner;
        if kind == "service" {
            return Err(Denied::NoUser);
        }
        if !self.service.access_scopes.iter().any(|needed| scopes.contains(needed)) {
            return Err(Denied::Scope);
        }
        let notebook_server = notebook_server(&name, &scopes);
        Ok(Arc::new(User { name, groups, admin: scopes.contains(&self.admin_scope), notebook_server }))
    }

    fn slot(&self, token: &Secret) -> Slot {
        let digest: [u8; 32] = Sha256::digest(token.reveal()).into();
        if let Some(slot) = self.slots.get(&digest) {
            return Arc::clone(&slot);
        }
        if self.slots.len() >= MAX_TOKENS {
            self.forget();
        }
        Arc::clone(&self.slots.entry(digest).or_default())
    }

    /// Makes room: what holds no longer goes; if that is not enough, all that nobody waits for.
    fn forget(&self) {
        self.slots.retain(|_, slot| match slot.try_lock() {
            Ok(known) => {
                known.as_ref().is_some_and(|known| known.is_good() && known.asked.elapsed() < self.holds)
            }
            Err(_) => true,
        });
        if self.slots.len() >= MAX_TOKENS {
            self.slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
    }
}

/// The notebook server that a token with these scopes was made for: the one server of the user's to which it gives access.
fn notebook_server(user: &str, scopes: &[String]) -> Option<String> {
    let scope = format!("access:servers!server={user}/");
    let mut servers = scopes.iter().filter_map(|given| given.strip_prefix(&scope));
    servers.next().filter(|_| servers.next().is_none()).map(str::to_owned)
}

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
    pub async fn of(accounts: &Arc<Accounts>, token: Secret) -> Result<Self, Denied> {
        let (user, _) = accounts.check(&token).await?;
        Ok(Self { accounts: Arc::clone(accounts), token, user })
    }

    /// The user.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// How often it is worth asking for [`Lease::renewed`].
    pub fn looks_every(&self) -> Duration {
        self.accounts.holds / LOOKS
    }

    /// The same right with what the Hub says of the user now, if it says anything.
    pub async fn renewed(self) -> Self {
        match self.accounts.check(&self.token).await {
            Ok((user, _)) => Self { user, ..self },
            Err(_) => self,
        }
    }

    /// Calls `ended` once the token is no longer good, or was last known to be for longer than answers hold.
    pub fn watch(&self, ended: impl FnOnce() + 'static) -> Watch {
        let Self { accounts, token, user } = self.clone();
        let mut until = Instant::now() + accounts.holds;
        // A task of its own: the actor of a socket stands still while its peer takes nothing.
        Watch(rt::spawn(async move {
            loop {
                match timeout_at(until.into(), accounts.check(&token)).await {
                    Ok(Ok((now, good_until))) if now.is_still(&user) => until = good_until,
                    _ => break,
                }
                sleep_until((Instant::now() + accounts.holds / LOOKS).min(until).into()).await;
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_the_one_server_that_it_gives_access_to() {
        let of = |scopes: &[&str]| {
            let scopes: Vec<_> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            notebook_server("ann", &scopes)
        };
        assert_eq!(of(&["users:activity!user=ann", "access:servers!server=ann/"]).as_deref(), Some(""));
        assert_eq!(of(&["access:servers!server=ann/gpu"]).as_deref(), Some("gpu"));
        // A person's own token, somebody else's server, and a token for several.
        assert_eq!(of(&["access:servers!user=ann"]), None);
        assert_eq!(of(&["access:servers!server=anna/gpu"]), None);
        assert_eq!(of(&["access:servers!server=ann/", "access:servers!server=ann/gpu"]), None);
    }
}
