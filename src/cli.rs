//! The command line. Its doc comments are the help.
//!
//! What is the same for every preset is derived; the choices of the preset in use become flags of their own name.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use anyhow::{Error, Result};
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use clap_complete::engine::{
    ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};

use crate::core::preset::Preset;
use crate::core::preset::choice::{Choice, Kind, NO, NONE, YES};
use crate::core::problem::{Problem, list};
use crate::edge::ask::Given;
use crate::edge::presets;
use crate::edge::report::Format;
use crate::edge::verify::Level;

/// Generates production-ready Rust services that you are glad to own.
#[derive(Debug, Parser)]
#[command(
    name = "scaffold",
    bin_name = "scaffold",
    version,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a new project.
    New(New),
    /// Proves combinations of a preset's options: generates, compiles, lints and tests them.
    Verify(Verify),
    /// Shows presets, makes and maintains them.
    #[command(subcommand)]
    Preset(PresetCommand),
    /// Prints the script with which a shell completes command lines.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Writes the manual, a page for each command.
    Man {
        /// The directory that the pages go into.
        #[arg(value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
}

/// The commands whose flags depend on a preset. `help` may be asked for one of them.
const OF_A_PRESET: &[&str] = &["new", "verify", "man", "help"];

/// What `scaffold new` was asked for.
#[derive(Debug, Args)]
pub struct New {
    /// The project's name, such as `accounts-api`.
    pub name: String,
    /// The preset: a built-in one, a directory, or GIT-URL[#REF].
    #[arg(long, default_value = presets::DEFAULT, add = preset_names())]
    pub preset: String,
    /// What the service serves, such as `accounts` [default: after the project's name].
    #[arg(long, value_name = "NAME")]
    pub resource: Option<String>,
    /// Takes the defaults instead of asking.
    #[arg(short, long)]
    pub yes: bool,
    /// The directory that becomes the project [default: ./NAME].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub into: Option<PathBuf>,
    /// Says what would be written, and writes nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Makes no git repository.
    #[arg(long)]
    pub no_git: bool,
    /// Who reads the answer: people read it on stderr, programs on stdout.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// The answers that flags gave, by the choice's name.
    #[arg(skip)]
    pub given: Given,
}

