//! The proof that views show what was rendered: browsers draw what the real [`Delivery`](super::Delivery), pacing, encoder and
//! messages make of random histories. Whenever one has drawn a message, every pixel of its canvas is of that message's frame: exactly
//! where it came as an exact image. When all has come to rest, the canvas is the frame.

mod browser;
mod painting;
mod place;
mod steps;
mod world;

use proptest::prelude::*;
use steps::steps;
use world::World;

fn live_through(side: u32, steps: Vec<steps::Step>) {
    let mut world = World::new(side);
    for step in steps {
        world.step(step);
    }
    world.come_to_rest();
    world.assert_exact();
    world.lose_while_resting();
    world.assert_exact();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn after_any_history_every_view_shows_exactly_the_frame_and_on_the_way_never_two_at_once(steps in steps(1..320, 160)) {
        live_through(320, steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    /// So large that images are made in strips, and that settling takes several messages.
    #[test]
    fn after_any_history_every_view_shows_exactly_the_frame_in_large_pictures_too(steps in steps(300..800, 120)) {
        live_through(720, steps);
    }
}
