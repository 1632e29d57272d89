//! Templates of bodies that are JSON, also those that are then sent as a form.
//!
//! Decides: that such a template is JSON whatever the values are, and how a value is written in it: escaped inside a
//! string (`"<name>"`), as a JSON value of its own (`<name>` outside strings), as the members of an object
//! (`{<name>}`), or `null` for a missing `"<name?>"` or `<name?>`. No value can change the structure (checklist P5).
//! The template's own text is sent byte for byte.
//!
//! Leaves to others: placeholders as such (`template`), and the encoding as a form (`token_exchange`).

use serde_json::Value;

use super::{
    Part, Placeholder, RenderProblem, Template, TemplateProblem, TemplateProblemKind,
    values::{Found, Values},
};
use crate::protocol::secret::SecretText;

/// Stands for a value inside a string while the template is checked. A private-use character: nothing to escape.
const STAND_IN: &str = "\u{e000}";

/// A body template that is JSON for all values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonTemplate {
    /// Text and placeholders in order.
    parts: Vec<JsonPart>,
    /// Whether the outermost value is an object, as a form needs it.
    is_object: bool,
}

/// A piece of a JSON template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum JsonPart {
    /// Sent as it is.
    Text(String),
    /// A value in one of the places that JSON has.
    Value(JsonPlace, Placeholder),
}

/// Where in JSON a placeholder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JsonPlace {
    /// Inside a string, possibly with other text.
    InString,
    /// `"<name?>"`: the quotes belong to the placeholder.
    WholeString,
    /// Outside strings: a value.
    Bare,
    /// `{<name>}`: the members of an object.
    Members,
}

/// Where a reader of JSON text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lexer {
    /// Between strings.
    Outside,
    /// Inside a string of which nothing has been read yet.
    StringStart,
    /// Inside a string.
    Inside,
    /// After a backslash inside a string.
    Escaped,
}

impl JsonTemplate {
    /// Parses the template of a JSON body.
    ///
    /// # Errors
    ///
    /// [`TemplateProblem`] (422) as [`Template::parse`], and when the body is not JSON or a member's name would depend
    /// on a value.
    pub fn parse(text: &str) -> Result<Self, TemplateProblem> {
        let parts = placed(Template::parse(text)?.parts);
        let sample = |value: &str| {
            serde_json::from_slice::<Value>(sample(&parts, value).as_bytes()).map_err(|error| TemplateProblem {
                offset: line_start(text, error.line()),
                kind: TemplateProblemKind::NotJson { line: error.line() },
            })
        };
        sample("null")?;
        let shape = sample(&format!("\"{STAND_IN}\""))?;
        if has_stand_in_key(&shape) {
            return Err(TemplateProblem { offset: 0, kind: TemplateProblemKind::InKey });
        }
        Ok(Self { parts, is_object: shape.is_object() })
    }

    /// The placeholders in order.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            JsonPart::Text(_) => None,
            JsonPart::Value(_, placeholder) => Some(placeholder),
        })
    }

    /// Whether the outermost value is an object, as a form needs it.
    #[must_use]
    pub const fn is_object(&self) -> bool {
        self.is_object
    }

    /// The body with the values in it.
    ///
    /// # Errors
    ///
    /// [`RenderProblem::Missing`] with all placeholders that have no value, less the optional ones;
    /// [`RenderProblem::Unusable`] when `{<name>}` is not an object.
    pub fn render(&self, values: &Values<'_>) -> Result<SecretText, RenderProblem> {
        let mut rendered = String::new();
        let mut missing = Vec::new();
        for part in &self.parts {
            match part {
                JsonPart::Text(text) => rendered.push_str(text),
                JsonPart::Value(place, placeholder) => match values.find(&placeholder.path) {
                    Some(found) => rendered.push_str(&write(*place, placeholder, found)?),
                    None if placeholder.optional && *place != JsonPlace::InString => {
                        rendered.push_str(place.without_value());
                    }
                    None => missing.push(placeholder.written.clone()),
                },
            }
        }
        let rendered = SecretText::new(rendered);
        if missing.is_empty() { Ok(rendered) } else { Err(RenderProblem::Missing { names: missing }) }
    }
}

