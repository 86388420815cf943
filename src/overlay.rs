//! What happens when two layers carry one path: the later layer's file replaces the earlier one, and fragments gather.
//!
//! This is also where a file's name is read, since the name says everything that happens to the file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::preset::Layer;

/// The suffix of a file that is rendered.
const TEMPLATE: &str = ".jinja";
/// The prefix of a file that is a part of another one.
const FRAGMENT: char = '_';
/// The directory of a project's memory, which no preset writes.
const MEMORY: &str = ".scaffold";

/// A file of one layer, its name read.
#[derive(Debug, Clone, Copy)]
pub struct Source<'p> {
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
        format!("{}/{}", self.layer, self.path)
    }
}

/// The chosen layers as one.
#[derive(Debug, Default)]
pub struct Overlay<'p> {
    /// The files to write, by the path that they get.
    pub files: BTreeMap<&'p str, Source<'p>>,
    /// The fragments by the name under which they are gathered, each in the order of the layers.
    pub fragments: BTreeMap<&'p str, Vec<Source<'p>>>,
}

impl<'p> Overlay<'p> {
    /// Lays the layers over one another, the first at the bottom.
    pub fn of(layers: &'p [Layer<'p>]) -> Result<Overlay<'p>> {
        let mut overlay = Overlay::default();
        for layer in layers {
            for &(path, text) in &layer.files {
                overlay.add(Source {
                    layer: &layer.name,
                    path,
                    text,
                })?;
            }
        }
        Ok(overlay)
    }

    fn add(&mut self, source: Source<'p>) -> Result<()> {
        let (target, place) = (source.target(), source.place());
        if target.split('/').next() == Some(MEMORY) {
            bail!(
                "`{place}`: `{MEMORY}` holds the project's memory and is not a preset's to write"
            );
        }
        let file_name = target.rsplit('/').next().unwrap_or(target);
        let Some(fragment) = file_name.strip_prefix(FRAGMENT) else {
            self.files.insert(target, source);
            return Ok(());
        };
        if file_name != target {
            bail!(
                "`{place}`: a fragment stands in the root of its layer, which is `{}`",
                source.layer
            );
        }
        self.fragments.entry(fragment).or_default().push(source);
        Ok(())
    }
}
