//! The JWT access token (RFC 9068) as a document: its members and the strict reading of its text.
//!
//! Decides: which texts can be one of our tokens at all, before any cryptography: three canonical base64url parts,
//! known members only, no duplicates, no wrong types. Leaves to others: the signature and whether it is still good.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    json::{self, BadMember, FromJson, required},
    jwk::Algorithm,
    jwt::Jwt,
    time::UnixSeconds,
};

/// Longest token that is decoded (checklist: 16 KiB; the `Authorization` header's limit is lower).
pub const TOKEN_LIMIT: usize = 16 * 1024;

/// The only algorithm: Ed25519 (RFC 8037).
pub const ALGORITHM: &str = Algorithm::EdDsa.name();

/// The JOSE header; anything else in it (`crit`, `jku`, `jwk`, `zip`, …) makes the token unreadable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoseHeader {
    /// Must be [`ALGORITHM`].
    pub alg: String,
    /// Must be `at+jwt` or `application/at+jwt`, in any case (RFC 9068 §4).
    pub typ: String,
    /// Names the key; RFC 7638 thumbprint.
    pub kid: String,
}

impl FromJson for JoseHeader {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = json::Members::of(value)?;
        Ok(Self {
            alg: required(members.text("alg")?, "alg")?,
            typ: required(members.text("typ")?, "typ")?,
            kid: required(members.text("kid")?, "kid")?,
        })
    }
}

/// The claims of our access tokens (RFC 9068 §2.2), all required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessTokenClaims {
    /// Issuer: the public URL of this deployment.
    pub iss: String,
    /// Subject: the client itself (client credentials grant, RFC 9068 §2.2).
    pub sub: String,
    /// Audience: one string, never an array.
    pub aud: String,
    /// Client the token was issued to.
    pub client_id: String,
    /// Granted scope, space separated.
    pub scope: String,
    /// Issued at.
    pub iat: UnixSeconds,
    /// Expires at.
    pub exp: UnixSeconds,
    /// Unique id of the token.
    pub jti: String,
    /// The client's epoch at issue; a newer one at use means that the token was revoked.
    pub epoch: u64,
}

impl FromJson for AccessTokenClaims {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = json::Members::of(value)?;
        let mut text = |name| required(members.text(name)?, name);
        let (iss, sub, aud, client_id) = (text("iss")?, text("sub")?, text("aud")?, text("client_id")?);
        let (scope, jti) = (text("scope")?, text("jti")?);
        let mut number = |name| required(members.number(name)?, name);
        let (iat, exp, epoch) = (number("iat").map(UnixSeconds)?, number("exp").map(UnixSeconds)?, number("epoch")?);
        Ok(Self { iss, sub, aud, client_id, scope, iat, exp, jti, epoch })
    }
}

/// The text is none of our tokens. Why is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an access token of this service")]
pub struct Unreadable;

/// Reads header and claims without trusting them.
///
/// # Errors
/// 401 `invalid_token`, whatever is wrong.
pub fn read(token: &str) -> Result<(JoseHeader, AccessTokenClaims), Unreadable> {
    if token.len() > TOKEN_LIMIT {
        return Err(Unreadable);
    }
    let Jwt { header, claims, .. } = Jwt::read(token).ok_or(Unreadable)?;
    let header: JoseHeader = document(header, 3)?;
    let media_type = header.typ.to_ascii_lowercase();
    if header.alg != ALGORITHM || !matches!(media_type.as_str(), "at+jwt" | "application/at+jwt") {
        return Err(Unreadable);
    }
    Ok((header, document(claims, 9)?))
}

