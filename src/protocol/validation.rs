//! What is wrong with a document, item by item, in the shape that Fides's clients read.
//!
//! Decides: the form of one item of a 422 answer: kind, place, message. Leaves to others: the rules themselves.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::json::{BadMember, FromJson, Members, required};

/// One step of the way to the offending value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Step {
    /// A member of an object.
    Member(String),
    /// An element of an array, from 0.
    Element(usize),
}

impl From<&str> for Step {
    fn from(name: &str) -> Self {
        Self::Member(name.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Element(index)
    }
}

impl FromJson for Step {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        match value {
            Value::String(name) => Ok(Self::Member(name)),
            other => {
                let index = other.as_u64().and_then(|index| usize::try_from(index).ok());
                required(index.map(Self::Element), "step")
            }
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// Machine-readable code, e.g. `missing`, `string_type`, `extra_forbidden`, `value_error`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The way to the value; the first step says `body`, `query` or `path`.
    pub loc: Vec<Step>,
    /// For people. Never holds a secret value.
    pub msg: String,
}

impl FromJson for Issue {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = Members::of(value)?;
        Ok(Self {
            kind: required(members.text("type")?, "type")?.into(),
            loc: required(members.document("loc")?, "loc")?,
            msg: required(members.text("msg")?, "msg")?,
        })
    }
}

impl Issue {
    /// An issue of the given kind at the given place.
    pub fn new(kind: &'static str, loc: Vec<Step>, msg: impl Into<String>) -> Self {
        Self { kind: Cow::Borrowed(kind), loc, msg: msg.into() }
    }

    /// A rule of ours was broken: `Value error, …`, as pydantic words it.
    pub fn value(loc: Vec<Step>, msg: impl AsRef<str>) -> Self {
        Self::new("value_error", loc, format!("Value error, {}", msg.as_ref()))
    }

    /// A required member is not there.
    #[must_use]
    pub fn missing(loc: Vec<Step>) -> Self {
        Self::new("missing", loc, "Field required")
    }

    /// A member that nobody knows.
    #[must_use]
    pub fn unknown_member(loc: Vec<Step>) -> Self {
        Self::new("extra_forbidden", loc, "Extra inputs are not permitted")
    }

    /// Something else where a text should stand.
    #[must_use]
    pub fn not_text(loc: Vec<Step>) -> Self {
        Self::new("string_type", loc, "Input should be a valid string")
    }

    /// A text of too many characters.
    #[must_use]
    pub fn text_too_long(loc: Vec<Step>, limit: usize) -> Self {
        Self::new("string_too_long", loc, format!("String should have at most {limit} characters"))
    }

    /// Something else where a list should stand.
    #[must_use]
    pub fn not_list(loc: Vec<Step>) -> Self {
        Self::new("list_type", loc, "Input should be a valid list")
    }

    /// A list of too many elements.
    #[must_use]
    pub fn list_too_long(loc: Vec<Step>, limit: usize, count: usize) -> Self {
        let msg = format!("List should have at most {limit} items after validation, not {count}");
        Self::new("too_long", loc, msg)
    }

    /// Something else where an object should stand.
    #[must_use]
    pub fn not_object(loc: Vec<Step>) -> Self {
        let msg = "Input should be a valid dictionary or object to extract fields from";
        Self::new("model_attributes_type", loc, msg)
    }

    /// Something else where `true` or `false` should stand.
    #[must_use]
    pub fn not_boolean(loc: Vec<Step>) -> Self {
        Self::new("bool_type", loc, "Input should be a valid boolean")
    }

    /// A number below its bound.
    #[must_use]
    pub fn too_small(loc: Vec<Step>, least: u64) -> Self {
        Self::new("greater_than_equal", loc, format!("Input should be greater than or equal to {least}"))
    }

    /// A number above its bound.
    #[must_use]
    pub fn too_large(loc: Vec<Step>, most: u64) -> Self {
        Self::new("less_than_equal", loc, format!("Input should be less than or equal to {most}"))
    }

    /// The same issue, seen from further out: `outer` is put before its place.
    #[must_use]
    pub fn within(mut self, outer: &[Step]) -> Self {
        let mut loc = outer.to_vec();
        loc.append(&mut self.loc);
        self.loc = loc;
        self
    }
}
