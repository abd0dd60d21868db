//! Where a widget's renderer is.

use std::time::Instant;

use actix::Addr;

use crate::{Frame, RemoteFrameBuffer, actors::kernel::Kernel};

/// The renderer, or where it is.
pub enum Renderer {
    /// Not made yet, or away on a turn.
    Away,
    /// Here.
    Local(Box<dyn RemoteFrameBuffer>),
    /// In a kernel.
    Remote(Remote),
}

/// A renderer in a kernel.
pub struct Remote {
    pub kernel: Addr<Kernel>,
    /// Whether the kernel is gone. It may come back.
    pub gone: bool,
    /// The number of the last turn.
    pub turn: u64,
    /// Whether that turn is under way.
    pub working: bool,
    /// Whether the kernel's program asked for a draw. What the server asks for itself is in the shared `draw_requested`.
    pub requested: bool,
    /// The snapshot that turns are taking.
    pub picture: Option<Picture>,
    /// What the kernel was told last: how many views there are, and how many are visible.
    pub views: (usize, usize),
}

/// A snapshot that is being taken.
pub struct Picture {
    /// Whether the renderer was given another size for it.
    pub resized: bool,
    /// When that began.
    pub began: Instant,
    /// The last frame so far.
    pub frame: Option<Frame>,
}

impl Remote {
    /// A renderer in a kernel that is there; `turn` is the number of the widget's last turn.
    pub fn new(kernel: Addr<Kernel>, turn: u64) -> Self {
        Self { kernel, gone: false, turn, working: false, requested: false, picture: None, views: (0, 0) }
    }
}

impl Renderer {
    /// Whether it could be sent on a turn.
    pub fn is_free(&self) -> bool {
        match self {
            Self::Away => false,
            Self::Local(_) => true,
            Self::Remote(remote) => !remote.gone && !remote.working,
        }
    }

    /// Whether turns of it are taking a snapshot.
    pub fn is_taking_picture(&self) -> bool {
        matches!(self, Self::Remote(remote) if remote.picture.is_some())
    }

    /// The kernel's side, if the renderer is in a kernel.
    pub fn remote(&mut self) -> Option<&mut Remote> {
        match self {
            Self::Remote(remote) => Some(remote),
            _ => None,
        }
    }
}
