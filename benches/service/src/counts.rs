//! What a request costs in instructions and in system calls. Both hardly depend on what else the machine does, so that a
//! bound can be held against them.
//!
//! callgrind counts the instructions of all threads in user space, on a processor that is always the same. strace counts
//! the system calls. One client asks, on one connection, for the next response after each.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::builds::{self, Built};
use crate::collector::Collector;
use crate::process::output;
use crate::rounds::Stage;
use crate::subjects::{self, FLOOR, GENERATED, Question, UNCACHED};

/// Requests that are counted.
const REQUESTS: u32 = 1_000;

/// Requests before those: connections are made, buffers grow to their size.
const WARM_UP: u32 = 200;

/// The most that a request may cost.
struct Bound {
    subject: &'static str,
    question: Question,
    /// A tenth more than was counted when it was set, since a compiler and its libraries change.
    instructions: f64,
    system_calls: f64,
}

const BOUNDS: &[Bound] = &[
    Bound {
        subject: GENERATED,
        question: Question::Health,
        instructions: 37_500.0,
        system_calls: 2.2,
    },
    Bound {
        subject: GENERATED,
        question: Question::Cached,
        instructions: 50_500.0,
        system_calls: 2.2,
    },
    Bound {
        subject: UNCACHED,
        question: Question::Read,
        instructions: 75_000.0,
        system_calls: 4.5,
    },
];

/// Counts the instructions and the system calls of a request.
///
/// It passes if none of them are more than they may be.
#[derive(clap::Args)]
pub struct Counts {
    /// Show the counts of the floor beside them, which takes one more build
    #[arg(long)]
    floor: bool,
}

impl Counts {
    /// Whether it passes.
    pub fn run(&self) -> Result<bool> {
        let schema = builds::schema()?;
        let directory = tempfile::tempdir()?;
        let collector = Collector::start()?;
        let is_counted =
            |name: &str| [GENERATED, UNCACHED].contains(&name) || (self.floor && name == FLOOR);
        let subjects = subjects::all().into_iter();
        let subjects = subjects.filter(|subject| is_counted(&subject.name));
        let built = subjects
            .map(builds::build)
            .collect::<Result<Vec<Built>>>()?;
        let mut counted = Vec::new();
        for (number, built) in built.iter().enumerate() {
            let stage = Stage::set(built, number, &schema, &collector, directory.path())?;
            let of_stage = count(&stage, directory.path());
            let name = &built.subject.name;
            counted.push(of_stage.with_context(|| format!("`{name}` was not counted"))?);
        }
        let counted: Vec<Count> = counted.into_iter().flatten().collect();
        print!("{}", table(&counted));
        Ok(bounds(&counted).all(|(count, bound)| count.is_within(bound)))
    }
}

/// What a request costs.
struct Count {
    subject: String,
    question: Question,
    instructions: f64,
    system_calls: f64,
}

impl Count {
    fn is_within(&self, bound: &Bound) -> bool {
        self.instructions <= bound.instructions && self.system_calls <= bound.system_calls
    }
}

/// Counts with their bounds.
fn bounds(counted: &[Count]) -> impl Iterator<Item = (&Count, &'static Bound)> {
    BOUNDS.iter().filter_map(|bound| {
        let of_bound =
            |count: &&Count| count.subject == bound.subject && count.question == bound.question;
        Some((counted.iter().find(of_bound)?, bound))
    })
}

