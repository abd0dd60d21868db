//! Loads pictures for all viewers of a folder, one after another on one thread: what decoding takes in memory is then bounded, and so is
//! what page turns take in threads.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
    thread,
};

use parking_lot::Mutex;

use super::{folder::Folder, source::Source};
use crate::handle::WidgetHandle;

/// What comes of loading a picture.
pub type Loaded = Result<Arc<dyn Source>, String>;

/// The loader of a folder.
pub struct Loader {
    folder: Folder,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// The viewers that wait, each once.
    desks: VecDeque<Weak<Desk>>,
    /// Whether a thread works it off.
    is_worked: bool,
}

/// What a viewer wishes, and what it gets.
pub struct Desk {
    handle: WidgetHandle,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The newest wish; those before it are forgotten.
    wish: Option<String>,
    /// Whether the desk is in the queue.
    is_queued: bool,
    result: Option<Loaded>,
}

impl Loader {
    pub fn new(folder: Folder) -> Self {
        Self { folder, queue: Mutex::default() }
    }

    /// What it loads from.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Loads a picture for the viewer at a desk, which forgets what it wished before.
    pub fn load(self: &Arc<Self>, desk: &Arc<Desk>, name: String) {
        {
            let mut state = desk.state.lock();
            (state.wish, state.result) = (Some(name), None);
            if std::mem::replace(&mut state.is_queued, true) {
                return;
            }
        }
        let mut queue = self.queue.lock();
        queue.desks.push_back(Arc::downgrade(desk));
        if queue.is_worked {
            return;
        }
        let loader = Arc::clone(self);
        let spawned = thread::Builder::new().name("pictures".to_owned()).spawn(move || loader.work());
        queue.is_worked = spawned.is_ok();
        if let Err(error) = spawned {
            // The next wish tries again.
            queue.desks.pop_back();
            let mut state = desk.state.lock();
            state.is_queued = false;
            state.result = Some(Err(format!("no thread can be had to load it: {error}")));
        }
    }

    /// Works the queue off.
    fn work(&self) {
        while let Some(desk) = self.next() {
            self.serve(&desk);
        }
    }

    fn next(&self) -> Option<Weak<Desk>> {
        let mut queue = self.queue.lock();
        let next = queue.desks.pop_front();
        queue.is_worked = next.is_some();
        next
    }

    /// Loads what the viewer at a desk wishes, if it is still there.
    fn serve(&self, desk: &Weak<Desk>) {
        let wish = desk.upgrade().and_then(|desk| {
            let mut state = desk.state.lock();
            state.is_queued = false;
            state.wish.take()
        });
        let Some(name) = wish else { return };
        let loaded = catch_unwind(AssertUnwindSafe(|| self.folder.load(&name)));
        let loaded = match loaded {
            Ok(Ok(picture)) => Ok(picture as Arc<dyn Source>),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the decoder broke down on it".to_owned()),
        };
        let Some(desk) = desk.upgrade() else { return };
        let mut state = desk.state.lock();
        // A viewer that went on to another picture does not need this one.
        if state.wish.is_none() {
            state.result = Some(loaded);
            drop(state);
            desk.handle.request_draw();
        }
    }
}

impl Desk {
    /// The desk of a viewer, which is asked to draw when there is something for it.
    pub fn new(handle: WidgetHandle) -> Arc<Self> {
        Arc::new(Self { handle, state: Mutex::default() })
    }

    /// Takes what was loaded, if anything was since.
    pub fn take(&self) -> Option<Loaded> {
        self.state.lock().result.take()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::render::demos::testing::handle;

    fn loader() -> Arc<Loader> {
        Arc::new(Loader::new(Folder::new(std::env::temp_dir().join("framehub-no-such-folder"))))
    }

    /// Keeps the thread from being started, as if it were at work.
    fn busy(loader: &Loader) {
        loader.queue.lock().is_worked = true;
    }

    #[test]
    fn page_turns_wait_once_for_each_viewer_and_only_the_newest_is_loaded() {
        let (loader, desk) = (loader(), Desk::new(handle()));
        busy(&loader);
        (0..1000).for_each(|page| loader.load(&desk, format!("{page}.png")));
        assert_eq!(loader.queue.lock().desks.len(), 1);
        assert_eq!(desk.state.lock().wish.as_deref(), Some("999.png"));
        loader.work();
        assert!(desk.take().is_some_and(|loaded| loaded.is_err()));
        assert!(!loader.queue.lock().is_worked);
    }

    #[test]
    fn nothing_is_loaded_for_a_viewer_that_is_gone() {
        let (loader, desk) = (loader(), Desk::new(handle()));
        busy(&loader);
        loader.load(&desk, "a.png".to_owned());
        drop(desk);
        let next = loader.next().expect("it waits");
        assert!(next.upgrade().is_none());
        loader.serve(&next);
    }

    #[test]
    fn a_wish_that_comes_while_another_is_loaded_is_not_lost() {
        let (loader, desk) = (loader(), Desk::new(handle()));
        for page in 0..50 {
            loader.load(&desk, format!("{page}.png"));
            let began = Instant::now();
            while desk.take().is_none() {
                assert!(began.elapsed() < Duration::from_secs(30), "page {page} never came");
                thread::yield_now();
            }
        }
    }
}
