//! How a server shows that it is the one which a runtime file tells of, before it is sent the key: after it ended, another program may
//! have its port.

use std::net::SocketAddr;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::Mac;

use crate::{random::random_id, signing::mac};

/// Characters that a challenge has: enough that none comes twice.
const NONCE: std::ops::RangeInclusive<usize> = 16..=128;

/// The secret of a server and its runtime file. It opens nothing.
pub struct Proof {
    secret: String,
    /// The address that the server listens on. It keeps another program from answering with what it asked this server.
    address: SocketAddr,
}

impl Proof {
    /// Of a server that listens on this address.
    pub fn new(address: SocketAddr) -> Self {
        Self { secret: random_id() + &random_id(), address }
    }

    /// The secret, for the runtime file.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The answer to a challenge: HMAC-SHA-256 of `NONCE`, a line break and the address; `None` if it is no challenge.
    pub fn answer(&self, nonce: &str) -> Option<String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if !NONCE.contains(&nonce.len()) || !nonce.chars().all(allowed) {
            return None;
        }
        let mac = mac(self.secret.as_bytes(), &format!("{nonce}\n{}", self.address));
        Some(BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "0123456789abcdef";

    fn proof(secret: &str, port: u16) -> Proof {
        Proof { secret: secret.to_owned(), address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    #[test]
    fn an_answer_is_of_one_server_one_address_and_one_challenge() {
        let answer = proof("secret", 1).answer(NONCE).unwrap();
        assert_eq!(answer, proof("secret", 1).answer(NONCE).unwrap());
        for other in [
            proof("secret", 2).answer(NONCE),
            proof("other", 1).answer(NONCE),
            proof("secret", 1).answer("0123456789abcdeg"),
        ] {
            assert_ne!(other.unwrap(), answer);
        }
        // As any program computes it.
        assert_eq!(answer, "u3wrMhoeuAI1tpx5IjOTshU_hXlzOoc_T6fVzA2xCyQ");
    }

    #[test]
    fn what_is_no_challenge_is_not_answered() {
        for nonce in ["", "short", "0123456789abcdef\n", "0123456789 abcdef", &"x".repeat(129)] {
            assert_eq!(proof("secret", 1).answer(nonce), None, "{nonce:?}");
        }
    }
}
