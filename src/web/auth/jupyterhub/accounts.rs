//! Whose a token is: what the Hub answered, for as long as that holds.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use dashmap::DashMap;
use tokio::sync::Semaphore;

use super::{
    api::{Api, ApiFailure, Granted, Owner},
    health::Health,
    lane::{Bounds, Crowded, Lane},
    say::{Belongs, Say, SayScopes},
    tokens::{Known, Tokens, digest},
};
use crate::{
    jupyterhub::{Secret, Service},
    seldom::Seldom,
};

/// Longest token, and longest code of a browser that comes back from the Hub, in bytes: several times what a Hub makes. With much
/// longer ones, the Hub would take a question for an attack and end the connection without an answer.
pub const LONGEST_TOKEN: usize = 1024;
/// Most questions at a time about tokens that the Hub knew when it was asked last, and about those of sessions, which it gave out.
const MAX_RENEWALS: usize = 12;
/// Questions about other tokens. Programs try again after a refusal for the bound of one address.
const STRANGERS: Bounds =
    Bounds { at_a_time: 4, in_all: 64, of_address: 16, patience: Duration::from_secs(5) };
/// Browsers that come back from the Hub, among them a class that signs in at once from behind one address.
const EXCHANGES: Bounds =
    Bounds { at_a_time: 4, in_all: 256, of_address: 64, patience: Duration::from_secs(10) };
/// Most users whose groups are remembered.
const MAX_USERS: usize = 10_000;
/// The Hub's scope of those who may read its own metrics.
const READ_METRICS: &str = "read:metrics";
/// How long a refusal holds: a token is seldom given a scope later.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// How long a Hub that did not answer is not asked again about a user who is known.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How often it is asked at least within the time for which answers hold.
const RETRIES: u32 = 16;

/// A user of the Hub.
#[derive(Debug)]
pub struct User {
    /// The name, unique at the Hub.
    pub name: String,
    /// The groups at the Hub.
    pub groups: Vec<String>,
    /// What is theirs beyond the own widgets.
    pub say: Say,
    /// The name of the notebook server whose token this is, empty for the default one; `None` if it is none's.
    pub notebook_server: Option<String>,
}

impl User {
    /// Whether this is the same user. Groups, and what the user has a say in, come and go: views that rest on these are looked
    /// after apart.
    pub fn is_still(&self, before: &Self) -> bool {
        self.name == before.name
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
    /// Too many ask about tokens that nobody knows.
    #[error("too many tokens wait that the JupyterHub has to be asked about: try again in a few seconds")]
    Crowded,
}

impl From<Crowded> for Denied {
    fn from(_: Crowded) -> Self {
        Self::Crowded
    }
}

/// Who shows a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// Whoever was let in before, or has the token from the Hub by way of this server.
    Known,
    /// Anybody, at that address.
    Stranger(IpAddr),
}

/// What a token that the Hub knows is good for.
#[derive(Debug, Clone)]
pub struct Account {
    /// Whom it lets in.
    user: Result<Arc<User>, Denied>,
    /// Whether it opens the metrics, whoever has it.
    reads_metrics: bool,
}

impl Account {
    /// Whether it is good for anything.
    pub fn is_good(&self) -> bool {
        self.user.is_ok() || self.reads_metrics
    }
}

/// What was asked and learned of the Hub's tokens.
pub struct Accounts {
    api: Arc<Api>,
    say_scopes: SayScopes,
    /// The groups of each user, as the Hub told them last with a token of the user's.
    groups: DashMap<String, Vec<String>>,
    /// How long an answer holds.
    holds: Duration,
    tokens: Tokens,
    renewals: Semaphore,
    strangers: Lane,
    exchanges: Lane,
    health: Health,
    /// When the log was told that a token cannot be checked.
    unchecked: Seldom,
}

impl Accounts {
    /// No tokens.
    pub fn new(api: Arc<Api>, say_scopes: SayScopes, holds: Duration) -> Self {
        Self {
            health: Health::new(Arc::clone(&api)),
            api,
            say_scopes,
            groups: DashMap::new(),
            holds,
            tokens: Tokens::new(holds),
            renewals: Semaphore::new(MAX_RENEWALS),
            strangers: Lane::new(STRANGERS),
            exchanges: Lane::new(EXCHANGES),
            unchecked: Seldom::once_a_minute(),
        }
    }

    /// The Hub's description of this service.
    pub fn service(&self) -> &Service {
        self.api.service()
    }

    /// How long an answer holds.
    pub fn holds(&self) -> Duration {
        self.holds
    }

    /// Whose a token is, and until when that is known.
    ///
    /// # Errors
    /// When the token lets nobody in.
    pub async fn check(&self, token: &Secret, asker: Asker) -> Result<(Arc<User>, Instant), Denied> {
        let (account, until) = self.account(token, asker).await?;
        Ok((account.user?, until))
    }

