// SPDX-License-Identifier: GPL-2.0

//! The locks, and the evidence that one is held. What the mutexes of handlers and FLBs protect is
//! in [`raw`](crate::raw).
//!
//! `luo_register_rwlock` and the registry lock are C statics, so they work before any initcall. The
//! cores of the tests share them with the kernel's.

use crate::bindings;
use core::{
    cell::UnsafeCell,
    ops::{Deref, DerefMut},
    ptr::addr_of_mut,
};

/// This task has locked a mutex, until this is dropped. Not `Send`, as it has a pointer.
///
/// # Invariants
///
/// This task has locked the mutex, which is valid.
pub(crate) struct Locked(*mut bindings::mutex);

impl Locked {
    /// Lock a mutex; `None` if this task holds it: a callback that calls back into the core for its
    /// own FLB or handler would wait for itself. May sleep.
    ///
    /// # Safety
    ///
    /// The mutex is initialised, and stays valid until this is dropped.
    #[inline(always)]
    pub(crate) unsafe fn lock(mutex: *mut bindings::mutex) -> Option<Self> {
        // SAFETY: By the requirements of this function.
        let is_locked = unsafe { bindings::luo_flb_shim_lock(mutex) };
        // INVARIANT: It has just been locked.
        is_locked.then(|| Self(mutex))
    }
}

impl Drop for Locked {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::mutex_unlock(self.0) };
    }
}

/// `luo_register_rwlock` is held for reading.
pub(crate) struct RegisterRead(());

impl RegisterRead {
    /// Take the lock while `run` runs. May sleep.
    pub(crate) fn with<T>(run: impl FnOnce(&Self) -> T) -> T {
        let lock = addr_of_mut!(bindings::luo_register_rwlock);
        // SAFETY: The rwsem is a static that is initialised at compile time.
        unsafe { bindings::down_read(lock) };
        let result = run(&Self(()));
        // SAFETY: The lock was taken above.
        unsafe { bindings::up_read(lock) };
        result
    }
}

/// A value that is protected by the registry lock, the innermost one. All values share this one
/// mutex: never lock one while another is locked.
pub(crate) struct ByRegistry<T>(UnsafeCell<T>);

// SAFETY: The mutex serialises all accesses.
unsafe impl<T: Send> Sync for ByRegistry<T> {}

impl<T> ByRegistry<T> {
    /// Protect a value.
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Take the lock, which no task takes twice. May sleep.
    #[inline(always)]
    pub(crate) fn lock(&self) -> RegistryGuard<'_, T> {
        let mutex = addr_of_mut!(bindings::luo_flb_shim_registry_lock);
        // SAFETY: The mutex is a static that is initialised at compile time.
        unsafe { bindings::mutex_lock(mutex) };
        // INVARIANT: It has just been locked.
        RegistryGuard {
            value: &self.0,
            _lock: Locked(mutex),
        }
    }
}

/// The registry is locked, and with it the value.
pub(crate) struct RegistryGuard<'a, T> {
    value: &'a UnsafeCell<T>,
    _lock: Locked,
}

impl<T> Deref for RegistryGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: The lock is held.
        unsafe { &*self.value.get() }
    }
}

impl<T> DerefMut for RegistryGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The lock is held, and the guard is borrowed exclusively.
        unsafe { &mut *self.value.get() }
    }
}
