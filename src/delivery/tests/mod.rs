//! Who gets what when, with images that are made at once and hold nothing.

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::{
    encode::{Codec, Part},
    tiles::Grid,
};

mod settling;

const REST: Duration = Duration::from_millis(300);

/// Frames that follow differ from each other in every pixel.
fn frame(width: u32, height: u32) -> Frame {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let value = (COUNT.fetch_add(1, Ordering::Relaxed) % 251) as u8;
    Frame::gray8(width, height, vec![value; (width * height) as usize]).unwrap()
}

fn size(pwidth: u32, pheight: u32) -> Size {
    Size { width: pwidth.into(), height: pheight.into(), pwidth, pheight, ratio: 1.0 }
}

fn with_views(views: u64, credits: u32) -> Delivery {
    with_views_of(views, credits, size(40, 30))
}

fn with_views_of(views: u64, credits: u32, size: Size) -> Delivery {
    let mut delivery = Delivery::default();
    for view in (1..=views).map(ViewId) {
        delivery.join(view, false, credits);
        delivery.changed(view, Some(size), true);
    }
    delivery
}

/// A view confirms a frame. Answers whether the widget has to hear of it.
fn grant(delivery: &Delivery, view: u64) -> bool {
    delivery.seats[&ViewId(view)].credits.give(1)
}

/// Makes a frame the latest; answers who skipped the one before.
fn publish(delivery: &mut Delivery, frame: Frame) -> Vec<ViewId> {
    let compared = delivery.comparer().compare(frame);
    match delivery.publish(compared, Instant::now()) {
        Published::Changed(skipped) => skipped,
        Published::Unchanged => panic!("the frame equals the one before"),
    }
}

/// Lets all that is shown come to rest.
fn rest(delivery: &mut Delivery) {
    assert_eq!(delivery.settle(Instant::now() + REST), None);
}

fn image(job: &Job) -> Arc<Encoded> {
    let Variant { width, height, codec, .. } = job.variant;
    let lossless = matches!(codec, Codec::Png | Codec::WebP);
    let grid = Grid::new(width, height);
    let part = |rect: crate::tiles::Rect| Part {
        x: rect.x,
        y: rect.y,
        width: rect.width,
        height: rect.height,
        lossless,
        mimetype: "image/png",
        bytes: Bytes::new(),
    };
    Arc::new(Encoded {
        width,
        height,
        lossless,
        parts: job.tiles.iter().map(|tile| part(grid.tile(tile))).collect(),
        base64: None,
        wait_time: Duration::ZERO,
        encode_time: Duration::ZERO,
        base64_time: Duration::ZERO,
    })
}

fn done(job: &Job) -> Outcome {
    Outcome::Encoded(image(job))
}

/// The one encode that is asked for.
fn only_encode(delivery: &mut Delivery, quality: u8) -> Job {
    let actions = delivery.serve(quality, false);
    let [Action::Encode(Encode { job, .. })] = &actions[..] else { panic!("{actions:?} is not one encode") };
    job.clone()
}

/// Carries out all encodes at once; returns what was sent, in order of views.
fn sends(delivery: &mut Delivery, quality: u8, drawing: bool) -> (Vec<Send>, usize) {
    let (mut sent, mut encodes) = (Vec::new(), 0);
    let mut actions = delivery.serve(quality, drawing);
    while let Some(action) = actions.pop() {
        match action {
            Action::Encode(Encode { job, .. }) => {
                encodes += 1;
                actions.extend(delivery.encoded(job.clone(), done(&job)));
            }
            Action::Send(image) => sent.push(image),
        }
    }
    sent.sort_unstable_by_key(|send| send.view);
    (sent, encodes)
}

/// The same, as (view, number, settle), and the number of encodes.
fn serve(delivery: &mut Delivery, quality: u8) -> (Vec<(u64, u64, bool)>, usize) {
    let (sent, encodes) = sends(delivery, quality, false);
    (sent.iter().map(|send| (send.view.0, send.number, send.settle)).collect(), encodes)
}

#[test]
fn images_of_sizes_that_nobody_needs_any_more_are_forgotten() {
    let mut delivery = with_views(1, 1);
    publish(&mut delivery, frame(400, 30));
    rest(&mut delivery);
    for width in 1..=200 {
        delivery.changed(ViewId(1), Some(size(width, 30)), true);
        let job = only_encode(&mut delivery, 80);
        let mut encoded = Arc::into_inner(image(&job)).unwrap();
        encoded.parts[0].bytes = Bytes::from(vec![0; 1 << 20]);
        delivery.encoded(job, Outcome::Encoded(Arc::new(encoded)));
        grant(&delivery, 1);
    }
    let kept: u64 = delivery.slots.values().map(Slot::bytes).sum();
    assert!((1..=MOST_READY).contains(&kept), "{kept}");
}

