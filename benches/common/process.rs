//! What this process uses, as Linux counts it.

use rustix::time::{ClockId, clock_gettime};

/// Seconds of CPU that all threads of this process used so far, those that ended too.
#[expect(clippy::cast_precision_loss, reason = "less than a second in nanoseconds")]
pub fn cpu_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

/// Resident memory of this process, in KB.
pub fn resident_kb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
