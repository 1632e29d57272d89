//! Whether an answer is what was recorded.

use serde_json::{Map, Value};
use workerd_tests::Answer;

use crate::sample::text;

/// Compares an answer with what is expected: status, body, and of the headers those that a client acts on.
///
/// # Errors
/// The first difference.
pub(crate) fn compare(expected: &Value, answer: &Answer) -> Result<(), String> {
    if expected.get("status") != Some(&answer.status.into()) {
        return Err(format!("status {}, body {}", answer.status, String::from_utf8_lossy(&answer.body)));
    }
    for (name, value) in expected.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let (own, recorded) = (answer.header(name).unwrap_or_default(), value.as_str().unwrap_or_default());
        if !same_header(name, recorded, own) {
            return Err(format!("{name}: {own:?}"));
        }
    }
    if expected.get("empty_body").is_some() && !answer.body.is_empty() {
        return Err(format!("a body: {}", String::from_utf8_lossy(&answer.body)));
    }
    if expected.get("body_text").is_some() && text(expected, "body_text").as_bytes() != answer.body {
        return Err(format!("text {}", String::from_utf8_lossy(&answer.body)));
    }
    if expected.get("empty_body").is_some() || expected.get("body_text").is_some() {
        return Ok(());
    }
    let own = serde_json::from_slice(&answer.body);
    let own: Value = own.map_err(|_| format!("no JSON: {}", String::from_utf8_lossy(&answer.body)))?;
    // Where the body was recorded, its members are in it.
    match (expected.get("body"), expected.get("body_keys")) {
        (Some(body), _) => same("", body, &own),
        (None, Some(names)) => same("", names, &own.as_object().into_iter().flat_map(Map::keys).cloned().collect()),
        (None, None) => Err("nothing is expected".to_owned()),
    }
}

/// Whether two headers tell a client the same: the media type, the scheme of the challenge (RFC 6750 §3 wants a
/// parameter beside it), the set of methods. Others are not compared.
fn same_header(name: &str, recorded: &str, own: &str) -> bool {
    let methods = |list: &str| {
        let mut methods: Vec<_> = list.split(',').map(|method| method.trim().to_owned()).collect();
        methods.sort();
        methods
    };
    match name {
        "content-type" => recorded.split(';').next() == own.split(';').next(),
        "www-authenticate" => recorded.split(' ').next() == own.split(' ').next(),
        "allow" => methods(recorded) == methods(own),
        _ => true,
    }
}

/// Compares two documents, of which the first may hold placeholders.
fn same(place: &str, expected: &Value, own: &Value) -> Result<(), String> {
    let is_same = match (expected, own) {
        (Value::Object(expected), Value::Object(members)) => {
            let names: Vec<_> = members.keys().collect();
            if expected.len() != members.len() || expected.keys().any(|name| !members.contains_key(name)) {
                return Err(format!("{place}: members {names:?}"));
            }
            return expected
                .iter()
                .try_for_each(|(name, value)| same(&format!("{place}/{name}"), value, &members[name]));
        }
        (Value::Array(expected), Value::Array(items)) => return same_list(place, expected, items),
        (Value::String(text), own) => stands_for(text, own),
        (expected, own) => expected == own,
    };
    if is_same { Ok(()) } else { Err(format!("{place}: {own}")) }
}

/// Compares two lists; `...` at the end of the first stands for any further items.
fn same_list(place: &str, expected: &[Value], own: &[Value]) -> Result<(), String> {
    let (expected, is_open) = match expected.split_last() {
        Some((last, first)) if last == "..." => (first, true),
        _ => (expected, false),
    };
    if own.len() < expected.len() || (own.len() > expected.len() && !is_open) {
        return Err(format!("{place}: {} items: {}", own.len(), Value::from(own)));
    }
    let mut pairs = expected.iter().zip(own).enumerate();
    pairs.try_for_each(|(index, (expected, own))| same(&format!("{place}/{index}"), expected, own))
}

/// Whether a value is what a text says, or what a placeholder stands for.
fn stands_for(expected: &str, own: &Value) -> bool {
    let text = own.as_str().unwrap_or_default();
    match expected {
        "<int>" => own.is_u64(),
        // Opaque to clients: ours is signed, in three parts.
        "<jwe>" => matches!(text.split('.').count(), 3 | 5) && text.len() > 100,
        // Ids have 32 digits, our secrets 64.
        "<hex32>" => {
            matches!(text.len(), 32 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        }
        "<datetime>" => is_date_time(text),
        _ => own == expected,
    }
}

/// Whether a text is a date and a time in ISO 8601, with or without fraction and offset.
fn is_date_time(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd";
    let matches = |(own, pattern): (char, char)| if pattern == 'd' { own.is_ascii_digit() } else { own == pattern };
    text.len() >= pattern.len() && text.chars().zip(pattern.chars()).all(matches)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A replay that accepts anything would prove nothing.
    #[test]
    fn a_difference_is_found_wherever_it_is() {
        let secret = "0123456789abcdef".repeat(4);
        let cases = [
            (json!({ "a": "<hex32>", "b": "<int>" }), json!({ "a": secret, "b": 5 }), true),
            (json!({ "a": "<hex32>" }), json!({ "a": secret.to_ascii_uppercase() }), false),
            (json!({ "a": "<hex32>" }), json!({ "a": secret, "b": 1 }), false),
            (json!({ "a": 1, "b": 2 }), json!({ "a": 1 }), false),
            (json!(["x", "..."]), json!(["x", "y", "z"]), true),
            (json!(["x", "..."]), json!(["y", "x"]), false),
            (json!(["x"]), json!(["x", "y"]), false),
            (json!(["x", "y"]), json!(["x"]), false),
            (json!("<int>"), json!("5"), false),
            (json!("<jwe>"), json!("abc"), false),
            (json!("<datetime>"), json!("2026-01-02T03:04:05.678901"), true),
            (json!("<datetime>"), json!("2026-01-02"), false),
            (json!(null), json!([]), false),
        ];
        for (expected, own, is_same) in cases {
            assert_eq!(same("", &expected, &own).is_ok(), is_same, "{expected} {own}");
        }
    }

    /// Nor would one that looks at some headers only.
    #[test]
    fn headers_are_compared_by_what_they_mean() {
        let cases = [
            ("content-type", "application/json", "application/json; charset=utf-8", true),
            ("content-type", "application/json", "text/plain", false),
            ("www-authenticate", "Bearer", "Bearer realm=\"x\"", true),
            ("www-authenticate", "Bearer", "Basic realm=\"x\"", false),
            ("www-authenticate", "Bearer", "", false),
            ("allow", "GET, PUT", "PUT,GET", true),
            ("allow", "GET", "GET, PUT", false),
        ];
        for (name, recorded, own, is_same) in cases {
            assert_eq!(same_header(name, recorded, own), is_same, "{name}: {own}");
        }
    }
}
