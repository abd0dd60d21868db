//! Traits of a kernel's widget, which both sides set: the kernel learns what others set, and never loses what it set later.

use actix::prelude::*;

use super::{Kernel, TraitsChanged};
use crate::protocol::kernel::{ServerMessage, SetTraits};

impl Kernel {
    /// The kernel sets traits of a widget.
    pub(super) fn set_traits(&mut self, set: &SetTraits) {
        let Some(widget) = self.widget(&set.widget, None) else { return };
        if let Some(member) = self.widgets.get_mut(&set.widget) {
            member.number = set.number;
            // What is refused below is not what the kernel has, so that it is told.
            let _ = member.known.apply(&set.traits);
        }
        if let Err(error) = widget.set_traits(&set.traits) {
            self.refuse(None, Some(&set.widget), &error.into());
        }
    }

    /// Tells the kernel a widget's traits, if they are not what it has.
    pub(super) fn tell_new_traits(&mut self, id: &str) {
        let news = self.widgets.get(id).is_some_and(|member| member.widget.traits() != member.known);
        if news {
            self.tell_traits(id);
        }
    }

    /// Tells the kernel a widget's traits, as they are after all that it has set so far.
    pub(super) fn tell_traits(&mut self, id: &str) {
        let Some(member) = self.widgets.get_mut(id).filter(|_| self.connection.is_some()) else { return };
        let traits = member.widget.traits();
        let after = member.number;
        member.known.clone_from(&traits);
        self.tell(&ServerMessage::Traits { widget: id, traits: &traits, after });
    }
}

impl Handler<TraitsChanged> for Kernel {
    type Result = ();

    fn handle(&mut self, TraitsChanged { widget }: TraitsChanged, _: &mut Self::Context) {
        self.tell_new_traits(&widget);
    }
}
