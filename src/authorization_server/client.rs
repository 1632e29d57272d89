//! An API client as it is registered, and what is shown of it.
//!
//! Decides: which secrets are good when, what a change makes of a client. Leaves to others: which bodies are acceptable
//! (`client_document`), whether the caller may (the registry).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::protocol::{
    json::{BadMember, FromJson, Members, required},
    json_text,
    jwk::JwkSet,
    scope::Scope,
    secret::{SecretDigest, SecretText, hex},
    time::{Seconds, UnixSeconds},
};

/// A registered client, as stored (`fixtures/storage/v1/client.json`, `client_full.json`).
#[derive(Debug, Clone, Serialize)]
pub struct Client {
    /// 32 hexadecimal digits, minted by us, never chosen.
    pub client_id: String,
    /// Digest of the secret; the secret itself is shown once and kept nowhere.
    pub secret: SecretDigest,
    /// When the secret stops being good; never, if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_expires_at: Option<UnixSeconds>,
    /// The secret before it, while both are good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_secret: Option<PreviousSecret>,
    /// What it may ask for.
    pub scope: Scope,
    /// The resources that it may ask tokens for (RFC 8707), besides this service.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// The public keys of its assertions (RFC 7523).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<JwkSet>,
    /// For people.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Grows when its tokens are revoked; part of each token.
    pub epoch: u64,
    /// When it was registered.
    pub created_at: UnixSeconds,
}

/// A secret that a rotation left good for a while.
#[derive(Debug, Clone, Serialize)]
pub struct PreviousSecret {
    /// Its digest.
    pub digest: SecretDigest,
    /// From then on it is refused.
    pub until: UnixSeconds,
}

impl FromJson for Client {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = Members::of(value)?;
        Ok(Self {
            client_id: required(members.text("client_id")?, "client_id")?,
            secret: required(members.text("secret")?.map(SecretDigest::stored), "secret")?,
            secret_expires_at: members.instant("secret_expires_at")?,
            previous_secret: members.document("previous_secret")?,
            scope: required(members.document("scope")?, "scope")?,
            resources: members.document("resources")?.unwrap_or_default(),
            jwks: members.document("jwks")?,
            name: members.text("name")?,
            description: members.text("description")?,
            epoch: required(members.number("epoch")?, "epoch")?,
            created_at: required(members.instant("created_at")?, "created_at")?,
        })
    }
}

impl FromJson for PreviousSecret {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = Members::of(value)?;
        Ok(Self {
            digest: required(members.text("digest")?.map(SecretDigest::stored), "digest")?,
            until: required(members.instant("until")?, "until")?,
        })
    }
}

/// What is shown of a client; the optional members only when set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientView {
    /// Its id.
    pub client_id: String,
    /// For people.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// What it may ask for.
    pub scopes: Scope,
    /// The resources that it may ask tokens for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Its public keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<JwkSet>,
    /// When its secret stops being good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_expires_at: Option<UnixSeconds>,
}

impl FromJson for ClientView {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = Members::of(value)?;
        Ok(Self {
            client_id: required(members.text("client_id")?, "client_id")?,
            name: members.text("name")?,
            description: members.text("description")?,
            scopes: required(members.document("scopes")?, "scopes")?,
            resources: members.document("resources")?.unwrap_or_default(),
            jwks: members.document("jwks")?,
            secret_expires_at: members.instant("secret_expires_at")?,
        })
    }
}

/// What happens to one member of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Edit<Value> {
    /// It stays.
    #[default]
    Keep,
    /// It is removed.
    Clear,
    /// It is replaced.
    Set(Value),
}

impl FromJson for Edit<JwkSet> {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        match value.as_str() {
            Some("Keep") => Ok(Self::Keep),
            Some("Clear") => Ok(Self::Clear),
            _ => required(Members::of(value)?.document("Set")?.map(Self::Set), "Set"),
        }
    }
}

impl<Value> Edit<Value> {
    /// Of a member that was given, or given as `null`, or neither.
    pub fn of(given: Option<Value>, is_null: bool) -> Self {
        given.map_or(if is_null { Self::Clear } else { Self::Keep }, Self::Set)
    }

    /// Carries itself out on a member that may be absent.
    fn apply(self, member: &mut Option<Value>) {
        match self {
            Self::Keep => {}
            Self::Clear => *member = None,
            Self::Set(value) => *member = Some(value),
        }
    }
}

