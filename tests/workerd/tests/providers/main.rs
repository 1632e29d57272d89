//! The client half against authorization servers that others wrote, through their own pages, by their https names.
//!
//! `npm run interop` makes the Python environment and runs the tests that need it, which otherwise are ignored.
#![expect(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "test: a failure is a failed test")]

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod internet;
mod servers;
mod stage;

use std::collections::BTreeSet;

use common::{assert_kept_secret, at, parameter};
use serde_json::json;
use servers::{AUTHLIB, DJANGO, MOCK, NODE_OAUTH, OIDC_PROVIDER, Server};
use stage::{KEY, Stage, callback, find_parameter, with_state, without};

/// A scenario at a server.
macro_rules! at {
    (oidc_provider, $scenario:ident) => {
        #[test]
        fn at_oidc_provider() {
            super::$scenario(super::OIDC_PROVIDER);
        }
    };
    (node_oauth, $scenario:ident) => {
        #[test]
        fn at_node_oauth() {
            super::$scenario(super::NODE_OAUTH);
        }
    };
    (mock, $scenario:ident) => {
        #[test]
        fn at_oauth2_mock_server() {
            super::$scenario(super::MOCK);
        }
    };
    (django, $scenario:ident) => {
        #[test]
        #[ignore = "npm run interop"]
        fn at_django_oauth_toolkit() {
            super::$scenario(super::DJANGO);
        }
    };
    (authlib, $scenario:ident) => {
        #[test]
        #[ignore = "npm run interop"]
        fn at_authlib() {
            super::$scenario(super::AUTHLIB);
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
    a_connection_by_code_flow_lives_from_consent_over_two_renewals: code_flow
        at oidc_provider node_oauth mock django authlib;
    a_connection_by_client_credentials_lives_over_two_renewals: client_credentials
        at oidc_provider node_oauth mock django authlib;
    a_connect_link_leads_through_the_provider_and_back_into_the_same_browser_only: connect_link
        at oidc_provider node_oauth mock django authlib;

    // Not at mock: it takes any refresh token.
    a_refresh_token_that_a_thief_used_again_ends_the_grant_and_needs_a_person_once: reused
        at oidc_provider node_oauth django authlib;
    a_refresh_token_revoked_behind_our_back_needs_a_person_once: revoked_behind_our_back
        at oidc_provider node_oauth django authlib;
    // Not at mock: it authenticates nobody.
    a_wrong_client_secret_is_named_and_the_right_one_mends_it: wrong_secret at oidc_provider node_oauth django authlib;
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

/// Consent, use, two renewals: by eight reads at once, by the cron.
fn code_flow(server: Server) {
    let mut stage = Stage::start(server);
    stage.connect_people();
    drop(stage.read().expect_status(409));
    let back = stage.browse();
    assert_eq!(find_parameter(&back, "iss").as_deref(), server.issuer);
    drop(stage.follow(&back).expect_status(200));

    let first = stage.live();
    assert_eq!((stage.api(&first), stage.api("nobody-s")), (200, 401));
    assert_eq!((stage.live(), stage.test_status()), (first.clone(), json!("succeeded")));
    let second = stage.renew(&first);
    drop(stage.renew_by_cron(&second));

    // One code, with a verifier; then each time the refresh token of the last answer, each one once.
    let exchanges = stage.internet.token_requests();
    let given: Vec<_> = exchanges.iter().map(|each| each.answered("refresh_token").unwrap()).collect();
    let sent: Vec<_> = exchanges.iter().filter_map(|each| each.request.field("refresh_token")).collect();
    assert_eq!((given.len(), &sent[..]), (3, &given[..2]));
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(exchanges[0].request.field("code_verifier").unwrap().len(), 43);
    assert_nothing_in_the_clear(&mut stage, &[&parameter(&back, "state")]);
}

/// RFC 7009: what we revoke is dead at the provider; then only a person can help.
fn revoked(server: Server) {
    let mut stage = Stage::start(server);
    stage.connect_people();
    stage.authorize_and_follow();
    let live = stage.live();
    let refresh_token = stage.last_refresh_token();

    assert_eq!(stage.revoke(), json!({ "revoked_at_provider": true, "reason": null }));
    assert_eq!(stage.api(&live), 401);
    stage.assert_dead(&refresh_token);
    for _ in 0..2 {
        drop(stage.read().expect_status(409));
    }
    assert_eq!(stage.internet.token_requests().len(), 1);
    assert_eq!(stage.revoke()["revoked_at_provider"], json!(null));
    stage.authorize_and_follow();
    assert_eq!(stage.api(&stage.live()), 200);
    assert_nothing_in_the_clear(&mut stage, &[]);
}

/// A provider that cannot be told: its token lives on until it expires, and that is said; here nothing is left.
fn forgotten(server: Server) {
    let mut stage = Stage::start(server);
    stage.connect_people();
    stage.authorize_and_follow();
    let live = stage.live();
    let said = json!({ "revoked_at_provider": null, "reason": "The definition has no revoke_request." });
    assert_eq!(stage.revoke(), said);
    assert_eq!(stage.api(&live), 200);
    for _ in 0..2 {
        drop(stage.read().expect_status(409));
    }
    assert_eq!(stage.internet.exchanges().len(), 1);
    stage.authorize_and_follow();
    assert_eq!(stage.api(&stage.live()), 200);
    assert_nothing_in_the_clear(&mut stage, &[&live]);
}

/// First read, use, two renewals, without anybody.
fn client_credentials(server: Server) {
    let mut stage = Stage::start(server);
    stage.connect_machine();
    assert!(stage.internet.exchanges().is_empty(), "asked before anybody wanted a token");
    let first = stage.live();
    assert_eq!((stage.api(&first), stage.api("nobody-s")), (200, 401));
    assert_eq!((stage.live(), stage.test_status()), (first.clone(), json!("succeeded")));
    let second = stage.renew(&first);
    let third = stage.renew_by_cron(&second);
    let exchanges = stage.internet.token_requests();
    let answered: Vec<_> = exchanges.iter().filter_map(|each| each.answered("access_token")).collect();
    assert_eq!(answered, [first, second, third]);
    assert_nothing_in_the_clear(&mut stage, &[]);
}

/// RFC 7009, of a client's own token: the client then gets itself a new one, for which it needs nobody.
fn client_revoked(server: Server) {
    let stage = Stage::start(server);
    stage.connect_machine();
    let first = stage.live();
    assert_eq!(stage.revoke(), json!({ "revoked_at_provider": true, "reason": null }));
    assert_eq!(stage.api(&first), 401);
    let second = stage.live();
    assert_ne!(first, second);
    assert_eq!(stage.api(&second), 200);
}

/// RFC 9700 §4.7: with browser binding demanded, twice; the first time another browser comes back.
fn connect_link(server: Server) {
    let mut stage = Stage::start(server);
    stage.connect_people();
    stage.demand_browser_binding();
    drop(stage.postern.get(&at(KEY, "/authorize")).bearer(&stage.root).send().expect_status(403));

    let (back, cookie) = stage.browse_by_link();
    drop(stage.follow(&back).expect_status(403));
    drop(stage.request("GET", &back).header("Cookie", &cookie).send().expect_status(404));
    assert!(stage.internet.exchanges().is_empty(), "{:?}", stage.internet);

    let (back, cookie) = stage.browse_by_link();
    assert!(cookie.starts_with("__Host-"), "{cookie}");
    drop(stage.request("GET", &back).header("Cookie", &cookie).send().expect_status(200));
    assert_eq!(stage.api(&stage.live()), 200);
}

/// RFC 7009: deletion revokes too.
fn deleted(server: Server) {
    let stage = Stage::start(server);
    stage.connect_people();
    stage.authorize_and_follow();
    let live = stage.live();
    assert_eq!(stage.api(&live), 200);
    drop(stage.postern.delete(&at(KEY, "")).bearer(&stage.root).send().expect_status(204));
    assert_eq!(stage.api(&live), 401);
    drop(stage.read().expect_status(404));
}

/// RFC 6749 §5.2: `invalid_client`, with status 401.
fn wrong_secret(server: Server) {
    let stage = Stage::start(server);
    stage.connect_machine();
    let set = |secret: &str| {
        let secret = json!({ "client_secret": secret });
        let changed = stage.postern.patch(&at(KEY, "/secret")).bearer(&stage.root).json(&secret).send();
        drop(changed.expect_status(200));
    };
    set("another one");
    let refused = stage.read().expect_status(502).json();
    assert!(refused["detail"].as_str().unwrap().contains("(invalid_client)"), "{refused}");
    assert_eq!(stage.internet.exchanges()[0].answer.as_ref().unwrap().status, 401);
    set(server.client_secret);
    assert_eq!(stage.api(&stage.live()), 200);
}

/// RFC 6749 §4.1.2.1: `access_denied`.
fn declined(server: Server) {
    let stage = Stage::start(server);
    stage.connect_people();
    let back = stage.provider.browse_and_cancel(&stage.authorize());
    assert_eq!(parameter(&back, "error"), "access_denied");
    let told = stage.follow(&back).expect_status(400).text();
    assert!(told.contains(server.declined), "{told}");
    drop(stage.read().expect_status(409));
    assert!(stage.internet.exchanges().is_empty());
    stage.authorize_and_follow();
    assert_eq!(stage.api(&stage.live()), 200);
}

/// RFC 7636: whoever has the code and even the client's secret needs the verifier, which Postern alone has.
fn stolen_code(server: Server) {
    let stage = Stage::start(server);
    stage.connect_people();
    let back = stage.browse();
    let (code, redirect_uri) = (parameter(&back, "code"), callback());
    let exchange = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", &redirect_uri)];
    let without = stage.past_postern(server.token_path, &exchange).expect_status(400).json();
    assert_eq!(without["error"], server.unverified, "{without}");
    let guessed = [("code_verifier", "guessed-verifier-guessed-verifier-guessed-verifier")];
    let guessed = stage.past_postern(server.token_path, &[&exchange[..], &guessed].concat()).expect_status(400).json();
    assert_eq!(guessed["error"], "invalid_grant", "{guessed}");
    assert_eq!([stage.follow(&back).status, stage.read().status], server.after_a_guess);
    stage.authorize_and_follow();
    assert_eq!(stage.api(&stage.live()), 200);
}

/// A definition that forbids PKCE gets nothing from a server that demands it: Postern's own challenge was what let the
/// others in.
fn no_pkce(server: Server) {
    let stage = Stage::start(server);
    let definition = server.code.replacen("configuration:\n", "configuration:\n        pkce: false\n", 1);
    stage.connect_people_by(&definition);
    let back = stage.browse();
    assert_eq!(parameter(&back, "error"), "invalid_request");
    drop(stage.follow(&back).expect_status(400));
    drop(stage.read().expect_status(409));
}

/// RFC 6749 §4.1.2: the same callback again; then the old code with a new state.
fn code_twice(server: Server) {
    let stage = Stage::start(server);
    stage.connect_people();
    let back = stage.browse();
    drop(stage.follow(&back).expect_status(200));
    let first = stage.live();
    drop(stage.follow(&back).expect_status(404));
    assert_eq!(stage.internet.exchanges().len(), 1);

    let fresh = parameter(&stage.authorize(), "state");
    let told = stage.follow(&with_state(&back, &fresh)).expect_status(400);
    assert!(told.text().contains("(invalid_grant)"), "{}", told.text());
    assert_eq!((stage.internet.exchanges().len(), stage.live()), (2, first));

    // A server may now end what came of the code, as the RFC asks: then a person must come again, and that is all.
    stage.let_expire();
    let read = stage.read();
    assert!([200, 409].contains(&read.status), "{}", read.text());
    stage.authorize_and_follow();
    assert_eq!(stage.api(&stage.live()), 200);
}

/// RFC 9700 §4.14.2: whoever stole a refresh token after its use and tries it ends the grant, at the provider.
fn reused(server: Server) {
    let stage = Stage::start(server);
    stage.connect_people();
    stage.authorize_and_follow();
    let stolen = stage.last_refresh_token();
    let live = stage.renew(&stage.live());
    stage.assert_dead(&stolen);
    assert_needs_a_person_once(&stage, &live);
}

/// The provider ends the grant without telling us.
fn revoked_behind_our_back(server: Server) {
    let stage = Stage::start(server);
    stage.connect_people();
    stage.authorize_and_follow();
    let live = stage.live();
    let withdrawn = stage.past_postern(server.withdrawal_path, &[("token", &stage.last_refresh_token())]);
    drop(withdrawn.expect_status(200));
    assert_needs_a_person_once(&stage, &live);
}

/// The grant is over at the provider. The refusal is not asked for twice.
#[track_caller]
fn assert_needs_a_person_once(stage: &Stage, live: &str) {
    assert_eq!(stage.live(), live);
    assert_eq!((stage.api(live), stage.test_status()), (401, json!("failed")));
    let before = stage.internet.token_requests().len();

    stage.let_expire();
    for _ in 0..3 {
        let told = stage.read().expect_status(409).json();
        assert!(told["detail"].as_str().unwrap().contains("needs authorization"), "{told}");
    }
    let asked = stage.internet.token_requests().split_off(before);
    let [renewal] = <[_; 1]>::try_from(asked).unwrap();
    assert_eq!(renewal.answered("error").unwrap(), "invalid_grant");

    stage.authorize_and_follow();
    let mended = stage.live();
    assert_eq!(stage.api(&mended), 200);
    assert_eq!(stage.api(&stage.renew(&mended)), 200);
}

/// RFC 9700 §4.4, RFC 9207: two servers, one person, two authorizations. The answer of one comes with the state of the
/// other.
fn mixed_up(server: Server) {
    let (stage, other) = Stage::start_beside(server);
    for (definition, keeps_iss) in [(server.code, true), (server.code, false), (&server.code_without_issuer(), true)] {
        stage.connect_people_by(definition);
        let expected = parameter(&stage.authorize(), "state");
        let answer = other.browse(&stage.authorize_other());
        let mixed = with_state(&answer, &expected);
        let mixed = if keeps_iss { mixed } else { without(&mixed, "iss") };
        let told = stage.follow(&mixed).expect_status(400).text();
        assert!(told.contains("does not come from the provider"), "{told}");
        drop(stage.read().expect_status(409));
    }
    assert!(stage.internet.exchanges().is_empty(), "{:?}", stage.internet);
    stage.authorize_and_follow();
    assert_eq!(stage.api(&stage.live()), 200);
}

/// The same at a server that does not name itself: an answer that names another is refused.
fn mixed_up_with_another_name(server: Server) {
    let (stage, other) = Stage::start_beside(server);
    stage.connect_people();
    let expected = parameter(&stage.authorize(), "state");
    let answer = other.browse(&stage.authorize_other());
    let told = stage.follow(&with_state(&answer, &expected)).expect_status(400).text();
    assert!(told.contains("does not come from the provider"), "{told}");
    drop(stage.read().expect_status(409));
    assert!(stage.internet.exchanges().is_empty(), "{:?}", stage.internet);
    stage.authorize_and_follow();
    assert_eq!(stage.api(&stage.live()), 200);
}

/// E8: what passed between Postern and the provider stands nowhere in its state or log.
fn assert_nothing_in_the_clear(stage: &mut Stage, more: &[&str]) {
    let passed = stage.secrets_that_passed();
    assert!(passed.len() >= 3, "{passed:?}");
    let mut secrets: Vec<_> = passed.iter().map(String::as_str).chain(more.iter().copied()).collect();
    secrets.extend([stage.server.client_secret, stage.root.as_str(), stage.reader.as_str()]);
    assert_kept_secret(&mut stage.postern, KEY, &secrets);
}
