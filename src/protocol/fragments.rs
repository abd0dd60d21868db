//! Messages that come in several WebSocket fragments, put together again.

use bytes::Bytes;

use super::{Refusal, close_code};
use crate::quota::OverMemory;

/// A message that is not complete yet.
#[derive(Debug)]
pub struct Fragments {
    max_bytes: usize,
    partial: Option<Vec<u8>>,
}

impl Fragments {
    /// Puts together messages of at most `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, partial: None }
    }

    /// Whether a message is incomplete.
    pub fn is_open(&self) -> bool {
        self.partial.is_some()
    }

    /// Bytes of it that came.
    pub fn came(&self) -> usize {
        self.partial.as_ref().map_or(0, Vec::len)
    }

    /// Takes the first fragment.
    ///
    /// # Errors
    /// When a message is incomplete, or the fragment is too long.
    pub fn first(&mut self, bytes: &Bytes) -> Result<(), Refusal> {
        if self.partial.is_some() {
            return Err(out_of_order("a new message began within a fragmented one"));
        }
        self.partial = Some(Vec::new());
        self.append(bytes)
    }

    /// Takes a fragment in the middle.
    ///
    /// # Errors
    /// When no message was begun, or it becomes too long.
    pub fn append(&mut self, bytes: &Bytes) -> Result<(), Refusal> {
        let partial =
            self.partial.as_mut().ok_or_else(|| out_of_order("a fragment came without a first one"))?;
        if partial.len() + bytes.len() > self.max_bytes {
            return Err(too_big(self.max_bytes));
        }
        partial.try_reserve(bytes.len()).map_err(|_| no_memory(bytes.len()))?;
        partial.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes the last fragment; returns the message.
    ///
    /// # Errors
    /// As [`Fragments::append`].
    pub fn last(&mut self, bytes: &Bytes) -> Result<Bytes, Refusal> {
        self.append(bytes)?;
        Ok(self.partial.take().unwrap_or_default().into())
    }
}

/// The refusal of a message that is longer than allowed.
pub fn too_big(max_bytes: usize) -> Refusal {
    Refusal::of_connection(
        "too_big",
        format!("the message is longer than {max_bytes} bytes: send smaller messages"),
        close_code::TOO_BIG,
    )
}

fn no_memory(bytes: usize) -> Refusal {
    let over = OverMemory::System(bytes as u64);
    Refusal::of_connection(over.code(), over.to_string(), close_code::TRY_LATER)
}

fn out_of_order(message: &str) -> Refusal {
    Refusal::of_connection(
        "fragments",
        format!("{message}: send first, middle and last fragments in order"),
        close_code::PROTOCOL,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_make_one_message() {
        let mut fragments = Fragments::new(10);
        fragments.first(&Bytes::from_static(b"abc")).unwrap();
        fragments.append(&Bytes::from_static(b"de")).unwrap();
        assert_eq!(fragments.last(&Bytes::from_static(b"f")).unwrap(), "abcdef");
        fragments.first(&Bytes::from_static(b"next")).unwrap();
    }

    #[test]
    fn fragments_that_add_up_to_too_much_are_refused() {
        let mut fragments = Fragments::new(4);
        fragments.first(&Bytes::from_static(b"abc")).unwrap();
        assert_eq!(
            fragments.append(&Bytes::from_static(b"de")).unwrap_err().close,
            Some(close_code::TOO_BIG)
        );
    }

    #[test]
    fn fragments_out_of_order_are_refused() {
        let mut fragments = Fragments::new(4);
        assert_eq!(fragments.append(&Bytes::new()).unwrap_err().close, Some(close_code::PROTOCOL));
        fragments.first(&Bytes::new()).unwrap();
        assert_eq!(fragments.first(&Bytes::new()).unwrap_err().close, Some(close_code::PROTOCOL));
    }
}
