// SPDX-License-Identifier: GPL-2.0

//! The compatible string that identifies an FLB.
//!
//! A name is 1 to 47 bytes in a field of 48, and ends with a NUL. What stands behind the NUL does
//! not count.

use core::ffi::CStr;

/// Size of the field that holds a name, the terminating NUL included.
pub(crate) const LEN: usize = 48;

/// The field that holds a name.
pub(crate) type Field = [u8; LEN];

/// Why a field does not hold a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// There is no NUL.
    Unterminated,
    /// The first byte is the NUL.
    Empty,
}

/// Checks that a field holds a name.
#[inline(never)]
pub(crate) fn check(field: &Field) -> Result<&Field, Error> {
    match CStr::from_bytes_until_nul(field) {
        Err(_) => Err(Error::Unterminated),
        Ok(name) if name.is_empty() => Err(Error::Empty),
        Ok(_) => Ok(field),
    }
}

/// Whether two fields hold the same name.
#[inline(never)]
pub(crate) fn same(one: &Field, other: &Field) -> bool {
    for (byte, other) in one.iter().zip(other) {
        if byte != other {
            return false;
        }
        if *byte == 0 {
            break;
        }
    }
    true
}
