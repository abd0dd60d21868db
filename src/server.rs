//! The server: from a configuration and kinds of widget to a listening address, and back to nothing.

use std::{
    any::Any,
    fs,
    io::{self, IsTerminal, Write},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    App, HttpServer,
    dev::{Extensions, ServerHandle},
    middleware::from_fn,
    rt::{System, net::TcpStream},
    web::Data,
};
use rustix::process::geteuid;
use serde_json::Map;
use socket2::SockRef;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    config::{Auth, Config, ConfigError},
    descriptors,
    hub::{CreateError, Hub},
    jupyterhub::Service,
    listener,
    metrics::Scrapes,
    quota::Places,
    render::{Kind, KindError, Kinds, demos},
    runtime_file::{RuntimeFile, Whereabouts},
    supervisor,
    usage::Usage,
    web::{
        auth::{
            Access,
            by_key::ByKey,
            failures::Failures,
            jupyterhub::{JupyterHub, SayScopes, succession},
            key::{AccessKey, KeyFileError},
            sessions::Sessions,
        },
        half_open::{self, HalfOpen},
        pages::page_policy,
        proof::Proof,
        routes::{Site, configure, configure_metrics},
        snapshot::Snapshots,
    },
};

/// How long open connections may take to end when the server stops.
const STOP_WITHIN: u64 = 3;
/// When the server stops: after so long without a request, none is on its way on a connection that was taken before.
const QUIET: Duration = Duration::from_millis(100);
/// A connection whose peer takes nothing for this long beyond a view's second deadline is closed by the operating system.
const REAP_AFTER: Duration = Duration::from_secs(5);

