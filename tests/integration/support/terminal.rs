//! Programs that want a terminal get one here.

use std::io::{BufReader, Read, Write};
use std::mem;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Test;

/// Longer than anything here takes, and shorter than a developer's patience.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A program on a terminal of its own, and what that terminal shows.
pub struct Terminal {
    script: Child,
    shown: std::sync::mpsc::Receiver<u8>,
    text: String,
}

impl Terminal {
    /// `script` is on every Debian; it gives its child a terminal and hands on the exit code.
    pub fn open(test: &Test, line: &str) -> Terminal {
        let mut script = Command::new("script");
        test.at_home(script.args(["--quiet", "--return", "--command", line, "/dev/null"]));
        let mut script = script
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, shown) = std::sync::mpsc::channel();
        let stdout = script.stdout.take().unwrap();
        thread::spawn(move || {
            BufReader::new(stdout)
                .bytes()
                .map_while(Result::ok)
                .try_for_each(|byte| sender.send(byte))
        });
        Terminal {
            script,
            shown,
            text: String::new(),
        }
    }

    pub fn wait_for(&mut self, what: &str) {
        let start = Instant::now();
        while !self.text.contains(what) {
            assert!(
                start.elapsed() < PATIENCE,
                "waited in vain for {what:?} in {:?}",
                self.text
            );
            if let Ok(byte) = self.shown.recv_timeout(Duration::from_millis(50)) {
                self.text.push(byte as char);
            }
        }
    }

    /// Forgets what was shown so far.
    pub fn forget(&mut self) {
        self.text.clear();
    }

    pub fn press(&mut self, keys: &str) {
        self.script
            .stdin
            .as_mut()
            .unwrap()
            .write_all(keys.as_bytes())
            .unwrap();
    }

    /// The exit code, and all that was shown since the last wait.
    pub fn close(mut self) -> (Option<i32>, String) {
        let mut status = None;
        wait_until("the program to end", || {
            status = self.script.try_wait().unwrap();
            status.is_some()
        });
        let code = status.unwrap().code();
        self.text.clear();
        self.text.extend(self.shown.iter().map(|byte| byte as char));
        (code, mem::take(&mut self.text))
    }
}

/// A test that fails leaves nobody behind: what runs on a terminal ends with it.
impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}
