//! Answers of providers: checklist K15, K16, L5, and how long what they give lives.

mod members;

use serde_json::json;

use super::*;
use crate::connection::fault::FaultClass;

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

fn response(status: u16, content_type: &str, body: &str) -> ProviderResponse {
    ProviderResponse {
        status,
        content_type: Some(content_type.to_owned()),
        retry_after: None,
        body: body.as_bytes().to_vec(),
    }
}

fn read(status: u16, content_type: &str, body: &str) -> Result<TokenAnswer, AnswerProblem> {
    read_answer(&response(status, content_type, body), NOW, &TokenRules::default())
}

/// A JSON answer with an access token and one more member.
fn with(name: &str, value: &Value) -> Result<TokenAnswer, AnswerProblem> {
    let mut members = json!({"access_token": "at"});
    members[name] = value.clone();
    read(200, "application/json", &members.to_string())
}

fn refused(status: u16, error: Option<&str>) -> AnswerProblem {
    AnswerProblem::Refused { status, error: error.map(|error| ErrorCode::find(error, &[]).unwrap()) }
}

#[test]
fn recorded_answers_are_understood() {
    let answer =
        read(200, "application/json; charset=utf-8", include_str!("../../../../fixtures/provider/code_answer.json"))
            .unwrap();
    assert_eq!(answer.access_token.expose(), "at-7Yq0vX2m");
    assert_eq!(answer.refresh_token.unwrap().expose(), "rt-1Kd93");
    assert_eq!(answer.expires_at, NOW.plus(Seconds(1800)));
    assert_eq!(answer.scope.as_deref(), Some("openid offline_access api"));
    assert_eq!(answer.token_type.as_deref(), Some("Bearer"));

    let answer = read(201, "text/html", include_str!("../../../../fixtures/provider/refresh_answer.json")).unwrap();
    assert_eq!(answer.access_token.expose(), "at-8");
    assert_eq!((answer.refresh_token, answer.expires_at, answer.scope), (None, NOW.plus(Seconds(900)), None));

    let form = include_str!("../../../../fixtures/provider/form_answer.txt");
    for content_type in ["application/x-www-form-urlencoded", "text/plain", ""] {
        let answer = read(200, content_type, form).unwrap();
        assert_eq!(answer.access_token.expose(), "at-form");
        assert_eq!((answer.expires_at, answer.scope.as_deref()), (NOW.plus(Seconds(600)), Some("a,b")));
    }
}

/// K15: pages, lists, broken JSON, other bytes, too much.
#[test]
fn answers_that_are_not_token_answers_are_problems() {
    let page = include_str!("../../../../fixtures/provider/page.html");
    for (content_type, body, problem) in [
        ("text/html", page, AnswerProblem::Html),
        ("text/plain", page, AnswerProblem::Html),
        ("application/json", page, AnswerProblem::Html),
        ("application/json", "[{\"access_token\": \"x\"}]", AnswerProblem::NotUnderstood),
        ("application/json", "{\"access_token\": \"x\"", AnswerProblem::NotUnderstood),
        ("application/json", "{\"access_token\": NaN}", AnswerProblem::NotUnderstood),
        ("application/json", "access_token=x", AnswerProblem::NotUnderstood),
        ("application/json", "", AnswerProblem::NotUnderstood),
        ("text/plain", "hello", AnswerProblem::NotUnderstood),
        ("image/png", "access_token=x", AnswerProblem::NotUnderstood),
        ("application/json", "{\"access_token\": \"x\", \"access_token\": \"x\"}", AnswerProblem::NotUnderstood),
        ("application/json", "{\"access_token\": \"x\", \"access\\u005ftoken\": \"y\"}", AnswerProblem::NotUnderstood),
        ("application/x-www-form-urlencoded", "access_token=x&scope=a&access_token=y", AnswerProblem::NotUnderstood),
        ("application/json", "{}", AnswerProblem::NoAccessToken),
        ("application/json", "{\"access_token\": null}", AnswerProblem::NoAccessToken),
        ("application/json", "{\"access_token\": \"\"}", AnswerProblem::NoAccessToken),
        ("application/x-www-form-urlencoded", "", AnswerProblem::NoAccessToken),
        ("application/x-www-form-urlencoded", "access_token=", AnswerProblem::NoAccessToken),
    ] {
        assert_eq!(read(200, content_type, body), Err(problem), "{content_type} {body}");
    }
}

