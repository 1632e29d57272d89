//! How far a rotation of the application key is: worked out of what the directory counts.
//!
//! Decides: whose secrets are to be sealed anew and whose cannot be, what the sweep and `/ready` say about it. Leaves
//! to others: the counting (the directory), the sealing (each connection's actor), when it is done (`sweep`).
//!
//! The directory's rows make up for the keys' own silence: a connection says which keys its envelopes need whenever it
//! tells the directory anything. One that has no envelope yet says that it needs the present key, so that a row is
//! never behind the first secret; one that was listed before rows said so is looked at once.

use serde::{Deserialize, Serialize};

use crate::config::{ApplicationKey, Settings};

/// The application keys that the envelopes of a connection are sealed with: their ids in order, with a space between.
/// Empty where that is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedWith(String);

impl SealedWith {
    /// The set of these ids, in whatever order and however often they come.
    #[must_use]
    pub fn new(key_ids: Vec<&str>) -> Self {
        // By insertion: lists are short, and the standard library's sort is heavy.
        let mut set: Vec<&str> = Vec::new();
        for id in key_ids {
            if let Err(at) = set.binary_search(&id) {
                set.insert(at, id);
            }
        }
        Self(set.join(" "))
    }

    /// The set that the directory has stored.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The stored form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The ids of those that are not configured.
    fn missing<'a>(&'a self, settings: &'a Settings) -> impl Iterator<Item = &'a str> {
        let is_known = |id: &str| settings.application_keys().map(ApplicationKey::id).any(|known| known == id);
        self.0.split_ascii_whitespace().filter(move |id| !is_known(id))
    }
}

/// What is left to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// How many connections are not sealed with the present application key alone.
    pub left: u32,
    /// Keys that are needed and not configured, and how many connections need each.
    pub missing: Vec<(String, u32)>,
    /// The sets that these connections are sealed with; those that can be opened come first.
    pub sets: Vec<SealedWith>,
}

impl Rotation {
    /// What is left, by the directory's count of each set that is not the present key alone.
    #[must_use]
    pub fn new(settings: &Settings, counts: Vec<(SealedWith, u32)>) -> Self {
        let mut rotation = Self { left: 0, missing: Vec::new(), sets: Vec::new() };
        let mut closed = Vec::new();
        for (set, count) in counts {
            rotation.left = rotation.left.saturating_add(count);
            let is_open = set.missing(settings).next().is_none();
            for id in set.missing(settings) {
                match rotation.missing.iter_mut().find(|(known, _)| known == id) {
                    Some((_, total)) => *total = total.saturating_add(count),
                    None => rotation.missing.push((id.to_owned(), count)),
                }
            }
            if is_open { &mut rotation.sets } else { &mut closed }.push(set);
        }
        // These too: a row may be behind, and what can be opened of a connection need not wait for what cannot.
        rotation.sets.append(&mut closed);
        rotation
    }

    /// Whether a deployment is in the middle of one, or must be told.
    #[must_use]
    pub fn is_under_way(&self, settings: &Settings) -> bool {
        self.left > 0 || !settings.previous_keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{GOOD, read_with};

    /// Settings whose present key is another than the usual one, which is a previous one.
    fn rotated() -> Settings {
        let previous = format!("[\"{}\"]", GOOD[2].1);
        let other = ("APP_ENCRYPTION_KEY", "another-key-of-32-bytes-of-text!");
        read_with(&[other, ("APP_ENCRYPTION_KEYS_PREVIOUS", &previous)]).unwrap()
    }

    #[test]
    fn a_set_has_an_order_and_no_doubles() {
        let set = SealedWith::new(vec!["b", "a", "b"]);
        assert_eq!((set.as_str(), &set), ("a b", &SealedWith::stored("a b")));
        assert_eq!(SealedWith::new(vec![]), SealedWith::default());
    }

    /// E5: what is missing is counted for each key; what can be opened comes first.
    #[test]
    fn what_is_left_is_worked_out_of_the_counts() {
        let settings = rotated();
        let [new, old] = [settings.application_key.id(), settings.previous_keys[0].id()];
        let count = |ids: &[&str], count| (SealedWith::new(ids.to_vec()), count);
        let counts = vec![
            count(&["00000000"], 2),
            count(&[new, old], 3),
            count(&["00000000", "11111111", old], 5),
            count(&[], 7),
            count(&[old], u32::MAX),
        ];
        let rotation = Rotation::new(&settings, counts.clone());
        assert_eq!(rotation.left, u32::MAX);
        assert_eq!(rotation.missing, [("00000000".to_owned(), 7), ("11111111".to_owned(), 5)]);
        assert_eq!(rotation.sets, [1, 3, 4, 0, 2].map(|index: usize| counts[index].0.clone()));
    }

    #[test]
    fn a_rotation_is_under_way_until_the_previous_key_is_gone() {
        let is_under_way = |settings: &Settings, counts| Rotation::new(settings, counts).is_under_way(settings);
        let (rotated, plain) = (rotated(), read_with(&[]).unwrap());
        assert!(is_under_way(&rotated, Vec::new()) && !is_under_way(&plain, Vec::new()));
        assert!(is_under_way(&plain, vec![(SealedWith::default(), 1)]));
    }
}
