//! What a project remembers of its making, in `.scaffold/`: the answers, its parts, its rendering as it was, and what its
//! owner deleted of it.
//!
//! With it a later `scaffold` can tell what the project's owner changed, without a network, git's history or the version
//! that made it. Two branches can each change one answer or add a part, and git merges both.

use std::collections::BTreeSet;
use std::fmt::Write;

use anyhow::Result;
use toml::de::{DeTable, DeValue};
use toml_edit::{Array, Value};

use crate::core::answers::Answers;
use crate::core::digest::digest;
use crate::core::names::ResourceName;
use crate::core::preset::answer::{Answer, Combination};
use crate::core::preset::{Origin, Preset};
use crate::core::problem::{Problem, list};
use crate::core::tree::Tree;

/// The file of the answers.
pub const ANSWERS: &str = ".scaffold/answers.toml";
/// The file that holds the rendering.
pub const PRISTINE: &str = ".scaffold/pristine.txt";
/// The directory of the project's parts, a file each.
pub const PARTS: &str = ".scaffold/parts/";
/// The file that names what the owner deleted.
const DELETED: &str = ".scaffold/deleted.txt";
/// The file that tells git what the memory is.
const ATTRIBUTES: &str = ".scaffold/.gitattributes";

/// A merge of it would be a rendering that nobody made, and its bytes have a digest.
const ATTRIBUTES_TEXT: &str = "pristine.txt -merge -text linguist-generated\n";
const ANSWERS_HEADER: &str = "\
# What `scaffold` made this project from. It is read again when the project is
# changed or updated with `scaffold`, so it belongs into version control.
";
const PART_HEADER: &str =
    "# A part of this project, which `scaffold` reads again like `answers.toml`.\n";
/// What the pristine starts with; the digest of all that follows stands at the end of the line.
const PRISTINE_HEADER: &str =
    "# The project as `scaffold` rendered it last. XXH3-128 of what follows: ";
/// The kind of a part that the service serves.
const RESOURCE: &str = "resource";

/// What a project remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Where its preset comes from.
    pub origin: Origin,
    /// What it was made from.
    pub answers: Answers,
    /// Its rendering as it was.
    pub pristine: Tree,
    /// Paths that its owner deleted, which stay away whatever is rendered later.
    pub deleted: BTreeSet<String>,
}

impl Memory {
    /// What is rendered now, without what its owner deleted.
    pub fn wanted(&self, theirs: &Tree) -> Result<Tree> {
        let mut wanted = Tree::default();
        for (path, text) in theirs
            .iter()
            .filter(|(path, _)| !self.deleted.contains(*path))
        {
            wanted.insert(path, text.to_owned())?;
        }
        Ok(wanted)
    }

    /// Its files.
    pub fn to_files(&self) -> Result<Tree> {
        let mut files = files(&self.origin, &self.answers, &self.pristine)?;
        if !self.deleted.is_empty() {
            // A line between two of them, so that two branches can each add one.
            let lines: Vec<&str> = self.deleted.iter().map(String::as_str).collect();
            files.insert(DELETED, lines.join("\n\n") + "\n")?;
        }
        Ok(files)
    }
}

/// Adds the memory of a new project to its rendering.
pub fn remember(tree: &mut Tree, origin: &Origin, answers: &Answers) -> Result<()> {
    let files = files(origin, answers, tree)?;
    for (path, text) in files {
        tree.insert(path, text)?;
    }
    Ok(())
}

fn files(origin: &Origin, answers: &Answers, pristine: &Tree) -> Result<Tree> {
    let mut files = Tree::default();
    files.insert(ATTRIBUTES, ATTRIBUTES_TEXT)?;
    files.insert(ANSWERS, print_answers(origin, answers))?;
    for resource in answers.resources() {
        let (path, text) = print_resource(resource);
        files.insert(path, text)?;
    }
    files.insert(PRISTINE, print_pristine(pristine)?)?;
    Ok(files)
}

