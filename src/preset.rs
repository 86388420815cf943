//! A preset: its manifest, checked, and the text of its layers. Data, never code.
//!
//! A preset that extends another one has that one's layers below its own, and its choices before its own.
//!
//! The manifest is the one source for prompts, flags, help and the combinations that tests go through.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::{Bound, Range};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::answers::{Answers, ProjectName, ResourceName, SAMPLE, Taken};
use crate::choice::{Kind, YES, check_name};
use crate::faults::{self, Faults, place};
use crate::finding::{Refuse, fail, or_refuse};
use crate::lock::{self, Table};
use crate::prices::{PRICES, Prices};
use crate::refusal::list;
use crate::tree;

pub use crate::choice::{Choice, ChoiceOption, NONE, Server};

/// A preset's files by path, before anything is known of them. Embedded ones are borrowed from the program itself.
pub type Files = BTreeMap<Cow<'static, str>, Cow<'static, str>>;

/// The file that makes a directory a preset.
pub const MANIFEST: &str = "preset.toml";
/// Bytes that a manifest may have, twenty times those of the built-in one: it is read before anybody watches the time.
const MAX_MANIFEST: usize = 64 * 1024;
/// The table that a project's `Cargo.lock` is made from.
pub const LOCK_TABLE: &str = "lock.txt";
/// The directory of the layer that every project gets.
pub const BASE: &str = "base";
/// What stands between the options that share a layer, in the name of its directory.
const AND: char = '+';
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

/// A directory of a preset that a rendering uses.
#[derive(Debug)]
pub struct Layer<'p> {
    /// The preset that it is of, where there are several.
    pub preset: Option<&'p str>,
    /// `base`, `CHOICE/OPTION`, or `CHOICE/OPTION+OPTION` of what options share.
    pub name: String,
    /// Its files by the path that they have inside the layer.
    pub files: Vec<(&'p str, &'p Cow<'static, str>)>,
}

/// A manifest, with what is wrong with it.
#[derive(Debug)]
pub struct Manifest {
    /// What users call the preset.
    pub name: String,
    description: String,
    /// The preset that it extends, as `source` finds it.
    pub extends: Option<String>,
    choices: Vec<Own>,
    reserved: Reserved,
    next: Option<Vec<String>>,
    faults: Faults,
    /// Whether it has a choice that can't be read.
    lacks_a_choice: bool,
}

