//! Public JSON Web Keys (RFC 7517) of the two kinds that verify signatures here: Ed25519 (RFC 8037 §2) and P-256
//! (RFC 7518 §6.2.1).
//!
//! Decides: which documents are such a key or a set of them, which algorithm a key is for, what names it. Leaves to
//! others: whose keys these are; that a point lies on its curve (whoever verifies with it finds out: such a key verifies
//! nothing).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    json::{BadMember, FromJson},
    text::is_printable,
    validation::{Issue, Step},
};

/// Most keys in a set: the old and the new one of a rotation, on a few machines.
pub const KEY_LIMIT: usize = 8;

/// Longest `kid`, in bytes; a thumbprint has 43.
const KID_LIMIT: usize = 256;

/// Members of a private or symmetric key (RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 8037 §2).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1). It follows from the key, never from a header alone (RFC 8725
/// §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA with P-256 and SHA-256.
    Es256,
}

impl Algorithm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::EdDsa, Self::Es256];

    /// `alg`, as we write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }

    /// `alg`, as others may write it: Ed25519 has a name of its own by now (RFC 9864 §2.2), and libraries that write no
    /// other.
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::EdDsa => &["EdDSA", "Ed25519"],
            Self::Es256 => &["ES256"],
        }
    }

    /// The algorithm of exactly one of its names.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.names().contains(&name))
    }

    /// `kty` of its keys.
    const fn key_type(self) -> &'static str {
        match self {
            Self::EdDsa => "OKP",
            Self::Es256 => "EC",
        }
    }

    /// `crv` of its keys.
    const fn curve(self) -> &'static str {
        match self {
            Self::EdDsa => "Ed25519",
            Self::Es256 => "P-256",
        }
    }
}

/// A public key. Its coordinates are canonical base64url of exactly 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    /// The only algorithm that it verifies.
    algorithm: Algorithm,
    /// `x`: the Ed25519 key, or the first coordinate.
    x: String,
    /// `y`: the second coordinate, P-256 only.
    y: Option<String>,
    /// `kid`, if its owner named it.
    kid: Option<String>,
}

impl Jwk {
    /// An Ed25519 key, named by its thumbprint.
    #[must_use]
    pub fn ed25519(public: &[u8; 32]) -> Self {
        let key = Self { algorithm: Algorithm::EdDsa, x: URL_SAFE_NO_PAD.encode(public), y: None, kid: None };
        Self { kid: Some(key.thumbprint()), ..key }
    }

    /// The algorithm that it verifies.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What a header's `kid` must say to mean this key: its own `kid`, else its thumbprint.
    #[must_use]
    pub fn name(&self) -> String {
        self.kid.clone().unwrap_or_else(|| self.thumbprint())
    }

    /// The members that make it this key, in lexicographic order (RFC 7638 §3.2, RFC 8037 §2).
    fn required_members(&self) -> Vec<(&'static str, &str)> {
        let mut members = vec![("crv", self.algorithm.curve()), ("kty", self.algorithm.key_type()), ("x", &self.x)];
        members.extend(self.y.as_deref().map(|y| ("y", y)));
        members
    }

    /// These members as JSON without white space: what a thumbprint is made of, and all that a verifier needs.
    #[must_use]
    pub fn canonical_json(&self) -> String {
        // No value holds a character that JSON escapes.
        let members: Vec<String> =
            self.required_members().iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        format!("{{{}}}", members.join(","))
    }

    /// SHA-256 thumbprint in base64url (RFC 7638 §3).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.canonical_json()))
    }

    /// The key as a document (RFC 7517 §4), `alg` and `use` always said.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut members = Map::new();
        for (name, value) in self.required_members() {
            members.insert(name.to_owned(), value.into());
        }
        members.insert("alg".to_owned(), self.algorithm.name().into());
        members.insert("use".to_owned(), "sig".into());
        if let Some(kid) = &self.kid {
            members.insert("kid".to_owned(), kid.as_str().into());
        }
        Value::Object(members)
    }
}

/// One to [`KEY_LIMIT`] keys, no two of them alike.
///
/// Stored as its document (RFC 7517 §5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "Value")]
pub struct JwkSet(Vec<Jwk>);

impl JwkSet {
    /// Reads a document that stands at `loc`.
    ///
    /// Members that nobody here knows are ignored, as RFC 7517 §4 and §5 demand. A key of another kind is refused, though
    /// §5 would have it ignored: who registers one should learn that it will never work.
    ///
    /// # Errors
    /// 422: all that is wrong.
    pub fn read(document: &Value, loc: &[Step]) -> Result<Self, Vec<Issue>> {
        let Some(members) = document.as_object() else { return Err(vec![no_object(loc.to_vec())]) };
        let loc = [loc, &["keys".into()]].concat();
        let keys = match members.get("keys") {
            None => return Err(vec![Issue::missing(loc)]),
            Some(Value::Array(keys)) => keys,
            Some(_) => return Err(vec![Issue::not_list(loc)]),
        };
        if keys.is_empty() {
            return Err(vec![Issue::new("too_short", loc, "List should have at least 1 item after validation")]);
        }
        if keys.len() > KEY_LIMIT {
            return Err(vec![Issue::list_too_long(loc, KEY_LIMIT, keys.len())]);
        }
        let (mut set, mut issues) = (Vec::new(), Vec::new());
        for (index, key) in keys.iter().enumerate() {
            let loc = [loc.as_slice(), &[index.into()]].concat();
            if let Some(key) = (Reader { loc: &loc, issues: &mut issues }).key(key) {
                let is_like = |own: &Jwk| own.name() == key.name() || own.required_members() == key.required_members();
                if set.iter().any(is_like) {
                    issues.push(Issue::value(loc, "another key of this set has the same kid or is the same key"));
                }
                set.push(key);
            }
        }
        if issues.is_empty() { Ok(Self(set)) } else { Err(issues) }
    }

