//! The filter `fit`: lays a piece of Rust out as rustfmt does, whatever the length of the names in it.
//!
//! A template is formatted once, for no name in particular; what rustfmt breaks into lines depends on
//! how long the project's own names are. So a template writes such a piece broken, one part a line,
//! and `fit` joins it where the joined line is not too long.

/// rustfmt's `max_width`.
const MAX_WIDTH: usize = 100;

/// rustfmt breaks an import with braces two columns earlier.
const MAX_IMPORT: usize = MAX_WIDTH - 2;

/// Joins the lines of `text` into one, unless that were longer than rustfmt allows.
pub(crate) fn fit(text: &str) -> String {
    let indent = text.len() - text.trim_start_matches(' ').len();
    let mut joined = text[..indent].to_owned();
    // The braces of an import stand close, those of a block do not.
    let is_import = text[indent..].starts_with("use ");
    let (open, close): (&[char], &[char]) = match is_import {
        true => (&[' ', '(', '[', '{'], &[')', ']', '}']),
        false => (&[' ', '(', '['], &[')', ']']),
    };
    for line in text.lines().map(str::trim) {
        if line.starts_with(close) {
            if joined.ends_with(',') {
                joined.pop();
            }
        } else if !joined.is_empty() && !joined.ends_with(open) && !line.starts_with(['.', '?']) {
            joined.push(' ');
        }
        joined.push_str(line);
    }
    let max = if is_import { MAX_IMPORT } else { MAX_WIDTH };
    if joined.chars().count() > max {
        return text.to_owned();
    }
    joined.push('\n');
    joined
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn a_piece_that_fits_becomes_one_line() {
        let signature = "    fn get(\n        &self,\n        id: Id,\n    ) -> Account {\n";
        assert_eq!(fit(signature), "    fn get(&self, id: Id) -> Account {\n");
        let chain = "    let id = value\n        .id()\n        .get();\n";
        assert_eq!(fit(chain), "    let id = value.id().get();\n");
        let import = "use accounts::{\n    Account, Id,\n};\n";
        assert_eq!(fit(import), "use accounts::{Account, Id};\n");
    }

    #[test]
    fn a_piece_that_does_not_fit_stays_broken() {
        let name = "a".repeat(90);
        let signature = format!("fn {name}(\n    first: u8,\n) {{\n");
        assert_eq!(fit(&signature), signature);
    }

    #[test]
    fn a_line_of_exactly_100_columns_still_fits() {
        let broken = |name: String| format!("fn {name}(\n    b: u,\n) {{\n");
        assert_eq!(fit(&broken("a".repeat(89))).trim_end().len(), 100);
        assert_eq!(fit(&broken("a".repeat(90))).lines().count(), 3);
    }

    #[test]
    fn an_import_of_98_columns_still_fits() {
        let broken = |name: String| format!("use {name}::{{\n    A, B,\n}};\n");
        assert_eq!(fit(&broken("a".repeat(85))).trim_end().len(), 98);
        assert_eq!(fit(&broken("a".repeat(86))).lines().count(), 3);
    }
}
