//! The link to authorize anew that goes out with an event where a person is needed.

use serde_json::{Value, json};

use super::{
    Host, bare,
    connect::{click, come_back, start},
    event_delivery::{LATEST, Told, WEBHOOK, answers, listening, status, sweep, told, told_kinds},
    events::{events, failing},
    stage::{ProviderAnswer, answer, refusal, tokens},
};
use crate::{config::tests::GOOD, ports::Clock, protocol::secret::SecretDigest};

/// Ends the grant at the provider: a person is needed.
fn refuse_grant(host: &Host, hook: impl IntoIterator<Item = ProviderAnswer>) {
    answers(host, hook, [refusal(400, "invalid_grant"), answer(200, &tokens(2))]);
    host.wait(3_600);
    assert_eq!(host.live("shop").0, 409);
    host.run_behind();
}

/// The path of the link in a message.
fn link(told: &Told) -> String {
    let link = told.1["data"]["connect_link"].as_str().unwrap();
    link.strip_prefix("https://postern.example").unwrap().to_owned()
}

/// Where a person is needed, the message holds a link that works; it is the same at each attempt, stored nowhere, and
/// listed nowhere.
#[test]
fn a_message_holds_a_link_that_works() {
    let mut host = listening(&[]);
    refuse_grant(&host, [status(500), status(500), status(200)]);
    host.wait(7);
    sweep(&host);
    // A rotation of the application key changes nothing about it.
    let previous = json!([GOOD[2].1]).to_string();
    let rotated =
        [("APP_ENCRYPTION_KEY", "another-key-of-32-bytes-of-text!"), ("APP_ENCRYPTION_KEYS_PREVIOUS", &previous)];
    host.redeploy(&[&WEBHOOK[..], &rotated].concat());
    host.wait(361);
    sweep(&host);
    let told = told(&host);
    assert_eq!(told_kinds(&told), ["authorized", "needs_authorization", "needs_authorization", "needs_authorization"]);
    assert!(told[1] == told[2] && told[2] == told[3], "{told:?}");
    let expires_at = told[1].1["data"]["connect_link_expires_at"].as_str().unwrap();
    assert!(expires_at.starts_with("2023-11-15T23:1"), "{expires_at}");
    let path = link(&told[1]);
    let token = path.strip_prefix("/connect/").unwrap();
    let dump = host.memory.dump();
    assert!(!dump.contains(token) && dump.contains(SecretDigest::of(token).as_str()), "{dump}");
    assert!(!json!([events(&host, "shop"), host.view("shop")]).to_string().contains("connect_link"));
    let (state, cookie) = start(&host, &path);
    assert_eq!(come_back(&host, &state, &cookie).status, 200);
    assert_eq!((host.live("shop").0, click(&host, &path).status), (200, 404));
}

/// A link that was used, or is over, is not told any more; one that a person has already is left to them.
#[test]
fn only_a_link_that_can_be_used_is_told() {
    let host = listening(&[]);
    refuse_grant(&host, [status(500), status(200)]);
    start(&host, &link(&told(&host)[1]));
    host.wait(7);
    sweep(&host);
    let messages = told(&host);
    assert_eq!((messages.len(), &messages[2].1["data"]["connect_link"]), (3, &Value::Null));
    let host = listening(&[]);
    assert_eq!(host.as_root("POST", "/connection/shop/connect_link", &Value::Null).status, 200);
    host.wait(3_000);
    assert_eq!(host.as_root("POST", "/connection/shop/connect_link", &Value::Null).status, 200);
    host.wait(600);
    answers(&host, [status(200)], [refusal(400, "invalid_grant")]);
    assert_eq!(host.live("shop").0, 409);
    host.run_behind();
    let messages = told(&host);
    assert_eq!((messages.len(), &messages[1].1["data"]["connect_link"]), (2, &Value::Null));
    // The receiver is down for longer than the link lives.
    let host = listening(&[]);
    refuse_grant(&host, [status(500)]);
    for wait in &LATEST[..7] {
        host.wait(*wait);
        sweep(&host);
    }
    let messages = told(&host);
    let has_link = |message: &Told| message.1["data"]["connect_link"].is_string();
    assert_eq!(messages.iter().map(has_link).collect::<Vec<_>>(), [&[false][..], &[true; 7], &[false]].concat());
    let path = link(&messages[1]);
    assert_eq!(click(&host, &path).status, 404);
}

/// No link where nobody is to begin: the grant was ended by a caller, or nobody can, or nothing is wrong.
#[test]
fn other_events_hold_no_link() {
    let host = listening(&[]);
    assert_eq!(host.as_root("POST", "/connection/shop/revoke", &Value::Null).status, 200);
    host.run_behind();
    let last = told(&host).pop().unwrap();
    assert_eq!((&last.1["data"]["reason"], &last.1["data"]["connect_link"]), (&json!("revoked"), &Value::Null));
    let host = failing(Host::with(&WEBHOOK));
    host.run_behind();
    assert!(told(&host).iter().all(|(_, body)| body["data"]["connect_link"] == Value::Null));
    // Without a webhook nobody would hear of it: none is made.
    let host = Host::new().with_authorized("shop");
    let secrets = json!({ "client_id": "shop-client", "client_secret": "canary-other" });
    assert_eq!(host.put_secrets("shop", &secrets).status, 200);
    assert_eq!(host.memory.now().0, 1_700_000_000);
    assert!(!host.memory.dump().contains("\"link\""));
    let host = listening(&[]);
    assert_eq!(host.put_secrets("shop", &secrets).status, 200);
    host.run_behind();
    let last = told(&host).pop().unwrap();
    assert_eq!(last.1["data"]["reason"], "secrets_replaced");
    assert_eq!(host.send(&bare("GET", &link(&last))).status, 200);
}
