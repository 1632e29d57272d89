//! When a provider wants to be asked again (RFC 9110 §10.2.3).
//!
//! Decides: which answers are believed, how long a wait may be. Leaves to others: reading dates (the platform), what
//! else makes one wait (`refresh`).

use crate::{
    ports::{ProviderResponse, RetryAfter},
    protocol::time::{Seconds, UnixSeconds},
};

/// Longest wait that is believed: a day. A provider that is wrong must not end a connection.
const LIMIT: Seconds = Seconds(86_400);

/// How long after `now` the provider wants to be left alone: `Retry-After` of 429 (RFC 6585 §4) or 5xx, seconds or a
/// date, at most a day; nothing where it makes no sense. All forms of a date begin with a day of the week (RFC 9110
/// §5.6.7).
#[must_use]
pub fn retry_after(response: &ProviderResponse, now: UnixSeconds) -> Option<Seconds> {
    let RetryAfter { text, date } =
        response.retry_after.as_ref().filter(|_| matches!(response.status, 429 | 500..=599))?;
    let text = text.trim();
    let wait = match text.bytes().next()? {
        // Digits that are no number are too many.
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().map_or(LIMIT, Seconds),
        first if first.is_ascii_alphabetic() && *date > UnixSeconds(0) => date.since(now),
        _ => return None,
    };
    Some(wait.min(LIMIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06T08:49:37Z, the date of the examples in RFC 9110 §5.6.7.
    const DATE: UnixSeconds = UnixSeconds(784_111_777);

    /// The wait that an answer of a status asks for, one minute before [`DATE`].
    fn wait(status: u16, retry_after: Option<(&str, UnixSeconds)>) -> Option<u64> {
        let retry_after = retry_after.map(|(text, date)| RetryAfter { text: text.to_owned(), date });
        let response = ProviderResponse { status, content_type: None, retry_after, body: Vec::new() };
        super::retry_after(&response, DATE.minus(Seconds(60))).map(|wait| wait.0)
    }

    /// RFC 9110 §10.2.3: seconds, or a date, with what the platform takes it for, which takes much for a date.
    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let (date, no_date) = (DATE, UnixSeconds(0));
        for (text, date, seconds) in [
            ("120", no_date, Some(120)),
            (" 120 ", no_date, Some(120)),
            ("0", UnixSeconds(946_684_800), Some(0)),
            ("00120", no_date, Some(120)),
            ("86400", no_date, Some(86_400)),
            ("86401", UnixSeconds(2_664_395_769_600), Some(86_400)),
            ("99999999999999999999999", no_date, Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", date, Some(60)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", date, Some(60)),
            ("Sun Nov  6 08:49:37 1994", date, Some(60)),
            ("Sun, 06 Nov 1994 08:48:00 GMT", date.minus(Seconds(97)), Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", UnixSeconds(253_402_300_799), Some(86_400)),
            ("Fri, 31 Dec 99999999 23:59:59 GMT", UnixSeconds(u64::MAX), Some(86_400)),
            ("", no_date, None),
            ("-1", UnixSeconds(978_307_200), None),
            ("+1", UnixSeconds(978_307_200), None),
            ("1.5", UnixSeconds(978_652_800), None),
            ("1e3", no_date, None),
            ("120, 120", no_date, None),
            ("soon", no_date, None),
            ("१२०", no_date, None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", no_date, None),
            ("1994-11-06T08:49:37Z", date, None),
        ] {
            assert_eq!(wait(429, Some((text, date))), seconds, "{text}");
        }
    }

    /// Only whoever is overloaded or fails may ask for it.
    #[test]
    fn only_a_busy_or_failing_provider_is_left_alone() {
        for status in [429, 500, 502, 503, 504, 599] {
            assert_eq!(wait(status, Some(("5", UnixSeconds(0)))), Some(5), "{status}");
            assert_eq!(wait(status, None), None, "{status}");
        }
        for status in [200, 301, 302, 400, 401, 403, 428, 430, 600] {
            assert_eq!(wait(status, Some(("5", UnixSeconds(0)))), None, "{status}");
        }
    }
}
