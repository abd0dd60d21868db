//! What the tests of the demos share: a widget to be in, events, and looks at pixels.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use actix::{AsyncContext, Context};
use parking_lot::Mutex;

use crate::{
    config::Config,
    event::{Char, Event, EventKind, Key, Pointer, Size, Touch, Wheel},
    frame::Frame,
    handle::{Shared, WidgetHandle},
    quota::{Memory, Quota},
    render::{KindError, Kinds, Options, RemoteFrameBuffer},
    sharing::Shares,
    stats::Stats,
    traits::Traits,
};

pub fn size(width: f64, height: f64, ratio: f64) -> Size {
    Size { width, height, pwidth: (width * ratio) as u32, pheight: (height * ratio) as u32, ratio }
}

pub fn resize(width: f64, height: f64, ratio: f64) -> EventKind {
    EventKind::Resize(size(width, height, ratio))
}

pub fn pointer(x: f64, y: f64) -> Pointer {
    Pointer { x, y, button: 1, buttons: vec![1], ..Pointer::default() }
}

pub fn down(x: f64, y: f64) -> EventKind {
    EventKind::PointerDown(pointer(x, y))
}

pub fn moved(x: f64, y: f64) -> EventKind {
    EventKind::PointerMove(Pointer { button: 0, ..pointer(x, y) })
}

pub fn up(x: f64, y: f64) -> EventKind {
    EventKind::PointerUp(Pointer { buttons: Vec::new(), ..pointer(x, y) })
}

pub fn touches(fingers: &[(&str, f64, f64)]) -> Pointer {
    let touches: BTreeMap<String, Touch> =
        fingers.iter().map(|&(id, x, y)| (id.to_owned(), Touch { x, y, pressure: 0.5 })).collect();
    let (_, x, y) = fingers[fingers.len() - 1];
    Pointer { ntouches: fingers.len() as u32, touches, ..pointer(x, y) }
}

pub fn wheel(x: f64, y: f64, dy: f64) -> EventKind {
    EventKind::Wheel(Wheel { x, y, dy, ..Wheel::default() })
}

pub fn key(key: &str) -> EventKind {
    EventKind::KeyDown(Key { key: key.to_owned(), modifiers: Vec::new() })
}

pub fn char(data: &str) -> EventKind {
    EventKind::Char(Char {
        data: Some(data.to_owned()),
        input_type: "insertText".to_owned(),
        is_composing: false,
    })
}

/// Gives a renderer one event.
pub fn send(renderer: &mut (impl RemoteFrameBuffer + ?Sized), kind: EventKind) {
    renderer.handle_event(&Event::of_widget(kind)).unwrap();
}

/// Draws once.
pub fn frame(renderer: &mut (impl RemoteFrameBuffer + ?Sized)) -> Frame {
    renderer.get_frame().unwrap().expect("a frame, not a cancelled draw")
}

/// The colour of one pixel of an RGB frame.
pub fn pixel(frame: &Frame, x: u32, y: u32) -> [u8; 3] {
    let start = 3 * (y as usize * frame.width() as usize + x as usize);
    frame.pixels()[start..start + 3].try_into().unwrap()
}

/// Makes a widget's renderer through its registered kind, as a server does.
pub fn make(
    kinds: &Kinds,
    kind: &str,
    options: &serde_json::Value,
) -> Result<(Box<dyn RemoteFrameBuffer>, WidgetHandle), KindError> {
    let kind = kinds.get(kind)?;
    let options = kind.complete(options.as_object().unwrap().clone())?;
    let handle = handle();
    Ok((kind.make(handle.clone(), &options)?, handle))
}

/// What the handles that tests made share with their widgets, by the widgets' ids.
static WIDGETS: Mutex<BTreeMap<String, Arc<Shared>>> = Mutex::new(BTreeMap::new());

fn shared(handle: &WidgetHandle) -> Arc<Shared> {
    Arc::clone(&WIDGETS.lock()[handle.id()])
}

/// The handle of a widget whose actor does not run: what is asked of it is noted, and nothing comes of it.
pub fn handle() -> WidgetHandle {
    let mut widgets = WIDGETS.lock();
    let id = format!("test-{}", widgets.len());
    let limits = Config::default().hub_limits();
    let memory = Memory::new(limits.max_memory).account(limits.max_memory);
    let quota = Arc::new(Quota::new(None, limits.user, memory));
    let shared = Arc::new(Shared::new(
        id.clone(),
        "test".to_owned(),
        quota,
        Options::default(),
        Traits::default(),
        Shares::default(),
    ));
    widgets.insert(id, Arc::clone(&shared));
    WidgetHandle::new(shared, Context::new().address())
}

/// Whether a draw has been requested since the last call.
pub fn is_draw_requested(handle: &WidgetHandle) -> bool {
    shared(handle).draw_requested.swap(false, Ordering::AcqRel)
}

/// Lets `get_stats` count so many frames since the last reset.
pub fn count_frames(handle: &WidgetHandle, sent: u64, confirmed: u64) {
    let mut stats = Stats::default();
    for index in 1..=sent {
        stats.sent(index, index as f64, 0.01, 0.0);
    }
    stats.confirmed(1..=confirmed, sent as f64 + 1.0, 0.1, 0.05);
    *shared(handle).stats.lock() = stats;
}
