//! Where a preset's text comes from: embedded in the program, a directory, or a git repository.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::slice;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use include_dir::{Dir, include_dir};
use walkdir::{DirEntry, WalkDir};

use crate::address::Address;
use crate::faults;
use crate::fetch::{self, Fetched};
use crate::finding::{Finding, Findings, Refuse, fail, or_refuse};
use crate::incoming::{Incoming, TooMuch, belongs_to_the_repository, refuse_link};
use crate::preset::{Files, MANIFEST, Manifest, Preset};
use crate::refusal::{Refusal, list};
use crate::secrets::shown;

static TEMPLATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The preset that stands where nobody chose one.
pub const DEFAULT: &str = "axum";

/// Presets that one chain may have.
const MAX_CHAIN: usize = 16;

/// Where a preset is.
#[derive(Debug, Clone)]
enum Place {
    BuiltIn(Dir<'static>),
    Directory(PathBuf),
    Repository(Address),
}

/// How a preset comes out of a git repository.
type Get = fn(&Address) -> Result<Fetched>;

/// The preset that users name: a built-in one, a directory, or a git repository.
pub fn load(preset: &str) -> Result<Preset> {
    load_from(&place(preset)?, preset, fetch::fetch)
}

/// The preset in a directory, which may be called like a built-in one.
pub fn load_directory(directory: &Path) -> Result<Preset> {
    let place = Place::Directory(directory.to_owned());
    load_from(&place, &directory.to_string_lossy(), fetch::fetch)
}

/// The preset that users name, if it is on this machine already.
pub fn load_kept(preset: &str) -> Result<Preset> {
    load_from(&place(preset)?, preset, fetch::kept)
}

fn load_from(place: &Place, preset: &str, get: Get) -> Result<Preset> {
    let (files, commit) = read(place, get, &mut fail)?;
    let opened = open(place, files, &[], get, &mut fail);
    let mut opened = opened.with_context(|| cannot_be_used(preset))?;
    opened.commit = commit;
    Ok(opened)
}

/// The preset that users name without what can't be used of it, and all that can't be. There is no preset if that is its
/// manifest.
pub fn survey(preset: &str) -> Result<(Option<Preset>, Vec<Finding>)> {
    let place = place(preset)?;
    let mut findings = Vec::new();
    let mut refuse = |path: &str, error| {
        findings.push(Finding::of(&error, path));
        Ok(())
    };
    let files = match read(&place, fetch::fetch, &mut refuse) {
        Ok((files, _)) => files,
        // The rest of it isn't looked at.
        Err(error) if error.is::<TooMuch>() => {
            findings.push(Finding::of(&error, "."));
            return Ok((None, findings));
        }
        Err(error) => return Err(error),
    };
    let manifest = files.get(MANIFEST).cloned().unwrap_or_default();
    let opened = match open(&place, files, &[], fetch::fetch, &mut refuse) {
        Ok(preset) => Some(preset),
        Err(error) => {
            findings.extend(of_manifest(error, preset, &manifest));
            None
        }
    };
    Ok((opened, findings))
}

/// Why a preset can't be used, with the place in its manifest.
fn of_manifest(error: Error, preset: &str, manifest: &str) -> Vec<Finding> {
    if let Some(Findings(findings)) = error.downcast_ref() {
        return findings.clone();
    }
    let extends = error.is::<ItExtends>();
    let error = error.context(cannot_be_used(preset));
    let finding = Finding::of(&error, MANIFEST);
    vec![match extends {
        true => faults::locate(finding, manifest, "extends"),
        false => finding,
    }]
}

fn cannot_be_used(preset: &str) -> String {
    format!("the preset `{}` can't be used", named(Path::new(preset)))
}

/// A path as it is shown: whole if it is that of a directory, for else it may be a mistaken address.
pub fn named(path: &Path) -> String {
    let text = path.to_string_lossy();
    match path.is_dir() {
        true => text.escape_debug().to_string(),
        false => shown(&text),
    }
}

/// Says which one it is that can't be extended, as it is shown.
#[derive(Debug)]
struct ItExtends(String);

impl fmt::Display for ItExtends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it extends `{}`", self.0)
    }
}

/// The names of the built-in presets.
pub fn built_in() -> impl Iterator<Item = &'static str> {
    TEMPLATES.dirs().filter_map(|dir| dir.path().to_str())
}

