//! What is wrong with a preset, told so that its author finds the place; and whether to go on after that.

use std::fmt;
use std::ops::Range;

use anyhow::{Error, Result};
use serde::Serialize;

use crate::core::secrets::masked;

/// Something that is wrong with a preset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, as its author finds it.
    pub file: String,
    /// The line in the file, counted from one.
    pub line: Option<usize>,
    /// The line as it is, with marks below what is meant.
    pub excerpt: Option<String>,
    /// What is wrong: a sentence that names the file, too.
    pub what: String,
    /// The way out.
    pub help: Option<String>,
    /// The first combination of options in which it is wrong, if it isn't in every one.
    pub combination: Option<String>,
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

impl Finding {
    /// Says what is wrong with a file.
    pub fn new(file: impl Into<String>, what: impl Into<String>) -> Finding {
        Finding {
            file: file.into(),
            line: None,
            excerpt: None,
            what: what.into(),
            help: None,
            combination: None,
        }
    }

    /// Adds the line of the file's text, and what of it is meant.
    pub fn at(mut self, text: &str, line: usize, range: Option<Range<usize>>) -> Finding {
        self.line = Some(line);
        self.excerpt = Some(excerpt(text, line, range));
        self
    }

    /// Adds these bytes of the file's text, and their line.
    pub fn at_bytes(self, text: &str, range: Range<usize>) -> Finding {
        let line = text[..range.start].matches('\n').count() + 1;
        self.at(text, line, Some(range))
    }

    /// Adds the way out.
    pub fn help(mut self, help: impl Into<String>) -> Finding {
        self.help = Some(help.into());
        self
    }

    /// What an error says of a file, if it doesn't name one itself.
    pub fn of(error: &Error, file: &str) -> Finding {
        if let Some(finding) = error.downcast_ref::<Finding>() {
            return finding.clone();
        }
        let (mut what, mut help) = (Vec::new(), None);
        let mut finding = Finding::new(file, "");
        for cause in error.chain().map(ToString::to_string) {
            let (cause, way_out) = match cause.split_once("\nhelp: ") {
                Some((cause, way_out)) => (cause, Some(way_out)),
                None => (cause.as_str(), None),
            };
            help = help.or(way_out.map(str::to_owned));
            match of_toml(cause) {
                Some((line, excerpt, cause)) => {
                    // What breaks of a template is what it renders to, whose lines are others.
                    finding.line = Some(line).filter(|_| !file.ends_with(".jinja"));
                    finding.excerpt = Some(masked(&excerpt));
                    what.push(cause);
                }
                None => what.push(cause.trim_end().to_owned()),
            }
        }
        Finding {
            what: what.join(": "),
            help,
            ..finding
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(excerpt) = &self.excerpt {
            write!(f, "\n{excerpt}")?;
        }
        if let Some(combination) = &self.combination {
            write!(f, "\nin the combination `{combination}`")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\nhelp: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Finding {}

/// All that is wrong with a file, as an error. It tells of the first.
#[derive(Debug)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// What is wrong first, and the way out, without the place.
    pub fn first(&self) -> String {
        let first = self.0.iter().take(1).map(|finding| {
            let help = finding.help.iter().map(|help| format!("\nhelp: {help}"));
            format!("{}{}", finding.what, help.collect::<String>())
        });
        first.collect()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(1).try_for_each(|first| first.fmt(f))
    }
}

impl std::error::Error for Findings {}

/// The line, the excerpt and the reason in an error about TOML, which is a sentence about the place, the excerpt, and
/// the reason.
fn of_toml(error: &str) -> Option<(usize, String, String)> {
    let place = error.strip_prefix("TOML parse error at line ")?;
    let line = place.split(',').next()?.parse().ok()?;
    let mut lines = error.lines().skip(1);
    let excerpt: Vec<&str> = lines.by_ref().take(3).collect();
    let reason: Vec<&str> = lines.collect();
    Some((line, excerpt.join("\n"), reason.join(", ")))
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