fn print_answers(origin: &Origin, answers: &Answers) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut entries = vec![
        ("name", Value::from(answers.name().as_str())),
        ("preset", Value::from(&origin.name)),
    ];
    if let Some(commit) = &origin.commit {
        entries.push(("commit", Value::from(commit)));
    }
    entries.push(("scaffold", Value::from(version)));
    let mut text = ANSWERS_HEADER.to_owned();
    // A blank line between two of them, so that two branches can each change one.
    for (key, value) in entries {
        text.push_str(&format!("\n{key} = {value}\n"));
    }
    text.push_str("\n[choices]\n");
    for (choice, answer) in answers.choices().iter() {
        let value = match answer {
            Answer::One(text) | Answer::Text(text) => Value::from(text),
            Answer::Flag(is_set) => Value::from(*is_set),
            Answer::Many(options) => Value::from(options.iter().collect::<Array>()),
        };
        text.push_str(&format!("\n{choice} = {value}\n"));
    }
    text
}

fn print_resource(resource: &ResourceName) -> (String, String) {
    let name = resource.path();
    let path = format!("{PARTS}{RESOURCE}-{name}.toml");
    let text = format!("{PART_HEADER}\nkind = \"{RESOURCE}\"\n\nname = \"{name}\"\n");
    (path, text)
}

/// A tree in its printed form, below its digest, in memory that is taken once.
fn print_pristine(tree: &Tree) -> Result<String> {
    let sizes = tree.iter().map(|(path, text)| path.len() + text.len() + 64);
    let mut printed = String::with_capacity(sizes.sum::<usize>() + 256);
    write!(printed, "{tree}")?;
    let header = format!("{PRISTINE_HEADER}{}\n", digest(&printed));
    printed.insert_str(0, &header);
    Ok(printed)
}

/// The files of a memory, read as far as they can be without the preset.
#[derive(Debug)]
pub struct Recalled {
    /// Where the preset comes from that they name.
    pub origin: Origin,
    name: String,
    choices: Vec<(String, Raw)>,
    parts: Vec<(String, String)>,
    pristine: Tree,
    deleted: BTreeSet<String>,
}

/// An answer as it is written.
#[derive(Debug, Clone, PartialEq)]
enum Raw {
    Text(String),
    Flag(bool),
    List(Vec<String>),
    Other,
}

impl Raw {
    fn of(value: &DeValue) -> Raw {
        let text = |value: &DeValue| value.as_str().map(str::to_owned);
        match value {
            DeValue::String(text) => Raw::Text(text.to_string()),
            DeValue::Boolean(is_set) => Raw::Flag(*is_set),
            DeValue::Array(list) => {
                let items = list.iter().map(|item| text(item.get_ref()));
                items.collect::<Option<_>>().map_or(Raw::Other, Raw::List)
            }
            _ => Raw::Other,
        }
    }
}

impl Recalled {
    /// Reads the files of a memory, or tells all that is wrong with them.
    pub fn parse(files: &Tree) -> Result<Recalled, Vec<Problem>> {
        let mut findings = Vec::new();
        let mut text = |path: &str| match files.get(path) {
            Some(text) => match broken(path, text) {
                Some(finding) => {
                    findings.push(finding);
                    None
                }
                None => Some(text),
            },
            None => {
                let what = format!("there is no `{path}`");
                findings.push(Problem::in_file(path, what).help(BACK));
                None
            }
        };
        let (answers, pristine) = (text(ANSWERS), text(PRISTINE));
        let answers = answers.and_then(|text| parse_answers(text, &mut findings));
        let pristine = pristine.and_then(|text| parse_pristine(text, &mut findings));
        let mut parts = Vec::new();
        for (path, text) in files.iter().filter(|(path, _)| path.starts_with(PARTS)) {
            match broken(path, text) {
                Some(finding) => findings.push(finding),
                None => parts.extend(parse_part(path, text, &mut findings)),
            }
        }
        let deleted = files.get(DELETED).unwrap_or_default();
        findings.extend(broken(DELETED, deleted));
        let deleted = deleted.lines().filter(|line| !line.is_empty());
        match (answers, pristine, findings.is_empty()) {
            (Some((name, origin, choices)), Some(pristine), true) => Ok(Recalled {
                origin,
                name,
                choices,
                parts,
                pristine,
                deleted: deleted.map(str::to_owned).collect(),
            }),
            _ => Err(findings),
        }
    }

