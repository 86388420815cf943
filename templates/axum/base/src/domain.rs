//! What the resources have in common. A value of one of these types is right:
//! it was checked where it came in, and nobody checks it again.

use std::fmt::{self, Display};
use std::num::ParseIntError;
use std::str::FromStr;

use uuid::Uuid;

/// A field that cannot be what somebody said it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    pub field: &'static str,
    pub reason: &'static str,
}

/// How often something has been changed, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub i64);

impl Version {
    /// The version of something new.
    pub const FIRST: Version = Version(1);
}

impl FromStr for Version {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Version, ParseIntError> {
        text.parse().map(Version)
    }
}

/// Which version somebody means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whichever there is.
    Any,
    /// One of these; none of them, if there are none.
    OneOf(Vec<Version>),
}

impl Expected {
    /// Whether this version is meant.
    pub fn allows(&self, version: Version) -> bool {
        match self {
            Expected::Any => true,
            Expected::OneOf(versions) => versions.contains(&version),
        }
    }
}

/// How many items a page has at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u8);

impl Limit {
    pub fn get(self) -> usize {
        self.0.into()
    }
}

impl FromStr for Limit {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Limit, Invalid> {
        match text.parse() {
            Ok(limit @ 1..=100) => Ok(Limit(limit)),
            _ => Err(Invalid { field: "limit", reason: "must be between 1 and 100" }),
        }
    }
}

impl Default for Limit {
    fn default() -> Limit {
        Limit(20)
    }
}

/// The place after which a page begins. Ids are ordered by the time of their
/// making, so the last one seen is such a place: it stays right while rows come
/// and go, and costs the same on the thousandth page as on the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub Uuid);

impl Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl FromStr for Cursor {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Cursor, Invalid> {
        // A UUID can be written in other ways, too, but a page writes it in one.
        let cursor = text.parse().ok().map(Cursor).filter(|cursor| cursor.to_string() == text);
        cursor.ok_or(Invalid { field: "cursor", reason: "is not one that a page gave" })
    }
}

/// Some of many, and where to go on.
#[derive(Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<Cursor>,
}

/// The name that a client gives to a request which it may have to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Checks a key.
    ///
    /// # Errors
    ///
    /// Empty, longer than 255 characters, or not printable ASCII.
    pub fn new(key: &str) -> Result<IdempotencyKey, Invalid> {
        let printable = key.bytes().all(|byte| byte.is_ascii_graphic());
        if printable && (1..=255).contains(&key.len()) {
            return Ok(IdempotencyKey(key.to_owned()));
        }
        let reason = "must be 1 to 255 printable ASCII characters";
        Err(Invalid { field: "Idempotency-Key", reason })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_what_its_text_says() {
        let cursor = Cursor(Uuid::now_v7());
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert!("next".parse::<Cursor>().is_err());
    }

    #[test]
    fn a_cursor_that_no_page_gave_is_refused() {
        for text in [
            "0199ABCD000070008000000000000000",
            "0199abcd-0000-7000-8000-000000000000",
            "{0199abcd-0000-7000-8000-000000000000}",
            "urn:uuid:0199abcd-0000-7000-8000-000000000000",
        ] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_limit_is_between_1_and_100() {
        let fits = |limit: &str| limit.parse::<Limit>().is_ok();
        assert_eq!(["0", "1", "100", "101"].map(fits), [false, true, true, false]);
    }

    #[test]
    fn a_version_is_meant_by_any_and_by_those_that_name_it() {
        assert!(Expected::Any.allows(Version(7)));
        assert!(Expected::OneOf(vec![Version(6), Version(7)]).allows(Version(7)));
        assert!(!Expected::OneOf(vec![Version(6)]).allows(Version(7)));
        assert!(!Expected::OneOf(Vec::new()).allows(Version(7)));
    }
}
