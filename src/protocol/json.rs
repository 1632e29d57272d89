//! JSON documents, read member by member: a derived reader for each kind of object is long, and brings words for every
//! type that it did not expect, floating point included.
//!
//! Decides: what is no good as a member. Leaves to others: which members there are, what stands for one that is
//! missing.

mod unique;

use serde_json::{Map, Value};

pub use self::unique::read_unique;
use crate::protocol::{time::UnixSeconds, word::Word};

/// Reads a document.
///
/// # Errors
/// 503 where it was stored or sent by ourselves: it is no JSON, or no such document.
pub fn read<Document: FromJson>(text: &[u8]) -> Result<Document, Unreadable> {
    Ok(Document::from_json(serde_json::from_slice(text)?)?)
}

/// A text that is no such document: where or which member, never what it says, as serde's own words do.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is no JSON.
    #[error("{:?} error at line {}, column {}", .0.classify(), .0.line(), .0.column())]
    Text(#[from] serde_json::Error),
    /// It is JSON of something else.
    #[error(transparent)]
    Document(#[from] BadMember),
}

/// What a JSON value can be read as.
pub trait FromJson: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// It is something else.
    fn from_json(value: Value) -> Result<Self, BadMember>;
}

impl FromJson for Value {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        Ok(value)
    }
}

impl FromJson for Map<String, Value> {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        if let Value::Object(members) = value { Ok(members) } else { Err(BadMember("object")) }
    }
}

impl FromJson for String {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        if let Value::String(text) = value { Ok(text) } else { Err(BadMember("text")) }
    }
}

impl<Element: FromJson> FromJson for Vec<Element> {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let Value::Array(elements) = value else { return Err(BadMember("list")) };
        elements.into_iter().map(Element::from_json).collect()
    }
}

/// Null is none.
impl<Document: FromJson> FromJson for Option<Document> {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        if value.is_null() { Ok(None) } else { Document::from_json(value).map(Some) }
    }
}

/// A member that is missing or of another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bad member {0}")]
pub struct BadMember(pub &'static str);

/// The members of an object, each to be taken once. Null is as good as absent.
pub struct Members(Map<String, Value>);

impl Members {
    /// Those of an object.
    ///
    /// # Errors
    /// It is something else.
    pub fn of(value: Value) -> Result<Self, BadMember> {
        Map::from_json(value).map(Self)
    }

    /// A value.
    pub fn value(&mut self, name: &'static str) -> Option<Value> {
        self.0.get_mut(name).map(Value::take).filter(|value| !value.is_null())
    }

    /// A document of its own.
    ///
    /// # Errors
    /// It is something else.
    pub fn document<Document: FromJson>(&mut self, name: &'static str) -> Result<Option<Document>, BadMember> {
        self.value(name).map(Document::from_json).transpose()
    }

    /// A text.
    ///
    /// # Errors
    /// It is something else.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, BadMember> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(BadMember(name)),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// It is something else.
    pub fn number(&mut self, name: &'static str) -> Result<Option<u64>, BadMember> {
        self.value(name).map(|value| value.as_u64().ok_or(BadMember(name))).transpose()
    }

    /// A small number; 0 where it is missing.
    ///
    /// # Errors
    /// It is something else, or larger.
    pub fn count(&mut self, name: &'static str) -> Result<u32, BadMember> {
        u32::try_from(self.number(name)?.unwrap_or_default()).map_err(|_| BadMember(name))
    }

    /// A smaller one.
    ///
    /// # Errors
    /// As those of [`Members::count`].
    pub fn byte(&mut self, name: &'static str) -> Result<u8, BadMember> {
        u8::try_from(self.count(name)?).map_err(|_| BadMember(name))
    }

    /// An instant.
    ///
    /// # Errors
    /// It is something else.
    pub fn instant(&mut self, name: &'static str) -> Result<Option<UnixSeconds>, BadMember> {
        Ok(self.number(name)?.map(UnixSeconds))
    }

    /// Yes or no; no where it is missing.
    ///
    /// # Errors
    /// It is something else.
    pub fn flag(&mut self, name: &'static str) -> Result<bool, BadMember> {
        self.value(name).map_or(Ok(false), |value| value.as_bool().ok_or(BadMember(name)))
    }

    /// A word.
    ///
    /// # Errors
    /// It is another one, or something else.
    pub fn word<T: Word>(&mut self, name: &'static str) -> Result<Option<T>, BadMember> {
        self.text(name)?.map(|text| T::of(&text).ok_or(BadMember(name))).transpose()
    }
}

/// A member that there must be.
///
/// # Errors
/// There is none.
pub fn required<T>(member: Option<T>, name: &'static str) -> Result<T, BadMember> {
    member.ok_or(BadMember(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::word::words;

    /// One that has a word.
    #[derive(Clone, Copy)]
    enum Letter {
        /// The first.
        A,
    }

    words!(Letter { A => "a", });

    /// One member of a value, read in each way; which of them worked, and gave something.
    fn readings(value: &Value) -> [Result<bool, BadMember>; 7] {
        let members = || Members::of(json!({ "x": value })).unwrap();
        [
            members().text("x").map(|text| text.is_some()),
            members().word::<Letter>("x").map(|one| one.is_some()),
            members().number("x").map(|number| number.is_some()),
            members().instant("x").map(|instant| instant.is_some()),
            members().count("x").map(|count| count > 0),
            members().byte("x").map(|byte| byte > 0),
            members().flag("x"),
        ]
    }

    #[test]
    fn a_member_is_of_its_type_or_bad() {
        let (yes, no, bad) = (Ok(true), Ok(false), Err(BadMember("x")));
        for (value, expected) in [
            (json!(null), [no; 7]),
            (json!("a"), [yes, yes, bad, bad, bad, bad, bad]),
            (json!("c"), [yes, bad, bad, bad, bad, bad, bad]),
            (json!(255), [bad, bad, yes, yes, yes, yes, bad]),
            (json!(256), [bad, bad, yes, yes, yes, bad, bad]),
            (json!(1_u64 << 32), [bad, bad, yes, yes, bad, bad, bad]),
            (json!(-1), [bad; 7]),
            (json!(1.5), [bad; 7]),
            (json!(true), [bad, bad, bad, bad, bad, bad, yes]),
            (json!(["a"]), [bad; 7]),
        ] {
            assert_eq!(readings(&value), expected, "{value}");
        }
    }

    /// A document is of its type or unreadable; null is none. What it says is not told.
    #[test]
    fn documents_are_read_by_their_types() {
        let lists = |text: &str| read::<Option<Vec<String>>>(text.as_bytes()).map_err(|error| error.to_string());
        assert_eq!((lists("null"), lists("[\"a\"]")), (Ok(None), Ok(Some(vec!["a".to_owned()]))));
        for (text, problem) in [
            ("[\"secret\", 1]", "bad member text"),
            ("{\"secret\": 1}", "bad member list"),
            ("[\"secret\"", "Eof error at line 1, column 9"),
            ("\n secret", "Syntax error at line 2, column 2"),
        ] {
            assert_eq!(lists(text), Err(problem.to_owned()));
        }
        assert!(read::<Map<String, Value>>(b"[]").is_err() && read::<Map<String, Value>>(b"{}").unwrap().is_empty());
    }

    #[test]
    fn a_member_that_is_missing_is_told_by_name() {
        let mut members = Members::of(json!({})).unwrap();
        assert_eq!((members.text("a"), members.count("a"), members.flag("a")), (Ok(None), Ok(0), Ok(false)));
        assert_eq!(required(members.number("a").unwrap(), "a"), Err(BadMember("a")));
    }
}