/// A frame of 640 × 64 pixels, ten tiles, with one value in each.
fn row(values: [u8; 10]) -> Frame {
    let pixels: Vec<u8> = (0..640 * 64).map(|at| values[at % 640 / 64]).collect();
    Frame::gray8(640, 64, pixels).unwrap()
}

/// Where in a row of tiles those begin that were sent side by side, and how many they are.
fn columns(send: &Send) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for column in send.encoded.parts.iter().map(|part| part.x / 64) {
        match runs.last_mut() {
            Some((start, len)) if *start + *len == column => *len += 1,
            _ => runs.push((column, 1)),
        }
    }
    runs
}

#[test]
fn equal_views_share_one_encode() {
    let mut delivery = with_views(10, 2);
    publish(&mut delivery, frame(40, 30));
    let (sent, encodes) = serve(&mut delivery, 80);
    assert_eq!((sent.len(), encodes), (10, 1));
    assert_eq!(delivery.encodes(), 1);
}

#[test]
fn a_view_that_joins_later_gets_the_same_image_without_another_encode() {
    let mut delivery = with_views(1, 2);
    publish(&mut delivery, frame(40, 30));
    serve(&mut delivery, 80);
    delivery.join(ViewId(2), false, 1);
    delivery.changed(ViewId(2), Some(size(40, 30)), true);
    assert_eq!(serve(&mut delivery, 80), (vec![(2, 1, false)], 0));
}

#[test]
fn a_view_without_credit_gets_the_newest_when_the_credit_returns() {
    let mut delivery = with_views(1, 1);
    publish(&mut delivery, frame(40, 30));
    assert_eq!(serve(&mut delivery, 80).0, [(1, 1, false)]);
    assert_eq!(publish(&mut delivery, frame(40, 30)), []);
    assert_eq!(publish(&mut delivery, frame(40, 30)), [ViewId(1)]);
    assert_eq!(serve(&mut delivery, 80).0, []);
    grant(&delivery, 1);
    assert_eq!(serve(&mut delivery, 80).0, [(1, 3, false)]);
    assert_eq!(delivery.skipped(ViewId(1)), 1);
}

#[test]
fn a_confirmation_is_news_only_where_its_credit_was_missed() {
    let mut delivery = with_views(2, 2);
    publish(&mut delivery, frame(40, 30));
    serve(&mut delivery, 100);
    assert!(!grant(&delivery, 1), "both views have what there is, and a credit for the next");
    publish(&mut delivery, frame(40, 30));
    serve(&mut delivery, 100);
    publish(&mut delivery, frame(40, 30));
    serve(&mut delivery, 100);
    assert!(!grant(&delivery, 1), "it has the latest");
    assert!(grant(&delivery, 2), "it had no credit for the latest");
    assert!(!grant(&delivery, 2), "said once");
}

#[test]
fn a_frame_that_equals_the_one_before_is_sent_to_nobody() {
    let mut delivery = with_views(1, 9);
    publish(&mut delivery, row([1; 10]));
    serve(&mut delivery, 80);
    let again = delivery.comparer().compare(row([1; 10]));
    assert_eq!(delivery.publish(again, Instant::now()), Published::Unchanged);
    assert_eq!(serve(&mut delivery, 80).0, []);
    assert_eq!(delivery.unchanged(), 1);
}

