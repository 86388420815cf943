//! The address of a preset in a git repository: `GIT-URL[#REF]`, taken apart and checked before git sees any of it.

use std::fmt::{self, Write};

use crate::core::problem::Problem;
use crate::core::secrets::{is_a_name, shown};

/// The ways to a repository. Anything else, above all a helper such as `ext::`, can be made to run commands.
const SCHEMES: &[&str] = &["file", "http", "https", "ssh"];
/// Bytes that the name of a directory may have on any system, with room for what is put before and after it.
const MAX_NAME: usize = 200;

/// Where a preset is, outside of this machine or on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The repository, as git understands it.
    pub url: String,
    /// A branch, a tag, or a commit; what the repository itself offers first, if nothing.
    pub reference: Option<String>,
}

impl Address {
    /// Reads an address, if the text looks like one.
    pub fn parse(text: &str) -> Option<Result<Address, Problem>> {
        let (url, reference) = match text.split_once('#') {
            Some((url, reference)) => (url, Some(reference)),
            None => (text, None),
        };
        let looks_like_one = url.contains("::") || url.contains("://") || is_short(url);
        looks_like_one.then(|| Address::checked(text, url, reference))
    }

    fn checked(text: &str, url: &str, reference: Option<&str>) -> Result<Address, Problem> {
        let what = |reason| format!("the address `{}` can't be used: {reason}", shown(text));
        if let Some(reason) = refused_url(url) {
            let help = match reason {
                PASSWORD | USER | QUERY => {
                    "leave it out: git's credential helper knows it, and a project remembers the address"
                }
                _ => {
                    "an address is `https://HOST/PATH`, `ssh://HOST/PATH`, `USER@HOST:PATH` or `file:///PATH`, and `#REF` if need be"
                }
            };
            return Err(Problem::refusal(what(reason.to_owned())).help(help));
        }
        if let Some(reason) = reference.and_then(refused_reference) {
            let reason = format!("what follows `#` {reason}");
            return Err(
                Problem::refusal(what(reason)).help("a branch, a tag or a full commit follows it")
            );
        }
        Ok(Address {
            url: url.to_owned(),
            reference: reference.filter(|name| *name != "HEAD").map(str::to_owned),
        })
    }

    /// The commit, if the address says one: it means the same for ever.
    pub fn commit(&self) -> Option<&str> {
        let is_hex = |text: &&str| text.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
        let reference = self.reference.as_deref();
        reference
            .filter(|text| matches!(text.len(), 40 | 64))
            .filter(is_hex)
    }

    /// The address of the same at this commit.
    pub fn pinned(&self, commit: &str) -> Address {
        Address {
            url: self.url.clone(),
            reference: Some(commit.to_owned()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)?;
        match &self.reference {
            Some(reference) => write!(f, "#{reference}"),
            None => Ok(()),
        }
    }
}

const PASSWORD: &str = "it holds a password";
const USER: &str = "it holds a user, who may be a token";
const QUERY: &str = "it holds a query, which may be a token";

/// `USER@HOST:PATH`.
fn is_short(url: &str) -> bool {
    let before = url.split_once(':').map(|(before, _)| before);
    before.is_some_and(|before| before.contains('@') && !before.contains(['/', '\\']))
}

/// Why git is not given a URL, if it isn't.
fn refused_url(url: &str) -> Option<&'static str> {
    if url.starts_with('-') {
        return Some("it starts with a dash");
    }
    if url.chars().any(char::is_control) {
        return Some("it has a control character");
    }
    let (authority, path) = match url.split_once("://") {
        Some((scheme, _)) if !SCHEMES.contains(&scheme) => {
            return Some("presets come by `https`, `http`, `ssh` and `file`");
        }
        Some(("file", path)) => ("", path),
        Some((_, rest)) => rest.split_once('/').unwrap_or((rest, "")),
        None if is_short(url) => url.split_once(':')?,
        None => return Some("presets come by `https`, `http`, `ssh` and `file`"),
    };
    let is_http = url.starts_with("http");
    let host = match authority.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => return Some(PASSWORD),
        Some(_) if is_http => return Some(USER),
        Some((user, _)) if !is_a_name(user) => {
            return Some("its user is not made of letters and digits");
        }
        Some((_, host)) => host,
        None => authority,
    };
    if is_http && path.contains(['?', ';']) {
        return Some(QUERY);
    }
    if host.starts_with('-') || host.is_empty() && !url.starts_with("file://") {
        return Some("its host is empty or starts with a dash");
    }
    let port = host
        .rsplit_once(':')
        .filter(|(_, port)| !port.ends_with(']'));
    if url.contains("://") && port.is_some_and(|(_, port)| port.parse::<u16>().is_err()) {
        return Some("its port is not a number");
    }
    // The rest is git's to understand, but it shall not be taken for an option of what git starts.
    if path.is_empty() || path.starts_with('-') {
        return Some("its path is empty or starts with a dash");
    }
    if url.contains("::") && !host.starts_with('[') {
        return Some("it has `::`, which makes git start a helper");
    }
    (escape(url).len() > MAX_NAME).then_some("it is too long")
}

