//! `scaffold preset new`: makes a preset that works as it stands, for its author to change.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use include_dir::{Dir, include_dir};

use crate::commands::new::cd;
use crate::core::author::snapshots;
use crate::core::merge::{Ours, merge};
use crate::core::preset::address::Address;
use crate::core::preset::choice::check_word;
use crate::core::preset::{Preset, SNAPSHOTS};
use crate::core::problem::Problem;
use crate::core::render::quote;
use crate::core::reserved;
use crate::core::secrets::{holds_secrets, shown};
use crate::core::tree::Tree;
use crate::edge::interrupt;
use crate::edge::presets;
use crate::edge::project::new::{Destination, Staging};
use crate::edge::report::say;
use crate::edge::watchdog;

/// Presets that work, which are copied with other names. They are no templates.
static KITS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/commands/preset/kits");
/// A preset that stands alone.
const MINIMAL: &str = "minimal";
/// A preset that extends another one.
const EXTENDING: &str = "extending";
/// What the presets among the kits are called.
const NAME: &str = "my_preset";
/// What the one that extends another one says of that.
const EXTENDS: &str = "\"my_parent\"";
/// Characters that a name may have.
const MAX_NAME: usize = 64;

/// Makes the preset `name` in `into`, or in a directory of its name.
pub fn run(name: &str, extends: Option<&str>, into: Option<&Path>) -> Result<()> {
    interrupt::watch()?;
    check_name(name)?;
    let shown = into.unwrap_or(Path::new(name));
    let destination = Destination::parse(shown)?;
    let path = destination.path.clone();
    let parent = extends.map(|extends| parent(extends, &path)).transpose()?;
    let tree = kit(name, parent.as_deref())?;
    let (nothing, nobody) = (Tree::default(), Ours::default());
    let plan = merge(&nothing, &nobody, &tree);

    let staging = Staging::open(destination)?;
    staging.write(&plan)?;
    let preset = open(name, extends, staging.path())?;
    let snapshots = snapshots(&preset)?;
    fs_err::create_dir(staging.path().join(SNAPSHOTS))?;
    for (name, text) in &snapshots {
        fs_err::write(staging.path().join(SNAPSHOTS).join(name), text)?;
    }
    interrupt::check()?;
    staging.publish()?;

    let text = format!(
        "made the preset `{name}` in `{}`, {} files\n\nnext:\n  {}\n  \
         scaffold new demo --preset . --into ../demo\n  scaffold preset dev . --out .dev\n",
        path.display(),
        tree.len() + snapshots.len(),
        cd(shown),
    );
    say(&text);
    Ok(())
}

/// A preset's name is also that of its directory.
fn check_name(name: &str) -> Result<(), Problem> {
    let refuse = |reason: &str| {
        Problem::refusal(format!(
            "a preset can't be called `{}`: {reason}",
            shown(name)
        ))
    };
    if check_word("", name).is_err() {
        let word: String = name.to_lowercase().replace(['-', ' ', '.'], "_");
        let help = match check_word("", &word) {
            Ok(()) if !holds_secrets(name) => format!("try `{word}`"),
            _ => "try `my_preset`, and say where it goes with `--into DIR`".to_owned(),
        };
        let reason = "it is not made of lower-case letters, digits and `_`, a letter first";
        return Err(refuse(reason).help(help));
    }
    if name.len() > MAX_NAME {
        return Err(refuse(&format!("it has more than {MAX_NAME} characters")));
    }
    if presets::built_in().any(|other| other == name) {
        let help = format!("try `my_{name}`");
        return Err(refuse("that is a built-in preset").help(help));
    }
    if reserved::is_windows_device(name) {
        return Err(refuse("it is the name of a device on Windows"));
    }
    Ok(())
}

/// What the preset at `path` says that it extends: a built-in preset by its name, a directory by its path from there, a
/// repository by a commit of it.
fn parent(extends: &str, path: &Path) -> Result<String> {
    let preset = presets::load(extends)?;
    if let (Some(commit), Some(address)) = (&preset.origin.commit, Address::parse(extends)) {
        return Ok(address?.pinned(commit).to_string());
    }
    if presets::built_in().any(|other| other == extends) {
        return Ok(extends.to_owned());
    }
    let directory = dunce::canonicalize(env::current_dir()?.join(extends))?;
    let relative = presets::relative(&directory, path)
        .with_context(|| format!("there is no path from `{}` to `{extends}`", path.display()))?;
    Ok(relative)
}

/// The files of a new preset.
fn kit(name: &str, extends: Option<&str>) -> Result<Tree> {
    let kit = match extends {
        Some(_) => EXTENDING,
        None => MINIMAL,
    };
    let extends = quote::string(extends.unwrap_or_default());
    let mut tree = Tree::default();
    let mut open: Vec<_> = KITS.get_dir(kit).into_iter().collect();
    while let Some(dir) = open.pop() {
        open.extend(dir.dirs());
        for file in dir.files() {
            let path = file.path().strip_prefix(kit)?;
            let path = path.to_str().context("a path is not UTF-8")?;
            let text = file.contents_utf8();
            let text = text.with_context(|| format!("`{path}` is not text"))?;
            let text = text.replace(NAME, name).replace(EXTENDS, &extends);
            tree.insert(path.replace('\\', "/"), text)?;
        }
    }
    ensure!(!tree.is_empty(), "the kit `{kit}` is not there");
    Ok(tree)
}

/// Loads what was written. Not every preset can have one more choice, or one more of this name on top. It stands beside
/// its place, so that it finds what it extends.
fn open(name: &str, extends: Option<&str>, written: &Path) -> Result<Preset> {
    let path = written.to_str().context("the path is not UTF-8")?;
    let Some(extends) = extends else {
        return presets::load(path);
    };
    presets::load(path).map_err(|error| {
        // The first one names the place, which is nowhere in the end.
        let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
        let what = format!("`{name}` can't extend `{extends}`: {}", causes.join(": "));
        let help = Problem::of(&error, "").help;
        Problem::refusal(what).maybe_help(help).into()
    })
}

/// The first snapshots, from which `preset test` tells what a change does.
fn snapshots(preset: &Preset) -> Result<BTreeMap<String, String>> {
    let projects = snapshots::projects(preset);
    let made = projects
        .iter()
        .map(|project| project.make(preset, watchdog::render))
        .collect::<Result<Vec<_>>>()?;
    snapshots::texts(&projects, &made)
}
