//! Encryption at rest: the envelope that every secret and provider token is stored in.
//!
//! `v1.<key id>.<base64url of nonce and AES-256-GCM ciphertext>`; the associated data name format, key, connection,
//! field and generation, so that a ciphertext put in another place does not open (checklist E3). Each connection has a
//! key of its own, by HKDF from the application key (E2, E7): two encryptions for each answer of its provider, one a
//! second for ever, would need 136 years for the 2^32 that random nonces allow a key (NIST SP 800-38D §8.3).
//!
//! Sealed is with the application key only; opened, with that or a previous one, whichever the envelope names.
//!
//! Leaves to others: the nonce (12 random bytes, passed in), what is inside.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    config::{ApplicationKey, Settings},
    protocol::{
        json::{BadMember, FromJson},
        secret::SecretText,
    },
};

/// The format, first part of every envelope.
const FORMAT: &str = "v1";

/// Digits of a key's id.
const KEY_ID_LENGTH: usize = 8;

/// A sealed text, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Envelope(String);

impl FromJson for Envelope {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        String::from_json(value).map(Self)
    }
}

impl Envelope {
    /// What was stored.
    #[must_use]
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The id of the application key that it is sealed with, and what is sealed; none of a damaged one.
    fn parts(&self) -> Option<(&str, &str)> {
        let (key_id, sealed) = self.0.strip_prefix(FORMAT)?.strip_prefix('.')?.split_once('.')?;
        let is_id = key_id.len() == KEY_ID_LENGTH && key_id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then_some((key_id, sealed))
    }

    /// The id of the application key that it is sealed with; none of a damaged one.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.parts().map(|(key_id, _)| key_id)
    }
}

/// Where an envelope belongs; part of what is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The field, e.g. `access_token`.
    pub field: &'a str,
    /// The version of the record; 0 for fields without one.
    pub generation: u64,
}

/// An envelope cannot be opened. Never a wrong text instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// 503: it belongs to another place, or its bytes were changed.
    #[error("a stored secret cannot be decrypted: it is damaged")]
    Damaged,
    /// 503: it is sealed with an application key that is not configured; it opens as soon as that key is back.
    #[error("a stored secret cannot be decrypted: the key {0} is missing")]
    KeyMissing(String),
}

/// Seals and opens the envelopes of one connection.
pub struct Vault {
    /// Seals, and opens what it sealed.
    current: VaultKey,
    /// Open what they sealed.
    previous: Vec<VaultKey>,
    /// The connection.
    connection_key: String,
}

/// The connection's own key under one application key.
struct VaultKey {
    /// The key.
    cipher: Aes256Gcm,
    /// Names the application key.
    id: String,
}

impl VaultKey {
    /// Derives it.
    fn new(application_key: &ApplicationKey, connection_key: &str) -> Self {
        let key = application_key.derive(&format!("postern/envelope/v1\0{connection_key}"));
        Self { cipher: Aes256Gcm::new(key.as_ref().into()), id: application_key.id().to_owned() }
    }
}

impl Vault {
    /// The vault of a connection.
    #[must_use]
    pub fn new(settings: &Settings, connection_key: &str) -> Self {
        let derive = |key: &ApplicationKey| VaultKey::new(key, connection_key);
        Self {
            current: derive(&settings.application_key),
            previous: settings.previous_keys.iter().map(derive).collect(),
            connection_key: connection_key.to_owned(),
        }
    }

