//! What a server is told: flags and `FRAMEHUB_*` variables, checked.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

use crate::{Patience, jupyterhub::Service, network::Network};

mod limits;
mod machine;
mod read;
mod together;

pub use read::is_key;
pub use together::ConfigError;

/// A server for remote frame buffer widgets: rendered where the data is, shown where the user is.
///
/// Every flag can be given as an environment variable instead.
#[derive(Debug, Clone, Parser)]
#[command(name = "framehub", version, max_term_width = 100)]
pub struct Config {
    /// Address and port to listen on; port 0 picks a free one
    #[arg(
        long,
        env = "FRAMEHUB_LISTEN",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:8420",
        help_heading = "Network"
    )]
    pub listen: SocketAddr,

    /// Path below which everything is served, as a proxy in front sees it
    #[arg(long, env = "FRAMEHUB_BASE_URL", value_name = "PATH", default_value = "/", value_parser = read::base_url, help_heading = "Network")]
    pub base_url: String,

    /// Origin besides the server's own from which pages may connect, such as `https://hub.example.org`; repeatable
    #[arg(long = "allow-origin", env = "FRAMEHUB_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', value_parser = read::origin, help_heading = "Network")]
    pub allow_origins: Vec<String>,

    /// Origin besides the server's own whose pages may hold this server's pages in a frame; repeatable
    #[arg(long = "frame-origin", env = "FRAMEHUB_FRAME_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', value_parser = read::origin, help_heading = "Network")]
    pub frame_origins: Vec<String>,

    /// Address or network of a proxy whose `X-Forwarded-*` headers are believed, such as `10.0.0.0/8`; repeatable. None by
    /// default; this machine's own addresses for a service that a `JupyterHub` starts
    #[arg(
        long,
        env = "FRAMEHUB_TRUSTED_PROXIES",
        value_name = "ADDR[/BITS]",
        value_delimiter = ',',
        help_heading = "Network"
    )]
    pub trusted_proxies: Vec<Network>,

    /// Who may connect: whoever has the key, (on a loopback address only) everyone, or the users of the `JupyterHub` whose service
    /// this server is; that is the default where a Hub starts it
    #[arg(long, env = "FRAMEHUB_AUTH", value_enum, default_value_t = Auth::Key, help_heading = "Access")]
    pub auth: Auth,

    /// What the `JupyterHub` says, with `--auth jupyterhub`
    #[arg(skip)]
    pub jupyterhub: Option<Service>,

    /// Seconds for which an answer of the `JupyterHub` about a token holds: so late at most a logout is noticed
    #[arg(long, env = "FRAMEHUB_AUTH_CACHE", value_name = "SECONDS", default_value = "300", value_parser = read::cache_seconds, help_heading = "Access")]
    pub auth_cache: Duration,

    /// Seconds for which a ticket opens a view, from when a kernel asked for it; the view then stays
    #[arg(long, env = "FRAMEHUB_TICKET_LIFETIME", value_name = "SECONDS", default_value = "60", value_parser = read::ticket_seconds, help_heading = "Access")]
    pub ticket_lifetime: Duration,

    /// Scope of the `JupyterHub` whose holders see what every user has and takes, in numbers: no pictures
    #[arg(long, env = "FRAMEHUB_ADMIN_SCOPE", value_name = "SCOPE", default_value = "admin-ui", value_parser = read::scope, help_heading = "Access")]
    pub admin_scope: String,

    /// Scope of the `JupyterHub` whose holders change what a user may take
    #[arg(long, env = "FRAMEHUB_LIMITS_SCOPE", value_name = "SCOPE", default_value = "admin-ui", value_parser = read::scope, help_heading = "Access")]
    pub limits_scope: String,

    /// Scope of the `JupyterHub` whose holders see and use every user's widgets, or those of whom its filter names (`!user=`,
    /// `!group=`, `!server=`)
    #[arg(long, env = "FRAMEHUB_ACT_SCOPE", value_name = "SCOPE", default_value = "access:servers", value_parser = read::scope, help_heading = "Access")]
    pub act_scope: String,

    /// Seconds from one report to the `JupyterHub` that a user acts to the next, so that who only uses widgets is not taken for idle
    #[arg(long, env = "FRAMEHUB_ACTIVITY_INTERVAL", value_name = "SECONDS", default_value = "300", value_parser = read::seconds, help_heading = "Access")]
    pub activity_interval: Duration,

    /// The access key, at least 16 letters, digits, `-`, `_`, `.` or `~`. Without it the one in the key file is used, which is
    /// made at random at the first start
    #[arg(long, env = "FRAMEHUB_KEY", hide_env_values = true, value_name = "KEY", value_parser = read::key, help_heading = "Access")]
    pub key: Option<String>,

    /// Where the random key is kept, and beside it what signs browsers' sessions, so that pages find their way back after a restart
    /// [default: `$XDG_STATE_HOME/framehub/key` or `~/.local/state/framehub/key`]
    #[arg(long, env = "FRAMEHUB_KEY_FILE", value_name = "FILE", help_heading = "Access")]
    pub key_file: Option<PathBuf>,

    /// Print the address with the key in it, also where it is not printed to a terminal
    #[arg(long, env = "FRAMEHUB_PRINT_KEY", help_heading = "Access")]
    pub print_key: bool,

    /// Where it is kept with whom widgets are shared, so that they are after a restart; nowhere by default
    #[arg(long, env = "FRAMEHUB_SHARES_FILE", value_name = "FILE", help_heading = "Access")]
    pub shares_file: Option<PathBuf>,

    /// Folder whose pictures the picture viewer opens
    #[arg(long, env = "FRAMEHUB_IMAGES", value_name = "DIR", value_parser = read::folder, help_heading = "Widgets")]
    pub images: Option<PathBuf>,

    /// Start without the demo widgets (their kinds stay available)
    #[arg(long, env = "FRAMEHUB_NO_DEMOS", help_heading = "Widgets")]
    pub no_demos: bool,

    /// Offer the demo kinds also where a `JupyterHub`'s users could make widgets of them
    #[arg(long, env = "FRAMEHUB_DEMOS", help_heading = "Widgets")]
    pub demos: bool,

    /// Kinds of which widgets can be made, such as `square,draw`, and no others; all that there are by default; repeatable
    #[arg(
        long,
        env = "FRAMEHUB_KINDS",
        value_name = "KIND",
        value_delimiter = ',',
        help_heading = "Widgets"
    )]
    pub kinds: Vec<String>,

    /// Most widgets at a time
    #[arg(long, env = "FRAMEHUB_MAX_WIDGETS", value_name = "N", default_value_t = 1000, value_parser = read::at_least_one, help_heading = "Limits")]
    pub max_widgets: usize,

    /// Most views of one widget at a time
    #[arg(long, env = "FRAMEHUB_MAX_VIEWS", value_name = "N", default_value_t = 1000, value_parser = read::at_least_one, help_heading = "Limits")]
    pub max_views: usize,

    /// Most views of one widget at a time of one user to whom it is shared, or one browser with a link
    #[arg(long, env = "FRAMEHUB_MAX_VIEWS_OF_VISITOR", value_name = "N", default_value_t = 20, value_parser = read::at_least_one, help_heading = "Limits")]
    pub max_views_of_visitor: usize,

    /// Most notebook kernels and scripts connected at a time
    #[arg(long, env = "FRAMEHUB_MAX_KERNELS", value_name = "N", default_value_t = 100, value_parser = read::at_least_one, help_heading = "Limits")]
    pub max_kernels: usize,

    /// Seconds for which the widgets of a kernel that is gone wait for it
    #[arg(long, env = "FRAMEHUB_KERNEL_GRACE", value_name = "SECONDS", default_value = "300", value_parser = read::grace_seconds, help_heading = "Limits")]
    pub kernel_grace: Duration,

    /// Most widgets of one user at a time, where there are users
    #[arg(long, env = "FRAMEHUB_USER_MAX_WIDGETS", value_name = "N", default_value_t = 100, value_parser = read::at_least_one, help_heading = "Limits for each user")]
    pub user_max_widgets: usize,

    /// Most views of all widgets of one user at a time, whoever watches
    #[arg(long, env = "FRAMEHUB_USER_MAX_VIEWS", value_name = "N", default_value_t = 500, value_parser = read::at_least_one, help_heading = "Limits for each user")]
    pub user_max_views: usize,

    /// Most notebook kernels and scripts of one user connected at a time
    #[arg(long, env = "FRAMEHUB_USER_MAX_KERNELS", value_name = "N", default_value_t = 20, value_parser = read::at_least_one, help_heading = "Limits for each user")]
    pub user_max_kernels: usize,

    /// Most million pixels a second that are sent to all views of one user's widgets; beyond it the user's frames are slowed down
    #[arg(long, env = "FRAMEHUB_USER_MEGAPIXELS", value_name = "N", default_value_t = 2000.0, value_parser = read::megapixels, help_heading = "Limits for each user")]
    pub user_megapixels: f64,

    /// Most seconds of encoder threads a second that one user's frames take, beyond which they are slowed down. Without it, users get
    /// equal shares while they compete
    #[arg(long, env = "FRAMEHUB_USER_ENCODER_THREADS", value_name = "N", value_parser = read::encoder_threads, help_heading = "Limits for each user")]
    pub user_encoder_threads: Option<f64>,

    /// What a user gets of the encoder beside others who want it, where everybody else counts 1, such as `ann=2`; repeatable
    #[arg(long = "user-weight", env = "FRAMEHUB_USER_WEIGHT", value_name = "NAME=WEIGHT", value_delimiter = ',', value_parser = read::weight, help_heading = "Limits for each user")]
    pub user_weights: Vec<(String, f64)>,

    /// Most bytes that are held in memory for one user: frames, images on their way, messages that come; plain or as in `512M`, `2G`. A
    /// quarter of `--max-memory` by default
    #[arg(long, env = "FRAMEHUB_USER_MEMORY", value_name = "BYTES", value_parser = read::memory, help_heading = "Limits for each user")]
    pub user_memory: Option<u64>,

    /// Close widgets in which no user has acted for so many seconds, however many views are open; not those that are there from the
    /// start
    #[arg(long, env = "FRAMEHUB_IDLE_TIMEOUT", value_name = "SECONDS", value_parser = read::long_seconds, help_heading = "Limits")]
    pub idle_timeout: Option<Duration>,

    /// Most bytes of memory that the server takes, plain or as in `512M`, `2G`. It counts five eighths of them, for all users together, as
    /// `--user-memory` does for one; the rest is for what is not counted. Three quarters of the machine's memory, or of what the control
    /// group allows, by default
    #[arg(long, env = "FRAMEHUB_MAX_MEMORY", value_name = "BYTES", value_parser = read::memory, help_heading = "Limits")]
    pub max_memory: Option<u64>,

    /// Most pixels that a renderer is asked for; larger views get them scaled up by the browser
    #[arg(long, env = "FRAMEHUB_MAX_PIXELS", value_name = "WxH", default_value = "3840x2160", value_parser = read::pixels, help_heading = "Limits")]
    pub max_pixels: u64,

    /// Most pixels of a frame that a renderer returns or a program pushes
    #[arg(long, env = "FRAMEHUB_MAX_FRAME_PIXELS", value_name = "WxH", default_value = "16384x8192", value_parser = read::pixels, help_heading = "Limits")]
    pub max_frame_pixels: u64,

    /// Most pixels of a snapshot
    #[arg(long, env = "FRAMEHUB_MAX_SNAPSHOT_PIXELS", value_name = "WxH", default_value = "7680x4320", value_parser = read::pixels, help_heading = "Limits")]
    pub max_snapshot_pixels: u64,

    /// Most widgets with series of their own in the metrics, the busiest; the others are summed
    #[arg(long, env = "FRAMEHUB_METRICS_MAX_WIDGETS", value_name = "N", default_value_t = 1000, value_parser = read::at_least_one, help_heading = "Metrics")]
    pub metrics_max_widgets: usize,

    /// Address and port on which `/metrics` is served besides, without a key; not served there by default
    #[arg(long, env = "FRAMEHUB_METRICS_LISTEN", value_name = "ADDR:PORT", help_heading = "Metrics")]
    pub metrics_listen: Option<SocketAddr>,

    /// A bearer token that opens `/metrics` and nothing else, at least 16 letters, digits, `-`, `_`, `.` or `~`
    #[arg(long, env = "FRAMEHUB_METRICS_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = read::key, help_heading = "Metrics")]
    pub metrics_token: Option<String>,

    /// Most connections at a time that owe a request: new ones, and those that are kept after an answer; beyond that the oldest is ended
    #[arg(long, env = "FRAMEHUB_MAX_HALF_OPEN", value_name = "N", default_value_t = 1024, value_parser = read::at_least_one, help_heading = "Limits")]
    pub max_half_open: usize,

    /// Most of these from one address that is no trusted proxy's
    #[arg(long, env = "FRAMEHUB_MAX_HALF_OPEN_OF_ADDRESS", value_name = "N", default_value_t = 256, value_parser = read::at_least_one, help_heading = "Limits")]
    pub max_half_open_of_address: usize,

    /// Most requests a second of one caller: a user, a visitor's browser, or, ten times as many, an address where nobody is signed in
    /// and all who have a link; bursts of ten seconds' worth pass
    #[arg(long, env = "FRAMEHUB_MAX_REQUESTS_PER_SECOND", value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Limits")]
    pub max_requests_per_second: u32,

    /// Most requests of one caller that are not answered yet; four times as many of an address and of all who have a link
    #[arg(long, env = "FRAMEHUB_MAX_REQUESTS_OF_CALLER", value_name = "N", default_value_t = 256, value_parser = read::at_least_one, help_heading = "Limits")]
    pub max_requests_of_caller: usize,

    /// Longest message or request body that is accepted, in bytes
    #[arg(long, env = "FRAMEHUB_MAX_MESSAGE_BYTES", value_name = "N", default_value_t = 262_144, value_parser = read::message_bytes, help_heading = "Limits")]
    pub max_message_bytes: usize,

    /// Most events a second from one view
    #[arg(long, env = "FRAMEHUB_MAX_EVENTS_PER_SECOND", value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Limits")]
    pub max_events_per_second: u32,

    /// Seconds after which an unconfirmed frame is given up; a view that lets it come to that twice is dropped
    #[arg(long, env = "FRAMEHUB_DEADLINE", value_name = "SECONDS", default_value = "10", value_parser = read::seconds, help_heading = "Limits")]
    pub deadline: Duration,

    /// Seconds from draw to display that views on slow links are kept under, by less quality and fewer pixels while the picture
    /// moves
    #[arg(long, env = "FRAMEHUB_TARGET_LATENCY", value_name = "SECONDS", default_value = "0.1", value_parser = read::seconds, help_heading = "Widgets")]
    pub target_latency: Duration,

    /// File that says where the server is and how to get in, for this user's own programs; it goes when the server ends
    #[arg(long, env = "FRAMEHUB_RUNTIME_FILE", value_name = "FILE", help_heading = "Process")]
    pub runtime_file: Option<PathBuf>,

    /// End after so many seconds without any request, view or kernel
    #[arg(long, env = "FRAMEHUB_EXIT_WHEN_UNUSED", value_name = "SECONDS", value_parser = read::long_seconds, help_heading = "Process")]
    pub exit_when_unused: Option<Duration>,

    /// How log lines look; what is logged is set by `RUST_LOG`, such as `RUST_LOG=framehub=debug`
    #[arg(long, env = "FRAMEHUB_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, help_heading = "Logging")]
    pub log_format: LogFormat,

    /// How long silent peers are taken to be there
    #[arg(skip)]
    pub patience: Patience,
}

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// Whoever has the access key.
    Key,
    /// Everyone who reaches the server; only on a loopback address.
    None,
    /// The users of a `JupyterHub`, each what is theirs.
    #[value(name = "jupyterhub")]
    JupyterHub,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

