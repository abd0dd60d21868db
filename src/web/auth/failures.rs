//! Failed attempts to sign in: how many an address may make, and what the log says of them.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{network::subscriber, protocol::Bucket};

/// So many failures of an address are answered as what they are; that many wrong keys a person does not type.
const AT_ONCE: u32 = 20;
/// Beyond that, one more after this time.
const ONE_MORE_AFTER: Duration = Duration::from_secs(3);
/// An address from which somebody signed in is known for so long.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 3600);
/// Most addresses that are known, and most whose failures are counted. What is forgotten beyond that is counted from the start.
const MAX_ADDRESSES: usize = 10_000;
/// The log says of an address that it failed this often.
const SAID_EVERY: Duration = Duration::from_secs(10);
/// Most lines a second of all addresses together.
const MAX_LINES: u32 = 10;

/// Counts failures by address; of IPv6, by network of 64 bits.
///
/// An address that has failed too often may not try again for a moment, not even with what is right: it would learn that it is. That
/// does not hold for an address from which somebody signed in: others there, behind one proxy or on one machine, would else be
/// locked out by whoever shares it with them.
pub struct Failures {
    what: &'static str,
    inner: Mutex<Inner>,
}

struct Inner {
    trying: HashMap<IpAddr, Trying>,
    known: HashMap<IpAddr, Instant>,
    lines: Bucket,
}

/// An address that failed.
struct Trying {
    /// How many failures it has left.
    left: f64,
    /// When that was so.
    at: Instant,
    /// How many the log has not told.
    untold: u64,
    told: Option<Instant>,
}

impl Trying {
    fn left(&self, now: Instant) -> f64 {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() / ONE_MORE_AFTER.as_secs_f64();
        (self.left + gained).min(f64::from(AT_ONCE))
    }
}

impl Failures {
    /// None so far. The log says `what` failed.
    pub fn new(what: &'static str, now: Instant) -> Self {
        let inner =
            Inner { trying: HashMap::new(), known: HashMap::new(), lines: Bucket::new(MAX_LINES, now) };
        Self { what, inner: Mutex::new(inner) }
    }

    /// Lets an address try.
    ///
    /// # Errors
    /// After how long it may, if not now.
    pub fn may_try(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let address = subscriber(address);
        let inner = self.inner.lock();
        let known = inner.known.get(&address).is_some_and(|since| now < *since + KNOWN_FOR);
        match inner.trying.get(&address) {
            Some(trying) if !known => after(trying.left(now)).map_or(Ok(()), Err),
            _ => Ok(()),
        }
    }

    /// Somebody signed in from an address.
    pub fn succeeded(&self, address: IpAddr, now: Instant) {
        let known = &mut self.inner.lock().known;
        known.insert(subscriber(address), now);
        if known.len() > MAX_ADDRESSES {
            known.retain(|_, since| now < *since + KNOWN_FOR);
            forget_half(known, |since| *since);
        }
    }

    /// Somebody failed to sign in from an address. After how long one may try again, if that was too often.
    pub fn failed(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let inner = &mut *self.inner.lock();
        let fresh = || Trying { left: f64::from(AT_ONCE), at: now, untold: 0, told: None };
        let trying = inner.trying.entry(subscriber(address)).or_insert_with(fresh);
        let left = trying.left(now);
        let wait = after(left);
        (trying.left, trying.at) = (if wait.is_none() { left - 1.0 } else { left }, now);
        trying.untold += 1;
        let due = trying.told.is_none_or(|told| now >= told + SAID_EVERY);
        if due && inner.lines.take(now) {
            let failures = std::mem::take(&mut trying.untold);
            trying.told = Some(now);
            tracing::warn!(client = %address, failures, what = self.what, "failed to sign in");
        }
        if inner.trying.len() > MAX_ADDRESSES {
            inner.trying.retain(|_, trying| trying.left(now) < f64::from(AT_ONCE));
            forget_half(&mut inner.trying, |trying| trying.at);
        }
        wait
    }
}

/// After how long there is one more, if there is none left.
fn after(left: f64) -> Option<Duration> {
    (left < 1.0).then(|| ONE_MORE_AFTER.mul_f64(1.0 - left))
}

/// Forgets the older half of what is beyond the bound.
fn forget_half<V>(of: &mut HashMap<IpAddr, V>, since: impl Fn(&V) -> Instant) {
    if of.len() <= MAX_ADDRESSES {
        return;
    }
    let mut times: Vec<_> = of.values().map(&since).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    of.retain(|_, value| since(value) > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Failures of an address until it is told to wait.
    fn until_limited(failures: &Failures, from: IpAddr, now: Instant) -> u32 {
        (0..1000).find(|_| failures.failed(from, now).is_some()).unwrap()
    }

    #[test]
    fn an_address_that_fails_too_often_waits_and_others_do_not() {
        let now = Instant::now();
        let failures = Failures::new("key", now);
        let (guesser, other) = (address("203.0.113.9"), address("203.0.113.10"));
        assert_eq!(until_limited(&failures, guesser, now), AT_ONCE);
        assert_eq!(failures.may_try(guesser, now), Err(ONE_MORE_AFTER));
        assert_eq!(failures.may_try(other, now), Ok(()));
        assert_eq!(failures.failed(other, now), None);
        let later = now + ONE_MORE_AFTER;
        assert_eq!(failures.may_try(guesser, later), Ok(()));
        assert_eq!(failures.failed(guesser, later), None);
        assert_eq!(failures.may_try(guesser, later), Err(ONE_MORE_AFTER));
    }

    #[test]
    fn a_guesser_has_a_whole_network_of_ipv6_as_one_address() {
        let now = Instant::now();
        let failures = Failures::new("key", now);
        until_limited(&failures, address("2001:db8::1"), now);
        assert!(failures.may_try(address("2001:db8::ffff:2"), now).is_err());
        assert!(failures.may_try(address("2001:db8:0:1::1"), now).is_ok());
    }

    #[test]
    fn nobody_locks_those_out_who_signed_in_from_the_same_address() {
        let now = Instant::now();
        let failures = Failures::new("key", now);
        let shared = address("127.0.0.1");
        failures.succeeded(shared, now);
        until_limited(&failures, shared, now);
        assert_eq!(failures.may_try(shared, now), Ok(()));
        assert!(failures.failed(shared, now).is_some(), "a guesser there is told to wait");
        let next_day = now + KNOWN_FOR;
        until_limited(&failures, shared, next_day);
        assert!(failures.may_try(shared, next_day).is_err());
    }

    #[test]
    fn what_is_remembered_of_addresses_has_a_bound() {
        let now = Instant::now();
        let failures = Failures::new("key", now);
        let known = address("192.0.2.1");
        failures.succeeded(known, now);
        for number in 0..3 * u32::try_from(MAX_ADDRESSES).unwrap() {
            failures.failed(
                IpAddr::from((0x0a00_0000 + number).to_be_bytes()),
                now + Duration::from_micros(number.into()),
            );
        }
        let inner = failures.inner.lock();
        assert!(inner.trying.len() <= MAX_ADDRESSES, "{}", inner.trying.len());
        assert!(inner.known.contains_key(&known), "strangers made the server forget who signed in");
    }
}
