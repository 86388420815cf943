//! A field of a body, read by itself: what is wrong with one field hides nothing of
//! the others, so that a client hears of all at once.

use std::borrow::Borrow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::extract::reason;
use super::problem::FieldError;
use crate::domain::Invalid;

/// What a body has under one name.
#[derive(Debug, Default)]
pub enum BodyField<T> {
    #[default]
    Absent,
    Given(T),
    /// Something else than a `T`, and why.
    Wrong(String),
}

impl<T> BodyField<T> {
    /// What `check` makes of the field, which is to be there.
    ///
    /// # Errors
    ///
    /// It is absent, of another type, or not what `check` allows.
    pub fn required<B, V>(
        self,
        name: &str,
        check: impl FnOnce(&B) -> Result<V, Invalid>,
    ) -> Result<V, FieldError>
    where
        T: Borrow<B>,
        B: ?Sized,
    {
        self.optional(name, check)?.ok_or_else(|| FieldError::new(name, "must be there"))
    }

    /// What `check` makes of the field, where it is there. Null is a value, and of
    /// another type.
    ///
    /// # Errors
    ///
    /// It is of another type, or not what `check` allows.
    pub fn optional<B, V>(
        self,
        name: &str,
        check: impl FnOnce(&B) -> Result<V, Invalid>,
    ) -> Result<Option<V>, FieldError>
    where
        T: Borrow<B>,
        B: ?Sized,
    {
        match self {
            BodyField::Absent => Ok(None),
            BodyField::Given(value) => Ok(Some(check(value.borrow())?)),
            BodyField::Wrong(reason) => Err(FieldError::new(name, reason)),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for BodyField<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BodyField<T>, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?;
        Ok(match serde_json::from_str(json.get()) {
            Ok(value) => BodyField::Given(value),
            Err(error) => BodyField::Wrong(reason(&error)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Body {
        name: BodyField<String>,
        size: BodyField<u8>,
    }

    fn read(json: &str) -> (Result<String, FieldError>, Result<Option<u8>, FieldError>) {
        let Body { name, size } = serde_json::from_str(json).expect("an object");
        let name = name.required("name", |name: &str| Ok(name.to_owned()));
        (name, size.optional("size", |size: &u8| Ok(*size)))
    }

    #[test]
    fn a_field_is_what_it_says() {
        assert_eq!(read(r#"{"name":"Ad\u0061","size":7}"#), (Ok("Ada".into()), Ok(Some(7))));
    }

    #[test]
    fn each_field_is_wrong_by_itself() {
        let (name, size) = read(r#"{"name":[1,{"a":2}],"size":null}"#);
        assert_eq!(name, Err(FieldError::new("name", "invalid type: sequence, expected a string")));
        assert_eq!(size, Err(FieldError::new("size", "invalid type: null, expected u8")));
    }

    #[test]
    fn only_what_is_required_has_to_be_there() {
        assert_eq!(read("{}"), (Err(FieldError::new("name", "must be there")), Ok(None)));
    }
}
