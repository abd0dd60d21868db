//! Sessions of browsers whose users know the key: random, signed, and over some day. The cookie holds nothing of the key.
//!
//! Nothing is kept of a session but that it was ended, so that open pages find their way back after a restart. What signs them
//! is random and kept beside the key, for this user only; together with the key, so that another key ends all of them.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::rt;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tokio::{sync::watch, task::JoinHandle, time::sleep};

use super::key::AccessKey;
use crate::{
    clock::unix_seconds,
    private_file,
    random::{random_bytes, random_id},
    signing::mac,
};

/// Seconds after which a session is over that nobody used: a page that is left open over a weekend is none.
const UNUSED: u64 = 7 * 24 * 3600;
/// Seconds after which a session is over in any case.
const LONGEST: u64 = 30 * 24 * 3600;
/// Seconds of use after which a browser is given the session anew.
const RENEWED_AFTER: u64 = 3600;
/// Letters of a server's tag.
const TAG: usize = 6;
/// Most sessions that are remembered as ended; those that would be over soonest are forgotten beyond that.
const MAX_ENDED: usize = 1000;
/// A view looks this often whether its session is over: the clock may be set, and a suspended host's stands still.
const LOOKS_EVERY: Duration = Duration::from_secs(60);
/// Most bytes of the file that are read.
const MAX_FILE: u64 = 256 * 1024;

/// A session that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    id: String,
    /// Unix time.
    began: u64,
    /// Until when it is good unless it is used, Unix time.
    until: u64,
}

impl Session {
    /// A fresh session, from Unix time `now`.
    pub fn begin(now: u64) -> Self {
        Self { id: random_id(), began: now, until: now + UNUSED }
    }

    /// The session as it goes on from Unix time `now`, if it is time to tell the browser.
    pub fn renewed(&self, now: u64) -> Option<Self> {
        let until = (now + UNUSED).min(self.began + LONGEST);
        (until >= self.until + RENEWED_AFTER).then(|| Self { until, ..self.clone() })
    }
}

/// What is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    secret: [u8; 32],
    /// By id, with when they would have been over.
    ended: HashMap<String, u64>,
}

/// Signs, checks and ends sessions.
pub struct Sessions {
    secret: [u8; 32],
    /// What follows from the secret and the access key.
    signing: Hmac<Sha256>,
    ended: Arc<Mutex<HashMap<String, u64>>>,
    /// Where the secret is kept, if it is.
    path: Option<PathBuf>,
    /// Whether it was written there.
    kept: AtomicBool,
    /// Told whenever a session was ended.
    changes: watch::Sender<()>,
}

impl Sessions {
    /// Sessions that end with this process.
    pub fn new(key: &AccessKey) -> Self {
        Self::of(Kept { secret: random_bytes(), ended: HashMap::new() }, key, None)
    }

    /// Sessions that outlive this process: what signs them is kept beside the key's file.
    ///
    /// Nothing is written before somebody signs in.
    ///
    /// # Errors
    /// When there is something that cannot be read.
    pub fn kept_beside(key_file: &Path, key: &AccessKey) -> io::Result<Self> {
        let mut name = key_file.file_name().unwrap_or_default().to_owned();
        name.push("-sessions");
        let path = key_file.with_file_name(name);
        match read(&path)? {
            Some(kept) => Ok(Self { kept: AtomicBool::new(true), ..Self::of(kept, key, Some(path)) }),
            None => Ok(Self { path: Some(path), ..Self::new(key) }),
        }
    }

    /// Whether what signs sessions has still to be kept.
    pub fn is_to_be_kept(&self) -> bool {
        self.path.is_some() && !self.kept.load(Ordering::Relaxed)
    }

    fn of(kept: Kept, key: &AccessKey, path: Option<PathBuf>) -> Self {
        let mut signing = mac(&kept.secret, "framehub sessions\n");
        signing.update(key.reveal().as_bytes());
        let signing = mac(&signing.finalize().into_bytes(), "");
        let (changes, _) = watch::channel(());
        Self {
            secret: kept.secret,
            kept: AtomicBool::new(false),
            signing,
            ended: Arc::new(Mutex::new(kept.ended)),
            path,
            changes,
        }
    }

    /// A few letters that tell these sessions from those of other servers.
    pub fn tag(&self) -> String {
        let mut tag = BASE64_URL_SAFE_NO_PAD.encode(self.signed("tag", "").finalize().into_bytes());
        tag.truncate(TAG);
        tag
    }

