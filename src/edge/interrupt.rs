//! Ctrl-C, SIGTERM and a closed terminal: noted when they come, obeyed where nothing is left half-done.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// A signal has no owner to pass it on: it is the process that is told to stop.
static STOP: AtomicBool = AtomicBool::new(false);

/// Whether the main thread may be waiting for a key.
static ASKING: AtomicBool = AtomicBool::new(false);

/// What becomes of what the program did.
static LEFT: OnceLock<&str> = OnceLock::new();

/// Somebody told the program to stop.
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = LEFT.get().copied().unwrap_or("nothing was written");
        write!(f, "interrupted, {left}")
    }
}

impl std::error::Error for Interrupted {}

/// Lets signals wait for the next [`check`] instead of ending the program on the spot, from the first call on.
pub fn watch() -> Result<()> {
    static WATCHING: OnceLock<()> = OnceLock::new();
    if WATCHING.set(()).is_err() {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        STOP.store(true, Ordering::Relaxed);
        // A signal ends the wait for a key, but not if it came just before the wait began.
        while ASKING.load(Ordering::Relaxed) {
            repeat();
            thread::sleep(Duration::from_millis(20));
        }
    })
    .context("signals can't be handled")
}

/// Says what an interrupt leaves, where that is not nothing.
pub fn leave(what: &'static str) {
    // The first one holds: there is one command to a process.
    let _ = LEFT.set(what);
}

/// Does what may wait for a key.
pub fn while_asking<T>(ask: impl FnOnce() -> T) -> T {
    ASKING.store(true, Ordering::Relaxed);
    let answer = ask();
    ASKING.store(false, Ordering::Relaxed);
    answer
}

/// Fails if a signal came.
pub fn check() -> Result<(), Interrupted> {
    match STOP.load(Ordering::Relaxed) {
        true => Err(Interrupted),
        false => Ok(()),
    }
}

#[cfg(unix)]
fn repeat() {
    use rustix::process::{Signal, getpid, kill_process};
    // The process can always send itself a signal.
    let _ = kill_process(getpid(), Signal::INT);
}

/// On Windows the console itself hands Ctrl-C to whoever reads a key.
#[cfg(not(unix))]
fn repeat() {}
