//! Circuit breakers in memory.

use super::{
    Shared,
    object::{MemoryObject, turns},
};
use crate::{
    connection::breaker::{
        Admission, BREAKER_LIMIT, BREAKER_RETENTION, Breaker, Call, Change, INTEGRATION, Kind, Outcome, PROVIDER,
    },
    ports::{Breakers, PortError},
};

impl Breakers for MemoryObject {
    /// At once, unless told otherwise: so that what a test has happen during a renewal happens while the provider is
    /// asked.
    async fn admit(&self, call: &Call) -> Result<Admission, PortError> {
        turns(self.shared.admission_turns.get()).await;
        drop(self.shared.rows()?);
        let (admission, changes) = call.admitted(&self.shared.breakers_of(call), self.shared.now.get());
        self.shared.change(call, changes);
        Ok(admission)
    }

    async fn report(&self, call: &Call, outcome: Outcome) -> Result<(), PortError> {
        turns(1).await;
        drop(self.shared.rows()?);
        let changes = call.reported(outcome, &self.shared.breakers_of(call), self.shared.now.get(), 0);
        self.shared.change(call, changes);
        Ok(())
    }
}

impl Shared {
    /// How many providers and integrations make callers wait now.
    pub(super) fn open_breakers(&self) -> [u32; 2] {
        let (now, breakers) = (self.now.get(), self.breakers.borrow());
        let is_open = |kind: &Kind, name: &str, breaker: &Breaker| {
            name.starts_with(kind.prefix) && breaker.failures >= kind.threshold && breaker.until > now
        };
        let count = |kind| breakers.iter().filter(|(name, breaker)| is_open(kind, name, breaker)).count();
        [&PROVIDER, &INTEGRATION].map(|kind| u32::try_from(count(kind)).unwrap())
    }

    /// The breakers of a call.
    fn breakers_of(&self, call: &Call) -> [Option<Breaker>; 2] {
        let breakers = self.breakers.borrow();
        call.names().map(|name| breakers.get(&name).cloned())
    }

