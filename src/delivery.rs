//! Which view gets which image of which frame, and when: latest wins, each variant is encoded once, credits are kept.
//!
//! Pure bookkeeping. Every method answers with [`Action`]s for the caller to carry out; the outcome of an encode comes back
//! through [`Delivery::encoded`].

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    Frame,
    adaptation::Reduction,
    encode::{Codec, Encoded, Variant},
    event::{Size, ViewId},
    sizing::{fit, reduced},
};

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
    /// The number of the frame.
    pub number: u64,
    /// The pixels.
    pub frame: Frame,
    /// How to encode them.
    pub variant: Variant,
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

/// What is known about a view.
#[derive(Debug)]
struct Seat {
    /// Frames that may be sent to it; negative while `max_buffered_frames` was lowered below what is in flight.
    credits: i64,
    /// Its size, once known.
    size: Option<Size>,
    /// Whether the user can see it.
    visible: bool,
    /// Whether it takes frames as base64.
    base64: bool,
    /// What its frames are reduced to while they move.
    reduction: Reduction,
    /// The image that it was sent, or is being encoded for it, last.
    last: Option<Last>,
    /// Counts the images that were chosen for it, in order.
    chosen: u64,
    /// The place in that order of the newest image that it was sent.
    sent: u64,
    /// Frames that it never got, since newer ones came first.
    skipped: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Last {
    number: u64,
    /// The size that the view can show, of which a reduced image has fewer pixels.
    size: (u32, u32),
    lossy: bool,
}

/// The image that a view should be sent now.
struct Next {
    variant: Variant,
    size: (u32, u32),
    settle: bool,
    reduction: Reduction,
}

#[derive(Debug)]
struct Latest {
    number: u64,
    frame: Frame,
    /// Whether nothing followed for a while, so that views that show it lossy get it lossless.
    settled: bool,
}

/// A view that waits for an image.
#[derive(Debug)]
struct Waiting {
    view: ViewId,
    /// The image's place among those that were chosen for the view.
    order: u64,
    /// Whether it only makes exact what the view shows already.
    settle: bool,
    reduction: Reduction,
}

/// The views waiting for an image that is being encoded, or the image.
#[derive(Debug)]
enum Slot {
    Encoding(Vec<Waiting>),
    Ready(Arc<Encoded>),
}

/// The latest frame, the views, and the images between them.
#[derive(Debug, Default)]
pub struct Delivery {
    seats: BTreeMap<ViewId, Seat>,
    latest: Option<Latest>,
    slots: HashMap<(u64, Variant), Slot>,
    /// The number of the latest frame, for encodes that wait on the pool.
    newest: Arc<AtomicU64>,
    /// The number of the newest frame of which an encode has begun.
    begun: Arc<AtomicU64>,
    encodes: u64,
}

impl Delivery {
    /// Adds a view; it gets nothing before it has a size and credits.
    pub fn join(&mut self, view: ViewId, base64: bool) {
        let seat = Seat {
            credits: 0,
            size: None,
            visible: false,
            base64,
            reduction: Reduction::NONE,
            last: None,
            chosen: 0,
            sent: 0,
            skipped: 0,
        };
        self.seats.insert(view, seat);
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

    /// Gives credits to a view, or takes some away.
    pub fn grant(&mut self, view: ViewId, credits: i64) {
        if let Some(seat) = self.seats.get_mut(&view) {
            seat.credits += credits;
        }
    }

    /// Makes `frame` the latest. Returns the views that can see the widget and never got the one before.
    pub fn publish(&mut self, frame: Frame) -> Vec<ViewId> {
        let number = self.latest.as_ref().map_or(0, |latest| latest.number) + 1;
        let mut skipped = Vec::new();
        if number > 1 {
            for (&view, seat) in self.seats.iter_mut().filter(|(_, seat)| seat.visible && seat.size.is_some())
            {
                if seat.last.is_none_or(|last| last.number + 1 < number) {
                    seat.skipped += 1;
                    skipped.push(view);
                }
            }
        }
        self.latest = Some(Latest { number, frame, settled: false });
        self.newest.store(number, Ordering::Release);
        self.slots.retain(|_, slot| matches!(slot, Slot::Encoding(_)));
        skipped
    }

    /// Notes that nothing followed the latest frame for a while: views that show it lossy get it lossless.
    pub fn settle(&mut self) {
        if let Some(latest) = &mut self.latest {
            latest.settled = true;
        }
    }

    /// Whether some view would get a frame if one were drawn now. While the latest frame waits for an encoder thread, another
    /// would only overtake it.
    pub fn wants_frame(&self) -> bool {
        let waits = self.latest.as_ref().is_some_and(|latest| {
            latest.number > self.begun.load(Ordering::Acquire)
                && self
                    .slots
                    .iter()
                    .any(|(key, slot)| key.0 == latest.number && matches!(slot, Slot::Encoding(_)))
        });
        !waits && self.seats.values().any(|seat| seat.visible && seat.size.is_some() && seat.credits > 0)
    }

    /// The sizes of the views that the user can see.
    pub fn visible_sizes(&self) -> impl Iterator<Item = &Size> {
        self.seats.values().filter(|seat| seat.visible).filter_map(|seat| seat.size.as_ref())
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
        self.latest.as_ref().map(|latest| &latest.frame)
    }

    /// How many encodes were asked for so far.
    pub fn encodes(&self) -> u64 {
        self.encodes
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

    /// Gives the latest frame to every view that lacks it and has a credit. `quality` is 1..=100, 100 meaning lossless.
    pub fn serve(&mut self, quality: u8) -> Vec<Action> {
        let Some(latest) = &self.latest else { return Vec::new() };
        let mut actions = Vec::new();
        for (&view, seat) in &mut self.seats {
            let Some(Next { variant, size, settle, reduction }) = seat.next(latest, quality) else {
                continue;
            };
            seat.credits -= 1;
            seat.chosen += 1;
            let waiting = Waiting { view, order: seat.chosen, settle, reduction };
            seat.last = Some(Last { number: latest.number, size, lossy: variant.codec != Codec::Png });
            match self.slots.get_mut(&(latest.number, variant)) {
                Some(Slot::Ready(encoded)) => {
                    let encoded = Arc::clone(encoded);
                    seat.sent = seat.chosen;
                    let number = latest.number;
                    actions.push(Action::Send(Send { view, number, encoded, settle, reduction }));
                }
                Some(Slot::Encoding(others)) => others.push(waiting),
                None => {
                    self.slots.insert((latest.number, variant), Slot::Encoding(vec![waiting]));
                    self.encodes += 1;
                    let frame = latest.frame.clone();
                    actions.push(Action::Encode(Encode { number: latest.number, frame, variant }));
                }
            }
        }
        actions
    }

    /// Takes the outcome of an encode; the views that waited get the image, or their credits back. An image that was
    /// overtaken by one chosen later is not sent, so that the newest is what stays. Call [`Delivery::serve`] after it.
    pub fn encoded(&mut self, number: u64, variant: Variant, outcome: Outcome) -> Vec<Action> {
        let Some(Slot::Encoding(waiting)) = self.slots.remove(&(number, variant)) else { return Vec::new() };
        match outcome {
            Outcome::Encoded(encoded) => {
                if self.latest.as_ref().is_some_and(|latest| latest.number == number) {
                    self.slots.insert((number, variant), Slot::Ready(Arc::clone(&encoded)));
                }
                let mut actions = Vec::new();
                for Waiting { view, order, settle, reduction } in waiting {
                    let Some(seat) = self.seats.get_mut(&view) else { continue };
                    if order < seat.sent {
                        seat.credits += 1;
                        seat.skipped += 1;
                        continue;
                    }
                    seat.sent = order;
                    let encoded = Arc::clone(&encoded);
                    actions.push(Action::Send(Send { view, number, encoded, settle, reduction }));
                }
                actions
            }
            Outcome::Stale | Outcome::Failed => {
                for Waiting { view, .. } in waiting {
                    if let Some(seat) = self.seats.get_mut(&view) {
                        seat.credits += 1;
                        if matches!(outcome, Outcome::Stale) {
                            seat.skipped += 1;
                        }
                    }
                }
                Vec::new()
            }
        }
    }
}

impl Seat {
    /// The image of the latest frame that this view should be sent now, if any.
    fn next(&self, latest: &Latest, quality: u8) -> Option<Next> {
        let view = self.size.filter(|_| self.visible && self.credits > 0)?;
        let size = fit((latest.frame.width(), latest.frame.height()), (view.pwidth, view.pheight));
        let lossless = quality >= 100 || latest.settled;
        let reduction = if lossless { Reduction::NONE } else { self.reduction };
        let codec =
            if lossless { Codec::Png } else { Codec::Jpeg { quality: reduction.below(quality).quality } };
        let (width, height) = reduced(size, reduction.percent);
        let variant = Variant { width, height, codec, base64: self.base64 };
        let shown = self.last.filter(|last| last.number == latest.number && last.size == size);
        let settle = shown.is_some();
        let wanted = shown.is_none_or(|last| last.lossy && latest.settled);
        wanted.then_some(Next { variant, size, settle, reduction })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(width: u32, height: u32) -> Frame {
        Frame::gray8(width, height, vec![0; (width * height) as usize]).unwrap()
    }

    fn size(pwidth: u32, pheight: u32) -> Size {
        Size { width: pwidth.into(), height: pheight.into(), pwidth, pheight, ratio: 1.0 }
    }

    fn with_views(views: u64, credits: i64) -> Delivery {
        let mut delivery = Delivery::default();
        for view in (1..=views).map(ViewId) {
            delivery.join(view, false);
            delivery.changed(view, Some(size(40, 30)), true);
            delivery.grant(view, credits);
        }
        delivery
    }

    fn image(variant: Variant) -> Arc<Encoded> {
        Arc::new(Encoded {
            width: variant.width,
            height: variant.height,
            lossless: variant.codec == Codec::Png,
            parts: vec![],
            base64: None,
            encode_time: Duration::ZERO,
            base64_time: Duration::ZERO,
        })
    }

    /// Carries out all encodes at once; returns what was sent, as (view, number, settle), and the number of encodes.
    fn serve(delivery: &mut Delivery, quality: u8) -> (Vec<(u64, u64, bool)>, usize) {
        let (mut sent, mut encodes) = (Vec::new(), 0);
        let mut actions = delivery.serve(quality);
        while let Some(action) = actions.pop() {
            match action {
                Action::Encode(Encode { number, variant, .. }) => {
                    encodes += 1;
                    actions.extend(delivery.encoded(number, variant, Outcome::Encoded(image(variant))));
                }
                Action::Send(Send { view, number, settle, .. }) => sent.push((view.0, number, settle)),
            }
        }
        sent.sort_unstable();
        (sent, encodes)
    }

    #[test]
    fn equal_views_share_one_encode() {
        let mut delivery = with_views(10, 2);
        delivery.publish(frame(40, 30));
        let (sent, encodes) = serve(&mut delivery, 80);
        assert_eq!((sent.len(), encodes), (10, 1));
        assert_eq!(delivery.encodes(), 1);
    }

    #[test]
    fn a_view_that_joins_later_gets_the_same_image_without_another_encode() {
        let mut delivery = with_views(1, 2);
        delivery.publish(frame(40, 30));
        serve(&mut delivery, 80);
        delivery.join(ViewId(2), false);
        delivery.changed(ViewId(2), Some(size(40, 30)), true);
        delivery.grant(ViewId(2), 1);
        assert_eq!(serve(&mut delivery, 80), (vec![(2, 1, false)], 0));
    }

    #[test]
    fn a_view_without_credit_gets_the_newest_when_the_credit_returns() {
        let mut delivery = with_views(1, 1);
        delivery.publish(frame(40, 30));
        assert_eq!(serve(&mut delivery, 80).0, [(1, 1, false)]);
        assert_eq!(delivery.publish(frame(40, 30)), []);
        assert_eq!(delivery.publish(frame(40, 30)), [ViewId(1)]);
        assert_eq!(serve(&mut delivery, 80).0, []);
        delivery.grant(ViewId(1), 1);
        assert_eq!(serve(&mut delivery, 80).0, [(1, 3, false)]);
        assert_eq!(delivery.skipped(ViewId(1)), 1);
    }

    #[test]
    fn settling_sends_the_same_frame_lossless_once() {
        let mut delivery = with_views(1, 3);
        delivery.publish(frame(40, 30));
        serve(&mut delivery, 80);
        assert_eq!(serve(&mut delivery, 80).0, []);
        delivery.settle();
        assert_eq!(serve(&mut delivery, 80).0, [(1, 1, true)]);
        assert_eq!(serve(&mut delivery, 80).0, []);
    }

    #[test]
    fn quality_100_needs_no_settling() {
        let mut delivery = with_views(1, 3);
        delivery.publish(frame(40, 30));
        serve(&mut delivery, 100);
        delivery.settle();
        assert_eq!(serve(&mut delivery, 100).0, []);
    }

    #[test]
    fn a_stale_encode_gives_its_credits_back_and_the_newest_is_sent() {
        let mut delivery = with_views(1, 1);
        delivery.publish(frame(40, 30));
        let Some(Action::Encode(Encode { number, variant, .. })) = delivery.serve(80).pop() else {
            panic!("no encode")
        };
        let wanted = delivery.begin(number);
        delivery.publish(frame(40, 30));
        assert!(!wanted());
        delivery.encoded(number, variant, Outcome::Stale);
        assert_eq!(serve(&mut delivery, 80).0, [(1, 2, false)]);
    }

    #[test]
    fn an_image_that_is_done_after_a_newer_one_is_not_sent_and_gives_its_credit_back() {
        let mut delivery = with_views(1, 2);
        let encode = |delivery: &mut Delivery| {
            delivery.publish(frame(40, 30));
            let Some(Action::Encode(encode)) = delivery.serve(80).pop() else { panic!("no encode") };
            encode
        };
        let (slow, quick) = (encode(&mut delivery), encode(&mut delivery));
        let outcome = |encode: &Encode| Outcome::Encoded(image(encode.variant));
        assert_eq!(delivery.encoded(quick.number, quick.variant, outcome(&quick)).len(), 1);
        assert!(delivery.encoded(slow.number, slow.variant, outcome(&slow)).is_empty());
        assert!(delivery.wants_frame());
        assert_eq!(delivery.skipped(ViewId(1)), 1);
    }

    #[test]
    fn nothing_is_drawn_while_the_latest_frame_waits_for_an_encoder() {
        let mut delivery = with_views(1, 2);
        delivery.publish(frame(40, 30));
        let Some(Action::Encode(encode)) = delivery.serve(80).pop() else { panic!("no encode") };
        assert!(!delivery.wants_frame(), "another frame would only overtake it");
        assert!(delivery.begin(encode.number)());
        assert!(delivery.wants_frame(), "the next frame is drawn while this one is encoded");
    }

    #[test]
    fn a_frame_that_was_pushed_over_a_waiting_one_does_not_stop_the_draws() {
        let mut delivery = with_views(1, 2);
        delivery.publish(frame(40, 30));
        let Some(Action::Encode(first)) = delivery.serve(80).pop() else { panic!("no encode") };
        delivery.publish(frame(40, 30));
        assert!(!delivery.begin(first.number)());
        delivery.encoded(first.number, first.variant, Outcome::Stale);
        assert_eq!(serve(&mut delivery, 80).0, [(1, 2, false)]);
        assert!(delivery.wants_frame());
    }

    #[test]
    fn hidden_views_get_nothing_and_want_nothing() {
        let mut delivery = with_views(1, 2);
        delivery.changed(ViewId(1), Some(size(40, 30)), false);
        assert!(!delivery.wants_frame());
        delivery.publish(frame(40, 30));
        assert_eq!(serve(&mut delivery, 80).0, []);
        delivery.changed(ViewId(1), Some(size(40, 30)), true);
        assert_eq!(serve(&mut delivery, 80).0, [(1, 1, false)]);
    }

    #[test]
    fn a_small_view_gets_the_frame_scaled_and_again_when_it_grows() {
        let mut delivery = with_views(1, 3);
        delivery.publish(frame(80, 60));
        let Some(Action::Encode(encode)) = delivery.serve(80).pop() else { panic!("no encode") };
        assert_eq!((encode.variant.width, encode.variant.height), (40, 30));
        delivery.changed(ViewId(1), Some(size(80, 60)), true);
        let Some(Action::Encode(encode)) = delivery.serve(80).pop() else { panic!("no encode") };
        assert_eq!((encode.variant.width, encode.variant.height), (80, 60));
    }

    #[test]
    fn a_reduced_view_gets_fewer_pixels_while_they_move_and_all_of_them_at_rest() {
        let mut delivery = with_views(1, 9);
        delivery.adapt(ViewId(1), Reduction { quality: 25, percent: 50 });
        delivery.publish(frame(40, 30));
        let variant = |delivery: &mut Delivery| {
            let Some(Action::Encode(encode)) = delivery.serve(80).pop() else { panic!("no encode") };
            delivery.encoded(encode.number, encode.variant, Outcome::Encoded(image(encode.variant)));
            encode.variant
        };
        let moving = variant(&mut delivery);
        assert_eq!((moving.width, moving.height, moving.codec), (20, 15, Codec::Jpeg { quality: 25 }));
        delivery.adapt(ViewId(1), Reduction::NONE);
        assert!(delivery.serve(80).is_empty(), "the same frame was sent again since there is more room");
        delivery.settle();
        let settled = variant(&mut delivery);
        assert_eq!((settled.width, settled.height, settled.codec), (40, 30, Codec::Png));
        assert!(delivery.serve(80).is_empty());
    }

    #[test]
    fn a_widget_that_is_always_lossless_is_not_reduced() {
        let mut delivery = with_views(1, 9);
        delivery.adapt(ViewId(1), Reduction { quality: 25, percent: 50 });
        delivery.publish(frame(40, 30));
        let Some(Action::Encode(encode)) = delivery.serve(100).pop() else { panic!("no encode") };
        assert_eq!((encode.variant.width, encode.variant.codec), (40, Codec::Png));
    }

    #[test]
    fn a_failed_encode_gives_its_credit_back() {
        let mut delivery = with_views(1, 1);
        delivery.publish(frame(40, 30));
        let Some(Action::Encode(Encode { number, variant, .. })) = delivery.serve(80).pop() else {
            panic!("no encode")
        };
        delivery.encoded(number, variant, Outcome::Failed);
        assert!(delivery.wants_frame());
        assert!(delivery.serve(80).is_empty(), "the same frame was tried again");
    }
}
