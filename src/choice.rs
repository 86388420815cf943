//! The choices of a preset: the questions that it asks, each of a kind, with the answers that it takes.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail, ensure};
use http::Uri;
use regex::{Regex, RegexBuilder};
use serde::Deserialize;

/// The option that stands for "without": templates see it as `none`, and it needs no directory. On the command line it
/// also stands for no option of many.
pub const NONE: &str = "none";
/// The options of a flag.
pub const YES: &str = "yes";
/// See [`YES`].
pub const NO: &str = "no";

/// Characters that a text may have.
const MAX_TEXT: usize = 200;
/// Bytes that a compiled pattern may take.
const MAX_PATTERN: usize = 1024 * 1024;

/// Names that a choice can't have: words of templates, a template's own variables, flags that `new` has already, and
/// directories of a preset that are no layers.
#[rustfmt::skip]
const TAKEN: &[&str] = &[
    "and", "base", "crate_name", "dry_run", "else", "false", "for", "format", "fragments", "help", "if", "in", "into",
    "is", "loop", "name", "no_git", "none", "not", "or", "preset", "resource", "resources", "self", "snapshots", "true",
    "version", "yes",
];

/// A question of a preset.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// The name of its flag, of its directory and of its variable in templates.
    pub name: String,
    /// The question, as it is asked.
    pub prompt: String,
    /// One line about what to answer.
    pub help: Option<String>,
    /// What it takes for an answer.
    pub kind: Kind,
    /// What stands where nobody chose: one option, any number of many, or a text.
    pub default: Vec<String>,
    /// The options that it has. A text has none.
    pub options: Vec<ChoiceOption>,
    /// The choices that it depends on: of each of them one of these options has to be chosen.
    pub when: Vec<(String, Vec<String>)>,
}

/// What a choice takes for an answer.
#[derive(Debug, Clone, Default)]
pub enum Kind {
    /// One option of several. A choice with one option is not asked.
    #[default]
    One,
    /// `yes` or `no`.
    Flag,
    /// Any number of options.
    Many,
    /// A text that all of this matches.
    Text(Regex),
}

/// One answer to a choice.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChoiceOption {
    /// What users type, and the name of the layer's directory.
    pub name: String,
    /// One line about when to take it.
    pub help: String,
    /// Shell commands to run before the project's first `cargo run`.
    #[serde(default)]
    pub next: Vec<String>,
    /// Whether its name is a common word, which files that are no part of its layer may use for other things.
    #[serde(default)]
    pub common: bool,
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

/// A choice as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    name: String,
    prompt: String,
    help: Option<String>,
    #[serde(default)]
    kind: WrittenKind,
    default: Option<OneOrMore>,
    pattern: Option<String>,
    #[serde(default, rename = "option")]
    options: Vec<ChoiceOption>,
    #[serde(default)]
    when: BTreeMap<String, OneOrMore>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenKind {
    #[default]
    One,
    Flag,
    Many,
    Text,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn into_list(self) -> Vec<String> {
        match self {
            OneOrMore::One(one) => vec![one],
            OneOrMore::More(more) => more,
        }
    }
}

impl Kind {
    /// As a manifest says it.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::One => "one",
            Kind::Flag => "flag",
            Kind::Many => "many",
            Kind::Text(_) => "text",
        }
    }
}

impl Choice {
    /// The default, as people are told of it.
    pub fn default_shown(&self) -> String {
        match self.default.is_empty() {
            true => NONE.to_owned(),
            false => self.default.join(","),
        }
    }

    /// Checks what is written. What it says of other choices isn't looked at.
    pub fn new(written: Written) -> Result<Choice> {
        let (name, kind) = (written.name, written.kind);
        check_word("a choice", &name)?;
        ensure!(
            !TAKEN.contains(&name.as_str()),
            "a choice can't be called `{name}`: the word is taken"
        );
        let is_text = kind == WrittenKind::Text;
        ensure!(
            is_text == written.pattern.is_some(),
            "the choice `{name}` needs `kind = \"text\"` and a `pattern`, or none of the two"
        );
        ensure!(
            is_text == written.options.is_empty() || kind == WrittenKind::Flag,
            "the choice `{name}` has {}",
            if is_text {
                "options, and is a text"
            } else {
                "no option"
            }
        );
        check_options(&name, &written.options, kind)?;

        let default = match (written.default, kind) {
            (Some(OneOrMore::More(more)), WrittenKind::Many) => more,
            (None, WrittenKind::Many) => Vec::new(),
            (Some(OneOrMore::One(one)), kind) if kind != WrittenKind::Many => vec![one],
            (None, WrittenKind::Flag) => vec![NO.to_owned()],
            (None, _) => bail!("the choice `{name}` has no default"),
            (Some(_), WrittenKind::Many) => bail!("the default of `{name}` is no list"),
            (Some(_), _) => bail!("the default of `{name}` is a list"),
        };
        let choice = Choice {
            options: match kind {
                WrittenKind::Flag => yes_and_no(written.options),
                _ => written.options,
            },
            kind: match (kind, written.pattern) {
                (WrittenKind::Text, Some(pattern)) => Kind::Text(
                    compile(&pattern)
                        .with_context(|| format!("the pattern of `{name}` is not valid"))?,
                ),
                (WrittenKind::Flag, _) => Kind::Flag,
                (WrittenKind::Many, _) => Kind::Many,
                _ => Kind::One,
            },
            when: written
                .when
                .into_iter()
                .map(|(choice, options)| (choice, options.into_list()))
                .collect(),
            name,
            prompt: written.prompt,
            help: written.help,
            default,
        };
        choice.check_default()?;
        Ok(choice)
    }

