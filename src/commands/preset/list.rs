//! `scaffold preset list`: the built-in presets. It is the answer, so it is on stdout.

use anyhow::Result;
use serde_json::json;

use crate::core::preset::Preset;
use crate::edge::presets;
use crate::edge::report::{Format, print, print_json};

/// Lists the built-in presets.
pub fn run(format: Format) -> Result<()> {
    let listed: Vec<Preset> = presets::built_in()
        .map(presets::load)
        .collect::<Result<_>>()?;
    match format {
        Format::Human => {
            let width = listed.iter().map(|preset| preset.name.len()).max();
            let width = width.unwrap_or_default();
            let line =
                |preset: &Preset| format!("{:width$}  {}\n", preset.name, preset.description);
            print(&listed.iter().map(line).collect::<String>())
        }
        Format::Json => {
            let preset =
                |preset: &Preset| json!({ "name": preset.name, "description": preset.description });
            print_json(&listed.iter().map(preset).collect())
        }
    }
}
