// SPDX-License-Identifier: GPL-2.0

//! `struct liveupdate_flb`: its name, its callbacks, and its private area.
//!
//! The outgoing state is kept in the C fields of the private area, where debuggers look for it.
//! The incoming state belongs to the entry that was handed over, not to the FLB, and is kept there.

use super::{report, Pin};
use crate::{
    abi::{block, name},
    bindings, state,
};
use core::{
    ffi::{c_int, c_void, CStr},
    mem::{offset_of, size_of},
    ptr::{addr_of, addr_of_mut, NonNull},
};
use kernel::prelude::*;

/// The live object of an FLB: a pointer of the client, possibly null, which the core never follows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Object(*mut c_void);

impl Object {
    /// No object.
    pub(crate) const NULL: Self = Self(core::ptr::null_mut());

    /// The pointer, for the client.
    pub(crate) fn as_ptr(self) -> *mut c_void {
        self.0
    }
}

// SAFETY: The core only passes the pointer on.
unsafe impl Send for Object {}

/// The outgoing state of an FLB.
pub(crate) type Outgoing = state::Outgoing<Object, Pin>;

/// A callback that may fail.
type Callback = unsafe extern "C" fn(*mut bindings::liveupdate_flb_op_args) -> c_int;

/// An FLB of a client.
///
/// # Invariants
///
/// Points to a `struct liveupdate_flb` that stays valid while the core may use it:
///
/// - for the call that named it;
/// - while it is registered, which is longer than until it is unregistered if files of the handler
///   are preserved then;
/// - from `preserve` to `unpreserve`, and from `retrieve` to `finish`.
///
/// That is the contract with clients, see `Documentation/flb.rst`. Where the client is a module the
/// last item is enforced, as its owner is pinned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flb(NonNull<bindings::liveupdate_flb>);

// SAFETY: What the pointer leads to is constant, atomic, or protected by a lock.
unsafe impl Send for Flb {}
// SAFETY: As above.
unsafe impl Sync for Flb {}

impl Flb {
    /// Wraps a client's pointer; `None` if it is null.
    ///
    /// # Safety
    ///
    /// If it is not null, the invariant of [`Flb`] holds.
    pub(crate) unsafe fn from_raw(flb: *mut bindings::liveupdate_flb) -> Option<Self> {
        // INVARIANT: By the requirements of this function.
        NonNull::new(flb).map(Self)
    }

    /// The compatible string; [`EINVAL`] if it is empty or not terminated.
    #[inline(never)]
    pub(crate) fn name(&self) -> Result<&name::Field> {
        name::check(self.name_field()).map_err(|_| EINVAL)
    }

    /// The field of the compatible string, whatever is in it.
    pub(crate) fn name_field(&self) -> &name::Field {
        // SAFETY: By the invariant; the string is constant.
        unsafe { &*addr_of!((*self.0.as_ptr()).compatible).cast() }
    }

    /// Logs that something is wrong with this FLB; `number` tells more.
    #[cold]
    #[inline(never)]
    pub(crate) fn complain(&self, what: &CStr, number: i64) {
        report(self.name_field(), what, number);
    }

    /// The callbacks; [`EINVAL`] if there are none.
    fn ops(&self) -> Result<&bindings::liveupdate_flb_ops> {
        // SAFETY: By the invariant; the callbacks are constant and live as long as the FLB.
        unsafe { (*self.0.as_ptr()).ops.as_ref() }.ok_or(EINVAL)
    }

    /// Whether all callbacks are there.
    pub(crate) fn has_all_callbacks(&self) -> bool {
        self.ops().is_ok_and(|ops| {
            ops.preserve.is_some()
                && ops.unpreserve.is_some()
                && ops.retrieve.is_some()
                && ops.finish.is_some()
        })
    }

    /// Keeps the owner of the callbacks; [`ENODEV`] if it is going away.
    pub(crate) fn pin(&self) -> Result<Pin> {
        // SAFETY: The owner of an FLB that is being used has not been freed.
        unsafe { Pin::get(self.ops()?.owner) }.ok_or(ENODEV)
    }

    /// What a callback receives.
    fn args(&self, data: u64, obj: Object) -> bindings::liveupdate_flb_op_args {
        bindings::liveupdate_flb_op_args {
            flb: self.0.as_ptr(),
            data,
            obj: obj.0,
        }
    }

