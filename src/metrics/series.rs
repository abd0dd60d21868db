//! The series of widgets: at most so many have their own, the busiest; the others are summed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use super::{
    Format, ServerMetrics, WidgetMetrics,
    catalogue::{WIDGET, find},
    openmetrics::escaped,
    widget::COUNTERS as COUNT,
};
use crate::stats::StatsSummary;

/// The counters of a widget.
pub const COUNTERS: [&str; COUNT] = [
    "framehub_widget_frames_drawn_total",
    "framehub_widget_errors_total",
    "framehub_widget_frames_sent_total",
    "framehub_widget_frames_confirmed_total",
    "framehub_widget_frames_skipped_total",
    "framehub_widget_frames_unchanged_total",
    "framehub_widget_frames_settled_total",
    "framehub_widget_sent_bytes_total",
    "framehub_widget_render_seconds_total",
    "framehub_widget_encode_seconds_total",
    "framehub_widget_base64_seconds_total",
    "framehub_widget_delivery_seconds_total",
    "framehub_widget_roundtrip_seconds_total",
    "framehub_widget_confirmations_total",
    "framehub_widget_events_received_total",
    "framehub_widget_events_coalesced_total",
    "framehub_widget_events_rejected_total",
    "framehub_widget_deadline_drops_total",
    "framehub_widget_limited_seconds_total",
];
/// The gauges of a widget.
pub const GAUGES: [&str; 4] = [
    "framehub_widget_views",
    "framehub_widget_visible_views",
    "framehub_widget_frames_in_flight",
    "framehub_widget_draw_requested",
];
const STATS: &str = "framehub_widget_stats";
/// What the widgets without series of their own are summed under.
const OTHER: &str = "other";
/// Longest value of a label, in characters.
const MAX_LABEL: usize = 80;
/// Most kinds that are counted apart.
const MAX_KINDS: usize = 50;

/// A widget, and what a scrape remembers of it.
struct Entry {
    metrics: Weak<WidgetMetrics>,
    kind: String,
    /// [`WIDGET`]'s labels, as they are written.
    labels: String,
    /// The counters at the last scrape.
    seen: [f64; COUNT],
    /// Frames drawn and sent lately: halves from scrape to scrape.
    activity: f64,
    /// Whether it is summed with the others.
    summed: bool,
}

#[derive(Default)]
struct State {
    widgets: BTreeMap<String, Entry>,
    /// What widgets counted while they were summed, those that are gone included.
    other: [f64; COUNT],
}

/// The series of all widgets. They write themselves, since the client library's way over a structure for each sample takes several times
/// as long, and there are many.
#[derive(Clone)]
pub struct WidgetSeries {
    server: Arc<ServerMetrics>,
    /// Most widgets with series of their own.
    max: usize,
    state: Arc<Mutex<State>>,
}

impl WidgetSeries {
    /// No widgets yet.
    pub fn new(server: Arc<ServerMetrics>, max: usize) -> Self {
        Self { server, max, state: Arc::default() }
    }

    /// A widget is made.
    pub fn add(&self, metrics: &Arc<WidgetMetrics>) {
        let identity = &metrics.shared().identity;
        let owner = identity.owner.as_deref().unwrap_or_default();
        let [id, kind, owner] = [identity.id.as_str(), &identity.kind, owner].map(clean);
        let entry = Entry {
            metrics: Arc::downgrade(metrics),
            labels: labels([&id, &kind, &owner]),
            kind,
            seen: [0.0; COUNT],
            activity: 0.0,
            summed: false,
        };
        self.state.lock().widgets.insert(identity.id.clone(), entry);
    }

    /// A widget is gone, with these counts at the end. Another one may have its id by now.
    pub fn remove(&self, last: &WidgetMetrics) {
        let mut state = self.state.lock();
        let id = &last.shared().identity.id;
        if !state.widgets.get(id).is_some_and(|entry| std::ptr::eq(entry.metrics.as_ptr(), last)) {
            return;
        }
        if let Some(entry) = state.widgets.remove(id).filter(|entry| entry.summed) {
            add(&mut state.other, &last.counters(), &entry.seen);
        }
    }

