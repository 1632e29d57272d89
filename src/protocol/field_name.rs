//! Names of header fields of requests that we make (RFC 9110 §5.1).
//!
//! Decides: which texts are one. Names that become known only at run time are of this type: to look one up among the
//! standard names, as the `http` crate does with its own, is long, and nobody here asks which of them are standard.

use std::borrow::Cow;

/// Longest name, in bytes; as the `http` crate has it.
const NAME_LIMIT: usize = 65_535;

/// A name in lower case, since case does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldName(Cow<'static, str>);

impl FieldName {
    /// RFC 9110 §12.5.1.
    pub const ACCEPT: Self = Self::lower_case("accept");

    /// RFC 9110 §11.6.2.
    pub const AUTHORIZATION: Self = Self::lower_case("authorization");

    /// RFC 9110 §8.3.
    pub const CONTENT_TYPE: Self = Self::lower_case("content-type");

    /// A name of ours.
    #[must_use]
    pub const fn lower_case(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The name that a text is, if it is a token (RFC 9110 §5.6.2).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_token = (1..=NAME_LIMIT).contains(&text.len()) && text.bytes().all(fits);
        is_token.then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The grammar is that of the `http` crate: each byte alone, and what is too long.
    #[test]
    fn a_name_is_a_token_in_any_case() {
        let name = FieldName::parse("Content-TYPE").unwrap();
        assert_eq!((name.as_str(), &name), ("content-type", &FieldName::CONTENT_TYPE));
        let singles = (0..=0x17f).filter_map(char::from_u32).map(String::from);
        let others = ["", "a b", "a:", "x-\u{e9}", "_.~"].map(str::to_owned);
        for text in singles.chain(others).chain([65_535, 65_536].map(|length| "a".repeat(length))) {
            let expected = http::HeaderName::from_bytes(text.as_bytes()).ok();
            let name = FieldName::parse(&text);
            assert_eq!(
                name.as_ref().map(FieldName::as_str),
                expected.as_ref().map(http::HeaderName::as_str),
                "{text:.9}"
            );
        }
    }
}
