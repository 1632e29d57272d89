//! Tokens as Fides makes them: encrypted with the application key. Postern has the same key, and refuses them all.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use serde_json::{Value, json};

/// The token of a case: compact JWE, `dir`, A256GCM, with the application key.
///
/// # Errors
/// Why it cannot be made.
pub(crate) fn token(case: &Value, key: &str, now: i64) -> Result<String, String> {
    if case.get("token_key").is_some() {
        return Err("a token with another key".to_owned());
    }
    let header = case.get("token_header").cloned().unwrap_or_else(|| json!({ "alg": "dir", "enc": "A256GCM" }));
    let payload = match case.get("token_payload") {
        Some(Value::String(text)) => text.clone(),
        Some(document) => at(document, now).to_string(),
        None => return Err("no payload".to_owned()),
    };
    let plain = if header.get("zip").is_some() { stored(payload.as_bytes())? } else { payload.into_bytes() };
    // Key wrapping would need a key of its own; what stands there decides nothing for a server that reads no JWE.
    let wrapped = if header.get("alg") == Some(&json!("dir")) { Vec::new() } else { vec![7; 40] };
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let cipher = Aes256Gcm::new_from_slice(key.as_bytes()).map_err(|error| error.to_string())?;
    let nonce = [7; 12];
    let sealed = cipher.encrypt(&nonce.into(), Payload { msg: &plain, aad: header.as_bytes() });
    let sealed = sealed.map_err(|error| error.to_string())?;
    let (text, tag) = sealed.split_at(sealed.len() - 16);
    let parts = [&wrapped[..], &nonce, text, tag].map(|part| URL_SAFE_NO_PAD.encode(part));
    Ok(format!("{header}.{}", parts.join(".")))
}

/// Bytes in the deflate format, not compressed (RFC 1951 §3.2.4).
fn stored(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let length = u16::try_from(bytes.len()).map_err(|error| error.to_string())?;
    Ok([&[1], &length.to_le_bytes()[..], &(!length).to_le_bytes(), bytes].concat())
}

/// A document with each `@iso:S` and its like replaced by that time, S seconds from now.
fn at(document: &Value, now: i64) -> Value {
    match document {
        Value::String(text) => instant(text, now).unwrap_or_else(|| document.clone()),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), at(value, now))).collect(),
        Value::Array(items) => items.iter().map(|item| at(item, now)).collect(),
        other => other.clone(),
    }
}

/// What a text stands for that begins with `@`.
fn instant(text: &str, now: i64) -> Option<Value> {
    let (kind, seconds) = text.strip_prefix('@')?.split_once(':')?;
    let offset: f64 = seconds.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds of a recording")]
    let time = now + offset.trunc() as i64;
    let date = DateTime::from_timestamp(time, 0)?.format("%Y-%m-%dT%H:%M:%S.000000").to_string();
    match kind {
        "iso" => Some(format!("{date}+00:00").into()),
        "isonaive" => Some(date.into()),
        "ts" => Some(time.into()),
        "tsstr" => Some(time.to_string().into()),
        "tsfloat" => format!("{time}.5").parse::<f64>().ok().map(Value::from),
        _ => None,
    }
}

/// A token with what a recording does to those of Fides: each part of it in turn is not as it was issued.
///
/// The ciphertext is our payload, the initialization vector our signature; an encrypted key is a part too many.
pub(crate) fn tampered(token: &str) -> Option<[(&'static str, String); 4]> {
    let mut parts = token.split('.');
    let [header, payload, signature] = [parts.next()?, parts.next()?, parts.next()?];
    Some([
        ("tampered_header", format!("{}.{payload}.{signature}", changed(header))),
        ("tampered_ct", format!("{header}.{}.{signature}", changed(payload))),
        ("tampered_iv", format!("{header}.{payload}.{}", changed(signature))),
        ("with_enc_key", format!("{header}.AAAA.{payload}.{signature}")),
    ])
}

/// A text with another letter in the middle.
fn changed(text: &str) -> String {
    let middle = text.len() / 2;
    let change = |(index, letter)| if index == middle { if letter == 'A' { 'B' } else { 'A' } } else { letter };
    text.chars().enumerate().map(change).collect()
}
