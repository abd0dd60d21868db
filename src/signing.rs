//! Keys that sign what the server hands out and is shown again later. They change with time, so that one that leaked is soon
//! worth nothing.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Two keys: the newer one signs, and what the one before signed is still good. They are this process's own, and what was signed
/// before a restart is worth nothing, unless they are kept.
pub struct SigningKeys {
    /// Seconds for which a key signs. Nothing that is signed may be good for longer.
    period: u64,
    keys: Mutex<Keys>,
}

type Key = [u8; 32];

/// The keys themselves.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    newer: Key,
    /// When the newer one began to sign, Unix time in seconds.
    began: u64,
    before: Option<Key>,
}

impl SigningKeys {
    /// A fresh key, at Unix time `now`, that signs for `period` seconds.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing could be kept secret then.
    pub fn new(period: u64, now: u64) -> Self {
        Self::of(period, Keys { newer: random(), began: now, before: None })
    }

    /// Keys that were kept.
    pub fn of(period: u64, keys: Keys) -> Self {
        Self { period, keys: Mutex::new(keys) }
    }

    /// The keys, to be kept.
    pub fn keys(&self) -> Keys {
        self.keys.lock().clone()
    }

    /// The signature of a text at Unix time `now`: 43 characters out of `A-Z a-z 0-9 - _`.
    pub fn sign(&self, text: &str, now: u64) -> String {
        let key = self.turned(now).0;
        BASE64_URL_SAFE_NO_PAD.encode(mac(&key, text).finalize().into_bytes())
    }

    /// Whether a signature is that of a text, by a key that may have signed what is still good at Unix time `now`.
    pub fn check(&self, text: &str, signature: &str, now: u64) -> bool {
        let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(signature) else { return false };
        let (newer, before) = self.turned(now);
        [Some(newer), before]
            .into_iter()
            .flatten()
            .any(|key| mac(&key, text).verify_slice(&signature).is_ok())
    }

    /// The keys, after they were changed if it is time for that.
    fn turned(&self, now: u64) -> (Key, Option<Key>) {
        let mut keys = self.keys.lock();
        let age = now.saturating_sub(keys.began);
        if age >= self.period {
            // What a key signed that was not used for another period has expired.
            let before = (age < 2 * self.period).then_some(keys.newer);
            *keys = Keys { newer: random(), began: now, before };
            tracing::debug!("the signing key was changed");
        }
        (keys.newer, keys.before)
    }
}

fn mac(key: &Key, text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("keys of any length are fine");
    mac.update(text.as_bytes());
    mac
}

fn random() -> Key {
    let mut key = [0; 32];
    getrandom::fill(&mut key).expect("the operating system gives random bytes");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    #[test]
    fn a_signature_is_of_its_text_and_of_no_other_servers() {
        let keys = SigningKeys::new(100, NOW);
        let signature = keys.sign("text", NOW);
        assert!(keys.check("text", &signature, NOW));
        assert!(!keys.check("texts", &signature, NOW));
        assert!(!SigningKeys::new(100, NOW).check("text", &signature, NOW));
        for forged in ["", "x", "=", &signature[1..], &format!("{signature}A")] {
            assert!(!keys.check("text", forged, NOW), "{forged}");
        }
    }

    #[test]
    fn the_key_changes_and_the_one_before_is_good_for_one_more_period() {
        let keys = SigningKeys::new(100, NOW);
        let first = keys.sign("text", NOW + 99);
        let second = keys.sign("text", NOW + 100);
        assert_ne!(first, second, "the key did not change");
        for now in [NOW + 100, NOW + 199] {
            assert!(keys.check("text", &first, now) && keys.check("text", &second, now));
        }
        assert!(!keys.check("text", &first, NOW + 200), "a key of before the one before");
        assert!(keys.check("text", &second, NOW + 299));
    }

    #[test]
    fn a_key_that_nobody_used_for_long_is_gone_at_once() {
        let keys = SigningKeys::new(100, NOW);
        let signature = keys.sign("text", NOW);
        assert!(!keys.check("text", &signature, NOW + 200));
    }

    #[test]
    fn keys_that_are_kept_sign_as_before_and_change_when_they_would_have() {
        let keys = SigningKeys::new(100, NOW);
        let signature = keys.sign("text", NOW);
        let text = serde_json::to_string(&keys.keys()).unwrap();
        let kept = || SigningKeys::of(100, serde_json::from_str(&text).unwrap());
        assert!(kept().check("text", &signature, NOW + 199));
        assert!(!kept().check("text", &signature, NOW + 200));
        assert_eq!(kept().sign("text", NOW + 99), signature);
        assert_ne!(kept().sign("text", NOW + 100), signature);
    }

    #[test]
    fn a_clock_that_is_set_back_changes_nothing() {
        let keys = SigningKeys::new(100, NOW);
        let signature = keys.sign("text", NOW);
        assert!(keys.check("text", &signature, NOW - 1000));
    }
}
