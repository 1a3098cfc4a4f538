//! A JSON document that borrows its text from the input.
//!
//! Records are read once and dropped, and have few keys: searching a list of keys from its end is several
//! times cheaper than the maps of `serde_json`. If a key occurs twice, the last value counts, as in
//! `serde_json`. Numbers stay as they are written, because a server's ids may be longer than any machine
//! number.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The key under which `serde_json` provides a number as it is written.
const NUMBER: &str = "$serde_json::private::Number";

#[derive(Debug, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    /// A whole number of 64 bits, with or without a sign.
    Integer(i128),
    /// Any other number, as it is written.
    Number(Cow<'a, str>),
    String(Cow<'a, str>),
    Array(Vec<Self>),
    Object(Vec<(Cow<'a, str>, Self)>),
}

impl<'a> Json<'a> {
    /// The value of an object's key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(fields) = self else { return None };
        fields.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub(crate) fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(values) = self { Some(values) } else { None }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    pub(crate) fn as_integer(&self) -> Option<i128> {
        if let Self::Integer(value) = self { Some(*value) } else { None }
    }

    pub(crate) fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Number(digits) => digits.parse().ok().filter(|number: &f64| number.is_finite()),
            Self::Null | Self::Bool(_) | Self::String(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    pub(crate) fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// The same document as an owned value.
    pub(crate) fn to_value(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Integer(value) => number(&value.to_string()),
            Self::Number(digits) => number(digits),
            Self::String(text) => text.as_ref().into(),
            Self::Array(values) => values.iter().map(Self::to_value).collect(),
            Self::Object(fields) => {
                fields.iter().map(|(key, value)| (key.as_ref(), value.to_value())).collect()
            }
        }
    }
}

/// Parses a number that was validated before.
fn number(digits: &str) -> serde_json::Value {
    digits.parse().map_or(serde_json::Value::Null, serde_json::Value::Number)
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Owned(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json<'de>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = from.next_element()? {
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json<'de>, A::Error> {
        let mut fields = Vec::new();
        while let Some(Json::String(key)) = from.next_key()? {
            if fields.is_empty() {
                if key == NUMBER {
                    return from.next_value().map(Json::Number);
                }
                fields.reserve(8);
            }
            fields.push((key, from.next_value()?));
        }
        Ok(Json::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use serde_json::Value;

    use super::*;

    /// Checks that the result, or the error, is the same as that of `serde_json`.
    fn check(bytes: &[u8]) {
        let ours = serde_json::from_slice::<Json<'_>>(bytes).map(|json| json.to_value());
        let theirs = serde_json::from_slice::<Value>(bytes);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => assert_eq!(ours.to_string(), theirs.to_string()),
            (ours, theirs) => assert_eq!(
                ours.map_err(|error| error.to_string()),
                theirs.map_err(|error| error.to_string()),
                "{}",
                String::from_utf8_lossy(bytes)
            ),
        }
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        let json: Json<'_> = serde_json::from_str(r#"{"a":1,"b":2,"a":{"a":3}}"#).unwrap();
        assert_eq!(json.get("a").unwrap().get("a"), Some(&Json::Integer(3)));
        assert_eq!(json.get("c"), None);
        assert_eq!(Json::Null.get("a"), None);
        check(br#"{"a":1,"b":2,"a":{"a":3}}"#);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

        #[test]
        fn any_document_is_what_serde_json_makes_of_it(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "{}", "[", "]", ",", ",", ":", ":", "\"a\"", "\"a\":", "\"b\":1", "\"\\u00e9\\n\"", "\"", "\\", "\\ud83d",
                "null", "true", "false", "0", "-1", "1e3", "1.5", "18446744073709551616", "1e999", " ", "\n", "é", "\u{0}",
            ]), 0..14),
        ) {
            check(pieces.concat().as_bytes());
        }
    }
}
