//! Lists of origins: `CORS_ORIGINS`, whose pages may call the API from a browser, and `ALLOWED_RETURN_ORIGINS`, where a
//! browser may be sent after an authorization.

use url::Url;

/// Origins (RFC 6454 §7); none by default.
#[derive(Debug, Default)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a text, such as an `Origin` header, names one of them: byte by byte, so that no spelling and no suffix
    /// gets through.
    #[must_use]
    pub fn contains(&self, origin: &[u8]) -> bool {
        self.0.iter().any(|own| own.as_bytes() == origin)
    }

    /// Reads the setting: comma-separated, each as a browser sends it. `*` and `null` are no origins.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let own = |text: &str| {
            let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
            if text.contains('*') {
                return None;
            }
            // The serialization has no path, no user, no default port, and lower case letters.
            Some(url.origin().ascii_serialization()).filter(|origin| origin == text)
        };
        let origins: Option<Vec<String>> = text.split(',').map(|text| own(text.trim())).collect();
        origins.map(Self).ok_or("must be origins as browsers send them, scheme://host[:port], separated by commas")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_listed_with_commas() {
        let origins = Origins::read("https://app.example, http://127.0.0.1:3000,https://[::1]:8443").unwrap();
        for origin in ["https://app.example", "http://127.0.0.1:3000", "https://[::1]:8443"] {
            assert!(origins.contains(origin.as_bytes()), "{origin}");
        }
    }

    /// H2: nothing that would match more than one origin, or that no browser sends.
    #[test]
    fn what_is_no_origin_is_refused() {
        for bad in [
            "*",
            "null",
            "https://*.app.example",
            "https://app.example/",
            "https://app.example/path",
            "https://app.example?x",
            "https://user@app.example",
            "https://app.example:443",
            "https://APP.example",
            "app.example",
            "//app.example",
            "ws://app.example",
            "file:///",
            "https://",
            "https://app.example,",
            "https://app.example https://other.example",
        ] {
            assert!(Origins::read(bad).is_err(), "{bad}");
        }
    }

    /// H2: another scheme, host, port, letter case, a suffix, a prefix, `null`: not the same origin.
    #[test]
    fn only_the_very_same_origin_is_contained() {
        let origins = Origins::read("https://app.example").unwrap();
        for other in [
            "http://app.example",
            "https://app.example.evil.example",
            "https://evilapp.example",
            "https://app.example:8443",
            "https://app.example/",
            "https://APP.example",
            "https://app.example, https://app.example",
            "null",
            "",
            "*",
        ] {
            assert!(!origins.contains(other.as_bytes()), "{other}");
        }
        assert!(!Origins::default().contains(b"null") && Origins::default().is_empty());
    }
}
