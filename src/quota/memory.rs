//! Bytes that are held for a user, and for the server as a whole: each is charged where it is made, and given back when it is dropped.
//!
//! A charge travels with its bytes ([`Account::hold`]), so that nobody has to remember to give it back. It costs a few additions.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use bytes::Bytes;

/// Of the server's memory the part that everybody gets without a look at who else wants some. Of the rest only users get more who have
/// less than an equal part of all: so the largest is refused first, and others go on.
const FREE_FOR_ALL: (u64, u64) = (7, 8);
/// Of the memory that a process may have, the part that may be counted as held. The rest is for what is not counted: programs and stacks,
/// what renderers and encoders work in, and what the allocator keeps after it was given back.
const COUNTED: (u64, u64) = (5, 8);
/// Less room than this is none: no widget or view is made for it.
pub const LEAST_ROOM: u64 = 1 << 20;

/// Bytes that would be more than one may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverMemory {
    /// More than the user may.
    #[error(
        "{wanted} bytes more are too many: {held} of the {limit} bytes are held that the user may have in memory (--user-memory, or what \
         an administrator set): close widgets or views, or make pictures smaller"
    )]
    User {
        /// Bytes asked for.
        wanted: u64,
        /// Bytes that are held.
        held: u64,
        /// Most bytes.
        limit: u64,
    },
    /// More than the server may, or than is left for a user who has much of it.
    #[error(
        "{wanted} bytes more are too many: the server holds {held} of the {limit} bytes that it may hold (five eighths of \
         --max-memory): close widgets or views, make pictures smaller, or try again later"
    )]
    Server {
        /// Bytes asked for.
        wanted: u64,
        /// Bytes that are held for everybody.
        held: u64,
        /// Most bytes.
        limit: u64,
    },
    /// The operating system has none.
    #[error("the system has no memory for {0} bytes: make pictures smaller, or try again later")]
    System(u64),
}

impl OverMemory {
    /// The code for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::User { .. } => "user_memory",
            Self::Server { .. } | Self::System(_) => "memory",
        }
    }
}

/// The server's memory.
#[derive(Debug)]
pub struct Memory {
    limit: u64,
    held: AtomicU64,
    /// Accounts that hold anything.
    holders: AtomicUsize,
    /// How often bytes were refused: as too many for a user, for the server.
    refused: [AtomicU64; 2],
}

/// What of the server's memory is held for one user.
#[derive(Debug)]
pub struct Account {
    memory: Arc<Memory>,
    limit: AtomicU64,
    held: AtomicU64,
}

/// Bytes that are held, for as long as this lives.
#[derive(Debug)]
pub struct Charge {
    account: Arc<Account>,
    bytes: u64,
}

impl Memory {
    /// Memory of so many bytes, of which none is held.
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            limit,
            held: AtomicU64::new(0),
            holders: AtomicUsize::new(0),
            refused: Default::default(),
        })
    }

    /// The memory of a process that may have so many bytes.
    pub fn of_process(bytes: u64) -> Arc<Self> {
        let (part, of) = COUNTED;
        Self::new(bytes / of * part)
    }

    /// An account that may hold so many bytes of it.
    pub fn account(self: &Arc<Self>, limit: u64) -> Arc<Account> {
        Arc::new(Account { memory: Arc::clone(self), limit: AtomicU64::new(limit), held: AtomicU64::new(0) })
    }

    /// Most bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that are held.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// How often bytes were refused so far: as too many for a user, and for the server.
    pub fn refused(&self) -> [u64; 2] {
        self.refused.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// The most that may be held in all when somebody who holds `own` asks for more.
    fn ceiling(&self, own: u64) -> u64 {
        let equal_part = self.limit / self.holders.load(Ordering::Relaxed).max(1) as u64;
        let (part, of) = FREE_FOR_ALL;
        if own <= equal_part { self.limit } else { self.limit / of * part }
    }

    fn count(&self, over: OverMemory) -> OverMemory {
        let [users, servers] = &self.refused;
        let count = if matches!(over, OverMemory::User { .. }) { users } else { servers };
        count.fetch_add(1, Ordering::Relaxed);
        over
    }
}

impl Account {
    /// Holds so many bytes more.
    ///
    /// # Errors
    /// When they are too many for the user or the server.
    pub fn charge(self: &Arc<Self>, bytes: usize) -> Result<Charge, OverMemory> {
        let mut charge = self.nothing();
        charge.set(bytes)?;
        Ok(charge)
    }

    /// Holds nothing yet.
    pub fn nothing(self: &Arc<Self>) -> Charge {
        Charge { account: Arc::clone(self), bytes: 0 }
    }

    /// Holds bytes that exist, for as long as any clone or slice of what this answers lives.
    ///
    /// # Errors
    /// As [`Account::charge`]; the bytes are dropped.
    pub fn hold(self: &Arc<Self>, bytes: Bytes) -> Result<Bytes, OverMemory> {
        Ok(self.charge(bytes.len())?.over(bytes))
    }

    /// Whether so many bytes more would not be too many now.
    ///
    /// # Errors
    /// When they would.
    pub fn has_room(&self, bytes: u64) -> Result<(), OverMemory> {
        self.check(self.held(), self.memory.held(), bytes).map_err(|over| self.memory.count(over))
    }

