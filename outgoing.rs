// SPDX-License-Identifier: GPL-2.0

//! What this kernel preserves of an FLB. All may sleep; all is done under its `outgoing.lock`.

#![forbid(unsafe_code)]

use crate::{
    lock::FlbGuard,
    raw::{deadlock, Direction::Outgoing, Flb, Ready},
    refs::Taken,
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
        vacant.begin(0, flb.pin()?)?.publish(true, 0);
        return Ok(());
    }
    match guard.refs().hold() {
        Taken::Counted => Ok(()),
        _ => Err(EOVERFLOW),
    }
}

/// Count a reference to the object that `preserve` made.
///
/// Errors: [`ENOENT`] if there is none; [`EINVAL`] if a callback is missing; [`EOVERFLOW`];
/// `EDEADLK` from its own callback.
#[allow(dead_code)] // Linux 7.1 has no entry point for it.
pub(crate) fn get(flb: Flb) -> Result {
    let flb = flb.ready()?;
    let guard = FlbGuard::lock((flb, Outgoing)).ok_or_else(deadlock)?;
    match guard.refs().try_get() {
        Taken::Counted => Ok(()),
        Taken::Zero => Err(ENOENT),
        Taken::Saturated => Err(EOVERFLOW),
    }
}

/// Wait for `preserve` or `unpreserve`, if one of them runs. No reference is counted: the object,
/// or null if there is none, is valid as long as the caller knows that a file which depends on the
/// FLB stays preserved.
///
/// Errors: as for [`get`], but for [`ENOENT`].
#[allow(dead_code)] // The entry point of Linux 7.1.
pub(crate) fn get_unreferenced(flb: Flb) -> Result {
    let flb = flb.ready()?;
    let _guard = FlbGuard::lock((flb, Outgoing)).ok_or_else(deadlock)?;
    Ok(())
}