    /// Stores changes, as the directory's object does.
    fn change(&self, call: &Call, changes: [Change; 2]) {
        let (now, mut breakers) = (self.now.get(), self.breakers.borrow_mut());
        for (name, change) in call.names().into_iter().zip(changes) {
            match change {
                Change::Keep => {}
                Change::Remove => drop(breakers.remove(&name)),
                Change::Put(breaker) if breakers.contains_key(&name) => drop(breakers.insert(name, breaker)),
                Change::Put(breaker) => {
                    let kept = now.minus(BREAKER_RETENTION)..=now.plus(BREAKER_RETENTION);
                    breakers.retain(|_, other| kept.contains(&other.until));
                    if breakers.len() < usize::try_from(BREAKER_LIMIT).unwrap() {
                        breakers.insert(name, breaker);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use futures_executor::{LocalPool, block_on};
    use futures_util::future::join_all;

    use crate::{
        config::tests::read_with,
        connection::{fault::Fault, key::ConnectionKey},
        memory::Memory,
        protocol::time::{Seconds, UnixSeconds},
    };

    use super::*;

    /// A deployment.
    fn memory() -> Memory {
        Memory::new(Rc::new(read_with(&[]).unwrap()), LocalPool::new().spawner())
    }

    /// The outside of a connection.
    fn object(memory: &Memory) -> MemoryObject {
        MemoryObject {
            shared: Rc::clone(&memory.shared),
            key: ConnectionKey::parse("one").unwrap(),
            parts: Rc::default(),
            snapshots: Rc::default(),
            events: Rc::default(),
        }
    }

    /// A call of a connection with a client of its own.
    fn call(connection: &str, integration: &str) -> Call {
        let connection = ConnectionKey::parse(connection).unwrap();
        Call { connection, provider: "login.example".to_owned(), integration: integration.to_owned() }
    }

    /// Reports that a client was refused.
    fn refuse(memory: &Memory, integration: &str) {
        let outcome = Outcome::CredentialsRefused(Fault::NotSendable);
        block_on(object(memory).report(&call("one", integration), outcome)).unwrap();
    }

    /// How many breakers are stored.
    fn stored(memory: &Memory) -> usize {
        memory.shared.breakers.borrow().len()
    }

    #[test]
    fn of_many_who_ask_at_once_one_goes_to_try() {
        let memory = memory();
        refuse(&memory, "a");
        memory.advance(Seconds(1_800));
        let objects: Vec<MemoryObject> = (0..20).map(|_| object(&memory)).collect();
        let calls: Vec<Call> = (0..20).map(|number| call(&format!("c{number}"), "a")).collect();
        let asked = objects.iter().zip(&calls).map(|(object, call)| object.admit(call));
        let answers = block_on(join_all(asked));
        let gone = answers.iter().filter(|answer| **answer == Ok(Admission::Go { watched: true })).count();
        let until = memory.shared.now.get().plus(Seconds(30));
        let waiting = Ok(Admission::Wait { until, fault: Fault::NotSendable });
        assert_eq!((gone, answers.iter().filter(|answer| **answer == waiting).count()), (1, 19));
    }

    #[test]
    fn those_that_are_open_are_counted() {
        let memory = memory();
        assert_eq!(memory.shared.open_breakers(), [0, 0]);
        for (connection, open) in [("a", 0), ("b", 0), ("c", 0), ("d", 0), ("e", 1)] {
            let report = Outcome::ProviderFailed(Fault::Busy);
            block_on(object(&memory).report(&call(connection, "a"), report)).unwrap();
            assert_eq!(memory.shared.open_breakers(), [open, 0]);
        }
        // Who refuses a client is not down.
        refuse(&memory, "a");
        refuse(&memory, "b");
        assert_eq!(memory.shared.open_breakers(), [0, 2]);
        memory.advance(Seconds(1_800));
        assert_eq!(memory.shared.open_breakers(), [0, 0]);
    }

    /// R8: breakers that are over go when another comes; so do those of a clock that was set back.
    #[test]
    fn breakers_that_are_over_are_forgotten() {
        let memory = memory();
        refuse(&memory, "a");
        memory.advance(Seconds(1_800 + 86_400));
        refuse(&memory, "b");
        assert_eq!(stored(&memory), 2);
        memory.advance(Seconds(1));
        refuse(&memory, "c");
        assert_eq!(stored(&memory), 2);
        memory.shared.now.set(UnixSeconds(1_000_000_000));
        refuse(&memory, "d");
        assert_eq!(stored(&memory), 1);
    }

    /// R8: there are never more than the limit; those that there are still work.
    #[test]
    fn a_breaker_too_many_is_not_stored() {
        let memory = memory();
        refuse(&memory, "first");
        let first = memory.shared.breakers.borrow()["integration:first"].clone();
        let others = (2..BREAKER_LIMIT).map(|number| (format!("integration:{number}"), first.clone()));
        memory.shared.breakers.borrow_mut().extend(others);
        for integration in ["last", "too many"] {
            refuse(&memory, integration);
            assert_eq!(stored(&memory), usize::try_from(BREAKER_LIMIT).unwrap());
        }
        let asked = |integration: &'static str| block_on(object(&memory).admit(&call("two", integration))).unwrap();
        assert_eq!(asked("too many"), Admission::Go { watched: false });
        assert!(matches!(asked("last"), Admission::Wait { .. }));
    }

    #[test]
    fn a_broken_directory_admits_nobody_and_hears_nothing() {
        let memory = memory();
        memory.faults().break_directory(true);
        let (object, call) = (object(&memory), call("one", "a"));
        assert!(block_on(object.admit(&call)).is_err());
        assert!(block_on(object.report(&call, Outcome::Worked)).is_err());
    }
}
