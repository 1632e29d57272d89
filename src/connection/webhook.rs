//! The message that tells the operator of an event, in the format of Standard Webhooks 1.0.0, and what its answer
//! means.
//!
//! Decides: where it goes, how it is signed, when it is tried again, when it is given up. Leaves to others: sending and
//! storing (the actor), which events there are (`event`).

use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::Value;

use super::{
    event::{Event, Outbox},
    fault::{Fault, status_of},
    mac::tag,
    outbound::{self, OutboundPolicy, OutboundProblem},
    token_exchange::retry_after,
};
use crate::{
    config::{Settings, Webhook},
    ports::{ProviderFailure, ProviderRequest, ProviderResponse},
    protocol::{
        field_name::FieldName,
        host::HostList,
        secret::SecretText,
        time::{Seconds, UnixSeconds},
    },
};

/// Waits after the first attempt, the second, … (Standard Webhooks, "Deliverability and reliability"): 5 seconds, 5 and
/// 30 minutes, 2, 5, 10, 14, 20, 24 hours.
const WAITS: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// All of them together. An event that is as old when its turn comes is tried once: an address that is dead for weeks
/// does not make each event wait for days of its own.
const PATIENCE: Seconds = Seconds(272_105);

/// A wait is longer by up to a fifth of it, so that connections that failed together are not tried together.
const JITTER_SHARE: u64 = 5;

/// The header of an event's id.
const ID: FieldName = FieldName::lower_case("webhook-id");

/// The header of the instant of an attempt.
const TIMESTAMP: FieldName = FieldName::lower_case("webhook-timestamp");

/// The header of the signatures.
const SIGNATURE: FieldName = FieldName::lower_case("webhook-signature");

/// The webhook of a deployment, if it has one that may be used. The rules are those for providers, but for the lists of
/// their hosts: the operator has named this one host already.
///
/// # Errors
/// `/ready` tells; nothing is delivered.
pub fn target(settings: &Settings) -> Result<Option<&Webhook>, OutboundProblem> {
    let Some(webhook) = &settings.webhook else { return Ok(None) };
    let everywhere = HostList::default;
    let policy = OutboundPolicy { allowed_hosts: everywhere(), ..OutboundPolicy::of(settings) };
    outbound::check(&webhook.url, &policy, &everywhere()).map(|()| Some(webhook))
}

/// The request that tells of an event now. A link to authorize anew, and its end, are told and not stored.
#[must_use]
pub fn request(
    webhook: &Webhook,
    event: Event,
    link: Option<(String, UnixSeconds)>,
    now: UnixSeconds,
) -> ProviderRequest {
    let id = event.id.clone();
    let mut told = event.told();
    let members = told.get_mut("data").and_then(Value::as_object_mut);
    if let (Some(members), Some((link, expires_at))) = (members, link) {
        members.insert("connect_link".to_owned(), link.into());
        members.insert("connect_link_expires_at".to_owned(), expires_at.to_rfc3339().into());
    }
    let body = told.to_string();
    let sent_at = now.0.to_string();
    let signatures = signatures(webhook, &format!("{id}.{sent_at}.{body}"));
    let headers = vec![
        (FieldName::CONTENT_TYPE, SecretText::new("application/json".to_owned())),
        (ID, SecretText::new(id)),
        (TIMESTAMP, SecretText::new(sent_at)),
        (SIGNATURE, SecretText::new(signatures)),
    ];
    ProviderRequest { method: Method::POST, url: webhook.url.clone(), headers, body: Some(SecretText::new(body)) }
}

/// The signatures of a text, one by each secret.
fn signatures(webhook: &Webhook, text: &str) -> String {
    let mut signatures = String::new();
    for secret in webhook.secrets() {
        let separator = if signatures.is_empty() { "" } else { " " };
        signatures = signatures + separator + "v1," + &tag(secret, text, &STANDARD);
    }
    signatures
}

/// Why an attempt failed, for the log; none where it did not.
#[must_use]
pub fn failure(answer: &Result<ProviderResponse, ProviderFailure>) -> Option<Fault> {
    match status_of(answer) {
        Ok(200..=299) => None,
        Ok(status) => Some(Fault::Refused { error: None, status }),
        Err(fault) => Some(fault),
    }
}

