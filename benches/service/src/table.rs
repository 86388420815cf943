//! What came of it, as Markdown: medians of the rounds, and ratios of two subjects, which are taken within a round first.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result, ensure};

use crate::builds;
use crate::rounds::{Answer, Outcome};
use crate::subjects::{FLOOR, GIN, QUESTIONS, Question};
use crate::targets::TARGETS;

/// What the tables stand between in a Markdown file.
const MARKS: [&str; 2] = ["<!-- service-bench -->\n", "<!-- /service-bench -->"];

/// The outcomes of all subjects.
pub struct Outcomes(pub Vec<Outcome>);

impl Outcomes {
    pub fn get(&self, subject: &str) -> Option<&Outcome> {
        self.0.iter().find(|outcome| outcome.name == subject)
    }

    /// The median of what was measured of a question.
    pub fn median(&self, subject: &str, question: Question, of: fn(&Answer) -> f64) -> Option<f64> {
        let answers = self.get(subject)?.answers.get(&question)?;
        median(answers.iter().map(of))
    }

    /// The median of the ratios of two subjects, each taken within one round. Reads from two databases have none: they are
    /// not the same work.
    pub fn ratio(
        &self,
        one: &str,
        other: &str,
        question: Question,
        of: fn(&Answer) -> f64,
    ) -> Option<f64> {
        let (one, other) = (self.get(one)?, self.get(other)?);
        if question == Question::Read && one.database != other.database {
            return None;
        }
        let (one, other) = (one.answers.get(&question)?, other.answers.get(&question)?);
        median(
            one.iter()
                .zip(other)
                .map(|(one, other)| of(one) / of(other)),
        )
    }

    /// All that was measured.
    pub fn tables(&self) -> Result<String> {
        let mut text = String::new();
        for question in QUESTIONS {
            self.write_answers(&mut text, question)?;
        }
        self.write_processes(&mut text)?;
        Ok(text)
    }

    fn write_answers(&self, text: &mut String, question: Question) -> Result<()> {
        writeln!(
            text,
            "| {question} | CPU, s per 100,000 | to the floor | to Gin | requests/s | p50, ms | p99, ms | p99.9, ms |"
        )?;
        writeln!(text, "|---|--:|--:|--:|--:|--:|--:|--:|")?;
        for outcome in &self.0 {
            let subject = &outcome.name;
            if !outcome.answers.contains_key(&question) {
                continue;
            }
            let median = |of, digits| cell(self.median(subject, question, of), digits);
            let ratio = |other| cell(self.ratio(subject, other, question, |answer| answer.cpu), 2);
            writeln!(
                text,
                "| {subject} | {} | {} | {} | {} | {} | {} | {} |",
                median(|answer| answer.cpu, 2),
                ratio(FLOOR),
                ratio(GIN),
                median(|answer| answer.requests_per_second, 0),
                median(|answer| answer.p50, 2),
                median(|answer| answer.p99, 2),
                median(|answer| answer.p999, 2),
            )?;
        }
        writeln!(text)?;
        Ok(())
    }

    fn write_processes(&self, text: &mut String) -> Result<()> {
        writeln!(
            text,
            "| process | start, ms | resident after load, MiB | at most, MiB | binary, MB |"
        )?;
        writeln!(text, "|---|--:|--:|--:|--:|")?;
        for outcome in &self.0 {
            let megabytes = outcome.bytes as f64 / 1e6;
            writeln!(
                text,
                "| {} | {} | {} | {} | {megabytes:.1} |",
                outcome.name,
                cell(outcome.start(), 1),
                cell(outcome.resident(), 1),
                cell(outcome.peak(), 1),
            )?;
        }
        writeln!(text)?;
        Ok(())
    }

    /// What was aimed at, and what was measured of it.
    pub fn targets(&self) -> Result<String> {
        let mut text = String::from("| target | aim | measured | |\n|---|--:|--:|---|\n");
        for target in TARGETS {
            let measured = target.measure(self);
            let verdict = measured.map_or("not measured".to_owned(), |measured| {
                target.verdict(measured)
            });
            writeln!(
                text,
                "| {target} | {} | {} | {verdict} |",
                target.aim,
                cell(measured, 2)
            )?;
        }
        Ok(text)
    }
}

impl Outcome {
    /// In milliseconds.
    pub fn start(&self) -> Option<f64> {
        median(self.starts.iter().copied())
    }

    /// In MiB.
    pub fn resident(&self) -> Option<f64> {
        median(self.memory.iter().map(|memory| memory.resident))
    }

    /// In MiB.
    fn peak(&self) -> Option<f64> {
        median(self.memory.iter().map(|memory| memory.peak))
    }
}

fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

/// The one in the middle, or the mean of the two there.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

/// Puts these lines between the marks of a Markdown file of the repository; without any it looks for the marks.
///
/// # Errors
///
/// It has no marks.
pub fn write(name: &str, lines: Option<&str>) -> Result<()> {
    let file = builds::root().join(name);
    let text = fs::read_to_string(&file)?;
    let text =
        put(&text, lines.unwrap_or("\n")).with_context(|| format!("`{name}` takes no tables"))?;
    if lines.is_some() {
        fs::write(&file, text)?;
    }
    Ok(())
}

