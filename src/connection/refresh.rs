//! When a provider's token is used, renewed or given up, as pure decisions.
//!
//! | read at                       | renewable, not backing off | renewable, backing off | not renewable        |
//! |-------------------------------|----------------------------|------------------------|----------------------|
//! | before the lead               | serve                      | serve                  | serve                |
//! | inside the lead               | serve, renew behind        | serve                  | serve                |
//! | expired, or never obtained    | renew, then serve          | report the last fault  | needs authorization  |
//!
//! | fault of a renewal                       | lands in                                                         |
//! |------------------------------------------|------------------------------------------------------------------|
//! | `invalid_grant` of a refresh token       | needs authorization; the token is served until it expires        |
//! | anything else                            | backing off; nothing is deleted                                  |
//!
//! Leaves to others: the clock, the provider, the storage.

use serde::{Deserialize, Serialize};

use super::{envelope::Envelope, fault::Fault};
use crate::protocol::time::{Seconds, UnixSeconds};

/// A provider's tokens, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Grows with every answer of the provider; part of what its envelopes authenticate.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Envelope>,
}

/// How renewing went lately.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Condition {
    /// The provider refused the refresh token: only a person can help.
    pub needs_authorization: bool,
    /// Renewals that failed since the last good one.
    pub failures: u32,
    /// Not before this instant.
    pub retry_at: Option<UnixSeconds>,
    /// What went wrong last.
    pub last_fault: Option<Fault>,
}

/// Whether a connection can get a new token without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// With a refresh token.
    ByRefreshToken,
    /// With the client's own credentials.
    ByClientCredentials,
    /// Not at all.
    Impossible,
}

/// Where a connection stands: `refresh_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshState {
    /// It has tokens, and nothing is wrong.
    Good,
    /// The provider fails: it is asked again later.
    Failing,
    /// The provider refuses the operator's client, or no request can be made: the operator must see to it.
    Stopped,
    /// Whether the provider has taken the refresh token is not known: its answer was lost.
    InDoubt,
    /// Only a person can help.
    NeedsAuthorization,
}

/// What to do when somebody reads the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadDecision {
    /// Answer the stored token.
    Serve,
    /// Answer the stored token and renew it behind.
    ServeAndRenew,
    /// Renew, then answer.
    Renew,
    /// The last renewal failed a moment ago.
    BackingOff(Fault),
    /// Only a person can help.
    NeedsAuthorization,
}

/// First wait after a failed renewal; doubles with each further one.
const FIRST_BACK_OFF: Seconds = Seconds(30);

/// Longest wait after a failed renewal.
const LONGEST_BACK_OFF: Seconds = Seconds(3_600);

/// The lead is never more than this share of a token's life: one fifth, so that a token of ten minutes is not renewed on
/// every read as in Fides.
const LEAD_SHARE: u64 = 5;

impl Grant {
    /// When the token is due: the lead before it expires.
    #[must_use]
    pub fn due_at(&self, configured_lead: Seconds) -> UnixSeconds {
        let lifetime = self.expires_at.since(self.obtained_at);
        self.expires_at.minus(Seconds(configured_lead.0.min(lifetime.0 / LEAD_SHARE)))
    }

    /// What was asked for and not granted (checklist K16). A provider that tells no scope has granted what was asked for
    /// (RFC 6749 §5.1). Some separate scopes by commas.
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

impl Condition {
    /// Whether the last failure is too recent to try again.
    fn backing_off(&self, now: UnixSeconds) -> Option<&Fault> {
        // A retry instant further away than any back-off means that the clock was set back: it does not bind.
        let waits = |at: UnixSeconds| now < at && at.since(now) <= LONGEST_BACK_OFF;
        self.last_fault.as_ref().filter(|_| self.retry_at.is_some_and(waits))
    }

