// SPDX-License-Identifier: GPL-2.0

//! What the protocols ask of the kernel's module of this name, with the atomics of loom. Each
//! ordering can be weakened, to see that the model notices.

use loom::sync::atomic::{
    AtomicU32,
    Ordering::{self, AcqRel, Acquire, Relaxed, Release},
};
use std::cell::{Cell, OnceCell};

/// What a read-modify-write of [`Count`] orders.
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
    /// Where a read-modify-write should have the first, it has the second.
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

/// Runs `f` with an ordering weakened.
pub(crate) fn weakened<T>(weak: Option<Weak>, f: impl FnOnce() -> T) -> T {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            WEAK.set(None);
        }
    }

    WEAK.set(weak);
    let _restore = Restore;
    f()
}

fn is_weak(what: Weak) -> bool {
    WEAK.get() == Some(what)
}

/// The ordering that loom is asked for.
fn ordering(order: Order) -> Ordering {
    let order = match WEAK.get() {
        Some(Weak::Change(from, to)) if from == order => to,
        _ => order,
    };
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

    /// Makes it known to loom.
    pub(crate) fn begin(&self) {
        assert!(self.atomic.set(AtomicU32::new(self.start)).is_ok());
    }

    fn atomic(&self) -> &AtomicU32 {
        self.atomic.get().expect("a number that has begun")
    }

    /// Reads it, before what follows.
    pub(crate) fn load_acquire(&self) -> u32 {
        let weak = is_weak(Weak::Load);
        self.atomic().load(if weak { Relaxed } else { Acquire })
    }

    /// Reads it.
    pub(crate) fn load(&self) -> u32 {
        self.atomic().load(Relaxed)
    }

    /// Writes it, after what came before.
    pub(crate) fn store_release(&self, value: u32) {
        let weak = is_weak(Weak::Store);
        let order = if weak { Relaxed } else { Release };
        self.atomic().store(value, order);
    }

    /// Changes `old` to `new`; if it is not `old`, says what it is, and orders nothing.
    pub(crate) fn cmpxchg(&self, old: u32, new: u32, order: Order) -> Result<(), u32> {
        self.atomic()
            .compare_exchange(old, new, ordering(order), Relaxed)
            .map(|_| ())
    }
}
