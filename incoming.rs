// SPDX-License-Identifier: GPL-2.0

//! What the previous kernel handed over.
//!
//! The array stays where it came. It is validated when its address is stored, or, if there is no
//! allocator yet by which KHO could tell what was preserved, at the first need. What becomes of an
//! entry is kept in its own bytes, not in the FLB as in C: a module that is loaded again brings an
//! FLB that is all zero. The files of an entry are counted there too; `private.incoming.count` has
//! one holder for all of them. The memory is given back when all entries are finished. An array
//! that is refused, or of which an entry has failed, is kept.
//!
//! One damaged entry refuses the array: something has written over it, so do not trust the handles
//! next to it either. The boot goes on: log it once, keep the memory, return EINVAL to each client.
//!
//! The object of an FLB and its holders are in the private area of the FLB, protected by its
//! `incoming.lock`. An entry is used through one FLB at a time, which has claimed it.

#![forbid(unsafe_code)]

use crate::{
    abi::{flb_array::Refusal, name::Name},
    lock::{ByRegistry, RegistryGuard},
    raw::{self, errno, Dependency, Direction, Flb, FlbGuard, IncomingEntry, Received, ENODATA},
    refs::Taken,
    state::{FileFinished, FINISHED, RETRIEVED, RETRIEVING},
    word::Count,
};
use core::mem::replace;
use kernel::prelude::*;

/// What the previous kernel handed over.
pub(crate) struct Incoming {
    /// One while something is left: an array that was not looked at, or is refused, or has entries
    /// that are not finished. Changes under the lock.
    left: Count,
    pub(crate) array: ByRegistry<Array>,
}

/// The array, and what has become of it.
#[repr(u8)] // With a tag of its own, so that it is told by one comparison.
pub(crate) enum Array {
    /// Nothing has come.
    None,
    /// It is at this physical address, not looked at yet.
    At(u64),
    /// It is refused.
    #[allow(dead_code)] // For debugfs.
    Refused(Refusal),
    /// All is finished, and the memory given back.
    Finished,
    /// It is valid, and so many of its entries are not finished.
    Valid(Received, usize),
}

impl Array {
    /// The entries that came, when they are received.
    ///
    /// Errors: `ENODATA` if there are none, or all are finished; [`EINVAL`] if they are refused.
    fn entries(&mut self) -> Result<&mut [IncomingEntry]> {
        match self {
            Self::Valid(array, 1..) => Ok(array.entries()),
            Self::Refused(_) => Err(EINVAL),
            _ => Err(errno(ENODATA)),
        }
    }

    /// Find the entry that has the name of `flb`. Start at the index noted in `flb`, go round once,
    /// and note where it is.
    ///
    /// Errors: as for [`Array::entries`]; [`ENOENT`] if there is none.
    #[inline(never)]
    fn find(&mut self, flb: Flb, name: &Name) -> Result<&mut IncomingEntry> {
        let entries = self.entries()?;
        let mut index = flb.entry();
        // One step more than entries: the step from the end to 0.
        let found = (0..entries.len().saturating_add(1)).any(|_| {
            let entry = entries.get(index);
            let is_it = entry.is_some_and(|entry| entry.is_named(name));
            if !is_it {
                index = entry.map_or(0, |_| index + 1);
            }
            is_it
        });
        flb.set_entry(index);
        let entry = entries.get_mut(index);
        entry.filter(|_| found).ok_or(ENOENT)
    }

    /// The entry that an FLB has claimed, and not finished. Errors: as for [`Array::find`].
    #[inline(never)]
    fn claimed(&mut self, flb: Flb) -> Result<&mut IncomingEntry> {
        let entry = self.entries()?.get_mut(flb.entry());
        entry.filter(|entry| entry.is_of(flb)).ok_or(ENOENT)
    }
}

impl Incoming {
    /// Nothing has come.
    pub(crate) const fn new() -> Self {
        Self {
            left: Count::new(0),
            array: ByRegistry::new(Array::None),
        }
    }

    /// Store the physical address of what came, unless there is something. Works as early as memory
    /// can be read. If there is no valid array, clients are told when they ask.
    pub(crate) fn setup(&self, address: u64) {
        let mut array = self.array.lock();
        if matches!(*array, Array::None) {
            *array = Array::At(address);
            self.left.store_release(1);
        }
    }

