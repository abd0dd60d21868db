//! A widget's delivery, the Views that keep credits, and their browsers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::sample::Index;

use super::{
    browser::{Browser, Read},
    painting::{Judge, Shape, painted, plain},
    place::{Message, Place, Word, sized},
    steps::{Step, ViewSize},
};
use crate::{
    Frame, PixelFormat,
    adaptation::Reduction,
    delivery::{Action, Compared, Delivery, Encode, Outcome, Published, Send},
    encode,
    event::ViewId,
    pacing::{Sent, Verdict},
    protocol::view::{FrameMessage, Label},
    sizing::{fit, widget_size},
};

/// Most views at once.
const MOST_VIEWS: usize = 5;
/// The size of a view that came to have none.
const SOME_SIZE: ViewSize = ViewSize { width: 120.0, height: 80.0, ratio: 1.5 };

pub(super) struct World {
    delivery: Delivery,
    judge: Judge,
    now: Instant,
    /// When something comes to rest, and the widget looks at it.
    settles: Option<Instant>,
    quality: u8,
    drawing: bool,
    capacity: u32,
    /// Most pixels that the widget may have by its views.
    max_pixels: u64,
    /// The frames, from number 1.
    frames: Vec<Frame>,
    /// How often something was painted.
    brush: usize,
    waiting: Vec<Encode>,
    places: Vec<Place>,
    next_view: u64,
}

impl World {
    /// A widget with three views; frames have about `side` pixels a side.
    pub(super) fn new(side: u32) -> Self {
        let mut world = Self {
            delivery: Delivery::default(),
            judge: Judge::default(),
            now: Instant::now(),
            settles: None,
            quality: 95,
            drawing: false,
            capacity: 2,
            max_pixels: u64::from(side).pow(2),
            frames: Vec::new(),
            brush: 0,
            waiting: Vec::new(),
            places: Vec::new(),
            next_view: 1,
        };
        let (whole, half) = (f64::from(side), f64::from(side) / 2.0);
        for (width, height, ratio, base64) in [
            (whole, whole, 1.0, false),
            (half, whole / 1.5, 1.25, true),
            (half / 4.0, half / 4.0, 2.0, false),
        ] {
            world.join(Place::new(Some(sized(ViewSize { width, height, ratio })), base64));
        }
        world.publish(plain(PixelFormat::Rgb8, side * 3 / 4, side / 2, 0, true));
        world
    }

    pub(super) fn step(&mut self, step: Step) {
        let place =
            |index: Index, world: &Self| (!world.places.is_empty()).then(|| index.index(world.places.len()));
        let at = match &step {
            Step::Draw(index)
            | Step::Lose(index)
            | Step::Hear(index)
            | Step::Refresh(index)
            | Step::Cut(index, ..)
            | Step::Connect(index)
            | Step::Twin(index)
            | Step::Leave(index)
            | Step::Resize(index, _)
            | Step::Collapse(index)
            | Step::Show(index, _)
            | Step::Adapt(index, ..) => place(*index, self),
            _ => None,
        };
        match (step, at) {
            (Step::Change(shape, textured), _) => self.change(shape, textured),
            (Step::Repeat, _) => self.publish(copied(self.latest())),
            (Step::Revert, _) => self.publish(copied(&self.frames[self.frames.len().saturating_sub(2)])),
            (Step::Replace(width, height, format, textured), _) => {
                let frame = plain(format, width, height, self.brush(), textured);
                self.publish(frame);
            }
            (Step::Render(format, textured), _) => self.render(format, textured),
            (Step::Overtake(shape), _) => {
                let comparer = self.delivery.comparer();
                let brush = self.brush();
                let late = comparer.compare(painted(self.latest(), shape, brush, true));
                self.change(Shape::Area([80, 80, 255, 255]), false);
                self.publish_compared(late);
            }
            (Step::Drawing(drawing), _) => {
                self.drawing = drawing;
                self.serve();
            }
            (Step::Wait(milliseconds), _) => self.wait(Duration::from_millis(milliseconds)),
            (Step::Encode(which, cores), _) if !self.waiting.is_empty() => {
                self.encode(which.index(self.waiting.len()), Some(cores));
            }
            (Step::Fail(which), _) if !self.waiting.is_empty() => {
                self.encode(which.index(self.waiting.len()), None);
            }
            (Step::Flow, _) => self.flow(),
            (Step::Join(size, base64), _) if self.places.len() < MOST_VIEWS => {
                self.join(Place::new(Some(sized(size)), base64));
            }
            (Step::Twin(_), Some(at)) if self.places.len() < MOST_VIEWS => {
                let Place { size, base64, .. } = self.places[at];
                self.join(Place::new(size, base64));
            }
            (Step::Quality(quality), _) => {
                self.quality = quality;
                self.serve();
            }
            (Step::Capacity(capacity), _) => self.set_capacity(capacity),
            (step, Some(at)) => self.step_at(step, at),
            _ => {}
        }
    }

