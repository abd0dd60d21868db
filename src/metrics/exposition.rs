//! A scrape: everything that was counted, as text.

use std::{
    fmt::{Arguments, Write},
    sync::Arc,
};

use parking_lot::Mutex;
use prometheus::{TextEncoder, proto::MetricType};

use super::{ServerMetrics, WidgetMetrics, catalogue::Metric, openmetrics, series::WidgetSeries};
use crate::{encode::Pool, handle::Shared, log, quota::Memory};

/// How a scrape is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus' text format.
    Text,
    /// `OpenMetrics`.
    OpenMetrics,
}

impl Format {
    /// The format that an `Accept` header asks for.
    pub fn accepted(header: Option<&str>) -> Self {
        let open = header.is_some_and(|header| header.contains("application/openmetrics-text"));
        if open { Self::OpenMetrics } else { Self::Text }
    }

    /// The content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => openmetrics::CONTENT_TYPE,
        }
    }

    /// Begins a family of samples.
    pub(super) fn head(self, text: &mut String, metric: &Metric) {
        let name = match self {
            Self::OpenMetrics => metric.name.trim_end_matches("_total"),
            Self::Text => metric.name,
        };
        let kind = if metric.kind == MetricType::COUNTER { "counter" } else { "gauge" };
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", openmetrics::escaped(metric.help));
    }

    /// Writes a sample of a counter or a gauge.
    pub(super) fn sample(self, text: &mut String, name: &str, labels: Arguments, value: f64) {
        let _ = match self {
            Self::OpenMetrics => writeln!(text, "{name}{{{labels}}} {}", openmetrics::number(value)),
            Self::Text => writeln!(text, "{name}{{{labels}}} {value}"),
        };
    }
}

/// The counts of a widget, for as long as anybody holds them; then its series are retired.
pub struct Counted {
    counts: Arc<WidgetMetrics>,
    series: WidgetSeries,
}

impl std::ops::Deref for Counted {
    type Target = WidgetMetrics;

    fn deref(&self) -> &Self::Target {
        &self.counts
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.series.remove(&self.counts);
    }
}

/// Everything that is counted.
#[derive(Clone)]
pub struct Exposition {
    server: Arc<ServerMetrics>,
    series: WidgetSeries,
    pool: Arc<Pool>,
    memory: Arc<Memory>,
    counted: Arc<Mutex<Seen>>,
}

/// What is counted already of what others sum up.
#[derive(Default)]
struct Seen {
    /// Seconds of the encoder's.
    busy: f64,
    /// Refusals of memory.
    refused: [u64; 2],
}

impl Exposition {
    /// The counts of a server with this encoder pool and memory; at most so many widgets have series of their own.
    ///
    /// # Errors
    /// When the catalogue lacks a metric, or has one twice.
    pub fn new(pool: Arc<Pool>, memory: Arc<Memory>, max_widgets: usize) -> Result<Self, prometheus::Error> {
        let server = Arc::new(ServerMetrics::new()?);
        let series = WidgetSeries::new(Arc::clone(&server), max_widgets);
        Ok(Self { server, series, pool, memory, counted: Arc::default() })
    }

    /// The counts of the server as a whole.
    pub fn server(&self) -> &Arc<ServerMetrics> {
        &self.server
    }

    /// The counts of a new widget, whose series are there as long as anybody holds them.
    pub(crate) fn count(&self, shared: Arc<Shared>) -> Arc<Counted> {
        let counts = Arc::new(WidgetMetrics::new(Arc::clone(&self.server), shared));
        self.series.add(&counts);
        Arc::new(Counted { counts, series: self.series.clone() })
    }

    /// All of it as text.
    ///
    /// # Errors
    /// When a metric cannot be written.
    pub fn write(&self, format: Format) -> Result<String, prometheus::Error> {
        let as_gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.server.encoder_threads.set(as_gauge(self.pool.threads() as u64));
        self.server.encoder_queue.set(as_gauge(self.pool.jobs() as u64));
        self.server.memory.set(as_gauge(self.memory.held()));
        self.server.memory_limit.set(as_gauge(self.memory.limit()));
        {
            let mut counted = self.counted.lock();
            let busy = self.pool.busy().as_secs_f64();
            self.server.encoder_busy.inc_by((busy - counted.busy).max(0.0));
            counted.busy = busy;
            let refused = self.memory.refused();
            for ((metric, now), counted) in
                self.server.memory_refusals.iter().zip(refused).zip(&mut counted.refused)
            {
                metric.inc_by(now.saturating_sub(*counted));
                *counted = now;
            }
            let dropped = &self.server.log_lines_dropped;
            dropped.inc_by(log::dropped().saturating_sub(dropped.get()));
        }
        self.series.refresh();
        let families = self.server.registry.gather();
        let mut text = match format {
            Format::OpenMetrics => openmetrics::encode(&families),
            Format::Text => TextEncoder::new().encode_to_string(&families)?,
        };
        self.series.write(format, &mut text)?;
        if format == Format::OpenMetrics {
            text.push_str(openmetrics::END);
        }
        Ok(text)
    }
}
