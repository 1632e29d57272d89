//! A real OpenID provider (the npm package `oidc-provider`, in `scripts/provider.mjs`) and the browser that uses it.

use std::collections::BTreeMap;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use url::Url;

use crate::clock::Clock;
use crate::http::{Answer, Request};
use crate::process::{Log, Process};
use crate::tools;

/// What the provider prints, followed by its origin, when it is ready.
const READY: &str = "listening on ";

/// How long it may take until then: it makes an RSA key first, on a machine that may be busy.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// How many pages and redirects a log-in may take. It takes eight.
const BROWSE_STEPS: usize = 16;

/// How the provider shall be set up. It knows two clients: `client_id`, which sends its secret in the form, and
/// `<client_id>-basic`, which sends it in the header.
#[derive(Debug, Clone)]
pub struct ProviderOptions {
    /// Where it may send the browser back to.
    pub redirect_uri: String,
    /// Life of its access tokens, in seconds.
    pub access_ttl: u32,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: String,
}

impl ProviderOptions {
    /// Access tokens of one hour for the client `saas` with the secret `saassecret`.
    #[must_use]
    pub fn new(redirect_uri: &str) -> Self {
        Self {
            redirect_uri: redirect_uri.to_owned(),
            access_ttl: 3_600,
            client_id: "saas".to_owned(),
            client_secret: "saassecret".to_owned(),
        }
    }

    /// Sets the life of the access tokens, in seconds.
    #[must_use]
    pub fn access_ttl(self, seconds: u32) -> Self {
        Self { access_ttl: seconds, ..self }
    }
}

/// A running provider. It is killed when dropped.
#[derive(Debug)]
pub struct Provider {
    /// Its origin.
    origin: Url,
    /// What it printed.
    log: Log,
    /// The process; `None` after `stop`.
    process: Option<Process>,
}

impl Provider {
    /// Starts a provider, which lives by the clock if one is given; when this returns it answers.
    #[must_use]
    pub fn start(clock: Option<&Clock>, options: &ProviderOptions) -> Self {
        let mut command = Command::new(tools::node());
        command
            .arg(tools::made("scripts/provider.mjs"))
            .env_clear()
            .env("PROVIDER_PORT", "0")
            .env("PROVIDER_ACCESS_TTL", options.access_ttl.to_string())
            .env("PROVIDER_REDIRECT_URI", &options.redirect_uri)
            .env("PROVIDER_CLIENT_ID", &options.client_id)
            .env("PROVIDER_CLIENT_SECRET", &options.client_secret);
        if let Some(clock) = clock {
            clock.rule(&mut command);
        }
        let log = Log::default();
        let mut process = Process::spawn(command, Vec::new(), &log);
        let origin = await_origin(&mut process, &log);
        Self { origin, log, process: Some(process) }
    }

    /// Its origin, without slash at the end. `/auth`, `/token` and `/me` are its endpoints.
    #[must_use]
    pub fn url(&self) -> String {
        self.origin.origin().ascii_serialization()
    }

    /// Follows an authorization URL as a new user's browser would, logs in and consents; returns where the provider
    /// sends the browser, which is not followed.
    #[must_use]
    pub fn browse(&self, authorization_url: &str) -> String {
        Browser::new(&self.origin).run(authorization_url, &Choice::Consent)
    }

    /// As [`Provider::browse`], by a user who declines on the first page.
    #[must_use]
    pub fn browse_and_cancel(&self, authorization_url: &str) -> String {
        Browser::new(&self.origin).run(authorization_url, &Choice::Cancel)
    }

    /// The status that its userinfo endpoint answers to an access token: 200 while the token lives, then 401. Unless
    /// told otherwise `oidc-provider` grants each token 15 more seconds (`clockTolerance`).
    #[must_use]
    pub fn userinfo(&self, access_token: &str) -> u16 {
        Request::new("GET", &format!("{}/me", self.url())).bearer(access_token).send().status
    }

    /// Ends the process: from now on its address refuses connections.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// All that it printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }
}

/// Waits for the line that names the origin.
#[expect(clippy::disallowed_methods, reason = "a deadline")]
fn await_origin(process: &mut Process, log: &Log) -> Url {
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        let over = process.has_ended() || Instant::now() > deadline;
        let text = log.text();
        let line = text.split_inclusive('\n').find_map(|line| line.strip_prefix(READY)?.strip_suffix('\n'));
        if let Some(origin) = line {
            return Url::parse(origin).expect("the provider prints its origin");
        }
        if over {
            process.kill();
            panic!("the provider did not start:\n{}", log.text());
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// What the user does on the provider's pages.
enum Choice {
    /// Logs in and consents.
    Consent,
    /// Declines.
    Cancel,
}

/// A browser with a cookie jar that visits one origin.
struct Browser<'a> {
    /// The origin whose pages it walks through.
    origin: &'a Url,
    /// Cookies by name.
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    /// A browser without cookies.
    const fn new(origin: &'a Url) -> Self {
        Self { origin, cookies: BTreeMap::new() }
    }

    /// Walks until a redirect leaves the origin; returns its target.
    fn run(mut self, start: &str, choice: &Choice) -> String {
        let start = self.origin.join(start).expect("authorization URL");
        let mut answer = self.send(Request::new("GET", start.as_str()));
        for _ in 0..BROWSE_STEPS {
            let request = if let Some(location) = answer.header("Location") {
                let target = self.origin.join(location).expect("Location");
                if target.origin() != self.origin.origin() {
                    return target.into();
                }
                Request::new("GET", target.as_str())
            } else {
                self.fill_in(&answer, choice)
            };
            answer = self.send(request);
        }
        panic!("the provider's pages do not end; the last one: {answer:?}");
    }

    /// What a user does with a page: sends its form, or follows the link that declines.
    fn fill_in(&self, page: &Answer, choice: &Choice) -> Request {
        let html = page.text();
        let found = |before: &str| {
            let (_, rest) = html.split_once(before)?;
            rest.split('"').next()
        };
        let target = match choice {
            Choice::Consent => found("action=\""),
            Choice::Cancel => found("href=\"").filter(|link| link.ends_with("/abort")),
        };
        let target = target.unwrap_or_else(|| panic!("status {}, no form or link: {html}", page.status));
        let url = self.origin.join(target).expect("form target");
        match choice {
            Choice::Consent => Request::new("POST", url.as_str()).form(&[
                ("prompt", found("name=\"prompt\" value=\"").unwrap_or_default()),
                ("login", "user"),
                ("password", "any"),
            ]),
            Choice::Cancel => Request::new("GET", url.as_str()),
        }
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
