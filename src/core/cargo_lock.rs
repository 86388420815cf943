//! The lock table: how a project gets the exact `Cargo.lock` that was verified, without asking cargo or the network.
//!
//! A preset keeps one table, `lock.txt`, for all of its combinations. It rests on an observation: the lock of a
//! combination is the union of the locks of its single options, package by package and edge by edge. The maintainer's
//! side, [`tabulate`], makes the table from locks that cargo resolved, and refuses to make one that would not give each
//! of them back byte for byte. The user's side, [`Table::lockfile`], takes the union for the options of one project.
//!
//! The table is text that can be reviewed as a diff, in the order and the notation of a `Cargo.lock`:
//!
//! ```text
//! project
//!     axum
//!     moka | cache=memory
//! axum 0.8.9 31b698c5f9a010f6573133b09e0de5408834d0c82f8d7475a89fc1867a71cd90
//!     hashbrown 0.17.2 | cache=memory
//! moka 0.12.16 957228ad12042ee839f93c8f257b62b4c0ab5eaae1d4fa60de53b27c9d7c5046 | cache=memory
//!     hashbrown 0.16.1
//! ```
//!
//! A line at the margin is a package: its name, its version, its source where that isn't the public registry, its
//! checksum. An indented line is a package that it depends on, with a version where the table has two. What follows `|`
//! says which options bring the line, any one of them; `cache=redis+observability=opentelemetry` is brought only by both
//! together. A line that says nothing is always there, an indented one whenever its package is. `project` stands for
//! the project itself, whose name isn't known yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use anyhow::{Context, Result, bail, ensure};
use semver::Version;
use serde::Deserialize;

use crate::core::problem::Problem;

/// The version that a new project starts at.
const PROJECT_VERSION: &str = "0.1.0";

/// The source of a package whose line names none.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The line that stands for the project itself.
const PROJECT: &str = "project";

/// The locks of every combination of a preset, in one.
#[derive(Debug)]
pub struct Table<'t> {
    project: Vec<Edge<'t>>,
    packages: Vec<Package<'t>>,
}

/// A package that some combination holds.
#[derive(Debug)]
struct Package<'t> {
    name: &'t str,
    version: &'t str,
    source: Option<&'t str>,
    checksum: Option<&'t str>,
    when: Condition<'t>,
    edges: Vec<Edge<'t>>,
}

/// A package that another one depends on.
#[derive(Debug)]
struct Edge<'t> {
    name: &'t str,
    /// Given where the table holds the name in more than one version.
    version: Option<&'t str>,
    when: Condition<'t>,
}

/// Which options bring a line: all, or any one of those named.
#[derive(Debug, Clone, Copy)]
struct Condition<'t>(Option<&'t str>);

impl Condition<'_> {
    fn holds(self, chosen: &[(&str, &str)]) -> bool {
        let is_chosen = |option: &str| {
            option
                .split_once('=')
                .is_some_and(|pair| chosen.contains(&pair))
        };
        self.0
            .is_none_or(|any| any.split(' ').any(|all| all.split('+').all(is_chosen)))
    }
}

impl<'t> Table<'t> {
    /// Reads a table; its lines are borrowed, so that this costs next to nothing.
    pub fn parse(text: &'t str) -> Result<Self> {
        let mut table = Table {
            project: Vec::new(),
            packages: Vec::new(),
        };
        for (index, line) in text.lines().enumerate() {
            if !line.is_empty() && !line.starts_with('#') {
                table
                    .push(line)
                    .with_context(|| format!("line {} of the lock table: `{line}`", index + 1))?;
            }
        }
        Ok(table)
    }

    fn push(&mut self, line: &'t str) -> Result<()> {
        let (what, when) = match line.split_once(" | ") {
            Some((what, when)) => (what, Condition(Some(when))),
            None => (line, Condition(None)),
        };
        let mut words = what.split_ascii_whitespace();
        let name = words.next().context("expected the name of a package")?;
        if what.starts_with(' ') {
            let edge = Edge {
                name,
                version: words.next(),
                when,
            };
            match self.packages.last_mut() {
                Some(package) => package.edges.push(edge),
                None => self.project.push(edge),
            }
        } else if what != PROJECT {
            let version = words.next().context("expected a version after the name")?;
            let (source, checksum) = match (words.next(), words.next()) {
                (Some(word), None) if !word.contains('+') => (Some(REGISTRY), Some(word)),
                (source, checksum) => (source, checksum),
            };
            self.packages.push(Package {
                name,
                version,
                source,
                checksum,
                when,
                edges: Vec::new(),
            });
        }
        ensure!(words.next().is_none(), "expected nothing more");
        Ok(())
    }

