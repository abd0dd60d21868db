//! The statistics of a widget or a view, with the seed's definitions.

use serde::Serialize;

/// What `get_stats` answers. Times are in seconds and are means since the last `reset_stats`; 0 where nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct StatsSummary {
    /// Frames sent. Frames that only make the one before exact do not count.
    pub sent_frames: u64,
    /// Frames that the browser confirmed having drawn.
    pub confirmed_frames: u64,
    /// From sending a frame to its confirmation.
    pub roundtrip: f64,
    /// From sending a frame to its arrival in the browser.
    pub delivery: f64,
    /// Turning pixels into an image.
    pub img_encoding: f64,
    /// Turning the image into base64, for views that ask for it.
    pub b64_encoding: f64,
    /// Confirmed frames per second, from the first frame sent to the last confirmed.
    pub fps: f64,
}

impl StatsSummary {
    /// Each number with its name.
    #[expect(clippy::cast_precision_loss, reason = "counts of frames stay far below 2^52")]
    pub fn named(&self) -> [(&'static str, f64); 7] {
        [
            ("sent_frames", self.sent_frames as f64),
            ("confirmed_frames", self.confirmed_frames as f64),
            ("roundtrip", self.roundtrip),
            ("delivery", self.delivery),
            ("img_encoding", self.img_encoding),
            ("b64_encoding", self.b64_encoding),
            ("fps", self.fps),
        ]
    }
}

/// Sums behind [`StatsSummary`]. Indexes rise; each index counts once, so that a widget's frame that goes to several views
/// is sent when the first of them gets it and confirmed when the first of them confirms it.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    sent_frames: u64,
    confirmed_frames: u64,
    confirmations: u64,
    roundtrip_sum: f64,
    delivery_sum: f64,
    encoding_sum: f64,
    base64_sum: f64,
    /// When the first frame was sent, Unix time; `None` before.
    start: Option<f64>,
    /// When the last frame was confirmed, Unix time.
    end: f64,
    last_sent: u64,
    last_confirmed: u64,
}

impl Stats {
    /// Notes that frame `index` is sent at Unix time `now`; the times it took to encode are in seconds.
    pub fn sent(&mut self, index: u64, now: f64, encoding: f64, base64: f64) {
        if index <= self.last_sent {
            return;
        }
        if self.start.is_none() {
            self.start = Some(now);
            // Frames of before the start do not count when they are confirmed.
            self.last_confirmed = index - 1;
        }
        self.last_sent = index;
        self.sent_frames += 1;
        self.encoding_sum += encoding;
        self.base64_sum += base64;
    }

    /// Notes that frames were confirmed at Unix time `now` by one confirmation, which took `roundtrip` and `delivery`
    /// seconds for the last of them.
    pub fn confirmed(
        &mut self,
        indexes: impl IntoIterator<Item = u64>,
        now: f64,
        roundtrip: f64,
        delivery: f64,
    ) {
        if self.start.is_none() {
            return;
        }
        let before = self.confirmed_frames;
        for index in indexes {
            if index > self.last_confirmed {
                self.last_confirmed = index;
                self.confirmed_frames += 1;
            }
        }
        if self.confirmed_frames > before {
            self.confirmations += 1;
            self.roundtrip_sum += roundtrip;
            self.delivery_sum += delivery;
            self.end = now;
        }
    }

    /// Starts again from the next frame sent.
    pub fn reset(&mut self) {
        *self = Self { last_sent: self.last_sent, last_confirmed: self.last_confirmed, ..Self::default() };
    }

    /// The means so far.
    #[expect(clippy::cast_precision_loss, reason = "counts of frames stay far below 2^52")]
    pub fn summary(&self) -> StatsSummary {
        let mean = |sum: f64, count: u64| if count == 0 { 0.0 } else { sum / count as f64 };
        let elapsed = self.start.map_or(0.0, |start| self.end - start);
        StatsSummary {
            sent_frames: self.sent_frames,
            confirmed_frames: self.confirmed_frames,
            roundtrip: mean(self.roundtrip_sum, self.confirmations),
            delivery: mean(self.delivery_sum, self.confirmations),
            img_encoding: mean(self.encoding_sum, self.sent_frames),
            b64_encoding: mean(self.base64_sum, self.sent_frames),
            fps: if elapsed > 0.0 { self.confirmed_frames as f64 / elapsed } else { 0.0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_sent_means_zeros() {
        assert_eq!(Stats::default().summary(), StatsSummary::default());
    }

    #[test]
    fn every_number_follows_the_seed() {
        let mut stats = Stats::default();
        stats.sent(1, 100.0, 0.010, 0.001);
        stats.sent(2, 100.1, 0.020, 0.003);
        stats.confirmed([1], 100.3, 0.30, 0.10);
        stats.confirmed([2], 100.5, 0.40, 0.20);
        let summary = stats.summary();
        assert_eq!((summary.sent_frames, summary.confirmed_frames), (2, 2));
        for (value, expected) in [
            (summary.roundtrip, 0.35),
            (summary.delivery, 0.15),
            (summary.img_encoding, 0.015),
            (summary.b64_encoding, 0.002),
            (summary.fps, 4.0),
        ] {
            assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
        }
    }

    #[test]
    fn one_confirmation_of_two_frames_counts_two_frames_and_one_round_trip() {
        let mut stats = Stats::default();
        stats.sent(1, 100.0, 0.0, 0.0);
        stats.sent(2, 100.0, 0.0, 0.0);
        stats.confirmed([1, 2], 101.0, 0.5, 0.25);
        let summary = stats.summary();
        assert_eq!(summary.confirmed_frames, 2);
        assert!((summary.roundtrip - 0.5).abs() < 1e-9);
    }

    #[test]
    fn after_a_reset_frames_sent_before_do_not_count_when_confirmed() {
        let mut stats = Stats::default();
        stats.sent(1, 100.0, 0.0, 0.0);
        stats.reset();
        stats.confirmed([1], 101.0, 1.0, 1.0);
        assert_eq!(stats.summary(), StatsSummary::default());
        stats.sent(2, 102.0, 0.0, 0.0);
        stats.sent(3, 102.0, 0.0, 0.0);
        stats.confirmed([2], 103.0, 1.0, 0.5);
        assert_eq!((stats.summary().sent_frames, stats.summary().confirmed_frames), (2, 1));
    }

    #[test]
    fn a_frame_that_goes_to_several_views_counts_once() {
        let mut stats = Stats::default();
        stats.sent(7, 100.0, 0.01, 0.0);
        stats.sent(7, 100.1, 0.01, 0.0);
        stats.confirmed([7], 100.2, 0.2, 0.1);
        stats.confirmed([7], 100.9, 0.8, 0.7);
        let summary = stats.summary();
        assert_eq!((summary.sent_frames, summary.confirmed_frames), (1, 1));
        assert!((summary.roundtrip - 0.2).abs() < 1e-9);
    }
}
