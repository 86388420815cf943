//! The servers of a project's options: what a service is told of them, and a database there that it has to itself.

use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use scaffold::core::preset::Server;
use ureq::http::Uri;

use crate::project::run;

/// What a running service uses of its servers. It goes away with this value.
#[derive(Default)]
pub struct Servers {
    variables: Vec<(&'static str, String)>,
    database: Option<Database>,
}

impl Servers {
    /// A database of its own for a service of these servers; a cache needs none, because ids are never used twice.
    pub fn new(servers: &[Server]) -> Servers {
        let mut used = Servers::default();
        for server in servers {
            let url = env::var(&server.variable).unwrap_or_else(|_| server.default.clone());
            if server.variable == "TEST_REDIS_URL" {
                used.variables.push(("REDIS_URL", url));
                continue;
            }
            let database = Database::create(&url);
            let variables = [
                ("DATABASE_URL", database.url.as_str()),
                ("DATABASE_MIGRATE", "true"),
            ];
            let variables = variables.map(|(name, value)| (name, value.to_owned()));
            used.variables.extend(variables);
            used.database = Some(database);
        }
        used
    }

    /// The database, unless it is a file of the service's own.
    pub fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// The value of one of the variables that lead to them.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables()
            .find_map(|(other, value)| (other == name).then_some(value))
    }

    /// The variables that lead to them.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }
}

/// A database on a server, made and dropped with the server's own client.
pub struct Database {
    server: String,
    pub name: String,
    pub url: String,
}

impl Database {
    fn create(server: &str) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("scaffold_{}_{count}", std::process::id());
        let uri: Uri = server.parse().expect("the URL of a server");
        let (scheme, authority) = (uri.scheme_str().unwrap(), uri.authority().unwrap());
        let query = uri
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        let database = Database {
            server: server.to_owned(),
            url: format!("{scheme}://{authority}/{name}{query}"),
            name,
        };
        run(&mut database.client(&format!("CREATE DATABASE {}", database.name)));
        database
    }

    /// The command that has the server do something. It prints rows without a head, their fields apart by tabs.
    pub fn client(&self, sql: &str) -> Command {
        let mut client = self.program();
        let command = match self.is_mysql() {
            true => "--execute",
            false => "--command",
        };
        client.args([command, sql]);
        client
    }

    /// The command that does in this database what it reads, a line after the other.
    pub fn session(&self) -> Command {
        let mut client = self.program();
        match self.is_mysql() {
            true => client.args(["--unbuffered", &self.name]),
            false => client.args(["--dbname", &self.url]),
        };
        client
    }

    fn is_mysql(&self) -> bool {
        self.server.starts_with("mysql:")
    }

    fn program(&self) -> Command {
        let uri: Uri = self.server.parse().unwrap();
        if self.is_mysql() {
            let authority = uri.authority().unwrap().as_str();
            let user = authority.split_once('@').map_or("root", |(user, _)| user);
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            let mut client = Command::new("mariadb");
            client
                .env("MYSQL_PWD", password)
                .args(["--protocol=tcp", "--user", user])
                .args(["--host", uri.host().unwrap()])
                .args(["--port", &uri.port_u16().unwrap_or(3306).to_string()])
                .args(["--batch", "--skip-column-names"]);
            return client;
        }
        let mut client = Command::new("psql");
        client
            .args(["--quiet", "--no-psqlrc", "--tuples-only", "--no-align"])
            .args(["--field-separator", "\t", "--dbname", &self.server]);
        client
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A pooler may still be connected.
        let force = match self.is_mysql() {
            true => "",
            false => " WITH (FORCE)",
        };
        // One that stays does no harm, and a test that failed has something better to say.
        let _ = self
            .client(&format!("DROP DATABASE {}{force}", self.name))
            .output();
    }
}
