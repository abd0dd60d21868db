//! Every metric, once: its name, type, labels and meaning. `grafana/METRICS.md` is made from it.

use prometheus::{Opts, proto::MetricType};

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: MetricType,
    /// Its labels, besides `le` of histograms.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// The labels of each widget's series.
pub const WIDGET: &[&str] = &["widget", "kind", "owner"];
const STAT: &[&str] = &["widget", "kind", "owner", "stat"];

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricType::COUNTER, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricType::GAUGE, labels, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: MetricType::HISTOGRAM, labels: &[], help }
}

/// All metrics but those of the process.
pub const CATALOGUE: &[Metric] = &[
    // The server as a whole.
    gauge("framehub_build_info", &["version"], "Always 1; the version is in the label."),
    gauge("framehub_widgets", &["kind"], "Widgets."),
    gauge(
        "framehub_widgets_summed",
        &[],
        "Widgets without series of their own (--metrics-max-widgets): they are summed under widget=\"other\".",
    ),
    gauge("framehub_connections", &[], "WebSocket connections."),
    gauge("framehub_kernels", &[], "Notebook kernels and scripts connected."),
    gauge("framehub_views", &[], "Views connected."),
    gauge("framehub_visible_views", &[], "Views that their users can see."),
    gauge("framehub_frames_in_flight", &[], "Frames sent and not yet confirmed."),
    counter("framehub_frames_drawn_total", &[], "Calls of get_frame."),
    counter(
        "framehub_errors_total",
        &[],
        "Renderers that failed in get_frame or handle_event, and frames that could not be encoded.",
    ),
    counter(
        "framehub_frames_sent_total",
        &[],
        "Frames sent to views, without those that only make the one before exact.",
    ),
    counter(
        "framehub_frames_confirmed_total",
        &[],
        "Frames that browsers confirmed having drawn, counted as the sent ones.",
    ),
    counter(
        "framehub_frames_skipped_total",
        &[],
        "Frames that a visible view never got, since newer ones came first.",
    ),
    counter(
        "framehub_frames_unchanged_total",
        &[],
        "Frames that equalled the one before, so that nothing was sent.",
    ),
    counter("framehub_frames_settled_total", &[], "Frames sent that only make the one before exact."),
    counter("framehub_sent_bytes_total", &[], "Bytes of frames sent."),
    counter("framehub_events_received_total", &[], "Events that users caused in views that may act."),
    counter(
        "framehub_events_coalesced_total",
        &[],
        "Events that were merged into others while they waited for the renderer.",
    ),
    counter("framehub_events_rejected_total", &[], "Messages of views that were refused."),
    counter("framehub_deadline_drops_total", &[], "Views dropped since they did not confirm their frames."),
    counter(
        "framehub_limited_seconds_total",
        &[],
        "Time that frames waited since their user took more than one may (--user-megapixels, --user-encoder-threads).",
    ),
    counter(
        "framehub_refusals_total",
        &["reason"],
        "Requests, connections and messages refused: auth (no key, token or ticket, or one that is not enough), origin, limit, protocol (anything malformed).",
    ),
    counter(
        "framehub_budget_refusals_total",
        &["budget"],
        "What one caller did beyond its budget: requests, requests_under_way, messages, events, views (of widgets that are another's), connections (beyond the open files that there may be).",
    ),
    counter(
        "framehub_actor_panics_total",
        &["actor"],
        "Parts of the server that a panic ended, which is a fault of the server: what rested on them was told, and is back or gone.",
    ),
    counter(
        "framehub_log_lines_dropped_total",
        &[],
        "Lines of the log that were dropped, since standard error was not read in time or could not be written.",
    ),
    histogram("framehub_render_seconds", "Time of a call of get_frame."),
    histogram("framehub_encode_seconds", "Time of an encode, scaling included."),
    histogram("framehub_base64_seconds", "Time to turn an image into base64, for views that ask for it."),
    histogram("framehub_delivery_seconds", "Time from sending a frame to its arrival in the browser."),
    histogram("framehub_roundtrip_seconds", "Time from sending a frame to its confirmation."),
    histogram("framehub_frame_bytes", "Length of a frame as it is sent."),
    gauge(
        "framehub_shares_unkept",
        &[],
        "Changes of shares that are not on disk: after a restart what was revoked would hold again.",
    ),
    gauge("framehub_encoder_threads", &[], "Threads that encode."),
    gauge("framehub_encoder_queue", &[], "Encodes that wait for a thread or run."),
    counter(
        "framehub_encoder_busy_seconds_total",
        &[],
        "Time that encoder threads were at work; its rate over framehub_encoder_threads is the busy share.",
    ),
    gauge(
        "framehub_memory_bytes",
        &[],
        "Bytes held in memory and counted against --max-memory: frames, images on their way, messages of kernels, snapshots.",
    ),
    gauge("framehub_memory_limit_bytes", &[], "Most of these bytes: five eighths of --max-memory."),
    counter(
        "framehub_memory_refusals_total",
        &["limit"],
        "Frames, images, messages, snapshots, widgets and views refused since they were too many bytes: user_memory (--user-memory, or what an administrator set), memory (--max-memory).",
    ),
    gauge("framehub_renderers_queued", &[], "Renderers that wait for a thread; those in kernels need none."),
    gauge("framehub_renderers_busy", &[], "Renderers at work on the server's threads."),
    counter(
        "framehub_renderers_busy_seconds_total",
        &[],
        "Time that renderers were at work on the server's threads.",
    ),
    // Each widget.
    gauge("framehub_widget_views", WIDGET, "Views connected."),
    gauge("framehub_widget_visible_views", WIDGET, "Views that their users can see."),
    gauge("framehub_widget_frames_in_flight", WIDGET, "Frames sent and not yet confirmed."),
    gauge("framehub_widget_draw_requested", WIDGET, "1 while a draw is requested and not begun."),
    counter("framehub_widget_frames_drawn_total", WIDGET, "Calls of get_frame."),
    counter("framehub_widget_errors_total", WIDGET, "Failures of get_frame, handle_event and the encoder."),
    counter(
        "framehub_widget_frames_sent_total",
        WIDGET,
        "Frames sent to views, without those that only make the one before exact.",
    ),
    counter("framehub_widget_frames_confirmed_total", WIDGET, "Frames confirmed, counted as the sent ones."),
    counter(
        "framehub_widget_frames_skipped_total",
        WIDGET,
        "Frames that a visible view never got, since newer ones came first.",
    ),
    counter(
        "framehub_widget_frames_unchanged_total",
        WIDGET,
        "Frames that equalled the one before, so that nothing was sent.",
    ),
    counter(
        "framehub_widget_frames_settled_total",
        WIDGET,
        "Frames sent that only make the one before exact.",
    ),
    counter("framehub_widget_sent_bytes_total", WIDGET, "Bytes of frames sent."),
    counter("framehub_widget_render_seconds_total", WIDGET, "Time spent in get_frame."),
    counter("framehub_widget_encode_seconds_total", WIDGET, "Time spent encoding."),
    counter("framehub_widget_base64_seconds_total", WIDGET, "Time spent turning images into base64."),
    counter(
        "framehub_widget_delivery_seconds_total",
        WIDGET,
        "Time from sending to arrival, summed over confirmations.",
    ),
    counter(
        "framehub_widget_roundtrip_seconds_total",
        WIDGET,
        "Time from sending to confirmation, summed over confirmations.",
    ),
    counter(
        "framehub_widget_confirmations_total",
        WIDGET,
        "Confirmations, of one frame or several: what the two sums above are over.",
    ),
    counter(
        "framehub_widget_events_received_total",
        WIDGET,
        "Events that users caused in views that may act.",
    ),
    counter(
        "framehub_widget_events_coalesced_total",
        WIDGET,
        "Events merged into others while they waited for the renderer.",
    ),
    counter("framehub_widget_events_rejected_total", WIDGET, "Messages of views that were refused."),
    counter(
        "framehub_widget_deadline_drops_total",
        WIDGET,
        "Views dropped since they did not confirm their frames.",
    ),
    counter(
        "framehub_widget_limited_seconds_total",
        WIDGET,
        "Time that frames waited since the widget's user took more than one may.",
    ),
    gauge(
        "framehub_widget_stats",
        STAT,
        "What get_stats answers, since the last reset_stats: sent_frames, confirmed_frames, fps, and in seconds roundtrip, delivery, img_encoding, b64_encoding.",
    ),
];

