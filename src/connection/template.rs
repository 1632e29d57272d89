//! Templates of a connector document: text in which `<name>` stands for a value.
//!
//! Decides: what a placeholder is (`<name>`, `<a.b>`, `<l[0]>`, `<l.1>`, `<name?>`), and how a value is
//! escaped for the place where it lands. A template is parsed once, when the document is saved; rendering puts each
//! value in, in one pass. A value is never read as a template (checklist P1), and cannot end the place it stands in
//! (P2 to P5). There is no expression language (P9).
//!
//! Leaves to others: which names a request may use (`definition`), where the values come from ([`values`]), how a query
//! or form is encoded (`token_exchange`), JSON bodies ([`json`]), and whether a host may be spoken to (`outbound`).

pub mod json;
pub mod values;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;

use self::values::{Found, Values};
use crate::protocol::{host::is_dns_name, secret::SecretText, text::is_printable};

/// Longest name of a placeholder, path included.
const NAME_LIMIT: usize = 256;

/// What stands for itself in a path segment, a form or a query: RFC 3986 §2.3, `unreserved`.
pub(in crate::connection) const UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Text and placeholders in order.
    parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Sent as it is.
    Text(String),
    /// Replaced by a value.
    Value(Placeholder),
}

/// `<name>`: stands for a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    /// What is written between the angle brackets, without `?`.
    written: String,
    /// The names to follow, from the outside in; the first is a parameter of the connector or a value of ours.
    path: Vec<String>,
    /// Whether it is written with `?`: may be missing.
    optional: bool,
    /// Where it starts, in characters from the start of the template.
    offset: usize,
}

impl Placeholder {
    /// What is written between the angle brackets, without `?`.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// The parameter of the connector or value of ours that the placeholder starts from.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// Whether it is written with `?`: may be missing.
    #[must_use]
    pub const fn is_optional(&self) -> bool {
        self.optional
    }

    /// Where it starts, in characters from the start of the template.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

/// Why a text is not a template, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} (character {offset})")]
pub struct TemplateProblem {
    /// Characters before the offending place.
    pub offset: usize,
    /// What is wrong there.
    pub kind: TemplateProblemKind,
}

/// What can be wrong with a template (checklist P6).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateProblemKind {
    /// `<` without `>`.
    #[error("the placeholder is not closed")]
    Unclosed,
    /// `>` without `<`.
    #[error("'>' without a placeholder")]
    Unopened,
    /// `<` inside a placeholder.
    #[error("a placeholder stands inside another one")]
    Nested,
    /// Nothing between the brackets.
    #[error("the placeholder has no name")]
    Empty,
    /// A name is made of letters, digits, `_`, `-`; parts are joined by `.` or written as `[0]`.
    #[error("the placeholder's name is malformed")]
    Name,
    /// A body that must be JSON is not, whatever the values are.
    #[error("the body is not JSON: see line {line}")]
    NotJson {
        /// Line of the body, from 1.
        line: usize,
    },
    /// A member's name would depend on a value.
    #[error("a placeholder stands in the name of a member")]
    InKey,
}

