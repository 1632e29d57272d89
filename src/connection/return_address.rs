//! Where a browser is sent after an authorization (RFC 9700 §4.11).
//!
//! Decides: which addresses are allowed, and what is added to them. An address is judged when the authorization begins,
//! on its text: it begins with one of the configured origins, letter by letter, and what follows is a path or a query.

use url::Url;

use super::key::ConnectionKey;
use crate::config::origins::Origins;

/// Longest address that is kept, in bytes.
const ADDRESS_LIMIT: usize = 2048;

/// The address that a caller gave, if it is one that a browser may be sent to (checklist K10, K12).
#[must_use]
pub fn given(text: &str, origins: &Origins) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= ADDRESS_LIMIT)?;
    let origin = url.origin().ascii_serialization();
    let rest = text.strip_prefix(origin.as_str())?;
    let is_visible = rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let fits = (rest.is_empty() || rest.starts_with(['/', '?'])) && is_visible && url.fragment().is_none();
    (fits && origins.contains(origin.as_bytes())).then_some(url)
}

/// The page of Fides's own interface that an authorization of this connection began on, by the `Referer` header of the
/// request that began it: of that header only the origin counts.
#[must_use]
pub fn of_referer(referer: &str, key: &ConnectionKey, origins: &Origins) -> Option<Url> {
    let origin = Url::parse(referer).ok()?.origin().ascii_serialization();
    given(&origin, origins)?.join(&format!("/integrations/{key}")).ok()
}

/// The address with what became of the authorization, as Fides writes it.
#[must_use]
pub fn succeeded(mut address: Url) -> Url {
    address.query_pairs_mut().append_pair("status", "succeeded");
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::read_with;

    /// Two allowed origins.
    fn origins() -> Origins {
        let list = "https://app.example,http://localhost:3000";
        read_with(&[("ALLOWED_RETURN_ORIGINS", list)]).unwrap().return_origins
    }

    /// K10: the origin is on the list; path and query are the caller's.
    #[test]
    fn an_address_of_an_allowed_origin_is_taken() {
        for good in ["https://app.example", "https://app.example/a/b?c=d", "http://localhost:3000/?x"] {
            assert!(given(good, &origins()).is_some(), "{good}");
        }
        assert!(given("https://app.example/", &Origins::default()).is_none());
    }

    /// K12: prefix, suffix, user, port, case, backslash, other scheme, spaces, fragment.
    #[test]
    fn an_address_that_nearly_matches_is_refused() {
        let long = format!("https://app.example/{}", "x".repeat(2048));
        for bad in [
            "https://app.example.evil.example/",
            "https://evilapp.example/",
            "https://app.example@evil.example/",
            "https://app.example%2540evil.example/",
            "https://app.example%25@evil.example/",
            "https://app.example:443/",
            "https://app.example:8443/",
            "https://APP.example/",
            "https://app.example./",
            "https://app.example\\@evil.example/",
            "https://app.example/\\evil.example",
            "https:\\\\app.example/",
            "https:app.example/",
            "https:///app.example/",
            "http://app.example/",
            " https://app.example/",
            "https://app.example/ x",
            "https://app.example/\t",
            "https://app.example/#x",
            "https://u@app.example/",
            "//app.example/",
            "/path",
            "javascript:alert(1)//https://app.example",
            "data:text/html,x",
            "null",
            "",
            &long,
        ] {
            assert!(given(bad, &origins()).is_none(), "{bad}");
        }
    }

    /// K10: of a Referer only the origin counts, and only an allowed one.
    #[test]
    fn a_referer_names_an_origin_and_nothing_else() {
        let key = ConnectionKey::parse("my_<shop>").unwrap();
        let of = |referer| of_referer(referer, &key, &origins()).map(|url| succeeded(url).to_string());
        let page = "https://app.example/integrations/my_%3Cshop%3E?status=succeeded";
        assert_eq!(of("https://u:p@app.example/x?y#z").as_deref(), Some(page));
        for bad in ["https://evil.example/", "javascript:x", "garbage", "about:blank", "https://app.example.evil/"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
