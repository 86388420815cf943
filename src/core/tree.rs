//! A project as text, in memory: what rendering gives, what merging compares and what a pristine file keeps.
//!
//! A tree holds safe paths only. Whatever a preset says, what lands on disk stays inside the project, out of the
//! repository's own files, and can be checked out on any system.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use anyhow::{Error, Result, bail, ensure};

use unicode_normalization::UnicodeNormalization;

use crate::core::harmless::is_unseen;
use crate::core::problem::Problem;
use crate::core::reserved;

/// What opens a file in a tree's printed form; the path follows.
const HEADER: &str = "==> ";
/// The directory of a project's memory, which no preset writes.
pub const MEMORY: &str = ".scaffold";
/// Characters that a path may have: Windows stops at 260, and the project is somewhere itself.
pub const MAX_PATH: usize = 200;
/// Bytes that a part of a path may have: most disks stop at 255, and what stands beside a file has a longer name.
const MAX_PART: usize = 240;
/// Stands in a tree's printed form where a file ends without a line feed. The words are git's.
const NO_NEWLINE: &str = "\\ no newline at end of file";

/// Files by path. A path is relative and its parts are separated by `/`.
///
/// Printing and parsing are inverse for every text:
///
/// ```
/// # use scaffold::core::tree::Tree;
/// let mut tree = Tree::default();
/// tree.insert("src/main.rs", "fn main() {}\n")?;
/// assert_eq!(tree.to_string(), "==> src/main.rs\nfn main() {}\n");
/// assert_eq!(tree.to_string().parse::<Tree>()?, tree);
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tree {
    files: BTreeMap<String, Cow<'static, str>>,
}

impl Tree {
    /// Adds a file, or replaces the one that has this path.
    pub fn insert(
        &mut self,
        path: impl Into<String>,
        text: impl Into<Cow<'static, str>>,
    ) -> Result<()> {
        let path = path.into();
        if let Some(reason) = unsafe_path(&path) {
            bail!(
                Problem::new(format!("the path `{path}` {reason}"))
                    .help("it has to be a place inside of the project, on every system")
            );
        }
        if let Some(file) = self.file_in_the_way(&path) {
            bail!(
                Problem::new(format!(
                    "`{file}` is a file and `{path}` needs a directory, or the other way round"
                ))
                .help("rename one of them")
            );
        }
        self.files.insert(path, text.into());
        Ok(())
    }

    /// Adds a file that is not there yet.
    fn add(&mut self, path: &str, text: String) -> Result<()> {
        ensure!(
            self.get(path).is_none(),
            "the file `{path}` stands twice in a tree"
        );
        self.insert(path, text)
    }

    /// Two paths of which the strictest disk has only one: it would lose a file, or join two directories.
    pub fn collision(&self) -> Option<(&str, &str)> {
        let mut known: HashMap<String, &str> = HashMap::new();
        for path in self.files.keys() {
            let ends = path.match_indices('/').map(|(end, _)| end);
            for part in ends.chain([path.len()]).map(|end| &path[..end]) {
                let other = *known.entry(folded(part)).or_insert(part);
                if other != part {
                    return Some((other, part));
                }
            }
        }
        None
    }

    /// The text of one file.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(|text| &**text)
    }

    /// Every path with its text, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), &**text))
    }

    /// The number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is no file at all.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// A file where this path needs a directory, or below this path.
    fn file_in_the_way(&self, path: &str) -> Option<&str> {
        let mut above = path.match_indices('/').map(|(end, _)| &path[..end]);
        let directory = format!("{path}/");
        let below = self.files.range(directory.clone()..).next();
        above
            .find_map(|directory| self.files.get_key_value(directory))
            .or(below.filter(|(found, _)| found.starts_with(&directory)))
            .map(|(found, _)| found.as_str())
    }
}

