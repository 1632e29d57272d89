//! A small, bounded memory of what was seen lately. Knows nobody.
//!
//! A list that is searched from its newest end: for some hundred entries that is as fast as a tree, and it weighs a
//! tenth of one in the module. When it is full, it forgets what was remembered first.

/// Most entries.
pub const LIMIT: usize = 512;

/// Values by key, newest last.
#[derive(Debug)]
pub struct Recent<Key, Value>(Vec<(Key, Value)>);

impl<Key, Value> Default for Recent<Key, Value> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Key, Value> Recent<Key, Value> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of a key.
    pub fn find<Wanted: ?Sized>(&self, wanted: &Wanted) -> Option<&Value>
    where
        Key: PartialEq<Wanted>,
    {
        self.0.iter().rev().find(|(key, _)| key == wanted).map(|(_, value)| value)
    }

    /// Remembers a value.
    pub fn remember(&mut self, key: Key, value: Value)
    where
        Key: PartialEq,
    {
        self.forget(&key);
        if self.0.len() >= LIMIT {
            self.0.remove(0);
        }
        self.0.push((key, value));
    }

    /// Forgets a key.
    pub fn forget<Wanted: ?Sized>(&mut self, wanted: &Wanted)
    where
        Key: PartialEq<Wanted>,
    {
        self.0.retain(|(key, _)| key != wanted);
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_key_counts() {
        let mut recent = Recent::new();
        recent.remember("a".to_owned(), 1);
        recent.remember("b".to_owned(), 2);
        recent.remember("a".to_owned(), 3);
        assert_eq!((recent.find("a"), recent.find("b"), recent.len()), (Some(&3), Some(&2), 2));
        recent.forget("a");
        assert_eq!((recent.find("a"), recent.is_empty()), (None, false));
    }

    #[test]
    fn it_never_holds_more_than_its_limit() {
        let mut recent = Recent::new();
        for number in 0..=LIMIT {
            recent.remember(number, ());
            assert!(recent.len() <= LIMIT);
        }
        assert_eq!((recent.len(), recent.find(&LIMIT), recent.find(&0)), (LIMIT, Some(&()), None));
    }
}