/// Why a template could not be filled in. Holds names, never values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RenderProblem {
    /// There is no value for these placeholders.
    #[error("no value for {}", .names.join(", "))]
    Missing {
        /// The placeholders as written.
        names: Vec<String>,
    },
    /// A value cannot stand where the template wants it.
    #[error("the value of {name} {reason}")]
    Unusable {
        /// The placeholder as written.
        name: String,
        /// What is wrong with the value.
        reason: &'static str,
    },
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    ///
    /// [`TemplateProblem`] (422) when an angle bracket is not part of a well-formed placeholder.
    pub fn parse(text: &str) -> Result<Self, TemplateProblem> {
        let mut parts = Vec::new();
        let mut rest = text;
        let mut offset = 0_usize;
        while !rest.is_empty() {
            let end = rest.find(['<', '>']).unwrap_or(rest.len());
            let (literal, bracket) = rest.split_at(end);
            offset = offset.saturating_add(literal.chars().count());
            if !literal.is_empty() {
                parts.push(Part::Text(literal.to_owned()));
            }
            if bracket.is_empty() {
                break;
            }
            let problem = |kind| TemplateProblem { offset, kind };
            let inner = bracket.strip_prefix('<').ok_or_else(|| problem(TemplateProblemKind::Unopened))?;
            let end = inner.find(['<', '>']).ok_or_else(|| problem(TemplateProblemKind::Unclosed))?;
            let (written, after) = inner.split_at(end);
            let after = after.strip_prefix('>').ok_or_else(|| problem(TemplateProblemKind::Nested))?;
            parts.push(Part::Value(placeholder(written, offset).map_err(problem)?));
            offset = offset.saturating_add(written.chars().count()).saturating_add(2);
            rest = after;
        }
        Ok(Self { parts })
    }

    /// The placeholders in order.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(placeholder) => Some(placeholder),
        })
    }

    /// The text with each placeholder written as `stand_in`: for checks when the document is saved.
    #[must_use]
    pub fn with_stand_in(&self, stand_in: &str) -> String {
        let texts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Value(_) => stand_in,
        });
        texts.collect()
    }

    /// For a query parameter or a member of a form: plain text, encoded by whoever writes the query or form (P4). None
    /// where a value is missing: the parameter is left out.
    #[must_use]
    pub fn parameter(&self, values: &Values<'_>) -> Option<SecretText> {
        self.text_body(values).ok()
    }

    /// For a `text/plain` body: the values as they are.
    ///
    /// # Errors
    ///
    /// [`RenderProblem::Missing`].
    pub fn text_body(&self, values: &Values<'_>) -> Result<SecretText, RenderProblem> {
        self.render(values, |text| Ok(text.to_owned()))
    }

    /// For a header field (P2). None where a value is missing: the field is left out.
    ///
    /// # Errors
    ///
    /// [`RenderProblem::Unusable`] for a value with a line break or anything else than visible ASCII and spaces.
    pub fn header(&self, values: &Values<'_>) -> Result<Option<SecretText>, RenderProblem> {
        let rendered = self.render(values, |text| {
            if is_printable(text) {
                Ok(text.to_owned())
            } else {
                Err("holds a character that a header field cannot carry")
            }
        });
        match rendered {
            Ok(text) => Ok(Some(text)),
            Err(RenderProblem::Missing { .. }) => Ok(None),
            Err(unusable) => Err(unusable),
        }
    }

    /// For a path: each value is text inside one segment, never a separator (P3).
    ///
    /// # Errors
    ///
    /// [`RenderProblem::Missing`]; [`RenderProblem::Unusable`] for a value that makes a segment `.` or `..`.
    pub fn path(&self, values: &Values<'_>) -> Result<SecretText, RenderProblem> {
        let rendered = self.render(values, |text| Ok(utf8_percent_encode(text, UNRESERVED).to_string()))?;
        if has_dot_segment(rendered.expose()) {
            return Err(RenderProblem::Unusable {
                name: self.names().join(", "),
                reason: "makes a path segment '.' or '..'",
            });
        }
        Ok(rendered)
    }

    /// For a host: each value is a DNS label or name (checklist S11). With `allow_loopback` a value may also be
    /// `localhost` or a literal loopback address, with or without a port.
    ///
    /// # Errors
    ///
    /// [`RenderProblem::Missing`]; [`RenderProblem::Unusable`] for a value that is anything else.
    pub fn host(&self, values: &Values<'_>, allow_loopback: bool) -> Result<SecretText, RenderProblem> {
        self.render(values, |text| {
            if is_dns_name(text) || (allow_loopback && is_loopback_authority(text)) {
                Ok(text.to_ascii_lowercase())
            } else {
                Err("is not a host name")
            }
        })
    }

    /// One pass over the parts: `escape` turns the text of a value into what is written.
    fn render(
        &self,
        values: &Values<'_>,
        escape: impl Fn(&str) -> Result<String, &'static str>,
    ) -> Result<SecretText, RenderProblem> {
        let mut rendered = String::new();
        let mut missing = Vec::new();
        for part in &self.parts {
            let placeholder = match part {
                Part::Text(text) => {
                    rendered.push_str(text);
                    continue;
                }
                Part::Value(placeholder) => placeholder,
            };
            match values.find(&placeholder.path).map(Found::as_text) {
                None => missing.push(placeholder.written.clone()),
                Some(text) => {
                    let written = escape(&text)
                        .map_err(|reason| RenderProblem::Unusable { name: placeholder.written.clone(), reason })?;
                    rendered.push_str(&written);
                }
            }
        }
        let rendered = SecretText::new(rendered);
        if missing.is_empty() { Ok(rendered) } else { Err(RenderProblem::Missing { names: missing }) }
    }

    /// The placeholders as written.
    fn names(&self) -> Vec<String> {
        self.placeholders().map(|placeholder| placeholder.written.clone()).collect()
    }
}

/// Reads what stands between the angle brackets.
fn placeholder(inner: &str, offset: usize) -> Result<Placeholder, TemplateProblemKind> {
    let (written, optional) = inner.strip_suffix('?').map_or((inner, false), |written| (written, true));
    if written.is_empty() {
        return Err(TemplateProblemKind::Empty);
    }
    if written.len() > NAME_LIMIT {
        return Err(TemplateProblemKind::Name);
    }
    let mut path = Vec::new();
    for dotted in written.split('.') {
        let mut pieces = dotted.split('[');
        let name = pieces.next().unwrap_or_default();
        if name.is_empty() || !name.bytes().all(is_name_byte) {
            return Err(TemplateProblemKind::Name);
        }
        path.push(name.to_owned());
        for piece in pieces {
            let index = piece.strip_suffix(']').ok_or(TemplateProblemKind::Name)?;
            if index.is_empty() || !index.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(TemplateProblemKind::Name);
            }
            path.push(index.to_owned());
        }
    }
    Ok(Placeholder { written: written.to_owned(), path, optional, offset })
}

/// What a name is made of.
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Whether a path, up to its query, has a segment that URL parsers resolve: `.`, `..`, and their encoded forms.
#[must_use]
pub fn has_dot_segment(path: &str) -> bool {
    path.split('?').next().unwrap_or_default().split(['/', '\\']).any(|segment| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == "." || plain == ".."
    })
}

/// The host of an authority without a user (RFC 3986 §3.2), an address of version 6 with its brackets, and the port, if
/// it has one.
pub(super) fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// Whether a text is `localhost`, `[::1]` or a literal 127.0.0.0/8 address, with or without a port.
fn is_loopback_authority(text: &str) -> bool {
    let (host, port) = host_and_port(text);
    let is_loopback = host == "localhost"
        || host == "[::1]"
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    is_loopback && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0))
}

#[cfg(test)]
mod tests;