/// A part of one kind. All members of its kind are required, so that one of as many has no others.
fn document<Document: FromJson>(part: Map<String, Value>, count: usize) -> Result<Document, Unreadable> {
    if part.len() != count {
        return Err(Unreadable);
    }
    Document::from_json(Value::Object(part)).map_err(|_| Unreadable)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    /// A claims document that is fine.
    const CLAIMS: &str =
        r#"{"iss":"i","sub":"s","aud":"a","client_id":"s","scope":"x","iat":1,"exp":2,"jti":"j","epoch":1}"#;

    /// A header document that is fine.
    const HEADER: &str = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k"}"#;

    /// A token text of these documents with some signature.
    fn token(header: &str, claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode([0; 64]))
    }

    #[test]
    fn a_well_formed_token_is_read() {
        let (header, claims) = read(&token(HEADER, CLAIMS)).unwrap();
        assert_eq!((header.kid.as_str(), claims.exp), ("k", UnixSeconds(2)));
    }

    /// J1, J2, J3: the algorithm is ours or the token is not.
    #[test]
    fn another_algorithm_is_refused() {
        for alg in ["none", "None", "nOnE", "HS256", "ES256", "eddsa", ""] {
            assert_eq!(read(&token(&HEADER.replace("EdDSA", alg), CLAIMS)), Err(Unreadable), "{alg}");
        }
    }

    /// J4: `kid` is a string.
    #[test]
    fn a_kid_of_another_type_is_refused() {
        for kid in ["1", "[\"k\"]", "null", "{}"] {
            assert_eq!(read(&token(&HEADER.replace("\"k\"", kid), CLAIMS)), Err(Unreadable), "{kid}");
        }
        assert_eq!(read(&token(r#"{"alg":"EdDSA","typ":"at+jwt"}"#, CLAIMS)), Err(Unreadable));
    }

    /// J5, J6: no key of the sender's, no critical extension.
    #[test]
    fn a_header_with_any_other_member_is_refused() {
        for member in
            ["\"jku\":\"https://x\"", "\"x5u\":\"x\"", "\"jwk\":{}", "\"x5c\":[]", "\"crit\":[]", "\"zip\":\"DEF\""]
        {
            let header = HEADER.replace("\"kid\"", &format!("{member},\"kid\""));
            assert_eq!(read(&token(&header, CLAIMS)), Err(Unreadable), "{member}");
        }
    }

    /// J7: only the at+jwt family.
    #[test]
    fn the_type_is_an_access_token() {
        for (typ, good) in
            [("AT+JWT", true), ("application/at+jwt", true), ("JWT", false), ("", false), ("at+jwt2", false)]
        {
            assert_eq!(read(&token(&HEADER.replace("at+jwt", typ), CLAIMS)).is_ok(), good, "{typ}");
        }
    }

    /// J8: a wrong type is not "absent".
    #[test]
    fn exp_of_another_type_is_refused() {
        for exp in ["\"2\"", "1e300", "-2", "null", "[2]", "2.5", "18446744073709551616"] {
            assert_eq!(
                read(&token(HEADER, &CLAIMS.replace("\"exp\":2", &format!("\"exp\":{exp}")))),
                Err(Unreadable),
                "{exp}"
            );
        }
        assert_eq!(read(&token(HEADER, &CLAIMS.replace("\"exp\":2,", ""))), Err(Unreadable));
    }

    /// J8, J12: each member there is, by its own name, of its own type; as many others are not the same.
    #[test]
    fn every_member_is_required_by_its_name_and_type() {
        let parts = [
            (HEADER, ["alg", "typ", "kid"].as_slice()),
            (CLAIMS, &["iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti", "epoch"]),
        ];
        for (index, (document, names)) in parts.into_iter().enumerate() {
            let whole: Value = serde_json::from_str(document).unwrap();
            let reads = |changed: &Value| {
                let changed = changed.to_string();
                read(&if index == 0 { token(&changed, CLAIMS) } else { token(HEADER, &changed) }).is_ok()
            };
            assert!(reads(&whole));
            for name in names {
                let own = &whole[name];
                let others =
                    [Value::Null, true.into(), 1.5.into(), 1.0.into(), (-1).into(), Value::Array(vec![own.clone()])];
                let other = if own.is_string() { 1.into() } else { Value::from("1") };
                for other in others.into_iter().chain([other]) {
                    let mut changed = whole.clone();
                    changed[name] = other;
                    assert!(!reads(&changed), "{changed}");
                }
                let mut renamed = whole.clone();
                renamed.as_object_mut().unwrap().remove(*name);
                renamed[name.to_ascii_uppercase()] = own.clone();
                assert!(!reads(&renamed), "{renamed}");
            }
        }
    }

    /// J11: an audience that is no single string.
    #[test]
    fn an_audience_list_is_refused() {
        assert_eq!(read(&token(HEADER, &CLAIMS.replace("\"aud\":\"a\"", "\"aud\":[\"a\"]"))), Err(Unreadable));
    }

    /// J12: duplicate members.
    #[test]
    fn duplicate_members_are_refused() {
        assert_eq!(read(&token(&HEADER.replace('{', "{\"kid\":\"x\","), CLAIMS)), Err(Unreadable));
        assert_eq!(read(&token(HEADER, &CLAIMS.replace('{', "{\"exp\":9,"))), Err(Unreadable));
    }

    /// RFC 7515 §4, RFC 7519 §3: header and claims are objects, not lists of the members' values.
    #[test]
    fn a_part_that_is_no_object_is_refused() {
        let (header, claims) = (r#"["EdDSA","at+jwt","k"]"#, r#"["i","s","a","s","x",1,2,"j",1]"#);
        for (header, claims) in [(header, CLAIMS), (HEADER, claims), (header, claims)] {
            assert_eq!(read(&token(header, claims)), Err(Unreadable), "{header} {claims}");
        }
    }

    /// J13: other part counts, padding, the other alphabet, whitespace, trailing bits.
    #[test]
    fn the_text_is_canonical() {
        let good = token(HEADER, CLAIMS);
        let (head, signature) = good.rsplit_once('.').unwrap();
        // The last character of 64 bytes carries 4 unused bits: "A" has none set, "B" has one.
        let trailing_bits = format!("{}B", good.strip_suffix('A').unwrap());
        for bad in [
            format!("{good}.x.y"),
            head.to_owned(),
            format!("{good}="),
            format!(" {good}"),
            format!("{good}\n"),
            format!("{head}.+{}", signature.get(1..).unwrap()),
            format!("{head}."),
            trailing_bits,
        ] {
            assert_eq!(read(&bad), Err(Unreadable), "{bad}");
        }
    }

    /// J14: refused by size before decoding; nesting is bounded by the JSON parser.
    #[test]
    fn a_huge_or_deep_token_is_refused() {
        assert_eq!(read(&"a".repeat(1 << 20)), Err(Unreadable));
        let deep = format!("{{\"iss\":{}1{}}}", "[".repeat(3000), "]".repeat(3000));
        assert_eq!(read(&token(HEADER, &deep)), Err(Unreadable));
    }
}
