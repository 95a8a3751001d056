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
    abi::flb_array,
    lock::{self, FlbGuard},
    raw::{
        self, deadlock, errno, Dependency, Direction, FileFinished, Flb, IncomingEntry, Object,
        Ready, Received, ENODATA,
    },
    refs::{Holder, Refs, Released, Taken},
    state::Status,
    word::Number,
};
use core::ffi::CStr;
use kernel::{page::PAGE_SIZE, prelude::*, sync::SetOnce};

/// What the previous kernel handed over.
pub(crate) struct Incoming {
    /// The physical address of the array.
    address: Number,
    /// Who needs the memory: the boot, all entries that are not finished together, and each task
    /// that uses it at the moment. Zero if nothing came, or all of it is finished.
    users: Refs,
    /// The array and the number of its entries, or why it is refused.
    array: SetOnce<Result<(Received, usize)>>,
    /// The entries that are not finished.
    unfinished: Refs,
}

/// An array that came, and stays while this exists.
struct Array<'a>(&'a Incoming);

impl Incoming {
    /// Nothing has come.
    pub(crate) const fn new() -> Self {
        Self {
            address: Number::new(0),
            users: Refs::new(0),
            array: SetOnce::new(),
            unfinished: Refs::new(0),
        }
    }

    /// Store the physical address of what came, unless that was done. Works as early as memory can
    /// be read. If there is no valid array, clients are told when they ask.
    pub(crate) fn setup(&self, address: u64) {
        // The boot is among the users; when all is finished, there is an array.
        if !self.users.is_held() && self.array.as_ref().is_none() {
            self.address.store(address);
            self.users.publish(false, 2);
        }
    }

    /// Validate what came, if something did. Clients would do so at the first need.
    pub(crate) fn validate_early(&self) {
        if let Ok(array) = self.array() {
            array.validated();
        }
    }

    /// The boot is over: `struct page`s exist everywhere, so memory can be freed.
    pub(crate) fn complete(&self) {
        self.put();
    }

    /// Whether nothing came, or all of it is finished.
    fn is_empty(&self) -> bool {
        !self.users.is_held()
            || !self.unfinished.is_held() && matches!(self.array.as_ref(), Some(Ok(_)))
    }

