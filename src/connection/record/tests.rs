//! Stored forms.

use super::*;
use crate::connection::{
    key::ConnectionKey,
    profile::{Access, LastTest},
};

/// The stored forms: reverting a change to one must make this fail.
#[test]
fn stored_forms_are_pinned() {
    let profile = Profile {
        key: ConnectionKey::parse("shop").unwrap(),
        name: Some("Shop".to_owned()),
        description: None,
        access: Access::Write,
        disabled: false,
        created_at: UnixSeconds(1_700_000_000),
        updated_at: UnixSeconds(1_700_000_060),
        last_test: None,
    };
    let mut record = Record::new(profile.clone());
    let envelope = Envelope::stored("v1.k.e".to_owned());
    let (state, expires_at) = (SecretDigest::of("state"), UnixSeconds(1_700_000_600));
    let (code_verifier, browser) = (Some(envelope.clone()), Some(SecretDigest::of("cookie")));
    let return_to = Some("https://app.example/done".to_owned());
    record.pending = Some(Pending { state, expires_at, code_verifier, browser, return_to: return_to.clone() });
    record.link = Some(ConnectLink { token: SecretDigest::of("token"), expires_at, return_to });
    record.secrets = Some(envelope);
    let stored = |part| record.stored(part).unwrap();
    let text = |file: &str| file.trim_end().to_owned();
    let pinned = text(include_str!("../../../fixtures/storage/v1/profile.json"));
    assert_eq!(stored(Part::Profile), ("profile", pinned.clone()));
    assert_eq!(json::read::<Profile>(pinned.as_bytes()).unwrap(), profile);
    for (member, other) in [("\"write\"", "\"Write\""), ("\"shop\"", "\"a shop\""), ("1700000060", "null")] {
        assert!(json::read::<Profile>(pinned.replace(member, other).as_bytes()).is_err(), "{other}");
    }
    let last_test = Some(LastTest { at: UnixSeconds(1_700_000_120), succeeded: false });
    let tested = Record::new(Profile { last_test, ..profile.clone() });
    let pinned = text(include_str!("../../../fixtures/storage/v1/tested_profile.json"));
    assert_eq!(tested.stored(Part::Profile).unwrap().1, pinned);
    assert_eq!(json::read::<Profile>(pinned.as_bytes()).unwrap(), Profile { last_test, ..profile });
    assert_eq!(stored(Part::Pending), ("pending", text(include_str!("../../../fixtures/storage/v1/pending.json"))));
    assert_eq!(stored(Part::Link), ("link", text(include_str!("../../../fixtures/storage/v1/link.json"))));
    // As it was written before authorizations were bound to browsers.
    let unbound = r#"{"state":"x","expires_at":1700000600,"code_verifier":null}"#;
    assert!(json::read::<Pending>(unbound.as_bytes()).unwrap().browser.is_none());
    assert_eq!(stored(Part::Secrets), ("secrets", "\"v1.k.e\"".to_owned()));
    assert_eq!(stored(Part::Grant), ("grant", "null".to_owned()));
}