impl JsonPlace {
    /// What is written for an optional placeholder without a value.
    const fn without_value(self) -> &'static str {
        match self {
            Self::InString | Self::Members => "",
            Self::WholeString | Self::Bare => "null",
        }
    }
}

/// A value as it is written in its place.
fn write(place: JsonPlace, placeholder: &Placeholder, found: Found<'_>) -> Result<String, RenderProblem> {
    Ok(match place {
        JsonPlace::InString => inside_string(&found.as_text()),
        JsonPlace::WholeString => format!("\"{}\"", inside_string(&found.as_text())),
        JsonPlace::Bare => found.as_json(),
        JsonPlace::Members => found
            .as_members()
            .ok_or_else(|| RenderProblem::Unusable { name: placeholder.written.clone(), reason: "is not an object" })?,
    })
}

/// Text as it is written between the quotes of a JSON string.
pub(in crate::connection) fn inside_string(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned()
}

/// Finds out for each placeholder where in JSON it stands.
fn placed(parts: Vec<Part>) -> Vec<JsonPart> {
    let mut placed: Vec<JsonPart> = Vec::new();
    let mut lexer = Lexer::Outside;
    let mut parts = parts.into_iter().peekable();
    // Set when the quote that opens the next text belongs to the placeholder before it.
    let mut skip_quote = false;
    while let Some(part) = parts.next() {
        let placeholder = match part {
            Part::Text(text) => {
                let text = match text.strip_prefix('"') {
                    Some(rest) if skip_quote => rest.to_owned(),
                    _ => text,
                };
                skip_quote = false;
                lexer = text.chars().fold(lexer, Lexer::after);
                placed.push(JsonPart::Text(text));
                continue;
            }
            Part::Value(placeholder) => placeholder,
        };
        let next = match parts.peek() {
            Some(Part::Text(text)) => text.as_str(),
            _ => "",
        };
        let before = match placed.last_mut() {
            Some(JsonPart::Text(text)) => Some(text),
            _ => None,
        };
        let place = match (lexer, before) {
            (Lexer::StringStart, Some(before)) if placeholder.optional && next.starts_with('"') => {
                before.pop();
                skip_quote = true;
                lexer = Lexer::Outside;
                JsonPlace::WholeString
            }
            (Lexer::Outside, Some(before))
                if before.trim_end().ends_with('{') && next.trim_start().starts_with('}') =>
            {
                JsonPlace::Members
            }
            (Lexer::Outside, _) => JsonPlace::Bare,
            _ => {
                lexer = Lexer::Inside;
                JsonPlace::InString
            }
        };
        placed.push(JsonPart::Value(place, placeholder));
    }
    placed
}

impl Lexer {
    /// Where the reader is after one more character.
    const fn after(self, character: char) -> Self {
        match (self, character) {
            (Self::Outside, '"') => Self::StringStart,
            (Self::Outside, _) | (Self::StringStart | Self::Inside, '"') => Self::Outside,
            (Self::StringStart | Self::Inside, '\\') => Self::Escaped,
            _ => Self::Inside,
        }
    }
}

/// The template with stand-ins for the values; `whole` for one that has the quotes to itself.
fn sample(parts: &[JsonPart], whole: &str) -> String {
    let texts = parts.iter().map(|part| match part {
        JsonPart::Text(text) => text.as_str(),
        JsonPart::Value(JsonPlace::InString, _) => STAND_IN,
        JsonPart::Value(JsonPlace::WholeString, _) => whole,
        // Not a digit: that would make `1<name>` look like JSON.
        JsonPart::Value(JsonPlace::Bare, _) => "null",
        JsonPart::Value(JsonPlace::Members, _) => "",
    });
    texts.collect()
}

/// Whether the name of any member holds the stand-in.
fn has_stand_in_key(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.iter().any(|(name, value)| name.contains(STAND_IN) || has_stand_in_key(value))
        }
        Value::Array(elements) => elements.iter().any(has_stand_in_key),
        _ => false,
    }
}

/// Characters before the start of a line, lines counted from 1.
fn line_start(text: &str, line: usize) -> usize {
    text.split_inclusive('\n').take(line.saturating_sub(1)).map(|line| line.chars().count()).sum()
}

#[cfg(test)]
mod tests;