/// Why a server did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; choose another with --listen, port 0 picks a free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        error: io::Error,
    },
    /// What the supervisor hands over is no socket to listen on.
    #[error("cannot listen on the socket of the supervisor: {0}")]
    Inherited(io::Error),
    /// The address of the metrics cannot be listened on.
    #[error("cannot serve the metrics on {address}: {error}; choose another with --metrics-listen")]
    ListenMetrics {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        error: io::Error,
    },
    /// The key file is not to be trusted.
    #[error("{0}; or name another with --key-file")]
    KeyFile(KeyFileError),
    /// `--kinds` names what is not there.
    #[error("--kinds: {0}")]
    Kinds(KindError),
    /// A widget that was to be there from the start cannot be made.
    #[error("widget `{id}` cannot be made: {error}")]
    Widget {
        /// Its id.
        id: String,
        /// Why.
        error: CreateError,
    },
    /// The metrics or the encoder pool cannot be made.
    #[error("the server cannot start: {0}")]
    Start(String),
    /// The runtime file cannot be written.
    #[error("cannot write {path}: {error}; name another with --runtime-file")]
    RuntimeFile {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// The HTTP server failed.
    #[error("the server failed: {0}")]
    Io(#[from] io::Error),
}

/// A server to be: its configuration, its kinds of widget and the widgets that are there from the start.
///
/// ```no_run
/// # struct Mine;
/// # impl framehub::RemoteFrameBuffer for Mine {}
/// use framehub::{Config, Kind, Server};
///
/// Server::new(Config::default())
///     .kind(Kind::new("mine", |_widget, _options| Ok(Mine)))
///     .widget("mine")
///     .run()?;
/// # Ok::<(), framehub::ServeError>(())
/// ```
pub struct Server {
    config: Config,
    kinds: Kinds,
    /// Kinds of which there is one widget from the start, its id the kind's name.
    first: Vec<String>,
}

/// Where a key is from.
#[derive(Clone)]
enum KeySource {
    Configured,
    File(PathBuf),
    Nowhere,
}

/// A server that listens.
pub struct Running {
    /// The address it listens on.
    pub address: SocketAddr,
    /// The address for people, with the base URL and without the key.
    pub url: String,
    /// The widgets, and the making of them.
    pub hub: Hub,
    /// The access key, if there is one.
    pub key: Option<AccessKey>,
    key_source: KeySource,
    /// Tells other programs where the server is.
    runtime_file: Option<RuntimeFile>,
    usage: Usage,
    /// What requests are answered from.
    #[cfg(any(test, feature = "internals"))]
    pub(crate) site: Data<Site>,
    /// The server ends when nobody used it for so long.
    exit_when_unused: Option<Duration>,
    /// What the Hub says whose service this is, if it is one's.
    service: Option<Service>,
    /// Where the metrics are served besides, if they are.
    pub metrics: Option<MetricsServer>,
    http: ServerHandle,
    /// Ends when the HTTP server does.
    done: actix_web::rt::task::JoinHandle<io::Result<()>>,
}

impl Server {
    /// A server without any kind of widget.
    pub fn new(config: Config) -> Self {
        Self { config, kinds: Kinds::default(), first: Vec::new() }
    }

    /// Adds a kind of widget.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kinds.register(kind);
        self
    }

    /// Has one widget of a kind from the start. Its id is the kind's name, so that its views find it again after a restart.
    #[must_use]
    pub fn widget(mut self, kind: &str) -> Self {
        self.first.push(kind.to_owned());
        self
    }

    /// Adds the demo kinds and, unless the configuration says no, a widget of each. Where widgets belong to users, there are only the
    /// kinds, and those only if the configuration asks for them: whoever can make a widget uses the server's memory.
    #[must_use]
    pub fn demos(mut self) -> Self {
        if self.config.auth == Auth::JupyterHub && !self.config.demos && self.config.kinds.is_empty() {
            return self;
        }
        let mut demos = Kinds::default();
        demos::register(&mut demos, self.config.images.clone());
        for kind in demos.iter() {
            if !self.config.no_demos && self.config.auth != Auth::JupyterHub {
                self.first.push(kind.name().to_owned());
            }
            self.kinds.register(kind.clone());
        }
        self
    }

    /// Runs the server until SIGINT, SIGTERM or SIGHUP, or until it was unused for as long as the configuration says. Prints a line with its
    /// address; with the key in it only to a terminal, or if the configuration says so, else a second line that says where the key is.
    /// It listens on the socket that a supervisor hands over, if one does (`LISTEN_FDS`).
    ///
    /// # Errors
    /// When it cannot start, or fails.
    pub fn run(self) -> Result<(), ServeError> {
        if geteuid().is_root() {
            tracing::warn!(
                "the server runs as root, and needs none of its rights: give it a user of its own"
            );
        }
        let (system, print_key) = (System::new(), self.config.print_key);
        let ended = system.block_on(async move {
            // Who reads the line may send a signal at once.
            let mut signals = Signals::catch()?;
            let listener = listener::inherited().map_err(ServeError::Inherited)?;
            let running = tokio::select! {
                running = self.start_on(listener) => running?,
                () = signals.received() => return Ok(()),
            };
            announce(&running.whereabouts(print_key || io::stdout().is_terminal()));
            supervisor::ready();
            running.until_done(signals).await
        });
        // Its end would wait for a first widget that is still being made.
        std::mem::forget(system);
        ended
    }

    /// Starts to listen. To be called within an actix system.
    ///
    /// # Errors
    /// When the configuration is bad, the address taken, or a first widget cannot be made.
    pub async fn start(self) -> Result<Running, ServeError> {
        self.start_on(None).await
    }

    /// Starts to listen on a socket, or on the address that the configuration says.
    async fn start_on(mut self, listener: Option<TcpListener>) -> Result<Running, ServeError> {
        if let Some(listener) = &listener {
            self.config.listen = listener.local_addr().map_err(ServeError::Inherited)?;
            tracing::info!(address = %self.config.listen, "the supervisor says where to listen, not --listen");
        }
        self.config.validate()?;
        let descriptors = descriptors::for_connections();
        let config = self.config.within(descriptors);
        let descriptors = Arc::new(Places::new(descriptors));
        if !config.kinds.is_empty() {
            self.kinds.retain(&config.kinds).map_err(ServeError::Kinds)?;
            self.first.retain(|kind| config.kinds.contains(kind));
        }
        let address = config.listen;
        let listen = |error| ServeError::Listen { address, error };
        let listener = match listener {
            Some(listener) => listener,
            None => succession::listen(address, config.jupyterhub.as_ref()).await.map_err(listen)?,
        };
        let address = listener.local_addr().map_err(listen)?;
        let limits = config.hub_limits();
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            max_memory = limits.max_memory,
            user_memory = limits.user.memory,
            "starting"
        );
        let hub = Hub::start(self.kinds, limits, config.shares_file.clone())
            .map_err(|error| ServeError::Start(error.to_string()))?;
        for kind in self.first {
            if let Err(error) = hub.create(&kind, Some(&kind), Map::new(), &Map::new()).await {
                return Err(ServeError::Widget { id: kind, error });
            }
        }
        let (access, key_source) = access(&config, address.port())?;
        let key = if let Access::Key(by_key) = &access { Some(by_key.key.clone()) } else { None };
        let url = format!("http://{address}{}", config.base_url);
        let proof = Proof::new(address);
        let runtime_file = config.runtime_file.clone().map(|path| {
            let (key, version) = (key.as_ref().map(AccessKey::reveal), env!("CARGO_PKG_VERSION"));
            let proof = proof.secret();
            let whereabouts = Whereabouts { url: &url, key, proof, pid: std::process::id(), version };
            RuntimeFile::write(&path, &whereabouts).map_err(|error| ServeError::RuntimeFile { path, error })
        });
        let runtime_file = runtime_file.transpose()?;
        let usage = Usage::new();
        let site = Data::new(Site {
            hub: hub.clone(),
            usage: usage.clone(),
            base_url: config.base_url.clone(),
            access,
            metrics_token: config.metrics_token.clone().map(AccessKey::new),
            proof: runtime_file.is_some().then_some(proof),
            wrong_keys: Failures::new("key", Instant::now()),
            wrong_links: Failures::new("link", Instant::now()),
            allow_origins: config.allow_origins.clone(),
            trusted_proxies: config.trusted_proxies.clone(),
            page_policy: page_policy(&config.frame_origins),
            body_within: config.patience.body,
            inbound: config.inbound_limits(),
            kernel_inbound: config.kernel_inbound_limits(),
            snapshots: Snapshots::default(),
        });
        #[cfg(any(test, feature = "internals"))]
        let of_running = site.clone();
        let metrics = config
            .metrics_listen
            .map(|address| serve_metrics(address, &config, &hub, &descriptors))
            .transpose()?;
        let app = move || App::new().wrap(from_fn(half_open::heard)).configure(configure(site.clone()));
        let http = HttpServer::new(app)
            .on_connect(set_up(&config, &hub, &descriptors))
            .disable_signals()
            .shutdown_timeout(STOP_WITHIN)
            .listen(listener)?
            .run();
        Ok(Running {
            address,
            url,
            hub,
            key,
            key_source,
            runtime_file,
            usage,
            #[cfg(any(test, feature = "internals"))]
            site: of_running,
            exit_when_unused: config.exit_when_unused,
            service: config.jupyterhub.clone(),
            metrics,
            http: http.handle(),
            done: actix_web::rt::spawn(http),
        })
    }
}

