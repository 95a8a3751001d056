// SPDX-License-Identifier: GPL-2.0

//! `struct luo_ser`: the orchestrator's state as one structure.
//!
//! The core is given a field of it. What follows ties [`luo_v5`] to the C headers.

use super::same;
use crate::{abi::luo_v5, bindings};
use core::{
    mem::{align_of, offset_of, size_of},
    ptr::NonNull,
};
use kernel::prelude::*;

/// The `flbs_pa` for the next kernel.
///
/// # Invariants
///
/// Points to an aligned number that stays where it is while live update is on, and that nobody else
/// uses in this kernel.
pub(crate) struct OutgoingField(NonNull<u64>);

// SAFETY: The number may be written by any task.
unsafe impl Send for OutgoingField {}

impl OutgoingField {
    /// Wraps a field; `None` if the pointer is null.
    ///
    /// # Safety
    ///
    /// If it is not null, the invariant of [`OutgoingField`] holds.
    pub(crate) unsafe fn from_raw(flbs_pa: *mut u64) -> Option<Self> {
        // INVARIANT: By the requirements of this function.
        NonNull::new(flbs_pa).map(Self)
    }

    /// The field, as the format knows it.
    pub(crate) fn as_format(&mut self) -> luo_v5::Field<'_> {
        // SAFETY: By the invariant nobody else uses the number, and `self` is borrowed exclusively.
        luo_v5::Field(unsafe { self.0.as_mut() })
    }
}

static_assert!(same(luo_v5::VERSION, bindings::LUO_ABI_COMPATIBLE));
static_assert!(size_of::<bindings::luo_ser>() == luo_v5::LEN);
static_assert!(offset_of!(bindings::luo_ser, flbs_pa) == luo_v5::FLBS);
// The structure is packed, and begins a page.
static_assert!(luo_v5::FLBS % align_of::<u64>() == 0);
