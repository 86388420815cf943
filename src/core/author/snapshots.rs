//! What a preset gives, small enough to be read in review: the default project in full, and every other option as the
//! difference that it makes. Of a preset that extends another one it is what it makes of that one's projects.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use similar::TextDiff;

use crate::core::answers::Answers;
use crate::core::author::combinations;
use crate::core::preset::answer::{Answer, Combination};
use crate::core::preset::{Choice, Preset};
use crate::core::tree::Tree;

/// The snapshot of the default project.
const DEFAULT: &str = "default.txt";
/// The same where it is the difference to that of the preset that is extended.
const DEFAULT_DIFFERENCE: &str = "default.diff";
/// What the others end with.
const DIFFERENCE: &str = ".diff";

/// The file that the lock table makes. It is long, and checked by whoever builds with it.
const LOCK: &str = "Cargo.lock";

/// What stands for a text that somebody typed, as nasty as the pattern allows.
const TEXTS: &[&str] = &[
    "Ann \"B.\" <a@b.example> & 'c'",
    "Ann B.",
    "Ann",
    "sample",
    "sample.example.org",
    "https://example.org/sample",
    "sample@example.org",
    "2",
    "1.2.3",
];

/// A project whose snapshot is kept.
#[derive(Debug)]
pub struct Project {
    /// The name of the snapshot.
    pub name: String,
    /// What it is made from.
    pub answers: Answers,
    /// What else it has that the default project has not, because the choice depends on it.
    around: Combination,
    /// The nearest project of the preset that is extended.
    extended: Option<Answers>,
}

/// A project, and the nearest one of the preset that is extended.
#[derive(Debug)]
pub struct Made {
    tree: Tree,
    extended: Option<Tree>,
}

impl Project {
    /// Makes what its snapshot is made from.
    pub fn make(
        &self,
        preset: &Preset,
        render: impl Fn(&Preset, &Answers) -> Result<Tree>,
    ) -> Result<Made> {
        Ok(Made {
            tree: render(preset, &self.answers)?,
            extended: match (&preset.extended, &self.extended) {
                (Some(extended), Some(answers)) => Some(render(extended, answers)?),
                _ => None,
            },
        })
    }
}

/// Whether a file of this name is a snapshot. What is called otherwise is somebody else's.
pub fn is_snapshot(name: &str) -> bool {
    is_default(name) || name.ends_with(DIFFERENCE) && name.contains('=')
}

/// Whether it is that of the default project.
pub fn is_default(name: &str) -> bool {
    [DEFAULT, DEFAULT_DIFFERENCE].contains(&name)
}

/// The projects whose snapshots are kept, the default one first: one for each other option of a choice. Of a choice of
/// many these are none, each alone and all of them together; of a text, an empty one and one with something in it.
pub fn projects(preset: &Preset) -> Vec<Project> {
    let choices = &preset.choices;
    let default = combination(choices, &Combination::default());
    let project = |name: String, answers: Answers, around: Combination| Project {
        extended: preset.extended.as_ref().map(|it| nearest(it, &answers)),
        name,
        answers,
        around,
    };
    let name = match preset.extended {
        None => DEFAULT,
        Some(_) => DEFAULT_DIFFERENCE,
    };
    let answers = Answers::sample(preset, &default);
    let mut projects = vec![project(name.to_owned(), answers, Combination::default())];
    let mut seen = BTreeSet::from([default]);
    for choice in choices {
        let Some(changed) = where_it_applies(choices, choice) else {
            continue;
        };
        let mut add = |option: &str, answers| {
            let name = format!("{}={option}{DIFFERENCE}", choice.name);
            projects.push(project(name, answers, changed.clone()));
        };
        if choice.is_text() {
            let answers = Answers::sample(preset, &combination(choices, &changed));
            for (option, text) in other_texts(choice) {
                add(option, answers.with_text(&choice.name, text));
            }
            continue;
        }
        for answer in choice.alternatives() {
            let option = called(&answer);
            let options = combination(choices, &changed.with(&choice.name, answer));
            if seen.insert(options.clone()) {
                add(&option, Answers::sample(preset, &options));
            }
        }
    }
    projects
}

/// The snapshots by their names, of projects with what was made of them, the default one first.
pub fn texts(projects: &[Project], made: &[Made]) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    let all: Vec<_> = projects.iter().zip(made).collect();
    let Some(&(default, default_made)) = all.first() else {
        return Ok(texts);
    };
    for (index, (project, made)) in all.into_iter().enumerate() {
        let text = match (index, &made.extended) {
            (0, None) => without_lock(&made.tree)?.to_string(),
            (0, Some(extended)) => difference(extended, &made.tree),
            // An option of the preset that is extended, which is that one's to show.
            (_, Some(extended)) if project.extended != default.extended => {
                match beyond(default_made, extended, &made.tree) {
                    // There is nothing to review.
                    text if text.is_empty() => continue,
                    text => text,
                }
            }
            _ => difference(&default_made.tree, &made.tree),
        };
        texts.insert(
            project.name.clone(),
            format!("{}{text}", with(&project.around)),
        );
    }
    Ok(texts)
}

/// What becomes of a project of the preset that is extended, as far as that is not what becomes of the default one.
fn beyond(default: &Made, extended: &Tree, tree: &Tree) -> String {
    let usual = default.extended.as_ref();
    let usual = usual.map_or_else(BTreeMap::new, |it| differences(it, &default.tree));
    let own = differences(extended, tree);
    let mut text = String::new();
    for path in usual.keys().chain(own.keys()).collect::<BTreeSet<_>>() {
        match (usual.get(path), own.get(path)) {
            (usual, Some(own)) if usual != Some(own) => text.push_str(own),
            (Some(_), None) if tree.get(path).is_some() => {
                text.push_str(&format!("=== {path} is as it was\n"));
            }
            _ => {}
        }
    }
    text
}