impl Running {
    /// What people are told of where the server is: what is printed ends up in logs that others read.
    fn whereabouts(&self, with_key: bool) -> String {
        let at = format!("FrameHub {} is at {}", env!("CARGO_PKG_VERSION"), self.url);
        match (&self.key, &self.key_source) {
            (None, _) => at,
            (Some(key), _) if with_key => format!("{at}?key={}", key.reveal()),
            (_, KeySource::Configured) => format!("{at}\nIts key is the configured one."),
            (_, KeySource::File(file)) => format!("{at}\nIts key is in {}.", file.display()),
            (_, KeySource::Nowhere) => {
                format!("{at}\nIts key is kept nowhere: start it with --print-key, --key or --key-file.")
            }
        }
    }

    /// Serves until a signal to end, until unused for as long as the configuration says, or until the `JupyterHub` that started
    /// this process is gone and there is another; then stops.
    ///
    /// # Errors
    /// When the HTTP server fails.
    async fn until_done(mut self, mut signals: Signals) -> Result<(), ServeError> {
        tokio::select! {
            () = signals.received() => {}
            () = unused(&self.usage, self.exit_when_unused) => tracing::info!("nobody uses the server"),
            () = succession::succeeded(self.service.as_ref()) => tracing::info!("the JupyterHub was started anew"),
            () = supervisor::watch(&self.hub) => {}
            ended = &mut self.done => return Ok(ended.map_err(io::Error::other)??),
        }
        tracing::info!("stopping");
        supervisor::stopping();
        tokio::select! {
            stopped = self.stop() => stopped,
            () = signals.received() => {
                tracing::info!("stopping at once");
                Ok(())
            }
        }
    }

