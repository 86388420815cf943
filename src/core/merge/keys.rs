//! The merge of a TOML file key by key, for which the order of its lines means nothing: two dependencies that were added
//! at one place go together. What is the owner's keeps its comments and its layout.

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};

/// What both sides made of a text, if all three are TOML and no key was changed by both.
pub fn merge(base: &str, ours: &str, theirs: &str) -> Option<String> {
    let parse = |text: &str| text.parse::<DocumentMut>().ok();
    let (base, mut ours, theirs) = (parse(base)?, parse(ours)?, parse(theirs)?);
    merge_tables(base.as_table(), ours.as_table_mut(), theirs.as_table())?;
    Some(ours.to_string())
}

/// Whether two texts say the same.
pub fn are_equal(one: &str, other: &str) -> bool {
    let parse = |text: &str| text.parse::<toml::Table>().ok();
    parse(one).is_some_and(|one| parse(other) == Some(one))
}

/// Brings what theirs changed into ours; `None` where ours changed the same.
fn merge_tables(
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
            merge_tables(was.unwrap_or(&empty), mine, is)?;
        } else if let (Some(mine), Some(is)) = (mine.as_array_mut(), is.as_array()) {
            let empty = Array::new();
            let was = was.and_then(Item::as_array);
            merge_lists(was.unwrap_or(&empty), mine, is);
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

/// Lists of a manifest are sets: features, members. What theirs added is added, and what it took away is taken away.
fn merge_lists(base: &Array, ours: &mut Array, theirs: &Array) {
    let has = |list: &Array, value: &Value| list.iter().any(|held| same(held, value));
    ours.retain(|value| has(theirs, value) || !has(base, value));
    for value in theirs.iter().filter(|value| !has(base, value)) {
        if !has(ours, value) {
            ours.push(value.clone());
        }
    }
    ours.fmt();
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
