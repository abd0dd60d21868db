//! What may happen, in any order.

use proptest::{prelude::*, sample::Index};

use super::painting::Shape;
use crate::PixelFormat;

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// The latest frame with something painted over, flat or textured.
    Change(Shape, bool),
    /// The latest frame again.
    Repeat,
    /// The frame before the latest again.
    Revert,
    /// A frame of another size and format.
    Replace(u32, u32, PixelFormat, bool),
    /// A frame of the size that the widget has by its views.
    Render(PixelFormat, bool),
    /// Two frames come at once, and the first that was compared is the second that is published.
    Overtake(Shape),
    /// Whether a newer frame is on its way.
    Drawing(bool),
    /// So many milliseconds pass.
    Wait(u64),
    /// An encode is carried out, one of those that wait, with so many threads.
    Encode(Index, usize),
    /// An encode fails.
    Fail(Index),
    /// All encodes are carried out, and each browser draws and confirms a message.
    Flow,
    /// A browser takes its next message, and confirms it later.
    Draw(Index),
    /// A browser cannot decode its next message.
    Lose(Index),
    /// The next word of a browser arrives.
    Hear(Index),
    /// A browser says that it lost what was on its canvas.
    Refresh(Index),
    /// A view's connection is lost, with all messages but the first few; it is made anew, or not yet.
    Cut(Index, usize, bool),
    /// A connection that was lost is made anew.
    Connect(Index),
    /// Another view.
    Join(ViewSize, bool),
    /// Another view of the same size as one that there is: the two share images.
    Twin(Index),
    /// A view is closed.
    Leave(Index),
    Resize(Index, ViewSize),
    /// A view has no area any more.
    Collapse(Index),
    Show(Index, bool),
    /// What a view's frames are reduced to.
    Adapt(Index, u8, u8),
    Quality(u8),
    /// How many frames may be in flight to a view.
    Capacity(u32),
}

/// Logical pixels, and physical ones for each.
#[derive(Debug, Clone, Copy)]
pub(super) struct ViewSize {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) ratio: f64,
}

/// A history of up to `most` steps with frames and views of these physical pixels a side.
pub(super) fn steps(sides: std::ops::Range<u32>, most: usize) -> impl Strategy<Value = Vec<Step>> {
    let index = any::<Index>;
    let side = || sides.clone();
    let format = || prop::sample::select(vec![PixelFormat::Gray8, PixelFormat::Rgb8, PixelFormat::Rgba8]);
    let shape = || {
        prop_oneof![
            2 => any::<[u8; 4]>().prop_map(Shape::Area),
            6 => (any::<[u8; 2]>(), 0..80_u8, 0..80_u8).prop_map(|([left, top], wide, high)| {
                Shape::Area([left, top, left.saturating_add(wide), top.saturating_add(high)])
            }),
            1 => any::<u8>().prop_map(Shape::Row),
            1 => (1..12_u8).prop_map(Shape::Spots),
        ]
    };
    let ratio = prop::sample::select(vec![1.0, 1.0, 1.25, 1.5, 2.0, 3.0]);
    let view_size = (side(), side(), ratio).prop_map(|(pwidth, pheight, ratio)| ViewSize {
        width: f64::from(pwidth) / ratio,
        height: f64::from(pheight) / ratio,
        ratio,
    });
    let view_size = || view_size.clone();
    let step = prop_oneof![
        20 => (shape(), any::<bool>()).prop_map(|(shape, textured)| Step::Change(shape, textured)),
        1 => Just(Step::Repeat),
        1 => Just(Step::Revert),
        1 => (side(), side(), format(), any::<bool>())
            .prop_map(|(width, height, format, textured)| Step::Replace(width, height, format, textured)),
        1 => (format(), any::<bool>()).prop_map(|(format, textured)| Step::Render(format, textured)),
        2 => shape().prop_map(Step::Overtake),
        3 => any::<bool>().prop_map(Step::Drawing),
        6 => prop::sample::select(vec![10, 100, 301]).prop_map(Step::Wait),
        2 => prop::sample::select(vec![5000, 10_000]).prop_map(Step::Wait),
        16 => (index(), 1..=4_usize).prop_map(|(which, cores)| Step::Encode(which, cores)),
        1 => index().prop_map(Step::Fail),
        14 => Just(Step::Flow),
        16 => index().prop_map(Step::Draw),
        1 => index().prop_map(Step::Lose),
        14 => index().prop_map(Step::Hear),
        1 => index().prop_map(Step::Refresh),
        1 => (index(), 0..3_usize, any::<bool>()).prop_map(|(view, arrived, again)| Step::Cut(view, arrived, again)),
        2 => index().prop_map(Step::Connect),
        1 => (view_size(), any::<bool>()).prop_map(|(size, base64)| Step::Join(size, base64)),
        1 => index().prop_map(Step::Twin),
        1 => index().prop_map(Step::Leave),
        1 => (index(), view_size()).prop_map(|(view, size)| Step::Resize(view, size)),
        1 => index().prop_map(Step::Collapse),
        3 => (index(), any::<bool>()).prop_map(|(view, visible)| Step::Show(view, visible)),
        2 => (index(), prop::sample::select(vec![93, 95, 100]), prop::sample::select(vec![100, 70, 35]))
            .prop_map(|(view, quality, percent)| Step::Adapt(view, quality, percent)),
        1 => prop::sample::select(vec![100, 95]).prop_map(Step::Quality),
        1 => (1..=4_u32).prop_map(Step::Capacity),
    ];
    prop::collection::vec(step, 0..most)
}
