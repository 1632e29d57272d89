//! Ticks over a directory and connections that do as they are told.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use futures_executor::block_on;
use futures_util::{
    FutureExt,
    future::{join, select},
};

use super::*;
use crate::{
    connection::{
        directory::{Figures, Filter},
        rotation::SealedWith,
        ticks::{Tick, Ticks},
    },
    memory::turns,
    protocol::page::{Page, PageQuery},
};

/// When all this happens.
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

/// What one connection does when it is asked.
#[derive(Clone, Copy)]
enum Conduct {
    /// It replies, and is due no longer unless it was paused.
    Replies(SweepOutcome),
    /// It fails, and stays due.
    Breaks,
    /// It takes much longer than others, then replies.
    Hangs,
}

/// A directory and its connections.
struct Outside {
    /// What time it is.
    now: Cell<UnixSeconds>,
    /// What is due.
    due: RefCell<BTreeSet<Due>>,
    /// What connections do that do anything but get a token.
    conducts: BTreeMap<ConnectionKey, Conduct>,
    /// How much time passes while six connections are asked.
    pace: Seconds,
    /// Who was asked, in order.
    asked: RefCell<Vec<ConnectionKey>>,
    /// Who has answered, in order.
    answered: RefCell<Vec<ConnectionKey>>,
    /// The most connections that were asked at a time, and how many are asked now.
    under_way: Cell<(usize, usize)>,
    /// How many pages are read before the directory breaks.
    pages_left: Cell<u32>,
    /// Where the last tick stopped.
    stopped_at: RefCell<Option<Due>>,
}

/// The key of a number.
fn key(number: u32) -> ConnectionKey {
    ConnectionKey::parse(&format!("k{number:04}")).unwrap()
}

/// So many connections, due in the order of their numbers, some at the same second, all of which get a token.
fn outside(count: u32) -> Outside {
    let due = |number: u32| Due { at: NOW.minus(Seconds(u64::from((count - number) / 3))), key: key(number) };
    Outside {
        now: NOW.into(),
        due: RefCell::new((0..count).map(due).collect()),
        conducts: BTreeMap::new(),
        pace: Seconds(0),
        asked: RefCell::default(),
        answered: RefCell::default(),
        under_way: Cell::default(),
        pages_left: u32::MAX.into(),
        stopped_at: RefCell::default(),
    }
}

impl Outside {
    /// The same, where some connections do something else.
    fn with(mut self, numbers: impl IntoIterator<Item = u32>, conduct: Conduct) -> Self {
        self.conducts.extend(numbers.into_iter().map(|number| (key(number), conduct)));
        self
    }

    /// One tick from where the last one stopped: its report, and what kept it from going on.
    fn tick(&self) -> (Option<SweepReport>, Option<PortError>) {
        let Swept { report, stopped_at, fault } = block_on(run(self, self.stopped_at.take()));
        self.stopped_at.replace(stopped_at);
        (report, fault)
    }

    /// Who was asked since the last call.
    fn taken(&self) -> Vec<ConnectionKey> {
        self.asked.take()
    }
}

/// The keys of some numbers.
fn keys(numbers: impl IntoIterator<Item = u32>) -> Vec<ConnectionKey> {
    numbers.into_iter().map(key).collect()
}

impl Clock for Outside {
    fn now(&self) -> UnixSeconds {
        self.now.get()
    }
}

impl ConnectionActors for Outside {
    async fn command(&self, key: &ConnectionKey, command: Command) -> Result<Reply, PortError> {
        assert!(matches!(command, Command::RenewIfDue));
        self.asked.borrow_mut().push(key.clone());
        let (most, now) = self.under_way.get();
        self.under_way.set((most.max(now + 1), now + 1));
        let conduct = self.conducts.get(key).copied().unwrap_or(Conduct::Replies(SweepOutcome::Renewed));
        turns(if matches!(conduct, Conduct::Hangs) { 10_000 } else { 8 }).await;
        let mut answered = self.answered.borrow_mut();
        answered.push(key.clone());
        if answered.len().is_multiple_of(CONCURRENCY) {
            self.now.set(self.now.get().plus(self.pace));
        }
        let (most, now) = self.under_way.get();
        self.under_way.set((most, now - 1));
        let outcome = match conduct {
            Conduct::Replies(outcome) => outcome,
            Conduct::Breaks => return Err(PortError("it does not answer".to_owned())),
            Conduct::Hangs => SweepOutcome::Renewed,
        };
        if outcome != SweepOutcome::Paused {
            self.due.borrow_mut().retain(|due| due.key != *key);
        }
        Ok(Reply::Sweep(outcome))
    }
}

