//! What `npm run bundle` writes, started as its own `start.sh` starts it: Postern on a machine of one's own.

mod common;

use std::fs;

use common::{Client, at, client, connect, read, root, secrets, sign_in, token};
use serde_json::json;
use workerd_tests::{Mock, MockAnswer, Postern, Setup, bundle};

/// The definition of a client's own tokens.
const CLIENT_CREDENTIALS: &str = include_str!("../../../fixtures/connector/local_client_credentials.yml");

/// Started, walked through, killed, written anew while it is down, started again: what there was is there. Providers on
/// this machine are out of its reach, whatever the settings say.
#[test]
fn a_bundle_serves_and_outlives_a_kill() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("postern");
    bundle(&folder).unwrap();
    let mut postern = Postern::start(Setup::new().bundle(&folder));
    drop(postern.get("/ready").send().expect_status(200));
    let master = root(&postern);
    let Client { id, secret } = client(&postern, &master, &["scope:read", "connection:read", "connection_token:read"]);
    let own = token(&postern, &id, &secret);
    let mock = Mock::start(|_| MockAnswer::json(200, &json!({ "access_token": "never" })));
    connect(&postern, &master, "shop", CLIENT_CREDENTIALS, &secrets(&mock.url()));
    drop(read(&postern, &own, "shop").expect_status(502));
    assert!(mock.requests().is_empty());
    drop(postern.fire_cron().expect_status(200));

    postern.kill();
    bundle(&folder).unwrap();
    postern.kill_and_restart();
    drop(sign_in(&postern, &id, &secret).send().expect_status(200));
    let shown = postern.get(&at("shop", "")).bearer(&own).send().expect_status(200).json();
    assert_eq!((&shown["key"], &shown["refresh"]["fault"]), (&json!("shop"), &json!("unreachable")));
}

/// A folder that is no bundle is left as it is.
#[test]
fn a_folder_of_other_things_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.txt");
    fs::write(&file, "dear").unwrap();
    let told = bundle(folder.path()).unwrap_err();
    assert!(told.contains("is no bundle"), "{told}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
