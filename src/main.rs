//! The server as a program: reads flags, starts logging, runs.

use std::{io::IsTerminal, process::ExitCode};

use framehub::{Config, Server, config::LogFormat};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let config = Config::from_args();
    start_logging(config.log_format);
    match Server::new(config).demos().run() {
        // Renderers that are still at work are not waited for.
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("framehub: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start_logging(format: LogFormat) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,framehub=info,audit=info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    // Panics of renderers are caught and shown in views; their place in the code belongs into the log.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panic")));
}
