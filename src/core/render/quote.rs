//! Quotes a text for where it lands, so that nothing it holds is taken for anything but text.

use crate::core::harmless::is_unseen;

/// A string as TOML, JSON and YAML have it, quotes included. It needs no more than what all three of them know.
pub fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if is_unseen(c) => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A literal of Rust, quotes included.
pub fn rust(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '\'' => quoted.push(c),
            c if is_unseen(c) => quoted.extend(c.escape_unicode()),
            c => quoted.extend(c.escape_debug()),
        }
    }
    quoted.push('"');
    quoted
}

/// One word of a shell; none for a text with a zero byte, which no shell can have.
pub fn sh(text: &str) -> Option<String> {
    shlex::try_quote(text).ok().map(|word| word.into_owned())
}

/// Text within a line of Markdown, which has none of the meanings that its characters have for Markdown and HTML.
pub fn markdown(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let mut quoted = String::with_capacity(line.len());
    let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    for (index, c) in line.char_indices() {
        match c {
            '<' => quoted.push_str("&lt;"),
            '>' => quoted.push_str("&gt;"),
            '&' => quoted.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => quoted.extend(['\\', c]),
            // These begin headings and lists.
            '#' | '+' | '-' | '=' if index == 0 => quoted.extend(['\\', c]),
            '.' | ')' if index == digits && digits > 0 => quoted.extend(['\\', c]),
            c => quoted.push(c),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Texts that would be something else, if they were not quoted.
    const TEXTS: &[&str] = &[
        "",
        "Ann O'Neil",
        "\"; x = 1",
        "{{ 7*7 }}",
        "$(rm -rf /)",
        "`rm -rf /`",
        "*/ fn main() {}",
        "a\\",
        "a\nb\r\tc",
        "\u{1b}[31m\u{7f}\u{85}",
        "\u{202e}\u{2028}\u{feff}",
        "\u{1F980} \u{301}",
        "-n",
        "~",
        "#",
        "\"\"\"",
        "'''",
        "\"#",
    ];

    fn assert_is_text(text: &str) {
        let string = string(text);
        assert_eq!(serde_json::from_str::<String>(&string).unwrap(), text);
        let table: toml::Table = toml::from_str(&format!("a = {string} # b")).unwrap();
        assert_eq!(table["a"].as_str(), Some(text));
        let literal: syn::LitStr = syn::parse_str(&rust(text)).unwrap();
        assert_eq!(literal.value(), text);
        if let Some(word) = sh(text) {
            assert_eq!(
                shlex::split(&format!("a {word} b")).unwrap(),
                ["a", text, "b"]
            );
        }
        assert!(!markdown(text).contains(['<', '>', '\n']));
    }

    #[test]
    fn a_text_that_looks_like_code_is_text() {
        TEXTS.iter().for_each(|text| assert_is_text(text));
    }

    proptest! {
        #[test]
        fn whatever_is_quoted_is_read_as_it_was(text in any::<String>()) {
            assert_is_text(&text);
        }
    }

    #[test]
    fn a_text_stays_inside_its_line_of_markdown() {
        for (text, quoted) in [
            (
                "Acme Inc. (est. 1999) - a-b #1",
                "Acme Inc. (est. 1999) - a-b #1",
            ),
            ("# *Acme* _&_ <b>", r"\# \*Acme\* \_&amp;\_ &lt;b&gt;"),
            ("[a](javascript:b)", r"\[a\](javascript:b)"),
            ("![a](b)", r"!\[a\](b)"),
            ("`a` \\ ~~b~~ | c", r"\`a\` \\ \~\~b\~\~ \| c"),
            ("  a\n\n# b", "a # b"),
            ("1. a", r"1\. a"),
            ("2) a", r"2\) a"),
            ("- a", r"\- a"),
            ("===", r"\==="),
        ] {
            assert_eq!(markdown(text), quoted);
        }
    }
}
