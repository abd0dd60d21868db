//! Where what a kernel is told goes, and how much of it may wait for a kernel that does not read.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use actix::{WeakAddr, prelude::*};
use bytes::Bytes;
use bytestring::ByteString;

use super::{Kernel, ToKernel};
use crate::actors::outbox::Unread;

/// Text that may wait for a kernel to read it, in bytes. Beyond it the kernel has stopped reading. Frames that are relayed to browsers do
/// not count: those are bounded by what the browsers confirm.
const MOST_UNREAD: usize = 8 << 20;

/// The kernel does not read what it is told.
#[derive(Message)]
#[rtype(result = "()")]
pub struct DoesNotRead {
    /// The number of its connection.
    pub connection: u64,
}

/// The way to one connection of a kernel. Clones are the same.
#[derive(Clone)]
pub struct Outbox {
    socket: Recipient<ToKernel>,
    unread: Unread,
    /// Whether it was said that the kernel does not read; from then on nothing is sent.
    given_up: Arc<AtomicBool>,
    kernel: WeakAddr<Kernel>,
    connection: u64,
}

impl Outbox {
    /// The way through a socket to the connection of that number.
    pub fn new(socket: Recipient<ToKernel>, kernel: &Addr<Kernel>, connection: u64) -> Self {
        let kernel = kernel.downgrade();
        Self { socket, unread: Unread::default(), given_up: Arc::default(), kernel, connection }
    }

    /// Sends a text message, unless too much waits.
    pub fn text(&self, text: ByteString) {
        if let Some(waiting) = self.unread.wait(text.len(), MOST_UNREAD) {
            self.socket.do_send(ToKernel::Text(text, Some(waiting)));
        } else if !self.given_up.swap(true, Ordering::Relaxed)
            && let Some(kernel) = self.kernel.upgrade()
        {
            kernel.do_send(DoesNotRead { connection: self.connection });
        }
    }

    /// Sends a browser's frame as text.
    pub fn frame_text(&self, text: ByteString) {
        self.socket.do_send(ToKernel::Text(text, None));
    }

    /// Sends a browser's frame, in parts.
    pub fn frame(&self, parts: Vec<Bytes>) {
        self.socket.do_send(ToKernel::Binary(parts));
    }

    /// Asks the kernel whether it is there.
    pub fn ping(&self) {
        self.socket.do_send(ToKernel::Ping);
    }

    /// Closes the connection.
    pub fn close(&self, code: u16, reason: &'static str) {
        self.socket.do_send(ToKernel::Close { code, reason });
    }

    /// Whether there is a socket still.
    pub fn connected(&self) -> bool {
        self.socket.connected()
    }
}
