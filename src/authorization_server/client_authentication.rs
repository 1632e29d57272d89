//! Client authentication of a form: Basic, `client_id` and `client_secret` in the body (RFC 6749 §2.3.1), or a signed
//! assertion (RFC 7521 §4.2, RFC 7523 §2.2).
//!
//! Decides: which credentials a request presents, or why it presents none that can be read. Leaves to others: whether
//! they are right (root: the settings; every other client: the registry).

use crate::{
    config::compatibility::{Compatibility, Deviation},
    protocol::{
        assertion::ASSERTION_TYPE,
        authorization_header::{Credentials, MalformedHeader},
        form::{Form, FormProblem},
        secret::SecretText,
        text::is_printable,
    },
};

/// Longest client id or secret that is compared (checklist M3, T26).
const CREDENTIAL_LIMIT: usize = 1024;

/// What a client presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresentedClient {
    /// Its id and its secret, both non-empty and in the grammar of RFC 6749 Appendix A.
    Secret {
        /// `client_id`.
        client_id: String,
        /// `client_secret`.
        client_secret: SecretText,
        /// In a Basic header, the same before it was decoded (RFC 6749 §2.3.1 wants it encoded, `curl -u` sends it as
        /// it is): of a secret that people chose, either may be meant.
        sent_secret: Option<SecretText>,
    },
    /// An assertion that it signed, not yet read.
    Assertion {
        /// `client_id`, where it is said twice (RFC 7521 §4.2).
        client_id: Option<String>,
        /// `client_assertion`.
        assertion: SecretText,
    },
}

