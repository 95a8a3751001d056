// SPDX-License-Identifier: GPL-2.0

//! What the previous kernel handed over.
//!
//! The array stays where it came. It is validated when its address is stored, or, if there is no
//! allocator yet by which KHO could tell what was preserved, at the first need. What becomes of an
//! entry is kept in its own bytes. The memory is given back when all entries are finished and the
//! kernel is up, whatever is later. An array that is refused, or of which an entry has failed, is
//! kept.
//!
//! One damaged entry refuses the array: something has written over it, so the handles next to it
//! are not to be trusted either, and devices that write to memory which was given away are worse
//! than a boot that stops.
//!
//! The object of an FLB and its holders are in the private area of the FLB, protected by its
//! `incoming.lock`. An entry is used through one FLB at a time, which has claimed it.

#![forbid(unsafe_code)]

use crate::{
    abi::name::Name,
    lock::{ByRegistry, FlbGuard, Vacant},
    raw::{
        self, deadlock, errno, Dependency, Direction, Flb, IncomingEntry, Ready, Received, ENODATA,
    },
    refs::Taken,
    state::{FileFinished, Status},
    word::Count,
};
use core::mem::replace;
use kernel::prelude::*;

/// What the previous kernel handed over.
pub(crate) struct Incoming {
    /// Not zero while something is left of it: an array that was not looked at, or is refused, or
    /// entries that are not finished. Changes under the lock.
    left: Count,
    handed_over: ByRegistry<HandedOver>,
}

struct HandedOver {
    array: Array,
    /// The boot is over: `struct page`s exist everywhere, so memory can be freed.
    booted: bool,
}

/// The array, and what has become of it.
enum Array {
    /// Nothing has come.
    None,
    /// It is at this physical address, not looked at yet.
    At(u64),
    /// It is refused.
    Refused,
    /// It is valid, and so many of its entries are not finished.
    Valid(Received, usize),
    /// It was freed.
    Freed,
}

impl Incoming {
    /// Nothing has come.
    pub(crate) const fn new() -> Self {
        Self {
            left: Count::new(0),
            handed_over: ByRegistry::new(HandedOver {
                array: Array::None,
                booted: false,
            }),
        }
    }

    /// Store the physical address of what came, unless that was done. Works as early as memory can
    /// be read. If there is no valid array, clients are told when they ask.
    pub(crate) fn setup(&self, address: u64) {
        let mut handed_over = self.handed_over.lock();
        if matches!(handed_over.array, Array::None) {
            handed_over.array = Array::At(address);
            self.left.store_release(1);
        }
    }

    /// Validate what came, if something did. Clients would do so at the first need.
    pub(crate) fn validate(&self) {
        let _ = self.entries(&mut self.handed_over.lock());
    }

    /// The boot is over.
    pub(crate) fn complete(&self) {
        let mut handed_over = self.handed_over.lock();
        handed_over.booted = true;
        self.free_finished(&mut handed_over);
    }

    /// Whether nothing came, or all of it is finished. Takes no lock.
    pub(crate) fn is_empty(&self) -> bool {
        // Who is told so sees what `finish` has done: pairs with the release below.
        self.left.load_acquire() == 0
    }

    /// If all entries are finished, free the array, unless the boot is not over.
    #[inline(never)]
    fn free_finished(&self, handed_over: &mut HandedOver) {
        if !matches!(handed_over.array, Array::Valid(_, 0)) {
            return;
        }
        self.left.store_release(0);
        if handed_over.booted {
            if let Array::Valid(array, _) = replace(&mut handed_over.array, Array::Freed) {
                array.free();
            }
        }
    }

