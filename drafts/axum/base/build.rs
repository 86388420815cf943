//! Embeds the files of `migrations/` into the binary, in the order of their
//! names, so that a deployment is one file and adding a migration is adding a
//! file. sqlx's `migrate!` does the same at the price of building its macros,
//! and with them the database driver, a second time for the host.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=migrations");

    let mut names = Vec::new();
    for entry in fs::read_dir("migrations")? {
        names.push(entry?.file_name().into_string().expect("a migration's name is UTF-8"));
    }
    names.sort();

    let root = env::var("CARGO_MANIFEST_DIR").expect("set by cargo");
    let mut list = String::from("&[\n");
    for name in names.iter().filter(|name| name.ends_with(".sql")) {
        let (version, description) = name
            .trim_end_matches(".sql")
            .split_once('_')
            .unwrap_or_else(|| panic!("`{name}` is not called NUMBER_DESCRIPTION.sql"));
        let version: i64 =
            version.parse().unwrap_or_else(|_| panic!("`{name}` does not begin with a number"));
        let path = Path::new(&root).join("migrations").join(name);
        writeln!(list, "    ({version}, {description:?}, include_str!({path:?})),")
            .expect("writing to a string cannot fail");
    }
    list.push(']');

    let out = env::var("OUT_DIR").expect("set by cargo");
    fs::write(Path::new(&out).join("migrations.rs"), list)
}
