//! What a view holds down, so that it can be released for a user who no longer can.

use std::collections::{BTreeMap, VecDeque};

use super::{EventKind, Key, Pointer};

/// Most keys that a view holds down: more than there are fingers, and than keyboards can tell.
pub const MAX_HELD_KEYS: usize = 64;

/// The buttons and keys that are down in one view, and where its pointer was last.
#[derive(Debug, Default)]
pub struct Held {
    /// The last position of a drag that is going on; its `button` began the drag.
    pressed: Option<Pointer>,
    /// At most [`MAX_HELD_KEYS`].
    keys: Vec<Key>,
    /// Whether a drag was released here, so that the user's own release, still to come, is one too many.
    released_pointer: bool,
    /// As `released_pointer`, for keys: at most [`MAX_HELD_KEYS`], the oldest first.
    released_keys: VecDeque<String>,
}

/// What is to become of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// It goes to the widget.
    Goes,
    /// So it does, and releases what is held.
    Releases,
    /// It releases what was released for the user already, and does not happen again.
    Repeats,
    /// It presses one key more than a view may hold.
    TooMany,
}

impl Held {
    /// Notes an event that is about to go to the widget. Says whether it may.
    pub fn observe(&mut self, event: &EventKind) -> Observed {
        match event {
            EventKind::PointerDown(pointer) => {
                self.released_pointer = false;
                // A further button of the same drag: the first one still is the one that ends it.
                let button = self.pressed.as_ref().map_or(pointer.button, |pressed| pressed.button);
                self.pressed = Some(Pointer { button, ..pointer.clone() });
            }
            EventKind::PointerMove(pointer) => {
                if let Some(pressed) = &mut self.pressed {
                    *pressed = Pointer { button: pressed.button, ..pointer.clone() };
                }
            }
            EventKind::PointerUp(pointer) => {
                if std::mem::take(&mut self.released_pointer) {
                    return Observed::Repeats;
                }
                let releases = self.pressed.is_some();
                if pointer.buttons.is_empty() && pointer.touches.is_empty() {
                    self.pressed = None;
                }
                if releases {
                    return Observed::Releases;
                }
            }
            EventKind::KeyDown(key) => {
                let is_held = self.keys.iter().any(|held| held.key == key.key);
                if !is_held && self.keys.len() >= MAX_HELD_KEYS {
                    return Observed::TooMany;
                }
                self.released_keys.retain(|released| *released != key.key);
                if !is_held {
                    self.keys.push(key.clone());
                }
            }
            EventKind::KeyUp(key) => {
                let released = self.released_keys.len();
                self.released_keys.retain(|released| *released != key.key);
                if self.released_keys.len() < released {
                    return Observed::Repeats;
                }
                let held = self.keys.len();
                self.keys.retain(|held| held.key != key.key);
                if self.keys.len() < held {
                    return Observed::Releases;
                }
            }
            _ => {}
        }
        Observed::Goes
    }

    /// Whether a button is held.
    pub fn dragging(&self) -> bool {
        self.pressed.is_some()
    }

    /// The events that release all that is held, in the order in which it was pressed; nothing is held afterwards.
    pub fn release(&mut self) -> Vec<EventKind> {
        let pressed = self.pressed.take();
        self.released_pointer |= pressed.is_some();
        let keys = std::mem::take(&mut self.keys);
        self.released_keys.extend(keys.iter().map(|key| key.key.clone()));
        // Of keys that were released so long ago the user's own release may come once more: it does no harm.
        let too_many = self.released_keys.len().saturating_sub(MAX_HELD_KEYS);
        self.released_keys.drain(..too_many);
        let pointer_up = pressed.map(|pressed| {
            EventKind::PointerUp(Pointer {
                buttons: vec![],
                touches: BTreeMap::new(),
                ntouches: 0,
                ..pressed
            })
        });
        let key_ups = keys.into_iter().map(|key| EventKind::KeyUp(Key { modifiers: vec![], ..key }));
        pointer_up.into_iter().chain(key_ups).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(x: f64, button: u8, buttons: &[u8]) -> Pointer {
        Pointer { x, button, buttons: buttons.to_vec(), ..Pointer::default() }
    }

    fn key(name: &str) -> Key {
        Key { key: name.to_owned(), modifiers: vec![] }
    }

    #[test]
    fn a_drag_is_released_where_the_pointer_was_last_with_the_button_that_began_it() {
        let mut held = Held::default();
        held.observe(&EventKind::PointerDown(pointer(1.0, 2, &[2])));
        held.observe(&EventKind::PointerMove(pointer(5.0, 0, &[2])));
        assert_eq!(held.release(), [EventKind::PointerUp(pointer(5.0, 2, &[]))]);
        assert!(held.release().is_empty(), "released twice");
    }

    #[test]
    fn keys_are_released_in_the_order_in_which_they_were_pressed() {
        let mut held = Held::default();
        for name in ["Shift", "a", "b"] {
            held.observe(&EventKind::KeyDown(key(name)));
        }
        held.observe(&EventKind::KeyUp(key("a")));
        assert_eq!(held.release(), [EventKind::KeyUp(key("Shift")), EventKind::KeyUp(key("b"))]);
    }

    #[test]
    fn the_users_own_release_does_not_follow_a_release_made_for_the_user() {
        let mut held = Held::default();
        held.observe(&EventKind::PointerDown(pointer(1.0, 1, &[1])));
        held.observe(&EventKind::KeyDown(key("a")));
        assert_eq!(held.release().len(), 2);
        assert_eq!(held.observe(&EventKind::PointerUp(pointer(1.0, 1, &[]))), Observed::Repeats);
        assert_eq!(held.observe(&EventKind::KeyUp(key("a"))), Observed::Repeats);
        assert_eq!(held.observe(&EventKind::PointerDown(pointer(1.0, 1, &[1]))), Observed::Goes);
        assert_eq!(held.observe(&EventKind::PointerUp(pointer(1.0, 1, &[]))), Observed::Releases);
        assert_eq!(held.observe(&EventKind::PointerUp(pointer(1.0, 1, &[]))), Observed::Goes);
    }

    #[test]
    fn a_view_holds_no_more_keys_than_it_may_however_many_names_it_makes_up() {
        let mut held = Held::default();
        for number in 0..1000 {
            let observed = held.observe(&EventKind::KeyDown(key(&number.to_string())));
            assert_eq!(observed == Observed::Goes, number < MAX_HELD_KEYS);
        }
        assert_eq!(held.observe(&EventKind::KeyDown(key("7"))), Observed::Goes, "a repeat is no further key");
        held.observe(&EventKind::KeyUp(key("7")));
        assert_eq!(held.observe(&EventKind::KeyDown(key("new"))), Observed::Goes);
        assert_eq!(held.release().len(), MAX_HELD_KEYS);
    }

    #[test]
    fn keys_that_were_released_for_the_user_are_not_remembered_without_end() {
        let mut held = Held::default();
        for number in 0..1000 {
            held.observe(&EventKind::KeyDown(key(&number.to_string())));
            held.release();
        }
        assert_eq!(held.released_keys.len(), MAX_HELD_KEYS);
        assert_eq!(held.observe(&EventKind::KeyUp(key("999"))), Observed::Repeats);
    }

    #[test]
    fn nothing_held_needs_no_release() {
        let mut held = Held::default();
        held.observe(&EventKind::PointerDown(pointer(1.0, 1, &[1])));
        held.observe(&EventKind::PointerUp(pointer(1.0, 1, &[])));
        held.observe(&EventKind::PointerMove(pointer(2.0, 0, &[])));
        assert!(held.release().is_empty());
    }
}
