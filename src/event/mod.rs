//! The events of the "renderview" spec, as types: what the user does in a view.
//!
//! Positions are in the widget's **logical** pixels, origin top left. `timestamp` is in seconds on the
//! page's monotonic clock, whose origin is arbitrary.

mod held;
mod owed;
mod queue;
mod validate;

pub use held::{Held, MAX_HELD_KEYS, Observed};
pub use owed::Owed;
pub use queue::{EventQueue, MAX_QUEUED, MAX_QUEUED_BYTES};
pub use validate::{FieldError, MAX_SIDE, time};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names one view within the server's life: `"v1"`, `"v2"`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewId(pub u64);

impl std::fmt::Display for ViewId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl ViewId {
    /// The view of that name.
    pub fn named(name: &str) -> Option<Self> {
        let number = name.strip_prefix('v')?.parse().ok().map(Self)?;
        // No name but the one that is told: neither `v01` nor `v+1`.
        (number.to_string() == name).then_some(number)
    }
}

impl Serialize for ViewId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One event, with the view that it came from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
    /// When, in seconds on the page's clock; 0 for events that the server made itself.
    pub timestamp: f64,
    /// The view that the user acted in; `None` for events of the widget as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<ViewId>,
}

impl Event {
    /// An event that the server makes itself: no view, timestamp 0.
    pub fn of_widget(kind: EventKind) -> Self {
        Self { kind, timestamp: 0.0, view: None }
    }
}

/// What happened. The names on the wire are the snake-case names of the variants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// The widget has a new size or pixel ratio; a draw follows.
    Resize(Size),
    /// The widget was closed; nothing follows.
    Close,
    /// A view became visible. For the server only: renderers do not get it.
    Show,
    /// A view stopped being visible. For the server only: renderers do not get it.
    Hide,
    /// The view has the keyboard.
    FocusIn,
    /// The view lost the keyboard.
    FocusOut,
    /// A button was pressed, a finger put down.
    PointerDown(Pointer),
    /// The button that began a drag was released, the finger lifted, the pointer lost.
    PointerUp(Pointer),
    /// The pointer moved.
    PointerMove(Pointer),
    /// The pointer came into the view.
    PointerEnter(Pointer),
    /// The pointer left the view.
    PointerLeave(Pointer),
    /// Two clicks; comes besides the downs and ups.
    DoubleClick(Pointer),
    /// The wheel turned.
    Wheel(Wheel),
    /// A key was pressed (no repeats).
    KeyDown(Key),
    /// A key was released.
    KeyUp(Key),
    /// Text was put in, through a key or an input method.
    Char(Char),
}

impl EventKind {
    /// Whether it shows that a user is there and does something. What follows by itself does not: a page that moves under a pointer at
    /// rest, or what is released for a user who is gone.
    pub fn is_users_doing(&self) -> bool {
        matches!(
            self,
            Self::PointerDown(_)
                | Self::PointerMove(_)
                | Self::DoubleClick(_)
                | Self::Wheel(_)
                | Self::KeyDown(_)
                | Self::Char(_)
        )
    }

    /// The `type` that the event has on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Resize(_) => "resize",
            Self::Close => "close",
            Self::Show => "show",
            Self::Hide => "hide",
            Self::FocusIn => "focus_in",
            Self::FocusOut => "focus_out",
            Self::PointerDown(_) => "pointer_down",
            Self::PointerUp(_) => "pointer_up",
            Self::PointerMove(_) => "pointer_move",
            Self::PointerEnter(_) => "pointer_enter",
            Self::PointerLeave(_) => "pointer_leave",
            Self::DoubleClick(_) => "double_click",
            Self::Wheel(_) => "wheel",
            Self::KeyDown(_) => "key_down",
            Self::KeyUp(_) => "key_up",
            Self::Char(_) => "char",
        }
    }
}

/// The size of a view or a widget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// Logical (CSS) pixels.
    pub width: f64,
    /// Logical (CSS) pixels.
    pub height: f64,
    /// Physical pixels.
    pub pwidth: u32,
    /// Physical pixels.
    pub pheight: u32,
    /// Physical pixels per logical pixel.
    pub ratio: f64,
}

/// Where a pointer is and which buttons are held.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Pointer {
    /// Logical pixels from the left edge.
    pub x: f64,
    /// Logical pixels from the top edge.
    pub y: f64,
    /// The button that the event is about: 0 none, 1 left, 2 right, 3 middle, 4 back, 5 forward.
    #[serde(default)]
    pub button: u8,
    /// The buttons that are held.
    #[serde(default)]
    pub buttons: Vec<u8>,
    /// The modifier keys that are held.
    #[serde(default)]
    pub modifiers: Vec<Modifier>,
    /// How many fingers are down.
    #[serde(default)]
    pub ntouches: u32,
    /// Each finger by its id.
    #[serde(default)]
    pub touches: BTreeMap<String, Touch>,
}

/// One finger on a touch screen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Touch {
    /// Logical pixels from the left edge.
    pub x: f64,
    /// Logical pixels from the top edge.
    pub y: f64,
    /// 0..=1.
    #[serde(default)]
    pub pressure: f64,
}

/// A turn of the wheel.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Wheel {
    /// Logical pixels from the left edge.
    pub x: f64,
    /// Logical pixels from the top edge.
    pub y: f64,
    /// Pixels to the right.
    pub dx: f64,
    /// Pixels down.
    pub dy: f64,
    /// The buttons that are held.
    #[serde(default)]
    pub buttons: Vec<u8>,
    /// The modifier keys that are held.
    #[serde(default)]
    pub modifiers: Vec<Modifier>,
}

/// A key pressed or released.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// The browser's name: `a`, `Enter`, `ArrowLeft`, …
    pub key: String,
    /// The modifier keys that are held.
    #[serde(default)]
    pub modifiers: Vec<Modifier>,
}

/// Text that was put in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Char {
    /// The text; `None` where the browser has none to tell (a deletion, say).
    pub data: Option<String>,
    /// The browser's `inputType`, such as `insertText`.
    #[serde(default)]
    pub input_type: String,
    /// Whether an input method is still composing the text.
    #[serde(default)]
    pub is_composing: bool,
}

/// A modifier key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Modifier {
    /// Shift.
    Shift,
    /// Control.
    Control,
    /// Alt, or Option.
    Alt,
    /// Meta: Command, or the Windows key.
    Meta,
}