    /// Whether a token opens the metrics.
    pub async fn reads_metrics(&self, token: &Secret, asker: Asker) -> bool {
        self.account(token, asker).await.is_ok_and(|(account, _)| account.reads_metrics)
    }

    /// The token for a code that a browser brought from that address, as [`Api::exchange`] says.
    ///
    /// # Errors
    /// As that; [`Crowded`] when there are too many.
    pub async fn exchange(
        &self,
        code: &str,
        verifier: &str,
        from: IpAddr,
    ) -> Result<Result<Option<Granted>, ApiFailure>, Crowded> {
        let _turn = self.exchanges.turn(from).await?;
        Ok(self.heard(self.api.exchange(code, verifier).await))
    }

    /// Whether a browser may be sent to the Hub.
    pub async fn hub_answers(&self) -> bool {
        self.health.is_good().await
    }

    /// Whether a widget is a user's to see and use that is not the user's own. Who is in a group, the Hub tells with a token of
    /// theirs: of owners of whom it told nothing yet, no groups are known.
    pub fn acts_on(&self, user: &User, whose: Belongs) -> bool {
        user.say.acts_on(whose, |group| {
            let groups = whose.owner.and_then(|owner| self.groups.get(owner));
            groups.is_some_and(|groups| groups.iter().any(|known| known == group))
        })
    }

    /// Notes whether the Hub was silent.
    fn heard<T>(&self, answer: Result<T, ApiFailure>) -> Result<T, ApiFailure> {
        if let Err(ApiFailure::Silent(_) | ApiFailure::Stranger(_)) = &answer {
            self.health.doubt();
        }
        answer
    }

    /// What a token is good for, and until when that is known. The Hub is asked when the answer is half as old as it may become,
    /// so that one that is away for a moment goes unnoticed; and once, however many wait for it.
    async fn account(&self, token: &Secret, who: Asker) -> Result<(Account, Instant), Denied> {
        if !(1..=LONGEST_TOKEN).contains(&token.reveal().len()) {
            return Err(Denied::Unknown);
        }
        let came = Instant::now();
        let digest = digest(token);
        let (slot, known_before) = self.tokens.slot(&digest);
        let mut known = slot.lock().await;
        if let Some(known) = known.as_ref().filter(|known| self.is_fresh(known, came)) {
            return self.told(known);
        }
        let (asked, answer) = match who {
            Asker::Stranger(address) if !known_before => {
                let _turn = self.strangers.turn(address).await?;
                (Instant::now(), self.api.owner(token).await)
            }
            Asker::Stranger(_) | Asker::Known => {
                let _turn = self.renewals.acquire().await;
                (Instant::now(), self.api.owner(token).await)
            }
        };
        let answer = self.heard(answer);
        let tried = Instant::now();
        let now = match (answer, known.take()) {
            (Ok(owner), _) => Known { answer: self.judge(owner), asked, tried, failed: false },
            (Err(error), before) => {
                if let Some(left_out) = self.unchecked.due(tried) {
                    tracing::warn!(%error, left_out, "a token cannot be checked");
                }
                match before {
                    Some(before) if before.is_good() && tried < before.asked + self.holds => {
                        Known { tried, failed: true, ..before }
                    }
                    _ => Known { answer: Err(Denied::Unavailable), asked, tried, failed: true },
                }
            }
        };
        let now = known.insert(now);
        if !known_before && now.is_good() {
            self.tokens.is_known(&digest, &slot);
        }
        self.told(now)
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
        if !self.service().access_scopes.iter().any(|needed| scopes.contains(needed)) {
            return Err(Denied::Scope);
        }
        if self.groups.len() >= MAX_USERS {
            // They come back with the next answers.
            self.groups.clear();
        }
        self.groups.insert(name.clone(), groups.clone());
        let notebook_server = notebook_server(&name, &scopes);
        let say = Say::of(&scopes, &self.say_scopes);
        Ok(Arc::new(User { name, groups, say, notebook_server }))
    }
}

/// The notebook server that a token with these scopes was made for: the one server of the user's to which it gives access.
fn notebook_server(user: &str, scopes: &[String]) -> Option<String> {
    let scope = format!("access:servers!server={user}/");
    let mut servers = scopes.iter().filter_map(|given| given.strip_prefix(&scope));
    servers.next().filter(|_| servers.next().is_none()).map(str::to_owned)
}

#[cfg(test)]
impl Account {
    /// A token that is good for the metrics alone.
    pub fn of_nobody() -> Self {
        Self { user: Err(Denied::NoUser), reads_metrics: true }
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
