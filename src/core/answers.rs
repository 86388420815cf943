//! What was asked and answered: what a rendering starts from.

use crate::core::names::{ProjectName, ResourceName};
use crate::core::preset::answer::{Answer, Combination};
use crate::core::preset::{Choice, Preset};
use crate::core::problem::{Problem, list};

/// A project's name, an answer to every choice of a preset that applies, and what the project serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    name: ProjectName,
    choices: Combination,
    resources: Vec<ResourceName>,
}

impl Answers {
    /// Accepts answers to the choices of a preset, or refuses them: each choice that applies has one that it can take, and
    /// no other choice has any.
    pub fn new(
        preset: &Preset,
        name: ProjectName,
        choices: Combination,
        mut resources: Vec<ResourceName>,
    ) -> Result<Answers, Problem> {
        if let Some((stranger, _)) = choices.iter().find(|it| preset.choice(it.0).is_none()) {
            let known = list(preset.choices.iter().map(|choice| &choice.name));
            let what = format!("`{}` has no choice `{stranger}`", preset.name);
            return Err(Problem::refusal(what).help(format!("its choices are {known}")));
        }
        for choice in &preset.choices {
            let given = choices.get(&choice.name);
            match (choice.applies(&choices), given) {
                (true, Some(answer)) => choice.check(answer)?,
                (false, None) => {}
                (true, None) => {
                    let what = format!("there is no answer to `{}`", choice.name);
                    return Err(Problem::refusal(what).help(choice.expected()));
                }
                (false, Some(_)) => return Err(choice.does_not_apply()),
            }
        }
        // By their names, so that where one stands does not depend on when it came.
        resources.sort_by_key(ResourceName::path);
        Ok(Answers {
            name,
            choices,
            resources,
        })
    }

    /// The answers of a project that nobody keeps, for the sake of some options. Its texts are the defaults, and what else
    /// is open stays so.
    pub fn sample(preset: &Preset, options: &Combination) -> Answers {
        let answer = |choice: &Choice| {
            let default = || choice.is_text() && choice.applies(options);
            let answer = options.get(&choice.name).cloned();
            let answer = answer.or_else(|| default().then(|| choice.default.clone()));
            Some((choice.name.clone(), answer?))
        };
        Answers {
            name: ProjectName::sample(),
            choices: preset.choices.iter().filter_map(answer).collect(),
            resources: vec![ResourceName::sample()],
        }
    }

    /// The same with another text.
    pub fn with_text(&self, choice: &str, text: &str) -> Answers {
        let answers = self.choices.iter().map(|(name, answer)| {
            let answer = match answer {
                Answer::Text(_) if name == choice => Answer::Text(text.to_owned()),
                answer => answer.clone(),
            };
            (name.to_owned(), answer)
        });
        Answers {
            choices: answers.collect(),
            ..self.clone()
        }
    }

    /// The same for another preset, which has other choices.
    pub fn for_choices(&self, choices: Combination) -> Answers {
        Answers {
            choices,
            ..self.clone()
        }
    }

    /// The project's name.
    pub fn name(&self) -> &ProjectName {
        &self.name
    }

    /// The answers to the choices, in the preset's order.
    pub fn choices(&self) -> &Combination {
        &self.choices
    }

    /// The things that the service serves.
    pub fn resources(&self) -> &[ResourceName] {
        &self.resources
    }

    /// The commands that lead from a new project to a service that answers.
    pub fn next(&self, preset: &Preset) -> Vec<String> {
        let first = self.resources.first().map(ResourceName::path);
        let path = first.unwrap_or_default();
        preset
            .next(&self.choices)
            .map(|command| command.replace("{{resource}}", &path))
            .collect()
    }
}
