//! Which assertions are good, and which keys verify them.

use serde_json::{Value, json};

use super::*;
use crate::{
    memory::signatures::{ClientKey, verifies},
    protocol::{
        assertion::tests::{HEADER, text},
        jwk::tests::{ED25519, P256, set},
    },
};

/// The instant at which the tests judge.
const NOW: u64 = 1_700_000_000;

/// What the service is called.
const AUDIENCES: [&str; 2] = ["https://postern.example", "https://postern.example/api/v1/oauth/token"];

/// An assertion with some claims changed.
fn assertion(changes: &Value) -> Assertion {
    let mut claims = json!({ "iss": "c1", "sub": "c1", "aud": AUDIENCES[0], "exp": NOW + 60, "jti": "j1" });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    Assertion::read(&text(HEADER, &claims.to_string(), &[7; 64])).unwrap()
}

/// What becomes of an assertion with some claims changed.
fn judged(changes: &Value) -> Result<SingleUse, Refusal> {
    judge(&assertion(changes), &AUDIENCES, UnixSeconds(NOW))
}

/// Why an assertion with some claims changed is refused.
fn refused(changes: &Value) -> Option<Refusal> {
    judged(changes).err()
}

/// J21: issuer is the client itself; an assertion that another client signed for it is not.
#[test]
fn only_the_client_itself_speaks_for_it() {
    assert_eq!(judged(&json!({})).unwrap().client_id, "c1");
    for iss in ["c2", "C1", "c1 ", ""] {
        assert_eq!(refused(&json!({ "iss": iss })), Some(Refusal::Issuer), "{iss}");
    }
}

/// J11, J21: exactly one of our names must be meant.
#[test]
fn an_assertion_for_others_is_refused() {
    for aud in [json!(AUDIENCES[1]), json!(["https://other.example", AUDIENCES[0]])] {
        assert_eq!(refused(&json!({ "aud": aud })), None, "{aud}");
    }
    for aud in [
        json!("https://postern.example/"),
        json!("https://POSTERN.example"),
        json!("https://postern.example/api/v1/oauth/introspect"),
        json!("https://postern.example.org"),
        json!("https://postern"),
        json!(""),
        json!([]),
        json!(["https://other.example"]),
    ] {
        assert_eq!(refused(&json!({ "aud": aud })), Some(Refusal::Audience), "{aud}");
    }
}

/// J9, J21: expired, or good for longer than ten minutes.
#[test]
fn an_assertion_is_short_lived() {
    for (exp, reason) in [
        (0, Some(Refusal::Expired)),
        (NOW - 60, Some(Refusal::Expired)),
        (NOW - 59, None),
        (NOW, None),
        (NOW + 600, None),
        (NOW + 601, Some(Refusal::LivesTooLong)),
        ((1 << 53) - 1, Some(Refusal::LivesTooLong)),
    ] {
        assert_eq!(refused(&json!({ "exp": exp })), reason, "{exp}");
    }
}

/// J10: from the future, beyond the skew of clocks.
#[test]
fn an_assertion_from_the_future_is_refused() {
    for claim in ["iat", "nbf"] {
        assert_eq!(refused(&json!({ claim: NOW + 60 })), None, "{claim}");
        assert_eq!(refused(&json!({ claim: NOW + 61 })), Some(Refusal::NotYet), "{claim}");
        assert_eq!(refused(&json!({ claim: 0 })), None, "{claim}");
    }
}

/// J21: an id of bounded length that every store takes.
#[test]
fn an_unfit_id_is_refused() {
    for jti in ["", &"j".repeat(257), "a\u{0}b", "a\nb", "é", "\u{7f}"] {
        assert_eq!(refused(&json!({ "jti": jti })), Some(Refusal::TokenId), "{jti:?}");
    }
    assert_eq!(refused(&json!({ "jti": "j".repeat(256) })), None);
}

/// J15, J23: the mark is of client and id, whatever else the text says, and stays as long as the assertion is good.
#[test]
fn the_mark_is_of_client_and_id_and_outlives_the_assertion() {
    let first = judged(&json!({})).unwrap();
    assert_eq!((first.marker_until, first.replay_key.len()), (UnixSeconds(NOW + 120), 43));
    let last_good = UnixSeconds(first.marker_until.0 - 1);
    assert!(judge(&assertion(&json!({})), &AUDIENCES, last_good).is_ok());
    assert_eq!(judge(&assertion(&json!({})), &AUDIENCES, first.marker_until), Err(Refusal::Expired));
    let again = judged(&json!({ "exp": NOW + 90, "iat": NOW })).unwrap();
    assert_eq!(again.replay_key, first.replay_key);
    let other_client = json!({ "iss": "c", "sub": "c", "jti": "1j1" });
    for changes in [json!({ "jti": "j2" }), json!({ "iss": "c2", "sub": "c2" }), other_client] {
        assert_ne!(judged(&changes).unwrap().replay_key, first.replay_key, "{changes}");
    }
}

/// Names of the candidates for a header.
fn named(header: &str, keys: &JwkSet) -> Vec<String> {
    let claims = r#"{"iss":"c","sub":"c","aud":"a","exp":1,"jti":"j"}"#;
    let assertion = Assertion::read(&text(header, claims, &[7; 64])).unwrap();
    candidates(&assertion, keys).unwrap_or_default().into_iter().map(Jwk::name).collect()
}

