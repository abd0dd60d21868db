//! How many files and sockets the process may have open, and how many of these connections may be.

use std::{num::NonZero, thread::available_parallelism};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for what the server itself opens: its files, its connections to a `JupyterHub`, the listening sockets.
const KEPT: usize = 64;
/// Kept for each core: each has threads that wait for connections and timers, with some descriptors each.
const KEPT_FOR_CORE: usize = 16;

/// Raises the limit of open files as far as the process may. Answers how many of them are for connections.
pub fn for_connections() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    // Without a limit there are as many as anybody counts.
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let connections = of(limit, available_parallelism().map_or(1, NonZero::get));
    match raised {
        Ok(()) => tracing::info!(limit, connections, before = current, "open files"),
        Err(error) => tracing::warn!(%error, limit, connections, "the limit of open files cannot be raised"),
    }
    connections
}

/// How many of so many descriptors are for connections: half at least.
fn of(limit: usize, cores: usize) -> usize {
    limit - (KEPT + KEPT_FOR_CORE * cores).min(limit / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_kept_for_the_server_itself_but_not_most_of_few() {
        assert_eq!([of(100, 4), of(1024, 4), of(524_288, 64)], [50, 896, 523_200]);
        assert!(of(usize::MAX, 2) > 1 << 40);
    }

    #[test]
    fn the_limit_is_as_high_as_it_may_be() {
        let connections = for_connections();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
        assert!(current.is_none_or(|limit| connections < usize::try_from(limit).unwrap()));
    }
}
