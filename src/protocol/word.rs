//! Enums whose variants are stored and shown as words.
//!
//! Decides: that each variant has one word, and is read by it. Leaves to others: which words.

/// One of some values that have a word each.
pub trait Word: Copy + 'static {
    /// Every one there is.
    const ALL: &'static [Self];

    /// Its word.
    fn word(self) -> &'static str;

    /// The one of a word, where there is one.
    #[must_use]
    fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.word() == word)
    }
}

/// Gives an enum its words and, with `Serialize`, a written form: its word. A variant that the list leaves out does not
/// compile, so that nothing can be stored which cannot be read.
macro_rules! words {
    ($kind:ident: Serialize { $($variants:tt)+ }) => {
        $crate::protocol::word::words!($kind { $($variants)+ });

        impl serde::Serialize for $kind {
            fn serialize<Target: serde::Serializer>(&self, target: Target) -> Result<Target::Ok, Target::Error> {
                target.serialize_str($crate::protocol::word::Word::word(*self))
            }
        }
    };
    ($kind:ident { $($variant:ident => $word:literal,)+ }) => {
        impl $crate::protocol::word::Word for $kind {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;

    /// Two answers.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Answer {
        /// It is so.
        Yes,
        /// It is not.
        No,
    }

    words!(Answer: Serialize { Yes => "yes", No => "no", });

    #[test]
    fn each_variant_is_written_and_read_as_its_word() {
        assert_eq!(serde_json::to_string(Answer::ALL).unwrap(), r#"["yes","no"]"#);
        assert_eq!(["yes", "no", "Yes", ""].map(Answer::of), [Some(Answer::Yes), Some(Answer::No), None, None]);
    }
}
