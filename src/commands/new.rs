//! `scaffold new`: asks for what is open, renders, and puts the project in place.

use std::borrow::Cow;
use std::env::{self, consts::EXE_SUFFIX};
use std::path::Path;

use anyhow::Result;

use crate::cli::New;
use crate::core::answers::Answers;
use crate::core::merge::{Ours, merge};
use crate::core::names::{ProjectName, ResourceName};
use crate::core::preset::address::Address;
use crate::core::preset::{Origin, Preset};
use crate::core::problem::{Problem, list};
use crate::core::record;
use crate::core::tree::Tree;
use crate::edge::ask::{self, Open};
use crate::edge::interrupt;
use crate::edge::presets;
use crate::edge::project::new::{Destination, Staging};
use crate::edge::project::repository::{self, Commit};
use crate::edge::project::transaction::{self, Edit};
use crate::edge::project::workspace::{self, Exclusion};
use crate::edge::report::Report;
use crate::edge::watchdog;

/// Makes a project.
pub fn run(args: &New, preset: &Preset) -> Result<()> {
    interrupt::watch()?;
    let name = preset.project_name(&args.name)?;
    let resource = resource(args, preset, &name)?;
    let path = args.into.clone().unwrap_or_else(|| name.as_str().into());
    if !args.dry_run && path.join(".git").exists() {
        // What a run left that was cut off is none of the repository's own.
        transaction::recover(&path)?;
    }
    let destination = Destination::parse(&path)?;
    let exclusion = workspace::surrounding(&destination.path)?;
    let open = if args.yes {
        Open::TakeDefault
    } else {
        Open::Ask
    };
    let choices = ask::answers(preset, &args.given, open)?;
    let answers = Answers::new(preset, name, choices, vec![resource])?;

    let mut tree = watchdog::render(preset, &answers)?;
    let origin = presets::origin_from(&preset.origin, &destination.path)?;
    record::remember(&mut tree, &origin, &answers)?;
    let (nothing, nobody) = (Tree::default(), Ours::default());
    let plan = merge(&nothing, &nobody, &tree);

    let mut report = Report {
        answers: &answers,
        origin: &preset.origin,
        plan: &plan,
        destination: destination.path.clone(),
        is_written: !args.dry_run,
        done: Vec::new(),
        skipped: Vec::new(),
        command: command(args, &preset.origin, &answers),
        next: next(&path, preset, &answers),
    };
    notes(preset, exclusion.as_ref(), &mut report);
    if !args.dry_run {
        apply(args, destination, exclusion.as_ref(), &mut report)?;
    }
    report.print(args.format)
}

/// What the service serves: what the flag says, or what the project is called after.
fn resource(args: &New, preset: &Preset, name: &ProjectName) -> Result<ResourceName, Problem> {
    if let Some(resource) = &args.resource {
        return preset.resource_name(resource);
    }
    let resource = name.resource();
    preset.resource_name(&resource).map_err(|error| {
        let error = error.to_string();
        let reason = error.lines().next().unwrap_or_default();
        let what = format!("`{}` would serve `{resource}`, but {reason}", name.as_str());
        Problem::refusal(what).help("say what it serves with `--resource NAME`")
    })
}

/// Writes the project where it goes.
fn apply(
    args: &New,
    destination: Destination,
    exclusion: Option<&Exclusion>,
    report: &mut Report,
) -> Result<()> {
    match destination.is_repository {
        true => fill(args, &destination.path, exclusion, report),
        false => put_in_place(args, destination, exclusion, report),
    }
}

/// Writes the project into a repository that has no files yet.
fn fill(args: &New, root: &Path, exclusion: Option<&Exclusion>, report: &mut Report) -> Result<()> {
    if !args.no_git {
        let root = root.display();
        report.skipped.push(format!(
            "the first commit, because `{root}` is a git repository already"
        ));
    }
    let exclusion = exclusion.map(Exclusion::stage).transpose()?;
    let nobody = Ours::default();
    let created = transaction::edits(report.plan, &nobody);
    transaction::apply(root, &created)?;
    if let Some(exclusion) = exclusion
        && let Err(error) = exclusion.apply()
    {
        let removed = created.iter().map(|edit| Edit {
            was: edit.text,
            text: None,
            ..edit.clone()
        });
        transaction::apply(root, &removed.collect::<Vec<_>>())?;
        return Err(error);
    }
    Ok(())
}

