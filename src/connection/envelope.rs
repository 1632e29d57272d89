//! Encryption at rest: the envelope that every secret and provider token is stored in.
//!
//! `v1.<key id>.<base64url of nonce and AES-256-GCM ciphertext>`; the associated data name format, key, connection, field
//! and generation, so that a ciphertext put in another place does not open (checklist E3). Each connection has a key of
//! its own, by HKDF from the application key (E2, E7).
//!
//! Leaves to others: the nonce (12 random bytes, passed in), what is inside.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    config::ApplicationKey,
    protocol::secret::{SecretText, hex},
};

/// The format, first part of every envelope.
const FORMAT: &str = "v1";

/// A sealed text, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Envelope(String);

/// Where an envelope belongs; part of what is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The field, e.g. `access_token`.
    pub field: &'a str,
    /// The version of the record; 0 for fields without one.
    pub generation: u64,
}

/// The envelope cannot be opened: another key, another place, or changed bytes. Never a wrong text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored secret cannot be decrypted")]
pub struct Unopened;

/// Seals and opens the envelopes of one connection.
pub struct Vault {
    /// The connection's own key.
    cipher: Aes256Gcm,
    /// Names the application key.
    key_id: String,
    /// The connection.
    connection_key: String,
}

impl Vault {
    /// The vault of a connection.
    #[must_use]
    pub fn new(application_key: &ApplicationKey, connection_key: &str) -> Self {
        let key = application_key.derive(&format!("postern/envelope/v1\0{connection_key}"));
        let id = application_key.derive("postern/envelope/key-id/v1");
        Self {
            cipher: Aes256Gcm::new(key.as_ref().into()),
            key_id: hex(id.get(..4).unwrap_or_default()),
            connection_key: connection_key.to_owned(),
        }
    }

    /// Seals a text for a place. The nonce must be fresh random bytes (NIST SP 800-38D §8.2.2).
    ///
    /// # Errors
    /// [`Unopened`] for texts of many gigabytes only.
    pub fn seal(&self, place: Place<'_>, text: &SecretText, nonce: [u8; 12]) -> Result<Envelope, Unopened> {
        let aad = self.associated_data(&self.key_id, place);
        let payload = Payload { msg: text.expose().as_bytes(), aad: aad.as_bytes() };
        let ciphertext = self.cipher.encrypt(&nonce.into(), payload).map_err(|_| Unopened)?;
        let sealed = URL_SAFE_NO_PAD.encode([nonce.as_slice(), &ciphertext].concat());
        Ok(Envelope(format!("{FORMAT}.{}.{sealed}", self.key_id)))
    }

    /// Opens an envelope of a place.
    ///
    /// # Errors
    /// [`Unopened`].
    pub fn open(&self, place: Place<'_>, envelope: &Envelope) -> Result<SecretText, Unopened> {
        let mut parts = envelope.0.split('.');
        let (Some(FORMAT), Some(key_id), Some(sealed), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Unopened);
        };
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Unopened)?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<12>().ok_or(Unopened)?;
        let aad = self.associated_data(key_id, place);
        let payload = Payload { msg: ciphertext, aad: aad.as_bytes() };
        let text = Zeroizing::new(self.cipher.decrypt(nonce.into(), payload).map_err(|_| Unopened)?);
        String::from_utf8(text.to_vec()).map(SecretText::new).map_err(|_| Unopened)
    }

    /// What is authenticated beside the text. NUL separates, since no part can hold one.
    fn associated_data(&self, key_id: &str, place: Place<'_>) -> String {
        format!("{FORMAT}\0{key_id}\0{}\0{}\0{}", self.connection_key, place.field, place.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::read_with;

    /// The vault of a connection under the usual application key.
    fn vault(connection_key: &str) -> Vault {
        Vault::new(&read_with(&[]).unwrap().application_key, connection_key)
    }

    /// A place.
    const PLACE: Place<'static> = Place { field: "access_token", generation: 3 };

    /// A sealed "token".
    fn sealed() -> Envelope {
        vault("shop").seal(PLACE, &SecretText::new("token".to_owned()), [7; 12]).unwrap()
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

    /// E3: another connection, field or generation.
    #[test]
    fn an_envelope_opens_in_its_own_place_only() {
        assert_eq!(vault("shop2").open(PLACE, &sealed()), Err(Unopened));
        assert_eq!(vault("shop").open(Place { field: "refresh_token", ..PLACE }, &sealed()), Err(Unopened));
        assert_eq!(vault("shop").open(Place { generation: 2, ..PLACE }, &sealed()), Err(Unopened));
    }

    /// E4: changed, cut or empty.
    #[test]
    fn a_damaged_envelope_is_refused() {
        let text = sealed().0;
        let flipped = text.replace(&text[20..21], if &text[20..21] == "A" { "B" } else { "A" });
        for bad in [String::new(), "v1".to_owned(), flipped, text[..text.len() - 4].to_owned(), text[..30].to_owned()] {
            assert_eq!(vault("shop").open(PLACE, &Envelope(bad.clone())), Err(Unopened), "{bad}");
        }
        assert_eq!(vault("shop").open(PLACE, &Envelope(text.replace("v1.", "v2."))), Err(Unopened));
    }

    #[test]
    fn another_application_key_opens_nothing() {
        let other = read_with(&[("APP_ENCRYPTION_KEY", "another-key-of-32-bytes-of-text!")]).unwrap();
        assert_eq!(Vault::new(&other.application_key, "shop").open(PLACE, &sealed()), Err(Unopened));
    }
}
