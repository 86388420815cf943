//! A service as a process: how long it takes to start, what CPU time and memory it takes.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, PipeReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::time::ClockId;
use nix::unistd::Pid;

/// The longest that a start or one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The pause between two questions whether it serves.
const PAUSE: Duration = Duration::from_micros(200);

/// How long is looked at what else the machine does.
const BUSY_TIME: Duration = Duration::from_secs(3);

/// How much of what it printed is shown where it failed.
const SHOWN_BYTES: usize = 4 * 1024;

/// A running service. It ends with this value.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    /// From before it was spawned to the first 200.
    pub start: Duration,
    log: Log,
}

/// In MiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub resident: f64,
    /// The most that was resident so far.
    pub peak: f64,
}

impl Process {
    /// Starts a command with nothing in its environment but these variables and where to listen, and waits until it
    /// serves.
    pub fn start(
        mut command: Command,
        variables: &[(&str, String)],
        directory: &Path,
    ) -> Result<Process> {
        let address = free_address()?;
        let (reader, writer) = io::pipe()?;
        command
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .env("HTTP_ADDR", address.to_string())
            .env("ADMIN_ADDR", free_address()?.to_string())
            .current_dir(directory)
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let started = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start `{}`", command.get_program().display()))?;
        // It holds the ends of the pipe that are the child's.
        drop(command);
        let mut process = Process {
            child,
            address,
            start: Duration::ZERO,
            log: Log::keep(reader),
        };
        while !get(address, "/health").is_ok_and(|(status, _)| status == 200) {
            if let Some(status) = process.child.try_wait()? {
                bail!("it ended at once, {status}{}", process.last_words());
            }
            if started.elapsed() > PATIENCE {
                bail!("it does not serve{}", process.last_words());
            }
            thread::sleep(PAUSE);
        }
        process.start = started.elapsed();
        Ok(process)
    }

    /// The CPU time of all its threads, those that have ended among them.
    pub fn cpu(&self) -> Result<Duration> {
        cpu(self.pid())
    }

    pub fn memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        Ok(Memory {
            resident: mebibytes(&status, "VmRSS:")?,
            peak: mebibytes(&status, "VmHWM:")?,
        })
    }

    /// What it printed at last, as a part of a sentence.
    pub fn last_words(&self) -> String {
        match self.log.end().trim() {
            "" => String::new(),
            words => format!(", after it printed\n{words}\n"),
        }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of what is printed. It goes through a pipe that is read all the time, as that of a container is: a service
/// that writes a line for each request pays what that costs.
struct Log(Arc<Mutex<VecDeque<u8>>>);

impl Log {
    fn keep(mut reader: PipeReader) -> Log {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let log = Log(Arc::clone(&kept));
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let shown = &buffer[count.saturating_sub(SHOWN_BYTES)..count];
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let spare = (kept.len() + shown.len()).saturating_sub(SHOWN_BYTES);
                kept.drain(..spare);
                kept.extend(shown);
            }
        });
        log
    }

    fn end(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(kept.make_contiguous()).into_owned()
    }
}

fn cpu(process: Pid) -> Result<Duration> {
    Ok(ClockId::pid_cpu_clock_id(process)?.now()?.into())
}

/// One line of `/proc/PID/status`, which is in KiB.
fn mebibytes(status: &str, name: &str) -> Result<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    let kibibytes = number.with_context(|| format!("the system does not say `{name}`"))?;
    Ok(kibibytes / 1024.0)
}

/// What part of the cores' time is used now, by whatever runs on this machine.
pub fn busy() -> Result<f64> {
    let (used, all) = ticks(&fs::read_to_string("/proc/stat")?)?;
    thread::sleep(BUSY_TIME);
    let (used_after, all_after) = ticks(&fs::read_to_string("/proc/stat")?)?;
    Ok((used_after - used) / (all_after - all).max(1.0))
}

/// How much time of the cores was used so far, and how much there was.
fn ticks(stat: &str) -> Result<(f64, f64)> {
    let line = stat
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("cpu "));
    let line = line.context("the system does not say what its cores do")?;
    let times: Vec<f64> = line
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    // user nice system idle iowait irq softirq steal; what follows is part of the first two.
    let times = times
        .get(..8)
        .context("the system does not say enough of its cores")?;
    let all: f64 = times.iter().sum();
    Ok((all - times[3] - times[4], all))
}

/// An address that nobody listens on now.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Asks once, on a connection of its own: the status and the body.
pub fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no whole answer")?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Ok((status.context("no status")?, body.to_owned()))
}

/// What a command prints.
///
/// # Errors
///
/// All that it said, unless it succeeds.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run `{}`", command.get_program().display()))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed, {}\n{printed}{said}", output.status);
    }
    Ok(printed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_time_of_a_process_has_that_of_threads_that_have_ended() {
        let burn = || {
            let clock = ClockId::CLOCK_THREAD_CPUTIME_ID;
            while Duration::from(clock.now().unwrap()) < Duration::from_millis(50) {}
        };
        thread::spawn(burn).join().unwrap();
        assert!(cpu(Pid::this()).unwrap() >= Duration::from_millis(50));
    }

    #[test]
    fn waiting_is_not_counted_as_work() {
        let stat = "cpu  10 1 5 70 4 1 2 7 3 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(ticks(stat).unwrap(), (26.0, 100.0));
        assert!(ticks("cpu  1 2 3\n").is_err());
    }

    #[test]
    fn the_memory_is_that_of_the_line() {
        let status = "Name:\tx\nVmHWM:\t    3072 kB\nVmRSS:\t    2048 kB\n";
        assert_eq!(mebibytes(status, "VmRSS:").unwrap(), 2.0);
        assert_eq!(mebibytes(status, "VmHWM:").unwrap(), 3.0);
        assert!(mebibytes(status, "VmSwap:").is_err());
    }
}
