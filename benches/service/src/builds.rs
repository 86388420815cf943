//! Makes the subjects and builds them, each as its owner would.
//!
//! Everything lies in `target/service-bench` of the repository. Generated projects share what they compile of their
//! dependencies; each has a name of its own, because cargo cannot tell two of one name apart.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::output;
use crate::servers::Kind;
use crate::subjects::{Source, Subject};

/// The packages of Debian, which are no modules.
const GOPATH: &str = "/usr/share/gocode";

/// The root of the repository.
pub fn root() -> &'static Path {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    benches.and_then(Path::parent).unwrap_or(Path::new("."))
}

/// Where everything is made.
pub fn workshop() -> Result<PathBuf> {
    let directory = root().join("target/service-bench");
    for name in ["bin", "projects"] {
        fs::create_dir_all(directory.join(name))?;
    }
    Ok(directory)
}

/// A subject, ready to be started.
pub struct Built {
    pub subject: Subject,
    pub program: PathBuf,
    pub bytes: u64,
}

/// Builds a subject, and keeps its program from the next one's.
pub fn build(subject: Subject) -> Result<Built> {
    eprintln!("building {}", subject.name);
    let workshop = workshop()?;
    let program = workshop.join("bin").join(&subject.name);
    match subject.source {
        Source::Floor => cargo(&source("floor"), "floor", &[], &program)?,
        Source::FloorOnDeadpool => {
            let features = ["--features", "deadpool"];
            cargo(&source("floor"), "floor", &features, &program)?;
        }
        Source::Gin => {
            let mut go = Command::new("go");
            go.args(["build", "-o"])
                .arg(&program)
                .arg(".")
                .current_dir(source("gin"))
                .env("GO111MODULE", "off")
                .env("GOPATH", GOPATH)
                .env("GOCACHE", workshop.join("go"));
            output(&mut go)?;
        }
        Source::Generated { .. } => {
            let project = render(&subject)?;
            cargo(&project, &project_name(&subject), &[], &program)?;
        }
    }
    let bytes = program.metadata()?.len();
    Ok(Built {
        subject,
        program,
        bytes,
    })
}

/// Makes the project of a generated subject, and says where it is.
pub fn render(subject: &Subject) -> Result<PathBuf> {
    let Source::Generated {
        database,
        cache,
        observability,
    } = subject.source
    else {
        unreachable!("`{}` is not generated", subject.name);
    };
    let name = project_name(subject);
    let project = workshop()?.join("projects").join(&name);
    if project.exists() {
        fs::remove_dir_all(&project)?;
    }
    let mut scaffold = Command::new("cargo");
    scaffold
        .args(["run", "--quiet", "--locked", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .args(["--", "new", &name, "--resource", "accounts"])
        .args(["--yes", "--no-git", "--into"])
        .arg(&project)
        .args(["--database", &database.to_string()])
        .args(["--cache", cache, "--observability", observability]);
    output(&mut scaffold)?;
    Ok(project)
}

/// The statements that make the tables, as a generated service has them: those written by hand use the same.
pub fn schema() -> Result<String> {
    let project = render(&Subject::new(Source::Generated {
        database: Kind::Postgres,
        cache: "none",
        observability: "prometheus",
    }))?;
    let mut files = Vec::new();
    for entry in fs::read_dir(project.join("migrations"))? {
        files.push(entry?.path());
    }
    files.sort();
    let texts: std::io::Result<Vec<String>> = files.iter().map(fs::read_to_string).collect();
    Ok(texts?.concat())
}

/// The directory of a subject that is written by hand.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn project_name(subject: &Subject) -> String {
    format!("bench-{}", subject.name.replace('+', "-"))
}

/// Builds a package with its own release profile and lock file.
fn cargo(package: &Path, name: &str, features: &[&str], program: &Path) -> Result<()> {
    let target = workshop()?.join("target");
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--release", "--locked"])
        .args(features)
        .current_dir(package)
        .env("CARGO_TARGET_DIR", &target);
    let status = cargo.status().context("cannot run `cargo`")?;
    ensure!(status.success(), "`{}` does not build", package.display());
    fs::copy(target.join("release").join(name), program)?;
    Ok(())
}