fn place(preset: &str) -> Result<Place> {
    match (TEMPLATES.get_dir(preset), Address::parse(preset)) {
        (Some(dir), _) => Ok(Place::BuiltIn(dir.clone())),
        (None, Some(address)) if !Path::new(preset).is_dir() => Ok(Place::Repository(address?)),
        _ => Ok(Place::Directory(preset.into())),
    }
}

/// The preset that the one at `child` extends: a built-in one, a commit of a repository, or a directory by its path from
/// there. A repository's paths lead nowhere, so that a stranger's preset can't read what else is on the disk.
fn parent(child: &Place, extends: &str) -> Result<Place> {
    let is_path = extends.starts_with("./") || extends.starts_with("../");
    if let Some(dir) = TEMPLATES.get_dir(extends) {
        return Ok(Place::BuiltIn(dir.clone()));
    }
    match (child, Address::parse(extends)) {
        (Place::Directory(child), _) if is_path => Ok(Place::Directory(child.join(extends))),
        (Place::Repository(_), _) if is_path => {
            let what = format!(
                "a preset from a repository can't extend the directory `{}`",
                shown(extends)
            );
            let help = "it can extend a built-in preset, or a commit of a repository";
            Err(Refusal::new(what).help(help).into())
        }
        (_, Some(address)) => {
            let address = address?;
            // A project is pinned to one commit, that of the preset it was made from.
            ensure!(
                address.commit().is_some(),
                Refusal::new(format!("`{}` is not pinned to a commit", shown(extends)))
                    .help("a preset extends `ADDRESS#COMMIT`, with all digits of the commit")
            );
            Ok(Place::Repository(address))
        }
        _ => {
            let what = format!("there is no preset `{}` to extend", shown(extends));
            let help = format!(
                "built in is {}, a directory starts with `./` or `../`, and a repository is `ADDRESS#COMMIT`",
                list(built_in())
            );
            Err(Refusal::new(what).help(help).into())
        }
    }
}

/// The files of a place, and the commit that they are of.
fn read(place: &Place, get: Get, refuse: &mut Refuse) -> Result<(Files, Option<String>)> {
    match place {
        Place::BuiltIn(dir) => Ok((embedded(dir)?, None)),
        Place::Directory(root) => {
            let root = root
                .to_str()
                .context("the path of the preset is not UTF-8")?;
            Ok((directory(root, refuse)?, None))
        }
        Place::Repository(address) => {
            let Fetched { commit, files } = get(address)?;
            Ok((files, Some(commit)))
        }
    }
}

/// The preset of these files from a place. `children` are those that extend it, and `refuse` decides of the files of the
/// preset itself.
fn open(
    place: &Place,
    mut files: Files,
    children: &[String],
    get: Get,
    refuse: &mut Refuse,
) -> Result<Preset> {
    let manifest = Manifest::parse(&files)?;
    let chain = [children, slice::from_ref(&manifest.name)].concat();
    if children.contains(&manifest.name) {
        let help = "presets of one chain have a name of their own each";
        bail!("{} is a cycle\nhelp: {help}", as_chain(&chain));
    }
    if chain.len() > MAX_CHAIN {
        bail!("{} are more than {MAX_CHAIN} presets", as_chain(&chain));
    }
    let extended = match &manifest.extends {
        Some(extends) => {
            // A preset may hold the one that it extends, which is no layer of its own.
            if let Some(inside) = extends.strip_prefix("./") {
                let inside = format!("{}/", inside.trim_end_matches('/'));
                files.retain(|path, _| !path.starts_with(&inside));
            }
            let parent = parent(place, extends);
            let is_there = matches!(&parent, Ok(Place::Directory(path)) if path.is_dir());
            let extended = parent.and_then(|place| {
                let (files, _) = read(&place, get, &mut fail)?;
                open(&place, files, &chain, get, &mut fail)
            });
            // Its findings are none of the preset's own.
            let extended = extended.map_err(|error| match error.downcast::<Findings>() {
                Ok(findings) => anyhow!(findings.first()),
                Err(error) => error,
            });
            let called = || match is_there {
                true => extends.escape_debug().to_string(),
                false => shown(extends),
            };
            Some(extended.with_context(|| ItExtends(called()))?)
        }
        None => None,
    };
    Preset::sift(manifest, files, extended, refuse)
}

/// "`a` extends `b` extends `a`".
fn as_chain(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(" extends ")
}

