//! What a cargo workspace makes of a directory inside of it, by the text of its manifest.

use toml_edit::{Array, DocumentMut, Item, Value, value};

/// What a directory is to the workspace around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// Nothing.
    None,
    /// A member by name, which no exclusion changes.
    Named,
    /// A member by a pattern. The text is the manifest with the directory excluded.
    Matched(String),
}

/// What the directory `path` is to the workspace of this manifest, by cargo's rules.
pub fn membership(manifest: &str, path: &str) -> Membership {
    let Ok(mut document) = manifest.parse::<DocumentMut>() else {
        return Membership::None;
    };
    let Some(workspace) = document
        .get_mut("workspace")
        .and_then(Item::as_table_like_mut)
    else {
        return Membership::None;
    };
    let members = strings(workspace.get("members"));
    let (patterns, names): (Vec<&str>, Vec<&str>) = members
        .into_iter()
        .partition(|member| member.contains(['*', '?', '[']));
    if names.contains(&path) {
        return Membership::Named;
    }
    if !patterns.iter().any(|pattern| is_match(pattern, path)) {
        return Membership::None;
    }
    if names.iter().any(|name| is_above(name, path)) {
        return Membership::Named;
    }
    if strings(workspace.get("exclude"))
        .iter()
        .any(|excluded| is_above(excluded, path))
    {
        return Membership::None;
    }
    let excluded = workspace.entry("exclude").or_insert(value(Array::new()));
    match excluded.as_array_mut() {
        Some(excluded) => push_like_the_others(excluded, path),
        // Not a list: cargo refuses the workspace already.
        None => return Membership::None,
    }
    Membership::Matched(document.to_string())
}

fn strings(item: Option<&Item>) -> Vec<&str> {
    let array = item.and_then(Item::as_array);
    array
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|path| path.trim_start_matches("./").trim_end_matches('/'))
        .collect()
}

fn is_match(pattern: &str, path: &str) -> bool {
    let options = glob::MatchOptions {
        require_literal_separator: true,
        ..glob::MatchOptions::new()
    };
    glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_with(path, options))
}

fn is_above(directory: &str, path: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Adds an item in the layout that the list has: on one line, or one line for each.
fn push_like_the_others(array: &mut Array, item: &str) {
    match array.iter().last().map(|last| last.decor().clone()) {
        Some(decor) => {
            let prefix = decor.prefix().cloned().unwrap_or_default();
            // A comment before the last item is about that item.
            let prefix = prefix.as_str().map(|prefix| match prefix.rfind('\n') {
                Some(line) => prefix[line..].to_owned(),
                None => prefix.to_owned(),
            });
            array.push_formatted(Value::from(item).decorated(prefix.unwrap_or_default(), ""));
        }
        None => array.push(item),
    }
}
