//! The client half against authorization servers that others wrote, through their own pages, by their https names.
//!
//! `npm run interop` makes the Python environment and runs the tests that need it, which otherwise are ignored.
#![expect(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "test: a failure is a failed test")]

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod internet;
mod scenarios;
mod servers;
mod stage;

/// A scenario at a server.
macro_rules! at {
    (oidc_provider, $scenario:ident) => {
        #[test]
        fn at_oidc_provider() {
            crate::scenarios::$scenario(crate::servers::OIDC_PROVIDER);
        }
    };
    (node_oauth, $scenario:ident) => {
        #[test]
        fn at_node_oauth() {
            crate::scenarios::$scenario(crate::servers::NODE_OAUTH);
        }
    };
    (mock, $scenario:ident) => {
        #[test]
        fn at_oauth2_mock_server() {
            crate::scenarios::$scenario(crate::servers::MOCK);
        }
    };
    (django, $scenario:ident) => {
        #[test]
        #[ignore = "npm run interop"]
        fn at_django_oauth_toolkit() {
            crate::scenarios::$scenario(crate::servers::DJANGO);
        }
    };
    (authlib, $scenario:ident) => {
        #[test]
        #[ignore = "npm run interop"]
        fn at_authlib() {
            crate::scenarios::$scenario(crate::servers::AUTHLIB);
        }
    };
}

/// Each scenario is a test at each of its servers.
macro_rules! at_each {
    ($($name:ident: $scenario:ident at $($server:ident)*;)*) => {
        $(
            mod $name {
                $(at!($server, $scenario);)*
            }
        )*
    };
}

at_each! {
    a_connection_by_code_flow_lives_from_consent_over_three_renewals: code_flow
        at oidc_provider node_oauth mock django authlib;
    a_connection_by_client_credentials_lives_over_three_renewals: client_credentials
        at oidc_provider node_oauth mock django authlib;
    a_connect_link_leads_through_the_provider_and_back_into_the_same_browser_only: connect_link
        at oidc_provider node_oauth mock django authlib;

    // Not at authlib, which leaves to its user how long refresh tokens live, nor at mock, where they live for ever.
    a_refresh_token_that_expired_unused_needs_a_person_once: slept_over at oidc_provider node_oauth django;
    // Not at mock: it takes any refresh token.
    a_refresh_token_that_a_thief_used_again_ends_the_grant_and_needs_a_person_once: reused
        at oidc_provider node_oauth django authlib;
    a_refresh_token_revoked_behind_our_back_needs_a_person_once: revoked_behind_our_back
        at oidc_provider node_oauth django authlib;
    // Not at mock: it authenticates nobody.
    a_wrong_client_secret_is_named_and_the_right_one_mends_it: wrong_secret at oidc_provider node_oauth django authlib;
    // The others decode it, or do not look at it.
    a_secret_that_the_server_does_not_decode_goes_into_the_form: odd_secret at node_oauth;
    // Not at mock: it asks nobody.
    a_person_who_declines_leaves_the_connection_without_token: declined at oidc_provider node_oauth django authlib;
    // Not at mock: it takes any code, and any without a verifier.
    a_code_is_worth_nothing_without_its_verifier: stolen_code at oidc_provider node_oauth django authlib;
    a_code_that_comes_twice_is_refused_and_does_no_harm: code_twice at oidc_provider node_oauth django authlib;

    // Not at node_oauth, which has no revocation endpoint, nor at mock, whose own revokes nothing.
    a_revoked_connection_has_no_token_at_the_provider_either: revoked at oidc_provider django authlib;
    a_revoked_connection_of_a_client_gets_itself_a_new_token: client_revoked at oidc_provider django authlib;
    a_deleted_connection_leaves_no_token_at_the_provider: deleted at oidc_provider django authlib;
    // The same where there is none.
    a_connection_that_cannot_be_revoked_at_the_provider_is_forgotten_here: forgotten at node_oauth;

    // Not at node_oauth and mock, which cannot demand PKCE, nor at authlib, which demands it of public clients only.
    without_pkce_there_is_no_authorization: no_pkce at oidc_provider django;

    // Not at node_oauth: it does not name itself.
    an_answer_of_another_server_is_refused_before_its_code_goes_anywhere: mixed_up at oidc_provider mock django authlib;
    // The same where only the other server does.
    an_answer_of_a_server_that_names_itself_is_refused_elsewhere: mixed_up_with_another_name at node_oauth;
}