/// J2, J3, J21: the key decides on the algorithm; J4: the header's `kid` is compared with those of the client only.
#[test]
fn candidates_are_the_keys_of_the_algorithm_and_name() {
    let named_key = P256.replace('{', r#"{"kid":"mine","#);
    let second = ed25519_dalek::SigningKey::from_bytes(&[1; 32]).verifying_key();
    let second = Jwk::ed25519(second.as_bytes());
    let keys = set(&[ED25519, &named_key, &second.to_json().to_string()]);
    let (first, second) = ("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", second.name());
    for (header, expected) in [
        (r#"{"alg":"EdDSA"}"#.to_owned(), vec![first, &second]),
        (r#"{"alg":"ES256"}"#.to_owned(), vec!["mine"]),
        (r#"{"alg":"ES256","kid":"mine"}"#.to_owned(), vec!["mine"]),
        (format!(r#"{{"alg":"EdDSA","kid":"{first}"}}"#), vec![first]),
        (format!(r#"{{"alg":"EdDSA","kid":"{second}"}}"#), vec![&*second]),
        (format!(r#"{{"alg":"ES256","kid":"{first}"}}"#), vec![]),
        (r#"{"alg":"EdDSA","kid":"mine"}"#.to_owned(), vec![]),
        (r#"{"alg":"ES256","kid":"Mine"}"#.to_owned(), vec![]),
        (r#"{"alg":"ES256","kid":""}"#.to_owned(), vec![]),
        (r#"{"alg":"ES256","kid":"../../x"}"#.to_owned(), vec![]),
    ] {
        assert_eq!(named(&header, &keys), expected, "{header}");
    }
    assert_eq!(named(r#"{"alg":"ES256"}"#, &set(&[ED25519])), Vec::<String>::new());
}

/// Whether one of these keys signed this text.
fn is_signed(text: &str, keys: &JwkSet) -> bool {
    let assertion = Assertion::read(text).unwrap();
    let mut candidates = candidates(&assertion, keys).unwrap_or_default().into_iter();
    candidates.any(|key| verifies(key, assertion.signing_input(), assertion.signature()))
}

/// J2, J3, J21: what a client signed is signed by its key, and by no other.
#[test]
fn an_assertion_is_signed_by_the_clients_own_key() {
    let claims = json!({ "iss": "c1", "sub": "c1", "aud": AUDIENCES[0], "exp": NOW, "jti": "j1" });
    let keys = [ClientKey::ed25519(1), ClientKey::ed25519(2), ClientKey::p256(1), ClientKey::p256(2)];
    for (signer, key) in keys.iter().enumerate() {
        let text = key.assertion(&claims);
        for (owner, other) in keys.iter().enumerate() {
            assert_eq!(is_signed(&text, &other.set()), signer == owner, "{signer} {owner}");
        }
        let other_claims = json!({ "iss": "c2", "sub": "c2", "aud": AUDIENCES[0], "exp": NOW, "jti": "j1" });
        let other = key.assertion(&other_claims);
        let (input, signature) = (other.rsplit_once('.').unwrap().0, text.rsplit_once('.').unwrap().1);
        assert!(!is_signed(&format!("{input}.{signature}"), &key.set()));
    }
}

/// J3: the header says ES256, the key is Ed25519 (and the other way round), the signature is good.
#[test]
fn a_header_cannot_choose_the_algorithm_of_a_key() {
    let claims = json!({ "iss": "c1", "sub": "c1", "aud": AUDIENCES[0], "exp": NOW, "jti": "j1" });
    for (key, alg) in [(ClientKey::ed25519(1), "ES256"), (ClientKey::p256(1), "EdDSA")] {
        let assertion = Assertion::read(&key.jwt(&json!({ "alg": alg }), &claims)).unwrap();
        assert_eq!(candidates(&assertion, &key.set()), Err(Refusal::NoKey), "{alg}");
    }
}

/// J15: all zero is no signature; the twin of a good one is good, and makes the same mark.
#[test]
fn the_twin_of_an_ecdsa_signature_makes_no_second_use() {
    use p256::elliptic_curve::PrimeField;
    let key = ClientKey::p256(1);
    let claims = json!({ "iss": "c1", "sub": "c1", "aud": AUDIENCES[0], "exp": NOW, "jti": "j1" });
    let text = key.assertion(&claims);
    let input = text.rsplit_once('.').unwrap().0;
    let with = |signature: [u8; 64]| format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    let mut twin = *Assertion::read(&text).unwrap().signature();
    let s: [u8; 32] = twin[32..].try_into().unwrap();
    let minus_s = -p256::Scalar::from_repr(s.into()).unwrap();
    twin[32..].copy_from_slice(&minus_s.to_repr());
    assert_ne!(with(twin), text);
    assert!(is_signed(&text, &key.set()) && is_signed(&with(twin), &key.set()));
    let mark = |text: &str| judge(&Assertion::read(text).unwrap(), &AUDIENCES, UnixSeconds(NOW)).unwrap();
    assert_eq!(mark(&text), mark(&with(twin)));
    assert!(!is_signed(&with([0; 64]), &key.set()));
}

/// The vectors of the RFCs: what the memory's verifier says is what others say.
#[test]
fn the_signatures_of_the_rfcs_verify() {
    // RFC 8037 Appendix A.4.
    let eddsa = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    // RFC 7515 Appendix A.3.1.
    let es256 = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    for (text, key) in [(eddsa, ED25519), (es256, P256)] {
        let (input, signature) = text.rsplit_once('.').unwrap();
        let (keys, signature) = (set(&[key]), URL_SAFE_NO_PAD.decode(signature).unwrap().try_into().unwrap());
        let key = keys.keys().next().unwrap();
        assert!(verifies(key, input.as_bytes(), &signature));
        assert!(!verifies(key, &input.as_bytes()[1..], &signature));
    }
}
