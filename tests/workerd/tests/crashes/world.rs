//! One Postern, one strict provider, some connections with a gate each, one clock; and the question that is asked after
//! each crash: is what Postern says about a connection true?

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use url::{Position, Url};
use workerd_tests::{Clock, Mock, Postern, Provider, ProviderOptions, Request, Setup};

use crate::common::{CALLBACK, CODE_FLOW, at, authorize, connect, read, root, secrets, text};
use crate::dice::Dice;
use crate::way::{Passage, Way};

/// Life of the provider's access tokens, in seconds.
pub(crate) const ACCESS_TTL: u32 = 300;

/// From a new token to one that is due and not over: the lead is a fifth of its life.
pub(crate) const TO_DUE: i64 = 270;

/// From a new token, or one that is due, to one that is over.
pub(crate) const TO_EXPIRY: i64 = 320;

/// What Postern says about a connection after a crash, and that is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its token is good at the provider.
    Live,
    /// It needs a person, and says so.
    Flagged,
}

/// All there is.
pub(crate) struct World {
    /// The time.
    pub(crate) clock: Clock,
    /// The service.
    pub(crate) postern: Postern,
    /// A token with every scope.
    pub(crate) root: String,
    /// The provider: each refresh token once; its second use ends the grant with all its access tokens.
    pub(crate) provider: Provider,
    /// The way to it.
    pub(crate) way: Way,
    /// The connections' keys.
    pub(crate) keys: Vec<String>,
    /// Their gates.
    gates: Vec<Mock>,
    /// Every access token that Postern has answered.
    seen: BTreeSet<String>,
}

impl World {
    /// A world with so many connections, all authorized.
    pub(crate) fn new(connections: usize, dice: Dice, delay: Duration) -> Self {
        let clock = Clock::new();
        let postern = Postern::start(Setup::new().clock(&clock));
        let callback = format!("{}{CALLBACK}", postern.url());
        let provider = Provider::start(Some(&clock), &ProviderOptions::new(&callback).access_ttl(ACCESS_TTL));
        let (root, way) = (root(&postern), Way::new(dice, delay));
        let keys: Vec<_> = (0..connections).map(|number| format!("shop-{number}")).collect();
        let gates: Vec<_> = keys.iter().map(|key| way.open(key, &provider)).collect();
        for (key, gate) in keys.iter().zip(&gates) {
            connect(&postern, &root, key, CODE_FLOW, &secrets(&gate.url()));
        }
        let world = Self { clock, postern, root, provider, way, keys, gates, seen: BTreeSet::new() };
        world.keys.iter().for_each(|key| world.authorize(key));
        world
    }

    /// A person authorizes a connection.
    #[track_caller]
    pub(crate) fn authorize(&self, key: &str) {
        let asked = authorize(&self.postern, &self.root, key);
        let gate = self.keys.iter().zip(&self.gates).find_map(|(each, gate)| (each == key).then_some(gate));
        let asked = asked.replace(&gate.unwrap().url(), &self.provider.url());
        let back = Url::parse(&self.provider.browse(&asked)).unwrap();
        drop(self.postern.get(&back[Position::BeforePath..]).send().expect_status(200));
    }

    /// Kills Postern, waits until nothing is on its way any more, and starts it again. Tells the number of the ended
    /// life.
    pub(crate) fn crash(&mut self) -> usize {
        self.way.at_once(|| self.postern.kill());
        self.gates.iter().for_each(Mock::settle);
        let life = self.way.begin_life();
        self.postern.kill_and_restart();
        life
    }

    /// Postern has answered this token.
    pub(crate) fn note_token(&mut self, token: &str) {
        self.seen.insert(token.to_owned());
    }

    /// Whether it is known that the answer to a renewal was stored: its access token was answered, or its refresh token
    /// used.
    pub(crate) fn was_stored(&self, passage: &Passage) -> bool {
        let Some((access, refresh)) = &passage.answered else { return false };
        self.seen.contains(access) || self.way.passages().iter().any(|later| &later.sent == refresh)
    }

    /// Reads a connection's token and fails the test unless what Postern says is true.
    #[track_caller]
    pub(crate) fn verdict(&mut self, key: &str) -> Verdict {
        let answer = read(&self.postern, &self.root, key);
        if answer.status == 409 {
            let shown = self.shown(key);
            assert_eq!(shown["authorized"], json!(false), "{key} is refused and not flagged: {shown}");
            let refresh = &shown["refresh"];
            assert_eq!(
                [&refresh["state"], &refresh["reason"]],
                ["needs_authorization", "answer_lost"],
                "{key}: {shown}"
            );
            return Verdict::Flagged;
        }
        let answer = answer.expect_status(200).json();
        let (now, token) = (self.clock.now(), text(&answer, "access_token"));
        let told = self.provider.request("GET", "/me").bearer(&token).send();
        assert_eq!(
            told.status,
            200,
            "{key} is silently wrong: at {now} Postern answered {answer}, and the provider says {:?} {}. {:#?}\n{}",
            told.headers,
            told.text(),
            self.history(key),
            self.provider.log()
        );
        self.note_token(&token);
        Verdict::Live
    }

    /// What Postern shows of a connection.
    #[track_caller]
    pub(crate) fn shown(&self, key: &str) -> Value {
        self.postern.get(&at(key, "")).bearer(&self.root).send().expect_status(200).json()
    }

    /// Whether the provider takes an access token.
    pub(crate) fn is_good(&self, token: &str) -> bool {
        self.provider.userinfo(token) == 200
    }

    /// A sweep that is yet to be sent.
    pub(crate) fn sweep(&self) -> Request {
        self.postern.post("/api/v1/sweep").bearer(&self.root)
    }

    /// The latest renewals of a connection.
    pub(crate) fn history(&self, key: &str) -> Vec<Passage> {
        let mut own: Vec<_> = self.way.passages().into_iter().filter(|passage| passage.key == key).collect();
        own.split_off(own.len().saturating_sub(4))
    }
}
