//! What holds for the whole of the program and for every combination of every built-in preset.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use scaffold::answers::Answers;
use scaffold::preset::{NONE, Preset};
use scaffold::render::render;
use scaffold::source;
use scaffold::tree::Tree;

/// What the core may not use.
const EDGE: &[&str] = &["std::fs", "std::env", "std::process", "std::io", "std::time", "clap", "dialoguer", "fs_err", "tempfile", "include_dir", "walkdir"];
/// The core, in the order of its imports: each module uses only those after it.
const CORE: &[&str] = &["render", "merge", "overlay", "plan", "preset", "answers", "lock", "manifest", "prices", "tree", "fit", "refusal", "words"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A module's code without its tests.
fn module(name: &str) -> String {
    let text = fs::read_to_string(root().join(format!("src/{name}.rs"))).unwrap();
    text.split("#[cfg(test)]").next().unwrap().to_owned()
}

fn presets() -> Vec<Preset> {
    let entries = fs::read_dir(root().join("templates")).unwrap();
    entries.map(|entry| source::load(entry.unwrap().file_name().to_str().unwrap()).unwrap()).collect()
}

/// Every combination of a preset's options.
fn combinations(preset: &Preset) -> Vec<Vec<(String, String)>> {
    preset.choices.iter().fold(vec![Vec::new()], |combinations, choice| {
        let with = |combination: &Vec<(String, String)>| {
            let options = choice.options.iter().map(|option| (choice.name.clone(), option.name.clone()));
            options.map(|option| [combination.clone(), vec![option]].concat()).collect::<Vec<_>>()
        };
        combinations.iter().flat_map(with).collect()
    })
}

/// Renders every combination, and shows each to `look`.
fn every_combination(resource: &str, look: impl Fn(&Preset, &Answers, &Tree)) {
    for preset in presets() {
        for options in combinations(&preset) {
            let answers = Answers {
                name: preset.project_name("accounts-api").unwrap(),
                resources: vec![preset.resource_name(resource).unwrap()],
                options,
            };
            let tree = render(&preset, &answers).unwrap_or_else(|error| panic!("{:?}: {error:#}", answers.options));
            look(&preset, &answers, &tree);
        }
    }
}

#[test]
fn the_core_touches_nothing_outside() {
    for name in CORE {
        let code = module(name);
        for edge in EDGE {
            assert!(!code.contains(edge), "`{name}` uses `{edge}`");
        }
    }
}

#[test]
fn imports_point_downward() {
    for (index, name) in CORE.iter().enumerate() {
        let imports = module(name).lines().filter_map(|line| {
            let module = line.trim().strip_prefix("use crate::")?;
            Some(module.split([':', ';', '{']).next()?.to_owned())
        }).collect::<Vec<_>>();
        for import in imports {
            assert!(CORE[index + 1..].contains(&import.as_str()), "`{name}` imports `{import}`");
        }
    }
}

#[test]
fn base_names_no_option() {
    for preset in presets() {
        let base = root().join("templates").join(&preset.name).join("base");
        for entry in walkdir::WalkDir::new(base) {
            let entry = entry.unwrap();
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let text = format!("{}\n{text}", entry.path().display());
            for option in option_words(&preset, |_, _| true) {
                assert!(!has_word(&text, &option), "`{}` names `{option}`", entry.path().display());
            }
        }
    }
}

#[test]
fn a_project_mentions_no_option_that_was_not_chosen() {
    every_combination("accounts", |preset, answers, tree| {
        let chosen = |choice: &str, option: &str| answers.chosen().any(|pair| pair == (choice, option));
        let others = option_words(preset, |choice, option| !chosen(choice, option));
        for (path, text) in tree.iter().filter(|(path, _)| *path != "Cargo.lock") {
            for option in &others {
                assert!(!has_word(&format!("{path}\n{text}"), option), "{:?}: `{path}` names `{option}`", answers.options);
            }
        }
    });
}

#[test]
fn every_rust_file_parses() {
    every_combination("accounts", |_, answers, tree| {
        for (path, text) in tree.iter().filter(|(path, _)| path.ends_with(".rs")) {
            syn::parse_file(text).unwrap_or_else(|error| panic!("{:?}: `{path}`: {error}", answers.options));
        }
    });
}

#[test]
fn every_toml_and_json_file_parses() {
    every_combination("accounts", |_, answers, tree| {
        for (path, text) in tree.iter() {
            let failed = if path.ends_with(".toml") || path == "Cargo.lock" {
                toml::from_str::<toml::Table>(text).err().map(|error| error.to_string())
            } else if path.ends_with(".json") {
                serde_json::from_str::<serde_json::Value>(text).err().map(|error| error.to_string())
            } else {
                None
            };
            assert_eq!(failed, None, "{:?}: `{path}`", answers.options);
        }
    });
}

#[test]
fn no_file_shows_how_it_was_made() {
    every_combination("accounts", |_, answers, tree| {
        for (path, text) in tree.iter() {
            let ends_well = text.is_empty() || text.ends_with('\n') && !text.ends_with("\n\n");
            assert!(ends_well, "{:?}: `{path}` does not end with one line feed", answers.options);
            for mark in ["{%", "%}", "//%", "#%", "--%", "{{ ", "\n\n\n"] {
                // GitHub's workflows have marks of their own.
                let text = if path.starts_with(".github") { text.replace("${{ ", "") } else { text.to_owned() };
                assert!(!text.contains(mark), "{:?}: `{path}` has `{}`", answers.options, mark.escape_debug());
            }
            let trailing = text.lines().find(|line| line.ends_with([' ', '\t']) && !path.ends_with(".md"));
            assert_eq!(trailing, None, "{:?}: `{path}`", answers.options);
        }
    });
}

#[test]
fn rustfmt_agrees_for_names_of_every_length() {
    for resource in ["ads", "pets", "orders", "accounts", "categories", "subscriptions", "payment-methods", "customer-addresses", "notification-settings", "warehouse-inventory-locations", "enterprise-agreement-templates"] {
        every_combination(resource, |_, answers, tree| {
            let directory = tempfile::tempdir().unwrap();
            scaffold::disk::write(tree, directory.path()).unwrap();
            let files: Vec<_> = tree.iter().map(|(path, _)| path).filter(|path| path.ends_with(".rs")).collect();
            let mut rustfmt = Command::new("rustfmt");
            rustfmt.args(["--check", "--edition", "2024"]).args(files).current_dir(directory.path());
            let output = rustfmt.output().unwrap();
            assert!(output.status.success(), "{resource} {:?}\n{}", answers.options, String::from_utf8_lossy(&output.stdout));
        });
    }
}

#[test]
fn a_name_that_generated_code_uses_is_no_resource() {
    every_combination("zebras", |preset, _, tree| {
        let mut taken = BTreeSet::new();
        for (path, text) in tree.iter().filter(|(path, _)| path.ends_with(".rs") && path.starts_with("src")) {
            let file = syn::parse_file(text).unwrap();
            // Beside the resource's own type stand the names that its files import and define.
            if text.contains("Zebra") {
                taken.extend(file.items.iter().flat_map(names_in_scope).filter(|name| !name.contains("ebra")));
            }
            // Beside the resource's module stand the others.
            if ["src/lib.rs", "src/http/mod.rs"].contains(&path) {
                taken.extend(file.items.iter().filter_map(|item| match item {
                    syn::Item::Mod(module) => Some(module.ident.to_string()).filter(|name| name != "zebras"),
                    _ => None,
                }));
            }
        }
        use heck::{ToSnakeCase, ToUpperCamelCase};
        for name in taken {
            if let Ok(resource) = preset.resource_name(&name.to_snake_case().replace('_', "-")) {
                let forms = [resource.singular_type(), resource.plural_type(), resource.plural().to_owned()];
                assert!(!forms.contains(&name), "`{name}` could be a resource\nhelp: `reserved.resources` in preset.toml");
                let _ = name.to_upper_camel_case();
            }
        }
    });
}

/// The names that an item brings into its file.
fn names_in_scope(item: &syn::Item) -> Vec<String> {
    fn leaves(tree: &syn::UseTree, names: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => leaves(&path.tree, names),
            syn::UseTree::Name(name) => names.push(name.ident.to_string()),
            syn::UseTree::Rename(rename) => names.push(rename.rename.to_string()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, names)),
            _ => {}
        }
    }
    let mut names = Vec::new();
    match item {
        syn::Item::Use(item) => leaves(&item.tree, &mut names),
        syn::Item::Struct(item) => names.push(item.ident.to_string()),
        syn::Item::Enum(item) => names.push(item.ident.to_string()),
        syn::Item::Trait(item) => names.push(item.ident.to_string()),
        syn::Item::Type(item) => names.push(item.ident.to_string()),
        _ => {}
    }
    names
}

#[test]
fn the_package_holds_every_template() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["package", "--list", "--allow-dirty", "--offline"]).current_dir(root());
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).unwrap();
    let listed: BTreeSet<&str> = listed.lines().collect();
    for path in support::paths(&root().join("templates")).iter().filter(|path| !path.ends_with('/')) {
        assert!(listed.contains(format!("templates/{path}").as_str()), "`templates/{path}` is not in the package");
    }
}

/// The words that give an option away: its own name, in any spelling, and that of the crate behind it.
fn option_words(preset: &Preset, is_meant: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let options = preset.choices.iter().flat_map(|choice| choice.options.iter().map(move |option| (choice, option)));
    options
        .filter(|(choice, option)| option.name != NONE && is_meant(&choice.name, &option.name))
        .flat_map(|(_, option)| match option.name.as_str() {
            // A word that every service has another use for.
            "memory" => vec!["moka".to_owned()],
            "logs" => Vec::new(),
            name => vec![name.to_owned()],
        })
        .collect()
}

/// Whether a text has a word, in any case.
fn has_word(text: &str, word: &str) -> bool {
    text.to_lowercase().contains(word)
}
