// SPDX-License-Identifier: GPL-2.0

//! The locks, and the evidence that one is held.
//!
//! `luo_register_rwlock` and the registry lock are C statics, so they work before any initcall. The
//! cores of the tests share them with the kernel's.

use crate::{
    bindings,
    raw::{Direction, HandlerState, Links, ModuleRef, Ready},
    refs::{Holder, Released},
};
use core::{
    cell::UnsafeCell,
    ops::{Deref, DerefMut},
    ptr::addr_of_mut,
};
use kernel::{prelude::*, types::NotThreadSafe};

/// The [`Links`] of a handler are locked.
///
/// # Invariants
///
/// This task has locked the mutex.
pub(crate) struct HandlerGuard {
    state: &'static HandlerState,
    _not_send: NotThreadSafe,
}

impl HandlerGuard {
    /// Take the lock; `None` if this task holds it already. May sleep.
    #[inline]
    pub(crate) fn lock(state: &'static HandlerState) -> Option<Self> {
        // SAFETY: The mutex is initialised, and valid as long as the state is.
        let is_locked = unsafe { bindings::luo_flb_shim_lock(state.mutex()) };
        // INVARIANT: It has just been locked.
        is_locked.then(|| Self {
            state,
            _not_send: NotThreadSafe,
        })
    }

    /// The state that is locked.
    pub(crate) fn state(&self) -> &'static HandlerState {
        self.state
    }
}

impl Deref for HandlerGuard {
    type Target = Links;

    #[inline]
    fn deref(&self) -> &Links {
        // SAFETY: By the type invariants the lock is held.
        unsafe { &*self.state.links() }
    }
}

impl DerefMut for HandlerGuard {
    #[inline]
    fn deref_mut(&mut self) -> &mut Links {
        // SAFETY: By the type invariants the lock is held, and the guard is borrowed exclusively.
        unsafe { &mut *self.state.links() }
    }
}

impl Drop for HandlerGuard {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::mutex_unlock(self.state.mutex()) };
    }
}

/// `luo_register_rwlock` is held for reading.
pub(crate) struct RegisterRead {
    _not_send: NotThreadSafe,
}

impl RegisterRead {
    /// Take the lock. May sleep.
    pub(crate) fn lock() -> Self {
        // SAFETY: The rwsem is a static that is initialised at compile time.
        unsafe { bindings::down_read(addr_of_mut!(bindings::luo_register_rwlock)) };
        Self {
            _not_send: NotThreadSafe,
        }
    }
}

impl Drop for RegisterRead {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: This task took the lock, as the token is not `Send`.
        unsafe { bindings::up_read(addr_of_mut!(bindings::luo_register_rwlock)) };
    }
}

/// The registry lock is held, the innermost one. It protects who is registered and the FLB array.
pub(crate) struct Registry {
    _not_send: NotThreadSafe,
}

impl Registry {
    /// Take the lock. May sleep.
    pub(crate) fn lock() -> Self {
        // SAFETY: The mutex is a static that is initialised at compile time.
        unsafe { bindings::mutex_lock(addr_of_mut!(bindings::luo_flb_shim_registry_lock)) };
        Self {
            _not_send: NotThreadSafe,
        }
    }
}

impl Drop for Registry {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: This task took the lock, as the token is not `Send`.
        unsafe { bindings::mutex_unlock(addr_of_mut!(bindings::luo_flb_shim_registry_lock)) };
    }
}

/// A value that is protected by the registry lock.
///
/// # Invariants
///
/// A reference to the value exists only while a token of the lock is borrowed for it.
pub(crate) struct ByRegistry<T>(UnsafeCell<T>);

// SAFETY: The mutex serialises all accesses.
unsafe impl<T: Send> Sync for ByRegistry<T> {}

impl<T> ByRegistry<T> {
    /// Protect a value.
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Read or write the value.
    #[inline]
    #[allow(clippy::mut_from_ref)] // The token is what is borrowed exclusively.
    pub(crate) fn get<'a>(&'a self, _token: &'a mut Registry) -> &'a mut T {
        // SAFETY: The lock is held during `'a`. There is one token of it, which is borrowed
        // exclusively, so there is no other reference.
        unsafe { &mut *self.0.get() }
    }
}

/// A direction of an FLB is locked.
///
/// # Invariants
///
/// This task has locked the mutex. While something holds the object, what a callback of the FLB has
/// left is stored; otherwise nothing is.
pub(crate) struct FlbGuard {
    flb: Ready,
    direction: Direction,
    _not_send: NotThreadSafe,
}

impl FlbGuard {
    /// Take the lock; `None` if this task holds it already: a callback that calls back into the
    /// core for its own FLB would wait for itself. May sleep.
    #[inline(always)]
    pub(crate) fn lock(flb: Ready, direction: Direction) -> Option<Self> {
        // SAFETY: By the type invariants of `Ready` the mutex is initialised; it is valid as long
        // as the FLB is.
        let is_locked = unsafe { bindings::luo_flb_shim_lock(flb.side(direction).mutex()) };
        // INVARIANT: It has just been locked. The rest is kept by all who lock it.
        is_locked.then(|| Self {
            flb,
            direction,
            _not_send: NotThreadSafe,
        })
    }

    /// Run `preserve` or `retrieve`, and publish what it leaves with its holders, see
    /// [`Refs::publish`](crate::refs::Refs::publish). [`EBUSY`] if something holds the object.
    #[inline(always)]
    pub(crate) fn begin(
        &mut self,
        data: u64,
        module: ModuleRef,
        holders: impl FnOnce() -> (bool, u32),
    ) -> Result {
        let refs = self.flb.side(self.direction).refs();
        if refs.is_held() {
            return Err(EBUSY);
        }
        // SAFETY: By the type invariants the lock is held, and as nothing holds the object nothing
        // is stored.
        unsafe { self.flb.begin(self.direction, data, module)? };
        let (handler, references) = holders();
        // INVARIANT: Now there are holders.
        refs.publish(handler, references);
        Ok(())
    }

    /// Remove a holder. If it was the last, run `unpreserve` or `finish`, and `ended`, and unlock;
    /// whether it was.
    #[inline(always)]
    pub(crate) fn release(self, holder: Holder, ended: impl FnOnce()) -> bool {
        match self.flb.side(self.direction).refs().release(holder) {
            Released::Held => false,
            Released::Underflow => {
                self.flb.log(c"put, but not held", 0);
                false
            }
            Released::Last => {
                // SAFETY: By the type invariants the lock is held, and as there was a holder,
                // something is stored. There is none any more.
                let module = unsafe { self.flb.end(self.direction) };
                ended();
                // The lock is in the FLB, which may be freed with its owner.
                drop(self);
                drop(module);
                true
            }
        }
    }
}

impl Drop for FlbGuard {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::mutex_unlock(self.flb.side(self.direction).mutex()) };
    }
}
