//! Real authorization servers, which others wrote, each in a small program of ours.

use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use url::{Position, Url};

use crate::browser::{Browser, Choice};
use crate::clock::Clock;
use crate::http::Request;
use crate::process::{Log, Process};
use crate::tools;

/// What the provider prints, followed by its origin, when it is ready.
const READY: &str = "listening on ";

/// How long it may take until then: it makes an RSA key or a database first, on a machine that may be busy.
const START_DEADLINE: Duration = Duration::from_mins(1);

/// Which server. Its program says what clients it knows, and how they may authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The npm package `oidc-provider`.
    OidcProvider,
    /// The npm package `@node-oauth/oauth2-server`.
    NodeOauth,
    /// The npm package `oauth2-mock-server`. It needs an issuer.
    Mock,
    /// The Python package `django-oauth-toolkit`. It needs an issuer.
    Django,
    /// The Python package `Authlib`. It needs an issuer.
    Authlib,
}

impl Program {
    /// The command that starts it. What is Python's runs with the Python that `POSTERN_INTEROP_PYTHON` names.
    fn command(self) -> Command {
        let (program, file) = match self {
            Self::OidcProvider => (tools::node(), "scripts/provider.mjs"),
            Self::NodeOauth => (tools::node(), "tests/interop/node_oauth_provider.mjs"),
            Self::Mock => (tools::node(), "tests/interop/mock_provider.mjs"),
            Self::Django => (tools::interop_python(), "tests/interop/django_provider.py"),
            Self::Authlib => (tools::interop_python(), "tests/interop/authlib_provider.py"),
        };
        let mut command = Command::new(program);
        command.arg(tools::made(file));
        command
    }
}

/// How the provider shall be set up.
#[derive(Debug, Clone)]
pub struct ProviderOptions {
    /// Which server.
    pub program: Program,
    /// Where it may send the browser back to.
    pub redirect_uri: String,
    /// Life of its access tokens, in seconds.
    pub access_ttl: u32,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: String,
    /// Its https origin, if the test stands in for a proxy before it that ends TLS.
    pub issuer: Option<String>,
    /// Whether it refuses authorization requests without `code_challenge`, where it can and does not always do so.
    pub pkce_required: bool,
}

impl ProviderOptions {
    /// `oidc-provider`, with access tokens of one hour for the client `saas` with the secret `saassecret`.
    #[must_use]
    pub fn new(redirect_uri: &str) -> Self {
        Self {
            program: Program::OidcProvider,
            redirect_uri: redirect_uri.to_owned(),
            access_ttl: 3_600,
            client_id: "saas".to_owned(),
            client_secret: "saassecret".to_owned(),
            issuer: None,
            pkce_required: false,
        }
    }

    /// Sets the life of the access tokens, in seconds.
    #[must_use]
    pub fn access_ttl(self, seconds: u32) -> Self {
        Self { access_ttl: seconds, ..self }
    }

    /// Gives the options to a program, and nothing else.
    fn fill_environment(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PROVIDER_PORT", "0")
            .env("PROVIDER_ACCESS_TTL", self.access_ttl.to_string())
            .env("PROVIDER_REDIRECT_URI", &self.redirect_uri)
            .env("PROVIDER_CLIENT_ID", &self.client_id)
            .env("PROVIDER_CLIENT_SECRET", &self.client_secret)
            .envs(self.issuer.iter().map(|issuer| ("PROVIDER_ISSUER", issuer)))
            .envs(self.pkce_required.then_some(("PROVIDER_PKCE", "required")));
    }
}

/// Where a provider is, for the world and for the tests.
#[derive(Debug)]
pub(crate) struct Site {
    /// Its public origin.
    pub(crate) origin: Url,
    /// Where it listens.
    address: SocketAddr,
}

impl Site {
    /// A request to a page of it; where its origin is https, as a proxy that ends TLS passes it on.
    pub(crate) fn request(&self, method: &str, url: &Url) -> Request {
        let request = Request::new(method, &format!("http://{}{}", self.address, &url[Position::BeforePath..]));
        if self.origin.scheme() == "http" {
            return request;
        }
        request
            .header("Host", &self.origin[Position::BeforeHost..Position::AfterPort])
            .header("X-Forwarded-Proto", "https")
    }
}

/// A running provider. It is killed when dropped.
#[derive(Debug)]
pub struct Provider {
    /// Where it is.
    site: Site,
    /// What it printed.
    log: Log,
    /// The process; `None` after `stop`.
    process: Option<Process>,
    /// Where it may keep a database. Last, so that it goes after the process.
    _state: TempDir,
}

impl Provider {
    /// Starts one, which lives by the clock if one is given; when this returns it answers.
    #[must_use]
    pub fn start(clock: Option<&Clock>, options: &ProviderOptions) -> Self {
        let state = TempDir::with_prefix("postern-provider-").expect("temporary directory");
        let mut command = options.program.command();
        options.fill_environment(&mut command);
        command.env("PROVIDER_STATE", state.path());
        if let Some(clock) = clock {
            clock.rule(&mut command);
        }
        let log = Log::default();
        let mut process = Process::spawn(command, Vec::new(), &log);
        let listening = await_origin(&mut process, &log);
        let address = &listening[Position::BeforeHost..Position::AfterPort];
        let address = address.parse().expect("the provider listens on a number of this machine");
        let origin = options.issuer.as_deref().map_or(listening, |issuer| Url::parse(issuer).expect("issuer"));
        Self { site: Site { origin, address }, log, process: Some(process), _state: state }
    }

    /// Its origin, without slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        self.site.origin.origin().ascii_serialization()
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.site.address
    }

    /// A request to a path of it.
    pub fn request(&self, method: &str, path: &str) -> Request {
        self.site.request(method, &self.site.origin.join(path).expect("path"))
    }

    /// Follows an authorization URL as a new user's browser would, logs in and consents; returns where the provider
    /// sends the browser, which is not followed.
    #[must_use]
    pub fn browse(&self, authorization_url: &str) -> String {
        Browser::new(&self.site).run(authorization_url, Choice::Consent)
    }

    /// As [`Provider::browse`], by a user who declines on the first page.
    #[must_use]
    pub fn browse_and_cancel(&self, authorization_url: &str) -> String {
        Browser::new(&self.site).run(authorization_url, Choice::Cancel)
    }

    /// The status that the userinfo endpoint of `oidc-provider` answers to an access token: 200 while the token lives,
    /// then 401.
    #[must_use]
    pub fn userinfo(&self, access_token: &str) -> u16 {
        self.request("GET", "/me").bearer(access_token).send().status
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
