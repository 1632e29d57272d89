//! The client half against two authorization servers that others wrote: the npm package `oidc-provider` and the Python
//! package `django-oauth-toolkit`. Both demand PKCE, take each refresh token once and name themselves in the callback
//! (RFC 9207).
//!
//! `npm run interop` makes the Python environment and runs these tests, which otherwise are ignored.
#![expect(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "test: a failure is a failed test")]

#[path = "../common/mod.rs"]
mod common;
mod internet;
mod stage;

use std::collections::BTreeSet;

use common::{assert_kept_secret, at, parameter};
use serde_json::json;
use stage::{CLIENT_SECRET, DJANGO, KEY, OIDC_PROVIDER, Server, Stage, callback, with_state, without};

/// Each scenario is a test against either server.
macro_rules! at_both {
    ($($name:ident: $scenario:ident,)*) => {
        $(
            mod $name {
                use super::{DJANGO, OIDC_PROVIDER, $scenario};

                #[test]
                #[ignore = "npm run interop"]
                fn at_oidc_provider() {
                    $scenario(OIDC_PROVIDER);
                }

                #[test]
                #[ignore = "npm run interop"]
                fn at_django_oauth_toolkit() {
                    $scenario(DJANGO);
                }
            }
        )*
    };
}

at_both! {
    a_connection_by_code_flow_lives_from_consent_over_two_renewals_to_revocation: code_flow,
    a_connection_by_client_credentials_lives_over_two_renewals_and_a_revocation: client_credentials,
    a_connect_link_leads_through_the_provider_and_back_into_the_same_browser_only: connect_link,
    a_deleted_connection_leaves_no_token_at_the_provider: deleted,
    a_wrong_client_secret_is_named_and_the_right_one_mends_it: wrong_secret,
    a_person_who_declines_leaves_the_connection_without_token: declined,
    a_code_is_worth_nothing_without_its_verifier: stolen_code,
    without_pkce_there_is_no_authorization: no_pkce,
    a_code_that_comes_twice_is_refused_and_does_no_harm: code_twice,
    a_refresh_token_revoked_behind_our_back_needs_a_person_once: revoked_behind_our_back,
    an_answer_of_another_server_is_refused_before_its_code_goes_anywhere: mixed_up,
}

/// Consent, use, two renewals, revocation; then only a person can help.
fn code_flow(server: Server) {
    let mut stage = Stage::start(server);
    stage.connect_people();
    drop(stage.read().expect_status(409));
    let back = stage.browse();
    assert_eq!(parameter(&back, "iss"), server.issuer);
    drop(stage.follow(&back).expect_status(200));

    let first = stage.live();
    assert_eq!((stage.api(&first), stage.api("nobody-s")), (200, 401));
    assert_eq!((stage.live(), stage.test_status()), (first.clone(), json!("succeeded")));
    let second = stage.renew(&first);
    let third = stage.renew_by_cron(&second);

    // One code, with a verifier; then each time the refresh token of the last answer, each one once.
    let exchanges = stage.internet.token_requests();
    let given: Vec<_> = exchanges.iter().map(|each| each.answered("refresh_token").unwrap()).collect();
    let sent: Vec<_> = exchanges.iter().filter_map(|each| each.request.field("refresh_token")).collect();
    assert_eq!((given.len(), &sent[..]), (3, &given[..2]));
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(exchanges[0].request.field("code_verifier").unwrap().len(), 43);

    assert_eq!(stage.revoke(), json!({ "revoked_at_provider": true, "reason": null }));
    assert_eq!(stage.api(&third), 401);
    let renewal = [("grant_type", "refresh_token"), ("refresh_token", &given[2])];
    let refused = stage.past_postern(server.token_path, &renewal).expect_status(400).json();
    assert_eq!(refused["error"], "invalid_grant", "{refused}");
    for _ in 0..2 {
        drop(stage.read().expect_status(409));
    }
    assert_eq!(stage.internet.token_requests().len(), 3);
    assert_eq!(stage.revoke()["revoked_at_provider"], json!(null));
    stage.authorize_and_follow();
    assert_eq!(stage.api(&stage.live()), 200);
    assert_nothing_in_the_clear(&mut stage, &[&parameter(&back, "state")]);
}

