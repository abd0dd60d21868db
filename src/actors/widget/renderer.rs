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
#[derive(Default)]
pub struct Remote {
    /// The kernel; `None` while it is gone.
    pub kernel: Option<Addr<Kernel>>,
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

impl Renderer {
    /// Whether it could be sent on a turn.
    pub fn is_free(&self) -> bool {
        match self {
            Self::Away => false,
            Self::Local(_) => true,
            Self::Remote(remote) => remote.kernel.is_some() && !remote.working,
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
