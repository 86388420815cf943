//! What is aimed at, and whether it was met.

use std::fmt::{self, Display};

use crate::rounds::Answer;
use crate::subjects::{FLOOR, GENERATED, GIN, Question, REDIS, TRACED, UNCACHED};
use crate::table::Outcomes;

/// A bound for something measured.
pub struct Target {
    subject: &'static str,
    of: Measured,
    pub aim: Bound,
}

enum Measured {
    /// One subject beside another one, both asked the same.
    Ratio(Metric, Question, &'static str),
    /// In milliseconds, from spawning it to the first 200.
    Start,
    /// In MiB, after the load.
    Resident,
}

enum Metric {
    Cpu,
    Throughput,
    P99,
}

pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

use Bound::{AtLeast, AtMost};
use Measured::{Ratio, Resident, Start};
use Metric::{Cpu, P99, Throughput};
use Question::{Cached, Health, Read};

pub const TARGETS: &[Target] = &[
    target(GENERATED, Ratio(Cpu, Health, FLOOR), AtMost(1.15)),
    target(UNCACHED, Ratio(Cpu, Read, FLOOR), AtMost(0.85)),
    target(GENERATED, Ratio(Cpu, Cached, FLOOR), AtMost(1.2)),
    target(GENERATED, Ratio(Cpu, Health, GIN), AtMost(0.55)),
    target(UNCACHED, Ratio(Cpu, Read, GIN), AtMost(0.65)),
    target(GENERATED, Ratio(Cpu, Cached, GIN), AtMost(0.6)),
    target(GENERATED, Ratio(Throughput, Health, GIN), AtLeast(1.7)),
    target(UNCACHED, Ratio(Throughput, Read, GIN), AtLeast(1.25)),
    target(GENERATED, Ratio(Throughput, Cached, GIN), AtLeast(1.6)),
    target(GENERATED, Ratio(P99, Health, GIN), AtMost(0.5)),
    target(UNCACHED, Ratio(P99, Read, GIN), AtMost(0.5)),
    target(GENERATED, Ratio(P99, Cached, GIN), AtMost(0.5)),
    target(REDIS, Ratio(Cpu, Cached, GENERATED), AtMost(1.6)),
    target(GENERATED, Start, AtMost(15.0)),
    target(GENERATED, Resident, AtMost(22.0)),
    target(UNCACHED, Resident, AtMost(22.0)),
    target(TRACED, Resident, AtMost(28.0)),
];

const fn target(subject: &'static str, of: Measured, aim: Bound) -> Target {
    Target { subject, of, aim }
}

impl Target {
    /// What was measured of it, if it was.
    pub fn measure(&self, outcomes: &Outcomes) -> Option<f64> {
        match &self.of {
            Ratio(metric, question, other) => {
                let of: fn(&Answer) -> f64 = match metric {
                    Cpu => |answer| answer.cpu,
                    Throughput => |answer| answer.requests_per_second,
                    P99 => |answer| answer.p99,
                };
                outcomes.ratio(self.subject, other, *question, of)
            }
            Start => outcomes.get(self.subject)?.start(),
            Resident => outcomes.get(self.subject)?.resident(),
        }
    }

    /// Whether it was met, or by how much it was missed.
    pub fn verdict(&self, measured: f64) -> String {
        let (aim, is_met) = match self.aim {
            AtMost(aim) => (aim, measured <= aim),
            AtLeast(aim) => (aim, measured >= aim),
        };
        match is_met {
            true => "met".to_owned(),
            false => format!("missed by {:.0} %", ((measured / aim) - 1.0).abs() * 100.0),
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject;
        match &self.of {
            Ratio(metric, question, other) => {
                let metric = match metric {
                    Cpu => "CPU",
                    Throughput => "requests/s",
                    P99 => "p99",
                };
                write!(f, "{question}: {metric} of {subject}, to {other}")
            }
            Start => write!(f, "start of {subject}, ms"),
            Resident => write!(f, "resident after load, {subject}, MiB"),
        }
    }
}

impl Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AtMost(aim) => write!(f, "≤ {aim}"),
            AtLeast(aim) => write!(f, "≥ {aim}"),
        }
    }
}
