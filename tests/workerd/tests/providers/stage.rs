//! One provider, one Postern, one clock: what the tests of all providers say and do.

use std::thread;

use serde_json::{Value, json};
use url::Url;
use workerd_tests::{Answer, Clock, Postern, Provider, Request, Setup};

use crate::common::{self, authorize, client, connect, live, read, root, text, token};
use crate::internet::Internet;
use crate::servers::Server;

/// Where Postern is, for the world.
const POSTERN: &str = "https://postern.example";

/// Life of the providers' access tokens, in seconds.
pub(crate) const ACCESS_TTL: u32 = 60;

/// Life of their refresh tokens, where they have one.
pub(crate) const REFRESH_TTL: i64 = 86_400;

/// How many read an expired token at once.
pub(crate) const READERS: usize = 8;

/// The key of the connection.
pub(crate) const KEY: &str = "shop";

/// The key of a connection to the other server.
const OTHER_KEY: &str = "other";

/// A Postern with all its rules on (https, public names), and a provider that it reaches under its https name.
pub(crate) struct Stage {
    /// Which provider.
    pub(crate) server: Server,
    /// The time of both.
    pub(crate) clock: Clock,
    /// The provider.
    pub(crate) provider: Provider,
    /// What lies between them.
    pub(crate) internet: Internet,
    /// The Postern.
    pub(crate) postern: Postern,
    /// A token with every scope.
    pub(crate) root: String,
    /// A token that may read tokens of connections.
    pub(crate) reader: String,
}

impl Stage {
    /// Starts all of it.
    pub(crate) fn start(server: Server) -> Self {
        let clock = Clock::new();
        let provider = server.start(&clock);
        let internet = Internet::of(&[&provider]);
        Self::start_in(internet, server, clock, provider)
    }

    /// The same with the other server beside, to which there is another connection.
    pub(crate) fn start_beside(server: Server) -> (Self, Provider) {
        let clock = Clock::new();
        let other = server.other();
        let (provider, beside) = (server.start(&clock), other.start(&clock));
        let internet = Internet::of(&[&provider, &beside]);
        let stage = Self::start_in(internet, server, clock, provider);
        connect(&stage.postern, &stage.root, OTHER_KEY, other.code, &secrets("saas", other));
        (stage, beside)
    }

    /// Starts a Postern in front of a provider.
    fn start_in(internet: Internet, server: Server, clock: Clock, provider: Provider) -> Self {
        let postern = Postern::start(setup(&clock, &internet));
        let root = root(&postern);
        let owner = client(&postern, &root, &["connection_token:read"]);
        let reader = token(&postern, &owner.id, &owner.secret);
        Self { server, clock, provider, internet, postern, root, reader }
    }

    /// A connection to people's tokens.
    pub(crate) fn connect_people(&self) {
        self.connect_people_by(self.server.code);
    }

    /// The same, by another definition.
    pub(crate) fn connect_people_by(&self, definition: &str) {
        connect(&self.postern, &self.root, KEY, definition, &secrets("saas", self.server));
    }

    /// A connection to the client's own tokens.
    pub(crate) fn connect_machine(&self) {
        let secrets = secrets(self.server.machine_client, self.server);
        connect(&self.postern, &self.root, KEY, self.server.machine, &secrets);
    }

    /// The URL that a person must open.
    pub(crate) fn authorize(&self) -> String {
        authorize(&self.postern, &self.root, KEY)
    }

    /// The URL that a person must open for the connection to the other server.
    pub(crate) fn authorize_other(&self) -> String {
        authorize(&self.postern, &self.root, OTHER_KEY)
    }

    /// Has a new person log in and consent; answers where the provider sends the browser.
    pub(crate) fn browse(&self) -> String {
        self.provider.browse(&self.authorize())
    }

