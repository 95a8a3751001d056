// SPDX-License-Identifier: GPL-2.0

//! Atomic words, by the kernel's atomics.
//!
//! The protocol is in [`refs`](crate::refs), which the host tests and the model compile with
//! atomics of their own, so this module is all that they have to stand in for.

#![forbid(unsafe_code)]

use core::ffi::c_void;
use kernel::sync::atomic::{Acquire, Atomic, Full, Relaxed, Release};

/// A number of 32 bits.
#[repr(transparent)]
pub(crate) struct Count(Atomic<u32>);

/// What a cmpxchg of a [`Count`] orders.
#[derive(Clone, Copy)]
#[allow(dead_code)] // See `Refs::put_not_last()`.
pub(crate) enum Order {
    Relaxed,
    Acquire,
    Release,
    Full,
}

impl Count {
    pub(crate) const fn new(value: u32) -> Self {
        Self(Atomic::new(value))
    }

    pub(crate) fn load(&self) -> u32 {
        self.0.load(Relaxed)
    }

    pub(crate) fn load_acquire(&self) -> u32 {
        self.0.load(Acquire)
    }

    pub(crate) fn store_release(&self, value: u32) {
        self.0.store(value, Release);
    }

    /// Change `old` to `new`; if it is not `old`, return what it is, and order nothing.
    pub(crate) fn cmpxchg(&self, old: u32, new: u32, order: Order) -> Result<(), u32> {
        let result = match order {
            Order::Relaxed => self.0.cmpxchg(old, new, Relaxed),
            Order::Acquire => self.0.cmpxchg(old, new, Acquire),
            Order::Release => self.0.cmpxchg(old, new, Release),
            Order::Full => self.0.cmpxchg(old, new, Full),
        };
        result.map(|_| ())
    }
}

/// A pointer.
#[repr(transparent)]
pub(crate) struct Pointer(Atomic<*mut c_void>);

impl Pointer {
    pub(crate) const fn null() -> Self {
        Self(Atomic::new(core::ptr::null_mut()))
    }

    pub(crate) fn load(&self) -> *mut c_void {
        self.0.load(Relaxed)
    }

    pub(crate) fn load_acquire(&self) -> *mut c_void {
        self.0.load(Acquire)
    }

    pub(crate) fn store(&self, value: *mut c_void) {
        self.0.store(value, Relaxed);
    }
}
