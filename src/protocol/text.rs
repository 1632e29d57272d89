//! Which characters a text has.

/// Whether all are printable ASCII, spaces included: `*VSCHAR` of RFC 6749 Appendix A, `%x20-7E`.
#[must_use]
pub fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printable_begins_with_the_space_and_ends_with_the_tilde() {
        assert!(is_printable("") && is_printable(" a~"));
        for bad in ["\u{1f}", "a\n", "\t", "\u{7f}", "\u{80}", "é"] {
            assert!(!is_printable(bad), "{bad:?}");
        }
    }
}