    /// The memory, with the preset that it names.
    pub fn with(self, preset: &Preset) -> Result<Memory, Vec<Problem>> {
        let mut findings = Vec::new();
        let mut refuse = |file: &str, what: String, help: String| {
            findings.push(Problem::in_file(file, what).help(help));
        };
        let name = preset.project_name(&self.name);
        let name = name.map_err(|error| refuse(ANSWERS, error.what, RENAME.into()));
        let mut resources = Vec::new();
        for (file, resource) in &self.parts {
            match preset.resource_name(resource) {
                Ok(name) => resources.push(name),
                Err(error) => refuse(file, error.what, RENAME.into()),
            }
        }
        let mut choices = Combination::default();
        for choice in &preset.choices {
            let Some((_, raw)) = self.choices.iter().find(|(name, _)| *name == choice.name) else {
                continue;
            };
            let answer = match (raw, choice.is_text()) {
                (Raw::Text(text), true) => Some(Answer::Text(text.clone())),
                (Raw::Text(text), false) => Some(Answer::One(text.clone())),
                (Raw::Flag(is_set), _) => Some(Answer::Flag(*is_set)),
                (Raw::List(options), _) => Some(Answer::Many(options.clone())),
                (Raw::Other, _) => None,
            };
            let checked = answer.as_ref().map(|answer| choice.check(answer));
            match (answer, checked) {
                (Some(answer), Some(Ok(()))) => choices.push(&choice.name, answer),
                _ => {
                    let what = format!(
                        "`{ANSWERS}` says of `{}` what is no answer to it",
                        choice.name
                    );
                    refuse(ANSWERS, what, choice.expected());
                }
            }
        }
        for (stranger, _) in &self.choices {
            if preset.choice(stranger).is_none() {
                let known = list(preset.choices.iter().map(|choice| &choice.name));
                let what = format!("`{ANSWERS}` answers `{stranger}`, which is no choice");
                refuse(ANSWERS, what, format!("the choices are {known}"));
            }
        }
        let (Ok(name), true) = (name, findings.is_empty()) else {
            return Err(findings);
        };
        match Answers::new(preset, name, choices, resources) {
            Ok(answers) => Ok(Memory {
                origin: self.origin,
                answers,
                pristine: self.pristine,
                deleted: self.deleted,
            }),
            Err(error) => Err(vec![
                Problem::in_file(ANSWERS, format!("`{ANSWERS}`: {}", error.what)).help(BACK),
            ]),
        }
    }
}

const BACK: &str = "take it back out of version control";
const RENAME: &str = "it can't be renamed there: take back what it was";

/// What git or an editor made of a file that nobody else writes.
fn broken(path: &str, text: &str) -> Option<Problem> {
    let has = |mark: &str| text.lines().position(|line| line.starts_with(mark));
    let at = |finding: Problem, index: usize| finding.at(text, index + 1, None);
    if let (Some(line), Some(_)) = (has("<<<<<<< "), has(">>>>>>> ")) {
        // A rendering may show such lines itself.
        if path != PRISTINE || !has_its_digest(text) {
            let what = format!("`{path}` has the marks of a merge that was not finished");
            let help = match path == PRISTINE {
                true => {
                    "take that of one branch whole: `git checkout --ours -- .scaffold/pristine.txt`"
                }
                false => "choose between the two, and remove the marks",
            };
            return Some(at(Problem::in_file(path, what).help(help), line));
        }
    }
    let first = text.split_inclusive('\n').next().unwrap_or_default();
    if first.ends_with("\r\n") {
        let what = format!("`{path}` has the line ends of Windows");
        let help = "write it with those of Unix, as `.gitattributes` has it";
        return Some(Problem::in_file(path, what).help(help));
    }
    None
}

