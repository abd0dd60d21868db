//! Which view gets which part of which frame, and when: latest wins, only what changed, each image is encoded once, credits are
//! kept.
//!
//! Pure bookkeeping. Every method answers with [`Action`]s for the caller to carry out; the outcome of an encode comes back
//! through [`Delivery::encoded`].

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeBounds,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use crate::{
    Frame,
    adaptation::Reduction,
    credits::Credits,
    encode::{Encoded, Variant},
    event::{Size, ViewId},
    tiles::TileSet,
};

#[cfg(test)]
mod oracle;
mod picture;
mod seat;
#[cfg(test)]
mod tests;

use picture::Picture;
pub use picture::{Compared, Comparer};
use seat::{Need, Pending, Seat};

/// Something for the caller to do.
#[derive(Debug)]
pub enum Action {
    /// Encode a frame, then call [`Delivery::encoded`].
    Encode(Encode),
    /// Send an image to a view.
    Send(Send),
}

/// An encode to run.
#[derive(Debug)]
pub struct Encode {
    /// The pixels.
    pub frame: Frame,
    /// What to make of them.
    pub job: Job,
    /// Whether only visitors' views need it.
    pub for_visitors: bool,
}

/// What is encoded. Views that need the same share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Job {
    /// The number of the frame.
    pub number: u64,
    /// How it is encoded.
    pub variant: Variant,
    /// The tiles of the variant that are encoded.
    pub tiles: TileSet,
}

/// An image for a view.
#[derive(Debug)]
pub struct Send {
    /// The view.
    pub view: ViewId,
    /// The number of the frame.
    pub number: u64,
    /// The image.
    pub encoded: Arc<Encoded>,
    /// Whether it needs nothing that was sent before; else it amends what the view was sent last.
    pub whole: bool,
    /// Whether the view then shows exactly the frame, in all the pixels that it can show.
    pub exact: bool,
    /// Whether it only makes exact what the view shows already.
    pub settle: bool,
    /// What it was reduced to.
    pub reduction: Reduction,
}

/// What became of an encode.
#[derive(Debug)]
pub enum Outcome {
    /// It is done.
    Encoded(Arc<Encoded>),
    /// It was not begun: a newer frame had come.
    Stale,
    /// It failed.
    Failed,
}

/// What became of a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Published {
    /// It is the latest; these views can see the widget and never got the one before.
    Changed(Vec<ViewId>),
    /// It equals the latest: nobody needs it.
    Unchanged,
}

/// The views waiting for an image that is being encoded, or the image.
#[derive(Debug)]
enum Slot {
    Encoding(Vec<ViewId>),
    Ready(Arc<Encoded>),
}

impl Slot {
    fn bytes(&self) -> u64 {
        match self {
            Self::Encoding(_) => 0,
            Self::Ready(encoded) => encoded.len(),
        }
    }
}

/// Most bytes of images that wait for other views that need the same.
const MOST_READY: u64 = 32 << 20;

/// The latest frame, the views, and the images between them.
#[derive(Debug, Default)]
pub struct Delivery {
    seats: BTreeMap<ViewId, Seat>,
    picture: Option<Picture>,
    slots: HashMap<Job, Slot>,
    /// The number of the latest frame, for encodes that wait on the pool.
    newest: Arc<AtomicU64>,
    /// The number of the newest frame of which an encode has begun.
    begun: Arc<AtomicU64>,
    encodes: u64,
    unchanged: u64,
    /// Whether visitors' views have to wait.
    visitors_wait: bool,
}

impl Delivery {
    /// Adds a view that may be sent so many frames; it gets nothing before it has a size. What this returns takes the credits that it
    /// gives back.
    pub fn join(&mut self, view: ViewId, base64: bool, credits: u32) -> Arc<Credits> {
        let seat = Seat::new(base64, credits);
        let credits = Arc::clone(&seat.credits);
        self.seats.insert(view, seat);
        credits
    }

    /// A view is a visitor's.
    pub fn is_visitors(&mut self, view: ViewId) {
        if let Some(seat) = self.seats.get_mut(&view) {
            seat.visitors = true;
        }
    }

    /// From now on visitors' views get nothing, or get what others do.
    pub fn hold_visitors(&mut self, wait: bool) {
        self.visitors_wait = wait;
    }

    /// Whether a seat may be sent something.
    fn is_ready(&self, seat: &Seat) -> bool {
        seat.is_watched() && seat.credits.are_more_than(0) && !(seat.visitors && self.visitors_wait)
    }

    /// Removes a view.
    pub fn leave(&mut self, view: ViewId) {
        self.seats.remove(&view);
    }