    /// The condition after one more fault.
    #[must_use]
    pub fn after(&self, fault: Fault, renewal: Renewal, now: UnixSeconds) -> Self {
        let given_up = renewal == Renewal::ByRefreshToken
            && matches!(&fault, Fault::Refused { error: Some(error), .. } if error == "invalid_grant");
        let doublings = self.failures.min(16);
        let wait = Seconds((FIRST_BACK_OFF.0 << doublings).min(LONGEST_BACK_OFF.0));
        Self {
            needs_authorization: given_up,
            failures: self.failures.saturating_add(1),
            retry_at: Some(now.plus(wait)),
            last_fault: Some(fault),
        }
    }
}

/// Decides what a read gets.
#[must_use]
pub fn on_read(
    grant: Option<&Grant>,
    condition: &Condition,
    renewal: Renewal,
    lead: Seconds,
    now: UnixSeconds,
) -> ReadDecision {
    let renewable = renewal != Renewal::Impossible && !condition.needs_authorization;
    let waiting = condition.backing_off(now);
    match grant {
        Some(grant) if now < grant.due_at(lead) => ReadDecision::Serve,
        Some(grant) if now < grant.expires_at && renewable && waiting.is_none() => ReadDecision::ServeAndRenew,
        Some(grant) if now < grant.expires_at => ReadDecision::Serve,
        _ if !renewable => ReadDecision::NeedsAuthorization,
        _ => waiting.map_or(ReadDecision::Renew, |fault| ReadDecision::BackingOff(fault.clone())),
    }
}

/// When the sweep must look at a connection next: none for one that has no token yet or that only a person can help.
#[must_use]
pub fn next_look(grant: Option<&Grant>, condition: &Condition, renewal: Renewal, lead: Seconds) -> Option<UnixSeconds> {
    if renewal == Renewal::Impossible || condition.needs_authorization {
        return None;
    }
    grant.map(|grant| condition.retry_at.map_or_else(|| grant.due_at(lead), |at| at.max(grant.due_at(lead))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grant obtained at 1000 that lives for 1000 seconds: due at 1800 with the default lead.
    fn grant() -> Grant {
        let envelope: Envelope = serde_json::from_str("\"v1.k.e\"").unwrap();
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
        }
    }

    /// The configured lead.
    const LEAD: Seconds = Seconds(600);

    /// A condition that forbids a renewal until 5000.
    fn waiting() -> Condition {
        let last_fault = Some(Fault::Unreachable);
        Condition { needs_authorization: false, failures: 1, retry_at: Some(UnixSeconds(2_500)), last_fault }
    }

    /// The table of the module's documentation, row by row.
    #[test]
    fn a_read_is_decided_by_the_table() {
        use ReadDecision::{BackingOff, NeedsAuthorization, Renew, Serve, ServeAndRenew};
        let clean = Condition::default;
        let given_up = || Condition { needs_authorization: true, ..Condition::default() };
        let by_token = Renewal::ByRefreshToken;
        for (now, condition, renewal, expected) in [
            (1_799, clean(), by_token, Serve),
            (1_800, clean(), by_token, ServeAndRenew),
            (1_800, waiting(), by_token, Serve),
            (1_800, clean(), Renewal::Impossible, Serve),
            (1_999, given_up(), by_token, Serve),
            (2_000, clean(), by_token, Renew),
            (2_000, waiting(), by_token, BackingOff(Fault::Unreachable)),
            (2_500, waiting(), by_token, Renew),
            (2_000, clean(), Renewal::Impossible, NeedsAuthorization),
            (2_000, given_up(), by_token, NeedsAuthorization),
        ] {
            let decision = on_read(Some(&grant()), &condition, renewal, LEAD, UnixSeconds(now));
            assert_eq!(decision, expected, "{now} {condition:?} {renewal:?}");
        }
    }

    #[test]
    fn without_a_token_client_credentials_obtain_one_and_a_code_flow_needs_a_person() {
        let read = |renewal| on_read(None, &Condition::default(), renewal, LEAD, UnixSeconds(1));
        assert_eq!(read(Renewal::ByClientCredentials), ReadDecision::Renew);
        assert_eq!(read(Renewal::Impossible), ReadDecision::NeedsAuthorization);
    }

    #[test]
    fn the_lead_is_the_smaller_of_setting_and_a_fifth_of_the_life() {
        assert_eq!(grant().due_at(Seconds(100)), UnixSeconds(1_900));
        assert_eq!(grant().due_at(LEAD), UnixSeconds(1_800));
        assert_eq!(grant().due_at(Seconds(0)), UnixSeconds(2_000));
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
    fn back_off_doubles_up_to_an_hour_and_never_deletes() {
        let mut condition = Condition::default();
        let mut waits = Vec::new();
        for _ in 0..9 {
            condition = condition.after(Fault::TimedOut, Renewal::ByRefreshToken, UnixSeconds(0));
            waits.push(condition.retry_at.unwrap().0);
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
        assert!(!condition.needs_authorization);
    }

    /// K18: `invalid_grant` of a refresh token needs a person; the same code in client credentials does not.
    #[test]
    fn only_a_refused_refresh_token_needs_a_person() {
        let fault = |code: &str| Fault::Refused { error: Some(code.to_owned()), status: 400 };
        let after =
            |code, renewal| Condition::default().after(fault(code), renewal, UnixSeconds(0)).needs_authorization;
        assert!(after("invalid_grant", Renewal::ByRefreshToken));
        assert!(!after("invalid_grant", Renewal::ByClientCredentials));
        assert!(!after("invalid_client", Renewal::ByRefreshToken));
    }

    /// R9: a clock that was set back far does not stop renewals for years.
    #[test]
    fn a_retry_instant_from_a_distant_future_does_not_bind() {
        let condition = Condition { retry_at: Some(UnixSeconds(900_000)), ..waiting() };
        let decision = on_read(None, &condition, Renewal::ByClientCredentials, LEAD, UnixSeconds(1_000));
        assert_eq!(decision, ReadDecision::Renew);
    }

    #[test]
    fn the_next_look_is_when_due_or_when_the_back_off_ends() {
        let look = |condition: &Condition, renewal| next_look(Some(&grant()), condition, renewal, LEAD);
        assert_eq!(look(&Condition::default(), Renewal::ByRefreshToken), Some(UnixSeconds(1_800)));
        assert_eq!(look(&waiting(), Renewal::ByRefreshToken), Some(UnixSeconds(2_500)));
        assert_eq!(look(&Condition::default(), Renewal::Impossible), None);
        let given_up = Condition { needs_authorization: true, ..Condition::default() };
        assert_eq!(look(&given_up, Renewal::ByRefreshToken), None);
        assert_eq!(next_look(None, &Condition::default(), Renewal::ByClientCredentials, LEAD), None);
    }

    #[test]
    fn stored_forms_are_pinned() {
        let stored = include_str!("../../fixtures/storage/v1/grant.json").trim_end();
        assert_eq!(serde_json::to_string(&grant()).unwrap(), stored);
        let with_kept = Grant { kept: Some(grant().access_token), ..grant() };
        let stored = stored.replace(r#""scope":null"#, r#""scope":null,"kept":"v1.k.e""#);
        assert_eq!(serde_json::to_string(&with_kept).unwrap(), stored);
        let stored = include_str!("../../fixtures/storage/v1/condition.json").trim_end();
        assert_eq!(serde_json::to_string(&waiting()).unwrap(), stored);
        assert_eq!(serde_json::from_str::<Condition>(stored).unwrap(), waiting());
    }
}
