//! Preset and answers to a tree: picks the layers, renders each file, and joins what several layers say together.
//!
//! Nothing here reads or writes a file, and what a template can cost is bounded.

pub mod engine;
pub mod overlay;
pub mod quote;
pub mod rustfmt;

use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};

use crate::core::answers::Answers;
use crate::core::names::ResourceName;
use crate::core::preset::{self, LOCK_TABLE, Preset};
use crate::core::problem::{Problem, Refuse, fail, or_refuse};
use crate::core::render::engine::{Engine, MANIFEST};
use crate::core::render::overlay::{Overlay, Source};
use crate::core::tree::Tree;

pub use crate::core::render::engine::line_statement;

/// Bytes of stack to render with, the first that the machine has room for. The first is enough for the deepest template;
/// with less one that is made to be deep ends the program, before anything is written. What is not used costs nothing, but
/// where address space is limited, it counts.
const STACKS: [usize; 3] = [512 * 1024 * 1024, 64 * 1024 * 1024, 8 * 1024 * 1024];
/// Files that one project may have.
const MAX_FILES: usize = 2_000;
/// Bytes that all files of one project may have.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// In a path: the file stands once for each resource.
const RESOURCE: &str = "{{resource}}";
/// The file that the preset's lock table makes.
const LOCK: &str = "Cargo.lock";

/// Renders a project.
pub fn render(preset: &Preset, answers: &Answers) -> Result<Tree> {
    let render = || render_here(preset, answers, &mut fail);
    match preset.is_built_in {
        // A thread, and memory of its own, are a twentieth of what a new project costs.
        true => render(),
        false => contain(render),
    }
}

/// Renders what can be rendered, and tells of all that can't.
pub fn render_all_it_can(preset: &Preset, answers: &Answers) -> Result<(Tree, Vec<Problem>)> {
    contain(|| {
        let mut findings = Vec::new();
        let tree = render_here(preset, answers, &mut |place, error| {
            findings.push(Problem::of(&error, place));
            Ok(())
        });
        let tree = tree.unwrap_or_else(|error| {
            findings.push(Problem::of(&error, preset::MANIFEST));
            Tree::default()
        });
        Ok((tree, findings))
    })
}

/// Does what templates can make deep: the engine goes as deep as they nest, and may panic of what it does not expect.
fn contain<T: Send, F: FnOnce() -> Result<T> + Send>(work: F) -> Result<T> {
    thread::scope(|scope| {
        let mut no_memory = None;
        for stack in STACKS {
            // The work is handed over when there is somebody to do it.
            let (sender, receiver) = mpsc::channel::<F>();
            let worker = thread::Builder::new()
                .stack_size(stack)
                .spawn_scoped(scope, move || receiver.recv().map(|work| work()));
            match worker {
                Ok(worker) => {
                    // It waits for nothing else.
                    let _ = sender.send(work);
                    return match worker.join() {
                        Ok(Ok(result)) => result,
                        _ => bail!(
                            Problem::new(
                                "a template of the preset makes the template engine panic"
                            )
                            .help("take out what was changed last, and tell minijinja's authors")
                        ),
                    };
                }
                Err(error) => no_memory = Some(error),
            }
        }
        let error = no_memory.map_or_else(|| anyhow!("no thread"), Error::from);
        Err(error.context("there is no memory to render with"))
    })
}

fn render_here(preset: &Preset, answers: &Answers, refuse: &mut Refuse) -> Result<Tree> {
    let layers = preset.layers(answers.choices());
    let overlay = Overlay::sift(&layers, refuse)?;
    let mut engine = Engine::new(preset, answers)?;
    engine.gather(&overlay, refuse)?;

    let mut tree = Tree::default();
    let mut bytes = 0;
    for (&path, source) in &overlay.files {
        for (path, resource) in instances(path, answers.resources()) {
            let place = source.place();
            let text = engine.file(&path, source, resource, refuse);
            let Some(text) = or_refuse(&place, text, refuse)? else {
                engine.broken.push(source.text.to_string());
                continue;
            };
            bytes += text.len();
            ensure!(
                bytes <= MAX_BYTES,
                Problem::new(format!("the project is larger than {MAX_BYTES} bytes"))
                    .help("a project starts small: let its files be made less")
            );
            let inserted = tree.insert(path, text).with_context(|| place.clone());
            or_refuse(&place, inserted, refuse)?;
            ensure!(
                tree.len() <= MAX_FILES,
                Problem::new(format!("the project has more than {MAX_FILES} files"))
                    .help("a project starts small: bring fewer")
            );
        }
    }
    engine.check_fragments(&overlay, refuse)?;
    if let Some((one, other)) = tree.collision() {
        let same = anyhow!(Problem::new(format!("`{one}` and `{other}` are the same to systems that do not tell upper case from lower case")).help("rename one of them"));
        let place = overlay.files.get(other).map(Source::place);
        refuse(place.as_deref().unwrap_or(other), same)?;
    }
    let table = or_refuse(LOCK_TABLE, preset.lock_table(), refuse)?;
    if let Some(table) = table.flatten() {
        let chosen: Vec<_> = answers.choices().options().collect();
        tree.insert(LOCK, table.lockfile(answers.name().as_str(), &chosen))?;
    }
    Ok(tree)
}

/// Renders a project's `Cargo.toml` alone, which unlike a whole project makes sense for any set of options.
pub fn render_manifest(preset: &Preset, answers: &Answers) -> Result<String> {
    contain(|| render_manifest_here(preset, answers))
}

fn render_manifest_here(preset: &Preset, answers: &Answers) -> Result<String> {
    let layers = preset.layers(answers.choices());
    let overlay = Overlay::of(&layers)?;
    let mut engine = Engine::new(preset, answers)?;
    engine.gather(&overlay, &mut fail)?;
    let source = overlay
        .files
        .get(MANIFEST)
        .with_context(|| format!("the preset has no `{MANIFEST}`"))?;
    let text = engine.file(MANIFEST, source, None, &mut fail)?;
    Ok(text.into_owned())
}

/// The files that a path of a layer stands for: one, or one for each resource.
fn instances<'a>(
    path: &str,
    resources: &'a [ResourceName],
) -> Vec<(String, Option<&'a ResourceName>)> {
    if path.contains(RESOURCE) {
        let of = |resource: &'a ResourceName| {
            (path.replace(RESOURCE, resource.plural()), Some(resource))
        };
        resources.iter().map(of).collect()
    } else {
        vec![(path.to_owned(), None)]
    }
}

/// Whether a text is a template for the file at `path`, whatever may become of it.
pub fn is_template(path: &str, text: &str) -> Result<bool> {
    contain(|| engine::parses(path, text))
}
