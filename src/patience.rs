//! How long those who say nothing are taken to be there still.

use std::time::Duration;

/// Times after which a silent peer counts as gone, whatever stands between that keeps its connection.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A kernel that says nothing for so long is gone; it is pinged three times within. Its link has a thread of its own, so that a
    /// program at work does not keep it from answering. Default 30 s.
    pub kernel: Duration,
    /// A kernel that is asked whether it is there, since another wants its place, has so long to answer. Default 2 s.
    pub kernel_asked: Duration,
    /// A process that connects as a kernel says so long after that which it is, and is turned away if it does not. Default 10 s.
    pub kernel_hello: Duration,
    /// A browser that answers no ping for so long is gone. Default 60 s.
    pub view: Duration,
    /// A renderer that works on one turn for so long is taken to hang: it no longer holds up others of its user's. Default 30 s.
    pub renderer: Duration,
    /// A connection that has not sent a whole request for so long, its next one as well as its first, is ended. Default 10 s. (Sooner the
    /// HTTP library ends those that say nothing at all, and those whose first request is not whole: after 5 s each.)
    pub request: Duration,
    /// The body of a request has to be there after so long. Default 30 s.
    pub body: Duration,
    /// An answer has to be taken whole after so long, or its connection is ended. Default 60 s.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            kernel: Duration::from_secs(30),
            kernel_asked: Duration::from_secs(2),
            kernel_hello: Duration::from_secs(10),
            view: Duration::from_secs(60),
            renderer: Duration::from_secs(30),
            request: Duration::from_secs(10),
            body: Duration::from_secs(30),
            answer: Duration::from_secs(60),
        }
    }
}
