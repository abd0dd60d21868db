//! The budgets of those who were here lately.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dashmap::{DashMap, mapref::entry::Entry};
use parking_lot::Mutex;

use super::{Allowed, Budget, BudgetLimits, Who};

/// Most callers that are told apart, some hundred bytes each. Who comes beyond them shares one budget with others like that.
const MOST: usize = 16_384;
/// A look for callers who can be forgotten goes through all of them: not more often than this.
const FORGET_EVERY: Duration = Duration::from_secs(1);

/// The budgets of all callers. One that is as if its caller had never come may be forgotten.
pub struct Budgets {
    limits: BudgetLimits,
    callers: DashMap<Who, Arc<Budget>>,
    /// Of those for whom there is no room: many people, as an address is.
    others: Arc<Budget>,
    /// When it was last looked who can be forgotten.
    forgot: Mutex<Option<Instant>>,
}

impl Budgets {
    /// Nobody has come yet.
    pub fn new(limits: BudgetLimits) -> Self {
        let anybody = Who::Address(std::net::Ipv4Addr::UNSPECIFIED.into());
        let others = Arc::new(Budget::new(&anybody, limits, Instant::now()));
        Self { limits, callers: DashMap::new(), others, forgot: Mutex::new(None) }
    }

    /// What a caller may do who is all of these.
    pub fn of(&self, who: impl IntoIterator<Item = Who>, now: Instant) -> Allowed {
        Allowed(who.into_iter().map(|who| self.one(who, now)).collect())
    }

    fn one(&self, who: Who, now: Instant) -> Arc<Budget> {
        if let Some(budget) = self.callers.get(&who) {
            return Arc::clone(&budget);
        }
        if self.callers.len() >= MOST {
            self.forget(now);
            if self.callers.len() >= MOST {
                return Arc::clone(&self.others);
            }
        }
        match self.callers.entry(who) {
            Entry::Occupied(entry) => Arc::clone(entry.get()),
            Entry::Vacant(entry) => {
                let budget = Arc::new(Budget::new(entry.key(), self.limits, now));
                entry.insert(Arc::clone(&budget));
                budget
            }
        }
    }

    /// Forgets those who have nothing under way and have spent nothing that time has not given back.
    fn forget(&self, now: Instant) {
        let mut forgot = self.forgot.lock();
        if forgot.is_some_and(|forgot| now < forgot + FORGET_EVERY) {
            return;
        }
        *forgot = Some(now);
        self.callers.retain(|_, budget| Arc::strong_count(budget) > 1 || !budget.is_untouched(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BudgetLimits =
        BudgetLimits { requests_per_second: 1, requests: 1_000_000, view_events_per_second: 5 };

    fn user(number: usize) -> [Who; 1] {
        [Who::User(number.to_string())]
    }

    #[test]
    fn callers_without_number_take_no_memory_without_bound_and_are_forgotten_in_time() {
        let (budgets, start) = (Budgets::new(LIMITS), Instant::now());
        for number in 0..MOST + 100 {
            budgets.of(user(number), start).request(start).unwrap();
        }
        assert_eq!(budgets.callers.len(), MOST);
        // What one could not be told apart from spends, the other has not.
        for _ in 0..100 {
            let _ = budgets.of(user(MOST), start).request(start);
        }
        assert!(budgets.of(user(MOST + 1), start).request(start).is_err());
        assert!(budgets.of(user(0), start).request(start).is_ok());
        let later = start + Duration::from_secs(20);
        let connected = budgets.of(user(1), later);
        budgets.of(user(MOST), later).request(later).unwrap();
        assert_eq!(budgets.callers.len(), 2, "who is connected, and who came now");
        drop(connected);
    }
}