    /// What a cookie of that name holds of a session.
    pub fn sealed(&self, session: &Session, cookie: &str) -> String {
        let Session { id, began, until } = session;
        let claim = format!("{id}.{began}.{until}");
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.signed(cookie, &claim).finalize().into_bytes());
        format!("{claim}.{signature}")
    }

    /// The session in the value of a cookie of that name; `None` if it is forged, over at Unix time `now`, or was ended.
    pub fn open(&self, value: &str, cookie: &str, now: u64) -> Option<Session> {
        let (claim, signature) = value.rsplit_once('.')?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.signed(cookie, claim).verify_slice(&signature).ok()?;
        // From here on the claim is this server's own.
        let mut parts = claim.split('.');
        let (id, began, until) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let session = Session { id: id.to_owned(), began, until };
        (now < until && !self.has_ended(&session)).then_some(session)
    }

    /// Ends a session at once. What was ended is to be kept then.
    pub fn end(&self, session: &Session) {
        let mut ended = self.ended.lock();
        ended.insert(session.id.clone(), session.began + LONGEST);
        prune(&mut ended, unix_seconds());
        drop(ended);
        self.changes.send_replace(());
    }

    /// Keeps what signs sessions and which were ended, if anything is kept. It may block.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut ended = self.ended.lock();
        // Another server of this user may have the same file.
        let before = read(path)?;
        let is_there = before.is_some();
        if let Some(kept) = before {
            if kept.secret != self.secret {
                return Err(private_file::unfit("another server has put its own sessions there"));
            }
            ended.extend(kept.ended);
            prune(&mut ended, unix_seconds());
        }
        let content = serde_json::to_vec(&Kept { secret: self.secret, ended: ended.clone() })?;
        if is_there {
            private_file::replace(path, &content)?;
        } else if !private_file::create(path, &content)? {
            return Err(private_file::unfit("another server has just put its own sessions there"));
        }
        self.kept.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn has_ended(&self, session: &Session) -> bool {
        self.ended.lock().contains_key(&session.id)
    }

    fn signed(&self, cookie: &str, claim: &str) -> Hmac<Sha256> {
        let mut mac = self.signing.clone();
        mac.update(format!("{cookie}\n{claim}").as_bytes());
        mac
    }
}

/// What is in the file; `None` if there is none.
fn read(path: &Path) -> io::Result<Option<Kept>> {
    private_file::check_folder(path)?;
    let Some(text) = private_file::read(path, MAX_FILE, private_file::GROUP_AND_OTHERS)? else {
        return Ok(None);
    };
    let read = serde_json::from_slice(&text);
    read.map(Some)
        .map_err(|_| private_file::unfit("it holds no sessions: remove it, and browsers sign in anew"))
}

fn prune(ended: &mut HashMap<String, u64>, now: u64) {
    ended.retain(|_, until| now < *until);
    while ended.len() > MAX_ENDED {
        let soonest = ended.iter().min_by_key(|(_, until)| **until).map(|(id, _)| id.clone());
        soonest.map(|id| ended.remove(&id));
    }
}

/// Looks after a view for as long as this lives: it ends with the session of who opened it.
pub struct Watch(JoinHandle<()>);

