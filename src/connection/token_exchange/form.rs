//! `application/x-www-form-urlencoded`, as queries and bodies to providers are written.
//!
//! Decides: which characters are escaped (those that Python's `quote_plus` escapes, so that `~` stays and `*` does not)
//! and how nested values are named. Leaves to others: what is sent.

use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value};

use crate::connection::template::UNRESERVED;

/// A name or value, encoded (RFC 6749 appendix B); a space becomes `+`.
pub(super) fn component(text: &str) -> String {
    // An encoded text holds `%20` only where the text had a space: a `%` of its own is `%25` by now.
    credential(text).replace("%20", "+")
}

/// An id or a secret, encoded for Basic (RFC 6749 §2.3.1). A space becomes `%20`, which every form decoder reads as a
/// space; some servers decode percent signs only, and a `+` would stay one.
pub(super) fn credential(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// Names and values, encoded and joined.
pub(super) fn pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let encoded: Vec<String> = pairs.map(|(name, value)| format!("{}={}", component(name), component(value))).collect();
    encoded.join("&")
}

/// An object as a form: names sorted, null as an empty value, `a[b]` for members, `a[]` for elements; empty lists and
/// objects leave nothing.
pub(super) fn body(members: &Map<String, Value>) -> String {
    let mut flat = Vec::new();
    for (name, value) in members {
        flatten(name.clone(), value, &mut flat);
    }
    pairs(flat.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// Puts the leaves of a value at the end of `flat`, under their full names.
fn flatten(name: String, value: &Value, flat: &mut Vec<(String, String)>) {
    match value {
        Value::Null => flat.push((name, String::new())),
        Value::Bool(_) | Value::Number(_) => flat.push((name, value.to_string())),
        Value::String(text) => flat.push((name, text.clone())),
        Value::Array(elements) => {
            for element in elements {
                flatten(format!("{name}[]"), element, flat);
            }
        }
        Value::Object(members) => {
            for (member, value) in members {
                flatten(format!("{name}[{member}]"), value, flat);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As Fides's library for bodies encodes it, but that booleans read `true` and `false`.
    #[test]
    fn a_form_is_encoded_as_fides_does() {
        let members = json!({
            "a": "b c", "x": null, "n": 1, "t": true, "l": ["p", "q"], "o": {"k": "v"}, "u": "é&=+", "s": "a/b:c~*",
        });
        assert_eq!(
            body(members.as_object().unwrap()),
            "a=b+c&l%5B%5D=p&l%5B%5D=q&n=1&o%5Bk%5D=v&s=a%2Fb%3Ac~%2A&t=true&u=%C3%A9%26%3D%2B&x="
        );
    }

    #[test]
    fn nested_and_empty_values_are_flattened() {
        let members = json!({"a": {"b": {"c": 1}, "d": [{"e": "f"}]}, "g": [], "h": {}, "i": [[1]]});
        assert_eq!(body(members.as_object().unwrap()), "a%5Bb%5D%5Bc%5D=1&a%5Bd%5D%5B%5D%5Be%5D=f&i%5B%5D%5B%5D=1");
        assert_eq!(body(&Map::new()), "");
    }

    /// P4: whatever a value holds, it stays one value.
    #[test]
    fn values_cannot_add_parameters() {
        for value in ["&x=y", "#", "=", "+", "%00", "\0", "a b", "%20", "é", "?;"] {
            let encoded = pairs([("k", value)].into_iter());
            let read: Vec<_> = url::form_urlencoded::parse(encoded.as_bytes()).collect();
            assert_eq!(read, [("k".into(), value.into())], "{value}");
        }
        assert_eq!(component("a b+%20"), "a+b%2B%2520");
    }

    /// RFC 6749 §2.3.1: what decodes forms and what decodes percent signs read the same.
    #[test]
    fn a_credential_is_read_the_same_by_every_decoder() {
        let secret = "100% odd: a+b&c=d \"e\" <f> \\g/ #h?i%20j {k}";
        let encoded = credential(secret);
        assert!(!encoded.contains(['+', ' ', ':']), "{encoded}");
        assert_eq!(url::form_urlencoded::parse(encoded.as_bytes()).next(), Some((secret.into(), "".into())));
        assert_eq!(percent_encoding::percent_decode_str(&encoded).decode_utf8().as_deref(), Ok(secret));
    }
}
