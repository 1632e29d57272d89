//! How many wrong credentials are looked at: a budget per client id and one per network, each for five minutes.
//!
//! Decides: who has to wait, and how long. Who has failed nowhere lately may still try a client whose budget others
//! have spent: nobody can lock a client out (checklist T36). Leaves to others: what a failure is; keeping what is
//! spent.

use crate::{
    protocol::{
        secret::SecretDigest,
        time::{Seconds, UnixSeconds},
    },
    recent::{LIMIT, Recent},
};

/// Wrong credentials for one client id within [`WINDOW`].
pub const CLIENT_BUDGET: u32 = 15;

/// Wrong credentials from one network within [`WINDOW`]: more, since many clients may share an address.
pub const NETWORK_BUDGET: u32 = 100;

/// From the first failure on; then both start anew.
pub const WINDOW: Seconds = Seconds(300);

/// Most counts of each kind that are kept.
const COUNT_LIMIT: usize = 2048;

/// Whose budgets an attempt is charged to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged {
    /// The client id's, known or not. A digest, since people paste secrets where ids belong.
    client: String,
    /// The network's, where there is one.
    network: Option<String>,
}

impl Charged {
    /// The budgets of an attempt.
    #[must_use]
    pub fn new(client_id: &str, network: Option<&str>) -> Self {
        let client = format!("client:{}", SecretDigest::of(client_id).as_str());
        Self { client, network: network.map(|network| format!("network:{network}")) }
    }

    /// Their names in storage.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.client.as_str()).chain(self.network.as_deref())
    }
}

/// All budgets. Bounded: what is forgotten of counts is the smallest, and what is forgotten of spent budgets is in
/// storage.
#[derive(Debug, Default)]
pub struct FailureBudgets {
    /// Failures by client.
    clients: Counts,
    /// Failures by network.
    networks: Counts,
    /// Spent budgets, and until when.
    spent: Recent<String, UnixSeconds>,
    /// Whether storage may know of more.
    forgets: bool,
}

impl FailureBudgets {
    /// What storage has kept of an earlier life, if it was not too much; `more`, if it was.
    #[must_use]
    pub fn restore(spent: Vec<(String, UnixSeconds)>, more: bool) -> Self {
        let mut budgets = Self { forgets: more, ..Self::default() };
        for (budget, until) in spent {
            budgets.remember_spent(budget, until);
        }
        budgets
    }

    /// Whether nobody has failed lately: then nobody has to wait.
    #[must_use]
    pub const fn is_untouched(&self) -> bool {
        self.clients.0.is_empty() && self.spent.is_empty() && !self.forgets
    }

    /// Whether storage has to be asked what is spent.
    #[must_use]
    pub const fn forgets(&self) -> bool {
        self.forgets
    }

    /// A spent budget, from now or from storage.
    pub fn remember_spent(&mut self, budget: String, until: UnixSeconds) {
        self.forgets |= self.spent.len() >= LIMIT;
        self.spent.remember(budget, until);
    }

    /// How long this attempt has to wait before its credentials are looked at; none: not at all.
    #[must_use]
    pub fn wait(&self, charged: &Charged, now: UnixSeconds) -> Option<Seconds> {
        let spent_until = |budget: &String| self.spent.find(budget).copied().filter(|until| now < *until);
        let own = charged.network.as_ref();
        let is_clean = own.is_some_and(|own| self.networks.current(own, now).is_none());
        let network = own.and_then(spent_until);
        let client = spent_until(&charged.client).filter(|_| !is_clean);
        network.max(client).map(|until| until.since(now))
    }

