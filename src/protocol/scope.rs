//! Scope: a set of case-sensitive scope-tokens (RFC 6749 §3.3).
//!
//! Decides: the grammar, set operations, exact matching. Leaves to others: which tokens exist (the scope registry) and
//! who may hold them.
//!
//! ```text
//! scope       = scope-token *( SP scope-token )
//! scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json::{BadMember, FromJson};

/// Most scope-tokens in one set: twice what the registry knows, so that no honest request comes near (checklist C9).
pub const SCOPE_LIMIT: usize = 256;

/// The text is not a scope of the grammar above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a scope: one or more scope-tokens, separated by single spaces")]
pub struct MalformedScope;

/// A set of scope-tokens in the order in which they were first named.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(Vec<String>);

impl FromJson for Scope {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        Vec::from_json(value).map(Self)
    }
}

impl Scope {
    /// Reads the `scope` parameter; duplicates are dropped.
    ///
    /// # Errors
    /// `invalid_scope` (400) to the caller: a tab, a double or leading space, a quote, a backslash, more than
    /// [`SCOPE_LIMIT`] tokens.
    pub fn parse(text: &str) -> Result<Self, MalformedScope> {
        let mut scope = Self::default();
        for token in text.split(' ') {
            if !is_scope_token(token) || scope.0.len() >= SCOPE_LIMIT {
                return Err(MalformedScope);
            }
            scope.add(token);
        }
        Ok(scope)
    }

    /// The tokens, in order.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether the set has no token.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether exactly this token is in the set; never by prefix (checklist B15).
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        self.0.iter().any(|own| own == token)
    }

    /// Whether every token of `other` is in this set.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.tokens().all(|token| self.contains(token))
    }

    /// The tokens of this set that `other` has too, in this set's order.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.tokens().filter(|token| other.contains(token)).collect()
    }

    /// This token alone, if it is in the set.
    #[must_use]
    pub fn only(&self, token: &str) -> Self {
        if self.contains(token) { std::iter::once(token).collect() } else { Self::default() }
    }

    /// The tokens of this set that `other` lacks, in this set's order.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.tokens().filter(|token| !other.contains(token)).collect()
    }

    /// Adds a token unless it is there.
    fn add(&mut self, token: &str) {
        if !self.contains(token) {
            self.0.push(token.to_owned());
        }
    }
}

impl<'a> FromIterator<&'a str> for Scope {
    fn from_iter<Tokens: IntoIterator<Item = &'a str>>(tokens: Tokens) -> Self {
        let mut scope = Self::default();
        for token in tokens {
            scope.add(token);
        }
        scope
    }
}

/// The `scope` parameter: tokens separated by single spaces.
impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(" "))
    }
}

/// `scope-token` of the grammar above.
#[must_use]
pub fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T28: the grammar knows single spaces only; T25: no control character, no non-ASCII.
    #[test]
    fn a_scope_outside_the_grammar_is_refused() {
        for text in ["", " a", "a ", "a  b", "a\tb", "a\"b", "a\\b", "a\u{0}", "a\u{7f}", "é", "a\nb"] {
            assert_eq!(Scope::parse(text), Err(MalformedScope), "{text:?}");
        }
    }

    /// T31: duplicates collapse, order stays.
    #[test]
    fn duplicates_collapse_and_order_is_kept() {
        assert_eq!(Scope::parse("b a b").unwrap().to_string(), "b a");
    }

    /// B15: no match by prefix, part or other case.
    #[test]
    fn a_token_matches_exactly() {
        let scope = Scope::parse("client:create_or_update client:Read").unwrap();
        for token in ["client:create", "client", "client:read", "client:create_or_update "] {
            assert!(!scope.contains(token), "{token}");
        }
        assert!(scope.contains("client:Read"));
    }

    #[test]
    fn set_operations_keep_the_order_of_the_left_side() {
        let (left, right) = (Scope::parse("c b a").unwrap(), Scope::parse("a x c").unwrap());
        assert_eq!(left.intersection(&right).to_string(), "c a");
        assert_eq!(left.without(&right).to_string(), "b");
        assert!(left.covers(&Scope::default()) && !left.covers(&right));
    }

    /// C9: the number of tokens is bounded.
    #[test]
    fn too_many_tokens_are_refused() {
        let text = (0..=SCOPE_LIMIT).map(|number| format!("t{number}")).collect::<Vec<_>>().join(" ");
        assert_eq!(Scope::parse(&text), Err(MalformedScope));
    }
}
