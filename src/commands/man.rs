//! `scaffold man`: the manual, a page for each command.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::edge::report::say;

/// Writes the pages into a directory, and over those that an earlier `scaffold` wrote there.
pub fn run(directory: &Path, command: clap::Command) -> Result<()> {
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(command, directory))
        .with_context(|| format!("`{}` can't be written", directory.display()))?;
    let shown = directory.display();
    say(&format!(
        "wrote the manual to `{shown}`\nhelp: read it with `man {shown}/scaffold.1`\n"
    ));
    Ok(())
}