    /// Runs `preserve`, while the owner is pinned. The caller holds the outgoing lock.
    pub(crate) fn preserve(&self, _pin: &Pin) -> Result<state::Saved<Object>> {
        let callback = self.ops()?.preserve.ok_or(EINVAL)?;
        let args = self.run(callback, self.args(0, Object::NULL))?;
        Ok(state::Saved {
            data: args.data,
            obj: Object(args.obj),
        })
    }

    /// Runs `unpreserve`, while the owner is pinned. The caller holds the outgoing lock.
    pub(crate) fn unpreserve(&self, saved: state::Saved<Object>, _pin: &Pin) {
        if let Some(callback) = self.ops().ok().and_then(|ops| ops.unpreserve) {
            let mut args = self.args(saved.data, saved.obj);
            // SAFETY: The client's callback takes any arguments that its `preserve` has returned.
            unsafe { callback(&mut args) };
        }
    }

    /// Runs `retrieve`, while the owner is pinned. The caller holds the lock of the incoming entry.
    pub(crate) fn retrieve(&self, data: u64, _pin: &Pin) -> Result<Object> {
        let callback = self.ops()?.retrieve.ok_or(EINVAL)?;
        let args = self.run(callback, self.args(data, Object::NULL))?;
        Ok(Object(args.obj))
    }

    /// Runs `finish`, while the owner is pinned. The caller holds the lock of the incoming entry.
    pub(crate) fn finish(&self, obj: Object, _pin: &Pin) {
        if let Some(callback) = self.ops().ok().and_then(|ops| ops.finish) {
            let mut args = self.args(0, obj);
            // SAFETY: The client's callback takes what its `retrieve` has returned.
            unsafe { callback(&mut args) };
        }
    }

    /// Runs a callback that may fail, and returns what it made of its arguments.
    ///
    /// A callback returns 0 or a negative errno; anything else is taken for [`EINVAL`].
    fn run(
        &self,
        callback: Callback,
        mut args: bindings::liveupdate_flb_op_args,
    ) -> Result<bindings::liveupdate_flb_op_args> {
        // SAFETY: The client's callback takes a pointer to arguments that are valid for the call.
        let result = unsafe { callback(&mut args) };
        match result {
            0 => Ok(args),
            _ if result < 0 && result >= -(bindings::MAX_ERRNO as c_int) => {
                Err(Error::from_errno(result))
            }
            _ => {
                self.complain(c"callback returned no errno", result.into());
                Err(EINVAL)
            }
        }
    }

    /// The private area, ready for use.
    fn private(&self) -> *mut bindings::luo_flb_private {
        // SAFETY: By the invariant; the function prepares the area once.
        unsafe { bindings::luo_flb_shim_private(self.0.as_ptr()) }
    }

    /// The mutex that protects the outgoing state. It is initialised, and valid while the FLB is.
    pub(crate) fn outgoing_mutex(&self) -> *mut bindings::mutex {
        // SAFETY: The pointer stays within the private area. No reference to a structure that
        // holds the mutex is made, as others may be changing it.
        unsafe { addr_of_mut!((*self.private()).outgoing.lock) }
    }

    /// The number of files in the private area.
    fn outgoing_files(&self) -> *mut c_int {
        // SAFETY: The pointer stays within the private area.
        unsafe { addr_of_mut!((*self.0.as_ptr()).private.outgoing.count.refs.counter) }
    }

    /// The number of users in the private area. C counts registrations in this field, which the core
    /// does in its registry.
    fn outgoing_users(&self) -> *mut c_int {
        // SAFETY: The pointer stays within the private area.
        unsafe { addr_of_mut!((*self.0.as_ptr()).private.users) }
    }

    /// The numbers of files and users, which are both zero in [`Outgoing::Idle`] only.
    ///
    /// # Safety
    ///
    /// The caller holds the outgoing lock.
    unsafe fn outgoing_holders(&self) -> (u32, u32) {
        // SAFETY: The lock protects the fields. They hold what `set_outgoing` stored, or zero: the first
        // by the contract with clients, as in C, the second as it was prepared with the lock.
        unsafe { (*self.outgoing_files() as u32, *self.outgoing_users() as u32) }
    }

