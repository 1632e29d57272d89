//! Signatures of other people, verified by the platform (Web Cryptography API).

use js_sys::{Array, JSON, Object, Reflect, Uint8Array, global};
use web_sys::{Crypto, CryptoKey, SubtleCrypto};
use worker::{
    wasm_bindgen::{JsCast, JsValue},
    wasm_bindgen_futures::JsFuture,
};

use super::ports::EdgePorts;
use crate::{
    ports::{PortError, Signatures},
    protocol::jwk::{Algorithm, Jwk},
};

impl Signatures for EdgePorts {
    async fn verifies(&self, key: &Jwk, message: &[u8], signature: &[u8]) -> Result<bool, PortError> {
        let verified = verify(key, message, signature).await;
        verified.map_err(|error| PortError(format!("crypto.subtle: {}", name_of(&error))))
    }
}

/// Imports the key and verifies.
async fn verify(key: &Jwk, message: &[u8], signature: &[u8]) -> Result<bool, JsValue> {
    let (subtle, algorithm) = (subtle()?, parameters(key.algorithm())?);
    let key = match import(&subtle, key, &algorithm).await {
        Ok(key) => key,
        // The coordinates are no point: `DataError` by the standard, the other one in workerd.
        Err(error) if matches!(name_of(&error).as_str(), "DataError" | "OperationError") => return Ok(false),
        Err(error) => return Err(error),
    };
    // Copies: the module's own memory may move while the platform reads.
    let (message, signature) = (Uint8Array::from(message), Uint8Array::from(signature));
    let verified = subtle.verify_with_object_and_js_u8_array_and_js_u8_array(&algorithm, &key, &signature, &message)?;
    Ok(JsFuture::from(verified).await?.is_truthy())
}

/// The key as the platform holds it.
async fn import(subtle: &SubtleCrypto, key: &Jwk, algorithm: &Object) -> Result<CryptoKey, JsValue> {
    let document = JSON::parse(&key.canonical_json())?.unchecked_into();
    let usages = Array::of1(&"verify".into());
    let imported = subtle.import_key_with_object("jwk", &document, algorithm, false, &usages)?;
    JsFuture::from(imported).await.map(JsCast::unchecked_into)
}

/// The algorithm in the words of the API: for the import and for the verifying.
fn parameters(algorithm: Algorithm) -> Result<Object, JsValue> {
    let text = match algorithm {
        Algorithm::EdDsa => r#"{"name":"Ed25519"}"#,
        Algorithm::Es256 => r#"{"name":"ECDSA","namedCurve":"P-256","hash":"SHA-256"}"#,
    };
    JSON::parse(text).map(JsCast::unchecked_into)
}

/// `crypto.subtle`.
fn subtle() -> Result<SubtleCrypto, JsValue> {
    let crypto: Crypto = Reflect::get(&global(), &"crypto".into())?.unchecked_into();
    Ok(crypto.subtle())
}

/// The kind of an exception; its text stays here.
fn name_of(error: &JsValue) -> String {
    Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string()).unwrap_or_default()
}