fn embedded(preset: &Dir<'static>) -> Result<Files> {
    let mut files = Files::new();
    let mut open = vec![preset.clone()];
    while let Some(dir) = open.pop() {
        open.extend(dir.dirs().cloned());
        for file in dir.files() {
            let path = file.path().strip_prefix(preset.path())?;
            let path = path.to_str().context("a path is not UTF-8")?;
            if belongs_to_the_repository(path) {
                continue;
            }
            let text = file
                .contents_utf8()
                .with_context(|| format!("`{path}` is not text"))?;
            files.insert(Cow::Borrowed(path), Cow::Borrowed(text));
        }
    }
    Ok(files)
}

/// The directories that the preset in `directory` is read from: its own, and those of what it extends.
pub fn directories(directory: &Path) -> Vec<PathBuf> {
    let extended = |child: &PathBuf| {
        let manifest = child.join(MANIFEST);
        // To open a pipe is to wait for whoever writes to it. A broken one is told when it is used.
        let text = manifest
            .is_file()
            .then(|| std::fs::read_to_string(manifest));
        let manifest: toml::Table = toml::from_str(&text?.ok()?).ok()?;
        match parent(
            &Place::Directory(child.clone()),
            manifest.get("extends")?.as_str()?,
        ) {
            Ok(Place::Directory(extended)) => Some(extended),
            _ => None,
        }
    };
    let chain = std::iter::successors(Some(directory.to_owned()), extended);
    chain.take(MAX_CHAIN).collect()
}

/// All that is in a preset's directory and is the preset's.
pub fn walk(root: &Path) -> impl Iterator<Item = walkdir::Result<DirEntry>> + use<> {
    let is_the_presets = |entry: &DirEntry| {
        let path = format!("{}/", entry.file_name().to_string_lossy());
        let is_in_the_root = entry.depth() == 1 && entry.file_type().is_dir();
        !(is_in_the_root && belongs_to_the_repository(&path))
    };
    WalkDir::new(root).into_iter().filter_entry(is_the_presets)
}

fn directory(preset: &str, refuse: &mut Refuse) -> Result<Files> {
    let root = Path::new(preset);
    if !root.join(MANIFEST).is_file() {
        let what = format!(
            "there is no preset `{}`: it is neither built in nor a directory with a `{MANIFEST}`",
            named(root)
        );
        let help = format!("built in is {}", list(built_in()));
        return Err(Refusal::new(what).help(help).into());
    }
    let mut incoming = Incoming::new(preset);
    let mut paths = Vec::new();
    for entry in walk(root) {
        let entry = entry?;
        let shown = entry.path().strip_prefix(root)?;
        let Some(path) = or_refuse(&shown.to_string_lossy(), portable(shown), refuse)? else {
            incoming.announce("", 0)?;
            continue;
        };
        let found = entry.file_type();
        // A directory counts as well: there may be no end of them, either.
        let bytes = match found.is_file() {
            true => entry.metadata()?.len(),
            false => 0,
        };
        let refused = if found.is_symlink() && entry.depth() > 0 {
            Some(refuse_link(&entry.path().to_string_lossy()))
        } else if let Err(error) = incoming.check(&path, bytes) {
            Some(error)
        } else if !(found.is_file() || found.is_dir()) {
            // To open a pipe is to wait for whoever writes to it.
            let what = "is neither a file nor a directory";
            Some(anyhow!("`{path}` of the preset `{preset}` {what}"))
        } else {
            None
        };
        if let Some(error) = refused {
            refuse(&path, error)?;
            // There may be no end of what is refused, either.
            incoming.announce("", 0)?;
            continue;
        }
        incoming.announce(&path, bytes)?;
        if found.is_file() {
            paths.push((path, bytes));
        }
    }
    paths.sort_unstable();
    for (path, announced) in paths {
        let mut bytes = Vec::new();
        let file = fs_err::File::open(root.join(&path))?;
        // Some grow, and what the system itself makes up is longer than it says.
        file.take(announced + 1).read_to_end(&mut bytes)?;
        ensure!(
            bytes.len() as u64 <= announced,
            "`{path}` of the preset `{preset}` grows while it is read"
        );
        let taken = incoming.take(path.clone(), bytes);
        or_refuse(&path, taken, refuse)?;
    }
    Ok(incoming.into_files())
}

/// The path with `/` between its parts, on every system.
fn portable(path: &Path) -> Result<String> {
    let parts: Option<Vec<&str>> = path.iter().map(|part| part.to_str()).collect();
    let parts = parts.with_context(|| format!("the path `{}` is not UTF-8", path.display()))?;
    Ok(parts.join("/"))
}
