//! The way from Postern to its provider: one gate per connection. It delays what passes, knows how far each renewal
//! came, and may lose what was on its way when Postern died.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use workerd_tests::{Answer, DEADLINE, Mock, MockAnswer, MockRequest, Provider, Request};

use crate::dice::Dice;

/// How far a renewal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The gate has the request, the provider not yet.
    Asked,
    /// It is at the provider.
    Sent,
    /// The provider has answered, and the gate has the answer.
    Acted,
    /// The answer is with Postern's process, as a whole.
    Delivered,
}

/// One renewal, as the gate saw it.
#[derive(Debug, Clone)]
pub(crate) struct Passage {
    /// The connection.
    pub(crate) key: String,
    /// The refresh token that was sent.
    pub(crate) sent: String,
    /// The access token and the refresh token of the answer, where it has them.
    pub(crate) answered: Option<(String, String)>,
    /// How far it came.
    stage: Stage,
    /// How far it had come when Postern was killed; none while Postern lives.
    pub(crate) at_kill: Option<Stage>,
    /// When the answer was delivered.
    delivered_at: Option<Instant>,
    /// How long before the kill that was, if it was.
    pub(crate) in_hand: Option<Duration>,
    /// Whether the request was lost before the provider had it.
    pub(crate) was_lost: bool,
    /// In which of its lives Postern asked.
    pub(crate) life: usize,
}

impl Passage {
    /// Whether the provider may have taken the refresh token while the answer did not reach Postern's process.
    pub(crate) fn was_in_flight(&self) -> bool {
        !self.was_lost && self.at_kill.is_some_and(|stage| stage < Stage::Delivered)
    }
}

/// What the gates share.
#[derive(Debug)]
struct Journal {
    /// All renewals so far.
    passages: Vec<Passage>,
    /// How many stages were reached so far, by all renewals.
    events: u64,
    /// How often Postern was killed.
    life: usize,
    /// Whether Postern was killed and not started again yet.
    is_dead: bool,
    /// Where a renewal waits for Postern's end, if it does.
    hold: Option<Stage>,
    /// Whether what has not reached the provider when Postern dies is lost; chance decides where nothing is said.
    loses: Option<bool>,
    /// Longest delay at a stage, in microseconds.
    delay: u64,
    /// Chance.
    dice: Dice,
}

/// The way: clones are the same.
#[derive(Clone)]
pub(crate) struct Way(Arc<(Mutex<Journal>, Condvar)>);

impl Way {
    /// A way on which each stage takes up to so long.
    pub(crate) fn new(dice: Dice, delay: Duration) -> Self {
        let delay = u64::try_from(delay.as_micros()).expect("a short delay");
        let journal =
            Journal { passages: Vec::new(), events: 0, life: 0, is_dead: false, hold: None, loses: None, delay, dice };
        Self(Arc::new((Mutex::new(journal), Condvar::new())))
    }

    /// A gate to the provider for one connection.
    pub(crate) fn open(&self, key: &str, provider: &Provider) -> Mock {
        let (way, key, origin) = (self.clone(), key.to_owned(), provider.url());
        Mock::start(move |request| {
            let url = format!("{origin}{}", request.target);
            match request.field("refresh_token") {
                Some(sent) if request.path() == "/token" => way.renewal(&key, sent, &url, request),
                _ => back(&pass_on(request, &url)),
            }
        })
    }

    /// From now on each renewal waits at this stage until Postern is dead; then what has not reached the provider is
    /// lost, or not.
    pub(crate) fn hold(&self, stage: Stage, loses: bool) {
        let mut journal = self.lock();
        (journal.hold, journal.loses) = (Some(stage), Some(loses));
    }

    /// From now on nothing is held.
    pub(crate) fn let_go(&self) {
        self.lock().hold = None;
    }

    /// All renewals so far.
    pub(crate) fn passages(&self) -> Vec<Passage> {
        self.lock().passages.clone()
    }

    /// How many stages were reached so far.
    pub(crate) fn events(&self) -> u64 {
        self.lock().events
    }

    /// Waits until so many stages were reached, if they are within the time; tells whether.
    pub(crate) fn wait_for_events(&self, count: u64, at_most: Duration) -> bool {
        self.wait(at_most, |journal| journal.events >= count)
    }

    /// Does `kill` while no renewal goes from one stage to the next.
    #[expect(clippy::disallowed_methods, reason = "a span is measured")]
    pub(crate) fn at_once(&self, kill: impl FnOnce()) {
        let mut journal = self.lock();
        let killed_at = Instant::now();
        kill();
        let life = journal.life;
        for passage in journal.passages.iter_mut().filter(|passage| passage.life == life) {
            passage.at_kill = Some(passage.stage);
            passage.in_hand = passage.delivered_at.map(|delivered_at| killed_at.duration_since(delivered_at));
        }
        journal.is_dead = true;
        self.0.1.notify_all();
    }

