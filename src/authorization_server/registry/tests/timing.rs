//! What a guess costs: not measured in time, but counted in steps.

use super::*;
use crate::{authorization_server::client::tests::rotation, protocol::secret::tests::COMPARISONS};

/// M1: an unknown client costs the comparisons of a known one, and so do a right, a wrong, an old and an expired
/// secret.
#[test]
fn every_secret_costs_the_same_comparisons() {
    let (registry, _) = registry();
    let rotated = || Action::Rotate(target("strong"), Rotation { secret_expires_at: None, ..rotation("second", 600) });
    let root = Caller { is_root: true, ..caller("root", "client:update a b") };
    act_as(&registry, root, "client:update", rotated());
    let expired = Client { secret_expires_at: Some(NOW), ..client("expired", "a") };
    registry.clients.insert(&expired).unwrap();
    for (id, secret) in [
        ("nobody", "x"),
        ("weak", "weak"),
        ("weak", "x"),
        ("strong", "strong"),
        ("strong", "second"),
        ("strong", "x"),
        ("expired", "expired"),
        ("expired", "x"),
    ] {
        let before = COMPARISONS.get();
        sign_in(&registry, id, secret);
        assert_eq!(COMPARISONS.get() - before, 2, "{id} {secret}");
    }
}
