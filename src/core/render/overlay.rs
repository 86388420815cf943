//! What happens when two layers carry one path: the later layer's file replaces the earlier one, or takes it away, and
//! fragments gather.
//!
//! This is also where a file's name is read, since the name says everything that happens to the file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::core::preset::Layer;
use crate::core::problem::{Problem, Refuse, fail};
use crate::core::tree::{MEMORY, is_memory};

/// The suffix of a file that is rendered.
const TEMPLATE: &str = ".jinja";
/// The suffix of a file that takes away what earlier layers gave; its text is the reason.
const DROP: &str = ".drop";
/// The prefix of a file that is a part of another one.
const FRAGMENT: char = '_';

/// A file of one layer, its name read.
#[derive(Debug, Clone, Copy)]
pub struct Source<'p> {
    /// The preset that the layer is of, where there are several.
    pub preset: Option<&'p str>,
    /// The name of the layer.
    pub layer: &'p str,
    /// The path inside the layer.
    pub path: &'p str,
    /// Its text.
    pub text: &'p Cow<'static, str>,
}

impl<'p> Source<'p> {
    /// The path without the suffix that marks a template.
    pub fn target(&self) -> &'p str {
        self.path.strip_suffix(TEMPLATE).unwrap_or(self.path)
    }

    /// Whether it is rendered, or copied byte for byte.
    pub fn is_template(&self) -> bool {
        self.path.ends_with(TEMPLATE)
    }

    /// Where a preset's author finds it.
    pub fn place(&self) -> String {
        match self.preset {
            Some(preset) => format!("{preset}:{}/{}", self.layer, self.path),
            None => format!("{}/{}", self.layer, self.path),
        }
    }
}

/// The chosen layers as one.
#[derive(Debug, Default)]
pub struct Overlay<'p> {
    /// The files to write, by the path that they get.
    pub files: BTreeMap<&'p str, Source<'p>>,
    /// The fragments by the name under which they are gathered, each in the order of the layers.
    pub fragments: BTreeMap<&'p str, Vec<Source<'p>>>,
    /// Each file that was replaced, and the one that did it. Two layers of one preset that are no base may have met by
    /// accident, which nobody would see in a project.
    pub replaced: Vec<[Source<'p>; 2]>,
}

impl<'p> Overlay<'p> {
    /// Lays the layers over one another, the first at the bottom.
    pub fn of(layers: &'p [Layer<'p>]) -> Result<Overlay<'p>> {
        Overlay::sift(layers, &mut fail)
    }

    /// The same of the files that can be used.
    pub fn sift(layers: &'p [Layer<'p>], refuse: &mut Refuse) -> Result<Overlay<'p>> {
        let mut overlay = Overlay::default();
        for layer in layers {
            for &(path, text) in &layer.files {
                let source = Source {
                    preset: layer.preset,
                    layer: &layer.name,
                    path,
                    text,
                };
                if let Err(error) = overlay.add(source) {
                    refuse(&source.place(), error)?;
                }
            }
        }
        Ok(overlay)
    }

    fn add(&mut self, source: Source<'p>) -> Result<()> {
        let (target, place) = (source.target(), source.place());
        if is_memory(target) {
            bail!(Problem::new(format!("`{place}`: `{MEMORY}` holds the project's memory and is not a preset's to write")).help("put the file somewhere else"));
        }
        let file_name = target.rsplit('/').next().unwrap_or(target);
        let fragment = file_name.strip_prefix(FRAGMENT);
        if fragment.is_some() && file_name != target {
            bail!(
                Problem::new(format!(
                    "`{place}`: a fragment stands in the root of its layer, which is `{}`",
                    source.layer
                ))
                .help(format!(
                    "move it there; a file whose own name starts with `{FRAGMENT}` can't be made"
                ))
            );
        }
        let dropped = target.strip_suffix(DROP);
        match (fragment, dropped) {
            (None, None) => {
                if let Some(earlier) = self.files.insert(target, source) {
                    check_once(earlier, source)?;
                    self.replaced.push([earlier, source]);
                }
            }
            (Some(fragment), None) => {
                let fragments = self.fragments.entry(fragment).or_default();
                if let Some(&before) = fragments.last() {
                    check_once(before, source)?;
                }
                fragments.push(source);
            }
            (fragment, Some(dropped)) => {
                let was_there = match fragment.and_then(|name| name.strip_suffix(DROP)) {
                    Some(name) => self.fragments.remove(name).is_some(),
                    None => self.files.remove(dropped).is_some(),
                };
                if !was_there {
                    bail!(nothing_to_drop(&place, dropped));
                }
            }
        }
        Ok(())
    }
}

/// A layer has one file for a path: `app.rs` or `app.rs.jinja`.
fn check_once(before: Source, source: Source) -> Result<()> {
    if (before.preset, before.layer) == (source.preset, source.layer) {
        let (before, place) = (before.place(), source.place());
        bail!(
            Problem::new(format!("`{before}` and `{place}` become the same file"))
                .help("keep one of them")
        );
    }
    Ok(())
}

fn nothing_to_drop(place: &str, dropped: &str) -> Problem {
    let help = match dropped.strip_suffix(TEMPLATE) {
        Some(path) => {
            format!("it is called as in the project, without `{TEMPLATE}`: `{path}{DROP}`")
        }
        None => "a file that only some options bring is dropped in the layers of those options"
            .to_owned(),
    };
    let what = format!("`{place}` drops `{dropped}`, which no earlier layer has");
    Problem::new(what).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_which_files_were_replaced_by_which() {
        let text = Cow::Borrowed("");
        let layer = |preset, name: &str, files: &[&'static str]| Layer {
            preset: Some(preset),
            name: name.to_owned(),
            files: files.iter().map(|path| (*path, &text)).collect(),
        };
        let layers = [
            layer("house", "base", &["a.rs"]),
            layer("house", "cache/memory", &["a.rs.jinja", "b.rs"]),
            layer("flat", "base", &["b.rs", "c.rs"]),
        ];
        let overlay = Overlay::of(&layers).unwrap();
        let replaced = overlay.replaced.iter();
        let replaced: Vec<_> = replaced
            .map(|pair| pair.map(|source| source.place()))
            .collect();
        assert_eq!(
            replaced,
            [
                ["house:base/a.rs", "house:cache/memory/a.rs.jinja"],
                ["house:cache/memory/b.rs", "flat:base/b.rs"],
            ]
        );
    }
}
