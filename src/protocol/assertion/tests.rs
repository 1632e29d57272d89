//! Client assertions as texts.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;

/// A header document that is fine.
pub(crate) const HEADER: &str = r#"{"alg":"EdDSA","typ":"JWT","kid":"k"}"#;

/// A claims document that is fine.
pub(crate) const CLAIMS: &str = r#"{"iss":"c","sub":"c","aud":"https://a","exp":20,"jti":"j","iat":10,"nbf":10}"#;

/// An assertion text of these documents and this signature.
pub(crate) fn text(header: &str, claims: &str, signature: &[u8]) -> String {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    format!("{}.{}.{}", part(header.as_bytes()), part(claims.as_bytes()), part(signature))
}

/// Reads an assertion of these documents.
fn read(header: &str, claims: &str) -> Result<Assertion, Unreadable> {
    Assertion::read(&text(header, claims, &[7; 64]))
}

/// The good documents with a replacement in each.
fn read_with(header: (&str, &str), claims: (&str, &str)) -> Result<Assertion, Unreadable> {
    assert!(HEADER.contains(header.0) && CLAIMS.contains(claims.0), "{header:?} {claims:?}");
    read(&HEADER.replace(header.0, header.1), &CLAIMS.replace(claims.0, claims.1))
}

/// Whether the good documents with a replacement in the claims can be read.
fn readable(from: &str, to: &str) -> bool {
    read_with(("", ""), (from, to)).is_ok()
}

