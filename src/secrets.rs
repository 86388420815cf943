//! Texts without what lets one in, to be shown and to be kept in logs.

/// What is shown of a text that may be an address: neither what lets one in nor what does something to a terminal. All
/// that may be a user and a password is left out, for a refused address has `@`, `/` and `#` where they don't belong.
pub fn shown(text: &str) -> String {
    let mut shown = text.escape_debug().to_string();
    let Some((scheme, rest)) = text.split_once("://") else {
        return shown;
    };
    if scheme == "file" {
        return shown;
    }
    let (user, mut place) = match rest.rsplit_once('@') {
        Some((user, place)) if scheme == "ssh" && is_a_name(user) => (format!("{user}@"), place),
        Some((_, place)) => ("...@".to_owned(), place),
        None => (String::new(), rest),
    };
    let mut query = "";
    if let Some((before, _)) = place.split_once('?') {
        (place, query) = (before, "?...");
    }
    shown = format!("{scheme}://{user}{place}{query}");
    shown.escape_debug().to_string()
}

/// A line of a file without what lets one in by the addresses in it. What stays is where it was.
pub fn masked(line: &str) -> String {
    let hide = |text: &str| "*".repeat(text.chars().count());
    let mut masked = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(|c: char| c.is_whitespace() || "\"'`".contains(c));
        let address = &after[..end.unwrap_or(after.len())];
        let (user, place) = address.split_at(address.rfind('@').unwrap_or(0));
        let (place, query) = place.split_at(place.find('?').unwrap_or(place.len()));
        masked.extend([before, "://", &hide(user), place, &hide(query)]);
        rest = &after[address.len()..];
    }
    masked + rest
}

/// Whether this is no more than what somebody is called.
pub fn is_a_name(user: &str) -> bool {
    let is_usual = |c: char| c.is_alphanumeric() || "._-+".contains(c);
    !user.is_empty() && !user.starts_with('-') && user.chars().all(is_usual)
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn an_address_in_a_line_is_masked_without_moving_the_rest() {
        for (line, masked_line) in [
            (
                "a = \"https://ann:p/w@host/a@b\" # x://y",
                "a = \"https://**************@b\" # x://y",
            ),
            ("ssh://git@host", "ssh://***@host"),
            ("(https://host/a?b=c 'd')", "(https://host/a**** 'd')"),
            ("://", "://"),
            ("é = 'http://é@h'", "é = 'http://*@h'"),
        ] {
            assert_eq!(masked(line), masked_line);
        }
    }
}
