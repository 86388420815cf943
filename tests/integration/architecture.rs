//! What holds for the whole of the program and for every combination of every built-in preset.

use crate::support;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use heck::ToKebabCase;
use scaffold::core::answers::Answers;
use scaffold::core::author::combinations;
use scaffold::core::preset::Preset;
use scaffold::core::preset::choice::NONE;
use scaffold::core::render::render;
use scaffold::core::tree::Tree;
use scaffold::edge::presets;
use syn::visit::Visit;

/// What the core may not use.
const EDGE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "std::io",
    "std::time",
    "clap",
    "dialoguer",
    "fs_err",
    "tempfile",
    "include_dir",
    "walkdir",
];
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of `src/` without their tests, by their path there.
fn sources() -> BTreeMap<String, String> {
    let root = root().join("src");
    let entries = walkdir::WalkDir::new(&root).into_iter();
    let source = |path: &Path| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
        let is_code = name.ends_with(".rs") && !name.contains("/kits/");
        let code = || fs::read_to_string(path).unwrap();
        let code = is_code.then(|| code().split("#[cfg(test)]").next().unwrap().to_owned());
        Some((name.replace('\\', "/"), code?))
    };
    entries
        .filter_map(|entry| source(entry.unwrap().path()))
        .collect()
}

/// The modules of this crate that a file imports, by their paths.
fn imports(code: &str) -> BTreeSet<&str> {
    let is_end = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
    let after = code.split("crate::").skip(1);
    after
        .map(|rest| rest.split(is_end).next().unwrap())
        .collect()
}

/// The folder or the file right below `core/` or `edge/` that a path leads to.
fn part(path: &str, separator: &str) -> Option<String> {
    let mut parts = path.split(separator);
    let (layer, part) = (parts.next()?, parts.next()?);
    let part = part.trim_end_matches(".rs");
    matches!(layer, "core" | "edge").then(|| format!("{layer}/{part}"))
}

fn presets() -> Vec<Preset> {
    let entries = fs::read_dir(root().join("templates")).unwrap();
    entries
        .map(|entry| presets::load(entry.unwrap().file_name().to_str().unwrap()).unwrap())
        .collect()
}

/// Renders every combination, and shows each to `look`.
fn every_combination(resource: &str, look: impl Fn(&Preset, &Answers, &Tree)) {
    for preset in presets() {
        for options in combinations::all(&preset.choices) {
            let name = preset.project_name("accounts-api").unwrap();
            let resources = vec![preset.resource_name(resource).unwrap()];
            let answers = Answers::new(&preset, name, options, resources).unwrap();
            let tree = render(&preset, &answers)
                .unwrap_or_else(|error| panic!("{}: {error:#}", answers.choices().name()));
            look(&preset, &answers, &tree);
        }
    }
}

#[test]
fn the_core_touches_nothing_outside() {
    for (path, code) in sources() {
        for edge in EDGE.iter().filter(|_| path.starts_with("core/")) {
            assert!(!code.contains(edge), "`{path}` uses `{edge}`");
        }
    }
}

#[test]
fn the_core_imports_itself_and_the_edge_imports_no_command() {
    for (path, code) in sources() {
        let may = match path.split('/').next().unwrap() {
            "core" => &["core"][..],
            "edge" => &["core", "edge"],
            "commands" | "cli.rs" => &["core", "edge", "commands", "cli"],
            _ => continue,
        };
        for import in imports(&code) {
            let layer = import.split(':').next().unwrap();
            assert!(may.contains(&layer), "`{path}` imports `{import}`");
        }
    }
}

#[test]
fn no_two_parts_of_the_core_or_of_the_edge_import_each_other() {
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, code) in sources() {
        let Some(from) = part(&path, "/").filter(|part| !part.ends_with("/mod")) else {
            continue;
        };
        let to = imports(&code)
            .into_iter()
            .filter_map(|import| part(import, "::"));
        let to = to.filter(|to| *to != from);
        graph.entry(from.clone()).or_default().extend(to);
    }
    // What nothing depends on that is left can go; what stays goes in a circle.
    while let Some(free) = graph
        .keys()
        .find(|part| graph[*part].iter().all(|to| !graph.contains_key(to)))
        .cloned()
    {
        graph.remove(&free);
    }
    assert!(graph.is_empty(), "these import each other: {graph:#?}");
}

