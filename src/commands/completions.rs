//! `scaffold completions`: the script that completes command lines, for the choices of the preset in use.

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};
use clap_complete::Shell;

/// Prints the script on stdout, and on stderr where it belongs.
pub fn run(shell: Shell, mut command: clap::Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "scaffold", &mut script);
    match io::stdout().write_all(&script) {
        // Whoever read it has had enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.context("stdout can't be written")?,
    }
    eprintln!("help: {}", place(shell));
    Ok(())
}

fn place(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => "put it into `~/.local/share/bash-completion/completions/scaffold`",
        Shell::Elvish => {
            "put it into `~/.config/elvish/lib/scaffold.elv`, and `use scaffold` into `rc.elv`"
        }
        Shell::Fish => "put it into `~/.config/fish/completions/scaffold.fish`",
        Shell::PowerShell => "append it to the file that `$PROFILE` names",
        Shell::Zsh => "put it into a file `_scaffold` in a directory of `$fpath`",
        _ => "put it where your shell looks for completions",
    }
}
