//! What becomes of a connection's secrets when new ones are given.
//!
//! Decides: what is replaced, kept, removed; that the mask is no secret. Leaves to others: whether the result fits the
//! definition, how it is sealed.

use serde_json::{Map, Value};

use super::record::MASK;
use crate::protocol::validation::Issue;

/// Whether the secrets that are given are all there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// They are: what is not given goes.
    Whole,
    /// They are not: what is not given stays, and null removes.
    Part,
}

/// The secrets after these were given. Where a sensitive one comes back as the mask that we show for it, the stored one
/// stays (checklist L3).
///
/// # Errors
/// 422 for a mask that stands for nothing.
pub fn succeed(
    stored: &Map<String, Value>,
    given: &Map<String, Value>,
    extent: Extent,
    is_sensitive: impl Fn(&str) -> bool,
) -> Result<Map<String, Value>, Vec<Issue>> {
    let mut next = if extent == Extent::Part { stored.clone() } else { Map::new() };
    let mut issues = Vec::new();
    for (name, value) in given {
        let is_mask = value == MASK && is_sensitive(name);
        if extent == Extent::Part && value.is_null() {
            next.remove(name);
        } else if !is_mask {
            next.insert(name.clone(), value.clone());
        } else if let Some(own) = stored.get(name) {
            next.insert(name.clone(), own.clone());
        } else {
            let msg = format!("'{name}' is the mask of a stored secret, and none is stored");
            issues.push(Issue::value(vec![name.as_str().into()], msg));
        }
    }
    if issues.is_empty() { Ok(next) } else { Err(issues) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What becomes of these when `password` and `key` are sensitive.
    fn after(given: &Value, extent: Extent) -> Result<Value, String> {
        let stored = json!({ "user": "u", "password": "p" });
        let (stored, given) = (stored.as_object().unwrap(), given.as_object().unwrap());
        let next = succeed(stored, given, extent, |name| matches!(name, "password" | "key"));
        next.map(Value::Object).map_err(|issues| serde_json::to_string(&issues[0].loc).unwrap())
    }

    /// L3: the mask keeps what is stored; of a name that is not sensitive it is a text like any other.
    #[test]
    fn the_mask_keeps_what_is_stored() {
        for extent in [Extent::Whole, Extent::Part] {
            let masked = json!({ "user": "other", "password": MASK });
            assert_eq!(after(&masked, extent), Ok(json!({ "user": "other", "password": "p" })));
            assert_eq!(after(&json!({ "key": MASK }), extent), Err(r#"["key"]"#.to_owned()));
        }
        assert_eq!(after(&json!({ "user": MASK }), Extent::Whole), Ok(json!({ "user": MASK })));
    }

    /// Contract 5.3: PUT replaces all, PATCH merges.
    #[test]
    fn the_whole_replaces_and_a_part_merges() {
        let given = json!({ "user": null, "key": "k" });
        assert_eq!(after(&given, Extent::Whole), Ok(given.clone()));
        assert_eq!(after(&given, Extent::Part), Ok(json!({ "password": "p", "key": "k" })));
        assert_eq!(after(&json!({}), Extent::Part), Ok(json!({ "user": "u", "password": "p" })));
        assert_eq!(after(&json!({}), Extent::Whole), Ok(json!({})));
    }
}
