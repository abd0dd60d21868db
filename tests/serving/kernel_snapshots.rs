//! Pictures of widgets that kernels draw.

use serde_json::{Value, json};

use crate::{
    kernel_life::{SESSION, started, state, types},
    kernel_link::Kernel,
    probe::picture,
    server::{TestServer, wait_for},
    snapshots::{decoded, snapshot},
};

#[test]
fn a_snapshot_is_the_latest_frame_if_it_fits_else_a_draw_of_that_size() {
    let (server, mut kernel, widget, mut view) = started();
    view.frames_until_now();
    assert_eq!(decoded(&snapshot(&server, &widget, "")), (picture(1, 32, 24), 32, 24));
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| snapshot(&server, &widget, "?pixel_ratio=2"));
        // A renderer that refines its picture step by step is followed to the end.
        let turn = kernel.turn(&widget);
        assert_eq!((types(&turn), &turn["events"][0]["pwidth"]), (vec!["resize"], &json!(64)));
        kernel.drawn(&turn, 5, true);
        let turn = kernel.turn(&widget);
        assert_eq!((types(&turn).len(), &turn["requested"]), (0, &json!(true)));
        kernel.drawn(&turn, 6, false);
        assert_eq!(decoded(&asked.join().unwrap()), (picture(6, 64, 48), 64, 48));
    });
    // The renderer gets its size back, and draws what it may have forgotten.
    let turn = kernel.turn(&widget);
    assert_eq!((types(&turn), &turn["events"][0]["pwidth"]), (vec!["resize"], &json!(32)));
    assert_eq!(turn["requested"], true);
    kernel.drawn(&turn, 7, false);
    assert_eq!(view.frame().pixels(), (picture(7, 32, 24), 32, 24));
}

#[test]
fn a_snapshot_does_not_take_the_draw_of_a_size_that_comes_meanwhile() {
    let (server, mut kernel, widget, view) = started();
    let mut view = view.silent();
    let frames = [2, 3].map(|number| {
        kernel.send(json!({"type": "request_draw", "widget": widget}));
        kernel.draw(&widget, number);
        view.frame()
    });
    // The view has no credit for what is asked for now: turns are for the picture alone.
    kernel.send(json!({"type": "request_draw", "widget": widget}));
    assert_eq!(kernel.until_now(&widget, "turn"), [] as [Value; 0]);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| snapshot(&server, &widget, ""));
        let turn = kernel.turn(&widget);
        view.resize(64, 48, 1.0);
        let height = || server.stats(&widget)["size"]["height"].as_f64();
        wait_for("the widget has that size", || (height() == Some(48.0)).then_some(()));
        kernel.drawn(&turn, 4, true);
        let turn = kernel.turn(&widget);
        assert_eq!(types(&turn), ["resize"]);
        kernel.drawn(&turn, 5, false);
        assert_eq!(decoded(&asked.join().unwrap()), (picture(5, 64, 48), 64, 48));
    });
    for frame in &frames {
        view.confirm(frame);
    }
    kernel.draw(&widget, 6);
    assert_eq!(view.frame().pixels(), (picture(6, 64, 48), 64, 48));
}

#[test]
fn a_snapshot_outlives_the_connection_that_was_to_draw_it() {
    let (server, mut kernel, widget, _view) = started();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| snapshot(&server, &widget, "?pixel_ratio=2"));
        kernel.turn(&widget);
        let mut again = Kernel::start(&server, SESSION);
        loop {
            let turn = again.turn(&widget);
            again.drawn(&turn, 8, false);
            if turn["events"].as_array().unwrap().iter().any(|event| event["pwidth"] == 64) {
                break;
            }
        }
        assert_eq!(decoded(&asked.join().unwrap()), (picture(8, 64, 48), 64, 48));
    });
}

#[test]
fn a_widget_that_was_never_shown_has_a_snapshot_of_its_css_size() {
    let server = TestServer::start();
    let mut kernel = Kernel::start(&server, SESSION);
    let widget = kernel.widget(json!({"traits": {"css_width": "40px", "css_height": "30px"}}));
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| snapshot(&server, &widget, ""));
        kernel.draw(&widget, 3);
        assert_eq!(decoded(&asked.join().unwrap()), (picture(3, 40, 30), 40, 30));
    });
}

#[test]
fn with_the_kernel_gone_a_snapshot_is_the_latest_frame() {
    let (server, mut kernel, widget, mut view) = started();
    let empty = kernel.widget(json!({}));
    std::thread::scope(|scope| {
        // One waits for the kernel when it goes, one asks after that.
        let asked = scope.spawn(|| snapshot(&server, &widget, "?pixel_ratio=2"));
        kernel.turn(&widget);
        kernel.kill();
        assert_eq!(decoded(&asked.join().unwrap()), (picture(1, 32, 24), 32, 24));
    });
    state(&mut view, "gone");
    assert_eq!(decoded(&snapshot(&server, &widget, "?pixel_ratio=3")), (picture(1, 32, 24), 32, 24));
    let (message, _) = snapshot(&server, &empty, "").error(503, "unavailable");
    assert!(message.contains("kernel"), "{message}");
}
