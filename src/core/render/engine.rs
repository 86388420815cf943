//! The template engine: what templates may use, and what they may cost.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::{Result, anyhow, ensure};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, context, escape_formatter};

use crate::core::answers::Answers;
use crate::core::cargo_toml;
use crate::core::names::ResourceName;
use crate::core::preset::Preset;
use crate::core::preset::answer::Answer;
use crate::core::preset::choice::Kind;
use crate::core::problem::{Problem, Refuse, or_refuse};
use crate::core::render::overlay::{Overlay, Source};
use crate::core::render::quote;
use crate::core::render::rustfmt::fit;

/// Work and memory that one template may use, in the template engine's own unit: some 60 MB at the very most.
const FUEL: u64 = 1_000_000;
/// Bytes that a template may have: an expression nests no deeper than it is long.
const MAX_TEMPLATE: usize = 64 * 1024;
/// What a template has no use for, and can make deep or endless values of.
const GLOBALS: &[&str] = &["debug", "dict", "namespace"];
/// The same of filters.
const FILTERS: &[&str] = &["chain", "pprint", "tojson", "zip"];
/// Bytes that one file may have.
const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;
/// The fragment that is merged as TOML instead of being gathered.
pub(super) const MANIFEST: &str = "Cargo.toml";
/// What the name of a fragment begins with that stands above every file with the rest of its name for an extension.
const HEADER: &str = "header.";
/// What an author gets told who writes a text as it is.
const UNQUOTED: &str = "a text that users type is never written as it is";

/// The template engine with all that templates may use.
pub(super) struct Engine {
    environment: Environment<'static>,
    /// The variables of every template.
    shared: Value,
    resources: BTreeMap<String, Value>,
    /// The manifest's fragments, each with the place that it comes from.
    manifests: Vec<(String, String)>,
    /// What stands above the text of every file, by the file's extension.
    headers: BTreeMap<String, String>,
    /// The names that a template has gathered so far.
    gathered: Arc<Mutex<Vec<String>>>,
    /// The texts of files that did not render, and might have gathered more.
    pub(super) broken: Vec<String>,
}

impl Engine {
    pub(super) fn new(preset: &Preset, answers: &Answers) -> Result<Engine> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        // Keeps the place of an error, which the excerpt in our message needs.
        environment.set_debug(true);
        for name in GLOBALS {
            environment.remove_global(name);
        }
        for name in FILTERS {
            environment.remove_filter(name);
        }
        environment.add_filter("fit", |text: String, sign: Option<String>| {
            fit(&text, sign.as_deref())
        });
        add_quoting(&mut environment);

