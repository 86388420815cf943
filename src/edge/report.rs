//! What `new` tells when it is done, and any command that fails: people on stderr, programs on stdout.

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use anyhow::{Context, Error, Result};
use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::core::answers::Answers;
use crate::core::harmless::harmless;
use crate::core::names::ResourceName;
use crate::core::plan::Plan;
use crate::core::preset::Origin;
use crate::core::preset::answer::Answer;
use crate::core::problem::told;

/// Who reads the answer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// People.
    #[default]
    Human,
    /// Programs.
    Json,
}

/// What became of a project.
#[derive(Debug)]
pub struct Report<'a> {
    /// What it was made from.
    pub answers: &'a Answers,
    /// Where the preset comes from that it was made from.
    pub origin: &'a Origin,
    /// What was planned.
    pub plan: &'a Plan<'a>,
    /// The project's directory.
    pub destination: PathBuf,
    /// Whether the plan was carried out.
    pub is_written: bool,
    /// What was done beside it.
    pub done: Vec<String>,
    /// What was not done, and why.
    pub skipped: Vec<String>,
    /// The command that makes the same and asks nothing.
    pub command: String,
    /// The commands that make sense now.
    pub next: Vec<String>,
}

impl Report<'_> {
    /// Tells it.
    pub fn print(&self, format: Format) -> Result<()> {
        match format {
            Format::Human => {
                say(&self.human());
                Ok(())
            }
            Format::Json => print_json(&self.json()),
        }
    }

    fn human(&self) -> String {
        let Report { answers, plan, .. } = self;
        let (name, count) = (answers.name().as_str(), plan.writes().count());
        let destination = self.destination.display();
        let mut text = match self.is_written {
            true => format!("made `{name}` in `{destination}`, {count} files\n"),
            false => format!("{plan}would make `{name}` in `{destination}`, {count} files\n"),
        };
        for done in &self.done {
            text.push_str(&format!("  {done}\n"));
        }
        for skipped in &self.skipped {
            text.push_str(&format!("  skipped {skipped}\n"));
        }
        text.push_str(&format!(
            "\nthe same without a question:\n  {}\n",
            self.command
        ));
        if self.is_written {
            text.push_str("\nnext:\n");
            for command in &self.next {
                text.push_str(&format!("  {command}\n"));
            }
        }
        text
    }

    fn json(&self) -> Value {
        let resources = self.answers.resources().iter().map(ResourceName::path);
        let changes = self.plan.changes();
        let mut json = json!({
            "answers": {
                "name": self.answers.name().as_str(),
                "preset": self.origin.name,
                "options": options_json(self.answers),
                "resources": resources.collect::<Vec<_>>(),
            },
            "plan": changes
                .map(|(path, change)| json!({ "path": path, "change": change.verb() }))
                .collect::<Vec<_>>(),
            "destination": self.destination.to_string_lossy(),
            "written": self.is_written,
            "done": self.done,
            "skipped": self.skipped,
            "command": self.command,
            "next": self.next,
        });
        if let Some(commit) = &self.origin.commit {
            json["answers"]["commit"] = commit.as_str().into();
        }
        json
    }
}

/// The answers to choices, for programs.
pub fn options_json(answers: &Answers) -> Map<String, Value> {
    let json = |answer: &Answer| match answer {
        Answer::One(text) | Answer::Text(text) => json!(text),
        Answer::Flag(is_set) => json!(is_set),
        Answer::Many(options) => json!(options),
    };
    let answers = answers.choices().iter();
    answers
        .map(|(choice, answer)| (choice.to_owned(), json(answer)))
        .collect()
}

/// An error with what caused it, and then the ways out.
pub fn explain(error: &Error) -> String {
    format!("error: {}\n", told(error))
}

/// Prints a value for programs.
pub fn print_json(value: &Value) -> Result<()> {
    print(&format!("{value:#}\n"))
}

/// Prints an answer, which is on stdout. A text of a preset does nothing to a terminal.
pub fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(harmless(text).as_bytes()) {
        // Whoever read it has had enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("stdout can't be written"),
    }
}

/// Tells people something, on stderr. A text of a preset does nothing to a terminal.
pub fn say(text: &str) {
    // Nobody is left to hear that stderr is closed.
    let _ = io::stderr().write_all(harmless(text).as_bytes());
}
