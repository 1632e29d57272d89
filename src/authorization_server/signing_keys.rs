//! The ring of keys that sign access tokens, each with its life: published, signing, retired.
//!
//! Decides: which key signs now, whose tokens are still accepted, which keys are published (RFC 7517 §5). Leaves to
//! others: whether the schedule makes sense (`config`), what a token says.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    config::ScheduledKey,
    protocol::{
        jwk::Jwk,
        time::{Seconds, UnixSeconds},
    },
};

/// A key of the ring.
pub struct RingKey {
    /// What the Ed25519 key pair is made of.
    pub seed: Zeroizing<[u8; 32]>,
    /// Its public half, named by its thumbprint (RFC 7638).
    pub public: Jwk,
    /// That name: `kid`.
    pub key_id: String,
    /// From then on it is published, and its tokens are accepted.
    publish_from: UnixSeconds,
    /// From then on it may sign.
    sign_from: UnixSeconds,
    /// Until then: a token that it signs later would outlive it.
    sign_until: Option<UnixSeconds>,
    /// From then on it is nothing any more.
    pub retire_at: Option<UnixSeconds>,
}

impl RingKey {
    /// The key of a schedule with its public half, for tokens of this lifetime.
    fn new(scheduled: &ScheduledKey, public: Jwk, lifetime: Seconds) -> Self {
        let &ScheduledKey { ref seed, publish_from, sign_from, retire_at } = scheduled;
        let (seed, key_id, sign_until) = (seed.clone(), public.name(), retire_at.map(|at| at.minus(lifetime)));
        Self { seed, public, key_id, publish_from, sign_from, sign_until, retire_at }
    }

    /// Whether it is published: also before it signs, so that everybody knows it by then.
    fn is_published(&self, now: UnixSeconds) -> bool {
        self.publish_from <= now && self.retire_at.is_none_or(|at| now < at)
    }

    /// Whether it may sign.
    fn may_sign(&self, now: UnixSeconds) -> bool {
        self.sign_from <= now && self.sign_until.is_none_or(|until| now <= until) && self.is_published(now)
    }
}

impl std::fmt::Debug for RingKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RingKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// All keys of a deployment.
#[derive(Debug)]
pub struct KeyRing(Vec<RingKey>);

impl KeyRing {
    /// The ring of a schedule with the public half of each key, for tokens of this lifetime.
    #[must_use]
    pub fn new(schedule: &[ScheduledKey], public: Vec<Jwk>, lifetime: Seconds) -> Self {
        Self(schedule.iter().zip(public).map(|(key, public)| RingKey::new(key, public, lifetime)).collect())
    }

    /// The key that signs: of those that may, the one that began last.
    #[must_use]
    pub fn signing(&self, now: UnixSeconds) -> Option<&RingKey> {
        self.0.iter().filter(|key| key.may_sign(now)).max_by_key(|key| key.sign_from)
    }

    /// The published key of this name. Names are compared with those in memory, nothing else is done with them
    /// (checklist J4).
    #[must_use]
    pub fn published(&self, key_id: &str, now: UnixSeconds) -> Option<&RingKey> {
        self.0.iter().find(|key| key.key_id == key_id && key.is_published(now))
    }

