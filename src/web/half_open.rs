//! Connections that have not sent a whole request yet, of which there are only so many: beyond that the one that has waited
//! longest makes room. Who has something to ask says so at once, so that it is nobody who does.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv6Addr, Shutdown},
    sync::Arc,
};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use parking_lot::Mutex;
use socket2::{SockRef, Socket};
use tokio::net::TcpStream;

use crate::{
    metrics::{Reason, ServerMetrics},
    network::Network,
};

/// Most connections of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalfOpenLimits {
    /// In all.
    pub in_all: usize,
    /// Of one address that is no trusted proxy's.
    pub of_address: usize,
}

/// Those that wait, the oldest first, each with what is needed to end it.
struct Queue<T> {
    limits: HalfOpenLimits,
    /// By number, which grows.
    waiting: BTreeMap<u64, (Option<IpAddr>, T)>,
    by_address: HashMap<IpAddr, BTreeSet<u64>>,
    entered: u64,
}

impl<T> Queue<T> {
    fn new(limits: HalfOpenLimits) -> Self {
        Self { limits, waiting: BTreeMap::new(), by_address: HashMap::new(), entered: 0 }
    }

    /// Lets one in, from an address whose number counts, if it does. Answers its number, and who makes room for it.
    fn enter(&mut self, address: Option<IpAddr>, waiting: T) -> (u64, Option<T>) {
        let of_address = address.and_then(|address| self.by_address.get(&address));
        let most_of_address = of_address.filter(|numbers| numbers.len() >= self.limits.of_address);
        let oldest = match most_of_address {
            Some(numbers) => numbers.first().copied(),
            None if self.waiting.len() >= self.limits.in_all => self.waiting.keys().next().copied(),
            None => None,
        };
        let out = oldest.and_then(|oldest| self.leave(oldest));
        self.entered += 1;
        self.waiting.insert(self.entered, (address, waiting));
        if let Some(address) = address {
            self.by_address.entry(address).or_default().insert(self.entered);
        }
        (self.entered, out)
    }

    /// One waits no longer, if it still did.
    fn leave(&mut self, number: u64) -> Option<T> {
        let (address, waiting) = self.waiting.remove(&number)?;
        if let Some(address) = address
            && let Some(numbers) = self.by_address.get_mut(&address)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_address.remove(&address);
            }
        }
        Some(waiting)
    }
}

/// The connections of a server that wait.
pub struct HalfOpen {
    queue: Mutex<Queue<Socket>>,
    /// Proxies, through which many come.
    trusted: Vec<Network>,
    counts: Arc<ServerMetrics>,
}

/// A connection, for as long as this lives.
pub struct Waiting {
    number: u64,
    among: Arc<HalfOpen>,
}

impl HalfOpen {
    /// None yet.
    pub fn new(limits: HalfOpenLimits, trusted: Vec<Network>, counts: Arc<ServerMetrics>) -> Arc<Self> {
        Arc::new(Self { queue: Mutex::new(Queue::new(limits)), trusted, counts })
    }

    /// A connection was made. The one that makes room for it is ended here; its own end is then noticed where it is read.
    ///
    /// # Errors
    /// When the operating system has no room for it.
    pub fn enter(self: &Arc<Self>, stream: &TcpStream) -> std::io::Result<Waiting> {
        let peer = stream.peer_addr()?.ip().to_canonical();
        let counts = !self.trusted.iter().any(|network| network.contains(peer));
        let socket = SockRef::from(stream).try_clone()?;
        let (number, out) = self.queue.lock().enter(counts.then(|| subscriber(peer)), socket);
        if let Some(out) = out {
            self.counts.refused(Reason::Limit);
            tracing::debug!(%peer, "too many connections have sent no request: the oldest is ended");
            // It may have ended by itself.
            let _ = out.shutdown(Shutdown::Both);
        }
        Ok(Waiting { number, among: Arc::clone(self) })
    }
}

impl Waiting {
    /// A request came.
    fn over(&self) {
        self.among.queue.lock().leave(self.number);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.over();
    }
}

/// Notes that a connection has sent a request.
pub async fn heard(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(waiting) = request.conn_data::<Waiting>() {
        waiting.over();
    }
    next.call(request).await
}

/// What one subscriber has of addresses: of IPv6, a network of 64 bits.
fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue<&'static str> {
        Queue::new(HalfOpenLimits { in_all: 4, of_address: 2 })
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn the_oldest_of_an_address_makes_room_for_its_next() {
        let mut queue = queue();
        assert_eq!(queue.enter(Some(address(1)), "other").1, None);
        assert_eq!(queue.enter(Some(address(2)), "first").1, None);
        let (second, out) = queue.enter(Some(address(2)), "second");
        assert_eq!(out, None);
        assert_eq!(queue.enter(Some(address(2)), "third").1, Some("first"));
        // Who has sent a request makes room without being ended.
        assert_eq!(queue.leave(second), Some("second"));
        assert_eq!(queue.leave(second), None);
        assert_eq!(queue.enter(Some(address(2)), "fourth").1, None);
        assert_eq!(queue.enter(Some(address(2)), "fifth").1, Some("third"));
    }

    #[test]
    fn the_oldest_of_all_makes_room_when_there_are_too_many_addresses() {
        let mut queue = queue();
        for (last, name) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
            assert_eq!(queue.enter(Some(address(last)), name).1, None);
        }
        assert_eq!(queue.enter(Some(address(5)), "e").1, Some("a"));
        assert_eq!(queue.waiting.len(), 4);
    }

    #[test]
    fn proxies_count_in_all_alone_and_who_left_leaves_nothing_behind() {
        let mut queue = queue();
        let numbers = ["a", "b", "c", "d"].map(|name| queue.enter(None, name));
        assert!(numbers.iter().all(|(_, out)| out.is_none()));
        assert_eq!(queue.enter(Some(address(1)), "e").1, Some("a"));
        for number in 0..=queue.entered {
            queue.leave(number);
        }
        assert!(queue.waiting.is_empty() && queue.by_address.is_empty());
    }

    #[test]
    fn a_subscriber_has_one_ipv4_address_and_a_network_of_ipv6() {
        let of = |text: &str| subscriber(text.parse().unwrap());
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::4"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
    }
}
