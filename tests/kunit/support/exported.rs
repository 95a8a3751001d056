// SPDX-License-Identifier: GPL-2.0

//! The exported functions, as C clients call them.

use crate::{bindings, raw};
use core::ffi::{c_int, c_void};

/// What the exported `liveupdate_flb_get_incoming` returns, and what it leaves at `objp`.
pub(in super::super) fn exported_get_incoming(
    flb: *mut bindings::liveupdate_flb,
) -> (c_int, usize) {
    let mut obj = UNTOUCHED as *mut c_void;
    // SAFETY: The FLB is null or valid, and the pointer valid for writes.
    let result = unsafe { bindings::liveupdate_flb_get_incoming(flb, &mut obj) };
    (result, obj as usize)
}

/// The same for `liveupdate_flb_get_outgoing`.
pub(in super::super) fn exported_get_outgoing(
    flb: *mut bindings::liveupdate_flb,
) -> (c_int, usize) {
    let mut obj = UNTOUCHED as *mut c_void;
    // SAFETY: The FLB is null or valid, and the pointer valid for writes.
    let result = unsafe { bindings::liveupdate_flb_get_outgoing(flb, &mut obj) };
    (result, obj as usize)
}

/// What [`exported_get_outgoing`] is for an FLB that is not preserved.
pub(in super::super) fn exported_nothing() -> (c_int, usize) {
    match (raw::liveupdate_enabled(), HAS_PUT_OUTGOING) {
        (false, _) => (-(bindings::EOPNOTSUPP as c_int), UNTOUCHED),
        (true, true) => (-(bindings::ENOENT as c_int), UNTOUCHED),
        (true, false) => (0, 0),
    }
}

/// Whether the exported `liveupdate_flb_get_outgoing` takes a reference, as from Linux 7.2 on.
pub(in super::super) const HAS_PUT_OUTGOING: bool = cfg!(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING);

/// Calls the exported `liveupdate_flb_put_outgoing`, where there is one.
pub(in super::super) fn exported_put_outgoing(_flb: *mut bindings::liveupdate_flb) {
    // SAFETY: The FLB is null or valid.
    #[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
    unsafe {
        bindings::liveupdate_flb_put_outgoing(_flb)
    };
}

/// What the exported functions return for a place that is null.
pub(in super::super) fn exported_get_nowhere(flb: *mut bindings::liveupdate_flb) -> [c_int; 2] {
    let nowhere = core::ptr::null_mut();
    // SAFETY: The FLB is valid; the pointer may be null.
    unsafe {
        [
            bindings::liveupdate_flb_get_incoming(flb, nowhere),
            bindings::liveupdate_flb_get_outgoing(flb, nowhere),
        ]
    }
}

/// What stands where an object is to be stored.
pub(in super::super) const UNTOUCHED: usize = 0x5a5a;
