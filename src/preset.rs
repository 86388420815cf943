//! A preset: its manifest, checked, and the text of its layers. Data, never code.
//!
//! The manifest is the one source for prompts, flags, help and the combinations that tests go through.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;

use anyhow::{Context, Result, bail, ensure};
use http::Uri;
use serde::Deserialize;

use crate::answers::{Answers, ProjectName, ResourceName, Taken};
use crate::lock::{self, Table};
use crate::prices::{PRICES, Prices};
use crate::tree;

/// A preset's files by path, before anything is known of them. Embedded ones are borrowed from the program itself.
pub type Files = BTreeMap<Cow<'static, str>, Cow<'static, str>>;

/// The file that makes a directory a preset.
pub const MANIFEST: &str = "preset.toml";
/// The table that a project's `Cargo.lock` is made from.
pub const LOCK_TABLE: &str = "lock.txt";
/// The directory of the layer that every project gets.
pub const BASE: &str = "base";
/// The option that stands for "without": templates see it as `none`, and it needs no directory.
pub const NONE: &str = "none";

/// Names that a choice can't have: a template's own variables, and flags that `new` has already.
#[rustfmt::skip]
const TAKEN: &[&str] = &[
    "base", "crate_name", "false", "format", "fragments", "help", "into", "loop", "name", "none",
    "preset", "resource", "resources", "self", "true", "version", "yes",
];

/// A preset that can be rendered.
#[derive(Debug)]
pub struct Preset {
    /// What users call it.
    pub name: String,
    /// One line about what it gives.
    pub description: String,
    /// Its questions, in the order in which they are asked and laid.
    pub choices: Vec<Choice>,
    /// Names that its own code can't live with.
    pub reserved: Reserved,
    next: Vec<String>,
    files: Files,
}

/// A question of a preset.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The name of its flag, of its directory and of its variable in templates.
    pub name: String,
    /// The question, as it is asked.
    pub prompt: String,
    /// The option that stands where nobody chose.
    pub default: String,
    /// The answers it can have. A choice with one option is not asked.
    #[serde(rename = "option")]
    pub options: Vec<ChoiceOption>,
}

/// One answer to a choice.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChoiceOption {
    /// What users type, and the name of the layer's directory.
    pub name: String,
    /// One line about when to take it.
    pub help: String,
    /// Shell commands to run before the project's first `cargo run`.
    #[serde(default)]
    pub next: Vec<String>,
    /// The server that the tests of a project with it talk to.
    pub server: Option<Server>,
}

/// A server that tests need, and that whoever runs them has to start.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// What people call it, such as `PostgreSQL`.
    pub name: String,
    /// The variable that says where it is, such as `TEST_POSTGRES_URL`.
    pub variable: String,
    /// Where it is if that is not set: a URL with a port.
    pub default: String,
    /// The shell command that starts one.
    pub start: String,
}

/// Names that a preset's own modules, routes and columns already use.
#[derive(Debug, Default, Deserialize)]
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
    /// `base` or `CHOICE/OPTION`.
    pub name: String,
    /// Its files by the path that they have inside the layer.
    pub files: Vec<(&'p str, &'p Cow<'static, str>)>,
}

/// The manifest as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    name: String,
    description: String,
    #[serde(default, rename = "choice")]
    choices: Vec<Choice>,
    #[serde(default)]
    reserved: Reserved,
    /// Shell commands that show the finished project at work. `{{resource}}` is the resource as URLs say it.
    #[serde(default)]
    next: Vec<String>,
}

impl Preset {
    /// Reads the manifest among `files` and checks that the rest fits it.
    pub fn parse(files: Files) -> Result<Preset> {
        let text = files
            .get(MANIFEST)
            .with_context(|| format!("there is no `{MANIFEST}`"))?;
        let manifest: Manifest =
            toml::from_str(text).with_context(|| format!("`{MANIFEST}` is not valid"))?;
        let preset = Preset {
            name: manifest.name,
            description: manifest.description,
            choices: manifest.choices,
            reserved: manifest.reserved,
            next: manifest.next,
            files,
        };
        preset
            .check_choices()
            .with_context(|| format!("`{MANIFEST}` is not valid"))?;
        preset.check_files()?;
        Ok(preset)
    }

