//! The filter `fit`: lays a piece of Rust out as rustfmt does, whatever the length of the names in it.
//!
//! A template is formatted once, for no name in particular; what rustfmt breaks into lines depends on
//! how long the project's own names are. So a template writes such a piece broken, one part a line,
//! and `fit` joins it where the joined line is not too long. Where rustfmt first tries to break after a sign, such as the
//! `=` of a `let` or the `:` of a field, `fit("=")` and `fit(":")` do so, too.

/// rustfmt's `max_width`.
const MAX_WIDTH: usize = 100;

/// rustfmt breaks an import with braces two columns earlier.
const MAX_IMPORT: usize = MAX_WIDTH - 2;

/// Joins the lines of `text` into one, or into two with a break after the first `sign`, unless they were longer than
/// rustfmt allows.
pub(crate) fn fit(text: &str, sign: Option<&str>) -> String {
    let indent = text.len() - text.trim_start_matches(' ').len();
    let mut joined = text[..indent].to_owned();
    // The braces of an import stand close, those of a block do not.
    let is_import = text[indent..].starts_with("use ");
    let (open, close): (&[char], &[char]) = match is_import {
        true => (&[' ', '(', '[', '{'], &[')', ']', '}']),
        false => (&[' ', '(', '[', '<'], &[')', ']', '>']),
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
    let fits = |line: &str| line.chars().count() <= max;
    if fits(&joined) {
        joined.push('\n');
        return joined;
    }
    let in_two = sign.and_then(|sign| {
        let (first, rest) = joined.split_once(&format!("{sign} "))?;
        let rest = format!("{}    {rest}", &text[..indent]);
        fits(&rest).then(|| format!("{first}{sign}\n{rest}\n"))
    });
    in_two.unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn a_piece_that_fits_becomes_one_line() {
        let signature = "    fn get(\n        &self,\n        id: Id,\n    ) -> Account {\n";
        assert_eq!(
            fit(signature, None),
            "    fn get(&self, id: Id) -> Account {\n"
        );
        let chain = "    let id = value\n        .id()\n        .get();\n";
        assert_eq!(fit(chain, None), "    let id = value.id().get();\n");
        let import = "use accounts::{\n    Account, Id,\n};\n";
        assert_eq!(fit(import, None), "use accounts::{Account, Id};\n");
    }

    #[test]
    fn a_piece_that_does_not_fit_stays_broken() {
        let name = "a".repeat(90);
        let signature = format!("fn {name}(\n    first: u8,\n) {{\n");
        assert_eq!(fit(&signature, None), signature);
    }

    #[test]
    fn a_piece_breaks_after_a_sign_first() {
        let name = |length| "a".repeat(length);
        let long = format!("    let b = {}(\n        c,\n    );\n", name(90));
        let broken = format!("    let b =\n        {}(c);\n", name(87));
        assert_eq!(fit(&long.replace(&name(90), &name(87)), Some("=")), broken);
        assert_eq!(fit(&long, Some("=")), long);
        let field = format!("    bbbbbbbbbb: C<\n        {},\n    >,\n", name(85));
        let broken = format!("    bbbbbbbbbb:\n        C<{}>,\n", name(85));
        assert_eq!(fit(&field, Some(":")), broken);
        assert_eq!(fit(&field, None), field);
    }

    #[test]
    fn a_line_of_exactly_100_columns_still_fits() {
        let broken = |name: String| format!("fn {name}(\n    b: u,\n) {{\n");
        assert_eq!(fit(&broken("a".repeat(89)), None).trim_end().len(), 100);
        assert_eq!(fit(&broken("a".repeat(90)), None).lines().count(), 3);
    }

    #[test]
    fn an_import_of_98_columns_still_fits() {
        let broken = |name: String| format!("use {name}::{{\n    A, B,\n}};\n");
        assert_eq!(fit(&broken("a".repeat(85)), None).trim_end().len(), 98);
        assert_eq!(fit(&broken("a".repeat(86)), None).lines().count(), 3);
    }
}
