//! What can be told of a preset without compiling a project: that every combination renders, that its options differ,
//! and that each says what it says where it belongs.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use semver::{Version, VersionReq};

use crate::core::answers::Answers;
use crate::core::author::combinations;
use crate::core::cargo_lock::Table;
use crate::core::preset::answer::{Answer, Combination};
use crate::core::preset::choice::{Choice, ChoiceOption, Kind, NONE};
use crate::core::preset::{BASE, LOCK_TABLE, Layer, MANIFEST, Preset, sharers};
use crate::core::problem::Problem;
use crate::core::render;
use crate::core::render::overlay::{Overlay, Source};
use crate::core::tree::Tree;

/// Combinations that are all rendered; of more, every two options together are.
pub const MAX_COMBINATIONS: usize = 200;
/// Letters that the name of an option has which `base/` may not use: shorter ones are part of everything.
const MIN_WORD: usize = 4;
/// The file whose dependencies the lock table has to hold.
const CARGO: &str = "Cargo.toml";
/// Texts of which a choice may take one, where its default is empty and so says nothing.
const TEXTS: &[&str] = &[
    "a",
    "Ann",
    "1",
    "a-1",
    "ann@example.org",
    "https://example.org",
];

/// What was checked.
#[derive(Debug)]
pub struct Checked {
    /// All that is wrong, in the order of the files.
    pub findings: Vec<Problem>,
    /// How many combinations were rendered for themselves.
    pub combinations: usize,
}

/// Checks a preset.
pub fn check(preset: &Preset) -> Checked {
    let every = combinations::all_within(&preset.choices, MAX_COMBINATIONS);
    let rows = every.unwrap_or_else(|| combinations::pairs(&preset.choices));
    let mut check = Check {
        preset,
        // A broken table is told of line by line, and not once more with each combination.
        table: preset.lock_table().ok().flatten(),
        projects: HashMap::new(),
        findings: Vec::new(),
        known: HashMap::new(),
    };
    for row in &rows {
        for finding in check.combination(row) {
            check.add(finding, Some(row));
        }
    }
    for finding in lock_lines(preset)
        .into_iter()
        .chain(options_in_base(preset))
        .chain(unused_texts(preset))
    {
        check.add(finding, None);
    }
    for choice in &preset.choices {
        check.effects(choice, &rows);
    }
    let findings = check.findings.into_iter();
    let mut findings: Vec<Problem> = findings
        .map(|(finding, count)| match count < rows.len() {
            true => finding,
            false => finding.with_place(|place| place.combination = None),
        })
        .collect();
    let place = |finding: &Problem| {
        let place = finding.place.as_ref();
        place.map(|place| (place.file.clone(), place.line))
    };
    findings.sort_by_key(place);
    Checked {
        findings,
        combinations: rows.len(),
    }
}

struct Check<'p> {
    preset: &'p Preset,
    table: Option<Table<'p>>,
    /// Of each combination that was rendered what tells its project from others.
    projects: HashMap<Combination, Project>,
    /// Each with the number of combinations that it was found in.
    findings: Vec<(Problem, usize)>,
    /// Where a finding stands among them, by its file, its line and what it says.
    known: HashMap<(String, Option<usize>, String), usize>,
}

/// What tells one project from others.
#[derive(Debug, Default, Clone)]
struct Project {
    /// Of its files, and of what its owner is told to do.
    fingerprint: u64,
    /// The texts of the files that could not be rendered, which may depend on anything that they name.
    broken: Vec<String>,
    /// Whether all that was wrong with it is wrong with one of its files.
    is_known: bool,
}

