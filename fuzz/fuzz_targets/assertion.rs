//! Client assertions (RFC 7523): the strict reading of their text, and what one must say to authenticate.
//!
//! The first byte of the input says what the rest is: a text; or header and claims, each a line of JSON.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use postern::{
    authorization_server::client_assertion::{Refusal, SingleUse, candidates, judge},
    protocol::{
        assertion::{ASSERTION_LIMIT, Assertion},
        jwk::JwkSet,
        time::{Seconds, UnixSeconds},
        token,
    },
};
use postern_fuzz::{object, part};
use serde_json::{Map, Value, json};

/// The instant at which assertions are judged.
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

/// The names of the service (RFC 7523 §3).
const AUDIENCES: [&str; 2] = ["https://postern.example", "https://postern.example/api/v1/oauth/token"];

/// One key of each kind: RFC 8037 Appendix A.2, without a name, and RFC 7515 Appendix A.3.1, with one.
static KEYS: LazyLock<JwkSet> = LazyLock::new(|| {
    let keys = json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
        { "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
          "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "kid": "k" },
    ] });
    JwkSet::read(&keys, &[]).expect("the keys are fine")
});

/// A claim that is a text.
fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> &'a str {
    claims.get(name).and_then(Value::as_str).expect("a required claim is a text")
}

/// The whole seconds of a claim that is an instant.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an accepted instant is below 2^53")]
fn instant(claims: &Map<String, Value>, name: &str) -> Option<UnixSeconds> {
    let number = claims.get(name)?;
    let seconds = number.as_f64().expect("an instant is a number");
    assert!((0.0..9_007_199_254_740_992.0).contains(&seconds), "{seconds}");
    Some(UnixSeconds(number.as_u64().unwrap_or(seconds as u64)))
}

/// What must hold for an assertion that is read.
fn check_assertion(text_sent: &str, assertion: &Assertion) {
    let parts: Vec<&str> = text_sent.split('.').collect();
    assert!(parts.len() == 3 && text_sent.len() <= ASSERTION_LIMIT);
    let (header, claims) = (object(parts[0]), object(parts[1]));
    assert_eq!(assertion.signing_input(), format!("{}.{}", parts[0], parts[1]).as_bytes());
    assert_eq!(part(assertion.signature()), parts[2]);

    // RFC 7515 §4.1, RFC 8725 §3.1, §3.11: our algorithms, no access token, no key or extension of the sender's.
    assert!(header.keys().all(|name| ["alg", "typ", "kid"].contains(&name.as_str())));
    assert_eq!(header["alg"], assertion.algorithm().name());
    assert_eq!(header.get("kid").map(|kid| kid.as_str().expect("a text")), assertion.key_id());
    if let Some(typ) = header.get("typ") {
        let typ = typ.as_str().expect("a text").to_ascii_lowercase();
        let typ = typ.strip_prefix("application/").unwrap_or(&typ);
        assert!(typ == "jwt" || typ == "client-authentication+jwt", "{typ}");
    }
    assert!(token::read(text_sent).is_err(), "no text is an assertion and an access token");

    // RFC 7523 §3: what is required is there, and of the right type.
    assert_eq!(
        (assertion.claims().sub.as_str(), assertion.claims().iss.as_str()),
        (text(&claims, "sub"), text(&claims, "iss"))
    );
    assert_eq!(assertion.claims().jti, text(&claims, "jti"));
    assert!(instant(&claims, "exp").is_some());

    // It can be shown without giving it away.
    assert_eq!(format!("{assertion:?}"), format!("Assertion {{ algorithm: {:?}, .. }}", assertion.algorithm()));
    check_candidates(assertion);
    check_judgement(&claims, judge(assertion, &AUDIENCES, NOW));
}

/// Only keys of the header's algorithm, and of these only the one it names.
fn check_candidates(assertion: &Assertion) {
    match candidates(assertion, &KEYS) {
        Ok(keys) => {
            assert!(!keys.is_empty());
            assert!(keys.iter().all(|key| key.algorithm() == assertion.algorithm()));
            assert!(keys.iter().all(|key| assertion.key_id().is_none_or(|key_id| key_id == key.name())));
        }
        Err(refusal) => assert!(refusal == Refusal::NoKey && assertion.key_id().is_some()),
    }
}

/// RFC 7523 §3, items 1 to 7.
fn check_judgement(claims: &Map<String, Value>, judged: Result<SingleUse, Refusal>) {
    let (iss, sub, jti) = (text(claims, "iss"), text(claims, "sub"), text(claims, "jti"));
    let exp = instant(claims, "exp").expect("required");
    let for_us = match &claims["aud"] {
        Value::String(audience) => AUDIENCES.contains(&audience.as_str()),
        Value::Array(several) => several.iter().any(|one| AUDIENCES.iter().any(|own| one == own)),
        other => panic!("an audience is a text or a list: {other}"),
    };
    let lives = exp.0 + 60 > NOW.0 && exp.0 <= NOW.0 + 600;
    let has_begun = ["iat", "nbf"].iter().all(|name| instant(claims, name).is_none_or(|from| from.0 <= NOW.0 + 60));
    let has_id = (1..=256).contains(&jti.len()) && jti.chars().all(|one| one.is_ascii() && !one.is_ascii_control());
    let is_good = iss == sub && for_us && lives && has_begun && has_id;
    assert_eq!(judged.is_ok(), is_good, "{judged:?}");
    let Ok(single_use) = judged else { return };
    assert_eq!((single_use.client_id.as_str(), single_use.marker_until), (sub, exp.plus(Seconds(60))));
    assert_eq!(single_use.replay_key.len(), 43);
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    let sent = if kind % 2 == 0 {
        let Ok(text) = std::str::from_utf8(rest) else { return };
        text.to_owned()
    } else {
        let mut lines = rest.splitn(2, |byte| *byte == b'\n').map(part);
        let (header, claims) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        format!("{header}.{claims}.{}", part([0x42; 64]))
    };
    if let Ok(assertion) = Assertion::read(&sent) {
        check_assertion(&sent, &assertion);
    }
});
