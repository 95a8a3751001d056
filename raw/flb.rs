// SPDX-License-Identifier: GPL-2.0

//! `struct liveupdate_flb`: its name, its callbacks, and its private area.
//!
//! Of the private area the core uses, in each direction, `lock`, `data`, `obj`, and `count`, in an
//! encoding of its own (see [`refs`](crate::refs)); and `private.users`, to note which entry came
//! for the FLB. It does not use `private.list`, as it has its own lists, which do not follow a
//! pointer to an FLB that may be gone; nor `finished` and what tells of `retrieve`, which the entry
//! does. So what the header says of `count`, `users` and `list` does not hold here.

use super::{errno, log, trace::Started, Handler, EDEADLK};
use crate::{
    abi::name::{Field, Name},
    bindings,
    lock::Locked,
    refs::{Holder, Refs, Released},
};
use core::{
    ffi::{c_int, c_void, CStr},
    mem::{align_of, offset_of, size_of},
    ptr::{addr_of, addr_of_mut, null_mut, NonNull},
};
use kernel::prelude::*;

/// A direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From this kernel to the next.
    Outgoing,
    /// From the previous kernel to this one.
    Incoming,
}

/// An FLB of a client.
///
/// # Invariants
///
/// Points to a `struct liveupdate_flb` that has all callbacks, which are constant, and initialised
/// mutexes. It stays valid while the core may use it:
///
/// - for the call that named it;
/// - while it is registered;
/// - from `preserve` to `unpreserve`, and from `retrieve` to `finish`, registered or not.
///
/// That is the contract with clients, see `Documentation/flb.rst` in this directory:
/// an FLB is not freed before its owner is. The owner is pinned for the last item. That does not
/// help a module whose init fails: it must unregister and put before it returns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flb(pub(super) NonNull<bindings::liveupdate_flb>);

// SAFETY: What the pointer leads to is constant, atomic, or protected by a lock.
unsafe impl Send for Flb {}
// SAFETY: As above.
unsafe impl Sync for Flb {}

