//! Ctrl-C, SIGTERM and a closed terminal: noted when they come, obeyed where nothing is left half-done.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// A signal has no owner to pass it on: it is the process that is told to stop.
static STOP: AtomicBool = AtomicBool::new(false);

/// Somebody told the program to stop.
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted, nothing was written")
    }
}

impl std::error::Error for Interrupted {}

/// Lets signals wait for the next [`check`] instead of ending the program on the spot.
pub fn watch() -> Result<()> {
    ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed)).context("signals can't be handled")
}

/// Fails if a signal came.
pub fn check() -> Result<(), Interrupted> {
    match STOP.load(Ordering::Relaxed) {
        true => Err(Interrupted),
        false => Ok(()),
    }
}
