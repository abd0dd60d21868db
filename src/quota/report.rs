//! What a user takes of the server, as administrators are told it.

use std::{sync::atomic::Ordering, time::Instant};

use serde::Serialize;

use super::{Quota, UserLimits, Whose};

/// What a user has of the things that are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Widgets, those included that are being closed.
    pub widgets: usize,
    /// Views of these, whoever watches.
    pub views: usize,
    /// Kernels connected.
    pub kernels: usize,
}

/// What a user takes of the server. Sums are since the user last had nothing at all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UserReport {
    /// The user; `null` where there are none, and for widgets that are nobody's.
    pub name: Option<String>,
    /// What there is of the user's.
    pub taken: Taken,
    /// Seconds of encoder threads that the user's frames took, in visitors' views as well.
    pub encoder_seconds: f64,
    /// Pixels that were sent to the views of the user's widgets.
    pub sent_pixels: u64,
    /// Bytes that are held in memory for the user.
    pub memory: u64,
    /// Seconds for which the user's frames have to wait from now on, having taken more than one may; 0 when they need not.
    pub wait: f64,
    /// What holds for the user; `null` where there are no users.
    pub limits: Option<UserLimits>,
    /// What the server's flags say of the user, and so what holds unless an administrator set something else; `null` where there are no
    /// users.
    pub flags: Option<UserLimits>,
}

impl Quota {
    /// What the user takes.
    pub fn report(&self, now: Instant) -> UserReport {
        UserReport {
            name: self.owner.clone(),
            taken: Taken {
                widgets: self.widgets.taken(),
                views: self.views.taken(),
                kernels: self.kernels.taken(),
            },
            encoder_seconds: (self.party.used() + self.visitors_party.used()).as_secs_f64(),
            sent_pixels: self.sent_pixels.load(Ordering::Relaxed),
            memory: self.memory.held(),
            wait: self.wait(Whose::Owner, now).map_or(0.0, |wait| wait.as_secs_f64()),
            limits: self.owner.is_some().then(|| *self.limits.lock()),
            flags: self.owner.is_some().then_some(self.flags),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Memory;

    #[test]
    fn a_report_tells_what_is_held_what_was_sent_and_what_holds() {
        let limits = UserLimits {
            max_widgets: 2,
            max_views: 3,
            max_kernels: 1,
            pixels_per_second: 1000.0,
            encoder_threads: None,
            weight: 1.0,
            memory: 8 << 20,
        };
        let now = Instant::now();
        let account = || Memory::new(64 << 20).account(limits.memory);
        let ann = Quota::new(Some("ann".to_owned()), limits, account());
        let everybody = Quota::new(None, limits, account());
        for quota in [&ann, &everybody] {
            let held =
                (quota.widget().unwrap(), quota.view(false).unwrap(), quota.memory().charge(5).unwrap());
            quota.sent(Whose::Owner, 3000, now);
            let report = quota.report(now);
            assert_eq!(report.taken, Taken { widgets: 1, views: 1, kernels: 0 });
            assert_eq!((report.sent_pixels, report.memory), (3000, 5));
            assert_eq!(report.name.as_deref(), quota.owner());
            drop(held);
            assert_eq!(quota.report(now).taken, Taken::default());
        }
        assert_eq!((ann.report(now).wait, ann.report(now).limits), (2.0, Some(limits)));
        assert_eq!((everybody.report(now).wait, everybody.report(now).limits), (0.0, None));
    }
}
