//! What only the user can put right: a wrong command line, a name that won't do, a destination that is taken.

use std::fmt;

/// An error in what was asked for, as opposed to a failure on the way: it ends the program with another exit code.
#[derive(Debug)]
pub struct Refusal {
    what: String,
    help: Option<String>,
}

impl Refusal {
    /// Says what is wrong.
    pub fn new(what: impl Into<String>) -> Refusal {
        Refusal {
            what: what.into(),
            help: None,
        }
    }

    /// Adds the way out.
    pub fn help(mut self, help: impl Into<String>) -> Refusal {
        self.help = Some(help.into());
        self
    }

    /// What is wrong, without the way out.
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.help {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// Names in backticks, separated as a sentence does it.
pub fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names
        .into_iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    names.join(", ")
}
