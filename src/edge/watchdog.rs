//! Renders what nobody has to trust: ends the program where a preset keeps it busy. The engine counts what a template does,
//! but not all of it, and nothing can stop a thread that is in the middle of a list of lists of lists.

use std::io::{self, Write};
use std::process;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::core::answers::Answers;
use crate::core::preset::Preset;
use crate::core::render;
use crate::core::tree::Tree;
use crate::edge::interrupt;

/// How often to look.
const LOOK: Duration = Duration::from_millis(20);

/// What templates may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    time: Duration,
    /// Bytes that the program may have in memory meanwhile.
    memory: u64,
}

/// A hundred times of the time and ten times of the memory that a large preset takes. A list that grows takes twice as much
/// again while it moves, which has to fit into a machine with little memory, too.
const OF_A_PROJECT: Limits = Limits {
    time: Duration::from_secs(20),
    memory: 256 * 1024 * 1024,
};
/// What many projects may take longer than one, for each of them.
const MORE_TIME: Duration = Duration::from_secs(1);

/// Renders a project. Nothing may be half-written at that time.
pub fn render(preset: &Preset, answers: &Answers) -> Result<Tree> {
    watch(OF_A_PROJECT, || render::render(preset, answers))
}

/// Renders the `Cargo.toml` of a project. Nothing may be half-written at that time.
pub fn render_manifest(preset: &Preset, answers: &Answers) -> Result<String> {
    watch(OF_A_PROJECT, || render::render_manifest(preset, answers))
}

/// Does what renders so many projects. Nothing may be half-written at that time.
pub fn while_rendering<T>(projects: usize, work: impl FnOnce() -> T) -> T {
    let more = u32::try_from(projects).unwrap_or(u32::MAX);
    let time = OF_A_PROJECT.time + MORE_TIME * more;
    watch(
        Limits {
            time,
            ..OF_A_PROJECT
        },
        work,
    )
}

fn watch<T>(limits: Limits, work: impl FnOnce() -> T) -> T {
    let (done, is_done) = mpsc::channel::<()>();
    thread::spawn(move || {
        let started = Instant::now();
        while is_done.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            if let Err(interrupted) = interrupt::check() {
                give_up(&interrupted.to_string(), 130);
            }
            if started.elapsed() > limits.time {
                let seconds = limits.time.as_secs();
                give_up(
                    &format!("the templates of the preset take longer than {seconds} seconds"),
                    1,
                );
            }
            if resident().is_some_and(|bytes| bytes > limits.memory) {
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::env;
    use std::process::Command;

    use super::*;

    /// Set in the process that is to end.
    const ENDS: &str = "SCAFFOLD_TEST_OF_MEMORY";

    #[test]
    fn work_that_takes_too_much_memory_ends_the_program() {
        if env::var_os(ENDS).is_some() {
            let memory = 64 * 1024 * 1024;
            watch(
                Limits {
                    memory,
                    ..OF_A_PROJECT
                },
                || {
                    let mut taken = Vec::new();
                    for _ in 0..1024 {
                        taken.push(vec![1_u8; 1024 * 1024]);
                        thread::sleep(Duration::from_millis(1));
                    }
                },
            );
            process::exit(0);
        }
        let name = "edge::watchdog::tests::work_that_takes_too_much_memory_ends_the_program";
        let mut program = Command::new(env::current_exe().unwrap());
        program.args(["--exact", name, "--nocapture"]).env(ENDS, "");
        let output = program.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.ends_with("error: the templates of the preset take too much memory\n"),
            "{said}"
        );
    }
}