/// A partial update.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClientChange {
    /// The name; it cannot be removed.
    pub name: Option<String>,
    /// The description.
    pub description: Edit<String>,
    /// All scopes.
    pub scopes: Option<Scope>,
    /// All resources.
    pub resources: Option<Vec<String>>,
    /// All keys.
    #[serde(with = "json_text")]
    pub jwks: Edit<JwkSet>,
}

impl ClientChange {
    /// The members that it replaces, for the audit log.
    #[must_use]
    pub fn members(&self) -> Vec<String> {
        let given = [
            ("name", self.name.is_some()),
            ("description", self.description != Edit::Keep),
            ("scopes", self.scopes.is_some()),
            ("resources", self.resources.is_some()),
            ("jwks", self.jwks != Edit::Keep),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(member, _)| member.to_owned()).collect()
    }
}

/// A new secret for a client, and what becomes of the old one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rotation {
    /// Digest of the new secret.
    pub secret: SecretDigest,
    /// When the new secret stops being good.
    pub secret_expires_at: Option<UnixSeconds>,
    /// How long the old one stays good.
    pub overlap: Seconds,
    /// Whether all tokens of the client die too.
    pub revoke_tokens: bool,
}

impl Client {
    /// Whether this is the digest of a secret that is good now. Both digests are compared whatever the first says, and
    /// an absent one costs the same (checklist M1, M2).
    #[must_use]
    pub fn accepts(&self, secret: &SecretDigest, now: UnixSeconds) -> bool {
        let own = self.secret.matches(secret) & self.secret_expires_at.is_none_or(|at| now < at);
        let nobody = SecretDigest::nobody();
        let previous = self.previous_secret.as_ref();
        let still_good = previous.is_some_and(|previous| now < previous.until);
        own | (previous.map_or(&nobody, |previous| &previous.digest).matches(secret) & still_good)
    }

    /// Takes a new secret. At most two are good afterwards: the new one, and the one that it replaces.
    pub fn rotate(&mut self, rotation: Rotation, now: UnixSeconds) {
        let until = now.plus(rotation.overlap);
        let until = self.secret_expires_at.map_or(until, |expires_at| until.min(expires_at));
        let digest = std::mem::replace(&mut self.secret, rotation.secret);
        self.previous_secret = (now < until).then_some(PreviousSecret { digest, until });
        self.secret_expires_at = rotation.secret_expires_at;
        if rotation.revoke_tokens {
            self.epoch += 1;
            // A thief may have registered a key of its own.
            self.jwks = None;
        }
    }

    /// Takes a partial update.
    pub fn change(&mut self, change: ClientChange) {
        if let Some(name) = change.name {
            self.name = Some(name);
        }
        change.description.apply(&mut self.description);
        if let Some(scopes) = change.scopes {
            self.scope = scopes;
        }
        if let Some(resources) = change.resources {
            self.resources = resources;
        }
        change.jwks.apply(&mut self.jwks);
    }

    /// What is shown of it.
    #[must_use]
    pub fn view(&self) -> ClientView {
        ClientView {
            client_id: self.client_id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            scopes: self.scope.clone(),
            resources: self.resources.clone(),
            jwks: self.jwks.clone(),
            secret_expires_at: self.secret_expires_at,
        }
    }

    /// The entity tag of this version (RFC 9110 §8.8.3): another one after every change, rotations included.
    #[must_use]
    pub fn tag(&self) -> String {
        // A client that cannot be written cannot be stored either; it has one tag for all its versions.
        let stored = serde_json::to_vec(self).unwrap_or_default();
        let digest = Sha256::digest(stored);
        format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest.get(..12).unwrap_or_default()))
    }
}

/// Id and secret of a new client: the answer of `POST /oauth/client`, the only place where the secret is shown.
pub struct NewCredentials {
    /// 32 hexadecimal digits (128 random bits), as in Fides.
    pub client_id: String,
    /// 64 hexadecimal digits (256 random bits).
    pub client_secret: SecretText,
}

