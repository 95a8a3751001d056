// SPDX-License-Identifier: GPL-2.0

//! The C entry points: convert pointers, one call, errno.
//!
//! The contract of each is that of the method it calls, see [`LuoFlb`]. Those named `liveupdate_`
//! are for clients (`include/linux/liveupdate.h`), those named `luo_` for the rest of the
//! orchestrator (`luo_internal.h`), or slow paths of those in `shim.c`. If live update is off,
//! clients get `EOPNOTSUPP`, or nothing happens; but the fast paths do not ask, so an object that
//! was held before stays available.

use crate::{
    bindings,
    files::LuoFlb,
    outgoing,
    raw::{
        self,
        Direction::{self, Incoming, Outgoing},
        Flb, Handler, ENODATA, EOPNOTSUPP,
    },
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

/// Define entry points, and check their signatures against the C declarations.
macro_rules! exports {
    ($(
        $(#[$attribute:meta])*
        fn $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)? $body:block
    )*) => {$(
        // Both branches have the same type, or this does not compile.
        const _: () = { let _ = if true { bindings::$name } else { $name }; };

        $(#[$attribute])*
        ///
        /// # Safety
        ///
        /// Pointers are valid for the call, or those of clients null; an FLB meets the invariant of
        /// [`Flb`], which clients promise by `Documentation/flb.rst`.
        #[no_mangle]
        unsafe extern "C" fn $name($($arg: $ty),*) $(-> $ret)? $body
    )*};
}

const OFF: c_int = -(EOPNOTSUPP as c_int);

/// Turn a result into what C expects.
fn to_errno(result: Result) -> c_int {
    result.map_or_else(Error::to_errno, |()| 0)
}

/// Get the object of an FLB, and store it for the caller. On error the caller's pointer is left
/// alone.
///
/// # Safety
///
/// As for the entry points.
#[inline(always)]
unsafe fn get(
    flb: *mut bindings::liveupdate_flb,
    objp: *mut *mut c_void,
    direction: Direction,
) -> c_int {
    if !raw::liveupdate_enabled() {
        return OFF;
    }
    if flb.is_null() || objp.is_null() {
        return EINVAL.to_errno();
    }
    if direction == Incoming && LUO_FLB.incoming.is_empty() {
        return -(ENODATA as c_int);
    }
    // SAFETY: By the requirements of this function.
    let got = unsafe { Flb::from_raw(flb) }.ok_or(EINVAL).and_then(|flb| {
        let object = match direction {
            Incoming => LUO_FLB.incoming.get(flb).map(|()| flb.object(Incoming)),
            Outgoing if raw::COUNTS_OUTGOING => outgoing::get(flb).map(|()| flb.object(Outgoing)),
            Outgoing => outgoing::get_unreferenced(flb),
        }?;
        // SAFETY: It is not null, so by the requirements of this function it is valid.
        unsafe { *objp = object };
        Ok(())
    });
    to_errno(got)
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

exports! {
    /// See [`LuoFlb::register`]. `EOPNOTSUPP` if live update is off; [`EINVAL`] if a pointer is
    /// null, or a callback is missing.
    fn liveupdate_register_flb(
        fh: *mut bindings::liveupdate_file_handler, flb: *mut bindings::liveupdate_flb
    ) -> c_int {
        if !raw::liveupdate_enabled() {
            return OFF;
        }
        if fh.is_null() || flb.is_null() {
            return EINVAL.to_errno();
        }
        // SAFETY: By the requirements of this function.
        let Some(flb) = (unsafe { Flb::from_raw(flb) }) else {
            raw::warn();
            return EINVAL.to_errno();
        };
        // SAFETY: By the requirements of this function, as it is not null.
        to_errno(LUO_FLB.register(unsafe { Handler::from_raw(fh) }, flb))
    }

    /// See [`LuoFlb::unregister`].
    fn liveupdate_unregister_flb(
        fh: *mut bindings::liveupdate_file_handler, flb: *mut bindings::liveupdate_flb
    ) {
        if fh.is_null() || flb.is_null() || !raw::liveupdate_enabled() {
            return;
        }
        // SAFETY: By the requirements of this function.
        match unsafe { Flb::from_raw(flb) } {
            // SAFETY: By the requirements of this function, as it is not null.
            Some(flb) => LUO_FLB.unregister(unsafe { Handler::from_raw(fh) }, flb),
            None => raw::warn(),
        }
    }

    /// See [`Incoming::get`](crate::incoming::Incoming::get).
    fn luo_flb_get_incoming_slowpath(
        flb: *mut bindings::liveupdate_flb, objp: *mut *mut c_void
    ) -> c_int {
        // SAFETY: By the requirements of this function.
        unsafe { get(flb, objp, Incoming) }
    }

    /// See [`outgoing::get`], or [`outgoing::get_unreferenced`] if no reference is taken.
    fn luo_flb_get_outgoing_slowpath(
        flb: *mut bindings::liveupdate_flb, objp: *mut *mut c_void
    ) -> c_int {
        // SAFETY: By the requirements of this function.
        unsafe { get(flb, objp, Outgoing) }
    }

    /// See [`LuoFlb::put`]. If live update is off there may be a reference from before.
    fn luo_flb_put_slowpath(flb: *mut bindings::liveupdate_flb, is_incoming: bool) {
        let direction = if is_incoming { Incoming } else { Outgoing };
        // SAFETY: By the requirements of this function.
        let flb = unsafe { Flb::from_raw(flb) };
        let flb = flb.filter(|flb| flb.refs(direction).is_held() || raw::liveupdate_enabled());
        if let Some(flb) = flb {
            LUO_FLB.put(flb, direction, None);
        }
    }

    /// See [`LuoFlb::preserve_first`].
    fn luo_flb_preserve_first(fh: *mut bindings::liveupdate_file_handler) -> c_int {
        // SAFETY: By the requirements of this function.
        to_errno(LUO_FLB.preserve_first(unsafe { Handler::from_raw(fh) }))
    }

    /// See [`LuoFlb::unpreserve_last`].
    fn luo_flb_unpreserve_last(fh: *mut bindings::liveupdate_file_handler) {
        // SAFETY: By the requirements of this function.
        LUO_FLB.unpreserve_last(unsafe { Handler::from_raw(fh) });
    }

    /// See [`LuoFlb::finish_file`].
    fn luo_flb_file_finish(fh: *mut bindings::liveupdate_file_handler) {
        // SAFETY: By the requirements of this function.
        LUO_FLB.finish_file(unsafe { Handler::from_raw(fh) });
    }

    /// See [`LuoFlb::unregister_all`]. The caller holds `luo_register_rwlock` for writing.
    fn luo_flb_unregister_all(fh: *mut bindings::liveupdate_file_handler) {
        // SAFETY: The function only asserts.
        unsafe { bindings::luo_flb_shim_assert_register_write() };
        // SAFETY: By the requirements of this function.
        LUO_FLB.unregister_all(unsafe { Handler::from_raw(fh) });
    }

    /// See [`RegistryGuard::setup_outgoing`](crate::lock::RegistryGuard::setup_outgoing).
    #[link_section = ".init.text"]
    fn luo_flb_setup_outgoing(to: *mut Announcement) -> c_int {
        to_errno(LUO_FLB.registry.lock().setup_outgoing(|address| {
            // SAFETY: By the requirements of this function, this is what LUO has for the address.
            to_result(unsafe { bindings::luo_flb_shim_announce(to.cast(), address) })
        }))
    }

    /// See [`Incoming::complete`](crate::incoming::Incoming::complete). Called by an initcall.
    #[link_section = ".init.text"]
    fn luo_flb_complete() {
        LUO_FLB.incoming.complete();
    }

    /// See [`RegistryGuard::serialize`](crate::lock::RegistryGuard::serialize).
    fn luo_flb_serialize() {
        LUO_FLB.registry.lock().serialize();
    }
}

#[cfg(CONFIG_LIVEUPDATE_FLB_DEBUGFS)]
exports! {
    /// See [`debugfs::create`](crate::debugfs::create). Called by an initcall.
    #[link_section = ".init.text"]
    fn luo_flb_debugfs_init() -> c_int {
        to_errno(crate::debugfs::create(&LUO_FLB))
    }
}

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
exports! {
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
exports! {
    /// See [`Incoming::setup`](crate::incoming::Incoming::setup). Zero means that nothing came. The
    /// version of the structure has been checked.
    #[link_section = ".init.text"]
    fn luo_flb_setup_incoming(flbs_pa: u64) {
        if flbs_pa != 0 {
            setup_incoming(flbs_pa);
        }
    }
}
