//! Clients that sign: keys made of seeds, and what is signed with them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test: a failure is a failed test")]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::ecdsa::{self, signature::Signer};
use serde_json::{Value, json};

/// A client's key pair.
#[derive(Debug)]
pub(crate) enum Key {
    /// For `EdDSA`.
    Ed25519(ed25519_dalek::SigningKey),
    /// For `ES256`.
    P256(ecdsa::SigningKey),
}

impl Key {
    /// The Ed25519 key of a seed.
    pub(crate) fn ed25519(seed: u8) -> Self {
        Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]))
    }

    /// The P-256 key of a seed.
    pub(crate) fn p256(seed: u8) -> Self {
        Self::P256(ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    /// `alg`.
    pub(crate) const fn algorithm(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "EdDSA",
            Self::P256(_) => "ES256",
        }
    }

    /// The public half (RFC 7517), as a client registers it.
    pub(crate) fn public(&self) -> Value {
        match self {
            Self::Ed25519(key) => {
                let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x })
            }
            Self::P256(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                let [x, y] = [point.x(), point.y()].map(|half| URL_SAFE_NO_PAD.encode(half.unwrap()));
                json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
            }
        }
    }

    /// Both halves, as a library reads them.
    pub(crate) fn private(&self) -> Value {
        let secret = match self {
            Self::Ed25519(key) => key.to_bytes(),
            Self::P256(key) => key.to_bytes().into(),
        };
        let mut key = self.public();
        key["d"] = URL_SAFE_NO_PAD.encode(secret).into();
        key
    }

    /// A signature: 64 bytes.
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        match self {
            Self::Ed25519(key) => key.sign(message).to_bytes(),
            Self::P256(key) => {
                let signature: ecdsa::Signature = key.sign(message);
                signature.to_bytes().into()
            }
        }
    }

    /// A signed JWT (RFC 7515 §3.1).
    pub(crate) fn jwt(&self, header: &Value, claims: &Value) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let input = format!("{header}.{claims}");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(self.sign(input.as_bytes())))
    }

    /// A client assertion with these claims.
    pub(crate) fn assertion(&self, claims: &Value) -> String {
        self.jwt(&json!({ "alg": self.algorithm() }), claims)
    }
}

/// A JWT with another signature over the same input.
pub(crate) fn resigned(jwt: &str, change: fn(&[u8]) -> Vec<u8>) -> String {
    let (input, signature) = jwt.rsplit_once('.').unwrap();
    let signature = change(&URL_SAFE_NO_PAD.decode(signature).unwrap());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The other valid form of an ECDSA signature: `(r, n - s)`.
pub(crate) fn twin(signature: &[u8]) -> Vec<u8> {
    let (r, s) = ecdsa::Signature::from_slice(signature).unwrap().split_scalars();
    ecdsa::Signature::from_scalars(r, -*s).unwrap().to_bytes().to_vec()
}

/// An ECDSA signature in the form of X.509.
pub(crate) fn der(signature: &[u8]) -> Vec<u8> {
    ecdsa::Signature::from_slice(signature).unwrap().to_der().as_bytes().to_vec()
}

// Each test program uses some of these. This names them all, so that none counts as unused.
const _: () = {
    let _ = (Key::p256, Key::private, Key::assertion, resigned, twin, der);
};
