//! Templates with one condition turned round: if no project becomes another one by that, nothing needs the condition.

use std::borrow::Cow;
use std::ops::Range;

use anyhow::Result;

use crate::core::answers::Answers;
use crate::core::preset::{BASE, Preset, sharers};
use crate::core::render::{self, render};
use crate::core::tree::Tree;

/// What a template's name ends with.
const TEMPLATE: &str = ".jinja";

/// A preset's template with one condition turned round.
#[derive(Debug)]
pub struct Mutant {
    /// The template, by its path in the preset.
    pub path: String,
    /// The line that the condition is on.
    pub line: usize,
    /// That line.
    pub excerpt: String,
    /// The condition.
    pub condition: String,
    text: String,
}

/// Every mutant of a preset's own templates that is a template itself.
pub fn of(preset: &Preset) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for (path, text) in preset.own_files() {
        let Some(target) = path.strip_suffix(TEMPLATE) else {
            continue;
        };
        for condition in conditions(text, render::line_statement(target)) {
            let Range { start, end } = condition;
            let condition = &text[start..end];
            let mutated = format!("{}not ({condition}){}", &text[..start], &text[end..]);
            if !render::is_template(target, &mutated)? {
                continue;
            }
            let line = text[..start].matches('\n').count();
            let excerpt = text.lines().nth(line).unwrap_or_default().trim();
            mutants.push(Mutant {
                path: path.to_owned(),
                line: line + 1,
                excerpt: excerpt.to_owned(),
                condition: condition.to_owned(),
                text: mutated,
            });
        }
    }
    Ok(mutants)
}

impl Mutant {
    /// The first of these projects that the mutant makes another one of, or can't make at all.
    pub fn noticed_by<'p, P>(
        &self,
        preset: &mut Preset,
        projects: impl IntoIterator<Item = (&'p P, &'p Answers, &'p Tree)>,
    ) -> Option<&'p P> {
        let original = preset.replace(&self.path, Cow::Owned(self.text.clone()))?;
        let is_other = |(_, answers, tree): &(&P, &Answers, &Tree)| {
            self.is_used(answers)
                && render(preset, answers).map_or(true, |mutated| mutated != **tree)
        };
        let found = projects.into_iter().find(is_other);
        preset.replace(&self.path, original);
        found.map(|(project, ..)| project)
    }

    /// Whether a project has the layer of the template.
    fn is_used(&self, answers: &Answers) -> bool {
        let mut parts = self.path.split('/');
        let (first, second) = (parts.next(), parts.next().unwrap_or_default());
        let is_chosen = |(choice, option)| {
            first == Some(choice) && sharers(second).any(|sharer| sharer == option)
        };
        first == Some(BASE) || answers.choices().options().any(is_chosen)
    }
}

/// What ends a piece of code in a template.
#[derive(Clone, Copy)]
enum End {
    Line,
    Mark(&'static str),
}

/// A word or a sign of the code in a template.
struct Token<'t> {
    text: &'t str,
    start: usize,
    /// How many brackets it is in. A bracket is not in itself.
    depth: usize,
}

/// Where the conditions of a template are. What is no code, or code that the engine will refuse, may be misread: the
/// mutant is then no template, or makes another project.
fn conditions(text: &str, line_statement: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut at, mut is_at_start) = (0, true);
    while let Some(next) = text[at..].chars().next() {
        let rest = &text[at..];
        let (start, end) =
            if is_at_start && !line_statement.is_empty() && rest.starts_with(line_statement) {
                (at + line_statement.len(), End::Line)
            } else if rest.starts_with("{#") {
                at = rest.find("#}").map_or(text.len(), |end| at + end + 2);
                is_at_start = false;
                continue;
            } else if rest.starts_with("{%") {
                (at + 2, End::Mark("%}"))
            } else if rest.starts_with("{{") {
                (at + 2, End::Mark("}}"))
            } else {
                is_at_start = next == '\n' || is_at_start && next.is_whitespace();
                at += next.len_utf8();
                continue;
            };
        let (tokens, end) = tokens(text, start, end);
        let is_raw = |token: &Token| token.text == "raw";
        // After the mark that says how to trim.
        let mut words = tokens
            .iter()
            .skip_while(|token| matches!(token.text, "-" | "+"));
        at = match words.next().is_some_and(is_raw) && rest.starts_with("{%") {
            true => text[end..]
                .find("endraw")
                .map_or(text.len(), |raw| end + raw),
            false => end,
        };
        is_at_start = text[..at].ends_with('\n');
        found.extend(conditions_in(&tokens));
    }
    found
}

