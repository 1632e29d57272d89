//! Which scope-tokens exist: those of Fides, the four that only fidesops knew, and our own (data in `scopes.json`).

use std::sync::LazyLock;

use crate::protocol::scope::Scope;

/// Every scope there is, in registry order: what the root client holds.
pub static EVERY_SCOPE: LazyLock<Scope> = LazyLock::new(|| {
    // A test reads the same file: what is compiled in does parse.
    serde_json::from_slice(include_bytes!("scopes.json")).unwrap_or_default()
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::scope::is_scope_token;

    #[test]
    fn the_registry_holds_fides_fidesops_and_our_own_scopes_in_order() {
        let tokens: Vec<&str> = EVERY_SCOPE.tokens().collect();
        assert_eq!(tokens.len(), 130 + 4 + 5);
        assert_eq!(tokens[0], "config:read");
        assert_eq!(tokens[130], "email:create_or_update");
        assert_eq!(tokens[134], "connection_token:read");
        assert!(tokens.iter().all(|token| is_scope_token(token)));
    }
}
