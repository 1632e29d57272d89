//! The values that placeholders stand for.
//!
//! Decides: where a name is looked up, which of several values wins, how a value reads as text. Leaves to others: how
//! the text is escaped for the place where it lands (`template`), and which names a request may use (`definition`).

use std::{borrow::Cow, fmt, io};

use serde::Serialize;
use serde_json::{Map, Value, ser::Formatter};

use crate::protocol::secret::SecretText;

/// Borrowed layers of values of one connection; a later layer hides an earlier one.
///
/// There is no other namespace: a template cannot name anything that is not in here (checklist P8).
#[derive(Clone, Default)]
pub struct Values<'a> {
    /// From the first to the last, which wins.
    layers: Vec<Layer<'a>>,
}

/// One layer of values.
#[derive(Clone, Copy)]
enum Layer<'a> {
    /// Named values, e.g. the secrets of the connection.
    Many(&'a Map<String, Value>),
    /// One value of ours, e.g. `state` or `code`.
    One(&'a str, &'a SecretText),
}

/// A value that was found.
#[derive(Clone, Copy)]
pub(super) enum Found<'a> {
    /// Text.
    Text(&'a str),
    /// Anything but text and null.
    Json(&'a Value),
}

impl<'a> Values<'a> {
    /// No values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with named values on top, e.g. the secrets of the connection.
    #[must_use]
    pub fn with_all(mut self, values: &'a Map<String, Value>) -> Self {
        self.layers.push(Layer::Many(values));
        self
    }

    /// The same with one more value on top, e.g. `state`.
    #[must_use]
    pub fn with(mut self, name: &'a str, value: &'a SecretText) -> Self {
        self.layers.push(Layer::One(name, value));
        self
    }

    /// The text under a name; none where there is nothing, something empty, or something that is not text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        match self.find(&[name.to_owned()]) {
            Some(Found::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The value at the end of a path; null counts as not there.
    pub(super) fn find(&self, path: &[String]) -> Option<Found<'a>> {
        let (first, rest) = path.split_first()?;
        self.layers
            .iter()
            .rev()
            .find_map(|layer| match layer {
                Layer::Many(values) => {
                    values.get(first).map(|value| rest.iter().try_fold(value, step).and_then(Found::of))
                }
                Layer::One(name, value) => {
                    (name == first).then(|| rest.is_empty().then(|| Found::Text(value.expose())))
                }
            })
            .flatten()
    }
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Values(***)")
    }
}

/// One step into a value: the member of an object or the element of a list.
fn step<'a>(value: &'a Value, key: &String) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members.get(key),
        Value::Array(elements) => elements.get(key.parse::<usize>().ok()?),
        _ => None,
    }
}

impl<'a> Found<'a> {
    /// The value as found.
    fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::String(text) => Some(Self::Text(text)),
            other => Some(Self::Json(other)),
        }
    }

    /// The value in running text: numbers and booleans as JSON writes them, a list as JSON, an object as JSON without
    /// the outer braces.
    pub(super) fn as_text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Json(value @ Value::Object(_)) => Cow::Owned(members(value)),
            Self::Json(value) => Cow::Owned(json(value)),
        }
    }

    /// The value as a JSON value.
    pub(super) fn as_json(self) -> String {
        match self {
            Self::Text(text) => json(&text),
            Self::Json(value) => json(value),
        }
    }

    /// The members of an object as JSON, without the braces; none for anything else.
    pub(super) fn as_members(self) -> Option<String> {
        match self {
            Self::Json(value @ Value::Object(_)) => Some(members(value)),
            _ => None,
        }
    }
}

/// A JSON object without its outer braces.
fn members(object: &Value) -> String {
    let text = json(object);
    text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default().to_owned()
}

/// JSON with a space after `,` and `:`, as the connectors' original host writes it.
fn json<T: Serialize + ?Sized>(value: &T) -> String {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Spaced);
    // Neither text nor a JSON value can fail to be written into memory, and JSON is UTF-8.
    if value.serialize(&mut serializer).is_err() {
        return String::new();
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// JSON on one line, with a space after `,` and `:`.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn later_layers_win_and_null_counts_as_missing() {
        let below = json!({"a": "old", "state": "from the secrets", "z": "x"});
        let above = json!({"a": "new", "z": null});
        let state = SecretText::new("ours".to_owned());
        let values = Values::new()
            .with_all(below.as_object().unwrap())
            .with_all(above.as_object().unwrap())
            .with("state", &state);
        assert_eq!(values.text("a"), Some("new"));
        assert_eq!(values.text("state"), Some("ours"));
        assert_eq!(values.text("z"), None);
        assert_eq!(values.text("missing"), None);
    }

    /// L6: the values never show.
    #[test]
    fn debug_output_shows_no_value() {
        let secrets = json!({"client_secret": "hunter2"});
        let values = Values::new().with_all(secrets.as_object().unwrap());
        assert_eq!(format!("{values:?}"), "Values(***)");
    }
}
