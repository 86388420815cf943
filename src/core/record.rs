//! What a project remembers of its making, in `.scaffold/`: the answers, and its rendering as it was.
//!
//! With both, a later `scaffold` can tell what the project's owner changed, without a network, git's history or the
//! version that made it.

use std::fmt::Write;

use anyhow::Result;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::core::answers::Answers;
use crate::core::names::ResourceName;
use crate::core::preset::Origin;
use crate::core::preset::answer::Answer;
use crate::core::tree::Tree;

/// The file of the answers.
const ANSWERS: &str = ".scaffold/answers.toml";
/// The file that holds the rendering.
const PRISTINE: &str = ".scaffold/pristine.txt";

const HEADER: &str = "\
# What `scaffold` made this project from. It is read again when the project is
# changed or updated with `scaffold`, so it belongs into version control.

";

/// Adds a project's memory to its rendering.
pub fn remember(tree: &mut Tree, origin: &Origin, answers: &Answers) -> Result<()> {
    let pristine = printed(tree)?;
    tree.insert(ANSWERS, answers_file(origin, answers))?;
    tree.insert(PRISTINE, pristine)
}

/// A tree in its printed form, in memory that is taken once.
fn printed(tree: &Tree) -> Result<String> {
    let sizes = tree.iter().map(|(path, text)| path.len() + text.len() + 64);
    let mut printed = String::with_capacity(sizes.sum());
    write!(printed, "{tree}")?;
    Ok(printed)
}

fn answers_file(origin: &Origin, answers: &Answers) -> String {
    let mut document = DocumentMut::new();
    document["scaffold"] = value(env!("CARGO_PKG_VERSION"));
    // Read on another system, it leads to the same place.
    document["preset"] = match cfg!(windows) {
        true => value(origin.name.replace('\\', "/")),
        false => value(&origin.name),
    };
    if let Some(commit) = &origin.commit {
        document["commit"] = value(commit);
    }
    document["name"] = value(answers.name().as_str());
    let resources: Array = answers.resources().iter().map(ResourceName::path).collect();
    document["resources"] = value(resources);
    let mut options = Table::new();
    for (choice, answer) in answers.choices().iter() {
        options[choice] = match answer {
            Answer::One(text) | Answer::Text(text) => value(text),
            Answer::Flag(is_set) => value(*is_set),
            Answer::Many(options) => value(options.iter().collect::<Array>()),
        };
    }
    document["options"] = Item::Table(options);
    format!("{HEADER}{document}")
}
