//! What the tests of the demos share: a widget to be in, events, and looks at pixels.

use std::collections::BTreeMap;

use crate::{
    event::{Char, Event, EventKind, Key, Pointer, Size, Touch, Wheel},
    frame::Frame,
    handle::WidgetHandle,
    render::{KindError, Kinds, RemoteFrameBuffer},
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
    options: serde_json::Value,
) -> Result<(Box<dyn RemoteFrameBuffer>, WidgetHandle), KindError> {
    let kind = kinds.get(kind)?;
    let options = kind.complete(options.as_object().unwrap().clone())?;
    let handle = handle();
    Ok((kind.make(handle.clone(), &options)?, handle))
}

/// The handle of a widget that nobody watches.
pub fn handle() -> WidgetHandle {
    WidgetHandle::default()
}

/// How many draws have been requested since the last call.
pub fn draws(handle: &WidgetHandle) -> usize {
    std::mem::take(&mut handle.0.lock().unwrap().draws)
}

/// Sets what `get_stats` answers.
pub fn set_stats(handle: &WidgetHandle, stats: crate::stats::StatsSummary) {
    handle.0.lock().unwrap().stats = stats;
}
