//! `FIDES_COMPATIBILITY`: where we do as Fides does, although the RFCs want it otherwise.
//!
//! Decides: which deviations there are. The one place that knows the switch: everybody else asks for a deviation. All
//! six are on or off together; the README's table has the same six lines.

/// What Fides does otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deviation {
    /// A token request without `grant_type`, or with an empty one, means `client_credentials`; else `invalid_request`
    /// (RFC 6749 §4.4.2).
    MissingGrantType,
    /// A token request may be `multipart/form-data`; else `invalid_request` (RFC 6749 §4.4.2).
    MultipartTokenRequest,
    /// Id and secret in the form, both non-empty, count instead of those in the Basic header; else `invalid_request`
    /// (RFC 6749 §2.3: one method). A repeated parameter is refused all the same.
    FormBeatsBasic,
    /// Every bearer token that cannot be used gives 403 without a challenge; else 401 or 400 (RFC 6750 §3.1). No token
    /// at all, or another scheme, is 401 in both.
    ForbiddenBearer,
    /// The token answer has `expires_at`: ISO 8601, UTC without saying so, microseconds; else only `expires_in`.
    ExpiresAt,
    /// The callback answers in Fides's words where it has some; the status stays.
    CallbackTexts,
}

/// Which deviations are on: all or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compatibility {
    /// The setting.
    fides: bool,
}

impl Compatibility {
    /// What the setting says.
    pub(super) const fn new(fides: bool) -> Self {
        Self { fides }
    }

    /// The strict reading of the RFCs, where Fides has no route to be compatible with.
    pub const STRICT: Self = Self::new(false);

    /// Whether we deviate here.
    #[must_use]
    pub const fn allows(self, deviation: Deviation) -> bool {
        // Exhaustive, so that a seventh one is thought about.
        match deviation {
            Deviation::MissingGrantType
            | Deviation::MultipartTokenRequest
            | Deviation::FormBeatsBasic
            | Deviation::ForbiddenBearer
            | Deviation::ExpiresAt
            | Deviation::CallbackTexts => self.fides,
        }
    }
}

#[cfg(test)]
impl Compatibility {
    /// As Fides.
    pub(crate) const FIDES: Self = Self::new(true);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::read_with;

    /// Off by default, `true` turns on all six, and the README lists exactly six.
    #[test]
    fn six_deviations_are_on_together() {
        let six = [
            Deviation::MissingGrantType,
            Deviation::MultipartTokenRequest,
            Deviation::FormBeatsBasic,
            Deviation::ForbiddenBearer,
            Deviation::ExpiresAt,
            Deviation::CallbackTexts,
        ];
        for (text, on) in [("", false), ("false", false), ("true", true), ("True", true)] {
            let compatibility = read_with(&[("FIDES_COMPATIBILITY", text)]).unwrap().compatibility;
            assert!(six.iter().all(|deviation| compatibility.allows(*deviation) == on), "{text}");
        }
        let wrong = read_with(&[("FIDES_COMPATIBILITY", "yes")]).unwrap_err();
        assert_eq!(wrong[0].setting, "FIDES_COMPATIBILITY");
        let readme = include_str!("../../README.md");
        let section = readme.split("\n## ").find(|section| section.starts_with("FIDES_COMPATIBILITY")).unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| with"));
        assert_eq!(rows.count(), six.len());
    }
}
