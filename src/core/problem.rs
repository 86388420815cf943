//! What is wrong, where, and the way out: the one error of the core. And whether to go on after one.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Error, Result};
use serde::Serialize;

use crate::core::secrets::masked;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it is, if it is in a file.
    #[serde(flatten)]
    pub place: Option<Box<Place>>,
    /// What is wrong: a sentence that names the file, too.
    pub what: String,
    /// The way out.
    pub help: Option<String>,
    /// Whether it is wrong what was asked for, which only the user can put right, as opposed to a failure on the way.
    #[serde(skip)]
    is_refusal: bool,
    #[serde(skip)]
    cause: Option<Cause>,
}

/// Where a problem is.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file, as its author finds it.
    pub file: String,
    /// The line in the file, counted from one.
    pub line: Option<usize>,
    /// The line as it is, with marks below what is meant.
    pub excerpt: Option<String>,
    /// The first combination of options in which it is wrong, if it isn't in every one.
    pub combination: Option<String>,
}

/// What caused a problem. It is never what tells one from another.
#[derive(Debug, Clone)]
struct Cause(Arc<Error>);

impl PartialEq for Cause {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Cause {}

impl Problem {
    /// Says what failed.
    pub fn new(what: impl Into<String>) -> Problem {
        Problem {
            place: None,
            what: what.into(),
            help: None,
            is_refusal: false,
            cause: None,
        }
    }

    /// Says what is wrong with what was asked for: a command line, a name that won't do, a place that is taken.
    pub fn refusal(what: impl Into<String>) -> Problem {
        Problem {
            is_refusal: true,
            ..Problem::new(what)
        }
    }

    /// Says what is wrong with a file.
    pub fn in_file(file: impl Into<String>, what: impl Into<String>) -> Problem {
        let place = Place {
            file: file.into(),
            ..Place::default()
        };
        Problem {
            place: Some(Box::new(place)),
            ..Problem::new(what)
        }
    }

    /// Adds the line of the file's text, and what of it is meant.
    pub fn at(self, text: &str, line: usize, range: Option<Range<usize>>) -> Problem {
        self.with_place(|place| {
            place.line = Some(line);
            place.excerpt = Some(excerpt(text, line, range));
        })
    }

    /// Changes where it is.
    pub fn with_place(mut self, change: impl FnOnce(&mut Place)) -> Problem {
        change(self.place.get_or_insert_default());
        self
    }

    /// Adds these bytes of the file's text, and their line.
    pub fn at_bytes(self, text: &str, range: Range<usize>) -> Problem {
        let line = text[..range.start].matches('\n').count() + 1;
        self.at(text, line, Some(range))
    }

    /// Adds the way out.
    pub fn help(self, help: impl Into<String>) -> Problem {
        self.maybe_help(Some(help.into()))
    }

    /// Adds the way out, if there is one.
    pub fn maybe_help(mut self, help: Option<String>) -> Problem {
        self.help = help;
        self
    }

    /// Adds what caused it.
    pub fn because(mut self, cause: impl Into<Error>) -> Problem {
        self.cause = Some(Cause(Arc::new(cause.into())));
        self
    }

    /// Whether it is in this file.
    pub fn is_in(&self, file: &str) -> bool {
        self.place.as_ref().is_some_and(|place| place.file == file)
    }

    /// Whether what was asked for is wrong.
    pub fn is_refusal(&self) -> bool {
        self.is_refusal
    }

    /// What an error says of a file, if it doesn't name one itself.
    pub fn of(error: &Error, file: &str) -> Problem {
        match error.downcast_ref::<Problem>() {
            Some(problem) if problem.place.is_some() => problem.clone(),
            _ => Problem::in_file(file, causes(error))
                .maybe_help(helps(error).next().map(str::to_owned)),
        }
    }

