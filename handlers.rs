// SPDX-License-Identifier: GPL-2.0

//! The file handlers that take part.
//!
//! Each has a [`Record`], from when its first FLB is registered or its first file preserved. The
//! record's lock is held while callbacks run for one of its files, so its FLBs stay as they are for
//! that long, and nobody else's registration waits. Records are found without a lock: there is a
//! fixed number of them, and one whose handler is gone is used again.

#![forbid(unsafe_code)]

use crate::{
    abi::block::MAX_FILES,
    arrivals::{Arrivals, Place},
    lifecycle::Entry,
    lock::{self, Task},
    raw::{self, Handler, Ready},
    refs::Refs,
    word::Pointer,
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        lock::{mutex::MutexBackend, Guard},
        Arc, Mutex, SetOnce,
    },
};

/// The most handlers that can take part at a time.
pub(crate) const MOST_HANDLERS: usize = 64;

/// The most files of one handler that can be preserved at a time: with those of all others they are
/// as many as can be handed over.
pub(crate) const MOST_FILES: u32 = MAX_FILES / MOST_HANDLERS as u32;

/// An FLB on which the files of a handler depend.
pub(crate) struct Dependency {
    pub(crate) flb: Ready,
    /// The registration was taken back while there were files.
    pub(crate) leaving: bool,
    /// What was handed over under the name of the FLB, once that was found.
    pub(crate) entry: Option<Arc<Entry>>,
}

/// What the files of a handler depend on.
///
/// # Invariants
///
/// - While there are files the handler holds each of the `flbs` once, and otherwise none.
/// - Unless there are files, none of the `flbs` is leaving, and the handler is not either.
pub(crate) struct Dependencies {
    pub(crate) flbs: Arrivals<Dependency>,
    /// How many of the FLBs are leaving.
    pub(crate) leaving: usize,
    /// The orchestrator has forgotten the handler.
    pub(crate) forgotten: bool,
}

impl Dependencies {
    const fn new() -> Self {
        Self {
            flbs: Arrivals::new(),
            leaving: 0,
            forgotten: false,
        }
    }

    /// Adds an FLB, which none of the files holds as there are none.
    pub(crate) fn add(&mut self, flb: Ready) -> Result<Place> {
        self.flbs.push(Dependency {
            flb,
            leaving: false,
            entry: None,
        })
    }

    /// The FLB at a place stays after all; [`EEXIST`] if it was not to leave.
    pub(crate) fn readmit(&mut self, place: Place) -> Result {
        let dependency = self.flbs.get_mut(place).ok_or(ENOENT)?;
        match core::mem::take(&mut dependency.leaving) {
            true => self.leaving = self.leaving.saturating_sub(1),
            false => return Err(EEXIST),
        }
        Ok(())
    }

    /// The FLB at a place is to leave with the last file; [`ENOENT`] if it was already.
    pub(crate) fn dismiss(&mut self, place: Place) -> Result {
        let dependency = self.flbs.get_mut(place).ok_or(ENOENT)?;
        match core::mem::replace(&mut dependency.leaving, true) {
            true => return Err(ENOENT),
            false => self.leaving = self.leaving.saturating_add(1),
        }
        Ok(())
    }

    /// All are to leave, and the handler with them.
    pub(crate) fn dismiss_all(&mut self) {
        for dependency in self.flbs.iter_mut() {
            if !core::mem::replace(&mut dependency.leaving, true) {
                self.leaving = self.leaving.saturating_add(1);
            }
        }
        self.forgotten = true;
    }
}

/// The lock of a record is held.
pub(crate) type Locked<'a> = Guard<'a, Dependencies, MutexBackend>;

/// What the core knows of a file handler. In a cache line of its own, as files of different
/// handlers come and go at the same time.
#[repr(align(64))]
pub(crate) struct Record {
    /// The handler, or null if the record is free. Changes from null under the registry lock, to
    /// null under that of `deps`, and from one handler to another under both.
    handler: Pointer,
    /// The preserved files of the handler. The first and the last change under the lock of `deps`.
    pub(crate) files: Refs,
    /// Made for the first handler of the record.
    deps: SetOnce<Pin<KBox<Mutex<Dependencies>>>>,
}

impl Record {
    const fn new() -> Self {
        Self {
            handler: Pointer::null(),
            files: Refs::new(0),
            deps: SetOnce::new(),
        }
    }

    /// Makes the record that of a handler. Under the registry lock, when it is free, or under both
    /// locks, when its handler has neither FLBs nor files.
    fn claim(&self, handler: Handler) -> Result {
        if self.deps.as_ref().is_none() {
            let deps = new_mutex!(Dependencies::new(), "luo_flb_handler");
            self.deps.populate(KBox::pin_init(deps, GFP_KERNEL)?);
        }
        self.handler.store(handler.as_ptr());
        Ok(())
    }

    /// Whether the record is that of a handler.
    #[inline(always)]
    pub(crate) fn is_of(&self, handler: Handler) -> bool {
        self.id() == handler.id()
    }