/// A choice of a manifest, and where it says so.
#[derive(Debug)]
struct Own {
    choice: Choice,
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
            "`{MANIFEST}` is larger than a manifest may be, {MAX_MANIFEST} bytes\nhelp: it says what is asked; what is made belongs into layers"
        );
        let mut faults = Faults::new(MANIFEST, text);
        let Some(mut table) = faults.parse(text) else {
            return Err(faults.into_error());
        };
        check_name(&table, "the preset", &mut faults);
        let listed = faults::take_list(&mut table, "choice");
        let written: Option<Written> = faults.read(&table);
        let mut choices: Vec<Own> = Vec::new();
        for item in &listed {
            if faults.are_enough() {
                break;
            }
            let Some(choice) = Choice::read(item, &mut faults) else {
                continue;
            };
            let name_at = place(item, &["name"]);
            if choices.iter().any(|own| own.choice.name == choice.name) {
                let help = "give one of them another name, or make one choice of both";
                let what = format!("the choice `{}` stands twice\nhelp: {help}", choice.name);
                faults.add(name_at, what);
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
        let packages: Vec<_> = lock::package_names(packages).collect();
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
        let packages: Vec<_> = lock::direct_dependencies(packages).collect();
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

    /// The layers that these answers ask for: of each preset of the chain base first, then in the order of the choices, of
    /// each those that options share and then those of the options.
    pub fn layers(&self, answers: &Answers) -> Vec<Layer<'_>> {
        let mut layers = Vec::new();
        for preset in self.chain() {
            layers.push(self.layer_of(preset, BASE.to_owned()));
            for options in answers.options.chunk_by(|one, other| one.0 == other.0) {
                layers.extend(self.layers_of(preset, options));
            }
        }
        layers
    }

    /// The layers that every project has: one of each preset of the chain.
    pub fn base_layers(&self) -> Vec<Layer<'_>> {
        let chain = self.chain().into_iter();
        chain
            .map(|preset| self.layer_of(preset, BASE.to_owned()))
            .collect()
    }

    /// The layers that a project has for the sake of this option, of each preset of the chain.
    pub fn option_layers(&self, choice: &str, option: &str) -> Vec<Layer<'_>> {
        let options = [(choice.to_owned(), option.to_owned())];
        let chain = self.chain().into_iter();
        chain
            .flat_map(|preset| self.layers_of(preset, &options))
            .collect()
    }

    /// The layers of one preset of the chain for these options of one choice.
    fn layers_of<'p>(&self, preset: &'p Preset, options: &[(String, String)]) -> Vec<Layer<'p>> {
        let choice = options.first().map_or("", |(choice, _)| choice);
        let is_asked_for = |name: &&str| {
            let mut chosen = options.iter();
            chosen.any(|(_, option)| sharers(name).any(|sharer| sharer == option))
        };
        let shared = preset.shared_layers(choice).into_iter();
        let shared = shared.filter(is_asked_for).map(str::to_owned);
        let own = options.iter().map(|(_, option)| option.clone());
        let names = shared.chain(own).map(|name| format!("{choice}/{name}"));
        names.map(|name| self.layer_of(preset, name)).collect()
    }

    /// The directories of its own that options of a choice share. The more share one, the earlier it stands.
    fn shared_layers(&self, choice: &str) -> Vec<&str> {
        let prefix = format!("{choice}/");
        let mut names: Vec<&str> = self
            .files
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded))
            .map_while(|(path, _)| path.strip_prefix(prefix.as_str())?.split('/').next())
            .filter(|name| name.contains(AND))
            .collect();
        names.dedup();
        names.sort_by_key(|name| Reverse(sharers(name).count()));
        names
    }

    /// What it extends before what extends it; itself last.
    fn chain(&self) -> Vec<&Preset> {
        let mut chain = self
            .extended
            .as_ref()
            .map_or_else(Vec::new, |it| it.chain());
        chain.push(self);
        chain
    }

    fn layer_of<'p>(&self, preset: &'p Preset, name: String) -> Layer<'p> {
        Layer {
            preset: self.extended.is_some().then_some(preset.name.as_str()),
            files: preset.own_layer(&name),
            name,
        }
    }

    /// Its own files of a layer by the path that they have in it.
    fn own_layer(&self, name: &str) -> Vec<(&str, &Cow<'static, str>)> {
        let prefix = format!("{name}/");
        self.files
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded))
            .map_while(|(path, text)| Some((path.strip_prefix(prefix.as_str())?, text)))
            .collect()
    }

    /// Whether any layer has something to say in the project's `Cargo.toml`. What, isn't looked at.
    fn adds_dependencies(&self) -> bool {
        self.files.keys().any(|path| {
            let name = path.rsplit('/').next().unwrap_or(path);
            name.trim_start_matches('_').starts_with("Cargo.toml")
        })
    }

    /// A misspelt directory would otherwise be a layer that nobody ever gets.
    fn check_file(&self, path: &str) -> Result<()> {
        if let Some(reason) = tree::unsafe_path(path) {
            bail!(
                "the path `{path}` {reason}\nhelp: it has to be a place inside of the project, on every system"
            );
        }
        let mut parts = path.split('/');
        let (Some(first), Some(second)) = (parts.next(), parts.next()) else {
            return Ok(());
        };
        if first == BASE {
            return Ok(());
        }
        let Some(choice) = self.choice(first) else {
            let choices = list(self.choices.iter().map(|choice| &choice.name));
            let choices = match self.choices.is_empty() {
                true => "there is no choice".to_owned(),
                false => format!("the choices are {choices}"),
            };
            bail!(
                "`{path}` belongs to no layer: `{first}` is neither `{BASE}` nor a choice\nhelp: {choices}; what is no part of a project stands in the root, or in a hidden directory"
            );
        };
        let is_option = |name: &str| choice.option(name).is_some();
        let stranger = sharers(second).find(|name| !is_option(name));
        let stranger = stranger.or(parts.next().is_none().then_some(second));
        if let Some(stranger) = stranger {
            let help = match choice.options.is_empty() {
                true => "a text has no layer: templates write it".to_owned(),
                false => {
                    let options = list(choice.options.iter().map(|option| &option.name));
                    format!("its options are {options}")
                }
            };
            bail!(
                "`{path}` belongs to no layer: `{stranger}` is not an option of `{first}`\nhelp: {help}"
            );
        }
        let options = choice.options.iter().map(|option| option.name.as_str());
        let sharing: Vec<&str> = options
            .filter(|it| sharers(second).any(|name| name == *it))
            .collect();
        let as_written = sharing.join("+");
        // One directory for each set of options, so that nobody has to look for another one.
        ensure!(
            as_written == second,
            "`{path}` belongs to no layer\nhelp: the directory of what these options share is `{first}/{as_written}/`, each once and in the order of the manifest"
        );
        Ok(())
    }
}

/// The options that share a layer, by the name of its directory; of the layer of one option that one.
pub fn sharers(name: &str) -> impl Iterator<Item = &str> {
    name.split(AND)
}

/// Checks the choices of a manifest against all that the preset has.
fn check_choices(own: &[Own], all: &[Choice], faults: &mut Faults) {
    for (index, choice) in all.iter().enumerate() {
        let name = &choice.name;
        let mine = own.iter().find(|own| own.choice.name == *name);
        // What a choice depends on that was taken over is gone, perhaps, and the choice with it.
        let places = mine.map(|own| own.when_at.iter()).into_iter().flatten();
        for ((earlier, options), at) in choice.when.iter().zip(places) {
            let before = all[..index].iter().find(|other| other.name == *earlier);
            let Some(before) = before.filter(|other| !other.is_text()) else {
                let what = "which is no choice with options before it\nhelp: a choice can depend on those that are asked before it and have options";
                faults.add(
                    at.clone(),
                    format!("`{name}` depends on `{earlier}`, {what}"),
                );
                continue;
            };
            for option in options
                .iter()
                .filter(|option| before.option(option).is_none())
            {
                let options = list(before.options.iter().map(|option| &option.name));
                let what = format!(
                    "the option `{option}` of `{earlier}`, which there is not\nhelp: its options are {options}"
                );
                faults.add(at.clone(), format!("`{name}` depends on {what}"));
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
                faults.add(own.name_at.clone(), format!(
                    "`{word}` is a word of `{name}` and of `{}`\nhelp: what flags and the options of a `many` are called names combinations, so only one choice can have it",
                    other.name
                ));
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
