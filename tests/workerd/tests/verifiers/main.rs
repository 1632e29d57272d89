//! Resource servers that check our access tokens (RFC 9068 §4) with libraries that others wrote, which know nothing but
//! the issuer: in real processes that live through a test, with the cache of keys that the library has.
#![expect(clippy::indexing_slicing, clippy::expect_used, clippy::panic, reason = "test: a failure is a failed test")]

#[path = "../common/mod.rs"]
mod common;
mod deployment;
mod forged;
mod in_process;
#[path = "../keys/mod.rs"]
mod keys;
mod scenarios;
mod verifier;

/// The scenarios with a library, each a test of its own.
macro_rules! library {
    ($name:ident, $library:ident $(, $attribute:meta)?) => {
        mod $name {
            use crate::scenarios;
            use crate::verifier::Library::$library;

            $(#[$attribute])?
            /// J7, J11, B16: RFC 9068 §4, RFC 8707: a token for the issuer and one for a resource, each by its own
            /// audience only.
            #[test]
            fn tokens_are_accepted_by_those_they_are_for() {
                scenarios::tokens_are_accepted_by_those_they_are_for($library);
            }

            $(#[$attribute])?
            /// RFC 9068 §4, RFC 8725 §3: what differs in one thing from a token that is accepted.
            #[test]
            fn forged_tokens_are_refused() {
                scenarios::forged_tokens_are_refused($library);
            }

            $(#[$attribute])?
            /// J11: a token of a deployment that says to be the same issuer.
            #[test]
            fn a_token_of_another_deployment_is_refused() {
                scenarios::a_token_of_another_deployment_is_refused($library);
            }

            $(#[$attribute])?
            /// RFC 9068 §2.2: `exp` says when, to the minute that libraries give to clocks.
            #[test]
            fn a_token_is_good_for_its_lifetime() {
                scenarios::a_token_is_good_for_its_lifetime($library);
            }

            $(#[$attribute])?
            /// J16: a key that is published in time, its predecessor, and that one's end.
            #[test]
            fn a_planned_rotation_loses_no_token() {
                scenarios::a_planned_rotation_loses_no_token($library);
            }

            $(#[$attribute])?
            /// J16: a key that is met before the kept ones are too old is fetched.
            #[test]
            fn an_unknown_key_is_fetched() {
                scenarios::an_unknown_key_is_fetched($library);
            }

            $(#[$attribute])?
            /// J16: from the derived key to keys of one's own.
            #[test]
            fn a_move_to_own_keys_loses_no_token() {
                scenarios::a_move_to_own_keys_loses_no_token($library);
            }

            $(#[$attribute])?
            /// E5: another application key, published ahead.
            #[test]
            fn another_application_key_loses_no_token() {
                scenarios::another_application_key_loses_no_token($library);
            }
        }
    };
}

library!(jose, Jose);
library!(express, Express);
library!(jsonwebtoken, JsonWebToken);
library!(pyjwt, PyJwt, ignore = "npm run interop");
library!(joserfc, Joserfc, ignore = "npm run interop");

/// RFC 6750 §3.1: the guard of a server that others wrote tells apart a token that is none, one without the scope, and
/// no token.
#[test]
fn express_routes_want_their_scopes() {
    scenarios::express_routes_want_their_scopes();
}
