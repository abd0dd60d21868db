//! The hub: everything a running server shares, and the making of widgets.

use std::{
    collections::HashMap,
    num::NonZero,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::available_parallelism,
    time::{Duration, Instant},
};

use actix::prelude::*;
use serde_json::{Map, Value};

use crate::{
    actors::{
        kernel::{Kernel, KernelSettings, Shutdown},
        kernels::{Kernels, OwnName},
        registry::{Registry, Reserved},
        widget::{GetReport, Install, Report, Surroundings, Widget, WidgetLimits},
    },
    budget::{BudgetLimits, Budgets},
    clock::unix_seconds,
    encode::Pool,
    handle::{Shared, WidgetHandle},
    metrics::{Connected, Exposition, Format, Reason, ServerMetrics},
    panic,
    protocol::{InboundLimits, Refusal, close_code},
    pulse::Pulse,
    quota::{Full, Held, LimitsChange, Memory, Places, Quota, Quotas, Taken, UserLimits, UserReport},
    render::{KindError, Kinds, Options, Threads},
    sharing::{Ledger, Links, Reach},
    traits::{TraitError, Traits},
    web::auth::ticket::Tickets,
    widget_id,
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
    /// The user has as many widgets as one may.
    #[error(transparent)]
    UserFull(#[from] Full),
    /// A widget of that id exists, or the id is another user's to give.
    #[error("the id `{0}` is taken: choose another, or none")]
    Exists(String),
    /// The server stops.
    #[error("the server stops")]
    Stopping,
}

impl From<TraitError> for Refusal {
    fn from(error: TraitError) -> Self {
        Self::of_message("bad_trait", error.to_string()).field(format!("traits.{}", error.name))
    }
}

impl From<CreateError> for Refusal {
    fn from(error: CreateError) -> Self {
        let message = error.to_string();
        match error {
            CreateError::Trait(error) => error.into(),
            CreateError::Kind(KindError::Unknown { .. }) => {
                Self::of_message("unknown_kind", message).field("kind")
            }
            CreateError::Kind(KindError::Option { option, .. }) => {
                Self::of_message("bad_option", message).field(format!("options.{option}"))
            }
            CreateError::Kind(KindError::Failed(_)) => {
                Self::of_message("renderer_failed", format!("the renderer cannot start: {message}"))
            }
            CreateError::Full(_) => Self::of_message("max_widgets", message),
            CreateError::UserFull(full) => Self::of_message(full.code(), message),
            CreateError::Exists(_) => Self::of_message("exists", message).field("id"),
            CreateError::Stopping => Self::of_message("unavailable", message),
        }
    }
}

/// Bounds on what a server carries.
#[derive(Debug, Clone)]
pub struct HubLimits {
    /// Most widgets.
    pub max_widgets: usize,
    /// Most bytes that are held in memory.
    pub max_memory: u64,
    /// Most widgets with series of their own in the metrics.
    pub max_metrics_widgets: usize,
    /// Most kernels connected.
    pub max_kernels: usize,
    /// Bounds on each user.
    pub user: UserLimits,
    /// The weights of users who have another than these.
    pub user_weights: HashMap<String, f64>,
    /// Bounds on each widget.
    pub widget: WidgetLimits,
    /// What holds for each kernel.
    pub kernel: KernelSettings,
    /// How long a ticket opens a view, in whole seconds.
    pub ticket_lifetime: Duration,
    /// Bounds on each caller.
    pub(crate) budget: BudgetLimits,
    /// Bounds on what a view sends.
    pub inbound: InboundLimits,
    /// With whom widgets can be shared.
    pub(crate) reach: Reach,
}

/// For whom a widget is made.
struct Making {
    /// The user; `None` where there are none.
    owner: Option<String>,
    /// Whether it stays while nobody uses it.
    stays: bool,
    /// Whether its renderer is in this process.
    in_process: bool,
}

/// A place for a kernel's connection, from its handshake on.
pub struct KernelPlace {
    _place: Held,
    _held: Held,
    /// The user is known by it.
    _quota: Arc<Quota>,
}

/// A kernel's right to be connected; it counts as connected for as long as this lives.
pub struct Admission {
    _place: KernelPlace,
    _counted: Connected,
}

/// Everything a running server shares. Clones are cheap.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    kinds: Kinds,
    registry: Registry,
    metrics: Exposition,
    counts: Arc<ServerMetrics>,
    pool: Arc<Pool>,
    /// Where renderers work.
    threads: Arc<Threads>,
    /// Whether the server stops.
    stopping: AtomicBool,
    /// Whether the arbiters answer.
    pulse: Pulse,
    arbiters: Vec<ArbiterHandle>,
    next_arbiter: AtomicUsize,
    places: Places,
    kernels: Kernels,
    kernel_places: Places,
    quotas: Quotas,
    budgets: Budgets,
    tickets: Tickets,
    ledger: Arc<Ledger>,
    limits: HubLimits,
}