/// K15: other bytes, deep nesting, too much.
#[test]
fn answers_that_are_not_text_or_too_large_are_problems() {
    let bytes = ProviderResponse { body: vec![0x1f, 0x8b, 0xff], ..response(200, "application/json", "") };
    assert_eq!(read_answer(&bytes, NOW, &TokenRules::default()), Err(AnswerProblem::NotUnderstood));
    let deep = format!("{{\"access_token\": {}", "[".repeat(100_000));
    assert_eq!(read(200, "application/json", &deep), Err(AnswerProblem::NotUnderstood));
    let large = " ".repeat(PROVIDER_ANSWER_LIMIT + 1);
    assert_eq!(read(200, "application/json", &large), Err(AnswerProblem::TooLarge));
    let marked = read(200, "application/json", "\u{feff} {\"access_token\": \"x\"}");
    assert!(marked.is_ok());
}

/// K15, L5: errors by status and code; of the provider's text only a code gets through.
#[test]
fn refusals_keep_the_code_and_nothing_else() {
    let recorded = include_str!("../../../../fixtures/provider/refused.json");
    for status in [200, 400, 401, 403] {
        let problem = read(status, "application/json", recorded).unwrap_err();
        assert_eq!(problem, refused(status, Some("invalid_grant")));
        assert!(!format!("{problem} {problem:?}").contains("rt-1Kd93"));
    }
    for (body, code) in [
        (json!({"error": "Invalid_Grant"}), Some("invalid_grant")),
        (json!({"error": "Bad request: invalid_grant (token rt-1Kd93)"}), Some("invalid_grant")),
        (json!({"error": "status: 'invalid_grant'."}), Some("invalid_grant")),
        (json!({"error": "0123456789abcdef"}), None),
        (json!({"error": "rt-1Kd93"}), None),
        (json!({"error": "<script>"}), None),
        (json!({"error": "x".repeat(65)}), None),
        (json!({"error": "a-secret.that_looks_like_a_code"}), None),
        (json!({"error": "a_secret", "error_description": "invalid_grant"}), None),
        (json!({"error": {"code": "a_secret", "error": "a_secret"}}), None),
        (json!({"error": {"type": "OAuthException", "code": 190}}), Some("oauthexception")),
        (json!({"error": true}), None),
        (json!({"status": "BAD_REFRESH_TOKEN", "message": "rt-1Kd93"}), Some("bad_refresh_token")),
        (json!({"errorCode": "a_secret", "type": "invalid_client", "status": 401}), Some("invalid_client")),
        (json!({"error": "a_secret", "status": "BAD_REFRESH_TOKEN"}), None),
        (json!({"message": "no"}), None),
    ] {
        let found = read(400, "application/json", &body.to_string());
        assert_eq!(found, Err(refused(400, code)), "{body}");
    }
    assert_eq!(read(404, "text/html", "<html>"), Err(refused(404, None)));
    assert_eq!(
        read(400, "application/x-www-form-urlencoded", "error=bad_verification_code"),
        Err(refused(400, Some("bad_verification_code")))
    );
    // An error beside a token is an error; an empty one is none.
    assert_eq!(with("error", &json!("access_denied")), Err(refused(200, Some("access_denied"))));
    assert!(with("error", &json!("")).is_ok() && with("error", &Value::Null).is_ok());
}

#[test]
fn other_statuses_have_classes_of_their_own() {
    let token = "{\"access_token\": \"at\"}";
    for status in [301, 302, 303, 307, 308] {
        assert_eq!(read(status, "application/json", token), Err(AnswerProblem::Redirected { status }));
    }
    assert_eq!(read(429, "text/plain", "slow"), Err(AnswerProblem::TooManyRequests { status: 429 }));
    assert_eq!(
        read(400, "application/json", "{\"error\": \"slow_down\"}"),
        Err(AnswerProblem::TooManyRequests { status: 400 })
    );
    for status in [500, 502, 503] {
        assert_eq!(read(status, "application/json", token), Err(AnswerProblem::Failed { status, error: None }));
    }
    assert_eq!(
        read(400, "application/json", "{\"error\": \"temporarily_unavailable\"}"),
        Err(AnswerProblem::Failed { status: 400, error: ErrorCode::find("temporarily_unavailable", &[]) })
    );
    assert_eq!(read(400, "application/json", token), Err(refused(400, None)));
    assert_eq!(read(101, "", ""), Err(refused(101, None)));
}

