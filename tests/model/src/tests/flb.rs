// SPDX-License-Identifier: GPL-2.0

//! One direction of an FLB, as `lock.rs` has it, and its fast paths, as `shim.c` has them.

use super::shared::{Object, Place, Word};
use crate::refs::{Holder, Refs, Released, Taken};
use loom::sync::{Mutex, MutexGuard};

/// One direction of the private area of an FLB.
pub(super) struct Flb {
    lock: Mutex<()>,
    word: Word,
    place: Place,
}

/// Its lock is held.
pub(super) struct FlbGuard<'a> {
    flb: &'a Flb,
    _guard: MutexGuard<'a, ()>,
}

impl Flb {
    /// Make an FLB, before there are tasks that use it.
    pub(super) fn new() -> Self {
        Self {
            lock: Mutex::new(()),
            word: Word::new(),
            place: Place::new(None),
        }
    }

    pub(super) fn refs(&self) -> &Refs {
        self.word.refs()
    }

    /// Return the object, for those who hold it.
    pub(super) fn object(&self) -> Object {
        self.place.object()
    }

    /// Get the object without the lock, if it is held.
    pub(super) fn try_get(&self) -> Option<Object> {
        match self.refs().try_get() {
            Taken::Counted => Some(self.object()),
            Taken::Saturated => panic!("too many references"),
            Taken::Zero => None,
        }
    }

    pub(super) fn lock(&self) -> FlbGuard<'_> {
        FlbGuard {
            flb: self,
            _guard: self.lock.lock().unwrap(),
        }
    }
}

impl FlbGuard<'_> {
    /// Do as `FlbGuard::begin`, when the callback has made an object.
    pub(super) fn begin(&mut self, object: Object, holders: impl FnOnce() -> (bool, u32)) {
        let before = self.flb.place.replace(Some(object));
        assert_eq!(before, None, "an object in the place of another one");
        let (handler, references) = holders();
        self.flb.refs().publish(handler, references);
    }

    /// Do as `FlbGuard::release`: if it was the last holder, the callback is `ended` with the
    /// object; whether it was.
    pub(super) fn release(self, holder: Holder, ended: impl FnOnce(Object)) -> bool {
        match self.flb.refs().release(holder) {
            Released::Held => false,
            Released::Underflow => panic!("put, but not held"),
            Released::Last => {
                self.end(ended);
                true
            }
        }
    }

    /// End the object, which nobody holds.
    pub(super) fn end(self, ended: impl FnOnce(Object)) {
        ended(self.flb.place.replace(None).expect("an object that ends"));
    }
}
