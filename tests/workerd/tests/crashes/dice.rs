//! Chance that can be repeated: numbers from a seed.

use std::env;
use std::hash::{BuildHasher, RandomState};

/// A source of numbers (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// With the seed that `POSTERN_CRASH_SEED` names, else with a new one; tells it.
    pub(crate) fn new() -> (Self, u64) {
        let given = env::var("POSTERN_CRASH_SEED").ok();
        let seed = given.map_or_else(|| RandomState::new().hash_one(0), |text| text.parse().expect("a number"));
        (Self(seed), seed)
    }

    /// Another source, whose numbers follow from this one's next.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Whether an event of this probability happens.
    pub(crate) fn percent(&mut self, probability: u64) -> bool {
        self.below(100) < probability
    }

    /// The next number.
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
