//! Where the pointers of a widget's views are, for the other views to show.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::event::{EventKind, ViewId};

/// Most pointers that are shown: more are no help to anybody, and each view is told of each.
const MOST: usize = 50;
/// The pointers of the others are told this often at most: smooth enough to follow.
const TOLD_EVERY: Duration = Duration::from_millis(50);
/// So many views are told that often; more less often, so that it costs no more for them than for these.
const TOLD_VIEWS: u32 = 20;

/// How often the pointers are told, at most, where there are so many views.
pub fn told_every(views: usize) -> Duration {
    let views = u32::try_from(views).unwrap_or(u32::MAX);
    TOLD_EVERY.saturating_mul(views.div_ceil(TOLD_VIEWS).max(1))
}

/// Another view's pointer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PointerOf {
    /// The view that it is in.
    pub view: ViewId,
    /// Logical pixels from the left edge.
    pub x: f64,
    /// Logical pixels from the top edge.
    pub y: f64,
}

/// The pointers, in the widget's logical pixels.
#[derive(Debug, Default)]
pub struct Presence {
    pointers: BTreeMap<ViewId, (f64, f64)>,
}

impl Presence {
    /// Takes an event of a view. Says whether a pointer moved by it.
    pub fn observe(&mut self, view: ViewId, event: &EventKind) -> bool {
        match event {
            EventKind::PointerLeave(_) => self.forget(view),
            EventKind::PointerDown(at)
            | EventKind::PointerUp(at)
            | EventKind::PointerMove(at)
            | EventKind::PointerEnter(at) => {
                (self.pointers.len() < MOST || self.pointers.contains_key(&view))
                    && self.pointers.insert(view, (at.x, at.y)) != Some((at.x, at.y))
            }
            _ => false,
        }
    }

    /// A view's pointer is gone. Says whether there was one.
    pub fn forget(&mut self, view: ViewId) -> bool {
        self.pointers.remove(&view).is_some()
    }

    /// Whether there is no pointer.
    pub fn is_empty(&self) -> bool {
        self.pointers.is_empty()
    }

    /// All pointers are gone. Says whether there was one.
    pub fn clear(&mut self) -> bool {
        !std::mem::take(&mut self.pointers).is_empty()
    }

    /// The pointers of all views but one, which is to show them; `place` says where a position lies in it.
    pub fn seen_by(&self, view: ViewId, place: impl Fn(f64, f64) -> (f64, f64)) -> Vec<PointerOf> {
        let others = self.pointers.iter().filter(|(other, _)| **other != view);
        others
            .map(|(&view, &(x, y))| {
                let (x, y) = place(x, y);
                PointerOf { view, x, y }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Pointer;

    fn at(x: f64) -> Pointer {
        Pointer { x, ..Pointer::default() }
    }

    #[test]
    fn a_view_sees_the_pointers_of_the_others_where_they_lie_in_it() {
        let mut presence = Presence::default();
        assert!(presence.observe(ViewId(1), &EventKind::PointerMove(at(1.0))));
        assert!(presence.observe(ViewId(2), &EventKind::PointerEnter(at(2.0))));
        let seen = presence.seen_by(ViewId(1), |x, y| (10.0 * x, y));
        assert_eq!(seen, [PointerOf { view: ViewId(2), x: 20.0, y: 0.0 }]);
    }

    #[test]
    fn no_more_pointers_are_shown_than_help_and_one_that_leaves_makes_room() {
        let mut presence = Presence::default();
        let moves =
            |presence: &mut Presence, view| presence.observe(ViewId(view), &EventKind::PointerMove(at(1.0)));
        assert_eq!((0..200).filter(|&view| moves(&mut presence, view)).count(), MOST);
        assert_eq!(presence.seen_by(ViewId(500), |x, y| (x, y)).len(), MOST);
        assert!(presence.observe(ViewId(0), &EventKind::PointerMove(at(2.0))));
        presence.forget(ViewId(0));
        assert!(moves(&mut presence, 199) && !moves(&mut presence, 198));
    }

    #[test]
    fn what_pointers_cost_does_not_grow_with_the_square_of_the_views() {
        let told_a_second = |views: u32| f64::from(views) / told_every(views as usize).as_secs_f64();
        assert_eq!(told_every(0), TOLD_EVERY);
        assert_eq!(told_every(20), TOLD_EVERY);
        assert!((1..=5000).all(|views| told_a_second(views) < 1.001 * told_a_second(20)));
        assert!(told_every(500) < Duration::from_secs(2));
    }

    #[test]
    fn a_pointer_that_stays_is_no_news_and_one_that_leaves_is_gone() {
        let mut presence = Presence::default();
        presence.observe(ViewId(1), &EventKind::PointerMove(at(1.0)));
        assert!(!presence.observe(ViewId(1), &EventKind::PointerUp(at(1.0))));
        assert!(presence.observe(ViewId(1), &EventKind::PointerLeave(at(1.0))));
        assert!(!presence.clear());
    }
}