    /// What `preserve` left in the private area.
    ///
    /// # Safety
    ///
    /// The caller holds the outgoing lock.
    unsafe fn outgoing_saved(&self) -> state::Saved<Object> {
        // SAFETY: The lock protects the fields.
        let (data, obj) = unsafe {
            let outgoing = addr_of!((*self.0.as_ptr()).private.outgoing);
            ((*outgoing).data, (*outgoing).obj)
        };
        let obj = Object(obj);
        state::Saved { data, obj }
    }

    /// The object, if the FLB is preserved.
    ///
    /// # Safety
    ///
    /// The caller holds the outgoing lock.
    pub(crate) unsafe fn outgoing_object(&self) -> Option<Object> {
        // SAFETY: By the requirements of this function.
        let (holders, saved) = unsafe { (self.outgoing_holders(), self.outgoing_saved()) };
        (holders != (0, 0)).then_some(saved.obj)
    }

    /// The handle and the number of files, if files depend on the FLB.
    ///
    /// # Safety
    ///
    /// The caller holds the outgoing lock.
    pub(crate) unsafe fn outgoing_handover(&self) -> Option<(u64, u32)> {
        // SAFETY: By the requirements of this function.
        let ((files, _), saved) = unsafe { (self.outgoing_holders(), self.outgoing_saved()) };
        (files != 0).then_some((saved.data, files))
    }

    /// Decodes the state, and leaves [`Outgoing::Idle`].
    ///
    /// # Safety
    ///
    /// The caller holds the outgoing lock, and nobody else reads or writes the state meanwhile.
    pub(crate) unsafe fn take_outgoing(&self) -> Outgoing {
        // SAFETY: By the requirements of this function.
        let ((files, users), saved) = unsafe { (self.outgoing_holders(), self.outgoing_saved()) };
        if (files, users) == (0, 0) {
            return Outgoing::Idle;
        }
        let flb = self.0.as_ptr();
        // SAFETY: The lock protects the fields. The state that was stored by `set_outgoing` owns a
        // reference to the owner, and the counts of zero say that it is given up.
        let pin = unsafe {
            *self.outgoing_files() = 0;
            *self.outgoing_users() = 0;
            (*flb).private.outgoing.data = 0;
            (*flb).private.outgoing.obj = Object::NULL.0;
            Pin::from_raw((*(*flb).ops).owner)
        };
        // INVARIANT: Not both counts are zero.
        Outgoing::Preserved(state::Preserved {
            files,
            users,
            saved,
            pin,
        })
    }

    /// Encodes the state; the one before has been taken.
    ///
    /// # Safety
    ///
    /// The caller holds the outgoing lock, and nobody else reads or writes the state meanwhile.
    pub(crate) unsafe fn set_outgoing(&self, state: Outgoing) {
        let Outgoing::Preserved(kept) = state else {
            return;
        };
        let flb = self.0.as_ptr();
        // The reference to the owner now belongs to the private area, see `take_outgoing`.
        core::mem::forget(kept.pin);
        // SAFETY: The lock protects the fields. Both numbers are at most `MAX_FILES`.
        unsafe {
            (*flb).private.outgoing.data = kept.saved.data;
            (*flb).private.outgoing.obj = kept.saved.obj.0;
            *self.outgoing_files() = kept.files as c_int;
            *self.outgoing_users() = kept.users as c_int;
        }
    }
}

// The layouts of `abi` are those of the C headers.
static_assert!(size_of::<bindings::luo_flb_header_ser>() == block::HEADER_LEN);
static_assert!(offset_of!(bindings::luo_flb_header_ser, pgcnt) == 0);
static_assert!(offset_of!(bindings::luo_flb_header_ser, count) == block::HEADER_COUNT);
static_assert!(size_of::<bindings::luo_flb_ser>() == block::ENTRY_LEN);
static_assert!(offset_of!(bindings::luo_flb_ser, name) == 0);
static_assert!(offset_of!(bindings::luo_flb_ser, data) == block::ENTRY_DATA);
static_assert!(offset_of!(bindings::luo_flb_ser, count) == block::ENTRY_COUNT);
static_assert!(bindings::LIVEUPDATE_FLB_COMPAT_LENGTH as usize == name::LEN);

// What `retrieve` has left is told in one way or the other, as the probe has found.
#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_RETRIEVE_STATUS)]
static_assert!(offset_of!(bindings::luo_flb_private_state, retrieve_status) > 0);
#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_RETRIEVE_STATUS))]
static_assert!(offset_of!(bindings::luo_flb_private_state, retrieved) > 0);
