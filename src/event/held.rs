//! What a view holds down, so that it can be released for a user who no longer can.

use std::collections::BTreeMap;

use super::{EventKind, Key, Pointer};

/// The buttons and keys that are down in one view, and where its pointer was last.
#[derive(Debug, Default)]
pub struct Held {
    /// The last position of a drag that is going on; its `button` began the drag.
    pressed: Option<Pointer>,
    keys: Vec<Key>,
    /// Whether a drag was released here, so that the user's own release, still to come, is one too many.
    released_pointer: bool,
    /// As `released_pointer`, for keys.
    released_keys: Vec<String>,
}

impl Held {
    /// Notes an event that is about to go to the widget. Says whether it may: a release that was made up for the user does not
    /// happen again.
    pub fn observe(&mut self, event: &EventKind) -> bool {
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
                    return false;
                }
                if pointer.buttons.is_empty() && pointer.touches.is_empty() {
                    self.pressed = None;
                }
            }
            EventKind::KeyDown(key) => {
                self.released_keys.retain(|released| *released != key.key);
                if !self.keys.iter().any(|held| held.key == key.key) {
                    self.keys.push(key.clone());
                }
            }
            EventKind::KeyUp(key) => {
                let released = self.released_keys.len();
                self.released_keys.retain(|released| *released != key.key);
                if self.released_keys.len() < released {
                    return false;
                }
                self.keys.retain(|held| held.key != key.key);
            }
            _ => {}
        }
        true
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
        assert!(!held.observe(&EventKind::PointerUp(pointer(1.0, 1, &[]))));
        assert!(!held.observe(&EventKind::KeyUp(key("a"))));
        assert!(held.observe(&EventKind::PointerDown(pointer(1.0, 1, &[1]))));
        assert!(held.observe(&EventKind::PointerUp(pointer(1.0, 1, &[]))));
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
