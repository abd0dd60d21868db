//! How many WebSocket frames a connection may send, whatever is in them.

use std::time::Instant;

use super::{Refusal, bucket::Bucket, close_code};

/// Pings and pongs: programs send one in some seconds, browsers none by themselves.
const MAX_CONTROL_PER_SECOND: u32 = 100;

/// What kind of frame came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A message, or a part of one.
    Data,
    /// A ping or a pong.
    Control,
}

/// The frames of one connection.
#[derive(Debug)]
pub(super) struct Frames {
    data: Bucket,
    most: u32,
    control: Bucket,
}

impl Frames {
    /// A fresh connection that may send so many a second.
    pub fn new(most: u32, now: Instant) -> Self {
        Self { data: Bucket::new(most, now), most, control: Bucket::new(MAX_CONTROL_PER_SECOND, now) }
    }

    /// Takes one.
    ///
    /// # Errors
    /// When too many come, which costs the connection.
    pub fn take(&mut self, kind: FrameKind, now: Instant) -> Result<(), Refusal> {
        let (bucket, most, what, advice) = match kind {
            FrameKind::Data => {
                (&mut self.data, self.most, "WebSocket frames", "send fewer messages, and each whole")
            }
            FrameKind::Control => {
                (&mut self.control, MAX_CONTROL_PER_SECOND, "pings and pongs", "one in some seconds will do")
            }
        };
        bucket.take(now).then_some(()).ok_or_else(|| {
            let message = format!("more than {most} {what} a second: {advice}");
            Refusal::of_connection("rate", message, close_code::POLICY)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn more_frames_than_allowed_cost_the_connection_and_pings_are_fewer() {
        let start = Instant::now();
        for (kind, most, what) in [(FrameKind::Data, 1000, "frames"), (FrameKind::Control, 100, "pings")] {
            let mut frames = Frames::new(1000, start);
            assert!((0..most).all(|_| frames.take(kind, start).is_ok()));
            let refusal = frames.take(kind, start).unwrap_err();
            assert_eq!((refusal.code, refusal.close), ("rate", Some(close_code::POLICY)));
            assert!(refusal.message.contains(what), "{}", refusal.message);
            assert!(frames.take(kind, start + Duration::from_secs(1)).is_ok());
        }
    }
}
