//! What providers answer to token requests.
//!
//! An input is a status, a space, a content type, a line break, and the body.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use postern::{
    connection::{
        definition::TokenRules,
        fault::FaultClass,
        token_exchange::{AnswerProblem, TokenAnswer, read_answer},
    },
    ports::{PROVIDER_ANSWER_LIMIT, ProviderResponse},
    protocol::time::{Seconds, UnixSeconds},
};
use serde_json::Value;

/// When the answer arrives.
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

/// What a definition says about answers.
static RULES: LazyLock<TokenRules> = LazyLock::new(|| TokenRules {
    expires_in: None,
    keep: ["instance_url", "id"].map(str::to_owned).to_vec(),
    refresh_lead: None,
    faults: vec![("zebra.dead".to_owned(), FaultClass::Connection), ("503".to_owned(), FaultClass::Integration)],
});

/// Longest life of a token: ten years.
const LONGEST: u64 = 315_360_000;

/// A secret that a provider repeats, and another one. They begin with one letter that is no hexadecimal digit, so that
/// escapes before them mean the same.
const SECRETS: [&str; 2] = ["zebra-secret_of.ours", "zonda-secret_of.ours"];

/// Reads an input.
fn response(data: &[u8]) -> ProviderResponse {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let head = String::from_utf8_lossy(&data[..end]);
    let (status, content_type) = head.split_once(' ').map_or((&*head, None), |(status, rest)| (status, Some(rest)));
    ProviderResponse {
        status: status.parse().unwrap_or(200),
        content_type: content_type.map(str::to_owned),
        retry_after: None,
        body: data.get(end + 1..).unwrap_or_default().to_vec(),
    }
}

/// The members of an answer, by another way than the product's.
fn members(body: &[u8]) -> Vec<(String, Value)> {
    let text = std::str::from_utf8(body).expect("an accepted answer is UTF-8");
    let text = text.trim_start_matches('\u{feff}').trim();
    if let Ok(Value::Object(members)) = serde_json::from_str(text) {
        return members.into_iter().collect();
    }
    let pairs = url::form_urlencoded::parse(text.as_bytes());
    pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect()
}

/// What must hold for an answer that is accepted.
fn check_accepted(answer: &TokenAnswer, response: &ProviderResponse, rules: &TokenRules) {
    assert!((200..300).contains(&response.status) && response.body.len() <= PROVIDER_ANSWER_LIMIT);
    let members = members(&response.body);
    let named =
        |name: &str| -> Vec<&Value> { members.iter().filter(|(own, _)| own == name).map(|(_, value)| value).collect() };
    assert_eq!(named("access_token"), [answer.access_token.expose()]);
    let visible = |text: &str, lowest: u8| text.bytes().all(|byte| (lowest..=b'~').contains(&byte));
    let token = answer.access_token.expose();
    assert!(!token.is_empty() && token.len() <= 16_384 && visible(token, b'!'));
    if let Some(token) = &answer.refresh_token {
        assert_eq!(named("refresh_token"), [token.expose()]);
        assert!(!token.expose().is_empty() && token.expose().len() <= 16_384 && visible(token.expose(), b' '));
    }
    assert!(answer.token_type.as_ref().is_none_or(|kind| kind.eq_ignore_ascii_case("bearer")));
    assert!(answer.scope.as_ref().is_none_or(|scope| scope.len() <= 8_192 && visible(scope, b' ')));
    let lifetime = answer.expires_at.since(NOW);
    assert!((1..=LONGEST).contains(&lifetime.0) && rules.expires_in.is_none_or(|assumed| lifetime <= assumed));
    for (name, value) in answer.kept.members() {
        assert!(RULES.keep.contains(name) && !value.is_object() && !value.is_array() && !value.is_null());
        assert_eq!(named(name), [value]);
    }
    let is_nothing = |value: &&Value| value.is_null() || **value == false || **value == "";
    assert!(named("error").iter().all(is_nothing), "an error is none beside a token");
}

/// What must hold for an answer that is refused: another secret in it makes no difference, since none gets out.
fn check_refused(problem: &AnswerProblem, response: &ProviderResponse, rules: &TokenRules) {
    let Ok(text) = std::str::from_utf8(&response.body) else { return };
    if text.contains(SECRETS[0]) && !text.contains(SECRETS[1]) {
        let other = ProviderResponse { body: text.replace(SECRETS[0], SECRETS[1]).into_bytes(), ..response.clone() };
        let other = read_answer(&other, NOW, rules).expect_err("as wrong as with the first secret");
        assert_eq!(format!("{other} {other:?}"), format!("{problem} {problem:?}"));
    }
    assert!(format!("{problem} {problem:?}").len() < 256);
}

fuzz_target!(|data: &[u8]| {
    let response = response(data);
    for expires_in in [None, Some(Seconds(600))] {
        let rules = TokenRules { expires_in, ..RULES.clone() };
        match read_answer(&response, NOW, &rules) {
            Ok(answer) => check_accepted(&answer, &response, &rules),
            Err(problem) => check_refused(&problem, &response, &rules),
        }
    }
});
