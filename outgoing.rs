// SPDX-License-Identifier: GPL-2.0

//! What this kernel preserves of an FLB: lock, callback, commit.
//!
//! All may sleep. The callbacks run under the FLB's `outgoing.lock`.

#![forbid(unsafe_code)]

use crate::{
    lock::FlbGuard,
    raw::{deadlock, Direction::Outgoing, Flb, Object, Ready},
    refs::{Holder, Taken},
};
use kernel::prelude::*;

/// The first file of a handler depends on `flb`. If nothing holds it, run `preserve`.
///
/// Errors: [`ENODEV`] if the owner is going away; [`EOVERFLOW`]; `EDEADLK` from its own callback;
/// or what `preserve` returned.
#[inline(always)]
pub(crate) fn preserve(flb: Ready) -> Result {
    let mut guard = FlbGuard::lock((flb, Outgoing)).ok_or_else(deadlock)?;
    if let Some(vacant) = guard.vacant() {
        return Ok(vacant.begin(0, flb.pin()?)?.publish(true, 0));
    }
    match guard.refs().hold() {
        Taken::Counted => Ok(()),
        _ => Err(EOVERFLOW),
    }
}

/// Remove a holder: a handler without files, or a reference from [`get`]. The last one runs
/// `unpreserve`.
#[inline(never)]
pub(crate) fn put(flb: Ready, holder: Holder) {
    drop(FlbGuard::release(flb, Outgoing, holder));
}

/// Count a reference to the object that `preserve` made.
///
/// Errors: [`ENOENT`] if there is none; [`EINVAL`] if a callback is missing; [`EOVERFLOW`];
/// `EDEADLK` from its own callback.
#[allow(dead_code)] // Linux 7.1 has no entry point for it.
pub(crate) fn get(flb: Flb) -> Result<Object> {
    let flb = flb.ready()?;
    let _guard = FlbGuard::lock((flb, Outgoing)).ok_or_else(deadlock)?;
    let side = flb.side(Outgoing);
    match side.refs().try_get() {
        Taken::Counted => Ok(side.object()),
        Taken::Zero => Err(ENOENT),
        Taken::Saturated => Err(EOVERFLOW),
    }
}

/// The object that `preserve` made, null if there is none. No reference is counted: it is valid as
/// long as the caller knows that a file which depends on the FLB stays preserved.
///
/// Errors: as for [`get`], but for [`ENOENT`].
#[allow(dead_code)] // The entry point of Linux 7.1.
pub(crate) fn get_unreferenced(flb: Flb) -> Result<Object> {
    let flb = flb.ready()?;
    let _guard = FlbGuard::lock((flb, Outgoing)).ok_or_else(deadlock)?;
    Ok(flb.side(Outgoing).object())
}
