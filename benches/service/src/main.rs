//! `benches/service.sh`: what a request costs in the service that `scaffold new` makes, beside services that are written by
//! hand. The doc comments of the arguments are the help.

mod builds;
mod collector;
mod counts;
mod load;
mod plot;
mod process;
mod rounds;
mod servers;
mod subjects;
mod table;
mod targets;

use std::fs;
use std::process::{Command, ExitCode};
use std::thread;

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};

use crate::load::CONNECTIONS;
use crate::table::Outcomes;

/// Other work may take this much of the cores.
const QUIET: f64 = 0.03;

/// Measures generated services beside ones that are written by hand.
///
/// The floor is the smallest service with axum and sqlx that serves the same (`benches/service/floor`), once with its pool
/// replaced; Gin is what one writes with it (`benches/service/gin`); the others are made by `scaffold new` of this
/// checkout, and built as their owners would. Each has a database of its own at TEST_POSTGRES_URL, TEST_MYSQL_URL or in a
/// file, with the same hundred accounts. They are asked for `/health`, for an account that is read from the database, and
/// for one that is cached.
///
/// Ratios are taken within a round, in which each subject answers each question once; shown are the medians of the rounds.
/// Nothing is shown unless every response was right. The machine should have nothing else to do.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Subcommands>,
    #[command(flatten)]
    compare: Compare,
}

#[derive(Subcommand)]
enum Subcommands {
    Counts(counts::Counts),
}

#[derive(Args)]
struct Compare {
    /// Measures this subject; may be repeated [default: all].
    #[arg(long, value_name = "SUBJECT", value_parser = names())]
    only: Vec<String>,
    /// Rounds [default: 7, or 3 if it is to be short].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// How long each question is asked in each round [default: 8, or 2 if it is to be short].
    // An entry of a cache is kept for 54 s at least, and must be there to the end.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=30))]
    seconds: Option<u32>,
    /// Fewer and shorter rounds, to see that it works.
    #[arg(long)]
    short: bool,
    /// Puts the tables between the marks `<!-- service-bench -->` of docs/service-bench.md, what was aimed at between those
    /// of README.md, and the plot into docs/service-bench.svg. Without this the plot goes to
    /// target/service-bench/service-bench.svg.
    #[arg(long, conflicts_with_all = ["only", "short"])]
    write: bool,
}

fn names() -> PossibleValuesParser {
    let names = subjects::all().into_iter().map(|subject| subject.name);
    PossibleValuesParser::new(names)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        Some(Subcommands::Counts(counts)) => counts.run(),
        None => arguments.compare.run().map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Compare {
    fn run(&self) -> Result<()> {
        if self.write {
            // Not half an hour later.
            table::write("README.md", None)?;
            table::write("docs/service-bench.md", None)?;
        }
        let rounds = self.rounds.unwrap_or(if self.short { 3 } else { 7 });
        let seconds = self.seconds.unwrap_or(if self.short { 2 } else { 8 });

        let schema = builds::schema()?;
        let is_asked_for = |name: &String| self.only.is_empty() || self.only.contains(name);
        let subjects = subjects::all()
            .into_iter()
            .filter(|subject| is_asked_for(&subject.name));
        let built = subjects.map(builds::build).collect::<Result<Vec<_>>>()?;
        let busy = process::busy()?;
        if busy > QUIET {
            eprintln!(
                "warning: something else keeps {:.0} % of the cores busy",
                100.0 * busy
            );
        }
        let outcomes = Outcomes(rounds::run(&built, &schema, rounds as usize, seconds)?);

        let about = about(rounds, seconds, busy)?;
        let targets = format!("{}\n{about}\n", outcomes.targets()?);
        let tables = format!("{}{targets}", outcomes.tables()?);
        let plot = plot::draw(&outcomes)?;
        print!("{tables}");
        let mut picture = builds::workshop()?.join("service-bench.svg");
        if self.write {
            table::write("README.md", Some(&targets))?;
            table::write("docs/service-bench.md", Some(&tables))?;
            picture = builds::root().join("docs/service-bench.svg");
        }
        if let Some(plot) = plot {
            fs::write(&picture, plot)?;
            eprintln!("the plot is `{}`", picture.display());
        }
        Ok(())
    }
}

/// How it was measured.
fn about(rounds: u32, seconds: u32, busy: f64) -> Result<String> {
    let ask = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        let said = process::output(command.args(arguments).current_dir(builds::root()));
        said.map(|said| said.trim().to_owned())
    };
    let date = ask("date", &["--utc", "+%Y-%m-%d"])?;
    let commit = ask("git", &["describe", "--always", "--dirty"])?;
    let cores = thread::available_parallelism()?;
    Ok(format!(
        "Medians of {rounds} rounds of {seconds} s, {CONNECTIONS} connections, on {cores} cores that the client and the \
         database shared, and of which other work took {:.0} % at the start: {date}, commit `{commit}`.",
        100.0 * busy
    ))
}