/// Why git is not given the name of a branch, a tag or a commit, if it isn't: the rules of `git check-ref-format`, and
/// a dash, which starts an option.
fn refused_reference(name: &str) -> Option<&'static str> {
    let is_odd = |c: char| c.is_control() || " ~^:?*[\\#".contains(c);
    let is_bad_part =
        |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    if name.is_empty() {
        Some("is empty")
    } else if name.starts_with('-') {
        Some("starts with a dash")
    } else if name.contains(is_odd)
        || name.contains("..")
        || name.contains("@{")
        || name == "@"
        || name.ends_with('.')
        || name.split('/').any(is_bad_part)
        || escape(name).len() > MAX_NAME
    {
        Some("is no name that git allows")
    } else {
        None
    }
}

/// A file name that stands for one text only, also where the disk knows no upper case, and that still can be read.
pub fn escape(text: &str) -> String {
    let mut name = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'@' => name.push(byte.into()),
            b'A'..=b'Z' => name.extend(['!', byte.to_ascii_lowercase().into()]),
            b'/' => name.push('+'),
            // Writing to a string can't fail.
            _ => drop(write!(name, "%{byte:02x}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> String {
        match Address::parse(text) {
            Some(Err(refusal)) => refusal.to_string().lines().next().unwrap().to_owned(),
            other => panic!("`{text}`: {other:?}"),
        }
    }

    #[test]
    fn an_address_is_a_url_and_perhaps_what_to_take_of_it() {
        for (text, url, reference) in [
            ("https://host/a/b.git", "https://host/a/b.git", None),
            (
                "https://host:8443/a#v1.0",
                "https://host:8443/a",
                Some("v1.0"),
            ),
            ("ssh://git@[::1]:22/a", "ssh://git@[::1]:22/a", None),
            (
                "git@host:a/b.git#feature/x",
                "git@host:a/b.git",
                Some("feature/x"),
            ),
            ("file:///tmp/a b#HEAD", "file:///tmp/a b", None),
        ] {
            let address = Address::parse(text).unwrap().unwrap();
            assert_eq!(address.url, url);
            assert_eq!(address.reference.as_deref(), reference);
        }
        for text in [
            "axum",
            "./preset",
            "C:\\presets\\ours",
            "c:/presets",
            "dir/a@b:c",
            "-x",
        ] {
            assert!(Address::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_would_make_git_run_something_is_refused() {
        for text in [
            "ext::sh -c touch% /tmp/pwned",
            "fd::17",
            "https::https://host/a",
            "file::///tmp/a",
            "-uhelper@host:a",
            "--upload-pack=x@host:a",
            "git://host/a",
            "ftp://host/a",
            "HTTPS://host/a",
            "ssh://-oProxyCommand=x/a",
            "ssh://git@-oProxyCommand=x/a",
            "ssh://-x@host/a",
            "git@-oProxyCommand=x:a",
            "git@host:-x",
            "ssh://host/-x",
            "https://host",
            "https:///a",
            "https://host/a\u{1b}[2J",
        ] {
            assert!(refusal(text).contains("can't be used: "), "{text}");
        }
    }

    #[test]
    fn what_may_let_one_in_is_refused_and_not_shown() {
        for text in [
            "https://ann:secret@host/a",
            "https://secret@host/a",
            "https://secret@host/a#v1.0",
            "https://ann:secret/@host/a",
            "https://ann:secret#@host/a",
            "https://ann:#secret@host/a",
            "https://ann:secret@@host/a",
            "https://:secret@host/a",
            "https://host/a.git?private_token=secret",
            "https://host/a.git;private_token=secret",
            "https://ann:secret",
            "ann@secret@host:a.git",
            "HTTPS://secret@host/a",
            "ftp://ann:secret@host/a",
            "ssh://ann:secret@host/a",
            "ssh://ann%3asecret@host/a",
        ] {
            let refusal = refusal(text);
            assert!(refusal.contains("can't be used: "), "{text}");
            assert!(!refusal.contains("secret"), "{refusal}");
        }
        assert!(refusal("ssh://git@host").contains("`ssh://git@host`"));
    }

    #[test]
    fn a_reference_that_git_does_not_allow_is_refused() {
        for name in [
            "",
            "-x",
            "--upload-pack=x",
            "a b",
            "a..b",
            "a~1",
            "a^{}",
            "a:b",
            "a?",
            "a*",
            "a[",
            "a\\b",
            ".a",
            "a/.b",
            "a/",
            "/a",
            "a//b",
            "a.",
            "a.lock",
            "a.lock/b",
            "a@{1}",
            "@",
            "a#b",
            "a\n",
        ] {
            assert!(
                refusal(&format!("https://host/a#{name}")).contains("what follows `#`"),
                "{name}"
            );
        }
    }

    proptest! {
        #[test]
        fn two_texts_never_get_one_file_name(a in "[aA!%+/.:é]{0,6}", b in "[aA!%+/.:é]{0,6}") {
            prop_assert_eq!(escape(&a).to_lowercase() == escape(&b).to_lowercase(), a == b);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,20}|(-|@|:|::|//|#|\\[|a|ssh|https){0,8}") {
            if let Some(Ok(address)) = Address::parse(&text) {
                prop_assert!(!address.url.starts_with('-'));
            }
        }
    }
}
