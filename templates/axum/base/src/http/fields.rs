//! What a body or a query has, taken by name. What is wrong with one field hides nothing
//! of the others, so that a client hears of all at once.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::domain::Invalid;
use crate::telemetry::shortened;

/// How many fields there may be, which is more than anything takes: each one costs
/// memory beside the text that it was read from.
const MOST: usize = 256;

/// How many fields that are wrong an answer names.
const NAMED_AT_MOST: usize = 20;

/// How much of a client's own text an answer repeats at a time, in bytes.
const SHOWN_AT_MOST: usize = 256;

/// What is made from the fields of a body.
pub trait FromBody: Sized {
    /// Takes the fields that there may be, all of them before it fails.
    ///
    /// # Errors
    ///
    /// One of them was refused.
    fn read(fields: &mut Fields<&RawValue>) -> Result<Self, Refused>;
}

/// What is made from the parameters of a query.
pub trait FromQuery: Sized {
    /// Takes the parameters that there may be, all of them before it fails.
    ///
    /// # Errors
    ///
    /// One of them was refused.
    fn read(parameters: &mut Fields<String>) -> Result<Self, Refused>;
}

/// Fields that nobody has taken yet, and what was wrong with those that were.
pub struct Fields<V> {
    /// By name; a name that came more than once has no value.
    given: BTreeMap<String, Option<V>>,
    wrong: Vec<WrongField>,
}

/// A field, or all of them together, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongField {
    pub name: Option<String>,
    pub reason: Cow<'static, str>,
}

/// A field is wrong, as its [`Fields`] remember.
#[derive(Debug)]
pub struct Refused(());

impl Fields<&RawValue> {
    /// What `check` makes of the field of a body, which is to be there.
    ///
    /// # Errors
    ///
    /// It is absent, of another type, or not what `check` allows.
    pub fn required<T, C>(
        &mut self,
        name: &str,
        check: impl FnOnce(&T) -> Result<C, Invalid>,
    ) -> Result<C, Refused>
    where
        T: ToOwned<Owned: DeserializeOwned> + ?Sized,
    {
        self.optional(name, check)?.ok_or_else(|| self.refuse(name, "must be there"))
    }

    /// What `check` makes of the field of a body, where it is there. Null is a value,
    /// and of another type.
    ///
    /// # Errors
    ///
    /// It is of another type, or not what `check` allows.
    pub fn optional<T, C>(
        &mut self,
        name: &str,
        check: impl FnOnce(&T) -> Result<C, Invalid>,
    ) -> Result<Option<C>, Refused>
    where
        T: ToOwned<Owned: DeserializeOwned> + ?Sized,
    {
        self.take(name, |json| {
            let value: T::Owned = serde_json::from_str(json.get()).map_err(reason)?;
            check(value.borrow()).map_err(|invalid| invalid.reason.into())
        })
    }
}

impl Fields<String> {
    /// What `check` makes of the parameter of a query, where it is there.
    ///
    /// # Errors
    ///
    /// It is not what `check` allows.
    pub fn optional<C>(
        &mut self,
        name: &str,
        check: impl FnOnce(&str) -> Result<C, Invalid>,
    ) -> Result<Option<C>, Refused> {
        self.take(name, |text| check(&text).map_err(|invalid| invalid.reason.into()))
    }
}

impl<V> Fields<V> {
    /// What `read` makes of all fields.
    ///
    /// # Errors
    ///
    /// Some are wrong, or are left over because nobody knows them.
    pub fn read<T>(
        mut self,
        read: impl FnOnce(&mut Fields<V>) -> Result<T, Refused>,
    ) -> Result<T, Vec<WrongField>> {
        if self.given.len() > MOST {
            let reason = format!("must not have more than {MOST} fields").into();
            return Err(vec![WrongField { name: None, reason }]);
        }
        let read = read(&mut self);
        let unknown = self.given.into_keys();
        let unknown = unknown.map(|name| WrongField::new(name, "is unknown"));
        let mut wrong = self.wrong;
        wrong.extend(unknown);
        match read {
            Ok(value) if wrong.is_empty() => Ok(value),
            _ => Err(first(wrong)),
        }
    }

    fn take<C>(
        &mut self,
        name: &str,
        read: impl FnOnce(V) -> Result<C, Cow<'static, str>>,
    ) -> Result<Option<C>, Refused> {
        let read = match self.given.remove(name) {
            None => return Ok(None),
            Some(None) => Err("must not be there more than once".into()),
            Some(Some(value)) => read(value),
        };
        read.map(Some).map_err(|reason| self.refuse(name, reason))
    }