impl Check<'_> {
    fn add(&mut self, finding: Problem, combination: Option<&Combination>) {
        let place = finding.place.as_ref();
        let (file, line) = place.map_or(("", None), |place| (&place.file, place.line));
        let key = (file.to_owned(), line, finding.what.clone());
        match self.known.get(&key) {
            Some(&at) => self.findings[at].1 += 1,
            None => {
                self.known.insert(key, self.findings.len());
                let combination = combination.map(Combination::name);
                let finding = finding.with_place(|place| place.combination = combination);
                self.findings.push((finding, 1));
            }
        }
    }

    /// Renders a combination, and gives all that is wrong with it, each thing once.
    fn combination(&mut self, options: &Combination) -> Vec<Problem> {
        let mut once: Vec<Problem> = Vec::new();
        let mut project = Project {
            is_known: true,
            ..Project::default()
        };
        let mut hasher = DefaultHasher::new();
        for answers in answers(self.preset, options) {
            for finding in self.render(&answers, &mut project, &mut hasher) {
                if !once.contains(&finding) {
                    once.push(finding);
                }
            }
        }
        project.fingerprint = hasher.finish();
        self.projects.insert(options.clone(), project);
        once
    }

    /// Renders a project, and notes what tells it from others.
    fn render(
        &self,
        answers: &Answers,
        project: &mut Project,
        hasher: &mut DefaultHasher,
    ) -> Vec<Problem> {
        let (tree, mut findings) = match render::render_all_it_can(self.preset, answers) {
            Ok(rendered) => rendered,
            Err(error) => (Tree::default(), vec![Problem::of(&error, MANIFEST)]),
        };
        findings.retain(|finding| !finding.is_in(LOCK_TABLE));
        project.is_known &= findings.iter().all(|finding| !finding.is_in(MANIFEST));
        for file in tree.iter() {
            file.hash(hasher);
        }
        answers.next(self.preset).hash(hasher);

        let layers = self.preset.layers(answers.choices());
        // The files of a project that isn't whole say too little, so those of its layers have to be equal as well.
        for (path, text) in layers.iter().flat_map(|layer| &layer.files) {
            if !findings.is_empty() {
                (path, text).hash(hasher);
            }
        }
        if let Ok(overlay) = Overlay::sift(&layers, &mut |_, _| Ok(())) {
            let sources = overlay.files.values();
            let sources = sources.chain(overlay.fragments.values().flatten());
            let is_broken = |source: &&Source| {
                let place = source.place();
                findings.iter().any(|finding| finding.is_in(&place))
            };
            let broken = sources.filter(is_broken);
            project
                .broken
                .extend(broken.map(|source| source.text.to_string()));
            findings.extend(met_by_accident(&overlay));
        }
        if let (Some(table), Some(cargo)) = (&self.table, tree.get(CARGO)) {
            let chosen: Vec<_> = answers.choices().options().collect();
            findings.extend(not_locked(table, &chosen, cargo));
        }
        findings
    }

    fn project(&mut self, options: &Combination) -> Project {
        if !self.projects.contains_key(options) {
            // What is wrong with it is wrong with some pair of its options, which was told.
            self.combination(options);
        }
        self.projects.get(options).cloned().unwrap_or_default()
    }

    /// Finds the options of a choice that could as well not be there.
    fn effects(&mut self, choice: &Choice, rows: &[Combination]) {
        let mut options: Vec<(&ChoiceOption, Answer)> = choice
            .options
            .iter()
            .map(|option| (option, choice.of_names(std::slice::from_ref(&option.name))))
            .collect();
        if matches!(choice.kind, Kind::Many) {
            let nothing = choice.of_names(&[]);
            for (option, alone) in &options {
                if self.are_equal(choice, &nothing, alone, rows) {
                    let what = format!(
                        "the option `{}` of `{}` has no effect: with it a project is as without",
                        option.name, choice.name
                    );
                    self.add(without_effect(self.preset, choice, option, what), None);
                }
            }
            return;
        }
        options.sort_by_key(|(_, answer)| !answer.is_without());
        for (at, (option, answer)) in options.iter().enumerate() {
            let same = options[..at]
                .iter()
                .find(|(_, other)| self.are_equal(choice, other, answer, rows));
            if let Some((other, _)) = same {
                let what = format!(
                    "the option `{}` of `{}` has no effect: with it a project is as with `{}`",
                    option.name, choice.name, other.name
                );
                self.add(without_effect(self.preset, choice, option, what), None);
            }
        }
    }

    /// Whether these two alternatives of a choice make equal projects, whatever else is chosen. Where a file is broken that
    /// asks for the choice, nobody can tell.
    fn are_equal(
        &mut self,
        choice: &Choice,
        one: &Answer,
        other: &Answer,
        rows: &[Combination],
    ) -> bool {
        let mut was_compared = false;
        for row in rows {
            let [one, other] = [one, other].map(|answer| self.swapped(row, choice, answer));
            match (one, other) {
                (Some(one), Some(other)) => {
                    let (one, other) = (self.project(&one), self.project(&other));
                    let mut broken = one.broken.iter().chain(&other.broken);
                    if !(one.is_known && other.is_known)
                        || one.fingerprint != other.fingerprint
                        || broken.any(|text| has_name(text, &choice.name))
                    {
                        return false;
                    }
                    was_compared = true;
                }
                (None, None) => {}
                // It makes another choice a question, or none.
                _ => return false,
            }
        }
        was_compared
    }

    /// The combination with this answer to a choice, if it is one.
    fn swapped(&self, row: &Combination, choice: &Choice, answer: &Answer) -> Option<Combination> {
        let mut combination = Combination::default();
        for other in &self.preset.choices {
            let is_it = other.name == choice.name;
            let given = match is_it {
                true => Some(answer),
                false => row.get(&other.name),
            };
            match (other.applies(&combination), given) {
                (true, Some(given)) => combination.push(&other.name, given.clone()),
                (true, None) => combination.push(&other.name, nothing(other)?),
                (false, Some(given)) if is_it || !given.options().is_empty() => return None,
                (false, _) => {}
            }
        }
        Some(combination)
    }
}

