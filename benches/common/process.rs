//! What this process uses, as Linux counts it.

/// Seconds of CPU that all threads of this process used so far, those that ended too.
pub fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    // The program's name, in brackets, may contain anything. User and system time are fields 14 and 15 of proc(5), in
    // ticks of 10 ms.
    let after_name = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// Resident memory of this process, in KB.
pub fn resident_kb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
