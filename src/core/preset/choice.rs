//! The choices of a preset: the questions that it asks, each of a kind, with the answers that it takes.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use http::Uri;
use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::core::preset::answer::{Answer, Combination};
use crate::core::preset::spanned::{self, Faults, Value, place};
use crate::core::problem::{Problem, list};

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
    /// The answer where nobody chose.
    pub default: Answer,
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
#[serde(deny_unknown_fields, expecting = "expected a table")]
struct Written {
    name: String,
    prompt: String,
    help: Option<String>,
    #[serde(default)]
    kind: WrittenKind,
    default: Option<OneOrMore>,
    pattern: Option<String>,
    /// Each is read for itself.
    #[serde(default, rename = "option")]
    _options: Vec<ChoiceOption>,
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
    /// Reads what is written. What it says of other choices isn't looked at. There is no choice if one can't be made of it,
    /// and one that may have no sense if there are other faults.
    pub fn read(written: &Value, faults: &mut Faults) -> Option<Choice> {
        let at = |field| place(written, &[field]);
        check_name(written, "a choice", faults);
        if let Some(name) = spanned::text(written, "name").filter(|name| TAKEN.contains(name)) {
            let problem = Problem::new(format!(
                "a choice can't be called `{name}`: the word is taken"
            ))
            .help("templates, flags or directories use it already, so give it another name");
            faults.add(at("name"), problem);
        }
        let mut form = written.clone();
        let listed = spanned::take_list(&mut form, "option");
        let form: Option<Written> = faults.read(&form);
        let read = listed.iter().map(|option| {
            check_name(option, "an option", faults);
            faults.read(option)
        });
        // Each of them, before it is asked whether all are there.
        let options: Vec<Option<ChoiceOption>> = read.collect();
        let (form, options) = (form?, options.into_iter().collect::<Option<Vec<_>>>()?);

        let name = form.name;
        check_options(&name, &options, form.kind, &listed, faults);
        let is_text = form.kind == WrittenKind::Text;
        if is_text != form.pattern.is_some() {
            let (what, help) = match is_text {
                true => (
                    "is a text without a pattern",
                    "`pattern = \".+\"` takes any that is not empty",
                ),
                false => (
                    "has a pattern, and is no text",
                    "say `kind = \"text\"`, or leave the pattern out",
                ),
            };
            faults.add(
                at("pattern"),
                Problem::new(format!("the choice `{name}` {what}")).help(help),
            );
        }
        if is_text && !options.is_empty() {
            let what = format!("the choice `{name}` has options, and is a text");
            faults.add(
                at("name"),
                Problem::new(what).help("leave out the one or the other"),
            );
        } else if !is_text && options.is_empty() && form.kind != WrittenKind::Flag {
            let what = format!("the choice `{name}` has no option");
            let help = "each is a `[[choice.option]]` below it";
            faults.add(at("name"), Problem::new(what).help(help));
        }
        let default = match default(&name, form.default, form.kind) {
            Ok(default) => default,
            Err(problem) => {
                faults.add(at("default"), problem);
                Vec::new()
            }
        };
        let pattern = form.pattern.as_deref().map(compile);
        let kind = match (form.kind, pattern) {
            (WrittenKind::Flag, _) => Kind::Flag,
            (WrittenKind::Many, _) => Kind::Many,
            (WrittenKind::One, _) => Kind::One,
            (WrittenKind::Text, Some(Ok(pattern))) => Kind::Text(pattern),
            (WrittenKind::Text, Some(Err(error))) => {
                let help = "it is a regular expression as Rust's `regex` has them";
                let problem =
                    Problem::new(format!("the pattern of `{name}` is not valid: {error}"))
                        .help(help);
                faults.add(at("pattern"), problem);
                return None;
            }
            (WrittenKind::Text, None) => return None,
        };
        let when = form.when.into_iter();
        let choice = Choice {
            name,
            prompt: form.prompt,
            help: form.help,
            default: Answer::default(),
            options: match form.kind {
                WrittenKind::Flag => yes_and_no(options),
                _ => options,
            },
            when: when
                .map(|(choice, options)| (choice, options.into_list()))
                .collect(),
            kind,
        };
        if is_text || !choice.options.is_empty() {
            choice.check_default(&default, &at("default"), faults);
        }
        Some(Choice {
            default: choice.of_names(&default),
            ..choice
        })
    }

