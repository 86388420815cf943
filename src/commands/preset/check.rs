//! `scaffold preset check`: all that can be told of a preset from its text alone.

use anyhow::{Result, bail};
use serde_json::json;

use crate::core::author::check;
use crate::edge::presets;
use crate::edge::report::{Format, print_json, say};
use crate::edge::watchdog;

/// Checks a preset, and fails if there is a finding.
pub fn run(preset: &str, format: Format) -> Result<()> {
    let (opened, refused) = presets::survey(preset)?;
    let mut checked = check::Checked {
        findings: refused,
        combinations: 0,
    };
    if let Some(opened) = opened {
        // To find pairs takes time as well, if there are many choices.
        let usable = watchdog::while_rendering(check::MAX_COMBINATIONS, || check::check(&opened));
        checked.findings.extend(usable.findings);
        checked.combinations = usable.combinations;
    }
    let check::Checked {
        findings,
        combinations,
    } = checked;
    match format {
        Format::Json => print_json(&json!({ "findings": findings }))?,
        Format::Human => {
            let mut text = String::new();
            for finding in &findings {
                text.push_str(&format!("{}\n\n", finding.told()));
            }
            if findings.is_empty() {
                let combinations = match combinations {
                    1 => "1 combination".to_owned(),
                    _ => format!("{combinations} combinations"),
                };
                text = format!("nothing is wrong with `{preset}`, in {combinations}\n");
            }
            say(&text);
        }
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("1 finding"),
        count => bail!("{count} findings"),
    }
}
