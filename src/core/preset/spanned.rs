//! Reads TOML so that all that is wrong with it is found at once, each thing with the place that is meant.

use std::iter;
use std::ops::Range;

use anyhow::{Error, Result};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::core::problem::{Problem, Problems};

/// Faults that are told of one text. Nobody reads more, and each takes another look at all of it.
const MAX_FAULTS: usize = 100;

/// A value as it is written, with the bytes that it takes.
pub type Value<'t> = Spanned<DeValue<'t>>;

/// What is wrong with a text.
#[derive(Debug)]
pub struct Faults {
    file: &'static str,
    text: String,
    findings: Vec<Problem>,
}

impl Faults {
    /// Nothing yet is wrong with the text of this file.
    pub fn new(file: &'static str, text: &str) -> Faults {
        Faults {
            file,
            text: text.to_owned(),
            findings: Vec::new(),
        }
    }

    /// Notes what is wrong at these bytes.
    pub fn add(&mut self, at: Range<usize>, problem: impl Into<Problem>) {
        if self.are_enough() {
            return;
        }
        let Problem { what, help, .. } = problem.into();
        let what = format!("`{}` is not valid: {what}", self.file);
        let found = Problem::in_file(self.file, what).at_bytes(&self.text, at);
        self.findings.push(found.maybe_help(help));
    }

    /// Whether there are so many that the rest is not looked for.
    pub fn are_enough(&self) -> bool {
        self.findings.len() >= MAX_FAULTS
    }

    /// The text as a table, if it is TOML.
    pub fn parse<'t>(&mut self, text: &'t str) -> Option<Value<'t>> {
        match DeTable::parse(text) {
            Ok(table) => Some(Spanned::new(
                table.span(),
                DeValue::Table(table.into_inner()),
            )),
            // What follows an error of syntax is seldom what its author sees there.
            Err(error) => {
                let help = "a manifest is TOML, see <https://toml.io>";
                let problem = Problem::new(error.message()).help(help);
                self.add(error.span().unwrap_or_default(), problem);
                None
            }
        }
    }

    /// Reads a value, if nothing is wrong with it. Of a table each field that can't be read is told.
    pub fn read<'t, T: Deserialize<'t>>(&mut self, value: &Value<'t>) -> Option<T> {
        let mut value = value.clone();
        let mut left_out: Vec<String> = Vec::new();
        loop {
            let error = match T::deserialize(value.clone().into_deserializer()) {
                Ok(read) => return Some(read).filter(|_| left_out.is_empty()),
                Err(error) => error,
            };
            let at = error.span().unwrap_or_else(|| value.span());
            let misses = |name: &String| error.message() == format!("missing field `{name}`");
            if !left_out.iter().any(misses) {
                self.add(at.clone(), with_help(error.message()));
            }
            if self.are_enough() {
                return None;
            }
            // Without it the other fields can be read.
            left_out.push(take_field_at(&mut value, &at)?);
        }
    }

    /// All of them, as an error.
    pub fn into_error(mut self) -> Error {
        let line = |finding: &Problem| finding.place.as_ref().and_then(|place| place.line);
        self.findings.sort_by_key(line);
        Problems(self.findings).into()
    }

    /// Fails if anything is wrong.
    pub fn check(self) -> Result<()> {
        match self.findings.is_empty() {
            true => Ok(()),
            false => Err(self.into_error()),
        }
    }
}

/// A message of serde's with the way out.
fn with_help(message: &str) -> Problem {
    let field = message.split('`').nth(1).unwrap_or_default();
    let help = if message.starts_with("missing field") {
        format!("add `{field} = ...` there")
    } else if message.starts_with("unknown field") {
        "it may be misspelt, or stand in the wrong table".to_owned()
    } else {
        "an editor that knows the JSON Schema of manifests completes what can stand there"
            .to_owned()
    };
    Problem::new(message).help(help)
}

/// Takes a list out of a table, and leaves an empty one there. What is no list stays.
pub fn take_list<'t>(value: &mut Value<'t>, name: &str) -> Vec<Value<'t>> {
    let mut taken = Vec::new();
    if let DeValue::Table(table) = value.get_mut()
        && let Some(DeValue::Array(list)) = table.get_mut(name).map(Spanned::get_mut)
    {
        taken.extend(std::mem::replace(list, iter::empty().collect()));
    }
    taken
}

/// Where a field of a table stands, or else the table itself.
pub fn place(value: &Value, fields: &[&str]) -> Range<usize> {
    let Some((name, rest)) = fields.split_first() else {
        return value.span();
    };
    match value.get_ref().get(*name) {
        Some(field) => place(field, rest),
        None => value.span(),
    }
}

/// A text of a table, whatever else is wrong with that.
pub fn text<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    value.get_ref().get(field)?.get_ref().as_str()
}

/// Adds to a finding where the text has a field.
pub fn locate(finding: Problem, text: &str, field: &str) -> Problem {
    let table = DeTable::parse(text).ok();
    let place = table.and_then(|table| Some(table.get_ref().get(field)?.span()));
    match place {
        Some(place) => finding.at_bytes(text, place),
        None => finding,
    }
}

/// Removes the field that holds these bytes, and gives its name.
fn take_field_at(value: &mut Value, at: &Range<usize>) -> Option<String> {
    let DeValue::Table(table) = value.get_mut() else {
        return None;
    };
    let holds_it =
        |(key, field): &(&Spanned<_>, &Value)| contains(&key.span(), at) || holds(field, at);
    let (key, _) = table.iter().find(holds_it)?;
    let name = key.get_ref().to_string();
    table.remove(name.as_str());
    Some(name)
}

/// Whether these bytes are in a value. A table is no one piece of a text.
fn holds(value: &Value, at: &Range<usize>) -> bool {
    let in_parts = match value.get_ref() {
        DeValue::Table(table) => table
            .iter()
            .any(|(key, field)| contains(&key.span(), at) || holds(field, at)),
        DeValue::Array(list) => list.iter().any(|item| holds(item, at)),
        _ => false,
    };
    in_parts || contains(&value.span(), at)
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
