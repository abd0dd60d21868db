//! The registry of kernels: which one has which session, and which one made the widget of which place.

use std::sync::Arc;

use actix::Addr;
use dashmap::{DashMap, Entry};

use crate::{
    actors::kernel::{GiveUp, Kernel},
    handle::WidgetHandle,
};

/// A name that is a user's own: the user, `None` where there are none, and the name.
pub type OwnName = (Option<String>, String);

/// All kernels of a server. Clones share the maps.
#[derive(Clone, Default)]
pub struct Kernels(Arc<Inner>);

#[derive(Default)]
struct Inner {
    sessions: DashMap<OwnName, Addr<Kernel>>,
    /// The widget that was last made at a place, and its kernel.
    places: DashMap<OwnName, (String, Addr<Kernel>)>,
}

/// A widget that its kernel, being gone, has given up: whoever does not adopt it closes it.
pub struct Orphan(Option<WidgetHandle>);

impl Orphan {
    /// A widget without a kernel.
    pub fn new(widget: WidgetHandle) -> Self {
        Self(Some(widget))
    }

    /// Takes the widget, unless it was closed meanwhile.
    pub fn adopt(mut self) -> Option<WidgetHandle> {
        self.0.take().filter(|widget| !widget.is_closed())
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        if let Some(widget) = self.0.take() {
            widget.close();
        }
    }
}

impl Kernels {
    /// The kernel of a session; `start` makes it when there is none.
    pub fn of_session(&self, session: &OwnName, start: impl FnOnce() -> Addr<Kernel>) -> Addr<Kernel> {
        match self.0.sessions.entry(session.clone()) {
            Entry::Occupied(entry) if entry.get().connected() => entry.get().clone(),
            Entry::Occupied(mut entry) => {
                entry.insert(start());
                entry.get().clone()
            }
            Entry::Vacant(entry) => entry.insert(start()).clone(),
        }
    }

    /// Forgets the session of a kernel that ends.
    pub fn end_session(&self, session: &OwnName, kernel: &Addr<Kernel>) {
        self.0.sessions.remove_if(session, |_, known| known == kernel);
    }

    /// Notes where a widget was made.
    pub fn place(&self, place: OwnName, widget: &str, kernel: Addr<Kernel>) {
        self.0.places.insert(place, (widget.to_owned(), kernel));
    }

    /// Forgets the place of a widget, unless another was made there since.
    pub fn vacate(&self, place: &OwnName, widget: &str) {
        self.0.places.remove_if(place, |_, (known, _)| known == widget);
    }

    /// The widget that was last made at a place, if its kernel is gone.
    pub async fn orphan(&self, place: &OwnName) -> Option<Orphan> {
        let (widget, kernel) = self.0.places.get(place)?.value().clone();
        // A kernel that has ended has closed its widgets.
        kernel.send(GiveUp { widget }).await.ok()?
    }

    /// All kernels.
    pub fn all(&self) -> Vec<Addr<Kernel>> {
        self.0.sessions.iter().map(|entry| entry.value().clone()).collect()
    }
}