impl Hub {
    /// A hub without widgets, which keeps shares in a file, if one is named. To be called within an actix system.
    ///
    /// # Errors
    /// When the metrics or the encoder pool cannot be made, or the file of the shares cannot be read.
    pub fn start(
        kinds: Kinds,
        limits: HubLimits,
        shares_file: Option<PathBuf>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let arbiters: Vec<_> = (0..available_parallelism().map_or(1, NonZero::get).min(MAX_ARBITERS))
            .map(|_| Arbiter::new().handle())
            .collect();
        let pool = Arc::new(Pool::new(0)?);
        let quotas = Quotas::new(limits.user, limits.user_weights.clone(), limits.max_memory);
        let memory = Arc::clone(quotas.memory());
        let exposition = Exposition::new(Arc::clone(&pool), memory, limits.max_metrics_widgets)?;
        let counts = Arc::clone(exposition.server());
        Ok(Self(Arc::new(Inner {
            kinds,
            registry: Registry::new(limits.kernel.grace),
            kernels: Kernels::default(),
            kernel_places: Places::new(limits.max_kernels),
            quotas,
            budgets: Budgets::new(limits.budget),
            tickets: Tickets::new(limits.ticket_lifetime, unix_seconds()),
            ledger: Arc::new(Ledger::open(shares_file, unix_seconds())?),
            metrics: exposition,
            threads: Arc::new(Threads::new(limits.max_widgets)?),
            stopping: AtomicBool::new(false),
            pulse: Pulse::new(&arbiters),
            counts,
            pool,
            arbiters,
            next_arbiter: AtomicUsize::new(0),
            places: Places::new(limits.max_widgets),
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

    /// The threads on which renderers work.
    #[cfg(test)]
    pub(crate) fn threads(&self) -> &Threads {
        &self.0.threads
    }

    /// The pool on which images are encoded.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.0.pool
    }

    /// Makes a widget of a kind, with a random id or the given one. It is no user's, and stays until it is closed.
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
        self.create_of_kind(kind, id, Making { owner: None, stays: true, in_process: true }, options, traits)
            .await
    }

    /// Makes a widget of a kind for a user, if there are any. It is closed when nobody uses it, if the configuration says so.
    ///
    /// # Errors
    /// As [`Hub::create`], and when the user has as many widgets as one may.
    pub async fn create_for_user(
        &self,
        kind: &str,
        owner: Option<String>,
        options: Map<String, Value>,
        traits: &Map<String, Value>,
    ) -> Result<WidgetHandle, CreateError> {
        self.create_of_kind(kind, None, Making { owner, stays: false, in_process: true }, options, traits)
            .await
    }

    async fn create_of_kind(
        &self,
        kind: &str,
        id: Option<&str>,
        making: Making,
        options: Map<String, Value>,
        traits: &Map<String, Value>,
    ) -> Result<WidgetHandle, CreateError> {
        let kind = self.0.kinds.get(kind)?.clone();
        let options = kind.complete(options)?;
        let mut all_traits = kind.traits().clone();
        all_traits.apply(traits)?;
        let (handle, reserved) =
            self.begin(kind.name().to_owned(), id.map(str::to_owned), making, options, all_traits)?;

        // Renderers are made where they may block. Should it fail, the actor ends with its last address.
        let for_renderer = handle.clone();
        let options = handle.identity().options.clone();
        let made = self.0.threads.run(move || kind.make(for_renderer, &options));
        let made = made.ok_or_else(|| KindError::Failed("the system has no thread for it".to_owned()))?.await;
        let renderer = made.map_err(|error| {
            let panic = error.try_into_panic();
            KindError::Failed(
                panic.map_or_else(|error| error.to_string(), |panic| panic::message(&*panic).to_owned()),
            )
        })??;
        handle.addr().do_send(Install(renderer));
        list(&handle, reserved);
        Ok(handle)
    }

    /// Makes a widget whose renderer is in a kernel, with a random id or the given one. It does nothing before the kernel
    /// adopts it.
    ///
    /// # Errors
    /// When there is no place for another widget, or one of that id exists.
    pub(crate) fn create_for_kernel(
        &self,
        kind: String,
        id: Option<String>,
        owner: Option<String>,
        traits: Traits,
    ) -> Result<WidgetHandle, CreateError> {
        let making = Making { owner, stays: false, in_process: false };
        let (handle, reserved) = self.begin(kind, id, making, Options::default(), traits)?;
        list(&handle, reserved);
        Ok(handle)
    }

    /// Closes a widget. From now on nobody finds it, and its id is free.
    pub(crate) fn close(&self, widget: &WidgetHandle) {
        // Before the id is free: the next widget of it inherits nothing.
        widget.shares().end();
        self.0.registry.close(widget.identity());
        widget.close();
    }

    /// Ends a widget whose kernel's actor a panic has ended: its views connect again, and the kernel makes it again with its id.
    pub(crate) fn fail(&self, widget: &WidgetHandle) {
        self.0.registry.remove(widget.identity());
        widget.fail();
    }

    /// Starts the actor of a widget, without a renderer, and not in the registry yet.
    fn begin(
        &self,
        kind: String,
        id: Option<String>,
        Making { owner, stays, in_process }: Making,
        options: Options,
        traits: Traits,
    ) -> Result<(WidgetHandle, Reserved), CreateError> {
        let inner = &self.0;
        if self.is_stopping() {
            return Err(CreateError::Stopping);
        }
        let place = inner.places.take().ok_or(CreateError::Full(inner.limits.max_widgets))?;
        let quota = inner.quotas.of(owner.as_deref());
        let held = quota.widget()?;
        let id = id.unwrap_or_else(|| widget_id::fresh(owner.as_deref()));
        let anothers = owner.as_ref().is_some_and(|owner| !widget_id::is_of(&id, owner));
        let reserved = if anothers { None } else { inner.registry.reserve(&id) };
        let Some(reserved) = reserved else { return Err(CreateError::Exists(id)) };

        let kept = inner.ledger.shares(&id, owner.as_deref());
        let shared = Arc::new(Shared::new(id, kind, quota, options, traits, kept));
        let around = Surroundings {
            pool: Arc::clone(&inner.pool),
            threads: Arc::clone(&inner.threads),
            registry: inner.registry.clone(),
            metrics: inner.metrics.count(Arc::clone(&shared)),
            limits: inner.limits.widget,
            stays,
            in_process,
        };
        let for_actor = Arc::clone(&shared);
        let widget =
            Widget::start_in_arbiter(self.arbiter(), move |_| Widget::new(for_actor, around, [place, held]));
        Ok((WidgetHandle::new(shared, widget), reserved))
    }

    /// Where the next actor runs: they are dealt out in turn.
    fn arbiter(&self) -> &ArbiterHandle {
        &self.0.arbiters[self.0.next_arbiter.fetch_add(1, Ordering::Relaxed) % self.0.arbiters.len()]
    }

    /// What a user takes, or all where there are none.
    pub(crate) fn quota(&self, owner: Option<&str>) -> Arc<Quota> {
        self.0.quotas.of(owner)
    }

    /// The server's memory.
    pub fn memory(&self) -> &Memory {
        self.0.quotas.memory()
    }

    /// A place for a connection of a user's kernel, if there is one.
    ///
    /// # Errors
    /// When as many kernels are connected as may be, in all or of this user.
    pub(crate) fn kernel_place(&self, owner: Option<&str>) -> Result<KernelPlace, Refusal> {
        let quota = self.0.quotas.of(owner);
        let refused = |code, message: String| {
            self.0.counts.refused(Reason::Limit, code, &message);
            Refusal::of_connection(code, message, close_code::TRY_LATER)
        };
        let held = quota.kernel().map_err(|full| refused(full.code(), full.to_string()))?;
        let place = self.0.kernel_places.take().ok_or_else(|| {
            let max = self.0.limits.max_kernels;
            let message =
                format!("the server has {max} kernels, which is the limit (--max-kernels): end one of them");
            refused("max_kernels", message)
        })?;
        Ok(KernelPlace { _place: place, _held: held, _quota: quota })
    }

    /// Lets the kernel in that has a place.
    pub(crate) fn admit_kernel(&self, place: KernelPlace) -> Admission {
        Admission { _place: place, _counted: self.0.counts.kernel() }
    }

    /// The kernel of a session, started if it is a new one.
    pub(crate) fn kernel(&self, session: &OwnName) -> Addr<Kernel> {
        self.0.kernels.of_session(session, || {
            let (hub, session) = (self.clone(), session.clone());
            Kernel::start_in_arbiter(self.arbiter(), move |_| Kernel::new(hub, session))
        })
    }

    /// The kernels there are.
    pub(crate) fn kernels(&self) -> &Kernels {
        &self.0.kernels
    }

    /// What holds for each kernel.
    pub(crate) fn kernel_settings(&self) -> KernelSettings {
        self.0.limits.kernel
    }

    /// Bounds on what a view sends.
    pub(crate) fn inbound_limits(&self) -> InboundLimits {
        self.0.limits.inbound
    }

    /// What each caller may do.
    pub(crate) fn budgets(&self) -> &Budgets {
        &self.0.budgets
    }

    /// Issues and checks tickets to views.
    pub(crate) fn tickets(&self) -> &Tickets {
        &self.0.tickets
    }

    /// Signs and checks links to widgets.
    pub(crate) fn links(&self) -> &Links {
        self.0.ledger.links(unix_seconds())
    }

    /// With whom widgets are shared, as it is kept.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// Waits until all shares are kept as they are, where shares are kept. Nothing is written after that.
    pub(crate) async fn keep_shares(&self) {
        if !self.0.ledger.finish().await {
            tracing::error!(
                "the latest shares are not kept: those of before hold after a restart, revoked ones too"
            );
        }
    }

    /// With whom widgets can be shared.
    pub(crate) fn reach(&self) -> Reach {
        self.0.limits.reach
    }

    /// A widget's statistics; `None` when it is closed.
    pub async fn report(&self, handle: &WidgetHandle) -> Option<Arc<Report>> {
        handle.addr().send(GetReport).await.ok().flatten()
    }

    /// The statistics of widgets, in their order; `None` of those that are closed.
    pub async fn reports(&self, handles: &[WidgetHandle]) -> Vec<Option<Arc<Report>>> {
        // All are asked before the first answers.
        let asked: Vec<_> = handles.iter().map(|handle| handle.addr().send(GetReport)).collect();
        let mut reports = Vec::with_capacity(asked.len());
        for report in asked {
            reports.push(report.await.ok().flatten());
        }
        reports
    }

    /// What each user takes of the server who has something, or whose limits were changed: the common one first, if there are no users or
    /// it has something.
    pub fn users(&self) -> Vec<UserReport> {
        let now = Instant::now();
        let everybody = self.0.quotas.of(None).report(now);
        let common =
            (self.reach() != Reach::Users || everybody.taken != Taken::default()).then_some(everybody);
        let mut users: Vec<_> = self.0.quotas.users().iter().map(|quota| quota.report(now)).collect();
        users.sort_by(|a, b| a.name.cmp(&b.name));
        common.into_iter().chain(users).collect()
    }

    /// Changes what one user may take, until the server ends; answers what the user takes and may take then.
    ///
    /// # Errors
    /// When a number is out of its range.
    pub fn change_limits(&self, user: &str, change: LimitsChange) -> Result<UserReport, Refusal> {
        Ok(self.0.quotas.change(user, change)?.report(Instant::now()))
    }

    /// Bounds on what the server carries.
    pub fn limits(&self) -> &HubLimits {
        &self.0.limits
    }

    /// How many kernels are connected.
    pub fn connected_kernels(&self) -> usize {
        self.0.kernel_places.taken()
    }

    /// The counts of the server as a whole.
    pub fn counts(&self) -> &Arc<ServerMetrics> {
        &self.0.counts
    }

    /// All metrics as text; `None` when they cannot be written, which is logged. Those of many widgets take a while: a thread that
    /// may block writes them.
    pub async fn scrape(&self, format: Format) -> Option<String> {
        self.0.counts.shares_unkept(self.0.ledger.unkept());
        let metrics = self.0.metrics.clone();
        let written = actix_web::rt::task::spawn_blocking(move || metrics.write(format)).await;
        let written = written.unwrap_or_else(|error| Err(prometheus::Error::Msg(error.to_string())));
        written.inspect_err(|error| tracing::error!(%error, "metrics cannot be written")).ok()
    }

    /// Whether the threads on which widgets are answer.
    pub async fn is_well(&self) -> bool {
        self.0.pulse.beats().await
    }

    /// Whether the server stops.
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Acquire)
    }

    /// Tells all kernels, widgets and views that the server stops. From now on no widget is made.
    pub fn shut_down(&self) {
        self.0.stopping.store(true, Ordering::Release);
        for kernel in self.0.kernels.all() {
            kernel.do_send(Shutdown);
        }
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

/// From now on the widget is found.
fn list(handle: &WidgetHandle, reserved: Reserved) {
    reserved.list(handle);
    tracing::info!(widget = handle.id(), kind = handle.identity().kind, "widget made");
}
