//! Embeds the texts of `migrations/` into the binary, so that a deployment is one
//! file and adding a migration is adding a file. sqlx's `migrate!` does the same at
//! the price of building its macros, and with them the database driver, a second
//! time for the host.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::{env, fs};

/// Version, the rest of the file's name, and SQL.
type Migration = (i64, String, String);

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=migrations");
    match read(Path::new("migrations")) {
        Ok(migrations) => {
            let out = Path::new(&env::var("OUT_DIR")?).join("migrations.rs");
            // Numbers and texts print as literals of Rust.
            fs::write(out, format!("&{migrations:?}"))?;
        }
        Err(error) => println!("cargo::error={error}"),
    }
    Ok(())
}

/// Reads a directory as sqlx does, and refuses what sqlx would pass over in silence
/// or fail on when half of it is applied.
pub fn read(directory: &Path) -> Result<Vec<Migration>, Box<dyn Error>> {
    let mut migrations = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let file = path.display();
        let is_sql = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("sql"));
        if !is_sql || !path.is_file() {
            continue;
        }
        let Some((version, name)) = parse(&path) else {
            let example = "VERSION_DESCRIPTION.sql, as in 2_add_phone.sql";
            return Err(format!("`{file}` is not called {example}").into());
        };
        let sql = fs::read_to_string(&path).map_err(|error| format!("`{file}`: {error}"))?;
        if sql.contains('\r') {
            // A build elsewhere would have LF, hence another checksum.
            return Err(format!("`{file}` has CRLF line endings: save it with LF").into());
        }
        let key = (version, name.ends_with(".down.sql"));
        if let Some((other, ..)) = migrations.insert(key, (path.clone(), name, sql)) {
            let other = other.display();
            let way_out = "give the one that no database has a version of its own";
            return Err(format!("`{other}` and `{file}` have the same version: {way_out}").into());
        }
    }
    let migrations = migrations.into_iter();
    Ok(migrations.map(|((version, _), (_, name, sql))| (version, name, sql)).collect())
}

fn parse(path: &Path) -> Option<(i64, String)> {
    let (version, name) = path.file_name()?.to_str()?.split_once('_')?;
    let version = version.parse().ok().filter(|version| *version > 0)?;
    name.ends_with(".sql").then(|| (version, name.to_owned()))
}
