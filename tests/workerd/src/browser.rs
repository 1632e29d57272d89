//! The browser of a person who logs in at a provider: redirects, cookies, forms.

use std::collections::BTreeMap;

use url::Url;

use crate::http::{Answer, Request};
use crate::provider::Site;

/// How many pages and redirects a log-in may take. It takes eight.
const STEPS: usize = 16;

/// What the person does on the provider's pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Logs in and consents.
    Consent,
    /// Declines: by the link that says so, else, logged in, by the button without a name.
    Cancel,
}

/// A browser with a cookie jar that visits one site.
pub(crate) struct Browser<'a> {
    /// The site whose pages it walks through.
    site: &'a Site,
    /// Cookies by name.
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    /// A browser without cookies.
    pub(crate) const fn new(site: &'a Site) -> Self {
        Self { site, cookies: BTreeMap::new() }
    }

    /// Walks until a redirect leaves the site; returns its target.
    pub(crate) fn run(mut self, start: &str, choice: Choice) -> String {
        let mut page = self.site.origin.join(start).expect("authorization URL");
        let mut answer = self.send(self.site.request("GET", &page));
        for _ in 0..STEPS {
            let request = if let Some(location) = answer.header("Location") {
                page = page.join(location).expect("Location");
                if page.origin() != self.site.origin.origin() {
                    return page.into();
                }
                self.site.request("GET", &page)
            } else {
                self.fill_in(&mut page, &answer, choice)
            };
            answer = self.send(request);
        }
        panic!("the provider's pages do not end; the last one: {answer:?}");
    }

    /// What the person does with a page: sends its form, or follows the link that declines.
    fn fill_in(&self, page: &mut Url, answer: &Answer, choice: Choice) -> Request {
        let html = answer.text();
        let abort = tags(&html, "a").filter_map(|tag| attribute(tag, "href")).find(|link| link.ends_with("/abort"));
        if let (Choice::Cancel, Some(link)) = (choice, abort) {
            *page = page.join(link).expect("link");
            return self.site.request("GET", page);
        }
        let form = tags(&html, "form").next();
        let form = form.unwrap_or_else(|| panic!("status {}, no form or link: {html}", answer.status));
        *page = page.join(attribute(form, "action").unwrap_or_default()).expect("form target");
        let fields = tags(&html, "input").filter_map(|tag| {
            let (name, value) = (attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default());
            match attribute(tag, "type") {
                Some("text") => Some((name, "user")),
                Some("password") => Some((name, "any")),
                Some("submit") if choice == Choice::Cancel => None,
                _ => Some((name, value)),
            }
        });
        // As browsers do with each POST.
        let origin = self.site.origin.origin().ascii_serialization();
        self.site.request("POST", page).header("Origin", &origin).form(&fields.collect::<Vec<_>>())
    }

    /// Sends a request with the cookies and keeps those of the answer.
    fn send(&mut self, request: Request) -> Answer {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header("Cookie", &pairs.join("; ")).send();
        for cookie in answer.headers_named("Set-Cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }
}

/// The tags of a page that have this name, each without its end.
fn tags<'a>(html: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let tags = html.split('<').filter_map(|piece| piece.split('>').next());
    tags.filter(move |tag| tag.split_ascii_whitespace().next() == Some(name))
}

/// The value of a tag's attribute. Nothing that the pages hold is escaped.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let value = rest.split('"').next()?;
    assert!(!value.contains('&'), "an escaped value: {tag}");
    Some(value)
}
