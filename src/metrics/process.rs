//! The daemon as a process, under the names that Prometheus' own clients use.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use super::text::{Kind, Text};
use crate::clock::now;

/// When the daemon was started; the rest the kernel knows.
pub struct Process {
    /// Milliseconds since 1970.
    started: u64,
}

impl Default for Process {
    /// A process that starts now.
    fn default() -> Self {
        Process { started: now() }
    }
}

impl Process {
    pub(super) fn write(&self, text: &mut Text) {
        text.family("owl_build_info", Kind::Gauge, "The version that runs.");
        text.sample(
            "owl_build_info",
            &[("version", env!("CARGO_PKG_VERSION"))],
            1,
        );
        text.single(
            "process_start_time_seconds",
            Kind::Gauge,
            "Start of the daemon, in seconds since 1970.",
            self.started as f64 / 1e3,
        );
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            text.single(
                "process_cpu_seconds_total",
                Kind::Counter,
                "Processor time of the daemon, without that of its sandboxes.",
                seconds(usage.user_time()) + seconds(usage.system_time()),
            );
        }
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        if let Some(bytes) = resident(&status) {
            text.single(
                "process_resident_memory_bytes",
                Kind::Gauge,
                "Resident memory of the daemon, without that of its sandboxes.",
                bytes,
            );
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            text.single(
                "process_open_fds",
                Kind::Gauge,
                "Open file descriptors.",
                // Looking at them takes one.
                open.count().saturating_sub(1),
            );
        }
    }
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

/// Resident bytes from `/proc/self/status`.
fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory() {
        assert_eq!(
            resident("Name:\towl\nVmRSS:\t    6144 kB\nX:\t1\n"),
            Some(6 << 20)
        );
        assert_eq!(resident("Name:\towl\n"), None);
    }

    #[test]
    fn this_process() {
        let mut text = Text::default();
        Process::default().write(&mut text);
        let text = text.finish();
        for name in [
            "owl_build_info{version=",
            "process_start_time_seconds 1",
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_open_fds ",
        ] {
            assert!(text.lines().any(|line| line.starts_with(name)), "{text}");
        }
    }
}
