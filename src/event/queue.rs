//! The queue of a widget whose renderer is busy: events that come meanwhile, merged where nothing is lost by it.

use super::{Event, EventKind};

/// Events that wait for the renderer, in order.
///
/// Of consecutive moves with the same buttons and modifiers in the same view the last is kept, consecutive turns of the
/// wheel are added up, and of consecutive resizes the last is kept. Nothing else is merged or dropped.
#[derive(Debug, Default)]
pub struct EventQueue {
    events: Vec<Event>,
    coalesced: u64,
}

impl EventQueue {
    /// Puts an event at the end, merging it with the last where that is allowed.
    pub fn push(&mut self, event: Event) {
        if let Some(last) = self.events.last_mut()
            && last.view == event.view
            && merge(&mut last.kind, &event.kind)
        {
            if !matches!(event.kind, EventKind::Wheel(_)) {
                last.timestamp = event.timestamp;
            }
            self.coalesced += 1;
            return;
        }
        self.events.push(event);
    }

    /// Takes all events out.
    pub fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many events wait.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// How many events were merged into others so far.
    pub fn coalesced(&self) -> u64 {
        self.coalesced
    }
}

/// Merges `next` into `last`, or says no.
fn merge(last: &mut EventKind, next: &EventKind) -> bool {
    match (last, next) {
        (EventKind::PointerMove(last), EventKind::PointerMove(next))
            if last.buttons == next.buttons
                && last.modifiers == next.modifiers
                && last.touches.keys().eq(next.touches.keys()) =>
        {
            last.clone_from(next);
            true
        }
        (EventKind::Wheel(last), EventKind::Wheel(next))
            if last.buttons == next.buttons && last.modifiers == next.modifiers =>
        {
            last.dx += next.dx;
            last.dy += next.dy;
            (last.x, last.y) = (next.x, next.y);
            true
        }
        (EventKind::Resize(last), EventKind::Resize(next)) => {
            *last = *next;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Key, Modifier, Pointer, Size, ViewId, Wheel},
        *,
    };

    fn event(kind: EventKind, timestamp: f64) -> Event {
        Event { kind, timestamp, view: Some(ViewId(1)) }
    }

    fn moved(x: f64, buttons: &[u8]) -> EventKind {
        EventKind::PointerMove(Pointer { x, buttons: buttons.to_vec(), ..Pointer::default() })
    }

    fn queued(events: impl IntoIterator<Item = Event>) -> Vec<Event> {
        let mut queue = EventQueue::default();
        events.into_iter().for_each(|event| queue.push(event));
        queue.take()
    }

    #[test]
    fn of_consecutive_moves_the_last_is_kept() {
        let events = queued([event(moved(1.0, &[]), 1.0), event(moved(2.0, &[]), 2.0)]);
        assert_eq!(events, [event(moved(2.0, &[]), 2.0)]);
    }

    #[test]
    fn moves_with_other_buttons_modifiers_or_views_are_kept_apart() {
        let with_shift =
            EventKind::PointerMove(Pointer { modifiers: vec![Modifier::Shift], ..Pointer::default() });
        let elsewhere = Event { view: Some(ViewId(2)), ..event(with_shift.clone(), 4.0) };
        let events =
            [event(moved(1.0, &[]), 1.0), event(moved(2.0, &[1]), 2.0), event(with_shift, 3.0), elsewhere];
        assert_eq!(queued(events.clone()), events);
    }

    #[test]
    fn wheel_turns_add_up_and_keep_the_first_timestamp() {
        let wheel = |dx, dy| EventKind::Wheel(Wheel { dx, dy, ..Wheel::default() });
        let events = queued([event(wheel(1.0, 10.0), 1.0), event(wheel(2.0, -30.0), 2.0)]);
        assert_eq!(events, [event(wheel(3.0, -20.0), 1.0)]);
    }

    #[test]
    fn of_consecutive_resizes_the_last_is_kept() {
        let resize =
            |width| EventKind::Resize(Size { width, height: 1.0, pwidth: 1, pheight: 1, ratio: 1.0 });
        assert_eq!(queued([event(resize(1.0), 1.0), event(resize(2.0), 2.0)]), [event(resize(2.0), 2.0)]);
    }

    #[test]
    fn nothing_is_merged_across_or_into_other_events() {
        let key = |key: &str| EventKind::KeyDown(Key { key: key.to_owned(), modifiers: vec![] });
        let down = EventKind::PointerDown(Pointer::default());
        let events = [moved(1.0, &[]), down.clone(), moved(2.0, &[]), key("a"), key("a"), down.clone(), down]
            .map(|kind| event(kind, 0.0));
        assert_eq!(queued(events.clone()), events);
    }
}