impl Listing for Outside {
    async fn due(&self, now: UnixSeconds, after: Option<&Due>, limit: u32) -> Result<Vec<Due>, PortError> {
        turns(2).await;
        let left = self.pages_left.get();
        self.pages_left.set(left.checked_sub(1).ok_or_else(|| PortError("directory is broken".to_owned()))?);
        let due = self.due.borrow();
        let is_meant = |due: &&Due| due.at <= now && after.is_none_or(|after| *due > after);
        Ok(due.iter().filter(is_meant).take(usize::try_from(limit).unwrap()).cloned().collect())
    }

    async fn page(&self, _: PageQuery, _: Filter) -> Result<Page, PortError> {
        unreachable!("a tick reads no list")
    }

    async fn sealed_otherwise(&self, _: &str) -> Result<Vec<(SealedWith, u32)>, PortError> {
        unreachable!("no rotation")
    }

    async fn sealed_with(&self, _: &SealedWith, _: u32) -> Result<Vec<ConnectionKey>, PortError> {
        unreachable!("no rotation")
    }

    async fn ticks(&self) -> Result<Ticks, PortError> {
        unreachable!("the tick is told where to begin")
    }

    async fn figures(&self, _: UnixSeconds) -> Result<Figures, PortError> {
        unreachable!("a tick counts nothing")
    }

    async fn ticked(&self, _: Tick) -> Result<(), PortError> {
        unreachable!("the tick tells its caller")
    }
}

/// R7: a tick takes its share, page by page, six at a time, the longest due first and each once; the next takes the
/// rest, and one after that has nothing to do.
#[test]
fn a_tick_takes_two_thousand_and_leaves_the_rest_to_the_next() {
    let outside = outside(2_100);
    let expected = SweepReport { due: 2_000, renewed: 2_000, left: true, ..SweepReport::default() };
    assert_eq!(outside.tick(), (Some(expected), None));
    assert_eq!((outside.taken(), outside.under_way.get()), (keys(0..2_000), (CONCURRENCY, 0)));
    let expected = SweepReport { due: 100, renewed: 100, ..SweepReport::default() };
    assert_eq!((outside.tick(), outside.taken()), ((Some(expected), None), keys(2_000..2_100)));
    assert_eq!((outside.tick(), outside.taken()), ((Some(SweepReport::default()), None), vec![]));
}

/// Exactly a tick's share, and pages that end where what is due ends, leave nothing.
#[test]
fn nothing_is_left_where_all_was_taken() {
    for count in [0, 1, 499, 500, 501, 1_000, 1_999, 2_000] {
        let outside = outside(count);
        let expected = SweepReport { due: count, renewed: count, ..SweepReport::default() };
        assert_eq!((outside.tick(), outside.taken()), ((Some(expected), None), keys(0..count)));
        // One page for each 500, and one to see that there is no other where the last was full.
        assert_eq!(u32::MAX - outside.pages_left.get(), count / 500 + 1, "{count}");
    }
}

/// What does not answer, or is paused, stays due; and is asked once in a tick nevertheless.
#[test]
fn what_stays_due_is_asked_once_in_a_tick() {
    let outside = outside(1_200)
        .with((0..1_200).filter(|number| number % 3 == 0), Conduct::Breaks)
        .with((0..1_200).filter(|number| number % 3 == 1), Conduct::Replies(SweepOutcome::Paused));
    let expected = SweepReport { due: 1_200, renewed: 400, paused: 400, unanswered: 400, ..SweepReport::default() };
    assert_eq!((outside.tick(), outside.taken()), ((Some(expected), None), keys(0..1_200)));
    let expected = SweepReport { due: 800, paused: 400, unanswered: 400, ..SweepReport::default() };
    assert_eq!(outside.tick(), (Some(expected), None));
}

/// Each outcome has its counter.
#[test]
fn each_outcome_is_counted_by_itself() {
    use SweepOutcome::{Failed, Gone, NeedsAuthorization, NotDue, Paused, Renewed};
    let outcomes = [Renewed, NotDue, Failed, NeedsAuthorization, Gone, Paused];
    let mut outside = outside(6 * 7 / 2 + 1);
    let mut number = 0;
    for (index, outcome) in (0..).zip(outcomes) {
        outside = outside.with(number..=number + index, Conduct::Replies(outcome));
        number += index + 1;
    }
    let outside = outside.with([number], Conduct::Breaks);
    let expected = SweepReport {
        due: 22,
        renewed: 1,
        not_due: 2,
        failed: 3,
        needs_authorization: 4,
        gone: 5,
        paused: 6,
        unanswered: 1,
        left: false,
    };
    assert_eq!(outside.tick(), (Some(expected), None));
}

