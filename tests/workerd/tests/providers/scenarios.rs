//! What is played at the servers: one function each, a test at each server that the table names.

use std::collections::BTreeSet;

use serde_json::json;

use crate::common::{assert_kept_secret, at, parameter};
use crate::servers::{ODD_SECRET, Server};
use crate::stage::{KEY, REFRESH_TTL, Stage, callback, find_parameter, with_state, without};

/// Consent, use, three renewals: by eight reads at once, by the cron, by both at once.
pub(crate) fn code_flow(server: Server) {
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
    let third = stage.renew_by_cron(&second);
    drop(stage.renew_by_all(&third));

    // One code, with a verifier; then each time the refresh token of the last answer, each one once.
    let exchanges = stage.internet.token_requests();
    let given: Vec<_> = exchanges.iter().map(|each| each.answered("refresh_token").unwrap()).collect();
    let sent: Vec<_> = exchanges.iter().filter_map(|each| each.request.field("refresh_token")).collect();
    assert_eq!((given.len(), &sent[..]), (4, &given[..3]));
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 4);
    assert_eq!(exchanges[0].request.field("code_verifier").unwrap().len(), 43);
    assert_nothing_in_the_clear(&mut stage, &[&parameter(&back, "state")]);
}

/// RFC 7009: what we revoke is dead at the provider; then only a person can help.
pub(crate) fn revoked(server: Server) {
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
pub(crate) fn forgotten(server: Server) {
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

/// First read, use, three renewals, without anybody.
pub(crate) fn client_credentials(server: Server) {
    let mut stage = Stage::start(server);
    stage.connect_machine();
    assert!(stage.internet.exchanges().is_empty(), "asked before anybody wanted a token");
    let first = stage.live();
    assert_eq!((stage.api(&first), stage.api("nobody-s")), (200, 401));
    assert_eq!((stage.live(), stage.test_status()), (first.clone(), json!("succeeded")));
    let second = stage.renew(&first);
    let third = stage.renew_by_cron(&second);
    let fourth = stage.renew_by_all(&third);
    let exchanges = stage.internet.token_requests();
    let answered: Vec<_> = exchanges.iter().filter_map(|each| each.answered("access_token")).collect();
    assert_eq!(answered, [first, second, third, fourth]);
    assert_nothing_in_the_clear(&mut stage, &[]);
}

/// RFC 7009, of a client's own token: the client then gets itself a new one, for which it needs nobody.
pub(crate) fn client_revoked(server: Server) {
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
pub(crate) fn connect_link(server: Server) {
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
pub(crate) fn deleted(server: Server) {
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
pub(crate) fn wrong_secret(server: Server) {
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

/// RFC 6749 §2.3.1 has a secret form-encoded in the header. A server that does not decode it refuses one with odd
/// characters, which is said, and takes it in the form.
pub(crate) fn odd_secret(server: Server) {
    let stage = Stage::start(Server { client_secret: ODD_SECRET, ..server });
    stage.connect_machine();
    let refused = stage.read().expect_status(502).json();
    assert!(refused["detail"].as_str().unwrap().contains("(invalid_client)"), "{refused}");
    stage.connect_people();
    stage.authorize_and_follow();
    assert_eq!(stage.api(&stage.live()), 200);
}

/// RFC 6749 §4.1.2.1: `access_denied`.
pub(crate) fn declined(server: Server) {
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
pub(crate) fn stolen_code(server: Server) {
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
pub(crate) fn no_pkce(server: Server) {
    let stage = Stage::start(server);
    let definition = server.code.replacen("configuration:\n", "configuration:\n        pkce: false\n", 1);
    stage.connect_people_by(&definition);
    let back = stage.browse();
    assert_eq!(parameter(&back, "error"), "invalid_request");
    drop(stage.follow(&back).expect_status(400));
    drop(stage.read().expect_status(409));
}

/// RFC 6749 §4.1.2: the same callback again; then the old code with a new state.
pub(crate) fn code_twice(server: Server) {
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
pub(crate) fn reused(server: Server) {
    let stage = Stage::start(server);
    stage.connect_people();
    stage.authorize_and_follow();
    let stolen = stage.last_refresh_token();
    let live = stage.renew(&stage.live());
    stage.assert_dead(&stolen);
    assert_needs_a_person_once(&stage, &live);
}

/// The provider ends the grant without telling us.
pub(crate) fn revoked_behind_our_back(server: Server) {
    let stage = Stage::start(server);
    stage.connect_people();
    stage.authorize_and_follow();
    let live = stage.live();
    let withdrawn = stage.past_postern(server.withdrawal_path, &[("token", &stage.last_refresh_token())]);
    drop(withdrawn.expect_status(200));
    assert_needs_a_person_once(&stage, &live);
}

/// Nobody read and no cron ran until the refresh token had expired too.
pub(crate) fn slept_over(server: Server) {
    let stage = Stage::start(server);
    stage.connect_people();
    stage.authorize_and_follow();
    // A server may count from when the access token expires.
    stage.let_expire();
    stage.clock.advance(REFRESH_TTL);
    assert_asks_once_and_mends(&stage);
}

/// The grant is over at the provider. The refusal is not asked for twice.
#[track_caller]
fn assert_needs_a_person_once(stage: &Stage, live: &str) {
    assert_eq!(stage.live(), live);
    assert_eq!((stage.api(live), stage.test_status()), (401, json!("failed")));
    stage.let_expire();
    assert_asks_once_and_mends(stage);
}

/// One renewal is tried and refused; then a person makes all well again.
#[track_caller]
fn assert_asks_once_and_mends(stage: &Stage) {
    let before = stage.internet.token_requests().len();
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
pub(crate) fn mixed_up(server: Server) {
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
pub(crate) fn mixed_up_with_another_name(server: Server) {
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