    /// Stops: views are told, sockets closed with 1001, renderers get their `close` event.
    ///
    /// # Errors
    /// When the HTTP server fails.
    pub async fn stop(self) -> Result<(), ServeError> {
        drop(self.runtime_file);
        // From now on connections wait: where a supervisor holds the socket, for the next server.
        self.http.pause().await;
        self.hub.shut_down();
        // Most end at once, while the library looks once a second. Those that were taken just now have not been heard yet.
        drop(self.usage.begin());
        let all = self.usage.unused_for(QUIET);
        let _ = tokio::time::timeout(Duration::from_secs(STOP_WITHIN), all).await;
        self.http.stop(true).await;
        if let Some(metrics) = self.metrics {
            metrics.http.stop(false).await;
        }
        self.hub.keep_shares().await;
        self.hub.stop_arbiters();
        Ok(self.done.await.map_err(io::Error::other)??)
    }
}

/// The signals that end the server. A second one, while it stops, ends it at once.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// That the terminal was closed. Nothing, where whoever started the program has it ignore that, as `nohup` does.
    hangup: Option<Signal>,
}

impl Signals {
    /// From now on they no longer end the process by themselves.
    fn catch() -> io::Result<Self> {
        let hangup = SignalKind::hangup();
        let hangup = if ignores(hangup) { None } else { Some(signal(hangup)?) };
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)?, hangup })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            Some(()) = async { self.hangup.as_mut()?.recv().await } => {}
        }
    }
}

/// Whether the program was started so that it ignores a signal.
fn ignores(signal: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal.as_raw_value() - 1) & 1 == 1)
}

/// Prints where the server is. It serves all the same if nobody can read that.
fn announce(whereabouts: &str) {
    let mut stdout = io::stdout().lock();
    let printed = writeln!(stdout, "{whereabouts}");
    if let Err(error) = printed.and_then(|()| stdout.flush()) {
        tracing::warn!(%error, "the address cannot be printed to standard output");
    }
}

/// Waits until nobody used the server for so long; forever, if there is no such limit.
async fn unused(usage: &Usage, limit: Option<Duration>) {
    match limit {
        Some(limit) => usage.unused_for(limit).await,
        None => std::future::pending().await,
    }
}

/// The address of the metrics alone.
pub struct MetricsServer {
    /// The address it listens on.
    pub address: SocketAddr,
    http: ServerHandle,
}

/// Serves the metrics, and nothing else, on an address of their own.
fn serve_metrics(
    address: SocketAddr,
    config: &Config,
    hub: &Hub,
    descriptors: &Arc<Places>,
) -> Result<MetricsServer, ServeError> {
    let listen = |error| ServeError::ListenMetrics { address, error };
    let listener = TcpListener::bind(address).map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let of_app = hub.clone();
    let scrapes = Data::new(Scrapes::default());
    let app = move || {
        let metrics = configure_metrics(of_app.clone(), scrapes.clone());
        App::new().wrap(from_fn(half_open::heard)).configure(metrics)
    };
    let http = HttpServer::new(app)
        .on_connect(set_up(config, hub, descriptors))
        .disable_signals()
        .workers(1)
        .listen(listener)?
        .run();
    let handle = http.handle();
    actix_web::rt::spawn(http);
    Ok(MetricsServer { address, http: handle })
}

