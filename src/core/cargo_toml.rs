//! What several layers say about one `Cargo.toml`, as one: tables join, lists grow, keys are sorted, comments stay.

use anyhow::{Context, Result, bail};
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, TomlError, Value};

use crate::core::problem::{Problem, Refuse, or_refuse};

/// The tables whose order carries no meaning, so that a merged one reads as if one person had written it.
const SORTED: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// Merges fragments into a manifest, in order. Each text comes with the place to name in an error.
pub fn merge(
    base: (&str, &str),
    fragments: &[(String, String)],
    refuse: &mut Refuse,
) -> Result<String> {
    let mut merged = parse(base.0, base.1)?;
    for (place, text) in fragments {
        if let Some(fragment) = or_refuse(place, parse(place, text).map_err(Into::into), refuse)? {
            let fits = merge_tables(merged.as_table_mut(), fragment.as_table(), "")
                .with_context(|| format!("`{place}` does not fit `{}`", base.0));
            or_refuse(place, fits, refuse)?;
        }
    }
    for name in SORTED {
        if let Some(table) = merged.get_mut(name).and_then(Item::as_table_mut) {
            table.sort_values();
        }
    }
    Ok(merged.to_string())
}

fn parse(place: &str, text: &str) -> Result<DocumentMut, Problem> {
    text.parse().map_err(|error: TomlError| {
        let what = format!("`{place}` is not valid TOML: {}", error.message());
        let help = "it becomes a part of the project's `Cargo.toml`, in every combination";
        let problem = Problem::in_file(place, what).help(help);
        let problem = problem.at_bytes(text, error.span().unwrap_or_default());
        problem.with_place(|it| {
            // What breaks of a template is what it renders to, whose lines are others.
            it.line = it.line.filter(|_| !place.ends_with(".jinja"));
        })
    })
}

fn merge_tables(into: &mut dyn TableLike, from: &dyn TableLike, above: &str) -> Result<()> {
    for (name, item) in from.iter() {
        let at = match above {
            "" => name.to_owned(),
            _ => format!("{above}.{name}"),
        };
        if let Some(existing) = into.get_mut(name) {
            merge_items(existing, item, &at)?;
        } else if let Some(key) = from.key(name) {
            let mut item = item.clone();
            if let Item::Table(table) = &mut item {
                place_at_the_end(table);
            }
            into.entry_format(key).or_insert(item);
        }
    }
    Ok(())
}

fn merge_items(existing: &mut Item, item: &Item, at: &str) -> Result<()> {
    // `tokio = "1"` and `tokio = { version = "1", features = [...] }` say the same of the version.
    if let (Some(version), true) = (existing.as_str(), item.is_table_like()) {
        let mut table = InlineTable::new();
        table.insert("version", version.into());
        *existing = Item::Value(Value::InlineTable(table));
    }
    if let Some(existing) = existing.as_table_like_mut() {
        return match (item.as_table_like(), item.as_str()) {
            (Some(from), _) => merge_tables(existing, from, at),
            (None, Some(version))
                if existing.get("version").and_then(Item::as_str) == Some(version) =>
            {
                Ok(())
            }
            _ => bail!(
                Problem::new(format!("`{at}` is a table in one and a value in the other"))
                    .help("let all layers write it in one way")
            ),
        };
    }
    if let (Some(array), Some(from)) = (existing.as_array_mut(), item.as_array()) {
        for value in from {
            if !array.iter().any(|held| is_same(held, value)) {
                array.push(value.clone());
            }
        }
        array.fmt();
        return Ok(());
    }
    match (existing.as_value(), item.as_value()) {
        (Some(one), Some(other)) if is_same(one, other) => Ok(()),
        (Some(one), Some(other)) => bail!(
            Problem::new(format!(
                "`{at}` is `{}` in one and `{}` in the other",
                plain(one),
                plain(other)
            ))
            .help("let both say the same, or one of them nothing")
        ),
        _ => bail!(
            Problem::new(format!("`{at}` is a table in one and a value in the other"))
                .help("let all layers write it in one way")
        ),
    }
}

fn is_same(one: &Value, other: &Value) -> bool {
    plain(one) == plain(other)
}

/// A value without the space and the comments around it.
fn plain(value: &Value) -> String {
    value.clone().decorated("", "").to_string()
}

/// A table that the manifest did not have stands after the others, a blank line before it.
fn place_at_the_end(table: &mut Table) {
    table.set_position(None);
    let prefix = table.decor().prefix().and_then(|prefix| prefix.as_str());
    let prefix = format!("\n{}", prefix.unwrap_or_default().trim_start_matches('\n'));
    table.decor_mut().set_prefix(prefix);
}
