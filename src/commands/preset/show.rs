//! `scaffold preset list` and `scaffold preset show`: what there is to choose from. It is the answer, so it is on stdout.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::cli::Format;
use crate::preset::{Choice, ChoiceOption, Preset};
use crate::prices::{Price, Prices};
use crate::report::print_json;
use crate::source;

/// The fragment that names the dependencies of an option.
const MANIFEST: &str = "_Cargo.toml";

/// Lists the built-in presets.
pub fn list(format: Format) -> Result<()> {
    let presets: Vec<Preset> = source::built_in()
        .map(source::load)
        .collect::<Result<_>>()?;
    match format {
        Format::Human => {
            let width = presets.iter().map(|preset| preset.name.len()).max();
            let width = width.unwrap_or_default();
            let line =
                |preset: &Preset| format!("{:width$}  {}\n", preset.name, preset.description);
            print(&presets.iter().map(line).collect::<String>())
        }
        Format::Json => {
            let preset =
                |preset: &Preset| json!({ "name": preset.name, "description": preset.description });
            print_json(&presets.iter().map(preset).collect())
        }
    }
}

/// Shows the choices of a preset, and what each option adds.
pub fn show(preset: &str, format: Format) -> Result<()> {
    let preset = source::load(preset)?;
    let prices = preset.prices()?;
    match format {
        Format::Human => print(&human(&preset, prices.as_ref())),
        Format::Json => print_json(&as_json(&preset, prices.as_ref())),
    }
}

/// Prints what editors need to know of a manifest.
pub fn schema() -> Result<()> {
    print(include_str!("../../../docs/preset.schema.json"))
}

fn human(preset: &Preset, prices: Option<&Prices>) -> String {
    let mut text = format!("{}: {}\n", preset.name, preset.description);
    for choice in &preset.choices {
        let (name, prompt, options) = (&choice.name, &choice.prompt, &choice.options);
        let default = choice.default_shown();
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
        json!({
            "name": choice.name,
            "kind": choice.kind.name(),
            "prompt": choice.prompt,
            "help": choice.help,
            "when": choice.when.iter().cloned().collect::<BTreeMap<_, _>>(),
            "default": choice.default,
            "options": options.collect::<Vec<_>>(),
        })
    };
    json!({
        "name": preset.name,
        "description": preset.description,
        "commit": preset.commit,
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

fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever read it has had enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("stdout can't be written"),
    }
}
