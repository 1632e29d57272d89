//! Access tokens: JWTs after RFC 9068, signed with Ed25519 (RFC 8037).
//!
//! Decides: what a token says, and whether a presented one is ours, for us, and not expired. Leaves to others: which keys
//! there are (the ring), the signing and verifying itself (`ports::Signatures`), whether its client still exists (the
//! registry), which scope a route needs (the guard).

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use jwt_compact::{Algorithm, AlgorithmExt, AlgorithmSignature, Claims, Header};
use serde::Serialize;
use serde_json::Value;

use super::signing_keys::KeyRing;
use crate::{
    config::{PublicUrl, Settings},
    protocol::{
        jwk::Jwk,
        scope::Scope,
        secret::SecretText,
        time::{Seconds, UnixSeconds},
        token::{ALGORITHM, AccessTokenClaims, Unreadable, read},
    },
};

/// How far the clocks of two isolates may differ (checklist J10).
pub const CLOCK_SKEW: Seconds = Seconds(60);

/// The claims that `jwt-compact` does not know by itself.
#[derive(Debug, Clone, Serialize)]
struct OwnClaims {
    /// Issuer.
    iss: String,
    /// Subject.
    sub: String,
    /// Audience.
    aud: String,
    /// Client id.
    client_id: String,
    /// Scope.
    scope: String,
    /// Token id.
    jti: String,
    /// Client epoch.
    epoch: u64,
}

/// Writes and judges the tokens of this deployment.
#[derive(Debug)]
pub struct TokenAuthority {
    /// The key pairs.
    keys: KeyRing,
    /// `iss`, and `aud` of the tokens for this deployment's own routes.
    public_url: PublicUrl,
    /// How long a token lives.
    lifetime: Seconds,
}

/// What a token is issued for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The authenticated client.
    pub client_id: &'a str,
    /// What it is granted.
    pub scope: &'a Scope,
    /// The client's epoch.
    pub epoch: u64,
    /// The resource server that the token is for (RFC 8707); none: this deployment's own routes.
    pub audience: Option<&'a str>,
}

/// A token that is good, and for how long one may rely on that without looking again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it says.
    pub claims: AccessTokenClaims,
    /// The earlier of its expiry and its key's retirement: from then on it is bad.
    pub trusted_until: UnixSeconds,
}

/// A token that lacks nothing but its signature.
pub struct Draft<'a> {
    /// The seed of the key that is to sign.
    pub seed: &'a [u8; 32],
    /// Header, claims, and the dot after which the signature comes.
    text: String,
}

impl Draft<'_> {
    /// What is to be signed (RFC 7515 §5.1).
    #[must_use]
    pub fn signing_input(&self) -> &[u8] {
        self.text.strip_suffix('.').unwrap_or_default().as_bytes()
    }

    /// The token with its signature.
    #[must_use]
    pub fn signed(self, signature: &[u8; 64]) -> SecretText {
        SecretText::new(self.text + &URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A token that is good if its signature is. All of it is here, so that it has no `Debug`.
pub struct Unproven<'a> {
    /// The key that must have signed it.
    pub key: &'a Jwk,
    /// What must be signed.
    pub signing_input: &'a [u8],
    /// The signature.
    pub signature: [u8; 64],
    /// What it is then.
    verified: Verified,
}

impl Unproven<'_> {
    /// What the token is, by what became of the signature.
    ///
    /// # Errors
    /// 401 `invalid_token` where that is not good.
    pub fn proven(self, is_good: bool) -> Result<Verified, Unreadable> {
        if is_good { Ok(self.verified) } else { Err(Unreadable) }
    }
}

/// A token could not be signed; nothing a caller did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// 503: the schedule of keys has a gap.
    #[error("no key of SIGNING_KEYS signs now")]
    NoKey,
    /// 500: the instant is outside the calendar, or the claims cannot be written.
    #[error("access token could not be signed")]
    Failed,
}

impl TokenAuthority {
    /// The authority of these settings, with the public half of each of their keys.
    #[must_use]
    pub fn new(settings: &Settings, public: Vec<Jwk>) -> Self {
        Self {
            keys: KeyRing::new(&settings.signing_keys, public, settings.access_token_lifetime),
            public_url: settings.public_url.clone(),
            lifetime: settings.access_token_lifetime,
        }
    }

    /// Whether a key signs now; `/ready` asks.
    #[must_use]
    pub fn can_sign(&self, now: UnixSeconds) -> bool {
        self.keys.signing(now).is_some()
    }

    /// The keys that verify our tokens now or soon, as a document (RFC 7517 §5).
    #[must_use]
    pub fn jwks(&self, now: UnixSeconds) -> Value {
        self.keys.to_json(now)
    }

    /// `expires_in` of the tokens issued here.
    #[must_use]
    pub const fn lifetime(&self) -> Seconds {
        self.lifetime
    }

