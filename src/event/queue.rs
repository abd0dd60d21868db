//! The queue of a widget whose renderer is busy: events that come meanwhile, merged where nothing is lost by it.

use std::{collections::VecDeque, io};

use super::{Event, EventKind};

/// Most events that wait for a busy renderer. A user cannot act as much within a turn; what cannot be merged beyond it comes
/// from a program.
pub const MAX_QUEUED: usize = 10_000;
/// Most bytes of them: far more than users type, paste and press while a cell computes, and nothing to a server with many widgets.
pub const MAX_QUEUED_BYTES: usize = 1 << 20;

/// Events that wait for the renderer, in order.
///
/// Of consecutive moves with the same buttons and modifiers in the same view the last is kept, consecutive turns of the
/// wheel are added up, and of consecutive resizes the last is kept. Nothing else is merged or dropped.
#[derive(Debug, Default)]
pub struct EventQueue {
    waiting: VecDeque<Waiting>,
    /// Those of all that waits.
    bytes: usize,
    coalesced: u64,
}

#[derive(Debug)]
struct Waiting {
    event: Event,
    bytes: usize,
}

impl EventQueue {
    /// Puts an event at the end, merging it with the last where that is allowed.
    pub fn push(&mut self, event: Event) {
        if let Some(last) = self.waiting.back_mut()
            && last.event.view == event.view
            && merge(&mut last.event.kind, &event.kind)
        {
            if !matches!(event.kind, EventKind::Wheel(_)) {
                last.event.timestamp = event.timestamp;
            }
            self.coalesced += 1;
            self.bytes -= last.bytes;
            last.bytes = weight(&last.event);
            self.bytes += last.bytes;
            return;
        }
        let bytes = weight(&event);
        self.bytes += bytes;
        self.waiting.push_back(Waiting { event, bytes });
    }

    /// Takes all events out.
    pub fn take(&mut self) -> Vec<Event> {
        self.take_up_to(usize::MAX)
    }

    /// Takes the first events out: as many as are no longer than `bytes` together, as JSON, or one that alone is.
    pub fn take_up_to(&mut self, bytes: usize) -> Vec<Event> {
        let mut taken = Vec::new();
        let mut room = bytes;
        while let Some(next) = self.waiting.front()
            && (taken.is_empty() || next.bytes <= room)
            && let Some(next) = self.waiting.pop_front()
        {
            room = room.saturating_sub(next.bytes);
            self.bytes -= next.bytes;
            taken.push(next.event);
        }
        taken
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether no more should wait.
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_QUEUED || self.bytes >= MAX_QUEUED_BYTES
    }

    /// How many events were merged into others so far.
    pub fn coalesced(&self) -> u64 {
        self.coalesced
    }
}

/// Bytes that an event takes: in memory, and so at least as many as in a message.
fn weight(event: &Event) -> usize {
    let mut length = Length(0);
    // Maps have string keys and floats are finite, so that serialization cannot fail.
    let _ = serde_json::to_writer(&mut length, event);
    size_of::<Event>() + length.0
}

/// Counts what is written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
        super::{Char, Key, Modifier, Pointer, Size, ViewId, Wheel},
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

    fn text(length: usize) -> EventKind {
        let data = Some("\u{1}".repeat(length));
        EventKind::Char(Char { data, input_type: "insertText".to_owned(), is_composing: false })
    }

    #[test]
    fn events_wait_up_to_a_bound_in_bytes_as_well_as_in_number() {
        for (kind, most) in [(text(4096), 60), (EventKind::FocusIn, MAX_QUEUED)] {
            let mut queue = EventQueue::default();
            let pushed = (0..).take_while(|_| {
                let is_full = queue.is_full();
                if !is_full {
                    queue.push(event(kind.clone(), 0.0));
                }
                !is_full
            });
            assert!(pushed.count() <= most);
            assert!(queue.bytes <= MAX_QUEUED_BYTES + weight(&event(kind, 0.0)));
            assert_eq!((queue.take().is_empty(), queue.bytes, queue.is_full()), (false, 0, false));
        }
    }

    #[test]
    fn events_are_taken_in_pieces_that_are_no_longer_than_asked_as_json() {
        let mut queue = EventQueue::default();
        let events: Vec<_> = (0..40).map(|number| event(text(100 * number), 0.0)).collect();
        events.iter().cloned().for_each(|event| queue.push(event));
        let mut taken = Vec::new();
        while !queue.is_empty() {
            let piece = queue.take_up_to(30_000);
            let json = serde_json::to_string(&piece).unwrap();
            assert!(json.len() <= 30_000 && !piece.is_empty(), "{} bytes", json.len());
            taken.extend(piece);
        }
        assert_eq!(taken, events);
        queue.push(event(text(4096), 0.0));
        assert_eq!(queue.take_up_to(10).len(), 1, "an event that is longer waits for ever");
    }

    #[test]
    fn a_merged_event_takes_no_more_than_the_last_of_it() {
        let mut queue = EventQueue::default();
        (0..1000).for_each(|at| queue.push(event(moved(f64::from(at), &[]), 0.0)));
        assert!(queue.bytes < 2 * weight(&event(moved(1000.5, &[]), 0.0)));
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
