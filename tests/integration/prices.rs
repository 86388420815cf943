//! What options cost is measured once, and shown wherever somebody chooses.

use std::fs;
use std::path::Path;

use scaffold::core::preset::choice::NONE;
use scaffold::edge::presets;

#[test]
fn every_option_that_brings_something_has_a_price() {
    let preset = presets::load(presets::DEFAULT).unwrap();
    let prices = preset
        .prices()
        .unwrap()
        .expect("`scaffold preset price templates/axum` makes them");
    for choice in &preset.choices {
        for option in choice.options.iter().filter(|option| option.name != NONE) {
            assert!(
                prices.of(&choice.name, &option.name).is_some(),
                "`{}={}` has no price",
                choice.name,
                option.name
            );
        }
    }
}

#[test]
fn the_readme_shows_the_prices() {
    let preset = presets::load(presets::DEFAULT).unwrap();
    let prices = preset
        .prices()
        .unwrap()
        .expect("`scaffold preset price templates/axum` makes them");
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, rest) = readme.split_once("<!-- prices -->\n").unwrap();
    let (shown, _) = rest.split_once("<!-- /prices -->").unwrap();
    assert_eq!(shown.trim(), prices.to_markdown().trim());
}