impl IntoIterator for Tree {
    type Item = (String, Cow<'static, str>);
    type IntoIter = std::collections::btree_map::IntoIter<String, Cow<'static, str>>;

    fn into_iter(self) -> Self::IntoIter {
        self.files.into_iter()
    }
}

/// Whether a path leads into the project's memory, for the strictest disk.
pub fn is_memory(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    // The second is how old Windows programs call the first.
    let is_it = |name: &str| {
        [MEMORY, "scaffo~1"]
            .iter()
            .any(|it| name.eq_ignore_ascii_case(it))
    };
    is_it(first) || !first.is_ascii() && is_it(&folded(first))
}

/// Whether a file is a program by itself. Embedded presets carry no mode bits, so the text has to say it.
pub fn is_executable(text: &str) -> bool {
    text.starts_with("#!")
}

/// A name as the strictest disk compares it: without upper case, whatever accents are put together from, and without what
/// nobody sees.
fn folded(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let seen = name.chars().filter(|c| !is_ignored(*c));
    let decomposed: String = seen.nfkd().collect();
    // Both ways: some letters have two of the other case.
    decomposed
        .to_lowercase()
        .to_uppercase()
        .to_lowercase()
        .nfkd()
        .collect()
}

/// Whether some disk takes this for the directory of a repository.
fn is_git(name: &str) -> bool {
    let is_it = |name: &str| {
        ["git~1", ".git"]
            .iter()
            .any(|git| name.eq_ignore_ascii_case(git))
    };
    is_it(name) || !name.is_ascii() && is_it(&folded(name))
}

/// What Apple's file systems leave out when they compare names.
fn is_ignored(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{FEFF}'
    ) || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
        || matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Why a path can't be part of a project, if it can't.
pub fn unsafe_path(path: &str) -> Option<&'static str> {
    if path.starts_with('/') {
        return Some("is absolute");
    }
    if path.chars().count() > MAX_PATH {
        return Some("is longer than some systems allow");
    }
    if path.contains(['\\', ':', '<', '>', '"', '|', '?', '*']) || path.contains(char::is_control) {
        return Some("has a character that Windows does not allow in a path");
    }
    if !path.is_ascii() && path.contains(|c| is_unseen(c) || is_ignored(c)) {
        return Some("has a character that nobody sees");
    }
    path.split('/').find_map(|part| match part {
        "" => Some("has an empty part"),
        "." | ".." => Some("leaves the project or names itself"),
        // The second is how old Windows programs call the first.
        _ if is_git(part) => Some("belongs to git"),
        _ if part.len() > MAX_PART => Some("has a part that is longer than some systems allow"),
        _ if part.ends_with(['.', ' ']) => Some("has a part that ends with a dot or a space"),
        _ if reserved::is_windows_device(part) => Some("is the name of a Windows device"),
        _ => None,
    })
}

/// Whether a line would be taken for one of the printed form's own.
fn needs_mark(line: &str) -> bool {
    line.starts_with(HEADER) || line.starts_with('\\')
}