#[test]
fn what_renders_a_stranger_s_templates_is_watched() {
    for (path, code) in sources() {
        let is_watched = path.starts_with("core/") || path == "edge/watchdog.rs";
        let renders = code.contains("core::render;") || code.contains("render::render");
        assert!(is_watched || !renders, "`{path}` renders by itself");
    }
    assert!(sources()["edge/watchdog.rs"].contains("render::render("));
}

#[test]
fn people_are_told_in_one_place_where_a_text_does_nothing_to_their_terminal() {
    for (path, code) in sources() {
        // The questions of a preset are checked when it is read; what ends the program may not wait for a lock.
        let may = ["edge/report.rs", "edge/ask.rs", "edge/watchdog.rs"].contains(&path.as_str());
        for word in [
            "eprintln!",
            " println!",
            " print!",
            "stderr().write",
            "io::stderr(),",
        ] {
            assert!(may || !code.contains(word), "`{path}` uses `{word}`");
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
                assert!(
                    !has_word(&text, &option),
                    "`{}` names `{option}`",
                    entry.path().display()
                );
            }
        }
    }
}

#[test]
fn a_project_mentions_no_option_that_was_not_chosen() {
    every_combination("accounts", |preset, answers, tree| {
        let chosen = |choice: &str, option: &str| answers.choices().has(choice, option);
        // The dashboard that comes with OpenTelemetry asks in Prometheus' query language.
        let is_spoken =
            |option: &str| option == "prometheus" && chosen("observability", "opentelemetry");
        let others = option_words(preset, |choice, option| {
            !chosen(choice, option) && !is_spoken(option)
        });
        for (path, text) in tree.iter().filter(|(path, _)| *path != "Cargo.lock") {
            for option in &others {
                assert!(
                    !has_word(&format!("{path}\n{text}"), option),
                    "{}: `{path}` names `{option}`",
                    answers.choices().name()
                );
            }
        }
    });
}

#[test]
fn every_rust_file_parses() {
    every_combination("accounts", |_, answers, tree| {
        for (path, text) in tree.iter().filter(|(path, _)| path.ends_with(".rs")) {
            syn::parse_file(text)
                .unwrap_or_else(|error| panic!("{}: `{path}`: {error}", answers.choices().name()));
        }
    });
}

#[test]
fn every_toml_and_json_file_parses() {
    every_combination("accounts", |_, answers, tree| {
        for (path, text) in tree.iter() {
            let failed = if path.ends_with(".toml") || path == "Cargo.lock" {
                toml::from_str::<toml::Table>(text)
                    .err()
                    .map(|error| error.to_string())
            } else if path.ends_with(".json") {
                serde_json::from_str::<serde_json::Value>(text)
                    .err()
                    .map(|error| error.to_string())
            } else {
                None
            };
            assert_eq!(failed, None, "{}: `{path}`", answers.choices().name());
        }
    });
}

#[test]
fn no_file_shows_how_it_was_made() {
    every_combination("accounts", |_, answers, tree| {
        for (path, text) in tree.iter() {
            let ends_well = text.is_empty() || text.ends_with('\n') && !text.ends_with("\n\n");
            assert!(
                ends_well,
                "{}: `{path}` does not end with one line feed",
                answers.choices().name()
            );
            for mark in ["{%", "%}", "//%", "#%", "--%", "{{ ", "\n\n\n"] {
                // GitHub, Prometheus and just have marks of their own.
                let is_its_own = mark == "{{ " && !path.ends_with(".rs");
                let has_mark = text.contains(mark) && !is_its_own;
                assert!(
                    !has_mark,
                    "{}: `{path}` has `{}`",
                    answers.choices().name(),
                    mark.escape_debug()
                );
            }
            let trailing = text
                .lines()
                .find(|line| line.ends_with([' ', '\t']) && !path.ends_with(".md"));
            assert_eq!(trailing, None, "{}: `{path}`", answers.choices().name());
        }
    });
}

