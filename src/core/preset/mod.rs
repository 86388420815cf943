//! A preset: its manifest, checked, and the text of its layers. Data, never code.
//!
//! A preset that extends another one has that one's layers below its own, and its choices before its own.

pub mod address;
pub mod choice;
pub mod layers;
pub mod manifest;
pub mod prices;
pub mod spanned;

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::core::answers::{Answers, SAMPLE};
use crate::core::cargo_lock::{self, Table};
use crate::core::names::{ProjectName, ResourceName, Taken};
use crate::core::preset::choice::{Kind, YES};
use crate::core::preset::manifest::{Manifest, Reserved, check_choices};
use crate::core::preset::prices::{PRICES, Prices};
use crate::core::problem::{Refuse, fail, or_refuse};

pub use crate::core::preset::choice::{Choice, ChoiceOption, NONE, Server};
pub use crate::core::preset::layers::{BASE, Layer, sharers};

/// A preset's files by path, before anything is known of them. Embedded ones are borrowed from the program itself.
pub type Files = BTreeMap<Cow<'static, str>, Cow<'static, str>>;

/// The file that makes a directory a preset.
pub const MANIFEST: &str = "preset.toml";
/// The table that a project's `Cargo.lock` is made from.
pub const LOCK_TABLE: &str = "lock.txt";
/// The directory of what the preset's author saw last: no layer, and nothing that a project gets.
pub const SNAPSHOTS: &str = "snapshots";

/// A preset that can be rendered.
#[derive(Debug, Default)]
pub struct Preset {
    /// What users call it.
    pub name: String,
    /// One line about what it gives.
    pub description: String,
    /// Its questions, in the order in which they are asked and laid.
    pub choices: Vec<Choice>,
    /// Names that its own code can't live with.
    pub reserved: Reserved,
    /// The commit that it is, if it comes from a git repository.
    pub commit: Option<String>,
    /// The preset that it extends.
    pub extended: Option<Box<Preset>>,
    next: Vec<String>,
    /// Its own files.
    files: Files,
}