    /// The keys.
    pub fn keys(&self) -> impl Iterator<Item = &Jwk> {
        self.0.iter()
    }

    /// The set as a document (RFC 7517 §5).
    #[must_use]
    pub fn to_json(&self) -> Value {
        let keys: Vec<Value> = self.keys().map(Jwk::to_json).collect();
        json!({ "keys": keys })
    }
}

impl FromJson for JwkSet {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        Self::read(&value, &[]).map_err(|_| BadMember("set of keys"))
    }
}

impl From<JwkSet> for Value {
    fn from(set: JwkSet) -> Self {
        set.to_json()
    }
}

/// Reads one key and collects what is wrong with it.
struct Reader<'a> {
    /// Where the key stands.
    loc: &'a [Step],
    /// What was wrong so far.
    issues: &'a mut Vec<Issue>,
}

impl Reader<'_> {
    /// The key; none when something is wrong with it.
    fn key(&mut self, key: &Value) -> Option<Jwk> {
        let Some(members) = key.as_object() else {
            self.issues.push(no_object(self.loc.to_vec()));
            return None;
        };
        let before = self.issues.len();
        for name in PRIVATE_MEMBERS.iter().filter(|name| members.contains_key(**name)) {
            self.refuse(
                name,
                "this is a private or secret key: replace it, and register the public key of the new one",
            );
        }
        let algorithm = self.algorithm(members);
        let x = self.coordinate(members, "x");
        let y = match algorithm {
            Some(Algorithm::Es256) => self.coordinate(members, "y"),
            _ => None,
        };
        let kid = self.kid(members);
        self.purpose(members);
        let (algorithm, x) = (algorithm?, x?);
        if self.text(members, "alg").is_some_and(|alg| !algorithm.names().contains(&alg)) {
            self.refuse("alg", "alg must be EdDSA or Ed25519 for Ed25519, and ES256 for P-256");
        }
        (self.issues.len() == before).then_some(Jwk { algorithm, x, y, kid })
    }

    /// `kty` and `crv`.
    fn algorithm(&mut self, members: &Map<String, Value>) -> Option<Algorithm> {
        let (key_type, curve) = (self.required(members, "kty"), self.required(members, "crv"));
        let (key_type, curve) = (key_type?, curve?);
        let fits = |algorithm: &Algorithm| (algorithm.key_type(), algorithm.curve()) == (key_type, curve);
        let algorithm = Algorithm::ALL.into_iter().find(fits);
        if algorithm.is_none() {
            self.refuse("kty", "kty and crv must be OKP and Ed25519, or EC and P-256");
        }
        algorithm
    }

    /// `x` or `y`: 32 bytes; leading zeros count (RFC 7518 §6.2.1.2).
    fn coordinate(&mut self, members: &Map<String, Value>, name: &'static str) -> Option<String> {
        let text = self.required(members, name)?;
        if !is_coordinate(text) {
            self.refuse(name, "must be 32 bytes in base64url without padding");
            return None;
        }
        Some(text.to_owned())
    }

    /// `kid`: visible ASCII and spaces, so that it can stand in every document.
    fn kid(&mut self, members: &Map<String, Value>) -> Option<String> {
        let kid = self.text(members, "kid")?;
        if !(1..=KID_LIMIT).contains(&kid.len()) || !is_printable(kid) {
            self.refuse("kid", "kid must be 1 to 256 visible ASCII characters");
        }
        Some(kid.to_owned())
    }

    /// `use` and `key_ops` (RFC 7517 §4.2, §4.3), where given, allow the verifying of signatures.
    fn purpose(&mut self, members: &Map<String, Value>) {
        if self.text(members, "use").is_some_and(|usage| usage != "sig") {
            self.refuse("use", "use must be sig");
        }
        let verifies = |operations: &Value| {
            operations.as_array().is_some_and(|operations| operations.iter().any(|operation| operation == "verify"))
        };
        if members.get("key_ops").is_some_and(|operations| !verifies(operations)) {
            self.refuse("key_ops", "key_ops must be a list with verify");
        }
    }

    /// A text that must be there.
    fn required<'m>(&mut self, members: &'m Map<String, Value>, name: &'static str) -> Option<&'m str> {
        if !members.contains_key(name) {
            self.issues.push(Issue::missing(self.at(name)));
        }
        self.text(members, name)
    }

    /// A text that may be absent.
    fn text<'m>(&mut self, members: &'m Map<String, Value>, name: &'static str) -> Option<&'m str> {
        let value = members.get(name)?;
        if !value.is_string() {
            self.issues.push(Issue::not_text(self.at(name)));
        }
        value.as_str()
    }

    /// A rule was broken.
    fn refuse(&mut self, name: &str, msg: &str) {
        self.issues.push(Issue::value(self.at(name), msg));
    }

    /// Where a member stands.
    fn at(&self, name: &str) -> Vec<Step> {
        [self.loc, &[name.into()]].concat()
    }
}

/// Whether a text is 32 bytes in canonical base64url: no padding, no trailing bits.
fn is_coordinate(text: &str) -> bool {
    // 43 characters are 32 bytes; what is longer is not decoded.
    text.len() == 43 && URL_SAFE_NO_PAD.decode(text).is_ok()
}

/// Something else where an object should stand.
fn no_object(loc: Vec<Step>) -> Issue {
    Issue::new("dict_type", loc, "Input should be a valid dictionary")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::protocol::json;

    /// RFC 8037 Appendix A.2.
    pub(crate) const ED25519: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

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
}