/// The answer to a choice that takes no option of it, if there is one.
fn nothing(choice: &Choice) -> Option<Answer> {
    match choice.kind {
        Kind::Many => Some(choice.of_names(&[])),
        Kind::Text(_) => Some(choice.default.clone()),
        Kind::One | Kind::Flag => None,
    }
}

/// The answers of projects that nobody keeps: one with the texts that are the defaults, and one with others, since an
/// empty text shows nothing of where it lands, and one that is there nothing of where it would be missed.
fn answers(preset: &Preset, options: &Combination) -> Vec<Answers> {
    let one = Answers::sample(preset, options);
    let mut other = one.clone();
    for (name, answer) in one.choices().iter() {
        let Answer::Text(text) = answer else {
            continue;
        };
        let choice = preset.choice(name);
        let takes = |text: &&&str| choice.is_some_and(|choice| choice.check_text(text).is_ok());
        let texts = if text.is_empty() { TEXTS } else { &[""] };
        if let Some(text) = texts.iter().find(takes) {
            other = other.with_text(name, text);
        }
    }
    match one == other {
        true => vec![one],
        false => vec![one, other],
    }
}

/// Files that two options of one preset both have, of which a project gets the one that comes later.
fn met_by_accident(overlay: &Overlay) -> Vec<Problem> {
    // What some of the options that share a layer have in its place is meant to be there.
    let is_narrower = |one: &str, other: &str| match (one.split_once('/'), other.split_once('/')) {
        (Some((choice, all)), Some((same, some))) => {
            choice == same && sharers(some).all(|sharer| sharers(all).any(|one| one == sharer))
        }
        _ => false,
    };
    let is_accident = |[one, other]: &&[Source; 2]| {
        one.preset == other.preset && one.layer != BASE && !is_narrower(one.layer, other.layer)
    };
    let finding = |[one, other]: &[Source; 2]| {
        let (one, other) = (one.place(), other.place());
        let what = format!("`{other}` replaces `{one}`, which another option brings");
        Problem::in_file(other, what).help(
            "give them names of their own, or let both be fragments that a file in `base/` gathers",
        )
    };
    let replaced = overlay.replaced.iter().filter(is_accident);
    replaced.map(finding).collect()
}

