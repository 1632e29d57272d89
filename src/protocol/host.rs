//! Names of hosts, and lists of those that are allowed.
//!
//! Decides: what a DNS name is, what a pattern may be and which names it covers (checklist S12). Leaves to others:
//! which list counts where (`connection::outbound`).

use thiserror::Error;
use url::Host;

/// A host, or with `*.` all hosts below one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HostPattern {
    /// The name in lower-case ASCII, without `*.`.
    name: String,
    /// Whether it means the names below, and not the name itself.
    below: bool,
}

/// The only hosts that are allowed; an empty list allows all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostList(Vec<HostPattern>);

/// The text is neither a host name nor `*.` and a host name of at least two labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a host pattern is a host name such as login.example.com, or *.example.com")]
pub struct HostPatternProblem;

impl HostPattern {
    /// Parses `login.example.com` or `*.example.com`. Names in other scripts are compared in their ASCII form, and must
    /// be given in it where the URL parser is built without Unicode tables, as the lock file has it.
    fn parse(text: &str) -> Result<Self, HostPatternProblem> {
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let Ok(Host::Domain(name)) = Host::parse(name) else {
            return Err(HostPatternProblem);
        };
        if !is_dns_name(&name) || !name.contains('.') {
            return Err(HostPatternProblem);
        }
        Ok(Self { name, below })
    }

    /// Whether a host, in lower-case ASCII, is meant: compared label by label.
    fn covers(&self, host: &str) -> bool {
        if self.below { is_below(host, &self.name) } else { host == self.name }
    }
}

impl HostList {
    /// Adds `login.example.com`, or with `*.example.com` all hosts below a name.
    ///
    /// # Errors
    ///
    /// [`HostPatternProblem`] for anything else, `*` and `*.com` included: a list that allows everything is none.
    pub fn add(&mut self, pattern: &str) -> Result<(), HostPatternProblem> {
        self.0.push(HostPattern::parse(pattern)?);
        Ok(())
    }

    /// Whether a host, in lower-case ASCII and without a final dot, may be spoken to.
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.covers(host))
    }
}

/// Whether `name` ends with `.parent`.
#[must_use]
pub fn is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|head| head.len() > 1 && head.ends_with('.'))
}

/// Whether a text is a DNS label or several joined by dots; no final dot. An IPv4 address looks the same: `outbound`
/// refuses it.
#[must_use]
pub fn is_dns_name(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S12: a pattern names at least two labels; `*` stands for whole labels, in front.
    #[test]
    fn malformed_host_patterns_are_refused() {
        for text in [
            "",
            " ",
            "*",
            "**",
            "*.",
            ".",
            "*.*",
            "*.com",
            "*.*.example.com",
            "com",
            "a.*.com",
            "a*.example.com",
            "*example.com",
            "**.example.com",
            ".example.com",
            "example.com.",
            "example.com/",
            "example.com?x",
            "example.com#",
            "user@example.com",
            "https://example.com",
            "example.com:443",
            "127.0.0.1",
            "*.0x7f.1",
            "[::1]",
            "a..b",
            "a b.com",
            " example.com",
        ] {
            assert_eq!(HostList::default().add(text), Err(HostPatternProblem), "{text}");
        }
    }

    /// S12: label by label, the name itself is not below itself.
    #[test]
    fn a_pattern_covers_a_name_or_all_below_one() {
        let mut list = HostList::default();
        assert!(list.allows("anything.example.org"));
        list.add("*.Example.com").unwrap();
        list.add("login.example.org").unwrap();
        for (host, allowed) in [
            ("a.example.com", true),
            ("a.b.example.com", true),
            ("login.example.org", true),
            ("example.com", false),
            (".example.com", false),
            ("evilexample.com", false),
            ("a.example.com.evil.org", false),
            ("a.login.example.org", false),
            ("example.org", false),
            ("", false),
        ] {
            assert_eq!(list.allows(host), allowed, "{host}");
        }
    }
}