/// Why no credentials could be taken from a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationProblem {
    /// 400 `invalid_request`.
    #[error(transparent)]
    MalformedHeader(#[from] MalformedHeader),
    /// 400 `invalid_request`.
    #[error("{0}")]
    Form(#[from] FormProblem),
    /// 400 `invalid_request` (RFC 6749 §2.3: "MUST NOT use more than one authentication method").
    #[error("more than one client authentication method")]
    TwoMethods,
    /// 400 `invalid_request`: characters outside RFC 6749 Appendix A, or too long.
    #[error("client_id or client_secret has characters that no credential has, or is too long")]
    OutsideGrammar,
    /// 400 `invalid_request`: an assertion of a type that nobody here reads, or of none.
    #[error("client_assertion_type must be {ASSERTION_TYPE}")]
    AssertionType,
    /// 401 `invalid_client`.
    #[error("no usable client credentials")]
    None,
}

/// Takes the credentials of a token request.
///
/// # Errors
/// See [`AuthenticationProblem`].
pub fn presented_client(
    header: Option<Credentials>,
    form: &Form,
    compatibility: Compatibility,
) -> Result<PresentedClient, AuthenticationProblem> {
    let body_id = form.parameter("client_id")?;
    let body_secret = form.parameter("client_secret")?;
    let assertion = form.parameter("client_assertion")?;
    let assertion_type = form.parameter("client_assertion_type")?;
    // Where the form counts, the header is as good as not there.
    let form_is_whole = body_id.is_some() && body_secret.is_some();
    let form_beats_basic = form_is_whole && compatibility.allows(Deviation::FormBeatsBasic);
    match header.filter(|header| !(form_beats_basic && matches!(header, Credentials::Basic { .. }))) {
        Some(Credentials::Basic { client_id, client_secret, sent_secret }) => {
            let same_client = body_id.is_none_or(|id| id == client_id);
            if body_secret.is_some() || assertion.is_some() || !same_client {
                return Err(AuthenticationProblem::TwoMethods);
            }
            checked(client_id, client_secret, Some(sent_secret))
        }
        // Another scheme is no client authentication; credentials in the body beside it would be a second attempt.
        Some(Credentials::Bearer(_) | Credentials::Other) => Err(AuthenticationProblem::None),
        None => match (body_id, body_secret, assertion) {
            (_, Some(_), Some(_)) => Err(AuthenticationProblem::TwoMethods),
            (_, None, Some(_)) if assertion_type != Some(ASSERTION_TYPE) => Err(AuthenticationProblem::AssertionType),
            (client_id, None, Some(assertion)) => Ok(PresentedClient::Assertion {
                client_id: client_id.map(str::to_owned),
                assertion: SecretText::new(assertion.to_owned()),
            }),
            (Some(id), Some(secret), None) => checked(id.to_owned(), SecretText::new(secret.to_owned()), None),
            _ => Err(AuthenticationProblem::None),
        },
    }
}

/// Bounds and grammar; an empty id or secret never authenticates anybody (checklist T24).
fn checked(
    client_id: String,
    client_secret: SecretText,
    sent_secret: Option<SecretText>,
) -> Result<PresentedClient, AuthenticationProblem> {
    if !is_credential(&client_id) || !is_credential(client_secret.expose()) {
        return Err(AuthenticationProblem::OutsideGrammar);
    }
    if client_id.is_empty() || client_secret.expose().is_empty() {
        return Err(AuthenticationProblem::None);
    }
    Ok(PresentedClient::Secret { client_id, client_secret, sent_secret })
}

/// RFC 6749 Appendix A.1, A.2: `*VSCHAR`, `VSCHAR = %x20-7E`; and not longer than any that we have.
#[must_use]
pub fn is_credential(text: &str) -> bool {
    text.len() <= CREDENTIAL_LIMIT && is_printable(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a Basic header with this pair and a body give.
    fn with_basic(id: &str, secret: &str, body: &str) -> Result<PresentedClient, AuthenticationProblem> {
        let client_secret = SecretText::new(secret.to_owned());
        let sent_secret = client_secret.clone();
        let header = Credentials::Basic { client_id: id.to_owned(), client_secret, sent_secret };
        presented_client(Some(header), &Form::parse(body.as_bytes()).unwrap(), Compatibility::STRICT)
    }

    /// What a body alone gives.
    fn with_body(body: &str) -> Result<PresentedClient, AuthenticationProblem> {
        presented_client(None, &Form::parse(body.as_bytes()).unwrap(), Compatibility::STRICT)
    }

    /// T14: Basic and a secret in the body, equal or not. T16: an assertion beside a secret.
    #[test]
    fn two_methods_are_refused() {
        assert_eq!(with_basic("c", "s", "client_secret=s"), Err(AuthenticationProblem::TwoMethods));
        assert_eq!(with_basic("c", "s", "client_assertion=x"), Err(AuthenticationProblem::TwoMethods));
        let both = with_body("client_id=c&client_secret=s&client_assertion=x");
        assert_eq!(both, Err(AuthenticationProblem::TwoMethods));
    }

    /// J21: an assertion comes with its type; a client id beside it is passed on to be compared.
    #[test]
    fn an_assertion_needs_its_type() {
        let kind = format!("client_assertion_type={}", ASSERTION_TYPE.replace(':', "%3A"));
        let (client_id, assertion) = (Some("c".to_owned()), SecretText::new("x".to_owned()));
        let alone = PresentedClient::Assertion { client_id: None, assertion: assertion.clone() };
        assert_eq!(with_body(&format!("client_assertion=x&{kind}")), Ok(alone));
        let named = PresentedClient::Assertion { client_id, assertion };
        assert_eq!(with_body(&format!("client_id=c&client_assertion=x&{kind}")), Ok(named));
        for body in ["client_assertion=x", "client_assertion=x&client_assertion_type=urn:x"] {
            assert_eq!(with_body(body), Err(AuthenticationProblem::AssertionType), "{body}");
        }
        assert_eq!(with_body(&format!("client_assertion=&{kind}")), Err(AuthenticationProblem::None));
    }

    /// As Fides, a whole pair in the form counts instead of Basic; half of one, or an assertion, is refused as ever.
    #[test]
    fn a_whole_pair_in_the_form_beats_basic_where_fides_is_followed() {
        let fides = |id: &str, body: &str| {
            let (client_secret, sent_secret) = (SecretText::new("b".to_owned()), SecretText::new("b".to_owned()));
            let header = Credentials::Basic { client_id: id.to_owned(), client_secret, sent_secret };
            presented_client(Some(header), &Form::parse(body.as_bytes()).unwrap(), Compatibility::FIDES)
        };
        for basic in ["c", "other", ""] {
            let (client_id, client_secret) = ("c".to_owned(), SecretText::new("s".to_owned()));
            let expected = PresentedClient::Secret { client_id, client_secret, sent_secret: None };
            assert_eq!(fides(basic, "client_id=c&client_secret=s"), Ok(expected));
        }
        assert!(fides("c", "client_id=c&client_secret=").is_ok());
        assert_eq!(fides("c", "client_id=d").err(), Some(AuthenticationProblem::TwoMethods));
        let three = fides("c", "client_id=c&client_secret=s&client_assertion=x");
        assert_eq!(three.err(), Some(AuthenticationProblem::TwoMethods));
        let twice = fides("c", "client_id=c&client_id=c&client_secret=s");
        assert!(matches!(twice, Err(AuthenticationProblem::Form(FormProblem::Repeated("client_id")))));
    }

    /// T15: the same client id beside Basic is accepted, another is not.
    #[test]
    fn basic_beside_a_client_id_needs_the_same_id() {
        assert!(with_basic("c", "s", "client_id=c").is_ok());
        assert_eq!(with_basic("c", "s", "client_id=d"), Err(AuthenticationProblem::TwoMethods));
    }

    /// T12, T24: nothing, half a pair, an empty secret.
    #[test]
    fn missing_or_empty_credentials_authenticate_nobody() {
        for body in ["", "client_id=c", "client_secret=s", "client_id=c&client_secret=", "client_id=&client_secret=s"] {
            assert_eq!(with_body(body), Err(AuthenticationProblem::None), "{body}");
        }
        assert_eq!(with_basic("id", "", ""), Err(AuthenticationProblem::None));
    }

    /// T22: a bearer token at the token endpoint is no client authentication.
    #[test]
    fn another_scheme_authenticates_nobody() {
        let form = Form::parse(b"client_id=c&client_secret=s").unwrap();
        assert_eq!(
            presented_client(Some(Credentials::Other), &form, Compatibility::STRICT),
            Err(AuthenticationProblem::None)
        );
    }

    /// T25: control characters and non-ASCII; M3, T26: too long.
    #[test]
    fn credentials_outside_the_grammar_are_refused() {
        for bad in ["%00", "a%0Db", "a%0Ab", "%7F", "%C2%85", "%C3%A9"] {
            assert_eq!(
                with_body(&format!("client_id={bad}&client_secret=s")),
                Err(AuthenticationProblem::OutsideGrammar)
            );
            assert_eq!(
                with_body(&format!("client_id=c&client_secret={bad}")),
                Err(AuthenticationProblem::OutsideGrammar)
            );
        }
        let long = "x".repeat(4096);
        assert_eq!(with_body(&format!("client_id={long}&client_secret=s")), Err(AuthenticationProblem::OutsideGrammar));
    }

    /// T6: each parameter once.
    #[test]
    fn repeated_credentials_are_refused() {
        for body in ["client_id=c&client_id=c&client_secret=s", "client_id=c&client_secret=s&client_secret=s"] {
            assert!(matches!(with_body(body), Err(AuthenticationProblem::Form(FormProblem::Repeated(_)))), "{body}");
        }
    }
}
