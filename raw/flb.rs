// SPDX-License-Identifier: GPL-2.0

//! `struct liveupdate_flb`: its name, its callbacks, and its private area.
//!
//! Of the private area the core uses, in each direction, `lock`, `data`, `obj`, and `count`, in an
//! encoding of its own (see [`refs`](crate::refs)); and `private.users`, to note which entry came
//! for the FLB. It does not use `private.list`, as it has its own lists, which do not follow a
//! pointer to an FLB that may be gone; nor `finished` and what tells of `retrieve`, which the entry
//! does.

use super::{log, ModuleRef};
use crate::{
    abi::name::{Field, Name},
    bindings,
    refs::Refs,
};
use core::{
    ffi::{c_int, c_void, CStr},
    marker::PhantomData,
    mem::{align_of, offset_of, size_of},
    ptr::{addr_of, addr_of_mut, NonNull},
};
use kernel::prelude::*;

/// An FLB of a client.
///
/// # Invariants
///
/// Points to a `struct liveupdate_flb` that stays valid while the core may use it:
///
/// - for the call that named it;
/// - while it is registered;
/// - from `preserve` to `unpreserve`, and from `retrieve` to `finish`, registered or not.
///
/// That is the contract with clients, see `Documentation/flb.rst`: an FLB is not freed before its
/// owner is. The owner is pinned for the last item, but for a module whose init fails: that is
/// freed all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flb(NonNull<bindings::liveupdate_flb>);

// SAFETY: What the pointer leads to is constant, atomic, or protected by a lock.
unsafe impl Send for Flb {}
// SAFETY: As above.
unsafe impl Sync for Flb {}

impl Flb {
    /// Wrap a client's pointer; `None` if it is null.
    ///
    /// # Safety
    ///
    /// If it is not null, the type invariants must hold.
    pub(crate) unsafe fn from_raw(flb: *mut bindings::liveupdate_flb) -> Option<Self> {
        // INVARIANT: By the requirements of this function.
        NonNull::new(flb).map(Self)
    }

    /// The pointer, which identifies the FLB.
    pub(crate) fn as_ptr(self) -> *mut bindings::liveupdate_flb {
        self.0.as_ptr()
    }

    /// The compatible string; [`EINVAL`] if it is empty or not terminated.
    pub(crate) fn name(self) -> Result<Name> {
        Name::new(self.field()).ok_or(EINVAL)
    }

    /// Log that something is wrong with this FLB; `number` tells more.
    #[cold]
    #[inline(never)]
    pub(crate) fn log(self, what: &CStr, number: i64) {
        log(self.field(), what, number);
    }

    fn field(&self) -> &Field {
        // SAFETY: By the type invariants the field is there, and it is constant. It has so many
        // bytes, see `raw/kho.rs`.
        unsafe { &*addr_of!((*self.0.as_ptr()).compatible).cast() }
    }

    /// Prepare the FLB for use; [`EINVAL`] if a callback is missing.
    pub(crate) fn ready(self) -> Result<Ready> {
        // SAFETY: By the type invariants the FLB is there. The function prepares the private area
        // once.
        match unsafe { bindings::luo_flb_shim_prepare(self.0.as_ptr()) } {
            // INVARIANT: By what the function returns.
            true => Ok(Ready(self)),
            false => Err(EINVAL),
        }
    }

    /// Where the entry is that came for the FLB, if that was found. Changes under the registry
    /// lock.
    pub(crate) fn entry(self) -> usize {
        // SAFETY: By the type invariants the field is there. It is written by one instruction.
        unsafe { addr_of!((*self.0.as_ptr()).private.users).read_volatile() as usize }
    }

    /// Note where the entry is that came for the FLB. Under the registry lock.
    pub(crate) fn set_entry(self, index: usize) {
        // SAFETY: As above.
        unsafe { addr_of_mut!((*self.0.as_ptr()).private.users).write_volatile(index as c_int) };
    }

    /// A direction of the private area.
    #[inline(always)]
    pub(crate) fn side(&self, direction: Direction) -> Side<'_> {
        let flb = self.0.as_ptr();
        // SAFETY: By the type invariants the pointers stay within the private area. No reference to
        // a structure that holds a mutex is made, as others may be changing it.
        let side = unsafe {
            match direction {
                Direction::Outgoing => addr_of_mut!((*flb).private.outgoing),
                Direction::Incoming => addr_of_mut!((*flb).private.incoming),
            }
        };
        // INVARIANT: As above.
        Side(side, PhantomData)
    }
}

/// An FLB that is ready for use.
///
/// # Invariants
///
/// `luo_flb_shim_prepare` has found all callbacks, which are constant, and initialised the mutexes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready(Flb);

impl core::ops::Deref for Ready {
    type Target = Flb;

    #[inline]
    fn deref(&self) -> &Flb {
        &self.0
    }
}

impl Ready {
    fn ops(&self) -> &bindings::liveupdate_flb_ops {
        // SAFETY: By the type invariants there are callbacks, which live as long as the FLB.
        unsafe { &*(*self.0.as_ptr()).ops }
    }

    /// Pin the owner of the callbacks; [`ENODEV`] if it is going away.
    pub(crate) fn pin(self) -> Result<ModuleRef> {
        // SAFETY: The owner of an FLB that is being used has not been freed.
        unsafe { ModuleRef::get(self.ops().owner) }.ok_or(ENODEV)
    }

