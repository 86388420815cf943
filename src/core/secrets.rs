//! Texts without what lets one in, to be shown and to be kept in logs.

/// What is shown of a text that may be an address: neither what lets one in nor what does something to a terminal. Where
/// a path may have `@` as well, the caller knows whether it is the path of something.
pub fn shown(text: &str) -> String {
    let Parts {
        scheme,
        user,
        place,
        query,
    } = Parts::of(text);
    let dots = |hidden: &str| if hidden.is_empty() { "" } else { "..." };
    let shown = format!("{scheme}{}{place}{}", dots(user), dots(query));
    shown.escape_debug().to_string()
}

/// Whether something of a text is not to be shown.
pub fn holds_secrets(text: &str) -> bool {
    let parts = Parts::of(text);
    !(parts.user.is_empty() && parts.query.is_empty())
}

/// A line of a file without what lets one in by the addresses in it. What stays is where it was.
pub fn masked(line: &str) -> String {
    let hide = |text: &str| "*".repeat(text.chars().count());
    let is_end = |c: char| c.is_whitespace() || "\"'`".contains(c);
    let mut masked = String::new();
    for piece in line.split_inclusive(is_end) {
        let word = piece.trim_end_matches(is_end);
        let Parts {
            scheme,
            user,
            place,
            query,
        } = Parts::of(word);
        // Code has `;` and `#` after much else than addresses.
        let is_address = !scheme.is_empty() || word.contains('@') || query.contains('=');
        let query = if is_address {
            hide(query)
        } else {
            query.into()
        };
        masked.extend([scheme, &hide(user), place, &query, &piece[word.len()..]]);
    }
    masked
}

/// A text that may be an address, or nearly one. Put together, the parts are the text.
struct Parts<'t> {
    /// All up to the host or the user, such as `https://`.
    scheme: &'t str,
    /// Who may be let in. It is not to be shown.
    user: &'t str,
    /// The host and the path, with what divides them from the others.
    place: &'t str,
    /// What follows the path. It is not to be shown.
    query: &'t str,
}

