//! A renderer that a test can look into: each draw is another picture, every event is kept, and it can be told to wait,
//! to fail or to panic.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use framehub::{
    Event, EventKind, Frame, Kind, KindError, RemoteFrameBuffer, RenderError, WidgetHandle, event::Size,
};
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::server::wait_for;

/// What a test sees of a probe.
#[derive(Default)]
struct State {
    draws: u64,
    events: Vec<Event>,
    size: Option<Size>,
    /// While it is set, `get_frame` waits.
    held: bool,
    /// While it is set, `handle_event` waits.
    events_held: bool,
    /// Whether one of them is waiting now.
    waiting: bool,
    /// What `get_frame` and `handle_event` do next.
    mood: Mood,
    animated: bool,
}

#[derive(Default, Clone, Copy, PartialEq)]
pub enum Mood {
    #[default]
    Draw,
    Nothing,
    Empty,
    Fail,
    Panic,
    PanicOnEvents,
}

#[derive(Clone, Default)]
pub struct Probe {
    id: String,
    inner: Arc<(Mutex<State>, Condvar)>,
}

/// The probes of all tests, by widget.
static PROBES: LazyLock<Mutex<HashMap<String, Probe>>> = LazyLock::new(Mutex::default);

pub fn kind() -> Kind {
    Kind::new("probe", |widget: WidgetHandle, _| {
        let probe = Probe { id: widget.id().to_owned(), ..Probe::default() };
        PROBES.lock().insert(probe.id.clone(), probe.clone());
        Ok::<_, KindError>(Renderer { probe, widget })
    })
}

impl Probe {
    pub fn of(id: &str) -> Self {
        PROBES.lock().get(id).expect("a probe of that id").clone()
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn draws(&self) -> u64 {
        self.inner.0.lock().draws
    }

    pub fn size(&self) -> Option<Size> {
        self.inner.0.lock().size
    }

    /// The events so far, without resizes.
    pub fn events(&self) -> Vec<Event> {
        let state = self.inner.0.lock();
        state.events.iter().filter(|event| !matches!(event.kind, EventKind::Resize(_))).cloned().collect()
    }

    /// The names of the events so far, without resizes.
    pub fn names(&self) -> Vec<&'static str> {
        self.events().iter().map(|event| event.kind.name()).collect()
    }

    pub fn set_mood(&self, mood: Mood) {
        self.inner.0.lock().mood = mood;
    }

    /// Has every draw ask for the next.
    pub fn animate(&self) {
        self.inner.0.lock().animated = true;
    }

    /// Ends what [`Probe::animate`] began.
    pub fn rest(&self) {
        self.inner.0.lock().animated = false;
    }

    /// Lets `get_frame` wait until [`Probe::release`]; returns once it does.
    pub fn hold(&self, widget: &WidgetHandle) {
        self.hold_draws();
        widget.request_draw();
        self.waits();
    }

    /// Lets `get_frame` wait until [`Probe::release`].
    pub fn hold_draws(&self) {
        self.inner.0.lock().held = true;
    }

    /// Lets `handle_event` wait until [`Probe::release`].
    pub fn hold_events(&self) {
        self.inner.0.lock().events_held = true;
    }

    /// Returns once the renderer waits.
    pub fn waits(&self) {
        wait_for("the renderer waits", || self.inner.0.lock().waiting.then_some(()));
    }

    pub fn release(&self) {
        let mut state = self.inner.0.lock();
        (state.held, state.events_held) = (false, false);
        self.inner.1.notify_all();
    }
}

/// The pixels of draw number `draw`: no two neighbours alike, so that a lossy image of it is not exact.
pub fn picture(draw: u64, width: u32, height: u32) -> Vec<u8> {
    let mut pixels = Vec::with_capacity((width * height * 3) as usize);
    let mut random = draw.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..width * height {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        pixels.extend_from_slice(&random.to_le_bytes()[..3]);
    }
    pixels
}

struct Renderer {
    probe: Probe,
    widget: WidgetHandle,
}

impl Renderer {
    /// The state, once it is not held.
    fn state_unless(&self, held: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let (state, woken) = &*self.probe.inner;
        let mut state = state.lock();
        while held(&state) {
            state.waiting = true;
            woken.wait(&mut state);
        }
        state.waiting = false;
        state
    }
}

impl RemoteFrameBuffer for Renderer {
    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        let mut state = self.state_unless(|state| state.held);
        state.draws += 1;
        if state.animated {
            self.widget.request_draw();
        }
        let (draw, size, mood) =
            (state.draws, state.size.expect("a resize came before the draw"), state.mood);
        drop(state);
        match mood {
            Mood::Nothing => Ok(None),
            Mood::Empty => Ok(Some(Frame::rgb8(0, 0, Vec::new())?)),
            Mood::Fail => Err("the data is gone".into()),
            Mood::Panic => panic!("drawn into a corner"),
            Mood::Draw | Mood::PanicOnEvents => {
                let (width, height) = (size.pwidth, size.pheight);
                Ok(Some(Frame::rgb8(width, height, picture(draw, width, height))?))
            }
        }
    }

    fn handle_event(&mut self, event: &Event) -> Result<(), RenderError> {
        let mut state = self.state_unless(|state| state.events_held);
        state.events.push(event.clone());
        if let EventKind::Resize(size) = event.kind {
            state.size = Some(size);
        }
        assert!(state.mood != Mood::PanicOnEvents || matches!(event.kind, EventKind::Resize(_)), "too much");
        Ok(())
    }
}