    /// The packages that a project with these options depends on itself, each with the versions that there are of it.
    pub fn direct(&self, chosen: &[(&str, &str)]) -> BTreeMap<&'t str, Vec<&'t str>> {
        let edges = self.project.iter().filter(|edge| edge.when.holds(chosen));
        let versions = |name: &str| {
            let packages = self.packages.iter();
            let held =
                packages.filter(|package| package.name == name && package.when.holds(chosen));
            held.map(|package| package.version).collect()
        };
        edges.map(|edge| (edge.name, versions(edge.name))).collect()
    }

    /// The `Cargo.lock` of the project called `project`, with these options, each as its choice and its name.
    pub fn lockfile(&self, project: &str, chosen: &[(&str, &str)]) -> String {
        let held: Vec<&Package> = self
            .packages
            .iter()
            .filter(|package| package.when.holds(chosen))
            .collect();
        let doubles: Vec<&str> = held
            .windows(2)
            .filter(|pair| pair[0].name == pair[1].name)
            .map(|pair| pair[0].name)
            .collect();
        let lock = Lock { chosen, doubles };

        let mut out = String::with_capacity(64 * 1024);
        out.push_str("# This file is automatically @generated by Cargo.\n# It is not intended for manual editing.\nversion = 4\n");
        let (before, after) = held.split_at(held.partition_point(|package| package.name < project));
        for package in before {
            lock.write_package(&mut out, package);
        }
        lock.write_head(&mut out, project, PROJECT_VERSION);
        lock.write_edges(&mut out, &self.project);
        for package in after {
            lock.write_package(&mut out, package);
        }
        out
    }
}

/// The names of all packages that any combination holds: names that a project can't have. Asked for before anything
/// else, and needs no more of the table than its lines.
pub fn package_names(table: &str) -> impl Iterator<Item = &str> {
    let heads = table.lines().filter(|line| !line.starts_with([' ', '#']));
    heads.filter_map(|line| line.split_once(' ').map(|(name, _)| name))
}

/// The names of the packages that a project itself depends on, with any options.
pub fn direct_dependencies(table: &str) -> impl Iterator<Item = &str> {
    let lines = table.lines().skip_while(|line| *line != PROJECT).skip(1);
    let edges = lines.take_while(|line| line.starts_with(' '));
    edges.filter_map(|line| line.split_whitespace().next())
}

/// What the blocks of one `Cargo.lock` have in common.
struct Lock<'a> {
    chosen: &'a [(&'a str, &'a str)],
    /// The names that this lock holds in two versions, which a dependency therefore has to tell apart.
    doubles: Vec<&'a str>,
}

impl Lock<'_> {
    fn write_package(&self, out: &mut String, package: &Package) {
        self.write_head(out, package.name, package.version);
        for (key, value) in [("source", package.source), ("checksum", package.checksum)] {
            if let Some(value) = value {
                push_all(out, &[key, " = \"", value, "\"\n"]);
            }
        }
        self.write_edges(out, &package.edges);
    }

    fn write_head(&self, out: &mut String, name: &str, version: &str) {
        push_all(
            out,
            &[
                "\n[[package]]\nname = \"",
                name,
                "\"\nversion = \"",
                version,
                "\"\n",
            ],
        );
    }

    fn write_edges(&self, out: &mut String, edges: &[Edge]) {
        let mut held = edges
            .iter()
            .filter(|edge| edge.when.holds(self.chosen))
            .peekable();
        if held.peek().is_none() {
            return;
        }
        out.push_str("dependencies = [\n");
        for edge in held {
            push_all(out, &[" \"", edge.name]);
            if let Some(version) = edge.version.filter(|_| self.doubles.contains(&edge.name)) {
                push_all(out, &[" ", version]);
            }
            out.push_str("\",\n");
        }
        out.push_str("]\n");
    }
}

fn push_all(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
}

/// What cargo resolved for the base of a preset with some options.
#[derive(Debug)]
pub struct Resolved {
    /// The options, each with its choice; none for the base alone.
    pub options: BTreeSet<(String, String)>,
    /// The text of its `Cargo.lock`.
    pub lock: String,
}

