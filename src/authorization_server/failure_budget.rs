//! How many wrong credentials are looked at: a budget per client id and one per network, each for five minutes.
//!
//! Decides: who has to wait, and how long. Who has failed nowhere lately may still try a client whose budget others have
//! spent: nobody can lock a client out (checklist T36). Leaves to others: what a failure is; keeping what is spent.

use crate::{
    protocol::{
        secret::SecretDigest,
        time::{Seconds, UnixSeconds},
    },
    recent::Recent,
};

/// Wrong credentials for one client id within [`WINDOW`].
pub const CLIENT_BUDGET: u32 = 15;

/// Wrong credentials from one network within [`WINDOW`]: more, since many clients may share an address.
pub const NETWORK_BUDGET: u32 = 100;

/// From the first failure on; then both start anew.
pub const WINDOW: Seconds = Seconds(300);

/// Failures since the first one of a window.
#[derive(Debug, Clone, Copy)]
struct Failures {
    /// When the window began.
    since: UnixSeconds,
    /// How many.
    count: u32,
}

/// All budgets. Bounded: what is forgotten is a count, never what is already spent and still stored.
#[derive(Debug, Default)]
pub struct FailureBudgets {
    /// Failures by budget.
    failures: Recent<String, Failures>,
    /// Spent budgets, and until when.
    spent: Recent<String, UnixSeconds>,
}

impl FailureBudgets {
    /// What storage has kept of an earlier life.
    #[must_use]
    pub fn restore(spent: Vec<(String, UnixSeconds)>) -> Self {
        let mut budgets = Self::default();
        for (budget, until) in spent {
            budgets.spent.remember(budget, until);
        }
        budgets
    }

    /// How long this client from this network has to wait before its credentials are looked at; none: not at all.
    #[must_use]
    pub fn wait(&self, client_id: &str, network: Option<&str>, now: UnixSeconds) -> Option<Seconds> {
        if self.failures.is_empty() && self.spent.is_empty() {
            return None;
        }
        let own = network.map(of_network);
        let is_clean = own.as_ref().is_some_and(|own| self.current(own, now).is_none());
        let network = own.and_then(|own| self.spent_until(&own, now));
        let client = self.spent_until(&of_client(client_id), now).filter(|_| !is_clean);
        network.max(client).map(|until| until.since(now))
    }

    /// Counts a failure; gives the budgets that it spent, and until when, to be kept.
    pub fn fail(&mut self, client_id: &str, network: Option<&str>, now: UnixSeconds) -> Vec<(String, UnixSeconds)> {
        let client = Some((of_client(client_id), CLIENT_BUDGET));
        let network = network.map(|network| (of_network(network), NETWORK_BUDGET));
        let mut newly = Vec::new();
        for (budget, limit) in client.into_iter().chain(network) {
            let before = self.current(&budget, now).unwrap_or(Failures { since: now, count: 0 });
            let failures = Failures { count: before.count.saturating_add(1), ..before };
            self.failures.remember(budget.clone(), failures);
            if failures.count == limit {
                let until = failures.since.plus(WINDOW);
                self.spent.remember(budget.clone(), until);
                newly.push((budget, until));
            }
        }
        newly
    }

    /// The failures of a window that is not over.
    fn current(&self, budget: &str, now: UnixSeconds) -> Option<Failures> {
        self.failures.find(budget).copied().filter(|failures| now < failures.since.plus(WINDOW))
    }

    /// Until when a budget is spent.
    fn spent_until(&self, budget: &str, now: UnixSeconds) -> Option<UnixSeconds> {
        self.spent.find(budget).copied().filter(|until| now < *until)
    }
}

/// The budget of a client id, known or not. A digest, since people paste secrets where ids belong.
fn of_client(client_id: &str) -> String {
    format!("client:{}", SecretDigest::of(client_id).as_str())
}

/// The budget of a network.
fn of_network(network: &str) -> String {
    format!("network:{network}")
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
        (0..times).map(|_| budgets.fail(client, network, at(0)).len()).sum()
    }

    /// T36: many wrong secrets for one client from many addresses: the budget is spent; who has failed waits, who has not
    /// may try, once.
    #[test]
    fn a_spent_client_is_open_to_whoever_has_not_failed() {
        let mut budgets = FailureBudgets::default();
        for number in 0..CLIENT_BUDGET {
            let network = format!("10.0.0.{number}");
            assert_eq!(budgets.wait("c", Some(&network), at(0)), None);
            assert_eq!(fail(&mut budgets, "c", Some(&network), 1), usize::from(number + 1 == CLIENT_BUDGET));
        }
        assert_eq!(budgets.wait("c", Some("10.0.0.1"), at(60)), Some(Seconds(240)));
        assert_eq!(budgets.wait("c", None, at(60)), Some(Seconds(240)));
        assert_eq!(budgets.wait("c", Some("192.0.2.9"), at(60)), None);
        assert_eq!(budgets.wait("other", Some("10.0.0.1"), at(60)), None);
        fail(&mut budgets, "c", Some("192.0.2.9"), 1);
        assert!(budgets.wait("c", Some("192.0.2.9"), at(60)).is_some());
        assert_eq!(budgets.wait("c", Some("10.0.0.1"), at(300)), None);
    }

    /// T37: many client ids from one address: that address waits, whatever id it names next.
    #[test]
    fn a_spent_network_waits_whatever_client_it_names() {
        let mut budgets = FailureBudgets::default();
        for number in 0..NETWORK_BUDGET {
            assert_eq!(budgets.wait("next", Some("a"), at(0)), None);
            fail(&mut budgets, &format!("c{number}"), Some("a"), 1);
        }
        assert_eq!(budgets.wait("next", Some("a"), at(1)), Some(Seconds(299)));
        assert_eq!(budgets.wait("next", Some("b"), at(1)), None);
        assert_eq!(budgets.wait("next", Some("a"), at(300)), None);
    }

    /// T13: whether the client exists makes no difference, its id is compared exactly.
    #[test]
    fn each_id_has_its_own_budget() {
        let mut budgets = FailureBudgets::default();
        assert_eq!(fail(&mut budgets, "c", None, CLIENT_BUDGET - 1), 0);
        assert_eq!(fail(&mut budgets, "C", None, CLIENT_BUDGET - 1), 0);
        assert_eq!(fail(&mut budgets, "c", None, 1), 1);
        assert_eq!((budgets.wait("c", None, at(0)).is_some(), budgets.wait("C", None, at(0))), (true, None));
    }

    /// T39: what is spent outlives the object's memory.
    #[test]
    fn a_spent_budget_is_restored() {
        let mut budgets = FailureBudgets::default();
        fail(&mut budgets, "c", None, CLIENT_BUDGET - 1);
        let spent = budgets.fail("c", None, at(0));
        assert_eq!(FailureBudgets::restore(spent).wait("c", None, at(10)), Some(Seconds(290)));
    }

    /// A window begins with its first failure and is not lengthened by the others.
    #[test]
    fn old_failures_are_forgotten() {
        let mut budgets = FailureBudgets::default();
        fail(&mut budgets, "c", None, CLIENT_BUDGET - 1);
        assert_eq!(budgets.fail("c", None, at(300)), []);
        assert_eq!(budgets.wait("c", None, at(300)), None);
    }
}