/// A text with something else between the marks.
///
/// # Errors
///
/// It has no marks.
fn put(text: &str, between: &str) -> Result<String> {
    let [begin, end] = MARKS;
    let missing = || format!("there is no line `{}`", begin.trim());
    let (before, rest) = text.split_once(begin).with_context(missing)?;
    let (_, after) = rest
        .split_once(end)
        .with_context(|| format!("there is no line `{end}`"))?;
    ensure!(between.ends_with('\n'), "what is put there has no end");
    Ok(format!("{before}{begin}{between}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::servers::Kind;
    use crate::subjects::{self, GENERATED};

    fn answer(cpu: f64) -> Answer {
        Answer {
            requests_per_second: 1_000.0 / cpu,
            p50: 1.0,
            p99: 2.0,
            p999: 3.0,
            cpu,
        }
    }

    fn outcomes(of: &[(&str, &[f64])]) -> Outcomes {
        let outcome = |(name, cpu): &(&str, &[f64])| Outcome {
            name: (*name).to_owned(),
            database: Kind::Postgres,
            bytes: 1_000_000,
            answers: BTreeMap::from([(
                Question::Health,
                cpu.iter().copied().map(answer).collect(),
            )]),
            starts: vec![3.0],
            memory: Vec::new(),
        };
        Outcomes(of.iter().map(outcome).collect())
    }

    #[test]
    fn a_ratio_is_taken_within_a_round() {
        // The machine was twice as slow in the second round, and three times in the third.
        let outcomes = outcomes(&[(FLOOR, &[1.0, 2.0, 3.0]), (GENERATED, &[1.5, 3.0, 4.5])]);
        let ratio = outcomes.ratio(GENERATED, FLOOR, Question::Health, |answer| answer.cpu);
        assert_eq!(ratio, Some(1.5));
    }

    #[test]
    fn reads_from_two_databases_are_not_compared() {
        let mut outcomes = outcomes(&[(FLOOR, &[1.0]), ("sqlite+none+prometheus", &[2.0])]);
        for outcome in &mut outcomes.0 {
            let answers = outcome.answers[&Question::Health].clone();
            outcome.answers.insert(Question::Read, answers);
        }
        outcomes.0[1].database = Kind::Sqlite;
        let ratio = |question| {
            outcomes.ratio("sqlite+none+prometheus", FLOOR, question, |answer| {
                answer.cpu
            })
        };
        assert_eq!(
            (ratio(Question::Health), ratio(Question::Read)),
            (Some(2.0), None)
        );
    }

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median([9.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 9.0].into_iter()), Some(3.0));
        assert_eq!(median([].into_iter()), None);
    }

    #[test]
    fn the_tables_show_each_subject_and_by_how_much_a_target_is_missed() {
        let outcomes = outcomes(&[(FLOOR, &[2.0]), (GENERATED, &[4.6])]);
        let tables = outcomes.tables().unwrap() + &outcomes.targets().unwrap();
        let rows = [
            "| floor | 2.00 | 1.00 | – | 500 | 1.00 | 2.00 | 3.00 |",
            "| floor | 3.0 | – | – | 1.0 |",
            "| `/health`: CPU of postgres+memory+prometheus, to floor | ≤ 1.15 | 2.30 | missed by 100 % |",
            "| start of postgres+memory+prometheus, ms | ≤ 15 | 3.00 | met |",
            "| `/health`: CPU of postgres+memory+prometheus, to gin | ≤ 0.55 | – | not measured |",
        ];
        for row in rows {
            assert!(
                tables.contains(&format!("{row}\n")),
                "no `{row}` in:\n{tables}"
            );
        }
    }

    #[test]
    fn what_stands_between_the_marks_is_replaced_and_nothing_else() {
        let text = "a\n<!-- service-bench -->\nold\n<!-- /service-bench -->\nb\n";
        let new = "a\n<!-- service-bench -->\nnew\n<!-- /service-bench -->\nb\n";
        assert_eq!(put(text, "new\n").unwrap(), new);
        assert!(put("a\nb\n", "new\n").is_err());
    }

    #[test]
    fn every_target_is_of_subjects_that_are_asked_for_it() {
        let built = subjects::all();
        let outcome = |subject: subjects::Subject| {
            let answers = subject
                .questions()
                .iter()
                .map(|&question| (question, vec![answer(1.0)]));
            let memory = crate::process::Memory {
                resident: 1.0,
                peak: 1.0,
            };
            Outcome {
                answers: answers.collect(),
                database: subject.database(),
                name: subject.name,
                bytes: 1,
                starts: vec![1.0],
                memory: vec![memory],
            }
        };
        let outcomes = Outcomes(built.into_iter().map(outcome).collect());
        for target in TARGETS {
            assert!(target.measure(&outcomes).is_some(), "{target}");
        }
    }
}
