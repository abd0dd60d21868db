//! Where the time of a view's frames goes, and what is to blame when they come slowly.

use serde::Serialize;

/// Weight of the newest frame in a mean: it follows a change within about ten frames.
const NEWEST: f64 = 0.2;
/// A view whose frames take less than so many seconds in all is not slow, whatever takes most of them.
const QUICK: f64 = 1.0 / 60.0;

/// What a frame goes through on its way to a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The renderer draws it.
    Render,
    /// It waits since its user took more than one may.
    Limit,
    /// It waits for an encoder thread.
    Queue,
    /// It is scaled and compressed.
    Encode,
    /// It is on its way, or its confirmation.
    Network,
    /// The browser decodes and draws it.
    Browser,
}

/// How long each stage takes, in seconds: means that follow the latest frames.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Breakdown {
    /// Drawing.
    pub render: f64,
    /// Waiting since the widget's user took more than one may.
    pub limit: f64,
    /// Waiting for an encoder thread.
    pub queue: f64,
    /// Scaling and compressing.
    pub encode: f64,
    /// On the way, with the confirmation's way back.
    pub network: f64,
    /// Decoding and drawing.
    pub browser: f64,
}

impl Breakdown {
    /// The stage that takes longest; `None` while all of them together are quick.
    pub fn bottleneck(&self) -> Option<Stage> {
        let stages = [
            (self.render, Stage::Render),
            (self.limit, Stage::Limit),
            (self.queue, Stage::Queue),
            (self.encode, Stage::Encode),
            (self.network, Stage::Network),
            (self.browser, Stage::Browser),
        ];
        let total: f64 = stages.iter().map(|(seconds, _)| seconds).sum();
        let longest = stages.into_iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
        (total >= QUICK).then_some(longest.1)
    }
}

/// A mean that follows the latest values.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recent(Option<f64>);

impl Recent {
    /// Takes a value in.
    pub fn add(&mut self, value: f64) {
        self.0 = Some(self.0.map_or(value, |mean| mean + NEWEST * (value - mean)));
    }

    /// The mean; 0 before a first value.
    pub fn mean(self) -> f64 {
        self.0.unwrap_or(0.0)
    }
}

/// What a view knows of its frames' time: all but how long they take to render, and wait for their user's share.
#[derive(Debug, Default)]
pub struct Passing {
    queue: Recent,
    encode: Recent,
    network: Recent,
    browser: Recent,
}

impl Passing {
    /// Takes a confirmed frame in. All are in seconds: how long it waited for an encoder thread, and how long it was encoded; from
    /// sending it to its confirmation, and how much of that the browser says that it took. Answers what is left for the network.
    pub fn confirmed(&mut self, queue: f64, encode: f64, roundtrip: f64, browser: f64) -> f64 {
        // The browser may say what it likes, but no longer than all took.
        let browser = browser.clamp(0.0, roundtrip.max(0.0));
        self.queue.add(queue);
        self.encode.add(encode);
        self.network.add(roundtrip - browser);
        self.browser.add(browser);
        roundtrip - browser
    }

    /// All stages, if the renderer takes `render` seconds and nothing is limited; `None` before a frame was confirmed.
    pub fn breakdown(&self, render: f64) -> Option<Breakdown> {
        self.network.0?;
        Some(Breakdown {
            render,
            limit: 0.0,
            queue: self.queue.mean(),
            encode: self.encode.mean(),
            network: self.network.mean(),
            browser: self.browser.mean(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_stage_is_the_bottleneck_unless_all_are_quick() {
        let mut passing = Passing::default();
        assert_eq!(passing.breakdown(1.0), None);
        passing.confirmed(0.001, 0.002, 0.010, 0.004);
        let quick = passing.breakdown(0.001).unwrap();
        assert_eq!((quick.network, quick.bottleneck()), (0.006, None));
        for (render, expected) in [(0.005, Stage::Network), (0.5, Stage::Render)] {
            assert_eq!(passing.breakdown(render).unwrap().bottleneck(), Some(expected));
        }
    }

    #[test]
    fn a_change_shows_within_ten_frames() {
        let mut passing = Passing::default();
        passing.confirmed(0.0, 0.002, 0.010, 0.0);
        for _ in 0..10 {
            passing.confirmed(0.0, 0.002, 0.110, 0.1);
        }
        let breakdown = passing.breakdown(0.0).unwrap();
        assert!((0.085..=0.1).contains(&breakdown.browser), "{breakdown:?}");
        assert_eq!(breakdown.bottleneck(), Some(Stage::Browser));
    }

    #[test]
    fn a_browser_cannot_have_taken_longer_than_the_round_trip() {
        let mut passing = Passing::default();
        passing.confirmed(0.0, 0.0, 0.1, 5.0);
        let breakdown = passing.breakdown(0.0).unwrap();
        assert_eq!((breakdown.network, breakdown.browser), (0.0, 0.1));
    }
}