/// Who may connect, as the configuration says, to a server that listens on that port; and where the key is from, if there is one.
fn access(config: &Config, port: u16) -> Result<(Access, KeySource), ServeError> {
    Ok(match (config.auth, &config.jupyterhub) {
        (Auth::None, _) => (Access::Everyone, KeySource::Nowhere),
        (Auth::JupyterHub, Some(service)) => {
            let hub = JupyterHub::new(
                service.clone(),
                SayScopes {
                    observe: config.admin_scope.clone(),
                    limits: config.limits_scope.clone(),
                    act: config.act_scope.clone(),
                },
                config.auth_cache,
                config.activity_interval,
            );
            (Access::JupyterHub(hub), KeySource::Nowhere)
        }
        // Without a Hub the configuration is not valid; nobody gets in by that.
        (Auth::Key | Auth::JupyterHub, _) => {
            let (key, source) = access_key(config)?;
            let sessions = sessions(config, &key);
            // Cookies of one host are shared by its ports, and servers of two machines by one `localhost` that is forwarded to both.
            let cookie = format!("framehub-{port}-{}", sessions.tag());
            (Access::Key(ByKey { key, sessions, cookie }), source)
        }
    })
}

/// The key that the configuration asks for.
fn access_key(config: &Config) -> Result<(AccessKey, KeySource), ServeError> {
    if let Some(key) = &config.key {
        return Ok((AccessKey::new(key.clone()), KeySource::Configured));
    }
    let kept = key_file(config).map(|path| (AccessKey::kept_in(&path), path));
    match kept {
        Some((Ok(key), path)) => Ok((key, KeySource::File(path))),
        Some((Err(error @ KeyFileError::Unfit { .. }), _)) => Err(ServeError::KeyFile(error)),
        Some((Err(error @ KeyFileError::NotMade { .. }), _)) => {
            tracing::warn!(%error, "the key is good until the server stops");
            Ok((AccessKey::random(), KeySource::Nowhere))
        }
        None => Ok((AccessKey::random(), KeySource::Nowhere)),
    }
}

/// Sessions of browsers whose users give this key.
fn sessions(config: &Config, key: &AccessKey) -> Sessions {
    let kept = key_file(config).map(|path| Sessions::kept_beside(&path, key)).transpose();
    let kept = kept.unwrap_or_else(|error| {
        tracing::warn!(%error, "what signs sessions cannot be read beside the key file: each restart signs browsers out");
        None
    });
    kept.unwrap_or_else(|| Sessions::new(key))
}

fn key_file(config: &Config) -> Option<PathBuf> {
    config.key_file.clone().or_else(AccessKey::default_file)
}

/// What is done with each connection that is made to an address: it is tuned, and counts while it owes a request.
fn set_up(
    config: &Config,
    hub: &Hub,
    descriptors: &Arc<Places>,
) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + use<> {
    let reap_after = 2 * config.deadline + REAP_AFTER;
    let trusted = config.trusted_proxies.clone();
    let (limits, descriptors) = (config.half_open_limits(), Arc::clone(descriptors));
    let half_open = HalfOpen::start(limits, descriptors, trusted, Arc::clone(hub.counts()));
    move |connection, data| {
        let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
        tune(stream, reap_after);
        if let Some(connection) = half_open::let_in(&half_open, stream) {
            data.insert(connection);
        }
    }
}

/// Sets a fresh connection up: small messages leave at once, and a peer that takes nothing any more is let go by the
/// operating system, whatever its actor waits for.
fn tune(stream: &TcpStream, reap_after: Duration) {
    let socket = SockRef::from(stream);
    let tuned = socket.set_tcp_nodelay(true).and_then(|()| socket.set_tcp_user_timeout(Some(reap_after)));
    if let Err(error) = tuned {
        tracing::debug!(%error, "connection cannot be tuned");
    }
}
