//! `scaffold completions`: the script with which a shell asks this program how a command line goes on, and the answers.
//!
//! Nothing of a preset is in the script: what its author writes is data to the program, and would be code to a shell.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind, IsTerminal, Write};

use anyhow::{Context, Result};
use clap_complete::Shell;
use clap_complete::env::{EnvCompleter, Shells};

use crate::cli;
use crate::core::problem::Problem;
use crate::edge::presets;
use crate::edge::report::say;

/// The variable with which the script says which shell asks.
pub const ASKING_SHELL: &str = "SCAFFOLD_COMPLETE";

/// The script for bash: that of clap_complete knows nothing of `--database=po`.
const BASH: &str = include_str!("completions.bash");

/// Prints the script on stdout. To whoever looks at it, says on stderr where it belongs.
pub fn run(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    match shell {
        Shell::Bash => script.extend_from_slice(BASH.as_bytes()),
        shell => {
            let [name, program, completer] = ["scaffold"; 3];
            let shell = completer_of(&shell.to_string())?;
            shell.write_registration(ASKING_SHELL, name, program, completer, &mut script)?;
        }
    }
    print(&script)?;
    if io::stdout().is_terminal() {
        say(&format!("help: {}\n", place(shell)));
    }
    Ok(())
}

/// Answers a shell's question: what may stand next in the words after `--`.
pub fn answer(shell: &OsStr, args: Vec<OsString>) -> Result<()> {
    let shell = completer_of(&shell.to_string_lossy())?;
    let words: Vec<_> = args
        .into_iter()
        .skip_while(|arg| arg != "--")
        .skip(1)
        .collect();
    let directory = env::current_dir().ok();
    let mut answer = Vec::new();
    let mut command = cli::begun(&words, |preset| {
        // Who types it waits for no network: a preset that is not on this machine yet, or not typed to its end, has no
        // choices to complete, and those of the default are there instead.
        presets::load_kept(preset).or_else(|_| presets::load(presets::DEFAULT))
    })?;
    shell.write_complete(&mut command, words, directory.as_deref(), &mut answer)?;
    print(&answer)
}

fn completer_of(shell: &str) -> Result<&'static dyn EnvCompleter> {
    const SHELLS: &Shells<'static> = &Shells::builtins();
    let completer = SHELLS.completer(shell);
    let unknown = || {
        Problem::refusal(format!(
            "the variable `{ASKING_SHELL}` has no option `{shell}`"
        ))
    };
    completer.ok_or_else(|| unknown().help(format!("unset `{ASKING_SHELL}`")).into())
}

/// Prints what a shell reads, byte for byte.
fn print(text: &[u8]) -> Result<()> {
    match io::stdout().write_all(text) {
        // Whoever read it has had enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("stdout can't be written"),
    }
}

/// The line that a shell reads when it starts, so that the script is always that of the program in use.
fn place(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => "put `eval \"$(scaffold completions bash)\"` into `~/.bashrc`",
        Shell::Elvish => {
            "put `eval (scaffold completions elvish | slurp)` into `~/.config/elvish/rc.elv`"
        }
        Shell::Fish => {
            "put `scaffold completions fish | source` into `~/.config/fish/completions/scaffold.fish`"
        }
        Shell::PowerShell => {
            "put `scaffold completions powershell | Out-String | Invoke-Expression` into the file that `$PROFILE` names"
        }
        Shell::Zsh => {
            "put `eval \"$(scaffold completions zsh)\"` into `~/.zshrc`, after `compinit`"
        }
        _ => "have your shell read it when it starts",
    }
}
