//! Keys that sign what the server hands out and is shown again later. They change with time, so that one that leaked is soon
//! worth nothing.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::random::random_bytes;

/// Seconds for which a key signs, at least, and for which what it signed may be good.
pub type Period = u64;

type Key = [u8; 32];

/// Two keys: the newer one signs, and what the one before signed is still good.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    newer: Key,
    /// When the newer one began to sign, Unix time in seconds.
    began: u64,
    before: Option<Key>,
}

impl Keys {
    /// A fresh key, at Unix time `now`.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing could be kept secret then.
    pub fn fresh(now: u64) -> Self {
        Self { newer: random_bytes(), began: now, before: None }
    }

    /// The signature of a text: 43 characters out of `A-Z a-z 0-9 - _`.
    pub fn sign(&self, text: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(mac(&self.newer, text).finalize().into_bytes())
    }

    /// Whether a signature is that of a text, by one of the keys.
    pub fn check(&self, text: &str, signature: &str) -> bool {
        let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(signature) else { return false };
        [Some(&self.newer), self.before.as_ref()]
            .into_iter()
            .flatten()
            .any(|key| mac(key, text).verify_slice(&signature).is_ok())
    }

    /// What they become at Unix time `now`; `None` while they stay as they are.
    ///
    /// A clock that jumps by more than a period, forward or back, takes no key away: a wrong time would end what is good still,
    /// and one in the far future would keep the key for ever. The newer key begins its period anew then.
    pub fn changed(&self, period: Period, now: u64) -> Option<Self> {
        let began = |began| Self { began, ..self.clone() };
        match now.checked_sub(self.began) {
            Some(age) if age < period => None,
            Some(age) if age < 2 * period => {
                Some(Self { newer: random_bytes(), began: now, before: Some(self.newer) })
            }
            None if self.began - now <= period => None,
            Some(_) | None => Some(began(now)),
        }
    }
}

/// Keys of this process alone, which change when they are used: what was signed before a restart is worth nothing.
pub struct SigningKeys {
    period: Period,
    keys: Mutex<Keys>,
}

impl SigningKeys {
    /// A fresh key, at Unix time `now`, that signs for `period` seconds.
    pub fn new(period: Period, now: u64) -> Self {
        Self { period, keys: Mutex::new(Keys::fresh(now)) }
    }

    /// The signature of a text at Unix time `now`: 43 characters out of `A-Z a-z 0-9 - _`.
    pub fn sign(&self, text: &str, now: u64) -> String {
        self.turned(now).sign(text)
    }

    /// Whether a signature is that of a text, by a key that may have signed what is still good at Unix time `now`.
    pub fn check(&self, text: &str, signature: &str, now: u64) -> bool {
        self.turned(now).check(text, signature)
    }

    /// The keys, after they were changed if it is time for that.
    fn turned(&self, now: u64) -> Keys {
        let mut keys = self.keys.lock();
        if let Some(changed) = keys.changed(self.period, now) {
            *keys = changed;
            tracing::debug!("the signing key was changed");
        }
        keys.clone()
    }
}

/// The beginning of an HMAC-SHA-256 by a key of any length, of a text and of what is added to it.
pub fn mac(key: &[u8], text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("keys of any length are fine");
    mac.update(text.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;
    const PERIOD: Period = 100;

    #[test]
    fn a_signature_is_of_its_text_and_of_no_other_servers() {
        let keys = SigningKeys::new(PERIOD, NOW);
        let signature = keys.sign("text", NOW);
        assert!(keys.check("text", &signature, NOW));
        assert!(!keys.check("texts", &signature, NOW));
        assert!(!SigningKeys::new(PERIOD, NOW).check("text", &signature, NOW));
        for forged in ["", "x", "=", &signature[1..], &format!("{signature}A")] {
            assert!(!keys.check("text", forged, NOW), "{forged}");
        }
    }

    #[test]
    fn the_key_changes_and_the_one_before_is_good_for_one_more_period() {
        let keys = SigningKeys::new(PERIOD, NOW);
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
    fn keys_that_are_kept_sign_as_before_and_change_when_they_would_have() {
        let keys = Keys::fresh(NOW);
        let kept: Keys = serde_json::from_str(&serde_json::to_string(&keys).unwrap()).unwrap();
        assert_eq!(kept.sign("text"), keys.sign("text"));
        assert!(kept.changed(PERIOD, NOW + 99).is_none());
        let changed = kept.changed(PERIOD, NOW + 100).unwrap();
        assert!(changed.sign("text") != keys.sign("text") && changed.check("text", &keys.sign("text")));
    }

    #[test]
    fn a_clock_that_jumps_takes_no_key_away() {
        const YEARS: u64 = 300_000_000;
        let keys = SigningKeys::new(PERIOD, NOW);
        let (first, second) = (keys.sign("text", NOW), keys.sign("text", NOW + 150));
        // Ahead, back, to 1970, and ahead once more, each looked at twice.
        for now in [NOW + YEARS, NOW + 151, 0, NOW + 152, NOW + 2 * YEARS, NOW + 153] {
            for now in [now, now + 1] {
                assert!(keys.check("text", &first, now), "{now}");
                assert_eq!(keys.sign("text", now), second, "the key changed at {now}");
            }
        }
    }

    #[test]
    fn a_clock_that_was_years_ahead_keeps_no_key_for_years() {
        let ahead = SigningKeys::new(PERIOD, NOW + 300_000_000);
        let first = ahead.sign("text", NOW);
        assert_eq!(ahead.sign("text", NOW + 99), first);
        assert_ne!(ahead.sign("text", NOW + 100), first, "its age is counted from the wrong time");
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_changes_nothing() {
        let keys = Keys::fresh(NOW);
        assert!(keys.changed(PERIOD, NOW - PERIOD).is_none());
    }
}