#[test]
fn a_well_formed_assertion_is_read() {
    let whole = text(HEADER, CLAIMS, &[7; 64]);
    let assertion = Assertion::read(&whole).unwrap();
    assert_eq!((assertion.claims().sub.as_str(), assertion.key_id()), ("c", Some("k")));
    assert_eq!((assertion.algorithm(), assertion.signature()), (Algorithm::EdDsa, &[7; 64]));
    assert_eq!(assertion.signing_input(), whole.rsplit_once('.').unwrap().0.as_bytes());
    let claims = assertion.claims();
    assert_eq!((claims.iss.as_str(), claims.jti.as_str(), claims.exp), ("c", "j", UnixSeconds(20)));
    assert_eq!((claims.iat, claims.nbf), (Some(UnixSeconds(10)), Some(UnixSeconds(10))));
    assert_eq!(read_with(("EdDSA", "Ed25519"), ("", "")).map(|read| read.algorithm()), Ok(Algorithm::EdDsa));
    let least = read(r#"{"alg":"ES256"}"#, r#"{"iss":"c","sub":"c","aud":"a","exp":1,"jti":""}"#).unwrap();
    assert_eq!((least.algorithm(), least.key_id(), least.claims().iat), (Algorithm::Es256, None, None));
}

/// J1, J2, J21: only the two algorithms, in exactly these spellings.
#[test]
fn another_algorithm_is_unreadable() {
    for alg in ["none", "None", "nOnE", "HS256", "RS256", "PS256", "ES384", "es256", "eddsa", "ed25519", "Ed448", ""] {
        assert_eq!(read_with(("EdDSA", alg), ("", "")), Err(Unreadable), "{alg}");
    }
    assert_eq!(read(r#"{"typ":"JWT"}"#, CLAIMS), Err(Unreadable));
}

/// J4: `kid` is a string or absent.
#[test]
fn a_kid_of_another_type_is_unreadable() {
    for kid in ["1", "[\"k\"]", "null", "{}"] {
        assert_eq!(read_with(("\"k\"", kid), ("", "")), Err(Unreadable), "{kid}");
    }
}

/// J5, J6, J14: no key of the sender's, no critical extension, no compression.
#[test]
fn a_header_with_any_other_member_is_unreadable() {
    for member in [
        r#""jku":"https://x""#,
        r#""x5u":"x""#,
        r#""jwk":{}"#,
        r#""x5c":[]"#,
        r#""crit":[]"#,
        r#""crit":["exp"]"#,
        r#""zip":"DEF""#,
        r#""b64":false"#,
        r#""cty":"JWT""#,
    ] {
        assert_eq!(read_with(("{", &format!("{{{member},")), ("", "")), Err(Unreadable), "{member}");
    }
}

/// J7: an access token is no assertion.
#[test]
fn the_type_is_that_of_an_assertion() {
    for (typ, good) in [
        ("jwt", true),
        ("client-authentication+jwt", true),
        ("Client-Authentication+JWT", true),
        ("application/client-authentication+jwt", true),
        ("at+jwt", false),
        ("AT+JWT", false),
        ("application/at+jwt", false),
        ("JWTs", false),
        ("", false),
    ] {
        assert_eq!(read_with(("\"JWT\"", &format!("\"{typ}\"")), ("", "")).is_ok(), good, "{typ}");
    }
    assert_eq!(read_with(("\"JWT\"", "null"), ("", "")), Err(Unreadable));
}

/// J8, J10: a wrong type is not "absent"; a fraction is no wrong type (RFC 7519 §2).
#[test]
fn instants_of_another_type_are_unreadable() {
    for (claim, value) in [("exp", 20), ("iat", 10), ("nbf", 10)] {
        let own = format!("\"{claim}\":{value}");
        for bad in ["\"9999999999\"", "1e300", "-2", "null", "[2]", "{}", "true", "9007199254740992"] {
            assert!(!readable(&own, &format!("\"{claim}\":{bad}")), "{claim} {bad}");
        }
        assert!(readable(&own, &format!("\"{claim}\":9007199254740991")));
    }
    let exp = |text: &str| read_with(("", ""), ("\"exp\":20", text)).unwrap().claims().exp;
    assert_eq!((exp("\"exp\":20.9"), exp("\"exp\":2e1")), (UnixSeconds(20), UnixSeconds(20)));
}

/// J21: nothing that is required may be missing, or of another type.
#[test]
fn an_assertion_without_a_required_claim_is_unreadable() {
    for own in ["\"iss\":\"c\",", "\"sub\":\"c\",", "\"aud\":\"https://a\",", "\"exp\":20,", "\"jti\":\"j\","] {
        assert!(!readable(own, ""), "{own}");
        let name = own.split(':').next().unwrap();
        assert!(!readable(own, &format!("{name}:null,")), "{own}");
        assert!(name == "\"exp\"" || !readable(own, &format!("{name}:1,")), "{own}");
    }
}

/// J11: the audience is a text or a list of texts.
#[test]
fn an_audience_of_another_type_is_unreadable() {
    let aud = |value: &str| read_with(("", ""), ("\"https://a\"", value)).map(|read| read.claims().aud.clone());
    let two = aud(r#"["https://a","b"]"#).unwrap();
    assert_eq!(two, ["https://a", "b"]);
    assert!(aud("[]").unwrap().is_empty());
    for bad in ["{}", "1", "[1]", "[[\"https://a\"]]", "[\"https://a\",null]", "true"] {
        assert!(aud(bad).is_err(), "{bad}");
    }
}

/// J12: duplicates, also of claims that are ignored.
#[test]
fn duplicate_members_are_unreadable() {
    assert_eq!(read_with(("{", "{\"kid\":\"x\","), ("", "")), Err(Unreadable));
    for claim in ["iss", "sub", "aud", "jti"] {
        assert!(!readable("{", &format!("{{\"{claim}\":\"x\",")), "{claim}");
    }
    for claim in ["exp", "iat", "nbf"] {
        assert!(!readable("{", &format!("{{\"{claim}\":9,")), "{claim}");
    }
    assert!(readable("{", "{\"azp\":{\"x\":[1]},"));
    assert!(!readable("{", "{\"azp\":1,\"azp\":1,"));
}

/// J13: other part counts, padding, the other alphabet, whitespace, trailing bits.
#[test]
fn the_text_is_canonical() {
    let good = text(HEADER, CLAIMS, &[0; 64]);
    let (head, signature) = good.rsplit_once('.').unwrap();
    for bad in [
        format!("{good}.x.y"),
        head.to_owned(),
        String::new(),
        "..".to_owned(),
        format!("{good}="),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{head}.+{}", signature.get(1..).unwrap()),
        format!("{head}."),
        format!("{}B", good.strip_suffix('A').unwrap()),
    ] {
        assert_eq!(Assertion::read(&bad), Err(Unreadable), "{bad}");
    }
}

/// J15: a signature is exactly 64 bytes; DER has some 70.
#[test]
fn a_signature_of_another_length_is_unreadable() {
    for length in [0, 32, 63, 65, 70, 72, 96] {
        assert_eq!(Assertion::read(&text(HEADER, CLAIMS, &vec![1; length])), Err(Unreadable), "{length}");
    }
}

/// J14: refused by size before decoding; nesting is bounded by the JSON parser.
#[test]
fn a_huge_or_deep_assertion_is_unreadable() {
    let padded = |length: usize| {
        let claims = CLAIMS.replace("\"j\"", &format!("\"{}\"", "j".repeat(length)));
        let whole = text(HEADER, &claims, &[0; 64]);
        (whole.len(), Assertion::read(&whole).is_ok())
    };
    let (length, good) = padded(5900);
    assert!(length <= ASSERTION_LIMIT && good, "{length}");
    let (length, good) = padded(6000);
    assert!(length > ASSERTION_LIMIT && !good, "{length}");
    let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    assert!(!readable("\"https://a\"", &deep));
    assert!(!readable("{", &format!("{{\"x\":{deep},")));
}

/// L6: what authenticates a client is not printed.
#[test]
fn debug_output_of_an_assertion_shows_nothing_of_it() {
    let claims = CLAIMS.replace("\"c\"", "\"canary\"").replace("\"j\"", "\"canary\"");
    let assertion = read(&HEADER.replace("\"k\"", "\"canary\""), &claims).unwrap();
    assert_eq!(format!("{assertion:?}"), "Assertion { algorithm: EdDsa, .. }");
}