/// A success may have members that look like codes.
#[test]
fn a_code_outside_of_an_error_is_none_in_a_success() {
    for name in ["code", "type", "status"] {
        assert!(with(name, &json!("invalid_grant")).is_ok(), "{name}");
    }
}

/// What each problem is for the connection. Of a 504 nobody knows what became of the request.
#[test]
fn every_problem_is_a_fault() {
    let token = "{\"access_token\": \"at\"}";
    let page = include_str!("../../../../fixtures/provider/page.html");
    let fault = |status, body| Fault::from(read(status, "application/json", body).unwrap_err());
    let refused = |status, error: Option<&str>| Fault::Refused { error: error.map(str::to_owned), status };
    for (status, body, expected) in [
        (400, "{\"error\": \"Invalid_Grant\"}", refused(400, Some("invalid_grant"))),
        (200, "{\"error\": \"invalid_grant\"}", refused(200, Some("invalid_grant"))),
        (401, token, refused(401, None)),
        (404, page, refused(404, None)),
        (429, page, Fault::Busy),
        (400, "{\"error\": \"slow_down\"}", Fault::Busy),
        (400, "{\"error\": \"rate_limit_exceeded\"}", Fault::Busy),
        (500, token, Fault::Failed),
        (503, page, Fault::Failed),
        (504, page, Fault::TimedOut),
        (400, "{\"error\": \"server_error\"}", Fault::Failed),
        (302, token, Fault::Unreadable),
        (200, page, Fault::Unreadable),
        (200, "{}", Fault::Unreadable),
    ] {
        assert_eq!(fault(status, body), expected, "{status} {body}");
    }
}

/// L5: codes that the definition names get out too, as it spells them; what it takes for more than a passing fault is a
/// refusal, whatever the status. A code beats a status.
#[test]
fn a_definition_names_codes_and_statuses() {
    use FaultClass::{Connection, Integration, Provider};
    let named = [
        ("AADSTS70008", Connection),
        ("x.dead", Integration),
        ("busy-now", Provider),
        ("slow_down", Integration),
        ("410", Connection),
        ("500", Connection),
        ("429", Provider),
        ("302", Connection),
    ];
    let faults = named.map(|(code, class)| (code.to_owned(), class)).to_vec();
    let rules = TokenRules { faults, ..TokenRules::default() };
    let refused = |status, code: &str| {
        let error = Some(code.to_owned()).filter(|code| !code.is_empty());
        Fault::Refused { error, status }
    };
    for (status, error, expected) in [
        (400, "AADSTS70008: the token rt-1Kd93 has expired", refused(400, "AADSTS70008")),
        (200, "aadsts70008", refused(200, "AADSTS70008")),
        (400, "it is x.dead.", refused(400, "x.dead")),
        (400, "it is xx.dead or x.deader", refused(400, "")),
        (400, "invalid_grant (AADSTS70008)", refused(400, "AADSTS70008")),
        (400, "invalid_grant", refused(400, "invalid_grant")),
        (400, "410", refused(400, "")),
        (410, "", refused(410, "")),
        (410, "invalid_client", refused(410, "invalid_client")),
        (500, "rt-1Kd93", refused(500, "")),
        (500, "busy-now", Fault::Failed),
        (500, "server_error", Fault::Failed),
        (503, "", Fault::Failed),
        (503, "x.dead", refused(503, "x.dead")),
        (504, "x.dead", refused(504, "x.dead")),
        (504, "", Fault::TimedOut),
        (429, "", Fault::Busy),
        (429, "x.dead", refused(429, "x.dead")),
        (400, "slow_down", refused(400, "slow_down")),
        (302, "", refused(302, "")),
        (303, "", Fault::Unreadable),
    ] {
        let body = json!({ "error": error, "error_description": "x.dead" }).to_string();
        let problem = read_answer(&response(status, "application/json", &body), NOW, &rules).unwrap_err();
        assert!(!format!("{problem} {problem:?}").contains("1Kd93"));
        assert_eq!(Fault::from(problem), expected, "{status} {error}");
    }
    let good = response(200, "application/json", r#"{"access_token": "at", "status": "x.dead"}"#);
    assert!(read_answer(&good, NOW, &rules).is_ok());
}
