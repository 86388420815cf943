//! Load by wrk, and what came of it.
//!
//! The loop is closed: 64 clients ask again as soon as they have an answer. That is right for what is compared here, the
//! cost of a request and the most that is served; what happens past that point is asked by `tests/generated/limits`, with an
//! open loop.
//!
//! wrk has one thread, which asks more than any subject can answer, and nothing is pinned. On two cores the load generator,
//! the service and the database outnumber the cores whatever one does; a core of its own for wrk would leave the service
//! and the database the other one, and measure how those two share it. Unpinned, the system divides the cores for each
//! subject in the same way, and the CPU time per request, which the targets are about, hardly depends on it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::process;

pub const CONNECTIONS: u32 = 64;

/// What wrk says in the end.
#[derive(Debug, Deserialize)]
pub struct Load {
    pub requests: u64,
    duration_us: u64,
    /// Responses with a status of 400 or above.
    status: u64,
    connect: u64,
    read: u64,
    write: u64,
    timeout: u64,
    p50_us: u64,
    p99_us: u64,
    p999_us: u64,
}

impl Load {
    /// Asks for the paths in turn for as long.
    ///
    /// # Errors
    ///
    /// A request was answered with an error, or not at all.
    pub fn run(address: SocketAddr, paths: &[String], seconds: u32) -> Result<Load> {
        let directory = tempfile::tempdir()?;
        let list = directory.path().join("paths");
        fs::write(&list, paths.join("\n"))?;
        let mut wrk = Command::new("wrk");
        wrk.arg("--threads=1")
            .arg(format!("--connections={CONNECTIONS}"))
            .arg(format!("--duration={seconds}s"))
            .arg("--script")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/load.lua"))
            .arg(format!("http://{address}"))
            .arg("--")
            .arg(&list);
        Load::read(&process::output(&mut wrk)?)
    }

    fn read(said: &str) -> Result<Load> {
        let line = said.lines().find(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("wrk did not say what came of it:\n{said}"))?;
        let load: Load = serde_json::from_str(line)?;
        let unanswered = load.connect + load.read + load.write + load.timeout;
        ensure!(
            load.status == 0 && unanswered == 0,
            "of {} responses {} were errors; connections failed: {} to connect, {} to read, {} to write, {} in time",
            load.requests,
            load.status,
            load.connect,
            load.read,
            load.write,
            load.timeout,
        );
        ensure!(load.requests > 0, "there was no response at all");
        Ok(load)
    }

    pub fn requests_per_second(&self) -> f64 {
        self.requests as f64 / (self.duration_us as f64 / 1e6)
    }

    /// In milliseconds: half of the responses took at most as long.
    pub fn p50(&self) -> f64 {
        self.p50_us as f64 / 1e3
    }

    pub fn p99(&self) -> f64 {
        self.p99_us as f64 / 1e3
    }

    pub fn p999(&self) -> f64 {
        self.p999_us as f64 / 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u64, timeout: u64) -> String {
        format!(
            "Running 1s test\n{{\"requests\":500,\"duration_us\":2000000,\"status\":{status},\"connect\":0,\"read\":0,\
             \"write\":0,\"timeout\":{timeout},\"p50_us\":100,\"p99_us\":2500,\"p999_us\":9000}}\n"
        )
    }

    #[test]
    fn a_load_without_errors_is_read() {
        let load = Load::read(&said(0, 0)).unwrap();
        assert_eq!(load.requests_per_second(), 250.0);
        assert_eq!((load.p50(), load.p99(), load.p999()), (0.1, 2.5, 9.0));
    }

    #[test]
    fn a_load_with_one_error_is_refused() {
        let error = Load::read(&said(1, 0)).unwrap_err().to_string();
        assert!(error.contains("of 500 responses 1 were errors"), "{error}");
        assert!(Load::read(&said(0, 1)).is_err());
    }

    #[test]
    fn a_load_that_says_nothing_is_refused() {
        assert!(Load::read("unable to connect to 127.0.0.1:1").is_err());
    }
}