/// A provider that is dead costs ten seconds for each of its connections. After five minutes a tick begins nothing
/// more, well before the platform would end it.
#[test]
fn a_tick_begins_nothing_after_five_minutes() {
    let mut outside = outside(400).with(0..400, Conduct::Replies(SweepOutcome::Failed));
    outside.pace = Seconds(10);
    let failed = |count, left| (Some(SweepReport { due: count, failed: count, left, ..SweepReport::default() }), None);
    // Thirty times six, and the five that were asked before the last six had all answered.
    assert_eq!(outside.tick(), failed(185, true));
    assert_eq!((outside.taken(), outside.now()), (keys(0..185), NOW.plus(Seconds(300))));
    // The next begins where this one stopped: the others are not due before their back-off is over.
    assert_eq!((outside.tick(), outside.taken()), (failed(180, true), keys(185..365)));
    // A clock that is set back ends no tick.
    outside.now.set(NOW.plus(Seconds(1)));
    assert_eq!((outside.tick(), outside.taken()), (failed(35, false), keys(365..400)));
}

/// R7: five connections that hang keep five seats, and no other connection from its turn.
#[test]
fn a_connection_that_hangs_keeps_one_seat() {
    let outside = outside(600).with([0, 1, 2, 3, 300], Conduct::Hangs);
    let expected = SweepReport { due: 600, renewed: 600, ..SweepReport::default() };
    assert_eq!(outside.tick(), (Some(expected), None));
    assert_eq!(outside.answered.borrow()[595..], keys([0, 1, 2, 3, 300]));
}

/// Thousands that do not answer, and are due for longer than all others, keep none from its turn: a tick that stopped
/// is gone on with by the next, round and round.
#[test]
fn what_fails_again_and_again_keeps_none_from_its_turn() {
    let outside = outside(5_000).with(0..4_500, Conduct::Breaks);
    let unanswered = |count, renewed, left| {
        let report = SweepReport { due: count + renewed, renewed, unanswered: count, left, ..SweepReport::default() };
        (Some(report), None)
    };
    assert_eq!((outside.tick(), outside.taken()), (unanswered(2_000, 0, true), keys(0..2_000)));
    assert_eq!((outside.tick(), outside.taken()), (unanswered(2_000, 0, true), keys(2_000..4_000)));
    let round = keys((4_000..5_000).chain(0..1_000));
    assert_eq!((outside.tick(), outside.taken()), (unanswered(1_500, 500, true), round));
    assert_eq!((outside.tick(), outside.taken()), (unanswered(2_000, 0, true), keys(1_000..3_000)));
    // Once round is enough: none comes twice, wherever a tick begins.
    outside.due.borrow_mut().retain(|due| due.key < key(1_200));
    outside.stopped_at.replace(outside.due.borrow().iter().nth(699).cloned());
    assert_eq!((outside.tick(), outside.taken()), (unanswered(1_200, 0, false), keys((700..1_200).chain(0..700))));
    assert_eq!((outside.tick(), outside.taken()), (unanswered(1_200, 0, false), keys(0..1_200)));
}

/// A directory that breaks in the middle of a tick: what was begun is finished and counted, and the fault is told. One
/// that cannot be read at all is no tick.
#[test]
fn a_directory_that_breaks_ends_the_tick() {
    let outside = outside(600);
    outside.pages_left.set(1);
    let expected = SweepReport { due: 500, renewed: 500, ..SweepReport::default() };
    let fault = Some(PortError("directory is broken".to_owned()));
    assert_eq!(outside.tick(), (Some(expected), fault.clone()));
    assert_eq!(outside.tick(), (None, fault));
}

/// R7: a tick that dies at any moment has lost nothing: the next takes what is still due.
#[test]
fn a_tick_that_dies_is_finished_by_the_next() {
    for moment in [0, 1, 2, 5, 30, 100, 700] {
        let outside = outside(600);
        block_on(select(Box::pin(run(&outside, None)), turns(moment).boxed_local()));
        let done: BTreeSet<_> = outside.answered.take().into_iter().collect();
        let (report, fault) = outside.tick();
        let rest: BTreeSet<_> = outside.answered.take().into_iter().collect();
        assert_eq!((report.unwrap().renewed, fault), (600 - u32::try_from(done.len()).unwrap(), None), "{moment}");
        assert!(done.is_disjoint(&rest) && done.len() + rest.len() == 600, "{moment}");
        assert_eq!(outside.tick().0, Some(SweepReport::default()));
    }
}

/// R7: two ticks at the same time reach everything, and neither stops the other. (That a connection which both ask does
/// its work once is its own doing.)
#[test]
fn ticks_that_overlap_reach_everything() {
    let outside = outside(1_500);
    let later = async {
        turns(40).await;
        run(&outside, None).await
    };
    let (first, second) = block_on(join(run(&outside, None), later));
    let due = |swept: Swept| swept.report.unwrap().due;
    assert!(due(first) <= 1_500 && due(second) <= 1_500 && outside.due.borrow().is_empty());
    let asked: BTreeSet<_> = outside.taken().into_iter().collect();
    assert_eq!(asked.len(), 1_500);
}
