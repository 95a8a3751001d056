// SPDX-License-Identifier: GPL-2.0

//! The C entry points: convert pointers, one call, errno.
//!
//! The contract of each is that of the method it calls, see [`LuoFlb`]. Those named `liveupdate_`
//! are for clients (`include/linux/liveupdate.h`), those named `luo_` for the rest of the
//! orchestrator (`luo_internal.h`), or slow paths of those in `shim.c`. If live update is off,
//! clients get `EOPNOTSUPP`, or nothing happens; then no files are preserved.

use crate::{
    bindings,
    files::LuoFlb,
    outgoing,
    raw::{self, errno, Direction, Flb, Handler, EOPNOTSUPP},
    refs::Holder,
};
use core::ffi::{c_int, c_void};
use kernel::{error::to_result, prelude::*};

/// The kernel's core.
static LUO_FLB: LuoFlb = LuoFlb::new();

/// What LUO passes for the address of the FLB array: the tree, or where the address is stored.
#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
type Announcement = c_void;
#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_FDT))]
type Announcement = u64;

/// Define an entry point, and check its signature against the C declaration.
macro_rules! export {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)? $body:block) => {
        const _: () = {
            // Both branches have the same type, or this does not compile.
            let _ = if true { bindings::$name } else { $name };
        };

        $(#[$doc])*
        ///
        /// # Safety
        ///
        /// Pointers are null or valid for the call; an FLB meets the invariant of [`Flb`], which
        /// clients promise by `Documentation/flb.rst`.
        #[no_mangle]
        unsafe extern "C" fn $name($($arg: $ty),*) $(-> $ret)? $body
    };
}

