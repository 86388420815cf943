//! `docs/preset.schema.json` tells editors what the program makes of a `preset.toml`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Test;
use scaffold::core::preset::manifest::Manifest;
use scaffold::core::preset::{Files, MANIFEST, Preset};
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(path("docs/preset.schema.json")).unwrap()).unwrap()
}

/// What the schema has against a manifest.
fn faults(manifest: &str) -> Vec<String> {
    let Ok(manifest) = manifest.parse::<toml::Table>() else {
        return vec!["it is not TOML".to_owned()];
    };
    let manifest = serde_json::to_value(manifest).unwrap();
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let errors = validator.iter_errors(&manifest);
    errors.map(|error| error.to_string()).collect()
}

/// What the program has against it.
fn refused(manifest: &str) -> Option<String> {
    let files: Files = [(MANIFEST.into(), manifest.to_owned().into())].into();
    let opened = Manifest::parse(&files).and_then(|it| Preset::new(it, files, None));
    opened.err().map(|error| format!("{error:#}"))
}

/// A manifest with this choice.
fn choice(rest: &str) -> String {
    format!(
        "name = \"house\"\ndescription = \"\"\n\n[[choice]]\nname = \"a\"\nprompt = \"A?\"\n{rest}\n"
    )
}

fn option(name: &str) -> String {
    format!("[[choice.option]]\nname = \"{name}\"\nhelp = \"\"\n")
}

#[test]
fn the_program_prints_it() {
    let seen = Test::new().run(&["preset", "schema"]);
    let document = fs::read_to_string(path("docs/preset.schema.json")).unwrap();
    assert_eq!((seen.code, seen.stdout), (Some(0), document));
}

#[test]
fn the_schema_is_one() {
    assert!(jsonschema::meta::is_valid(&schema()));
}

#[test]
fn a_manifest_that_the_program_takes_conforms() {
    let (x, y, yes) = (option("x"), option("y"), option("yes"));
    let server =
        "server = { name = \"S\", variable = \"S_URL\", default = \"s://h:1\", start = \"s\" }\n";
    let manifests = [
        fs::read_to_string(path("templates/axum/preset.toml")).unwrap(),
        "name = \"a_1\"\ndescription = \"\"\n".to_owned(),
        "name = \"a\"\ndescription = \"\"\nnext = []\n[reserved]\n".to_owned(),
        "name = \"a\"\ndescription = \"\"\nextends = \"axum\"\nchoice = []\n[reserved]\nprojects = [\"b\"]\nresources = [\"c\"]\n".to_owned(),
        choice(&format!("default = \"x\"\n{x}")),
        choice(&format!("kind = \"one\"\ndefault = \"none\"\n{x}{}", option("none"))),
        choice("kind = \"flag\""),
        choice("kind = \"flag\"\noption = []"),
        choice(&format!("kind = \"flag\"\ndefault = \"yes\"\n{yes}next = [\"ls\"]\ncommon = true\n")),
        choice(&format!("kind = \"many\"\n{x}")),
        choice(&format!("kind = \"many\"\ndefault = [\"y\", \"x\"]\n{x}{y}{server}")),
        choice("kind = \"text\"\npattern = \".*\"\ndefault = \"\"\nhelp = \"so\""),
        choice("kind = \"text\"\npattern = \".*\"\ndefault = \"\"\noption = []"),
        choice("kind = \"flag\"\n[[choice]]\nname = \"b\"\nprompt = \"\"\nkind = \"flag\"\nwhen = { a = \"yes\" }"),
        choice("kind = \"flag\"\n[[choice]]\nname = \"b\"\nprompt = \"\"\nkind = \"flag\"\nwhen = { a = [\"yes\", \"no\"] }"),
    ];
    for manifest in &manifests {
        assert_eq!(refused(manifest), None, "{manifest}");
        assert_eq!(faults(manifest), [""; 0], "{manifest}");
    }
}