/// What a lock table lacks of the dependencies in a manifest, or has too many.
fn not_locked(table: &Table, chosen: &[(&str, &str)], cargo: &str) -> Vec<Problem> {
    let finding = |what: String| {
        Problem::in_file(LOCK_TABLE, what).help("`scaffold preset lock DIR` makes the table anew")
    };
    let Ok(cargo) = cargo.parse::<toml::Table>() else {
        return Vec::new();
    };
    let locked = table.direct(chosen);
    let asked = dependencies(&cargo);
    let mut findings = Vec::new();
    for (name, requirement) in &asked {
        let Some(versions) = locked.get(name.as_str()) else {
            let what = format!("`{LOCK_TABLE}` does not have `{name}`, which `{CARGO}` depends on");
            findings.push(finding(what));
            continue;
        };
        let Some(requirement) = requirement else {
            continue;
        };
        let matches =
            |version: &&str| match (Version::parse(version), VersionReq::parse(requirement)) {
                (Ok(version), Ok(requirement)) => requirement.matches(&version),
                _ => false,
            };
        if !versions.iter().any(matches) {
            findings.push(finding(format!(
                "`{LOCK_TABLE}` has no version of `{name}` that is `{requirement}`, as `{CARGO}` asks"
            )));
        }
    }
    for name in locked.keys().filter(|name| !asked.contains_key(**name)) {
        findings.push(finding(format!(
            "`{LOCK_TABLE}` has `{name}` as a dependency of the project, and `{CARGO}` has not"
        )));
    }
    findings
}

/// The packages that a manifest asks for, each with the version if it names one.
fn dependencies(cargo: &toml::Table) -> BTreeMap<String, Option<String>> {
    let targets = cargo.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flat_map(toml::Table::values);
    let places = targets.filter_map(toml::Value::as_table).chain([cargo]);
    let mut asked = BTreeMap::new();
    for place in places {
        for name in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let table = place.get(name).and_then(toml::Value::as_table);
            for (key, value) in table.into_iter().flatten() {
                let text = |name: &str| value.get(name).and_then(toml::Value::as_str);
                let version = value.as_str().or(text("version"));
                let package = text("package").unwrap_or(key);
                asked.insert(package.to_owned(), version.map(str::to_owned));
            }
        }
    }
    asked
}

/// Every line of the lock table that is none.
fn lock_lines(preset: &Preset) -> Vec<Problem> {
    let text = preset.lock_text().unwrap_or_default();
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Err(error) = Table::parse(line) {
            let what = format!("`{LOCK_TABLE}` is not valid: {}", error.root_cause());
            findings.push(
                Problem::in_file(LOCK_TABLE, what)
                    .at(text, index + 1, None)
                    .help("`scaffold preset lock DIR` makes the table anew"),
            );
        }
    }
    findings
}

/// Where `base/` names an option, so that the option is more than its layer. What it extends isn't looked at.
fn options_in_base(preset: &Preset) -> Vec<Problem> {
    let Some(base) = preset.base_layers().pop() else {
        return Vec::new();
    };
    let options = preset.choices.iter().flat_map(|choice| {
        let options = choice.options.iter().map(move |option| (choice, option));
        options.filter(|(_, option)| {
            let is_plain = matches!(choice.kind, Kind::Flag) || option.name == NONE;
            option.name.len() >= MIN_WORD && !option.common && !is_plain
        })
    });
    let options: Vec<_> = options.collect();
    let mut findings = Vec::new();
    for &(path, text) in &base.files {
        let source = Source {
            preset: base.preset,
            layer: &base.name,
            path,
            text,
        };
        let file = source.place();
        for (choice, option) in &options {
            let (of, word) = (&choice.name, &option.name);
            let help = "what only some options need stands in their layers; an option whose name has other uses says `common = true`";
            if find_word(path, word).is_some() {
                let what = format!("the path `{file}` names the option `{word}` of `{of}`");
                findings.push(Problem::in_file(file.clone(), what).help(help));
            }
            let mut start = 0;
            for (index, line) in text.split_inclusive('\n').enumerate() {
                // Each option of many is a question of its own, which a shared file may ask.
                let asked = match choice.kind {
                    Kind::Many => line
                        .replace(&format!("\"{word}\" in "), &" ".repeat(word.len() + 6))
                        .replace(&format!("'{word}' in "), &" ".repeat(word.len() + 6)),
                    _ => line.to_owned(),
                };
                if let Some(at) = find_word(&asked, word) {
                    let what = format!("`{file}` names the option `{word}` of `{of}`");
                    let range = start + at..start + at + word.len();
                    let finding = Problem::in_file(file.clone(), what);
                    findings.push(finding.at(text, index + 1, Some(range)).help(help));
                    break;
                }
                start += line.len();
            }
        }
    }
    findings
}