    fn check_default(&self, written: &[String], at: &Range<usize>, faults: &mut Faults) {
        let name = &self.name;
        for (index, default) in written.iter().enumerate() {
            if self.is_text() {
                if let Err(reason) = self.check_text(default) {
                    let default = default.escape_debug();
                    let help = "it stands where nobody answers, so it has to be an answer";
                    let problem =
                        Problem::new(format!("the default `{default}` of `{name}` {reason}"))
                            .help(help);
                    faults.add(at.clone(), problem);
                }
            } else if self.option(default).is_none() {
                let options = list(self.options.iter().map(|option| &option.name));
                let problem = Problem::new(format!(
                    "the default `{default}` of `{name}` is not one of its options"
                ))
                .help(format!("they are {options}"));
                faults.add(at.clone(), problem);
            } else if written[..index].contains(default) {
                let problem =
                    Problem::new(format!("the default of `{name}` has `{default}` twice"))
                        .help("once is enough");
                faults.add(at.clone(), problem);
            }
        }
    }

    /// The answer of these options, in the manifest's order, or of this text. Whether it can be one isn't looked at.
    pub fn of_names(&self, names: &[String]) -> Answer {
        let last = || names.last().cloned().unwrap_or_default();
        match self.kind {
            Kind::One => Answer::One(last()),
            Kind::Flag => Answer::Flag(last() == YES),
            Kind::Text(_) => Answer::Text(last()),
            Kind::Many => {
                let options = self.options.iter().map(|option| option.name.clone());
                Answer::Many(options.filter(|option| names.contains(option)).collect())
            }
        }
    }

    /// The answer that a command line gives with these words, if the choice can have it.
    pub fn answer(&self, words: &[String]) -> Result<Answer, Problem> {
        let name = &self.name;
        if self.is_text() {
            for text in words {
                self.check(&Answer::Text(text.clone()))?;
            }
            return Ok(self.of_names(words));
        }
        let is_many = matches!(self.kind, Kind::Many);
        let is_none = |word: &&String| is_many && *word == NONE;
        if let Some(stranger) = words
            .iter()
            .find(|word| self.option(word).is_none() && !is_none(word))
        {
            let options = list(self.options.iter().map(|option| &option.name));
            let what = format!("`{name}` has no option `{stranger}`, it has {options}");
            return Err(Problem::refusal(what));
        }
        let others: Vec<_> = words.iter().filter(|word| !is_none(word)).collect();
        if others.len() < words.len() && !others.is_empty() {
            let what = format!("`--{name} {NONE}` can't have {} as well", list(others));
            return Err(Problem::refusal(what).help(format!("leave `{NONE}` out, or the others")));
        }
        Ok(self.of_names(words))
    }

    /// Whether it can have this answer.
    pub fn check(&self, answer: &Answer) -> Result<(), Problem> {
        let name = &self.name;
        let fits = match (&self.kind, answer) {
            (Kind::Text(_), Answer::Text(text)) => {
                return self.check_text(text).map_err(|reason| {
                    let text = text.escape_debug();
                    let what = format!("`--{name}` can't be `{text}`: it {reason}");
                    Problem::refusal(what).help(self.expected())
                });
            }
            (Kind::One, Answer::One(_)) | (Kind::Flag, Answer::Flag(_)) => true,
            (Kind::Many, Answer::Many(options)) => {
                let is_after = |pair: &[usize]| pair[0] < pair[1];
                let at = |option: &String| self.options.iter().position(|it| it.name == *option);
                let at: Vec<usize> = options.iter().filter_map(at).collect();
                at.windows(2).all(is_after)
            }
            _ => false,
        };
        let stranger = answer
            .options()
            .into_iter()
            .find(|it| self.option(it).is_none());
        match stranger {
            None if fits => Ok(()),
            Some(stranger) => {
                let what = format!("`{name}` has no option `{stranger}`");
                Err(Problem::refusal(what).help(self.expected()))
            }
            None => {
                let what = format!("`{answer}` is no answer to `{name}`");
                Err(Problem::refusal(what).help(self.expected()))
            }
        }
    }

