//! Which combinations of options there are to verify: all of them, or few that still have every two options together.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::core::preset::answer::{Answer, Combination};
use crate::core::preset::choice::{Choice, NONE};

/// Every combination; of a choice of many there is none, each option alone, and all of them together.
pub fn all(choices: &[Choice]) -> Vec<Combination> {
    choices
        .iter()
        .fold(vec![Combination::default()], with_choice)
}

/// Every combination, if there are no more of them than `limit`.
pub fn all_within(choices: &[Choice], limit: usize) -> Option<Vec<Combination>> {
    // Choices only ever add to their number, so that it is known before there are too many to hold.
    let mut combinations = vec![Combination::default()];
    for choice in choices {
        combinations = with_choice(combinations, choice);
        if combinations.len() > limit {
            return None;
        }
    }
    Some(combinations)
}

/// Every combination with these options, if there are no more of them than `limit`; see [`has`].
pub fn only(choices: &[Choice], only: &[(&str, &str)], limit: usize) -> Option<Vec<Combination>> {
    let mut combinations = vec![Combination::default()];
    for choice in choices {
        let of_choice = only.iter().filter(|(name, _)| *name == choice.name);
        let of_choice: Vec<_> = of_choice.copied().collect();
        combinations = with_choice(combinations, choice);
        combinations.retain(|combination| has(combination, &of_choice));
        if combinations.len() > limit {
            return None;
        }
    }
    Some(combinations)
}

/// Whether a combination has these options, pairs of a choice and an option; of one choice any of those named. `none` of
/// a choice of many is not an option of it, but that there is none.
pub fn has(combination: &Combination, only: &[(&str, &str)]) -> bool {
    let holds = |choice: &str, option: &str| match combination.get(choice) {
        Some(Answer::Many(options)) if options.is_empty() => option == NONE,
        None => option == NONE,
        Some(answer) => answer.options().contains(&option),
    };
    only.iter().all(|(choice, _)| {
        let mut of_choice = only.iter().filter(|(other, _)| other == choice);
        of_choice.any(|(choice, option)| holds(choice, option))
    })
}

/// These combinations with each alternative of one more choice.
fn with_choice(combinations: Vec<Combination>, choice: &Choice) -> Vec<Combination> {
    let with = |combination: Combination| {
        if !choice.applies(&combination) {
            return vec![combination];
        }
        let alternatives = choice.alternatives().into_iter();
        alternatives
            .map(|answer| combination.with(&choice.name, answer))
            .collect()
    };
    combinations.into_iter().flat_map(with).collect()
}

