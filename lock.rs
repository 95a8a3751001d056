// SPDX-License-Identifier: GPL-2.0

//! The locks, and the evidence that one is held.
//!
//! `luo_register_rwlock` and the registry lock are C statics, so they work before any initcall.
//! Whoever holds one has a token; a [`ByRegistry`] yields its content for a token only. All
//! instances of the core share the registry lock; what it protects is per instance.

use crate::{
    bindings,
    raw::{errno, Flb, Object, Outgoing, EDEADLK},
};
use core::{cell::UnsafeCell, ptr::addr_of_mut};
use kernel::{
    prelude::*,
    sync::lock::{mutex::MutexBackend, Guard},
    sync::Mutex,
    types::NotThreadSafe,
};

/// Locks `mutex`; `EDEADLK` if this task holds it already.
///
/// A callback that calls back into the core for its own FLB would wait for itself. May sleep.
pub(crate) fn mutex<T>(mutex: &Mutex<T>) -> Result<Guard<'_, T, MutexBackend>> {
    let raw: *const Mutex<T> = mutex;
    // SAFETY: A `Mutex` starts with its `struct mutex` (`Lock` is `repr(C)`), which is initialised
    // and valid as long as `mutex` is. C only touches it in ways that any task may at any time.
    unsafe { acquire(raw.cast_mut().cast())? };
    // SAFETY: The mutex has just been locked.
    Ok(unsafe { Guard::new(mutex, ()) })
}

/// `EDEADLK` if this task holds `mutex`.
pub(crate) fn check_not_held<T>(mutex: &Mutex<T>) -> Result {
    let raw: *const Mutex<T> = mutex;
    // SAFETY: As in `mutex`.
    unsafe { check(raw.cast_mut().cast()) }
}

/// `EDEADLK` if this task holds a C mutex.
///
/// # Safety
///
/// `mutex` is initialised and valid.
unsafe fn check(mutex: *mut bindings::mutex) -> Result {
    // SAFETY: By the requirements of this function.
    match unsafe { bindings::luo_flb_shim_held_by_current(mutex) } {
        true => Err(errno(EDEADLK)),
        false => Ok(()),
    }
}

/// Locks a C mutex; `EDEADLK` if this task holds it already.
///
/// # Safety
///
/// `mutex` is initialised and valid.
#[inline(never)]
unsafe fn acquire(mutex: *mut bindings::mutex) -> Result {
    // SAFETY: By the requirements of this function.
    unsafe {
        check(mutex)?;
        bindings::mutex_lock(mutex);
    }
    Ok(())
}

/// `luo_register_rwlock` is held for reading.
pub(crate) struct RegisterRead {
    _not_send: NotThreadSafe,
}

impl RegisterRead {
    /// Takes the lock. May sleep.
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
        // SAFETY: The token was made by the task that took the lock, and did not leave it.
        unsafe { bindings::up_read(addr_of_mut!(bindings::luo_register_rwlock)) };
    }
}

/// `luo_register_rwlock` is held for writing, by somebody up the call chain.
pub(crate) struct RegisterWrite {
    _not_send: NotThreadSafe,
}

impl RegisterWrite {
    /// The token of a lock that the caller took. Checked where lockdep is on.
    ///
    /// # Safety
    ///
    /// The caller holds `luo_register_rwlock` for writing while the token exists, and there is no
    /// other token of this lock.
    pub(crate) unsafe fn assume_held() -> Self {
        // SAFETY: The function only asserts.
        unsafe { bindings::luo_flb_shim_assert_register_write() };
        Self {
            _not_send: NotThreadSafe,
        }
    }
}

/// The registry lock is held. The innermost lock but those of single FLBs.
pub(crate) struct Registry<'a> {
    _guard: Guard<'a, (), MutexBackend>,
}

impl Registry<'_> {
    /// Takes the lock. May sleep.
    pub(crate) fn lock() -> Self {
        // SAFETY: The mutex is a static that is initialised at compile time.
        let mutex = unsafe { Mutex::from_raw(addr_of_mut!(bindings::luo_flb_shim_registry_lock)) };
        Self {
            _guard: mutex.lock(),
        }
    }
}

/// A value that the registry lock protects.
///
/// # Invariants
///
/// A reference to the value exists only while a [`Registry`] is borrowed exclusively.
pub(crate) struct ByRegistry<T>(UnsafeCell<T>);

// SAFETY: The mutex serialises all accesses.
unsafe impl<T: Send> Sync for ByRegistry<T> {}

impl<T> ByRegistry<T> {
    /// Protects a value.
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Reads or writes the value.
    pub(crate) fn get<'a>(&'a self, _token: &'a mut Registry<'_>) -> &'a mut T {
        // SAFETY: The lock is held, and the token is borrowed exclusively, during `'a`, so nobody
        // has another reference.
        unsafe { &mut *self.0.get() }
    }
}

/// The outgoing lock of an FLB is held.
pub(crate) struct OutgoingGuard<'a> {
    flb: &'a Flb,
    _guard: Guard<'a, (), MutexBackend>,
}

impl<'a> OutgoingGuard<'a> {
    /// Takes the lock; `EDEADLK` if this task holds it already. May sleep.
    pub(crate) fn lock(flb: &'a Flb) -> Result<Self> {
        // SAFETY: The mutex is initialised and valid as long as the FLB is.
        let lock = unsafe { Mutex::from_raw(flb.outgoing_mutex()) };
        Ok(Self {
            flb,
            _guard: mutex(lock)?,
        })
    }

    /// The live object, if the FLB is preserved.
    pub(crate) fn object(&self) -> Option<Object> {
        // SAFETY: The lock is held.
        unsafe { self.flb.outgoing_object() }
    }

    /// The handle and the number of files, if files depend on the FLB.
    pub(crate) fn handover(&self) -> Option<(u64, u32)> {
        // SAFETY: The lock is held.
        unsafe { self.flb.outgoing_handover() }
    }

    /// Takes the state out and leaves [`Outgoing::Idle`](crate::state::Outgoing::Idle).
    pub(crate) fn take(&mut self) -> Outgoing {
        // SAFETY: The lock is held, and the guard borrowed exclusively.
        unsafe { self.flb.take_outgoing() }
    }

    /// Stores the state.
    pub(crate) fn set(&mut self, state: Outgoing) {
        // SAFETY: The lock is held, and the guard borrowed exclusively.
        unsafe { self.flb.set_outgoing(state) };
    }
}
