//! What the operating system knows of this process.

use std::fs;
use std::time::Duration;

/// The readings of one moment.
pub struct ProcessStatus {
    /// In bytes.
    pub resident_memory: u64,
    /// How long all threads have run since the start, but for the kernel's part.
    pub cpu_user: Duration,
    /// The kernel's part of it.
    pub cpu_system: Duration,
    pub open_descriptors: usize,
}

/// How many parts of a second the times of `/proc` are counted in: `USER_HZ`, which
/// Linux has as 100 wherever this program is built for.
const TICKS: u64 = 100;

impl ProcessStatus {
    /// Reads it, on Linux only.
    pub fn read() -> Option<ProcessStatus> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // One of them is open for the reading itself.
        let open_descriptors = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
        let resident_memory = resident_memory(&status)?;
        let [cpu_user, cpu_system] = cpu(&stat)?;
        Some(ProcessStatus { resident_memory, cpu_user, cpu_system, open_descriptors })
    }
}

/// From the line `VmRSS:     1234 kB`.
fn resident_memory(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The times in user and in kernel mode are fields 14 and 15; the second, the name of
/// the program, may have spaces and brackets in it.
fn cpu(stat: &str) -> Option<[Duration; 2]> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut ticks = after_name.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    let mut time = || Some(Duration::from_millis(ticks.next()?.ok()? * 1_000 / TICKS));
    Some([time()?, time()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_past_any_name_of_the_program() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 25 0 0 20 0 3 0 1 2 3";
        assert_eq!(cpu(stat), Some([1_500, 250].map(Duration::from_millis)));
    }

    #[test]
    fn memory_is_told_in_bytes() {
        assert_eq!(resident_memory("Name:\ta\nVmRSS:\t    1234 kB\nVmHWM: 1 kB"), Some(1_263_616));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_descriptors() {
        let status = ProcessStatus::read().expect("it is Linux");
        assert!(status.resident_memory > 100_000);
        assert!(status.open_descriptors >= 3);
    }
}
