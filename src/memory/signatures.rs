//! Tests only: clients that sign, and the verifying of what they signed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use p256::ecdsa::{self, signature::Signer as _, signature::Verifier as _};
use serde_json::{Value, json};

use super::{Memory, turns};
use crate::{
    config::ScheduledKey,
    ports::{PortError, Signatures},
    protocol::jwk::{Algorithm, Jwk, JwkSet},
};

/// A client's key pair.
pub(crate) enum ClientKey {
    /// For `EdDSA`.
    Ed25519(SigningKey),
    /// For `ES256`.
    P256(ecdsa::SigningKey),
}

impl ClientKey {
    /// The Ed25519 key of a seed.
    pub(crate) fn ed25519(seed: u8) -> Self {
        Self::Ed25519(SigningKey::from_bytes(&[seed; 32]))
    }

    /// The P-256 key of a seed.
    pub(crate) fn p256(seed: u8) -> Self {
        Self::P256(ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    /// `alg`.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::P256(_) => Algorithm::Es256,
        }
    }

    /// The public half, as a client registers it.
    pub(crate) fn public(&self) -> Value {
        match self {
            Self::Ed25519(key) => Jwk::ed25519(key.verifying_key().as_bytes()).to_json(),
            Self::P256(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                let [x, y] = [point.x(), point.y()].map(|half| URL_SAFE_NO_PAD.encode(half.unwrap()));
                json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
            }
        }
    }

    /// The set of this key alone.
    pub(crate) fn set(&self) -> JwkSet {
        JwkSet::read(&json!({ "keys": [self.public()] }), &[]).unwrap()
    }

    /// A signature: 64 bytes.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        match self {
            Self::Ed25519(key) => key.sign(message).to_bytes(),
            Self::P256(key) => {
                let signature: ecdsa::Signature = key.sign(message);
                signature.to_bytes().into()
            }
        }
    }

    /// A signed JWT.
    pub(crate) fn jwt(&self, header: &Value, claims: &Value) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let input = format!("{header}.{claims}");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(self.sign(input.as_bytes())))
    }

    /// A client assertion with these claims.
    pub(crate) fn assertion(&self, claims: &Value) -> String {
        self.jwt(&json!({ "alg": self.algorithm().name() }), claims)
    }
}

impl Signatures for Memory {
    async fn verifies(&self, key: &Jwk, message: &[u8], signature: &[u8; 64]) -> Result<bool, PortError> {
        self.work_out()?;
        Ok(verifies(key, message, signature))
    }

    async fn public_key(&self, seed: &[u8; 32]) -> Result<Jwk, PortError> {
        self.work_out()?;
        // The platform takes its time: others run meanwhile.
        turns(1).await;
        Ok(public_half(seed))
    }

    async fn sign(&self, seed: &[u8; 32], message: &[u8]) -> Result<[u8; 64], PortError> {
        self.work_out()?;
        Ok(sign(seed, message))
    }
}

impl Memory {
    /// One more thing that the platform is to work out.
    fn work_out(&self) -> Result<(), PortError> {
        let left = &self.shared.faults.signatures_left;
        if left.get() == Some(0) {
            return Err(PortError("crypto.subtle: OperationError".to_owned()));
        }
        left.set(left.get().map(|more| more - 1));
        Ok(())
    }
}

/// The public half of the Ed25519 key of a seed.
fn public_half(seed: &[u8; 32]) -> Jwk {
    Jwk::ed25519(SigningKey::from_bytes(seed).verifying_key().as_bytes())
}

/// The public halves of some keys.
pub(crate) fn public_halves(schedule: &[ScheduledKey]) -> Vec<Jwk> {
    schedule.iter().map(|key| public_half(&key.seed)).collect()
}

/// The signature by the Ed25519 key of a seed.
pub(crate) fn sign(seed: &[u8; 32], message: &[u8]) -> [u8; 64] {
    SigningKey::from_bytes(seed).sign(message).to_bytes()
}

/// Whether this key signed this message.
pub(crate) fn verifies(key: &Jwk, message: &[u8], signature: &[u8; 64]) -> bool {
    let document = key.to_json();
    let coordinate =
        |name: &str| <[u8; 32]>::try_from(URL_SAFE_NO_PAD.decode(document[name].as_str().unwrap()).unwrap()).unwrap();
    match key.algorithm() {
        Algorithm::EdDsa => {
            let key = ed25519_dalek::VerifyingKey::from_bytes(&coordinate("x"));
            let signature = ed25519_dalek::Signature::from_slice(signature);
            key.and_then(|key| key.verify(message, &signature?)).is_ok()
        }
        Algorithm::Es256 => {
            let (x, y) = (coordinate("x").into(), coordinate("y").into());
            let point = p256::EncodedPoint::from_affine_coordinates(&x, &y, false);
            let key = ecdsa::VerifyingKey::from_encoded_point(&point);
            key.and_then(|key| key.verify(message, &ecdsa::Signature::from_slice(signature)?)).is_ok()
        }
    }
}
