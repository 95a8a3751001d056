// SPDX-License-Identifier: GPL-2.0

//! What C owns: the fields of its structures, its callbacks, and its libraries; and what the core
//! hangs on them: the state of a handler, and an entry that came.
//!
//! Nothing outside this module and [`ffi`](crate::ffi) and [`lock`](crate::lock) follows a pointer.

mod flb;
mod handler;
mod kho;
pub(crate) mod trace;

pub(crate) use crate::bindings::{EDEADLK, ENODATA, EOPNOTSUPP};
pub(crate) use flb::{Direction, Flb, FlbGuard};
pub(crate) use handler::{Dependency, Handler, HandlerGuard, HandlerState};
pub(crate) use kho::{IncomingEntry, Preserved, Received};

use crate::{
    abi::{flb_array::Refusal, name::Field},
    bindings,
};
use core::ffi::CStr;
use kernel::{error::Error, str::CStrExt as _};

/// Whether a `retrieve` callback that has failed is never tried again.
pub(crate) const RETRIEVES_ONCE: bool = cfg!(CONFIG_LIVEUPDATE_FLB_HAS_RETRIEVE_STATUS);

/// Whether references to an outgoing object are counted.
pub(crate) const COUNTS_OUTGOING: bool = cfg!(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING);

/// An errno that not every kernel's `kernel::error::code` has.
pub(crate) fn errno(number: u32) -> Error {
    Error::from_errno(-(number as i32))
}

/// Whether live update is on (`liveupdate=` on the command line).
pub(crate) fn liveupdate_enabled() -> bool {
    // SAFETY: The function reads a flag.
    unsafe { bindings::liveupdate_enabled() }
}

/// Log what is wrong with `who`; `number` tells more.
#[cold]
#[inline(never)]
pub(crate) fn log(who: &Field, what: &CStr, number: i64) {
    // SAFETY: The first is a field, the second string is terminated.
    unsafe { bindings::luo_flb_shim_log(who.as_ptr(), what.as_char_ptr(), number) };
}

/// Log why what the previous kernel handed over is refused.
#[cold]
pub(crate) fn log_refusal((what, number): Refusal) {
    // SAFETY: The string is terminated.
    unsafe { bindings::luo_flb_shim_log_refusal(what.as_char_ptr(), number) };
}

/// Warn with a backtrace: the client broke the contract of the API.
#[cold]
pub(crate) fn warn() {
    kernel::warn_on!(true);
}