    /// Starts Postern again, so that it wants authorizations to be bound to browsers.
    pub(crate) fn demand_browser_binding(&mut self) {
        let setup = setup(&self.clock, &self.internet).set("REQUIRE_BROWSER_BINDING", "true");
        self.postern.restart_with(setup);
    }

    /// Has a new person open a connect link, log in and consent; answers where the provider sends the browser, and the
    /// cookie that Postern gave it.
    pub(crate) fn browse_by_link(&self) -> (String, String) {
        let made = self.postern.post(&common::at(KEY, "/connect_link")).bearer(&self.root).send().expect_status(200);
        let link = text(&made.json(), "url");
        drop(self.request("GET", &link).send().expect_status(200));
        let gone_on = self.request("POST", &link).header("Origin", POSTERN).send().expect_status(200);
        let cookie = gone_on.header("Set-Cookie").and_then(|cookie| cookie.split(';').next()).unwrap_or_default();
        let page = gone_on.text();
        let target = page.split_once("0;url=").and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default();
        (self.provider.browse(&target.replace("&amp;", "&")), cookie.to_owned())
    }

    /// Follows a redirect back to Postern.
    pub(crate) fn follow(&self, back: &str) -> Answer {
        self.request("GET", back).send()
    }

    /// A request to an address of Postern's.
    pub(crate) fn request(&self, method: &str, url: &str) -> Request {
        let path = url.strip_prefix(POSTERN).unwrap_or_else(|| panic!("not Postern's: {url}"));
        self.postern.request(method, path)
    }

    /// Has a new person authorize the connection.
    pub(crate) fn authorize_and_follow(&self) {
        drop(self.follow(&self.browse()).expect_status(200));
    }

    /// Lets every access token expire.
    pub(crate) fn let_expire(&self) {
        self.clock.advance(i64::from(ACCESS_TTL) + 1);
    }

    /// The connection's token.
    pub(crate) fn live(&self) -> String {
        live(&self.postern, &self.reader, KEY)
    }

    /// What a read of the connection's token answers.
    pub(crate) fn read(&self) -> Answer {
        read(&self.postern, &self.reader, KEY)
    }

    /// What Postern finds when it tries the connection's token itself.
    pub(crate) fn test_status(&self) -> Value {
        let answer = self.postern.get(&common::at(KEY, "/test")).bearer(&self.root).send().expect_status(200).json();
        answer.get("test_status").cloned().unwrap_or_default()
    }

    /// Ends the connection's grant; answers what Postern tells of it.
    pub(crate) fn revoke(&self) -> Value {
        self.postern.post(&common::at(KEY, "/revoke")).bearer(&self.root).send().expect_status(200).json()
    }

    /// The status that the provider's own resource answers to a token.
    pub(crate) fn api(&self, token: &str) -> u16 {
        self.provider.request("GET", "/api").bearer(token).send().status
    }

    /// What the provider answers to a form of the client's, sent past Postern, to one of its endpoints.
    pub(crate) fn past_postern(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let credentials = [("client_id", "saas"), ("client_secret", self.server.client_secret)];
        self.provider.request("POST", path).form(&[form, &credentials].concat()).send()
    }

    /// The refresh token that the provider gave last.
    #[track_caller]
    pub(crate) fn last_refresh_token(&self) -> String {
        let given = self.internet.token_requests().iter().rev().find_map(|each| each.answered("refresh_token"));
        given.unwrap_or_else(|| panic!("no refresh token: {:?}", self.internet))
    }

    /// Fails unless the provider refuses a refresh token.
    #[track_caller]
    pub(crate) fn assert_dead(&self, refresh_token: &str) {
        let renewal = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        let refused = self.past_postern(self.server.token_path, &renewal).expect_status(400).json();
        assert_eq!(refused.get("error"), Some(&json!("invalid_grant")), "{refused}");
    }

    /// Lets the live token expire and has it renewed, by many reads at once: all get the same, good token, and the old
    /// one is dead at the provider. A refresh token that came twice would end the grant there.
    pub(crate) fn renew(&self, old: &str) -> String {
        self.let_expire();
        let new = self.live_for_all();
        self.assert_replaced(old, &new);
        new
    }