/// Turn a result into what C expects.
fn to_errno(result: Result) -> c_int {
    match result {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// Count a reference by `get`, and store the object for the caller. On error the caller's pointer
/// is left alone.
///
/// # Safety
///
/// As for the entry points.
unsafe fn get(
    flb: *mut bindings::liveupdate_flb,
    objp: *mut *mut c_void,
    direction: Direction,
    get: fn(Flb) -> Result,
) -> c_int {
    if !raw::liveupdate_enabled() {
        return errno(EOPNOTSUPP).to_errno();
    }
    // SAFETY: By the requirements of this function.
    let flb = unsafe { Flb::from_raw(flb) }.filter(|_| !objp.is_null());
    to_errno(flb.ok_or(EINVAL).and_then(|flb| {
        get(flb)?;
        // SAFETY: The pointer is not null, so by the requirements of this function it is valid.
        unsafe { *objp = flb.side(direction).object() };
        Ok(())
    }))
}

/// Put a reference to an object. If live update is off there may be one from before.
///
/// # Safety
///
/// As for the entry points.
unsafe fn put(flb: *mut bindings::liveupdate_flb, direction: Direction) {
    // SAFETY: By the requirements of this function.
    let flb = unsafe { Flb::from_raw(flb) };
    let flb = flb.filter(|flb| flb.side(direction).refs().is_held() || raw::liveupdate_enabled());
    if let Some(Ok(flb)) = flb.map(Flb::ready) {
        LUO_FLB.put(flb, direction, Holder::Reference);
    }
}

/// Set up what came from the previous kernel. It is validated at once if there is an allocator, by
/// which KHO can tell what was preserved.
#[link_section = ".init.text"]
fn setup_incoming(address: u64) {
    LUO_FLB.incoming.setup(address);
    // SAFETY: The function reads a number.
    if unsafe { bindings::slab_is_available() } {
        LUO_FLB.incoming.validate();
    }
}

export! {
    /// See [`LuoFlb::register`]. `EOPNOTSUPP` if live update is off; [`EINVAL`] if a pointer is
    /// null.
    fn liveupdate_register_flb(
        fh: *mut bindings::liveupdate_file_handler, flb: *mut bindings::liveupdate_flb
    ) -> c_int {
        if !raw::liveupdate_enabled() {
            return errno(EOPNOTSUPP).to_errno();
        }
        // SAFETY: By the requirements of this function.
        let (fh, flb) = unsafe { (Handler::from_raw(fh), Flb::from_raw(flb)) };
        let both = fh.zip(flb).ok_or(EINVAL);
        to_errno(both.and_then(|(fh, flb)| LUO_FLB.register(fh, flb)))
    }
}

export! {
    /// See [`LuoFlb::unregister`].
    fn liveupdate_unregister_flb(
        fh: *mut bindings::liveupdate_file_handler, flb: *mut bindings::liveupdate_flb
    ) {
        // SAFETY: By the requirements of this function.
        let (fh, flb) = unsafe { (Handler::from_raw(fh), Flb::from_raw(flb)) };
        if let (true, Some((fh, flb))) = (raw::liveupdate_enabled(), fh.zip(flb)) {
            LUO_FLB.unregister(fh, flb);
        }
    }
}

export! {
    /// See [`Incoming::get`](crate::incoming::Incoming::get).
    fn luo_flb_get_incoming_slowpath(
        flb: *mut bindings::liveupdate_flb, objp: *mut *mut c_void
    ) -> c_int {
        // SAFETY: By the requirements of this function.
        unsafe { get(flb, objp, Direction::Incoming, |flb| LUO_FLB.incoming.get(flb)) }
    }
}

export! {
    /// See [`LuoFlb::put`].
    fn luo_flb_put_incoming_slowpath(flb: *mut bindings::liveupdate_flb) {
        // SAFETY: By the requirements of this function.
        unsafe { put(flb, Direction::Incoming) }
    }
}

export! {
    /// See [`outgoing::get`], or [`outgoing::get_unreferenced`] in Linux 7.1.
    fn luo_flb_get_outgoing_slowpath(
        flb: *mut bindings::liveupdate_flb, objp: *mut *mut c_void
    ) -> c_int {
        let get_outgoing = match cfg!(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING) {
            true => outgoing::get,
            false => outgoing::get_unreferenced,
        };
        // SAFETY: By the requirements of this function.
        unsafe { get(flb, objp, Direction::Outgoing, get_outgoing) }
    }
}

export! {
    /// See [`LuoFlb::put`].
    fn luo_flb_put_outgoing_slowpath(flb: *mut bindings::liveupdate_flb) {
        // SAFETY: By the requirements of this function.
        unsafe { put(flb, Direction::Outgoing) }
    }
}

/// Define an entry point for a handler; one that is null is none.
macro_rules! export_for_handler {
    ($(#[$doc:meta])* $name:ident($fh:ident) $(-> $ret:ty, $none:expr)?; $call:expr) => {
        export! {
            $(#[$doc])*
            fn $name(fh: *mut bindings::liveupdate_file_handler) $(-> $ret)? {
                // SAFETY: By the requirements of this function.
                match unsafe { Handler::from_raw(fh) } {
                    Some($fh) => $call,
                    None => ($($none)?),
                }
            }
        }
    };
}

export_for_handler! {
    /// See [`LuoFlb::preserve_first`].
    luo_flb_preserve_first(fh) -> c_int, EINVAL.to_errno(); to_errno(LUO_FLB.preserve_first(fh))
}

export_for_handler! {
    /// See [`LuoFlb::unpreserve_last`].
    luo_flb_unpreserve_last(fh); LUO_FLB.unpreserve_last(fh)
}

export_for_handler! {
    /// See [`LuoFlb::finish_file`].
    luo_flb_file_finish(fh); LUO_FLB.finish_file(fh)
}

export_for_handler! {
    /// See [`LuoFlb::unregister_all`]. The caller holds `luo_register_rwlock` for writing.
    luo_flb_unregister_all(fh); {
        // SAFETY: The function only asserts.
        unsafe { bindings::luo_flb_shim_assert_register_write() };
        LUO_FLB.unregister_all(fh);
    }
}

export! {
    /// See [`LuoFlb::setup_outgoing`].
    #[link_section = ".init.text"]
    fn luo_flb_setup_outgoing(to: *mut Announcement) -> c_int {
        if to.is_null() {
            return EINVAL.to_errno();
        }
        to_errno(LUO_FLB.setup_outgoing(|address| {
            // SAFETY: By the requirements of this function, this is what LUO has for the address.
            to_result(unsafe { bindings::luo_flb_shim_announce(to.cast(), address) })
        }))
    }
}

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
export! {
    /// See [`Incoming::setup`](crate::incoming::Incoming::setup). LUO has preserved a page for the
    /// tree.
    ///
    /// Errors as in C: [`ENOENT`] if the tree has no node of FLBs, [`EINVAL`] if the node is not
    /// compatible or has no address. The orchestrator panics on them. An address that is wrong is
    /// for clients to be told.
    #[link_section = ".init.text"]
    fn luo_flb_setup_incoming(fdt: *mut c_void) -> c_int {
        let mut address = 0;
        // SAFETY: By the requirements of this function; the address is valid for writes.
        to_errno(to_result(unsafe { bindings::luo_flb_shim_read_tree(fdt, &mut address) })
            .map(|()| setup_incoming(address)))
    }
}

#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_FDT))]
export! {
    /// See [`Incoming::setup`](crate::incoming::Incoming::setup). Zero means that nothing came. The
    /// version of the structure has been checked.
    #[link_section = ".init.text"]
    fn luo_flb_setup_incoming(flbs_pa: u64) {
        if flbs_pa != 0 {
            setup_incoming(flbs_pa);
        }
    }
}

export! {
    /// See [`Incoming::complete`](crate::incoming::Incoming::complete). Called by a late initcall.
    #[link_section = ".init.text"]
    fn luo_flb_complete() {
        LUO_FLB.incoming.complete();
    }
}

export! {
    /// See [`LuoFlb::serialize`].
    fn luo_flb_serialize() {
        LUO_FLB.serialize();
    }
}