    /// Bytes that are held.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// It may hold so many from now on. What it holds stays, though it is more.
    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    fn check(&self, own: u64, all: u64, wanted: u64) -> Result<(), OverMemory> {
        let limit = self.limit.load(Ordering::Relaxed);
        if own.saturating_add(wanted) > limit {
            return Err(OverMemory::User { wanted, held: own, limit });
        }
        if all.saturating_add(wanted) > self.memory.ceiling(own.saturating_add(wanted)) {
            return Err(OverMemory::Server { wanted, held: all, limit: self.memory.limit });
        }
        Ok(())
    }

    fn take(&self, bytes: u64) -> Result<(), OverMemory> {
        let own = self.held.fetch_add(bytes, Ordering::Relaxed);
        let all = self.memory.held.fetch_add(bytes, Ordering::Relaxed);
        if own == 0 && bytes > 0 {
            self.memory.holders.fetch_add(1, Ordering::Relaxed);
        }
        self.check(own, all, bytes).map_err(|over| {
            self.give_back(bytes);
            self.memory.count(over)
        })
    }

    fn give_back(&self, bytes: u64) {
        self.memory.held.fetch_sub(bytes, Ordering::Relaxed);
        if bytes > 0 && self.held.fetch_sub(bytes, Ordering::Relaxed) == bytes {
            self.memory.holders.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Charge {
    /// Holds so many bytes from now on, more or fewer.
    ///
    /// # Errors
    /// When there are more, and these too many; then it holds what it held.
    pub fn set(&mut self, bytes: usize) -> Result<(), OverMemory> {
        let bytes = bytes as u64;
        if bytes > self.bytes {
            self.account.take(bytes - self.bytes)?;
        } else {
            self.account.give_back(self.bytes - bytes);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Bytes that exist, whose last clone or slice gives this back.
    pub fn over(self, content: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Held { content, _charge: self })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.give_back(self.bytes);
    }
}

/// Bytes with their charge.
struct Held<T> {
    content: T,
    _charge: Charge,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
    fn as_ref(&self) -> &[u8] {
        self.content.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_held_until_the_last_slice_of_them_is_gone_and_stay_where_they_are() {
        let memory = Memory::new(100);
        let account = memory.account(60);
        let bytes = Bytes::from(vec![7; 50]);
        let place = bytes.as_ptr();
        let held = account.hold(bytes).unwrap();
        assert_eq!((held.as_ptr(), account.held(), memory.held()), (place, 50, 50));
        let slice = held.slice(3..5);
        drop(held);
        assert_eq!((&slice[..], account.held()), (&[7, 7][..], 50));
        drop(slice);
        assert_eq!((account.held(), memory.held(), memory.holders.load(Ordering::Relaxed)), (0, 0, 0));
    }

    #[test]
    fn a_user_holds_no_more_than_the_limit_and_is_told_which() {
        let memory = Memory::new(100);
        let account = memory.account(10);
        let held = account.charge(8).unwrap();
        let over = account.charge(3).unwrap_err();
        assert_eq!(over, OverMemory::User { wanted: 3, held: 8, limit: 10 });
        assert!(over.to_string().contains("--user-memory") && over.code() == "user_memory");
        assert_eq!((account.held(), memory.held(), memory.refused()), (8, 8, [1, 0]));
        assert!(account.has_room(2).is_ok() && account.has_room(3).is_err());
        drop(held);
        assert!(account.charge(10).is_ok());
        account.set_limit(5);
        assert!(account.charge(10).is_err());
    }

    #[test]
    fn a_charge_grows_and_shrinks_and_keeps_what_it_had_when_it_may_not_grow() {
        let account = Memory::new(100).account(10);
        let mut charge = account.charge(4).unwrap();
        charge.set(9).unwrap();
        assert!(charge.set(11).is_err());
        assert_eq!(account.held(), 9);
        charge.set(2).unwrap();
        assert_eq!(account.held(), 2);
    }

    #[test]
    fn the_server_is_never_over_its_limit_and_refuses_the_largest_first() {
        let memory = Memory::new(80);
        let (large, small) = (memory.account(u64::MAX), memory.account(u64::MAX));
        let mut own = small.charge(5).unwrap();
        let held = large.charge(65).unwrap();
        // The last eighth is for who has less than an equal part.
        let over = large.charge(1).unwrap_err();
        assert_eq!(over, OverMemory::Server { wanted: 1, held: 70, limit: 80 });
        assert!(over.to_string().contains("--max-memory") && over.code() == "memory");
        own.set(15).unwrap();
        assert!(own.set(16).is_err());
        assert_eq!((memory.held(), memory.refused()), (80, [0, 2]));
        drop(held);
        own.set(40).unwrap();
    }

    #[test]
    fn who_is_alone_may_have_all() {
        let memory = Memory::new(80);
        assert!(memory.account(u64::MAX).charge(80).is_ok());
        assert!(memory.account(u64::MAX).charge(81).is_err());
    }

    #[test]
    fn threads_that_charge_and_drop_leave_nothing_held() {
        let memory = Memory::new(1 << 20);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let account = memory.account(1 << 16);
                scope.spawn(move || {
                    for bytes in 0..2000 {
                        drop(account.charge(bytes));
                    }
                    assert_eq!(account.held(), 0);
                });
            }
        });
        assert_eq!((memory.held(), memory.holders.load(Ordering::Relaxed)), (0, 0));
    }
}
