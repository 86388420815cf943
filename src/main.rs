//! Parses, runs, prints what went wrong and says so with the exit code.

use std::env;
use std::process::ExitCode;

use anyhow::{Error, Result};
use scaffold::cli::{self, PresetCommand, Request};
use scaffold::commands::{self, completions, preset};
use scaffold::core::problem::is_refusal;
use scaffold::edge::interrupt::Interrupted;
use scaffold::edge::presets;
use scaffold::edge::report;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => explain(&error),
    }
}

fn run() -> Result<()> {
    let args = env::args_os().collect();
    if let Some(shell) = env::var_os(completions::ASKING_SHELL) {
        return completions::answer(&shell, args);
    }
    match cli::parse(args, presets::load)? {
        Request::New(args, preset) => commands::new::run(&args, &preset),
        Request::Verify(args, preset) => commands::verify::run(&args, &preset),
        Request::Completions(shell) => completions::run(shell),
        Request::Man(directory, command) => commands::man::run(&directory, *command),
        Request::Preset(command) => run_preset(command),
    }
}

fn run_preset(command: PresetCommand) -> Result<()> {
    match command {
        PresetCommand::List { format } => preset::list::run(format),
        PresetCommand::Show { preset, format } => preset::show::run(&preset, format),
        PresetCommand::Check { preset, format } => preset::check::run(&preset, format),
        PresetCommand::Schema => preset::schema::run(),
        PresetCommand::New {
            name,
            extends,
            into,
        } => preset::new::run(&name, extends.as_deref(), into.as_deref()),
        PresetCommand::Dev {
            directory,
            out,
            with,
        } => preset::dev::run(&directory, &out, &with),
        PresetCommand::Lock { directory, update } => preset::lock::run(&directory, update),
        PresetCommand::Test(args) => preset::test::run(&args),
        PresetCommand::Price { directory } => preset::price::run(&directory),
    }
}

/// Prints an error with what caused it, and then the ways out.
fn explain(error: &Error) -> ExitCode {
    if let Some(error) = error.downcast_ref::<clap::Error>() {
        // `--help` and `--version` come this way, too. Nobody is left to hear that it can't be printed.
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    report::say(&report::explain(error));
    if error.chain().any(|cause| cause.is::<Interrupted>()) {
        ExitCode::from(130)
    } else if is_refusal(error) {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}