fn table(counted: &[Count]) -> String {
    let mut text = String::from(
        "| a request | instructions | at most | of the floor | system calls | at most | of the floor |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    );
    for (count, bound) in bounds(counted) {
        let of_floor = |floor: &&Count| floor.subject == FLOOR && floor.question == count.question;
        let floor = counted.iter().find(of_floor);
        let of_floor = |value: &dyn Fn(&Count) -> String| floor.map_or("-".to_owned(), value);
        text += &format!(
            "| {}, {} | {:.0} | {:.0} | {} | {:.2} | {:.2} | {} |\n",
            count.question,
            count.subject,
            count.instructions,
            bound.instructions,
            of_floor(&|floor| format!("{:.0}", floor.instructions)),
            count.system_calls,
            bound.system_calls,
            of_floor(&|floor| format!("{:.2}", floor.system_calls)),
        );
    }
    text
}

/// Counts all questions of a subject.
fn count(stage: &Stage, directory: &Path) -> Result<Vec<Count>> {
    let instructions = instructions(stage, directory)?;
    let system_calls = system_calls(stage, directory)?;
    let questions = stage.subject.questions().iter();
    let counts = questions.zip(instructions).zip(system_calls);
    let counts = counts.map(|((&question, instructions), system_calls)| Count {
        subject: stage.subject.name.clone(),
        question,
        instructions,
        system_calls,
    });
    Ok(counts.collect())
}

/// Those of a request in user space, by question.
fn instructions(stage: &Stage, directory: &Path) -> Result<Vec<f64>> {
    let dumps = directory.join(format!("{}.callgrind", stage.subject.name));
    let pipes = format!("--vgdb-prefix={}", directory.join("vgdb").display());
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--quiet", "--tool=callgrind", &pipes])
        .arg(format!("--callgrind-out-file={}", dumps.display()))
        .arg(stage.program);
    let process = stage.start_with(valgrind)?;
    // Writes what was counted since the last time, and counts from 0 again.
    let mut number = 0;
    let mut dump = || -> Result<f64> {
        number += 1;
        let mut vgdb = Command::new("vgdb");
        vgdb.args([&pipes, &format!("--pid={}", process.pid()), "dump"]);
        output(&mut vgdb)?;
        total(&fs::read_to_string(format!(
            "{}.{number}",
            dumps.display()
        ))?)
    };
    let questions = stage.subject.questions().iter();
    let counts = questions.map(|&question| {
        let path = stage.path(question);
        let mut client = Client::connect(process.address)?;
        client.ask(&path, WARM_UP)?;
        dump()?;
        client.ask(&path, REQUESTS)?;
        Ok(dump()? / f64::from(REQUESTS))
    });
    counts.collect()
}

/// What callgrind has counted in all.
fn total(dump: &str) -> Result<f64> {
    let line = dump.lines().find_map(|line| line.strip_prefix("summary:"));
    let total = line.and_then(|number| number.trim().parse().ok());
    total.context("callgrind does not say how much it counted")
}

/// Those of a request, by question.
fn system_calls(stage: &Stage, directory: &Path) -> Result<Vec<f64>> {
    let list = directory.join(format!("{}.strace", stage.subject.name));
    let mut strace = Command::new("strace");
    // With the service as the child, so that it ends with this process.
    strace
        .args(["-D", "-f", "-qq", "-o"])
        .arg(&list)
        .arg(stage.program);
    let process = stage.start_with(strace)?;
    let made = || anyhow::Ok(calls(&fs::read_to_string(&list)?));
    let questions = stage.subject.questions().iter();
    let counts = questions.map(|&question| {
        let path = stage.path(question);
        let mut client = Client::connect(process.address)?;
        client.ask(&path, WARM_UP)?;
        let before = made()?;
        client.ask(&path, REQUESTS)?;
        Ok((made()? - before) as f64 / f64::from(REQUESTS))
    });
    counts.collect()
}

/// How many calls strace has listed: a line each, and one more where the call of another thread came in between. How often
/// threads wait for each other, or for anything to do, depends on what else the machine does.
fn calls(list: &str) -> usize {
    let is_call = |line: &&str| {
        let waits = ["futex(", "epoll_wait(", "sched_yield("];
        line.contains('(')
            && !line.contains(" resumed>")
            && !waits.iter().any(|wait| line.contains(wait))
    };
    list.lines().filter(is_call).count()
}

/// One connection that is kept.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Result<Client> {
        Ok(Client(BufReader::new(TcpStream::connect(address)?)))
    }

    /// Asks so many times.
    fn ask(&mut self, path: &str, times: u32) -> Result<()> {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: counts\r\n\r\n");
        for _ in 0..times {
            self.0.get_mut().write_all(request.as_bytes())?;
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            ensure!(line.starts_with("HTTP/1.1 200 "), "`{path}`: {line}");
            let mut length = 0;
            while line.trim_end() != "" {
                line.clear();
                self.0.read_line(&mut line)?;
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse()?;
                }
            }
            let mut body = vec![0; length];
            self.0.read_exact(&mut body)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_listed_in_two_lines_is_one_and_a_wait_is_none() {
        let list = "12 read(3, \"a\", 1) = 1\n\
                    12 recvfrom(4,  <unfinished ...>\n\
                    13 futex(0x1, FUTEX_WAKE_PRIVATE, 1) = 0\n\
                    12 <... recvfrom resumed>\"a\", 5, 0, NULL, NULL) = 1\n\
                    13 +++ exited with 0 +++\n";
        assert_eq!(calls(list), 2);
    }

    #[test]
    fn the_sum_of_callgrind_is_read() {
        assert_eq!(total("events: Ir\nsummary: 1234\n").unwrap(), 1234.0);
        assert!(total("events: Ir\n").is_err());
    }
}
