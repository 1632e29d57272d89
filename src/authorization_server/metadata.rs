//! Authorization server metadata (RFC 8414): what this deployment offers, for programs.
//!
//! Decides: the members of the document and the addresses in it. Leaves to others: that each of them is true (a test of
//! each value), where it is served (RFC 8414 §3: `/.well-known/oauth-authorization-server`).

use serde_json::{Value, json};

use super::scope_registry::EVERY_SCOPE;
use crate::{
    config::{PublicUrl, Settings},
    protocol::jwk::Algorithm,
};

/// How clients authenticate (RFC 6749 §2.3.1, RFC 7523 §2.2), in the words of RFC 7591 §2.
const CLIENT_AUTHENTICATION: [&str; 3] = ["client_secret_basic", "client_secret_post", "private_key_jwt"];

/// The document (RFC 8414 §2).
///
/// `response_types_supported` is required and has nothing to list, since there is no authorization endpoint.
#[must_use]
pub fn metadata(settings: &Settings) -> Value {
    let url = &settings.public_url;
    let algorithms = Algorithm::ALL.map(Algorithm::names).concat();
    json!({
        "issuer": url.as_str(),
        "token_endpoint": at(url, "/api/v1/oauth/token"),
        "jwks_uri": at(url, "/.well-known/jwks.json"),
        "introspection_endpoint": at(url, "/api/v1/oauth/introspect"),
        "revocation_endpoint": at(url, "/api/v1/oauth/revoke"),
        "scopes_supported": *EVERY_SCOPE,
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": CLIENT_AUTHENTICATION,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": CLIENT_AUTHENTICATION,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": CLIENT_AUTHENTICATION,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
    })
}

/// The URL of a path of this deployment.
fn at(public_url: &PublicUrl, path: &str) -> String {
    format!("{}{path}", public_url.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::read_with;

    #[test]
    fn the_document_has_what_is_offered_and_nothing_else() {
        let mut document = metadata(&read_with(&[("PUBLIC_URL", "https://id.example:8443/")]).unwrap());
        let scopes = document["scopes_supported"].take();
        assert_eq!(scopes.as_array().unwrap().len(), EVERY_SCOPE.tokens().count());
        assert!(scopes.as_array().unwrap().contains(&"policy:read".into()));
        let methods = json!(["client_secret_basic", "client_secret_post", "private_key_jwt"]);
        let expected = json!({
            "issuer": "https://id.example:8443",
            "token_endpoint": "https://id.example:8443/api/v1/oauth/token",
            "jwks_uri": "https://id.example:8443/.well-known/jwks.json",
            "introspection_endpoint": "https://id.example:8443/api/v1/oauth/introspect",
            "revocation_endpoint": "https://id.example:8443/api/v1/oauth/revoke",
            "scopes_supported": null,
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": ["EdDSA", "Ed25519", "ES256"],
            "introspection_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_signing_alg_values_supported": ["EdDSA", "Ed25519", "ES256"],
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": ["EdDSA", "Ed25519", "ES256"],
        });
        assert_eq!(document, expected);
    }
}