/// Combinations in which every two options of different choices stand together at least once, if they can: a covering
/// array of strength two. It is made greedily, one pair that is still missing and what goes best with it at a time,
/// which is near the smallest one and the same in every run (the idea is that of AETG: Cohen and others, "The AETG
/// System", 1997).
pub fn pairs(choices: &[Choice]) -> Vec<Combination> {
    let table = Table::new(choices);
    let mut missing: BTreeSet<[Place; 2]> = BTreeSet::new();
    // What a choice that seldom applies needs is no pair with each of the others, so each option is missing by itself.
    let mut alone: BTreeSet<Place> = BTreeSet::new();
    for first in 0..choices.len() {
        alone.extend(table.places(first));
        for second in first + 1..choices.len() {
            for one in table.places(first) {
                missing.extend(table.places(second).map(|other| [one, other]));
            }
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    while let Some(seed) = next_seed(&missing, &alone) {
        match table.row(&seed, &missing) {
            Some(row) => {
                missing.retain(|pair| !pair.iter().all(|place| row.has(*place)));
                alone.retain(|place| !row.has(*place));
                rows.push(row);
            }
            // The one does not apply with the other.
            None => match seed.as_slice() {
                [place] => drop(alone.remove(place)),
                [one, other, ..] => drop(missing.remove(&[*one, *other])),
                [] => break,
            },
        }
    }
    rows.sort();
    let combinations = rows.iter().map(|row| table.combination(row));
    let mut seen = BTreeSet::new();
    let mut different: Vec<Combination> = combinations
        .filter(|row| seen.insert(row.clone()))
        .collect();
    if different.is_empty() {
        different.push(Combination::default());
    }
    different
}

/// A choice and one of its alternatives, by their positions.
type Place = (usize, usize);

fn next_seed(missing: &BTreeSet<[Place; 2]>, alone: &BTreeSet<Place>) -> Option<Vec<Place>> {
    let pair = missing.first().map(|pair| pair.to_vec());
    pair.or_else(|| alone.first().map(|place| vec![*place]))
}

/// A combination being made: of each choice an alternative, or nothing if the choice does not apply or is still open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row(Vec<Option<usize>>);

impl Row {
    fn has(&self, (choice, alternative): Place) -> bool {
        self.0[choice] == Some(alternative)
    }
}

/// The choices with their alternatives.
struct Table<'c> {
    choices: &'c [Choice],
    alternatives: Vec<Vec<Answer>>,
}

impl Table<'_> {
    fn new(choices: &[Choice]) -> Table<'_> {
        Table {
            choices,
            alternatives: choices.iter().map(Choice::alternatives).collect(),
        }
    }

    fn places(&self, choice: usize) -> impl Iterator<Item = Place> + use<> {
        (0..self.alternatives[choice].len()).map(move |alternative| (choice, alternative))
    }

    fn combination(&self, row: &Row) -> Combination {
        let taken = row.0.iter().enumerate();
        let taken = taken.filter_map(|(choice, taken)| {
            let answer = self.alternatives[choice][(*taken)?].clone();
            Some((self.choices[choice].name.clone(), answer))
        });
        taken.collect()
    }

    fn applies(&self, choice: usize, row: &Row) -> bool {
        self.choices[choice].applies(&self.combination(row))
    }

    /// A row that has the seed and what goes best with it, if there can be one.
    fn row(&self, seed: &[Place], missing: &BTreeSet<[Place; 2]>) -> Option<Row> {
        // Only what the seed depends on can keep it from standing there, so that is found first.
        let mut needed = BTreeSet::new();
        seed.iter()
            .for_each(|(choice, _)| self.add_needed(*choice, &mut needed));
        let needed: Vec<usize> = needed.into_iter().collect();
        let mut row = Row(vec![None; self.choices.len()]);
        if !self.fill(&needed, seed, missing, &mut row) {
            return None;
        }
        for choice in 0..self.choices.len() {
            if !needed.contains(&choice) && self.applies(choice, &row) {
                let best = self.by_gain(choice, &row, missing).into_iter().next();
                row.0[choice] = best;
            }
        }
        Some(row)
    }

    /// Adds a choice, and those that it depends on.
    fn add_needed(&self, choice: usize, needed: &mut BTreeSet<usize>) {
        if needed.insert(choice) {
            for (name, _) in &self.choices[choice].when {
                if let Some(earlier) = self.choices.iter().position(|other| other.name == *name) {
                    self.add_needed(earlier, needed);
                }
            }
        }
    }

    /// Takes alternatives of these choices, in their order, so that all of the seed stands in the row.
    fn fill(
        &self,
        open: &[usize],
        seed: &[Place],
        missing: &BTreeSet<[Place; 2]>,
        row: &mut Row,
    ) -> bool {
        let Some((&choice, rest)) = open.split_first() else {
            return true;
        };
        let wanted = seed.iter().find(|(other, _)| *other == choice);
        let candidates = match (self.applies(choice, row), wanted) {
            (true, Some((_, wanted))) => vec![Some(*wanted)],
            (true, None) => self
                .by_gain(choice, row, missing)
                .into_iter()
                .map(Some)
                .collect(),
            (false, Some(_)) => Vec::new(),
            (false, None) => vec![None],
        };
        for candidate in candidates {
            row.0[choice] = candidate;
            if self.fill(rest, seed, missing, row) {
                return true;
            }
        }
        row.0[choice] = None;
        false
    }

    /// The alternatives of a choice, the one first that completes most pairs that are still missing. Of those that are
    /// equally good the one that a Latin square would have here: nothing but the choices decides, and squares of
    /// options are covered without waste.
    fn by_gain(&self, choice: usize, row: &Row, missing: &BTreeSet<[Place; 2]>) -> Vec<usize> {
        let gain = |alternative: usize| {
            let with = row.0.iter().enumerate().filter_map(|(other, taken)| {
                taken.map(|taken| pair((other, taken), (choice, alternative)))
            });
            with.filter(|pair| missing.contains(pair)).count()
        };
        let square: usize = row.0[..choice].iter().flatten().sum();
        let size = self.alternatives[choice].len();
        let mut by_gain: Vec<usize> = (0..size).collect();
        by_gain.sort_by_key(|alternative| {
            let distance = (alternative + size - square % size) % size;
            (Reverse(gain(*alternative)), distance)
        });
        by_gain
    }
}

