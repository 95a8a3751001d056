// SPDX-License-Identifier: GPL-2.0

//! Stand in for the kernel's module of this name, with the atomics of the language.

use std::sync::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// What a cmpxchg of a [`Count`] orders.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    /// Nothing.
    Relaxed,
    /// It before what follows.
    Acquire,
    /// What came before, before it.
    Release,
    /// Both.
    Full,
}

/// A number of 32 bits.
#[repr(transparent)]
pub(crate) struct Count(AtomicU32);

impl Count {
    /// A number to start with.
    pub(crate) const fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }

    /// Read it, before what follows.
    pub(crate) fn load_acquire(&self) -> u32 {
        self.0.load(Acquire)
    }

    /// Read it.
    pub(crate) fn load(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// Write it, after what came before.
    pub(crate) fn store_release(&self, value: u32) {
        self.0.store(value, Release);
    }

    /// Change `old` to `new`; if it is not `old`, return what it is, and order nothing.
    pub(crate) fn cmpxchg(&self, old: u32, new: u32, order: Order) -> Result<(), u32> {
        let order = match order {
            Order::Relaxed => Relaxed,
            Order::Acquire => Acquire,
            Order::Release => Release,
            Order::Full => AcqRel,
        };
        self.0
            .compare_exchange(old, new, order, Relaxed)
            .map(|_| ())
    }
}