/// The metric of a name.
///
/// # Errors
/// When the catalogue has none.
pub fn find(name: &str) -> Result<&'static Metric, prometheus::Error> {
    let unknown = || prometheus::Error::Msg(format!("{name} is not in the catalogue"));
    CATALOGUE.iter().find(|metric| metric.name == name).ok_or_else(unknown)
}

/// What the library wants to know of the metric of a name.
///
/// # Errors
/// When the catalogue has none.
pub fn opts(name: &str) -> Result<Opts, prometheus::Error> {
    let metric = find(name)?;
    Ok(Opts::new(metric.name, metric.help))
}

/// The catalogue as a page.
pub fn page() -> String {
    let head = "# Metrics\n\nWhat `GET /metrics` answers. This page is made from `src/metrics/catalogue.rs`; a test holds one against \
        the other.\n\nHistograms have buckets in seconds or bytes. `process_*` and the like are those of Prometheus' client \
        libraries.\nWidgets beyond `--metrics-max-widgets` are summed under `widget=\"other\"`, without `kind`, `owner` and \
        `framehub_widget_stats`.\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n";
    let rows = CATALOGUE.iter().map(|Metric { name, kind, labels, help }| {
        let kind = match kind {
            MetricType::COUNTER => "counter",
            MetricType::HISTOGRAM => "histogram",
            _ => "gauge",
        };
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        format!("| `{name}` | {kind} | {labels} | {help} |\n")
    });
    std::iter::once(head.to_owned()).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_metrics_is_true() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/grafana/METRICS.md");
        if std::env::var_os("FRAMEHUB_WRITE_METRICS_PAGE").is_some() {
            std::fs::write(path, page()).expect("the page can be written");
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == page(),
            "grafana/METRICS.md is not what the catalogue says: run this test with FRAMEHUB_WRITE_METRICS_PAGE=1"
        );
    }

    #[test]
    fn names_follow_prometheus_conventions() {
        for metric in CATALOGUE {
            assert!(metric.name.starts_with("framehub_"), "{}", metric.name);
            assert_eq!(
                metric.name.ends_with("_total"),
                metric.kind == MetricType::COUNTER,
                "{}",
                metric.name
            );
            assert!(!metric.help.is_empty() && metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
