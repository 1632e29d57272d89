//! `application/x-www-form-urlencoded` parameters (RFC 6749 Appendix B; WHATWG URL §5.1 decodes).
//!
//! Decides: bounds, "a parameter MUST NOT be included more than once", "sent without a value = omitted"
//! (RFC 6749 §3.2). Leaves to others: what the parameters mean.

/// Most parameters in one request (checklist T7).
pub const PARAMETER_LIMIT: usize = 64;

/// The parameters of a request body or query.
pub struct Form(Vec<(String, String)>);

/// Why a form, or one parameter of it, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormProblem {
    /// More than [`PARAMETER_LIMIT`] parameters.
    #[error("more than {PARAMETER_LIMIT} parameters")]
    TooMany,
    /// The bytes are not UTF-8 after decoding.
    #[error("a parameter is not UTF-8")]
    NotUtf8,
    /// The named parameter occurs more than once.
    #[error("parameter '{0}' is repeated")]
    Repeated(&'static str),
}

impl Form {
    /// Decodes a body whose size the caller has bounded.
    ///
    /// # Errors
    /// `invalid_request` (400): too many parameters, or bytes that are no UTF-8.
    pub fn parse(body: &[u8]) -> Result<Self, FormProblem> {
        Self::from_fields(url::form_urlencoded::parse(body))
    }

    /// A form whose fields somebody else has decoded, lossily where they were no UTF-8.
    ///
    /// # Errors
    /// As [`Form::parse`].
    pub fn from_fields<Text: Into<String>>(
        fields: impl IntoIterator<Item = (Text, Text)>,
    ) -> Result<Self, FormProblem> {
        let mut parameters = Vec::new();
        for (name, value) in fields {
            if parameters.len() >= PARAMETER_LIMIT {
                return Err(FormProblem::TooMany);
            }
            let (name, value) = (name.into(), value.into());
            // The decoder replaces what is no UTF-8; a client that really sends U+FFFD has nothing to say to us.
            if name.contains('\u{FFFD}') || value.contains('\u{FFFD}') {
                return Err(FormProblem::NotUtf8);
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter; an empty one counts as absent.
    ///
    /// # Errors
    /// `invalid_request` (400) when it occurs more than once, equal or not, empty or not.
    pub fn parameter(&self, name: &'static str) -> Result<Option<&str>, FormProblem> {
        let mut values = self.0.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() {
            return Err(FormProblem::Repeated(name));
        }
        Ok(first.filter(|value| !value.is_empty()))
    }

    /// The values of a parameter that may occur more than once, less empty ones.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(own, value)| own == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter occurs at all, empty or repeated included.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(own, _)| own == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T6: a repeated parameter is refused even when both values are equal.
    #[test]
    fn a_repeated_parameter_is_refused() {
        let form = Form::parse(b"scope=a&x=1&scope=a").unwrap();
        assert_eq!(form.parameter("scope"), Err(FormProblem::Repeated("scope")));
        assert_eq!(form.parameter("x"), Ok(Some("1")));
    }

    /// T7: the number of parameters is bounded; unknown ones below the bound do no harm.
    #[test]
    fn more_than_64_parameters_are_refused() {
        let body = |count: usize| (0..count).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
        assert!(Form::parse(body(64).as_bytes()).is_ok());
        assert_eq!(Form::parse(body(65).as_bytes()).err(), Some(FormProblem::TooMany));
    }

    /// T8: a parameter without a value is treated as omitted.
    #[test]
    fn an_empty_parameter_counts_as_absent() {
        let form = Form::parse(b"scope=&a").unwrap();
        assert_eq!(form.parameter("scope"), Ok(None));
        assert_eq!(form.parameter("a"), Ok(None));
        assert!(form.has("scope") && !form.has("b"));
    }

    #[test]
    fn plus_and_percent_are_decoded_and_bytes_must_be_utf8() {
        let form = Form::parse(b"a=b+c%2B%C3%A9").unwrap();
        assert_eq!(form.parameter("a"), Ok(Some("b c+é")));
        assert_eq!(Form::parse(b"a=%ff").err(), Some(FormProblem::NotUtf8));
    }
}