/// Writes the project beside its place, and then puts it there: until that, dropping `staging` undoes everything.
fn put_in_place(
    args: &New,
    destination: Destination,
    exclusion: Option<&Exclusion>,
    report: &mut Report,
) -> Result<()> {
    let repository = repository::surrounding(&destination.parent);
    let staging = Staging::open(destination)?;
    staging.write(report.plan)?;
    match repository {
        _ if args.no_git => {}
        Some(around) => {
            let around = around.display();
            report.skipped.push(format!(
                "the git repository, because `{around}` is one already"
            ));
        }
        None => match repository::commit_all(staging.path())? {
            Commit::Skipped(skipped) => report.skipped.push(skipped),
            Commit::Made(left_out) => {
                let done = "committed to a new git repository";
                report.done.push(done.to_owned());
                if !left_out.is_empty() {
                    report.skipped.push(format!(
                        "{} in the first commit, because git ignores it",
                        list(left_out)
                    ));
                }
            }
        },
    }
    let exclusion = exclusion.map(Exclusion::stage).transpose()?;
    interrupt::check()?;

    staging.publish()?;
    if let Some(exclusion) = exclusion
        && let Err(error) = exclusion.apply()
    {
        staging.withdraw()?;
        return Err(error);
    }
    Ok(())
}

/// What else there is to say about a project that was made.
fn notes(preset: &Preset, exclusion: Option<&Exclusion>, report: &mut Report) {
    if let Some(commit) = &preset.origin.commit {
        report
            .done
            .push(format!("from commit `{commit}` of the preset"));
    }
    if let Some(Exclusion { manifest, .. }) = exclusion {
        let manifest = manifest.display();
        report.done.push(format!(
            "listed in `exclude` of `{manifest}`, whose workspace takes it for a member"
        ));
    }
    if preset.lock_text().is_none() {
        let lock = "`Cargo.lock`, because the preset has no lock table: the first build resolves the dependencies";
        report.skipped.push(lock.to_owned());
    }
    if !is_on_path("cargo") {
        let rust =
            "`cargo run` needs Rust, which is not on the `PATH`: it comes from https://rustup.rs";
        report.next.insert(0, format!("# {rust}"));
    }
}

fn is_on_path(program: &str) -> bool {
    let file_name = format!("{program}{EXE_SUFFIX}");
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(&file_name).is_file())
}

/// The command that makes the same project and asks nothing.
fn command(args: &New, origin: &Origin, answers: &Answers) -> String {
    let mut words = vec!["scaffold".into(), "new".into(), args.name.clone()];
    let mut flag = |name: &str, value: String| match value.starts_with('-') {
        // By itself it would be a flag.
        true => words.push(format!("--{name}={value}")),
        false => words.extend([format!("--{name}"), value]),
    };
    if args.preset != presets::DEFAULT {
        flag("preset", pinned(origin));
    }
    for (choice, answer) in answers.choices().iter() {
        flag(choice, answer.to_string());
    }
    if let Some(resource) = &args.resource {
        flag("resource", resource.clone());
    }
    if let Some(into) = &args.into {
        flag("into", into.to_string_lossy().into_owned());
    }
    if args.no_git {
        words.push("--no-git".to_owned());
    }
    let words: Vec<_> = words.iter().map(|word| quote(word)).collect();
    words.join(" ")
}

/// The preset as it is now, whatever becomes of its branch.
fn pinned(origin: &Origin) -> String {
    match (&origin.commit, Address::parse(&origin.name)) {
        (Some(commit), Some(Ok(address))) => address.pinned(commit).to_string(),
        _ => origin.name.clone(),
    }
}

/// The commands that lead from here to a service that answers.
fn next(path: &Path, preset: &Preset, answers: &Answers) -> Vec<String> {
    let mut commands = vec![cd(path)];
    commands.extend(answers.next(preset));
    commands
}

/// The command that goes to a directory.
pub fn cd(path: &Path) -> String {
    let path = path.to_string_lossy();
    // A shell would take a path that starts with a dash for an option.
    let path = if path.starts_with('-') {
        format!("./{path}").into()
    } else {
        path
    };
    format!("cd {}", quote(&path))
}

fn quote(word: &str) -> Cow<'_, str> {
    if cfg!(windows) {
        return quote_on_windows(word);
    }
    // Only a zero byte can't be quoted, and no argument has one.
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}

/// As cmd and PowerShell both take it: in double quotes, where a backslash stands for itself.
fn quote_on_windows(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./\\:=+#".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("\"{}\"", word.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_on_windows_can_be_pasted_into_its_shells() {
        let quoted = |word| quote_on_windows(word).into_owned();
        assert_eq!(quoted(r"C:\work\shop"), r"C:\work\shop");
        assert_eq!(quoted(r"C:\my work\shop"), r#""C:\my work\shop""#);
        assert_eq!(quoted("metrics,traces"), r#""metrics,traces""#);
        assert_eq!(quoted(""), r#""""#);
    }
}
