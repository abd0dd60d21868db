//! What a widget is told, and asked.

use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::{
    Frame, RemoteFrameBuffer,
    actors::view::{Outbox, View, Viewer},
    adaptation::Reduction,
    budget::{Allowed, Who},
    event::{EventKind, Size, ViewId},
    handle::SnapshotError,
    protocol::{
        Refusal,
        view::{ControlAction, Role},
    },
    quota::Account,
};

/// Hands the renderer over, once it is made. The widget does nothing with events and draws before.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Install(pub Box<dyn RemoteFrameBuffer>);

/// The shared `draw_requested` was set.
#[derive(Message)]
#[rtype(result = "()")]
pub struct DrawRequested;

/// The shared `pushed` holds a frame.
#[derive(Message)]
#[rtype(result = "()")]
pub struct FramePushed;

/// The shared traits have changed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct TraitsChanged;

/// Begin all statistics anew.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ResetStats;

/// Show text in every view.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Print(pub String);

/// End the widget.
#[derive(Message, Clone, Copy, PartialEq, Eq)]
#[rtype(result = "()")]
pub enum Close {
    /// It is closed for good.
    Closed,
    /// No user acted in it for longer than the configuration allows.
    Idle,
    /// A part of the server failed on which it rests; views may find the widget again.
    Failed,
    /// The server stops; views may find the widget again when it is back.
    Shutdown,
}

/// Take a picture.
#[derive(Message)]
#[rtype(result = "()")]
pub struct TakeSnapshot {
    /// Physical pixels per logical pixel; `None` means the widget's own.
    pub pixel_ratio: Option<f64>,
    /// To which it is charged.
    pub account: Arc<Account>,
    /// Where the picture goes.
    pub answer: oneshot::Sender<Result<Frame, SnapshotError>>,
}

/// Somebody to whom a widget is shared: the user, or the browser; `None` of a browser that does not say which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor(pub Option<Who>);

/// A connection wants a view.
#[derive(Message)]
#[rtype(result = "Result<Addr<View>, Refusal>")]
pub struct Attach {
    /// Whose it is.
    pub viewer: Viewer,
    /// Whether that is an administrator, to whom the widget is another's.
    pub administers: bool,
    /// What the view may do.
    pub role: Role,
    /// Whether it takes frames as base64.
    pub base64: bool,
    /// Whether it is sent less than it could show when its link is slow.
    pub adaptive: bool,
    /// Where what it has to say goes.
    pub outbox: Outbox,
    /// Who it is counted with, if the widget is another's.
    pub visitor: Option<Visitor>,
    /// What its caller may do, in all views together.
    pub allowed: Allowed,
    /// The thread that the view is to be on: that of its outbox, so that the two need not wake each other's.
    pub thread: ArbiterHandle,
}

/// A view's size is known or changed, or whether the user can see it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ViewChanged {
    pub view: ViewId,
    pub size: Option<Size>,
    pub visible: bool,
    /// Whether the user resized it, which makes it the driver.
    pub acted: bool,
}

/// A view has credits again that were missed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Granted(pub ViewId);

/// A view may not show what it was sent, so that it needs a whole frame.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Lost {
    pub view: ViewId,
    /// Those of frames that were given up. Nothing is to be sent for them before this is known.
    pub credits: u32,
}

/// The user acted in a view that may interact; positions are in the view's logical pixels.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Input {
    pub view: ViewId,
    pub kind: EventKind,
    pub timestamp: f64,
    /// Whether the user holds a button down in the view after it.
    pub dragging: bool,
    /// Whether it releases what was held in the view.
    pub releases: bool,
}

/// What a view's frames are to be reduced to while they move.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Adapt {
    pub view: ViewId,
    pub reduction: Reduction,
}

/// A view that may interact takes hold of the control, or lets go of it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ControlWanted {
    pub view: ViewId,
    pub action: ControlAction,
}

/// Whoever holds the control loses it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct TakeControlAway;

/// A view is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Leave(pub ViewId);

/// End a view, or all of them; answers how many there were.
#[derive(Message)]
#[rtype(result = "usize")]
pub struct Disconnect(pub Option<ViewId>);
