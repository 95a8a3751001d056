// SPDX-License-Identifier: GPL-2.0

//! `struct liveupdate_file_handler`, as far as FLBs are concerned.

use crate::{bindings, lock::RegisterRead};
use core::{ffi::c_void, ptr::NonNull};

/// A file handler of a client.
///
/// # Invariants
///
/// Points to a `struct liveupdate_file_handler`. It is only followed where the caller of an entry
/// point says that it is valid; elsewhere it is a name for the handler.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handler(NonNull<bindings::liveupdate_file_handler>);

// SAFETY: The pointer may be compared by any task, and followed under `luo_register_rwlock`.
unsafe impl Send for Handler {}
// SAFETY: As above.
unsafe impl Sync for Handler {}

impl Handler {
    /// Wraps a client's pointer; `None` if it is null.
    ///
    /// # Safety
    ///
    /// If it is not null, it points to a handler that is valid for the call into the core.
    pub(crate) unsafe fn from_raw(fh: *mut bindings::liveupdate_file_handler) -> Option<Self> {
        // INVARIANT: By the requirements of this function.
        NonNull::new(fh).map(Self)
    }

    /// What tells this handler from all others. Never null.
    pub(crate) fn as_ptr(self) -> *mut c_void {
        self.0.as_ptr().cast()
    }

    /// The same as a number.
    pub(crate) fn id(self) -> usize {
        self.0.as_ptr() as usize
    }

    /// Whether the orchestrator knows the handler. To be asked in the call that named it only.
    pub(crate) fn is_registered(self, _token: &RegisterRead) -> bool {
        // SAFETY: The handler is valid for the call, and its list node is protected by
        // `luo_register_rwlock`, which is held.
        unsafe { bindings::luo_flb_shim_handler_registered(self.0.as_ptr()) }
    }
}
