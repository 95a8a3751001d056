// SPDX-License-Identifier: GPL-2.0

//! The C entry points: convert pointers, one call, errno.
//!
//! The contract of each is that of the method it calls, see [`Instance`]. Those named `liveupdate_`
//! are for clients (`include/linux/liveupdate.h`), those named `luo_` for the rest of the
//! orchestrator (`luo_internal.h`).

#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_FDT))]
use crate::abi::luo_v5;
#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_FDT))]
use crate::raw::OutgoingField;
#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
use crate::raw::{ReceivedTree, TreeBuilder};
use crate::{
    bindings,
    instance::{Instance, Switch},
    lock::RegisterWrite,
    raw::{Direction, Flb, Handler, Object},
};
use core::ffi::{c_int, c_void};
use kernel::prelude::*;

/// The kernel's core.
static LUO_FLB: Instance = Instance::new(Switch::Kernel);

/// Defines an entry point, and checks its signature against the C declaration.
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

/// Turns a result into what C expects.
fn to_errno(result: Result) -> c_int {
    match result {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// Stores an object for the caller; on error the caller's pointer is left alone.
///
/// # Safety
///
/// `objp` is null or valid for writes.
unsafe fn to_caller(objp: *mut *mut c_void, get: impl FnOnce() -> Result<Object>) -> c_int {
    if objp.is_null() {
        return EINVAL.to_errno();
    }
    to_errno(get().map(|obj| {
        // SAFETY: By the requirements of this function.
        unsafe { *objp = obj.as_ptr() }
    }))
}

/// Stores the object of a direction for the caller, by `get` unless it is alive.
///
/// This is called for each device that comes up: of what is not alive nothing is in line, not even
/// room on the stack.
///
/// # Safety
///
/// As for the entry points.
#[inline(always)]
unsafe fn get(
    flb: *mut bindings::liveupdate_flb,
    objp: *mut *mut c_void,
    alive: fn(Option<Flb>) -> Option<Object>,
    get: fn(&Instance, Option<Flb>) -> Result<Object>,
) -> c_int {
    /// Stores the object that `get` returns.
    ///
    /// # Safety
    ///
    /// As for the entry points.
    #[inline(never)]
    unsafe fn get_slowly(
        flb: *mut bindings::liveupdate_flb,
        objp: *mut *mut c_void,
        get: fn(&Instance, Option<Flb>) -> Result<Object>,
    ) -> c_int {
        // SAFETY: By the requirements of this function.
        unsafe { to_caller(objp, || get(&LUO_FLB, Flb::from_raw(flb))) }
    }

    if !objp.is_null() {
        // SAFETY: By the requirements of this function.
        if let Some(object) = alive(unsafe { Flb::from_raw(flb) }) {
            // SAFETY: As above, and it is not null.
            unsafe { *objp = object.as_ptr() };
            return 0;
        }
    }
    // SAFETY: By the requirements of this function.
    unsafe { get_slowly(flb, objp, get) }
}

export! {
    /// See [`Instance::register`].
    fn liveupdate_register_flb(
        fh: *mut bindings::liveupdate_file_handler, flb: *mut bindings::liveupdate_flb
    ) -> c_int {
        // SAFETY: By the requirements of this function.
        let (fh, flb) = unsafe { (Handler::from_raw(fh), Flb::from_raw(flb)) };
        to_errno(LUO_FLB.register(fh, flb))
    }
}

export! {
    /// See [`Instance::unregister`].
    fn liveupdate_unregister_flb(
        fh: *mut bindings::liveupdate_file_handler, flb: *mut bindings::liveupdate_flb
    ) {
        // SAFETY: By the requirements of this function.
        let (fh, flb) = unsafe { (Handler::from_raw(fh), Flb::from_raw(flb)) };
        LUO_FLB.unregister(fh, flb);
    }
}

export! {
    /// See [`Instance::get_incoming`].
    fn liveupdate_flb_get_incoming(
        flb: *mut bindings::liveupdate_flb, objp: *mut *mut c_void
    ) -> c_int {
        let alive = |flb| Instance::get_alive(flb, Direction::Incoming);
        // SAFETY: By the requirements of this function.
        unsafe { get(flb, objp, alive, Instance::get_incoming) }
    }
}

export! {
    /// See [`Instance::put_incoming`].
    fn liveupdate_flb_put_incoming(flb: *mut bindings::liveupdate_flb) {
        // SAFETY: By the requirements of this function.
        LUO_FLB.put_incoming(unsafe { Flb::from_raw(flb) });
    }
}

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
export! {
    /// See [`Instance::get_outgoing`].
    fn liveupdate_flb_get_outgoing(
        flb: *mut bindings::liveupdate_flb, objp: *mut *mut c_void
    ) -> c_int {
        let alive = |flb| Instance::get_alive(flb, Direction::Outgoing);
        // SAFETY: By the requirements of this function.
        unsafe { get(flb, objp, alive, Instance::get_outgoing) }
    }
}

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
export! {
    /// See [`Instance::put_outgoing`].
    fn liveupdate_flb_put_outgoing(flb: *mut bindings::liveupdate_flb) {
        // SAFETY: By the requirements of this function.
        LUO_FLB.put_outgoing(unsafe { Flb::from_raw(flb) });
    }
}

#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING))]
export! {
    /// See [`Instance::peek_outgoing`]. The object is null if the FLB is not preserved.
    fn liveupdate_flb_get_outgoing(
        flb: *mut bindings::liveupdate_flb, objp: *mut *mut c_void
    ) -> c_int {
        let peek = |core: &Instance, flb| {
            let object = core.peek_outgoing(flb)?;
            Ok(object.unwrap_or(Object::NULL))
        };
        // SAFETY: By the requirements of this function.
        unsafe { get(flb, objp, Instance::peek_alive, peek) }
    }
}

export! {
    /// See [`Instance::preserve_file`].
    fn luo_flb_file_preserve(fh: *mut bindings::liveupdate_file_handler) -> c_int {
        // SAFETY: By the requirements of this function.
        to_errno(LUO_FLB.preserve_file(unsafe { Handler::from_raw(fh) }))
    }
}

export! {
    /// See [`Instance::unpreserve_file`].
    fn luo_flb_file_unpreserve(fh: *mut bindings::liveupdate_file_handler) {
        // SAFETY: By the requirements of this function.
        LUO_FLB.unpreserve_file(unsafe { Handler::from_raw(fh) });
    }
}

export! {
    /// See [`Instance::finish_file`].
    fn luo_flb_file_finish(fh: *mut bindings::liveupdate_file_handler) {
        // SAFETY: By the requirements of this function.
        LUO_FLB.finish_file(unsafe { Handler::from_raw(fh) });
    }
}

export! {
    /// See [`Instance::unregister_all`].
    ///
    /// The caller holds `luo_register_rwlock` for writing; that is a safety requirement too.
    fn luo_flb_unregister_all(fh: *mut bindings::liveupdate_file_handler) {
        // SAFETY: By the requirements of this function, and its only caller holds the lock.
        let (fh, mut token) = unsafe { (Handler::from_raw(fh), RegisterWrite::assume_held()) };
        LUO_FLB.unregister_all(fh, &mut token);
    }
}

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
export! {
    /// See [`Instance::setup_outgoing`]. The tree is being built.
    fn luo_flb_setup_outgoing(fdt: *mut c_void) -> c_int {
        pr_info!("Rust FLB core\n");
        // SAFETY: By the requirements of this function.
        to_errno(LUO_FLB.setup_outgoing(unsafe { TreeBuilder::from_raw(fdt) }))
    }
}

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
export! {
    /// See [`Instance::setup_incoming`]. LUO has preserved a page for the tree.
    fn luo_flb_setup_incoming(fdt: *mut c_void) -> c_int {
        // SAFETY: By the requirements of this function.
        to_errno(LUO_FLB.setup_incoming(unsafe { ReceivedTree::from_raw(fdt) }))
    }
}

#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_FDT))]
export! {
    /// See [`Instance::setup_outgoing`].
    fn luo_flb_setup_outgoing(flbs_pa: *mut u64) -> c_int {
        pr_info!("Rust FLB core\n");
        // SAFETY: By the requirements of this function; the structure is for the next kernel, and
        // the orchestrator keeps it. The field is aligned in it, see `raw/luo_ser.rs`.
        to_errno(LUO_FLB.setup_outgoing(unsafe { OutgoingField::from_raw(flbs_pa) }))
    }
}

#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_FDT))]
export! {
    /// See [`Instance::setup_incoming`]. The version of the structure has been checked.
    ///
    /// A refusal is logged, and the caller goes on: clients are told when they ask.
    fn luo_flb_setup_incoming(flbs_pa: u64) {
        let _ = LUO_FLB.setup_incoming(Some(luo_v5::Received(flbs_pa)));
    }
}

export! {
    /// See [`Instance::complete`]. Called when all initcalls of the orchestrator have run.
    fn luo_flb_complete() {
        LUO_FLB.complete();
    }
}

export! {
    /// See [`Instance::serialize`].
    fn luo_flb_serialize() {
        LUO_FLB.serialize();
    }
}
