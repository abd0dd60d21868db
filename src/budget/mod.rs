//! What each caller may do: so many requests, messages, events and reports a second, and so many requests at a time.
//!
//! A view's own limits are not enough, since a caller may open many. So there is a budget for each signed-in user, for each browser of
//! those who have a link and for all of them together, and, where nobody is signed in, for each address. Defaults are far above
//! what pages and notebooks do.

mod table;

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

pub use self::table::Budgets;
use crate::{
    protocol::bucket::Bucket,
    quota::{Held, Places},
};

/// Of those who may be many people (a link's visitors, an address), so many times as much passes as of one.
const MANY: u32 = 10;
/// The same of requests under way. They are short, so that not all people have one at the same time.
const MANY_UNDER_WAY: usize = 4;
/// A page asks for some dozens of files at once, and a test reloads it again and again: bursts of so many seconds' worth pass.
const REQUEST_BURST: u32 = 10;
/// WebSocket frames of all kinds a second: confirmations of 100 widgets that move at 60 frames a second, and as much again.
const MESSAGES: u32 = 20_000;
/// A user acts in one view at a time; a program may in some. So many views' worth of events pass.
const EVENTS_OF_VIEWS: u32 = 4;
/// Reports of a widget's statistics a second, for pages that show them in some views at once.
const REPORTS: u32 = 4;
/// As many at once for who asks now and then.
const REPORTS_AT_ONCE: u32 = 20;

/// Whose a budget is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// A signed-in user.
    User(String),
    /// A browser of somebody who has a link and is no user, by the value of its cookie.
    Browser(String),
    /// All who have a link, by its share.
    Link(String),
    /// Whoever is at an address where nobody is signed in; of IPv6, in a network of 64 bits.
    Address(IpAddr),
}

impl Who {
    /// Whether these may be many people.
    fn are_many(&self) -> bool {
        matches!(self, Self::Link(_) | Self::Address(_))
    }

    /// As people call it.
    fn name(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Browser(_) => "browser",
            Self::Link(_) => "link",
            Self::Address(_) => "address",
        }
    }
}

/// What one caller may do. Who may be many people may do more.
#[derive(Debug, Clone, Copy)]
pub struct BudgetLimits {
    /// Requests a second over a while; 1 or more.
    pub requests_per_second: u32,
    /// Requests that are not answered to the end.
    pub requests: usize,
    /// Events a second of one view; 1 or more.
    pub view_events_per_second: u32,
}

/// What there is a budget for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// A request.
    Request,
    /// One that is not answered to the end.
    UnderWay,
    /// A WebSocket frame.
    Message,
    /// An event.
    Event,
    /// A view of a widget that is another's.
    View,
    /// A connection.
    Connection,
}

impl Spent {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Request, Self::UnderWay, Self::Message, Self::Event, Self::View, Self::Connection];

    /// The value of the metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "requests",
            Self::UnderWay => "requests_under_way",
            Self::Message => "messages",
            Self::Event => "events",
            Self::View => "views",
            Self::Connection => "connections",
        }
    }
}

/// More than a caller may do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Exceeded {
    /// Of what.
    pub what: Spent,
    /// The limit, and what to do.
    pub message: String,
    /// When to try again.
    pub after: Duration,
}

/// What one caller has left.
#[derive(Debug)]
pub struct Budget {
    whose: &'static str,
    most: Most,
    rates: Mutex<Rates>,
    under_way: Places,
}

/// What the caller may do, for the messages.
#[derive(Debug, Clone, Copy)]
struct Most {
    requests: u32,
    under_way: usize,
    messages: u32,
    events: u32,
}

#[derive(Debug)]
struct Rates {
    requests: Bucket,
    messages: Bucket,
    events: Bucket,
    reports: Bucket,
}