/// What `scaffold verify` was asked for.
#[derive(Debug, Args)]
pub struct Verify {
    /// The preset: a built-in one, a directory, or GIT-URL[#REF].
    #[arg(long, default_value = presets::DEFAULT, add = preset_names())]
    pub preset: String,
    /// Which combinations; all of them, where nothing says less.
    #[command(flatten)]
    pub selection: Selection,
    /// How far to take each of them.
    #[arg(long, value_enum, default_value = "check")]
    pub level: Level,
    /// Skips a combination whose tests need a server that can't be reached, instead of failing it.
    #[arg(long)]
    pub skip_unreachable: bool,
    /// Where to compile [default: below the user's cache directory].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub build_dir: Option<PathBuf>,
    /// Who reads the answer: a table for people, JSON for programs, both on stdout.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Which combinations to verify.
#[derive(Debug, Args)]
pub struct Selection {
    /// Every combination of options.
    #[arg(long, conflicts_with_all = ["pairs", "only"])]
    pub all: bool,
    /// So few combinations that every two options still stand together in one of them.
    #[arg(long)]
    pub pairs: bool,
    /// Only those with these options, of all or of the pairs; of one choice, with any of those named.
    #[arg(long, value_name = "CHOICE=OPTION", num_args = 1.., value_delimiter = ',')]
    pub only: Vec<String>,
}

/// What `scaffold preset` was asked for.
#[derive(Debug, Subcommand)]
pub enum PresetCommand {
    /// Lists the built-in presets.
    List {
        /// Who reads the answer: people or programs, both on stdout.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Shows the choices of a preset, and what each option adds.
    Show {
        /// The preset: a built-in one, a directory, or GIT-URL[#REF].
        #[arg(add = preset_names())]
        preset: String,
        /// Who reads the answer: people or programs, both on stdout.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Checks a preset without compiling anything, and tells all that is wrong with it.
    Check {
        /// The preset's directory; or a built-in one, or GIT-URL[#REF].
        #[arg(value_name = "DIR", add = preset_names())]
        preset: String,
        /// Who reads the findings: people read them on stderr, programs on stdout.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Prints the JSON Schema of `preset.toml`, with which editors complete and check it.
    Schema,
    /// Makes a preset that works, for you to change.
    New {
        /// The preset's name, such as `acme`.
        name: String,
        /// The preset that it adds to: a built-in one, a directory, or GIT-URL[#REF].
        #[arg(long, value_name = "PRESET", add = preset_names())]
        extends: Option<String>,
        /// The directory that becomes the preset [default: ./NAME].
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        into: Option<PathBuf>,
    },
    /// Renders a preset, and again whenever one of its files changes.
    Dev {
        /// The preset's directory.
        #[arg(value_hint = ValueHint::DirPath)]
        directory: PathBuf,
        /// The directory to render into.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: PathBuf,
        /// The options to render with, instead of the defaults.
        #[arg(long, value_name = "CHOICE=OPTION,...")]
        with: Vec<String>,
    },
    /// Makes the lock table, from which a project gets its Cargo.lock.
    Lock {
        /// The preset's directory.
        #[arg(value_hint = ValueHint::DirPath)]
        directory: PathBuf,
        /// Moves every dependency to its newest version.
        #[arg(long)]
        update: bool,
    },
    /// Compares what a preset gives with its snapshots, and compiles, lints and tests it.
    Test(PresetTest),
    /// Measures what each option costs, and prints the table for the README.
    Price {
        /// The preset's directory.
        #[arg(value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
}

/// What `scaffold preset test` was asked for.
#[derive(Debug, Args)]
pub struct PresetTest {
    /// The preset's directory. Its snapshots are in `snapshots/`, and have everything but `Cargo.lock`.
    #[arg(value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
    /// Writes the snapshots anew, as what is right from now on.
    #[arg(long)]
    pub accept: bool,
    /// How far to take each combination: all of them, or pairs where there are more than 64.
    #[arg(long, value_enum, default_value = "test")]
    pub level: Level,
    /// Compiles only combinations with these options; of one choice, with any of those named. All snapshots are compared.
    #[arg(long, value_name = "CHOICE=OPTION", num_args = 1.., value_delimiter = ',')]
    pub only: Vec<String>,
    /// Turns round each condition of the preset's own templates, and reports those that no snapshot needs.
    #[arg(long)]
    pub mutate: bool,
    /// Skips a combination whose tests need a server that can't be reached, instead of failing it.
    #[arg(long)]
    pub skip_unreachable: bool,
    /// Where to compile [default: below the user's cache directory].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub build_dir: Option<PathBuf>,
    /// Who reads the answer: a table for people, JSON for programs, both on stdout.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// A command line that was understood.
#[derive(Debug)]
pub enum Request {
    /// `scaffold new`, with the preset that its flags belong to.
    New(Box<New>, Box<Preset>),
    /// `scaffold verify`, with the preset that it verifies.
    Verify(Box<Verify>, Box<Preset>),
    /// `scaffold preset`.
    Preset(PresetCommand),
    /// `scaffold completions`.
    Completions(Shell),
    /// `scaffold man`, with what the manual is of.
    Man(PathBuf, Box<clap::Command>),
}

/// Understands a command line, which starts with the program's name. `load` gets the preset that it names, where the
/// command is of one: that decides which flags there are.
pub fn parse(args: Vec<OsString>, load: impl FnOnce(&str) -> Result<Preset>) -> Result<Request> {
    let preset = match OF_A_PRESET.contains(&command_in(&args).as_str()) {
        true => load(&preset_in(&args))?,
        false => Preset::default(),
    };
    let args = with_yes(args, &preset);
    let mut matches = command(&preset)
        .try_get_matches_from(&args)
        .map_err(|error| explain(error, &args, &preset))?;
    match Cli::from_arg_matches(&matches)?.command {
        Command::New(mut new) => {
            if let Some((_, mut matches)) = matches.remove_subcommand() {
                new.given = preset
                    .choices
                    .iter()
                    .filter_map(|Choice { name, .. }| {
                        Some((name.clone(), matches.remove_many(name)?.collect()))
                    })
                    .collect();
            }
            Ok(Request::New(Box::new(new), Box::new(preset)))
        }
        Command::Verify(args) => Ok(Request::Verify(Box::new(args), Box::new(preset))),
        Command::Preset(command) => Ok(Request::Preset(command)),
        Command::Completions { shell } => Ok(Request::Completions(shell)),
        Command::Man { directory } => Ok(Request::Man(directory, Box::new(command(&preset)))),
    }
}

/// The command line that begins with these words, with the flags of the preset that `load` gets.
pub fn begun(
    words: &[OsString],
    load: impl FnOnce(&str) -> Result<Preset>,
) -> Result<clap::Command> {
    Ok(command(&load(&preset_in(words))?))
}

/// Completes the name of a preset.
fn preset_names() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let typed = &typed.to_string_lossy();
        let built_in = presets::built_in().filter(|name| name.starts_with(&**typed));
        let directories = PathCompleter::dir().complete(typed.as_ref().as_ref());
        built_in
            .map(CompletionCandidate::new)
            .chain(directories)
            .collect()
    })
}

/// The command line as it is for a preset: its choices are flags.
fn command(preset: &Preset) -> clap::Command {
    let flags: Vec<Arg> = preset.choices.iter().map(flag).collect();
    let command = Cli::command().mut_subcommand("new", |new| {
        new.next_help_heading(format!("Choices of the preset `{}`", preset.name))
            .args(flags)
    });
    let options = preset.choices.iter().flat_map(Choice::answers);
    let only = PossibleValuesParser::new(options.map(PossibleValue::new));
    command.mut_subcommand("verify", |verify| {
        verify.mut_arg("only", |arg| arg.value_parser(only))
    })
}

/// The preset that a command line names, found before anything else of it can be understood.
fn preset_in(args: &[OsString]) -> String {
    let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    args.iter()
        .take_while(|arg| *arg != "--")
        .enumerate()
        .find_map(|(index, arg)| match arg.strip_prefix("--preset")? {
            "" => args.get(index + 1).map(|value| value.to_string()),
            value => value.strip_prefix('=').map(str::to_owned),
        })
        .unwrap_or_else(|| presets::DEFAULT.to_owned())
}

/// Says `--audit=yes` for `--audit`, which would otherwise take the next word for its option.
fn with_yes(args: Vec<OsString>, preset: &Preset) -> Vec<OsString> {
    let flags = preset
        .choices
        .iter()
        .filter(|choice| matches!(choice.kind, Kind::Flag))
        .map(|choice| OsString::from(format!("--{}", choice.name)))
        .collect::<Vec<_>>();
    let end = args.iter().position(|arg| arg == "--");
    let is_alone = |index: usize| {
        let next = args.get(index + 1);
        flags.contains(&args[index])
            && end.is_none_or(|end| index < end)
            && !next.is_some_and(|next| next == YES || next == NO)
    };
    let arg = |(index, arg): (usize, &OsString)| match is_alone(index) {
        true => OsString::from(format!("{}={YES}", arg.to_string_lossy())),
        false => arg.clone(),
    };
    args.iter().enumerate().map(arg).collect()
}

fn flag(choice: &Choice) -> Arg {
    let value = |name: &str, help: &str| {
        let value = PossibleValue::new(name.to_owned());
        match help {
            "" => value,
            help => value.help(help.to_owned()),
        }
    };
    let options = choice
        .options
        .iter()
        .map(|option| value(&option.name, &option.help));
    let default = &choice.default;
    let help = match &choice.help {
        Some(help) => format!("{} {help} [default: {default}]", choice.prompt),
        None => format!("{} [default: {default}]", choice.prompt),
    };
    let arg = Arg::new(choice.name.clone())
        .long(choice.name.clone())
        .value_name("OPTION")
        .help(help);
    match &choice.kind {
        Kind::One => arg.value_parser(PossibleValuesParser::new(options)),
        Kind::Flag => arg
            .value_parser(PossibleValuesParser::new(options))
            .num_args(0..=1)
            .default_missing_value(YES),
        Kind::Many => arg
            .value_parser(PossibleValuesParser::new(
                options.chain([value(NONE, "none of them")]),
            ))
            .value_name("OPTION,...")
            .value_delimiter(',')
            .action(ArgAction::Append),
        Kind::Text(_) => arg.value_name("TEXT").allow_hyphen_values(true),
    }
}

/// The mistakes that are made most, in this program's own words: an option and a flag that there are not.
fn explain(error: clap::Error, args: &[OsString], preset: &Preset) -> Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
        _ => None,
    };
    let (Some(arg), value) = (
        text(ContextKind::InvalidArg),
        text(ContextKind::InvalidValue),
    ) else {
        return error.into();
    };
    let (what, suggestion) = match (error.kind(), value) {
        (ErrorKind::InvalidValue, Some(value)) if !value.is_empty() => {
            let flag = arg.split(' ').next().unwrap_or(arg);
            let Some(ContextValue::Strings(options)) = error.get(ContextKind::ValidValue) else {
                return error.into();
            };
            let what = format!("`{flag}` has no option `{value}`, it has {}", list(options));
            (what, text(ContextKind::SuggestedValue))
        }
        (ErrorKind::UnknownArgument, _) if arg.starts_with("--") => {
            let choices = preset.choices.iter();
            let choices: Vec<_> = choices.map(|choice| format!("--{}", choice.name)).collect();
            let what = match choices.as_slice() {
                [] => format!("there is no flag `{arg}`"),
                choices => format!(
                    "there is no flag `{arg}`, the choices of `{}` are {}",
                    preset.name,
                    list(choices)
                ),
            };
            (what, text(ContextKind::SuggestedArg))
        }
        // A single dash before a word makes flags of its letters, but what was meant is a name.
        (ErrorKind::UnknownArgument, _) => {
            let words = args.iter().filter_map(|word| word.to_str());
            let refused = words
                .filter(|word| word.starts_with(arg))
                .find_map(|word| preset.project_name(word).err());
            return refused.map_or_else(|| error.into(), Error::from);
        }
        _ => return error.into(),
    };
    let help = match suggestion {
        Some(suggestion) => format!("did you mean `{suggestion}`?"),
        None => format!("see `scaffold {} --help`", command_in(args)),
    };
    Problem::refusal(what).help(help).into()
}

/// The words of a command line that say which command it is: `new`, `preset test`.
fn command_in(args: &[OsString]) -> String {
    let words = args.iter().skip(1).filter_map(|arg| arg.to_str());
    let mut words = words.filter(|word| !word.starts_with('-'));
    let first = words.next().unwrap_or("new");
    match (first, words.next()) {
        ("preset", Some(second)) => format!("{first} {second}"),
        _ => first.to_owned(),
    }
}
