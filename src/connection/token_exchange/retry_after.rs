//! When a provider wants to be asked again (RFC 9110 §10.2.3).
//!
//! Decides: which answers are believed, how long a wait may be. Leaves to others: what else makes one wait (`refresh`).

use std::time::SystemTime;

use crate::{
    ports::ProviderResponse,
    protocol::time::{Seconds, UnixSeconds},
};

/// Longest wait that is believed: a day. A provider that is wrong must not end a connection.
const LIMIT: Seconds = Seconds(86_400);

/// How long after `now` the provider wants to be left alone: `Retry-After` of 429 (RFC 6585 §4) or 5xx, seconds or a date, at
/// most a day; nothing where it makes no sense.
#[must_use]
pub fn retry_after(response: &ProviderResponse, now: UnixSeconds) -> Option<Seconds> {
    let text = response.retry_after.as_deref().filter(|_| matches!(response.status, 429 | 500..=599))?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that are no number are too many.
        text.parse().map_or(LIMIT, Seconds)
    } else {
        let date = httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        UnixSeconds(date.as_secs()).since(now)
    };
    Some(wait.min(LIMIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06T08:49:37Z, the date of the examples in RFC 9110 §5.6.7.
    const DATE: UnixSeconds = UnixSeconds(784_111_777);

    /// The wait that an answer of a status asks for, one minute before [`DATE`].
    fn wait(status: u16, retry_after: Option<&str>) -> Option<u64> {
        let retry_after = retry_after.map(str::to_owned);
        let response = ProviderResponse { status, content_type: None, retry_after, body: Vec::new() };
        super::retry_after(&response, DATE.minus(Seconds(60))).map(|wait| wait.0)
    }

    /// D14: RFC 9110 §10.2.3: seconds, or a date in each of the three forms of §5.6.7.
    #[test]
    fn a_wait_is_seconds_or_a_date() {
        for (text, seconds) in [
            ("120", Some(120)),
            (" 120 ", Some(120)),
            ("0", Some(0)),
            ("00120", Some(120)),
            ("86400", Some(86_400)),
            ("86401", Some(86_400)),
            ("99999999999999999999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(60)),
            ("Sun Nov  6 08:49:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 08:48:00 GMT", Some(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(86_400)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("1e3", None),
            ("120, 120", None),
            ("soon", None),
            ("१२०", None),
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("Sun, 06 Nov 1994 08:49:37 +0100", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
            ("Fri, 31 Dec 99999 23:59:59 GMT", None),
            ("1994-11-06T08:49:37Z", None),
        ] {
            assert_eq!(wait(429, Some(text)), seconds, "{text}");
        }
    }

    /// Only whoever is overloaded or fails may ask for it.
    #[test]
    fn only_a_busy_or_failing_provider_is_left_alone() {
        for status in [429, 500, 502, 503, 504, 599] {
            assert_eq!(wait(status, Some("5")), Some(5), "{status}");
            assert_eq!(wait(status, None), None, "{status}");
        }
        for status in [200, 301, 302, 400, 401, 403, 428, 430, 600] {
            assert_eq!(wait(status, Some("5")), None, "{status}");
        }
    }
}
