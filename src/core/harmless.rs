//! Text that shows what it is: a terminal takes nothing in it for a command, and nobody reads other words than there are.

use std::borrow::Cow;

/// What nobody sees, or what shows other text than there is: control characters, line breaks of old, marks of the
/// direction of writing.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{200E}' | '\u{200F}' | '\u{061C}'
        )
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
}

/// The text with what nobody sees written out. Lines and tabs stay.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| is_unseen(c) && !matches!(c, '\n' | '\t');
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut harmless = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_harmful(c) {
            true => harmless.extend(c.escape_unicode()),
            false => harmless.push(c),
        }
    }
    Cow::Owned(harmless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(harmless("a\tb\nc"), "a\tb\nc");
        assert_eq!(harmless("\u{1b}]52;c;bm8=\u{7}"), r"\u{1b}]52;c;bm8=\u{7}");
        assert_eq!(harmless("\u{9b}2J \u{202e}x\r"), r"\u{9b}2J \u{202e}x\u{d}");
    }
}
