//! Tokens of our own, of others, and of nobody.

use serde_json::json;

use super::*;
use crate::{
    config::tests::read_with,
    memory::signatures::{public_halves, sign, verifies},
};

/// The instant at which the tests issue.
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

/// An authority of the usual settings, some changed.
fn authority(changes: &[(&str, &str)]) -> TokenAuthority {
    let settings = read_with(changes).unwrap();
    TokenAuthority::new(&settings, public_halves(&settings.signing_keys))
}

/// What a token of this authority becomes.
fn issue(authority: &TokenAuthority, audience: Option<&str>, now: UnixSeconds) -> Result<SecretText, NotSigned> {
    let scope = Scope::parse("policy:read").unwrap();
    let subject = Subject { client_id: "c1", scope: &scope, epoch: 7, audience };
    let draft = authority.issue(&subject, now, [9; 16])?;
    let signature = sign(draft.seed, draft.signing_input());
    Ok(draft.signed(&signature))
}

/// What is left of a judgement once the signature is checked.
fn proven(unproven: Result<Unproven<'_>, Unreadable>) -> Result<Verified, Unreadable> {
    let unproven = unproven?;
    let is_good = verifies(unproven.key, unproven.signing_input, &unproven.signature);
    unproven.proven(is_good)
}

impl TokenAuthority {
    /// What a presented token is.
    fn verify(&self, token: &SecretText, now: UnixSeconds) -> Result<Verified, Unreadable> {
        proven(self.judge(token, now))
    }
}

/// A token of this authority.
fn token(authority: &TokenAuthority) -> SecretText {
    issue(authority, None, NOW).unwrap()
}

/// A token with this header, and our claims under our own signature.
fn signed_under(header: &str) -> SecretText {
    use ed25519_dalek::Signer;
    let text = token(&authority(&[])).expose().to_owned();
    let claims = text.split('.').nth(1).unwrap();
    let input = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header));
    let key = ed25519_dalek::SigningKey::from_bytes(&read_with(&[]).unwrap().signing_keys[0].seed);
    SecretText::new(format!("{input}.{}", URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()).to_bytes())))
}

#[test]
fn an_issued_token_verifies_and_says_what_was_granted() {
    let own = authority(&[]);
    let Verified { claims, trusted_until } = own.verify(&token(&own), NOW).unwrap();
    assert_eq!(trusted_until, claims.exp);
    assert_eq!((claims.client_id.as_str(), claims.sub.as_str(), claims.scope.as_str()), ("c1", "c1", "policy:read"));
    assert_eq!((claims.iss.as_str(), claims.aud.as_str()), ("https://postern.example", "https://postern.example"));
    assert_eq!((claims.iat, claims.exp, claims.epoch), (NOW, NOW.plus(Seconds(691_200)), 7));
}

/// J9: no leeway at our own resource server. J10: not before it was issued, give or take the skew of clocks.
#[test]
fn a_token_is_good_from_its_issue_until_just_before_exp() {
    let own = authority(&[("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", "1")]);
    let token = token(&own);
    for (now, good) in [
        (NOW.0 - 61, false),
        (NOW.0 - 60, true),
        (NOW.0, true),
        (NOW.0 + 59, true),
        (NOW.0 + 60, false),
        (NOW.0 + 61, false),
    ] {
        assert_eq!(own.verify(&token, UnixSeconds(now)).is_ok(), good, "{now}");
    }
}

/// B9: a changed character anywhere, and another deployment's key.
#[test]
fn a_tampered_or_foreign_token_is_refused() {
    let own = authority(&[]);
    let text = token(&own).expose().to_owned();
    for position in [0, 30, text.find('.').unwrap() + 5, text.len() - 40] {
        let mut bytes = text.clone().into_bytes();
        bytes[position] = if bytes[position] == b'x' { b'y' } else { b'x' };
        let changed = SecretText::new(String::from_utf8(bytes).unwrap());
        assert_eq!(own.verify(&changed, NOW), Err(Unreadable), "{position}");
    }
    let foreign = authority(&[("APP_ENCRYPTION_KEY", "another-key-of-32-bytes-of-text!")]);
    assert_eq!(own.verify(&token(&foreign), NOW), Err(Unreadable));
}

/// J11, B16: exact issuer and audience; same key, other public URL.
#[test]
fn a_token_of_another_issuer_is_refused() {
    let own = authority(&[]);
    for other in ["https://postern.example.org", "https://postern.example:8443", "https://other.example"] {
        assert_eq!(own.verify(&token(&authority(&[("PUBLIC_URL", other)])), NOW), Err(Unreadable), "{other}");
    }
}

/// J1: an unsigned token with our own header and claims.
#[test]
fn a_token_without_signature_is_refused() {
    let own = authority(&[]);
    let text = token(&own).expose().to_owned();
    let (head, _) = text.rsplit_once('.').unwrap();
    for signature in [String::new(), URL_SAFE_NO_PAD.encode([0; 64])] {
        assert_eq!(own.verify(&SecretText::new(format!("{head}.{signature}")), NOW), Err(Unreadable));
    }
}