#[test]
fn a_name_that_generated_code_uses_is_no_resource() {
    every_combination("zebras", |preset, _, tree| {
        let mut taken = BTreeSet::new();
        for (path, text) in tree.iter().filter(|(path, _)| path.ends_with(".rs")) {
            let file = syn::parse_file(text).unwrap_or_else(|error| panic!("`{path}`: {error}"));
            let mut names = Names::default();
            names.visit_scope(|scope| scope.visit_file(&file));
            taken.extend(names.clashes);
            if text.contains("Zebra") {
                taken.extend(names.types);
            }
        }
        let clashes = |name: &&String| {
            preset
                .resource_name(&name.to_kebab_case())
                .is_ok_and(|resource| {
                    resource.singular_type() == **name || resource.plural() == **name
                })
        };
        let free: Vec<_> = taken
            .iter()
            .filter(|name| !name.to_lowercase().contains("zebra"))
            .filter(clashes)
            .collect();
        assert!(
            free.is_empty(),
            "resources could be called {free:?}\nhelp: add them to `reserved.resources` in preset.toml"
        );
    });
}

/// The names in a file that those of a resource could clash with: one of it is a type, many of it are a module, a field
/// and a variable.
#[derive(Default)]
struct Names {
    types: Vec<String>,
    /// Modules, fields and variables of the scope that is being visited.
    values: Vec<String>,
    /// Whether many of the resource were met in it.
    has_many: bool,
    /// The values of those scopes that have many of the resource.
    clashes: Vec<String>,
}

impl Names {
    /// Visits a file, a struct or a function.
    fn visit_scope(&mut self, visit: impl FnOnce(&mut Names)) {
        let mut scope = Names::default();
        visit(&mut scope);
        self.types.extend(scope.types);
        self.clashes.extend(scope.clashes);
        if scope.has_many {
            self.clashes.extend(scope.values);
        }
    }
}

impl<'a> Visit<'a> for Names {
    fn visit_ident(&mut self, ident: &'a syn::Ident) {
        self.has_many |= ident == "zebras";
    }

    fn visit_use_name(&mut self, name: &'a syn::UseName) {
        self.types.push(name.ident.to_string());
    }

    fn visit_use_rename(&mut self, name: &'a syn::UseRename) {
        self.types.push(name.rename.to_string());
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        self.types.push(item.ident.to_string());
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        self.values.push(item.ident.to_string());
        syn::visit::visit_item_mod(self, item);
    }

    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        self.types.push(item.ident.to_string());
        self.visit_scope(|scope| syn::visit::visit_item_struct(scope, item));
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.visit_scope(|scope| syn::visit::visit_item_fn(scope, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.visit_scope(|scope| syn::visit::visit_impl_item_fn(scope, item));
    }

    fn visit_field(&mut self, field: &'a syn::Field) {
        self.values
            .extend(field.ident.as_ref().map(syn::Ident::to_string));
        syn::visit::visit_field(self, field);
    }

    fn visit_pat_ident(&mut self, pattern: &'a syn::PatIdent) {
        self.values.push(pattern.ident.to_string());
        syn::visit::visit_pat_ident(self, pattern);
    }
}

#[test]
fn the_package_holds_every_template() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["package", "--list", "--allow-dirty", "--offline"])
        .current_dir(root());
    let output = cargo.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let listed = String::from_utf8(output.stdout).unwrap();
    let listed: BTreeSet<&str> = listed.lines().collect();
    for directory in ["templates", "src/commands/preset/kits"] {
        let paths = support::paths(&root().join(directory));
        for path in paths.iter().filter(|path| !path.ends_with('/')) {
            let path = format!("{directory}/{path}");
            assert!(
                listed.contains(path.as_str()),
                "`{path}` is not in the package"
            );
        }
    }
}

/// The words that give an option away: its own name, in any spelling, and that of the crate behind it.
fn option_words(preset: &Preset, is_meant: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let options = preset
        .choices
        .iter()
        .flat_map(|choice| choice.options.iter().map(move |option| (choice, option)));
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
