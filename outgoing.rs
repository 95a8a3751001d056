// SPDX-License-Identifier: GPL-2.0

//! What this kernel preserves of an FLB. All may sleep; all is done under its `outgoing.lock`.

#![forbid(unsafe_code)]

use crate::{
    raw::{Direction::Outgoing, Flb, FlbGuard, Handler},
    refs::Taken,
};
use core::ffi::c_void;
use kernel::prelude::*;

/// The first file of `handler` depends on `flb`. If nothing holds it, run `preserve`.
///
/// Errors: [`ENODEV`] if the owner is going away; [`EOVERFLOW`]; `EDEADLK` from its own callback;
/// or what `preserve` returned.
#[inline(always)]
pub(crate) fn preserve(flb: Flb, handler: Handler) -> Result {
    let guard = FlbGuard::lock(flb, Outgoing)?;
    match guard.refs().hold() {
        Taken::Counted => return Ok(()),
        Taken::Saturated => return Err(EOVERFLOW),
        Taken::Zero => {}
    }
    guard.begin(0, guard.pin()?, Some(handler))?;
    guard.refs().publish(true, 0);
    Ok(())
}

/// Count a reference to the object that `preserve` made.
///
/// Errors: [`ENOENT`] if nothing holds it, unlike in C not if the object is null; [`EOVERFLOW`];
/// `EDEADLK` from its own callback.
pub(crate) fn get(flb: Flb) -> Result {
    match FlbGuard::lock(flb, Outgoing)?.refs().try_get() {
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
pub(crate) fn get_unreferenced(flb: Flb) -> Result<*mut c_void> {
    let _guard = FlbGuard::lock(flb, Outgoing)?;
    Ok(flb.object(Outgoing))
}