    /// A step of one view.
    fn step_at(&mut self, step: Step, at: usize) {
        match step {
            Step::Draw(_) => self.draw(at, true),
            Step::Lose(_) => self.draw(at, false),
            Step::Hear(_) => self.hear(at),
            Step::Refresh(_) => {
                self.places[at].browser.fail();
                self.places[at].refresh();
            }
            Step::Cut(_, arrived, again) => {
                self.places[at].messages.truncate(arrived);
                self.disconnect(at);
                if again {
                    self.connect(at);
                }
            }
            Step::Connect(_) => self.connect(at),
            Step::Leave(_) => {
                self.disconnect(at);
                self.places.remove(at);
            }
            Step::Resize(_, size) => self.appear(at, |place| place.size = Some(sized(size))),
            Step::Collapse(_) => self.appear(at, |place| place.size = None),
            Step::Show(_, visible) => self.appear(at, |place| place.hidden = !visible),
            Step::Adapt(_, quality, percent) => {
                if let Some(id) = self.places[at].id {
                    self.delivery.adapt(id, Reduction { quality, percent });
                }
            }
            _ => {}
        }
    }

    fn latest(&self) -> &Frame {
        &self.frames[self.frames.len() - 1]
    }

    fn brush(&mut self) -> usize {
        self.brush += 1;
        self.brush
    }

    fn change(&mut self, shape: Shape, textured: bool) {
        let brush = self.brush();
        self.publish(painted(self.latest(), shape, brush, textured));
    }

    fn render(&mut self, format: PixelFormat, textured: bool) {
        let driver = self.places.iter().find(|place| place.is_visible()).and_then(|place| place.size);
        let logical = driver.map_or((100.0, 100.0), |driver| (driver.width, driver.height));
        let visible = self.delivery.visible_sizes().map(|(_, size)| size);
        let size = widget_size(logical, driver.as_ref(), visible, self.max_pixels);
        let frame = plain(format, size.pwidth, size.pheight, self.brush(), textured);
        self.publish(frame);
    }

    fn publish(&mut self, frame: Frame) {
        let compared = self.delivery.comparer().compare(frame);
        self.publish_compared(compared);
    }

    fn publish_compared(&mut self, compared: Compared) {
        let frame = compared.frame.clone();
        if let Published::Changed(_) = self.delivery.publish(compared, self.now) {
            self.frames.push(frame);
        } else {
            assert!(*self.latest() == frame, "a frame that differs was taken for an equal one");
        }
        self.serve();
        self.settles = self.settles.or_else(|| self.delivery.settle(self.now));
    }

    fn serve(&mut self) {
        let actions = self.delivery.serve(self.quality, self.drawing);
        self.carry_out(actions);
    }