/// First read, use, two renewals, revocation; then the client gets itself a new token, for which it needs nobody.
fn client_credentials(server: Server) {
    let mut stage = Stage::start(server);
    stage.connect_machine();
    assert!(stage.internet.exchanges().is_empty(), "asked before anybody wanted a token");
    let first = stage.live();
    assert_eq!((stage.api(&first), stage.api("nobody-s")), (200, 401));
    assert_eq!((stage.live(), stage.test_status()), (first.clone(), json!("succeeded")));
    let second = stage.renew(&first);
    let third = stage.renew_by_cron(&second);
    let answered: Vec<_> =
        stage.internet.token_requests().iter().filter_map(|each| each.answered("access_token")).collect();
    assert_eq!(answered, [first.clone(), second.clone(), third.clone()]);

    assert_eq!(stage.revoke(), json!({ "revoked_at_provider": true, "reason": null }));
    assert_eq!(stage.api(&third), 401);
    let fourth = stage.live();
    assert!(![&first, &second, &third].contains(&&fourth));
    assert_eq!(stage.api(&fourth), 200);
    assert_nothing_in_the_clear(&mut stage, &[]);
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
    assert_eq!(stage.internet.exchanges()[0].answer.status, 401);
    set(CLIENT_SECRET);
    assert_eq!(stage.api(&stage.live()), 200);
}

/// RFC 6749 §4.1.2.1: `access_denied`.
fn declined(server: Server) {
    let stage = Stage::start(server);
    stage.connect_people();
    let back = stage.provider.browse_and_cancel(&stage.authorize());
    assert_eq!(parameter(&back, "error"), "access_denied");
    let told = stage.follow(&back).expect_status(400).text();
    // RFC 9207 §2.4: an error without `iss`, as django-oauth-toolkit sends it, may be anybody's.
    let is_signed = back.contains("&iss=");
    assert!(told.contains(if is_signed { "(access_denied)" } else { "does not come from the provider" }), "{told}");
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
    assert!(without["error"] == "invalid_grant" || without["error"] == "invalid_request", "{without}");
    let guessed = [("code_verifier", "guessed-verifier-guessed-verifier-guessed-verifier")];
    let guessed = stage.past_postern(server.token_path, &[&exchange[..], &guessed].concat()).expect_status(400).json();
    assert_eq!(guessed["error"], "invalid_grant", "{guessed}");
    drop(stage.follow(&back).expect_status(200));
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

/// The provider ends the grant without telling us. The refusal is not asked for twice.
fn revoked_behind_our_back(server: Server) {
    let stage = Stage::start(server);
    stage.connect_people();
    stage.authorize_and_follow();
    let live = stage.live();
    let refresh_token = stage.internet.token_requests()[0].answered("refresh_token").unwrap();
    drop(stage.past_postern(server.revocation_path, &[("token", &refresh_token)]).expect_status(200));
    assert_eq!((stage.api(&live), stage.test_status()), (401, json!("failed")));

    stage.let_expire();
    for _ in 0..3 {
        let told = stage.read().expect_status(409).json();
        assert!(told["detail"].as_str().unwrap().contains("needs authorization"), "{told}");
    }
    let [_, renewal] = <[_; 2]>::try_from(stage.internet.token_requests()).unwrap();
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

/// E8: what passed between Postern and the provider stands nowhere in its state or log.
fn assert_nothing_in_the_clear(stage: &mut Stage, more: &[&str]) {
    let passed = stage.secrets_that_passed();
    assert!(passed.len() >= 3, "{passed:?}");
    let mut secrets: Vec<_> = passed.iter().map(String::as_str).chain(more.iter().copied()).collect();
    secrets.extend([CLIENT_SECRET, stage.root.as_str(), stage.reader.as_str()]);
    assert_kept_secret(&mut stage.postern, KEY, &secrets);
}