    /// Writes a token.
    ///
    /// # Errors
    /// 503 or 500, see [`NotSigned`].
    pub fn issue(&self, subject: &Subject<'_>, now: UnixSeconds, jti: [u8; 16]) -> Result<Draft<'_>, NotSigned> {
        let key = self.keys.signing(now).ok_or(NotSigned::NoKey)?;
        let mut claims = Claims::new(OwnClaims {
            iss: self.public_url.as_str().to_owned(),
            sub: subject.client_id.to_owned(),
            aud: subject.audience.unwrap_or(self.public_url.as_str()).to_owned(),
            client_id: subject.client_id.to_owned(),
            scope: subject.scope.to_string(),
            jti: URL_SAFE_NO_PAD.encode(jti),
            epoch: subject.epoch,
        });
        claims.issued_at = Some(instant(now)?);
        claims.expiration = Some(instant(now.plus(self.lifetime))?);
        let header = Header::empty().with_key_id(key.key_id.as_str()).with_token_type("at+jwt");
        let text = Unsigned.token(&header, &claims, &()).map_err(|_| NotSigned::Failed)?;
        Ok(Draft { seed: &key.seed, text })
    }

    /// Judges a token that is presented at our own routes.
    ///
    /// # Errors
    /// 401 `invalid_token`, one answer whatever is wrong: text, key, issuer, audience, time.
    pub fn judge<'a>(&'a self, token: &'a SecretText, now: UnixSeconds) -> Result<Unproven<'a>, Unreadable> {
        let unproven = self.inspect(token, now)?;
        if unproven.verified.claims.aud == self.public_url.as_str() { Ok(unproven) } else { Err(Unreadable) }
    }

    /// Judges a token that somebody asks about (RFC 7662) or revokes (RFC 7009): any of ours, whomever it is for. It opens
    /// no route.
    ///
    /// # Errors
    /// The token is not active: as [`TokenAuthority::judge`], the audience apart.
    pub fn inspect<'a>(&'a self, token: &'a SecretText, now: UnixSeconds) -> Result<Unproven<'a>, Unreadable> {
        let (header, claims) = read(token.expose())?;
        let key = self.keys.published(&header.kid, now).ok_or(Unreadable)?;
        if claims.iss != self.public_url.as_str() {
            return Err(Unreadable);
        }
        // RFC 7519 §4.1.4: "on or after" `exp` is too late, without leeway. Two isolates may differ by some seconds on when
        // a token was issued.
        if now >= claims.exp || claims.iat > now.plus(CLOCK_SKEW) {
            return Err(Unreadable);
        }
        // `jwt-compact` only writes tokens: its own reader is laxer than ours, and a second reader may see another document
        // in the same text (RFC 8725 §2.6).
        let (signing_input, signature) = token.expose().rsplit_once('.').ok_or(Unreadable)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok().and_then(|bytes| bytes.try_into().ok());
        let trusted_until = key.retire_at.map_or(claims.exp, |at| at.min(claims.exp));
        Ok(Unproven {
            key: &key.public,
            signing_input: signing_input.as_bytes(),
            signature: signature.ok_or(Unreadable)?,
            verified: Verified { claims, trusted_until },
        })
    }
}

/// Has `jwt-compact`, which cannot wait, write all of a token but its signature.
struct Unsigned;

impl Algorithm for Unsigned {
    type SigningKey = ();
    type VerifyingKey = ();
    type Signature = NoSignature;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(ALGORITHM)
    }

    fn sign(&self, _key: &(), _message: &[u8]) -> NoSignature {
        NoSignature
    }

    /// What has no signature is not verified.
    fn verify_signature(&self, _signature: &NoSignature, _key: &(), _message: &[u8]) -> bool {
        false
    }
}

/// The place of a signature that is still to come.
struct NoSignature;

impl AlgorithmSignature for NoSignature {
    fn try_from_slice(_bytes: &[u8]) -> anyhow::Result<Self> {
        Ok(Self)
    }

    fn as_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&[])
    }
}

/// The instant in the form that the JWT crate takes.
fn instant(at: UnixSeconds) -> Result<DateTime<Utc>, NotSigned> {
    i64::try_from(at.0).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).ok_or(NotSigned::Failed)
}

#[cfg(test)]
mod tests {
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
        assert_eq!(
            (claims.client_id.as_str(), claims.sub.as_str(), claims.scope.as_str()),
            ("c1", "c1", "policy:read")
        );
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
        for kid in ["", "../../x", "' OR 1=1 --", "*", &key_id.to_ascii_lowercase(), &key_id[1..], &"k".repeat(10_000)]
        {
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

    /// J16: a key that is published ahead is accepted, since another isolate's clock may be ahead; one that is not published
    /// yet, or retired, is not.
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
}
