//! `scaffold preset schema`: the JSON Schema of `preset.toml`.

use anyhow::Result;

use crate::edge::report::print;

/// Prints what editors need to know of a manifest.
pub fn run() -> Result<()> {
    print(include_str!("../../../docs/preset.schema.json"))
}