fn conditions_in(tokens: &[Token]) -> Vec<Range<usize>> {
    // What follows a dot is the name of an attribute.
    let is_word = |index: usize, words: &[&str]| {
        words.contains(&tokens[index].text) && (index == 0 || tokens[index - 1].text != ".")
    };
    let condition = |index: usize| {
        let depth = tokens[index].depth;
        let goes_on = |other: &usize| {
            let ends = is_word(*other, &[",", "else", "if", "recursive"]);
            tokens[*other].depth > depth || tokens[*other].depth == depth && !ends
        };
        let mut condition = (index + 1..tokens.len()).take_while(goes_on);
        let first = &tokens[condition.next()?];
        let last = condition.last().map_or(first, |last| &tokens[last]);
        Some(first.start..last.start + last.text.len())
    };
    let ifs = (0..tokens.len()).filter(|index| is_word(*index, &["if", "elif"]));
    ifs.filter_map(condition).collect()
}

/// The tokens of a piece of code, and where it ends with its mark. Strings are one token each.
fn tokens(text: &str, start: usize, end: End) -> (Vec<Token<'_>>, usize) {
    let (mut tokens, mut at, mut depth) = (Vec::<Token>::new(), start, 0_usize);
    while let Some(next) = text[at..].chars().next() {
        let rest = &text[at..];
        match end {
            End::Line if next == '\n' && depth == 0 => return (tokens, at + 1),
            End::Mark(mark) if depth == 0 && rest.starts_with(mark) => {
                // A sign at the mark says how to trim.
                let trims = |token: &Token| {
                    matches!(token.text, "-" | "+") && token.start + 1 == at && token.start > start
                };
                if tokens.last().is_some_and(trims) {
                    tokens.pop();
                }
                return (tokens, at + mark.len());
            }
            _ => {}
        }
        let length = match next {
            '"' | '\'' => string(rest),
            _ if is_of_a_word(next) => rest.find(|c: char| !is_of_a_word(c)).unwrap_or(rest.len()),
            _ => next.len_utf8(),
        };
        if matches!(next, ')' | ']' | '}') {
            depth = depth.saturating_sub(1);
        }
        if !next.is_whitespace() {
            tokens.push(Token {
                text: &rest[..length],
                start: at,
                depth,
            });
        }
        if matches!(next, '(' | '[' | '{') {
            depth += 1;
        }
        at += length;
    }
    (tokens, text.len())
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the string that a text starts with.
fn string(text: &str) -> usize {
    let quote = text.chars().next();
    let mut is_escaped = true;
    for (index, c) in text.char_indices() {
        if !is_escaped && Some(c) == quote {
            return index + c.len_utf8();
        }
        // The opening quote counts as escaped.
        is_escaped = index > 0 && !is_escaped && c == '\\';
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let found = conditions(text, "//%").into_iter();
        found.map(|range| &text[range]).collect()
    }

    #[test]
    fn conditions_are_found_wherever_a_template_can_have_one() {
        for (text, conditions) in [
            (
                "//% if a\n  //% elif b == \"x\"\n//% else\n//% endif\n",
                &["a", "b == \"x\""][..],
            ),
            ("let x = 1; //% if a\nif b {}\n", &[]),
            (
                "{% if a -%} x {%- elif not (b or c) %}{% endif %}",
                &["a", "not (b or c)"],
            ),
            ("{%- if a.if %}", &["a.if"]),
            ("{{ \"if\" if a[\"else\"] else b }} if c", &["a[\"else\"]"]),
            ("{{ f(1 if a, {\"k\": 2 if b}) | g }}", &["a", "b"]),
            ("{% for x in y if x.a recursive %}{% endfor %}", &["x.a"]),
            (
                "{# if a #}{% raw %}{% if b %}{% endraw %}{% if c %}",
                &["c"],
            ),
            (
                "//% if f(a,\n  b)\nü {{ 'ü\\'' if ü }}",
                &["f(a,\n  b)", "ü"],
            ),
            ("{{ a if", &[]),
            ("{{ a.else if b.else else c }}", &["b.else"]),
            ("{% if \"", &["\""]),
        ] {
            assert_eq!(found(text), conditions, "{text}");
        }
    }
}