    /// What came, if there is something left of it. Takes no lock.
    #[inline(never)]
    fn array(&self) -> Result<Array<'_>> {
        match self.users.try_get() {
            Taken::Counted => Ok(Array(self)),
            _ => Err(errno(ENODATA)),
        }
    }

    /// The memory is needed by one user less. The last frees it.
    #[inline(never)]
    fn put(&self) {
        if put(&self.users) {
            if let Some(Ok((memory, _))) = self.array.as_ref() {
                memory.free();
            }
        }
    }

    /// Validate what came; otherwise what is wrong with it, and a number that shows it.
    fn validate(&self) -> Result<(Received, usize), (&'static CStr, u64)> {
        let address = self.address.load();
        if !flb_array::is_address(address, PAGE_SIZE as u64) {
            return Err((c"bad address", address));
        }
        let mut memory = Received::new(address).ok_or((c"no preserved memory at", address))?;
        // What is longer is no array, and would take ever longer to look through.
        if memory.len() > flb_array::MAX_PAGES * PAGE_SIZE {
            return Err((c"array too long, bytes", memory.len() as u64));
        }
        let count = memory.validate().map_err(flb_array::Error::describe)?;
        self.unfinished.publish(false, count as u32);
        if count == 0 {
            self.put();
        }
        Ok((memory, count))
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
    pub(crate) fn get(&self, flb: Flb) -> Result<Object> {
        if self.is_empty() {
            return Err(errno(ENODATA));
        }
        let array = self.array()?;
        let entry = array.entry(flb, &mut None)?;
        let flb = flb.ready()?;
        let mut guard = FlbGuard::lock(flb, Direction::Incoming).ok_or_else(deadlock)?;
        let side = flb.side(Direction::Incoming);
        match side.refs().try_get() {
            Taken::Counted => return Ok(side.object()),
            Taken::Saturated => return Err(EOVERFLOW),
            Taken::Zero => {}
        }
        let data = entry.claim().map_err(|status| match status {
            Status::Finished => errno(ENODATA),
            Status::Failed(number) => Error::from_errno(number),
            _ => EBUSY,
        })?;
        retrieve(flb, &mut guard, entry, data)?;
        Ok(side.object())
    }

    /// Put a reference from [`Incoming::get`], which may be the last: then `finish` runs, unless
    /// there are files. May sleep.
    pub(crate) fn put_object(&self, flb: Ready) {
        let array = self.array();
        match array
            .as_ref()
            .map_err(|error| *error)
            .and_then(|array| array.entry(*flb, &mut None))
        {
            Ok(entry) => self.release(flb, Holder::Reference, entry),
            Err(error) => flb.log(c"put, but not handed over", error.to_errno().into()),
        }
    }

    /// A file that depends on these FLBs is finished, in reverse order. The last runs `finish`,
    /// unless there are references, on an object that is retrieved for it if that was not done
    /// before. What was not handed over is left alone.
    pub(crate) fn finish_file(&self, flbs: &mut [Dependency]) {
        let Ok(array) = self.array() else {
            return;
        };
        for Dependency { flb, entry, .. } in flbs.iter_mut().rev() {
            let Ok(entry) = array.entry(**flb, entry) else {
                continue;
            };
            match entry.finish_file(false) {
                FileFinished::Last => self.finish_last_file(*flb, entry),
                finished => self.release_files(finished, entry),
            }
        }
    }

    /// Finish the last file of an entry that was not retrieved. Unless it is meanwhile, retrieve
    /// the object, and put it.
    #[cold]
    fn finish_last_file(&self, flb: Ready, entry: &IncomingEntry) {
        let Some(mut guard) = FlbGuard::lock(flb, Direction::Incoming) else {
            return flb.log(c"put from its own callback", 0);
        };
        let finished = entry.finish_file(true);
        let retrieved = match finished {
            FileFinished::Claimed(data) => retrieve(flb, &mut guard, entry, data).is_ok(),
            _ => false,
        };
        drop(guard);
        if retrieved {
            return self.release(flb, Holder::Reference, entry);
        }
        self.release_files(finished, entry);
    }

    /// Release the object, if the last file has held it.
    fn release_files(&self, finished: FileFinished, entry: &IncomingEntry) {
        if let FileFinished::Release(live) = finished {
            if let Ok(live) = live.ready() {
                self.release(live, Holder::Handler, entry);
            }
        }
    }

    /// Remove a holder of the object of `flb`, to which the entry belongs. The last runs `finish`.
    #[inline(never)]
    fn release(&self, flb: Ready, holder: Holder, entry: &IncomingEntry) {
        let Some(guard) = FlbGuard::lock(flb, Direction::Incoming) else {
            return flb.log(c"put from its own callback", 0);
        };
        let finished = guard.release(holder, || entry.finished());
        // With the last entry the memory is not needed any more.
        if finished && put(&self.unfinished) {
            self.put();
        }
    }
}

impl Drop for Array<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.put();
    }
}

impl Array<'_> {
    /// The entry with the name of an FLB, the index of which may be known.
    ///
    /// Errors: [`EINVAL`] if the array is refused, or the name is empty or not terminated;
    /// [`ENOENT`] if there is none.
    fn entry(&self, flb: Flb, index: &mut Option<usize>) -> Result<&IncomingEntry> {
        let array = match self.0.array.as_ref() {
            Some(array) => array,
            None => self.validated(),
        };
        let (memory, count) = array.as_ref().map_err(|error| *error)?;
        let entries = memory.entries(*count);
        if index.is_none() {
            let name = flb.name()?;
            *index = entries.iter().position(|entry| entry.is_named(&name));
        }
        index.and_then(|index| entries.get(index)).ok_or(ENOENT)
    }

    /// The array, or why it is refused.
    #[cold]
    fn validated(&self) -> &Result<(Received, usize)> {
        let _token = lock::Registry::lock();
        if self.0.array.as_ref().is_none() {
            self.0
                .array
                .populate(self.0.validate().map_err(|(what, number)| {
                    raw::log_refusal(what, number);
                    EINVAL
                }));
        }
        // It has been populated.
        self.0.array.as_ref().unwrap_or(&Err(EINVAL))
    }
}

/// Put a reference; whether it was the last.
fn put(refs: &Refs) -> bool {
    refs.release(Holder::Reference) == Released::Last
}

/// Run `retrieve` for an entry that is claimed, and count a reference to the object. After a
/// failure it may be called again, or not.
fn retrieve(flb: Ready, guard: &mut FlbGuard, entry: &IncomingEntry, data: u64) -> Result {
    let pinned = flb.pin().map_err(|error| (error, true));
    let retrieved = pinned.and_then(|module| {
        let retrieved = guard.begin(data, module, || (entry.retrieved(*flb), 1));
        retrieved.map_err(|error| (error, !raw::RETRIEVES_ONCE))
    });
    retrieved.map_err(|(error, again)| {
        if !entry.failed(error, again) {
            flb.log(c"not retrieved, so never finished", error.to_errno().into());
        }
        error
    })
}