    /// The entries that came.
    ///
    /// Errors: `ENODATA` if there are none, or all are finished; [`EINVAL`] if they are refused.
    fn entries<'a>(&self, handed_over: &'a mut HandedOver) -> Result<&'a mut [IncomingEntry]> {
        if let Array::At(address) = handed_over.array {
            self.receive(handed_over, address);
        }
        match &mut handed_over.array {
            Array::Valid(array, 1..) => Ok(array.entries()),
            Array::Refused => Err(EINVAL),
            _ => Err(errno(ENODATA)),
        }
    }

    /// Take over the array and validate it.
    #[cold]
    fn receive(&self, handed_over: &mut HandedOver, address: u64) {
        handed_over.array = match Received::new(address) {
            Ok(mut array) => {
                let count = array.entries().len();
                Array::Valid(array, count)
            }
            Err((what, number)) => {
                raw::log_refusal(what, number);
                Array::Refused
            }
        };
        self.free_finished(handed_over);
    }

    /// The entry with the name of an FLB, which is where that says, or found and noted there.
    ///
    /// Errors: as for [`Incoming::entries`]; [`ENOENT`] if there is none.
    #[inline(never)]
    fn entry<'a>(
        &self,
        handed_over: &'a mut HandedOver,
        flb: Ready,
        name: &Name,
    ) -> Result<&'a mut IncomingEntry> {
        let entries = self.entries(handed_over)?;
        let mut index = flb.entry();
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

    /// The entry that an FLB has claimed, and not finished. Errors: as for [`Incoming::entry`].
    #[inline(never)]
    fn entry_of<'a>(
        &self,
        handed_over: &'a mut HandedOver,
        flb: Ready,
    ) -> Result<&'a mut IncomingEntry> {
        let entry = self.entries(handed_over)?.get_mut(flb.entry());
        entry.filter(|entry| entry.is_of(*flb)).ok_or(ENOENT)
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
    #[inline(always)]
    pub(crate) fn get(&self, flb: Flb) -> Result {
        match self.is_empty() {
            true => Err(errno(ENODATA)),
            false => self.get_left(flb),
        }
    }

    /// Do as [`Incoming::get`], if something is left of what came.
    #[inline(never)]
    pub(crate) fn get_left(&self, flb: Flb) -> Result {
        let flb = flb.ready()?;
        let mut guard = FlbGuard::lock((flb, Direction::Incoming)).ok_or_else(deadlock)?;
        if let Some(vacant) = guard.vacant() {
            return self.retrieve(flb, vacant);
        }
        match guard.refs().try_get() {
            Taken::Counted => Ok(()),
            _ => Err(EOVERFLOW),
        }
    }

    /// Claim the entry of an FLB that is locked, run `retrieve`, and count a reference to the
    /// object. Errors: as for [`Incoming::get`].
    fn retrieve(&self, flb: Ready, vacant: Vacant<'_>) -> Result {
        let name = flb.name()?;
        let claimed = self
            .entry(&mut self.handed_over.lock(), flb, &name)?
            .claim(*flb);
        let data = claimed.map_err(|status| match status {
            Status::Finished => errno(ENODATA),
            Status::Failed(number) => Error::from_errno(number),
            _ => EBUSY,
        })?;
        let (begun, again) = match flb.pin() {
            Ok(module) => (vacant.begin(data, module), !raw::RETRIEVES_ONCE),
            Err(error) => (Err(error), true),
        };
        let mut handed_over = self.handed_over.lock();
        let entry = self.entry_of(&mut handed_over, flb)?;
        let error = match begun {
            Ok(begun) => {
                begun.publish(entry.retrieved(), 1);
                return Ok(());
            }
            Err(error) => error,
        };
        if !entry.failed(data, error, again) {
            log_failure(flb, error);
        }
        Err(error)
    }

    /// Finish a file for the entry with a name, for which there may have been an attempt to
    /// retrieve, with an error; return what follows, and the FLB that has the object.
    pub(crate) fn finish_file(
        &self,
        dependency: &Dependency,
        error: Option<Error>,
    ) -> (FileFinished, Option<Flb>) {
        let Dependency { flb, name, .. } = dependency;
        match self.entry(&mut self.handed_over.lock(), *flb, name) {
            Ok(entry) => match entry.finish_file(error) {
                // Files hold the object, so the FLB is there, until they are put.
                FileFinished::Release => (FileFinished::Release, entry.flb()),
                finished => (finished, None),
            },
            Err(_) => (FileFinished::Held, None),
        }
    }

    /// `finish` has run for the object of an FLB.
    pub(crate) fn finished(&self, flb: Ready) {
        let mut handed_over = self.handed_over.lock();
        if let Ok(entry) = self.entry_of(&mut handed_over, flb) {
            entry.finished();
            if let Array::Valid(_, unfinished) = &mut handed_over.array {
                *unfinished = unfinished.saturating_sub(1);
            }
            self.free_finished(&mut handed_over);
        }
    }
}

/// Log that an entry has failed for good.
#[cold]
pub(crate) fn log_failure(flb: Ready, error: Error) {
    flb.log(c"not retrieved, so never finished", error.to_errno().into());
}