impl Budget {
    fn new(who: &Who, limits: BudgetLimits, now: Instant) -> Self {
        let (times, at_a_time) = if who.are_many() { (MANY, MANY_UNDER_WAY) } else { (1, 1) };
        let requests = limits.requests_per_second.saturating_mul(times);
        let most = Most {
            requests,
            under_way: limits.requests.saturating_mul(at_a_time),
            messages: MESSAGES * times,
            events: limits.view_events_per_second.saturating_mul(EVENTS_OF_VIEWS * times),
        };
        let rates = Rates {
            requests: Bucket::with_burst(requests, requests.saturating_mul(REQUEST_BURST), now),
            messages: Bucket::new(most.messages, now),
            events: Bucket::new(most.events, now),
            reports: Bucket::with_burst(REPORTS * times, REPORTS_AT_ONCE * times, now),
        };
        Self { whose: who.name(), most, rates: Mutex::new(rates), under_way: Places::new(most.under_way) }
    }

    /// Whether it is as if the caller had never come.
    fn is_untouched(&self, now: Instant) -> bool {
        let mut rates = self.rates.lock();
        let Rates { requests, messages, events, reports } = &mut *rates;
        let full = [requests, messages, events, reports].into_iter().all(|bucket| bucket.is_full(now));
        full && self.under_way.taken() == 0
    }

    fn request(&self, now: Instant) -> Result<Held, Exceeded> {
        let Most { requests, under_way, .. } = self.most;
        let whose = self.whose;
        let held = self.under_way.take().ok_or_else(|| Exceeded {
            what: Spent::UnderWay,
            message: format!(
                "{under_way} requests of this {whose} are under way, which is the limit (--max-requests-of-caller): wait for their answers"
            ),
            after: Duration::from_secs(1),
        })?;
        let mut rates = self.rates.lock();
        if rates.requests.take(now) {
            return Ok(held);
        }
        let message = format!(
            "more than {requests} requests a second of this {whose}, which is the limit (--max-requests-per-second): ask less often"
        );
        Err(Exceeded { what: Spent::Request, message, after: rates.requests.wait(now) })
    }

    fn message(&self, now: Instant) -> Result<(), Exceeded> {
        let mut rates = self.rates.lock();
        if rates.messages.take(now) {
            return Ok(());
        }
        let message = format!(
            "more than {} messages a second in all views of this {}, which is the limit: send less often",
            self.most.messages, self.whose
        );
        Err(Exceeded { what: Spent::Message, message, after: rates.messages.wait(now) })
    }

    fn event(&self, now: Instant) -> Result<(), Exceeded> {
        let mut rates = self.rates.lock();
        if rates.events.take(now) {
            return Ok(());
        }
        let message = format!(
            "more than {} events a second in all views of this {}, which is the limit ({EVENTS_OF_VIEWS} views' \
            --max-events-per-second for one person): send pointer moves and wheel turns at most every 20 ms",
            self.most.events, self.whose
        );
        Err(Exceeded { what: Spent::Event, message, after: rates.events.wait(now) })
    }

    fn report(&self, now: Instant) -> Duration {
        let mut rates = self.rates.lock();
        if rates.reports.take(now) { Duration::ZERO } else { rates.reports.wait(now) }
    }
}

/// What a caller may do, by all the budgets that hold for it: none, one, or that of a browser and that of its link. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Allowed(Vec<Arc<Budget>>);

impl Allowed {
    /// A request begins; it is under way for as long as the answer is kept.
    ///
    /// # Errors
    /// When the caller has made too many.
    pub fn request(&self, now: Instant) -> Result<UnderWay, Exceeded> {
        self.0.iter().map(|budget| budget.request(now)).collect::<Result<_, _>>().map(UnderWay)
    }

    /// A WebSocket frame came.
    ///
    /// # Errors
    /// When too many did.
    pub fn message(&self, now: Instant) -> Result<(), Exceeded> {
        self.0.iter().try_for_each(|budget| budget.message(now))
    }

    /// An event came.
    ///
    /// # Errors
    /// When too many did.
    pub fn event(&self, now: Instant) -> Result<(), Exceeded> {
        self.0.iter().try_for_each(|budget| budget.event(now))
    }

