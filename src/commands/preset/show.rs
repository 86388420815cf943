//! `scaffold preset show`: the choices of a preset, and what each option adds. It is the answer, so it is on stdout.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use crate::core::preset::answer::Answer;
use crate::core::preset::prices::{Price, Prices};
use crate::core::preset::{Choice, ChoiceOption, Preset};
use crate::edge::presets;
use crate::edge::report::{Format, print, print_json};

/// The fragment that names the dependencies of an option.
const MANIFEST: &str = "_Cargo.toml";

/// Shows the choices of a preset, and what each option adds.
pub fn run(preset: &str, format: Format) -> Result<()> {
    let preset = presets::load(preset)?;
    let prices = preset.prices()?;
    match format {
        Format::Human => print(&human(&preset, prices.as_ref())),
        Format::Json => print_json(&as_json(&preset, prices.as_ref())),
    }
}

fn human(preset: &Preset, prices: Option<&Prices>) -> String {
    let mut text = format!("{}: {}\n", preset.name, preset.description);
    for choice in &preset.choices {
        let (name, prompt, options) = (&choice.name, &choice.prompt, &choice.options);
        let default = choice.default.to_string();
        text.push_str(&format!("\n--{name}: {prompt} [default: {default}]\n"));
        if let Some(help) = &choice.help {
            text.push_str(&format!("  {help}\n"));
        }
        for (other, options) in &choice.when {
            let options = options.join(" or ");
            text.push_str(&format!("  only with {other} {options}\n"));
        }
        let width = options.iter().map(|option| option.name.len()).max();
        let width = width.unwrap_or_default();
        for option in options {
            let Added {
                files,
                dependencies,
                price,
            } = Added::of(preset, prices, choice, option);
            text.push_str(&format!("  {:width$}  {}\n", option.name, option.help));
            let mut adds = vec![match files {
                1 => "1 file".to_owned(),
                _ => format!("{files} files"),
            }];
            adds.extend((!dependencies.is_empty()).then(|| dependencies.join(", ")));
            adds.extend(price.map(Price::to_string));
            text.push_str(&format!("  {:width$}  {}\n", "", adds.join("; ")));
        }
    }
    text
}

fn as_json(preset: &Preset, prices: Option<&Prices>) -> Value {
    let option = |choice: &Choice, option: &ChoiceOption| {
        let added = Added::of(preset, prices, choice, option);
        json!({
            "name": option.name,
            "help": option.help,
            "files": added.files,
            "dependencies": added.dependencies,
            "price": added.price,
        })
    };
    let choice = |choice: &Choice| {
        let options = choice.options.iter().map(|each| option(choice, each));
        let default = match &choice.default {
            Answer::Text(text) => vec![text.as_str()],
            answer => answer.options(),
        };
        json!({
            "name": choice.name,
            "kind": choice.kind.name(),
            "prompt": choice.prompt,
            "help": choice.help,
            "when": choice.when.iter().cloned().collect::<BTreeMap<_, _>>(),
            "default": default,
            "options": options.collect::<Vec<_>>(),
        })
    };
    json!({
        "name": preset.name,
        "description": preset.description,
        "commit": preset.origin.commit,
        "choices": preset.choices.iter().map(choice).collect::<Vec<_>>(),
    })
}

/// What an option adds to a project.
struct Added<'p> {
    /// Files of its own, without what it adds to those of others.
    files: usize,
    dependencies: Vec<String>,
    /// What that costs, if it was measured.
    price: Option<&'p Price>,
}

impl<'p> Added<'p> {
    fn of(
        preset: &Preset,
        prices: Option<&'p Prices>,
        choice: &Choice,
        option: &ChoiceOption,
    ) -> Added<'p> {
        let layers = preset.option_layers(&choice.name, &option.name);
        let files = layers.iter().flat_map(|layer| &layer.files);
        let is_manifest = |(path, _): &&(&str, _)| path.starts_with(MANIFEST);
        let manifests = files.clone().filter(is_manifest);
        let files = files.filter(|(path, _)| !path.starts_with('_'));
        Added {
            files: files.count(),
            dependencies: manifests.flat_map(|(_, text)| dependencies(text)).collect(),
            price: prices.and_then(|prices| prices.of(&choice.name, &option.name)),
        }
    }
}

/// The names of the dependencies. A template's lines are comments; where it is no TOML for all that, nobody can tell.
fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = toml::from_str(manifest).unwrap_or_default();
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    table
        .into_iter()
        .flat_map(toml::Table::keys)
        .cloned()
        .collect()
}