    /// All of it, the way out in the last line.
    pub fn told(&self) -> String {
        match &self.help {
            Some(help) => format!("{self}\nhelp: {help}"),
            None => self.to_string(),
        }
    }
}

impl From<String> for Problem {
    fn from(what: String) -> Self {
        Problem::new(what)
    }
}

/// Without the way out, which stands after all that caused it.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let Some(place) = &self.place else {
            return Ok(());
        };
        if let Some(excerpt) = &place.excerpt {
            write!(f, "\n{excerpt}")?;
        }
        if let Some(combination) = &place.combination {
            write!(f, "\nin the combination `{combination}`")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|Cause(cause)| {
            let cause: &(dyn std::error::Error + 'static) = (**cause).as_ref();
            cause
        })
    }
}

/// Says what an error means to whoever gets it.
pub trait OrProblem<T> {
    /// The value, or this problem because of the error.
    fn or_problem(self, problem: impl FnOnce() -> Problem) -> Result<T, Problem>;
}

impl<T, E: Into<Error>> OrProblem<T> for Result<T, E> {
    fn or_problem(self, problem: impl FnOnce() -> Problem) -> Result<T, Problem> {
        self.map_err(|error| problem().because(error))
    }
}

/// An error with what caused it, and then the ways out, a line each.
pub fn told(error: &Error) -> String {
    let helps = helps(error).map(|help| format!("\nhelp: {help}"));
    causes(error) + &helps.collect::<String>()
}

fn causes(error: &Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    causes.join(": ")
}

fn helps(error: &Error) -> impl Iterator<Item = &str> {
    problems(error).filter_map(|problem| problem.help.as_deref())
}

/// The problems in an error and in what caused it, the first of many.
fn problems(error: &Error) -> impl Iterator<Item = &Problem> {
    error.chain().filter_map(|cause| {
        let of_many = || cause.downcast_ref::<Problems>()?.0.first();
        cause.downcast_ref::<Problem>().or_else(of_many)
    })
}

/// Whether an error says that what was asked for is wrong.
pub fn is_refusal(error: &Error) -> bool {
    problems(error).any(Problem::is_refusal)
}

/// Decides what becomes of a file that can't be used, named by its place: to go on without it, or to fail.
pub type Refuse<'a> = dyn FnMut(&str, Error) -> Result<()> + 'a;

/// Fails of the first thing that is wrong.
pub fn fail(_: &str, error: Error) -> Result<()> {
    Err(error)
}

/// What came out well, or nothing after it was refused.
pub fn or_refuse<T>(place: &str, result: Result<T>, refuse: &mut Refuse) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => refuse(place, error).map(|()| None),
    }
}

/// All that is wrong with a file, as an error. It tells of the first.
#[derive(Debug)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// What is wrong first, and the way out, without the place.
    pub fn first(&self) -> Problem {
        let first = self.0.first().cloned();
        let first = first.unwrap_or_else(|| Problem::new("it is not valid"));
        Problem {
            place: None,
            ..first
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(1).try_for_each(|first| first.fmt(f))
    }
}

impl std::error::Error for Problems {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.first()?.source()
    }
}

/// Names in backticks, separated as a sentence does it.
pub fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names
        .into_iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    names.join(", ")
}

fn excerpt(text: &str, line: usize, range: Option<Range<usize>>) -> String {
    // What is told may be told in a public log.
    let code = masked(text.lines().nth(line - 1).unwrap_or_default());
    let gutter = " ".repeat(line.to_string().len());
    let mut excerpt = format!("{gutter} |\n{line} | {code}\n{gutter} |");
    let start_of_line = text
        .split_inclusive('\n')
        .take(line - 1)
        .map(str::len)
        .sum::<usize>();
    if let Some(range) = range
        && let Some(before) = text.get(start_of_line..range.start)
        && let Some(marked) = text.get(range.start..range.end.min(start_of_line + code.len()))
    {
        let marks = "^".repeat(marked.chars().count().max(1));
        excerpt.push_str(&format!(" {}{marks}", " ".repeat(before.chars().count())));
    }
    excerpt
}
