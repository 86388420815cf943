//! Clients that remember what they were told, and hold the service to it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::iter::Sum;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Request;

use crate::service::Answer;

/// About as many accounts has each client at once.
const ACCOUNTS: usize = 30;

/// Within this, whatever the fault was, a write is acknowledged again.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(50);

/// An account as it is served, or that there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Absent,
    Is { version: u64, name: String },
}

impl State {
    fn of(item: &Value) -> State {
        State::Is {
            version: item["version"].as_u64().unwrap(),
            name: item["name"].as_str().unwrap().to_owned(),
        }
    }
}

/// All that is served, by email.
pub type Listed = BTreeMap<String, State>;

/// An account that one client writes.
struct Account {
    email: String,
    /// Where it is served, once that was told.
    location: Option<String>,
    /// What the last write that was acknowledged made of it, and what those may have made of it that were not.
    may_be: Vec<State>,
}

impl Account {
    #[track_caller]
    fn check(&self, state: &State) {
        let (email, may_be) = (&self.email, &self.may_be);
        assert!(
            may_be.contains(state),
            "`{email}` is {state:?}, and may be {may_be:?}"
        );
    }
}

/// What came of requests.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    pub requests: u64,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Responses with 503 or 504.
    pub refused: u64,
    /// Requests that got no response.
    pub unanswered: u64,
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(counts: I) -> Counts {
        counts.fold(Counts::default(), |one, other| Counts {
            requests: one.requests + other.requests,
            acknowledged: one.acknowledged + other.acknowledged,
            refused: one.refused + other.refused,
            unanswered: one.unanswered + other.unanswered,
        })
    }
}

/// A client that keeps its connection.
pub struct Client {
    name: String,
    address: SocketAddr,
    path: &'static str,
    agent: Agent,
    random: u64,
    /// How many things of its own it has named.
    named: u64,
    accounts: Vec<Account>,
    /// Accounts that are left alone, since a write may still come to them.
    left: Vec<Account>,
    /// Where its walk through the pages goes on.
    page: String,
    pub counts: Counts,
}

impl Client {
    pub fn new(name: &str, address: SocketAddr, path: &'static str) -> Client {
        Client {
            name: name.to_owned(),
            address,
            path,
            agent: agent(),
            random: name
                .bytes()
                .fold(1, |seed, byte| seed * 31 + u64::from(byte)),
            named: 0,
            accounts: Vec::new(),
            left: Vec::new(),
            page: format!("{path}?limit=100"),
            counts: Counts::default(),
        }
    }

