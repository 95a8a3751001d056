// SPDX-License-Identifier: GPL-2.0

//! The trace events of `trace.h`. One that is off costs a nop.

use super::{Flb, Handler};
use crate::{abi::name::Field, bindings};
use core::{ffi::CStr, ptr::null_mut};
#[cfg(CONFIG_TRACEPOINTS)]
use kernel::jump_label::static_branch_unlikely;
use kernel::{
    ffi::{c_char, c_int},
    prelude::*,
    time::{Instant, Monotonic},
    tracepoint::declare_trace,
};

declare_trace! {
    /// # Safety
    ///
    /// The pointers must be valid.
    unsafe fn luo_flb_register(
        fh: *const bindings::liveupdate_file_handler,
        flb: *const bindings::liveupdate_flb,
        err: c_int,
    );
    /// # Safety
    ///
    /// The pointers must be valid.
    unsafe fn luo_flb_unregister(
        fh: *const bindings::liveupdate_file_handler,
        flb: *const bindings::liveupdate_flb,
        err: c_int,
    );
    /// # Safety
    ///
    /// The pointers must be valid, or the handler null.
    unsafe fn luo_flb_callback(
        what: *const c_char,
        fh: *const bindings::liveupdate_file_handler,
        flb: *const bindings::liveupdate_flb,
        data: u64,
        err: c_int,
        ns: i64,
    );
    /// # Safety
    ///
    /// The pointer must be valid.
    unsafe fn luo_flb_serialize(name: *const c_char, data: u64, files: u32);
}

/// An FLB was registered with a handler.
#[inline(always)]
pub(crate) fn register(handler: Handler, flb: Flb, result: Result) {
    let err = result.map_or_else(Error::to_errno, |()| 0);
    // SAFETY: By the type invariants.
    unsafe { luo_flb_register(handler.as_ptr(), flb.as_ptr(), err) };
}

/// An FLB was unregistered.
#[inline(always)]
pub(crate) fn unregister(handler: Handler, flb: Flb, result: Result) {
    let err = result.map_or_else(Error::to_errno, |()| 0);
    // SAFETY: By the type invariants.
    unsafe { luo_flb_unregister(handler.as_ptr(), flb.as_ptr(), err) };
}

/// An FLB was written into the array, for the files of a handler.
#[inline(always)]
pub(crate) fn serialize(name: &Field, data: u64, files: u32) {
    // SAFETY: The field has the length that the event reads.
    unsafe { luo_flb_serialize(name.as_ptr().cast(), data, files) };
}

/// When a callback has started, if it is traced.
pub(super) struct Started(Option<Instant<Monotonic>>);

impl Started {
    #[inline(always)]
    pub(super) fn now() -> Self {
        #[cfg(CONFIG_TRACEPOINTS)]
        // SAFETY: This is the key of a trace event.
        let is_on = unsafe {
            static_branch_unlikely!(
                bindings::__tracepoint_luo_flb_callback,
                bindings::tracepoint,
                key
            )
        };
        #[cfg(not(CONFIG_TRACEPOINTS))]
        let is_on = false;
        Self(is_on.then(Instant::now))
    }

    /// It has ended. It ran for files of a handler, or for a reference.
    #[inline(always)]
    pub(super) fn ended(
        self,
        what: &CStr,
        handler: Option<Handler>,
        flb: Flb,
        data: u64,
        result: c_int,
    ) {
        let Some(started) = self.0 else {
            return;
        };
        let handler = handler.map_or(null_mut(), Handler::as_ptr);
        let ns = started.elapsed().as_nanos();
        // SAFETY: The string is constant and terminated. The handler is null or valid, and the FLB
        // is, by their type invariants.
        unsafe { luo_flb_callback(what.as_char_ptr(), handler, flb.as_ptr(), data, result, ns) };
    }
}
