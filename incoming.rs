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
    lock::{ByRegistry, FlbGuard, Vacant},
    raw::{
        self, deadlock, errno, Dependency, Direction, Flb, IncomingEntry, Object, Ready, Received,
        ENODATA,
    },
    refs::{Holder, Taken},
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
    fn is_empty(&self) -> bool {
        // Who is told so sees what `finish` has done: pairs with the release below.
        self.left.load_acquire() == 0
    }

    /// If all entries are finished, free the array, unless the boot is not over.
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

    /// The entry with the name of an FLB, the index of which may be known.
    ///
    /// Errors: as for [`Incoming::entries`]; [`EINVAL`] if the name is empty or not terminated;
    /// [`ENOENT`] if there is none.
    fn entry<'a>(
        &self,
        handed_over: &'a mut HandedOver,
        flb: Flb,
        index: &mut Option<usize>,
    ) -> Result<&'a mut IncomingEntry> {
        let entries = self.entries(handed_over)?;
        if index.is_none() {
            let name = flb.name()?;
            *index = entries.iter().position(|entry| entry.is_named(&name));
        }
        index.and_then(|index| entries.get_mut(index)).ok_or(ENOENT)
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
    pub(crate) fn get(&self, flb: Flb) -> Result<Object> {
        match self.is_empty() {
            true => Err(errno(ENODATA)),
            false => self.get_left(flb),
        }
    }

    /// Do as [`Incoming::get`], if something is left of what came.
    #[inline(never)]
    fn get_left(&self, flb: Flb) -> Result<Object> {
        let flb = flb.ready()?;
        let mut guard = FlbGuard::lock((flb, Direction::Incoming)).ok_or_else(deadlock)?;
        if let Some(vacant) = guard.vacant() {
            self.retrieve(flb, vacant)?;
        } else if guard.refs().try_get() != Taken::Counted {
            return Err(EOVERFLOW);
        }
        Ok(flb.side(Direction::Incoming).object())
    }

    /// Claim the entry of an FLB that is locked, run `retrieve`, and count a reference to the
    /// object. Errors: as for [`Incoming::get`].
    fn retrieve(&self, flb: Ready, vacant: Vacant<'_>) -> Result {
        let mut index = None;
        let claimed = self
            .entry(&mut self.handed_over.lock(), *flb, &mut index)?
            .claim();
        let data = claimed.map_err(|status| match status {
            Status::Finished => errno(ENODATA),
            Status::Failed(number) => Error::from_errno(number),
            _ => EBUSY,
        })?;
        let (begun, again) = match flb.pin() {
            Ok(module) => (vacant.begin(data, module), !raw::RETRIEVES_ONCE),
            Err(error) => (Err(error), true),
        };
        // What is claimed stays.
        let mut handed_over = self.handed_over.lock();
        let entry = self.entry(&mut handed_over, *flb, &mut index)?;
        let error = match begun {
            Ok(begun) => return Ok(begun.publish(entry.retrieved(*flb), 1)),
            Err(error) => error,
        };
        if !entry.failed(error, again) {
            log_failure(flb, error);
        }
        Err(error)
    }

    /// A file that depends on these FLBs is finished, in reverse order. The last runs `finish`,
    /// unless there are references, on an object that is retrieved for it if that was not done
    /// before. What was not handed over is left alone.
    pub(crate) fn finish_file(&self, flbs: &mut [Dependency]) {
        if self.is_empty() {
            return;
        }
        for dependency in flbs.iter_mut().rev() {
            if self.finish_entry(dependency, None) == FileFinished::Last {
                self.finish_last_file(dependency);
            }
        }
    }

    /// Retrieve the object for the last file, and finish that.
    #[cold]
    fn finish_last_file(&self, dependency: &mut Dependency) {
        let flb = dependency.flb;
        // Another FLB of the name may be retrieving, and fail.
        for again in [true, false] {
            let retrieved = self.get_left(*flb);
            let error = retrieved.err().filter(|error| !again || *error != EBUSY);
            match (self.finish_entry(dependency, error), retrieved) {
                (FileFinished::Last, _) => continue,
                (_, Ok(_)) => self.release(flb, Holder::Reference),
                (FileFinished::Failed, Err(error)) => log_failure(flb, error),
                _ => {}
            }
            return;
        }
    }

    /// Finish a file for an entry. Release the object, if this was the last file, for which there
    /// may have been an attempt to retrieve, with an error.
    fn finish_entry(&self, dependency: &mut Dependency, error: Option<Error>) -> FileFinished {
        let mut handed_over = self.handed_over.lock();
        let Ok(entry) = self.entry(&mut handed_over, *dependency.flb, &mut dependency.entry) else {
            return FileFinished::Held;
        };
        let (finished, live) = (entry.finish_file(error), entry.flb());
        drop(handed_over);
        if let (FileFinished::Release, Some(Ok(live))) = (finished, live.map(Flb::ready)) {
            self.release(live, Holder::Handler);
        }
        finished
    }

    /// Remove a holder of the object of an FLB: the files, or a reference from [`Incoming::get`].
    /// The last runs `finish`. May sleep.
    #[inline(never)]
    pub(crate) fn release(&self, flb: Ready, holder: Holder) {
        if let Some(_ended) = FlbGuard::release(flb, Direction::Incoming, holder) {
            self.finished(flb);
        }
    }

    /// `finish` has run for the object of an FLB.
    fn finished(&self, flb: Ready) {
        let mut handed_over = self.handed_over.lock();
        if let Ok(entry) = self.entry(&mut handed_over, *flb, &mut None) {
            entry.finished();
            if let Array::Valid(_, unfinished) = &mut handed_over.array {
                *unfinished = unfinished.saturating_sub(1);
            }
            self.free_finished(&mut handed_over);
        }
    }
}

#[cold]
fn log_failure(flb: Ready, error: Error) {
    flb.log(c"not retrieved, so never finished", error.to_errno().into());
}
