//! Connections that owe a request: new ones that have not sent one whole yet, and those that were answered and are kept. There are
//! only so many: beyond that the one that has waited longest makes room, as it does when it waits too long. Who has something to ask
//! says so at once, so that it is nobody who does.
//!
//! The HTTP library itself answers 408 to a first request that is not whole after 5 s, and ends a kept connection on which nothing comes for
//! 5 s. Of one that was answered once and then sent half a request it says nothing.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Shutdown},
    rc::Rc,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use actix_web::{
    Error,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
};
use parking_lot::Mutex;
use socket2::{SockRef, Socket};
use tokio::net::TcpStream;

use super::answer::Answer;
use crate::{
    budget::Spent,
    metrics::{Reason, ServerMetrics},
    network::{Network, subscriber},
    quota::{Held, Places},
};

/// Most connections of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalfOpenLimits {
    /// In all.
    pub in_all: usize,
    /// Of one address that is no trusted proxy's.
    pub of_address: usize,
    /// For how long one waits.
    pub patience: Duration,
    /// For how long an answer may be on its way.
    pub answer: Duration,
}

/// Those that wait, the oldest first, each with what is needed to end it.
struct Queue<T> {
    limits: HalfOpenLimits,
    /// By number, which grows.
    waiting: BTreeMap<u64, Waiting<T>>,
    by_address: HashMap<IpAddr, BTreeSet<u64>>,
    entered: u64,
}

struct Waiting<T> {
    address: Option<IpAddr>,
    since: Instant,
    end: T,
}

impl<T> Queue<T> {
    fn new(limits: HalfOpenLimits) -> Self {
        Self { limits, waiting: BTreeMap::new(), by_address: HashMap::new(), entered: 0 }
    }

    /// Lets one in, from an address whose number counts, if it does. Answers its number, and who makes room for it.
    fn enter(&mut self, address: Option<IpAddr>, end: T, since: Instant) -> (u64, Option<T>) {
        let of_address = address.and_then(|address| self.by_address.get(&address));
        let most_of_address = of_address.filter(|numbers| numbers.len() >= self.limits.of_address);
        let oldest = match most_of_address {
            Some(numbers) => numbers.first().copied(),
            None if self.waiting.len() >= self.limits.in_all => self.waiting.keys().next().copied(),
            None => None,
        };
        let out = oldest.and_then(|oldest| self.leave(oldest));
        self.entered += 1;
        self.waiting.insert(self.entered, Waiting { address, since, end });
        if let Some(address) = address {
            self.by_address.entry(address).or_default().insert(self.entered);
        }
        (self.entered, out)
    }

    /// One waits no longer, if it still did.
    fn leave(&mut self, number: u64) -> Option<T> {
        let Waiting { address, end, .. } = self.waiting.remove(&number)?;
        if let Some(address) = address
            && let Some(numbers) = self.by_address.get_mut(&address)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_address.remove(&address);
            }
        }
        Some(end)
    }

    /// Takes one out that has waited for too long; else answers when it is time to look again.
    fn overdue(&mut self, now: Instant) -> Result<T, Instant> {
        let patience = self.limits.patience;
        let oldest = self.waiting.first_key_value().map(|(number, waiting)| (*number, waiting.since));
        let (number, since) = oldest.ok_or(now + patience)?;
        let due = since + patience;
        if due <= now { self.leave(number).ok_or(due) } else { Err(due) }
    }
}

/// The connections of a server that wait.
pub struct HalfOpen {
    queue: Mutex<Queue<Arc<Socket>>>,
    /// Of files and sockets, for connections.
    descriptors: Arc<Places>,
    /// Those that are sent an answer: one that is read too slowly is not kept for ever.
    answers: Mutex<Queue<Arc<Socket>>>,
    /// Proxies, through which many come.
    trusted: Vec<Network>,
    counts: Arc<ServerMetrics>,
}