    /// Notes a view's size and whether the user can see it.
    pub fn changed(&mut self, view: ViewId, size: Option<Size>, visible: bool) {
        if let Some(seat) = self.seats.get_mut(&view) {
            (seat.size, seat.visible) = (size, visible);
        }
    }

    /// Notes what a view's frames are reduced to while they move; frames that it has stay as they are.
    pub fn adapt(&mut self, view: ViewId, reduction: Reduction) {
        if let Some(seat) = self.seats.get_mut(&view) {
            seat.reduction = reduction;
        }
    }

    /// Nobody knows any more what a view shows: the next frame that it gets is whole. So many frames to it were given up, whose
    /// credits are back.
    pub fn lose(&mut self, view: ViewId, given_up: u32) {
        if let Some(seat) = self.seats.get_mut(&view) {
            seat.lose();
            seat.credits.take_back(given_up);
        }
    }

    /// What failed for views is tried again with the next [`Delivery::serve`].
    pub fn forgive(&mut self) {
        for seat in self.seats.values_mut() {
            seat.fail(0);
        }
    }

    /// For a frame that comes, to compare with the latest before it is published.
    pub fn comparer(&self) -> Comparer {
        Picture::comparer(self.picture.as_ref())
    }

    /// Makes a frame the latest, unless it equals that.
    pub fn publish(&mut self, compared: Compared, now: Instant) -> Published {
        let before = self.picture.as_ref().map(|picture| picture.number);
        let number = if let Some(picture) = &mut self.picture {
            if !picture.replace(compared, now) {
                self.unchanged += 1;
                return Published::Unchanged;
            }
            picture.number
        } else {
            self.picture.insert(Picture::new(compared.frame, now)).number
        };
        self.newest.store(number, Ordering::Release);
        self.slots.retain(|_, slot| matches!(slot, Slot::Encoding(_)));
        let mut skipped = Vec::new();
        if let Some(before) = before {
            for (&view, seat) in
                self.seats.iter_mut().filter(|(_, seat)| seat.is_watched() && !seat.has(before))
            {
                seat.skipped += 1;
                skipped.push(view);
            }
        }
        Published::Changed(skipped)
    }

    /// Notes how late it is: tiles that nothing changed for a while come to rest, and views that show them lossy get them lossless
    /// with the next [`Delivery::serve`]. Answers when to call this again.
    pub fn settle(&mut self, now: Instant) -> Option<Instant> {
        self.picture.as_mut()?.pass(now)
    }

    /// Whether some view would get a frame if one were drawn now. While the latest frame waits for an encoder thread, or for the
    /// image before it, another would only overtake it.
    pub fn wants_frame(&self) -> bool {
        let latest = self.picture.as_ref().map_or(0, |picture| picture.number);
        let waits = latest > self.begun.load(Ordering::Acquire)
            && self.slots.iter().any(|(job, slot)| job.number == latest && matches!(slot, Slot::Encoding(_)));
        !waits && self.seats.values().any(|seat| self.is_ready(seat) && (latest == 0 || seat.has(latest)))
    }

    /// Whether some view could be sent the latest frame and was not.
    pub fn owes_frame(&self) -> bool {
        self.picture.as_ref().is_some_and(|picture| {
            let mut ready = self.seats.values().filter(|seat| self.is_ready(seat));
            ready.any(|seat| !seat.has(picture.number))
        })
    }

    /// The sizes of the views that the user can see.
    pub fn visible_sizes(&self) -> impl Iterator<Item = (ViewId, &Size)> {
        let visible = self.seats.iter().filter(|(_, seat)| seat.visible);
        visible.filter_map(|(&view, seat)| Some((view, seat.size.as_ref()?)))
    }

    /// A view's size.
    pub fn size(&self, view: ViewId) -> Option<&Size> {
        self.seats.get(&view)?.size.as_ref()
    }

    /// Frames that a view never got, since newer ones came first.
    pub fn skipped(&self, view: ViewId) -> u64 {
        self.seats.get(&view).map_or(0, |seat| seat.skipped)
    }

    /// The latest frame.
    pub fn latest(&self) -> Option<&Frame> {
        self.picture.as_ref().map(|picture| &picture.frame)
    }

    /// How many encodes were asked for so far.
    pub fn encodes(&self) -> u64 {
        self.encodes
    }

    /// How many frames were equal to the one before.
    pub fn unchanged(&self) -> u64 {
        self.unchanged
    }