impl<'t> Parts<'t> {
    /// Mistakes are what this is for: a refused address has `@`, `/` and `#` where they don't belong.
    fn of(text: &'t str) -> Parts<'t> {
        let (scheme, rest) = text.split_at(scheme_length(text));
        let parts = |user, place, query| Parts {
            scheme,
            user,
            place,
            query,
        };
        if scheme.ends_with("file:///") {
            return parts("", rest, "");
        }
        let begin = rest.find(['?', ';', '#']);
        let (before, query) = rest.split_at(begin.map_or(rest.len(), |begin| begin + 1));
        if query.contains('@') {
            // Either could be a part of the other.
            return parts(rest, "", "");
        }
        let user_length = before.rfind('@').unwrap_or(0);
        let (user, place) = before.split_at(user_length);
        let is_known = match scheme {
            "" => place.contains(':') && !user.contains(['@', ':', '/', '\\', '%']),
            _ => scheme.ends_with("ssh://") && is_a_name(user),
        };
        if !user.is_empty() && is_known {
            parts("", before, query)
        } else if user.is_empty() && !scheme.is_empty() && !is_host(before) {
            parts(rest, "", "")
        } else {
            parts(user, place, query)
        }
    }
}

/// Bytes of a scheme and of all slashes after it, or of two slashes without one.
fn scheme_length(text: &str) -> usize {
    let end = match text.find(":/") {
        // It may be a user who is followed by `:/`, too.
        Some(colon) if !text[..colon].contains(['@', ':', '?', ';', '#']) => colon + 1,
        _ if text.starts_with("//") => 0,
        _ => return 0,
    };
    let rest = text[end..].trim_start_matches('/');
    text.len() - rest.len()
}

/// Whether what a path may follow is no more than a host, perhaps with a port, as opposed to a user and a password
/// without `@`.
fn is_host(text: &str) -> bool {
    let host = text.split(['/', '?', ';', '#']).next().unwrap_or_default();
    let (name, after) = match host.split_once(']') {
        Some((name, after)) if name.starts_with('[') => (name, after),
        _ => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = after.strip_prefix(':').unwrap_or(after);
    let is_escaped = ["%40", "%3a", "%3A"].iter().any(|c| name.contains(c));
    !is_escaped && (port.is_empty() || port.parse::<u16>().is_ok())
}

/// Whether this is no more than what somebody is called.
pub fn is_a_name(user: &str) -> bool {
    let is_usual = |c: char| c.is_alphanumeric() || "._-+".contains(c);
    !user.is_empty() && !user.starts_with('-') && user.chars().all(is_usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_mistaken_address_only_what_lets_nobody_in_is_shown() {
        for (text, said) in [
            ("https:/user:SECRET@h/p.git", "https:/...@h/p.git"),
            ("https:///user:SECRET@h/p.git", "https:///...@h/p.git"),
            ("https:user:SECRET@h/p.git", "...@h/p.git"),
            ("//user:SECRET@h/p.git", "//...@h/p.git"),
            ("//user:SECRET", "//..."),
            ("user:SECRET@h:/p.git", "...@h:/p.git"),
            ("SECRET@h/p.git", "...@h/p.git"),
            ("git@SECRET@h:p.git", "...@h:p.git"),
            ("git:SECRET@h:p.git", "...@h:p.git"),
            ("a/SECRET@h:p.git", "...@h:p.git"),
            ("git%3aSECRET@h:p.git", "...@h:p.git"),
            ("https://user:SECRET", "https://..."),
            ("https:/user:SECRET/p", "https:/..."),
            ("https://user:SECRET%40h/p", "https://..."),
            ("https://SECRET%40h/p", "https://..."),
            ("https://user:SEC/RET@h", "https://...@h"),
            ("https://h/p.git;token=SECRET", "https://h/p.git;..."),
            ("https://h/p.git?token=SECRET", "https://h/p.git?..."),
            ("h/p.git?token=SECRET", "h/p.git?..."),
            ("https://h/p.git#SECRET", "https://h/p.git#..."),
            ("https://h/p?a=b@c&token=SECRET", "https://..."),
            ("https://user:SEC#RET@h/p", "https://..."),
            ("ssh://user:SECRET@h/p", "ssh://...@h/p"),
            ("file://user:SECRET@h/p", "file://...@h/p"),
        ] {
            assert_eq!(shown(text), said);
            assert!(holds_secrets(text), "{text}");
            let line = format!("extends = \"{text}\"");
            let masked = masked(&line);
            assert!(!masked.contains("SEC"), "{masked}");
            assert_eq!(masked.len(), line.len());
        }
    }

    #[test]
    fn what_lets_nobody_in_is_shown_whole() {
        for text in [
            "axum",
            "../presets/ours",
            "C:/presets/ours",
            "git@host:a/b.git",
            "ssh://git@host:22/a",
            "ssh://git@[::1]:22/a",
            "https://host:8443/a/b.git",
            "https://[::1]:8443/a",
            "file:///tmp/a@b#main",
            "",
        ] {
            assert_eq!(shown(text), text);
            assert!(!holds_secrets(text), "{text}");
            assert_eq!(masked(text), text);
        }
        for code in ["let a = b; // c? #[d]", "//% if a", "- # a: b"] {
            assert_eq!(masked(code), code);
        }
    }

    #[test]
    fn an_address_in_a_line_is_masked_without_moving_the_rest() {
        for (line, masked_line) in [
            (
                "a = \"https://ann:p/w@host/a@b\" # x://y",
                "a = \"https://**************@b\" # x://y",
            ),
            ("x,http://git@host", "x,http://***@host"),
            ("(https://host/a?b=c 'd')", "(https://host/a?*** 'd')"),
            ("://", "://"),
            ("é = 'http://é@h'", "é = 'http://*@h'"),
        ] {
            assert_eq!(masked(line), masked_line);
        }
    }
}
