//! Who has a widget in hand: whose size it takes, and who may act in it.
//!
//! By default control follows whoever acted last, once no button is down: who drags keeps the size under the drag. A view may hold
//! the control: then nobody else acts until it lets go, leaves, is hidden, or the widget's owner takes the control away.

use crate::event::ViewId;

/// The driver of a widget, and who holds the control. Views that only watch never come in here.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// The view whose logical size is the widget's.
    driver: Option<ViewId>,
    /// The view that acted last, which is to be the driver.
    next: Option<ViewId>,
    /// The view that alone may act. It is the driver then.
    holder: Option<ViewId>,
}

impl Control {
    /// The view whose logical size is the widget's.
    pub fn driver(&self) -> Option<ViewId> {
        self.driver
    }

    /// The view that alone may act; `None` when all may.
    pub fn holder(&self) -> Option<ViewId> {
        self.holder
    }

    /// Whether a view that may interact may do so now.
    pub fn may_act(&self, view: ViewId) -> bool {
        self.holder.is_none_or(|holder| holder == view)
    }

    /// The user acts in a view, which makes it the next driver unless another one holds the control, or the driver if there is none.
    pub fn act(&mut self, view: ViewId) {
        if self.may_act(view) {
            self.driver.get_or_insert(view);
            self.next = Some(view);
        }
    }

    /// No button is down in any view: the one that acted last becomes the driver.
    pub fn rest(&mut self) {
        self.driver = self.next.take().or(self.driver);
    }

    /// A view takes hold of the control.
    ///
    /// # Errors
    /// The view that holds it already.
    pub fn take(&mut self, view: ViewId) -> Result<(), ViewId> {
        if let Some(holder) = self.holder.filter(|holder| *holder != view) {
            return Err(holder);
        }
        *self = Self { driver: Some(view), next: None, holder: Some(view) };
        Ok(())
    }

    /// A view lets go of the control, or can no longer hold it. It stays the driver.
    pub fn release(&mut self, view: ViewId) {
        self.holder = self.holder.filter(|holder| *holder != view);
    }

    /// Whoever holds the control loses it.
    pub fn take_away(&mut self) {
        self.holder = None;
    }

    /// A view is gone; if it was the driver, `successor` is now.
    pub fn leave(&mut self, view: ViewId, successor: Option<ViewId>) {
        self.release(view);
        self.next = self.next.filter(|next| *next != view);
        if self.driver == Some(view) {
            self.driver = successor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: ViewId = ViewId(1);
    const BEN: ViewId = ViewId(2);

    #[test]
    fn control_follows_whoever_acts() {
        let mut control = Control::default();
        control.act(ANN);
        control.act(BEN);
        control.rest();
        assert_eq!((control.driver(), control.holder()), (Some(BEN), None));
    }

    #[test]
    fn control_changes_only_at_rest_and_not_to_who_is_gone() {
        let mut control = Control::default();
        control.act(ANN);
        assert_eq!(control.driver(), Some(ANN), "there was none to wait for");
        control.act(BEN);
        assert_eq!(control.driver(), Some(ANN));
        control.leave(BEN, None);
        control.rest();
        assert_eq!(control.driver(), Some(ANN));
    }

    #[test]
    fn while_one_holds_it_others_neither_act_nor_drive_nor_take_it() {
        let mut control = Control::default();
        control.take(ANN).unwrap();
        control.act(BEN);
        assert_eq!(control.driver(), Some(ANN));
        assert!(control.may_act(ANN) && !control.may_act(BEN));
        assert_eq!(control.take(BEN), Err(ANN));
        assert_eq!(control.take(ANN), Ok(()));
    }

    #[test]
    fn only_the_holder_lets_go_and_stays_the_driver() {
        let mut control = Control::default();
        control.take(ANN).unwrap();
        control.release(BEN);
        assert_eq!(control.holder(), Some(ANN));
        control.release(ANN);
        assert_eq!((control.driver(), control.holder()), (Some(ANN), None));
    }

    #[test]
    fn a_holder_that_leaves_leaves_the_control() {
        let mut control = Control::default();
        control.take(ANN).unwrap();
        control.leave(ANN, Some(BEN));
        assert_eq!((control.driver(), control.holder()), (Some(BEN), None));
        control.leave(ANN, None);
        assert_eq!(control.driver(), Some(BEN), "who left took the driver along a second time");
    }

    #[test]
    fn what_is_taken_away_may_be_taken_by_another() {
        let mut control = Control::default();
        control.take(ANN).unwrap();
        control.take_away();
        assert_eq!(control.take(BEN), Ok(()));
    }
}
