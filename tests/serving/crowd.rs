//! Many views, and views of all kinds at once.

use std::{collections::BTreeSet, time::Duration};

use framehub::Config;
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    link::Link,
    probe::picture,
    program::Running,
    server::{KEY, TestServer, config, wait_for},
};

fn of_view(stats: &Value, view: &str) -> Value {
    let views = stats["views"].as_array().expect("views");
    views.iter().find(|report| report["view"] == view).cloned().unwrap_or(Value::Null)
}

#[test]
fn views_of_all_kinds_get_what_they_can_show_at_their_own_pace() {
    let server = TestServer::with(Config { deadline: Duration::from_secs(2), ..config() });
    let probe = server.probe(json!({"quality": 100, "max_buffered_frames": 2}));
    let widget = server.handle(probe.id());
    let mut quick = server.view(probe.id()).sized(200, 150, 1.0);
    quick.frame();
    let mut sharp = server.view(probe.id()).sized(200, 150, 2.0);
    let mut square = server.view(probe.id()).sized(150, 150, 1.0);
    let mut watcher = server.view_with(probe.id(), "?role=watch").sized(40, 40, 1.0);
    let mut slow = server.view(probe.id()).sized(200, 150, 1.0).silent();
    let mut stalled = server.view(probe.id()).sized(200, 150, 1.0).silent();
    wait_for("the sharp size", || probe.size().filter(|size| size.pwidth == 400));
    for view in [&mut sharp, &mut square, &mut watcher, &mut slow, &mut stalled] {
        view.frame();
    }

    let mut newest = 0;
    for _ in 0..10 {
        let before = probe.draws();
        widget.request_draw();
        newest = wait_for("the draw", || Some(probe.draws()).filter(|draws| *draws > before));
        let whole = picture(newest, 400, 300);
        let (pixels, width, height) =
            wait_for("the newest frame", || Some(sharp.frame().pixels()).filter(|frame| frame.0 == whole));
        assert_eq!((width, height, pixels.len()), (400, 300, whole.len()));
        for (view, size) in [(&mut quick, (200, 150)), (&mut square, (150, 113)), (&mut watcher, (40, 30))] {
            let (_, width, height) = view.frame().pixels();
            assert_eq!((width, height), size);
        }
    }
    // The slow one gets what is newest by then, not what it missed.
    let missed = slow.frames_until_now();
    let last = missed.last().cloned().expect("its second frame in flight");
    slow.confirm(&last);
    let caught_up = slow.frame();
    let direct = server.request("GET", &format!("/api/widgets/{}/stats", probe.id()), None).expect(200);
    assert_eq!(caught_up.index(), last.index() + 1);
    assert!(of_view(&direct, "v5")["skipped_frames"].as_u64() >= Some(7), "{direct}");
    assert_eq!(probe.draws(), newest, "a late view made the renderer draw");
    assert_eq!(stalled.close_code(), 4008);
    assert_eq!(stalled.frames, 3, "its credits, and after the deadline the newest");
}

#[test]
fn a_view_on_a_slow_link_is_sent_less_while_the_picture_moves_and_all_of_it_at_rest() {
    // A target that a busy machine does not miss, and this link does.
    let server = TestServer::with(Config { target_latency: Duration::from_secs(1), ..config() });
    let probe = server.probe(json!({}));
    let widget = server.handle(probe.id());
    let proxy = Link { rate: 2e6, one_way: Duration::from_millis(150) }.to(server.address);
    let path = format!("/api/widgets/{}/view", probe.id());
    let quick = server.view(probe.id()).sized(480, 360, 1.0).live();
    let far = |query: &str| Browser::connect(proxy.address, &format!("{path}{query}")).expect("connected");
    let slow = far("").sized(480, 360, 1.0).live();
    let stubborn = far("?adaptive=false").sized(480, 360, 1.0).live();
    probe.animate();
    widget.request_draw();
    let stats = wait_for("less for the slow view", || {
        let stats = server.stats(probe.id());
        (of_view(&stats, "v2")["quality"].as_u64()? < 80).then_some(stats)
    });
    for view in ["v1", "v3"] {
        let report = of_view(&stats, view);
        assert_eq!((&report["quality"], &report["scale"]), (&json!(80), &json!(1.0)), "{view}");
    }
    probe.rest();
    let mut slow = slow.stop();
    assert_eq!(slow.lossless_frame().pixels(), (picture(probe.draws(), 480, 360), 480, 360));

    server.set_traits(probe.id(), json!({"adaptive": false}));
    let slow = slow.live();
    widget.request_draw();
    wait_for("the trait's quality", || {
        (of_view(&server.stats(probe.id()), "v2")["quality"] == 80).then_some(())
    });
    drop((quick, slow, stubborn));
}

#[test]
fn two_hundred_views_of_ten_sizes_need_ten_encodes_for_a_frame() {
    let server = TestServer::start();
    let probe = server.probe(json!({}));
    let widget = server.handle(probe.id());
    let sizes: Vec<_> = (0..10).map(|size| 40 + 8 * size).collect();
    let mut views: Vec<_> =
        (0..200).map(|view| server.view(probe.id()).sized(sizes[view % 10], 40, 1.0)).collect();
    // Who joins when the picture rests already has it exact at once; others had a lossy frame before.
    let rest = |views: &mut Vec<Browser>| {
        for view in views.iter_mut() {
            view.lossless_frame();
            view.forget();
        }
    };
    rest(&mut views);
    let encodes = || server.stats(probe.id())["encodes"].as_u64().expect("a count");
    let (before, drawn) = (encodes(), probe.draws());
    widget.request_draw();
    let mut shapes = BTreeSet::new();
    for view in &mut views {
        let (_, width, height) = view.frame().pixels();
        shapes.insert((width, height));
    }
    assert_eq!(probe.draws(), drawn + 1);
    assert_eq!(encodes() - before, shapes.len() as u64);
    assert!(shapes.len() <= 10, "{shapes:?}");
    rest(&mut views);
    assert!(encodes() - before <= 20, "settling took more than another ten encodes");
}

#[test]
fn ten_thousand_views_that_come_and_go_leave_nothing_behind() {
    let server = Running::quiet(&["--listen", "127.0.0.1:0", "--key", KEY]);
    let address = server.address();
    let come_and_go = |times: u32| {
        for _ in 0..times {
            let view = Browser::connect(address, "/api/widgets/square/view").expect("connected");
            drop(view.sized(64, 64, 1.0));
        }
        wait_for("all are gone", || (server.metric("framehub_views ") == 0.0).then_some(()));
    };
    let crowd = || {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| come_and_go(1000));
            }
        });
        wait_for("their connections are closed", || (server.open_files() < 40).then_some(()));
        server.resident_kb()
    };
    // What the allocator keeps, it has by then.
    let before = crowd();
    for _ in 0..5 {
        crowd();
    }
    let after = server.resident_kb();
    // A view that stayed would be more than a KB.
    assert!(after < before + 5000, "{before} KB grew to {after} KB by 10,000 views");
    let mut view =
        Browser::connect(address, "/api/widgets/square/view").expect("connected").sized(64, 64, 1.0);
    view.frame();
}
