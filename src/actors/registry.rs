//! The registry: from a widget's id to its handle, for requests on any thread.

use std::sync::Arc;

use dashmap::DashMap;

use crate::handle::{Identity, WidgetHandle};

/// All widgets of a server, by id. Clones share the map.
#[derive(Clone, Default)]
pub struct Registry(Arc<DashMap<String, WidgetHandle>>);

impl Registry {
    /// Adds a widget.
    pub fn insert(&self, handle: WidgetHandle) {
        self.0.insert(handle.id().to_owned(), handle);
    }

    /// Removes a widget, but not a later one of the same id.
    pub fn remove(&self, widget: &Identity) {
        self.0.remove_if(&widget.id, |_, found| found.identity().number == widget.number);
    }

    /// The widget of that id.
    pub fn get(&self, id: &str) -> Option<WidgetHandle> {
        self.0.get(id).map(|entry| entry.value().clone())
    }

    /// Whether there is a widget of that id.
    pub fn contains(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// All widgets, the oldest first.
    pub fn all(&self) -> Vec<WidgetHandle> {
        let mut all: Vec<_> = self.0.iter().map(|entry| entry.value().clone()).collect();
        all.sort_by(|a, b| {
            let key = |handle: &WidgetHandle| handle.identity().created;
            key(a).total_cmp(&key(b)).then_with(|| a.id().cmp(b.id()))
        });
        all
    }
}