    /// Run `preserve`, or `retrieve` with the handle `data`, and store what it leaves, with the
    /// reference to the owner.
    ///
    /// # Safety
    ///
    /// The caller must hold the lock of the direction; nothing must be stored.
    #[inline(always)]
    pub(crate) unsafe fn begin(self, direction: Direction, data: u64, module: ModuleRef) -> Result {
        let callback = match direction {
            Direction::Outgoing => self.ops().preserve,
            Direction::Incoming => self.ops().retrieve,
        };
        let mut args = self.args(data, core::ptr::null_mut());
        // SAFETY: The client's callback takes a pointer to arguments that are valid for the call.
        let result = callback.map_or(0, |callback| unsafe { callback(&mut args) });
        if result != 0 {
            return Err(self.error(result));
        }
        let side = self.side(direction).0;
        // SAFETY: By the type invariants the fields are there. Others may read them meanwhile, each
        // by one instruction.
        unsafe {
            addr_of_mut!((*side).data).write_volatile(args.data);
            addr_of_mut!((*side).obj).write_volatile(args.obj);
        }
        // INVARIANT: The private area owns the reference to the owner.
        core::mem::forget(module);
        Ok(())
    }

    /// Run `unpreserve` or `finish` for what is stored, and take the reference to the owner out.
    ///
    /// # Safety
    ///
    /// The caller must hold the lock of the direction. What [`Ready::begin`] has stored must not
    /// have been taken out, and no task may hold the object.
    #[inline(always)]
    pub(crate) unsafe fn end(self, direction: Direction) -> ModuleRef {
        let side = self.side(direction).0;
        // SAFETY: By the type invariants the fields are there, and the lock is held.
        let (data, object) = unsafe {
            let stored = ((*side).data, (*side).obj);
            addr_of_mut!((*side).data).write_volatile(0);
            addr_of_mut!((*side).obj).write_volatile(core::ptr::null_mut());
            stored
        };
        let (callback, data) = match direction {
            Direction::Outgoing => (self.ops().unpreserve, data),
            Direction::Incoming => (self.ops().finish, 0),
        };
        if let Some(callback) = callback {
            // SAFETY: The client's callback takes what the one that it undoes has returned.
            unsafe { callback(&mut self.args(data, object)) };
        }
        // INVARIANT: The private area owns nothing any more.
        // SAFETY: By the requirements of this function there is a reference to the owner.
        unsafe { ModuleRef::from_raw(self.ops().owner) }
    }

    /// What a callback has returned that is not zero. It should be a negative errno; anything else
    /// is taken for [`EINVAL`].
    #[cold]
    fn error(self, result: c_int) -> Error {
        if result < 0 && result >= -(bindings::MAX_ERRNO as c_int) {
            return Error::from_errno(result);
        }
        self.log(c"callback returned no errno", result.into());
        EINVAL
    }

    /// What a callback receives.
    fn args(self, data: u64, obj: *mut c_void) -> bindings::liveupdate_flb_op_args {
        bindings::liveupdate_flb_op_args {
            flb: self.0.as_ptr(),
            data,
            obj,
        }
    }
}

/// A direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From this kernel to the next.
    Outgoing,
    /// From the previous kernel to this one.
    Incoming,
}

/// One of the two structures of a private area.
///
/// # Invariants
///
/// Points to the structure, in an FLB that is valid during `'a`.
///
/// While the object is held, `data` and `obj` are what the callback has left, and the structure
/// owns a reference to the owner of the callbacks, unless that is null.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a>(*mut bindings::luo_flb_private_state, PhantomData<&'a Flb>);

impl<'a> Side<'a> {
    /// Who holds the object.
    #[inline]
    pub(crate) fn refs(self) -> &'a Refs {
        // SAFETY: By the type invariants the field is there, and it has the layout of `Refs`, see
        // below. It is zero at first, by the contract with clients, and accessed in no other way
        // but by `shim.c`.
        unsafe { &*addr_of!((*self.0).count).cast() }
    }

    /// The object, for a task that holds it; for others null, or what it was a moment ago. It is a
    /// pointer of the client, possibly null, which the core never follows.
    #[inline]
    pub(crate) fn object(self) -> *mut c_void {
        if !self.refs().is_held() {
            return core::ptr::null_mut();
        }
        // SAFETY: By the type invariants the field is there. It is written by one instruction.
        unsafe { addr_of!((*self.0).obj).read_volatile() }
    }

    /// The handle, for a task that knows that the FLB is held.
    #[inline]
    pub(crate) fn data(self) -> u64 {
        // SAFETY: As above.
        unsafe { addr_of!((*self.0).data).read_volatile() }
    }

    /// The mutex, which is valid while the FLB is.
    #[inline]
    pub(crate) fn mutex(self) -> *mut bindings::mutex {
        // SAFETY: By the type invariants the pointer stays within the private area.
        unsafe { addr_of_mut!((*self.0).lock) }
    }
}

// The word of `refs` lies in a field of C.
static_assert!(size_of::<Refs>() == size_of::<bindings::refcount_t>());
static_assert!(align_of::<Refs>() <= align_of::<bindings::refcount_t>());

// What `retrieve` has left is told in one way or the other, as the probe has found.
#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_RETRIEVE_STATUS)]
static_assert!(offset_of!(bindings::luo_flb_private_state, retrieve_status) > 0);
#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_RETRIEVE_STATUS))]
static_assert!(offset_of!(bindings::luo_flb_private_state, retrieved) > 0);
