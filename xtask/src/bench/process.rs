//! What `/proc` says about a process: memory, CPU time (proc_pid_status(5), proc_pid_stat(5), proc_pid_schedstat).
//! Linux only, as the limits are.

use std::{fs, process::Command};

use crate::Failure;

/// Memory of a process in MiB.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    /// Resident now.
    pub(super) resident: f64,
    /// The most ever resident.
    pub(super) peak: f64,
    /// Resident now without the pages of files (the binary itself).
    pub(super) anonymous: f64,
}

impl Memory {
    /// Of a living process.
    pub(super) fn of(pid: u32) -> Result<Self, Failure> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let mebibytes = |field: &str| {
            status
                .lines()
                .find_map(|line| {
                    line.strip_prefix(field)?.strip_prefix(':')?.trim().strip_suffix(" kB")?.parse::<f64>().ok()
                })
                .map(|kibibytes| kibibytes / 1024.0)
                .ok_or_else(|| format!("/proc/{pid}/status has no {field}"))
        };
        Ok(Self { resident: mebibytes("VmRSS")?, peak: mebibytes("VmHWM")?, anonymous: mebibytes("RssAnon")? })
    }
}

/// CPU time of a living process' living threads in nanoseconds; exact, where `stat` counts ticks of 10 ms.
pub(super) fn threads_cpu_nanos(pid: u32) -> Result<u64, Failure> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the reading.
        let Ok(line) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        sum += line.split_whitespace().next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(sum)
}

/// CPU time of a living process in seconds, ended threads included, in ticks of 10 ms.
pub(super) fn cpu_seconds(pid: u32) -> Result<f64, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold spaces; user and system time are the 12th and 13th field after it.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / 100.0)
}

/// CPU time of this process in seconds, ended threads included, to the nanosecond.
pub(super) fn own_cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Takes the developer's own settings out of a command's environment: what is measured is the configuration given to it.
pub(super) fn forget_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["SENTRY_", "WATCHPOST_", "OTEL_"].iter().any(|prefix| text.starts_with(prefix)) || text == "DO_NOT_TRACK" {
            command.env_remove(&name);
        }
    }
}

/// How busy the machine is: the load average of the last minute.
pub(super) fn load_average() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// The machine in words.
pub(super) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores, {} {}", std::env::consts::OS, std::env::consts::ARCH)
}
