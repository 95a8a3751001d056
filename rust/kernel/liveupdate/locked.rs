// SPDX-License-Identifier: GPL-2.0

//! Outgoing objects where the kernel counts no references to them (there is no
//! `liveupdate_flb_put_outgoing()`): in their place is the mutex that `unpreserve` is
//! called with.

use super::flb::{
    Definition,
    Flb, //
};
use crate::{
    bindings,
    error::to_result,
    prelude::*,
    types::ForeignOwnable, //
};
use core::ptr::NonNull;

/// What [`Definition::with_outgoing`] does there.
pub(super) fn with_outgoing<F: Flb, R>(
    flb: &'static Definition<F>,
    f: impl FnOnce(<F::Outgoing as ForeignOwnable>::Borrowed<'_>) -> R,
) -> Result<R> {
    let mut object = core::ptr::null_mut();
    // SAFETY: The FLB is a static.
    to_result(unsafe { bindings::liveupdate_flb_get_outgoing(flb.as_raw(), &mut object) })?;
    // SAFETY: The FLB is a static.
    let state = unsafe { &raw mut (*flb.as_raw()).private.outgoing };
    // SAFETY: The call above has initialised the lock.
    unsafe { bindings::mutex_lock(&raw mut (*state).lock) };
    // SAFETY: The lock protects the object.
    let object = NonNull::new(unsafe { (*state).obj });
    // SAFETY: It came from `preserve`, and is there as long as the lock is held.
    let result = object.map(|object| f(unsafe { F::Outgoing::borrow(object.as_ptr()) }));
    // SAFETY: It is held.
    unsafe { bindings::mutex_unlock(&raw mut (*state).lock) };
    result.ok_or(ENOENT)
}
