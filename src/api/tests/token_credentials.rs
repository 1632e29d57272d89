//! `POST /oauth/token`: client authentication (RFC 6749 §2.3, RFC 7617).

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Answered, Host, form,
    token_request::{GOOD, TOKEN, assert_error},
    with_header,
};

/// A body without credentials.
const GRANT: &str = "grant_type=client_credentials";

/// The challenge of RFC 6749 §5.2.
const CHALLENGE: &str = "Basic realm=\"postern\", charset=\"UTF-8\"";

/// Sends a body with an `Authorization` header.
fn with_authorization(host: &Host, value: &[u8], body: &str) -> Answered {
    host.send(&with_header(form(TOKEN, body), "authorization", value))
}

/// Sends a body with Basic credentials: this text in base64.
fn with_basic(host: &Host, pair: &[u8], body: &str) -> Answered {
    with_authorization(host, format!("Basic {}", STANDARD.encode(pair)).as_bytes(), body)
}

/// T12: no credentials, or half of them.
#[test]
fn without_credentials_the_client_is_challenged() {
    let host = Host::new();
    for half in ["", "&client_id=root-id", "&client_secret=root-secret", "&client_assertion="] {
        let answer = host.send(&form(TOKEN, &format!("{GRANT}{half}")));
        assert_error(&answer, 401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), CHALLENGE);
        assert_eq!(answer.detail(), (401, "Authentication Failure".into()));
    }
}

/// T13, T27: unknown, wrong, deleted, of another letter case, the secret of somebody else: nobody can tell which.
#[test]
fn every_wrong_credential_gets_the_same_answer() {
    let host = Host::new();
    let (id, secret) = host.client(&["policy:read"]);
    let (gone, gone_secret) = host.client(&[]);
    assert_eq!(host.as_root("DELETE", &format!("/oauth/client/{gone}"), &().into()).status, 200);
    let upper = id.to_ascii_uppercase();
    let pairs = [
        ("nobody", secret.as_str()),
        (&id, "wrong-canary"),
        (&id, "root-secret"),
        (&upper, &secret),
        (&gone, &gone_secret),
        ("root-id", "wrong-canary"),
        ("root-id", &secret),
        ("ROOT-ID", "root-secret"),
    ];
    let expected = host.send(&form(TOKEN, GRANT)).visible();
    for (id, secret) in pairs {
        let in_body = format!("{GRANT}&client_id={id}&client_secret={secret}");
        assert_eq!(host.send(&form(TOKEN, &in_body)).visible(), expected, "{id}");
        assert_eq!(with_basic(&host, format!("{id}:{secret}").as_bytes(), GRANT).visible(), expected, "{id}");
    }
    assert_eq!(host.send(&form(TOKEN, &format!("{GRANT}&client_id={id}&client_secret={secret}"))).status, 200);
}

/// T14, T16: two methods at once, even if both are right.
#[test]
fn two_ways_to_authenticate_are_refused() {
    let host = Host::new();
    for body in [GOOD, "grant_type=client_credentials&client_secret=root-secret", "client_assertion=x"] {
        assert_error(&with_basic(&host, b"root-id:root-secret", body), 400, "invalid_request");
    }
    assert_error(&host.send(&form(TOKEN, &format!("{GOOD}&client_assertion=x"))), 400, "invalid_request");
}

/// T15: a client id beside Basic must be the same.
#[test]
fn basic_may_stand_beside_the_same_client_id() {
    let host = Host::new();
    let answer = with_basic(&host, b"root-id:root-secret", &format!("{GRANT}&client_id=root-id"));
    assert_eq!(answer.status, 200);
    let other = with_basic(&host, b"root-id:root-secret", &format!("{GRANT}&client_id=other"));
    assert_error(&other, 400, "invalid_request");
}

/// T17, T20: Basic is form-decoded and split at the first colon; an ordinary client's pair works as it is.
#[test]
fn basic_credentials_are_form_decoded() {
    let settings = [("OAUTH_ROOT_CLIENT_ID", "root+id"), ("OAUTH_ROOT_CLIENT_SECRET", "s:e%cr+et canary")];
    let host = Host::with(&settings);
    for pair in ["root%2Bid:s%3Ae%25cr%2Bet+canary", "root%2bid:s:e%25cr%2Bet%20canary"] {
        assert_eq!(with_basic(&host, pair.as_bytes(), GRANT).status, 200, "{pair}");
    }
    assert_error(&with_basic(&host, b"root+id:s%3Ae%25cr%2Bet+canary", GRANT), 401, "invalid_client");
    let host = Host::new();
    let (id, secret) = host.client(&[]);
    assert_eq!(with_basic(&host, format!("{id}:{secret}").as_bytes(), GRANT).status, 200);
}

/// T18: broken escapes, bytes that are no UTF-8.
#[test]
fn basic_with_a_broken_escape_is_malformed() {
    let host = Host::new();
    for pair in [&b"root-id:%zz"[..], b"root-id:%", b"%4:x", b"root-id:%ff", b"root-id:\xff\xfe"] {
        let answer = with_basic(&host, pair, GRANT);
        assert_error(&answer, 400, "invalid_request");
        assert_eq!(answer.header("www-authenticate"), CHALLENGE);
    }
}

/// T19: what is not `Basic base64(id:secret)`.
#[test]
fn basic_that_is_not_base64_of_a_pair_is_malformed() {
    let host = Host::new();
    for value in ["Basic", "Basic ", "Basic !!!", "Basic aWQ6eA", "Basic aWQ=", "Basic  aWQ6eA==", "Basic aWQ6 eA=="] {
        let answer = with_authorization(&host, value.as_bytes(), GRANT);
        assert_error(&answer, 400, "invalid_request");
        assert_eq!(answer.header("www-authenticate"), CHALLENGE, "{value}");
    }
}

