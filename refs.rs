// SPDX-License-Identifier: GPL-2.0

//! Who holds an object: one word, changed by one atomic instruction while the object is there.
//!
//! # The protocol
//!
//! An object begins and ends under a lock. A word next to it counts its holders. The lowest byte
//! counts files: outgoing, one for each handler that has files; incoming, one for all files that
//! came together (`EntryState` counts them one by one). The rest counts references of callers:
//!
//! ```text
//!            publish, under the lock                  try_get, put_not_last: no lock
//!   0: none ------------------------> > 0: held <--------------------------> > 0: held
//!      ^                                    |
//!      +------------------------------------+
//!           release of the last, under the lock
//! ```
//!
//! - [`Refs::try_get`] takes a reference only while the word is not zero. At zero the caller takes
//!   the lock, and looks again.
//! - [`Refs::put_not_last`] puts a reference only while something remains. The last one is put
//!   under the lock, by [`Refs::release`], so that the end of the object, which follows, and the
//!   beginning of the next one do not overlap.
//! - Zero is left under the lock only, and the lock is held until the object has ended. So while
//!   the word is not zero there is one object, and what describes it does not change.
//!
//! # Why the orderings suffice
//!
//! - A task that gets a reference sees the object: `publish` is a release, `try_get` an acquire.
//!   What comes between the two are read-modify-writes of the same word, which continue the release
//!   sequence, whatever their own order.
//! - No task uses the object when it ends: each `put_not_last` is a release, and the `release` that
//!   makes the word zero an acquire. All puts come before it in the modification order.
//! - A task that publishes the next object has taken the lock after it was dropped.
//! - [`Refs::hold`] changes nothing but the word, and runs under the lock: it needs no order.
//! - What a failed cmpxchg has read is used for the next attempt only.
//!
//! `tests/model` checks this on this file, `try_get` and `put_not_last` included, over all
//! interleavings and all values that the memory model allows to be read.
//!
//! The kernel runs the copies of `try_get` and `put_not_last` in `shim.c`, as in Rust each of the
//! kernel's atomics is a call, and they run for each device that comes up. The model does not see
//! the copies: change both together. The slow paths use `try_get` from here.
//!
//! A cmpxchg fails only if that of another task succeeds, so the loops are lock-free.

#![forbid(unsafe_code)]

use crate::word::{Count, Order};

/// A handler with files that depend on the object.
const HANDLER: u32 = 1;
/// All bits that count handlers.
const HANDLERS: u32 = 0xff;
/// A reference of a caller.
pub(crate) const REFERENCE: u32 = 0x100;

/// The most handlers that can hold an object. 127 times the most references of a handler is still
/// a file count that an entry can have.
pub(crate) const MAX_HANDLERS: u32 = 127;
/// The most references.
#[allow(dead_code)] // For the tests.
pub(crate) const MAX_REFERENCES: u32 = u32::MAX / REFERENCE;

/// Who holds an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Files: of one handler if outgoing; all that came and are not finished if incoming.
    Files,
    /// A caller who got the object and will put it.
    Reference,
}

/// What has become of an attempt to hold an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The holder is counted.
    Counted,
    /// There is no object.
    Zero,
    /// No more holders can be counted.
    Saturated,
}

/// What has become of an attempt to let go of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Released {
    /// Others hold the object.
    Held,
    /// It was the last holder: the object ends.
    Last,
    /// There was no such holder.
    Underflow,
}

/// The holders of the object that is described next to it.
#[repr(transparent)]
pub(crate) struct Refs(Count);

impl Refs {
    /// No handler, and so many references.
    pub(crate) const fn new(references: u32) -> Self {
        Self(Count::new(references.wrapping_mul(REFERENCE)))
    }

    /// Take a reference if the object is held. Takes no lock.
    #[inline(never)]
    pub(crate) fn try_get(&self) -> Taken {
        self.take(REFERENCE, Order::Acquire, |word| {
            word != 0 && word <= u32::MAX - REFERENCE
        })
    }

    /// Put a reference, unless it is the last holder or there is none; whether it was put. Takes no
    /// lock.
    #[allow(dead_code)] // For the tests: the core uses that of `shim.c`.
    pub(crate) fn put_not_last(&self) -> bool {
        let less = REFERENCE.wrapping_neg();
        self.add(less, Order::Release, |word| word > REFERENCE)
            .is_ok()
    }

    /// How many references there are.
    pub(crate) fn references(&self) -> u32 {
        self.0.load() / REFERENCE
    }

    /// How many handlers hold the object.
    pub(crate) fn handlers(&self) -> u32 {
        self.0.load() & HANDLERS
    }

    /// Whether the object is held, and so what describes it in place. Under the lock, or of a
    /// holder, it stays so.
    pub(crate) fn is_held(&self) -> bool {
        self.0.load_acquire() != 0
    }

    /// Publish the object, which is described, with its holders: a handler or none, and references.
    /// Under the lock, when there is none.
    pub(crate) fn publish(&self, handler: bool, references: u32) {
        let handler = u32::from(handler) * HANDLER;
        self.0
            .store_release(references.wrapping_mul(REFERENCE) | handler);
    }

    /// Count a handler if the object is held. Under the lock.
    pub(crate) fn hold(&self) -> Taken {
        self.take(HANDLER, Order::Relaxed, |word| {
            word != 0 && word & HANDLERS < MAX_HANDLERS
        })
    }

    /// Remove a holder. Under the lock.
    pub(crate) fn release(&self, holder: Holder) -> Released {
        let (one, all) = match holder {
            Holder::Files => (HANDLER, HANDLERS),
            Holder::Reference => (REFERENCE, !HANDLERS),
        };
        match self.add(one.wrapping_neg(), Order::Full, |word| word & all != 0) {
            Ok(0) => Released::Last,
            Ok(_) => Released::Held,
            Err(_) => Released::Underflow,
        }
    }

    /// Add a holder, if there is one and there may be one more.
    fn take(&self, one: u32, order: Order, may: impl Fn(u32) -> bool) -> Taken {
        match self.add(one, order, may) {
            Ok(_) => Taken::Counted,
            Err(0) => Taken::Zero,
            Err(_) => Taken::Saturated,
        }
    }

    /// Add a number to the word, modulo 2^32, if it may be, and return the sum; otherwise return
    /// the word.
    #[inline(always)]
    fn add(&self, number: u32, order: Order, may: impl Fn(u32) -> bool) -> Result<u32, u32> {
        let mut word = self.0.load();
        while may(word) {
            let sum = word.wrapping_add(number);
            match self.0.cmpxchg(word, sum, order) {
                Ok(()) => return Ok(sum),
                Err(now) => word = now,
            }
        }
        Err(word)
    }
}