/// Whether any line would be. Nearly no text has one, and this finds out much faster than going through the lines.
fn needs_marks(text: &str) -> bool {
    needs_mark(text) || text.contains("\n==> ") || text.contains("\n\\")
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, text) in self.iter() {
            writeln!(f, "{HEADER}{path}")?;
            if needs_marks(text) {
                for line in text.split_inclusive('\n') {
                    let mark = if needs_mark(line) { "\\" } else { "" };
                    write!(f, "{mark}{line}")?;
                }
            } else {
                f.write_str(text)?;
            }
            if !text.is_empty() && !text.ends_with('\n') {
                writeln!(f, "\n{NO_NEWLINE}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Tree {
    type Err = Error;

    fn from_str(printed: &str) -> Result<Self> {
        let mut tree = Tree::default();
        let mut open: Option<(&str, String)> = None;
        for line in printed.split_inclusive('\n') {
            if let Some(path) = line.strip_prefix(HEADER) {
                if let Some((path, text)) =
                    open.replace((path.trim_end_matches('\n'), String::new()))
                {
                    tree.add(path, text)?;
                }
                continue;
            }
            let Some((_, text)) = &mut open else {
                bail!(
                    "a tree opens with `{HEADER}PATH`, not with `{}`",
                    line.trim_end()
                );
            };
            if line.trim_end_matches('\n') == NO_NEWLINE {
                text.pop();
            } else {
                text.push_str(line.strip_prefix('\\').unwrap_or(line));
            }
        }
        if let Some((path, text)) = open {
            tree.add(path, text)?;
        }
        Ok(tree)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::problem::told;

    fn tree(files: &[(&str, &str)]) -> Result<Tree> {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.insert(*path, (*text).to_owned())?;
        }
        Ok(tree)
    }

    #[test]
    fn it_prints_a_file_after_another() {
        let tree = tree(&[
            ("b.txt", "no end"),
            ("a.txt", "one\n==> two\n\\three\n"),
            ("c/empty", ""),
        ]);
        insta::assert_snapshot!(tree.unwrap(), @r"
        ==> a.txt
        one
        \==> two
        \\three
        ==> b.txt
        no end
        \ no newline at end of file
        ==> c/empty
        ");
    }

    #[test]
    fn a_text_that_is_no_tree_is_refused() {
        insta::assert_snapshot!("hello\n".parse::<Tree>().unwrap_err(), @"a tree opens with `==> PATH`, not with `hello`");
        insta::assert_snapshot!("==> a\none\n==> a\n".parse::<Tree>().unwrap_err(), @"the file `a` stands twice in a tree");
        insta::assert_snapshot!(told(&"==> /etc/passwd\nroot\n".parse::<Tree>().unwrap_err()), @"
        the path `/etc/passwd` is absolute
        help: it has to be a place inside of the project, on every system
        ");
    }

    #[test]
    fn a_file_and_a_directory_can_not_have_one_name() {
        assert!(tree(&[("src", ""), ("src/main.rs", "")]).is_err());
        assert!(tree(&[("src/main.rs", ""), ("src", "")]).is_err());
        assert!(tree(&[("src", ""), ("src.rs", ""), ("src-main/a", "")]).is_ok());
    }

    #[test]
    fn paths_that_are_the_same_to_some_disk_are_found() {
        for (one, other) in [
            ("README.md", "readme.md"),
            ("caf\u{e9}", "cafe\u{301}"),
            ("STRASSE", "stra\u{df}e"),
            ("a/b", "A/c"),
            ("\u{df}", "\u{1e9e}"),
            ("\u{1e9e}", "ss"),
        ] {
            let tree = tree(&[(one, ""), (other, "")]).unwrap();
            assert!(tree.collision().is_some(), "{one} {other}");
        }
        assert_eq!(tree(&[("a/b", ""), ("a/c", "")]).unwrap().collision(), None);
        assert!(
            is_memory("SCAFFO~1/a")
                && is_memory(".Scaffold/answers.toml")
                && !is_memory("a/.scaffold")
        );
    }

    #[test]
    fn an_unsafe_path_is_refused() {
        for path in [
            "",
            "/etc/passwd",
            "../up",
            "a/../b",
            "a//b",
            "a/",
            ".",
            ".git/config",
            "a/.Git",
            "c:\\a",
            "a:b",
            "a\nb",
            "aux",
            "a/nul.txt",
            "a.",
            "b /c",
            "a/.g\u{200c}it",
            ".\u{ff47}it/config",
            "a\u{202e}b",
            &"部".repeat(100),
            "COM¹.txt",
            "lpt³",
        ] {
            assert!(unsafe_path(path).is_some(), "{path:?}");
        }
        for path in [
            ".gitignore",
            ".github/ci.yml",
            "a..b",
            "src/{name}.rs",
            "ü/部",
        ] {
            assert_eq!(unsafe_path(path), None, "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(texts in prop::collection::vec("(\\\\|==> |a|\n|\r| no newline at end of file){0,12}", 0..4)) {
            let mut tree = Tree::default();
            for (index, text) in texts.into_iter().enumerate() {
                tree.insert(format!("file {index}"), text).unwrap();
            }
            prop_assert_eq!(tree.to_string().parse::<Tree>().unwrap(), tree);
        }
    }
}