    /// Reads, lists and writes until it is to stop.
    pub fn work(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            match self.dice(20) {
                0..10 => self.read_one(),
                10..12 => self.list_a_page(),
                12..15 => self.change_one(),
                15 => self.ask_for_nothing(),
                _ if self.dice(2 * ACCOUNTS) < self.accounts.len() => self.delete_one(),
                16 => self.create_at_last(),
                _ => self.create_one(),
            }
        }
        // Its connection goes with the old one.
        self.agent = agent();
    }

    /// Sends half a request, goes away before the response, or is slow, until it is to stop.
    pub fn be_rude(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let mut account = self.new_account();
            let (first, second) = self.halves(&account.email);
            self.counts.requests += 1;
            match self.dice(3) {
                // Half a request makes nothing.
                0 => drop(self.say(&[&first])),
                1 => {
                    let _ = self.say(&[&first, &second]);
                    account.may_be.push(self.made());
                    self.left.push(account);
                }
                _ => {
                    let said = self.say(&[&first, "", "", &second]);
                    let said = said.and_then(|mut stream| {
                        let mut answer = String::new();
                        stream.read_to_string(&mut answer)?;
                        Ok(answer)
                    });
                    match said {
                        Ok(answer) if answer.starts_with("HTTP/1.1 201 ") => {
                            self.counts.acknowledged += 1;
                            account.may_be = vec![self.made()];
                        }
                        Ok(answer) if !is_refused(&answer) && !answer.is_empty() => {
                            panic!("{answer}")
                        }
                        _ => account.may_be.push(self.made()),
                    }
                    self.left.push(account);
                }
            }
        }
    }

    /// Says one part after the other on a connection of their own.
    fn say(&self, parts: &[&str]) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        for part in parts {
            stream.write_all(part.as_bytes())?;
            thread::sleep(PAUSE);
        }
        Ok(stream)
    }

    /// A request that creates an account, in two parts.
    fn halves(&self, email: &str) -> (String, String) {
        let body = self.body(email).to_string();
        let (first, second) = body.split_at(body.len() / 2);
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.path,
            body.len()
        );
        (head + first, second.to_owned())
    }

    fn create_one(&mut self) {
        let account = self.new_account();
        let body = self.body(&account.email);
        let answer = self.ask("POST", self.path, &[], Some(&body));
        self.created(account, answer);
    }

    /// Creates an account with a key, as often as it takes.
    pub fn create_at_last(&mut self) {
        let account = self.new_account();
        let body = self.body(&account.email);
        let key = account.email.clone();
        let since = Instant::now();
        let answer = loop {
            let answer = self.ask("POST", self.path, &[("idempotency-key", &key)], Some(&body));
            // It may find its predecessor still under way.
            if let Some(answer) = answer.filter(|answer| answer.status != 409) {
                break answer;
            }
            let time = since.elapsed();
            assert!(time < PATIENCE, "no write was acknowledged for {time:?}");
        };
        self.created(account, Some(answer));
    }

    fn created(&mut self, mut account: Account, answer: Option<Answer>) {
        let Some(answer) = answer else {
            account.may_be.push(self.made());
            return self.left.push(account);
        };
        let answer = answer.expect(201);
        self.counts.acknowledged += 1;
        account.location = Some(answer.header("location").to_owned());
        account.may_be = vec![State::of(&answer.json())];
        account.check(&self.made());
        self.accounts.push(account);
    }

    fn read_one(&mut self) {
        if let Some(account) = self.take_one() {
            self.read(&account);
            self.accounts.push(account);
        }
    }

    fn change_one(&mut self) {
        let Some(mut account) = self.take_one() else {
            return;
        };
        if let Some(State::Is { version: seen, .. }) = self.read(&account) {
            self.named += 1;
            let name = format!("{} {}", self.name, self.named);
            let changed = State::Is {
                version: seen + 1,
                name: name.clone(),
            };
            let version = [("if-match", format!("\"{seen}\""))];
            let version = version
                .each_ref()
                .map(|(name, value)| (*name, value.as_str()));
            let location = account.location.clone().unwrap();
            match self.ask("PATCH", &location, &version, Some(&json!({"name": name}))) {
                None => account.may_be.push(changed),
                // One that was not acknowledged came first.
                Some(answer) if answer.status == 412 => assert!(account.may_be.len() > 1),
                Some(answer) => {
                    assert_eq!(State::of(&answer.expect(200).json()), changed);
                    self.counts.acknowledged += 1;
                    account.may_be = vec![changed];
                }
            }
        }
        self.accounts.push(account);
    }

    fn delete_one(&mut self) {
        let Some(mut account) = self.take_one() else {
            return;
        };
        let location = account.location.clone().unwrap();
        match self.ask("DELETE", &location, &[], None) {
            None => {
                account.may_be.push(State::Absent);
                self.left.push(account);
            }
            Some(answer) => {
                answer.expect(204);
                self.counts.acknowledged += 1;
                account.may_be = vec![State::Absent];
                // At once, while a cache may still have it.
                self.read(&account);
            }
        }
    }

    fn list_a_page(&mut self) {
        let Some(answer) = self.ask("GET", &self.page.clone(), &[], None) else {
            return;
        };
        let (items, next) = page(&answer.expect(200).json());
        for account in &self.accounts {
            if let Some(state) = items.get(&account.email) {
                account.check(state);
            }
        }
        let cursor = next.map_or_else(String::new, |next| format!("&cursor={next}"));
        self.page = format!("{}?limit=100{cursor}", self.path);
    }

    /// Asks with a path, an id or a method that is new each time and does not exist.
    fn ask_for_nothing(&mut self) {
        self.named += 1;
        let (name, named) = (&self.name, self.named);
        let paths = [
            format!("/{name}/{named}"),
            format!("{}/{name}-{named}", self.path),
        ];
        let method = format!("{}{named}", self.name.to_uppercase());
        let asked = match self.dice(3) {
            0 => self.ask("GET", &paths[0], &[], None),
            1 => self.ask("GET", &paths[1], &[], None),
            _ => self.ask(&method, self.path, &[], None),
        };
        if let Some(answer) = asked {
            assert!(matches!(answer.status, 400 | 404 | 405), "{}", answer.body);
        }
    }

    /// Reads an account: nothing if that was refused.
    fn read(&mut self, account: &Account) -> Option<State> {
        let location = account.location.as_ref()?;
        let answer = self.ask("GET", location, &[], None)?;
        let state = match answer.status {
            404 => State::Absent,
            _ => State::of(&answer.expect(200).json()),
        };
        account.check(&state);
        Some(state)
    }

    /// Checks all that it knows against what is listed, and takes that from there.
    pub fn check(&mut self, listed: &mut Listed) {
        for account in self
            .accounts
            .drain(..)
            .chain(self.left.drain(..))
            .collect::<Vec<_>>()
        {
            let state = listed.remove(&account.email).unwrap_or(State::Absent);
            account.check(&state);
            if account.location.is_some() {
                assert_eq!(self.read(&account), Some(state), "`{}`", account.email);
            }
        }
    }

    /// All that is served.
    pub fn list(&mut self) -> Listed {
        let (mut listed, mut cursor) = (Listed::new(), String::new());
        loop {
            let page_path = format!("{}?limit=100{cursor}", self.path);
            let answer = self.ask("GET", &page_path, &[], None).expect("a page");
            let (items, next) = page(&answer.expect(200).json());
            listed.extend(items);
            match next {
                None => return listed,
                Some(next) => cursor = format!("&cursor={next}"),
            }
        }
    }

    /// The response, unless there is none or it is a 503 or a 504.
    fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Option<Answer> {
        self.counts.requests += 1;
        let url = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            None => self.agent.run(request.body(()).unwrap()),
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body.to_string()).unwrap())
            }
        };
        match Answer::try_from(answer, &format!("{method} {path}")) {
            Err(_) => self.counts.unanswered += 1,
            Ok(answer) if matches!(answer.status, 503 | 504) => self.counts.refused += 1,
            Ok(answer) => {
                assert_ne!(answer.status, 500, "{method} {path}: {}", answer.body);
                return Some(answer);
            }
        }
        thread::sleep(PAUSE);
        None
    }

    fn new_account(&mut self) -> Account {
        self.named += 1;
        Account {
            email: format!("{}-{}@example.com", self.name, self.named),
            location: None,
            may_be: vec![State::Absent],
        }
    }

    fn body(&self, email: &str) -> Value {
        json!({"email": email, "name": self.name})
    }

    /// What a request with that body makes.
    fn made(&self) -> State {
        State::Is {
            version: 1,
            name: self.name.clone(),
        }
    }

    fn take_one(&mut self) -> Option<Account> {
        let count = self.accounts.len();
        (count > 0).then(|| {
            let index = self.dice(count);
            self.accounts.swap_remove(index)
        })
    }

    /// A number below `sides` (xorshift, by Marsaglia).
    fn dice(&mut self, sides: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % sides as u64) as usize
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(PATIENCE))
        .build()
        .into()
}

/// What is on a page, and where to go on.
fn page(body: &Value) -> (Listed, Option<String>) {
    let items = body["items"].as_array().unwrap().iter();
    let items = items.map(|item| (item["email"].as_str().unwrap().to_owned(), State::of(item)));
    (items.collect(), body["next"].as_str().map(str::to_owned))
}

fn is_refused(answer: &str) -> bool {
    ["HTTP/1.1 503 ", "HTTP/1.1 504 "]
        .iter()
        .any(|refused| answer.starts_with(refused))
}
