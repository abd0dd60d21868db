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
    /// Whether the frame of the last turn is being compared with the one before: until it is shown, nobody wants another.
    pub comparing: bool,
    /// The snapshot that turns are taking.
    pub picture: Option<Picture>,
    /// What the kernel was told last: how many views there are, and how many are visible; `None` when it was told nothing yet.
    pub views: Option<(usize, usize)>,
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
        Self { kernel, gone: false, turn, working: false, comparing: false, picture: None, views: None }
    }
}

impl Renderer {
    /// Whether it is on a turn, or on its way to be.
    pub fn is_at_work(&self) -> bool {
        match self {
            Self::Away => true,
            Self::Local(_) => false,
            Self::Remote(remote) => remote.working || remote.comparing,
        }
    }

    /// Whether the frame that it drew last is still being compared with the one before.
    pub fn awaits_comparison(&self) -> bool {
        matches!(self, Self::Remote(remote) if remote.comparing)
    }

    /// A frame has been compared.
    pub fn compared(&mut self) {
        if let Some(remote) = self.remote() {
            remote.comparing = false;
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
