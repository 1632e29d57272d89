//! The way from Postern to a provider: https names lead to processes on this machine, and what passes is written down.

use std::fmt;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use workerd_tests::{Answer, Mock, MockAnswer, MockRequest, Provider, Request};

/// Headers that are about one connection, or that each side makes itself.
const OF_ONE_CONNECTION: [&str; 6] =
    ["Host", "Connection", "Keep-Alive", "Content-Length", "Transfer-Encoding", "X-Forwarded-Proto"];

/// A request of Postern's with the provider's answer.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// What Postern asked.
    pub(crate) request: MockRequest,
    /// What the provider answered; `None` where it hung up.
    pub(crate) answer: Option<Answer>,
}

impl Exchange {
    /// A text of the answer, if it is JSON that has it.
    pub(crate) fn answered(&self, name: &str) -> Option<String> {
        let answer: Value = serde_json::from_slice(&self.answer.as_ref()?.body).ok()?;
        answer.get(name)?.as_str().map(ToOwned::to_owned)
    }
}

/// All that Postern can reach.
pub(crate) struct Internet {
    /// Where Postern's requests arrive.
    pub(crate) mock: Mock,
    /// What passed, in the order of the answers.
    seen: Arc<Mutex<Vec<Exchange>>>,
}

impl Internet {
    /// Leads to these providers, by https and by their names only.
    pub(crate) fn of(providers: &[&Provider]) -> Self {
        let sites = providers.iter().map(|provider| (provider.url(), provider.address())).collect::<Vec<_>>();
        let seen = Arc::<Mutex<Vec<Exchange>>>::default();
        let written = Arc::clone(&seen);
        let mock = Mock::start(move |request| {
            let scheme = request.header("X-Forwarded-Proto").unwrap_or_default();
            let origin = format!("{scheme}://{}", request.host);
            let Some((_, address)) = sites.iter().find(|(url, _)| *url == origin) else { return MockAnswer::close() };
            let answer = pass_on(request, &format!("http://{address}{}", request.target));
            let passed = answer.as_ref().map_or_else(MockAnswer::close, back);
            written.lock().unwrap().push(Exchange { request: request.clone(), answer });
            passed
        });
        Self { mock, seen }
    }

    /// What passed so far.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.seen.lock().unwrap().clone()
    }

    /// The token requests that passed so far.
    pub(crate) fn token_requests(&self) -> Vec<Exchange> {
        self.exchanges().into_iter().filter(|each| each.request.field("grant_type").is_some()).collect()
    }
}

impl fmt::Debug for Internet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.exchanges()).finish()
    }
}

/// Asks the provider as a proxy that ends TLS does; `None` where it hangs up.
fn pass_on(request: &MockRequest, url: &str) -> Option<Answer> {
    let passed = Request::new(&request.method, url).header("Host", &request.host).header("X-Forwarded-Proto", "https");
    let passed = kept(&request.headers).fold(passed, |passed, (name, value)| passed.header(name, value));
    let passed = if request.body.is_empty() { passed } else { passed.body("", request.body.clone()) };
    passed.try_send().ok()
}

/// The provider's answer as the mock's own.
fn back(answer: &Answer) -> MockAnswer {
    let content_type = answer.header("Content-Type").unwrap_or("text/plain");
    let headers = kept(&answer.headers).filter(|(name, _)| !name.eq_ignore_ascii_case("Content-Type"));
    let start = MockAnswer::new(answer.status, content_type, answer.body.clone());
    headers.fold(start, |passed, (name, value)| passed.header(name, value))
}

/// The headers that a proxy passes on.
fn kept(headers: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    let is_kept = |name: &str| !OF_ONE_CONNECTION.iter().any(|each| each.eq_ignore_ascii_case(name));
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(move |(name, _)| is_kept(name))
}