        let resources: BTreeMap<String, Value> = answers
            .resources()
            .iter()
            .map(|resource| (resource.plural().to_owned(), resource_value(resource)))
            .collect();
        let in_order = answers.resources().iter().map(ResourceName::plural);
        let in_order: Vec<Value> = in_order.map(|plural| resources[plural].clone()).collect();
        let mut shared: BTreeMap<&str, Value> = preset
            .choices
            .iter()
            .map(|choice| (choice.name.as_str(), unanswered(&choice.kind)))
            .collect();
        for (choice, answer) in answers.choices().iter() {
            shared.insert(choice, value_of(answer));
        }
        shared.insert("name", answers.name().as_str().into());
        shared.insert("crate_name", answers.name().crate_name().into());
        shared.insert("resource", in_order.first().cloned().unwrap_or_default());
        shared.insert("resources", in_order.into());
        Ok(Engine {
            environment,
            shared: shared.into(),
            resources,
            manifests: Vec::new(),
            headers: BTreeMap::new(),
            gathered: Arc::default(),
            broken: Vec::new(),
        })
    }

    /// Renders the fragments, and lets the templates that follow gather them.
    pub(super) fn gather(&mut self, overlay: &Overlay, refuse: &mut Refuse) -> Result<()> {
        let mut fragments: BTreeMap<String, String> = BTreeMap::new();
        for (&name, sources) in &overlay.fragments {
            for source in sources {
                let text = self.text(source, None);
                let Some(text) = or_refuse(&source.place(), text, refuse)? else {
                    continue;
                };
                if name == MANIFEST {
                    self.manifests.push((source.place(), text.into_owned()));
                } else if let Some(extension) = name.strip_prefix(HEADER) {
                    let header = self.headers.entry(extension.to_owned()).or_default();
                    header.push_str(&text);
                } else {
                    fragments
                        .entry(name.to_owned())
                        .or_default()
                        .push_str(&text);
                }
            }
        }
        let gathered = Arc::clone(&self.gathered);
        self.environment
            .add_function("fragments", move |name: String| {
                let text = fragments.get(&name).cloned().unwrap_or_default();
                if let Ok(mut gathered) = gathered.lock() {
                    gathered.push(name);
                }
                text
            });
        Ok(())
    }

    /// A fragment that no file gathers says something that nobody would ever read.
    pub(super) fn check_fragments(&self, overlay: &Overlay, refuse: &mut Refuse) -> Result<()> {
        let gathered = self
            .gathered
            .lock()
            .map(|names| names.clone())
            .unwrap_or_default();
        for (&name, sources) in &overlay.fragments {
            let is_read = if name == MANIFEST {
                overlay.files.contains_key(MANIFEST)
            } else if let Some(extension) = name.strip_prefix(HEADER) {
                overlay
                    .files
                    .keys()
                    .any(|path| extension_of(path) == extension)
            } else {
                let could_be_read = self.broken.iter().any(|text| text.contains(name));
                could_be_read || gathered.iter().any(|other| other == name)
            };
            if let (false, Some(source)) = (is_read, sources.first()) {
                let place = source.place();
                let unread = anyhow!(
                    Problem::new(format!("`{place}` is a fragment that no file gathers")).help(
                        format!("a shared file gathers it with `{{{{ fragments(\"{name}\") }}}}`")
                    )
                );
                refuse(&place, unread)?;
            }
        }
        Ok(())
    }

    /// What stands above a file's text. A script keeps its first line, which says what runs it.
    fn header(&self, path: &str, text: &str) -> Option<&str> {
        let header = self.headers.get(extension_of(path))?;
        (!text.starts_with("#!/")).then_some(header.as_str())
    }

    /// The text that a path of the project gets.
    pub(super) fn file(
        &mut self,
        path: &str,
        source: &Source,
        resource: Option<&ResourceName>,
        refuse: &mut Refuse,
    ) -> Result<Cow<'static, str>> {
        let mut text = self.text(source, resource)?;
        if let Some(header) = self.header(path, &text) {
            text = (header.to_owned() + &text).into();
        }
        if path == MANIFEST {
            let base = (source.place(), text);
            text = cargo_toml::merge((&base.0, &base.1), &self.manifests, refuse)?.into();
        }
        ensure!(
            text.len() <= MAX_FILE_BYTES,
            Problem::new(format!(
                "`{}` becomes larger than {MAX_FILE_BYTES} bytes",
                source.place()
            ))
            .help("look for a loop that writes too much")
        );
        Ok(text)
    }

    /// The text of one source: copied, or rendered.
    fn text(
        &mut self,
        source: &Source,
        resource: Option<&ResourceName>,
    ) -> Result<Cow<'static, str>> {
        if !source.is_template() {
            return Ok(source.text.clone());
        }
        ensure!(
            source.text.len() <= MAX_TEMPLATE,
            Problem::new(format!(
                "`{}` is larger than a template may be, {MAX_TEMPLATE} bytes",
                source.place()
            ))
            .help("what does not vary can be a file of its own, without `.jinja`")
        );
        self.environment.set_syntax(syntax(source.target())?);
        let context = match resource {
            Some(resource) => {
                let resource = &self.resources[resource.plural()];
                context! { resource, ..self.shared.clone() }
            }
            None => self.shared.clone(),
        };
        self.environment
            .render_named_str(source.path, source.text, context)
            .map(Cow::Owned)
            .map_err(|error| describe(&error, source).into())
    }
}

/// What templates see of an answer: `none` is no value at all.
fn value_of(answer: &Answer) -> Value {
    match answer {
        Answer::One(_) if answer.is_without() => Value::from(()),
        Answer::One(option) => option.as_str().into(),
        Answer::Flag(is_set) => (*is_set).into(),
        Answer::Many(options) => options.iter().map(|it| Value::from(it.as_str())).collect(),
        Answer::Text(text) => unquoted(text),
    }
}

/// What templates see of a choice that was not made.
fn unanswered(kind: &Kind) -> Value {
    match kind {
        Kind::One => Value::from(()),
        Kind::Flag => value_of(&Answer::Flag(false)),
        Kind::Many => value_of(&Answer::default()),
        Kind::Text(_) => unquoted(""),
    }
}

/// A text that somebody typed. It compares like any string; the mark that means "escaped" elsewhere keeps it from being
/// written as it is, since nothing is ever escaped here.
fn unquoted(text: &str) -> Value {
    Value::from_safe_string(text.to_owned())
}

