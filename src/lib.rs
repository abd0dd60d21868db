//! `FrameHub` serves *remote frame buffer widgets*: rendered where the data is, shown where the user is.
//!
//! ```text
//!  renderer ──frame──▶ Widget ──job──▶ encoder pool ──encoded──▶ Widget ──▶ View ──bytes──▶ Socket ──▶ browser
//!     ▲                  │  ▲                                                │ ▲                          │
//!     └──draw, event─────┘  └────────────── grant, input, change ────────────┘ └──── ack, event ──────────┘
//!
//!  a renderer in another process:  its program ◀──▶ Socket ◀──turn, frame──▶ Kernel ◀──▶ Widget
//!
//!  Widget, View, Kernel ──handles──▶ counts ──▶ GET /metrics
//! ```
//!
//! Whoever writes a widget needs [`RemoteFrameBuffer`], [`Frame`], [`Event`] and [`WidgetHandle`], and [`Server`] to serve it.
//!
//! | where | what |
//! |---|---|
//! | [`frame`], [`event`], [`traits`], [`stats`] | the words: pixels, what users do, what is set, what is measured |
//! | [`credits`], [`pacing`], [`delivery`], [`sizing`], [`clock`] | what computes, without a runtime or a network: credits, who gets what, sizes, clocks |
//! | [`adaptation`], [`control`], [`presence`], [`breakdown`] | the same for views: slow links, who may act, pointers, where the time goes |
//! | `quota`, `budget` | what each user may take of the server; what each caller may do in a second |
//! | [`tiles`] | which parts of a frame changed, and when |
//! | [`encode`] | pixels to images, on a pool |
//! | `shelf`, `room` | memory of frames and encoded files, which goes round; large memory, asked for in a way that may fail |
//! | [`render`] | what a widget's author writes, and the demo widgets |
//! | [`protocol`] | the messages on the wire, and the checks on what comes in |
//! | [`actors`] | what holds state and decides: Widget, View, Kernel; and the registries |
//! | [`handle`], [`hub`], `widget_id` | a widget from outside; everything a running server shares; whose an id is |
//! | `audit` | the lines of the log that say who did what to whose widget |
//! | `sharing`, `signing`, [`random`] | with whom widgets are shared; signatures of links and tickets; what nobody guesses |
//! | [`web`] | routes, pages, API, sockets, access |
//! | `internals` | doors for the fuzzer, behind a feature |
//! | [`config`], [`jupyterhub`], [`server`], `runtime_file`, `private_file`, `usage`, `seldom`, `descriptors` | from flags, and what a JupyterHub says, to a listening address; telling others of it, noticing that nobody needs it, and saying seldom what happens often |

mod actors;
pub mod adaptation;
mod audit;
pub mod breakdown;
mod budget;
pub mod clock;
pub mod config;
pub mod control;
pub mod credits;
pub mod delivery;
mod descriptors;
pub mod encode;
pub mod event;
pub mod frame;
pub mod handle;
pub mod hub;
#[cfg(any(test, feature = "internals"))]
#[doc(hidden)]
pub mod internals;
pub mod jupyterhub;
mod listener;
pub mod log;
pub mod metrics;
pub mod network;
pub mod pacing;
mod panic;
pub mod patience;
pub mod presence;
mod private_file;
pub mod protocol;
mod pulse;
mod quota;
pub mod random;
pub mod render;
mod room;
mod runtime_file;
mod seldom;
pub mod server;
mod sharing;
mod shelf;
mod signing;
pub mod sizing;
pub mod stats;
mod supervisor;
pub mod tiles;
pub mod traits;
mod usage;
mod web;
mod widget_id;

pub use config::Config;
pub use event::{Event, EventKind};
pub use frame::{Frame, FrameError, PixelFormat};
pub use handle::{SnapshotError, WidgetHandle};
pub use patience::Patience;
pub use quota::OverMemory;
pub use render::{Kind, KindError, Options, RemoteFrameBuffer, RenderError};
pub use server::{Running, ServeError, Server};
pub use stats::StatsSummary;
pub use traits::{TraitError, Traits};
