//! How many releases a renderer is still to hear of.

use super::{EventKind, MAX_HELD_KEYS};

/// Most that are owed by a view: each key that it may hold, and a pointer.
const MOST: usize = MAX_HELD_KEYS + 1;

/// The releases that a renderer is still to hear of from one view: of presses that it heard of, and of no others. They pass where other
/// events have to wait or are refused, so that nothing stays pressed, and there are no more of them than a view can hold.
#[derive(Debug, Default)]
pub struct Owed(usize);

impl Owed {
    /// Returns true if one more may pass.
    pub fn is_due(&self) -> bool {
        self.0 > 0
    }

    /// Notes an event that goes to the renderer; `releases` says whether it releases what the view held.
    pub fn note(&mut self, kind: &EventKind, releases: bool) {
        if releases {
            self.0 = self.0.saturating_sub(1);
        } else if matches!(kind, EventKind::PointerDown(_) | EventKind::KeyDown(_)) {
            self.0 = (self.0 + 1).min(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Pointer;

    #[test]
    fn no_more_releases_are_owed_than_were_pressed_and_can_be_held() {
        let (down, up) =
            (EventKind::PointerDown(Pointer::default()), EventKind::PointerUp(Pointer::default()));
        let mut owed = Owed::default();
        assert!(!owed.is_due());
        (0..1000).for_each(|_| owed.note(&down, false));
        (0..MOST - 1).for_each(|_| owed.note(&up, true));
        assert!(owed.is_due());
        owed.note(&up, true);
        assert!(!owed.is_due());
    }
}
