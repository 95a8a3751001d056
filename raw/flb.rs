// SPDX-License-Identifier: GPL-2.0

//! `struct liveupdate_flb`: its name, its callbacks, and its private area.
//!
//! What is alive is described in the C fields of the private area, one structure a direction, where
//! debuggers look for it: the object, the handle, and in `count`, in an encoding of its own (see
//! [`refs`](crate::refs)), who holds them. Whether the incoming object
//! was retrieved or finished belongs to the entry that was handed over, not to the FLB, and is kept
//! there.

use super::{report, Pin};
use crate::{
    abi::{
        block,
        name::{self, Name},
    },
    bindings,
    refs::Refs,
    state::{self, Outgoing},
    word::{Number, Pointer},
};
use core::{
    ffi::{c_int, c_void, CStr},
    mem::{align_of, offset_of, size_of},
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

/// What `preserve` left behind.
type Saved = state::Saved<Object>;

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
/// last item is enforced, as its owner is pinned, but for a module whose init fails: that is freed
/// whoever has pinned it.
///
/// For the outgoing direction: from [`Flb::keep`] to [`Flb::take`], which is while its count is not
/// zero and a moment longer, `data` and `obj` are what `preserve` has left, and the private area
/// owns a reference to the owner of the callbacks, unless that is null.
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

    /// Calls `f` with the compatible string; [`EINVAL`] if it is empty or not terminated.
    #[inline]
    pub(crate) fn with_name<T>(&self, f: impl FnOnce(&Name) -> Result<T>) -> Result<T> {
        match &Name::new(self.name_field()) {
            Ok(name) => f(name),
            Err(_) => Err(EINVAL),
        }
    }

    /// The field of the compatible string, whatever is in it.
    fn name_field(&self) -> &name::Field {
        // SAFETY: By the invariant; the string is constant.
        unsafe { &*addr_of!((*self.0.as_ptr()).compatible).cast() }
    }

    /// Logs that something is wrong with this FLB; `number` tells more.
    #[cold]
    #[inline(never)]
    pub(crate) fn complain(self, what: &CStr, number: i64) {
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
    pub(crate) fn preserve(&self, _pin: &Pin) -> Result<Saved> {
        let callback = self.ops()?.preserve.ok_or(EINVAL)?;
        let args = self.run(callback, self.args(0, Object::NULL))?;
        Ok(Saved {
            data: args.data,
            obj: Object(args.obj),
        })
    }

    /// Runs `unpreserve`, while the owner is pinned. The caller holds the outgoing lock.
    pub(crate) fn unpreserve(&self, saved: Saved, _pin: &Pin) {
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

    /// Prepares the private area, unless that was done.
    pub(crate) fn ready(self) -> Ready {
        // SAFETY: By the invariant; the function prepares the area once.
        unsafe { bindings::luo_flb_shim_prepare(self.0.as_ptr()) };
        // INVARIANT: The area is ready.
        Ready(self)
    }

    /// One direction of the private area.
    fn direction(&self, direction: Direction) -> *mut bindings::luo_flb_private_state {
        let flb = self.0.as_ptr();
        // SAFETY: The pointers stay within the private area. No reference to a structure that holds
        // a mutex is made, as others may be changing it.
        unsafe {
            match direction {
                Direction::Outgoing => addr_of_mut!((*flb).private.outgoing),
                Direction::Incoming => addr_of_mut!((*flb).private.incoming),
            }
        }
    }

    /// Who holds the object of a direction.
    #[inline(always)]
    pub(crate) fn refs(&self, direction: Direction) -> &Refs {
        // SAFETY: By the invariant the field is there, and it has the layout of `Refs`, see below.
        // It is zero at first, by the contract with clients, and accessed in no other way.
        unsafe { &*addr_of!((*self.direction(direction)).count).cast() }
    }

    /// Where the object of a direction is.
    #[inline(always)]
    fn object_place(&self, direction: Direction) -> &Pointer {
        // SAFETY: As above, with the layout of `Pointer`.
        unsafe { &*addr_of!((*self.direction(direction)).obj).cast() }
    }

    /// The object of a direction, for those who hold it; for others null, or what it was a moment
    /// ago.
    #[inline(always)]
    pub(crate) fn object(&self, direction: Direction) -> Object {
        Object(self.object_place(direction).load())
    }

    /// Where the handle that `preserve` left is.
    fn handle_place(&self) -> &Number {
        // SAFETY: By the invariant the field is there.
        let data: *const u64 = unsafe { addr_of!((*self.direction(Direction::Outgoing)).data) };
        // SAFETY: It has the layout of `Number`, see below, is zero at first, by the contract with
        // clients, and accessed in no other way.
        unsafe { &*data.cast() }
    }

    /// The handle that `preserve` left, for those who know that the FLB is preserved and stays so;
    /// for others zero, or what it was a moment ago.
    pub(crate) fn handle(&self) -> u64 {
        self.handle_place().load()
    }

    /// Puts the incoming object in place, or null when it has ended. The caller holds the lock of
    /// the incoming entry, and nobody the object.
    pub(crate) fn set_incoming(&self, obj: Object) {
        self.object_place(Direction::Incoming).store(obj.0);
    }

    /// Where the outgoing state is: in the field in which C counts registrations, which the core
    /// does in its registry. Whoever holds the outgoing lock may use it.
    #[inline]
    pub(crate) fn outgoing(&self) -> *mut Outgoing {
        // SAFETY: The pointer stays within the private area. The field has the layout of
        // `Outgoing`, see below, and is zero at first, by the contract with clients.
        let users: *mut c_int = unsafe { addr_of_mut!((*self.0.as_ptr()).private.users) };
        users.cast()
    }

    /// Puts in place what `preserve` left.
    ///
    /// # Safety
    ///
    /// The caller holds the outgoing lock, nothing is in place, and nobody holds the object.
    pub(crate) unsafe fn keep(&self, saved: Saved, pin: Pin) {
        self.handle_place().store(saved.data);
        self.object_place(Direction::Outgoing).store(saved.obj.0);
        // INVARIANT: The private area owns the reference to the owner.
        core::mem::forget(pin);
    }

    /// Takes what `preserve` left out of its place.
    ///
    /// # Safety
    ///
    /// The caller holds the outgoing lock, [`Flb::keep`] was called since this was, and nobody
    /// holds the object.
    pub(crate) unsafe fn take(&self) -> (Saved, Pin) {
        let (data, obj) = (self.handle(), self.object(Direction::Outgoing));
        self.handle_place().store(0);
        self.object_place(Direction::Outgoing).store(Object::NULL.0);
        let owner = self.ops().map_or(core::ptr::null_mut(), |ops| ops.owner);
        // INVARIANT: The private area owns nothing any more.
        // SAFETY: By the invariant there is a reference to the owner.
        (Saved { data, obj }, unsafe { Pin::from_raw(owner) })
    }
}

/// An FLB whose private area is ready for use.
///
/// # Invariants
///
/// `luo_flb_shim_prepare` was called for the FLB.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready(Flb);

impl Ready {
    /// The mutex that protects the outgoing state. It is initialised, and valid while the FLB is.
    #[inline]
    pub(crate) fn outgoing_mutex(&self) -> *mut bindings::mutex {
        // SAFETY: By the invariant of `Flb` the pointer stays within the private area. No reference
        // to a structure that holds the mutex is made, as others may be changing it.
        unsafe { addr_of_mut!((*self.direction(Direction::Outgoing)).lock) }
    }
}

impl core::ops::Deref for Ready {
    type Target = Flb;

    #[inline]
    fn deref(&self) -> &Flb {
        &self.0
    }
}

impl state::Counted for Flb {
    fn refs(&self) -> &Refs {
        self.refs(Direction::Incoming)
    }
}

/// One of the two structures of the private area.
#[derive(Clone, Copy)]
pub(crate) enum Direction {
    /// From this kernel to the next.
    Outgoing,
    /// From the previous kernel to this one.
    Incoming,
}

// The words and the outgoing state of the core lie in fields of C.
static_assert!(size_of::<Refs>() == size_of::<bindings::refcount_t>());
static_assert!(align_of::<Refs>() <= align_of::<bindings::refcount_t>());
static_assert!(size_of::<Pointer>() == size_of::<*mut c_void>());
static_assert!(align_of::<Pointer>() <= align_of::<*mut c_void>());
static_assert!(size_of::<Number>() == size_of::<u64>());
static_assert!(align_of::<Number>() <= align_of::<u64>());
static_assert!(size_of::<Outgoing>() == size_of::<c_int>());
static_assert!(align_of::<Outgoing>() <= align_of::<c_int>());

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
