//! What a caller can make up: signatures with what everybody knows, addresses in headers.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::{Sha256, Sha512};

use super::{
    Host, bare, form,
    token_request::{GOOD, TOKEN},
    with_header,
};
use crate::{authorization_server::failure_budget::NETWORK_BUDGET, protocol::address::ClientAddress};

/// A document as a part of a JWT.
fn part(document: &Value) -> String {
    URL_SAFE_NO_PAD.encode(document.to_string())
}

/// J1, J2, J3: whoever has the published key can make an HMAC with it, in every form in which it is written; it signs
/// nothing, under whatever algorithm it goes.
#[test]
fn the_public_key_signs_nothing() {
    let host = Host::new();
    let good = host.root_token();
    let key = host.send(&bare("GET", "/.well-known/jwks.json")).json()["keys"][0].clone();
    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(good.split('.').next().unwrap()).unwrap()).unwrap();
    let claims = good.split('.').nth(1).unwrap();
    let public = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
    let (as_text, as_jwk) = (key["x"].as_str().unwrap().as_bytes().to_vec(), key.to_string().into_bytes());
    for secret in [public, as_text, as_jwk, Vec::new()] {
        for alg in ["HS256", "HS512", "EdDSA", "none", "ES256"] {
            let mut header = header.clone();
            header["alg"] = alg.into();
            let message = format!("{}.{claims}", part(&header));
            let short = Hmac::<Sha256>::new_from_slice(&secret).unwrap().chain_update(&message).finalize().into_bytes();
            let long = Hmac::<Sha512>::new_from_slice(&secret).unwrap().chain_update(&message).finalize().into_bytes();
            for signature in [URL_SAFE_NO_PAD.encode(short), URL_SAFE_NO_PAD.encode(long), String::new()] {
                let forged = format!("{message}.{signature}");
                assert_eq!(host.call(&forged, "GET", "/oauth/scope", &Value::Null).status, 401, "{alg}");
            }
        }
    }
    assert_eq!(host.call(&good, "GET", "/oauth/scope", &json!(null)).status, 200);
}

/// T38: whatever address a caller writes into headers, what it fails is counted under the one that the platform tells.
#[test]
fn a_forged_address_is_not_counted() {
    let host = Host::new();
    let from = |address: &str, body: &str, forged: &str| {
        let mut request = form(TOKEN, body);
        for name in
            ["x-forwarded-for", "x-real-ip", "forwarded", "cf-connecting-ip", "true-client-ip", "x_forwarded_for"]
        {
            request = with_header(request, name, forged.as_bytes());
        }
        request.extensions_mut().insert(ClientAddress::parse(address).unwrap());
        host.send(&request).status
    };
    for number in 0..NETWORK_BUDGET {
        let body = format!("grant_type=client_credentials&client_id=c{number}&client_secret=wrong");
        let forged = format!("10.{}.{}.1", number / 250, number % 250);
        assert_eq!(from("192.0.2.1", &body, &forged), 401);
    }
    assert_eq!(from("192.0.2.1", GOOD, "192.0.2.2"), 429);
    assert_eq!(from("192.0.2.2", GOOD, "192.0.2.1"), 200);
}
