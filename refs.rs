// SPDX-License-Identifier: GPL-2.0

//! Who holds an object: one word, changed by one atomic instruction where the object is alive.
//!
//! # The protocol
//!
//! An object begins and ends under a lock, which is its slow path. What is held is counted in a
//! word next to it: the lowest bit stands for files, however many, the others count users:
//!
//! ```text
//!              publish, under the lock                        get, put: no lock
//!   0: dead ────────────────────────────▶ > 0: alive ◀──────────────────────────▶ > 0: alive
//!      ▲                                        │
//!      └────────────────────────────────────────┘
//!             release of the last, under the lock
//! ```
//!
//! - [`Refs::get`] takes a reference only while the word is above zero. At zero nothing is taken:
//!   the object has not begun, or its end has. The caller then takes the lock, and looks again.
//! - [`Refs::put`] gives a reference back only while something remains. The last one is given back
//!   under the lock, by [`Refs::release`], so that the end of the object, which follows, and the
//!   beginning of the next one do not overlap.
//! - Zero is left under the lock only, and the lock is held until the object has ended. So while
//!   the word is above zero there is one object, and what describes it does not change.
//!
//! # Why the orderings suffice
//!
//! - Whoever gets a reference sees the object: `publish` is a release, `get` an acquire. What comes
//!   between the two are reads-and-writes of the same word, which carry the release on, whatever
//!   their own order.
//! - Nobody uses the object when it ends: each `put` is a release, and the `release` that makes the
//!   word zero an acquire. All puts come before it in the order of the word, and reads-and-writes
//!   carry their releases on to it.
//! - Whoever publishes the next object has taken the lock after it was dropped.
//! - [`Refs::hold`] changes nothing but the word, and runs under the lock: it needs no order.
//! - What a failed attempt has read is used for the next one only, and proves nothing else.
//!
//! `tests/model` checks this on this file, over all interleavings and all values that the memory
//! model allows to be read.
//!
//! The first attempt to get or put is all that there is in line, as tasks rarely get in each
//! other's way at the very instruction. No attempt fails unless another task's succeeds, so of the
//! loops here one always ends.

#![forbid(unsafe_code)]

use crate::word::{Count, Order};

/// Files hold the object.
const FILES: u32 = 1;
/// A reference of a user.
const USER: u32 = 2;
/// Who holds an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Files that depend on it.
    Files,
    /// A caller who got the object and will put it.
    User,
}

/// What has become of an attempt to take a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is counted.
    Counted,
    /// There is no object.
    Dead,
    /// No more references can be counted.
    Full,
}

/// What has become of an attempt to give something back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Released {
    /// It is given back, and the object is held all the same.
    Held,
    /// It is given back, and was the last: the object ends.
    Last,
    /// There was nothing to give back.
    Unbalanced,
}

/// Who holds the object that is described next to it.
#[repr(transparent)]
pub(crate) struct Refs(Count);

impl Refs {
    /// With this many references of users, and none of files.
    pub(crate) const fn new(users: u32) -> Self {
        Self(Count::new(users.wrapping_mul(USER)))
    }

    /// Takes a reference if the object is alive and there is room for the number, which has 31
    /// bits. Takes no lock.
    #[inline(always)]
    pub(crate) fn get(&self) -> Taken {
        let word = self.0.load();
        let Some(more) = one_more(word) else {
            return Taken::nothing(word);
        };
        match self.0.cmpxchg(word, more, Order::Acquire) {
            Ok(()) => Taken::Counted,
            Err(_) => self.get_after_all(),
        }
    }

    /// As [`Refs::get`], when another task has got in the way.
    #[cold]
    #[inline(never)]
    fn get_after_all(&self) -> Taken {
        match self.change(Order::Acquire, one_more) {
            Ok(_) => Taken::Counted,
            Err(word) => Taken::nothing(word),
        }
    }

    /// As [`Refs::get`], if fewer than `most` are taken.
    #[inline(always)]
    pub(crate) fn get_below(&self, most: u32) -> Taken {
        let more = |word| one_more(word).filter(|_| word / USER < most);
        match self.change(Order::Acquire, more) {
            Ok(_) => Taken::Counted,
            Err(word) => Taken::nothing(word),
        }
    }

    /// Gives a reference back, unless it is the last or there is none; whether it did. Takes no
    /// lock.
    #[inline(always)]
    pub(crate) fn put(&self) -> bool {
        let word = self.0.load();
        let Some(less) = one_less(word) else {
            return false;
        };
        match self.0.cmpxchg(word, less, Order::Release) {
            Ok(()) => true,
            Err(_) => self.put_after_all(),
        }
    }

    /// As [`Refs::put`], when another task has got in the way.
    #[cold]
    #[inline(never)]
    fn put_after_all(&self) -> bool {
        self.change(Order::Release, one_less).is_ok()
    }

    /// How many references users hold.
    #[inline(always)]
    pub(crate) fn users(&self) -> u32 {
        self.0.load() / USER
    }

    /// Whether the object is alive, which under the lock says that it stays so.
    #[inline(always)]
    pub(crate) fn is_alive(&self) -> bool {
        self.0.load() != 0
    }

    /// Whether the object is alive, and so what describes it in place, for those who know that it
    /// stays.
    #[inline(always)]
    pub(crate) fn is_published(&self) -> bool {
        self.0.load_acquire() != 0
    }

    /// The object is there and described: whoever holds it can use it. Under the lock, when it is
    /// dead.
    ///
    /// Without holders it stays dead.
    pub(crate) fn publish(&self, files: bool, users: u32) {
        self.0
            .store_release(users.wrapping_mul(USER) | (u32::from(files) * FILES));
    }

    /// Files hold the object from now on, if it is alive; whether it is. Under the lock.
    pub(crate) fn hold(&self) -> bool {
        let held = |word| (word != 0).then_some(word | FILES);
        self.change(Order::Relaxed, held).is_ok()
    }

    /// Files do not hold the object any more, or a user does not hold a reference. Under the lock.
    #[inline]
    pub(crate) fn release(&self, holder: Holder) -> Released {
        let left = |word| match holder {
            Holder::Files => (word & FILES != 0).then_some(word & !FILES),
            Holder::User => u32::checked_sub(word, USER),
        };
        match self.change(Order::Full, left) {
            Ok(0) => Released::Last,
            Ok(_) => Released::Held,
            Err(_) => Released::Unbalanced,
        }
    }

    /// Changes the word to what `change` makes of it, which is returned; or returns the word of
    /// which it makes nothing.
    #[inline(always)]
    fn change(&self, order: Order, change: impl Fn(u32) -> Option<u32>) -> Result<u32, u32> {
        let mut word = self.0.load();
        loop {
            let new = change(word).ok_or(word)?;
            match self.0.cmpxchg(word, new, order) {
                Ok(()) => return Ok(new),
                Err(now) => word = now,
            }
        }
    }
}

/// The word with one reference more, if there is an object, and room for the number.
#[inline(always)]
fn one_more(word: u32) -> Option<u32> {
    let more = word.wrapping_add(USER);
    // Without an object it is one reference, without room it begins at zero again.
    (more > USER).then_some(more)
}

/// The word with one reference less, if there is one, and something remains.
#[inline(always)]
fn one_less(word: u32) -> Option<u32> {
    (word > USER).then(|| word.wrapping_sub(USER))
}

impl Taken {
    /// Why nothing was taken, when this was the word.
    fn nothing(word: u32) -> Self {
        match word {
            0 => Self::Dead,
            _ => Self::Full,
        }
    }
}