impl NewCredentials {
    /// Made of random bytes.
    #[must_use]
    pub fn mint(random: &[u8; 48]) -> Self {
        let (id, secret) = random.split_at(16);
        Self { client_id: hex(id), client_secret: SecretText::new(hex(secret)) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::protocol::json;

    /// A client with this id and scope; its id is its secret.
    pub(crate) fn client(id: &str, scope: &str) -> Client {
        Client {
            client_id: id.to_owned(),
            secret: SecretDigest::of(id),
            secret_expires_at: None,
            previous_secret: None,
            scope: scope.split_whitespace().collect(),
            resources: Vec::new(),
            jwks: None,
            name: None,
            description: None,
            epoch: 1,
            created_at: UnixSeconds(0),
        }
    }

    /// A rotation to a secret, with an overlap in seconds.
    pub(crate) fn rotation(secret: &str, overlap: u64) -> Rotation {
        let secret = SecretDigest::of(secret);
        Rotation { secret, secret_expires_at: None, overlap: Seconds(overlap), revoke_tokens: false }
    }

    /// Which of these secrets are good then.
    fn good<'a>(client: &Client, secrets: &[&'a str], now: u64) -> Vec<&'a str> {
        let accepts = |secret: &&&str| client.accepts(&SecretDigest::of(secret), UnixSeconds(now));
        secrets.iter().filter(accepts).copied().collect()
    }

    /// C11: without an overlap the old secret is cut at once; with one it works until then; a third rotation cuts the
    /// oldest.
    #[test]
    fn at_most_two_secrets_are_good_and_the_old_one_until_the_stated_time() {
        let mut client = client("a", "");
        let all = ["a", "b", "c", "d", ""];
        client.rotate(rotation("b", 0), UnixSeconds(100));
        assert_eq!(good(&client, &all, 100), ["b"]);
        client.rotate(rotation("c", 60), UnixSeconds(100));
        assert_eq!((good(&client, &all, 159), good(&client, &all, 160)), (vec!["b", "c"], vec!["c"]));
        client.rotate(rotation("d", 60), UnixSeconds(110));
        assert_eq!((good(&client, &all, 169), good(&client, &all, 170)), (vec!["c", "d"], vec!["d"]));
        client.rotate(rotation("a", 0), UnixSeconds(120));
        assert_eq!(good(&client, &all, 120), ["a"]);
    }

    /// T13: a secret with an end is refused from then on; an overlap does not lengthen it.
    #[test]
    fn a_secret_ends_when_it_expires() {
        let mut client = client("a", "");
        client.secret_expires_at = Some(UnixSeconds(200));
        assert_eq!((good(&client, &["a"], 199), good(&client, &["a"], 200)), (vec!["a"], vec![]));
        client.rotate(rotation("b", 600), UnixSeconds(150));
        assert_eq!((good(&client, &["a", "b"], 199), good(&client, &["a", "b"], 200)), (vec!["a", "b"], vec!["b"]));
        client.secret_expires_at = Some(UnixSeconds(160));
        client.rotate(rotation("c", 600), UnixSeconds(170));
        assert_eq!(good(&client, &["a", "b", "c"], 170), ["c"]);
    }

    /// C12, J18: the epoch grows when tokens are revoked, and only then.
    #[test]
    fn revoking_tokens_is_a_new_epoch() {
        let mut client = client("a", "");
        client.rotate(rotation("b", 0), UnixSeconds(0));
        assert_eq!(client.epoch, 1);
        client.rotate(Rotation { revoke_tokens: true, ..rotation("c", 0) }, UnixSeconds(0));
        assert_eq!(client.epoch, 2);
    }

    /// C13: each change has its own entity tag, the rotation of a secret too.
    #[test]
    fn every_version_has_its_own_tag() {
        let mut client = client("a", "");
        let mut tags = vec![client.tag(), client.clone().tag()];
        assert_eq!(tags[0], tags[1]);
        client.change(ClientChange { name: Some("n".to_owned()), ..ClientChange::default() });
        tags.push(client.tag());
        client.rotate(rotation("b", 0), UnixSeconds(0));
        tags.push(client.tag());
        tags.dedup();
        assert_eq!(tags.len(), 3, "{tags:?}");
    }

    /// M6: 128 bits of id, 256 bits of secret, lower-case hexadecimal.
    #[test]
    fn minted_credentials_have_the_documented_form() {
        let minted = NewCredentials::mint(&std::array::from_fn(|index| u8::try_from(index).unwrap()));
        assert_eq!(minted.client_id, "000102030405060708090a0b0c0d0e0f");
        assert_eq!(minted.client_secret.expose().len(), 64);
    }

    /// The stored forms are pinned: the shortest, and one with every member.
    #[test]
    fn the_stored_forms_are_pinned() {
        for stored in [
            include_str!("../../fixtures/storage/v1/client.json"),
            include_str!("../../fixtures/storage/v1/client_full.json"),
        ] {
            let client: Client = json::read(stored.as_bytes()).unwrap();
            assert_eq!(serde_json::to_string(&client).unwrap(), stored.trim_end());
        }
    }
}
