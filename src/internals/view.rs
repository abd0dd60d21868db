//! What views send, and what becomes of their sizes and events.

use std::time::Instant;

use bytes::Bytes;
use serde_json::Value;

use super::{check_told, lines};
use crate::{
    event::{Event, EventKind, EventQueue, Held, Observed, Size, ViewId},
    protocol::{Inbound, InboundLimits, Refusal, view::ClientMessage},
    sizing::{Mapping, fit, widget_size},
};

const LIMITS: InboundLimits = InboundLimits { max_message_bytes: 4096, max_events_per_second: 1000 };
/// As small as a flag allows it makes the bound easy to break.
const MAX_PIXELS: [u64; 3] = [1, 640 * 480, 3840 * 2160];
const LOGICAL: (f64, f64) = (500.0, 300.0);

/// A view, as its connection and its widget know it.
struct Viewer {
    inbound: Inbound,
    held: Held,
    size: Option<Size>,
}

/// The views of a widget.
struct Room {
    views: Vec<Viewer>,
    driver: Option<usize>,
    queue: EventQueue,
    max_pixels: u64,
}

/// Lines, each of a view's number, how the message comes (`t` whole, `f`, `n`, `l` the first, a further and the last fragment) and its
/// text. The first line chooses the limit of pixels.
pub(super) fn run(input: &[u8]) {
    let mut lines = lines(input);
    let chosen = lines.next().and_then(|line| line.first()).map_or(0, |byte| usize::from(*byte));
    let now = Instant::now();
    let viewer = || Viewer { inbound: Inbound::new(LIMITS, now), held: Held::default(), size: None };
    let mut room = Room {
        views: (0..4).map(|_| viewer()).collect(),
        driver: None,
        queue: EventQueue::default(),
        max_pixels: MAX_PIXELS[chosen % MAX_PIXELS.len()],
    };
    for line in lines {
        let [view, how, text @ ..] = line else { continue };
        let view = usize::from(*view) % room.views.len();
        room.take(view, *how, text, now);
    }
    room.check_events();
    for viewer in &mut room.views {
        for event in viewer.held.release() {
            check(&Event::of_widget(event));
        }
    }
}

impl Room {
    fn take(&mut self, view: usize, how: u8, text: &[u8], now: Instant) {
        let inbound = &mut self.views[view].inbound;
        let message = match how {
            b'f' => inbound.first_fragment(&Bytes::copy_from_slice(text)).map(|()| None),
            b'n' => inbound.next_fragment(&Bytes::copy_from_slice(text)).map(|()| None),
            b'l' => inbound.last_fragment(&Bytes::copy_from_slice(text), now).map(Some),
            _ => inbound.text(text, now).map(Some),
        };
        match message {
            Ok(Some(ClientMessage::Event { kind, timestamp })) => {
                assert!(timestamp.is_finite(), "timestamp {timestamp}");
                self.event(view, kind, timestamp);
            }
            Ok(_) => {}
            Err(Refusal { message, .. }) => check_told(&message),
        }
    }

    fn event(&mut self, view: usize, kind: EventKind, timestamp: f64) {
        match &kind {
            EventKind::Resize(size) => {
                self.views[view].size = Some(*size).filter(|size| !size.is_zero());
                self.check_size();
                return;
            }
            EventKind::Show => return,
            EventKind::Hide => {
                self.views[view].size = None;
                self.check_size();
                return;
            }
            kind if kind.is_users_doing() => self.driver = Some(view),
            _ => {}
        }
        if !matches!(self.views[view].held.observe(&kind), Observed::Goes | Observed::Releases) {
            return;
        }
        let mut event = Event { kind, timestamp, view: Some(ViewId(view as u64)) };
        if let (Some(size), Some(widget)) = (self.views[view].size, self.size()) {
            Mapping::new((size.width, size.height), (widget.width, widget.height)).event(&mut event);
        }
        check(&event);
        self.queue.push(event);
    }

    /// The widget's size, while somebody sees it.
    fn size(&self) -> Option<Size> {
        let driver = self.driver.and_then(|view| self.views[view].size);
        let visible: Vec<_> = self.views.iter().filter_map(|view| view.size).collect();
        let logical = driver.map_or(LOGICAL, |driver| (driver.width, driver.height));
        (!visible.is_empty()).then(|| widget_size(logical, driver.as_ref(), visible.iter(), self.max_pixels))
    }

    fn check_size(&self) {
        let Some(size) = self.size() else { return };
        let area = u64::from(size.pwidth) * u64::from(size.pheight);
        assert!(area <= self.max_pixels, "{size:?} has more than {} pixels", self.max_pixels);
        assert!(area > 0, "{size:?} has no pixel");
        for number in [size.width, size.height, size.ratio] {
            assert!(number.is_finite() && number > 0.0, "{size:?}");
        }
        for view in self.views.iter().filter_map(|view| view.size) {
            let (frame, view) = ((size.pwidth, size.pheight), (view.pwidth, view.pheight));
            let sent = fit(frame, view);
            assert!(sent.0 >= 1 && sent.1 >= 1, "{frame:?} in {view:?} is {sent:?}");
            assert!(
                sent.0 <= frame.0.min(view.0) && sent.1 <= frame.1.min(view.1),
                "{frame:?} in {view:?}: {sent:?}"
            );
        }
    }

    fn check_events(&mut self) {
        for event in self.queue.take() {
            check(&event);
        }
    }
}

/// Checks an event as a renderer gets it: in JSON a number that is not finite is `null`.
fn check(event: &Event) {
    let json = serde_json::to_value(event).expect("events are JSON");
    let optional = matches!(event.kind, EventKind::Char(_));
    assert!(optional || !has_null(&json), "a number of {event:?} is none");
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.iter().any(has_null),
        Value::Object(fields) => fields.values().any(has_null),
        _ => false,
    }
}