impl Default for Config {
    /// What the command line without any flag gives; the environment is not read.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8420)),
            base_url: "/".to_owned(),
            allow_origins: Vec::new(),
            frame_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            auth: Auth::Key,
            jupyterhub: None,
            auth_cache: Duration::from_secs(300),
            ticket_lifetime: Duration::from_secs(60),
            admin_scope: "admin-ui".to_owned(),
            limits_scope: "admin-ui".to_owned(),
            act_scope: "access:servers".to_owned(),
            activity_interval: Duration::from_secs(300),
            key: None,
            key_file: None,
            print_key: false,
            shares_file: None,
            images: None,
            no_demos: false,
            demos: false,
            kinds: Vec::new(),
            max_widgets: 1000,
            max_views: 1000,
            max_views_of_visitor: 20,
            max_kernels: 100,
            kernel_grace: Duration::from_secs(300),
            user_max_widgets: 100,
            user_max_views: 500,
            user_max_kernels: 20,
            user_megapixels: 2000.0,
            user_encoder_threads: None,
            user_weights: Vec::new(),
            user_memory: None,
            idle_timeout: None,
            max_memory: None,
            max_pixels: 3840 * 2160,
            max_frame_pixels: 16_384 * 8192,
            max_snapshot_pixels: 7680 * 4320,
            metrics_max_widgets: 1000,
            metrics_listen: None,
            metrics_token: None,
            max_half_open: 1024,
            max_half_open_of_address: 256,
            max_requests_per_second: 500,
            max_requests_of_caller: 256,
            max_message_bytes: 262_144,
            max_events_per_second: 1000,
            deadline: Duration::from_secs(10),
            target_latency: Duration::from_millis(100),
            runtime_file: None,
            exit_when_unused: None,
            log_format: LogFormat::Text,
            patience: Patience::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn parsed(arguments: &[&str]) -> Result<Config, String> {
        let all = std::iter::once("framehub").chain(arguments.iter().copied());
        Config::try_parse_from(all).map_err(|error| error.to_string())
    }