#[test]
fn a_view_gets_the_tiles_that_changed_since_the_frame_that_it_has() {
    let mut delivery = with_views_of(2, 1, size(640, 64));
    publish(&mut delivery, row([0; 10]));
    serve(&mut delivery, 100);
    grant(&delivery, 1);
    publish(&mut delivery, row([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    let (sent, _) = sends(&mut delivery, 100, false);
    assert_eq!((sent.len(), columns(&sent[0]), sent[0].whole), (1, vec![(0, 1)], false));

    publish(&mut delivery, row([1, 0, 0, 0, 0, 0, 0, 7, 8, 0]));
    for view in 1..=2 {
        grant(&delivery, view);
    }
    let (sent, encodes) = sends(&mut delivery, 100, false);
    assert_eq!(columns(&sent[0]), [(7, 2)]);
    assert_eq!(columns(&sent[1]), [(0, 1), (7, 2)], "the second view lacks the change before, too");
    assert_eq!(encodes, 2);
}

#[test]
fn views_at_different_frames_that_need_the_same_tiles_share_an_encode() {
    let mut delivery = with_views_of(2, 1, size(640, 64));
    publish(&mut delivery, row([0; 10]));
    serve(&mut delivery, 100);
    publish(&mut delivery, row([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    grant(&delivery, 1);
    serve(&mut delivery, 100);
    publish(&mut delivery, row([2, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    for view in 1..=2 {
        grant(&delivery, view);
    }
    assert_eq!(serve(&mut delivery, 100), (vec![(1, 3, false), (2, 3, false)], 1));
}

#[test]
fn when_most_has_changed_all_is_sent() {
    let mut delivery = with_views_of(1, 9, size(640, 64));
    publish(&mut delivery, row([0; 10]));
    serve(&mut delivery, 80);
    publish(&mut delivery, row([0, 1, 1, 1, 1, 1, 1, 1, 1, 1]));
    let (sent, _) = sends(&mut delivery, 80, false);
    assert_eq!((columns(&sent[0]), sent[0].whole), (vec![(0, 10)], true));
}

#[test]
fn a_view_that_lost_its_picture_gets_all_of_it() {
    let mut delivery = with_views_of(1, 9, size(640, 64));
    publish(&mut delivery, row([0; 10]));
    serve(&mut delivery, 80);
    delivery.lose(ViewId(1), 0);
    let (sent, _) = sends(&mut delivery, 80, false);
    assert!(sent[0].whole);
    assert_eq!(serve(&mut delivery, 80).0, []);
}

#[test]
fn what_is_being_encoded_for_a_view_that_lost_its_picture_is_not_sent() {
    let mut delivery = with_views_of(1, 1, size(640, 64));
    publish(&mut delivery, row([0; 10]));
    serve(&mut delivery, 80);
    publish(&mut delivery, row([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    grant(&delivery, 1);
    let job = only_encode(&mut delivery, 80);
    delivery.lose(ViewId(1), 0);
    assert!(delivery.encoded(job.clone(), done(&job)).is_empty());
    let (sent, _) = sends(&mut delivery, 80, false);
    assert!(sent[0].whole, "with the credit that came back");
}

#[test]
fn a_stale_encode_gives_its_credits_back_and_the_newest_is_sent() {
    let mut delivery = with_views(1, 1);
    publish(&mut delivery, frame(40, 30));
    let job = only_encode(&mut delivery, 80);
    let wanted = delivery.begin(job.number);
    publish(&mut delivery, frame(40, 30));
    assert!(!wanted());
    delivery.encoded(job, Outcome::Stale);
    assert_eq!(serve(&mut delivery, 80).0, [(1, 2, false)]);
}

#[test]
fn a_view_gets_its_images_one_after_another() {
    let mut delivery = with_views(1, 2);
    publish(&mut delivery, frame(40, 30));
    let first = only_encode(&mut delivery, 80);
    publish(&mut delivery, frame(40, 30));
    assert!(delivery.serve(80, false).is_empty(), "an encode on a base that is not sent yet");
    assert!(!delivery.wants_frame(), "a third frame would overtake the second");
    assert_eq!(delivery.encoded(first.clone(), done(&first)).len(), 1);
    assert_eq!(serve(&mut delivery, 80).0, [(1, 2, false)]);
}

#[test]
fn nothing_is_drawn_while_the_latest_frame_waits_for_an_encoder() {
    let mut delivery = with_views(1, 2);
    publish(&mut delivery, frame(40, 30));
    let job = only_encode(&mut delivery, 80);
    assert!(!delivery.wants_frame(), "another frame would only overtake it");
    assert!(delivery.begin(job.number)());
    assert!(delivery.wants_frame(), "the next frame is drawn while this one is encoded");
}

#[test]
fn a_frame_that_was_pushed_over_a_waiting_one_does_not_stop_the_draws() {
    let mut delivery = with_views(1, 2);
    publish(&mut delivery, frame(40, 30));
    let first = only_encode(&mut delivery, 80);
    publish(&mut delivery, frame(40, 30));
    assert!(!delivery.begin(first.number)());
    delivery.encoded(first, Outcome::Stale);
    assert_eq!(serve(&mut delivery, 80).0, [(1, 2, false)]);
    assert!(delivery.wants_frame());
}

#[test]
fn hidden_views_get_nothing_and_want_nothing() {
    let mut delivery = with_views(1, 2);
    delivery.changed(ViewId(1), Some(size(40, 30)), false);
    assert!(!delivery.wants_frame());
    publish(&mut delivery, frame(40, 30));
    assert_eq!(serve(&mut delivery, 80).0, []);
    delivery.changed(ViewId(1), Some(size(40, 30)), true);
    assert_eq!(serve(&mut delivery, 80).0, [(1, 1, false)]);
}

#[test]
fn a_small_view_gets_the_frame_scaled_and_again_when_it_grows() {
    let mut delivery = with_views(1, 3);
    publish(&mut delivery, frame(80, 60));
    let job = only_encode(&mut delivery, 80);
    assert_eq!((job.variant.width, job.variant.height), (40, 30));
    delivery.encoded(job.clone(), done(&job));
    delivery.changed(ViewId(1), Some(size(80, 60)), true);
    let job = only_encode(&mut delivery, 80);
    assert_eq!((job.variant.width, job.variant.height), (80, 60));
    assert!(job.tiles.is_full());
}

#[test]
fn a_failed_encode_gives_its_credit_back() {
    let mut delivery = with_views(1, 1);
    publish(&mut delivery, frame(40, 30));
    let job = only_encode(&mut delivery, 80);
    delivery.encoded(job, Outcome::Failed);
    assert!(delivery.wants_frame());
    assert!(delivery.serve(80, false).is_empty(), "the same frame was tried again");
}
