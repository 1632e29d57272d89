//! Secrets: random ones that we mint, and text that must never be shown.
//!
//! Decides: how a secret is held, compared, digested, printed (never). Leaves to others: where random bytes come from.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Text that must not appear in logs, errors or `Debug` output; wiped when dropped.
///
/// It has no `Serialize`: the two places that must write it (the answer that shows it once, the sealed envelope) call
/// [`SecretText::expose`].
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SecretText(String);

impl SecretText {
    /// Takes the text over.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself. Each call is a place to review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the text.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }

    /// Its digest, as stored.
    #[must_use]
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::of(&self.0)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretText(***)")
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// SHA-256 of a secret with at least 128 bits of randomness, in base64url: what is stored instead of it.
///
/// A plain digest is enough because the secrets are random: a slow hash defends passwords that people chose, not 256
/// random bits.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretDigest(String);

impl SecretDigest {
    /// Digests a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes())))
    }

    /// The digest of nothing, which no secret has: an empty one is refused before it is digested. To compare with where
    /// there is none, at the same cost (checklist M1).
    #[must_use]
    pub fn nobody() -> Self {
        Self("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU".to_owned())
    }

    /// What was stored.
    #[must_use]
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// Whether both digests are equal, in time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        #[cfg(test)]
        tests::COMPARISONS.set(tests::COMPARISONS.get() + 1);
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    /// The stored form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretDigest(***)")
    }
}

/// Lower-case hexadecimal: the form of client ids (16 bytes) and client secrets (32 bytes), of digests and ids of keys.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// How many digests this thread has compared.
        pub(crate) static COMPARISONS: Cell<u32> = const { Cell::new(0) };
    }

    /// L6: a secret type prints a fixed marker.
    #[test]
    fn debug_output_never_shows_a_secret() {
        let secret = SecretText::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "SecretText(***)");
        assert_eq!(format!("{:?}", secret.digest()), "SecretDigest(***)");
    }

    /// L6, M2: what is secret cannot be serialized by accident, and a digest cannot be compared with `==`, which stops
    /// at the first difference.
    #[test]
    fn secrets_have_only_the_traits_that_are_harmless() {
        use std::marker::PhantomData;

        /// What a type can do. The constants of the inherent impls win where their bounds hold.
        struct Probe<Probed>(PhantomData<Probed>);

        /// What holds otherwise.
        trait Otherwise {
            /// It cannot.
            const SERIALIZES: bool = false;
            /// It cannot.
            const COMPARES: bool = false;
        }

        impl<Probed> Otherwise for Probe<Probed> {}

        impl<Probed: Serialize> Probe<Probed> {
            /// It can.
            const SERIALIZES: bool = true;
        }

        impl<Probed: PartialEq> Probe<Probed> {
            /// It can.
            const COMPARES: bool = true;
        }

        assert_eq!([Probe::<String>::SERIALIZES, Probe::<SecretText>::SERIALIZES], [true, false]);
        assert_eq!([Probe::<String>::COMPARES, Probe::<SecretDigest>::COMPARES], [true, false]);
    }

    /// M2, M3: whatever is digested, what is compared has one length.
    #[test]
    fn digests_have_one_length() {
        for text in ["", "a", &"long".repeat(1000)] {
            assert_eq!(SecretDigest::of(text).as_str().len(), 43);
        }
    }

    /// M4: no truncation at 72 bytes as bcrypt does it.
    #[test]
    fn secrets_that_share_their_first_72_bytes_differ() {
        let head = "x".repeat(72);
        assert!(!SecretDigest::of(&format!("{head}a")).matches(&SecretDigest::of(&format!("{head}b"))));
        assert!(SecretDigest::of(&head).matches(&SecretDigest::of(&head)));
    }

    #[test]
    fn digest_is_sha256_in_base64url() {
        assert_eq!(SecretDigest::of("abc").as_str(), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
        assert_eq!(SecretDigest::of("").as_str(), SecretDigest::nobody().as_str());
    }

    #[test]
    fn hex_is_lower_case_and_padded() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }
}
