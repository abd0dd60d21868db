//! The hub: everything a running server shares, and the making of widgets.

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::available_parallelism,
};

use actix::prelude::*;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use crate::{
    actors::{
        metrics::{Metrics, Register, Scrape},
        registry::Registry,
        widget::{GetReport, Install, Surroundings, Widget, WidgetLimits, WidgetReport},
    },
    encode::Pool,
    handle::{Shared, WidgetHandle},
    metrics::{Exposition, Format, ServerMetrics},
    panic,
    render::{KindError, Kinds},
    traits::TraitError,
};

/// Most arbiters for widgets and views: they only decide, so that a few carry thousands.
const MAX_ARBITERS: usize = 4;

/// Why a widget was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The kind is unknown, or refuses the options.
    #[error(transparent)]
    Kind(#[from] KindError),
    /// A trait is refused.
    #[error(transparent)]
    Trait(#[from] TraitError),
    /// There are as many widgets as there may be.
    #[error("the server has {0} widgets, which is the limit (--max-widgets): close one of them")]
    Full(usize),
    /// A widget of that id exists.
    #[error("there already is a widget `{0}`: choose another id")]
    Exists(String),
    /// The server stops.
    #[error("the server stops")]
    Stopping,
}

/// Everything a running server shares. Clones are cheap.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    kinds: Kinds,
    registry: Registry,
    metrics: Addr<Metrics>,
    counts: Arc<ServerMetrics>,
    pool: Arc<Pool>,
    arbiters: Vec<ArbiterHandle>,
    next_arbiter: AtomicUsize,
    places: Arc<Semaphore>,
    max_widgets: usize,
    limits: WidgetLimits,
}

impl Hub {
    /// A hub without widgets. To be called within an actix system.
    ///
    /// # Errors
    /// When the metrics or the encoder pool cannot be made.
    pub fn start(
        kinds: Kinds,
        max_widgets: usize,
        max_metrics_widgets: usize,
        limits: WidgetLimits,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let arbiters: Vec<_> = (0..available_parallelism().map_or(1, NonZero::get).min(MAX_ARBITERS))
            .map(|_| Arbiter::new().handle())
            .collect();
        let pool = Arc::new(Pool::new(0)?);
        let exposition = Exposition::new(Arc::clone(&pool), max_metrics_widgets)?;
        let counts = Arc::clone(exposition.server());
        let metrics = Metrics::new(exposition);
        Ok(Self(Arc::new(Inner {
            kinds,
            registry: Registry::default(),
            metrics: Metrics::start_in_arbiter(&arbiters[0], |_| metrics),
            counts,
            pool,
            arbiters,
            next_arbiter: AtomicUsize::new(0),
            places: Arc::new(Semaphore::new(max_widgets)),
            max_widgets,
            limits,
        })))
    }

    /// The kinds of widget that can be made.
    pub fn kinds(&self) -> &Kinds {
        &self.0.kinds
    }

    /// The widgets there are.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The pool on which images are encoded.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.0.pool
    }

    /// Makes a widget of a kind, with a random id or the given one.
    ///
    /// # Errors
    /// When kind, options or traits are refused, or there is no place for another widget.
    pub async fn create(
        &self,
        kind: &str,
        id: Option<&str>,
        options: Map<String, Value>,
        traits: &Map<String, Value>,
    ) -> Result<WidgetHandle, CreateError> {
        let inner = &self.0;
        let kind = inner.kinds.get(kind)?.clone();
        let options = kind.complete(options)?;
        let mut all_traits = kind.traits().clone();
        all_traits.apply(traits)?;
        let place = Arc::clone(&inner.places)
            .try_acquire_owned()
            .map_err(|_| CreateError::Full(inner.max_widgets))?;
        let id = id.map_or_else(random_id, str::to_owned);
        if inner.registry.contains(&id) {
            return Err(CreateError::Exists(id));
        }

        let shared = Arc::new(Shared::new(id, kind.name(), None, options, all_traits));
        let register = Register(Arc::clone(&shared));
        let metrics = inner.metrics.send(register).await.map_err(|_| CreateError::Stopping)?;
        let around = Surroundings {
            pool: Arc::clone(&inner.pool),
            registry: inner.registry.clone(),
            metrics,
            limits: inner.limits,
        };
        let arbiter =
            &inner.arbiters[inner.next_arbiter.fetch_add(1, Ordering::Relaxed) % inner.arbiters.len()];
        let for_actor = Arc::clone(&shared);
        let widget = Widget::start_in_arbiter(arbiter, move |_| Widget::new(for_actor, around, place));
        let handle = WidgetHandle::new(Arc::clone(&shared), widget);

        // Renderers are made where they may block. Should it fail, the actor ends with its last address.
        let for_renderer = handle.clone();
        let made =
            actix_web::rt::task::spawn_blocking(move || kind.make(for_renderer, &shared.identity.options))
                .await;
        let renderer = made.map_err(|error| {
            let panic = error.try_into_panic();
            KindError::Failed(
                panic.map_or_else(|error| error.to_string(), |panic| panic::message(&*panic).to_owned()),
            )
        })??;
        handle.addr().do_send(Install(renderer));
        inner.registry.insert(handle.clone());
        tracing::info!(widget = handle.id(), kind = handle.identity().kind, "widget made");
        Ok(handle)
    }

    /// A widget's statistics; `None` when it is closed.
    pub async fn report(&self, handle: &WidgetHandle) -> Option<WidgetReport> {
        handle.addr().send(GetReport).await.ok()
    }

    /// The counts of the server as a whole.
    pub fn counts(&self) -> &Arc<ServerMetrics> {
        &self.0.counts
    }

    /// All metrics as text; `None` when the server stops.
    pub async fn scrape(&self, format: Format) -> Option<String> {
        match self.0.metrics.send(Scrape(format)).await {
            Ok(Ok(text)) => Some(text),
            Ok(Err(error)) => {
                tracing::error!(%error, "metrics cannot be written");
                None
            }
            Err(_) => None,
        }
    }

    /// Tells all widgets and views that the server stops.
    pub fn shut_down(&self) {
        for widget in self.0.registry.all() {
            widget.shut_down();
        }
    }

    /// Ends the threads of the actors.
    pub fn stop_arbiters(&self) {
        for arbiter in &self.0.arbiters {
            arbiter.stop();
        }
    }
}

/// 128 random bits as text: an id that nobody guesses.
///
/// # Panics
/// When the operating system has no randomness to give: nothing could be kept secret then.
pub fn random_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    format!("{:032x}", u128::from_be_bytes(bytes))
}