/// Where a text has a word, in any case: between what is no letter, or as a part of a name as in `RedisPool`.
fn find_word(text: &str, word: &str) -> Option<usize> {
    // Letters of other alphabets may have more bytes in the other case.
    let lower = text.to_ascii_lowercase();
    let is_word = |at: usize| {
        let before = text[..at].chars().next_back();
        let (first, after) = (
            text[at..].chars().next(),
            text[at + word.len()..].chars().next(),
        );
        let starts = !before.is_some_and(char::is_alphanumeric)
            || before.is_some_and(char::is_lowercase) && first.is_some_and(char::is_uppercase);
        starts && !after.is_some_and(char::is_lowercase)
    };
    let found = lower.match_indices(word).map(|(at, _)| at);
    found.into_iter().find(|at| is_word(*at))
}

/// Choices of a text that no template writes.
fn unused_texts(preset: &Preset) -> Vec<Problem> {
    let options = preset.choices.iter().flat_map(|choice| {
        let options = choice.options.iter();
        options.flat_map(|option| preset.option_layers(&choice.name, &option.name))
    });
    let layers: Vec<Layer> = options.chain(preset.base_layers()).collect();
    let uses = |choice: &Choice| {
        let mut files = layers.iter().flat_map(|layer| &layer.files);
        files.any(|(path, text)| path.ends_with(".jinja") && has_name(text, &choice.name))
    };
    let texts = preset.choices.iter().filter(|choice| choice.is_text());
    texts
        .filter(|choice| !uses(choice))
        .map(|choice| {
            let name = &choice.name;
            let what = format!("the choice `{name}` has no effect: no template writes its text");
            in_manifest(preset, name, None, what).help(format!(
                "a template writes it with a filter that quotes it, such as `{{{{ {name} | toml }}}}`"
            ))
        })
        .collect()
}

/// Whether a template has this name, and not only as a part of a longer one.
fn has_name(text: &str, name: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(name).any(|(at, _)| {
        let after = text[at + name.len()..].chars().next();
        !is_part(text[..at].chars().next_back()) && !is_part(after)
    })
}

fn without_effect(
    preset: &Preset,
    choice: &Choice,
    option: &ChoiceOption,
    what: String,
) -> Problem {
    in_manifest(preset, &choice.name, Some(&option.name), what).help(format!(
        "what it adds stands in `{}/{}/`, or leave it out",
        choice.name, option.name
    ))
}

/// A finding about a choice or its option, where the manifest names it. One that is taken over has no line.
fn in_manifest(preset: &Preset, choice: &str, option: Option<&str>, what: String) -> Problem {
    let finding = Problem::in_file(MANIFEST, what);
    let text = preset.file(MANIFEST).unwrap_or_default();
    let range = toml_edit::Document::parse(text).ok().and_then(|manifest| {
        let named = |tables: &toml_edit::ArrayOfTables, name: &str| {
            let is_it = |table: &&toml_edit::Table| {
                table.get("name").and_then(toml_edit::Item::as_str) == Some(name)
            };
            tables.iter().find(is_it).cloned()
        };
        let mut table = named(manifest.get("choice")?.as_array_of_tables()?, choice)?;
        let options = table
            .get("option")
            .and_then(toml_edit::Item::as_array_of_tables);
        if let (Some(options), Some(option)) = (options, option)
            && let Some(found) = named(options, option)
        {
            table = found;
        }
        table.get("name")?.span()
    });
    match range {
        Some(range) => finding.at_bytes(text, range),
        None => finding,
    }
}