    /// The same by many reads and the cron at once: the provider is asked once.
    pub(crate) fn renew_by_all(&self, old: &str) -> String {
        self.let_expire();
        let before = self.internet.exchanges().len();
        let new = thread::scope(|scope| {
            let cron = scope.spawn(|| self.postern.fire_cron().status);
            let new = self.live_for_all();
            assert_eq!(cron.join().unwrap_or_default(), 200);
            new
        });
        assert_eq!(self.internet.exchanges().len(), before + 1, "{:?}", self.internet);
        self.assert_replaced(old, &new);
        new
    }

    /// The token that many readers get at once.
    fn live_for_all(&self) -> String {
        let answers = thread::scope(|scope| {
            let readers = [(); READERS].map(|()| scope.spawn(|| self.live()));
            readers.map(|reader| reader.join().unwrap_or_else(|_| panic!("a read failed")))
        });
        let [new, ..] = &answers;
        assert!(answers.iter().all(|each| each == new), "{answers:?}");
        new.clone()
    }

    /// The same by the cron: the read that comes after it finds a good token.
    pub(crate) fn renew_by_cron(&self, old: &str) -> String {
        self.let_expire();
        assert_eq!(self.postern.fire_cron().status, 200);
        let before = self.internet.exchanges().len();
        let new = self.live();
        assert_eq!(self.internet.exchanges().len(), before);
        self.assert_replaced(old, &new);
        new
    }

    /// Fails unless the provider takes the new token and not the old one.
    fn assert_replaced(&self, old: &str, new: &str) {
        assert_ne!(old, new);
        assert_eq!((self.api(old), self.api(new)), (401, 200));
    }

    /// All that must not stand in the clear where Postern keeps its state: what passed between it and the provider.
    pub(crate) fn secrets_that_passed(&self) -> Vec<String> {
        let exchanges = self.internet.exchanges();
        let sent = exchanges.iter().flat_map(|each| {
            ["code", "code_verifier", "refresh_token", "token", "client_secret"].map(|name| each.request.field(name))
        });
        let answered =
            exchanges.iter().flat_map(|each| ["access_token", "refresh_token"].map(|name| each.answered(name)));
        sent.chain(answered).flatten().collect()
    }
}

/// How a Postern is set up in this internet: as in production, with https, public names, no exception for this machine.
fn setup(clock: &Clock, internet: &Internet) -> Setup {
    let setup = Setup::new().set("PUBLIC_URL", POSTERN).unset("ALLOW_LOOPBACK_PROVIDERS");
    setup.clock(clock).outbound(&internet.mock)
}

/// Where the providers send the browser back to.
pub(crate) fn callback() -> String {
    format!("{POSTERN}{}", common::CALLBACK)
}

/// The secrets of a connection to a server.
fn secrets(client_id: &str, server: Server) -> Value {
    json!({ "client_id": client_id, "client_secret": server.client_secret })
}

/// A query parameter of a URL, if it is there.
pub(crate) fn find_parameter(url: &str, name: &str) -> Option<String> {
    self::url(url).query_pairs().find_map(|(each, value)| (each == name).then(|| value.into_owned()))
}

/// A redirect back to Postern with another state.
pub(crate) fn with_state(back: &str, state: &str) -> String {
    let mut changed = url(&without(back, "state"));
    changed.query_pairs_mut().append_pair("state", state);
    changed.into()
}

/// A redirect back to Postern without one of its parameters.
pub(crate) fn without(back: &str, name: &str) -> String {
    let parsed = url(back);
    let mut changed = parsed.clone();
    changed.query_pairs_mut().clear().extend_pairs(parsed.query_pairs().filter(|(each, _)| each != name));
    changed.into()
}

/// A text that must be a URL.
fn url(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}
