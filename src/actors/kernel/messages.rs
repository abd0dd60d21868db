//! What a kernel's actor is told, and asked.

use std::time::Duration;

use actix::prelude::*;
use bytes::Bytes;
use bytestring::ByteString;

use super::relay::Relay;
use crate::{
    actors::{kernels::Orphan, outbox::Waiting},
    event::Event,
    handle::Identity,
    hub::Admission,
    protocol::kernel::{KernelLimits, KernelMessage, Refused},
};

/// What holds for every kernel of a server.
#[derive(Debug, Clone, Copy)]
pub struct KernelSettings {
    /// How long the widgets of a kernel that is gone are kept.
    pub grace: Duration,
    /// A kernel that answers no ping for so long is gone.
    pub silence: Duration,
    /// A kernel that is asked whether it is there has so long to answer.
    pub asked: Duration,
    /// A connection has so long to say which kernel's it is.
    pub hello: Duration,
    /// What a kernel may send.
    pub limits: KernelLimits,
}

/// Something for the kernel.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub enum ToKernel {
    /// A text message, and what says that it waits to be read, if that counts.
    Text(ByteString, Option<Waiting>),
    /// A binary message, in parts.
    Binary(Vec<Bytes>),
    /// A WebSocket ping.
    Ping,
    /// Close the connection.
    Close {
        /// The WebSocket close code.
        code: u16,
        /// Why.
        reason: &'static str,
    },
}

/// The kernel is connected, for the first time or again. Answers the connection's number.
#[derive(Message)]
#[rtype(result = "u64")]
pub struct Connect {
    /// For the log; may be empty.
    pub name: String,
    /// Where what it is told goes.
    pub socket: Recipient<ToKernel>,
    /// The server's address, as this kernel reaches it.
    pub base: String,
    /// The notebook server of its user that it runs in, empty for the default one; `None` if that is not known.
    pub notebook_server: Option<String>,
    /// Its right to be here.
    pub admission: Admission,
}

/// A message of the kernel, or why it was refused.
#[derive(Message)]
#[rtype(result = "()")]
pub struct FromKernel {
    /// The number of the connection that it came by.
    pub connection: u64,
    /// The message.
    pub message: Result<KernelMessage, Refused>,
}

/// The kernel is there: a part of a message has come.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Heard {
    /// The number of the connection.
    pub connection: u64,
}

/// The kernel reads and answers: its answer to a ping has come.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Ponged {
    /// The number of the connection.
    pub connection: u64,
}

/// A connection is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Disconnected {
    /// Its number.
    pub connection: u64,
}

/// The user whose token the kernel came with is signed out.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SignedOut {
    /// The number of the connection that came with it.
    pub connection: u64,
}

/// Hand a widget over, if the kernel is gone, or does not answer when it is asked.
#[derive(Message)]
#[rtype(result = "Option<Orphan>")]
pub struct GiveUp {
    /// The widget.
    pub widget: String,
}

/// The server stops.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Shutdown;

/// A turn of a widget for its renderer.
#[derive(Message)]
#[rtype(result = "()")]
pub struct TakeTurn {
    /// The widget.
    pub widget: String,
    /// The turn's number.
    pub turn: u64,
    /// The events to take, in order.
    pub events: Vec<Event>,
    /// Whether a frame could be shown.
    pub may_draw: bool,
    /// Whether a draw is requested.
    pub requested: bool,
}

/// A widget has closed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct WidgetClosed {
    /// The widget. There may be another one of its id by now.
    pub widget: Identity,
    /// What its renderer has not taken yet; the last is its `close`.
    pub events: Vec<Event>,
}

/// A part of the server failed on which a widget rested, and it is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct WidgetFailed(pub Identity);

/// A widget has more views, or fewer, or others are visible.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ViewsChanged {
    /// The widget.
    pub widget: String,
    /// Its views.
    pub views: usize,
    /// Those that their users can see.
    pub visible: usize,
}

/// A widget's traits are no longer what they were.
#[derive(Message)]
#[rtype(result = "()")]
pub struct TraitsChanged {
    /// The widget.
    pub widget: String,
}

/// A relayed view has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct RelayEnded {
    /// The kernel's number for it, which may be another's by now.
    pub number: u64,
    /// The relay.
    pub relay: Addr<Relay>,
}
