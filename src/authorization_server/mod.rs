//! We issue: clients, their authentication, access tokens. Knows nothing of connections.

pub mod access_token;
pub mod audit;
pub mod client;
pub mod client_assertion;
pub mod client_authentication;
pub mod client_cache;
pub mod client_credentials;
pub mod client_document;
pub mod failure_budget;
pub mod metadata;
pub mod registry;
pub mod scope_registry;
pub mod signing_keys;
