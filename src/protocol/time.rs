//! Instants and spans, in whole seconds.
//!
//! Decides: how absolute times are computed without overflow. Leaves to others: what "now" is; every function that
//! needs it takes it as an argument.

use serde::{Deserialize, Serialize};

/// An instant: seconds since 1970-01-01T00:00:00Z, leap seconds not counted (RFC 7519 §2, `NumericDate`).
///
/// Kept below 2^53 by construction of its sources, so it survives a JavaScript number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub u64);

impl UnixSeconds {
    /// The last second of the year 9999: the last that every date format can write.
    pub const LAST: Self = Self(253_402_300_799);

    /// This instant plus a span; saturates instead of wrapping.
    #[must_use]
    pub const fn plus(self, span: Seconds) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// This instant minus a span; saturates at the epoch.
    #[must_use]
    pub const fn minus(self, span: Seconds) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// The span from `earlier` to this instant, zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Seconds {
        Seconds(self.0.saturating_sub(earlier.0))
    }

    /// RFC 3339 in UTC with `Z`, as Fides writes `created_at`; `None` beyond the calendar's range.
    #[must_use]
    pub fn to_rfc3339(self) -> Option<String> {
        let seconds = i64::try_from(self.0).ok()?;
        let instant = chrono::DateTime::from_timestamp(seconds, 0)?;
        Some(instant.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
    }

    /// ISO 8601 in UTC with microseconds and without saying that it is UTC, as Fides writes `expires_at`; `None` beyond
    /// the calendar's range.
    #[must_use]
    pub fn to_naive_iso8601(self) -> Option<String> {
        let mut text = self.to_rfc3339()?;
        text.truncate(text.len().saturating_sub(1));
        Some(text + ".000000")
    }
}

/// A span of whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(UnixSeconds(5).minus(Seconds(9)), UnixSeconds(0));
        assert_eq!(UnixSeconds(u64::MAX).plus(Seconds(1)), UnixSeconds(u64::MAX));
        assert_eq!(UnixSeconds(5).since(UnixSeconds(9)), Seconds(0));
    }

    #[test]
    fn rfc3339_is_utc_with_z() {
        assert_eq!(UnixSeconds(1_700_000_000).to_rfc3339().unwrap(), "2023-11-14T22:13:20Z");
        assert_eq!(UnixSeconds(u64::MAX).to_rfc3339(), None);
        assert_eq!(UnixSeconds(1_700_000_000).to_naive_iso8601().unwrap(), "2023-11-14T22:13:20.000000");
    }
}
