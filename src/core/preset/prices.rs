//! What each option of a preset costs, as `scaffold preset price` measured it: data that the prompts and the README show.
//!
//! Crates and build time are those of the dependencies alone, on their way to a first `cargo build`: an option costs what
//! its dependencies add to those that every project has. The binary is the finished one, built with `--release`: an
//! option costs what it adds to the smallest project. An option that the smallest project has itself, for want of a
//! smaller one, has no such number.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The file of a preset that keeps its prices.
pub const PRICES: &str = "prices.toml";

/// The prices of all options of a preset.
#[derive(Debug, Serialize, Deserialize)]
pub struct Prices {
    /// What every project pays.
    pub base: Price,
    /// What an option adds, by its choice and its name.
    #[serde(flatten)]
    pub options: BTreeMap<String, BTreeMap<String, Price>>,
}

/// What one thing costs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Crates that are compiled for it.
    pub crates: i64,
    /// CPU seconds that compiling them takes, with the `dev` profile and nothing compiled before.
    pub build_cpu_seconds: f64,
    /// The size of the binary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binary_bytes: Option<i64>,
}

impl Prices {
    /// Reads what [`Prices::to_toml`] wrote.
    pub fn parse(text: &str) -> Result<Prices> {
        toml::from_str(text).with_context(|| format!("`{PRICES}` is not valid"))
    }

    /// These, and where they say nothing those of the preset that is extended.
    pub fn over(self, mut parent: Prices) -> Prices {
        for (choice, options) in self.options {
            parent.options.entry(choice).or_default().extend(options);
        }
        Prices {
            base: self.base,
            options: parent.options,
        }
    }

    /// The text of the file that keeps them.
    pub fn to_toml(&self) -> Result<String> {
        let prices = toml::to_string(self)?;
        Ok(format!(
            "# Made by `scaffold preset price`: what every project costs, and what each option adds.\n\n{prices}"
        ))
    }

    /// The price of an option; one that adds nothing has none.
    pub fn of(&self, choice: &str, option: &str) -> Option<&Price> {
        self.options.get(choice)?.get(option)
    }

    /// The table of the README.
    pub fn to_markdown(&self) -> String {
        let mut table = "| | crates | build, CPU | binary |\n|---|--:|--:|--:|\n".to_owned();
        let mut row = |what: &str, cells: [String; 3]| {
            let [crates, build, binary] = cells;
            table.push_str(&format!("| {what} | {crates} | {build} | {binary} |\n"));
        };
        let base = &self.base;
        let size = base
            .binary_bytes
            .map_or_else(String::new, |bytes| format!("{:.1} MB", bytes as f64 / 1e6));
        row(
            "every project",
            [
                base.crates.to_string(),
                format!("{:.0} s", base.build_cpu_seconds),
                size,
            ],
        );
        for (choice, options) in &self.options {
            for (option, price) in options {
                let build = format!(
                    "{:+.0} s ({:+.0} %)",
                    price.build_cpu_seconds,
                    100.0 * price.build_cpu_seconds / base.build_cpu_seconds
                );
                let size = price.binary_bytes.map_or_else(
                    || "within the above".to_owned(),
                    |bytes| format!("{:+.1} MB", bytes as f64 / 1e6),
                );
                row(
                    &format!("{choice} `{option}`"),
                    [format!("{:+}", price.crates), build, size],
                );
            }
        }
        table
    }
}

impl Price {
    /// What is left of a price when `base` is paid already.
    pub fn minus(&self, base: &Price) -> Price {
        Price {
            crates: self.crates - base.crates,
            // A tenth of a second is as much as two measurements agree on.
            build_cpu_seconds: (10.0 * (self.build_cpu_seconds - base.build_cpu_seconds)).round()
                / 10.0,
            binary_bytes: None,
        }
    }
}

/// As a prompt shows it: `+12 crates, +9 s to build`.
impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:+} crates, {:+.0} s to build",
            self.crates, self.build_cpu_seconds
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prices_of_a_preset_stand_before_those_of_what_it_extends() {
        let prices = |base, options: &[(&str, i64)]| {
            let price = |crates| Price {
                crates,
                build_cpu_seconds: 0.0,
                binary_bytes: None,
            };
            let options = options.iter();
            let options = options.map(|(option, crates)| (option.to_string(), price(*crates)));
            Prices {
                base: price(base),
                options: [("cache".to_owned(), options.collect())].into(),
            }
        };
        let parent = prices(77, &[("memory", 14), ("redis", 20)]);
        let both = prices(80, &[("redis", 21)]).over(parent);
        assert_eq!(both.base.crates, 80);
        assert_eq!(
            both.of("cache", "memory").map(|price| price.crates),
            Some(14)
        );
        assert_eq!(
            both.of("cache", "redis").map(|price| price.crates),
            Some(21)
        );
    }
}