    fn refuse(&mut self, name: &str, reason: impl Into<Cow<'static, str>>) -> Refused {
        self.wrong.push(WrongField::new(name, reason));
        Refused(())
    }
}

/// As many as are named, and how many more there are.
fn first(mut wrong: Vec<WrongField>) -> Vec<WrongField> {
    if wrong.len() > NAMED_AT_MOST {
        let reason = format!("{} more are wrong", wrong.len() - NAMED_AT_MOST).into();
        wrong.truncate(NAMED_AT_MOST);
        wrong.push(WrongField { name: None, reason });
    }
    wrong
}

impl WrongField {
    fn new(name: impl Into<String>, reason: impl Into<Cow<'static, str>>) -> WrongField {
        WrongField { name: Some(name.into()), reason: reason.into() }
    }
}

impl Display for WrongField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "`{}` ", shown(name))?;
        }
        f.write_str(&self.reason)
    }
}

/// What of a client's text goes into the answer: it knows the rest, and an answer must
/// not be larger than its request.
pub fn shown(text: &str) -> Cow<'_, str> {
    shortened(text, SHOWN_AT_MOST)
}

/// What is wrong with a value. The error ends with a position, which a pointer says
/// better.
fn reason(error: serde_json::Error) -> String {
    let error = error.to_string();
    shown(error.rsplit_once(" at line ").map_or(&*error, |(reason, _)| reason)).into_owned()
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Fields<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields<V>, D::Error> {
        deserializer.deserialize_map(ByName(PhantomData))
    }
}

struct ByName<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for ByName<V> {
    type Value = Fields<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<V>, A::Error> {
        let mut given = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            // One more than there may be tells that there are too many.
            if given.len() <= MOST {
                given.entry(name).and_modify(|value| *value = None).or_insert(Some(value));
            }
        }
        Ok(Fields { given, wrong: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Body {
        name: String,
        size: Option<u8>,
    }

    impl FromBody for Body {
        fn read(fields: &mut Fields<&RawValue>) -> Result<Body, Refused> {
            let name = fields.required("name", |name: &str| Ok(name.to_owned()));
            let size = fields.optional("size", |size: &u8| Ok(*size));
            Ok(Body { name: name?, size: size? })
        }
    }

    /// The body, or each field that is wrong and why.
    fn read(json: &str) -> Result<Body, Vec<String>> {
        let fields: Fields<&RawValue> = serde_json::from_str(json).expect("an object");
        fields.read(Body::read).map_err(|wrong| wrong.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_field_is_what_it_says() {
        let body = |name: &str, size| Ok(Body { name: name.to_owned(), size });
        assert_eq!(read(r#"{"name":"Ad\u0061","size":7}"#), body("Ada", Some(7)));
        assert_eq!(read(r#"{"n\u0061me":"Ada"}"#), body("Ada", None));
    }

    #[test]
    fn each_field_is_wrong_by_itself() {
        let wrong = read(r#"{"role":1,"name":"Ada","size":null,"name":"Eve","":[],"role":2}"#);
        let expected = [
            "`name` must not be there more than once",
            "`size` invalid type: null, expected u8",
            "`` is unknown",
            "`role` is unknown",
        ];
        assert_eq!(wrong.expect_err("it is wrong"), expected);
        let wrong = read(r#"{"name":[1,{"a":2}]}"#).expect_err("it is wrong");
        assert_eq!(wrong, ["`name` invalid type: sequence, expected a string"]);
    }

    #[test]
    fn only_what_is_required_has_to_be_there() {
        assert_eq!(read("{}").expect_err("it is wrong"), ["`name` must be there"]);
    }

    #[test]
    fn of_many_fields_that_are_wrong_the_first_are_named() {
        let body = |unknown: usize| {
            let unknown: Vec<_> = (0..unknown).map(|n| format!("\"{n}\":{n}")).collect();
            read(&format!("{{{}}}", unknown.join(","))).expect_err("it is wrong")
        };
        let wrong = body(MOST);
        assert_eq!((wrong.len(), &*wrong[0]), (NAMED_AT_MOST + 1, "`name` must be there"));
        assert_eq!(wrong[NAMED_AT_MOST], "237 more are wrong");
        assert_eq!(body(100_000), ["must not have more than 256 fields"]);
    }
}
