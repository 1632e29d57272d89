//! Signatures, ours and those of other people, by the platform (Web Cryptography API).

use std::cell::RefCell;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use js_sys::{Array, JSON, Object, Reflect, Uint8Array};
use web_sys::{Crypto, CryptoKey, SubtleCrypto};
use worker::{
    wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen},
    wasm_bindgen_futures::JsFuture,
};
use zeroize::Zeroizing;

use super::ports::EdgePorts;
use crate::{
    ports::{PortError, Signatures},
    protocol::jwk::{Algorithm, Jwk},
};

/// Before the seed, the rest of a private key of Ed25519 (RFC 8410 §7).
const PRIVATE_KEY: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

#[wasm_bindgen]
extern "C" {
    /// The platform's cryptography.
    #[wasm_bindgen(thread_local_v2, js_name = crypto)]
    static CRYPTO: Crypto;
}

thread_local! {
    /// The private keys that this isolate has imported, by their seeds.
    static IMPORTED: RefCell<Vec<(Zeroizing<[u8; 32]>, CryptoKey)>> = const { RefCell::new(Vec::new()) };
}

impl Signatures for EdgePorts {
    async fn verifies(&self, key: &Jwk, message: &[u8], signature: &[u8; 64]) -> Result<bool, PortError> {
        verify(key, message, signature).await.map_err(|error| failed(&error))
    }

    async fn public_key(&self, seed: &[u8; 32]) -> Result<Jwk, PortError> {
        public_half(seed).await.map_err(|error| failed(&error))
    }

    async fn sign(&self, seed: &[u8; 32], message: &[u8]) -> Result<[u8; 64], PortError> {
        sign(seed, message).await.map_err(|error| failed(&error))
    }
}

/// Says what failed.
fn failed(error: &JsValue) -> PortError {
    PortError(format!("crypto.subtle: {}", name_of(error)))
}

/// The public half of the key of a seed.
async fn public_half(seed: &[u8; 32]) -> Result<Jwk, JsValue> {
    let subtle = subtle();
    let document = JsFuture::from(subtle.export_key("jwk", &private_key(&subtle, seed, true).await?)?).await?;
    let x = Reflect::get(&document, &"x".into())?.as_string().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let public: Option<[u8; 32]> = x.and_then(|bytes| bytes.try_into().ok());
    Ok(Jwk::ed25519(&public.ok_or(document)?))
}

/// Signs by the key of a seed.
async fn sign(seed: &[u8; 32], message: &[u8]) -> Result<[u8; 64], JsValue> {
    let subtle = subtle();
    let key = signing_key(&subtle, seed).await?;
    // A copy: the module's own memory may move while the platform reads.
    let signed = subtle.sign_with_str_and_js_u8_array("Ed25519", &key, &Uint8Array::from(message))?;
    let signature = Uint8Array::new(&JsFuture::from(signed).await?).to_vec();
    signature.try_into().map_err(|_| JsValue::UNDEFINED)
}

/// The private key of a seed for signing, imported once.
async fn signing_key(subtle: &SubtleCrypto, seed: &[u8; 32]) -> Result<CryptoKey, JsValue> {
    let imported = |keys: &Vec<(Zeroizing<[u8; 32]>, CryptoKey)>| {
        keys.iter().find(|(own, _)| **own == *seed).map(|(_, key)| key.clone())
    };
    if let Some(key) = IMPORTED.with_borrow(imported) {
        return Ok(key);
    }
    let key = private_key(subtle, seed, false).await?;
    IMPORTED.with_borrow_mut(|keys| keys.push((Zeroizing::new(*seed), key.clone())));
    Ok(key)
}

/// The private key of a seed as the platform holds it.
async fn private_key(subtle: &SubtleCrypto, seed: &[u8; 32], extractable: bool) -> Result<CryptoKey, JsValue> {
    let document = Zeroizing::new([&PRIVATE_KEY[..], seed].concat());
    let usages = Array::of1(&"sign".into());
    let imported =
        subtle.import_key_with_str("pkcs8", &Uint8Array::from(&document[..]), "Ed25519", extractable, &usages)?;
    JsFuture::from(imported).await.map(JsCast::unchecked_into)
}

/// Imports the key and verifies.
async fn verify(key: &Jwk, message: &[u8], signature: &[u8; 64]) -> Result<bool, JsValue> {
    let (subtle, algorithm) = (subtle(), parameters(key.algorithm())?);
    let key = match import(&subtle, key, &algorithm).await {
        Ok(key) => key,
        // The coordinates are no point: `DataError` by the standard, the other one in workerd.
        Err(error) if matches!(name_of(&error).as_str(), "DataError" | "OperationError") => return Ok(false),
        Err(error) => return Err(error),
    };
    // Copies: the module's own memory may move while the platform reads.
    let (message, signature) = (Uint8Array::from(message), Uint8Array::from(&signature[..]));
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
fn subtle() -> SubtleCrypto {
    CRYPTO.with(Crypto::subtle)
}

/// The kind of an exception; its text stays here.
fn name_of(error: &JsValue) -> String {
    Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string()).unwrap_or_default()
}