    /// Notes what happened since the last scrape, and who is to have series of their own in this one.
    pub fn refresh(&self) {
        let mut state = self.state.lock();
        let State { widgets, other } = &mut *state;
        for entry in widgets.values_mut() {
            let Some(metrics) = entry.metrics.upgrade() else { continue };
            let counters = metrics.counters();
            if entry.summed {
                add(other, &counters, &entry.seen);
            }
            let [drawn, _, sent, ..] = counters;
            let [drawn_before, _, sent_before, ..] = entry.seen;
            entry.activity = entry.activity / 2.0 + (drawn - drawn_before) + (sent - sent_before);
            entry.seen = counters;
        }
        let mut busiest: Vec<_> = widgets.values_mut().collect();
        busiest.sort_by(|a, b| b.activity.total_cmp(&a.activity));
        for (place, entry) in busiest.into_iter().enumerate() {
            entry.summed = place >= self.max;
        }
        let summed = widgets.len().saturating_sub(self.max);
        self.server.widgets_summed.set(i64::try_from(summed).unwrap_or(i64::MAX));
        self.count_kinds(&state);
    }

    /// Writes all series, as they were when they were refreshed.
    ///
    /// # Errors
    /// When the catalogue lacks a metric.
    pub fn write(&self, format: Format, text: &mut String) -> Result<(), prometheus::Error> {
        let known = self.state.lock();
        let own = known.widgets.len().min(self.max);
        let mut rows = Vec::with_capacity(own + 1);
        let mut other_gauges = [0.0; GAUGES.len()];
        for entry in known.widgets.values() {
            let Some(metrics) = entry.metrics.upgrade() else { continue };
            let gauges = metrics.gauges();
            if entry.summed {
                add(&mut other_gauges, &gauges, &[0.0; GAUGES.len()]);
                continue;
            }
            let stats = Some(metrics.shared().stats.lock().summary());
            rows.push(Row { labels: &entry.labels, counters: entry.seen, gauges, stats });
        }
        let other = labels([OTHER, "", ""]);
        if known.other.iter().any(|value| *value != 0.0) || known.widgets.len() > own {
            rows.push(Row { labels: &other, counters: known.other, gauges: other_gauges, stats: None });
        }
        if rows.is_empty() {
            return Ok(());
        }
        for (index, name) in COUNTERS.iter().enumerate() {
            format.head(text, find(name)?);
            for row in &rows {
                format.sample(text, name, format_args!("{}", row.labels), row.counters[index]);
            }
        }
        for (index, name) in GAUGES.iter().enumerate() {
            format.head(text, find(name)?);
            for row in &rows {
                format.sample(text, name, format_args!("{}", row.labels), row.gauges[index]);
            }
        }
        format.head(text, find(STATS)?);
        for (row, stats) in rows.iter().filter_map(|row| Some((row, row.stats?))) {
            for (stat, value) in stats.named() {
                format.sample(text, STATS, format_args!("{},stat=\"{stat}\"", row.labels), value);
            }
        }
        Ok(())
    }

    fn count_kinds(&self, state: &State) {
        let mut kinds = BTreeMap::new();
        for entry in state.widgets.values() {
            let kind = entry.kind.as_str();
            let kind = if kinds.len() < MAX_KINDS || kinds.contains_key(kind) { kind } else { OTHER };
            *kinds.entry(kind).or_insert(0) += 1;
        }
        self.server.widgets.reset();
        for (kind, count) in kinds {
            self.server.widgets.with_label_values(&[kind]).set(count);
        }
    }
}

/// A widget's values, or those of all that are summed.
struct Row<'a> {
    labels: &'a str,
    counters: [f64; COUNT],
    gauges: [f64; GAUGES.len()],
    /// `None` for those that are summed: means of means say nothing.
    stats: Option<StatsSummary>,
}

/// Adds what `now` has more than `before`.
fn add<const N: usize>(sum: &mut [f64; N], now: &[f64; N], before: &[f64; N]) {
    for ((sum, now), before) in sum.iter_mut().zip(now).zip(before) {
        *sum += now - before;
    }
}

/// A text that someone else chose, as the value of a label: one line, not too long.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_LABEL).collect()
}

/// Labels as they stand in the braces of a series.
fn labels(values: [&str; WIDGET.len()]) -> String {
    let pairs = WIDGET.iter().zip(values).map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    pairs.collect::<Vec<_>>().join(",")
}