/// The filters that quote a text for where it lands, without one of which it is not written.
fn add_quoting(environment: &mut Environment<'static>) {
    for name in ["json", "toml", "yaml"] {
        environment.add_filter(name, |text: String| quote::string(&text));
    }
    environment.add_filter("rust", |text: String| quote::rust(&text));
    environment.add_filter("markdown", |text: String| quote::markdown(&text));
    environment.add_filter("sh", |text: String| {
        let no_word =
            || minijinja::Error::new(ErrorKind::InvalidOperation, "no shell has a zero byte");
        quote::sh(&text).ok_or_else(no_word)
    });
    // These would give a text the mark, or take it for HTML.
    for name in ["safe", "escape", "e"] {
        environment.remove_filter(name);
    }
    environment.set_formatter(|out, state, value| {
        if value.is_safe() {
            return Err(minijinja::Error::new(ErrorKind::BadEscape, UNQUOTED));
        }
        match bool::try_from(value.clone()) {
            // As all languages of templates have it; the engine would write Python's `True`.
            Ok(is_set) if value.kind() == ValueKind::Bool => Ok(write!(out, "{is_set}")?),
            _ => escape_formatter(out, state, value),
        }
    });
}

fn resource_value(resource: &ResourceName) -> Value {
    context! {
        plural => resource.plural(),
        singular => resource.singular(),
        Plural => resource.plural_type(),
        Singular => resource.singular_type(),
        path => resource.path(),
    }
}

fn extension_of(path: &str) -> &str {
    let file_name = path.rsplit('/').next().unwrap_or(path);
    file_name
        .rsplit_once('.')
        .map_or("", |(_, extension)| extension)
}

/// Whether a text is a template for the file at `path`, whatever may become of it.
pub(super) fn parses(path: &str, text: &str) -> Result<bool> {
    let mut environment = Environment::new();
    environment.set_syntax(syntax(path)?);
    Ok(text.len() <= MAX_TEMPLATE && environment.template_from_named_str(path, text).is_ok())
}

/// What a line statement starts with, which looks like a comment of the file's language. Some languages have none.
pub fn line_statement(path: &str) -> &'static str {
    let file_name = path.rsplit('/').next().unwrap_or(path);
    let extension = extension_of(path);
    match (file_name, extension) {
        (_, "rs" | "js") => "//%",
        (_, "sql") => "--%",
        (_, "toml" | "yaml" | "yml" | "sh") => "#%",
        ("Dockerfile" | "justfile" | ".gitignore" | ".dockerignore", _) => "#%",
        (name, _) if name.starts_with(".env") || name.starts_with("env") => "#%",
        _ => "",
    }
}

/// The marks of a template follow from the language of the file.
fn syntax(path: &str) -> Result<SyntaxConfig> {
    let config = SyntaxConfig::builder()
        .line_statement_prefix(line_statement(path))
        .keep_trailing_newline(true)
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    Ok(config)
}

/// A template's error as its author needs it: the layer, the path, the line and the excerpt.
fn describe(error: &minijinja::Error, source: &Source) -> Problem {
    let what = match error.detail() {
        Some(detail) if error.kind() == ErrorKind::BadEscape => detail.to_owned(),
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let place = source.place();
    let what = format!("`{place}` is a broken template: {what}");
    let finding = Problem::in_file(place, what);
    let Some(line) = error.line() else {
        return finding;
    };
    let finding = finding.at(source.text, line, error.range());
    match error.kind() {
        ErrorKind::UndefinedError => finding.help(
            "a template knows `name`, `crate_name`, `resource`, `resources`, `fragments(NAME)` and each choice by its name",
        ),
        ErrorKind::BadEscape => finding.help(
            "a filter quotes it for where it lands: `toml`, `yaml`, `json`, `rust`, `sh` or `markdown`, each with the quotes that it needs",
        ),
        ErrorKind::UnknownFilter => finding.help(
            "filters are those of minijinja, `fit`, and those that quote: `toml`, `yaml`, `json`, `rust`, `sh`, `markdown`",
        ),
        ErrorKind::UnknownFunction => finding.help("functions are `fragments(NAME)` and `range(N)`"),
        ErrorKind::OutOfFuel => finding.help("what a template may do is counted: look for a loop without an end"),
        ErrorKind::SyntaxError => finding.help(
            "there are `if`, `for`, `set`, `filter` and `raw`, as minijinja has them: <https://docs.rs/minijinja>",
        ),
        _ => finding.help("see what minijinja has: <https://docs.rs/minijinja>"),
    }
}
