//! Rounds of chance: reads and a sweep of connections whose tokens are due or over, a kill at some moment of that, and
//! the questions afterwards.

use std::collections::BTreeSet;
use std::env;
use std::io::{self, Write};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;
use workerd_tests::{Answer, Clock};

use crate::common::at;
use crate::dice::Dice;
use crate::way::Passage;
use crate::world::{ACCESS_TTL, TO_DUE, TO_EXPIRY, Verdict, World};

/// Rounds without `POSTERN_CRASH_ROUNDS`.
const SHORT: usize = 8;

/// How many connections there are.
const CONNECTIONS: u64 = 4;

/// Stages that a renewal goes through.
const STAGES: u64 = 4;

/// Longest delay at each of them.
const DELAY: Duration = Duration::from_millis(6);

/// How long the moment of the kill is waited for; it may never come.
const PATIENCE: Duration = Duration::from_millis(400);

/// An answer that came is stored within less, on the busiest machine.
const SLOWEST_STORE: Duration = Duration::from_secs(3);

/// After so many rounds every connection is authorized anew: the provider's grants last for a day.
const ROUNDS_OF_A_GRANT: usize = 60;

/// The rounds that are asked for.
pub(crate) fn rounds() -> usize {
    env::var("POSTERN_CRASH_ROUNDS").map_or(SHORT, |text| text.parse().expect("a number of rounds"))
}

/// What became of all that was under way when Postern was killed.
#[derive(Debug, Default)]
struct Tally {
    /// Rounds.
    rounds: usize,
    /// Kills.
    kills: usize,
    /// Kills with at least one renewal under way.
    kills_during: usize,
    /// Renewals under way at a kill: the request was lost before the provider had it.
    requests_lost: usize,
    /// Renewals under way at a kill: the provider acted, and its answer did not reach the process.
    in_flight: usize,
    /// Renewals whose answer had reached the process, and was not stored.
    in_hand: usize,
    /// How long the longest of them had been there.
    longest: Duration,
    /// Connections that were lost, and flagged.
    flagged: usize,
    /// Connections with a renewal under way at a kill that live on.
    recovered: usize,
}

/// The rounds.
pub(crate) struct Storm {
    /// The world.
    world: World,
    /// No token is older.
    obtained: i64,
    /// Chance.
    dice: Dice,
    /// What it began with.
    seed: u64,
    /// Connections whose refresh token the provider may have taken without Postern's knowledge.
    doubtful: BTreeSet<String>,
    /// Connections that had a renewal under way at a kill of this round.
    struck: BTreeSet<String>,
    /// Renewals of this round whose answer had reached the process when it was killed.
    in_hand: Vec<Passage>,
    /// The figures.
    tally: Tally,
}

impl Storm {
    /// Before the first round.
    pub(crate) fn new() -> Self {
        let (mut dice, seed) = Dice::new();
        say(&format!("crashes: POSTERN_CRASH_SEED={seed}"));
        let connections = usize::try_from(CONNECTIONS).unwrap();
        let obtained = Clock::new().now();
        let world = World::new(connections, dice.split(), DELAY);
        let (doubtful, struck) = (BTreeSet::new(), BTreeSet::new());
        Self { world, obtained, dice, seed, doubtful, struck, in_hand: Vec::new(), tally: Tally::default() }
    }

    /// One round, after which every connection is authorized and has a new token.
    pub(crate) fn round(&mut self, round: usize) {
        self.tally.rounds += 1;
        let is_due = self.dice.percent(60);
        let before = self.world.way.passages().len();
        self.world.clock.advance(if is_due { TO_DUE } else { TO_EXPIRY });
        self.strike();
        self.judge(round);
        // Unless the machine was so slow that they expired meanwhile.
        if is_due && self.world.clock.now() < self.obtained + i64::from(ACCESS_TTL) {
            self.assert_no_token_sent_twice(before);
        }
        self.world.clock.advance(TO_EXPIRY);
        self.obtained = self.world.clock.now();
        if self.dice.percent(40) {
            self.strike();
        } else {
            assert_eq!(self.world.postern.fire_cron().status, 200);
        }
        self.judge(round);
        self.tally.recovered += self.struck.len();
        let unstored = self.in_hand.iter().filter(|passage| !self.world.was_stored(passage));
        for passage in unstored {
            let since = passage.in_hand.unwrap_or_default();
            assert!(since < SLOWEST_STORE, "round {round}, seed {}: {since:?} and not stored: {passage:#?}", self.seed);
            self.tally.in_hand += 1;
            self.tally.longest = self.tally.longest.max(since);
        }
        self.struck.clear();
        self.doubtful.clear();
        self.in_hand.clear();
        if round % ROUNDS_OF_A_GRANT == ROUNDS_OF_A_GRANT - 1 {
            self.world.keys.iter().for_each(|key| self.world.authorize(key));
        }
    }