impl Flb {
    /// Wrap a client's pointer, and prepare the private area, unless that was done. `None` if it is
    /// null, or a callback is missing.
    ///
    /// # Safety
    ///
    /// If it is not null, it must stay valid as the type invariants say.
    pub(crate) unsafe fn from_raw(flb: *mut bindings::liveupdate_flb) -> Option<Self> {
        // SAFETY: By the requirements of this function.
        let is_prepared =
            |flb: &NonNull<_>| unsafe { bindings::luo_flb_shim_prepare(flb.as_ptr()) };
        // INVARIANT: By what the function returns.
        NonNull::new(flb).filter(is_prepared).map(Self)
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

    fn field(&self) -> &Field {
        // SAFETY: By the type invariants the field is there, and it is constant. It has so many
        // bytes, see `raw/kho.rs`.
        unsafe { &*addr_of!((*self.0.as_ptr()).compatible).cast() }
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

    /// A direction of the private area. No reference is made to it, as others may be changing it.
    #[inline(always)]
    fn state(self, direction: Direction) -> *mut bindings::luo_flb_private_state {
        let flb = self.0.as_ptr();
        // SAFETY: By the type invariants the pointers stay within the private area.
        unsafe {
            match direction {
                Direction::Outgoing => addr_of_mut!((*flb).private.outgoing),
                Direction::Incoming => addr_of_mut!((*flb).private.incoming),
            }
        }
    }

    /// Who holds the object.
    #[inline(always)]
    pub(crate) fn refs(&self, direction: Direction) -> &Refs {
        // SAFETY: By the type invariants the field is there, and it has the layout of `Refs`, see
        // below. It is zero at first, by the contract with clients, and accessed in no other way
        // but by `shim.c`.
        unsafe { &*addr_of!((*self.state(direction)).count).cast() }
    }

    /// The object, for a task that holds it; for others null, or what it was a moment ago. It is a
    /// pointer of the client, possibly null, which the core never follows.
    #[inline]
    pub(crate) fn object(self, direction: Direction) -> *mut c_void {
        // SAFETY: By the type invariants the field is there. It is written by one instruction.
        unsafe { addr_of!((*self.state(direction)).obj).read_volatile() }
    }

    /// The handle for the next kernel, or of the previous one, for a task that knows that the FLB
    /// is held; for others what it was a moment ago.
    #[inline]
    pub(crate) fn data(self, direction: Direction) -> u64 {
        // SAFETY: As above.
        unsafe { addr_of!((*self.state(direction)).data).read_volatile() }
    }

    /// The module of the callbacks, or `kernel`.
    #[cfg(CONFIG_LIVEUPDATE_FLB_DEBUGFS)]
    pub(crate) fn owner(&self) -> &CStr {
        // SAFETY: By the type invariants there are callbacks. Their owner is there as long as the
        // FLB, and has a name.
        unsafe { CStr::from_char_ptr(bindings::luo_flb_shim_owner((*(*self.as_ptr()).ops).owner)) }
    }
}

/// A direction of an FLB is locked.
///
/// # Invariants
///
/// While something holds the object, `data` and `obj` are what a callback has left, and there is a
/// reference to the owner of the callbacks, unless that is null.
pub(crate) struct FlbGuard {
    flb: Flb,
    direction: Direction,
    _lock: Locked,
}

impl FlbGuard {
    /// Lock a direction. May sleep.
    ///
    /// Errors: `EDEADLK` if this task holds the lock: a callback that calls back into the core for
    /// its own FLB would wait for itself.
    #[inline(always)]
    pub(crate) fn lock(flb: Flb, direction: Direction) -> Result<Self> {
        // SAFETY: By the type invariants the mutex is initialised, and valid while the FLB is used.
        let lock = unsafe { Locked::lock(addr_of_mut!((*flb.state(direction)).lock)) };
        Ok(Self {
            flb,
            direction,
            _lock: lock.ok_or_else(|| errno(EDEADLK))?,
        })
    }

    /// Who holds the object.
    #[inline(always)]
    pub(crate) fn refs(&self) -> &Refs {
        self.flb.refs(self.direction)
    }

    fn ops(&self) -> &bindings::liveupdate_flb_ops {
        // SAFETY: By the type invariants there are callbacks, which live as long as the FLB.
        unsafe { &*(*self.flb.as_ptr()).ops }
    }

    /// Pin the owner of the callbacks; [`ENODEV`] if it is going away.
    pub(crate) fn pin(&self) -> Result<Pinned> {
        let owner = self.ops().owner;
        // SAFETY: The owner of an FLB that is being used has not been freed.
        let pinned = owner.is_null() || unsafe { bindings::luo_flb_shim_module_get(owner) };
        // INVARIANT: The reference has just been taken.
        pinned.then_some(Pinned(())).ok_or(ENODEV)
    }

    /// Run `preserve`, for the first file of a handler, or `retrieve` with the handle `data`, and
    /// store what it leaves, with the reference to the owner. Nothing holds the object yet: the
    /// caller publishes it then, before it unlocks.
    #[inline(always)]
    pub(crate) fn begin(&self, data: u64, _: Pinned, handler: Option<Handler>) -> Result {
        debug_assert!(!self.refs().is_held());
        let (callback, what) = match self.direction {
            Direction::Outgoing => (self.ops().preserve, c"preserve"),
            Direction::Incoming => (self.ops().retrieve, c"retrieve"),
        };
        let mut args = self.args(data, null_mut());
        let trace = Started::now();
        // SAFETY: The client's callback takes a pointer to arguments that are valid for the call.
        let result = callback.map_or(0, |callback| unsafe { callback(&mut args) });
        trace.ended(what, handler, self.flb, args.data, result);
        if result != 0 {
            // SAFETY: The caller has pinned the owner, and gives that up.
            unsafe { unpin(self.ops().owner) };
            return Err(self.flb.error(result));
        }
        let state = self.flb.state(self.direction);
        // INVARIANT: This is what the callback has left; the owner is pinned, as was handed in.
        // SAFETY: By the type invariants the fields are there. Others may read them meanwhile, each
        // by one instruction.
        unsafe {
            addr_of_mut!((*state).data).write_volatile(args.data);
            addr_of_mut!((*state).obj).write_volatile(args.obj);
        }
        Ok(())
    }

    /// Remove a holder of the object: the files of a handler, or a reference. If it was the last,
    /// run `unpreserve` or `finish`, and then `ended`; unlock, and unpin the owner, with which the
    /// FLB may be freed. May sleep.
    #[inline(always)]
    pub(crate) fn release(self, handler: Option<Handler>, ended: impl FnOnce()) {
        let holder = handler.map_or(Holder::Reference, |_| Holder::Files);
        match self.refs().release(holder) {
            Released::Held => return,
            Released::Underflow => return self.flb.log(c"put, but not held", 0),
            Released::Last => {}
        }
        let state = self.flb.state(self.direction);
        // INVARIANT: Nothing holds the object any more.
        // SAFETY: By the type invariants the fields are there, and the lock is held.
        let (data, object) = unsafe {
            let stored = ((*state).data, (*state).obj);
            addr_of_mut!((*state).data).write_volatile(0);
            addr_of_mut!((*state).obj).write_volatile(null_mut());
            stored
        };
        let (callback, what, data) = match self.direction {
            Direction::Outgoing => (self.ops().unpreserve, c"unpreserve", data),
            Direction::Incoming => (self.ops().finish, c"finish", 0),
        };
        let mut args = self.args(data, object);
        let trace = Started::now();
        if let Some(callback) = callback {
            // SAFETY: The client's callback takes what the one that it undoes has returned.
            unsafe { callback(&mut args) };
        }
        trace.ended(what, handler, self.flb, data, 0);
        ended();
        let owner = self.ops().owner;
        drop(self);
        // SAFETY: By the type invariants there was a reference, as something held the object.
        unsafe { unpin(owner) };
    }

    /// What a callback receives.
    fn args(&self, data: u64, obj: *mut c_void) -> bindings::liveupdate_flb_op_args {
        bindings::liveupdate_flb_op_args {
            flb: self.flb.as_ptr(),
            data,
            obj,
        }
    }
}

/// The owner of the callbacks is pinned, unless it is null, for [`FlbGuard::begin`] to take over.
#[must_use]
pub(crate) struct Pinned(());

/// Put a reference to a module.
///
/// # Safety
///
/// There must be one, unless the pointer is null.
unsafe fn unpin(owner: *mut bindings::module) {
    if !owner.is_null() {
        // SAFETY: By the requirements of this function.
        unsafe { bindings::luo_flb_shim_module_put(owner) };
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