    /// The choice of this name.
    pub fn choice(&self, name: &str) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.name == name)
    }

    /// A file of the preset's root, such as its lock table.
    pub fn file(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(|text| &**text)
    }

    /// The lock table, if the preset has one.
    pub fn lock_table(&self) -> Result<Option<Table<'_>>> {
        let table = self.file(LOCK_TABLE).map(Table::parse).transpose();
        table.with_context(|| format!("`{LOCK_TABLE}` is not valid"))
    }

    /// What its options cost, if that was measured.
    pub fn prices(&self) -> Result<Option<Prices>> {
        self.file(PRICES).map(Prices::parse).transpose()
    }

    /// A name for a project of this preset.
    pub fn project_name(&self, text: &str) -> Result<ProjectName> {
        // Cargo can't lock a project that has the name of one of its packages, however deep that stands.
        let packages: Vec<_> = lock::package_names(self.lock_text()).collect();
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
        let packages: Vec<_> = lock::direct_dependencies(self.lock_text()).collect();
        let words = &self.reserved.resources;
        Ok(ResourceName::parse(
            text,
            Taken {
                packages: &packages,
                words,
            },
        )?)
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

    /// The lock table as it is written; empty if there is none.
    fn lock_text(&self) -> &str {
        self.file(LOCK_TABLE).unwrap_or_default()
    }

    /// The layers that these answers ask for, base first, then in the order of the choices.
    pub fn layers(&self, answers: &Answers) -> Vec<Layer<'_>> {
        let chosen = answers
            .options
            .iter()
            .map(|(choice, option)| format!("{choice}/{option}"));
        std::iter::once(BASE.to_owned())
            .chain(chosen)
            .map(|name| self.layer(name))
            .collect()
    }

    fn layer(&self, name: String) -> Layer<'_> {
        let prefix = format!("{name}/");
        let files = self
            .files
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded))
            .map_while(|(path, text)| Some((path.strip_prefix(prefix.as_str())?, text)))
            .collect();
        Layer { name, files }
    }

    fn check_choices(&self) -> Result<()> {
        check_word("the preset", &self.name)?;
        for (index, choice) in self.choices.iter().enumerate() {
            let name = &choice.name;
            check_word("a choice", name)?;
            ensure!(
                !TAKEN.contains(&name.as_str()),
                "a choice can't be called `{name}`: the word is taken"
            );
            ensure!(
                self.choices[..index]
                    .iter()
                    .all(|other| other.name != *name),
                "the choice `{name}` stands twice"
            );
            ensure!(
                !choice.options.is_empty(),
                "the choice `{name}` has no option"
            );
            for (index, option) in choice.options.iter().enumerate() {
                check_word("an option", &option.name)?;
                let twice = choice.options[..index]
                    .iter()
                    .any(|other| other.name == option.name);
                ensure!(
                    !twice,
                    "the option `{}` of `{name}` stands twice",
                    option.name
                );
                if let Some(server) = &option.server {
                    server.address(&server.default).with_context(|| {
                        format!("the default server of `{name}={}`", option.name)
                    })?;
                }
            }
            let default = &choice.default;
            ensure!(
                choice.option(default).is_some(),
                "the default `{default}` of `{name}` is not one of its options"
            );
        }
        Ok(())
    }

    /// A misspelt directory would otherwise be a layer that nobody ever gets.
    fn check_files(&self) -> Result<()> {
        for path in self.files.keys() {
            if let Some(reason) = tree::unsafe_path(path) {
                bail!("the path `{path}` {reason}");
            }
            let mut parts = path.split('/');
            let (Some(first), Some(second)) = (parts.next(), parts.next()) else {
                continue;
            };
            if first == BASE {
                continue;
            }
            let Some(choice) = self.choice(first) else {
                bail!("`{path}` belongs to no layer: `{first}` is neither `{BASE}` nor a choice");
            };
            if choice.option(second).is_none() || parts.next().is_none() {
                bail!("`{path}` belongs to no layer: `{second}` is not an option of `{first}`");
            }
        }
        Ok(())
    }
}

impl Server {
    /// The host and the port of a URL; a port that it does not have is that of the default.
    pub fn address(&self, url: &str) -> Result<(String, u16)> {
        let parse = |url: &str| -> Result<(String, Option<u16>)> {
            // Not the URL itself, which may hold a password.
            let uri: Uri = url.parse().ok().context("it is not a URL")?;
            let host = uri.host().context("it names no host")?;
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Ok((host.to_owned(), uri.port_u16()))
        };
        let (host, port) = parse(url)?;
        match port {
            Some(port) => Ok((host, port)),
            None => Ok((host, parse(&self.default)?.1.context("it names no port")?)),
        }
    }
}

impl Choice {
    /// The option of this name.
    pub fn option(&self, name: &str) -> Option<&ChoiceOption> {
        self.options.iter().find(|option| option.name == name)
    }
}

/// Choices and options become flags, directories and variables: one alphabet suits all three.
fn check_word(what: &str, word: &str) -> Result<()> {
    let plain = word.starts_with(|c: char| c.is_ascii_lowercase())
        && word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    ensure!(
        plain,
        "the name `{word}` of {what} is not made of lower-case letters, digits and `_`"
    );
    Ok(())
}