    fn check_default(&self) -> Result<()> {
        let name = &self.name;
        for (index, default) in self.default.iter().enumerate() {
            if self.is_text() {
                self.check_text(default).map_err(|reason| {
                    anyhow!(
                        "the default `{}` of `{name}` {reason}",
                        default.escape_debug()
                    )
                })?;
            } else {
                ensure!(
                    self.option(default).is_some(),
                    "the default `{default}` of `{name}` is not one of its options"
                );
                ensure!(
                    !self.default[..index].contains(default),
                    "the default of `{name}` has `{default}` twice"
                );
            }
        }
        Ok(())
    }

    /// The option of this name.
    pub fn option(&self, name: &str) -> Option<&ChoiceOption> {
        self.options.iter().find(|option| option.name == name)
    }

    /// Whether its answer is a text, and no option.
    pub fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Text(_))
    }

    /// Why this can't be its text, if it can't.
    pub fn check_text(&self, text: &str) -> Result<(), String> {
        let Kind::Text(pattern) = &self.kind else {
            return Err("is a text, and the choice has options".to_owned());
        };
        if text.chars().count() > MAX_TEXT {
            Err(format!("has more than {MAX_TEXT} characters"))
        } else if text.contains(char::is_control) {
            Err("has a control character".to_owned())
        } else if !pattern.is_match(text) {
            // Without what makes it match all of a text.
            let written = pattern.as_str();
            let written = written.strip_prefix(r"\A(?:").unwrap_or(written);
            let written = written.strip_suffix(r")\z").unwrap_or(written);
            Err(format!("does not match `{written}`"))
        } else {
            Ok(())
        }
    }

    /// Whether it is a question at all, once these options of the choices before it are chosen.
    pub fn applies(&self, options: &[(String, String)]) -> bool {
        let is_chosen = |(choice, any): &(String, Vec<String>)| {
            let mut of_choice = options.iter().filter(|(name, _)| name == choice);
            of_choice.any(|(_, option)| any.contains(option))
        };
        self.when.iter().all(is_chosen)
    }

    /// The sets of options that are worth a look: each one; of many none, each alone, and all of them together.
    pub fn alternatives(&self) -> Vec<Vec<(String, String)>> {
        let pair = |option: &ChoiceOption| (self.name.clone(), option.name.clone());
        let each = self.options.iter().map(|option| vec![pair(option)]);
        match &self.kind {
            Kind::One | Kind::Flag => each.collect(),
            Kind::Many => {
                let all = self.options.iter().map(pair).collect::<Vec<_>>();
                let all = Some(all).filter(|all| all.len() > 1);
                std::iter::once(Vec::new()).chain(each).chain(all).collect()
            }
            Kind::Text(_) => vec![Vec::new()],
        }
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

fn check_options(choice: &str, options: &[ChoiceOption], kind: WrittenKind) -> Result<()> {
    for (index, option) in options.iter().enumerate() {
        let name = option.name.as_str();
        check_word("an option", name)?;
        ensure!(
            options[..index].iter().all(|other| other.name != name),
            "the option `{name}` of `{choice}` stands twice"
        );
        match (kind, name) {
            (WrittenKind::Flag, YES | NO) => {}
            (WrittenKind::Flag, _) => {
                bail!("the flag `{choice}` has `{YES}` and `{NO}`, and no option `{name}`")
            }
            (_, YES | NO) => bail!(
                "the option `{name}` of `{choice}` is one of a flag: such a choice has `kind = \"flag\"`"
            ),
            (WrittenKind::Many, NONE) => bail!(
                "the option `{NONE}` of `{choice}` stands for no option where there may be many"
            ),
            _ => {}
        }
        if let Some(server) = &option.server {
            server
                .address(&server.default)
                .with_context(|| format!("the default server of `{choice}={name}`"))?;
        }
    }
    Ok(())
}

/// The options of a flag, of which the manifest names those that it has more to say of.
fn yes_and_no(written: Vec<ChoiceOption>) -> Vec<ChoiceOption> {
    let option = |name: &str| {
        let written = written.iter().find(|option| option.name == name);
        written.cloned().unwrap_or_else(|| ChoiceOption {
            name: name.to_owned(),
            ..ChoiceOption::default()
        })
    };
    vec![option(YES), option(NO)]
}

/// A pattern that matches the whole of a text or nothing.
fn compile(pattern: &str) -> Result<Regex> {
    let compile = |pattern: &str| {
        RegexBuilder::new(pattern)
            .size_limit(MAX_PATTERN)
            .dfa_size_limit(MAX_PATTERN)
            .build()
    };
    // By itself first, since `a)|(b` would get out of the group.
    compile(pattern)?;
    Ok(compile(&format!(r"\A(?:{pattern})\z"))?)
}

/// Choices and options become flags, directories and variables: one alphabet suits all three.
pub fn check_word(what: &str, word: &str) -> Result<()> {
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