    /// [`Handler::id`], or zero.
    #[inline(always)]
    pub(crate) fn id(&self) -> usize {
        self.handler.load() as usize
    }

    /// Locks the record; [`ENOENT`] if it never had a handler, `EDEADLK` from a callback of its
    /// handler.
    #[inline]
    pub(crate) fn lock(&self, task: Task) -> Result<Locked<'_>> {
        let deps = self.deps.as_ref().ok_or(ENOENT)?;
        task.lock(deps).inspect_err(complain)
    }

    /// As [`Record::lock`]; [`ENOENT`] too if the record is not that of `handler`, any more.
    #[inline]
    fn lock_for(&self, handler: Handler, task: Task) -> Result<Locked<'_>> {
        let deps = self.lock(task)?;
        // While this waited, the record may have become free.
        if self.is_of(handler) {
            Ok(deps)
        } else {
            Err(ENOENT)
        }
    }

    /// Forgets what is leaving, when there are no files, and after its registrations are.
    pub(crate) fn settle(&self, deps: &mut Dependencies) {
        // INVARIANT: Nothing is leaving any more.
        if core::mem::take(&mut deps.leaving) > 0 {
            deps.flbs.retain(|dependency| !dependency.leaving);
        }
        if core::mem::take(&mut deps.forgotten) {
            self.handler.store(core::ptr::null_mut());
        }
    }
}

/// Logs that a handler cannot be locked.
#[cold]
fn complain(error: &Error) {
    raw::report(
        b"handler",
        c"used by a callback of its own",
        error.to_errno().into(),
    );
}

/// A record for each handler that takes part.
pub(crate) struct Handlers([Record; MOST_HANDLERS]);

impl Handlers {
    pub(crate) const fn new() -> Self {
        Self([const { Record::new() }; MOST_HANDLERS])
    }

    /// The record of the handler with this [`Handler::id`].
    #[inline(never)]
    pub(crate) fn find(&self, handler: usize) -> Option<&Record> {
        self.find_in_line(handler)
    }

    /// As [`Handlers::find`], where each of 15 instructions counts.
    #[inline(always)]
    pub(crate) fn find_in_line(&self, handler: usize) -> Option<&Record> {
        self.0.iter().find(|record| record.id() == handler)
    }

    /// `EDEADLK` if this task holds the record of a handler, that is, is in a callback for one of
    /// its files. To be asked before `luo_register_rwlock` is taken, inside which others wait for
    /// the record.
    pub(crate) fn check_not_held(&self, handler: Handler) -> Result {
        match self
            .find(handler.id())
            .and_then(|record| record.deps.as_ref())
        {
            Some(deps) => Task::current().check_not_held(deps),
            None => Ok(()),
        }
    }

    /// Locks the record of a handler; [`ENOENT`] if there is none, `EDEADLK` from a callback of
    /// the handler.
    #[inline(never)]
    pub(crate) fn lock(&self, handler: Handler) -> Result<(&Record, Locked<'_>)> {
        let record = self.find(handler.id()).ok_or(ENOENT)?;
        Ok((record, record.lock_for(handler, Task::current())?))
    }

    /// Locks the record of a handler: the one that was `found` for it, or else a free one is taken.
    ///
    /// Errors: [`ENOSPC`] if no record is free; [`ENOMEM`]; `EDEADLK`; [`ENOENT`] if the handler is
    /// unregistered at the same time; or as for `check`, which is asked before a record is taken.
    #[inline]
    pub(crate) fn lock_or_add<'a>(
        &'a self,
        handler: Handler,
        found: Option<&'a Record>,
        task: Task,
        check: fn() -> Result,
    ) -> Result<(&'a Record, Locked<'a>)> {
        if let Some(record) = found {
            match record.lock_for(handler, task) {
                Err(error) if error == ENOENT => {}
                locked => return locked.map(|deps| (record, deps)),
            }
        }
        self.lock_added(handler, check)
    }

    /// As [`Handlers::lock_or_add`], if the handler seems to have no record.
    #[cold]
    fn lock_added(&self, handler: Handler, check: fn() -> Result) -> Result<(&Record, Locked<'_>)> {
        check()?;
        self.add(handler)?;
        self.lock(handler)
    }

    /// Takes a record for a handler, unless it has one: a free one, or else that of a handler
    /// without FLBs and files.
    #[cold]
    fn add(&self, handler: Handler) -> Result {
        let _token = lock::Registry::lock();
        if self.find(handler.id()).is_some() {
            return Ok(());
        }
        if let Some(free) = self.0.iter().find(|record| record.id() == 0) {
            return free.claim(handler);
        }
        for record in &self.0 {
            // Does not wait: others take these locks the other way round.
            let Some(deps) = record.deps.as_ref().and_then(|deps| deps.try_lock()) else {
                continue;
            };
            if deps.flbs.iter().next().is_none() && !record.files.is_alive() {
                return record.claim(handler);
            }
        }
        Err(ENOSPC)
    }
}
