//! The servers that services use, and a database there that each has to itself.
//!
//! They are those of `TEST_POSTGRES_URL`, `TEST_MYSQL_URL` and `TEST_REDIS_URL`, by default on this machine, as in the
//! tests of this repository. None is started here. The databases are made, filled and dropped with the servers' own
//! clients.

use std::env;
use std::fmt::{self, Display};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hyper::Uri;
use serde_json::{Value, json};

use crate::process::output;

/// A service has ten connections, another one that has just ended may still have as many.
const FREE_CONNECTIONS: i64 = 20;

const ACCOUNTS: u32 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Postgres,
    Mysql,
    Sqlite,
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Postgres => "postgres",
            Kind::Mysql => "mysql",
            Kind::Sqlite => "sqlite",
        })
    }
}

/// Where a server is.
fn address(variable: &str, default: &str) -> String {
    env::var(variable).unwrap_or_else(|_| default.to_owned())
}

/// Where Redis is.
///
/// # Errors
///
/// It does not answer. The service would serve without it, and more slowly.
pub fn redis() -> Result<String> {
    let url = address("TEST_REDIS_URL", "redis://127.0.0.1:6379");
    let said = output(Command::new("redis-cli").args(["-u", &url, "ping"]))?;
    ensure!(said.trim() == "PONG", "Redis, `{url}`, says `{said}`");
    Ok(url)
}

/// A database. It goes away with this value.
pub struct Database {
    kind: Kind,
    /// The server's address, or the file.
    server: String,
    pub name: String,
    /// What a service is told.
    pub url: String,
}

impl Database {
    /// Makes one. That of SQLite is a file, which its service makes in this directory.
    pub fn create(kind: Kind, number: usize, directory: &Path) -> Result<Database> {
        let name = format!("service_bench_{}_{number}", std::process::id());
        let server = match kind {
            Kind::Postgres => address(
                "TEST_POSTGRES_URL",
                "postgres://postgres:postgres@127.0.0.1:5432/postgres",
            ),
            Kind::Mysql => address("TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306/mysql"),
            Kind::Sqlite => directory.join("accounts.db").display().to_string(),
        };
        let url = match kind {
            Kind::Postgres => beside(&server, &name, "sslmode=disable")?,
            Kind::Mysql => beside(&server, &name, "ssl-mode=DISABLED")?,
            Kind::Sqlite => format!("sqlite://{server}"),
        };
        let database = Database {
            kind,
            server,
            name,
            url,
        };
        if kind != Kind::Sqlite {
            let sql = format!("CREATE DATABASE {}", database.name);
            output(&mut database.client(&database.server, &sql)?)?;
        }
        Ok(database)
    }

    /// Has the database do something.
    pub fn execute(&self, sql: &str) -> Result<()> {
        let place = if self.kind == Kind::Sqlite {
            &self.server
        } else {
            &self.url
        };
        output(&mut self.client(place, sql)?)?;
        Ok(())
    }

    /// Fills the table, which is there.
    pub fn fill(&self) -> Result<()> {
        let (bytes, end, time) = match self.kind {
            Kind::Postgres => ("'", "'", "'2026-01-02 03:04:05.678901Z'"),
            Kind::Mysql => ("x'", "'", "'2026-01-02 03:04:05.678901'"),
            Kind::Sqlite => ("x'", "'", "1767323045678901"),
        };
        let row = |number| {
            let (id, email, name) = (id(number).replace('-', ""), email(number), name(number));
            format!("({bytes}{id}{end}, '{email}', '{email}', '{name}', 1, {time}, {time})")
        };
        let rows: Vec<String> = (0..ACCOUNTS).map(row).collect();
        self.execute(&format!(
            "INSERT INTO accounts (id, email, email_key, name, version, created_at, updated_at) VALUES {}",
            rows.join(", ")
        ))
    }

