//! The tokens that a provider gave, as stored, and when they are due.
//!
//! Leaves to others: what is done about it (`refresh`), sealing (`envelope`).

use serde::Serialize;
use serde_json::Value;

use super::envelope::Envelope;
use crate::protocol::{
    json::{BadMember, FromJson, Members, required},
    time::{Seconds, UnixSeconds},
};

/// A provider's tokens, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// 1 for the first answer of the provider, one more for each that takes its place; part of what its envelopes
    /// authenticate.
    pub generation: u64,
    /// The access token, sealed.
    pub access_token: Envelope,
    /// `token_type` as the provider spelled it, or `Bearer`.
    pub token_type: String,
    /// The refresh token, sealed.
    pub refresh_token: Option<Envelope>,
    /// The generation under which the refresh token was sealed (a provider may give a new one only sometimes).
    pub refresh_token_generation: u64,
    /// When the provider answered.
    pub obtained_at: UnixSeconds,
    /// When the access token expires; never unknown (a lifetime is assumed where the provider tells none).
    pub expires_at: UnixSeconds,
    /// The scope that was granted, where the provider told it.
    pub scope: Option<String>,
    /// What the definition asked to be kept of the answer, sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Envelope>,
    /// How much later than others it is due, in 1024ths of the lead: tokens of the same second are not all renewed in
    /// the same second.
    pub jitter: u8,
    /// The provider gave the same access token again, so it is asked no more before that one has expired.
    pub repeated: bool,
    /// Which of the ordered provider credentials the provider took.
    pub credentials: u8,
}

/// The lead is never more than this share of a token's life: one fifth, so that a token of ten minutes is not renewed
/// on every read as in Fides.
const LEAD_SHARE: u64 = 5;

/// A token that the provider gave twice is not asked for again sooner than this, and no other one where nobody reads
/// it, however short it lives.
pub(super) const SHORTEST_REPETITION: Seconds = Seconds(60);

/// How far the clock may have been set back without anybody minding.
const CLOCK_TOLERANCE: Seconds = Seconds(60);

impl FromJson for Grant {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = Members::of(value)?;
        Ok(Self {
            generation: required(members.number("generation")?, "generation")?,
            access_token: required(members.text("access_token")?.map(Envelope::stored), "access_token")?,
            token_type: required(members.text("token_type")?, "token_type")?,
            refresh_token: members.text("refresh_token")?.map(Envelope::stored),
            refresh_token_generation: required(
                members.number("refresh_token_generation")?,
                "refresh_token_generation",
            )?,
            obtained_at: required(members.instant("obtained_at")?, "obtained_at")?,
            expires_at: required(members.instant("expires_at")?, "expires_at")?,
            scope: members.text("scope")?,
            kept: members.text("kept")?.map(Envelope::stored),
            jitter: members.byte("jitter")?,
            repeated: members.flag("repeated")?,
            credentials: members.byte("credentials")?,
        })
    }
}

impl Grant {
    /// When the token is due: the lead before it expires, less the jitter. A lead of 0 means at expiry.
    #[must_use]
    pub fn due_at(&self, lead: Seconds) -> UnixSeconds {
        if self.repeated {
            return self.expires_at.max(self.obtained_at.plus(SHORTEST_REPETITION));
        }
        let lifetime = self.expires_at.since(self.obtained_at);
        let longest = lead.0.min(lifetime.0 / LEAD_SHARE);
        self.expires_at.minus(Seconds(longest - longest * u64::from(self.jitter) / 1024))
    }

    /// Whether it was obtained later than now: the clock was set back, and `expires_at` says nothing any more.
    #[must_use]
    pub fn is_from_the_future(&self, now: UnixSeconds) -> bool {
        now.plus(CLOCK_TOLERANCE) < self.obtained_at
    }

    /// What was asked for and not granted (checklist K16). A provider that tells no scope has granted what was asked
    /// for (RFC 6749 §5.1). Some separate scopes by commas.
    #[must_use]
    pub fn lacks<'a>(&self, requested: &'a str) -> Vec<&'a str> {
        let Some(granted) = self.scope.as_deref() else { return Vec::new() };
        let is_granted = |scope: &str| scopes(granted).any(|own| own == scope);
        scopes(requested).filter(|scope| !is_granted(scope)).collect()
    }
}