    /// Nothing of a killed Postern is on its way any more. Tells the number of its life.
    pub(crate) fn begin_life(&self) -> usize {
        let mut journal = self.lock();
        journal.is_dead = false;
        journal.life += 1;
        journal.life - 1
    }

    /// Carries one renewal.
    #[expect(clippy::disallowed_methods, reason = "a span is measured")]
    fn renewal(&self, key: &str, sent: String, url: &str, request: &MockRequest) -> MockAnswer {
        let number = self.arrive(key, sent);
        self.linger(number, Stage::Asked);
        if self.is_lost(number) {
            return MockAnswer::close();
        }
        let answer = pass_on(request, url);
        self.reach(number, Stage::Acted, |passage| passage.answered = tokens(&answer));
        self.linger(number, Stage::Acted);
        let way = self.clone();
        back(&answer).tell(move |whole| {
            if whole {
                way.reach(number, Stage::Delivered, |passage| passage.delivered_at = Some(Instant::now()));
            }
        })
    }

    /// Writes a request down that has come; tells its number.
    fn arrive(&self, key: &str, sent: String) -> usize {
        let mut journal = self.lock();
        let (life, at_kill) = (journal.life, journal.is_dead.then_some(Stage::Asked));
        journal.passages.push(Passage {
            key: key.to_owned(),
            sent,
            answered: None,
            stage: Stage::Asked,
            at_kill,
            delivered_at: None,
            in_hand: None,
            was_lost: false,
            life,
        });
        journal.events += 1;
        self.0.1.notify_all();
        journal.passages.len() - 1
    }

    /// Whether a request is lost with the process that sent it; else it goes to the provider now.
    fn is_lost(&self, number: usize) -> bool {
        let mut journal = self.lock();
        let is_dead = passage(&mut journal, number).at_kill.is_some();
        let loses = is_dead && journal.loses.unwrap_or_else(|| journal.dice.percent(50));
        journal.events += 1;
        let passage = passage(&mut journal, number);
        passage.was_lost = loses;
        passage.stage = if loses { Stage::Asked } else { Stage::Sent };
        self.0.1.notify_all();
        loses
    }

    /// A renewal reaches a stage.
    fn reach(&self, number: usize, stage: Stage, change: impl FnOnce(&mut Passage)) {
        let mut journal = self.lock();
        journal.events += 1;
        let passage = passage(&mut journal, number);
        passage.stage = stage;
        change(passage);
        self.0.1.notify_all();
    }

    /// Waits at a stage: by chance, or until Postern is dead.
    fn linger(&self, number: usize, stage: Stage) {
        let mut journal = self.lock();
        if journal.hold == Some(stage) {
            drop(journal);
            let is_dead = |journal: &Journal| journal.passages.get(number).is_some_and(|each| each.at_kill.is_some());
            assert!(self.wait(DEADLINE, is_dead), "nobody killed Postern");
            return;
        }
        let bound = journal.delay + 1;
        let delay = journal.dice.below(bound);
        drop(journal);
        thread::sleep(Duration::from_micros(delay));
    }

    /// Waits until the journal is so; tells whether it is.
    fn wait(&self, at_most: Duration, is_so: impl Fn(&Journal) -> bool) -> bool {
        let waited = self.0.1.wait_timeout_while(self.lock(), at_most, |journal| !is_so(journal)).unwrap();
        is_so(&waited.0)
    }

    /// The journal.
    fn lock(&self) -> MutexGuard<'_, Journal> {
        self.0.0.lock().unwrap()
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.passages()).finish()
    }
}

/// A renewal that has come.
fn passage(journal: &mut Journal, number: usize) -> &mut Passage {
    journal.passages.get_mut(number).expect("its number came from here")
}

/// Asks the provider.
fn pass_on(request: &MockRequest, url: &str) -> Answer {
    let content_type = request.header("Content-Type").unwrap_or_default();
    let passed = Request::new(&request.method, url);
    if request.body.is_empty() { passed.send() } else { passed.body(content_type, request.body.clone()).send() }
}

/// The provider's answer as the gate's own.
fn back(answer: &Answer) -> MockAnswer {
    MockAnswer::new(answer.status, answer.header("Content-Type").unwrap_or("text/plain"), answer.body.clone())
}

/// The tokens of an answer, if it has both.
fn tokens(answer: &Answer) -> Option<(String, String)> {
    let answer: Value = serde_json::from_slice(&answer.body).ok()?;
    let text = |name| answer.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    Some((text("access_token")?, text("refresh_token")?))
}
