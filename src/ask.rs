//! Asks for what the flags left open, and only for that.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};

use anyhow::{Result, anyhow};
use dialoguer::console::Term;
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Error, Select};

use crate::interrupt::{self, Interrupted};
use crate::preset::{Choice, Preset};
use crate::prices::Prices;
use crate::refusal::{Refusal, list};

/// What to do about a choice that no flag answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Ask, where there is somebody to ask.
    Ask,
    /// Take the default.
    TakeDefault,
}

/// An option for every choice of the preset.
pub fn options(
    preset: &Preset,
    given: &BTreeMap<String, String>,
    open: Open,
) -> Result<Vec<(String, String)>> {
    let is_asked = |choice: &&Choice| {
        open == Open::Ask && choice.options.len() > 1 && !given.contains_key(&choice.name)
    };
    let asked: Vec<&Choice> = preset.choices.iter().filter(is_asked).collect();
    let has_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !asked.is_empty() && !has_terminal {
        return Err(no_terminal(&asked).into());
    }
    let prices = if asked.is_empty() {
        None
    } else {
        preset.prices()?
    };
    let answer = |choice: &Choice| {
        let option = if is_asked(&choice) {
            ask(choice, prices.as_ref())?
        } else {
            given.get(&choice.name).unwrap_or(&choice.default).clone()
        };
        Ok((choice.name.clone(), option))
    };
    preset.choices.iter().map(answer).collect()
}

fn no_terminal(asked: &[&Choice]) -> Refusal {
    let flags = asked.iter().map(|choice| {
        let options: Vec<&str> = choice
            .options
            .iter()
            .map(|option| option.name.as_str())
            .collect();
        format!("--{} {}", choice.name, options.join("|"))
    });
    let names = asked.iter().map(|choice| &choice.name);
    Refusal::new(format!(
        "there is no terminal to ask on, and no answer to {}",
        list(names)
    ))
    .help(format!(
        "answer with {}, or take the defaults with `--yes`",
        list(flags)
    ))
}

/// Asks one question, on stderr.
fn ask(choice: &Choice, prices: Option<&Prices>) -> Result<String> {
    interrupt::check()?;
    let colorful = ColorfulTheme::default();
    let theme: &dyn Theme = if has_color() { &colorful } else { &SimpleTheme };
    let default = choice
        .options
        .iter()
        .position(|option| option.name == choice.default);
    let select = Select::with_theme(theme)
        .with_prompt(&choice.prompt)
        .items(lines(choice, prices))
        .default(default.unwrap_or_default())
        .report(false);
    let terminal = Term::stderr();
    let selected = interrupt::while_asking(|| select.interact_on(&terminal));
    let selected = selected.map_err(|Error::IO(error)| {
        // The prompt hides the cursor, and shows it again only when it is answered.
        let _ = terminal.show_cursor();
        match error.kind() {
            io::ErrorKind::Interrupted => anyhow!(Interrupted),
            _ => anyhow!(error).context("the answer can't be read"),
        }
    })?;
    let option = choice.options[selected].name.clone();
    terminal.write_line(&format!("{} {option}", choice.prompt))?;
    Ok(option)
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
