//! YAML connector documents, read into JSON values.
//!
//! Decides: which part of YAML a connector document may use: mappings with text keys, lists, text, `true`/`false`,
//! `null`, plain decimal numbers. Everything that makes YAML surprising or dangerous is refused: anchors and aliases,
//! tags, merge keys, duplicate keys, several documents, deep nesting, very many nodes. All other scalars stay text, so
//! `no`, `1e3`, `0o17`, `2024-01-01` mean what they say.
//!
//! Leaves to others: the size of the text (the caller refuses more than 256 KiB), and what the document means
//! (`definition`).

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};
use thiserror::Error;

/// Deepest nesting of lists and mappings.
const DEPTH_LIMIT: usize = 64;

/// Most nodes (scalars, lists, mappings) in one document: the largest public connector has about 700.
const NODE_LIMIT: usize = 20_000;

/// Why a text is not a connector document, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem} (line {line}, column {column})")]
pub struct YamlProblem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong; never quotes the document.
    pub problem: String,
}

impl YamlProblem {
    /// A problem at a place of the text.
    fn at(place: Marker, problem: impl Into<String>) -> Self {
        Self { line: place.line(), column: place.col().saturating_add(1), problem: problem.into() }
    }
}

/// Reads one document.
///
/// # Errors
///
/// [`YamlProblem`] (422) when the text is not YAML, is empty, or uses what the module refuses.
pub fn parse(text: &str) -> Result<Value, YamlProblem> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| YamlProblem::at(*error.marker(), error.info()))?;
        builder.take(event, span.start)?;
    }
    builder.root.ok_or(YamlProblem { line: 1, column: 1, problem: "the document is empty".to_owned() })
}

/// A list or mapping that is not closed yet.
enum Open {
    /// Elements so far.
    List(Vec<Value>),
    /// Members so far, and the key whose value comes next.
    Mapping(Map<String, Value>, Option<String>),
}

/// Puts the parser's events together.
#[derive(Default)]
struct Builder {
    /// From the outermost to the innermost.
    open: Vec<Open>,
    /// The finished document.
    root: Option<Value>,
    /// Nodes seen.
    nodes: usize,
    /// Documents seen.
    documents: usize,
}

impl Builder {
    /// Takes one event.
    fn take(&mut self, event: Event<'_>, place: Marker) -> Result<(), YamlProblem> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents = self.documents.saturating_add(1);
                if self.documents > 1 {
                    return Err(YamlProblem::at(place, "more than one document"));
                }
                Ok(())
            }
            Event::Alias(_) => Err(YamlProblem::at(place, "aliases are not allowed")),
            Event::Scalar(text, style, anchor, tag) => {
                self.admit(place, anchor, tag.is_some())?;
                let plain = style == ScalarStyle::Plain;
                if self.key_is_next() {
                    return self.take_key(&text, plain, place);
                }
                self.close(if plain { plain_scalar(&text) } else { Value::String(text.into_owned()) });
                Ok(())
            }
            Event::SequenceStart(anchor, tag) => {
                self.admit(place, anchor, tag.is_some())?;
                self.enter(Open::List(Vec::new()), place)
            }
            Event::MappingStart(anchor, tag) => {
                self.admit(place, anchor, tag.is_some())?;
                self.enter(Open::Mapping(Map::new(), None), place)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                match self.open.pop() {
                    Some(Open::List(elements)) => self.close(Value::Array(elements)),
                    Some(Open::Mapping(members, _)) => self.close(Value::Object(members)),
                    None => {}
                }
                Ok(())
            }
        }
    }

    /// What every node is asked: no anchor, no tag, not one too many.
    fn admit(&mut self, place: Marker, anchor: usize, tagged: bool) -> Result<(), YamlProblem> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > NODE_LIMIT {
            return Err(YamlProblem::at(place, "too many nodes"));
        }
        if anchor != 0 {
            return Err(YamlProblem::at(place, "anchors are not allowed"));
        }
        if tagged {
            return Err(YamlProblem::at(place, "tags are not allowed"));
        }
        Ok(())
    }

    /// Whether the innermost collection is a mapping that waits for a key.
    fn key_is_next(&self) -> bool {
        matches!(self.open.last(), Some(Open::Mapping(_, None)))
    }

    /// Opens a collection.
    fn enter(&mut self, collection: Open, place: Marker) -> Result<(), YamlProblem> {
        if self.key_is_next() {
            return Err(YamlProblem::at(place, "a key must be text"));
        }
        if self.open.len() >= DEPTH_LIMIT {
            return Err(YamlProblem::at(place, "nested too deeply"));
        }
        self.open.push(collection);
        Ok(())
    }

    /// Notes the key of the next member.
    fn take_key(&mut self, text: &str, plain: bool, place: Marker) -> Result<(), YamlProblem> {
        if plain && text == "<<" {
            return Err(YamlProblem::at(place, "merge keys are not allowed"));
        }
        if plain && !plain_scalar(text).is_string() {
            return Err(YamlProblem::at(place, "a key must be text"));
        }
        if let Some(Open::Mapping(members, key)) = self.open.last_mut() {
            if members.contains_key(text) {
                return Err(YamlProblem::at(place, "this key is there already"));
            }
            *key = Some(text.to_owned());
        }
        Ok(())
    }

    /// Puts a finished value where it belongs.
    fn close(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(Open::List(elements)) => elements.push(value),
            Some(Open::Mapping(members, key)) => {
                if let Some(key) = key.take() {
                    members.insert(key, value);
                }
            }
        }
    }
}

