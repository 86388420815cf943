//! The merge of a TOML file key by key, for which the order of its lines means nothing: two dependencies that were added
//! at one place go together. What is the owner's keeps its comments and its layout.

use std::collections::{BTreeMap, BTreeSet};

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};

/// The lists of a manifest whose order means nothing, by their names, and that of a table whose lists are all such ones.
const SETS: &[&str] = &[
    "default-members",
    "exclude",
    "features",
    "include",
    "members",
    "required-features",
];

/// What both sides made of a text, if all three are TOML, no key was changed by both, and nothing that the owner says of a
/// key is lost with it.
pub fn merge(base: &str, ours: &str, theirs: &str) -> Option<String> {
    let parse = |text: &str| text.parse::<DocumentMut>().ok();
    let (base, mut document, theirs) = (parse(base)?, parse(ours)?, parse(theirs)?);
    merge_tables(
        "",
        base.as_table(),
        document.as_table_mut(),
        theirs.as_table(),
    )?;
    let merged = document.to_string();
    // What came of it is put together from two layouts, which may not go together.
    parse(&merged)?;
    let kept = comments(&merged);
    let is_kept = |(comment, count): (&&str, &usize)| kept.get(comment).unwrap_or(&0) >= count;
    comments(ours).iter().all(is_kept).then_some(merged)
}

/// How often each comment stands in a text of TOML.
fn comments(text: &str) -> BTreeMap<&str, usize> {
    let mut comments = BTreeMap::new();
    let mut rest = text;
    while let Some(at) = rest.find(['#', '"', '\'']) {
        rest = &rest[at..];
        let length = match rest.as_bytes()[0] {
            b'#' => {
                let end = rest.find('\n').unwrap_or(rest.len());
                *comments.entry(rest[..end].trim_end()).or_default() += 1;
                end
            }
            _ => string_length(rest),
        };
        rest = &rest[length..];
    }
    comments
}

/// Bytes of the string that a text starts with.
fn string_length(text: &str) -> usize {
    let quote = &text[..1];
    let long = quote.repeat(3);
    let mark = if text.starts_with(&long) {
        &long
    } else {
        quote
    };
    let mut at = mark.len();
    while at < text.len() {
        if quote == "\"" && text.as_bytes()[at] == b'\\' {
            at += 2;
        } else if text.as_bytes()[at..].starts_with(mark.as_bytes()) {
            return at + mark.len();
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Whether two texts say the same.
pub fn are_equal(one: &str, other: &str) -> bool {
    let parse = |text: &str| text.parse::<toml::Table>().ok();
    parse(one).is_some_and(|one| parse(other) == Some(one))
}

/// Brings what theirs changed into ours; `None` where ours changed the same.
fn merge_tables(
    name: &str,
    base: &dyn TableLike,
    ours: &mut dyn TableLike,
    theirs: &dyn TableLike,
) -> Option<()> {
    let was_sorted = is_sorted(ours);
    let keys = |table: &dyn TableLike| table.iter().map(|(key, _)| key.to_owned()).collect();
    let all: [Vec<String>; 2] = [keys(theirs), keys(base)];
    let [of_theirs, of_base] = &all;
    let gone = of_base.iter().filter(|key| !of_theirs.contains(key));
    for key in of_theirs.iter().chain(gone) {
        let (was, is) = (base.get(key), theirs.get(key));
        if plain(was) == plain(is) {
            continue;
        }
        let mine = ours.get(key);
        if plain(mine) == plain(is) {
            continue;
        }
        if plain(mine) == plain(was) {
            match is {
                Some(item) => set(ours, theirs, key, item),
                None => drop(ours.remove(key)),
            }
            continue;
        }
        let empty = Table::new();
        let (Some(mine), Some(is)) = (ours.get_mut(key), is) else {
            return None;
        };
        if let (Some(mine), Some(is)) = (mine.as_table_like_mut(), is.as_table_like()) {
            let was = was.and_then(Item::as_table_like);
            merge_tables(key, was.unwrap_or(&empty), mine, is)?;
        } else if let (Some(mine), Some(is)) = (mine.as_array_mut(), is.as_array()) {
            let empty = Array::new();
            let was = was.and_then(Item::as_array).unwrap_or(&empty);
            let is_set = [name, key].iter().any(|name| SETS.contains(name));
            if !is_set
                || [was, &*mine, is]
                    .into_iter()
                    .any(|list| !has_each_once(list))
            {
                return None;
            }
            merge_sets(was, mine, is);
        } else {
            return None;
        }
    }
    if was_sorted && !is_sorted(ours) {
        ours.sort_values();
    }
    Some(())
}

/// Puts an item of theirs into ours, in the place of what is there, or at the end.
fn set(ours: &mut dyn TableLike, theirs: &dyn TableLike, key: &str, item: &Item) {
    if let Some(mine) = ours.get_mut(key) {
        let decor = mine.as_value().map(|value| value.decor().clone());
        *mine = item.clone();
        // A comment at the end of the line stays.
        if let (Some(decor), Some(value)) = (decor, mine.as_value_mut()) {
            *value.decor_mut() = decor;
        }
        return;
    }
    let mut item = item.clone();
    if let Some(table) = item.as_table_mut() {
        table.set_position(None);
    }
    match theirs.key(key) {
        Some(key) => drop(ours.entry_format(key).or_insert(item)),
        None => drop(ours.insert(key, item)),
    }
}

/// Whether a list has texts, and none of them twice.
fn has_each_once(list: &Array) -> bool {
    let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
    texts.is_some_and(|texts| texts.iter().collect::<BTreeSet<_>>().len() == texts.len())
}

/// What theirs added is added, and what it took away is taken away.
fn merge_sets(base: &Array, ours: &mut Array, theirs: &Array) {
    let has = |list: &Array, value: &Value| list.iter().any(|held| same(held, value));
    ours.retain(|value| has(theirs, value) || !has(base, value));
    for value in theirs.iter().filter(|value| !has(base, value)) {
        if !has(ours, value) {
            ours.push(value.clone());
        }
    }
    let is_in_lines = ours.to_string().contains('\n');
    if !is_in_lines {
        ours.fmt();
    }
}

fn same(one: &Value, other: &Value) -> bool {
    plain_value(one) == plain_value(other)
}

/// What an item says, without its layout.
fn plain(item: Option<&Item>) -> Option<String> {
    let item = item.filter(|item| !item.is_none())?;
    if let Some(table) = item.as_table_like() {
        let mut entries: Vec<String> = table
            .iter()
            .filter_map(|(key, item)| Some(format!("{key}={}", plain(Some(item))?)))
            .collect();
        entries.sort();
        return Some(format!("{{{}}}", entries.join(",")));
    }
    match item {
        Item::Value(value) => Some(plain_value(value)),
        item => Some(item.to_string()),
    }
}

fn plain_value(value: &Value) -> String {
    match value {
        Value::Array(list) => {
            let items: Vec<String> = list.iter().map(plain_value).collect();
            format!("[{}]", items.join(","))
        }
        Value::InlineTable(table) => {
            let item = Item::Value(Value::InlineTable(table.clone()));
            plain(Some(&item)).unwrap_or_default()
        }
        value => value.clone().decorated("", "").to_string(),
    }
}

fn is_sorted(table: &dyn TableLike) -> bool {
    let values = table.iter().filter(|(_, item)| item.is_value());
    values.map(|(key, _)| key.to_owned()).is_sorted()
}