    /// As the widget does when a view alone has changed.
    fn serve_view(&mut self, id: ViewId) {
        let actions = self.delivery.serve_view(id, self.quality, self.drawing);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Encode(encode) => self.waiting.push(encode),
                Action::Send(send) => self.send(send),
            }
        }
    }

    fn send(&mut self, send: Send) {
        let Send { view, number, encoded, whole, exact, settle, reduction } = send;
        let Some(place) = self.places.iter_mut().find(|place| place.id == Some(view)) else { return };
        let (bytes, waiting, encoding) = (encoded.len(), encoded.wait_time, encoded.encode_time);
        let index =
            place.pacing.sent(Sent { frame: number, settle, reduction, bytes, waiting, encoding }, self.now);
        let bytes = FrameMessage::new(&encoded, Label { index, timestamp: 0.0, whole, exact });
        place.messages.push_back(Message { connection: view, number, bytes });
    }

    /// Carries an encode out with some threads; `None` fails it.
    fn encode(&mut self, which: usize, cores: Option<usize>) {
        let Encode { frame, job, .. } = self.waiting.remove(which);
        let outcome = match cores {
            _ if !self.delivery.begin(job.number)() => Outcome::Stale,
            None => Outcome::Failed,
            Some(cores) => {
                let encoded = encode::encode(&frame, job.variant, &job.tiles, encode::testing::crew(cores));
                Outcome::Encoded(Arc::new(encoded.unwrap()))
            }
        };
        let actions = self.delivery.encoded(job, outcome);
        self.carry_out(actions);
        self.serve();
    }

    fn join(&mut self, place: Place) {
        self.places.push(place);
        self.connect(self.places.len() - 1);
    }

    fn connect(&mut self, at: usize) {
        let place = &mut self.places[at];
        if place.id.is_some() {
            return;
        }
        let id = ViewId(self.next_view);
        self.next_view += 1;
        let credits = self.delivery.join(id, place.base64, self.capacity);
        place.connect(id, self.capacity, credits);
        self.delivery.changed(id, place.size, place.is_visible());
        self.serve();
    }

    /// A connection is lost. What its browser got by then is drawn, and confirmed to nobody.
    fn disconnect(&mut self, at: usize) {
        let place = &mut self.places[at];
        place.words.clear();
        if let Some(id) = place.id.take() {
            self.delivery.leave(id);
        }
    }

    /// A view's size or visibility changes.
    fn appear(&mut self, at: usize, change: impl FnOnce(&mut Place)) {
        let place = &mut self.places[at];
        let was_visible = place.is_visible();
        change(place);
        let visible = place.is_visible();
        let Some(id) = place.id else { return };
        if visible && !was_visible {
            let credits = place.pacing.refill();
            self.give_up(at, credits);
        }
        self.delivery.changed(id, self.places[at].size, visible);
        self.serve();
    }

    /// Credits come back for frames that nobody waits for any more.
    fn give_up(&mut self, at: usize, credits: u32) {
        if let Some(id) = self.places[at].id.filter(|_| credits > 0) {
            self.lose(id, credits);
        }
    }

    fn lose(&mut self, id: ViewId, credits: u32) {
        self.delivery.lose(id, credits);
        self.serve_view(id);
    }

    /// A view gives credits back. The widget hears of it only if it missed them.
    fn grant(&mut self, at: usize, credits: i64) {
        let Some(id) = self.places[at].id else { return };
        if self.places[at].credits.give(credits) {
            self.serve_view(id);
        }
    }

    fn set_capacity(&mut self, capacity: u32) {
        self.capacity = capacity;
        self.serve();
        for at in 0..self.places.len() {
            let gained = self.places[at].pacing.set_capacity(capacity);
            self.grant(at, gained);
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        if self.settles.is_some_and(|due| due <= self.now) {
            self.settles = self.delivery.settle(self.now);
            self.serve();
        }
        for at in 0..self.places.len() {
            let place = &mut self.places[at];
            if place.id.is_none() || !place.is_visible() {
                continue;
            }
            match place.pacing.check(self.now) {
                Verdict::Wait(_) => {}
                Verdict::Refill(credits) => self.give_up(at, credits),
                Verdict::Drop => self.disconnect(at),
            }
        }
    }

    /// A browser takes its next message.
    fn draw(&mut self, at: usize, decodes: bool) {
        let place = &mut self.places[at];
        let Some(Message { connection, number, bytes }) = place.messages.pop_front() else { return };
        let read = Read::message(&bytes);
        let drawn = decodes && place.browser.draw(&read);
        if !decodes {
            place.browser.fail();
            if read.header.whole {
                // Without one it can show nothing: it starts over.
                if place.id.is_some() {
                    self.disconnect(at);
                    self.connect(at);
                }
                return;
            }
        }
        if place.id == Some(connection) {
            place.say(Word::Confirm(read.header.index));
        }
        if drawn {
            let Browser { canvas, exact, .. } = &place.browser;
            let frame = &self.frames[usize::try_from(number).unwrap() - 1];
            self.judge.assert_shows(canvas, exact, number, frame);
        } else {
            place.refresh();
        }
    }

    /// The next word of a browser arrives.
    fn hear(&mut self, at: usize) {
        let place = &mut self.places[at];
        let Some(id) = place.id else { return };
        match place.words.pop_front() {
            Some(Word::Confirm(index)) => {
                let confirmed = place.pacing.confirm(index).unwrap();
                self.grant(at, i64::try_from(confirmed.len()).unwrap());
            }
            Some(Word::Refresh) => self.lose(id, 0),
            None => {}
        }
    }

    /// Carries all encodes out; each browser takes a message, and what it says arrives.
    fn flow(&mut self) {
        while let Some(last) = self.waiting.len().checked_sub(1) {
            self.encode(last, Some(4));
        }
        for at in 0..self.places.len() {
            self.draw(at, true);
            self.hear(at);
        }
    }

    /// Lets everything happen that will happen by itself.
    pub(super) fn come_to_rest(&mut self) {
        // A frame that failed for some view is not tried again: the next one is. It changes little, so that nothing heals by it that
        // was wrong before.
        for textured in [false, true] {
            self.change(Shape::Area([10, 10, 20, 20]), textured);
        }
        self.step(Step::Drawing(false));
        for at in 0..self.places.len() {
            self.connect(at);
            self.appear(at, |place| {
                place.hidden = false;
                place.size.get_or_insert(sized(SOME_SIZE));
            });
        }
        self.flow_out();
    }

    /// Browsers lose their canvases again and again, while one part of the picture rests before the other: what they get are images that are
    /// there already.
    pub(super) fn lose_while_resting(&mut self) {
        self.change(Shape::Area([40, 40, 90, 90]), true);
        self.wait(Duration::from_millis(100));
        self.change(Shape::Area([10, 10, 20, 20]), true);
        for _ in 0..5 {
            for at in 0..self.places.len() {
                self.places[at].browser.fail();
                self.places[at].refresh();
            }
            self.flow();
            self.wait(Duration::from_millis(50));
        }
        self.flow_out();
    }

    /// Lets everything take its way until nothing is under way.
    fn flow_out(&mut self) {
        for _ in 0..1000 {
            self.flow();
            self.wait(Duration::from_millis(50));
            let quiet = |place: &Place| place.messages.is_empty() && place.words.is_empty();
            if self.waiting.is_empty() && self.settles.is_none() && self.places.iter().all(quiet) {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Checks that every view shows exactly the latest frame, and says so.
    pub(super) fn assert_exact(&mut self) {
        let latest = &self.frames[self.frames.len() - 1];
        let number = self.frames.len() as u64;
        for Place { size, browser, .. } in &self.places {
            let size = size.unwrap();
            let full = fit((latest.width(), latest.height()), (size.pwidth, size.pheight));
            assert_eq!(browser.canvas.dimensions(), full);
            assert!(browser.lossless && browser.exact.is_full());
            self.judge.assert_shows(&browser.canvas, &browser.exact, number, latest);
        }
    }
}

/// The same pixels elsewhere in memory.
fn copied(frame: &Frame) -> Frame {
    let pixels = frame.pixels().to_vec();
    Frame::new(frame.format(), frame.width(), frame.height(), pixels).unwrap()
}