fn pair(one: Place, other: Place) -> [Place; 2] {
    [one.min(other), one.max(other)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;
    use crate::core::preset::choice::{ChoiceOption, Kind, NO, YES};

    /// As many choices as there are numbers, each with so many options.
    fn choices(sizes: &[usize]) -> Vec<Choice> {
        let choice = |(index, size): (usize, &usize)| Choice {
            name: format!("c{index}"),
            options: (0..*size)
                .map(|option| ChoiceOption {
                    name: format!("o{option}"),
                    ..ChoiceOption::default()
                })
                .collect(),
            ..Choice::default()
        };
        sizes.iter().enumerate().map(choice).collect()
    }

    /// A choice of a kind, with so many options, that depends on an option of an earlier choice, or on nothing.
    fn choice(index: usize, (kind, size, when): (usize, usize, Option<usize>)) -> Choice {
        let option = |name: String| ChoiceOption {
            name,
            ..ChoiceOption::default()
        };
        let named = |prefix: String| {
            (0..size)
                .map(|at| option(format!("{prefix}o{at}")))
                .collect()
        };
        let (kind, options) = match kind {
            0 => (
                Kind::Flag,
                vec![option(YES.to_owned()), option(NO.to_owned())],
            ),
            1 => (Kind::Many, named(format!("c{index}"))),
            2 => (Kind::Text(Regex::new("").unwrap()), Vec::new()),
            _ => (Kind::One, named(String::new())),
        };
        let earlier = when.filter(|_| index > 0).map(|earlier| earlier % index);
        let any = [YES, "o0", "o2", "c0o1"].map(str::to_owned).to_vec();
        Choice {
            name: format!("c{index}"),
            kind,
            options,
            when: earlier
                .map(|earlier| (format!("c{earlier}"), any))
                .into_iter()
                .collect(),
            ..Choice::default()
        }
    }

    proptest! {
        #[test]
        fn every_two_options_that_can_stand_together_do_in_some_pair(
            choices in prop::collection::vec((0_usize..6, 1_usize..4, prop::option::of(0_usize..9)), 0..6),
        ) {
            let choices = choices.into_iter().enumerate();
            let choices: Vec<Choice> = choices.map(|(index, form)| choice(index, form)).collect();
            let rows = pairs(&choices);
            let all = all(&choices);
            for row in &rows {
                prop_assert!(all.contains(row));
            }
            for combination in &all {
                for (choice, one) in combination.iter() {
                    for (another, other) in combination.iter() {
                        let has_both = |row: &Combination| {
                            row.get(choice) == Some(one) && row.get(another) == Some(other)
                        };
                        prop_assert!(rows.iter().any(has_both));
                    }
                }
            }
            prop_assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len());
            // Neither does one stand twice, nor do two have one name.
            let names: BTreeSet<String> = all.iter().map(Combination::name).collect();
            prop_assert_eq!(names.len(), all.len());
        }
    }

    #[test]
    fn pairs_are_few() {
        assert_eq!(all(&choices(&[3, 3, 3])).len(), 27);
        assert_eq!(pairs(&choices(&[3, 3, 3])).len(), 9);
        // Of about a million.
        assert!(pairs(&choices(&[4; 10])).len() <= 36);
    }

    #[test]
    fn a_combination_is_called_after_what_it_has() {
        let choices = [
            choice(0, (3, 2, None)),
            choice(1, (0, 0, None)),
            choice(2, (1, 2, Some(1))),
        ];
        let named = |combinations: Vec<Combination>| {
            let names = combinations.iter().map(Combination::name);
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            named(all(&choices)),
            "o0+c1 o0+c1+c2o0 o0+c1+c2o1 o0+c1+c2o0+c2o1 o0 o1+c1 o1+c1+c2o0 o1+c1+c2o1 o1+c1+c2o0+c2o1 o1"
        );
    }

    #[test]
    fn a_preset_without_choices_has_one_combination() {
        assert_eq!(pairs(&[]), [Combination::default()]);
        assert_eq!(all(&[]), [Combination::default()]);
        assert_eq!(Combination::default().name(), "the base");
    }
}