impl HalfOpen {
    /// None yet. To be called within an actix system, where it is seen to that none waits for too long.
    pub fn start(
        limits: HalfOpenLimits,
        descriptors: Arc<Places>,
        trusted: Vec<Network>,
        counts: Arc<ServerMetrics>,
    ) -> Arc<Self> {
        let answers =
            HalfOpenLimits { in_all: usize::MAX, of_address: usize::MAX, patience: limits.answer, ..limits };
        let all = Arc::new(Self {
            queue: Mutex::new(Queue::new(limits)),
            answers: Mutex::new(Queue::new(answers)),
            descriptors,
            trusted,
            counts,
        });
        actix_web::rt::spawn(Self::watch(Arc::downgrade(&all)));
        all
    }

    /// Ends those that wait for too long, as long as there is a server.
    async fn watch(all: Weak<Self>) {
        while let Some(due) = all.upgrade().map(|all| all.end_overdue(Instant::now())) {
            tokio::time::sleep_until(due.into()).await;
        }
    }

    /// Answers when to look again.
    fn end_overdue(&self, now: Instant) -> Instant {
        let end_all = |queue: &Mutex<Queue<Arc<Socket>>>, what: &str| {
            loop {
                let overdue = queue.lock().overdue(now);
                match overdue {
                    Ok(socket) => {
                        tracing::debug!("{what}");
                        end(&socket);
                    }
                    Err(due) => return due,
                }
            }
        };
        let asks = end_all(&self.queue, "a connection has not sent its request in time");
        asks.min(end_all(&self.answers, "a connection has not taken its answer in time"))
    }

    fn enter(&self, address: Option<IpAddr>, socket: Arc<Socket>) -> u64 {
        let (number, out) = self.queue.lock().enter(address, socket, Instant::now());
        if let Some(out) = out {
            let message = "too many connections owe a request: the oldest is ended";
            self.counts.refused(Reason::Limit, "half_open", message);
            end(&out);
        }
        number
    }
}

/// Ends a connection, which is then noticed where it is read.
fn end(socket: &Socket) {
    // It may have ended by itself.
    let _ = socket.shutdown(Shutdown::Both);
}

/// Lets a connection in; one that cannot be counted, or for which there are too few descriptors, is ended at once.
pub fn let_in(among: &Arc<HalfOpen>, stream: &TcpStream) -> Option<Rc<Connection>> {
    match Connection::new(among, stream) {
        Ok(connection) => Some(connection),
        Err(error) => {
            among.counts.refused(
                Reason::Limit,
                "connection",
                &format!("a connection is ended at once: {error}"),
            );
            among.counts.exceeded(Spent::Connection);
            end(&SockRef::from(stream));
            None
        }
    }
}

/// A connection, for as long as this lives. It owes a request at first.
pub struct Connection {
    among: Arc<HalfOpen>,
    /// Whose it is, if that counts.
    address: Option<IpAddr>,
    /// What is needed to end it, which is a descriptor of its own; nothing once it is a WebSocket's.
    socket: RefCell<Option<(Arc<Socket>, Held)>>,
    /// The connection's own.
    _descriptor: Held,
    /// Its number among those that wait.
    number: Cell<u64>,
    /// Its number among those that are sent an answer.
    answer: Cell<u64>,
}

impl Connection {
    /// A connection was made.
    ///
    /// # Errors
    /// When there is no room for it.
    fn new(among: &Arc<HalfOpen>, stream: &TcpStream) -> std::io::Result<Rc<Self>> {
        let peer = stream.peer_addr()?.ip().to_canonical();
        let descriptor = || {
            let message =
                "there are too few descriptors: raise the limit of open files (ulimit -n, LimitNOFILE=)";
            among.descriptors.take().ok_or_else(|| std::io::Error::other(message))
        };
        let (own, of_socket) = (descriptor()?, descriptor()?);
        let counts = !among.trusted.iter().any(|network| network.contains(peer));
        let socket = Arc::new(SockRef::from(stream).try_clone()?);
        let address = counts.then(|| subscriber(peer));
        let number = Cell::new(among.enter(address, Arc::clone(&socket)));
        let (among, answer) = (Arc::clone(among), Cell::new(0));
        let socket = RefCell::new(Some((socket, of_socket)));
        Ok(Rc::new(Self { among, address, socket, _descriptor: own, number, answer }))
    }

    /// A whole request came.
    fn asks(&self) {
        self.among.queue.lock().leave(self.number.get());
    }

