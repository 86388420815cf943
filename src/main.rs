//! Parses, runs, prints what went wrong and says so with the exit code.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Error, Result};
use scaffold::cli::{self, PresetCommand, Request};
use scaffold::commands::{self, completions};
use scaffold::interrupt::Interrupted;
use scaffold::refusal::Refusal;
use scaffold::report;

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
    match cli::parse(args)? {
        Request::New(args, preset) => commands::new::run(&args, &preset),
        Request::Verify(args, preset) => commands::verify::run(&args, &preset),
        Request::Completions(shell) => completions::run(shell),
        Request::Man(directory, command) => commands::man::run(&directory, *command),
        Request::Preset(PresetCommand::List { format }) => commands::preset::list(format),
        Request::Preset(PresetCommand::Show { preset, format }) => {
            commands::preset::show(&preset, format)
        }
        Request::Preset(PresetCommand::Check { preset, format }) => {
            commands::preset::check(&preset, format)
        }
        Request::Preset(PresetCommand::Schema) => commands::preset::schema(),
        Request::Preset(PresetCommand::New {
            name,
            extends,
            into,
        }) => commands::preset::create(&name, extends.as_deref(), into.as_deref()),
        Request::Preset(PresetCommand::Dev {
            directory,
            out,
            with,
        }) => commands::preset::dev(&directory, &out, &with),
        Request::Preset(PresetCommand::Lock { directory, update }) => {
            commands::preset::lock(&directory, update)
        }
        Request::Preset(PresetCommand::Test(args)) => commands::preset::test(&args),
        Request::Preset(PresetCommand::Price { directory }) => commands::preset::price(&directory),
    }
}

/// Prints an error with what caused it, and then the ways out.
fn explain(error: &Error) -> ExitCode {
    if let Some(error) = error.downcast_ref::<clap::Error>() {
        // `--help` and `--version` come this way, too. Nobody is left to hear that it can't be printed.
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    // Nobody is left to hear that stderr is closed.
    let _ = io::stderr().write_all(report::explain(error).as_bytes());
    if error.chain().any(|cause| cause.is::<Interrupted>()) {
        ExitCode::from(130)
    } else if error.chain().any(|cause| cause.is::<Refusal>()) {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}