/// T21: the scheme's letter case does not matter.
#[test]
fn the_scheme_may_be_written_in_any_case() {
    let host = Host::new();
    let pair = STANDARD.encode("root-id:root-secret");
    for scheme in ["basic", "BASIC", "BaSiC"] {
        assert_eq!(with_authorization(&host, format!("{scheme} {pair}").as_bytes(), GRANT).status, 200, "{scheme}");
    }
}

/// T22: another scheme is never read as Basic, and hides no credentials in the body.
#[test]
fn another_scheme_authenticates_nobody() {
    let host = Host::new();
    let pair = STANDARD.encode("root-id:root-secret");
    for scheme in ["Bearer", "Foo", "Basicx", "Digest"] {
        for body in [GRANT, GOOD] {
            let answer = with_authorization(&host, format!("{scheme} {pair}").as_bytes(), body);
            assert_error(&answer, 401, "invalid_client");
        }
    }
    assert_error(&with_authorization(&host, pair.as_bytes(), GRANT), 401, "invalid_client");
}

/// T23: two headers, or one that was merged out of two.
#[test]
fn two_authorization_headers_are_refused() {
    let host = Host::new();
    let basic = format!("Basic {}", STANDARD.encode("root-id:root-secret"));
    let twice = with_header(form(TOKEN, GRANT), "authorization", basic.as_bytes());
    let twice = with_header(twice, "authorization", basic.as_bytes());
    assert_error(&host.send(&twice), 400, "invalid_request");
    let merged = format!("{basic}, {basic}");
    assert_error(&with_authorization(&host, merged.as_bytes(), GRANT), 400, "invalid_request");
}

/// T19, T23: the author of a client is told what is wrong with its header, and nothing that is in it.
#[test]
fn a_malformed_header_is_told_by_its_kind() {
    let host = Host::new();
    let twice = with_header(form(TOKEN, GRANT), "authorization", b"Basic secret");
    let twice = host.send(&with_header(twice, "authorization", b"Basic secret"));
    let with = |value: &str| with_authorization(&host, value.as_bytes(), GRANT);
    for (answer, description) in [
        (twice, "more than one Authorization header"),
        (with(&format!("Basic {}", "secret".repeat(2_000))), "Authorization header too long"),
        (with("Basic secret"), "malformed Basic credentials"),
        (with("Bearer secret secret"), "malformed Bearer credentials"),
        (with("Bearer \"secret\""), "malformed bearer token"),
    ] {
        assert_error(&answer, 400, "invalid_request");
        assert_eq!(answer.json()["error_description"], description);
    }
}

/// T24: an empty secret authenticates nobody, whoever it is sent for.
#[test]
fn an_empty_secret_is_refused() {
    let host = Host::new();
    let (id, _) = host.client(&["policy:read"]);
    for id in [id.as_str(), "root-id", "nobody", ""] {
        assert_error(&with_basic(&host, format!("{id}:").as_bytes(), GRANT), 401, "invalid_client");
        let body = format!("{GRANT}&client_id={id}&client_secret=");
        assert_error(&host.send(&form(TOKEN, &body)), 401, "invalid_client");
    }
}

/// T25, T26: what no credential can be is refused before any storage is asked (which is broken here).
#[test]
fn credentials_outside_the_grammar_reach_no_storage() {
    let host = Host::new();
    host.memory.clients.break_storage();
    let long = "x".repeat(4096);
    for bad in ["%00", "a%0Db", "a%0Ab", "%7F", "%C2%85", "%D1%81lient", "%E2%80%AE", &long] {
        let body = format!("{GRANT}&client_id={bad}&client_secret=canary");
        assert_error(&host.send(&form(TOKEN, &body)), 400, "invalid_request");
        let body = format!("{GRANT}&client_id=c&client_secret={bad}");
        assert_error(&host.send(&form(TOKEN, &body)), 400, "invalid_request");
    }
}

/// T26: ids with characters that mean something elsewhere are just unknown.
#[test]
fn an_odd_client_id_is_just_unknown() {
    let host = Host::new();
    for id in ["../registry", "..", "a/b", "a:b", "*", "%25", "'%20OR%201=1--", "root-id%20"] {
        let body = format!("{GRANT}&client_id={id}&client_secret=canary");
        assert_error(&host.send(&form(TOKEN, &body)), 401, "invalid_client");
    }
}

/// A root secret with a plus or an escape in it (openssl rand -base64) works with `curl -u`, as in Fides.
#[test]
fn a_root_secret_may_be_sent_as_it_is() {
    for secret in ["canary+x/y=", "canary%2Bx", "canary:x y"] {
        let host = Host::with(&[("OAUTH_ROOT_CLIENT_SECRET", secret)]);
        let basic = format!("Basic {}", STANDARD.encode(format!("root-id:{secret}")));
        let request = with_header(form(TOKEN, "grant_type=client_credentials"), "authorization", basic.as_bytes());
        assert_eq!(host.send(&request).status, 200, "{secret}");
    }
}

/// T8 (RFC 6749 §3.2): a parameter without a value is omitted, also beside a Basic header.
#[test]
fn an_empty_secret_beside_basic_is_omitted() {
    let host = Host::new();
    let basic = format!("Basic {}", STANDARD.encode("root-id:root-secret"));
    let request = form(TOKEN, "grant_type=client_credentials&client_secret=");
    assert_eq!(host.send(&with_header(request, "authorization", basic.as_bytes())).status, 200);
}