impl Watch {
    /// Calls `end` once the session was ended, or is over for good. That nobody used it does not count while the view is open.
    pub fn new(sessions: &Sessions, session: Session, end: impl FnOnce() + 'static) -> Self {
        let (ended, mut changes) = (Arc::clone(&sessions.ended), sessions.changes.subscribe());
        // A task of its own: the actor of a socket stands still while its peer takes nothing.
        Self(rt::spawn(async move {
            while unix_seconds() < session.began + LONGEST && !ended.lock().contains_key(&session.id) {
                tokio::select! {
                    _ = changes.changed() => {}
                    () = sleep(LOOKS_EVERY) => {}
                }
            }
            end();
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
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    const NOW: u64 = 1_700_000_000;
    const COOKIE: &str = "framehub-8420";

    fn key() -> AccessKey {
        AccessKey::new("key-of-the-tests".to_owned())
    }

    fn begun(sessions: &Sessions) -> String {
        sessions.sealed(&Session::begin(NOW), COOKIE)
    }

    #[test]
    fn a_session_opens_until_nobody_used_it_for_long() {
        let sessions = Sessions::new(&key());
        let value = begun(&sessions);
        assert!(sessions.open(&value, COOKIE, NOW).is_some());
        assert!(sessions.open(&value, COOKIE, NOW + UNUSED - 1).is_some());
        assert_eq!(sessions.open(&value, COOKIE, NOW + UNUSED), None);
        assert_ne!(value, begun(&sessions), "two browsers have one session");
    }

    #[test]
    fn a_session_that_is_used_goes_on_for_as_long_as_any_may() {
        let sessions = Sessions::new(&key());
        let first = Session::begin(NOW);
        assert_eq!(first.renewed(NOW + RENEWED_AFTER - 1), None);
        let mut session = first.clone();
        let mut now = NOW;
        while let Some(next) = session.renewed(now + UNUSED / 2) {
            (session, now) = (next, now + UNUSED / 2);
            assert_eq!((&session.id, session.began), (&first.id, NOW));
        }
        assert_eq!(session.until, NOW + LONGEST);
        let value = sessions.sealed(&session, COOKIE);
        assert!(sessions.open(&value, COOKIE, NOW + LONGEST - 1).is_some());
        assert_eq!(sessions.open(&value, COOKIE, NOW + LONGEST), None);
    }

    #[test]
    fn no_part_of_a_session_can_be_changed_or_used_elsewhere() {
        let sessions = Sessions::new(&key());
        let value = begun(&sessions);
        let (claim, signature) = value.rsplit_once('.').unwrap();
        for forged in [
            format!("{claim}."),
            format!(
                "{}.{signature}",
                claim.replace(&(NOW + UNUSED).to_string(), &(NOW + LONGEST).to_string())
            ),
            format!("x{claim}.{signature}"),
            format!("{value}x"),
            signature.to_owned(),
            key().reveal().to_owned(),
            String::new(),
            "...".to_owned(),
        ] {
            assert_eq!(sessions.open(&forged, COOKIE, NOW), None, "{forged}");
        }
        assert_eq!(sessions.open(&value, "framehub-8421", NOW), None, "a server on another port");
        assert_eq!(Sessions::new(&key()).open(&value, COOKIE, NOW), None, "another server with the same key");
    }

    #[test]
    fn a_session_that_was_ended_opens_nothing_also_when_it_is_renewed() {
        let sessions = Sessions::new(&key());
        let now = unix_seconds();
        let session = Session::begin(now);
        let renewed = session.renewed(now + RENEWED_AFTER).unwrap();
        sessions.end(&session);
        for session in [session, renewed] {
            assert_eq!(sessions.open(&sessions.sealed(&session, COOKIE), COOKIE, now), None);
        }
    }

    #[test]
    fn sessions_outlive_a_restart_and_so_does_their_end_but_not_another_key() {
        let folder = std::env::temp_dir().join(format!("framehub-test-{}", random_id()));
        let file = folder.join("key");
        let kept = || Sessions::kept_beside(&file, &key()).unwrap();
        let (sessions, now) = (kept(), unix_seconds());
        assert!(sessions.is_to_be_kept() && !folder.exists(), "nobody signed in");
        sessions.keep().unwrap();
        assert!(!sessions.is_to_be_kept() && !kept().is_to_be_kept());
        let (stays, leaves) = (Session::begin(now), Session::begin(now));
        let (other, last) = (kept(), Session::begin(now));
        sessions.end(&leaves);
        sessions.keep().unwrap();
        other.end(&last);
        other.keep().unwrap();
        let opens = |sessions: &Sessions, session: &Session| {
            sessions.open(&sessions.sealed(session, COOKIE), COOKIE, now).is_some()
        };
        assert!(opens(&kept(), &stays));
        assert!(!opens(&kept(), &leaves) && !opens(&kept(), &last));
        let path = folder.join("key-sessions");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let value = kept().sealed(&stays, COOKIE);
        let another = Sessions::kept_beside(&file, &AccessKey::random()).unwrap();
        assert_eq!(another.open(&value, COOKIE, now), None);
        assert!(kept().open(&value, COOKIE, now).is_some(), "another key took the secret away");
        fs::write(&path, "no sessions").unwrap();
        assert!(Sessions::kept_beside(&file, &key()).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"no sessions", "what could not be read was overwritten");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_remembered_of_ended_sessions_has_a_bound() {
        let sessions = Sessions::new(&key());
        for number in 0..2 * MAX_ENDED as u64 {
            let session = Session::begin(unix_seconds() + number);
            sessions.end(&session);
        }
        assert_eq!(sessions.ended.lock().len(), MAX_ENDED);
    }
}
