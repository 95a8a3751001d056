// SPDX-License-Identifier: GPL-2.0

//! The locks, and the evidence that one is held.
//!
//! `luo_register_rwlock` and the registry lock are C statics, so they work before any initcall. The
//! cores of the tests share them with the kernel's.

use crate::{
    bindings,
    raw::{Direction, HandlerState, Links, ModuleRef, Ready},
    refs::{Holder, Refs, Released},
};
use core::{
    cell::UnsafeCell,
    ops::{Deref, DerefMut},
    ptr::addr_of_mut,
};
use kernel::{prelude::*, types::NotThreadSafe};

/// What has a mutex.
///
/// # Safety
///
/// The mutex is initialised, valid as long as this may be used, and always the same.
pub(crate) unsafe trait Lockable {
    /// The mutex.
    fn mutex(&self) -> *mut bindings::mutex;
}

/// A mutex that this task has locked, until this is dropped.
///
/// # Invariants
///
/// This task has locked the mutex.
pub(crate) struct Guard<T: Lockable> {
    what: T,
    _not_send: NotThreadSafe,
}

impl<T: Lockable> Guard<T> {
    /// Take the lock; `None` if this task holds it already: a callback that calls back into the
    /// core for its own FLB or handler would wait for itself. May sleep.
    #[inline(always)]
    pub(crate) fn lock(what: T) -> Option<Self> {
        // SAFETY: By the requirements of the trait.
        let is_locked = unsafe { bindings::luo_flb_shim_lock(what.mutex()) };
        // INVARIANT: It has just been locked.
        is_locked.then(|| Self {
            what,
            _not_send: NotThreadSafe,
        })
    }
}

impl<T: Lockable> Drop for Guard<T> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, and the requirements of the trait.
        unsafe { bindings::mutex_unlock(self.what.mutex()) };
    }
}

/// The state of a handler is locked.
pub(crate) type HandlerGuard = Guard<&'static HandlerState>;

// SAFETY: The mutex is initialised, and states are not freed.
unsafe impl Lockable for &'static HandlerState {
    #[inline(always)]
    fn mutex(&self) -> *mut bindings::mutex {
        HandlerState::mutex(self)
    }
}

impl HandlerGuard {
    /// The state that is locked.
    pub(crate) fn state(&self) -> &'static HandlerState {
        self.what
    }

    /// The links of the handler.
    pub(crate) fn links(&self) -> &Links {
        // SAFETY: Who changes them holds this lock as well.
        unsafe { &*self.what.links() }
    }

    /// The links, to be changed.
    pub(crate) fn links_mut<'a, T>(
        &'a mut self,
        _: &'a mut Guard<&ByRegistry<T>>,
    ) -> &'a mut Links {
        // SAFETY: Both locks are held, and borrowed exclusively.
        unsafe { &mut *self.what.links() }
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

/// A value that is protected by the registry lock, the innermost one.
pub(crate) struct ByRegistry<T>(UnsafeCell<T>);

// SAFETY: The mutex serialises all accesses.
unsafe impl<T: Send> Sync for ByRegistry<T> {}

// SAFETY: The mutex is a static that is initialised at compile time.
unsafe impl<T> Lockable for &ByRegistry<T> {
    #[inline(always)]
    fn mutex(&self) -> *mut bindings::mutex {
        addr_of_mut!(bindings::luo_flb_shim_registry_lock)
    }
}

impl<T> ByRegistry<T> {
    /// Protect a value.
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Take the lock, which no task takes twice. May sleep.
    #[inline(always)]
    pub(crate) fn lock(&self) -> Guard<&Self> {
        // SAFETY: By what is implemented above.
        unsafe { bindings::mutex_lock(Lockable::mutex(&self)) };
        // INVARIANT: It has just been locked.
        Guard {
            what: self,
            _not_send: NotThreadSafe,
        }
    }
}

impl<T> Deref for Guard<&ByRegistry<T>> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: The lock is held.
        unsafe { &*self.what.0.get() }
    }
}

impl<T> DerefMut for Guard<&ByRegistry<T>> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The lock is held, and the guard is borrowed exclusively.
        unsafe { &mut *self.what.0.get() }
    }
}

impl<T> Guard<&ByRegistry<T>> {
    /// The links of any handler.
    pub(crate) fn links_of(&self, state: &'static HandlerState) -> &Links {
        // SAFETY: Who changes them holds the registry lock as well.
        unsafe { &*state.links() }
    }
}

/// A direction of an FLB is locked. While something holds the object, what a callback of the FLB
/// has left is stored; otherwise nothing is.
pub(crate) type FlbGuard = Guard<(Ready, Direction)>;

// SAFETY: By the type invariants of `Ready` the mutex is initialised; it is valid as long as the
// FLB is.
unsafe impl Lockable for (Ready, Direction) {
    #[inline(always)]
    fn mutex(&self) -> *mut bindings::mutex {
        self.0.side(self.1).mutex()
    }
}

impl FlbGuard {
    /// Whether nothing holds the object.
    #[inline(always)]
    pub(crate) fn vacant(&mut self) -> Option<Vacant<'_>> {
        let refs = self.refs();
        // INVARIANT: It is so as long as the lock is held.
        (!refs.is_held()).then_some(Vacant(self))
    }

    /// Who holds the object.
    #[inline(always)]
    pub(crate) fn refs(&self) -> &Refs {
        self.what.0.side(self.what.1).refs()
    }

    /// Remove a holder of the object. If it was the last, run `unpreserve` or `finish`. May sleep.
    #[inline(always)]
    pub(crate) fn release(self, holder: Holder) -> Option<Ended> {
        let (flb, direction) = self.what;
        match self.refs().release(holder) {
            Released::Held => None,
            Released::Underflow => {
                flb.log(c"put, but not held", 0);
                None
            }
            Released::Last => Some(Ended {
                // SAFETY: The lock is held, and as there was a holder, something is stored. There
                // is none any more.
                _module: unsafe { flb.end(direction) },
                _guard: self,
            }),
        }
    }
}

/// A place for an object, which nothing holds: the lock is held, and nothing is stored.
pub(crate) struct Vacant<'a>(&'a mut FlbGuard);

impl<'a> Vacant<'a> {
    /// Run `preserve` or `retrieve`, see [`Ready::begin`].
    #[inline(always)]
    pub(crate) fn begin(self, data: u64, module: ModuleRef) -> Result<Begun<'a>> {
        let (flb, direction) = self.0.what;
        // SAFETY: By the type invariants.
        unsafe { flb.begin(direction, data, module)? };
        Ok(Begun(self.0.refs()))
    }
}

/// An object that is there, of which nobody knows yet: the lock is held.
#[must_use]
pub(crate) struct Begun<'a>(&'a Refs);

impl Begun<'_> {
    /// Publish it with its holders, see [`Refs::publish`].
    #[inline(always)]
    pub(crate) fn publish(self, handler: bool, references: u32) {
        self.0.publish(handler, references);
    }
}

/// An object has ended. The lock is held until this is dropped, and then the owner is not pinned
/// any more, with which the FLB may be freed.
pub(crate) struct Ended {
    // Dropped in this order.
    _guard: FlbGuard,
    _module: ModuleRef,
}
