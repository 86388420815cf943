//! Asks for what the flags left open, and only for that.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};

use anyhow::{Result, anyhow};
use dialoguer::console::Term;
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Error, Input, MultiSelect, Select};

use crate::core::preset::Preset;
use crate::core::preset::answer::{Answer, Combination};
use crate::core::preset::choice::{Choice, ChoiceOption, Kind, NONE, YES};
use crate::core::preset::prices::Prices;
use crate::core::problem::{Problem, list};
use crate::edge::interrupt::{self, Interrupted};

/// What to do about a choice that no flag answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Ask, where there is somebody to ask.
    Ask,
    /// Take the default.
    TakeDefault,
}

/// What flags said, by the choice's name. A choice of many may have several options, or `none`.
pub type Given = BTreeMap<String, Vec<String>>;

/// An answer to every choice of the preset that applies.
pub fn answers(preset: &Preset, given: &Given, open: Open) -> Result<Combination> {
    let asked = match open {
        Open::Ask => asked(preset, given)?,
        Open::TakeDefault => Vec::new(),
    };
    let has_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !asked.is_empty() && !has_terminal {
        return Err(no_terminal(&asked).into());
    }
    let prices = if asked.is_empty() {
        None
    } else {
        preset.prices()?
    };
    let is_asked = |choice: &Choice| open == Open::Ask && is_open(choice, given);
    walk(preset, given, |choice| match is_asked(choice) {
        true => ask(choice, prices.as_ref()),
        false => Ok(choice.default.clone()),
    })
}

/// Goes through the choices that apply, and answers those that no flag answers with `answer`.
fn walk<'p>(
    preset: &'p Preset,
    given: &Given,
    mut answer: impl FnMut(&'p Choice) -> Result<Answer>,
) -> Result<Combination> {
    let mut answers = Combination::default();
    for choice in &preset.choices {
        let given = given.get(&choice.name);
        let answer = match (choice.applies(&answers), given) {
            (true, Some(words)) => choice.answer(words)?,
            (true, None) => answer(choice)?,
            (false, Some(_)) => return Err(choice.does_not_apply().into()),
            (false, None) => continue,
        };
        answers.push(&choice.name, answer);
    }
    Ok(answers)
}

/// Whether a choice has to be asked: no flag answers it, and there is more than one answer.
fn is_open(choice: &Choice, given: &Given) -> bool {
    let is_one_of_one = matches!(choice.kind, Kind::One) && choice.options.len() == 1;
    !given.contains_key(&choice.name) && !is_one_of_one
}

/// The choices that will have to be asked, as long as the defaults are taken.
fn asked<'p>(preset: &'p Preset, given: &Given) -> Result<Vec<&'p Choice>> {
    let mut asked = Vec::new();
    walk(preset, given, |choice| {
        if is_open(choice, given) {
            asked.push(choice);
        }
        Ok(choice.default.clone())
    })?;
    Ok(asked)
}

fn no_terminal(asked: &[&Choice]) -> Problem {
    let flags = asked.iter().map(|choice| {
        let options = choice.options.iter().map(|option| option.name.as_str());
        let answers: Vec<&str> = match &choice.kind {
            Kind::One | Kind::Flag => options.collect(),
            Kind::Many => options.chain([NONE]).collect(),
            Kind::Text(_) => vec!["TEXT"],
        };
        format!("--{} {}", choice.name, answers.join("|"))
    });
    let names = asked.iter().map(|choice| &choice.name);
    Problem::refusal(format!(
        "there is no terminal to ask on, and no answer to {}",
        list(names)
    ))
    .help(format!(
        "answer with {}, or take the defaults with `--yes`",
        list(flags)
    ))
}

/// Asks one question, on stderr.
fn ask(choice: &Choice, prices: Option<&Prices>) -> Result<Answer> {
    interrupt::check()?;
    let colorful = ColorfulTheme::default();
    let theme: &dyn Theme = if has_color() { &colorful } else { &SimpleTheme };
    let terminal = Term::stderr();
    let answer = interrupt::while_asking(|| prompt(choice, prices, theme, &terminal));
    let answer = answer.map_err(|Error::IO(error)| {
        // The prompt hides the cursor, and shows it again only when it is answered.
        let _ = terminal.show_cursor();
        match error.kind() {
            io::ErrorKind::Interrupted => anyhow!(Interrupted),
            _ => anyhow!(error).context("the answer can't be read"),
        }
    })?;
    let shown = match &answer {
        Answer::Many(options) if options.len() > 1 => options.join(", "),
        answer => answer.to_string(),
    };
    terminal.write_line(&format!("{} {shown}", choice.prompt))?;
    Ok(answer)
}

/// The prompt that fits the kind.
fn prompt(
    choice: &Choice,
    prices: Option<&Prices>,
    theme: &dyn Theme,
    terminal: &Term,
) -> dialoguer::Result<Answer> {
    let prompt = match &choice.help {
        Some(help) => format!("{} {help}", choice.prompt),
        None => choice.prompt.clone(),
    };
    let defaults = choice.default.options();
    let is_default = |option: &ChoiceOption| defaults.contains(&option.name.as_str());
    let name = |index: usize| choice.options[index].name.clone();
    match &choice.kind {
        Kind::One => {
            let default = choice.options.iter().position(is_default);
            let select = Select::with_theme(theme)
                .with_prompt(prompt)
                .items(lines(choice, prices))
                .default(default.unwrap_or_default())
                .report(false);
            Ok(Answer::One(name(select.interact_on(terminal)?)))
        }
        Kind::Flag => {
            let price = prices.and_then(|prices| prices.of(&choice.name, YES));
            let price = price.map(|price| format!(" ({price})"));
            let confirm = Confirm::with_theme(theme)
                .with_prompt(prompt + &price.unwrap_or_default())
                .default(choice.default == Answer::Flag(true))
                .report(false);
            Ok(Answer::Flag(confirm.interact_on(terminal)?))
        }
        Kind::Many => {
            let checked = choice.options.iter().map(is_default);
            let select = MultiSelect::with_theme(theme)
                .with_prompt(format!("{prompt} (space takes one, enter ends)"))
                .items_checked(lines(choice, prices).into_iter().zip(checked))
                .report(false);
            let taken = select.interact_on(terminal)?;
            Ok(Answer::Many(taken.into_iter().map(name).collect()))
        }
        Kind::Text(_) => {
            let input = Input::with_theme(theme)
                .with_prompt(prompt)
                .with_initial_text(choice.default.to_string())
                .allow_empty(true)
                .validate_with(|text: &String| {
                    choice
                        .check_text(text)
                        .map_err(|reason| format!("it {reason}"))
                })
                .report(false);
            Ok(Answer::Text(input.interact_text_on(terminal)?))
        }
    }
}

/// See <https://no-color.org>. Whether stderr is a terminal was asked before.
fn has_color() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The options with their help, in columns.
fn lines(choice: &Choice, prices: Option<&Prices>) -> Vec<String> {
    let width = choice
        .options
        .iter()
        .map(|option| option.name.len())
        .max()
        .unwrap_or_default();
    let line =
        |name: &str, help: &str| match prices.and_then(|prices| prices.of(&choice.name, name)) {
            Some(price) => format!("{name:width$}  {help} ({price})"),
            None => format!("{name:width$}  {help}"),
        };
    choice
        .options
        .iter()
        .map(|option| line(&option.name, &option.help))
        .collect()
}
