//! Turns at the Hub for what strangers ask: few at a time, and few that wait, of each address fewer still. So no flood of theirs becomes
//! one of the Hub, and none keeps waiting for long.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout_at,
};

use crate::network::subscriber;

/// How many may ask.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// So many at a time.
    pub at_a_time: usize,
    /// So many that ask or wait for their turn.
    pub in_all: usize,
    /// So many of these from one address.
    pub of_address: usize,
    /// A turn comes within this time, or not at all.
    pub patience: Duration,
}

/// There are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded;

/// Those who ask and who wait.
pub struct Lane {
    bounds: Bounds,
    turns: Semaphore,
    present: Mutex<Present>,
}

#[derive(Default)]
struct Present {
    in_all: usize,
    of_address: HashMap<IpAddr, usize>,
}

/// A turn, for as long as it lives.
pub struct Turn<'a> {
    _turn: SemaphorePermit<'a>,
    _place: Place<'a>,
}

/// A place in a lane.
struct Place<'a> {
    lane: &'a Lane,
    address: IpAddr,
}

impl Lane {
    /// Nobody is there.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, turns: Semaphore::new(bounds.at_a_time), present: Mutex::default() }
    }

    /// Waits for a turn of somebody at an address.
    ///
    /// # Errors
    /// When there are too many already, or the turn does not come in time.
    pub async fn turn(&self, address: IpAddr) -> Result<Turn<'_>, Crowded> {
        let until = Instant::now() + self.bounds.patience;
        let place = self.enter(subscriber(address))?;
        match timeout_at(until.into(), self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(Turn { _turn: turn, _place: place }),
            Ok(Err(_)) | Err(_) => Err(Crowded),
        }
    }

    fn enter(&self, address: IpAddr) -> Result<Place<'_>, Crowded> {
        let mut present = self.present.lock();
        let of_address = present.of_address.get(&address).copied().unwrap_or_default();
        if present.in_all >= self.bounds.in_all || of_address >= self.bounds.of_address {
            return Err(Crowded);
        }
        present.in_all += 1;
        present.of_address.insert(address, of_address + 1);
        Ok(Place { lane: self, address })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut present = self.lane.present.lock();
        present.in_all -= 1;
        if let Some(count) = present.of_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                present.of_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds =
        Bounds { at_a_time: 1, in_all: 3, of_address: 2, patience: Duration::from_millis(10) };

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn beyond_an_addresss_share_and_the_bound_of_all_nobody_waits() {
        let lane = Lane::new(BOUNDS);
        let (one, same, other) = (address("2001:db8::1"), address("2001:db8::2"), address("192.0.2.1"));
        let places = [lane.enter(subscriber(one)), lane.enter(subscriber(same))];
        assert!(places.iter().all(Result::is_ok));
        assert!(lane.enter(subscriber(one)).is_err(), "an address has more than its share");
        let third = lane.enter(other);
        assert!(third.is_ok());
        assert!(lane.enter(address("192.0.2.2")).is_err(), "more wait than may");
        drop(places);
        assert!(lane.enter(subscriber(one)).is_ok());
        drop(third);
        assert!(lane.present.lock().of_address.is_empty() && lane.present.lock().in_all == 0);
    }

    #[actix_web::test]
    async fn a_turn_that_does_not_come_in_time_is_given_up() {
        let lane = Lane::new(BOUNDS);
        let first = lane.turn(address("192.0.2.1")).await;
        assert!(first.is_ok());
        assert_eq!(lane.turn(address("192.0.2.2")).await.err(), Some(Crowded));
        drop(first);
        assert!(lane.turn(address("192.0.2.2")).await.is_ok());
    }
}
