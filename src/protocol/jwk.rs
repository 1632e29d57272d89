//! Public JSON Web Keys (RFC 7517) of the two kinds that verify signatures here: Ed25519 (RFC 8037 §2) and P-256
//! (RFC 7518 §6.2.1).
//!
//! Decides: which documents are such a key or a set of them, which algorithm a key is for, what names it. Leaves to
//! others: whose keys these are; that a point lies on its curve (whoever verifies with it finds out: such a key
//! verifies nothing).

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
    /// Members that nobody here knows are ignored, as RFC 7517 §4 and §5 demand. A key of another kind is refused,
    /// though §5 would have it ignored: who registers one should learn that it will never work.
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
pub(crate) mod tests;
