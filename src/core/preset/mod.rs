//! A preset: its manifest, checked, and the text of its layers. Data, never code.
//!
//! A preset that extends another one has that one's layers below its own, and its choices before its own.

pub mod address;
pub mod answer;
pub mod choice;
pub mod layers;
pub mod manifest;
pub mod prices;
pub mod spanned;

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use crate::core::cargo_lock::{self, Table};
use crate::core::names::{ProjectName, ResourceName, Taken};
use crate::core::preset::answer::Combination;
use crate::core::preset::manifest::{MAX_CHOICES, Manifest, Reserved, check_choices};
use crate::core::preset::prices::{PRICES, Prices};
use crate::core::problem::{Problem, Refuse, fail, or_refuse};

pub use crate::core::preset::choice::{Choice, ChoiceOption, Server};
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
    /// Where it comes from.
    pub origin: Origin,
    /// Whether it is a part of this program, and so known to ask nothing of it that it can't do.
    pub is_built_in: bool,
    /// The preset that it extends.
    pub extended: Option<Box<Preset>>,
    next: Vec<String>,
    /// Its own files.
    files: Files,
}

/// Where a preset comes from.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Origin {
    /// What users call it: the name of a built-in preset, a directory, or an address.
    pub name: String,
    /// The commit that it is, if it comes from a git repository.
    pub commit: Option<String>,
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
        ensure!(preset.choices.len() <= MAX_CHOICES, Problem::new(format!("with those of what it extends there are {} choices, and a preset has {MAX_CHOICES} at most", preset.choices.len())).help("nobody answers so many questions, and their combinations can't be tried"));
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
    pub fn project_name(&self, text: &str) -> Result<ProjectName, Problem> {
        // Cargo can't lock a project that has the name of one of its packages, however deep that stands.
        let packages = self.pinned_text().unwrap_or_default();
        let packages: Vec<_> = cargo_lock::package_names(packages).collect();
        let words = &self.reserved.projects;
        ProjectName::parse(
            text,
            Taken {
                packages: &packages,
                words,
            },
        )
    }

    /// A name for a resource of this preset.
    pub fn resource_name(&self, text: &str) -> Result<ResourceName, Problem> {
        let packages = self.pinned_text().unwrap_or_default();
        let packages: Vec<_> = cargo_lock::direct_dependencies(packages).collect();
        let words = &self.reserved.resources;
        ResourceName::parse(
            text,
            Taken {
                packages: &packages,
                words,
            },
        )
    }

    /// The servers that the tests of a project with these options talk to.
    pub fn servers(&self, options: &Combination) -> Vec<&Server> {
        let servers = self.taken(options).map(|option| option.server.as_ref());
        servers.flatten().collect()
    }

    /// The commands that lead from a new project to a service that answers. `{{resource}}` stands for what it serves.
    pub fn next(&self, options: &Combination) -> impl Iterator<Item = &String> {
        let of_options = self.taken(options).flat_map(|option| &option.next);
        of_options.chain(&self.next)
    }

    /// The options that are taken.
    fn taken(&self, options: &Combination) -> impl Iterator<Item = &ChoiceOption> {
        options
            .options()
            .filter_map(|(choice, option)| self.choice(choice)?.option(option))
    }

    /// Whether any layer has something to say in the project's `Cargo.toml`. What, isn't looked at.
    fn adds_dependencies(&self) -> bool {
        self.files.keys().any(|path| {
            let name = path.rsplit('/').next().unwrap_or(path);
            name.trim_start_matches('_').starts_with("Cargo.toml")
        })
    }
}