/// A tree without its lock file.
pub fn without_lock(tree: &Tree) -> Result<Tree> {
    let mut rest = Tree::default();
    for (path, text) in tree.iter().filter(|(path, _)| *path != LOCK) {
        rest.insert(path, text.to_owned())?;
    }
    Ok(rest)
}

/// What one project has that another has not.
pub fn difference(from: &Tree, to: &Tree) -> String {
    differences(from, to).into_values().collect()
}

/// The same file by file.
fn differences<'t>(from: &'t Tree, to: &'t Tree) -> BTreeMap<&'t str, String> {
    let paths = from.iter().chain(to.iter()).map(|(path, _)| path);
    let mut differences = BTreeMap::new();
    for path in paths.filter(|path| *path != LOCK) {
        let difference = match (from.get(path), to.get(path)) {
            (Some(old), Some(new)) => unified(path, old, new),
            (Some(_), None) => format!("--- {path} is not there\n"),
            (None, Some(new)) => match new.is_empty() || new.ends_with('\n') {
                true => format!("+++ {path}\n{new}"),
                false => format!("+++ {path}\n{new}\n\\ No newline at end of file\n"),
            },
            (None, None) => continue,
        };
        if !difference.is_empty() {
            differences.insert(path, difference);
        }
    }
    differences
}

/// The unified difference of two texts; nothing if they are the same.
pub fn unified(name: &str, old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let mut diff = diff.unified_diff();
    diff.context_radius(1).header(name, name).to_string()
}

/// The first line of a difference that is not that of one option alone.
fn with(around: &Combination) -> String {
    let options = around.options();
    let options: Vec<_> = options
        .map(|(choice, option)| format!("{choice}={option}"))
        .collect();
    match options.is_empty() {
        true => String::new(),
        false => format!("with {}\n", options.join(" ")),
    }
}

/// The name of an alternative. The last one is no name that an option can have.
fn called(answer: &Answer) -> String {
    match answer.options().as_slice() {
        [] | [_] => answer.to_string(),
        _ => "all-together".to_owned(),
    }
}

/// The answers of a project of the preset that is extended which a project is nearest to: the same where that has them,
/// and otherwise its defaults.
fn nearest(extended: &Preset, answers: &Answers) -> Answers {
    let mut nearest = Combination::default();
    for choice in &extended.choices {
        if choice.applies(&nearest) {
            let given = answers.choices().get(&choice.name);
            let given = given.and_then(|answer| nearest_answer(choice, answer));
            nearest.push(
                &choice.name,
                given.unwrap_or_else(|| choice.default.clone()),
            );
        }
    }
    answers.for_choices(nearest)
}

/// What is left of an answer where a choice has other options, if that is an answer.
fn nearest_answer(choice: &Choice, answer: &Answer) -> Option<Answer> {
    let options = answer.options().into_iter();
    let known: Vec<String> = options
        .filter(|name| choice.option(name).is_some())
        .map(str::to_owned)
        .collect();
    let answer = match answer {
        Answer::Text(_) => answer.clone(),
        Answer::Many(_) => choice.of_names(&known),
        _ if known.is_empty() => return None,
        _ => choice.of_names(&known),
    };
    choice.check(&answer).is_ok().then_some(answer)
}

/// The defaults of all choices that apply, but for those that are changed.
fn combination(choices: &[Choice], changed: &Combination) -> Combination {
    let mut combination = Combination::default();
    for choice in choices {
        if choice.applies(&combination) {
            let answer = changed.get(&choice.name).unwrap_or(&choice.default);
            combination.push(&choice.name, answer.clone());
        }
    }
    combination
}

/// What has to be changed for a choice to apply, if it ever does.
fn where_it_applies(choices: &[Choice], choice: &Choice) -> Option<Combination> {
    let mut changed = Combination::default();
    change_for(choices, choice, &mut changed);
    if choice.applies(&combination(choices, &changed)) {
        return Some(changed);
    }
    // Two of the choices that it depends on don't go together in the plainest way.
    let mut rows = combinations::pairs(choices).into_iter();
    let row = rows.find(|row| choice.applies(row))?;
    let others = row.iter().filter(|(name, _)| *name != choice.name);
    Some(
        others
            .map(|(name, answer)| (name.to_owned(), answer.clone()))
            .collect(),
    )
}

fn change_for(choices: &[Choice], choice: &Choice, changed: &mut Combination) {
    for (name, any) in &choice.when {
        let Some(earlier) = choices.iter().find(|other| other.name == *name) else {
            continue;
        };
        change_for(choices, earlier, changed);
        let default = earlier.default.options();
        let is_default = any.iter().any(|option| default.contains(&option.as_str()));
        let is_changed = changed.get(name).is_some();
        if let (Some(first), false) = (any.first(), is_default || is_changed) {
            changed.push(name, earlier.of_names(std::slice::from_ref(first)));
        }
    }
}

/// Texts that are not the default, each with what it is called. Neither word is one for anything else of a text.
fn other_texts(choice: &Choice) -> Vec<(&'static str, &'static str)> {
    let is_other = |text: &&str| {
        choice.check_text(text).is_ok() && choice.default != Answer::Text((*text).to_owned())
    };
    let empty = Some("").filter(is_other).map(|text| ("empty", text));
    let filled = TEXTS.iter().copied().find(is_other);
    let filled = filled.map(|text| ("filled", text));
    empty.into_iter().chain(filled).collect()
}
