//! What tests have in common: a directory of their own, the program run in it, and what they see of both.

#[cfg(target_os = "linux")]
pub mod terminal;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A directory in which the program is run, with a git configuration of its own beside it.
pub struct Test {
    root: TempDir,
}

impl Test {
    pub fn new() -> Test {
        let root = tempfile::Builder::new()
            .prefix("scaffold-test")
            .tempdir()
            .unwrap();
        fs::create_dir(root.path().join("work")).unwrap();
        fs::create_dir(root.path().join("home")).unwrap();
        fs::write(
            root.path().join("home/.gitconfig"),
            "[user]\nname = Ann\nemail = ann@example.org\n",
        )
        .unwrap();
        Test { root }
    }

    /// The directory that the program runs in.
    pub fn dir(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// The program, as a person's shell would start it.
    pub fn scaffold(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scaffold"));
        command.args(args);
        self.at_home(&mut command);
        command
    }

    /// Runs a command as in a shell of this directory.
    pub fn at_home(&self, command: &mut Command) {
        command
            .current_dir(self.dir())
            .stdin(Stdio::null())
            .env_clear()
            .env("HOME", self.root.path().join("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("PATH", std::env::var_os("PATH").unwrap());
        // Without it Windows does not start much.
        if let Some(root) = std::env::var_os("SystemRoot") {
            command.env("SystemRoot", root);
        }
    }

    /// What the program does with these arguments.
    pub fn run(&self, args: &[&str]) -> Seen {
        self.see(&mut self.scaffold(args))
    }

    /// What a command does.
    pub fn see(&self, command: &mut Command) -> Seen {
        self.seen(command.output().unwrap())
    }

    /// What a command has done.
    pub fn seen(&self, output: Output) -> Seen {
        let root = dunce::canonicalize(self.root.path()).unwrap();
        let plain = |bytes: Vec<u8>| {
            portable(&String::from_utf8(bytes).unwrap())
                .replace(&portable(root.to_str().unwrap()), "[ROOT]")
                .replace(&portable(self.root.path().to_str().unwrap()), "[ROOT]")
        };
        Seen {
            code: output.status.code(),
            stdout: plain(output.stdout),
            stderr: plain(output.stderr),
        }
    }

    /// Writes a file, and the directories above it.
    pub fn write(&self, path: &str, text: &str) -> &Test {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.dir().join(path)).unwrap()
    }

    /// Every path below the directory, hidden ones too.
    pub fn paths(&self) -> Vec<String> {
        paths(&self.dir())
    }

    /// Writes a preset with one template, for tests of what templates do.
    pub fn preset(&self, files: &[(&str, &str)]) -> &Test {
        let manifest = "name = \"house\"\ndescription = \"Ours\"\n";
        if files.iter().all(|(path, _)| *path != "preset.toml") {
            self.write("house/preset.toml", manifest);
        }
        for (path, text) in files {
            self.write(&format!("house/{path}"), text);
        }
        self
    }
}

/// Whether a program is there. Its own tests are for those machines that have it; where changes are checked, it has to be.
#[cfg(unix)]
pub fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap();
    let has = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    assert!(
        has || std::env::var_os("CI").is_none(),
        "there is no `{program}` here"
    );
    if !has {
        eprintln!("skipped: there is no `{program}` here");
    }
    has
}

/// Where cargo and rustup of the person who runs the tests are: they look for themselves in the home, which is another
/// one in a test.
pub fn cargo_home() -> Vec<(&'static str, std::ffi::OsString)> {
    let home = std::env::home_dir().unwrap();
    let at = |name, default: &str| {
        (
            name,
            std::env::var_os(name).unwrap_or_else(|| home.join(default).into()),
        )
    };
    let toolchain = std::env::var_os("RUSTUP_TOOLCHAIN").map(|name| ("RUSTUP_TOOLCHAIN", name));
    [at("CARGO_HOME", ".cargo"), at("RUSTUP_HOME", ".rustup")]
        .into_iter()
        .chain(toolchain)
        .collect()
}

/// A text with paths as it would be elsewhere than on Windows.
fn portable(text: &str) -> String {
    match cfg!(windows) {
        // JSON has two of them.
        true => text.replace(r"\\", "/").replace('\\', "/"),
        false => text.to_owned(),
    }
}

/// Every path below a directory, sorted, `/` after a directory.
pub fn paths(root: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name();
    let path = |entry: walkdir::DirEntry| {
        let path = entry.path().strip_prefix(root).unwrap();
        let path = portable(path.to_str().unwrap());
        format!(
            "{path}{}",
            if entry.file_type().is_dir() { "/" } else { "" }
        )
    };
    entries
        .into_iter()
        .map(|entry| path(entry.unwrap()))
        .collect()
}

/// What a person or a program sees of a run.
pub struct Seen {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => writeln!(f, "exit {code}")?,
            None => writeln!(f, "ended by a signal")?,
        }
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                write!(f, "--- {name}\n{text}")?;
            }
        }
        Ok(())
    }
}

/// Compares what was seen with an inline snapshot; what differs between releases of the preset is left out.
#[macro_export]
macro_rules! assert_seen {
    ($seen:expr, @$snapshot:literal) => {
        insta::with_settings!({ filters => vec![
            (r"\b\d+ files", "[N] files"),
            (r"0\.\d+\.\d+", "[VERSION]"),
        ] }, {
            insta::assert_snapshot!($seen.to_string(), @$snapshot);
        });
    };
}