/// The value of an unquoted scalar: few forms are typed, the rest is text (checklist P14).
fn plain_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "true" | "True" => Value::Bool(true),
        "false" | "False" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

/// The number that a text is, if writing it again gives the same text: `7` and `1.5`, not `007`, `1.50`, `1e3`.
fn number(text: &str) -> Option<Number> {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')) {
        return None;
    }
    let number = match text.parse::<i64>() {
        Ok(integer) => Number::from(integer),
        // As any value: a reader of numbers alone brings words for every other type.
        Err(_) => Number::from_f64(serde_json::from_slice::<Value>(text.as_bytes()).ok()?.as_f64()?)?,
    };
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem(text: &str) -> String {
        parse(text).unwrap_err().problem
    }

    #[test]
    fn a_document_becomes_the_same_json() {
        let text = "a:\n  - name: x\n    value: <client_id>\n  - {b: [1, 2], c: 'q'}\nd: |\n  {\n    \"k\": 1\n  }\n";
        assert_eq!(
            parse(text).unwrap(),
            json!({
                "a": [{"name": "x", "value": "<client_id>"}, {"b": [1, 2], "c": "q"}],
                "d": "{\n  \"k\": 1\n}\n",
            })
        );
    }

    /// P14: strings stay strings.
    #[test]
    fn only_plain_booleans_null_and_decimal_numbers_are_typed() {
        for (text, value) in [
            ("true", json!(true)),
            ("True", json!(true)),
            ("false", json!(false)),
            ("null", json!(null)),
            ("~", json!(null)),
            ("", json!(null)),
            ("7", json!(7)),
            ("-7", json!(-7)),
            ("0", json!(0)),
            ("1.5", json!(1.5)),
        ] {
            assert_eq!(parse(&format!("k: {text}")).unwrap(), json!({ "k": value }), "{text}");
        }
        for text in [
            "yes",
            "no",
            "on",
            "TRUE",
            "Null",
            "1e3",
            "0o17",
            "0x1f",
            ".nan",
            ".inf",
            "2024-01-01",
            "007",
            "+5",
            "-0",
            "1_000",
            "1.50",
            "0.1.0",
            "12:30",
            "99999999999999999999999",
        ] {
            assert_eq!(parse(&format!("k: {text}")).unwrap(), json!({ "k": text }), "{text}");
        }
        assert_eq!(parse("k: 'true'\nl: \"7\"").unwrap(), json!({"k": "true", "l": "7"}));
    }

    /// P10: aliases, merge keys, duplicate keys, custom tags.
    #[test]
    fn surprising_yaml_is_refused_with_its_place() {
        assert_eq!(problem("a: &x 1\nb: *x"), "anchors are not allowed", "the anchor comes first");
        assert_eq!(problem("a: &x [1]\nb: [*x, *x]"), "anchors are not allowed");
        assert_eq!(problem("a: !!binary aGk="), "tags are not allowed");
        assert_eq!(problem("a: !custom {b: 1}"), "tags are not allowed");
        assert_eq!(problem("!!map {b: 1}"), "tags are not allowed");
        assert_eq!(problem("<<: {b: 1}"), "merge keys are not allowed");
        assert_eq!(problem("1: x"), "a key must be text");
        assert_eq!(problem("true: x"), "a key must be text");
        assert_eq!(problem("[a]: x"), "a key must be text");
        assert_eq!(problem("? {a: b}\n: x"), "a key must be text");
        assert_eq!(problem("--- 1\n--- 2"), "more than one document");
        assert_eq!(problem(""), "the document is empty");
        assert_eq!(problem("# only a remark"), "the document is empty");
        let duplicate = parse("a: 1\nb: 2\n  \n\"a\": 3").unwrap_err();
        assert_eq!((duplicate.line, duplicate.column), (4, 1));
        assert_eq!(duplicate.problem, "this key is there already");
        assert!(parse("a: *unknown").is_err());
        assert!(parse("a: 'open").is_err());
        assert!(parse("a: [1, 2").is_err());
    }

    /// P10: deep nesting and very many nodes end in an error, in bounded time.
    #[test]
    fn depth_and_node_count_are_bounded() {
        for deep in ["[".repeat(1_000), "{a: ".repeat(1_000), "- ".repeat(1_000), "? ".repeat(1_000)] {
            assert!(parse(&deep).is_err());
        }
        let allowed = format!("{}{}", "[".repeat(64), "]".repeat(64));
        assert!(parse(&allowed).is_ok());
        let one_more = format!("{}{}", "[".repeat(65), "]".repeat(65));
        assert_eq!(problem(&one_more), "nested too deeply");
        assert_eq!(problem(&"- a\n".repeat(20_001)), "too many nodes");
    }

    /// P10: a scalar of a megabyte is only long; the caller and `definition` bound it.
    #[test]
    fn a_long_scalar_is_just_long() {
        let text = format!("k: {}", "x".repeat(1_000_000));
        assert_eq!(parse(&text).unwrap()["k"].as_str().unwrap().len(), 1_000_000);
    }

    /// P15: names that mean something to JavaScript are plain data.
    #[test]
    fn javascript_names_are_plain_keys() {
        let value = parse("__proto__: {a: 1}\nconstructor: x").unwrap();
        assert_eq!(value, json!({"__proto__": {"a": 1}, "constructor": "x"}));
    }
}
