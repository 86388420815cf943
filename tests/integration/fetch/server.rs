//! Real servers, on a port of this machine that was free: they are started by a test, and end with it.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Seen, Test};

/// Longer than a server takes to start, and shorter than a developer's patience.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that runs.
pub struct Server {
    process: Child,
    pub port: u16,
}

impl Server {
    /// Starts a server that takes its configuration from `../server/NAME.conf`, which is made for its port.
    pub fn start(
        test: &Test,
        program: &Path,
        args: &[&str],
        configuration: impl Fn(u16) -> String,
    ) -> Server {
        let name = program.file_name().unwrap().to_str().unwrap();
        let path = format!("../server/{name}.conf");
        let log = test.dir().join(format!("../server/{name}.log"));
        let start = Instant::now();
        loop {
            let port = free_port();
            test.write(&path, &configuration(port));
            let process = Command::new(program)
                .args(args)
                .arg(test.dir().join(&path))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(File::create(&log).unwrap())
                .spawn()
                .unwrap();
            let mut server = Server { process, port };
            // Its port may be somebody else's by now; then it ends.
            while server.process.try_wait().unwrap().is_none() {
                if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                    return server;
                }
                thread::sleep(Duration::from_millis(5));
            }
            let said = fs::read_to_string(&log).unwrap();
            assert!(start.elapsed() < PATIENCE, "`{name}` ends: {said}");
        }
    }

    /// What was seen, without the address.
    pub fn hide(&self, mut seen: Seen) -> Seen {
        for text in [&mut seen.stdout, &mut seen.stderr] {
            *text = text
                .replace(&format!("127.0.0.1:{}", self.port), "[HOST]")
                .replace("127.0.0.1", "[HOST]");
        }
        seen
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nobody has at the moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Where a program is that a test can't do without, if it is there. Where changes are checked, it has to be.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap();
    // Servers are where only root looks.
    let directories = env::split_paths(&path).chain(["/usr/sbin".into()]);
    let found = directories
        .map(|directory| directory.join(program))
        .find(|path| path.is_file());
    assert!(
        found.is_some() || env::var_os("CI").is_none(),
        "there is no `{program}`"
    );
    if found.is_none() {
        eprintln!("left out: there is no `{program}`");
    }
    found
}

/// Adds to git's configuration of the user.
pub fn configure(test: &Test, settings: &str) {
    let configuration = test.read("../home/.gitconfig");
    test.write("../home/.gitconfig", &format!("{configuration}{settings}"));
}

/// Runs a command in the directory of the servers' files, and answers what it prints.
pub fn run(test: &Test, line: &[&str]) -> String {
    let directory = test.dir().join("../server");
    fs::create_dir_all(&directory).unwrap();
    let output = Command::new(line[0])
        .args(&line[1..])
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{line:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
