//! What moves is sent lossy, and less of it over slow links; what came to rest is made exact.

use super::*;

#[test]
fn settling_sends_the_same_frame_lossless_once() {
    let mut delivery = with_views(1, 3);
    publish(&mut delivery, frame(40, 30));
    let (sent, _) = sends(&mut delivery, 80, false);
    assert!(!sent[0].exact);
    assert_eq!(serve(&mut delivery, 80).0, []);
    rest(&mut delivery);
    let (sent, _) = sends(&mut delivery, 80, false);
    assert_eq!((sent[0].number, sent[0].settle, sent[0].exact), (1, true, true));
    assert_eq!(serve(&mut delivery, 80).0, []);
}

#[test]
fn what_stands_still_settles_while_the_rest_moves_the_oldest_first() {
    let mut delivery = with_views_of(1, 99, size(640, 64));
    publish(&mut delivery, row([0; 10]));
    serve(&mut delivery, 80);
    rest(&mut delivery);
    publish(&mut delivery, row([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    let (sent, _) = sends(&mut delivery, 80, false);
    assert_eq!((columns(&sent[0]), sent[0].settle), (vec![(0, 1)], false));
    let (sent, _) = sends(&mut delivery, 80, false);
    assert_eq!((columns(&sent[0]), sent[0].settle, sent[0].exact), (vec![(1, 9)], true, false));
    assert_eq!(serve(&mut delivery, 80).0, [], "the tile that moves is settled too early");
    rest(&mut delivery);
    let (sent, _) = sends(&mut delivery, 80, false);
    assert_eq!((columns(&sent[0]), sent[0].exact), (vec![(0, 1)], true));
}

#[test]
fn a_large_picture_settles_in_several_messages() {
    let mut delivery = with_views_of(1, 99, size(1920, 1080));
    publish(&mut delivery, frame(1920, 1080));
    serve(&mut delivery, 80);
    rest(&mut delivery);
    for message in 1..=16 {
        let (sent, _) = sends(&mut delivery, 80, false);
        assert_eq!((sent.len(), sent[0].settle, sent[0].exact), (1, true, message == 16));
    }
    assert_eq!(serve(&mut delivery, 80).0, []);
}

#[test]
fn a_settling_that_a_new_frame_overtakes_is_not_begun() {
    let mut delivery = with_views_of(1, 9, size(640, 64));
    publish(&mut delivery, row([0; 10]));
    serve(&mut delivery, 80);
    rest(&mut delivery);
    let job = only_encode(&mut delivery, 80);
    let begin = delivery.begin(job.number);
    publish(&mut delivery, row([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert!(!begin());
    delivery.encoded(job, Outcome::Stale);
    assert_eq!(delivery.skipped(ViewId(1)), 0);
    assert_eq!(serve(&mut delivery, 80).0, [(1, 2, false)]);
}

#[test]
fn settling_leaves_the_last_credit_to_the_frame_that_is_being_drawn_but_not_for_ever() {
    let mut delivery = with_views_of(1, 1, size(640, 64));
    publish(&mut delivery, row([0; 10]));
    serve(&mut delivery, 80);
    rest(&mut delivery);
    let mut settled_after = None;
    for value in 1..20 {
        grant(&delivery, 1);
        let (sent, _) = sends(&mut delivery, 80, true);
        if sent.iter().any(|send| send.settle) {
            settled_after = Some(value);
            break;
        }
        publish(&mut delivery, row([value, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        sends(&mut delivery, 80, true);
    }
    assert_eq!(settled_after, Some(8));
}

#[test]
fn quality_100_needs_no_settling() {
    let mut delivery = with_views(1, 3);
    publish(&mut delivery, frame(40, 30));
    serve(&mut delivery, 100);
    rest(&mut delivery);
    assert_eq!(serve(&mut delivery, 100).0, []);
}

#[test]
fn a_reduced_view_gets_fewer_pixels_while_they_move_and_all_of_them_at_rest() {
    let mut delivery = with_views(1, 9);
    delivery.adapt(ViewId(1), Reduction { quality: 25, percent: 50 });
    publish(&mut delivery, frame(40, 30));
    let variant = |delivery: &mut Delivery| {
        let job = only_encode(delivery, 80);
        delivery.encoded(job.clone(), done(&job));
        (job.variant.width, job.variant.height, job.variant.codec)
    };
    assert_eq!(variant(&mut delivery), (20, 15, Codec::ByContent { quality: 25 }));
    delivery.adapt(ViewId(1), Reduction::NONE);
    assert!(delivery.serve(80, false).is_empty(), "the same frame was sent again since there is more room");
    rest(&mut delivery);
    assert_eq!(variant(&mut delivery), (40, 30, Codec::ByContent { quality: 80 }), "soon all pixels");
    assert_eq!(variant(&mut delivery), (40, 30, Codec::Png), "then exactly");
    assert!(delivery.serve(80, false).is_empty());
}

#[test]
fn a_small_change_does_not_make_a_sharp_picture_coarse_on_a_slow_link_but_a_large_one_does() {
    let mut delivery = with_views_of(1, 99, size(640, 64));
    publish(&mut delivery, row([0; 10]));
    serve(&mut delivery, 80);
    delivery.adapt(ViewId(1), Reduction { quality: 25, percent: 50 });
    publish(&mut delivery, row([1, 2, 0, 0, 0, 0, 0, 0, 0, 0]));
    let (sent, _) = sends(&mut delivery, 80, false);
    assert_eq!((sent[0].encoded.width, columns(&sent[0])), (640, vec![(0, 2)]));
    publish(&mut delivery, row([3, 3, 3, 0, 0, 0, 0, 0, 0, 0]));
    let (sent, _) = sends(&mut delivery, 80, false);
    assert_eq!((sent[0].encoded.width, sent[0].whole), (320, true));
}

#[test]
fn a_widget_that_is_always_lossless_is_not_reduced() {
    let mut delivery = with_views(1, 9);
    delivery.adapt(ViewId(1), Reduction { quality: 25, percent: 50 });
    publish(&mut delivery, frame(40, 30));
    let job = only_encode(&mut delivery, 100);
    assert_eq!((job.variant.width, job.variant.codec), (40, Codec::WebP));
}

#[test]
fn what_comes_to_rest_goes_over_a_slow_link_in_fewer_bytes() {
    let mut delivery = with_views(1, 9);
    for (reduction, codec) in
        [(Reduction::NONE, Codec::Png), (Reduction { quality: 25, percent: 100 }, Codec::WebP)]
    {
        delivery.adapt(ViewId(1), reduction);
        publish(&mut delivery, frame(40, 30));
        let job = only_encode(&mut delivery, 80);
        delivery.encoded(job.clone(), done(&job));
        rest(&mut delivery);
        let job = only_encode(&mut delivery, 80);
        assert_eq!(job.variant.codec, codec);
        delivery.encoded(job.clone(), done(&job));
    }
}
