use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::Permissions;

use tempfile::TempDir;

use super::*;
use crate::core::problem::told;

/// A disk that fails at one step, or from that step on: what is cut off can't put anything right any more.
struct FaultyDisk {
    left: Cell<usize>,
    is_cut_off: bool,
}

impl FaultyDisk {
    fn new(left: usize, is_cut_off: bool) -> FaultyDisk {
        let left = Cell::new(left);
        FaultyDisk { left, is_cut_off }
    }

    fn step(&self) -> io::Result<()> {
        match self.left.get() {
            0 if self.is_cut_off => {}
            0 => self.left.set(usize::MAX),
            left => {
                self.left.set(left - 1);
                return Ok(());
            }
        }
        Err(io::Error::from(ErrorKind::StorageFull))
    }
}

impl Disk for FaultyDisk {
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.step().and_then(|()| RealDisk.make_directory(path))
    }
    fn write(&self, path: &Path, text: &str, mode: Option<Permissions>) -> io::Result<()> {
        // A full disk takes a part.
        let (part, _) = text.split_at(text.len() / 2);
        if let Err(error) = self.step() {
            if !self.is_cut_off {
                RealDisk.write(path, part, mode)?;
            }
            return Err(error);
        }
        RealDisk.write(path, text, mode)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step().and_then(|()| RealDisk.link(from, to))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step().and_then(|()| RealDisk.rename(from, to))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step().and_then(|()| RealDisk.remove(path))
    }
    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.step().and_then(|()| RealDisk.remove_directory(path))
    }
}

/// Files by their paths; a directory has none.
type Files = BTreeMap<String, Option<Vec<u8>>>;

fn files(root: &Path) -> Files {
    let entries = walkdir::WalkDir::new(root).min_depth(1).into_iter();
    let file = |entry: walkdir::Result<walkdir::DirEntry>| {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(root).unwrap();
        let text = entry.file_type().is_file();
        let text = text.then(|| fs::read(entry.path()).unwrap());
        (path.to_str().unwrap().to_owned(), text)
    };
    entries.map(file).collect()
}

fn project() -> TempDir {
    let project = TempDir::new().unwrap();
    for (path, text) in [
        ("README.md", "old\n"),
        ("src/gone/deep.rs", "old\n"),
        ("src/kept.rs", "the owner's\n"),
        ("file", "old\n"),
        ("directory/inside", "old\n"),
        (".scaffold/answers.toml", "old\n"),
    ] {
        let path = project.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    project
}

/// A file that changes, one that goes with its directory, new ones, a file that becomes a directory, a directory that
/// becomes a file, and the memory.
fn edits() -> Vec<Edit<'static>> {
    let edit = |path, was, text| Edit { path, was, text };
    let (old, new) = (Some("old\n"), Some("new\n"));
    vec![
        edit(".scaffold/answers.toml", old, new),
        edit("README.md", old, new),
        edit("src/gone/deep.rs", old, None),
        edit("src/cache/mod.rs", None, new),
        edit("file", old, None),
        edit("file/inside", None, new),
        edit("directory/inside", old, None),
        edit("directory", None, new),
        edit("run.sh", None, Some("#!/bin/sh\n")),
    ]
}

fn done() -> Files {
    let project = project();
    apply(project.path(), &edits()).unwrap();
    files(project.path())
}