/// What is left to deliver after an attempt that was answered, or was not. 410 says that nobody wants to hear of it;
/// every other failure, a redirect too, is tried again, not before `Retry-After`. `chance` is random, and `happened_at`
/// the event's.
#[must_use]
pub fn after(
    outbox: Outbox,
    answer: &Result<ProviderResponse, ProviderFailure>,
    happened_at: UnixSeconds,
    now: UnixSeconds,
    chance: [u8; 1],
) -> Outbox {
    let asked = answer.as_ref().ok().and_then(|response| retry_after(response, now));
    if matches!(status_of(answer), Ok(200..=299 | 410)) {
        return outbox.advanced(now);
    }
    let is_fresh = now.since(happened_at) < PATIENCE;
    let wait = usize::try_from(outbox.attempts).ok().and_then(|attempts| WAITS.get(attempts)).filter(|_| is_fresh);
    let Some(wait) = wait else { return outbox.advanced(now) };
    let jitter = wait * u64::from(chance[0]) / (255 * JITTER_SHARE);
    let retry_at = Some(now.plus(Seconds(wait + jitter).max(asked.unwrap_or_default())));
    Outbox { attempts: outbox.attempts.saturating_add(1), retry_at, ..outbox }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::tests::read_with, ports::RetryAfter};

    /// Settings with this webhook, whose secret is that of the specification's own example.
    fn with(url: &str, changes: &[(&str, &str)]) -> Settings {
        let own = [("EVENT_WEBHOOK_URL", url), ("EVENT_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
        read_with(&[&own, changes].concat()).unwrap()
    }

    /// The vector of the reference libraries: id, timestamp and body of their own tests.
    #[test]
    fn signatures_are_those_of_the_reference_libraries() {
        let settings = with("https://hooks.example/", &[]);
        let text = r#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
        let signed = signatures(settings.webhook.as_ref().unwrap(), text);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    /// S1 to S9, S13: the webhook's address obeys the rules for providers, though not the list of their hosts.
    #[test]
    fn a_webhook_goes_where_requests_may_go() {
        for (url, problem) in [
            ("http://hooks.example/", OutboundProblem::Scheme),
            ("https://u:p@hooks.example/", OutboundProblem::UserInfo),
            ("https://hooks.example/#f", OutboundProblem::Fragment),
            ("https://hooks.example:444/", OutboundProblem::Port),
            ("https://10.0.0.1/", OutboundProblem::LiteralAddress),
            ("http://127.0.0.1/", OutboundProblem::Scheme),
            ("https://hooks.internal/", OutboundProblem::NotPublic),
            ("https://postern.example/x", OutboundProblem::OwnHost),
        ] {
            assert_eq!(target(&with(url, &[])).err(), Some(problem), "{url}");
        }
        let listed = with("https://hooks.example/x?y=z", &[("ALLOWED_HOSTS", "provider.example")]);
        assert!(target(&listed).unwrap().is_some());
        assert!(target(&with("http://127.0.0.1:9/", &[("ALLOW_LOOPBACK_PROVIDERS", "true")])).unwrap().is_some());
        assert!(target(&read_with(&[]).unwrap()).unwrap().is_none());
    }

    /// An answer without a body.
    #[expect(clippy::unnecessary_wraps, reason = "stands in lists beside failures")]
    fn status(status: u16) -> Result<ProviderResponse, ProviderFailure> {
        Ok(ProviderResponse { status, content_type: None, retry_after: None, body: Vec::new() })
    }

    /// An event, attempt by attempt, at the earliest and at the latest.
    #[test]
    fn attempts_follow_the_schedule_and_end() {
        let first = Outbox { last: 2, delivered: 0, attempts: 0, retry_at: Some(UnixSeconds(0)) };
        for (chance, last_at) in [([0], PATIENCE.0), ([255], PATIENCE.0 + PATIENCE.0 / 5)] {
            let (mut outbox, mut now) = (first, UnixSeconds(0));
            for attempt in 1..10 {
                let answers = [Err(ProviderFailure::Unreachable), status(500), status(302), status(404)];
                outbox = after(outbox, &answers[attempt % 4], UnixSeconds(0), now, chance);
                assert_eq!((outbox.delivered, outbox.attempts), (0, u32::try_from(attempt).unwrap()));
                now = outbox.retry_at.unwrap();
            }
            assert_eq!(now.0, last_at);
            let over = after(outbox, &status(503), UnixSeconds(0), now, chance);
            assert_eq!(over, Outbox { last: 2, delivered: 1, attempts: 0, retry_at: Some(now) });
        }
    }

    #[test]
    fn success_and_gone_end_it_and_what_is_old_is_tried_once() {
        let pending = Outbox { last: 1, delivered: 0, attempts: 4, retry_at: Some(UnixSeconds(5)) };
        let done = Outbox { last: 1, delivered: 1, attempts: 0, retry_at: None };
        let now = UnixSeconds(PATIENCE.0);
        for (code, happened_at, expected) in [
            (200, now.0, done),
            (204, now.0, done),
            (299, now.0, done),
            (410, now.0, done),
            (500, 0, done),
            (500, 1, Outbox { attempts: 5, retry_at: Some(now.plus(Seconds(18_000))), ..pending }),
            (300, now.0, Outbox { attempts: 5, retry_at: Some(now.plus(Seconds(18_000))), ..pending }),
            (199, now.0, Outbox { attempts: 5, retry_at: Some(now.plus(Seconds(18_000))), ..pending }),
        ] {
            assert_eq!(after(pending, &status(code), UnixSeconds(happened_at), now, [0]), expected, "{code}");
        }
        assert_eq!(PATIENCE.0, WAITS.iter().sum::<u64>());
        assert_eq!(after(pending, &Err(ProviderFailure::TooLarge(200)), now, now, [0]), done);
        for (asked, wait) in [("20000", 20_000), ("9", 18_000)] {
            let retry_after = Some(RetryAfter { text: asked.to_owned(), date: UnixSeconds(0) });
            let busy = status(429).map(|answer| ProviderResponse { retry_after, ..answer });
            assert_eq!(after(pending, &busy, now, now, [0]).retry_at, Some(now.plus(Seconds(wait))));
        }
    }
}