    /// For an encode that waits on the pool, to call when its turn comes: whether the frame is still the latest, so that the
    /// encode begins.
    pub fn begin(&self, number: u64) -> impl FnOnce() -> bool + std::marker::Send + 'static {
        let (newest, begun) = (Arc::clone(&self.newest), Arc::clone(&self.begun));
        move || {
            let wanted = newest.load(Ordering::Acquire) == number;
            if wanted {
                begun.fetch_max(number, Ordering::AcqRel);
            }
            wanted
        }
    }

    /// Gives every view that has a credit what it lacks of the latest frame. `quality` is 1..=100, 100 meaning lossless;
    /// `drawing`, whether a newer frame is on its way: then making exact what views have may wait.
    pub fn serve(&mut self, quality: u8, drawing: bool) -> Vec<Action> {
        self.serve_some(.., quality, drawing)
    }

    /// The same for one view, when nothing but that changed.
    pub fn serve_view(&mut self, view: ViewId, quality: u8, drawing: bool) -> Vec<Action> {
        self.serve_some(view..=view, quality, drawing)
    }

    fn serve_some(&mut self, views: impl RangeBounds<ViewId>, quality: u8, drawing: bool) -> Vec<Action> {
        let Some(picture) = &mut self.picture else { return Vec::new() };
        let mut actions = Vec::new();
        let seats = self.seats.range_mut(views);
        for (&view, seat) in seats.filter(|(_, seat)| !(seat.visitors && self.visitors_wait)) {
            // Until it needs nothing, waits for an image, or misses a credit: after each of these somebody looks again.
            while let Some(Need { variant, tiles, pending }) = seat.next(picture, quality, drawing) {
                seat.credits.spend();
                let job = Job { number: picture.number, variant, tiles };
                match self.slots.get_mut(&job) {
                    Some(Slot::Ready(encoded)) => {
                        actions.push(send(view, seat, Arc::clone(encoded), &pending));
                        continue;
                    }
                    Some(Slot::Encoding(others)) => others.push(view),
                    None => {
                        self.slots.insert(job.clone(), Slot::Encoding(vec![view]));
                        self.encodes += 1;
                        let frame = picture.frame.clone();
                        actions.push(Action::Encode(Encode { frame, job, for_visitors: true }));
                    }
                }
                seat.pending = Some(pending);
            }
        }
        for action in &mut actions {
            if let Action::Encode(encode) = action
                && let Some(Slot::Encoding(waiting)) = self.slots.get(&encode.job)
            {
                let mut seats = waiting.iter().filter_map(|view| self.seats.get(view));
                encode.for_visitors = seats.all(|seat| seat.visitors);
            }
        }
        actions
    }

    /// Keeps an image of the latest frame. Of a view that is being resized each step has one of its own.
    fn keep(&mut self, job: Job, encoded: Arc<Encoded>) {
        let ready = self.slots.values().map(Slot::bytes).sum::<u64>();
        if ready + encoded.len() > MOST_READY {
            self.slots.retain(|_, slot| matches!(slot, Slot::Encoding(_)));
        }
        self.slots.insert(job, Slot::Ready(encoded));
    }

    /// Takes the outcome of an encode; the views that waited get the image, or their credits back. Call [`Delivery::serve`] after
    /// it.
    pub fn encoded(&mut self, job: Job, outcome: Outcome) -> Vec<Action> {
        let Some(Slot::Encoding(waiting)) = self.slots.remove(&job) else { return Vec::new() };
        let number = job.number;
        if let Outcome::Encoded(encoded) = &outcome
            && self.picture.as_ref().is_some_and(|picture| picture.number == number)
        {
            self.keep(job, Arc::clone(encoded));
        }
        let mut actions = Vec::new();
        for view in waiting {
            let Some(seat) = self.seats.get_mut(&view) else { continue };
            let Some(pending) = seat.pending.take() else { continue };
            match &outcome {
                Outcome::Encoded(encoded) if !pending.void => {
                    actions.push(send(view, seat, Arc::clone(encoded), &pending));
                    continue;
                }
                Outcome::Encoded(_) => {}
                Outcome::Stale if pending.settle => {}
                Outcome::Stale => seat.skipped += 1,
                Outcome::Failed => seat.fail(number),
            }
            seat.credits.take_back(1);
        }
        actions
    }
}

/// Sends an image to a view, whose credit is spent.
fn send(view: ViewId, seat: &mut Seat, encoded: Arc<Encoded>, pending: &Pending) -> Action {
    let exact = seat.sent(&encoded, pending);
    let Pending { number, whole, settle, reduction, .. } = *pending;
    Action::Send(Send { view, number, encoded, whole, exact, settle, reduction })
}