    /// What an answer would be.
    pub fn expected(&self) -> String {
        let options = list(self.options.iter().map(|option| &option.name));
        match (&self.kind, &self.help) {
            (Kind::Text(_), Some(help)) => help.clone(),
            (Kind::Text(_), None) => format!("such as `{}`", self.default),
            (Kind::Flag, _) => "it is true or false".to_owned(),
            (Kind::One, _) => format!("it is one of {options}"),
            (Kind::Many, _) => format!("it is any of {options}, in this order, each once"),
        }
    }

    /// What an answer is told that the choice can't have, because it is no question.
    pub fn does_not_apply(&self) -> Problem {
        let name = &self.name;
        let conditions = self.when.iter();
        let conditions: Vec<_> = conditions
            .map(|(name, options)| format!("`--{name} {}`", options.join("|")))
            .collect();
        let what = format!(
            "`--{name}` says something only with {}",
            conditions.join(" and ")
        );
        Problem::refusal(what).help(format!("leave `--{name}` out, or say that, too"))
    }

    /// The option of this name.
    pub fn option(&self, name: &str) -> Option<&ChoiceOption> {
        self.options.iter().find(|option| option.name == name)
    }

    /// Its options as command lines name them, `CHOICE=OPTION`. `none` of a choice of many stands for no option.
    pub fn answers(&self) -> Vec<String> {
        let none = matches!(self.kind, Kind::Many).then_some(NONE);
        let options = self.options.iter().map(|option| option.name.as_str());
        let options = options.chain(none);
        options
            .map(|option| format!("{}={option}", self.name))
            .collect()
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
            let written = written
                .strip_suffix(r")\z")
                .unwrap_or(written)
                .trim_end_matches('\n');
            Err(format!("does not match `{written}`"))
        } else {
            Ok(())
        }
    }

    /// Whether it is a question at all, once these options of the choices before it are chosen.
    pub fn applies(&self, options: &Combination) -> bool {
        self.when.iter().all(|(choice, any)| {
            let taken = options.get(choice).map(Answer::options).unwrap_or_default();
            taken.iter().any(|option| any.iter().any(|it| it == option))
        })
    }

    /// The answers that are worth a look: each option; of many none, each alone, and all of them together; of a text the
    /// default.
    pub fn alternatives(&self) -> Vec<Answer> {
        let names = self.options.iter().map(|option| option.name.clone());
        match &self.kind {
            Kind::One => names.map(Answer::One).collect(),
            Kind::Flag => vec![Answer::Flag(true), Answer::Flag(false)],
            Kind::Many => {
                let all: Vec<String> = names.clone().collect();
                let all = Some(all).filter(|all| all.len() > 1);
                let each = names.map(|name| vec![name]);
                let alternatives = [Vec::new()].into_iter().chain(each).chain(all);
                alternatives.map(Answer::Many).collect()
            }
            Kind::Text(_) => vec![self.default.clone()],
        }
    }

    /// The answers that bring something, each option for itself.
    pub fn bringing(&self) -> impl Iterator<Item = Answer> {
        let names = self.options.iter().map(|option| option.name.clone());
        let answers = names.map(|name| self.of_names(&[name]));
        answers.filter(|answer| !answer.is_without())
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

fn check_options(
    choice: &str,
    options: &[ChoiceOption],
    kind: WrittenKind,
    listed: &[Value],
    faults: &mut Faults,
) {
    for (index, (option, written)) in options.iter().zip(listed).enumerate() {
        let name = option.name.as_str();
        let is_twice = options[..index].iter().any(|other| other.name == name);
        let what = match (kind, name) {
            _ if is_twice => Some(
                Problem::new(format!("the option `{name}` of `{choice}` stands twice"))
                    .help("give one of them another name"),
            ),
            (WrittenKind::Flag, YES | NO) => None,
            (WrittenKind::Flag, _) => Some(
                Problem::new(format!(
                    "the flag `{choice}` has `{YES}` and `{NO}`, and no option `{name}`"
                ))
                .help("a choice with options of other names is no flag"),
            ),
            (_, YES | NO) => Some(
                Problem::new(format!(
                    "the option `{name}` of `{choice}` is one of a flag"
                ))
                .help("such a choice has `kind = \"flag\"`"),
            ),
            (WrittenKind::Many, NONE) => Some(
                Problem::new(format!(
                    "the option `{NONE}` of `{choice}` stands for no option where there may be many"
                ))
                .help("leave it out: it is there by itself"),
            ),
            _ => None,
        };
        if let Some(what) = what {
            faults.add(place(written, &["name"]), what);
        }
        let Some(server) = &option.server else {
            continue;
        };
        if let Err(error) = server.address(&server.default) {
            let help = "it is a URL with a host and a port, such as `redis://127.0.0.1:6379`";
            let problem = Problem::new(format!(
                "the default server of `{choice}={name}`: {error:#}"
            ))
            .help(help);
            faults.add(place(written, &["server", "default"]), problem);
        }
    }
}

/// The default of a choice of this kind, or why there is none.
fn default(
    choice: &str,
    written: Option<OneOrMore>,
    kind: WrittenKind,
) -> Result<Vec<String>, Problem> {
    match (written, kind) {
        (Some(OneOrMore::More(more)), WrittenKind::Many) => Ok(more),
        (None, WrittenKind::Many) => Ok(Vec::new()),
        (Some(_), WrittenKind::Many) => {
            let what = format!("the default of `{choice}` is no list");
            Err(Problem::new(what).help("there may be many: `default = [\"a\", \"b\"]`"))
        }
        (Some(OneOrMore::One(one)), _) => Ok(vec![one]),
        (None, WrittenKind::Flag) => Ok(vec![NO.to_owned()]),
        (None, _) => {
            let what = format!("the choice `{choice}` has no default");
            Err(Problem::new(what).help("`default` says what stands where nobody answers"))
        }
        (Some(_), _) => {
            let what = format!("the default of `{choice}` is a list");
            Err(Problem::new(what).help("there can be but one of them"))
        }
    }
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

/// A pattern that matches the whole of a text or nothing, or why there can't be one.
fn compile(pattern: &str) -> Result<Regex, String> {
    let compile = |pattern: &str| {
        RegexBuilder::new(pattern)
            .size_limit(MAX_PATTERN)
            .dfa_size_limit(MAX_PATTERN)
            .build()
    };
    // By itself first, since `a)|(b` would get out of the group.
    let whole = format!(r"\A(?:{pattern})\z");
    // With `(?x)` it may end in a comment, which a line ends.
    let in_lines = format!("\\A(?:{pattern}\n)\\z");
    let compiled = compile(pattern).and_then(|_| compile(&whole).or_else(|_| compile(&in_lines)));
    compiled.map_err(|error| {
        // It says where in several lines, the last of which says what.
        let error = error.to_string();
        let what = error.lines().last().unwrap_or_default();
        what.trim_start_matches("error: ")
            .trim_end_matches('.')
            .to_owned()
    })
}

/// Checks the word that a table has for its name.
pub fn check_name(table: &Value, what: &str, faults: &mut Faults) {
    let name = spanned::text(table, "name").map(|name| check_word(what, name));
    if let Some(Err(error)) = name {
        let help = "it starts with a letter, and is a flag, a directory and a variable";
        faults.add(
            place(table, &["name"]),
            Problem::new(format!("{error}")).help(help),
        );
    }
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
