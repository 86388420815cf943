//! An answer to a choice, and the answers to several.

use std::fmt;

use crate::core::preset::choice::{NO, NONE, YES};

/// An answer to a choice, as the choice's kind has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// An option.
    One(String),
    /// Yes or no.
    Flag(bool),
    /// Any number of options, in the order of the manifest.
    Many(Vec<String>),
    /// A text. It is never trusted, so templates quote it.
    Text(String),
}

impl Answer {
    /// The options that it takes, as directories and conditions of a preset name them.
    pub fn options(&self) -> Vec<&str> {
        match self {
            Answer::One(option) => vec![option],
            Answer::Flag(true) => vec![YES],
            Answer::Flag(false) => vec![NO],
            Answer::Many(options) => options.iter().map(String::as_str).collect(),
            Answer::Text(_) => Vec::new(),
        }
    }

    /// Whether it brings nothing: it is `none` or `no`, or takes no option of many.
    pub fn is_without(&self) -> bool {
        match self {
            Answer::One(option) => option == NONE,
            Answer::Flag(is_set) => !is_set,
            Answer::Many(options) => options.is_empty(),
            Answer::Text(_) => false,
        }
    }
}

/// Nothing is taken.
impl Default for Answer {
    fn default() -> Self {
        Answer::Many(Vec::new())
    }
}

/// As a command line says it.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Text(text) => f.write_str(text),
            Answer::Many(options) if options.is_empty() => f.write_str(NONE),
            answer => f.write_str(&answer.options().join(",")),
        }
    }
}

/// Answers to choices by their names, in the order of the choices.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Combination(Vec<(String, Answer)>);

impl Combination {
    /// Adds the answer to one more choice.
    pub fn push(&mut self, choice: &str, answer: Answer) {
        self.0.push((choice.to_owned(), answer));
    }

    /// The same with the answer to one more choice.
    pub fn with(&self, choice: &str, answer: Answer) -> Combination {
        let mut with = self.clone();
        with.push(choice, answer);
        with
    }

    /// The answer to a choice.
    pub fn get(&self, choice: &str) -> Option<&Answer> {
        let mut answers = self.iter();
        answers
            .find(|(name, _)| *name == choice)
            .map(|(_, answer)| answer)
    }

    /// Every answer with the name of its choice.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Answer)> {
        self.0.iter().map(|(name, answer)| (name.as_str(), answer))
    }

    /// Whether there is no answer at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every option that is taken, with the name of its choice.
    pub fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter()
            .flat_map(|(name, answer)| answer.options().into_iter().map(move |it| (name, it)))
    }

    /// Whether this option of this choice is taken.
    pub fn has(&self, choice: &str, option: &str) -> bool {
        self.options().any(|taken| taken == (choice, option))
    }

    /// Its options, as tables and test names show them: `sqlite+memory+audit`. A flag that is set has the name of its
    /// choice.
    pub fn name(&self) -> String {
        let words = self.iter().flat_map(|(choice, answer)| match answer {
            Answer::Flag(true) => vec![choice],
            Answer::Flag(false) => Vec::new(),
            answer => answer.options(),
        });
        let words: Vec<&str> = words.collect();
        match words.as_slice() {
            [] => "the base".to_owned(),
            words => words.join("+"),
        }
    }
}

impl FromIterator<(String, Answer)> for Combination {
    fn from_iter<T: IntoIterator<Item = (String, Answer)>>(answers: T) -> Self {
        Combination(answers.into_iter().collect())
    }
}