    /// The id of the application key that seals.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.current.id
    }

    /// Seals a text for a place. The nonce must be fresh random bytes (NIST SP 800-38D §8.2.2).
    ///
    /// # Errors
    /// [`Unopened::Damaged`] for texts of many gigabytes only.
    pub fn seal(&self, place: Place<'_>, text: &SecretText, nonce: [u8; 12]) -> Result<Envelope, Unopened> {
        let VaultKey { cipher, id } = &self.current;
        let aad = self.associated_data(id, place);
        let payload = Payload { msg: text.expose().as_bytes(), aad: aad.as_bytes() };
        let ciphertext = cipher.encrypt(&nonce.into(), payload).map_err(|_| Unopened::Damaged)?;
        let sealed = URL_SAFE_NO_PAD.encode([nonce.as_slice(), &ciphertext].concat());
        Ok(Envelope(format!("{FORMAT}.{id}.{sealed}")))
    }

    /// Opens an envelope of a place.
    ///
    /// # Errors
    /// [`Unopened`].
    pub fn open(&self, place: Place<'_>, envelope: &Envelope) -> Result<SecretText, Unopened> {
        let (key_id, sealed) = envelope.parts().ok_or(Unopened::Damaged)?;
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        let key = keys.find(|key| key.id == key_id).ok_or_else(|| Unopened::KeyMissing(key_id.to_owned()))?;
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Unopened::Damaged)?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<12>().ok_or(Unopened::Damaged)?;
        let aad = self.associated_data(key_id, place);
        let payload = Payload { msg: ciphertext, aad: aad.as_bytes() };
        let text = Zeroizing::new(key.cipher.decrypt(nonce.into(), payload).map_err(|_| Unopened::Damaged)?);
        String::from_utf8(text.to_vec()).map(SecretText::new).map_err(|_| Unopened::Damaged)
    }

    /// What is authenticated beside the text. NUL separates, since no part can hold one.
    fn associated_data(&self, key_id: &str, place: Place<'_>) -> String {
        format!("{FORMAT}\0{key_id}\0{}\0{}\0{}", self.connection_key, place.field, place.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::tests::{GOOD, read_with},
        ports::random,
    };

    /// The vault of a connection under the usual application key.
    fn vault(connection_key: &str) -> Vault {
        Vault::new(&read_with(&[]).unwrap(), connection_key)
    }

    /// Another application key.
    const OTHER: (&str, &str) = ("APP_ENCRYPTION_KEY", "another-key-of-32-bytes-of-text!");

    /// The vault of the shop under the other application key, with this list of previous ones.
    fn rotated(previous: &str) -> Vault {
        Vault::new(&read_with(&[OTHER, ("APP_ENCRYPTION_KEYS_PREVIOUS", previous)]).unwrap(), "shop")
    }

    /// A place.
    const PLACE: Place<'static> = Place { field: "access_token", generation: 3 };

    /// What is sealed.
    fn token() -> SecretText {
        SecretText::new("token".to_owned())
    }

    /// A sealed "token".
    fn sealed() -> Envelope {
        vault("shop").seal(PLACE, &token(), [7; 12]).unwrap()
    }

    #[test]
    fn what_was_sealed_is_opened() {
        assert_eq!(vault("shop").open(PLACE, &sealed()).unwrap().expose(), "token");
    }

    /// The stored format: reverting a change to it must make this fail.
    #[test]
    fn the_stored_form_is_pinned() {
        let stored = include_str!("../../fixtures/storage/v1/envelope.txt").trim_end();
        assert_eq!(sealed(), Envelope(stored.to_owned()));
    }

    /// E1: one plaintext, one place, one key: no nonce twice, no envelope twice.
    #[test]
    fn a_hundred_thousand_envelopes_of_one_text_all_differ() {
        const COUNT: usize = 100_000;
        let (vault, token) = (vault("shop"), token());
        let seal = |_| vault.seal(PLACE, &token, random().unwrap()).unwrap().0;
        let mut envelopes: Vec<String> = (0..COUNT).map(seal).collect();
        envelopes.sort_unstable();
        envelopes.dedup();
        assert_eq!(envelopes.len(), COUNT);
        // 16 characters of base64 are the nonce.
        let mut nonces: Vec<&str> = envelopes.iter().map(|envelope| &envelope[12..28]).collect();
        nonces.dedup();
        assert_eq!(nonces.len(), COUNT);
    }

    /// E2: each connection has a key of its own: with one nonce, one text becomes two ciphertexts, and neither
    /// connection opens the other's, nor would it if the associated data were the same.
    #[test]
    fn two_connections_have_two_keys() {
        let of = |connection_key: &str| vault(connection_key).seal(PLACE, &token(), [7; 12]).unwrap();
        let ciphertext = |envelope: &Envelope| envelope.0[28..].to_owned();
        // Without the tag, which depends on the associated data too.
        assert_ne!(ciphertext(&of("shop"))[..6], ciphertext(&of("bank"))[..6]);
        let thief = Vault { connection_key: "shop".to_owned(), ..vault("bank") };
        assert_eq!(thief.open(PLACE, &of("shop")), Err(Unopened::Damaged));
    }

    /// E3: another connection, field or generation.
    #[test]
    fn an_envelope_opens_in_its_own_place_only() {
        assert_eq!(vault("shop2").open(PLACE, &sealed()), Err(Unopened::Damaged));
        assert_eq!(vault("shop").open(Place { field: "refresh_token", ..PLACE }, &sealed()), Err(Unopened::Damaged));
        assert_eq!(vault("shop").open(Place { generation: 2, ..PLACE }, &sealed()), Err(Unopened::Damaged));
    }

    /// E4: changed, cut or empty.
    #[test]
    fn a_damaged_envelope_is_refused() {
        let text = sealed().0;
        let flipped = text.replace(&text[20..21], if &text[20..21] == "A" { "B" } else { "A" });
        let more = format!("{text}.{text}");
        let cut = [text[..text.len() - 4].to_owned(), text[..30].to_owned(), text[..12].to_owned()];
        let [id, version] = ["v1.2edf6e8", "v2.2edf6e80"].map(|head| text.replace("v1.2edf6e80", head));
        for bad in
            [String::new(), "v1".to_owned(), "v1..".to_owned(), flipped, more, id, version].into_iter().chain(cut)
        {
            assert_eq!(vault("shop").open(PLACE, &Envelope(bad.clone())), Err(Unopened::Damaged), "{bad}");
        }
    }

    /// E5: both keys open, the new one seals.
    #[test]
    fn a_previous_key_opens_and_does_not_seal() {
        let rotated = rotated(&format!("[\"{}\"]", GOOD[2].1));
        assert_eq!(rotated.open(PLACE, &sealed()).unwrap().expose(), "token");
        let new = rotated.seal(PLACE, &token(), [7; 12]).unwrap();
        assert_eq!(rotated.open(PLACE, &new).unwrap().expose(), "token");
        assert_eq!(new.key_id(), Some(rotated.key_id()));
        assert!(rotated.key_id() != vault("shop").key_id() && sealed().key_id() == Some(vault("shop").key_id()));
        // The place counts as before, and so does the name of the key.
        assert_eq!(rotated.open(Place { generation: 2, ..PLACE }, &sealed()), Err(Unopened::Damaged));
        let renamed = Envelope(new.0.replace(rotated.key_id(), vault("shop").key_id()));
        assert_eq!(rotated.open(PLACE, &renamed), Err(Unopened::Damaged));
    }

    /// E5: a key that was removed too early is named, and told apart from damage.
    #[test]
    fn an_envelope_of_a_missing_key_names_the_key() {
        let problem = rotated("").open(PLACE, &sealed()).unwrap_err();
        assert_eq!(problem, Unopened::KeyMissing("2edf6e80".to_owned()));
        assert!(problem.to_string().ends_with("the key 2edf6e80 is missing"), "{problem}");
    }
}