/// The single scopes of a text.
fn scopes(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',']).filter(|scope| !scope.is_empty())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::protocol::json;

    /// A grant obtained at 1000 that lives for 1000 seconds: due at 1800 with the default lead.
    pub(in crate::connection) fn grant() -> Grant {
        let envelope = Envelope::stored("v1.k.e".to_owned());
        Grant {
            generation: 1,
            access_token: envelope.clone(),
            token_type: "Bearer".to_owned(),
            refresh_token: Some(envelope),
            refresh_token_generation: 1,
            obtained_at: UnixSeconds(1_000),
            expires_at: UnixSeconds(2_000),
            scope: None,
            kept: None,
            jitter: 0,
            repeated: false,
            credentials: 0,
        }
    }

    #[test]
    fn the_lead_is_the_smaller_of_setting_and_a_fifth_of_the_life() {
        assert_eq!(grant().due_at(Seconds(100)), UnixSeconds(1_900));
        assert_eq!(grant().due_at(Seconds(600)), UnixSeconds(1_800));
        assert_eq!(grant().due_at(Seconds(0)), UnixSeconds(2_000));
    }

    /// Later by up to a quarter of the lead, never at or after expiry.
    #[test]
    fn jitter_shortens_the_lead_by_up_to_a_quarter() {
        for (jitter, due) in [(0, 1_800), (128, 1_825), (255, 1_849)] {
            assert_eq!(Grant { jitter, ..grant() }.due_at(Seconds(600)), UnixSeconds(due), "{jitter}");
        }
    }

    /// A token that came twice is due at its end, and not at once again if that has passed.
    #[test]
    fn a_repeated_token_is_due_when_it_expires() {
        let repeated = Grant { repeated: true, ..grant() };
        assert_eq!(repeated.due_at(Seconds(600)), UnixSeconds(2_000));
        let short = Grant { expires_at: UnixSeconds(1_001), ..repeated };
        assert_eq!(short.due_at(Seconds(600)), UnixSeconds(1_060));
    }

    /// R9: a token from the future is noticed; a small step of the clock is none.
    #[test]
    fn a_grant_is_from_the_future_when_the_clock_was_set_back() {
        assert!(grant().is_from_the_future(UnixSeconds(939)));
        assert!(!grant().is_from_the_future(UnixSeconds(940)));
    }

    /// K16: what was granted is what counts, however it is separated; a provider that says nothing granted everything.
    #[test]
    fn scopes_that_were_not_granted_are_told() {
        let lacking = |granted: Option<&str>, requested| {
            let grant = Grant { scope: granted.map(str::to_owned), ..grant() };
            grant.lacks(requested).join(" ")
        };
        for (granted, requested, missing) in [
            (None, "a b", ""),
            (Some("a b"), "b a", ""),
            (Some("a"), "a b", "b"),
            (Some("a,b"), "a b c", "c"),
            (Some("ab"), "a b", "a b"),
            (Some(""), "a,b", "a b"),
            (Some("a b c"), "a", ""),
            (Some("a"), "", ""),
        ] {
            assert_eq!(lacking(granted, requested), missing, "{granted:?} {requested}");
        }
    }

    #[test]
    fn stored_forms_are_pinned() {
        let stored = include_str!("../../fixtures/storage/v1/grant.json").trim_end();
        assert_eq!(serde_json::to_string(&grant()).unwrap(), stored);
        let with_kept = Grant { kept: Some(grant().access_token), ..grant() };
        let with_kept_stored = stored.replace(r#""scope":null"#, r#""scope":null,"kept":"v1.k.e""#);
        assert_eq!(serde_json::to_string(&with_kept).unwrap(), with_kept_stored);
        // As it was written before there were jitter, repetitions and ordered credentials.
        let former = stored.replace(r#","jitter":0,"repeated":false,"credentials":0"#, "");
        assert_ne!(former, stored);
        assert_eq!(json::read::<Grant>(former.as_bytes()).unwrap(), grant());
    }
}
