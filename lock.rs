// SPDX-License-Identifier: GPL-2.0

//! The locks, and the evidence that one is held. Those in an FLB and in the state of a
//! handler are in [`raw`](crate::raw).
//!
//! `luo_register_rwlock` and the registry lock are C statics, so they work before any initcall. The
//! cores of the tests share them with the kernel's.

use crate::bindings;
use core::{
    cell::UnsafeCell,
    ops::{Deref, DerefMut},
    ptr::addr_of_mut,
};
use kernel::types::NotThreadSafe;

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

/// A value that is protected by the registry lock, the innermost one.
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
        // SAFETY: The mutex is a static that is initialised at compile time.
        unsafe { bindings::mutex_lock(addr_of_mut!(bindings::luo_flb_shim_registry_lock)) };
        // INVARIANT: It has just been locked.
        RegistryGuard(&self.0, NotThreadSafe)
    }
}

/// The registry is locked, until this is dropped, and with it the value.
///
/// # Invariants
///
/// This task has locked the mutex.
pub(crate) struct RegistryGuard<'a, T>(&'a UnsafeCell<T>, NotThreadSafe);

impl<T> Drop for RegistryGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::mutex_unlock(addr_of_mut!(bindings::luo_flb_shim_registry_lock)) };
    }
}

impl<T> Deref for RegistryGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: The lock is held.
        unsafe { &*self.0.get() }
    }
}

impl<T> DerefMut for RegistryGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The lock is held, and the guard is borrowed exclusively.
        unsafe { &mut *self.0.get() }
    }
}
