//! `application/x-www-form-urlencoded` bodies (RFC 6749 Appendix B) and the token request in one of them.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode;
use postern::{
    authorization_server::client_credentials::{GrantProblem, read_grant_request},
    config::Settings,
    protocol::form::{Form, FormProblem, PARAMETER_LIMIT},
};
use postern_fuzz::settings;

/// The names that are asked for: those of our routes, one that few bodies have, and the empty one.
const NAMES: [&str; 11] = [
    "grant_type",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "resource",
    "audience",
    "state",
    "a",
    "",
];

/// A deployment that follows the RFCs.
static SETTINGS: LazyLock<Settings> = LazyLock::new(settings);

/// One name or value as WHATWG URL §5.1 decodes it, if it is UTF-8 without U+FFFD.
fn decoded(bytes: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let text = String::from_utf8(percent_decode(&spaced).collect()).ok()?;
    (!text.contains('\u{FFFD}')).then_some(text)
}

/// The parameters of a body, or the first thing that is wrong with it.
fn expected(body: &[u8]) -> Result<Vec<(String, String)>, FormProblem> {
    let mut parameters = Vec::new();
    for piece in body.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()) {
        if parameters.len() == PARAMETER_LIMIT {
            return Err(FormProblem::TooMany);
        }
        let mut halves = piece.splitn(2, |byte| *byte == b'=');
        let mut half = || decoded(halves.next().unwrap_or_default()).ok_or(FormProblem::NotUtf8);
        parameters.push((half()?, half()?));
    }
    Ok(parameters)
}

/// A parameter occurs once, and an empty one counts as absent (RFC 6749 §3.2).
fn check_parameter(form: &Form, parameters: &[(String, String)], name: &'static str) {
    let values: Vec<&str> = parameters.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect();
    let expected = match values[..] {
        [] | [""] => Ok(None),
        [value] => Ok(Some(value)),
        _ => Err(FormProblem::Repeated(name)),
    };
    assert_eq!(form.parameter(name), expected, "{name}");
    assert_eq!(form.has(name), !values.is_empty(), "{name}");
}

/// A token request is granted nothing that its form does not say.
fn check_grant(form: &Form) {
    let (scope, resource, audience) = (form.parameter("scope"), form.parameter("resource"), form.parameter("audience"));
    match read_grant_request(form, SETTINGS.compatibility) {
        Ok(request) => {
            assert_eq!(form.parameter("grant_type"), Ok(Some("client_credentials")));
            assert_eq!(request.scope.is_some(), scope != Ok(None));
            assert!(request.scope.is_none_or(|scope| !scope.is_empty()));
            // RFC 8707 §2: both names mean the same, and only one resource is meant.
            let (resource, audience) = (resource.expect("at most once"), audience.expect("at most once"));
            assert_eq!(request.resource.as_deref(), resource.or(audience));
            assert!(resource.is_none() || audience.is_none() || resource == audience);
        }
        Err(GrantProblem::InvalidTarget) => assert!(resource != Ok(None) || audience != Ok(None)),
        Err(GrantProblem::NoGrantType) => assert_eq!(form.parameter("grant_type"), Ok(None)),
        Err(GrantProblem::MalformedScope) => assert!(matches!(scope, Ok(Some(_)))),
        Err(_) => {}
    }
}

fuzz_target!(|body: &[u8]| {
    let parameters = expected(body);
    let form = match (Form::parse(body), &parameters) {
        (Ok(form), Ok(_)) => form,
        (read, expected) => return assert_eq!(read.err().as_ref(), expected.as_ref().err()),
    };
    let parameters = parameters.unwrap_or_default();
    assert!(parameters.len() <= PARAMETER_LIMIT);
    for name in NAMES {
        check_parameter(&form, &parameters, name);
    }
    check_grant(&form);

    // Written again, the body says the same.
    let written = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&parameters).finish();
    let again = Form::parse(written.as_bytes()).expect("what was read can be written and read again");
    for name in NAMES {
        check_parameter(&again, &parameters, name);
    }
});