    /// The published keys as a document (RFC 7517 §5).
    #[must_use]
    pub fn to_json(&self, now: UnixSeconds) -> Value {
        let keys: Vec<Value> =
            self.0.iter().filter(|key| key.is_published(now)).map(|key| key.public.to_json()).collect();
        json!({ "keys": keys })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::signatures::public_halves;

    /// The ring of a schedule.
    fn ring_of(schedule: &[ScheduledKey], lifetime: Seconds) -> KeyRing {
        KeyRing::new(schedule, public_halves(schedule), lifetime)
    }

    /// A ring of keys with these instants: published, signing, retired.
    fn ring(schedule: &[(u64, u64, Option<u64>)]) -> KeyRing {
        let keys = schedule.iter().zip(1..).map(|((publish_from, sign_from, retire_at), seed)| ScheduledKey {
            seed: Zeroizing::new([seed; 32]),
            publish_from: UnixSeconds(*publish_from),
            sign_from: UnixSeconds(*sign_from),
            retire_at: retire_at.map(UnixSeconds),
        });
        ring_of(&keys.collect::<Vec<_>>(), Seconds(0))
    }

    /// Which key signs, and which are published, by their position.
    fn at(ring: &KeyRing, now: u64) -> (Option<usize>, Vec<usize>) {
        let now = UnixSeconds(now);
        let position = |key_id: &str| ring.0.iter().position(|key| key.key_id == key_id).unwrap();
        let document = ring.to_json(now);
        let published: Vec<&str> =
            document["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
        for key in &ring.0 {
            assert_eq!(ring.published(&key.key_id, now).is_some(), published.contains(&key.key_id.as_str()));
        }
        (ring.signing(now).map(|key| position(&key.key_id)), published.into_iter().map(position).collect())
    }

    /// J16: published ahead, signing, still published for the tokens that live, gone.
    #[test]
    fn a_rotation_publishes_ahead_and_retires_late() {
        let ring = ring(&[(0, 0, Some(300)), (100, 200, Some(500)), (400, 450, None)]);
        for (now, signing, published) in [
            (0, Some(0), vec![0]),
            (99, Some(0), vec![0]),
            (100, Some(0), vec![0, 1]),
            (199, Some(0), vec![0, 1]),
            (200, Some(1), vec![0, 1]),
            (299, Some(1), vec![0, 1]),
            (300, Some(1), vec![1]),
            (400, Some(1), vec![1, 2]),
            (450, Some(2), vec![1, 2]),
            (500, Some(2), vec![2]),
            (u64::MAX, Some(2), vec![2]),
        ] {
            assert_eq!(at(&ring, now), (signing, published), "{now}");
        }
    }

    #[test]
    fn there_may_be_no_key_that_signs() {
        let ring = ring(&[(5, 10, Some(20))]);
        for (now, signing, published) in
            [(4, None, vec![]), (5, None, vec![0]), (10, Some(0), vec![0]), (20, None, vec![])]
        {
            assert_eq!(at(&ring, now), (signing, published), "{now}");
        }
    }

    #[test]
    fn an_earlier_key_signs_again_where_the_later_one_retires_first() {
        let ring = ring(&[(0, 10, Some(20)), (0, 0, None)]);
        assert_eq!((at(&ring, 9).0, at(&ring, 19).0, at(&ring, 20).0), (Some(1), Some(0), Some(1)));
    }

    /// J16: no token outlives its key: in time, the key stops to sign.
    #[test]
    fn a_key_signs_no_token_that_would_outlive_it() {
        let key = ScheduledKey {
            seed: Zeroizing::new([1; 32]),
            publish_from: UnixSeconds(0),
            sign_from: UnixSeconds(0),
            retire_at: Some(UnixSeconds(1000)),
        };
        let ring = ring_of(&[key], Seconds(60));
        let at =
            |now| (ring.signing(UnixSeconds(now)).is_some(), ring.to_json(UnixSeconds(now))["keys"][0].is_object());
        assert_eq!([940, 941, 999, 1000].map(at), [(true, true), (false, true), (false, true), (false, false)]);
    }

    #[test]
    fn the_key_set_says_what_each_key_is_for_and_nothing_secret() {
        let document = ring(&[(0, 0, None)]).to_json(UnixSeconds(0));
        // Public key and thumbprint of the seed of 32 bytes 01, worked out with openssl.
        let (x, kid) = ("iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w", "UDDReOZl1ipXAfp9wYsm13sDBMK5og--QWdBjzuf6o4");
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig" });
        assert_eq!(document, json!({ "keys": [key] }));
    }

    /// L6: the ring prints no key.
    #[test]
    fn debug_output_shows_names_only() {
        let text = format!("{:?}", ring(&[(0, 0, None)]));
        assert!(text.starts_with("KeyRing([RingKey { key_id: \"") && text.ends_with(", .. }])"), "{text}");
    }
}
