// SPDX-License-Identifier: GPL-2.0

//! An atomic word, by the kernel's atomics.
//!
//! The protocol is in [`refs`](crate::refs), which the host tests and the model compile with
//! atomics of their own, so this module is all that they have to stand in for.

#![forbid(unsafe_code)]

use kernel::sync::atomic::{Acquire, Atomic, Full, Relaxed, Release};

/// A number of 32 bits.
#[repr(transparent)]
pub(crate) struct Count(Atomic<u32>);

/// What a cmpxchg of a [`Count`] has to order.
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

    /// Change `old` to `new`; if it is not `old`, return what it is, and order nothing. The slow
    /// paths are few, so each orders all.
    pub(crate) fn cmpxchg(&self, old: u32, new: u32, _order: Order) -> Result<(), u32> {
        self.0.cmpxchg(old, new, Full).map(|_| ())
    }
}