/// J3, J4: a key is found by its name, in memory, and decides on the algorithm.
#[test]
fn a_header_that_names_no_key_of_ours_is_refused() {
    let own = authority(&[]);
    let key_id = own.keys.signing(NOW).unwrap().key_id.clone();
    let header = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{key_id}"}}"#);
    assert!(own.verify(&signed_under(&header), NOW).is_ok());
    for kid in ["", "../../x", "' OR 1=1 --", "*", &key_id.to_ascii_lowercase(), &key_id[1..], &"k".repeat(10_000)] {
        let header = header.replace(&key_id, kid);
        assert_eq!(own.verify(&signed_under(&header), NOW), Err(Unreadable), "{kid}");
    }
    for alg in ["ES256", "RS256", "HS256", "none"] {
        let header = header.replace("EdDSA", alg);
        assert_eq!(own.verify(&signed_under(&header), NOW), Err(Unreadable), "{alg}");
    }
    assert_eq!(own.verify(&signed_under(r#"{"alg":"EdDSA","typ":"at+jwt"}"#), NOW), Err(Unreadable));
}

/// B16, J11: a token for another resource opens nothing here, but it is ours.
#[test]
fn a_token_for_a_resource_is_ours_but_not_for_us() {
    let own = authority(&[]);
    for resource in ["https://api.example/v1", "https://postern.example/", ""] {
        let token = issue(&own, Some(resource), NOW).unwrap();
        assert_eq!(own.verify(&token, NOW), Err(Unreadable), "{resource}");
        assert_eq!(proven(own.inspect(&token, NOW)).unwrap().claims.aud, resource);
    }
    let expired = issue(&own, Some("https://api.example/v1"), NOW).unwrap();
    assert!(own.inspect(&expired, NOW.plus(own.lifetime())).is_err());
    assert!(own.inspect(&token(&authority(&[("PUBLIC_URL", "https://other.example")])), NOW).is_err());
}

/// An authority with this schedule from [`NOW`] on, for tokens of an hour.
fn scheduled(keys: &[(&str, u64, u64, Option<u64>)]) -> TokenAuthority {
    let at = |offset: u64| NOW.0 + offset;
    let keys: Vec<Value> = keys
        .iter()
        .map(|(seed, publish_from, sign_from, retire_at)| {
            let (publish_from, sign_from, retire_at) = (at(*publish_from), at(*sign_from), retire_at.map(at));
            json!({ "seed": seed, "publish_from": publish_from, "sign_from": sign_from, "retire_at": retire_at })
        })
        .collect();
    let keys = Value::from(keys).to_string();
    authority(&[("SIGNING_KEYS", &keys), ("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", "60")])
}

/// A seed that is not derived.
const SEED: &str = "0101010101010101010101010101010101010101010101010101010101010101";

/// J16: from the derived key to another: each token is good until it expires, under the key that signed it.
#[test]
fn a_rotation_breaks_no_good_token() {
    let own = scheduled(&[("derived", 0, 0, Some(5600)), (SEED, 1000, 2000, None)]);
    let derived = authority(&[]);
    let mut used = Vec::new();
    for offset in [0, 999, 1000, 1999, 2000, 2001, 9000] {
        let now = NOW.plus(Seconds(offset));
        let token = issue(&own, None, now).unwrap();
        for later in [0, 1, 1800, 3599] {
            assert!(own.verify(&token, now.plus(Seconds(later))).is_ok(), "{offset} {later}");
        }
        assert_eq!(own.verify(&token, now.plus(Seconds(3600))), Err(Unreadable), "{offset}");
        used.push(derived.verify(&token, now).is_ok());
    }
    assert_eq!(used, [true, true, true, true, false, false, false]);
    let published = |offset: u64| own.jwks(NOW.plus(Seconds(offset)))["keys"].as_array().unwrap().len();
    assert_eq!([0, 999, 1000, 5599, 5600].map(published), [1, 1, 2, 2, 1]);
}

/// J16: a key that is published ahead is accepted, since another isolate's clock may be ahead; one that is not
/// published yet, or retired, is not.
#[test]
fn tokens_live_and_die_with_their_key() {
    let ahead = scheduled(&[(SEED, 0, 0, None)]);
    let own = scheduled(&[("derived", 0, 0, None), (SEED, 1000, 2000, Some(3000))]);
    let token = issue(&ahead, None, NOW.plus(Seconds(500))).unwrap();
    for (offset, good) in [(500, false), (999, false), (1000, true), (2999, true), (3000, false)] {
        assert_eq!(own.verify(&token, NOW.plus(Seconds(offset))).is_ok(), good, "{offset}");
    }
    let verified = own.verify(&token, NOW.plus(Seconds(1500))).unwrap();
    assert_eq!((verified.trusted_until, verified.claims.exp), (NOW.plus(Seconds(3000)), NOW.plus(Seconds(4100))));
}

#[test]
fn without_a_signing_key_nothing_is_issued() {
    let own = scheduled(&[("derived", 0, 10, Some(3620))]);
    for (offset, good) in [(0, false), (9, false), (10, true), (20, true), (21, false)] {
        let now = NOW.plus(Seconds(offset));
        assert_eq!((own.can_sign(now), issue(&own, None, now).err().is_none()), (good, good), "{offset}");
    }
    assert_eq!(issue(&own, None, NOW), Err(NotSigned::NoKey));
}

/// J20: the payload holds nothing but the claims.
#[test]
fn the_payload_has_only_the_known_claims() {
    let own = authority(&[]);
    let text = token(&own).expose().to_owned();
    let payload = URL_SAFE_NO_PAD.decode(text.split('.').nth(1).unwrap()).unwrap();
    let members: serde_json::Map<String, Value> = serde_json::from_slice(&payload).unwrap();
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    assert_eq!(names, ["aud", "client_id", "epoch", "exp", "iat", "iss", "jti", "scope", "sub"]);
}
