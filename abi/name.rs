// SPDX-License-Identifier: GPL-2.0

//! The compatible string that identifies an FLB.
//!
//! A name is 1 to 47 bytes in a field of 48, and ends with a NUL. What follows the NUL does not
//! count.
//!
//! C headers: `include/linux/liveupdate.h` and `include/linux/kho/abi/luo.h`,
//! `LIVEUPDATE_FLB_COMPAT_LENGTH`.

use core::ffi::CStr;

/// Size of the field that holds a name, the terminating NUL included.
pub(crate) const LEN: usize = 48;

/// The field that holds a name.
pub(crate) type Field = [u8; LEN];

/// A name.
///
/// # Invariants
///
/// Holds at least one byte before the first NUL, and nothing but NULs from there on.
// Aligned, so that it is copied by words.
#[derive(Clone, Copy, Debug)]
#[repr(align(8))]
pub(crate) struct Name(Field);

impl Name {
    /// Read the name in a field; `None` if it is empty or not terminated.
    pub(crate) fn new(field: &Field) -> Option<Self> {
        let mut name = Self(*field);
        // INVARIANT: By what `pad` has done.
        pad(&mut name.0).then_some(name)
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
    // Most names differ at the beginning, which two words hold.
    one[..16] == other[..16] && one[16..32] == other[16..32] && one[32..] == other[32..]
}

/// Pad a field with NULs from the first one on; whether there is one, and something before it.
#[inline(never)]
pub(crate) fn pad(field: &mut Field) -> bool {
    let Ok(len) = CStr::from_bytes_until_nul(field).map(CStr::count_bytes) else {
        return false;
    };
    field.iter_mut().skip(len).for_each(|byte| *byte = 0);
    len != 0
}
