//! The series of widgets: at most so many have their own, the busiest; the others are summed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use prometheus::{
    core::{Collector, Desc},
    proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType},
};

use super::{
    ServerMetrics, WidgetMetrics,
    catalogue::{WIDGET, find},
    widget::COUNTERS as COUNT,
};

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
    /// The values of [`WIDGET`]'s labels.
    labels: [String; 3],
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

/// Collects the series of all widgets.
#[derive(Clone)]
pub struct WidgetSeries {
    server: Arc<ServerMetrics>,
    /// Most widgets with series of their own.
    max: usize,
    state: Arc<Mutex<State>>,
    descriptions: Arc<Vec<Desc>>,
}

impl WidgetSeries {
    /// No widgets yet.
    ///
    /// # Errors
    /// When the catalogue lacks a metric.
    pub fn new(server: Arc<ServerMetrics>, max: usize) -> Result<Self, prometheus::Error> {
        let names = COUNTERS.iter().chain(&GAUGES).chain([&STATS]);
        let descriptions: Result<_, prometheus::Error> = names
            .map(|name| {
                let metric = find(name)?;
                let labels = metric.labels.iter().map(|label| (*label).to_owned()).collect();
                Desc::new(metric.name.to_owned(), metric.help.to_owned(), labels, HashMap::new())
            })
            .collect();
        Ok(Self { server, max, state: Arc::default(), descriptions: Arc::new(descriptions?) })
    }

    /// A widget is made.
    pub fn add(&self, metrics: &Arc<WidgetMetrics>) {
        let identity = &metrics.shared().identity;
        let owner = identity.owner.as_deref().unwrap_or_default();
        let labels = [identity.id.as_str(), &identity.kind, owner].map(clean);
        let entry = Entry {
            metrics: Arc::downgrade(metrics),
            labels,
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

    fn count_kinds(&self, state: &State) {
        let mut kinds = BTreeMap::new();
        for entry in state.widgets.values() {
            let kind = entry.labels[1].as_str();
            let kind = if kinds.len() < MAX_KINDS || kinds.contains_key(kind) { kind } else { OTHER };
            *kinds.entry(kind).or_insert(0) += 1;
        }
        self.server.widgets.reset();
        for (kind, count) in kinds {
            self.server.widgets.with_label_values(&[kind]).set(count);
        }
    }
}

impl Collector for WidgetSeries {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let known = self.state.lock();
        let own = known.widgets.len().min(self.max);
        let mut counters = [(); COUNT].map(|()| Vec::with_capacity(own));
        let mut gauges = GAUGES.map(|_| Vec::with_capacity(own));
        let mut stats = Vec::new();
        let mut other_gauges = [0.0; GAUGES.len()];
        for entry in known.widgets.values() {
            let Some(metrics) = entry.metrics.upgrade() else { continue };
            if entry.summed {
                add(&mut other_gauges, &metrics.gauges(), &[0.0; GAUGES.len()]);
                continue;
            }
            let labels = labels(&entry.labels);
            for (family, value) in counters.iter_mut().zip(entry.seen) {
                family.push(count(labels.clone(), value));
            }
            for (family, value) in gauges.iter_mut().zip(metrics.gauges()) {
                family.push(level(labels.clone(), value));
            }
            for (stat, value) in metrics.shared().stats.lock().summary().named() {
                let mut labels = labels.clone();
                labels.push(label("stat", stat));
                stats.push(level(labels, value));
            }
        }
        if known.other.iter().any(|value| *value != 0.0) || known.widgets.len() > own {
            let labels = labels(&[OTHER.to_owned(), String::new(), String::new()]);
            for (family, value) in counters.iter_mut().zip(known.other) {
                family.push(count(labels.clone(), value));
            }
            for (family, value) in gauges.iter_mut().zip(other_gauges) {
                family.push(level(labels.clone(), value));
            }
        }
        let counters =
            COUNTERS.iter().zip(counters).map(|(name, metrics)| (*name, MetricType::COUNTER, metrics));
        let gauges = GAUGES.iter().zip(gauges).map(|(name, metrics)| (*name, MetricType::GAUGE, metrics));
        let stats = [(STATS, MetricType::GAUGE, stats)];
        counters
            .chain(gauges)
            .chain(stats)
            .filter(|(_, _, metrics)| !metrics.is_empty())
            .filter_map(|(name, kind, metrics)| {
                let mut family = MetricFamily::default();
                family.set_name(name.to_owned());
                family.set_help(find(name).ok()?.help.to_owned());
                family.set_field_type(kind);
                family.set_metric(metrics);
                Some(family)
            })
            .collect()
    }
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

fn label(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

fn labels(values: &[String; 3]) -> Vec<LabelPair> {
    WIDGET.iter().zip(values).map(|(name, value)| label(name, value)).collect()
}

fn count(labels: Vec<LabelPair>, value: f64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value);
    let mut metric = Metric::from_label(labels);
    metric.set_counter(counter);
    metric
}

fn level(labels: Vec<LabelPair>, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(labels);
    metric.set_gauge(gauge);
    metric
}