    #[test]
    fn no_flags_give_the_defaults() {
        let (parsed, default) = (parsed(&[]).unwrap(), Config::default());
        assert_eq!(format!("{parsed:?}"), format!("{default:?}"));
    }

    #[test]
    fn memory_is_told_in_bytes_or_units_and_users_get_a_quarter_of_the_servers() {
        let limits = |arguments: &[&str]| {
            let limits = parsed(arguments).unwrap().hub_limits();
            (limits.max_memory, limits.user.memory)
        };
        assert_eq!(limits(&["--max-memory", "2G"]), (2 << 30, 512 << 20));
        assert_eq!(limits(&["--max-memory", "1g", "--user-memory", "3145728"]), (1 << 30, 3 << 20));
        assert_eq!(limits(&["--max-memory", "2048K", "--user-memory", "1T"]), (2 << 20, 2 << 20));
        let (all, users) = limits(&[]);
        assert!(all >= 32 << 20 && users == all / 4, "{all} {users}");
    }

    #[test]
    fn a_bad_flag_is_refused_with_what_to_write_instead() {
        for (arguments, message) in [
            (["--base-url", "framehub"], "write a path such as /"),
            (["--base-url", "/a/../b"], "write a path such as /"),
            (["--allow-origin", "hub.example.org"], "write scheme, host"),
            (["--frame-origin", "'self'"], "write scheme, host"),
            (["--frame-origin", "https://hub; script-src"], "write scheme, host"),
            (["--trusted-proxies", "10.0.0.0/33"], "write an address or a network"),
            (["--key", "short"], "at least 16 characters"),
            (["--images", "/does/not/exist"], "no such folder"),
            (["--max-widgets", "0"], "at least 1"),
            (["--max-pixels", "4K"], "such as 3840x2160"),
            (["--deadline", "0"], "from 0.01 to 3600"),
            (["--kernel-grace", "long"], "from 0 to 604800"),
            (["--exit-when-unused", "0"], "from 0.01 to 604800"),
            (["--max-message-bytes", "10"], "from 4096"),
            (["--auth-cache", "301"], "from 0.1 to 300"),
            (["--ticket-lifetime", "3601"], "from 1 to 3600"),
            (["--act-scope", "access:servers!group=staff"], "without a filter"),
            (["--admin-scope", ""], "without a filter"),
            (["--activity-interval", "0"], "from 0.01 to 3600"),
            (["--idle-timeout", "0"], "from 0.01 to 604800"),
            (["--user-max-widgets", "0"], "at least 1"),
            (["--user-max-views", "0"], "at least 1"),
            (["--user-max-kernels", "many"], "at least 1"),
            (["--user-megapixels", "0"], "million pixels a second from 0.1 to 1000000"),
            (["--user-encoder-threads", "NaN"], "threads from 0.01 to 1024"),
            (["--user-weight", "ann"], "such as ann=2"),
            (["--user-weight", "ann=0"], "from 0.01 to 100"),
            (["--user-memory", "1000"], "a number of bytes from 1M to 1024T"),
            (["--max-memory", "2X"], "such as 536870912, 512M or 2G"),
            (["--max-memory", "99999999999T"], "from 1M to 1024T"),
        ] {
            let error = parsed(&arguments).expect_err(arguments[1]);
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_base_url_ends_with_a_slash() {
        assert_eq!(parsed(&["--base-url", "/services/framehub"]).unwrap().base_url, "/services/framehub/");
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Config::command().debug_assert();
    }
}
