//! Which scope-tokens exist: those of Fides, the four that only fidesops knew, and our own (data in `scopes.json`).

use std::sync::LazyLock;

use crate::protocol::{json, scope::Scope};

/// Every scope there is, in registry order: what the root client holds.
pub static EVERY_SCOPE: LazyLock<Scope> = LazyLock::new(|| {
    // A test reads the same file: what is compiled in does parse.
    json::read(include_bytes!("scopes.json")).unwrap_or_default()
});

/// The eight roles of Fides with the scopes of each, as they are answered (data in `roles.json`).
pub const ROLES: &[u8] = include_bytes!("roles.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::protocol::scope::is_scope_token;

    #[test]
    fn the_registry_holds_fides_fidesops_and_our_own_scopes_in_order() {
        let tokens: Vec<&str> = EVERY_SCOPE.tokens().collect();
        assert_eq!(tokens.len(), 131 + 4 + 5);
        assert_eq!(tokens[0], "config:read");
        assert_eq!(tokens[131], "email:create_or_update");
        assert_eq!(tokens[135], "connection_token:read");
        assert!(tokens.iter().all(|token| is_scope_token(token)));
    }

    /// So many scopes each, sorted, all of Fides.
    #[test]
    fn the_roles_are_those_of_fides() {
        let roles: BTreeMap<String, Vec<String>> = serde_json::from_slice(ROLES).unwrap();
        let counts: Vec<(&str, usize)> = roles.iter().map(|(role, scopes)| (role.as_str(), scopes.len())).collect();
        let expected = [
            ("approver", 9),
            ("contributor", 122),
            ("data_steward", 32),
            ("external_respondent", 1),
            ("owner", 131),
            ("respondent", 2),
            ("viewer", 30),
            ("viewer_and_approver", 38),
        ];
        assert_eq!(counts, expected);
        let fides: Vec<&str> = EVERY_SCOPE.tokens().take(131).collect();
        for scopes in roles.values() {
            assert!(scopes.is_sorted() && scopes.iter().all(|scope| fides.contains(&scope.as_str())));
        }
    }
}