    /// Counts a failure; gives the budgets that are spent by now, and until when, to be kept.
    pub fn fail(&mut self, charged: &Charged, now: UnixSeconds) -> Vec<(String, UnixSeconds)> {
        let mut spent = Vec::new();
        if let Some(until) = self.clients.add(&charged.client, now).spent(CLIENT_BUDGET) {
            spent.push((charged.client.clone(), until));
        }
        if let Some(network) = &charged.network
            && let Some(until) = self.networks.add(network, now).spent(NETWORK_BUDGET)
        {
            spent.push((network.clone(), until));
        }
        for (budget, until) in &spent {
            self.remember_spent(budget.clone(), *until);
        }
        spent
    }
}

/// Failures since the first one of a window.
#[derive(Debug, Clone, Copy)]
struct Failures {
    /// When the window began.
    since: UnixSeconds,
    /// How many.
    count: u32,
}

impl Failures {
    /// When the window is over.
    const fn until(self) -> UnixSeconds {
        self.since.plus(WINDOW)
    }

    /// Until when the budget is spent; none if it is not.
    fn spent(self, budget: u32) -> Option<UnixSeconds> {
        (self.count >= budget).then(|| self.until())
    }
}

/// Failures by budget. Where there are too many, those with the fewest go first: noise does not wash a guesser clean.
#[derive(Debug, Default)]
struct Counts(Vec<(String, Failures)>);

impl Counts {
    /// The failures of a window that is not over.
    fn current(&self, budget: &str, now: UnixSeconds) -> Option<Failures> {
        let own = self.0.iter().find(|(own, _)| own == budget).map(|(_, failures)| *failures);
        own.filter(|failures| now < failures.until())
    }