/// An answer to a choice, as its kind has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<'a> {
    /// An option.
    One(&'a str),
    /// Yes or no.
    Flag(bool),
    /// Any number of options.
    Many(Vec<&'a str>),
    /// A text.
    Text(&'a str),
}

impl Preset {
    /// The preset of these files, over the one that it extends. Checks that its files fit its manifest.
    pub fn new(manifest: Manifest, files: Files, parent: Option<Preset>) -> Result<Preset> {
        Preset::sift(manifest, files, parent, &mut fail)
    }

    /// The same of the files that can be used.
    pub fn sift(
        mut manifest: Manifest,
        mut files: Files,
        parent: Option<Preset>,
        refuse: &mut Refuse,
    ) -> Result<Preset> {
        let mut preset = Preset {
            name: manifest.name,
            description: manifest.description,
            ..Preset::default()
        };
        if let Some(extended) = parent {
            preset.choices.clone_from(&extended.choices);
            preset.reserved.clone_from(&extended.reserved);
            preset.next.clone_from(&extended.next);
            preset.extended = Some(Box::new(extended));
        }
        for own in &manifest.choices {
            let choice = own.choice.clone();
            let mut choices = preset.choices.iter_mut();
            match choices.find(|other| other.name == choice.name) {
                Some(same) => *same = choice,
                None => preset.choices.push(choice),
            }
        }
        // What one that can't be read has to do with the others isn't known.
        if !manifest.lacks_a_choice {
            check_choices(&manifest.choices, &preset.choices, &mut manifest.faults);
        }
        manifest.faults.check()?;
        preset.reserved.projects.extend(manifest.reserved.projects);
        preset
            .reserved
            .resources
            .extend(manifest.reserved.resources);
        if let Some(next) = manifest.next {
            preset.next = next;
        }
        let mut strays = Vec::new();
        for path in files.keys() {
            if or_refuse(path, preset.check_file(path), refuse)?.is_none() {
                strays.push(path.clone());
            }
        }
        files.retain(|path, _| !strays.contains(path));
        preset.files = files;
        Ok(preset)
    }

    /// The choice of this name.
    pub fn choice(&self, name: &str) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.name == name)
    }

    /// A file of the preset's own root.
    pub fn file(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(|text| &**text)
    }

    /// The preset's own files in layers by their whole path, without those of the preset it extends.
    pub fn own_files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(path, text)| (&**path, &**text))
            .filter(|(path, _)| path.contains('/'))
    }

    /// Gives an own file another text, and back the one that it had.
    pub fn replace(&mut self, path: &str, text: Cow<'static, str>) -> Option<Cow<'static, str>> {
        let file = self.files.get_mut(path)?;
        Some(std::mem::replace(file, text))
    }

    /// The lock table as it is written. That of the preset it extends will do for a preset that adds no dependency.
    pub fn lock_text(&self) -> Option<&str> {
        match (self.file(LOCK_TABLE), &self.extended) {
            (None, Some(extended)) if !self.adds_dependencies() => extended.lock_text(),
            (own, _) => own,
        }
    }

    /// The nearest lock table, which may lack what the preset adds: the versions to start from.
    pub fn pinned_text(&self) -> Option<&str> {
        let extended = || self.extended.as_ref()?.pinned_text();
        self.file(LOCK_TABLE).or_else(extended)
    }

    /// The lock table, if the preset has one.
    pub fn lock_table(&self) -> Result<Option<Table<'_>>> {
        let table = self.lock_text().map(Table::parse).transpose();
        table.with_context(|| format!("`{LOCK_TABLE}` is not valid"))
    }

    /// What its options cost, as far as that was measured.
    pub fn prices(&self) -> Result<Option<Prices>> {
        let extended = match &self.extended {
            Some(extended) => extended.prices()?,
            None => None,
        };
        let Some(own) = self.file(PRICES).map(Prices::parse).transpose()? else {
            return Ok(extended);
        };
        Ok(Some(match extended {
            Some(extended) => own.over(extended),
            None => own,
        }))
    }

    /// A name for a project of this preset.
    pub fn project_name(&self, text: &str) -> Result<ProjectName> {
        // Cargo can't lock a project that has the name of one of its packages, however deep that stands.
        let packages = self.pinned_text().unwrap_or_default();
        let packages: Vec<_> = cargo_lock::package_names(packages).collect();
        let words = &self.reserved.projects;
        Ok(ProjectName::parse(
            text,
            Taken {
                packages: &packages,
                words,
            },
        )?)
    }

    /// A name for a resource of this preset.
    pub fn resource_name(&self, text: &str) -> Result<ResourceName> {
        let packages = self.pinned_text().unwrap_or_default();
        let packages: Vec<_> = cargo_lock::direct_dependencies(packages).collect();
        let words = &self.reserved.resources;
        Ok(ResourceName::parse(
            text,
            Taken {
                packages: &packages,
                words,
            },
        )?)
    }

    /// The answers of a project that nobody keeps, for the sake of its options. Its texts are the defaults.
    pub fn sample(&self, options: &[(String, String)]) -> Result<Answers> {
        let texts = self
            .choices
            .iter()
            .filter(|choice| choice.is_text() && choice.applies(options));
        let text = |choice: &Choice| Some((choice.name.clone(), choice.default.first()?.clone()));
        Ok(Answers {
            name: ProjectName::parse(SAMPLE, Taken::default())?,
            options: options.to_vec(),
            texts: texts.filter_map(text).collect(),
            resources: vec![ResourceName::parse("things", Taken::default())?],
        })
    }

    /// Each choice that was answered, with its answer as its kind has it.
    pub fn answered<'a>(&'a self, answers: &'a Answers) -> Vec<(&'a Choice, Answer<'a>)> {
        let answer = |choice: &'a Choice| {
            let chosen = answers.chosen().filter(|(name, _)| *name == choice.name);
            let mut options = chosen.map(|(_, option)| option);
            let answer = match &choice.kind {
                Kind::One => Answer::One(options.last()?),
                Kind::Flag => Answer::Flag(options.next()? == YES),
                Kind::Many => {
                    let options: Vec<&str> = options.collect();
                    if options.is_empty() && !choice.applies(&answers.options) {
                        return None;
                    }
                    Answer::Many(options)
                }
                Kind::Text(_) => {
                    let mut texts = answers.texts.iter();
                    Answer::Text(&texts.find(|(name, _)| *name == choice.name)?.1)
                }
            };
            Some((choice, answer))
        };
        self.choices.iter().filter_map(answer).collect()
    }

    /// The servers that the tests of a project with these options talk to.
    pub fn servers(&self, options: &[(String, String)]) -> Vec<&Server> {
        let of = |(choice, option): &(String, String)| {
            self.choice(choice)?.option(option)?.server.as_ref()
        };
        options.iter().filter_map(of).collect()
    }

    /// The commands that lead from a new project to a service that answers.
    pub fn next(&self, answers: &Answers) -> Vec<String> {
        let path = answers
            .resources
            .first()
            .map(ResourceName::path)
            .unwrap_or_default();
        let of_options = answers.chosen().filter_map(|(choice, option)| {
            let option = self.choice(choice)?.option(option)?;
            Some(&option.next)
        });
        of_options
            .flatten()
            .chain(&self.next)
            .map(|command| command.replace("{{resource}}", &path))
            .collect()
    }

    /// Whether any layer has something to say in the project's `Cargo.toml`. What, isn't looked at.
    fn adds_dependencies(&self) -> bool {
        self.files.keys().any(|path| {
            let name = path.rsplit('/').next().unwrap_or(path);
            name.trim_start_matches('_').starts_with("Cargo.toml")
        })
    }
}