    /// What came, received: taken over and validated, now or before.
    fn received(&self) -> RegistryGuard<'_, Array> {
        let mut array = self.array.lock();
        if let Array::At(address) = *array {
            self.receive(&mut array, address);
        }
        array
    }

    #[cold]
    fn receive(&self, to: &mut Array, address: u64) {
        *to = match Received::new(address) {
            Ok(mut array) => {
                let count = array.entries().len();
                if count == 0 {
                    self.left.store_release(0);
                }
                Array::Valid(array, count)
            }
            Err(refusal) => {
                raw::log_refusal(refusal);
                Array::Refused(refusal)
            }
        };
    }

    /// Validate what came, if something did. Clients would do so at the first need.
    pub(crate) fn validate(&self) {
        drop(self.received());
    }

    /// There are initcalls: give back an array without entries, which the early ones may have
    /// received before there was a `struct page` for each page. One with entries has files, which
    /// user space finishes, so later.
    pub(crate) fn complete(&self) {
        self.free_finished(&mut self.received());
    }

    /// Whether nothing came, or all of it is finished. Takes no lock.
    pub(crate) fn is_empty(&self) -> bool {
        // Who is told so sees what `finish` has done: pairs with the release below.
        self.left.load_acquire() == 0
    }

    /// Give the array back, if all its entries are finished.
    #[inline(never)]
    fn free_finished(&self, array: &mut Array) {
        if !matches!(array, Array::Valid(_, 0)) {
            return;
        }
        self.left.store_release(0);
        if let Array::Valid(array, _) = replace(array, Array::Finished) {
            array.free();
        }
    }

    /// Count a reference to the object that was handed over; the first runs `retrieve`. If that
    /// fails, it is called again for the next caller, or its error is kept
    /// ([`raw::RETRIEVES_ONCE`]). Works before registration, and from [`Incoming::setup`] on. May
    /// sleep.
    ///
    /// Errors: `ENODATA` if nothing was handed over, or it is finished; [`ENOENT`] if this FLB was
    /// not; [`EINVAL`] if what came is refused, the name is empty or not terminated, or a callback
    /// is missing; [`EBUSY`] if another FLB of the name has claimed the entry; [`EOVERFLOW`];
    /// `EDEADLK` from its own callback; [`ENODEV`] if the owner is going away; or what `retrieve`
    /// returned.
    #[inline(never)]
    pub(crate) fn get(&self, flb: Flb) -> Result {
        let guard = FlbGuard::lock(flb, Direction::Incoming)?;
        match guard.refs().try_get() {
            Taken::Counted => Ok(()),
            Taken::Saturated => Err(EOVERFLOW),
            Taken::Zero => self.retrieve(flb, &guard),
        }
    }

    /// Claim the entry of an FLB that is locked, run `retrieve`, and count a reference to the
    /// object. Errors: as for [`Incoming::get`].
    fn retrieve(&self, flb: Flb, guard: &FlbGuard) -> Result {
        let name = flb.name()?;
        let claimed = self.received().find(flb, &name)?.claim(flb);
        let data = claimed.map_err(|status| match status {
            FINISHED => errno(ENODATA),
            RETRIEVING | RETRIEVED => EBUSY,
            failed => Error::from_errno(failed),
        })?;
        let (begun, again) = match guard.pin() {
            Ok(module) => (guard.begin(data, module, None), !raw::RETRIEVES_ONCE),
            Err(error) => (Err(error), true),
        };
        let mut array = self.array.lock();
        // Cannot fail: the entry stays RETRIEVING for this FLB, and its array stays.
        let entry = array.claimed(flb)?;
        match begun {
            Ok(()) => guard.refs().publish(entry.retrieved(), 1),
            Err(error) => {
                if !entry.failed(data, error, again) {
                    log_failure(flb, error);
                }
            }
        }
        begun
    }

    /// A file that depends on an FLB is finished, and there may have been an attempt to retrieve
    /// for it, with an error. Return what follows, and the FLB whose object files hold no more.
    pub(crate) fn file_finished(
        &self,
        Dependency { flb, name, .. }: &Dependency,
        error: Option<Error>,
    ) -> (FileFinished, Option<Flb>) {
        let mut array = self.received();
        let finished = array
            .find(*flb, name)
            .map(|entry| match entry.drop_file(error) {
                // Files hold the object, so the FLB is there, until they are put.
                FileFinished::Release => (FileFinished::Release, entry.flb()),
                finished => (finished, None),
            });
        finished.unwrap_or((FileFinished::Held, None))
    }

    /// `finish` has run for the object of an FLB.
    pub(crate) fn finished(&self, flb: Flb) {
        let mut array = self.array.lock();
        if let Ok(entry) = array.claimed(flb) {
            entry.finished();
            if let Array::Valid(_, unfinished) = &mut *array {
                *unfinished -= 1;
            }
            self.free_finished(&mut array);
        }
    }
}

/// Log that an entry has failed for good.
#[cold]
pub(crate) fn log_failure(flb: Flb, error: Error) {
    flb.log(c"not retrieved, so never finished", error.to_errno().into());
}
