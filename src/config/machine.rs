//! How much memory this process may take of the machine: what it has, and what its control group lets it have.

use std::{fs, path::Path};

/// What is taken of a machine that does not say how much memory it has.
const UNKNOWN: u64 = 1 << 30;

/// The smaller of the machine's memory and the limit of the control group (version 1 or 2) that this process is in, in bytes.
pub fn memory() -> u64 {
    memory_below(Path::new("/"))
}

/// The same of a machine whose files are below a folder.
fn memory_below(root: &Path) -> u64 {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let group = of_groups(&read("proc/self/cgroup"), |path| fs::read_to_string(root.join(path)).ok());
    let machine = of_machine(&read("proc/meminfo"));
    machine.into_iter().chain(group).min().unwrap_or(UNKNOWN)
}

/// The machine's, as `/proc/meminfo` tells it.
fn of_machine(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// The smallest limit of the groups that `/proc/self/cgroup` names and of those around them. A container may see its own group as the
/// topmost.
fn of_groups(groups: &str, read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let mut least = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(mut group)) = (fields.next(), fields.next()) else { continue };
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            named if named.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        loop {
            group = group.trim_end_matches('/');
            // `max` is no number: there is no limit.
            let limit = read(&format!("{mount}{group}/{file}")).and_then(|text| text.trim().parse().ok());
            least = least.into_iter().chain(limit).min();
            let Some(around) = group.rfind('/') else { break };
            group = &group[..around];
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       16384 kB\nMemFree:        1000 kB\n";

    fn limit(groups: &str, files: &[(&str, &str)]) -> Option<u64> {
        let read =
            |path: &str| files.iter().find(|(known, _)| *known == path).map(|(_, text)| (*text).to_owned());
        of_groups(groups, read)
    }

    #[test]
    fn the_machines_memory_is_what_it_says() {
        assert_eq!(of_machine(MEMINFO), Some(16 << 20));
        assert_eq!(of_machine("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn the_smallest_limit_of_the_groups_around_counts_in_both_versions() {
        let second = "0::/system.slice/framehub.service\n";
        let of = |own: &'static str, slice: &'static str| {
            limit(
                second,
                &[
                    ("sys/fs/cgroup/system.slice/framehub.service/memory.max", own),
                    ("sys/fs/cgroup/system.slice/memory.max", slice),
                ],
            )
        };
        assert_eq!(of("1000\n", "max\n"), Some(1000));
        assert_eq!(of("max\n", "500\n"), Some(500));
        assert_eq!(of("max\n", "max\n"), None);
        assert_eq!(limit("0::/\n", &[("sys/fs/cgroup/memory.max", "2048\n")]), Some(2048));
        let first = "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n";
        let file = "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes";
        assert_eq!(limit(first, &[(file, "4096\n")]), Some(4096));
        // Within the container.
        let file = "sys/fs/cgroup/memory/memory.limit_in_bytes";
        assert_eq!(limit(first, &[(file, "8192\n")]), Some(8192));
        assert_eq!(limit("nonsense\n1:\n", &[]), None);
    }

    #[test]
    fn this_machine_has_some_and_one_that_says_nothing_is_taken_to_have_little() {
        assert!(memory() > 64 << 20);
        assert_eq!(memory_below(Path::new("/nowhere/at/all")), UNKNOWN);
    }
}
