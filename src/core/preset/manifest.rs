//! `preset.toml`: the one source for prompts, flags, help and the combinations that tests go through.

use std::ops::Range;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use toml::de::DeValue;

use crate::core::harmless::is_unseen;
use crate::core::preset::choice::{Choice, Kind, check_name};
use crate::core::preset::spanned::{self, Faults, Value, place};
use crate::core::preset::{Files, MANIFEST};
use crate::core::problem::{Problem, list};

/// Bytes that a manifest may have, twenty times those of the built-in one: it is read before anybody watches the time.
const MAX_MANIFEST: usize = 64 * 1024;
/// Choices that a manifest may have, several times those of any that people answer.
pub(super) const MAX_CHOICES: usize = 64;

/// Names that a preset's own modules, routes and columns already use.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reserved {
    /// Names that the project can't have.
    #[serde(default)]
    pub projects: Vec<String>,
    /// Names that a resource can't have.
    #[serde(default)]
    pub resources: Vec<String>,
}

/// A manifest, with what is wrong with it.
#[derive(Debug)]
pub struct Manifest {
    /// What users call the preset.
    pub name: String,
    pub(super) description: String,
    /// The preset that it extends, as `source` finds it.
    pub extends: Option<String>,
    pub(super) choices: Vec<Own>,
    pub(super) reserved: Reserved,
    pub(super) next: Option<Vec<String>>,
    pub(super) faults: Faults,
    /// Whether it has a choice that can't be read.
    pub(super) lacks_a_choice: bool,
}

/// A choice of a manifest, and where it says so.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) choice: Choice,
    name_at: Range<usize>,
    when_at: Vec<Range<usize>>,
}

/// The manifest as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    description: String,
    extends: Option<String>,
    /// Each is read for itself.
    #[serde(default, rename = "choice")]
    _choices: Vec<toml::Table>,
    #[serde(default)]
    reserved: Reserved,
    /// Shell commands that show the finished project at work. `{{resource}}` is the resource as URLs say it.
    next: Option<Vec<String>>,
}

impl Manifest {
    /// Reads the manifest among a preset's files. What is wrong with it is told with all else that is, once the preset is
    /// made of it, unless it can't be read at all.
    pub fn parse(files: &Files) -> Result<Manifest> {
        let text = files
            .get(MANIFEST)
            .with_context(|| format!("there is no `{MANIFEST}`"))?;
        ensure!(
            text.len() <= MAX_MANIFEST,
            Problem::new(format!(
                "`{MANIFEST}` is larger than a manifest may be, {MAX_MANIFEST} bytes"
            ))
            .help("it says what is asked; what is made belongs into layers")
        );
        let mut faults = Faults::new(MANIFEST, text);
        let Some(mut table) = faults.parse(text) else {
            return Err(faults.into_error());
        };
        check_texts(&table, &mut faults);
        check_name(&table, "the preset", &mut faults);
        let listed = spanned::take_list(&mut table, "choice");
        let written: Option<Written> = faults.read(&table);
        if listed.len() > MAX_CHOICES {
            let help = "nobody answers so many questions, and their combinations can't be tried";
            let problem = Problem::new(format!(
                "there are {} choices, and a preset has {MAX_CHOICES} at most",
                listed.len()
            ))
            .help(help);
            faults.add(listed[MAX_CHOICES].span(), problem);
        }
        let mut choices: Vec<Own> = Vec::new();
        for item in listed.iter().take(MAX_CHOICES) {
            if faults.are_enough() {
                break;
            }
            let Some(choice) = Choice::read(item, &mut faults) else {
                continue;
            };
            let name_at = place(item, &["name"]);
            if choices.iter().any(|own| own.choice.name == choice.name) {
                let help = "give one of them another name, or make one choice of both";
                let problem =
                    Problem::new(format!("the choice `{}` stands twice", choice.name)).help(help);
                faults.add(name_at, problem);
                continue;
            }
            choices.push(Own {
                name_at,
                when_at: choice
                    .when
                    .iter()
                    .map(|(name, _)| place(item, &["when", name]))
                    .collect(),
                choice,
            });
        }
        let Some(written) = written else {
            return Err(faults.into_error());
        };
        Ok(Manifest {
            name: written.name,
            description: written.description,
            extends: written.extends,
            lacks_a_choice: choices.len() < listed.len(),
            choices,
            reserved: written.reserved,
            next: written.next,
            faults,
        })
    }
}

/// Checks that all texts show what they are: people read them in prompts and in help, on a terminal.
fn check_texts(value: &Value, faults: &mut Faults) {
    match value.get_ref() {
        DeValue::String(text) => {
            let is_hidden = |c: &char| is_unseen(*c) && !matches!(c, '\n' | '\t');
            if let Some(c) = text.chars().find(is_hidden) {
                let c = c.escape_unicode();
                let help =
                    "a terminal would take it for a command, or nobody would see it: leave it out";
                let problem = Problem::new(format!("a text has the character `{c}`")).help(help);
                faults.add(value.span(), problem);
            }
        }
        DeValue::Array(list) => list.iter().for_each(|item| check_texts(item, faults)),
        DeValue::Table(table) => table.values().for_each(|item| check_texts(item, faults)),
        _ => {}
    }
}

/// Checks the choices of a manifest against all that the preset has.
pub(super) fn check_choices(own: &[Own], all: &[Choice], faults: &mut Faults) {
    for (index, choice) in all.iter().enumerate() {
        let name = &choice.name;
        let mine = own.iter().find(|own| own.choice.name == *name);
        // What a choice depends on that was taken over is gone, perhaps, and the choice with it.
        let places = mine.map(|own| own.when_at.iter()).into_iter().flatten();
        for ((earlier, options), at) in choice.when.iter().zip(places) {
            let before = all[..index].iter().find(|other| other.name == *earlier);
            let Some(before) = before.filter(|other| !other.is_text()) else {
                let what = format!(
                    "`{name}` depends on `{earlier}`, which is no choice with options before it"
                );
                let help = "a choice can depend on those that are asked before it and have options";
                faults.add(at.clone(), Problem::new(what).help(help));
                continue;
            };
            for option in options
                .iter()
                .filter(|option| before.option(option).is_none())
            {
                let options = list(before.options.iter().map(|option| &option.name));
                let what = format!(
                    "`{name}` depends on the option `{option}` of `{earlier}`, which there is not"
                );
                let help = format!("its options are {options}");
                faults.add(at.clone(), Problem::new(what).help(help));
            }
        }
        // A combination is called after its options, and some of them are not always there.
        for word in words_of(choice) {
            let mut others = all.iter().filter(|other| other.name != *name);
            let other = others
                .find(|other| words_of(other).contains(&word) || other.option(word).is_some());
            let Some(other) = other else {
                continue;
            };
            // Both may say so of each other, or it may be the other one that is new.
            let theirs = own.iter().find(|own| own.choice.name == other.name);
            let says_it = words_of(other).contains(&word) && other.name < *name;
            if let (Some(own), false) = (mine.or(theirs), says_it) {
                faults.add(own.name_at.clone(), Problem::new(format!("`{word}` is a word of `{name}` and of `{}`", other.name)).help("what flags and the options of a `many` are called names combinations, so only one choice can have it"));
            }
        }
    }
}

/// What a choice adds to the name of a combination, if it is one that may add nothing.
fn words_of(choice: &Choice) -> Vec<&str> {
    match choice.kind {
        Kind::Flag => vec![&choice.name],
        Kind::Many => choice
            .options
            .iter()
            .map(|option| option.name.as_str())
            .collect(),
        Kind::One | Kind::Text(_) => Vec::new(),
    }
}