    /// It is sent an answer from now on.
    fn is_answered(&self) {
        if let Some((socket, _)) = &*self.socket.borrow() {
            let mut answers = self.among.answers.lock();
            self.answer.set(answers.enter(None, Arc::clone(socket), Instant::now()).0);
        }
    }

    /// It was answered, so that the next request is owed.
    fn answered(&self) {
        self.among.answers.lock().leave(self.answer.get());
        if let Some((socket, _)) = &*self.socket.borrow() {
            self.number.set(self.among.enter(self.address, Arc::clone(socket)));
        }
    }

    /// It owes no request any more.
    fn is_a_websocket(&self) {
        self.socket.take();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.asks();
        self.among.answers.lock().leave(self.answer.get());
    }
}

/// Notes when a connection has sent a request, and when that is answered.
pub async fn heard(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(connection) = request.conn_data::<Rc<Connection>>().cloned() else {
        return next.call(request).await;
    };
    connection.asks();
    let answered = Answered(connection);
    let response = next.call(request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        answered.0.is_a_websocket();
        return Ok(response);
    }
    answered.0.is_answered();
    Ok(response.map_body(|_, body| Answer::keeping(answered, body)))
}

/// Says of a connection that it was answered, when this goes.
struct Answered(Rc<Connection>);

impl Drop for Answered {
    fn drop(&mut self) {
        self.0.answered();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn queue() -> Queue<&'static str> {
        Queue::new(HalfOpenLimits { in_all: 4, of_address: 2, patience: PATIENCE, answer: PATIENCE })
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn the_oldest_of_an_address_makes_room_for_its_next() {
        let mut queue = queue();
        assert_eq!(queue.enter(Some(address(1)), "other", Instant::now()).1, None);
        assert_eq!(queue.enter(Some(address(2)), "first", Instant::now()).1, None);
        let (second, out) = queue.enter(Some(address(2)), "second", Instant::now());
        assert_eq!(out, None);
        assert_eq!(queue.enter(Some(address(2)), "third", Instant::now()).1, Some("first"));
        // Who has sent a request makes room without being ended.
        assert_eq!(queue.leave(second), Some("second"));
        assert_eq!(queue.leave(second), None);
        assert_eq!(queue.enter(Some(address(2)), "fourth", Instant::now()).1, None);
        assert_eq!(queue.enter(Some(address(2)), "fifth", Instant::now()).1, Some("third"));
    }

    #[test]
    fn the_oldest_of_all_makes_room_when_there_are_too_many_addresses() {
        let mut queue = queue();
        for (last, name) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
            assert_eq!(queue.enter(Some(address(last)), name, Instant::now()).1, None);
        }
        assert_eq!(queue.enter(Some(address(5)), "e", Instant::now()).1, Some("a"));
        assert_eq!(queue.waiting.len(), 4);
    }

    #[test]
    fn proxies_count_in_all_alone_and_who_left_leaves_nothing_behind() {
        let mut queue = queue();
        let numbers = ["a", "b", "c", "d"].map(|name| queue.enter(None, name, Instant::now()));
        assert!(numbers.iter().all(|(_, out)| out.is_none()));
        assert_eq!(queue.enter(Some(address(1)), "e", Instant::now()).1, Some("a"));
        for number in 0..=queue.entered {
            queue.leave(number);
        }
        assert!(queue.waiting.is_empty() && queue.by_address.is_empty());
    }

    #[test]
    fn who_waits_for_too_long_is_told_from_who_does_not_and_it_is_known_when_to_look_again() {
        let (mut queue, start) = (queue(), Instant::now());
        assert_eq!(queue.overdue(start), Err(start + PATIENCE));
        let second = Duration::from_secs(1);
        let (first, _) = queue.enter(None, "first", start);
        queue.enter(None, "second", start + second);
        queue.enter(Some(address(1)), "third", start + 2 * second);
        queue.leave(first);
        assert_eq!(queue.overdue(start + PATIENCE), Err(start + second + PATIENCE));
        let late = start + PATIENCE + 2 * second;
        assert_eq!((queue.overdue(late), queue.overdue(late)), (Ok("second"), Ok("third")));
        assert_eq!(queue.overdue(late), Err(late + PATIENCE));
        assert!(queue.by_address.is_empty());
    }
}
