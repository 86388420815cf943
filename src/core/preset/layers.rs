//! The layers of a preset: directories of files that a project gets for the sake of its options.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Bound;

use anyhow::{Result, bail, ensure};

use crate::core::preset::Preset;
use crate::core::preset::answer::Combination;
use crate::core::problem::{Problem, list};
use crate::core::tree;

/// The directory of the layer that every project gets.
pub const BASE: &str = "base";
/// What stands between the options that share a layer, in the name of its directory.
const AND: char = '+';
/// A directory of a preset that a rendering uses.
#[derive(Debug)]
pub struct Layer<'p> {
    /// The preset that it is of, where there are several.
    pub preset: Option<&'p str>,
    /// `base`, `CHOICE/OPTION`, or `CHOICE/OPTION+OPTION` of what options share.
    pub name: String,
    /// Its files by the path that they have inside the layer.
    pub files: Vec<(&'p str, &'p Cow<'static, str>)>,
}

impl Preset {
    /// The layers that these options ask for: of each preset of the chain base first, then in the order of the choices, of
    /// each those that options share and then those of the options.
    pub fn layers(&self, options: &Combination) -> Vec<Layer<'_>> {
        let mut layers = Vec::new();
        for preset in self.chain() {
            layers.push(self.layer_of(preset, BASE.to_owned()));
            for (choice, answer) in options.iter() {
                layers.extend(self.layers_of(preset, choice, &answer.options()));
            }
        }
        layers
    }

    /// The layers that every project has: one of each preset of the chain.
    pub fn base_layers(&self) -> Vec<Layer<'_>> {
        let chain = self.chain().into_iter();
        chain
            .map(|preset| self.layer_of(preset, BASE.to_owned()))
            .collect()
    }

    /// The layers that a project has for the sake of this option, of each preset of the chain.
    pub fn option_layers(&self, choice: &str, option: &str) -> Vec<Layer<'_>> {
        let chain = self.chain().into_iter();
        chain
            .flat_map(|preset| self.layers_of(preset, choice, &[option]))
            .collect()
    }

    /// The layers of one preset of the chain for these options of one choice.
    fn layers_of<'p>(&self, preset: &'p Preset, choice: &str, options: &[&str]) -> Vec<Layer<'p>> {
        let is_asked_for = |name: &&str| sharers(name).any(|sharer| options.contains(&sharer));
        let shared = preset.shared_layers(choice).into_iter();
        let shared = shared.filter(is_asked_for);
        let names = shared.chain(options.iter().copied());
        names
            .map(|name| self.layer_of(preset, format!("{choice}/{name}")))
            .collect()
    }

    /// The directories of its own that options of a choice share. The more share one, the earlier it stands.
    fn shared_layers(&self, choice: &str) -> Vec<&str> {
        let prefix = format!("{choice}/");
        let mut names: Vec<&str> = self
            .files
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded))
            .map_while(|(path, _)| path.strip_prefix(prefix.as_str())?.split('/').next())
            .filter(|name| name.contains(AND))
            .collect();
        names.dedup();
        names.sort_by_key(|name| Reverse(sharers(name).count()));
        names
    }

    /// What it extends before what extends it; itself last.
    fn chain(&self) -> Vec<&Preset> {
        let mut chain = self
            .extended
            .as_ref()
            .map_or_else(Vec::new, |it| it.chain());
        chain.push(self);
        chain
    }

    fn layer_of<'p>(&self, preset: &'p Preset, name: String) -> Layer<'p> {
        Layer {
            preset: self.extended.is_some().then_some(preset.name.as_str()),
            files: preset.own_layer(&name),
            name,
        }
    }

    /// Its own files of a layer by the path that they have in it.
    fn own_layer(&self, name: &str) -> Vec<(&str, &Cow<'static, str>)> {
        let prefix = format!("{name}/");
        self.files
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded))
            .map_while(|(path, text)| Some((path.strip_prefix(prefix.as_str())?, text)))
            .collect()
    }

    /// A misspelt directory would otherwise be a layer that nobody ever gets.
    pub(super) fn check_file(&self, path: &str) -> Result<()> {
        if let Some(reason) = tree::unsafe_path(path) {
            bail!(
                Problem::new(format!("the path `{path}` {reason}"))
                    .help("it has to be a place inside of the project, on every system")
            );
        }
        let mut parts = path.split('/');
        let (Some(first), Some(second)) = (parts.next(), parts.next()) else {
            return Ok(());
        };
        if first == BASE {
            return Ok(());
        }
        let Some(choice) = self.choice(first) else {
            let choices = list(self.choices.iter().map(|choice| &choice.name));
            let choices = match self.choices.is_empty() {
                true => "there is no choice".to_owned(),
                false => format!("the choices are {choices}"),
            };
            bail!(Problem::new(format!("`{path}` belongs to no layer: `{first}` is neither `{BASE}` nor a choice")).help(format!("{choices}; what is no part of a project stands in the root, or in a hidden directory")));
        };
        let is_option = |name: &str| choice.option(name).is_some();
        let stranger = sharers(second).find(|name| !is_option(name));
        let stranger = stranger.or(parts.next().is_none().then_some(second));
        if let Some(stranger) = stranger {
            let help = match choice.options.is_empty() {
                true => "a text has no layer: templates write it".to_owned(),
                false => {
                    let options = list(choice.options.iter().map(|option| &option.name));
                    format!("its options are {options}")
                }
            };
            bail!(
                Problem::new(format!(
                    "`{path}` belongs to no layer: `{stranger}` is not an option of `{first}`"
                ))
                .help(help)
            );
        }
        let options = choice.options.iter().map(|option| option.name.as_str());
        let sharing: Vec<&str> = options
            .filter(|it| sharers(second).any(|name| name == *it))
            .collect();
        let as_written = sharing.join("+");
        // One directory for each set of options, so that nobody has to look for another one.
        ensure!(as_written == second, Problem::new(format!("`{path}` belongs to no layer")).help(format!("the directory of what these options share is `{first}/{as_written}/`, each once and in the order of the manifest")));
        Ok(())
    }
}

/// The options that share a layer, by the name of its directory; of the layer of one option that one.
pub fn sharers(name: &str) -> impl Iterator<Item = &str> {
    name.split(AND)
}
