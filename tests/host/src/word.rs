// SPDX-License-Identifier: GPL-2.0

//! What the protocols ask of the kernel's module of this name, with the atomics of the language.

use std::sync::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// What a read-modify-write of [`Count`] orders.
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

    /// Reads it, before what follows.
    pub(crate) fn load_acquire(&self) -> u32 {
        self.0.load(Acquire)
    }

    /// Reads it.
    pub(crate) fn load(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// Writes it, after what came before.
    pub(crate) fn store_release(&self, value: u32) {
        self.0.store(value, Release);
    }

    /// Changes `old` to `new`; if it is not `old`, says what it is, and orders nothing.
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