    /// Counts one more.
    fn add(&mut self, budget: &str, now: UnixSeconds) -> Failures {
        let before = self.current(budget, now).unwrap_or(Failures { since: now, count: 0 });
        let failures = Failures { count: before.count.saturating_add(1), ..before };
        if let Some((_, own)) = self.0.iter_mut().find(|(own, _)| own == budget) {
            *own = failures;
            return failures;
        }
        if self.0.len() >= COUNT_LIMIT {
            self.0.retain(|(_, failures)| now < failures.until());
        }
        if self.0.len() >= COUNT_LIMIT {
            let fewest = self.0.iter().enumerate().min_by_key(|(_, (_, failures))| failures.count);
            if let Some((index, _)) = fewest {
                self.0.swap_remove(index);
            }
        }
        self.0.push((budget.to_owned(), failures));
        failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An instant.
    const fn at(second: u64) -> UnixSeconds {
        UnixSeconds(1_000_000 + second)
    }

    /// Fails so often.
    fn fail(budgets: &mut FailureBudgets, client: &str, network: Option<&str>, times: u32) -> usize {
        (0..times).map(|_| budgets.fail(&Charged::new(client, network), at(0)).len()).sum()
    }

    /// How long an attempt has to wait.
    fn wait(budgets: &FailureBudgets, client: &str, network: Option<&str>, now: UnixSeconds) -> Option<Seconds> {
        budgets.wait(&Charged::new(client, network), now)
    }

    /// T36: many wrong secrets for one client from many addresses: the budget is spent; who has failed waits, who has
    /// not may try, once.
    #[test]
    fn a_spent_client_is_open_to_whoever_has_not_failed() {
        let mut budgets = FailureBudgets::default();
        for number in 0..CLIENT_BUDGET {
            let network = format!("10.0.0.{number}");
            assert_eq!(wait(&budgets, "c", Some(&network), at(0)), None);
            assert_eq!(fail(&mut budgets, "c", Some(&network), 1), usize::from(number + 1 == CLIENT_BUDGET));
        }
        assert_eq!(wait(&budgets, "c", Some("10.0.0.1"), at(60)), Some(Seconds(240)));
        assert_eq!(wait(&budgets, "c", None, at(60)), Some(Seconds(240)));
        assert_eq!(wait(&budgets, "c", Some("192.0.2.9"), at(60)), None);
        assert_eq!(wait(&budgets, "other", Some("10.0.0.1"), at(60)), None);
        fail(&mut budgets, "c", Some("192.0.2.9"), 1);
        assert!(wait(&budgets, "c", Some("192.0.2.9"), at(60)).is_some());
        assert_eq!(wait(&budgets, "c", Some("10.0.0.1"), at(300)), None);
    }

    /// T37: many client ids from one address: that address waits, whatever id it names next.
    #[test]
    fn a_spent_network_waits_whatever_client_it_names() {
        let mut budgets = FailureBudgets::default();
        for number in 0..NETWORK_BUDGET {
            assert_eq!(wait(&budgets, "next", Some("a"), at(0)), None);
            fail(&mut budgets, &format!("c{number}"), Some("a"), 1);
        }
        assert_eq!(wait(&budgets, "next", Some("a"), at(1)), Some(Seconds(299)));
        assert_eq!(wait(&budgets, "next", Some("b"), at(1)), None);
        assert_eq!(wait(&budgets, "next", Some("a"), at(300)), None);
    }

    /// T13: whether the client exists makes no difference, its id is compared exactly.
    #[test]
    fn each_id_has_its_own_budget() {
        let mut budgets = FailureBudgets::default();
        assert_eq!(fail(&mut budgets, "c", None, CLIENT_BUDGET - 1), 0);
        assert_eq!(fail(&mut budgets, "C", None, CLIENT_BUDGET - 1), 0);
        assert_eq!(fail(&mut budgets, "c", None, 1), 1);
        assert_eq!((wait(&budgets, "c", None, at(0)).is_some(), wait(&budgets, "C", None, at(0))), (true, None));
    }

    /// T39: what is spent outlives the object's memory.
    #[test]
    fn a_spent_budget_is_restored() {
        let mut budgets = FailureBudgets::default();
        fail(&mut budgets, "c", None, CLIENT_BUDGET - 1);
        let spent = budgets.fail(&Charged::new("c", None), at(0));
        assert_eq!(wait(&FailureBudgets::restore(spent, false), "c", None, at(10)), Some(Seconds(290)));
    }

    /// A window begins with its first failure and is not lengthened by the others.
    #[test]
    fn old_failures_are_forgotten() {
        let mut budgets = FailureBudgets::default();
        fail(&mut budgets, "c", None, CLIENT_BUDGET - 1);
        assert_eq!(budgets.fail(&Charged::new("c", None), at(300)), []);
        assert_eq!(wait(&budgets, "c", None, at(300)), None);
    }

    /// T36: noise neither refills a client's budget nor washes a network clean.
    #[test]
    fn the_smallest_counts_are_forgotten_first() {
        let mut budgets = FailureBudgets::default();
        fail(&mut budgets, "c", Some("guesser"), CLIENT_BUDGET - 1);
        for number in 0..2 * COUNT_LIMIT {
            fail(&mut budgets, &format!("made-up{number}"), Some(&format!("n{number}")), 1);
        }
        assert!(budgets.clients.0.len() <= COUNT_LIMIT && budgets.networks.0.len() <= COUNT_LIMIT);
        assert_eq!(fail(&mut budgets, "c", Some("guesser"), 1), 1);
        assert!(wait(&budgets, "c", Some("guesser"), at(1)).is_some());
    }

    /// T37: when more is spent than is remembered, storage is asked.
    #[test]
    fn forgotten_blocks_are_known_to_be_forgotten() {
        let mut budgets = FailureBudgets::default();
        for number in 0..LIMIT {
            assert!(!budgets.forgets());
            budgets.remember_spent(format!("client:{number}"), at(300));
        }
        budgets.remember_spent("client:one-more".to_owned(), at(300));
        assert!(budgets.forgets() && !budgets.is_untouched());
        assert!(FailureBudgets::restore(Vec::new(), true).forgets());
    }

    #[test]
    fn nobody_waits_before_anybody_failed() {
        let mut budgets = FailureBudgets::default();
        assert!(budgets.is_untouched());
        fail(&mut budgets, "c", None, 1);
        assert!(!budgets.is_untouched());
    }
}
