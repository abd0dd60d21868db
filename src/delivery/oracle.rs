//! The proof that views show what was rendered: model browsers draw what the real [`Delivery`] and the real encoder make of random
//! histories. Whenever a model has drawn a message, every pixel of its canvas is of that message's frame; when all has come to rest,
//! the canvas is the frame.

use std::{collections::VecDeque, time::Duration};

use image::RgbImage;
use proptest::prelude::*;

use super::*;
use crate::{
    PixelFormat,
    encode::{self, Codec},
    tiles::{Grid, Rect},
};

const VIEWS: usize = 3;
const CREDITS: i64 = 2;
/// Levels of frames are so far apart that no image of one passes for another.
const LEVELS: [u8; 4] = [20, 85, 150, 215];
/// How far the mean of a block may be from the frame's in a lossy image.
const TOLERANCE: i32 = 16;

#[derive(Debug, Clone)]
enum Step {
    /// A frame that differs from the latest in a rectangle: corners in shares of 256 of its sides, a level, textured or flat.
    Change([u8; 4], usize, bool),
    /// The latest frame again.
    Repeat,
    /// A frame of another size and format.
    Replace(u32, u32, PixelFormat),
    /// Two frames come at once, and the first that was compared is the second that is published.
    Overtake(usize),
    /// So much time passes.
    Wait(u64),
    /// An encode is carried out: one of those that wait.
    Encode(prop::sample::Index),
    /// An encode fails.
    Fail(prop::sample::Index),
    /// A view's browser takes its next message, and confirms it later.
    Draw(usize),
    /// A view's browser cannot decode its next message.
    Lose(usize),
    /// What a view's browser has to say arrives.
    Hear(usize),
    /// A view's frames in flight are given up.
    GiveUp(usize),
    /// A view's connection ends, and another one is made.
    Reconnect(usize),
    Resize(usize, u32, u32),
    Show(usize, bool),
    Adapt(usize, u8),
    Quality(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let view = || 0..VIEWS;
    let side = || 1..260_u32;
    let formats = [PixelFormat::Gray8, PixelFormat::Rgb8, PixelFormat::Rgba8];
    let step = prop_oneof![
        8 => (any::<[u8; 4]>(), 0..LEVELS.len(), any::<bool>()).prop_map(|(at, level, texture)| Step::Change(at, level, texture)),
        1 => Just(Step::Repeat),
        1 => (side(), side(), prop::sample::select(formats.to_vec())).prop_map(|(width, height, format)| Step::Replace(width, height, format)),
        1 => (0..LEVELS.len()).prop_map(Step::Overtake),
        3 => prop::sample::select(vec![10, 100, 301]).prop_map(Step::Wait),
        10 => any::<prop::sample::Index>().prop_map(Step::Encode),
        1 => any::<prop::sample::Index>().prop_map(Step::Fail),
        10 => view().prop_map(Step::Draw),
        1 => view().prop_map(Step::Lose),
        10 => view().prop_map(Step::Hear),
        1 => view().prop_map(Step::GiveUp),
        1 => view().prop_map(Step::Reconnect),
        1 => (view(), side(), side()).prop_map(|(view, width, height)| Step::Resize(view, width, height)),
        1 => (view(), any::<bool>()).prop_map(|(view, visible)| Step::Show(view, visible)),
        1 => (view(), prop::sample::select(vec![100, 70, 35])).prop_map(|(view, percent)| Step::Adapt(view, percent)),
        1 => prop::sample::select(vec![100, 90]).prop_map(Step::Quality),
    ];
    prop::collection::vec(step, 0..120)
}

/// What a browser tells.
enum Word {
    Confirm,
    Refresh,
}

/// A browser, and the credits that its View would keep.
struct Model {
    id: ViewId,
    size: (u32, u32),
    visible: bool,
    /// Messages on their way there.
    messages: VecDeque<Send>,
    /// Words on their way back.
    words: VecDeque<Word>,
    in_flight: i64,
    canvas: RgbImage,
    /// Whether only a whole frame can be drawn.
    lost: bool,
}

struct World {
    delivery: Delivery,
    now: Instant,
    quality: u8,
    /// The frames, from number 1.
    frames: Vec<Frame>,
    waiting: Vec<Encode>,
    models: Vec<Model>,
    next_view: u64,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            delivery: Delivery::default(),
            now: Instant::now(),
            quality: 90,
            frames: Vec::new(),
            waiting: Vec::new(),
            models: Vec::new(),
            next_view: 1,
        };
        for size in [(260, 260), (130, 200), (64, 64)] {
            let model = world.connect(size);
            world.models.push(model);
        }
        world.publish(Frame::rgb8(200, 150, vec![LEVELS[1]; 200 * 150 * 3]).unwrap());
        world
    }

    fn connect(&mut self, size: (u32, u32)) -> Model {
        let id = ViewId(self.next_view);
        self.next_view += 1;
        self.delivery.join(id, false);
        self.delivery.grant(id, CREDITS);
        self.delivery.changed(id, Some(logical(size)), true);
        let (messages, words) = (VecDeque::new(), VecDeque::new());
        Model {
            id,
            size,
            visible: true,
            messages,
            words,
            in_flight: 0,
            canvas: RgbImage::new(1, 1),
            lost: true,
        }
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
            assert!(self.frames.last() == Some(&frame), "a frame that differs was taken for an equal one");
        }
        self.serve();
    }

    fn latest(&self) -> Frame {
        self.frames[self.frames.len() - 1].clone()
    }

    fn serve(&mut self) {
        let actions = self.delivery.serve(self.quality, false);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Encode(encode) => self.waiting.push(encode),
                Action::Send(send) => {
                    if let Some(model) = self.models.iter_mut().find(|model| model.id == send.view) {
                        model.in_flight += 1;
                        model.messages.push_back(send);
                    }
                }
            }
        }
    }

    fn encode(&mut self, which: usize, fails: bool) {
        let Encode { frame, job } = self.waiting.remove(which);
        let outcome = if !self.delivery.begin(job.number)() {
            Outcome::Stale
        } else if fails {
            Outcome::Failed
        } else {
            Outcome::Encoded(Arc::new(
                encode::encode(&frame, job.variant, &job.tiles, encode::testing::crew(2)).unwrap(),
            ))
        };
        let actions = self.delivery.encoded(job, outcome);
        self.carry_out(actions);
        self.serve();
    }

    /// A browser takes its next message.
    fn draw(&mut self, view: usize, decodes: bool) {
        let model = &mut self.models[view];
        let Some(send) = model.messages.pop_front() else { return };
        model.words.push_back(Word::Confirm);
        if send.whole && decodes {
            model.lost = false;
            model.canvas = RgbImage::new(send.encoded.width, send.encoded.height);
        }
        if !decodes && !model.lost {
            model.lost = true;
            model.words.push_back(Word::Refresh);
        }
        if model.lost {
            // One that lost a whole frame asks once more.
            if send.whole {
                model.words.push_back(Word::Refresh);
            }
            return;
        }
        assert_eq!(
            model.canvas.dimensions(),
            (send.encoded.width, send.encoded.height),
            "an amendment of another size"
        );
        for part in &send.encoded.parts {
            let image = image::load_from_memory(&part.bytes).unwrap().into_rgb8();
            assert_eq!(image.dimensions(), (part.width, part.height));
            image::imageops::replace(&mut model.canvas, &image, part.x.into(), part.y.into());
        }
        let number = usize::try_from(send.number).unwrap();
        assert_shows(&model.canvas, &self.frames[number - 1], send.exact);
    }

    /// The next word of a browser arrives.
    fn hear(&mut self, view: usize) {
        let model = &mut self.models[view];
        match model.words.pop_front() {
            Some(Word::Confirm) if model.in_flight > 0 => {
                model.in_flight -= 1;
                self.delivery.grant(model.id, 1);
            }
            // It was given up before.
            Some(Word::Confirm) | None => {}
            Some(Word::Refresh) => self.delivery.lose(model.id),
        }
        self.serve();
    }

    fn give_up(&mut self, view: usize) {
        let model = &mut self.models[view];
        if std::mem::take(&mut model.in_flight) > 0 {
            // As many as were in flight; what is heard of them later earns nothing.
            let owed = model.messages.len()
                + model.words.iter().filter(|word| matches!(word, Word::Confirm)).count();
            model.words.retain(|word| matches!(word, Word::Refresh));
            model.messages.clear();
            model.lost = true;
            self.delivery.grant(model.id, i64::try_from(owed).unwrap());
            self.delivery.lose(model.id);
        }
        self.serve();
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Change(at, level, texture) => {
                self.publish(changed(&self.latest(), at, LEVELS[level], texture));
            }
            Step::Repeat => {
                let latest = self.latest();
                let copy = latest.pixels().to_vec();
                self.publish(Frame::new(latest.format(), latest.width(), latest.height(), copy).unwrap());
            }
            Step::Replace(width, height, format) => {
                let len = width as usize * height as usize * format.channels();
                self.publish(Frame::new(format, width, height, vec![LEVELS[2]; len]).unwrap());
            }
            Step::Overtake(level) => {
                let comparer = self.delivery.comparer();
                let late = comparer.compare(changed(&self.latest(), [0, 0, 99, 99], LEVELS[level], true));
                self.publish(changed(&self.latest(), [80, 80, 255, 255], LEVELS[level], false));
                self.publish_compared(late);
            }
            Step::Wait(milliseconds) => {
                self.now += Duration::from_millis(milliseconds);
                self.delivery.settle(self.now);
                self.serve();
            }
            Step::Encode(which) if !self.waiting.is_empty() => {
                self.encode(which.index(self.waiting.len()), false);
            }
            Step::Fail(which) if !self.waiting.is_empty() => {
                self.encode(which.index(self.waiting.len()), true);
            }
            Step::Encode(_) | Step::Fail(_) => {}
            Step::Draw(view) => self.draw(view, true),
            Step::Lose(view) => self.draw(view, false),
            Step::Hear(view) => self.hear(view),
            Step::GiveUp(view) => self.give_up(view),
            Step::Reconnect(view) => {
                self.delivery.leave(self.models[view].id);
                self.models[view] = self.connect(self.models[view].size);
                self.serve();
            }
            Step::Resize(view, width, height) => {
                self.models[view].size = (width, height);
                self.tell_size(view);
            }
            Step::Show(view, visible) => {
                self.models[view].visible = visible;
                self.tell_size(view);
            }
            Step::Adapt(view, percent) => {
                self.delivery.adapt(self.models[view].id, Reduction { quality: 90, percent });
                self.serve();
            }
            Step::Quality(quality) => {
                self.quality = quality;
                self.serve();
            }
        }
    }

    fn tell_size(&mut self, view: usize) {
        let model = &self.models[view];
        self.delivery.changed(model.id, Some(logical(model.size)), model.visible);
        self.serve();
    }

    /// Lets everything happen that will happen by itself.
    fn come_to_rest(&mut self) {
        // A frame that failed for some view is not tried again: the next one is. It changes little, so that nothing heals by it that
        // was wrong before.
        self.publish(changed(&self.latest(), [10, 10, 20, 20], LEVELS[0], false));
        self.publish(changed(&self.latest(), [10, 10, 20, 20], LEVELS[3], true));
        for view in 0..VIEWS {
            self.models[view].visible = true;
            self.tell_size(view);
        }
        for _ in 0..1000 {
            if let Some(last) = self.waiting.len().checked_sub(1) {
                self.encode(last, false);
            }
            for view in 0..VIEWS {
                self.draw(view, true);
                self.hear(view);
            }
            self.step(Step::Wait(50));
            let said = |model: &Model| model.messages.is_empty() && model.words.is_empty();
            if self.is_idle() && self.models.iter().all(said) {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    fn is_idle(&mut self) -> bool {
        self.waiting.is_empty() && self.delivery.settle(self.now).is_none()
    }
}

fn logical((pwidth, pheight): (u32, u32)) -> Size {
    Size { width: pwidth.into(), height: pheight.into(), pwidth, pheight, ratio: 1.0 }
}

/// A frame with a rectangle drawn over.
fn changed(frame: &Frame, [left, top, right, bottom]: [u8; 4], level: u8, texture: bool) -> Frame {
    let along = |share: u8, side: u32| (u32::from(share) * side / 256).min(side - 1) as usize;
    let (width, height, channels) = (frame.width(), frame.height(), frame.format().channels());
    let across = along(left.min(right), width)..=along(left.max(right), width);
    let down = along(top.min(bottom), height)..=along(top.max(bottom), height);
    let mut pixels = frame.pixels().to_vec();
    for (x, y) in down.flat_map(|y| across.clone().map(move |x| (x, y))) {
        let grain = if texture { u8::try_from((x * 7 + y * 13) % 11).unwrap() } else { 0 };
        let at = (y * width as usize + x) * channels;
        pixels[at..at + channels].fill(level + grain);
    }
    Frame::new(frame.format(), width, height, pixels).unwrap()
}

/// Checks that a canvas shows a frame: exactly, or every block about as it is there.
fn assert_shows(canvas: &RgbImage, frame: &Frame, exactly: bool) {
    let (width, height) = canvas.dimensions();
    let variant = Variant { width, height, codec: Codec::Png, base64: false };
    let whole = encode::whole(frame, variant).unwrap();
    let expected = image::load_from_memory(&whole.parts[0].bytes).unwrap().into_rgb8();
    if exactly {
        assert!(*canvas == expected, "the canvas is not exactly the frame, {frame:?} at {width} × {height}");
        return;
    }
    let blocks = |side: u32| (0..side).step_by(8);
    for (x, y) in blocks(height).flat_map(|y| blocks(width).map(move |x| (x, y))) {
        let block = Rect { x, y, width: 8.min(width - x), height: 8.min(height - y) };
        let (shown, drawn) = (mean(canvas, block), mean(&expected, block));
        assert!(
            (shown - drawn).abs() <= TOLERANCE,
            "{shown} instead of {drawn} at {x}, {y} of {frame:?} at {width} × {height}, tiles {:?}",
            Grid::new(width, height)
        );
    }
}

fn mean(image: &RgbImage, block: Rect) -> i32 {
    let (mut sum, mut count) = (0, 0);
    for y in block.y..block.y + block.height {
        for x in block.x..block.x + block.width {
            sum += image.get_pixel(x, y).0.iter().map(|&value| i32::from(value)).sum::<i32>();
            count += 3;
        }
    }
    sum / count
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn after_any_history_every_view_shows_exactly_the_frame_and_on_the_way_never_two_at_once(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.come_to_rest();
        let latest = world.latest();
        for model in &world.models {
            let full = crate::sizing::fit((latest.width(), latest.height()), model.size);
            prop_assert!(!model.lost);
            prop_assert_eq!(model.canvas.dimensions(), full);
            assert_shows(&model.canvas, &latest, true);
        }
    }
}
