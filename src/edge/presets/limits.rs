//! A preset's files on their way in, from a directory or a repository: what is too many, too large or no text is refused
//! before it is read.

use std::borrow::Cow;

use anyhow::{Result, anyhow, ensure};

use crate::core::preset::{Files, SNAPSHOTS};
use crate::core::problem::{OrProblem, Problem};
use crate::core::tree::MAX_PATH;

/// Files that a preset may have.
const MAX_FILES: usize = 5_000;
/// Bytes that one of them may have.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes that all of them may have; a wrong directory is found out before it is read.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// The place of what is wrong with a preset as a whole: there is no end of it that anybody could wait for.
pub const WHOLE: &str = ".";

/// The files that have come so far.
#[derive(Debug)]
pub struct Incoming<'a> {
    preset: &'a str,
    count: usize,
    bytes: u64,
    files: Files,
}

impl<'a> Incoming<'a> {
    /// No file yet of the preset that users call so.
    pub fn new(preset: &'a str) -> Incoming<'a> {
        Incoming {
            preset,
            count: 0,
            bytes: 0,
            files: Files::new(),
        }
    }

    /// Announces a file, and so asks whether there is room for it.
    pub fn announce(&mut self, path: &str, bytes: u64) -> Result<()> {
        self.check(path, bytes)?;
        let preset = self.preset;
        self.count += 1;
        self.bytes += bytes;
        let too_much = if self.count > MAX_FILES {
            format!("has more than {MAX_FILES} files")
        } else if self.bytes > MAX_BYTES {
            format!("is larger than {MAX_BYTES} bytes")
        } else {
            return Ok(());
        };
        let help = "is it the right directory?";
        let what = format!("the preset `{preset}` {too_much}");
        Err(Problem::in_file(WHOLE, what).help(help).into())
    }

    /// Asks whether a file could be one of a preset at all, however many there are.
    pub fn check(&self, path: &str, bytes: u64) -> Result<()> {
        let preset = self.preset;
        ensure!(
            path.chars().count() <= MAX_PATH,
            Problem::new(format!(
                "the preset `{preset}` has a path of more than {MAX_PATH} characters: `{}...`",
                path.chars().take(60).collect::<String>()
            ))
            .help("some systems can't have it: shorten it")
        );
        ensure!(
            bytes <= MAX_FILE_BYTES,
            Problem::new(format!(
                "`{path}` of the preset `{preset}` is larger than {MAX_FILE_BYTES} bytes"
            ))
            .help("a preset is text: keep what is large somewhere else")
        );
        Ok(())
    }

    /// Takes a file that was announced.
    pub fn take(&mut self, path: String, bytes: Vec<u8>) -> Result<()> {
        let text = String::from_utf8(bytes).or_problem(|| {
            let what = format!("`{path}` of the preset `{}` is not text", self.preset);
            Problem::new(what).help("a preset holds nothing but text in UTF-8")
        })?;
        self.files.insert(Cow::Owned(path), Cow::Owned(text));
        Ok(())
    }

    /// All that came.
    pub fn into_files(self) -> Files {
        self.files
    }
}

/// Whether a path is not the preset's but its repository's, such as `.github/ci.yml`: it stands in a hidden directory
/// beside the layers, or in that of the author's snapshots.
pub fn belongs_to_the_repository(path: &str) -> bool {
    let directory = path.split_once('/').map(|(directory, _)| directory);
    directory.is_some_and(|directory| directory.starts_with('.') || directory == SNAPSHOTS)
}

/// What a link in a preset is told.
pub fn refuse_link(path: &str) -> anyhow::Error {
    anyhow!(
        Problem::new(format!("the preset has a link: `{path}`")).help("put the file itself there")
    )
}
