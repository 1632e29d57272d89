//! Keys, sets of them, and what is refused of either.

use super::*;
use crate::protocol::json;

/// RFC 8037 Appendix A.2.
pub(crate) const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// RFC 7515 Appendix A.3.1, its public part.
pub(crate) const P256: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

/// A set of these keys.
pub(crate) fn set(keys: &[&str]) -> JwkSet {
    read(keys).unwrap()
}

/// Reads a set of these keys.
fn read(keys: &[&str]) -> Result<JwkSet, Vec<Issue>> {
    let document: Value = serde_json::from_str(&format!("{{\"keys\":[{}]}}", keys.join(","))).unwrap();
    JwkSet::read(&document, &["body".into(), "jwks".into()])
}

/// One key with a member replaced by other text.
fn changed(key: &str, from: &str, to: &str) -> String {
    assert!(key.contains(from), "{from}");
    key.replace(from, to)
}

/// One key with a member more.
fn with(key: &str, member: &str) -> String {
    changed(key, "{", &format!("{{{member},"))
}

/// Kind and place of each issue, the place from the key on.
fn wrong(key: &str) -> Vec<(String, String)> {
    let issues = read(&[key]).err().unwrap_or_default();
    let place = |issue: &Issue| {
        assert_eq!(issue.loc[..4], ["body".into(), "jwks".into(), "keys".into(), Step::Element(0)]);
        issue.loc[4..].iter().map(|step| format!("{step:?}")).collect::<Vec<_>>().concat()
    };
    issues.iter().map(|issue| (issue.kind.to_string(), place(issue))).collect()
}

#[test]
fn the_thumbprint_is_that_of_the_rfcs() {
    // RFC 8037 Appendix A.3.
    let keys = set(&[ED25519, P256]);
    let thumbprints: Vec<String> = keys.keys().map(Jwk::thumbprint).collect();
    assert_eq!(thumbprints[0], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    // SHA-256 of the four members without white space, worked out with another tool (RFC 7638 §3.2).
    assert_eq!(thumbprints[1], "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
}

#[test]
fn a_set_is_shown_and_stored_as_its_document() {
    let document = json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "alg": "EdDSA", "use": "sig", "kid": "a" },
        { "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
          "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "alg": "ES256", "use": "sig" },
    ] });
    let keys = set(&[&with(ED25519, r#""kid":"a""#), P256]);
    assert_eq!(keys.to_json(), document);
    let stored = serde_json::to_vec(&keys).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&stored).unwrap(), document);
    assert_eq!(json::read::<JwkSet>(&stored).unwrap(), keys);
    assert!(json::read::<JwkSet>(b"{\"keys\":[]}").is_err());
}

