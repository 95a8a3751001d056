// SPDX-License-Identifier: GPL-2.0

//! What C owns: the fields of its structures, its callbacks, and its libraries.
//!
//! Nothing outside this module and [`ffi`](crate::ffi) and [`lock`](crate::lock) follows a pointer.

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
mod fdt;
mod flb;
mod handler;
mod kho;
#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_FDT))]
mod luo_ser;
mod module;

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
pub(crate) use fdt::{OutgoingTree, ReceivedTree, TreeBuilder};
pub(crate) use flb::{Direction, Flb, Object, Ready};
pub(crate) use handler::Handler;
pub(crate) use kho::{Preserved, Restored};
#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_FDT))]
pub(crate) use luo_ser::OutgoingField;
pub(crate) use module::Pin;

pub(crate) use crate::bindings::{EDEADLK, ENODATA, EOPNOTSUPP};

use crate::{abi::name, bindings};
use core::ffi::{c_int, CStr};
use kernel::{error::Error, str::CStrExt as _};

/// Whether a `retrieve` callback that has failed is never tried again.
pub(crate) const RETRIEVES_ONCE: bool = cfg!(CONFIG_LIVEUPDATE_FLB_HAS_RETRIEVE_STATUS);

/// An errno that not every kernel's `kernel::error::code` has.
pub(crate) fn errno(number: u32) -> Error {
    Error::from_errno(-(number as i32))
}

/// Whether live update is on (`liveupdate=` on the command line).
pub(crate) fn liveupdate_enabled() -> bool {
    // SAFETY: The function reads a flag.
    unsafe { bindings::liveupdate_enabled() }
}

/// Logs what is wrong with `who`; `number` tells more.
#[cold]
#[inline(never)]
pub(crate) fn report(who: &[u8], what: &CStr, number: i64) {
    let len = who.len().min(name::LEN) as c_int;
    // SAFETY: The first string ends at its length, the second is terminated.
    unsafe {
        bindings::luo_flb_shim_report(len, who.as_ptr(), what.as_char_ptr(), number);
    }
}

/// Logs why what the previous kernel handed over is refused; `number` shows it.
#[cold]
pub(crate) fn report_refusal(what: &CStr, number: u64) {
    // SAFETY: The string is terminated.
    unsafe { bindings::luo_flb_shim_report_refusal(what.as_char_ptr(), number) };
}

/// Warns with a backtrace, and returns `condition`: the client broke the contract of the API.
pub(crate) fn warn_on(condition: bool) -> bool {
    // SAFETY: The function may be called from any context.
    condition && unsafe { bindings::luo_flb_shim_warn() }
}

/// Whether two strings are the same; for use in constants, which rustc 1.85 takes for none.
#[allow(dead_code)]
const fn same(ours: &CStr, theirs: &[u8]) -> bool {
    let ours = ours.to_bytes_with_nul();
    let mut index = 0;
    while index < ours.len() && index < theirs.len() && ours[index] == theirs[index] {
        index += 1;
    }
    index == ours.len() && index == theirs.len()
}