#[test]
fn a_manifest_that_is_broken_in_itself_does_not_conform() {
    let (x, yes, none) = (option("x"), option("yes"), option("none"));
    let manifests = [
        "name = \"house\"\ndescription = \n".to_owned(),
        "name = \"house\"\ndescription = \"\"\nhooks = [\"rm\"]\n".to_owned(),
        "name = \"house\"\n".to_owned(),
        "name = \"My House\"\ndescription = \"\"\n".to_owned(),
        "name = \"house\"\ndescription = 1\n".to_owned(),
        "name = \"house\"\ndescription = \"\"\nnext = \"ls\"\n".to_owned(),
        "name = \"house\"\ndescription = \"\"\n[reserved]\nwords = []\n".to_owned(),
        choice("kind = \"flag\"").replace("\"a\"", "\"name\""),
        choice("kind = \"flag\"").replace("\"a\"", "\"1\""),
        choice(""),
        choice("kind = \"some\""),
        choice(&x),
        choice(&format!("default = [\"x\"]\n{x}")),
        choice(&format!("default = \"X\"\n{}", option("X"))),
        choice(&format!("default = \"x\"\n{x}port = 1\n")),
        choice(&format!(
            "default = \"x\"\n{x}server = {{ name = \"S\" }}\n"
        )),
        choice(&format!("default = \"x\"\npattern = \"x\"\n{x}")),
        choice("default = \"x\"\n[[choice.option]]\nname = \"x\"\n"),
        choice("kind = \"flag\"\ndefault = \"maybe\""),
        choice(&format!("kind = \"flag\"\n{x}")),
        choice(&format!("default = \"yes\"\n{yes}")),
        choice("kind = \"many\""),
        choice(&format!("kind = \"many\"\ndefault = \"x\"\n{x}")),
        choice(&format!("kind = \"many\"\ndefault = [\"x\", \"x\"]\n{x}")),
        choice(&format!("kind = \"many\"\n{none}")),
        choice("kind = \"text\"\ndefault = \"\""),
        choice("kind = \"text\"\npattern = \"a\""),
        choice(&format!(
            "kind = \"text\"\npattern = \"a\"\ndefault = \"a\"\n{x}"
        )),
        choice(&format!("default = \"x\"\nwhen = {{ a = 1 }}\n{x}")),
    ];
    for manifest in &manifests {
        assert_ne!(refused(manifest), None, "{manifest}");
        assert_ne!(faults(manifest), [""; 0], "{manifest}");
    }
}

/// What one part of a manifest says of another one: for this there is `scaffold preset check`.
#[test]
fn what_only_the_program_sees_conforms() {
    let x = option("x");
    let manifests = [
        choice(&format!("default = \"y\"\n{x}")),
        choice(&format!("default = \"x\"\n{x}{x}")),
        choice(&format!("default = \"x\"\nwhen = {{ b = \"x\" }}\n{x}")),
        choice("kind = \"text\"\npattern = \"a\"\ndefault = \"ba\""),
        choice("kind = \"text\"\npattern = \"(a\"\ndefault = \"a\""),
    ];
    for manifest in &manifests {
        assert_ne!(refused(manifest), None, "{manifest}");
        assert_eq!(faults(manifest), [""; 0], "{manifest}");
    }
}

#[test]
fn the_schema_has_the_keys_that_the_program_takes() {
    let schema = schema();
    let (x, unknown) = (option("x"), "?? = 1\n".replace("??", "unknown"));
    let head = "name = \"house\"\ndescription = \"\"\n";
    let places = [
        ("", format!("{head}{unknown}")),
        (
            "/properties/reserved",
            format!("{head}[reserved]\n{unknown}"),
        ),
        ("/$defs/choice", choice(&unknown)),
        (
            "/$defs/option",
            choice(&format!("default = \"x\"\n{x}{unknown}")),
        ),
        (
            "/$defs/server",
            choice(&format!(
                "default = \"x\"\n{x}[choice.option.server]\n{unknown}"
            )),
        ),
    ];
    for (place, manifest) in places {
        let error = refused(&manifest).unwrap();
        let (_, taken) = error.split_once("expected ").unwrap();
        let taken: BTreeSet<&str> = taken.split('`').skip(1).step_by(2).collect();
        let properties = schema.pointer(&format!("{place}/properties")).unwrap();
        let keys = properties.as_object().unwrap().keys();
        let keys: BTreeSet<&str> = keys.map(String::as_str).collect();
        assert_eq!(keys, taken, "`{place}`");
    }
}

#[test]
fn a_word_that_the_schema_says_is_taken_is() {
    let schema = schema();
    let taken = schema.pointer("/$defs/choice/properties/name/not/enum");
    for word in taken.unwrap().as_array().unwrap() {
        let manifest = choice("kind = \"flag\"").replace("\"a\"", &word.to_string());
        let refused = refused(&manifest).unwrap();
        assert!(refused.contains("the word is taken"), "{refused}");
    }
}
