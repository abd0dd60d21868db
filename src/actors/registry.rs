//! The registry: from a widget's id to its handle, for requests on any thread; and which ids may come back after a restart.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dashmap::{DashMap, DashSet, Entry};

use crate::{
    handle::{Identity, WidgetHandle},
    random::is_random_id,
    widget_id,
};

/// Most ids that are remembered as closed. Beyond it, pages wait for a while for a widget that does not come back.
const MAX_CLOSED: usize = 10_000;

/// All widgets of a server. Clones share them.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    /// By id; `None` where one is being made.
    widgets: DashMap<String, Option<WidgetHandle>>,
    /// Until when kernels may bring back the widgets that they had before the server was started.
    awaits_until: Instant,
    /// Ids of widgets that were closed until then: nobody waits for those.
    closed: DashSet<String>,
}

/// An id that no other widget gets. It is free again when this is dropped before its widget is listed.
pub struct Reserved {
    registry: Registry,
    id: String,
}

impl Registry {
    /// No widgets. For so long kernels may bring back those of before.
    pub fn new(awaits_for: Duration) -> Self {
        let awaits_until = Instant::now() + awaits_for;
        Self(Arc::new(Inner { widgets: DashMap::new(), awaits_until, closed: DashSet::new() }))
    }

    /// Whether a kernel may still bring back the widget of that id, for a user or, where there are none, for anybody. It says nothing of
    /// whether there ever was one.
    pub fn awaits(&self, id: &str, user: Option<&str>) -> bool {
        Instant::now() < self.0.awaits_until
            && user.map_or_else(|| is_random_id(id), |user| widget_id::is_of(id, user))
            && !self.0.closed.contains(id)
    }

    /// Removes a widget that was closed for good: nobody waits for its id.
    pub fn close(&self, widget: &Identity) {
        if Instant::now() >= self.0.awaits_until {
            self.0.closed.clear();
        } else if self.0.closed.len() < MAX_CLOSED {
            self.0.closed.insert(widget.id.clone());
        }
        self.remove(widget);
    }

    /// Keeps an id for a widget that is being made; `None` when it is another's.
    pub fn reserve(&self, id: &str) -> Option<Reserved> {
        match self.0.widgets.entry(id.to_owned()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(entry) => {
                entry.insert(None);
                Some(Reserved { registry: self.clone(), id: id.to_owned() })
            }
        }
    }

    /// Removes a widget, but not a later one of the same id.
    pub fn remove(&self, widget: &Identity) {
        self.0.widgets.remove_if(&widget.id, |_, found| {
            found.as_ref().is_some_and(|found| found.identity().number == widget.number)
        });
    }

    /// The widget of that id.
    pub fn get(&self, id: &str) -> Option<WidgetHandle> {
        self.0.widgets.get(id)?.value().clone()
    }

    /// All widgets, the oldest first.
    pub fn all(&self) -> Vec<WidgetHandle> {
        let mut all: Vec<_> = self.0.widgets.iter().filter_map(|entry| entry.value().clone()).collect();
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
        self.registry.0.widgets.insert(self.id.clone(), Some(widget.clone()));
        self.registry.0.closed.remove(&self.id);
        if widget.is_closed() {
            self.registry.remove(widget.identity());
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.registry.0.widgets.remove_if(&self.id, |_, found| found.is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_widgets_from_before_it_is_made() {
        let registry = Registry::new(Duration::ZERO);
        let reserved = registry.reserve("plot").unwrap();
        assert!(registry.reserve("plot").is_none() && registry.reserve("other").is_some());
        assert!(registry.get("plot").is_none() && registry.all().is_empty());
        drop(reserved);
        assert!(registry.reserve("plot").is_some());
    }

    #[test]
    fn ids_that_a_kernel_could_have_are_awaited_for_a_while_and_no_others() {
        let registry = Registry::new(Duration::from_secs(3600));
        let (ann, anyone) = (widget_id::fresh(Some("ann")), widget_id::fresh(None));
        assert!(registry.awaits(&ann, Some("ann")) && registry.awaits(&anyone, None));
        assert!(!registry.awaits(&ann, Some("bob")) && !registry.awaits(&anyone, Some("ann")));
        for id in
            ["", "square", &anyone[1..], &format!("{anyone}0"), &anyone.replacen(|_: char| true, "X", 1)]
        {
            assert!(!registry.awaits(id, None), "{id}");
        }
        assert!(!Registry::new(Duration::ZERO).awaits(&anyone, None));
    }
}
