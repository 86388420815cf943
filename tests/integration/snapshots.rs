//! What is generated, to be read in review: what is rendered of the default project, and every other option as its
//! difference. What is copied is named by its place.
//!
//! Cargo.lock is left out: its bytes are compared with cargo's own, for every combination, in `generated`.

use std::collections::HashMap;

use scaffold::core::answers::Answers;
use scaffold::core::author::mutants;
use scaffold::core::author::snapshots::{self, difference, without_lock};
use scaffold::core::preset::Preset;
use scaffold::core::render;
use scaffold::core::tree::Tree;
use scaffold::edge::presets;

/// The project of somebody who changed one answer, or none.
fn accounts(preset: &Preset, changed: Option<(&str, &str)>) -> Tree {
    let answers = preset.choices.iter().map(|choice| {
        let answer = match changed {
            Some((name, option)) if name == choice.name => choice.of_names(&[option.to_owned()]),
            _ => choice.default.clone(),
        };
        (choice.name.clone(), answer)
    });
    let name = preset.project_name("accounts-api").unwrap();
    let resources = vec![preset.resource_name("accounts").unwrap()];
    let answers = Answers::new(preset, name, answers.collect(), resources).unwrap();
    render::render(preset, &answers).unwrap()
}

/// A project with nothing but their places in the files that are copies: those are read where they are.
fn without_copies(preset: &Preset, tree: &Tree) -> Tree {
    let own = preset.own_files();
    let places: HashMap<&str, &str> = own.map(|(path, text)| (text, path)).collect();
    let mut rest = Tree::default();
    for (path, text) in without_lock(tree).unwrap().iter() {
        let text = match places.get(text) {
            Some(place) => format!("a copy of {place}\n"),
            None => text.to_owned(),
        };
        rest.insert(path, text).unwrap();
    }
    rest
}

#[test]
fn the_default_project() {
    let preset = presets::load(presets::DEFAULT).unwrap();
    let default = without_copies(&preset, &accounts(&preset, None));
    insta::assert_snapshot!("axum", default.to_string());
}

#[test]
fn every_other_option_as_the_difference_that_it_makes() {
    let preset = presets::load(presets::DEFAULT).unwrap();
    let default = without_copies(&preset, &accounts(&preset, None));
    for choice in &preset.choices {
        for option in choice
            .options
            .iter()
            .filter(|option| !choice.default.options().contains(&option.name.as_str()))
        {
            let other = accounts(&preset, Some((&choice.name, &option.name)));
            let other = without_copies(&preset, &other);
            let name = format!("axum.{}={}", choice.name, option.name);
            insta::assert_snapshot!(name, difference(&default, &other));
        }
    }
}

#[test]
fn no_condition_of_a_template_could_be_turned_round_unseen() {
    let mut preset = presets::load(presets::DEFAULT).unwrap();
    let projects = snapshots::projects(&preset).into_iter();
    let projects = projects.map(|project| {
        let tree = render::render(&preset, &project.answers).unwrap();
        (project.name, project.answers, tree)
    });
    let projects: Vec<_> = projects.collect();
    let mutants = mutants::of(&preset).unwrap();
    assert!(mutants.len() > 50);
    for mutant in mutants {
        let known = projects.iter();
        let known = known.map(|(name, answers, tree)| (name, answers, tree));
        let noticed = mutant.noticed_by(&mut preset, known);
        assert!(noticed.is_some(), "{}, line {}", mutant.path, mutant.line);
    }
}