#[test]
fn members_that_fit_or_that_nobody_knows_are_accepted() {
    for member in [
        r#""alg":"EdDSA""#,
        r#""alg":"Ed25519""#,
        r#""use":"sig""#,
        r#""key_ops":["verify"]"#,
        r#""ext":true"#,
        r#""x5t":"y""#,
    ] {
        assert_eq!(wrong(&with(ED25519, member)), [], "{member}");
    }
    assert_eq!(wrong(&with(P256, r#""alg":"ES256","kid":"my key""#)), []);
}

/// J3, J21: a key is of one of two kinds, and for one algorithm.
#[test]
fn a_key_of_another_kind_or_algorithm_is_refused() {
    for (key, member) in [
        (changed(ED25519, "OKP", "EC"), "kty"),
        (changed(ED25519, "OKP", "okp"), "kty"),
        (changed(ED25519, "Ed25519", "X25519"), "kty"),
        (changed(ED25519, "Ed25519", "P-256"), "kty"),
        (changed(P256, "P-256", "P-384"), "kty"),
        (with(ED25519, r#""alg":"ES256""#), "alg"),
        (with(ED25519, r#""alg":"Ed448""#), "alg"),
        (with(P256, r#""alg":"EdDSA""#), "alg"),
        (with(P256, r#""alg":"Ed25519""#), "alg"),
        (with(P256, r#""alg":"none""#), "alg"),
        (with(P256, r#""use":"enc""#), "use"),
        (with(P256, r#""key_ops":["sign"]"#), "key_ops"),
        (with(P256, r#""key_ops":"verify""#), "key_ops"),
    ] {
        assert_eq!(wrong(&key), [("value_error".to_owned(), format!("Member({member:?})"))], "{key}");
    }
    let rsa = r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#;
    assert_eq!(wrong(rsa).iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), ["missing", "missing"]);
}

#[test]
fn a_private_key_is_refused_without_being_shown() {
    for member in PRIVATE_MEMBERS {
        let key = with(ED25519, &format!(r#""{member}":"canary""#));
        assert_eq!(wrong(&key), [("value_error".to_owned(), format!("Member({member:?})"))]);
        assert!(!format!("{:?}", read(&[&key])).contains("canary"));
    }
}

#[test]
fn members_of_another_type_and_missing_ones_are_named() {
    for member in ["kty", "crv", "x", "y"] {
        for (value, kind) in [(json!(1), "string_type"), (Value::Null, "string_type"), (json!([]), "string_type")] {
            let mut key: Value = serde_json::from_str(P256).unwrap();
            key[member] = value;
            assert_eq!(wrong(&key.to_string()), [(kind.to_owned(), format!("Member({member:?})"))]);
        }
        let mut key: Value = serde_json::from_str(P256).unwrap();
        key.as_object_mut().unwrap().remove(member);
        assert_eq!(wrong(&key.to_string()), [("missing".to_owned(), format!("Member({member:?})"))]);
    }
    for member in ["kid", "alg", "use"] {
        let key = with(P256, &format!("\"{member}\":null"));
        assert_eq!(wrong(&key), [("string_type".to_owned(), format!("Member({member:?})"))]);
    }
}

/// J13: 32 bytes, canonical; a coordinate is not shortened by its leading zeros.
#[test]
fn coordinates_are_canonical() {
    let good = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let bad = [
        "",
        &good[1..],
        &format!("{good}="),
        &format!("{good}A"),
        &good.replace('_', "/"),
        // The last character carries two unused bits: "o" has none set, "p" has one.
        &format!("{}p", &good[..42]),
        &"A".repeat(100_000),
    ];
    for x in bad {
        assert_eq!(wrong(&changed(ED25519, good, x)).len(), 1, "{x}");
    }
}

#[test]
fn a_kid_is_short_visible_ascii() {
    for (kid, good) in [("k", true), (&*"k".repeat(256), true), ("", false), (&*"k".repeat(257), false)] {
        assert_eq!(wrong(&with(P256, &format!("\"kid\":\"{kid}\""))).is_empty(), good, "{kid}");
    }
    for kid in ["\\u0000", "\\n", "é", "\\u007f"] {
        assert_eq!(wrong(&with(P256, &format!("\"kid\":\"{kid}\""))).len(), 1, "{kid}");
    }
}

#[test]
fn a_set_has_one_to_eight_different_keys() {
    let keys: Vec<String> = (1..=9)
        .map(|seed| ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key())
        .map(|key| Jwk::ed25519(key.as_bytes()).to_json().to_string())
        .collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(read(&keys[..8]).unwrap().keys().count(), 8);
    assert_eq!(read(&keys).unwrap_err()[0].kind, "too_long");
    assert_eq!(read(&[]).unwrap_err()[0].kind, "too_short");
    let thumbprint = set(&[ED25519]).keys().next().unwrap().thumbprint();
    let impostor = with(P256, &format!("\"kid\":\"{thumbprint}\""));
    for pair in [
        [ED25519, ED25519],
        [ED25519, &with(ED25519, r#""kid":"b""#)],
        [&with(ED25519, r#""kid":"a""#), &with(P256, r#""kid":"a""#)],
        [ED25519, &impostor],
    ] {
        let issues = read(&pair).unwrap_err();
        let loc = ["body".into(), "jwks".into(), "keys".into(), Step::Element(1)];
        assert_eq!((issues.len(), issues[0].loc.as_slice()), (1, loc.as_slice()), "{pair:?}");
    }
}

#[test]
fn a_document_of_another_shape_is_refused() {
    for (document, kind) in [
        (json!([]), "dict_type"),
        (json!({}), "missing"),
        (json!({ "keys": {} }), "list_type"),
        (json!({ "keys": [1] }), "dict_type"),
        (json!({ "keys": null }), "list_type"),
    ] {
        assert_eq!(JwkSet::read(&document, &[]).unwrap_err()[0].kind, kind, "{document}");
    }
}
