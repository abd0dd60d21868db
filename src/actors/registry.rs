//! The registry: from a widget's id to its handle, for requests on any thread.

use std::sync::Arc;

use dashmap::{DashMap, Entry};

use crate::handle::{Identity, WidgetHandle};

/// All widgets of a server, by id; `None` where one is being made. Clones share the map.
#[derive(Clone, Default)]
pub struct Registry(Arc<DashMap<String, Option<WidgetHandle>>>);

/// An id that no other widget gets. It is free again when this is dropped before its widget is listed.
pub struct Reserved {
    registry: Registry,
    id: String,
}

impl Registry {
    /// Keeps an id for a widget that is being made; `None` when it is another's.
    pub fn reserve(&self, id: &str) -> Option<Reserved> {
        match self.0.entry(id.to_owned()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(entry) => {
                entry.insert(None);
                Some(Reserved { registry: self.clone(), id: id.to_owned() })
            }
        }
    }

    /// Removes a widget, but not a later one of the same id.
    pub fn remove(&self, widget: &Identity) {
        self.0.remove_if(&widget.id, |_, found| {
            found.as_ref().is_some_and(|found| found.identity().number == widget.number)
        });
    }

    /// The widget of that id.
    pub fn get(&self, id: &str) -> Option<WidgetHandle> {
        self.0.get(id)?.value().clone()
    }

    /// All widgets, the oldest first.
    pub fn all(&self) -> Vec<WidgetHandle> {
        let mut all: Vec<_> = self.0.iter().filter_map(|entry| entry.value().clone()).collect();
        all.sort_by(|a, b| {
            let key = |handle: &WidgetHandle| handle.identity().created;
            key(a).total_cmp(&key(b)).then_with(|| a.id().cmp(b.id()))
        });
        all
    }
}

impl Reserved {
    /// Lists the widget that has the id: from now on it can be found, unless it was closed while it was being made.
    pub fn list(self, widget: &WidgetHandle) {
        self.registry.0.insert(self.id.clone(), Some(widget.clone()));
        if widget.is_closed() {
            self.registry.remove(widget.identity());
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.registry.0.remove_if(&self.id, |_, found| found.is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_widgets_from_before_it_is_made() {
        let registry = Registry::default();
        let reserved = registry.reserve("plot").unwrap();
        assert!(registry.reserve("plot").is_none() && registry.reserve("other").is_some());
        assert!(registry.get("plot").is_none() && registry.all().is_empty());
        drop(reserved);
        assert!(registry.reserve("plot").is_some());
    }
}
