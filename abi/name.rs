// SPDX-License-Identifier: GPL-2.0

//! The compatible string that identifies an FLB.
//!
//! A name is 1 to 47 bytes in a field of 48, and ends with a NUL. What follows the NUL does not
//! count.
//!
//! C headers: `include/linux/liveupdate.h` and `include/linux/kho/abi/luo.h`,
//! `LIVEUPDATE_FLB_COMPAT_LENGTH`.

/// Size of the field that holds a name, the terminating NUL included.
pub(crate) const LEN: usize = 48;

/// The field that holds a name. Compared in words, as most names share their first bytes.
pub(crate) type Field = [u64; LEN / size_of::<u64>()];

/// A name.
///
/// # Invariants
///
/// Holds at least one byte before the first NUL, and nothing but NULs from there on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name(Field);

impl Name {
    /// Read the name in a field; `None` if it is empty or not terminated.
    pub(crate) fn new(field: &Field) -> Option<Self> {
        let mut name = *field;
        // INVARIANT: By what `pad` has done.
        pad(&mut name).then_some(Self(name))
    }

    /// The field, padded with NULs.
    pub(crate) fn field(&self) -> &Field {
        &self.0
    }

    /// Whether a field that is padded with NULs holds this name.
    #[inline]
    pub(crate) fn is_in(&self, field: &Field) -> bool {
        is_same(&self.0, field)
    }
}

/// Whether two fields, which are padded with NULs, hold the same name.
#[inline]
pub(crate) fn is_same(one: &Field, other: &Field) -> bool {
    // Most names differ in the first words.
    one[0] == other[0] && one[1] == other[1] && is_same_rest(one, other)
}

// For any length, and out of line, so that the loops are not unrolled.
#[inline(never)]
fn is_same_rest(one: &[u64], other: &[u64]) -> bool {
    one.iter().zip(other).all(|(one, other)| one == other)
}

/// Pad a field with NULs from the first one on; whether there is one, and something before it.
#[inline(never)]
pub(crate) fn pad(field: &mut [u64]) -> bool {
    let mut words = field.iter_mut();
    let mut is_empty = true;
    while let Some(word) = words.next() {
        let nuls = nuls(u64::from_le(*word));
        // The first NUL is the lowest one. Keep the bytes before it.
        *word &= (nuls & nuls.wrapping_neg()).wrapping_sub(1).to_le();
        is_empty &= *word == 0;
        if nuls != 0 {
            words.for_each(|word| *word = 0);
            return !is_empty;
        }
    }
    false
}

/// The highest bit of each byte that is zero.
fn nuls(word: u64) -> u64 {
    const LOW: u64 = u64::from_ne_bytes([0x7f; size_of::<u64>()]);
    // No sum carries into the next byte.
    !((word & LOW).wrapping_add(LOW) | word | LOW)
}
