//! The actor of the metrics.
//!
//! Owns what is exposed. Registers a widget's series when it is made, retires them when it is gone, answers scrapes. Never
//! sees a frame: whoever counts holds atomic handles. Writes no text itself: a scrape of many widgets takes a while, and
//! is written on a thread that may block.

use std::sync::Arc;

use actix::prelude::*;

use crate::{
    handle::Shared,
    metrics::{Exposition, Format, WidgetMetrics},
};

/// Makes the series of a widget.
#[derive(Message)]
#[rtype(result = "Arc<Counted>")]
pub struct Register(pub Arc<Shared>);

/// The counts of a widget, for as long as anyone holds them; then its series are retired.
pub struct Counted {
    counts: Arc<WidgetMetrics>,
    metrics: Addr<Metrics>,
}

impl std::ops::Deref for Counted {
    type Target = WidgetMetrics;

    fn deref(&self) -> &Self::Target {
        &self.counts
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.metrics.do_send(Retire(Arc::clone(&self.counts)));
    }
}

/// Takes the series of a widget away.
#[derive(Message)]
#[rtype(result = "()")]
struct Retire(Arc<WidgetMetrics>);

/// Asks for all metrics as text.
#[derive(Message)]
#[rtype(result = "Result<String, prometheus::Error>")]
pub struct Scrape(pub Format);

/// The actor. See the module's documentation.
pub struct Metrics(Exposition);

impl Metrics {
    /// An actor for these metrics.
    pub fn new(exposition: Exposition) -> Self {
        Self(exposition)
    }
}

impl Actor for Metrics {
    type Context = Context<Self>;
}

impl Handler<Register> for Metrics {
    type Result = Arc<Counted>;

    fn handle(&mut self, Register(shared): Register, ctx: &mut Self::Context) -> Self::Result {
        Arc::new(Counted { counts: self.0.add(shared), metrics: ctx.address() })
    }
}

impl Handler<Retire> for Metrics {
    type Result = ();

    fn handle(&mut self, Retire(counts): Retire, _: &mut Self::Context) {
        self.0.remove(&counts);
    }
}

impl Handler<Scrape> for Metrics {
    type Result = ResponseFuture<Result<String, prometheus::Error>>;

    fn handle(&mut self, Scrape(format): Scrape, _: &mut Self::Context) -> Self::Result {
        let exposition = self.0.clone();
        Box::pin(async move {
            let written = actix_web::rt::task::spawn_blocking(move || exposition.write(format)).await;
            written.unwrap_or_else(|error| Err(prometheus::Error::Msg(error.to_string())))
        })
    }
}
