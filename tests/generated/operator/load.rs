//! The requests of a service under watch: of each kind a few, all the time, and many at once where it is to be full.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Request;

/// The time of a client between two requests.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a new account is asked for that nobody has asked for before.
const COLD: Duration = Duration::from_millis(250);

/// What a client sends to.
#[derive(Clone, Copy)]
pub struct Target {
    pub address: SocketAddr,
    pub path: &'static str,
}

impl Target {
    /// Reads, lists, writes and asks for what is wrong, until it is to stop. What comes of it is for others to tell.
    pub fn use_it(self, name: &str, stop: &AtomicBool) {
        let client = Client::new(self);
        let mut accounts: Vec<String> = Vec::new();
        for number in 0_usize.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let email = format!("{name}-{number}@example.com");
            let account = accounts.get(number % accounts.len().max(1)).cloned();
            let path = self.path;
            match (number % 10, account) {
                (0, _) | (_, None) => accounts.extend(client.create(&email)),
                (1, _) => drop(client.send("GET", &format!("{path}?limit=10"), None, None)),
                (2, Some(account)) => {
                    let version = client.send("GET", &account, None, None);
                    let version = version.and_then(|said| said["version"].as_u64());
                    let version = version.map(|version| format!("\"{version}\""));
                    let change = json!({"name": email});
                    client.send("PATCH", &account, version.as_deref(), Some(&change));
                }
                (3, _) if accounts.len() > 20 => {
                    client.send("DELETE", &accounts.swap_remove(0), None, None);
                }
                (4, _) => drop(client.send("GET", "/no/such/route", None, None)),
                (5, _) => drop(client.send("GET", &cold(path), None, None)),
                // An email that is none.
                (6, _) => drop(client.create(name)),
                (_, Some(account)) => drop(client.send("GET", &account, None, None)),
            }
            thread::sleep(PAUSE);
        }
    }

    /// Asks, with all others that do the same, for what is in no cache, and writes, without a pause.
    pub fn crowd(self, name: &str, stop: &AtomicBool) {
        let client = Client::new(self);
        for number in 0_usize.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            match number % 3 {
                0 => drop(client.send("GET", &cold(self.path), None, None)),
                _ => drop(client.create(&format!("{name}-{number}@example.com"))),
            }
            thread::sleep(PAUSE / 10);
        }
    }
}

/// An account that is not there, the same one for all who ask in the same moment.
fn cold(path: &str) -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let moment = since.unwrap().as_millis() / COLD.as_millis();
    format!("{path}/01900000-0000-7000-8000-{moment:012x}")
}

struct Client {
    target: Target,
    agent: Agent,
}

impl Client {
    fn new(target: Target) -> Client {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(5)))
            .build()
            .into();
        Client { target, agent }
    }

    /// Where a new account is served, if it was made.
    fn create(&self, email: &str) -> Option<String> {
        let body = json!({"email": email, "name": "Ada"});
        let made = self.send("POST", self.target.path, None, Some(&body))?;
        let id = made["id"].as_str()?;
        Some(format!("{}/{id}", self.target.path))
    }

    /// The JSON of the response, if there is any: faults are part of the plan.
    fn send(
        &self,
        method: &str,
        path: &str,
        version: Option<&str>,
        body: Option<&Value>,
    ) -> Option<Value> {
        let url = format!("http://{}{path}", self.target.address);
        let mut request = Request::builder().method(method).uri(url);
        if let Some(version) = version {
            request = request.header("if-match", version);
        }
        let response = match body {
            None => self.agent.run(request.body(()).unwrap()),
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body.to_string()).unwrap())
            }
        };
        let text = response.ok()?.body_mut().read_to_string().ok()?;
        serde_json::from_str(&text).ok()
    }
}