/// Makes the table of some locks, which must come with the fewest options first: a line is said to be brought by the
/// first options that have it. The table gives each of the locks back exactly, or this fails.
pub fn tabulate(locks: &[Resolved]) -> Result<String> {
    let mut rows = Rows::default();
    let mut projects = Vec::new();
    for resolved in locks {
        let context = || format!("cargo's lock of {}", resolved.describe());
        let lock: CargoLock = toml::from_str(&resolved.lock).with_context(context)?;
        projects.push(rows.add(&lock, &resolved.options).with_context(context)?);
    }
    let text = rows.to_string();
    let table = Table::parse(&text)?;
    for (resolved, project) in locks.iter().zip(projects) {
        let chosen: Vec<_> = resolved
            .options
            .iter()
            .map(|(choice, option)| (choice.as_str(), option.as_str()))
            .collect();
        if table.lockfile(&project, &chosen) != resolved.lock {
            bail!(
                "the lock of {} isn't the union of the locks of its options",
                resolved.describe()
            );
        }
    }
    Ok(text)
}

impl Resolved {
    fn describe(&self) -> String {
        if self.options.is_empty() {
            return "the base".to_owned();
        }
        let options: Vec<_> = self
            .options
            .iter()
            .map(|(choice, option)| format!("`{choice}={option}`"))
            .collect();
        options.join(" and ")
    }
}

/// A `Cargo.lock`, as cargo writes it.
#[derive(Deserialize)]
struct CargoLock {
    version: u32,
    package: Vec<CargoPackage>,
}

#[derive(Deserialize)]
struct CargoPackage {
    name: String,
    version: Version,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl CargoLock {
    /// The one package that a dependency means; its version is left out where only one is there.
    fn find(&self, dependency: &str) -> Result<&CargoPackage> {
        let mut words = dependency.split(' ');
        let (name, version) = (words.next(), words.next());
        ensure!(
            words.next().is_none(),
            "`{dependency}` comes from two sources, which the lock table can't tell apart"
        );
        self.package
            .iter()
            .find(|it| {
                Some(it.name.as_str()) == name
                    && version.is_none_or(|version| it.version.to_string() == version)
            })
            .with_context(|| format!("`{dependency}` is not in it"))
    }
}

/// The sets of options that each bring a line. A superset of one that is there already adds nothing.
#[derive(Default, PartialEq)]
struct Brought(Vec<BTreeSet<(String, String)>>);

impl Brought {
    fn add(&mut self, options: &BTreeSet<(String, String)>) {
        if !self.0.iter().any(|brought| brought.is_subset(options)) {
            self.0.push(options.clone());
        }
    }
}

impl fmt::Display for Brought {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.0.iter().any(BTreeSet::is_empty) {
            return Ok(());
        }
        f.write_str(" |")?;
        for options in &self.0 {
            let all: Vec<_> = options
                .iter()
                .map(|(choice, option)| format!("{choice}={option}"))
                .collect();
            write!(f, " {}", all.join("+"))?;
        }
        Ok(())
    }
}

/// Ordered as cargo orders the packages of a lock.
type PackageId = (String, Version);

/// Ordered as cargo orders the dependencies of a package: by the text of their versions.
type Dependencies = BTreeMap<(String, String), Brought>;

/// A table being made.
#[derive(Default)]
struct Rows {
    project: Dependencies,
    packages: BTreeMap<PackageId, Row>,
}

#[derive(Default)]
struct Row {
    source: Option<String>,
    checksum: Option<String>,
    brought: Brought,
    edges: Dependencies,
}

impl Rows {
    /// Adds the lock of these options; answers the name of the project that it locks.
    fn add(&mut self, lock: &CargoLock, options: &BTreeSet<(String, String)>) -> Result<String> {
        let mut project = None;
        ensure!(
            lock.version == 4,
            "its format is version {}, and only version 4 is known",
            lock.version
        );
        for package in &lock.package {
            let edges = if package.source.is_none() {
                ensure!(project.replace(&package.name).is_none(), Problem::new(format!("it holds two packages without a source, `{}` and the project", package.name)).help("a dependency by its path is on no other machine: publish it, or name a git repository"));
                &mut self.project
            } else {
                let row = self
                    .packages
                    .entry((package.name.clone(), package.version.clone()))
                    .or_default();
                row.source.clone_from(&package.source);
                row.checksum.clone_from(&package.checksum);
                row.brought.add(options);
                &mut row.edges
            };
            for dependency in &package.dependencies {
                let found = lock.find(dependency)?;
                edges
                    .entry((found.name.clone(), found.version.to_string()))
                    .or_default()
                    .add(options);
            }
        }
        project.cloned().context("it has no project")
    }