    /// Makes sure that the server has connections to spare: a service that waits for one measures something else.
    pub fn has_room(&self) -> Result<()> {
        let sql = match self.kind {
            Kind::Postgres => {
                "SELECT current_setting('max_connections')::int
                    - current_setting('superuser_reserved_connections')::int - count(*)
                    FROM pg_stat_activity WHERE backend_type = 'client backend'"
            }
            Kind::Mysql => {
                "SELECT @@max_connections - count(*) FROM information_schema.processlist"
            }
            Kind::Sqlite => return Ok(()),
        };
        let said = output(&mut self.client(&self.server, sql)?)?;
        let free: i64 = said.trim().parse().with_context(|| said)?;
        ensure!(
            free >= FREE_CONNECTIONS,
            "{} has {free} connections left, and {FREE_CONNECTIONS} are needed",
            self.kind
        );
        Ok(())
    }

    /// The command that has the server, or a database of it, do something.
    fn client(&self, place: &str, sql: &str) -> Result<Command> {
        let mut client;
        match self.kind {
            Kind::Postgres => {
                client = Command::new("psql");
                client
                    .args(["--quiet", "--no-psqlrc", "--tuples-only", "--no-align"])
                    .args(["--set", "ON_ERROR_STOP=1", "--dbname", place])
                    .args(["--command", sql]);
            }
            Kind::Mysql => {
                let url: Uri = place.parse()?;
                let authority = url.authority().context("no host")?.as_str();
                let user = authority.rsplit_once('@').map_or("root", |(user, _)| user);
                let (user, password) = user.split_once(':').unwrap_or((user, ""));
                client = Command::new("mariadb");
                client
                    .env("MYSQL_PWD", password)
                    .args(["--protocol=tcp", "--user", user])
                    .args(["--host", url.host().context("no host")?])
                    .args(["--port", &url.port_u16().unwrap_or(3306).to_string()])
                    .args(["--batch", "--skip-column-names", "--execute", sql])
                    .arg(url.path().trim_start_matches('/'));
            }
            Kind::Sqlite => {
                client = Command::new("sqlite3");
                client.args(["-bail", place, sql]);
            }
        }
        Ok(client)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let force = match self.kind {
            Kind::Postgres => " WITH (FORCE)",
            Kind::Mysql => "",
            // It goes with its directory.
            Kind::Sqlite => return,
        };
        let sql = format!("DROP DATABASE {}{force}", self.name);
        let dropped = self
            .client(&self.server, &sql)
            .and_then(|mut client| output(&mut client));
        if let Err(error) = dropped {
            eprintln!("the database `{}` stays: {error:#}", self.name);
        }
    }
}

/// The URL of another database of a server. All services reach it without TLS, which not all of them are built with.
fn beside(server: &str, name: &str, parameter: &str) -> Result<String> {
    let url: Uri = server.parse()?;
    let scheme = url.scheme_str().context("no scheme")?;
    let authority = url.authority().context("no host")?;
    let query = url.query().map(|query| format!("&{query}"));
    let query = query.unwrap_or_default();
    Ok(format!("{scheme}://{authority}/{name}?{parameter}{query}"))
}

/// The ids of all accounts, as in a URL.
pub fn ids() -> Vec<String> {
    (0..ACCOUNTS).map(id).collect()
}

fn id(number: u32) -> String {
    format!("019b7c8a-1e35-7000-8000-{number:012x}")
}

fn email(number: u32) -> String {
    format!("account-{number:03}@example.org")
}

fn name(number: u32) -> String {
    format!("Account {number:03}")
}

/// Those accounts as every service has to show them, in the order of their ids.
pub fn accounts() -> Vec<Value> {
    let account = |number| {
        json!({
            "id": id(number),
            "email": email(number),
            "name": name(number),
            "version": 1,
            "created_at": "2026-01-02T03:04:05.678901Z",
            "updated_at": "2026-01-02T03:04:05.678901Z",
        })
    };
    (0..ACCOUNTS).map(account).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_of_a_server_is_reached_as_the_server_is_but_without_tls() {
        let url = |server| beside(server, "accounts", "sslmode=disable").unwrap();
        assert_eq!(
            url("postgres://a:b@h:1/postgres"),
            "postgres://a:b@h:1/accounts?sslmode=disable"
        );
        assert_eq!(
            url("postgres://h/postgres?options=-c"),
            "postgres://h/accounts?sslmode=disable&options=-c"
        );
    }
}