    /// A report is asked for: how long it has to wait.
    pub fn report(&self, now: Instant) -> Duration {
        self.0.iter().map(|budget| budget.report(now)).max().unwrap_or_default()
    }
}

/// A request that is under way for as long as this lives.
#[derive(Debug)]
pub struct UnderWay(#[expect(dead_code, reason = "held for its drop")] Vec<Held>);

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BudgetLimits =
        BudgetLimits { requests_per_second: 2, requests: 3, view_events_per_second: 5 };
    const SECOND: Duration = Duration::from_secs(1);

    fn allowed(budgets: &Budgets, who: &[Who], now: Instant) -> Allowed {
        budgets.of(who.iter().cloned(), now)
    }

    fn ann() -> Who {
        Who::User("ann".to_owned())
    }

    #[test]
    fn who_asks_too_often_is_told_the_limit_and_when_to_come_again_and_others_are_not() {
        let (budgets, now) = (Budgets::new(LIMITS), Instant::now());
        let ann = allowed(&budgets, &[ann()], now);
        assert!((0..20).all(|_| ann.request(now).is_ok()));
        let exceeded = ann.request(now).unwrap_err();
        assert_eq!((exceeded.what, exceeded.after), (Spent::Request, SECOND / 2));
        let message = exceeded.message;
        assert!(message.contains("2 requests a second of this user"), "{message}");
        assert!(message.contains("--max-requests-per-second"), "{message}");
        assert!(allowed(&budgets, &[Who::User("bob".to_owned())], now).request(now).is_ok());
        // The same caller who comes once more is no other.
        assert!(allowed(&budgets, &[self::ann()], now).request(now).is_err());
        assert!(ann.request(now + SECOND).is_ok());
    }

    #[test]
    fn requests_under_way_are_counted_until_they_are_answered() {
        let (budgets, now) = (Budgets::new(LIMITS), Instant::now());
        let ann = allowed(&budgets, &[ann()], now);
        let mut held: Vec<_> = (0..3).map(|_| ann.request(now).unwrap()).collect();
        let exceeded = ann.request(now).unwrap_err();
        assert_eq!(exceeded.what, Spent::UnderWay);
        assert!(exceeded.message.contains("--max-requests-of-caller"), "{}", exceeded.message);
        held.pop();
        assert!(ann.request(now).is_ok());
    }

    #[test]
    fn a_browser_is_limited_by_itself_and_with_all_of_its_link() {
        let (budgets, now) = (Budgets::new(LIMITS), Instant::now());
        let link = Who::Link("share".to_owned());
        let browser = |name: &str| allowed(&budgets, &[link.clone(), Who::Browser(name.to_owned())], now);
        let events = |allowed: &Allowed| {
            std::iter::repeat_with(|| allowed.event(now)).take_while(Result::is_ok).count()
        };
        // Ten browsers' worth in all, of which none takes more than its own.
        let sums: Vec<_> = (0..12).map(|number| events(&browser(&number.to_string()))).collect();
        assert_eq!(sums[0], 20);
        assert!(sums.iter().sum::<usize>() <= 200, "{sums:?}");
        assert!(browser("late").event(now).unwrap_err().message.contains("this link"));
    }

    #[test]
    fn who_is_nobody_in_particular_has_no_budget() {
        let (budgets, now) = (Budgets::new(LIMITS), Instant::now());
        let nobody = allowed(&budgets, &[], now);
        let held: Vec<_> = (0..1000).map(|_| nobody.request(now)).collect();
        assert!(held.iter().all(Result::is_ok) && nobody.report(now).is_zero());
    }

    #[test]
    fn reports_wait_and_are_never_refused() {
        let (budgets, now) = (Budgets::new(LIMITS), Instant::now());
        let ann = allowed(&budgets, &[ann()], now);
        assert!((0..REPORTS_AT_ONCE).all(|_| ann.report(now).is_zero()));
        assert_eq!(ann.report(now), SECOND / 4);
    }
}