    /// Reads and a sweep, and a kill.
    fn strike(&mut self) {
        let target = self.world.way.events() + self.dice.below(CONNECTIONS * STAGES);
        let readers = self.start();
        self.world.way.wait_for_events(target, PATIENCE);
        // Between two stages.
        thread::sleep(Duration::from_micros(self.dice.below(4_000)));
        let life = self.world.crash();
        for reader in readers {
            if let Some(token) = reader.join().unwrap() {
                self.world.note_token(&token);
            }
        }
        self.count(life);
    }

    /// Starts reads and perhaps a sweep. They tell the tokens that they got.
    fn start(&mut self) -> Vec<JoinHandle<Option<String>>> {
        let mut requests: Vec<_> = self.dice.percent(50).then(|| self.world.sweep()).into_iter().collect();
        for key in &self.world.keys {
            for _ in 0..self.dice.below(3) {
                let read = self.world.postern.get(&at(key, "/access_token")).bearer(&self.world.root);
                requests.push(read);
            }
        }
        let token = |answer: Answer| {
            let answer: Value = serde_json::from_slice(&answer.body).ok()?;
            Some(answer.get("access_token")?.as_str()?.to_owned())
        };
        requests.into_iter().map(|request| thread::spawn(move || token(request.try_send().ok()?))).collect()
    }

    /// Counts what was under way when that life ended.
    fn count(&mut self, life: usize) {
        self.tally.kills += 1;
        let passages = self.world.way.passages();
        let open: Vec<&Passage> = passages
            .iter()
            .filter(|passage| passage.life == life && !self.world.was_stored(passage))
            // A refusal is no answer that could be lost.
            .filter(|passage| passage.was_lost || passage.answered.is_some())
            .collect();
        self.tally.kills_during += usize::from(!open.is_empty());
        for passage in open {
            self.struck.insert(passage.key.clone());
            if passage.was_lost {
                self.tally.requests_lost += 1;
                continue;
            }
            self.doubtful.insert(passage.key.clone());
            if passage.was_in_flight() {
                self.tally.in_flight += 1;
            } else {
                self.in_hand.push(passage.clone());
            }
        }
    }

    /// Asks for each connection, and authorizes anew what is rightly flagged.
    fn judge(&mut self, round: usize) {
        for key in self.world.keys.clone() {
            if self.world.verdict(&key) == Verdict::Flagged {
                let history = self.world.history(&key);
                let may_be = self.doubtful.remove(&key);
                assert!(may_be, "round {round}, seed {}: {key} is lost, and nothing was: {history:#?}", self.seed);
                self.tally.flagged += 1;
                self.struck.remove(&key);
                self.world.authorize(&key);
            }
        }
    }

    /// Fails if a refresh token that may be used up was sent again, of the renewals after the first so many, while the
    /// access token lives: a strict provider ends both.
    fn assert_no_token_sent_twice(&self, before: usize) {
        let passages = self.world.way.passages().split_off(before);
        for (number, first) in passages.iter().enumerate().filter(|(_, each)| self.doubtful.contains(&each.key)) {
            let again = passages.iter().skip(number + 1).find(|later| later.sent == first.sent);
            assert!(again.is_none(), "seed {}: sent twice: {first:#?} {again:#?}", self.seed);
        }
    }

    /// The figures in one line; and that there was something to see.
    pub(crate) fn report(&self) {
        let Tally { rounds, kills, kills_during, requests_lost, in_flight, in_hand, longest, flagged, recovered } =
            self.tally;
        say(&format!(
            "crashes: {rounds} rounds, {kills} kills, {kills_during} of them during a renewal: {requests_lost} requests lost, \
             {in_flight} answers in flight, {in_hand} not yet stored (since {longest:.1?} at most); {flagged} connections lost and flagged, {recovered} \
             recovered, 0 silently wrong"
        ));
        assert!(rounds < SHORT || kills_during > 0, "no kill hit a renewal");
    }
}

/// Says something also where the test passes.
fn say(line: &str) {
    writeln!(io::stdout(), "{line}").expect("standard output");
}
