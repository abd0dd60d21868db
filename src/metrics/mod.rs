//! What is counted, and how it is written for Prometheus.
//!
//! Whoever counts holds atomic handles: [`ServerMetrics`] for the server as a whole, [`WidgetMetrics`] for one widget, which
//! counts for the server too. [`Exposition`] gathers them when a scraper asks. Names, types and meanings are in
//! [`catalogue`], once.

pub mod catalogue;
mod exposition;
mod openmetrics;
mod scrapes;
mod series;
mod server;
mod widget;

pub use exposition::{Counted, Exposition, Format};
pub use scrapes::Scrapes;
pub use server::{Connected, Part, Reason, ServerMetrics};
pub use widget::WidgetMetrics;