fn has_its_digest(text: &str) -> bool {
    let parts = text.strip_prefix(PRISTINE_HEADER);
    let parts = parts.and_then(|rest| rest.split_once('\n'));
    parts.is_some_and(|(its, rest)| its == digest(rest))
}

fn parse_pristine(text: &str, findings: &mut Vec<Problem>) -> Option<Tree> {
    let finding = |what: String| Problem::in_file(PRISTINE, what).help(BACK);
    let Some((_, rest)) = text
        .strip_prefix(PRISTINE_HEADER)
        .and_then(|it| it.split_once('\n'))
    else {
        findings.push(finding(format!(
            "`{PRISTINE}` does not start with its digest"
        )));
        return None;
    };
    if !has_its_digest(text) {
        let what = format!("`{PRISTINE}` is not as `scaffold` wrote it");
        findings.push(finding(what));
        return None;
    }
    rest.parse()
        .map_err(|error| findings.push(finding(format!("`{PRISTINE}` is not valid: {error:#}"))))
        .ok()
}

type Named = (String, Origin, Vec<(String, Raw)>);

fn parse_answers(text: &str, findings: &mut Vec<Problem>) -> Option<Named> {
    let table = table(ANSWERS, text, findings)?;
    let mut field = |name: &str| match table.get(name).map(|value| value.get_ref().as_str()) {
        Some(Some(text)) => Some(text.to_owned()),
        _ => {
            let what = format!("`{ANSWERS}` has no text `{name}`");
            findings.push(Problem::in_file(ANSWERS, what).help(BACK));
            None
        }
    };
    let (name, preset) = (field("name"), field("preset"));
    let commit = table
        .get("commit")
        .and_then(|commit| commit.get_ref().as_str());
    let Some(DeValue::Table(choices)) = table.get("choices").map(toml::Spanned::get_ref) else {
        let what = format!("`{ANSWERS}` has no table `choices`");
        findings.push(Problem::in_file(ANSWERS, what).help(BACK));
        return None;
    };
    let choices = choices.iter();
    let choices = choices.map(|(key, value)| (key.get_ref().to_string(), Raw::of(value.get_ref())));
    let origin = Origin {
        name: preset?,
        commit: commit.map(str::to_owned),
    };
    Some((name?, origin, choices.collect()))
}

/// The file and the name of a part.
fn parse_part(path: &str, text: &str, findings: &mut Vec<Problem>) -> Option<(String, String)> {
    let table = table(path, text, findings)?;
    let field = |name: &str| Some(table.get(name)?.get_ref().as_str()?.to_owned());
    let (kind, name) = (field("kind"), field("name"));
    let expected = name
        .as_ref()
        .map(|name| format!("{PARTS}{RESOURCE}-{name}.toml"));
    let what = match (kind.as_deref(), &name) {
        (Some(RESOURCE), Some(_)) if expected.as_deref() == Some(path) => {
            return name.map(|name| (path.to_owned(), name));
        }
        (Some(RESOURCE), Some(name)) => format!("`{path}` holds the part `{name}`"),
        (Some(kind), _) if kind != RESOURCE => format!("`{path}` is of no known kind: `{kind}`"),
        _ => format!("`{path}` has no texts `kind` and `name`"),
    };
    findings.push(Problem::in_file(path, what).help(BACK));
    None
}

fn table<'t>(path: &str, text: &'t str, findings: &mut Vec<Problem>) -> Option<DeTable<'t>> {
    match DeTable::parse(text) {
        Ok(table) => Some(table.into_inner()),
        Err(error) => {
            let what = format!("`{path}` is not valid TOML: {}", error.message());
            let finding = Problem::in_file(path, what).help(BACK);
            findings.push(match error.span() {
                Some(span) => finding.at_bytes(text, span),
                None => finding,
            });
            None
        }
    }
}
