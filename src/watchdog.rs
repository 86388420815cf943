//! Ends the program where a preset keeps it busy: the engine counts what a template does, but not all of it, and nothing
//! can stop a thread that is in the middle of a list of lists of lists.

use std::io::{self, Write};
use std::process;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::interrupt;

/// How long all templates of a project may take, a hundred times what those of a large preset do.
const LIMIT: Duration = Duration::from_secs(20);
/// How often to look.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes that the program may have in memory meanwhile.
const MEMORY: u64 = 768 * 1024 * 1024;

/// Does what may not end. Nothing may be half-written at that time.
pub fn watch<T>(work: impl FnOnce() -> T) -> T {
    let (done, is_done) = mpsc::channel::<()>();
    thread::spawn(move || {
        let started = Instant::now();
        while is_done.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            if let Err(interrupted) = interrupt::check() {
                give_up(&interrupted.to_string(), 130);
            }
            if started.elapsed() > LIMIT {
                let limit = LIMIT.as_secs();
                give_up(
                    &format!("the templates of the preset take longer than {limit} seconds"),
                    1,
                );
            }
            if resident().is_some_and(|bytes| bytes > MEMORY) {
                give_up("the templates of the preset take too much memory", 1);
            }
        }
    });
    let result = work();
    drop(done);
    result
}

fn give_up(what: &str, code: i32) -> ! {
    // Nobody is left to hear that stderr is closed.
    let _ = writeln!(io::stderr(), "error: {what}");
    process::exit(code)
}

/// Bytes in memory, where the system tells. A page has 4096 bytes at least.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(4096)
}
