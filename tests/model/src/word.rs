// SPDX-License-Identifier: GPL-2.0

//! Stand in for the kernel's module of this name, with the atomics of loom. Each ordering can be
//! weakened, to see that the model notices.

use loom::sync::atomic::{
    AtomicU32,
    Ordering::{self, AcqRel, Acquire, Relaxed, Release},
};
use std::cell::{Cell, OnceCell};

/// What a read-modify-write orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// An ordering that is weaker than the one that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weak {
    /// Where a read-modify-write of a [`Count`] should have the first, it has the second.
    Change(Order, Order),
    /// A store with release is relaxed.
    Store,
    /// A load with acquire is relaxed.
    Load,
}

thread_local! {
    /// What is weakened. loom runs all tasks of a model on one thread.
    static WEAK: Cell<Option<Weak>> = const { Cell::new(None) };
}

/// Run `f` with an ordering weakened.
pub(crate) fn weakened<T>(weak: Weak, f: impl FnOnce() -> T) -> T {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            WEAK.set(None);
        }
    }

    WEAK.set(Some(weak));
    let _restore = Restore;
    f()
}

/// Return the ordering that loom is asked for.
fn ordering(order: Order) -> Ordering {
    match order {
        Order::Relaxed => Relaxed,
        Order::Acquire => Acquire,
        Order::Release => Release,
        Order::Full => AcqRel,
    }
}

/// A number of 32 bits.
///
/// An atomic of loom belongs to one run of a model, so it cannot be made in a constant. It is made
/// when it is first used, which has to be before there is a second task, see [`Count::begin`].
pub(crate) struct Count {
    start: u32,
    atomic: OnceCell<AtomicU32>,
}

impl Count {
    /// A number to start with.
    pub(crate) const fn new(value: u32) -> Self {
        Self {
            start: value,
            atomic: OnceCell::new(),
        }
    }

    /// Make it known to loom.
    pub(crate) fn begin(self) -> Self {
        assert!(self.atomic.set(AtomicU32::new(self.start)).is_ok());
        self
    }

    fn atomic(&self) -> &AtomicU32 {
        self.atomic.get().expect("a number that has begun")
    }

    /// Read it, before what follows.
    pub(crate) fn load_acquire(&self) -> u32 {
        let order = match WEAK.get() {
            Some(Weak::Load) => Relaxed,
            _ => Acquire,
        };
        self.atomic().load(order)
    }

    /// Read it.
    pub(crate) fn load(&self) -> u32 {
        self.atomic().load(Relaxed)
    }

    /// Write it, after what came before.
    pub(crate) fn store_release(&self, value: u32) {
        let order = match WEAK.get() {
            Some(Weak::Store) => Relaxed,
            _ => Release,
        };
        self.atomic().store(value, order);
    }

    /// Change `old` to `new`; if it is not `old`, return what it is, and order nothing.
    pub(crate) fn cmpxchg(&self, old: u32, new: u32, order: Order) -> Result<(), u32> {
        let order = match WEAK.get() {
            Some(Weak::Change(from, to)) if from == order => to,
            _ => order,
        };
        self.atomic()
            .compare_exchange(old, new, ordering(order), Relaxed)
            .map(|_| ())
    }
}
