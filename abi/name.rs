// SPDX-License-Identifier: GPL-2.0

//! The compatible string that identifies an FLB.
//!
//! A name is 1 to 47 bytes in a field of 48, and ends with a NUL. What stands behind the NUL does
//! not count.

/// Size of the field that holds a name, the terminating NUL included.
pub(crate) const LEN: usize = 48;

/// The field that holds a name.
pub(crate) type Field = [u8; LEN];

/// Bytes that are compared at a time.
const WORD: usize = size_of::<u64>();

/// Why a field does not hold a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// There is no NUL.
    Unterminated,
    /// The first byte is the NUL.
    Empty,
}

/// A name. Names are ordered as the strings are.
///
/// # Invariants
///
/// The bytes of the field, the first in the highest place of the first word, with at least one NUL
/// among them, nothing but NULs behind it, and something before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name([u64; LEN / WORD]);

impl Name {
    /// Reads the name in a field.
    #[inline(never)]
    pub(crate) fn new(field: &Field) -> Result<Self, Error> {
        let mut words = [0; LEN / WORD];
        for (word, bytes) in words.iter_mut().zip(field.chunks_exact(WORD)) {
            *word = bytes
                .first_chunk()
                .map_or(0, |bytes| u64::from_be_bytes(*bytes));
            let nuls = nuls(*word);
            if nuls != 0 {
                // What stands before the first NUL.
                *word &= !(u64::MAX >> nuls.leading_zeros());
                // INVARIANT: All that follows is still zero.
                return match words[0] {
                    0 => Err(Error::Empty),
                    _ => Ok(Self(words)),
                };
            }
        }
        Err(Error::Unterminated)
    }

    /// The field, with NULs behind the name.
    pub(crate) fn to_field(self) -> Field {
        let mut field = [0; LEN];
        for (bytes, word) in field.chunks_exact_mut(WORD).zip(self.0) {
            if let Some(bytes) = bytes.first_chunk_mut() {
                *bytes = word.to_be_bytes();
            }
        }
        field
    }
}

/// The highest bit of each byte that is zero.
fn nuls(word: u64) -> u64 {
    const LOW: u64 = u64::from_ne_bytes([0x7f; WORD]);
    // A sum does not reach beyond its byte.
    !((word & LOW).wrapping_add(LOW) | word | LOW)
}
