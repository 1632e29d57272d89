//! Recorded requests: what a case sends, once its variables have values.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use url::form_urlencoded::Serializer;
use workerd_tests::{Answer, Postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET};

use crate::common::raw;

/// Variables with their values.
#[derive(Debug, Default)]
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Gives a variable a value.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Saves members of an answer: variable → dotted path.
    pub(crate) fn save(&mut self, paths: &Value, answer: &Value) {
        for (name, path) in paths.as_object().into_iter().flatten() {
            let pointer = format!("/{}", path.as_str().unwrap_or_default().replace('.', "/"));
            if let Some(value) = answer.pointer(&pointer).and_then(Value::as_str) {
                self.set(name, value);
            }
        }
    }

    /// A text with each `{{name}}` replaced.
    ///
    /// # Errors
    /// The name of a variable without value.
    pub(crate) fn fill(&self, text: &str) -> Result<String, String> {
        let mut pieces = text.split("{{");
        let mut filled = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once("}}").ok_or("an unclosed variable")?;
            filled += self.0.get(name).ok_or_else(|| format!("nothing saved {name}"))?;
            filled += rest;
        }
        Ok(filled)
    }

    /// The same in every text of a document.
    pub(crate) fn fill_all(&self, document: &Value) -> Result<Value, String> {
        Ok(match document {
            Value::String(text) => self.fill(text)?.into(),
            Value::Array(items) => items.iter().map(|item| self.fill_all(item)).collect::<Result<Vec<_>, _>>()?.into(),
            Value::Object(members) => {
                let filled = members.iter().map(|(name, value)| Ok((name.clone(), self.fill_all(value)?)));
                Value::Object(filled.collect::<Result<Map<_, _>, String>>()?)
            }
            other => other.clone(),
        })
    }
}

/// A text of a case; empty when it is not there.
pub(crate) fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The root client of the recording, which this deployment does not have.
pub(crate) struct RecordedRoot {
    /// Its id.
    pub(crate) id: String,
    /// Its secret.
    pub(crate) secret: String,
}

impl RecordedRoot {
    /// A Basic header with our root client in the place of the recorded one; any other header as it is.
    fn replaced(&self, value: &str) -> String {
        let decoded = value.strip_prefix("Basic ").and_then(|encoded| STANDARD.decode(encoded).ok());
        let pair = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((id, secret)) = pair.as_deref().and_then(|pair| pair.split_once(':')) else { return value.to_owned() };
        let id = if id == self.id { ROOT_CLIENT_ID } else { id };
        let secret = if secret == self.secret { ROOT_CLIENT_SECRET } else { secret };
        format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
    }
}

/// The answer to the request of a case.
///
/// # Errors
/// Why the request cannot be made.
pub(crate) fn ask(
    postern: &Postern,
    root: &RecordedRoot,
    variables: &Variables,
    case: &Value,
) -> Result<Answer, String> {
    let (method, path) = (text(case, "method"), variables.fill(text(case, "path"))?);
    let mut headers = Vec::new();
    for (name, value) in case.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let value = variables.fill(value.as_str().ok_or("a header that is no text")?)?;
        headers.push((name, root.replaced(&value)));
    }
    if !headers.iter().all(|(_, value)| value.is_ascii()) {
        let start = format!("{method} {path} HTTP/1.1\r\nHost: postern\r\n");
        let head = headers.iter().fold(start, |head, (name, value)| head + name + ": " + value + "\r\n");
        return whole(&raw(postern, &(head + "\r\n")));
    }
    let request = postern.request(method, &path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    let body = variables.fill_all(case.get("body").unwrap_or(&Value::Null))?;
    // The content type is among the headers.
    let request = match text(case, "body_encoding") {
        "none" | "" => request,
        "form" => request.body("", form(&body)?),
        "json" => request.body("", body.to_string()),
        "raw" => request.body("", body.as_str().ok_or("a raw body that is no text")?),
        other => return Err(format!("body encoding {other}")),
    };
    Ok(request.send())
}

/// Takes an answer apart that came as it is.
fn whole(answer: &str) -> Result<Answer, String> {
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("half an answer")?;
    let (status, lines) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Ok(Answer { status, headers: lines.lines().filter_map(header).collect(), body: body.as_bytes().to_vec() })
}

/// A form: an object, or a list of pairs where order or repetition counts.
fn form(body: &Value) -> Result<String, String> {
    let mut form = Serializer::new(String::new());
    let mut append = |name: &Value, value: &Value| match (name.as_str(), value.as_str()) {
        (Some(name), Some(value)) => {
            form.append_pair(name, value);
            Ok(())
        }
        _ => Err("a parameter that is no text"),
    };
    match body {
        Value::Object(members) => members.iter().try_for_each(|(name, value)| append(&name.as_str().into(), value))?,
        Value::Array(pairs) => pairs.iter().try_for_each(|pair| append(&pair[0], &pair[1]))?,
        _ => return Err("a form that is neither object nor list".to_owned()),
    }
    Ok(form.finish())
}