#[test]
fn all_files_change_and_nothing_is_left_of_it() {
    let done = done();
    let paths: Vec<&str> = done.keys().map(String::as_str).collect();
    insta::assert_snapshot!(paths.join("\n"), @"
    .scaffold
    .scaffold/answers.toml
    README.md
    directory
    file
    file/inside
    run.sh
    src
    src/cache
    src/cache/mod.rs
    src/kept.rs
    ");
    assert_eq!(done["README.md"].as_deref(), Some(&b"new\n"[..]));
}

#[test]
fn a_fault_at_any_step_leaves_the_project_as_it_was() {
    let (before, done) = (files(project().path()), done());
    for step in 0.. {
        let project = project();
        let disk = FaultyDisk::new(step, false);
        let applied = apply_on(&disk, project.path(), &edits());
        let is_met = disk.left.get() > edits().len() * 100;
        if applied.is_ok() {
            recover(project.path()).unwrap();
            assert_eq!(files(project.path()), done, "step {step}");
        } else {
            assert_eq!(files(project.path()), before, "step {step}");
        }
        if !is_met {
            assert!(step > 20);
            break;
        }
    }
}

#[test]
fn whatever_a_run_that_is_cut_off_leaves_the_next_one_puts_right() {
    let (before, done) = (files(project().path()), done());
    let (mut taken_back, mut finished) = (0, 0);
    for step in 0.. {
        let project = project();
        let disk = FaultyDisk::new(step, true);
        let applied = apply_on(&disk, project.path(), &edits());
        let is_met = disk.left.get() == 0;
        assert_eq!(recover_on(&RealDisk, project.path()).unwrap(), [""; 0]);
        let now = files(project.path());
        match applied {
            Ok(()) => assert_eq!(now, done, "step {step}"),
            Err(_) => assert_eq!(now, before, "step {step}"),
        }
        // It is cut off while it puts things right, at each step of that, too.
        let count = if now == done {
            &mut finished
        } else {
            &mut taken_back
        };
        *count += 1;
        if now == before {
            apply(project.path(), &edits()).unwrap();
            assert_eq!(files(project.path()), done, "step {step}");
        }
        if !is_met {
            break;
        }
    }
    assert!(taken_back > 20 && finished > 3, "{taken_back} {finished}");
}

#[test]
fn to_be_cut_off_while_it_takes_back_does_no_harm() {
    let before = files(project().path());
    for first in (0..40).step_by(3) {
        for second in 0..40 {
            let project = project();
            let disk = FaultyDisk::new(first, true);
            if apply_on(&disk, project.path(), &edits()).is_ok() {
                continue;
            }
            let _ = recover_on(&FaultyDisk::new(second, true), project.path());
            recover(project.path()).unwrap();
            assert_eq!(files(project.path()), before, "{first}, {second}");
        }
    }
}

#[test]
fn what_changed_since_it_was_planned_stays_and_nothing_else_changes() {
    let project = project();
    fs::write(project.path().join("README.md"), "edited\n").unwrap();
    let before = files(project.path());
    let error = apply(project.path(), &edits()).unwrap_err();
    insta::assert_snapshot!(told(&error), @"
    `README.md` changed while this was at work
    help: run it again
    ");
    assert_eq!(files(project.path()), before);
}

#[test]
fn what_its_owner_changes_after_a_run_that_was_cut_off_stays() {
    let project = project();
    let journal_is_written = 40;
    for step in 0..journal_is_written {
        let disk = FaultyDisk::new(step, true);
        let _ = apply_on(&disk, project.path(), &edits());
        let readme = project.path().join("README.md");
        if fs::read_to_string(&readme).unwrap() == "new\n" {
            fs::write(&readme, "edited\n").unwrap();
            let told = recover_on(&RealDisk, project.path()).unwrap();
            insta::assert_snapshot!(told.join("\n"), @"`README.md` was changed after a run that was cut off, and stays; what it was before that run is `README.md.before`");
            assert_eq!(fs::read_to_string(&readme).unwrap(), "edited\n");
            let kept = project.path().join("README.md.before");
            assert_eq!(fs::read_to_string(kept).unwrap(), "old\n");
            return;
        }
        recover(project.path()).unwrap();
    }
    panic!("it was never cut off after README.md");
}

#[test]
fn a_journal_that_came_with_a_repository_changes_nothing() {
    let digest = digest("the owner's\n");
    let of = |project: &TempDir| Journal::default().print(project.path());
    for journal in [
        format!("project /elsewhere\ncreate 0 {digest} src/kept.rs\n"),
        format!("create 0 {digest} src/kept.rs\n"),
        format!("PROJECTcreate 0 {digest} ../outside\n"),
        format!("PROJECTwrite 0 {digest} .git/hooks/post-checkout\n"),
        "PROJECTmake /tmp\n".to_owned(),
        "PROJECTwrite x y z\n".to_owned(),
        "PROJECTremove\n".to_owned(),
    ] {
        let project = project();
        let journal = journal.replace("PROJECT", &of(&project));
        let directory = project.path().join(DIRECTORY);
        fs::create_dir_all(directory.join("old")).unwrap();
        fs::write(directory.join("old/0"), "theirs\n").unwrap();
        fs::write(directory.join(JOURNAL), journal).unwrap();
        fs::write(directory.join(LOCK), "").unwrap();
        let before = files(project.path());
        assert!(recover(project.path()).is_err());
        assert_eq!(files(project.path()), before);
    }
}

#[cfg(unix)]
#[test]
fn nothing_is_put_back_through_a_link() {
    let elsewhere = TempDir::new().unwrap();
    for step in 0..60 {
        let project = project();
        let disk = FaultyDisk::new(step, true);
        let _ = apply_on(&disk, project.path(), &edits());
        let directory = project.path().join("directory");
        if directory.is_dir() || directory.is_file() {
            continue;
        }
        std::os::unix::fs::symlink(elsewhere.path(), &directory).unwrap();
        let told = recover_on(&RealDisk, project.path()).unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
        let kept = fs::read_to_string(project.path().join("directory-inside.before"));
        assert_eq!(kept.unwrap(), "old\n");
        return;
    }
    panic!("it was never cut off without `directory`");
}

#[test]
fn two_at_a_time_do_not_meet() {
    let project = project();
    let all = edits();
    let sorted: Vec<&Edit> = all.iter().collect();
    let running = Transaction::begin(&RealDisk, project.path(), &sorted).unwrap();
    for refused in [
        apply(project.path(), &all).unwrap_err(),
        recover(project.path()).unwrap_err(),
    ] {
        let said = refused.to_string();
        assert!(
            said.starts_with("another `scaffold` is at work in `"),
            "{said}"
        );
    }
    running.take_back().unwrap();
}

#[cfg(unix)]
#[test]
fn a_file_keeps_its_mode_and_a_new_script_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    let project = project();
    let readme = project.path().join("README.md");
    fs::set_permissions(&readme, Permissions::from_mode(0o640)).unwrap();
    apply(project.path(), &edits()).unwrap();
    let mode = |path: &str| {
        let found = fs::metadata(project.path().join(path)).unwrap();
        found.permissions().mode() & 0o777
    };
    assert_eq!(mode("README.md"), 0o640);
    assert_eq!(mode("run.sh") & 0o100, 0o100);
}

/// A project with a transaction that was cut off, whose journal is of this place.
fn cut_off(project: &TempDir, lines: &str, old: &[(&str, &str)]) -> PathBuf {
    let directory = project.path().join(DIRECTORY);
    for name in ["new", "old"] {
        fs::create_dir_all(directory.join(name)).unwrap();
    }
    for (name, text) in old {
        fs::write(directory.join("old").join(name), text).unwrap();
    }
    let journal = Journal::default().print(project.path()) + lines;
    fs::write(directory.join(JOURNAL), journal).unwrap();
    directory
}

#[cfg(unix)]
#[test]
fn links_in_what_was_left_lead_nowhere() {
    use std::os::unix::fs::symlink;
    for place in ["", "new", "old", "lock", "journal.txt", "old/0"] {
        let (project, victim) = (project(), TempDir::new().unwrap());
        for name in ["thesis.txt", ".gitignore", "journal.txt"] {
            fs::write(victim.path().join(name), "years\n").unwrap();
        }
        fs::create_dir(victim.path().join("old")).unwrap();
        fs::write(victim.path().join("old/0"), "years\n").unwrap();
        let before = files(victim.path());
        let directory = cut_off(&project, "", &[]);
        let link = directory.join(place);
        if link.is_dir() {
            fs::remove_dir_all(&link).unwrap();
        } else if link.exists() {
            fs::remove_file(&link).unwrap();
        }
        let link = project.path().join(DIRECTORY).join(place);
        let link: PathBuf = link.components().collect();
        symlink(victim.path(), &link).unwrap();
        let error = recover(project.path()).unwrap_err();
        assert!(told(&error).contains("help: remove it"), "{error}");
        assert_eq!(files(victim.path()), before, "{place}");
    }
}

#[cfg(unix)]
#[test]
fn a_directory_that_was_made_is_not_looked_for_behind_a_link() {
    let (project, victim) = (project(), TempDir::new().unwrap());
    fs::create_dir(victim.path().join("empty")).unwrap();
    std::os::unix::fs::symlink(victim.path(), project.path().join("link")).unwrap();
    cut_off(&project, "make link/empty\n", &[]);
    recover(project.path()).unwrap();
    assert!(victim.path().join("empty").exists());
}

#[test]
fn what_was_left_is_not_removed_where_it_is_not_understood() {
    let project = project();
    let directory = cut_off(&project, "", &[]);
    fs::create_dir(directory.join("new/deep")).unwrap();
    let error = recover(project.path()).unwrap_err();
    assert!(told(&error).contains("`new/deep` is not what was left there"));
}

#[test]
fn a_file_in_the_place_of_a_directory_does_not_keep_the_rest_from_being_put_back() {
    let project = project();
    let lines = "delete 0 - notes/a.md\ndelete 1 - b.md\n";
    cut_off(&project, lines, &[("0", "old\n"), ("1", "old\n")]);
    fs::write(project.path().join("notes"), "the owner's\n").unwrap();
    let told = recover_on(&RealDisk, project.path()).unwrap();
    assert_eq!(told.len(), 1);
    let read = |path: &str| fs::read_to_string(project.path().join(path)).unwrap();
    assert_eq!(
        [read("notes"), read("notes-a.md.before"), read("b.md")].concat(),
        "the owner's\nold\nold\n"
    );
}

/// A disk on which the owner saves a file at the last moment.
struct Saving(&'static str);

impl Disk for Saving {
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.make_directory(path)
    }
    fn write(&self, path: &Path, text: &str, mode: Option<Permissions>) -> io::Result<()> {
        RealDisk.write(path, text, mode)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        for file in [from, to].iter().filter(|file| file.ends_with(self.0)) {
            fs::write(file, "saved just now\n")?;
        }
        RealDisk.link(from, to)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if from.ends_with(self.0) {
            fs::write(from, "saved just now\n")?;
        }
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_directory(path)
    }
}

#[test]
fn what_its_owner_saves_at_the_last_moment_is_not_lost() {
    for path in ["README.md", "src/gone/deep.rs", "run.sh"] {
        let project = project();
        let error = apply_on(&Saving(path), project.path(), &edits()).unwrap_err();
        assert!(
            error.to_string().contains("changed while this was at work"),
            "{error}"
        );
        let text = fs::read_to_string(project.path().join(path)).unwrap();
        assert_eq!(text, "saved just now\n");
        assert!(!project.path().join(DIRECTORY).exists());
    }
}