    fn has_two(&self, name: &str) -> bool {
        self.packages
            .keys()
            .filter(|(other, _)| other == name)
            .nth(1)
            .is_some()
    }

    /// Writes the dependencies of a package or of the project, which is brought by the options `whole`.
    fn write_edges(
        &self,
        f: &mut fmt::Formatter,
        edges: &Dependencies,
        whole: &Brought,
    ) -> fmt::Result {
        for ((name, version), brought) in edges {
            write!(f, "    {name}")?;
            if self.has_two(name) {
                write!(f, " {version}")?;
            }
            if brought != whole {
                write!(f, "{brought}")?;
            }
            f.write_char('\n')?;
        }
        Ok(())
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(
            f,
            "# Made by `scaffold preset lock`. Says which options bring each line of a project's Cargo.lock."
        )?;
        writeln!(f, "{PROJECT}")?;
        self.write_edges(f, &self.project, &Brought(vec![BTreeSet::new()]))?;
        for ((name, version), row) in &self.packages {
            write!(f, "{name} {version}")?;
            let source = row.source.as_deref().filter(|source| *source != REGISTRY);
            for word in [source, row.checksum.as_deref()].into_iter().flatten() {
                write!(f, " {word}")?;
            }
            writeln!(f, "{}", row.brought)?;
            self.write_edges(f, &row.edges, &row.brought)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `Cargo.lock` of packages, each given as `name version: dependency, dependency`; the project has no version.
    fn lock(packages: &[&str]) -> String {
        let mut lock =
            "# This file is automatically @generated by Cargo.\n# It is not intended for manual editing.\nversion = 4\n"
                .to_owned();
        for package in packages {
            let (head, dependencies) = package.split_once(':').unwrap_or((package, ""));
            lock.push_str("\n[[package]]\n");
            match head.split_once(' ') {
                None => lock.push_str(&format!("name = \"{head}\"\nversion = \"0.1.0\"\n")),
                Some((name, version)) => lock.push_str(&format!(
                    "name = \"{name}\"\nversion = \"{version}\"\nsource = \"{REGISTRY}\"\nchecksum = \"c0ffee\"\n"
                )),
            }
            if !dependencies.is_empty() {
                let lines = dependencies
                    .split(',')
                    .map(|name| format!(" \"{}\",\n", name.trim()));
                lock.push_str(&format!(
                    "dependencies = [\n{}]\n",
                    lines.collect::<String>()
                ));
            }
        }
        lock
    }

    fn resolved(options: &[(&str, &str)], packages: &[&str]) -> Resolved {
        Resolved {
            options: options
                .iter()
                .map(|(choice, option)| (choice.to_string(), option.to_string()))
                .collect(),
            lock: lock(packages),
        }
    }

    const MEMORY: (&str, &str) = ("cache", "memory");
    const SQLITE: (&str, &str) = ("database", "sqlite");

    /// Two options that bring one package in common, and between them two versions of another.
    fn example() -> Vec<Resolved> {
        vec![
            resolved(&[], &["axum 0.8.9: libc", "libc 0.2.1", "stub: axum"]),
            resolved(
                &[MEMORY],
                &[
                    "axum 0.8.9: libc",
                    "hashbrown 0.9.0",
                    "libc 0.2.1: lock_api",
                    "lock_api 0.4.14",
                    "moka 0.12.16: hashbrown, lock_api",
                    "stub: axum, moka",
                ],
            ),
            resolved(
                &[SQLITE],
                &[
                    "axum 0.8.9: libc",
                    "hashbrown 0.16.1: lock_api",
                    "libc 0.2.1",
                    "lock_api 0.4.14",
                    "sqlx 0.9.0: hashbrown",
                    "stub: axum, sqlx",
                ],
            ),
        ]
    }

    #[test]
    fn a_table_says_which_options_bring_each_line() {
        insta::assert_snapshot!(tabulate(&example()).unwrap(), @"
        # Made by `scaffold preset lock`. Says which options bring each line of a project's Cargo.lock.
        project
            axum
            moka | cache=memory
            sqlx | database=sqlite
        axum 0.8.9 c0ffee
            libc
        hashbrown 0.9.0 c0ffee | cache=memory
        hashbrown 0.16.1 c0ffee | database=sqlite
            lock_api
        libc 0.2.1 c0ffee
            lock_api | cache=memory
        lock_api 0.4.14 c0ffee | cache=memory database=sqlite
        moka 0.12.16 c0ffee | cache=memory
            hashbrown 0.9.0
            lock_api
        sqlx 0.9.0 c0ffee | database=sqlite
            hashbrown 0.16.1
        ");
    }

    #[test]
    fn the_lock_of_two_options_is_the_union_of_their_locks() {
        let table = tabulate(&example()).unwrap();
        let both = Table::parse(&table)
            .unwrap()
            .lockfile("inventory", &[SQLITE, MEMORY]);
        let expected = [
            "axum 0.8.9: libc",
            "hashbrown 0.9.0",
            "hashbrown 0.16.1: lock_api",
            "inventory: axum, moka, sqlx",
            "libc 0.2.1: lock_api",
            "lock_api 0.4.14",
            "moka 0.12.16: hashbrown 0.9.0, lock_api",
            "sqlx 0.9.0: hashbrown 0.16.1",
        ];
        assert_eq!(both, lock(&expected));
    }

    #[test]
    fn the_project_stands_where_its_name_sorts() {
        let table = tabulate(&example()).unwrap();
        let lockfile = |name| Table::parse(&table).unwrap().lockfile(name, &[]);
        assert_eq!(
            lockfile("accounts-api"),
            lock(&["accounts-api: axum", "axum 0.8.9: libc", "libc 0.2.1"])
        );
        assert_eq!(
            lockfile("zoo"),
            lock(&["axum 0.8.9: libc", "libc 0.2.1", "zoo: axum"])
        );
    }

    #[test]
    fn what_only_two_options_together_bring_is_one_more_entry() {
        let mut locks = example();
        let both = [
            "axum 0.8.9: libc",
            "hashbrown 0.9.0",
            "hashbrown 0.16.1: lock_api",
            "libc 0.2.1: lock_api",
            "lock_api 0.4.14: libc",
            "moka 0.12.16: hashbrown 0.9.0, lock_api",
            "sqlx 0.9.0: hashbrown 0.16.1",
            "stub: axum, moka, sqlx",
        ];
        locks.push(resolved(&[MEMORY, SQLITE], &both));
        let table = tabulate(&locks).unwrap();
        assert!(
            table.contains("    libc | cache=memory+database=sqlite\n"),
            "{table}"
        );
    }

    #[test]
    fn a_lock_that_lacks_what_its_options_bring_is_refused() {
        let mut locks = example();
        locks.push(resolved(
            &[MEMORY, SQLITE],
            &["axum 0.8.9: libc", "libc 0.2.1", "stub: axum"],
        ));
        insta::assert_snapshot!(
            tabulate(&locks).unwrap_err(),
            @"the lock of `cache=memory` and `database=sqlite` isn't the union of the locks of its options"
        );
    }

    #[test]
    fn a_package_may_come_from_elsewhere_than_the_registry() {
        let git = "git+https://example.org/axum?rev=1#12ab";
        let packages = lock(&["axum 0.8.9", "stub: axum"]);
        let packages = packages.replace(&format!("{REGISTRY}\"\nchecksum = \"c0ffee"), git);
        let table = tabulate(&[Resolved {
            options: BTreeSet::new(),
            lock: packages,
        }])
        .unwrap();
        assert!(
            table.ends_with(&format!("project\n    axum\naxum 0.8.9 {git}\n")),
            "{table}"
        );
    }

    #[test]
    fn it_knows_the_names_that_a_project_cannot_have() {
        let table = tabulate(&example()).unwrap();
        assert!(package_names(&table).any(|name| name == "lock_api"));
        assert!(package_names(&table).all(|name| name != "project"));
        assert_eq!(
            direct_dependencies(&table).collect::<Vec<_>>(),
            ["axum", "moka", "sqlx"]
        );
    }

    #[test]
    fn a_broken_line_is_named() {
        let error = Table::parse("project\n    axum\naxum\n").unwrap_err();
        insta::assert_snapshot!(format!("{error:#}"), @"line 3 of the lock table: `axum`: expected a version after the name");
    }
}
