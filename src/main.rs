//! The server as a program: reads flags, starts logging, runs.

use framehub::{Config, Server, log};

fn main() {
    let config = Config::from_args();
    let log = log::start(config.log_format);
    let ended = Server::new(config).demos().run();
    if let Err(error) = &ended {
        log.line(&format!("framehub: {error}"));
    }
    log.flush();
    // Renderers that are still at work are not waited for.
    std::process::exit(i32::from(ended.is_err()));
}
