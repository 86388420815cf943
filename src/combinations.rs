//! Which combinations of options there are to verify: all of them, or few that still have every two options together.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::preset::Choice;

/// One option of each choice, in the order of the choices.
pub type Combination = Vec<(String, String)>;

/// Every combination.
pub fn all(choices: &[Choice]) -> Vec<Combination> {
    choices
        .iter()
        .fold(vec![Vec::new()], |combinations, choice| {
            let with = |combination: &Combination| {
                let options = choice
                    .options
                    .iter()
                    .map(|option| (choice.name.clone(), option.name.clone()));
                options
                    .map(|option| [combination.clone(), vec![option]].concat())
                    .collect::<Vec<_>>()
            };
            combinations.iter().flat_map(with).collect()
        })
}

/// Combinations in which every two options of different choices stand together at least once: a covering array of
/// strength two. It is made greedily, one pair that is still missing and what goes best with it at a time, which is
/// near the smallest one and the same in every run (the idea is that of AETG: Cohen and others, "The AETG System", 1997).
pub fn pairs(choices: &[Choice]) -> Vec<Combination> {
    let options = |choice: usize| 0..choices[choice].options.len();
    let mut missing: BTreeSet<[Place; 2]> = BTreeSet::new();
    for first in 0..choices.len() {
        for second in first + 1..choices.len() {
            missing.extend(
                options(first).flat_map(|one| {
                    options(second).map(move |other| [(first, one), (second, other)])
                }),
            );
        }
    }
    // One choice has no pairs, and none has no options.
    if choices.len() < 2 {
        return all(choices);
    }
    let mut rows: Vec<Vec<usize>> = Vec::new();
    while let Some(&seed) = missing.first() {
        let mut row: Vec<Option<usize>> = vec![None; choices.len()];
        for (choice, option) in seed {
            row[choice] = Some(option);
        }
        for choice in 0..choices.len() {
            if row[choice].is_none() {
                let gain = |option: &usize| {
                    let with = row.iter().enumerate().filter_map(|(other, taken)| {
                        taken.map(|taken| pair((other, taken), (choice, *option)))
                    });
                    with.filter(|pair| missing.contains(pair)).count()
                };
                // Of those that are equally good the one that a Latin square would have here: nothing but the
                // choices decides, and squares of options are covered without waste.
                let square: usize = row[..choice].iter().flatten().sum();
                let size = choices[choice].options.len();
                let best = options(choice).max_by_key(|option| {
                    (
                        gain(option),
                        Reverse((option + size - square % size) % size),
                    )
                });
                row[choice] = best;
            }
        }
        let row: Vec<usize> = row.into_iter().flatten().collect();
        let places: Vec<Place> = row.iter().copied().enumerate().collect();
        missing.retain(|pair| !pair.iter().all(|place| places.contains(place)));
        rows.push(row);
    }
    rows.sort();
    let named = |row: Vec<usize>| {
        let options = choices.iter().zip(row);
        options
            .map(|(choice, option)| (choice.name.clone(), choice.options[option].name.clone()))
            .collect()
    };
    rows.into_iter().map(named).collect()
}

/// A choice and one of its options, by their positions.
type Place = (usize, usize);

fn pair(one: Place, other: Place) -> [Place; 2] {
    [one.min(other), one.max(other)]
}

/// Its options, as tables and test names show them: `sqlite+memory+logs`.
pub fn name(combination: &[(String, String)]) -> String {
    let options: Vec<&str> = combination
        .iter()
        .map(|(_, option)| option.as_str())
        .collect();
    match options.as_slice() {
        [] => "the base".to_owned(),
        options => options.join("+"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::preset::ChoiceOption;

    /// As many choices as there are numbers, each with so many options.
    fn choices(sizes: &[usize]) -> Vec<Choice> {
        let choice = |(index, size): (usize, &usize)| Choice {
            name: format!("c{index}"),
            prompt: String::new(),
            default: "o0".to_owned(),
            options: (0..*size)
                .map(|option| ChoiceOption {
                    name: format!("o{option}"),
                    ..ChoiceOption::default()
                })
                .collect(),
        };
        sizes.iter().enumerate().map(choice).collect()
    }

    proptest! {
        #[test]
        fn every_two_options_stand_together_in_some_pair(
            sizes in prop::collection::vec(1_usize..5, 0..7),
        ) {
            let choices = choices(&sizes);
            let rows = pairs(&choices);
            let all = all(&choices);
            for row in &rows {
                prop_assert!(all.contains(row));
            }
            for combination in &all {
                for one in combination {
                    for other in combination {
                        prop_assert!(rows.iter().any(|row| row.contains(one) && row.contains(other)));
                    }
                }
            }
            prop_assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len());
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
    fn a_preset_without_choices_has_one_combination() {
        assert_eq!(pairs(&[]), [Combination::new()]);
        assert_eq!(all(&[]), [Combination::new()]);
        assert_eq!(name(&[]), "the base");
    }
}
