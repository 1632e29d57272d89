//! Members of a token answer beside the tokens (RFC 6749 §5.1 allows any) that a definition asks to be kept, such as
//! the address of a tenant's API.
//!
//! Decides: which names may be asked for, which values are taken. They may be secret: they are stored sealed, and shown
//! to whoever may read the token.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    connection::secrets::PROVIDER_CREDENTIALS,
    protocol::json::{BadMember, FromJson},
};

/// Longest text that is kept, in bytes.
const TEXT_LIMIT: usize = 4096;

/// Names that mean something already, here or in the answer of a token read.
const TAKEN: [&str; 7] =
    ["access_token", "refresh_token", "token_type", "expires_in", "expires_at", "scope", PROVIDER_CREDENTIALS];

/// Whether a member of this name may be asked for: it becomes a placeholder.
#[must_use]
pub fn may_be_kept(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(fits) && !TAKEN.contains(&name)
}

/// The members that are kept.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Kept(Map<String, Value>);

impl FromJson for Kept {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        Map::from_json(value).map(Self)
    }
}

impl Kept {
    /// Those of an answer with these names: texts, numbers, booleans; anything else is not taken.
    #[must_use]
    pub fn of(answer: &Map<String, Value>, names: &[String]) -> Self {
        let mut kept = Map::new();
        for name in names {
            match answer.get(name) {
                Some(Value::String(text)) if text.len() > TEXT_LIMIT => {}
                Some(value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => {
                    kept.insert(name.clone(), value.clone());
                }
                _ => {}
            }
        }
        Self(kept)
    }

    /// With what was kept before of these names, where this answer says nothing about it.
    #[must_use]
    pub fn over(mut self, former: Self, names: &[String]) -> Self {
        for (name, value) in former.0.into_iter().filter(|(name, _)| names.contains(name)) {
            self.0.entry(name).or_insert(value);
        }
        self
    }

    /// The members.
    #[must_use]
    pub const fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Kept(***)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is kept of an answer under these names.
    fn kept(answer: &Value, names: &[&str]) -> Value {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Value::Object(Kept::of(answer.as_object().unwrap(), &names).0)
    }

    #[test]
    fn what_was_asked_for_is_kept_and_nothing_else() {
        let answer =
            json!({ "instance_url": "https://x", "id": 5, "live": true, "more": "m", "list": [], "none": null });
        let names = ["instance_url", "id", "live", "list", "none", "missing"];
        assert_eq!(kept(&answer, &names), json!({ "instance_url": "https://x", "id": 5, "live": true }));
        let long = json!({ "a": "x".repeat(TEXT_LIMIT + 1), "b": "x".repeat(TEXT_LIMIT) });
        assert!(kept(&long, &["a", "b"]).get("a").is_none() && kept(&long, &["a", "b"]).get("b").is_some());
    }

    #[test]
    fn a_new_answer_goes_over_the_former() {
        let of = |value: Value| Kept(value.as_object().unwrap().clone());
        let names = ["a", "b"].map(str::to_owned);
        let now = of(json!({ "a": 2 })).over(of(json!({ "a": 1, "b": 1, "c": 1 })), &names);
        assert_eq!(now, of(json!({ "a": 2, "b": 1 })));
    }

    /// L6: the values never show.
    #[test]
    fn debug_output_shows_no_value() {
        let kept = Kept(json!({ "id_token": "hunter2" }).as_object().unwrap().clone());
        assert_eq!(format!("{kept:?}"), "Kept(***)");
    }

    #[test]
    fn names_of_ours_and_odd_ones_cannot_be_asked_for() {
        for bad in ["access_token", "scope", PROVIDER_CREDENTIALS, "", "a b", "a.b", "<a>", &"x".repeat(65)] {
            assert!(!may_be_kept(bad), "{bad}");
        }
        assert!(may_be_kept("instance_url") && may_be_kept("id-token"));
    }
}
