//! The `OpenMetrics` text format, version 1.0.0, for scrapers that prefer it.
//!
//! It differs from Prometheus' own in little: families of counters are named without `_total`, every number is a float, and
//! the text says where it ends.

use std::fmt::Write;

use prometheus::proto::{LabelPair, MetricFamily, MetricType};

/// The line that ends an exposition.
pub const END: &str = "# EOF\n";
/// The content type.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The families as text, without the line that ends an exposition.
pub fn encode(families: &[MetricFamily]) -> String {
    let mut text = String::new();
    for family in families {
        let kind = family.get_field_type();
        let name = match kind {
            MetricType::COUNTER => family.name().trim_end_matches("_total"),
            _ => family.name(),
        };
        let (kind_name, help) = (
            match kind {
                MetricType::COUNTER => "counter",
                MetricType::HISTOGRAM => "histogram",
                MetricType::GAUGE => "gauge",
                MetricType::SUMMARY | MetricType::UNTYPED => "unknown",
            },
            escaped(family.help()),
        );
        line(&mut text, format_args!("# TYPE {name} {kind_name}"));
        line(&mut text, format_args!("# HELP {name} {help}"));
        for metric in family.get_metric() {
            let labels = metric.get_label();
            match kind {
                MetricType::COUNTER => {
                    sample(&mut text, name, "_total", labels, None, metric.get_counter().get_value());
                }
                MetricType::HISTOGRAM => {
                    let histogram = metric.get_histogram();
                    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
                    let total = histogram.get_sample_count() as f64;
                    for bucket in histogram.get_bucket() {
                        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
                        let count = bucket.cumulative_count() as f64;
                        sample(&mut text, name, "_bucket", labels, Some(bucket.upper_bound()), count);
                    }
                    if histogram.get_bucket().last().is_none_or(|last| last.upper_bound().is_finite()) {
                        sample(&mut text, name, "_bucket", labels, Some(f64::INFINITY), total);
                    }
                    sample(&mut text, name, "_sum", labels, None, histogram.get_sample_sum());
                    sample(&mut text, name, "_count", labels, None, total);
                }
                _ => sample(&mut text, name, "", labels, None, metric.get_gauge().get_value()),
            }
        }
    }
    text
}

fn line(text: &mut String, arguments: std::fmt::Arguments) {
    // Writing to a string does not fail.
    let _ = text.write_fmt(arguments);
    text.push('\n');
}

fn sample(text: &mut String, name: &str, suffix: &str, labels: &[LabelPair], bound: Option<f64>, value: f64) {
    text.push_str(name);
    text.push_str(suffix);
    let bound = bound.map(|bound| ("le", number(bound)));
    let labels = labels.iter().map(|label| (label.name(), escaped(label.value())));
    let mut separator = '{';
    for (name, value) in labels.chain(bound) {
        text.push(separator);
        let _ = write!(text, "{name}=\"{value}\"");
        separator = ',';
    }
    if separator == ',' {
        text.push('}');
    }
    line(text, format_args!(" {}", number(value)));
}

/// A label's value or a help text as both formats want it.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

pub(super) fn number(value: f64) -> String {
    if value == f64::INFINITY { "+Inf".to_owned() } else { format!("{value:?}") }
}

#[cfg(test)]
mod tests {
    use prometheus::{Histogram, HistogramOpts, IntCounterVec, Opts, Registry};

    use super::*;

    #[test]
    fn counters_histograms_and_labels_are_written_as_the_format_wants() {
        let registry = Registry::new();
        let counter = IntCounterVec::new(Opts::new("cups_total", "Cups of \"tea\"."), &["who"]).unwrap();
        counter.with_label_values(&["Ann \\ \"A\"\nB"]).inc_by(3);
        let options = HistogramOpts::new("sip_seconds", "A sip.").buckets(vec![0.5, 1.0]);
        let histogram = Histogram::with_opts(options).unwrap();
        histogram.observe(0.7);
        registry.register(Box::new(counter)).unwrap();
        registry.register(Box::new(histogram)).unwrap();
        assert_eq!(
            encode(&registry.gather()),
            "# TYPE cups counter\n# HELP cups Cups of \\\"tea\\\".\n\
             cups_total{who=\"Ann \\\\ \\\"A\\\"\\nB\"} 3.0\n\
             # TYPE sip_seconds histogram\n# HELP sip_seconds A sip.\n\
             sip_seconds_bucket{le=\"0.5\"} 0.0\nsip_seconds_bucket{le=\"1.0\"} 1.0\n\
             sip_seconds_bucket{le=\"+Inf\"} 1.0\nsip_seconds_sum 0.7\nsip_seconds_count 1.0\n"
        );
    }
}
