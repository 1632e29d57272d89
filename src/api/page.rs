//! Pages for people: after an authorization, for a connect link, for what went wrong on the way.
//!
//! Decides: who gets a page instead of JSON, what a page looks like. A page has no script and loads nothing; whatever
//! is put into it is text, escaped (checklist K9, K20, H5).

use html_escape::{encode_double_quoted_attribute, encode_text};
use http::{HeaderValue, StatusCode, header};

use super::{Body, answer::Answer};

/// The look of every page.
const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1.5rem}\
    h1{font-size:1.5rem}\
    button{font:inherit;padding:.5rem 1.5rem}";

/// What a page may do: show itself in [`STYLE`], send its own form to us, and be framed by nobody.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'sha256-fhuwvM09I5uzU2y1aaqhidUoAF1M/SKgZ7iJab8li9A='; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
);

/// What goes on from a page.
#[derive(Debug)]
pub(super) enum Next<'a> {
    /// Nothing.
    End,
    /// A button with this word posts to the page's own address.
    Button(&'a str),
    /// The browser goes on to this address by itself. It is no redirect: a form must not lead to other hosts, by our
    /// own policy.
    Address(&'a str),
}

/// A page with a title and a text.
#[must_use]
pub(super) fn page(status: StatusCode, title: &str, text: &str, next: &Next<'_>) -> Answer {
    let (head, rest) = match next {
        Next::End => (String::new(), String::new()),
        Next::Button(word) => {
            (String::new(), format!("<form method=\"post\"><button>{}</button></form>", encode_text(word)))
        }
        Next::Address(address) => {
            let address = encode_double_quoted_attribute(address);
            (
                format!("<meta http-equiv=\"refresh\" content=\"0;url={address}\">"),
                format!("<p><a href=\"{address}\">Continue</a></p>"),
            )
        }
    };
    let (title, text) = (encode_text(title), encode_text(text));
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">{head}<title>{title}</title>\
         <style>{STYLE}</style></head>\n<body><main><h1>{title}</h1>\n<p>{text}</p>\n{rest}</main></body></html>\n"
    );
    Answer::of("text/html; charset=utf-8", status, html.into_bytes()).with(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)
}

/// Whether a request comes from somebody who reads pages; programs get JSON.
#[must_use]
pub(super) fn is_wanted(request: &http::Request<Body>) -> bool {
    let accepted = request.headers().get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    accepted.is_some_and(|accepted| accepted.to_ascii_lowercase().contains("text/html"))
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use sha2::{Digest, Sha256};

    use super::*;

    /// H5: the policy allows this look and no other.
    #[test]
    fn the_policy_names_the_style() {
        let digest = STANDARD.encode(Sha256::digest(STYLE));
        assert!(PAGE_POLICY.to_str().unwrap().contains(&format!("'sha256-{digest}'")), "{digest}");
    }

    /// K9: text cannot become markup, in no place.
    #[test]
    fn what_is_put_into_a_page_is_text() {
        let evil = "</title><script>x</script>\"'&";
        let html =
            |text: &str, next: &Next<'_>| String::from_utf8(page(StatusCode::OK, text, text, next).body).unwrap();
        for (bad, good) in
            [(Next::End, Next::End), (Next::Button(evil), Next::Button("x")), (Next::Address(evil), Next::Address("x"))]
        {
            let (bad, good) = (html(evil, &bad), html("x", &good));
            assert_eq!(bad.matches('<').count(), good.matches('<').count(), "{bad}");
            // Quotes may stand in texts; those of the attributes are ours.
            let attributes = |html: &str| html.split('>').filter(|tag| tag.contains("=\"")).count();
            assert_eq!(attributes(&bad), attributes(&good), "{bad}");
        }
        let attribute = html("x", &Next::Address("https://p.example/?a=\"><script>&b"));
        assert!(
            attribute.contains("href=\"https://p.example/?a=&quot;") && attribute.contains("&amp;b\""),
            "{attribute}"
        );
    }
}
